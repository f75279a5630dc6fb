"""What answers may cost: who asks, when, and what was spent go in; whether there is room for one more comes out. Pure.

Spent and reserved are counted alike: an answer reserves what it is likely to cost when it is let in, and is settled at
what it did cost. So a budget is exceeded by no more than the answers under way turn out dearer than they seemed.
Times are Unix seconds; a day is a day of UTC.
"""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from bot.text.wording import format_count

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bot.records import UsageRecord

DAY = 24 * 60 * 60
MINUTE = 60.0

RESERVATION_TIMEOUT = 60.0
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

    def narrow(self, *, per_minute: int | None, person_daily: int | None, guild_daily: int | None) -> Limits:
        """With a guild's own limits where it has any, none of them wider than these."""
        return replace(
            self,
            per_minute=_stricter_limit(self.per_minute, per_minute),
            person_daily=_stricter_limit(self.person_daily, person_daily),
            guild_daily=_stricter_limit(self.guild_daily, guild_daily),
        )


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why there is no room for a question now, and from which Unix second on there may be."""

    reason: str
    retry_at: float | None = None

    @property
    def message(self) -> str:
        """The words for whoever asked, with the time as Discord shows it to each reader."""
        return (
            self.reason if self.retry_at is None else f"{self.reason} You can ask again <t:{int(self.retry_at) + 1}:R>."
        )


@dataclass(slots=True)
class _Day:
    """The tokens of one day."""

    day_number: int = -1
    total: int = 0
    people: defaultdict[int, int] = field(default_factory=lambda: defaultdict[int, int](int))
    guilds: defaultdict[int, int] = field(default_factory=lambda: defaultdict[int, int](int))

    def add(self, usage_record: UsageRecord, tokens: int) -> None:
        self.total += tokens
        self.people[usage_record.user_id] += tokens
        if usage_record.guild_id is not None:
            self.guilds[usage_record.guild_id] += tokens


class Ledger:
    """What was spent today and what is reserved. ``past`` is what the records know of."""

    def __init__(self, past: Iterable[UsageRecord] = (), *, now: float = 0.0) -> None:
        self._day = _Day(_day_number(now))
        self._reserved: dict[str, UsageRecord] = {}
        self._pending: dict[str, UsageRecord] = {}
        self._recent_questions: defaultdict[tuple[str, int], deque[float]] = defaultdict(deque)
        for spent in past:
            if _day_number(spent.at) == self._day.day_number:
                self._day.add(spent, spent.tokens)

    def admit(self, usage_record: UsageRecord, limits: Limits) -> Rejection | None:
        """Reserve what an answer is likely to cost; or say why it may not begin, and reserve nothing."""
        self._advance_to(usage_record.at)
        refusal = self._find_rejection(usage_record, limits)
        if refusal is None:
            for whose in _rate_limit_keys(usage_record):
                self._recent_questions[whose].append(usage_record.at)
            self._reserved[usage_record.answer_id] = self._pending[usage_record.answer_id] = usage_record
            self._day.add(usage_record, usage_record.tokens)
        return refusal

    def reserve(self, answer_id: str) -> UsageRecord | None:
        """An answer that was let in begins; None if it was not let in."""
        self._pending.pop(answer_id, None)
        return self._reserved.get(answer_id)

    def commit(self, answer_id: str, tokens: int, now: float) -> None:
        """An answer is over, at this price."""
        self._advance_to(now)
        self._pending.pop(answer_id, None)
        spent = self._reserved.pop(answer_id, None)
        if spent is None:
            return
        # What was reserved before midnight is no longer in the day's sums.
        reserved = spent.tokens if _day_number(spent.at) == self._day.day_number else 0
        self._day.add(spent, tokens - reserved)

    def count_tokens_today(self, now: float, *, user_id: int | None = None, guild_id: int | None = None) -> int:
        """Tokens spent and reserved today: by one person, in one guild, or by everybody."""
        self._advance_to(now)
        if user_id is not None:
            return self._day.people.get(user_id, 0)
        return self._day.total if guild_id is None else self._day.guilds.get(guild_id, 0)

    def _find_rejection(self, usage_record: UsageRecord, limits: Limits) -> Rejection | None:
        in_guild = limits.guild_per_minute if usage_record.guild_id is not None else 0
        bounds = (limits.per_minute, in_guild, limits.total_per_minute)
        for whose, limit in zip(_rate_limit_keys(usage_record), bounds, strict=True):
            minute = self._recent_questions[whose]
            while minute and usage_record.at - minute[0] >= MINUTE:
                minute.popleft()
            if limit and len(minute) >= limit:
                return Rejection(
                    f"{_RATE_MESSAGES[whose[0]]} {format_count(limit, 'question')} a minute.", minute[-limit] + MINUTE
                )
        return self._check_concurrency(usage_record, limits) or self._check_budget(usage_record, limits)

    def _check_concurrency(self, usage_record: UsageRecord, limits: Limits) -> Rejection | None:
        own = sum(other.user_id == usage_record.user_id for other in self._reserved.values())
        if limits.at_once and own >= limits.at_once:
            return Rejection(
                f"{format_count(own, 'answer')} of yours {_is_or_are(own)} being written; wait for one of them."
            )
        here = sum(other.guild_id == usage_record.guild_id for other in self._reserved.values())
        if limits.guild_at_once and usage_record.guild_id is not None and here >= limits.guild_at_once:
            return Rejection(
                f"{format_count(here, 'answer')} in this server {_is_or_are(here)} being written; wait for one of them."
            )
        return None

    def _check_budget(self, usage_record: UsageRecord, limits: Limits) -> Rejection | None:
        guild = self._day.guilds.get(usage_record.guild_id, 0) if usage_record.guild_id is not None else 0
        for limit, used, whose in (
            (limits.person_daily, self._day.people.get(usage_record.user_id, 0), "Your"),
            (limits.guild_daily, guild, "This server's"),
            (limits.total_daily, self._day.total, "This bot's"),
        ):
            if limit and used >= limit:
                return Rejection(f"{whose} budget for today is used up.", float((self._day.day_number + 1) * DAY))
        return None

    def _advance_to(self, now: float) -> None:
        """Begin a new day, and give back what was reserved for answers that never began."""
        if _day_number(now) > self._day.day_number:
            self._day = _Day(_day_number(now))
            recent = {who: times for who, times in self._recent_questions.items() if times and now - times[-1] < MINUTE}
            self._recent_questions = defaultdict(deque, recent)
        for spent in [spent for spent in self._pending.values() if now - spent.at > RESERVATION_TIMEOUT]:
            del self._pending[spent.answer_id], self._reserved[spent.answer_id]
            if _day_number(spent.at) == self._day.day_number:
                self._day.add(spent, -spent.tokens)


_RATE_MESSAGES = {
    "person": "You may ask",
    "guild": "Everybody in this server together may ask",
    "total": "Everybody together may ask",
}


def _rate_limit_keys(usage_record: UsageRecord) -> tuple[tuple[str, int], ...]:
    """Whose questions of a minute one question counts among. Direct messages are nobody's guild: 0."""
    return ("person", usage_record.user_id), ("guild", usage_record.guild_id or 0), ("total", 0)


def _stricter_limit(operator_limit: int, guild_limit: int | None) -> int:
    """The smaller of two limits, of which 0 is none."""
    if guild_limit is None:
        return operator_limit
    return min(guild_limit, operator_limit) if guild_limit and operator_limit else guild_limit or operator_limit


def _day_number(now: float) -> int:
    return int(now // DAY)


def _is_or_are(number: int) -> str:
    return "is" if number == 1 else "are"
