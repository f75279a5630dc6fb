"""Several answers stand before one gate, and each window of time lets a few edits through: who goes next, and when?

A lane is one rate-limit budget as Discord counts it: a fixed window that opens with its first request, allows ``limit``
of them and ends ``reset_after`` seconds later. What the headers say is believed over what was assumed, and where two
reports disagree the stricter one counts, because a lane may turn out to be shared with others.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bot.streaming.actions import Urgency

if TYPE_CHECKING:
    from collections.abc import Mapping

_CUSTOMARY: Mapping[str, tuple[int, float]] = {"interaction": (5, 2.0)}
"""Requests and seconds assumed for a kind of lane before its first header has been seen."""
_CAUTIOUS = (5, 5.0)

_POSTS = "+posts"
_CHANNEL = "channel"

_TOGETHER = 40
"""Requests a second, others included, at which channels' lanes wait: Discord refuses a bot's 51st."""
_SECOND = 1.0

_SAME_WINDOW = 0.5
"""Two reports of a window's end that differ by less, in seconds, speak of the same window."""
_SHORTEST = 0.25
"""No window is taken to be shorter, in seconds."""
_NEAR_END = 1.5
"""A window's last token may go to text when the window ends within so many intervals: a final then waits no longer."""
_HEAD_START = 0.25
"""In a lane that several answers share, first words go so many intervals before an even spacing would let them."""
_COMPANY = 2.0
"""Answers that had something to show within so many windows share the lane."""
_EAGER = 0.6
"""In a lane that was idle, the share of the even spacing that is waited before an edit …"""
_LONGEST = 1.45
"""… as long as no later one need wait longer than so many intervals."""
_WIDEST = 4.0
"""How far refusals may stretch the spacing at most."""
_MANY = 512
"""So many lanes are remembered before idle ones are forgotten."""


@dataclass(frozen=True, slots=True, order=True)
class Claim:
    """One answer waiting for its turn; the smaller claim goes first. ``since``: when what it would show became due."""

    urgency: Urgency
    since: float
    key: str


@dataclass(slots=True)
class _Budget:
    """What one lane allows and what of it is spent. Times are seconds on the caller's clock."""

    limit: int
    period: float
    is_for_posts: bool = False
    spent: int = 0
    ends_at: float = float("-inf")
    ended_before: float = float("-inf")
    is_confirmed: bool = False
    is_steady: bool = False
    last_spend: float = float("-inf")
    blocked_until: float = float("-inf")
    strain: float = 1.0
    claimed: dict[str, float] = field(default_factory=dict[str, float])

    @property
    def interval(self) -> float:
        return self.period / self.limit * self.strain

    def left(self, now: float) -> int:
        return self.limit if now >= self.ends_at else max(0, self.limit - self.spent)

    def spend(self, now: float) -> None:
        if now >= self.ends_at:
            self._open(now)
        self.spent += 1
        self.last_spend = now

    def _open(self, now: float) -> None:
        self.is_steady = self.spent >= self.limit - 1 and now - self.ends_at <= 1.5 * self.interval
        if self.last_spend > self.blocked_until:
            self.strain = max(1.0, self.strain * 0.8)
        if self.is_confirmed:
            self.ended_before = self.ends_at
        self.spent, self.ends_at, self.is_confirmed = 0, now + self.period, False
        self.claimed = {key: at for key, at in self.claimed.items() if at > now - _COMPANY * self.period}

    def learn(self, limit: int, remaining: int, reset_after: float, now: float) -> None:
        reported, ends_at = limit - remaining, now + reset_after
        self.limit = limit
        if self.is_over(ends_at) and now < self.ends_at:
            return
        self.period = self._period_by(reset_after, is_first=reported <= 1)
        if now >= self.ends_at:
            self.spent, self.ends_at, self.is_confirmed = reported, ends_at, True
        elif not self.is_confirmed or abs(ends_at - self.ends_at) < _SAME_WINDOW:
            self.spent = max(self.spent, reported)
            self.ends_at = min(self.ends_at, ends_at) if self.is_confirmed else ends_at
            self.is_confirmed = True
        elif reported > self.spent:
            self.spent, self.ends_at = reported, max(self.ends_at, ends_at)
        # Somebody opened this window with a request, even if it was not this bot.
        self.last_spend = max(self.last_spend, self.ends_at - self.period)

    def is_over(self, ends_at: float) -> bool:
        """Whether a report is of the window before, which a slow answer brings when another has opened already."""
        return not self.is_confirmed and abs(ends_at - self.ended_before) < _SAME_WINDOW

    def _period_by(self, reset_after: float, *, is_first: bool) -> float:
        """How long a window is, by one more report of how long it goes on; so close to its end that says nothing."""
        return reset_after if is_first and reset_after >= _SHORTEST else max(self.period, reset_after)

    def refuse(self, retry_after: float, now: float) -> None:
        if self.left(now):
            self.strain = min(_WIDEST, self.strain * 1.5)
        self.blocked_until = max(self.blocked_until, now + retry_after)
        self.spent, self.ends_at, self.is_confirmed = self.limit, self.blocked_until, True

    def opens_at(self, urgency: Urgency, now: float) -> float:
        """When an edit of this urgency may go, if nothing else happens before."""
        left = self.left(now)
        if left == 0:
            return self.ends_at
        at = max(now, self.blocked_until)
        if urgency is Urgency.FINAL or (urgency is Urgency.FIRST_WORDS and self.is_for_posts):
            return at
        if urgency is Urgency.STATUS and 2 * left <= self.limit:
            at = max(at, self.ends_at)
        return at if now >= self.ends_at else max(at, self._within_window(urgency, left, now))

    def _within_window(self, urgency: Urgency, left: int, now: float) -> float:
        """When an edit may go that has to leave something for those after it, in the window that is open."""
        at = now
        if urgency >= Urgency.TEXT:
            at = self.last_spend + self._spacing(left)
        if left == 1:
            at = max(at, self.ends_at - _NEAR_END * self.interval)
        if self.is_shared(now) and not self.is_for_posts:
            # What is left is spread over the rest of the window: several finals may come at once.
            head_start = _HEAD_START if urgency is Urgency.FIRST_WORDS else 0.0
            at = max(at, self.ends_at - (left + head_start) * self.interval)
        return at

    def is_shared(self, now: float) -> bool:
        """Whether several answers have claimed turns in this lane lately."""
        return sum(claimed > now - _COMPANY * self.period for claimed in self.claimed.values()) > 1

    def note(self, claim: Claim) -> None:
        self.claimed[claim.key] = claim.since

    def _spacing(self, left: int) -> float:
        """Seconds between the last edit and the next, so that what is left lasts to the window's end without a gap."""
        rest = self.ends_at - self.last_spend
        even = min(rest, rest / (left + 1) * self.strain)
        if self.is_steady:
            return even
        return max(_EAGER * even, min(even, rest - left * _LONGEST * self.interval))


class Lanes:
    """All lanes of one bot. Pure: every time is an argument, in seconds on one clock that never runs backwards.

    A lane's kind is what stands before the colon of its name (``"channel:17"``). A new lane starts with what the last
    lane of its kind was found to allow. Whatever each channel's lane allows, all of them together make no more than 40
    requests in any second, less those that pass by every lane.
    """

    def __init__(self) -> None:
        self._budgets: dict[str, _Budget] = {}
        self._usual: dict[str, tuple[int, float]] = dict(_CUSTOMARY)
        self._claims: dict[str, dict[str, Claim]] = {}
        self._shut_until = float("-inf")
        self._lately: deque[float] = deque(maxlen=_TOGETHER)

    def __len__(self) -> int:
        return len(self._budgets)

    def learn(self, lane: str, *, limit: int, remaining: int, reset_after: float, now: float) -> None:
        """Take in the X-RateLimit headers of a response in this lane. Reports that make no sense are passed over."""
        if limit < 1 or reset_after < 0:
            return
        budget = self._budget(lane, now)
        budget.learn(limit, max(0, min(remaining, limit)), reset_after, now)
        self._usual[_kind(lane)] = (budget.limit, budget.period)

    def refused(self, lane: str, retry_after: float, now: float) -> None:
        """Take in a 429: nothing goes for ``retry_after`` seconds, and if it came unexpected, less goes afterwards."""
        self._budget(lane, now).refuse(retry_after, now)

    def refused_everywhere(self, retry_after: float, now: float) -> None:
        """Take in a 429 that was for the bot as a whole: nothing goes in any lane for ``retry_after`` seconds."""
        self._shut_until = max(self._shut_until, now + retry_after)

    def spend(self, lane: str, now: float) -> None:
        """Count a request that goes out now."""
        self._budget(lane, now).spend(now)
        if _counts_together(lane):
            self._lately.append(now)

    def passed_by(self, now: float) -> None:
        """Count a request that goes out now and is no lane's: it too spends from what the bot as a whole may do."""
        self._lately.append(now)

    def wait(self, lane: str, urgency: Urgency, now: float) -> float:
        """Seconds until an edit of this urgency may go; 0.0 is now."""
        opens_at = max(self._budget(lane, now).opens_at(urgency, now), self._shut_until)
        if _counts_together(lane) and len(self._lately) == _TOGETHER:
            opens_at = max(opens_at, self._lately[0] + _SECOND)
        return max(0.0, opens_at - now)

    def interval(self, lane: str, share: int = 1) -> float:
        """The even spacing, in seconds, that spends the whole budget when ``share`` answers use this lane."""
        limit, period = self._allowance(lane)
        return period / limit * share

    def claim(self, lane: str, claim: Claim) -> None:
        """Let an answer wait for its turn, or change its place; ``claim.key`` says which answer."""
        self._claims.setdefault(lane, {})[claim.key] = claim
        self._budget(lane, claim.since).note(claim)

    def withdraw(self, lane: str, key: str) -> None:
        """An answer waits no longer, because it went or has nothing to show."""
        claims = self._claims.get(lane, {})
        claims.pop(key, None)
        if not claims:
            self._claims.pop(lane, None)

    def first(self, lane: str) -> str | None:
        """The key of the answer whose turn it is: finals, then first words, then the text that waited longest."""
        claims = self._claims.get(lane)
        return min(claims.values()).key if claims else None

    def _allowance(self, lane: str) -> tuple[int, float]:
        budget = self._budgets.get(lane)
        return (budget.limit, budget.period) if budget else self._usual.get(_kind(lane), _CAUTIOUS)

    def _budget(self, lane: str, now: float) -> _Budget:
        if lane not in self._budgets:
            self._forget_idle(now)
            self._budgets[lane] = _Budget(*self._allowance(lane), is_for_posts=lane.endswith(_POSTS))
        return self._budgets[lane]

    def _forget_idle(self, now: float) -> None:
        if len(self._budgets) < _MANY:
            return
        idle = [lane for lane, budget in self._budgets.items() if budget.ends_at <= now and lane not in self._claims]
        for lane in idle:
            del self._budgets[lane]


def posting(lane: str) -> str:
    """The lane of new messages beside a lane of edits: Discord counts the two apart."""
    return lane + _POSTS


def _counts_together(lane: str) -> bool:
    """Whether a lane's requests count in the limit over all: those with an interaction's token do not."""
    return lane.partition(":")[0] == _CHANNEL


def _kind(lane: str) -> str:
    return lane.partition(":")[0] + (_POSTS if lane.endswith(_POSTS) else "")
