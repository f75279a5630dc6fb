"""The driver's protocols: where text comes from, where it appears; and the reasons why an answer ends."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Protocol

from bot.domain import AnswerStatus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from bot.streaming.actions import Closing, Edit, Post, TextFilter


class SurfaceGone(Exception):
    """The message, its channel or the permission is gone: nothing more can be shown there."""


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
        """The rate-limit bucket that edits are counted in now; posts are counted in ``bucket_for_posts(bucket)``."""
        ...

    @property
    def lasts_until(self) -> float | None:
        """The time on the driver's clock after which nothing can be shown here; None if there is no such time."""
        ...

    @property
    def required_channel_id(self) -> int | None:
        """The id of the channel or thread where the bot's own permission to write is needed now; None for none."""
        ...

    def has_message(self, message_id: int) -> bool:
        """Tell whether the message with this id is one of the answer's."""
        ...

    def is_in(self, channel_or_guild_id: int) -> bool:
        """Tell whether the answer appears in the channel, thread or guild with this id."""
        ...

    async def post(self, action: Post) -> None:
        """Post the next page.

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
    """Holds what is known before the first delta.

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
    """The bot is restarting."""

    status: ClassVar[AnswerStatus] = AnswerStatus.RESTARTING


@dataclass(frozen=True, slots=True)
class Stalled:
    """The model sent nothing for so many seconds."""

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
    """The surface is gone or refused everything for too long; what it shows is not the whole answer."""

    status: ClassVar[AnswerStatus] = AnswerStatus.LOST
    error: Exception


EndReason = Ended | Failed | Stopped | Restarting | Stalled | OutOfTime | TooLong | Lost
"""Why an answer ended; each has the ``status`` under which it is stored."""


class TextSource(Protocol):
    """Gives the text of one answer."""

    async def begin(self) -> StreamStart:
        """Find the sources; what it raises makes the answer ``Failed``."""
        ...

    def deltas(self) -> AsyncIterator[str]:
        """Yield the text as it comes; what it raises makes the answer ``Failed``."""
        ...

    def closing(self, end_reason: EndReason) -> Closing:
        """Return the words below the text, for every end but ``Lost``."""
        ...
