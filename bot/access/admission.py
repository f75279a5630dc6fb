"""Whether a question may be asked here and now: a guild's choices and the budgets are looked at before anything costs.

What is spent is written down before the model is asked and corrected afterwards, so that a crash makes nothing cheaper.
"""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from bot.access.budgets import DAY, Ledger, Limits, Refused
from bot.access.guild_settings import Customs, customs
from bot.errors import RecordsUnusable
from bot.records import MemoryRecords, Spending

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from bot.access.guild_settings import Json
    from bot.domain import Usage
    from bot.records import Record, Records

_log = logging.getLogger(__name__)

WRITTEN_ESTIMATE = 3_000
"""Tokens an answer is taken to cost until it is known: 1,800 of passages, the prompt, and some hundred it writes."""


class House:
    """What each guild's admins have chosen; read once, then remembered."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._known: dict[int, dict[str, Json]] = {}

    async def kept(self, guild_id: int) -> Mapping[str, Json]:
        """A guild's choices as they were written down; none where they cannot be read."""
        if guild_id not in self._known:
            try:
                self._known[guild_id] = dict(await self._records.guild_settings(guild_id))
            except RecordsUnusable as error:
                _log.warning("The settings of guild %s cannot be read: %s", guild_id, error.words)
                return {}
        return self._known[guild_id]

    async def customs(self, guild_id: int | None) -> Customs:
        """A guild's choices; direct messages have none."""
        return Customs() if guild_id is None else customs(await self.kept(guild_id))

    async def choose(self, guild_id: int, name: str, value: Json) -> None:
        """Keep a choice that was checked before; None resets it.

        Raises:
            RecordsUnusable: it cannot be written; then everything stays as it was.
        """
        kept = dict(await self.kept(guild_id))
        await self._records.set_guild_setting(guild_id, name, value)
        kept.pop(name, None)
        self._known[guild_id] = kept if value is None else {**kept, name: value}


class Admission:
    """Lets questions in. ``estimate`` is what an answer is taken to cost in tokens; ``clock`` gives Unix seconds."""

    def __init__(  # noqa: PLR0913 - what is looked at, each with its default
        self,
        records: Records | None = None,
        house: House | None = None,
        *,
        limits: Limits | None = None,
        question_characters: int = 0,
        estimate: int = 0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._records = records or MemoryRecords()
        self.house = house or House(self._records)
        self._limits = limits or Limits(per_minute=0, at_once=0)
        self._longest = question_characters
        self._estimate = estimate
        self._clock = clock
        self._ledger = Ledger(now=clock())
        self._paying: dict[str, Spending] = {}

    async def open(self) -> None:
        """Take over what the records know to be spent today."""
        now = self._clock()
        try:
            past = await self._records.spendings(now - now % DAY)
        except RecordsUnusable as error:
            _log.warning("What was spent today is not known: %s", error.words)
            past = ()
        self._ledger = Ledger(past, now=now)

    async def admit(self, record: Record, *, roles: Collection[int] = (), channels: Collection[int] = ()) -> str:
        """Let a question in and reserve what it may cost; else the words for whoever asked, and nothing is reserved.

        ``channels`` are where its answer would appear, none where the asker alone would see it.
        """
        chosen = await self.house.customs(record.guild_id)
        if channels and not chosen.is_open(channels):
            places = " ".join(f"<#{channel}>" for channel in sorted(chosen.channels))
            return f"On this server I answer in {places}; in other channels to you alone, with `/ask private:True`."
        if self._longest and len(record.question) > self._longest:
            return f"The question has {len(record.question):,} characters; {self._longest:,} are the most here."
        spending = Spending(record.key, record.asker_id, record.guild_id, self._clock(), self._estimate)
        refused = self._ledger.admit(spending, chosen.limits(self._limits, roles))
        return refused.told if isinstance(refused, Refused) else ""

    def rename(self, key: str, new_key: str) -> None:
        """What was reserved under one key is claimed under another."""
        self._ledger.rename(key, new_key)

    async def claim(self, key: str) -> None:
        """An answer begins: what it may cost is written down."""
        spending = self._ledger.claim(key)
        if spending is None:
            return
        self._paying[key] = spending
        if spending.tokens:
            await self._note(spending)

    async def settle(self, key: str, usage: Usage) -> None:
        """An answer is over, at this price."""
        self._ledger.settle(key, usage.total, self._clock())
        spending = self._paying.pop(key, None)
        if spending is not None and (spending.tokens or usage.total):
            await self._note(replace(spending, tokens=usage.total, is_settled=True))

    def spent_today(self, *, guild_id: int | None = None, user_id: int | None = None) -> int:
        """Tokens spent and reserved today: by one person, in one guild, or by everybody."""
        return self._ledger.spent_today(self._clock(), guild_id=guild_id, user_id=user_id)

    async def limits(self, guild_id: int | None, roles: Collection[int] = ()) -> Limits:
        """What a person with these roles may ask and spend."""
        return (await self.house.customs(guild_id)).limits(self._limits, roles)

    async def _note(self, spending: Spending) -> None:
        try:
            write = self._records.settle if spending.is_settled else self._records.begin_spending
            await write(spending)
        except RecordsUnusable as error:
            _log.warning("What answer %s costs is not written down: %s", spending.key, error.words)
