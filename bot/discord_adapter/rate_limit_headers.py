"""Teaches the rate limiter from Discord's response headers, each request's for its own bucket."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
from typing import TYPE_CHECKING

import aiohttp

from bot.streaming import bucket_for_posts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import SimpleNamespace

    from bot.streaming import RateLimiter

_log = logging.getLogger(__name__)

TOO_MANY_REQUESTS = 429

_WEBHOOK_PATH = re.compile(r"/webhooks/\d+/([^/]+)(?:/messages/[^/]+)?$")
_EXEMPT_PATH = re.compile(r"/(?:webhooks|interactions)/\d+/")
"""Requests with an interaction's token do not count in the bot's global limit."""
_CHANNEL_PATH = re.compile(r"/channels/(\d+)/messages(?:/\d+)?$")


def interaction_bucket(token: str) -> str:
    """Return the bucket of one interaction, by a hash: the token must not appear in logs."""
    return f"interaction:{hashlib.sha256(token.encode()).hexdigest()[:16]}"


def channel_bucket(channel_id: int | str) -> str:
    """Return the bucket of all messages and edits in one channel."""
    return f"channel:{channel_id}"


def bucket_of(method: str, path: str) -> str | None:
    """Return the bucket that a request counts in; None if it is neither a new message nor an edit."""
    # By the route, not by X-RateLimit-Bucket: posts and edits have the same hash there and are counted apart. If they
    # share one limit all the same, its headers update both buckets, and a 429 is waited for.
    if webhook := _WEBHOOK_PATH.search(path):
        bucket = interaction_bucket(webhook[1])
    elif channel := _CHANNEL_PATH.search(path):
        bucket = channel_bucket(channel[1])
    else:
        return None
    return {"POST": bucket_for_posts(bucket), "PATCH": bucket}.get(method)


def create_rate_limit_trace(rate_limiter: RateLimiter, clock: Callable[[], float] | None = None) -> aiohttp.TraceConfig:
    """Return a trace for ``Client(http_trace=…)`` that reports each request and its headers to the rate limiter.

    ``clock`` must be the one the driver reads, in seconds; by default the event loop's.
    """

    def now() -> float:
        return (clock or asyncio.get_running_loop().time)()

    async def count(_: aiohttp.ClientSession, __: SimpleNamespace, params: aiohttp.TraceRequestStartParams) -> None:
        if bucket_of(params.method, params.url.path) is None and not _EXEMPT_PATH.search(params.url.path):
            rate_limiter.count_unbucketed_request(now())

    async def learn(_: aiohttp.ClientSession, __: SimpleNamespace, params: aiohttp.TraceRequestEndParams) -> None:
        bucket = bucket_of(params.method, params.url.path)
        try:
            _update_limits(rate_limiter, bucket, params.response.status, params.response.headers, now())
        except (KeyError, ValueError):
            _log.debug("No rate limit headers in a response with status %s", params.response.status)

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(count)
    trace.on_request_end.append(learn)
    return trace


def parse_retry_after(headers: Mapping[str, str]) -> float:
    """Return the seconds to wait after a 429.

    ``Retry-After`` is rounded up to a whole second; ``X-RateLimit-Reset-After`` is exact.

    Raises:
        KeyError, ValueError: the headers do not say.
    """
    exact = headers.get("X-RateLimit-Reset-After") if headers.get("X-RateLimit-Scope", "user") == "user" else None
    return float(exact or headers["Retry-After"])


def _update_limits(
    rate_limiter: RateLimiter, bucket: str | None, status: int, headers: Mapping[str, str], now: float
) -> None:
    if status == TOO_MANY_REQUESTS and headers.get("X-RateLimit-Scope") == "global":
        rate_limiter.record_global_rate_limit(parse_retry_after(headers), now)
    elif bucket and status == TOO_MANY_REQUESTS:
        rate_limiter.record_rate_limit(bucket, parse_retry_after(headers), now)
    elif bucket:
        rate_limiter.update_from_headers(
            bucket,
            limit=int(headers["X-RateLimit-Limit"]),
            remaining=int(headers["X-RateLimit-Remaining"]),
            reset_after=float(headers["X-RateLimit-Reset-After"]),
            now=now,
        )
