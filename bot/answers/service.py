"""Runs one question from admission to its stored record."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bot.access.admission import Admission
from bot.access.guild_settings import GuildSettings
from bot.answers.destination import OpenAnswer
from bot.answers.queue import CONCURRENT_ANSWERS, QueuedDriver
from bot.answers.session import AnswerSession
from bot.domain.log_context import log_context
from bot.errors import QuestionRefused, RecordsUnusable
from bot.records import AnswerRecord, AnswerStatus
from bot.streaming import Lost, SurfaceGone

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.answers.destination import Destination, OpenedSurface
    from bot.answers.session import Enricher
    from bot.domain import Answer, Answerer, Question
    from bot.records import Records
    from bot.streaming import Driver, EndReason

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AnswerCounts:
    """How many answers are being written, and how many wait in the queue."""

    running: int
    waiting: int


class AnswerService:
    """Answers questions, whichever way they were asked.

    Args:
        answerer: Finds the passages and the model's deltas.
        driver: Shows the text on a surface.
        records: Where finished answers are stored; an answer is shown even if they fail.
        admission: Checks budgets and limits before anything costs.
        limit: Answers that are written at the same time; the others wait in the queue.
        clock: Returns Unix seconds.
        on_end: Called with the record of every answer that has ended.
    """

    def __init__(  # noqa: PLR0913 - its collaborators, each by name
        self,
        answerer: Answerer,
        driver: Driver,
        records: Records,
        *,
        admission: Admission | None = None,
        limit: int = CONCURRENT_ANSWERS,
        clock: Callable[[], float] = time.time,
        on_end: Callable[[AnswerRecord], None] | None = None,
    ) -> None:
        self._answerer = answerer
        self._driver = QueuedDriver(driver, limit)
        self._records = records
        self._admission = admission or Admission(records)
        self._clock = clock
        self._on_end = on_end
        self._open_answers: dict[str, OpenAnswer] = {}
        self._done_events: dict[str, asyncio.Event] = {}

    async def ask(
        self,
        question: Question,
        destination: Destination,
        settings: GuildSettings | None = None,
        *,
        enrich: Enricher | None = None,
        answer: Answer | None = None,
    ) -> EndReason:
        """Answer a question at a destination, and store the answer.

        Args:
            question: What is asked, by whom and where.
            destination: Opened once the question is admitted.
            settings: The guild's, read once for this question; None where there are none, as in direct messages.
            enrich: Completes the question when its turn comes, with the conversation and files as they are by then.
            answer: An answer that is ready to be written, where one was found before.

        Returns:
            Why the answer ended.

        Raises:
            QuestionRefused: a limit, a budget or the channel does not allow it; nothing was shown.
        """
        settings = settings or GuildSettings()
        if refusal := await self._admission.admit(question, settings, channel_ids=destination.channel_ids):
            raise QuestionRefused(refusal)
        session = AnswerSession(
            self._answerer,
            question,
            enrich=enrich,
            answer=answer,
            announce=lambda status: self._driver.announce(question.answer_id, status),
            clock=self._clock,
        )
        try:
            with log_context(question.answer_id, question.guild_id):
                open_answer = OpenAnswer(_create_record(question), session)
                opened = await destination.open(open_answer)
                if opened is None:
                    return Lost(SurfaceGone("the question could not be acknowledged"))
                return await self._run(open_answer, opened)
        finally:
            await self._admission.commit(question.answer_id, session.usage)

    async def _run(self, answer: OpenAnswer, opened: OpenedSurface) -> EndReason:
        answer_id = answer.answer_id
        answer.record = replace(answer.record, channel_id=opened.channel_id)
        self._open_answers[answer_id] = answer
        done = self._done_events[answer_id] = asyncio.Event()
        await self._admission.reserve(answer_id)
        # Stored before its end, so that its buttons work should the process be killed; the answer does not wait for it.
        saving = asyncio.create_task(self._save_answer(answer.record))
        try:
            end_reason = await self._driver.run(
                answer.session,
                opened.surface,
                answer_id=answer_id,
                asker_id=answer.record.asker_id,
                channel_id=opened.channel_id,
                is_conversation=opened.is_conversation,
            )
            await saving
            ended = replace(answer.snapshot, ended_at=self._clock())
            if isinstance(end_reason, Lost):
                ended = replace(ended, status=AnswerStatus.LOST)
            await self._save_answer(ended)
            if self._on_end is not None:
                self._on_end(ended)
        finally:
            # An edited question is asked again under its id, so this may no longer be the open one.
            if self._open_answers.get(answer_id) is answer:
                del self._open_answers[answer_id], self._done_events[answer_id]
            done.set()
        _log.info(
            "Answer %s: %s",
            answer_id,
            f"lost, {end_reason.error}" if isinstance(end_reason, Lost) else type(end_reason).__name__,
            extra={"outcome": ended.status.value},
        )
        return end_reason

    def stop(self, answer_id: str, by: str) -> bool:
        """End an answer that is being written or waits, in the name of ``by``; return False if there is none."""
        return self._driver.stop(answer_id, by)

    async def recall(self, answer_id: str) -> AnswerRecord | None:
        """Return what is known of an answer, even while it is being written; None if nothing is."""
        if answer := self._open_answers.get(answer_id):
            return answer.snapshot
        try:
            return await self._records.load_answer(answer_id)
        except RecordsUnusable as error:
            _log.warning("Answer %s: loading failed: %s", answer_id, error.user_message)
            return None

    async def wait_until_done(self, answer_id: str | None = None) -> None:
        """Wait until this answer, or without an id every open answer, is shown and stored."""
        while pending := [done for key, done in self._done_events.items() if answer_id in {None, key}]:
            await asyncio.gather(*(done.wait() for done in pending))

    def is_writing(self, answer_id: str) -> bool:
        """Return whether this process is writing that answer now."""
        answer = self._open_answers.get(answer_id)
        return answer is not None and answer.session.status is AnswerStatus.WRITING

    def counts(self, asker: tuple[int, int | None] | None = None) -> AnswerCounts:
        """Count the open answers: everybody's, or those of one asker (user id, guild id)."""
        sessions = [
            answer.session
            for answer in self._open_answers.values()
            if asker is None or (answer.record.asker_id, answer.record.guild_id) == asker
        ]
        waiting = sum(not session.has_begun for session in sessions)
        return AnswerCounts(len(sessions) - waiting, waiting)

    async def _save_answer(self, record: AnswerRecord) -> None:
        try:
            await self._records.save_answer(record)
        except RecordsUnusable as error:
            _log.warning("Answer %s: storing failed: %s", record.answer_id, error.user_message)
        except Exception:  # noqa: BLE001 - the answer is shown whatever fails here
            _log.exception("Answer %s: storing failed", record.answer_id)


def _create_record(question: Question) -> AnswerRecord:
    return AnswerRecord(
        answer_id=question.answer_id,
        question=question.text,
        asker_id=question.asker_id,
        guild_id=question.guild_id,
        channel_id=question.channel_id,
        asked_at=question.asked_at,
        scope=question.scope,
        is_automatic=question.is_automatic,
        attached=question.attachment_names,
    )
