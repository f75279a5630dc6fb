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
from bot.answers.session import Telling
from bot.discord_adapter import Leftovers, answer_buttons
from bot.discord_adapter.answer_buttons import Deed
from bot.discord_adapter.attachments import attached
from bot.domain import Question
from bot.errors import DocentError, RecordsUnusable
from bot.records import Fate, Record
from bot.streaming import Lost, SurfaceBusy, SurfaceGone

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence

    import discord

    from bot.access.guild_settings import Customs
    from bot.discord_adapter import Controls, Place
    from bot.domain import Answer, Answerer, Attached, Library, Scope
    from bot.records import Records
    from bot.streaming import Cause, Driver, Surface

_log = logging.getLogger(__name__)

_SEEN = 1_000

_RECENT = 24 * 3600.0
_MOST_LEFTOVERS = 50
"""What a killed process left open is looked for among the answers of so many seconds, at most so many of them."""
_TRIES = 3

CUT_OFF = "-# Interrupted. Docent was restarted: ask again."
"""What stands below an answer in whose midst the process was killed."""


class Asking:
    """Where every way of asking comes together.

    ``library`` reads the files that come with questions. ``limit`` answers run side by side, the rest wait in line.
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
        self._turns = driver
        self._records = records
        self._library = library
        self._admission = admission or Admission()
        self._clock = clock
        self._open: dict[str, _Running] = {}
        self._places: list[int] = []
        self._seen: deque[int] = deque(maxlen=_SEEN)

    def is_new(self, interaction_id: int) -> bool:
        """Whether this event comes for the first time: a resumed connection hands events out twice."""
        if interaction_id in self._seen:
            return False
        self._seen.append(interaction_id)
        return True

    async def customs(self, guild_id: int | None) -> Customs:
        """What a guild's admins have chosen."""
        return await self._admission.house.customs(guild_id)

    async def admit(self, record: Record, *, roles: Collection[int] = (), channels: Collection[int] = ()) -> str:
        """Let a question in, with room for what it may cost; else the words for whoever asked.

        ``roles`` are the asker's; ``channels`` where the answer would appear, none where the asker alone would see it.
        """
        return await self._admission.admit(record, roles=roles, channels=channels)

    async def read(self, files: Sequence[discord.Attachment]) -> tuple[Attached, ...]:
        """What the files that came with a question say.

        Raises:
            QuestionInvalid: one cannot be read, or there are too many; the words name it.
        """
        return await attached(self._library, files) if self._library and files else ()

    def rename(self, key: str, new_key: str) -> None:
        """What was let in under one key goes on under another."""
        self._admission.rename(key, new_key)

    async def foreseen(self, record: Record) -> Answer | None:
        """The answer to a question that nobody asked the bot, where the documents speak clearly of it; else nothing.

        No model has been asked yet.
        """
        try:
            answer = await self._answerer.answer(await self._question(record))
        except DocentError:
            return None
        return answer if answer.is_confident else None

    async def ask(
        self,
        record: Record,
        surface: Callable[[Controls], Surface],
        *,
        prepare: Callable[[Question], Awaitable[Question]] | None = None,
        foreseen: Answer | None = None,
        is_thread: bool = False,
    ) -> Cause:
        """Answer the question of a record that holds nothing but the question, on the surface made for its controls.

        ``prepare`` completes the question once it is its turn, with what was said before by then. ``foreseen`` is an
        answer that is ready to be told. ``is_thread``: the place is one conversation, in which a person's question
        waits for the one before it.

        The records may fail, the answer does not: then its buttons will say that nobody remembers it.
        """
        # Before anything is waited for: whoever asks in the same moment must find it counted.
        self._places.append(record.channel_id)
        try:
            return await self._ask(record, surface, prepare, foreseen, is_thread=is_thread)
        finally:
            self._places.remove(record.channel_id)

    async def _ask(
        self,
        record: Record,
        surface: Callable[[Controls], Surface],
        prepare: Callable[[Question], Awaitable[Question]] | None,
        foreseen: Answer | None,
        *,
        is_thread: bool,
    ) -> Cause:
        await self._admission.claim(record.key)
        prepared = _Prepared(self._answerer, record.scope, prepare, foreseen)
        question = await self._question(record)
        telling = Telling(prepared, question, is_automatic=record.is_automatic, clock=self._clock)
        running = self._open[record.key] = _Running(record, telling, prepared)
        # Before its end, so that its buttons know what was asked should the process be killed; it waits for nothing.
        noting = asyncio.create_task(self._remember(record))
        try:
            cause = await self._driver.run(
                telling,
                surface(running),
                key=record.key,
                asker=record.asker_id,
                place=record.channel_id,
                is_thread=is_thread,
            )
            await noting
            ended = replace(running.snapshot, ended_at=self._clock())
            await self._remember(replace(ended, fate=Fate.LOST) if isinstance(cause, Lost) else ended)
        finally:
            if self._open.get(record.key) is running:  # a question that was edited is asked again under its key
                del self._open[record.key]
            running.is_over.set()
            await self._admission.settle(record.key, telling.usage)
        _log.info(
            "Answer %s: %s", record.key, f"lost, {cause.error}" if isinstance(cause, Lost) else type(cause).__name__
        )
        return cause

    @property
    def standing(self) -> tuple[int, int]:
        """How many answers are under way, and how many wait in line."""
        return self._driver.standing

    def is_answering(self, user_id: int, guild_id: int | None) -> bool:
        """Whether a question of this person in this guild is still open: its record is yet to be written."""
        return any(
            (running.record.asker_id, running.record.guild_id) == (user_id, guild_id) for running in self._open.values()
        )

    def running_in(self, channel_id: int) -> int:
        """How many answers are under way, waiting or about to begin in one channel."""
        return self._places.count(channel_id)

    def stop(self, key: str, by: str) -> bool:
        """End an answer that is being written, in the name of ``by``; False if none is."""
        return self._driver.stop(key, by)

    def is_writing(self, key: str) -> bool:
        """Whether that answer is being written, here and now."""
        return key in self._open and self._open[key].telling.fate is Fate.WRITING

    async def over(self, key: str) -> None:
        """Wait until no answer of that key is under way."""
        while running := self._open.get(key):
            await running.is_over.wait()

    async def recall(self, key: str) -> Record | None:
        """What is known of an answer, also while it is being written; None where nothing is, or is any more."""
        if running := self._open.get(key):
            return running.snapshot
        try:
            return await self._records.recall(key)
        except RecordsUnusable as error:
            _log.warning("Answer %s cannot be recalled: %s", key, error.words)
            return None

    async def settled(self) -> None:
        """Wait until every answer that has begun is told and written down."""
        while self._open:
            await asyncio.gather(*(running.is_over.wait() for running in self._open.values()))

    async def end_leftovers(self, client: discord.Client) -> None:
        """End the messages that a killed process left half-written, with a button to ask again.

        One whose message the bot cannot find or may not edit is left to whoever presses its button for stopping.
        """
        try:
            left = await self._records.unfinished(self._clock() - _RECENT, _MOST_LEFTOVERS)
        except RecordsUnusable as error:
            _log.warning("Answers that were left half-written cannot be looked for: %s", error.words)
            return
        ended = [await self._end_leftover(record, client) for record in left if record.key not in self._open]
        if ended:
            _log.info("Half-written answers of a process that was killed: %d, ended: %d", len(ended), sum(ended))

    async def _end_leftover(self, record: Record, client: discord.Client) -> bool:
        leftovers = Leftovers(client, record.channel_id, key=record.key)
        for _ in range(_TRIES):
            try:
                return await self._end_found(record, leftovers)
            except SurfaceBusy as error:
                await asyncio.sleep(error.retry_after)
            except SurfaceGone:
                return False
            except Exception:  # noqa: BLE001 - one that fails must not keep the others open
                _log.exception("Answer %s is left half-written", record.key)
                return False
        return False

    async def _end_found(self, record: Record, leftovers: Leftovers) -> bool:
        found = await leftovers.found(answer_buttons.custom_id(Deed.STOP, record.key))
        if found is None:
            return False
        await self._turns.turn(leftovers.lane)
        current = await self._records.recall(record.key)
        if current is None or current.ended_at is not None or record.key in self._open:
            return False  # somebody has pressed its button meanwhile, or asked it anew
        ended = replace(current, fate=Fate.RESTARTING, ended_at=self._clock())
        await leftovers.end(found, CUT_OFF, answer_buttons.afterwards(ended))
        await self._remember(ended)
        return True

    async def _question(self, record: Record) -> Question:
        chosen = await self.customs(record.guild_id)
        return Question(record.question, record.key, record.scope, manner=chosen.manner)

    async def _remember(self, record: Record) -> None:
        try:
            await self._records.remember(record)
        except RecordsUnusable as error:
            _log.warning("Answer %s is not remembered: %s", record.key, error.words)
        except Exception:  # noqa: BLE001 - the answer is told whatever fails here
            _log.exception("Answer %s is not remembered", record.key)


def asked(interaction: discord.Interaction[Any], question: str, scope: Scope) -> Record:
    """A question that comes with an interaction, as a record without an answer; its key is the interaction's id."""
    return Record(
        key=str(interaction.id),
        question=question,
        asker_id=interaction.user.id,
        guild_id=interaction.guild_id,
        channel_id=interaction.channel_id or 0,
        asked_at=interaction.created_at.timestamp(),
        scope=scope,
    )


@dataclass(slots=True)
class _Prepared:
    """An answerer that completes its question first, or has its answer ready.

    ``scope`` is what the answer is drawn from: a question that follows another one may see less than its asker.
    """

    answerer: Answerer
    scope: Scope
    prepare: Callable[[Question], Awaitable[Question]] | None
    foreseen: Answer | None

    async def answer(self, question: Question) -> Answer:
        if self.foreseen is not None:
            return self.foreseen
        if self.prepare:
            question = await self.prepare(question)
        self.scope = question.scope
        return await self.answerer.answer(question)


@dataclass(slots=True)
class _Running:
    """One answer on its way, and the controls below it."""

    record: Record
    telling: Telling
    prepared: _Prepared
    message_ids: tuple[int, ...] = ()
    is_over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def snapshot(self) -> Record:
        """The record as it would be if the answer ended now."""
        return replace(
            self.record,
            scope=self.prepared.scope,
            text=self.telling.text,
            sources=tuple(self.telling.sources),
            searched_for=self.telling.searched_for,
            fate=self.telling.fate,
            usage=self.telling.usage,
            first_word_at=self.telling.first_word_at,
            message_ids=self.message_ids,
        )

    def while_writing(self) -> Sequence[dict[str, Any]]:
        """As ``Controls.while_writing``."""
        return answer_buttons.while_writing(self.record.key)

    def afterwards(self, message_ids: Sequence[int]) -> Sequence[dict[str, Any]]:
        """As ``Controls.afterwards``."""
        self.message_ids = tuple(message_ids)
        return answer_buttons.afterwards(self.snapshot)

    async def finished(self, place: Place) -> None:
        """As ``Controls.finished``."""
        self.message_ids = place.message_ids
