"""Decides whether a question is within rate limits and budgets. Pure.

An answer reserves an estimate when it is admitted and commits what it did cost, so a budget is exceeded by no more than
the running answers cost above their estimates. Times are Unix seconds; a day is a day of UTC.
"""

from __future__ import annotations

from collections import defaultdict, deque
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from bot.text.wording import format_count

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bot.records import UsageRecord

DAY = 24 * 60 * 60
MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Rate limits and budgets; 0 is no limit.

    ``…per_minute``: questions within a minute of one person, of one guild and of everybody. ``…at_once``: answers that
    run at a time for one person and in one guild. ``…daily``: tokens a day that the model reads and writes.
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
        """Return these limits with a guild's own where those are stricter."""
        return replace(
            self,
            per_minute=_stricter_limit(self.per_minute, per_minute),
            person_daily=_stricter_limit(self.person_daily, person_daily),
            guild_daily=_stricter_limit(self.guild_daily, guild_daily),
        )


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a question is rejected, and from which Unix second on it may be asked."""

    reason: str
    retry_at: float | None = None

    @property
    def message(self) -> str:
        """The message for the asker, with the time in Discord's format."""
        return (
            self.reason if self.retry_at is None else f"{self.reason} You can ask again <t:{int(self.retry_at) + 1}:R>."
        )


@dataclass(slots=True)
class _Day:
    """The tokens of one day, spent and reserved."""

    day_number: int = -1
    total: int = 0
    people: defaultdict[int, int] = field(default_factory=lambda: defaultdict[int, int](int))
    guilds: defaultdict[int, int] = field(default_factory=lambda: defaultdict[int, int](int))

    def add(self, usage: UsageRecord, tokens: int) -> None:
        self.total += tokens
        self.people[usage.user_id] += tokens
        if usage.guild_id is not None:
            self.guilds[usage.guild_id] += tokens


class Ledger:
    """Counts what this process has admitted. ``past`` is today's usage from the records."""

    def __init__(self, past: Iterable[UsageRecord] = (), *, now: float = 0.0) -> None:
        self._day = _Day(_day_number(now))
        self._reserved: dict[str, UsageRecord] = {}
        self._recent_questions: defaultdict[tuple[str, int], deque[float]] = defaultdict(deque)
        for spent in past:
            if _day_number(spent.at) == self._day.day_number:
                self._day.add(spent, spent.tokens)

    def admit(self, usage: UsageRecord, limits: Limits) -> Rejection | None:
        """Reserve an answer's estimate; if a limit is reached, return the rejection and reserve nothing."""
        self._advance_to(usage.at)
        refusal = self._find_rejection(usage, limits)
        if refusal is None:
            for whose in _rate_limit_keys(usage):
                self._recent_questions[whose].append(usage.at)
            self._reserved[usage.answer_id] = usage
            self._day.add(usage, usage.tokens)
        return refusal

    def release(self, answer_id: str, now: float) -> None:
        """Undo an admission: nothing was asked, nothing counts."""
        usage = self._reserved.get(answer_id)
        self.commit(answer_id, 0, now)
        if usage is not None:
            for key in _rate_limit_keys(usage):
                with suppress(ValueError):
                    self._recent_questions[key].remove(usage.at)

    def synchronise(self, usage: UsageRecord, tokens: Mapping[str, int]) -> None:
        """Take over today's tokens of all processes, by "person", "guild" and "total"."""
        self._advance_to(usage.at)
        if _day_number(usage.at) != self._day.day_number:
            return
        self._day.total = tokens.get("total", self._day.total)
        self._day.people[usage.user_id] = tokens.get("person", self._day.people[usage.user_id])
        if usage.guild_id is not None:
            self._day.guilds[usage.guild_id] = tokens.get("guild", self._day.guilds[usage.guild_id])

    def find_reservation(self, answer_id: str) -> UsageRecord | None:
        """Return the reservation of an answer; None if it was not admitted."""
        return self._reserved.get(answer_id)

    def commit(self, answer_id: str, tokens: int, now: float) -> None:
        """Replace a reservation by the tokens that the answer did cost."""
        self._advance_to(now)
        spent = self._reserved.pop(answer_id, None)
        if spent is None:
            return
        # What was reserved before midnight is no longer in the day's sums.
        reserved = spent.tokens if _day_number(spent.at) == self._day.day_number else 0
        self._day.add(spent, tokens - reserved)

    def count_tokens_today(self, now: float, *, user_id: int | None = None, guild_id: int | None = None) -> int:
        """Return today's tokens, spent and reserved, of one person, one guild or everybody."""
        self._advance_to(now)
        if user_id is not None:
            return self._day.people.get(user_id, 0)
        return self._day.total if guild_id is None else self._day.guilds.get(guild_id, 0)

    def _find_rejection(self, usage: UsageRecord, limits: Limits) -> Rejection | None:
        in_guild = limits.guild_per_minute if usage.guild_id is not None else 0
        bounds = (limits.per_minute, in_guild, limits.total_per_minute)
        for whose, limit in zip(_rate_limit_keys(usage), bounds, strict=True):
            minute = self._recent_questions[whose]
            while minute and usage.at - minute[0] >= MINUTE:
                minute.popleft()
            if limit and len(minute) >= limit:
                return reject_rate(whose[0], limit, minute[-limit] + MINUTE)
        return self._check_concurrency(usage, limits) or self._check_budget(usage, limits)

    def _check_concurrency(self, usage: UsageRecord, limits: Limits) -> Rejection | None:
        own = sum(other.user_id == usage.user_id for other in self._reserved.values())
        if limits.at_once and own >= limits.at_once:
            return Rejection(
                f"{format_count(own, 'answer')} of yours {_is_or_are(own)} being written; wait for one of them."
            )
        here = sum(other.guild_id == usage.guild_id for other in self._reserved.values())
        if limits.guild_at_once and usage.guild_id is not None and here >= limits.guild_at_once:
            return Rejection(
                f"{format_count(here, 'answer')} in this server {_is_or_are(here)} being written; wait for one of them."
            )
        return None

    def _check_budget(self, usage: UsageRecord, limits: Limits) -> Rejection | None:
        guild = self._day.guilds.get(usage.guild_id, 0) if usage.guild_id is not None else 0
        for limit, used, kind in (
            (limits.person_daily, self._day.people.get(usage.user_id, 0), "person"),
            (limits.guild_daily, guild, "guild"),
            (limits.total_daily, self._day.total, "total"),
        ):
            if limit and used >= limit:
                return reject_budget(kind, usage.at)
        return None

    def _advance_to(self, now: float) -> None:
        """Begin a new day if one has begun."""
        if _day_number(now) > self._day.day_number:
            self._day = _Day(_day_number(now))
            recent = {who: times for who, times in self._recent_questions.items() if times and now - times[-1] < MINUTE}
            self._recent_questions = defaultdict(deque, recent)


def reject_rate(kind: str, limit: int, retry_at: float | None) -> Rejection:
    """Return the rejection for too many questions within a minute of a "person", a "guild" or in "total"."""
    return Rejection(f"{_RATE_MESSAGES[kind]} {format_count(limit, 'question')} a minute.", retry_at)


def reject_budget(kind: str, now: float) -> Rejection:
    """Return the rejection for a budget that is used up until the next day."""
    return Rejection(f"{_BUDGET_MESSAGES[kind]} budget for today is used up.", float((_day_number(now) + 1) * DAY))


_BUDGET_MESSAGES = {"person": "Your", "guild": "This server's", "total": "This bot's"}
_RATE_MESSAGES = {
    "person": "You may ask",
    "guild": "Everybody in this server together may ask",
    "total": "Everybody together may ask",
}


def _rate_limit_keys(usage: UsageRecord) -> tuple[tuple[str, int], ...]:
    """Return the keys under which a question is counted; direct messages have guild 0."""
    return ("person", usage.user_id), ("guild", usage.guild_id or 0), ("total", 0)


def _stricter_limit(operator_limit: int, guild_limit: int | None) -> int:
    """Return the smaller of two limits, where 0 is no limit."""
    if guild_limit is None:
        return operator_limit
    return min(guild_limit, operator_limit) if guild_limit and operator_limit else guild_limit or operator_limit


def _day_number(now: float) -> int:
    return int(now // DAY)


def _is_or_are(number: int) -> str:
    return "is" if number == 1 else "are"
