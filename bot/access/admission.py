"""Whether a question may be asked here and now: a guild's choices and the budgets are looked at before anything costs.

What is spent is written down before the model is asked and corrected afterwards, so that a crash makes nothing cheaper.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from bot.access.budgets import DAY, Ledger, Limits, Rejection
from bot.access.guild_settings import GuildSettings, parse_guild_settings
from bot.errors import RecordsUnusable
from bot.records import UsageRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from bot.domain import Question, Usage
    from bot.records import Json, Records

_log = logging.getLogger(__name__)

ESTIMATED_TOKENS = 3_000
"""Tokens that an answer is estimated at: 1,800 of passages, the prompt, and some hundred of the answer."""

SETTINGS_TTL = 60.0
"""Seconds for which loaded guild settings are used."""
_FIRST_LOAD_TIMEOUT = 1.0
_RELOAD_TIMEOUT = 0.2
"""Seconds that a question waits for guild settings; less if there are older ones to use."""


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
    """Lets questions in.

    ``estimate`` is what an answer is taken to cost in tokens; ``clock`` gives Unix seconds.
    """

    def __init__(  # noqa: PLR0913 - what is looked at, each with its default
        self,
        records: Records,
        guild_settings: GuildSettingsStore | None = None,
        *,
        limits: Limits | None = None,
        question_characters: int = 0,
        estimate: int = 0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._records = records
        self.guild_settings = guild_settings or GuildSettingsStore(self._records)
        self._limits = limits or Limits(per_minute=0, at_once=0)
        self._max_question_characters = question_characters
        self._estimate = estimate
        self._clock = clock
        self._ledger = Ledger(now=clock())
        self._reserved: dict[str, UsageRecord] = {}

    async def open(self) -> None:
        """Take over what the records know to be spent today."""
        now = self._clock()
        try:
            past = await self._records.load_usage(now - now % DAY)
        except RecordsUnusable as error:
            _log.warning("What was spent today is not known: %s", error.user_message)
            past = ()
        self._ledger = Ledger(past, now=now)

    def admit(self, question: Question, settings: GuildSettings, *, channel_ids: Collection[int] = ()) -> str:
        """Admit a question and reserve what it may cost; return why not, "" if it is admitted.

        Args:
            question: What is asked, and by whom.
            settings: The guild's.
            channel_ids: Where the answer would appear, a thread's parent included; empty if only the asker sees it.
        """
        if channel_ids and not settings.allows(channel_ids):
            places = " ".join(f"<#{channel}>" for channel in sorted(settings.channels))
            return f"On this server I answer in {places}; in other channels to you alone, with `/ask private:True`."
        if self._max_question_characters and len(question.text) > self._max_question_characters:
            return (
                f"The question has {len(question.text):,} characters. "
                f"The limit here is {self._max_question_characters:,}."
            )
        spending = UsageRecord(question.answer_id, question.asker_id, question.guild_id, self._clock(), self._estimate)
        refused = self._ledger.admit(spending, settings.limits_for(self._limits, question.asker_role_ids))
        return refused.message if isinstance(refused, Rejection) else ""

    async def reserve(self, answer_id: str) -> None:
        """An answer begins: what it may cost is written down."""
        spending = self._ledger.reserve(answer_id)
        if spending is None:
            return
        self._reserved[answer_id] = spending
        if spending.tokens:
            await self._save_usage(spending)

    async def commit(self, answer_id: str, usage: Usage) -> None:
        """An answer is over, at this price."""
        self._ledger.commit(answer_id, usage.total, self._clock())
        spending = self._reserved.pop(answer_id, None)
        if spending is not None and (spending.tokens or usage.total):
            await self._save_usage(replace(spending, tokens=usage.total, is_settled=True))

    def count_tokens_today(self, *, guild_id: int | None = None, user_id: int | None = None) -> int:
        """Tokens spent and reserved today: by one person, in one guild, or by everybody."""
        return self._ledger.count_tokens_today(self._clock(), guild_id=guild_id, user_id=user_id)

    async def limits_for(self, guild_id: int | None, roles: Collection[int] = ()) -> Limits:
        """What a person with these roles may ask and spend."""
        return (await self.guild_settings.load(guild_id)).limits_for(self._limits, roles)

    async def _save_usage(self, usage_record: UsageRecord) -> None:
        try:
            write = self._records.commit_usage if usage_record.is_settled else self._records.add_usage
            await write(usage_record)
        except RecordsUnusable as error:
            _log.warning("What answer %s costs is not written down: %s", usage_record.answer_id, error.user_message)
