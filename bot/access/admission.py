"""Admits questions by guild settings, rate limits and budgets, before anything costs.

An estimate is stored before the model is asked and corrected afterwards, so that a crash makes nothing free.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from bot.access.budgets import DAY, Ledger, Limits, reject_budget, reject_rate
from bot.access.guild_settings import GuildSettings, parse_guild_settings
from bot.errors import RecordsUnusable
from bot.records import UsageLimits, UsageRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from bot.access.budgets import Rejection
    from bot.domain import Question, Usage
    from bot.records import Json, Records

_log = logging.getLogger(__name__)

ESTIMATED_TOKENS = 3_000
"""Tokens that an answer is estimated at: 1,800 of passages, the prompt, and some hundred of the answer."""

SETTINGS_TTL = 60.0
"""Seconds for which loaded guild settings are used."""
_FIRST_LOAD_TIMEOUT = 1.0
_RELOAD_TIMEOUT = 0.2
_RESERVATION_TIMEOUT = 0.2
"""Seconds that a question waits for guild settings, less if older ones are known, and for a shared reservation."""


class GuildSettingsStore:
    """Loads guild settings, each guild's at most once a minute: another process may change them.

    ``clock`` gives seconds, from any start.
    """

    def __init__(self, records: Records, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._records = records
        self._clock = clock
        self._cache: dict[int, tuple[float, GuildSettings]] = {}

    async def load(self, guild_id: int | None) -> GuildSettings:
        """Return a guild's settings; the last known ones if the records are slow or fail, else the defaults."""
        if guild_id is None:
            return GuildSettings()
        loaded_at, settings = self._cache.get(guild_id, (float("-inf"), None))
        if settings is not None and self._clock() - loaded_at < SETTINGS_TTL:
            return settings
        try:
            async with asyncio.timeout(_FIRST_LOAD_TIMEOUT if settings is None else _RELOAD_TIMEOUT):
                settings = parse_guild_settings(await self._records.load_guild_settings(guild_id))
        except (RecordsUnusable, TimeoutError) as error:
            _log.warning("Loading the settings of guild %s failed: %s", guild_id, str(error) or "timeout")
            return settings or GuildSettings()
        self._cache[guild_id] = self._clock(), settings
        return settings

    async def set(self, guild_id: int, name: str, value: Json) -> None:
        """Store a valid setting; None resets it.

        Raises:
            RecordsUnusable: it could not be stored; nothing has changed.
        """
        await self._records.save_guild_setting(guild_id, name, value)
        self._cache.pop(guild_id, None)


class Admission:
    """Admits questions within rate limits and budgets, and stores what answers cost.

    With records that several processes share, a reservation is made in them, in one transaction. If they are slow or
    fail, this process's own count decides.
    """

    def __init__(  # noqa: PLR0913 - each with its default
        self,
        records: Records,
        guild_settings: GuildSettingsStore | None = None,
        *,
        limits: Limits | None = None,
        question_characters: int = 0,
        estimate: int = 0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Create it.

        Args:
            records: store the usage.
            guild_settings: loads guild settings from ``records`` by default.
            limits: the operator's; by default none.
            question_characters: the longest question; 0 is no limit.
            estimate: tokens that each answer reserves.
            clock: returns Unix seconds.
        """
        self._records = records
        self.guild_settings = guild_settings or GuildSettingsStore(self._records)
        self._limits = limits or Limits(per_minute=0, at_once=0)
        self._max_question_characters = question_characters
        self._estimate = estimate
        self._clock = clock
        self._ledger = Ledger(now=clock())
        self._reserved: dict[str, UsageRecord] = {}

    async def open(self) -> None:
        """Load today's usage; what a crashed process had reserved counts as spent."""
        now = self._clock()
        try:
            past = await self._records.load_usage(now - now % DAY)
        except RecordsUnusable as error:
            _log.warning("Loading today's usage failed, budgets start at 0: %s", error.user_message)
            past = ()
        self._ledger = Ledger(past, now=now)

    async def admit(self, question: Question, settings: GuildSettings, *, channel_ids: Collection[int] = ()) -> str:
        """Admit a question and reserve its estimate; return why not, "" if it is admitted.

        Args:
            question: what is asked, and by whom.
            settings: the guild's.
            channel_ids: where the answer would appear, a thread's parent included; empty if only the asker sees it.
        """
        if channel_ids and not settings.allows(channel_ids):
            places = " ".join(f"<#{channel}>" for channel in sorted(settings.channels))
            return f"On this server I answer in {places}; in other channels to you alone, with `/ask private:True`."
        if self._max_question_characters and len(question.text) > self._max_question_characters:
            return (
                f"The question has {len(question.text):,} characters. "
                f"The limit here is {self._max_question_characters:,}."
            )
        limits = settings.limits_for(self._limits, question.asker_role_ids)
        usage = UsageRecord(question.answer_id, question.asker_id, question.guild_id, self._clock(), self._estimate)
        rejection = self._ledger.admit(usage, limits)
        if rejection is None and self._records.is_shared:
            try:
                rejection = await self._reserve_shared(usage, limits)
            except BaseException:  # also cancelled: nobody will commit this answer
                self._ledger.release(usage.answer_id, usage.at)
                raise
            if rejection is not None:
                self._ledger.release(usage.answer_id, usage.at)
        return "" if rejection is None else rejection.message

    async def reserve(self, answer_id: str) -> None:
        """Store the estimate of an answer that begins, so that a crash does not make it free."""
        usage = self._ledger.find_reservation(answer_id)
        if usage is None:
            return
        self._reserved[answer_id] = usage
        if usage.tokens:
            await self._save_usage(usage)

    async def commit(self, answer_id: str, usage: Usage) -> None:
        """Replace an answer's estimate by what it did cost; without usage, its reservation is released."""
        reserved = self._ledger.find_reservation(answer_id)
        has_begun = self._reserved.pop(answer_id, None) is not None
        self._ledger.commit(answer_id, usage.total, self._clock())
        if reserved is None or not (has_begun or self._records.is_shared):
            return
        if reserved.tokens or usage.total:
            await self._save_usage(replace(reserved, tokens=usage.total, is_settled=True))

    def count_tokens_today(self, *, guild_id: int | None = None, user_id: int | None = None) -> int:
        """Return today's tokens, spent and reserved, of one person, one guild or everybody."""
        return self._ledger.count_tokens_today(self._clock(), guild_id=guild_id, user_id=user_id)

    async def limits_for(self, guild_id: int | None, roles: Collection[int] = ()) -> Limits:
        """Return the limits of a person with these roles."""
        return (await self.guild_settings.load(guild_id)).limits_for(self._limits, roles)

    async def _reserve_shared(self, usage: UsageRecord, limits: Limits) -> Rejection | None:
        shared = UsageLimits(
            person_daily=limits.person_daily,
            guild_daily=limits.guild_daily,
            total_daily=limits.total_daily,
            person_per_minute=limits.per_minute,
            guild_per_minute=limits.guild_per_minute,
            total_per_minute=limits.total_per_minute,
        )
        try:
            async with asyncio.timeout(_RESERVATION_TIMEOUT):
                reservation = await self._records.reserve_usage(usage, shared)
        except (RecordsUnusable, TimeoutError) as error:
            _log.warning(
                "Reserving the budget of answer %s failed, this process's own count decides: %s",
                usage.answer_id,
                str(error) or "timeout",
            )
            return None
        if not reservation.exceeded:
            self._ledger.synchronise(usage, reservation.tokens)
            return None
        kind, _, period = reservation.exceeded.partition("_")
        if period == "daily":
            return reject_budget(kind, usage.at)
        return reject_rate(kind, getattr(shared, reservation.exceeded), reservation.retry_at)

    async def _save_usage(self, usage: UsageRecord) -> None:
        try:
            write = self._records.commit_usage if usage.is_settled else self._records.add_usage
            await write(usage)
        except RecordsUnusable as error:
            _log.warning("Saving the usage of answer %s failed: %s", usage.answer_id, error.user_message)
