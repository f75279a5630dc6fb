"""Schedules edits under Discord's rate limits: which answer may edit next, and when.

A bucket is one rate limit as Discord counts it: a fixed window that opens with its first request, allows ``limit``
of them and ends ``reset_after`` seconds later. Headers replace what was assumed, and where two of them disagree the
stricter one counts, because a bucket may be shared with others.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bot.streaming.actions import Urgency

if TYPE_CHECKING:
    from collections.abc import Mapping

_DEFAULT_LIMITS: Mapping[str, tuple[int, float]] = {"interaction": (5, 2.0)}
"""Requests and seconds assumed for a kind of bucket before its first header has been seen."""
_FALLBACK_LIMIT = (5, 5.0)

_POSTS_SUFFIX = "+posts"
_CHANNEL_KIND = "channel"

_GLOBAL_LIMIT = 40
"""Requests a second, others included, at which channels' buckets wait: Discord refuses a bot's 51st."""
_GLOBAL_PERIOD = 1.0

_SAME_WINDOW_TOLERANCE = 0.5
"""Two reports of a window's end that differ by less, in seconds, speak of the same window."""
_MIN_PERIOD = 0.25
"""No window is taken to be shorter, in seconds."""
_NEAR_END_INTERVALS = 1.5
"""A window's last token may go to text when the window ends within so many intervals: a final then waits no longer."""
_FIRST_WORDS_HEAD_START = 0.25
"""In a bucket that several answers share, first words go so many intervals before an even spacing would let them."""
_SHARING_PERIODS = 2.0
"""Answers that had something to show within so many windows share the bucket."""
_IDLE_SPACING_SHARE = 0.6
"""In a bucket that was idle, the share of the even spacing that is waited before an edit …"""
_MAX_LATER_INTERVALS = 1.45
"""… as long as no later one need wait longer than so many intervals."""
_MAX_STRETCH = 4.0
"""How far refusals may stretch the spacing at most."""
_MAX_BUCKETS = 512
"""So many buckets are remembered before idle ones are forgotten."""


@dataclass(frozen=True, slots=True, order=True)
class EditClaim:
    """One answer that waits for its turn; the smaller claim goes first. ``since``: when its text became due."""

    urgency: Urgency
    since: float
    run_id: str


@dataclass(slots=True)
class _BucketState:
    """Counts what one bucket allows and what of it is spent. Times are seconds on the caller's clock."""

    limit: int
    period: float
    is_for_posts: bool = False
    used: int = 0
    ends_at: float = float("-inf")
    previous_ended_at: float = float("-inf")
    is_confirmed: bool = False
    is_steady: bool = False
    last_request_at: float = float("-inf")
    blocked_until: float = float("-inf")
    stretch: float = 1.0
    claim_times: dict[str, float] = field(default_factory=dict[str, float])

    @property
    def interval(self) -> float:
        return self.period / self.limit * self.stretch

    def count_remaining(self, now: float) -> int:
        return self.limit if now >= self.ends_at else max(0, self.limit - self.used)

    def count_request(self, now: float) -> None:
        if now >= self.ends_at:
            self._open_window(now)
        self.used += 1
        self.last_request_at = now

    def _open_window(self, now: float) -> None:
        self.is_steady = self.used >= self.limit - 1 and now - self.ends_at <= 1.5 * self.interval
        if self.last_request_at > self.blocked_until:
            self.stretch = max(1.0, self.stretch * 0.8)
        if self.is_confirmed:
            self.previous_ended_at = self.ends_at
        self.used, self.ends_at, self.is_confirmed = 0, now + self.period, False
        self.claim_times = {
            key: at for key, at in self.claim_times.items() if at > now - _SHARING_PERIODS * self.period
        }

    def update_from_headers(self, limit: int, remaining: int, reset_after: float, now: float) -> None:
        reported, ends_at = limit - remaining, now + reset_after
        self.limit = limit
        if self.is_previous_window(ends_at) and now < self.ends_at:
            return
        self.period = self._estimate_period(reset_after, is_first=reported <= 1)
        if now >= self.ends_at:
            self.used, self.ends_at, self.is_confirmed = reported, ends_at, True
        elif not self.is_confirmed or abs(ends_at - self.ends_at) < _SAME_WINDOW_TOLERANCE:
            self.used = max(self.used, reported)
            self.ends_at = min(self.ends_at, ends_at) if self.is_confirmed else ends_at
            self.is_confirmed = True
        elif reported > self.used:
            self.used, self.ends_at = reported, max(self.ends_at, ends_at)
        # Somebody opened this window with a request, even if it was not this bot.
        self.last_request_at = max(self.last_request_at, self.ends_at - self.period)

    def is_previous_window(self, ends_at: float) -> bool:
        """Tell whether headers are of the window before: a slow response may bring them after another has opened."""
        return not self.is_confirmed and abs(ends_at - self.previous_ended_at) < _SAME_WINDOW_TOLERANCE

    def _estimate_period(self, reset_after: float, *, is_first: bool) -> float:
        """Return the window's length after one more report of its remaining time; near its end that says nothing."""
        return reset_after if is_first and reset_after >= _MIN_PERIOD else max(self.period, reset_after)

    def record_rate_limit(self, retry_after: float, now: float) -> None:
        if self.count_remaining(now):
            self.stretch = min(_MAX_STRETCH, self.stretch * 1.5)
        self.blocked_until = max(self.blocked_until, now + retry_after)
        self.used, self.ends_at, self.is_confirmed = self.limit, self.blocked_until, True

    def find_earliest_time(self, urgency: Urgency, now: float) -> float:
        """Return when an edit of this urgency may go, if nothing else happens before."""
        left = self.count_remaining(now)
        if left == 0:
            return self.ends_at
        at = max(now, self.blocked_until)
        if urgency is Urgency.FINAL or (urgency is Urgency.FIRST_WORDS and self.is_for_posts):
            return at
        if urgency is Urgency.STATUS and 2 * left <= self.limit:
            at = max(at, self.ends_at)
        return at if now >= self.ends_at else max(at, self._find_time_in_window(urgency, left, now))

    def _find_time_in_window(self, urgency: Urgency, remaining: int, now: float) -> float:
        """Return when an edit may go in the open window if it must leave requests for those after it."""
        at = now
        if urgency >= Urgency.TEXT:
            at = self.last_request_at + self._compute_spacing(remaining)
        if remaining == 1:
            at = max(at, self.ends_at - _NEAR_END_INTERVALS * self.interval)
        if self.is_shared(now) and not self.is_for_posts:
            # What is left is spread over the rest of the window: several finals may come at once.
            head_start = _FIRST_WORDS_HEAD_START if urgency is Urgency.FIRST_WORDS else 0.0
            at = max(at, self.ends_at - (remaining + head_start) * self.interval)
        return at

    def is_shared(self, now: float) -> bool:
        """Tell whether several answers have claimed turns in this bucket lately."""
        return sum(claimed > now - _SHARING_PERIODS * self.period for claimed in self.claim_times.values()) > 1

    def note_claim(self, claim: EditClaim) -> None:
        self.claim_times[claim.run_id] = claim.since

    def _compute_spacing(self, remaining: int) -> float:
        """Return the seconds between two edits at which the remaining requests last to the window's end."""
        rest = self.ends_at - self.last_request_at
        even = min(rest, rest / (remaining + 1) * self.stretch)
        if self.is_steady:
            return even
        return max(_IDLE_SPACING_SHARE * even, min(even, rest - remaining * _MAX_LATER_INTERVALS * self.interval))


class RateLimiter:
    """Holds all buckets of one bot. Pure: every time is an argument, in seconds on one monotonic clock.

    A bucket's kind is the part of its name before the colon (``"channel:17"``). A new bucket starts with what the last
    bucket of its kind allowed. All channels' buckets together make at most 40 requests in any second, less those that
    are in no bucket.
    """

    def __init__(self) -> None:
        self._states: dict[str, _BucketState] = {}
        self._limits_by_kind: dict[str, tuple[int, float]] = dict(_DEFAULT_LIMITS)
        self._claims: dict[str, dict[str, EditClaim]] = {}
        self._globally_blocked_until = float("-inf")
        self._recent_requests: deque[float] = deque(maxlen=_GLOBAL_LIMIT)

    def __len__(self) -> int:
        return len(self._states)

    def update_from_headers(self, bucket: str, *, limit: int, remaining: int, reset_after: float, now: float) -> None:
        """Take in the X-RateLimit headers of a response in this bucket. Impossible values are ignored."""
        if limit < 1 or reset_after < 0:
            return
        budget = self._get_state(bucket, now)
        budget.update_from_headers(limit, max(0, min(remaining, limit)), reset_after, now)
        self._limits_by_kind[_kind_of(bucket)] = (budget.limit, budget.period)

    def record_rate_limit(self, bucket: str, retry_after: float, now: float) -> None:
        """Take in a 429: nothing goes for ``retry_after`` seconds, and less afterwards if it was unexpected."""
        self._get_state(bucket, now).record_rate_limit(retry_after, now)

    def record_global_rate_limit(self, retry_after: float, now: float) -> None:
        """Take in a global 429: nothing goes in any bucket for ``retry_after`` seconds."""
        self._globally_blocked_until = max(self._globally_blocked_until, now + retry_after)

    def count_request(self, bucket: str, now: float) -> None:
        """Count a request that goes out now."""
        self._get_state(bucket, now).count_request(now)
        if _counts_globally(bucket):
            self._recent_requests.append(now)

    def count_unbucketed_request(self, now: float) -> None:
        """Count a request that goes out now in no bucket: it counts in the global limit."""
        self._recent_requests.append(now)

    def seconds_to_wait(self, bucket: str, urgency: Urgency, now: float) -> float:
        """Return the seconds until an edit of this urgency may go; 0.0 is now."""
        opens_at = max(self._get_state(bucket, now).find_earliest_time(urgency, now), self._globally_blocked_until)
        if _counts_globally(bucket) and len(self._recent_requests) == _GLOBAL_LIMIT:
            opens_at = max(opens_at, self._recent_requests[0] + _GLOBAL_PERIOD)
        return max(0.0, opens_at - now)

    def get_interval(self, bucket: str, share: int = 1) -> float:
        """Return the seconds between two edits at which ``share`` answers use the bucket up evenly."""
        limit, period = self._get_limit(bucket)
        return period / limit * share

    def claim(self, bucket: str, claim: EditClaim) -> None:
        """Let an answer wait for its turn, or change its claim; ``claim.key`` says which answer."""
        self._claims.setdefault(bucket, {})[claim.run_id] = claim
        self._get_state(bucket, claim.since).note_claim(claim)

    def withdraw(self, bucket: str, run_id: str) -> None:
        """Remove an answer's claim: it had its turn or has nothing to show."""
        claims = self._claims.get(bucket, {})
        claims.pop(run_id, None)
        if not claims:
            self._claims.pop(bucket, None)

    def next_run_id(self, bucket: str) -> str | None:
        """Return whose turn it is: final texts go first, then first words, then the text that waited longest."""
        claims = self._claims.get(bucket)
        return min(claims.values()).run_id if claims else None

    def _get_limit(self, bucket: str) -> tuple[int, float]:
        budget = self._states.get(bucket)
        return (budget.limit, budget.period) if budget else self._limits_by_kind.get(_kind_of(bucket), _FALLBACK_LIMIT)

    def _get_state(self, bucket: str, now: float) -> _BucketState:
        if bucket not in self._states:
            self._forget_idle(now)
            self._states[bucket] = _BucketState(*self._get_limit(bucket), is_for_posts=bucket.endswith(_POSTS_SUFFIX))
        return self._states[bucket]

    def _forget_idle(self, now: float) -> None:
        if len(self._states) < _MAX_BUCKETS:
            return
        idle = [
            bucket for bucket, budget in self._states.items() if budget.ends_at <= now and bucket not in self._claims
        ]
        for bucket in idle:
            del self._states[bucket]


def bucket_for_posts(bucket: str) -> str:
    """Return the bucket of new messages for a bucket of edits: Discord counts the two separately."""
    return bucket + _POSTS_SUFFIX


def _counts_globally(bucket: str) -> bool:
    """Tell whether a bucket's requests count in the global limit: those with an interaction's token do not."""
    return bucket.partition(":")[0] == _CHANNEL_KIND


def _kind_of(bucket: str) -> str:
    return bucket.partition(":")[0] + (_POSTS_SUFFIX if bucket.endswith(_POSTS_SUFFIX) else "")
