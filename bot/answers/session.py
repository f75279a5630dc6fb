"""Runs one question from its status line to its closing note, whichever way it ends."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from typing import TYPE_CHECKING, Protocol

from bot.answers import status_lines
from bot.answers.status_lines import format_subtext
from bot.domain import AnswerStatus, Usage
from bot.errors import AnswerUnavailable, DocentError, IndexBuilding, NothingFound, StoreUnusable
from bot.streaming import Closing, Ended, Failed, StreamStart
from bot.text.citations import escape_markdown, find_allowed_urls, find_citation_links, format_footer
from bot.text.invisible import InvisibleFilter
from bot.text.reasoning import ReasoningFilter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from bot.domain import Answer, Answerer, Question, Scope, Source
    from bot.streaming import EndReason

_log = logging.getLogger(__name__)

_MAX_ERROR_LENGTH = 400  # characters of a message that names documents


class Enricher(Protocol):
    """Completes a question when its turn comes: with the conversation before it, and the files that came with it."""

    async def __call__(self, question: Question, /) -> Question:
        """Return the question with what belongs to it.

        Raises:
            QuestionInvalid: something that came with it cannot be used; the message says what.
        """
        ...


_INDEX_POLL_INTERVAL = 1.0
_REMINDER_INTERVAL = 15.0
"""Seconds after which an unchanged status line is repeated: the driver takes silence for a stalled model."""


class AnswerSession:
    """One question from its status line to its closing note; the text source that the driver runs.

    Args:
        answerer: Finds the passages and the model's deltas.
        question: What is asked.
        enrich: Completes the question when its turn comes.
        answer: An answer that is ready to be written; then neither ``answerer`` nor ``enrich`` is called.
        announce: Shows a status line while the answer has not begun.
        clock: Returns Unix seconds.
    """

    def __init__(  # noqa: PLR0913 - its collaborators, each by name
        self,
        answerer: Answerer,
        question: Question,
        *,
        enrich: Enricher | None = None,
        answer: Answer | None = None,
        announce: Callable[[str], object] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._answerer = answerer
        self._question = question
        self._enrich = enrich
        self._announce = announce
        self._clock = clock
        self._answer = answer
        self._has_begun = False
        self._received = _ReceivedText()
        self._status = AnswerStatus.WRITING

    @property
    def text(self) -> str:
        """What the model has written so far, without its reasoning."""
        return self._received.text

    @property
    def first_word_at(self) -> float | None:
        """When the first words arrived, in Unix seconds; None before that."""
        return self._received.first_word_at

    @property
    def usage(self) -> Usage:
        """The tokens read and written so far."""
        return self._answer.usage if self._answer else Usage()

    @property
    def sources(self) -> Sequence[Source]:
        """The passages of the answer; empty before it has begun."""
        return self._answer.sources if self._answer else ()

    @property
    def searched_for(self) -> str:
        """The condensed question that was searched, if it is not the question as asked."""
        return self._answer.searched_for if self._answer else ""

    @property
    def scope(self) -> Scope:
        """The collections the answer is drawn from: a follow-up may see fewer than its asker."""
        return self._question.scope

    @property
    def status(self) -> AnswerStatus:
        """How the answer ended, as far as it has been shown."""
        return self._status

    @property
    def has_begun(self) -> bool:
        """Whether its turn in the queue has come."""
        return self._has_begun

    async def begin(self) -> StreamStart:
        """Find the passages and return the status line that names them.

        Raises:
            DocentError: whatever the answerer raises; ``closing`` has the words for it.
        """
        self._has_begun = True
        if self._answer is None:
            if self._enrich is not None:
                self._question = await self._enrich(self._question)
            self._answer = await self._find_answer()
        return StreamStart(
            status=status_lines.format_reading_status(self.sources, self.searched_for),
            allowed_urls=find_allowed_urls(self.sources),
            citations=find_citation_links(self.sources),
            text_filter=ReasoningFilter(),
        )

    async def _find_answer(self) -> Answer:
        """Ask the answerer; while the documents are read for the first time, wait and say how far that is."""
        shown, shown_at = "", 0.0
        while True:
            try:
                return await self._answerer.answer(self._question)
            except IndexBuilding as error:
                if self._announce is None:
                    raise
                status = status_lines.format_first_reading(error.files_done, error.files_total)
            now = asyncio.get_running_loop().time()
            if status != shown or now - shown_at >= _REMINDER_INTERVAL:
                self._announce(status)
                shown, shown_at = status, now
            await asyncio.sleep(_INDEX_POLL_INTERVAL)

    def deltas(self) -> AsyncIterator[str]:
        """Return the answer's text as it arrives.

        Raises:
            RuntimeError: ``begin`` has not succeeded.
        """
        if self._answer is None:
            raise RuntimeError("deltas() before begin() has succeeded")
        return _RecordingStream(self._answer.deltas(), self._received, self._clock)

    def closing(self, end_reason: EndReason) -> Closing:
        """Return the closing note: below the text, or the whole message if there is no text."""
        self._status = self._status_for(end_reason)
        return Closing(note=self._format_note(end_reason), footer=format_footer(self.text, self.sources))

    def _status_for(self, end_reason: EndReason) -> AnswerStatus:
        if isinstance(end_reason, Ended) and self._answer:
            return self._answer.status
        if isinstance(end_reason, Failed) and isinstance(end_reason.error, NothingFound):
            return AnswerStatus.NOT_FOUND
        return end_reason.status

    def _format_note(self, end_reason: EndReason) -> str:
        notice = self._answer.notice if self._answer else ""
        if isinstance(end_reason, Ended):
            automatic = status_lines.AUTOMATIC_NOTE if self._question.is_automatic else ""
            return format_subtext(
                status_lines.format_finish_note(self._status), notice, *self._question.notes, automatic
            )
        if isinstance(end_reason, Failed):
            reason = self._describe_error(end_reason.error)
        else:
            reason = status_lines.format_interruption(end_reason)
        if not self.text.strip():
            return reason
        return format_subtext(status_lines.format_interrupted_note(end_reason, reason), notice, *self._question.notes)

    def _describe_error(self, error: Exception) -> str:
        if not isinstance(error, DocentError):
            return report_unexpected_error(error, self._question.answer_id)
        if isinstance(error, AnswerUnavailable | StoreUnusable):
            # The operator can correct it, and does not read the channel.
            _log.warning(
                "Answer %s: %s (%s)", self._question.answer_id, error.user_message, type(error.__cause__).__name__
            )
        # It quotes titles of documents.
        is_quoting = isinstance(error, NothingFound)
        return escape_markdown(error.user_message, _MAX_ERROR_LENGTH) if is_quoting else error.user_message


class _ReceivedText:
    """What the model has written so far, and when its first words arrived."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._reasoning_filter = ReasoningFilter()
        self.first_word_at: float | None = None

    @property
    def text(self) -> str:
        """All of it, without reasoning."""
        return "".join(self._pieces) + self._reasoning_filter.pending

    def add(self, delta: str, now: float) -> None:
        """Add a delta that arrived at this time, in Unix seconds."""
        piece = self._reasoning_filter.feed(delta)
        self._pieces.append(piece)
        if self.first_word_at is None and piece.strip():
            self.first_word_at = now


class _RecordingStream:
    """Passes deltas on, without invisible characters, and records them.

    A class, not a generator: cancelling the task that waits on it reaches the model's stream at once.
    """

    def __init__(self, deltas: AsyncIterator[str], received: _ReceivedText, clock: Callable[[], float]) -> None:
        self._deltas = deltas
        self._received = received
        self._clock = clock
        self._invisible_filter = InvisibleFilter()

    def __aiter__(self) -> _RecordingStream:
        return self

    async def __anext__(self) -> str:
        delta = self._invisible_filter.feed(await anext(self._deltas))
        self._received.add(delta, self._clock())
        return delta


def report_unexpected_error(error: BaseException, event_id: str) -> str:
    """Return a sentence for an unexpected error; the log has its traceback under the code that the sentence names."""
    reference = hashlib.sha256(event_id.encode()).hexdigest()[:6].upper()
    _log.error("Unexpected failure, reference %s", reference, exc_info=error)
    return f"An unexpected error occurred. The operator of this bot finds it in the log under {reference}."
