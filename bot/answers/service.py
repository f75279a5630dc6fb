"""A question is asked: its answer is told on a surface, has its buttons, and is remembered whatever its end was."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from bot.access.admission import Admission
from bot.answers.queue import CONCURRENT_ANSWERS, QueuedDriver
from bot.answers.session import AnswerSession
from bot.discord_adapter import UnfinishedMessages, answer_buttons
from bot.discord_adapter.answer_buttons import ButtonAction
from bot.discord_adapter.attachments import read_attachments
from bot.domain import Question
from bot.errors import DocentError, RecordsUnusable
from bot.records import AnswerRecord, AnswerStatus
from bot.streaming import Lost, SurfaceBusy, SurfaceGone

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence

    import discord

    from bot.access.guild_settings import GuildSettings
    from bot.discord_adapter import Components, MessageLocation
    from bot.domain import Answer, Answerer, Attachment, Library, Scope
    from bot.records import Records
    from bot.streaming import Driver, EndReason, Surface

_log = logging.getLogger(__name__)

_MAX_SEEN_EVENTS = 1_000

_UNFINISHED_MAX_AGE = 24 * 3600.0
_MAX_UNFINISHED = 50
"""What a killed process left open is looked for among the answers of so many seconds, at most so many of them."""
_MAX_TRIES = 3

INTERRUPTED_NOTE = "-# Interrupted. Docent was restarted: ask again."
"""What stands below an answer in whose midst the process was killed."""


class AnswerService:
    """Where every way of asking comes together.

    ``library`` reads the files that come with questions. ``limit`` answers run side by side, the rest wait in
    line.
    ``admission`` says whether a question may be asked at all. ``clock`` gives Unix seconds.
    """

    def __init__(  # noqa: PLR0913 - what it joins, each by name
        self,
        answerer: Answerer,
        driver: Driver,
        records: Records,
        *,
        library: Library | None = None,
        limit: int = CONCURRENT_ANSWERS,
        admission: Admission | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._answerer = answerer
        self._driver = QueuedDriver(driver, limit)
        self._inner_driver = driver
        self._records = records
        self._library = library
        self._admission = admission or Admission()
        self._clock = clock
        self._running: dict[str, _RunningAnswer] = {}
        self._busy_channel_ids: list[int] = []
        self._seen_event_ids: deque[int] = deque(maxlen=_MAX_SEEN_EVENTS)

    def is_new_event(self, event_id: int) -> bool:
        """Whether this event comes for the first time: a resumed connection hands events out twice."""
        if event_id in self._seen_event_ids:
            return False
        self._seen_event_ids.append(event_id)
        return True

    async def load_guild_settings(self, guild_id: int | None) -> GuildSettings:
        """What a guild's admins have chosen."""
        return await self._admission.guild_settings.load(guild_id)

    async def admit(self, record: AnswerRecord, *, roles: Collection[int] = (), channels: Collection[int] = ()) -> str:
        """Let a question in, with room for what it may cost; else the words for whoever asked.

        ``roles`` are the asker's; ``channels`` where the answer would appear, none where the asker alone would see it.
        """
        return await self._admission.admit(record, roles=roles, channels=channels)

    async def read_attachments(self, files: Sequence[discord.Attachment]) -> tuple[Attachment, ...]:
        """What the files that came with a question say.

        Raises:
            QuestionInvalid: one cannot be read, or there are too many; the words name it.
        """
        return await read_attachments(self._library, files) if self._library and files else ()

    def rename(self, answer_id: str, new_answer_id: str) -> None:
        """What was let in under one key goes on under another."""
        self._admission.rename(answer_id, new_answer_id)

    async def find_automatic_answer(self, record: AnswerRecord) -> Answer | None:
        """The answer to a question that nobody asked the bot, where the documents speak clearly of it; else nothing.

        No model has been asked yet.
        """
        try:
            answer = await self._answerer.answer(await self._build_question(record))
        except DocentError:
            return None
        return answer if answer.is_confident else None

    async def ask(
        self,
        record: AnswerRecord,
        make_surface: Callable[[Components], Surface],
        *,
        enrich: Callable[[Question], Awaitable[Question]] | None = None,
        automatic_answer: Answer | None = None,
        is_thread: bool = False,
    ) -> EndReason:
        """Answer the question of a record that holds nothing but the question, on the surface made for its controls.

        ``enrich`` completes the question once it is its turn, with what was said before by then. ``automatic_answer``
        is an
        answer that is ready to be told. ``is_thread``: the place is one conversation, in which a person's question
        waits for the one before it.

        The records may fail, the answer does not: then its buttons will say that nobody remembers it.
        """
        # Before anything is waited for: whoever asks in the same moment must find it counted.
        self._busy_channel_ids.append(record.channel_id)
        try:
            return await self._ask(record, make_surface, enrich, automatic_answer, is_thread=is_thread)
        finally:
            self._busy_channel_ids.remove(record.channel_id)

    async def _ask(
        self,
        record: AnswerRecord,
        make_surface: Callable[[Components], Surface],
        enrich: Callable[[Question], Awaitable[Question]] | None,
        automatic_answer: Answer | None,
        *,
        is_thread: bool,
    ) -> EndReason:
        await self._admission.reserve(record.answer_id)
        prepared = _EnrichingAnswerer(self._answerer, record.scope, enrich, automatic_answer)
        question = await self._build_question(record)
        telling = AnswerSession(prepared, question, is_automatic=record.is_automatic, clock=self._clock)
        running = self._running[record.answer_id] = _RunningAnswer(record, telling, prepared)
        # Before its end, so that its buttons know what was asked should the process be killed; it waits for nothing.
        noting = asyncio.create_task(self._save_answer(record))
        try:
            cause = await self._driver.run(
                telling,
                make_surface(running),
                answer_id=record.answer_id,
                asker_id=record.asker_id,
                channel_id=record.channel_id,
                is_thread=is_thread,
            )
            await noting
            ended = replace(running.snapshot, ended_at=self._clock())
            await self._save_answer(replace(ended, status=AnswerStatus.LOST) if isinstance(cause, Lost) else ended)
        finally:
            if (
                self._running.get(record.answer_id) is running
            ):  # a question that was edited is asked again under its key
                del self._running[record.answer_id]
            running.is_over.set()
            await self._admission.commit(record.answer_id, telling.usage)
        _log.info(
            "Answer %s: %s",
            record.answer_id,
            f"lost, {cause.error}" if isinstance(cause, Lost) else type(cause).__name__,
        )
        return cause

    @property
    def counts(self) -> tuple[int, int]:
        """How many answers are under way, and how many wait in line."""
        return self._driver.counts

    def is_answering(self, user_id: int, guild_id: int | None) -> bool:
        """Whether a question of this person in this guild is still open: its record is yet to be written."""
        return any(
            (running.record.asker_id, running.record.guild_id) == (user_id, guild_id)
            for running in self._running.values()
        )

    def count_running_in(self, channel_id: int) -> int:
        """How many answers are under way, waiting or about to begin in one channel."""
        return self._busy_channel_ids.count(channel_id)

    def stop(self, answer_id: str, by: str) -> bool:
        """End an answer that is being written, in the name of ``by``; False if none is."""
        return self._driver.stop(answer_id, by)

    def is_writing(self, answer_id: str) -> bool:
        """Whether that answer is being written, here and now."""
        return answer_id in self._running and self._running[answer_id].session.status is AnswerStatus.WRITING

    async def wait_until_done(self, answer_id: str) -> None:
        """Wait until no answer of that key is under way."""
        while running := self._running.get(answer_id):
            await running.is_over.wait()

    async def recall(self, answer_id: str) -> AnswerRecord | None:
        """What is known of an answer, also while it is being written; None where nothing is, or is any more."""
        if running := self._running.get(answer_id):
            return running.snapshot
        try:
            return await self._records.load_answer(answer_id)
        except RecordsUnusable as error:
            _log.warning("Answer %s cannot be recalled: %s", answer_id, error.user_message)
            return None

    async def wait_until_all_done(self) -> None:
        """Wait until every answer that has begun is told and written down."""
        while self._running:
            await asyncio.gather(*(running.is_over.wait() for running in self._running.values()))

    async def finish_interrupted(self, client: discord.Client) -> None:
        """End the messages that a killed process left half-written, with a button to ask again.

        One whose message the bot cannot find or may not edit is left to whoever presses its button for stopping.
        """
        try:
            left = await self._records.unfinished_answers(self._clock() - _UNFINISHED_MAX_AGE, _MAX_UNFINISHED)
        except RecordsUnusable as error:
            _log.warning("Answers that were left half-written cannot be looked for: %s", error.user_message)
            return
        ended = [
            await self._finish_interrupted_answer(record, client)
            for record in left
            if record.answer_id not in self._running
        ]
        if ended:
            _log.info("Half-written answers of a process that was killed: %d, ended: %d", len(ended), sum(ended))

    async def _finish_interrupted_answer(self, record: AnswerRecord, client: discord.Client) -> bool:
        leftovers = UnfinishedMessages(client, record.channel_id, answer_id=record.answer_id)
        for _ in range(_MAX_TRIES):
            try:
                return await self._finish_unfinished_message(record, leftovers)
            except SurfaceBusy as error:
                await asyncio.sleep(error.retry_after)
            except SurfaceGone:
                return False
            except Exception:  # noqa: BLE001 - one that fails must not keep the others open
                _log.exception("Answer %s is left half-written", record.answer_id)
                return False
        return False

    async def _finish_unfinished_message(self, record: AnswerRecord, unfinished_messages: UnfinishedMessages) -> bool:
        found = await unfinished_messages.find(answer_buttons.format_custom_id(ButtonAction.STOP, record.answer_id))
        if found is None:
            return False
        await self._inner_driver.wait_for_edit_slot(unfinished_messages.bucket)
        current = await self._records.load_answer(record.answer_id)
        if current is None or current.ended_at is not None or record.answer_id in self._running:
            return False  # somebody has pressed its button meanwhile, or asked it anew
        ended = replace(current, status=AnswerStatus.RESTARTING, ended_at=self._clock())
        await unfinished_messages.finish(found, INTERRUPTED_NOTE, answer_buttons.build_final_buttons(ended))
        await self._save_answer(ended)
        return True

    async def _build_question(self, record: AnswerRecord) -> Question:
        chosen = await self.load_guild_settings(record.guild_id)
        return Question(record.question, record.answer_id, record.scope, style=chosen.style)

    async def _save_answer(self, record: AnswerRecord) -> None:
        try:
            await self._records.save_answer(record)
        except RecordsUnusable as error:
            _log.warning("Answer %s is not remembered: %s", record.answer_id, error.user_message)
        except Exception:  # noqa: BLE001 - the answer is told whatever fails here
            _log.exception("Answer %s is not remembered", record.answer_id)


def record_from_interaction(interaction: discord.Interaction[Any], question: str, scope: Scope) -> AnswerRecord:
    """A question that comes with an interaction, as a record without an answer; its key is the interaction's id."""
    return AnswerRecord(
        answer_id=str(interaction.id),
        question=question,
        asker_id=interaction.user.id,
        guild_id=interaction.guild_id,
        channel_id=interaction.channel_id or 0,
        asked_at=interaction.created_at.timestamp(),
        scope=scope,
    )


@dataclass(slots=True)
class _EnrichingAnswerer:
    """An answerer that completes its question first, or has its answer ready.

    ``scope`` is what the answer is drawn from: a question that follows another one may see less than its asker.
    """

    answerer: Answerer
    scope: Scope
    enrich: Callable[[Question], Awaitable[Question]] | None
    automatic_answer: Answer | None

    async def answer(self, question: Question) -> Answer:
        if self.automatic_answer is not None:
            return self.automatic_answer
        if self.enrich:
            question = await self.enrich(question)
        self.scope = question.scope
        return await self.answerer.answer(question)


@dataclass(slots=True)
class _RunningAnswer:
    """One answer on its way, and the controls below it."""

    record: AnswerRecord
    session: AnswerSession
    answerer: _EnrichingAnswerer
    message_ids: tuple[int, ...] = ()
    is_over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def snapshot(self) -> AnswerRecord:
        """The record as it would be if the answer ended now."""
        return replace(
            self.record,
            scope=self.answerer.scope,
            text=self.session.text,
            sources=tuple(self.session.sources),
            searched_for=self.session.searched_for,
            status=self.session.status,
            usage=self.session.usage,
            first_word_at=self.session.first_word_at,
            message_ids=self.message_ids,
        )

    def streaming(self) -> Sequence[dict[str, Any]]:
        """As ``Components.streaming``."""
        return answer_buttons.build_streaming_buttons(self.record.answer_id)

    def final(self, message_ids: Sequence[int]) -> Sequence[dict[str, Any]]:
        """As ``Components.final``."""
        self.message_ids = tuple(message_ids)
        return answer_buttons.build_final_buttons(self.snapshot)

    async def on_complete(self, location: MessageLocation) -> None:
        """As ``Components.on_complete``."""
        self.message_ids = location.message_ids
