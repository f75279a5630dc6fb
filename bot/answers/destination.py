"""Protocol between the answer service and the places where an answer can appear."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection

    from bot.answers.session import AnswerSession
    from bot.records import AnswerRecord
    from bot.streaming import Surface


@dataclass(slots=True)
class OpenAnswer:
    """An answer that is being written, as the buttons below it need it.

    ``message_ids`` are the pages that show it, in order; its surface keeps them up to date.
    """

    record: AnswerRecord
    session: AnswerSession
    message_ids: tuple[int, ...] = ()

    @property
    def answer_id(self) -> str:
        """The id of the interaction or message that asked."""
        return self.record.answer_id

    @property
    def snapshot(self) -> AnswerRecord:
        """The record as it would be stored if the answer ended now."""
        return replace(
            self.record,
            scope=self.session.scope,
            text=self.session.text,
            sources=tuple(self.session.sources),
            searched_for=self.session.searched_for,
            status=self.session.status,
            usage=self.session.usage,
            first_word_at=self.session.first_word_at,
            message_ids=self.message_ids,
        )


@dataclass(frozen=True, slots=True)
class OpenedSurface:
    """A surface that is ready for the first page.

    ``channel_id`` is the channel or thread that shows the answer. In a conversation (a thread, a direct message) a
    person's question waits until their previous one is answered.
    """

    surface: Surface
    channel_id: int
    is_conversation: bool = False


class Destination(Protocol):
    """The place where an answer is to appear. Nothing is shown there before ``open``."""

    @property
    def channel_ids(self) -> Collection[int]:
        """The channel that will show the answer and a thread's parent; empty if only the asker will see it."""
        ...

    async def open(self, answer: OpenAnswer) -> OpenedSurface | None:
        """Acknowledge the question and return the surface; None if nothing can be shown.

        Raises:
            QuestionRefused: the answer cannot appear there; the message says why.
        """
        ...
