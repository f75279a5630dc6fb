"""How much a bot may ask in how short a time: fixed windows that start with their first request, and Discord's headers.

Pure: the time is an argument, in seconds of any clock; ``X-RateLimit-Reset`` is only true if that clock is Unix time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

PRUNE_ABOVE = 1_000
"""How many windows are kept before those that are over are dropped."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """``limit`` requests in a window of ``window`` seconds."""

    limit: int
    window: float

    def scale(self, factor: float) -> Allowance:
        """So many times as many requests in the same time, rounded down, at least one."""
        return replace(self, limit=max(1, int(self.limit * factor)))


@dataclass(frozen=True, slots=True)
class Limits:
    """The allowances that matter to an answer, as reported for Discord (none of these is documented)."""

    message_create: Allowance = Allowance(5, 5.0)
    message_edit: Allowance = Allowance(5, 5.0)
    response_create: Allowance = Allowance(5, 2.0)
    response_edit: Allowance = Allowance(5, 2.0)
    global_limit: Allowance = Allowance(50, 1.0)

    def scale(self, factor: float) -> Limits:
        """Every lane's allowance times ``factor``: 0.5 halves, 2 doubles. The overall one stays."""
        return replace(
            self,
            message_create=self.message_create.scale(factor),
            message_edit=self.message_edit.scale(factor),
            response_create=self.response_create.scale(factor),
            response_edit=self.response_edit.scale(factor),
        )


@dataclass(frozen=True, slots=True)
class Bucket:
    """What a request is counted in: ``name`` names one counter, ``hash`` is what Discord calls it in the header.

    Two lanes may carry the same hash: creating and editing messages do.
    """

    name: str
    hash: str
    allowance: Allowance


@dataclass(slots=True)
class Window:
    """One counter between its first request and its reset."""

    ends_at: float
    used: int = 0


@dataclass(frozen=True, slots=True)
class RateLimitResult:
    """Whether a request may pass, and the state of its bucket after it. Durations are seconds."""

    limit: int
    remaining: int
    reset: float
    reset_after: float
    hash: str = ""
    is_allowed: bool = True
    scope: str = "user"

    @property
    def is_global(self) -> bool:
        """Whether it was the limit over all requests that was reached."""
        return self.scope == "global"

    def to_headers(self) -> dict[str, str]:
        """The headers Discord sends with the reply, a refusal or not."""
        headers = {} if self.is_global else self._to_bucket_headers()
        if not self.is_allowed:
            # Without Via, discord.py takes a 429 for a ban and raises at once.
            headers |= {"Via": "1.1 simulated", "X-RateLimit-Scope": self.scope}
            headers["Retry-After"] = str(math.ceil(self.reset_after))
            if self.is_global:
                headers["X-RateLimit-Global"] = "true"
        return headers

    def _to_bucket_headers(self) -> dict[str, str]:
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": f"{self.reset:.3f}",
            "X-RateLimit-Reset-After": f"{self.reset_after:.3f}",
            "X-RateLimit-Bucket": self.hash,
        }

    def to_json(self) -> dict[str, Any]:
        """The JSON of a 429."""
        words = "You are being rate limited."
        return {"message": words, "retry_after": round(self.reset_after, 3), "global": self.is_global}


@dataclass(slots=True)
class RateLimitCounters:
    """All windows that are open."""

    limits: Limits = field(default_factory=Limits)
    windows: dict[str, Window] = field(default_factory=dict[str, Window])

    def take(self, bucket: Bucket | None, now: float, *, counts_globally: bool) -> RateLimitResult | None:
        """Count one request and judge it; None where no limit is known for it.

        A request that is refused is not counted, so that waiting out ``reset_after`` is always enough.
        """
        overall = Bucket("overall", "", self.limits.global_limit)
        if counts_globally and not (verdict := self._check(overall, now)).is_allowed:
            return replace(verdict, scope="global")
        if bucket is not None and not (verdict := self._check(bucket, now)).is_allowed:
            return verdict
        if counts_globally:
            self._count(overall, now)
        return None if bucket is None else self._count(bucket, now)

    def _get_window(self, bucket: Bucket, now: float) -> Window:
        """The bucket's open window; a new one, not kept yet, when the last is over."""
        window = self.windows.get(bucket.name)
        return window if window and now < window.ends_at else Window(now + bucket.allowance.window)

    def _check(self, bucket: Bucket, now: float) -> RateLimitResult:
        """The bucket's state before this request."""
        window = self._get_window(bucket, now)
        remaining = max(0, bucket.allowance.limit - window.used)
        return RateLimitResult(
            limit=bucket.allowance.limit,
            remaining=remaining,
            reset=window.ends_at,
            # Discord's milliseconds, rounded up: whoever waits exactly so long finds the window over.
            reset_after=math.ceil((window.ends_at - now) * 1000) / 1000,
            hash=bucket.hash,
            is_allowed=remaining > 0,
        )

    def _count(self, bucket: Bucket, now: float) -> RateLimitResult:
        window = self._get_window(bucket, now)
        window.used += 1
        self.windows[bucket.name] = window
        if len(self.windows) > PRUNE_ABOVE:
            self._prune(now)
        return replace(self._check(bucket, now), is_allowed=True)

    def _prune(self, now: float) -> None:
        self.windows = {lane: window for lane, window in self.windows.items() if now < window.ends_at}
