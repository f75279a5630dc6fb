"""What answers may cost: who asks, when, and what was spent go in; whether there is room for one more comes out. Pure.

Spent and reserved are counted alike: an answer reserves what it is likely to cost when it is let in, and is settled at
what it did cost. So a budget is exceeded by no more than the answers under way turn out dearer than they seemed.
Times are Unix seconds; a day is a day of UTC.
"""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bot.records import Spending

DAY = 24 * 60 * 60
MINUTE = 60.0

UNCLAIMED_FOR = 60.0
"""Seconds after which a reservation that no answer has claimed is given back: its asker was never acknowledged."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be asked and spent; 0 is no limit. Tokens are a model's, those it reads and those it writes.

    Questions within a minute and tokens a day: one person's, one guild's, and everybody's together. ``at_once`` and
    ``guild_at_once``: answers under way at a time, of one person and in one guild.
    """

    per_minute: int = 10
    guild_per_minute: int = 0
    total_per_minute: int = 0
    at_once: int = 3
    guild_at_once: int = 0
    person_daily: int = 0
    guild_daily: int = 0
    total_daily: int = 0

    def narrowed(self, *, per_minute: int | None, person_daily: int | None, guild_daily: int | None) -> Limits:
        """With a guild's own limits where it has any, none of them wider than these."""
        return replace(
            self,
            per_minute=_narrower(self.per_minute, per_minute),
            person_daily=_narrower(self.person_daily, person_daily),
            guild_daily=_narrower(self.guild_daily, guild_daily),
        )


@dataclass(frozen=True, slots=True)
class Refused:
    """Why there is no room for a question now, and from which Unix second on there may be."""

    words: str
    opens_at: float | None = None

    @property
    def told(self) -> str:
        """The words for whoever asked, with the time as Discord shows it to each reader."""
        return (
            self.words if self.opens_at is None else f"{self.words} You can ask again <t:{int(self.opens_at) + 1}:R>."
        )


@dataclass(slots=True)
class _Day:
    """The tokens of one day."""

    number: int = -1
    total: int = 0
    people: defaultdict[int, int] = field(default_factory=lambda: defaultdict[int, int](int))
    guilds: defaultdict[int, int] = field(default_factory=lambda: defaultdict[int, int](int))

    def add(self, spent: Spending, tokens: int) -> None:
        self.total += tokens
        self.people[spent.user_id] += tokens
        if spent.guild_id is not None:
            self.guilds[spent.guild_id] += tokens


class Ledger:
    """What was spent today and what is reserved. ``past`` is what the records know of."""

    def __init__(self, past: Iterable[Spending] = (), *, now: float = 0.0) -> None:
        self._day = _Day(_number(now))
        self._running: dict[str, Spending] = {}
        self._unclaimed: dict[str, Spending] = {}
        self._asked: defaultdict[tuple[str, int], deque[float]] = defaultdict(deque)
        for spent in past:
            if _number(spent.at) == self._day.number:
                self._day.add(spent, spent.tokens)

    def admit(self, spent: Spending, limits: Limits) -> Refused | None:
        """Reserve what an answer is likely to cost; or say why it may not begin, and reserve nothing."""
        self._turn_to(spent.at)
        refusal = self._refusal(spent, limits)
        if refusal is None:
            for whose in _counted_for(spent):
                self._asked[whose].append(spent.at)
            self._running[spent.key] = self._unclaimed[spent.key] = spent
            self._day.add(spent, spent.tokens)
        return refusal

    def rename(self, key: str, new_key: str) -> None:
        """What was reserved under one key is claimed under another."""
        if spending := self._unclaimed.pop(key, None):
            del self._running[key]
            self._running[new_key] = self._unclaimed[new_key] = replace(spending, key=new_key)

    def claim(self, key: str) -> Spending | None:
        """An answer that was let in begins; None if it was not let in."""
        self._unclaimed.pop(key, None)
        return self._running.get(key)

    def settle(self, key: str, tokens: int, now: float) -> None:
        """An answer is over, at this price."""
        self._turn_to(now)
        self._unclaimed.pop(key, None)
        spent = self._running.pop(key, None)
        if spent is None:
            return
        # What was reserved before midnight is no longer in the day's sums.
        reserved = spent.tokens if _number(spent.at) == self._day.number else 0
        self._day.add(spent, tokens - reserved)

    def spent_today(self, now: float, *, user_id: int | None = None, guild_id: int | None = None) -> int:
        """Tokens spent and reserved today: by one person, in one guild, or by everybody."""
        self._turn_to(now)
        if user_id is not None:
            return self._day.people.get(user_id, 0)
        return self._day.total if guild_id is None else self._day.guilds.get(guild_id, 0)

    def _refusal(self, spent: Spending, limits: Limits) -> Refused | None:
        in_guild = limits.guild_per_minute if spent.guild_id is not None else 0
        bounds = (limits.per_minute, in_guild, limits.total_per_minute)
        for whose, limit in zip(_counted_for(spent), bounds, strict=True):
            minute = self._asked[whose]
            while minute and spent.at - minute[0] >= MINUTE:
                minute.popleft()
            if limit and len(minute) >= limit:
                return Refused(
                    f"{_TOO_FAST[whose[0]]} {_counted(limit, 'question')} a minute.", minute[-limit] + MINUTE
                )
        return self._too_many_at_once(spent, limits) or self._over_budget(spent, limits)

    def _too_many_at_once(self, spent: Spending, limits: Limits) -> Refused | None:
        own = sum(other.user_id == spent.user_id for other in self._running.values())
        if limits.at_once and own >= limits.at_once:
            return Refused(f"{_counted(own, 'answer')} of yours {_are(own)} being written; wait for one of them.")
        here = sum(other.guild_id == spent.guild_id for other in self._running.values())
        if limits.guild_at_once and spent.guild_id is not None and here >= limits.guild_at_once:
            return Refused(
                f"{_counted(here, 'answer')} in this server {_are(here)} being written; wait for one of them."
            )
        return None

    def _over_budget(self, spent: Spending, limits: Limits) -> Refused | None:
        guild = self._day.guilds.get(spent.guild_id, 0) if spent.guild_id is not None else 0
        for limit, used, whose in (
            (limits.person_daily, self._day.people.get(spent.user_id, 0), "Your"),
            (limits.guild_daily, guild, "This server's"),
            (limits.total_daily, self._day.total, "This bot's"),
        ):
            if limit and used >= limit:
                return Refused(f"{whose} budget for today is used up.", float((self._day.number + 1) * DAY))
        return None

    def _turn_to(self, now: float) -> None:
        """Begin a new day, and give back what was reserved for answers that never began."""
        if _number(now) > self._day.number:
            self._day = _Day(_number(now))
            recent = {who: times for who, times in self._asked.items() if times and now - times[-1] < MINUTE}
            self._asked = defaultdict(deque, recent)
        for spent in [spent for spent in self._unclaimed.values() if now - spent.at > UNCLAIMED_FOR]:
            del self._unclaimed[spent.key], self._running[spent.key]
            if _number(spent.at) == self._day.number:
                self._day.add(spent, -spent.tokens)


_TOO_FAST = {
    "person": "You may ask",
    "guild": "Everybody in this server together may ask",
    "total": "Everybody together may ask",
}


def _counted_for(spent: Spending) -> tuple[tuple[str, int], ...]:
    """Whose questions of a minute one question counts among. Direct messages are nobody's guild: 0."""
    return ("person", spent.user_id), ("guild", spent.guild_id or 0), ("total", 0)


def _narrower(general: int, own: int | None) -> int:
    """The smaller of two limits, of which 0 is none."""
    if own is None:
        return general
    return min(own, general) if own and general else own or general


def _number(now: float) -> int:
    return int(now // DAY)


def _are(number: int) -> str:
    return "is" if number == 1 else "are"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
