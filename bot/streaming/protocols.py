"""The driver's two doors: an answer is told at one and appears at the other; and why it may end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Protocol

from bot.domain import AnswerStatus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from bot.streaming.actions import Closing, Edit, Post, TextFilter


class SurfaceGone(Exception):
    """The message, its channel or the permission is gone: nothing more can appear there."""


class SurfaceBusy(Exception):
    """The action did not happen and may be tried again after ``retry_after`` seconds: 429, 5xx, a reset."""

    def __init__(self, retry_after: float = 0.0) -> None:
        super().__init__(f"try again after {retry_after:.1f} s")
        self.retry_after = retry_after


class FileRefused(Exception):
    """The action did not happen because of the file it carried; without one it may."""


class Surface(Protocol):
    """Where an answer appears."""

    @property
    def bucket(self) -> str:
        """The rate-limit budget its edits are counted in, now; posts are counted in ``posting(lane)``."""
        ...

    @property
    def lasts_until(self) -> float | None:
        """The time, on the driver's clock, after which nothing can appear here any more; None if there is none."""
        ...

    @property
    def required_channel_id(self) -> int | None:
        """The channel or thread, by its id, in which the bot's own right to write is needed now; None without need."""
        ...

    def has_message(self, message_id: int) -> bool:
        """Whether this message, by its id, is one of the answer's."""
        ...

    def is_in(self, channel_or_guild_id: int) -> bool:
        """Whether the answer appears in this channel, thread or guild, by its id."""
        ...

    async def post(self, action: Post) -> None:
        """Put the next page below the others.

        Raises:
            SurfaceGone, SurfaceBusy, FileRefused
        """
        ...

    async def edit(self, action: Edit) -> None:
        """Change a page.

        Raises:
            SurfaceGone, SurfaceBusy, FileRefused
        """
        ...


@dataclass(frozen=True, slots=True)
class StreamStart:
    """What is known before the first delta.

    ``allowed_urls`` stay live in the text; ``citations`` has for each source's number the URL its citation leads to,
    empty if there is none; ``text_filter`` changes the text before anything else does.
    """

    status: str
    allowed_urls: frozenset[str] = frozenset()
    citations: Mapping[int, str] = field(default_factory=dict[int, str])
    text_filter: TextFilter | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """The model came to its end."""

    status: ClassVar[AnswerStatus] = AnswerStatus.COMPLETE


@dataclass(frozen=True, slots=True)
class Failed:
    """Retrieval or the model failed."""

    status: ClassVar[AnswerStatus] = AnswerStatus.FAILED
    error: Exception


@dataclass(frozen=True, slots=True)
class Stopped:
    """Somebody asked to stop."""

    status: ClassVar[AnswerStatus] = AnswerStatus.STOPPED
    by: str


@dataclass(frozen=True, slots=True)
class Restarting:
    """The bot is going down."""

    status: ClassVar[AnswerStatus] = AnswerStatus.RESTARTING


@dataclass(frozen=True, slots=True)
class Stalled:
    """The model said nothing for so many seconds."""

    status: ClassVar[AnswerStatus] = AnswerStatus.STALLED
    seconds: float


@dataclass(frozen=True, slots=True)
class OutOfTime:
    """The answer took longer than so many seconds in all."""

    status: ClassVar[AnswerStatus] = AnswerStatus.OUT_OF_TIME
    seconds: float


@dataclass(frozen=True, slots=True)
class TooLong:
    """The answer reached the most characters that one may have."""

    status: ClassVar[AnswerStatus] = AnswerStatus.CUT_AT_LENGTH

    characters: int


@dataclass(frozen=True, slots=True)
class Lost:
    """The surface is gone, or took nothing for too long; what is shown there is not the whole answer."""

    status: ClassVar[AnswerStatus] = AnswerStatus.LOST
    error: Exception


EndReason = Ended | Failed | Stopped | Restarting | Stalled | OutOfTime | TooLong | Lost
"""Why an answer ended; each has the ``status`` under which it is stored."""


class TextSource(Protocol):
    """What is driven: one question told to its end."""

    async def begin(self) -> StreamStart:
        """Find what the answer rests on; may raise, which is ``Failed``."""
        ...

    def deltas(self) -> AsyncIterator[str]:
        """The text as it comes; may raise, which is ``Failed``."""
        ...

    def closing(self, end_reason: EndReason) -> Closing:
        """The words below the text, for every end but ``Lost``."""
        ...
