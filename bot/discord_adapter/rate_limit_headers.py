"""What Discord's headers say of its rate limits goes to the lanes, each answer's to the lane that it was spent from."""

from __future__ import annotations

import hashlib
import logging
import re
import time
from typing import TYPE_CHECKING

import aiohttp

from bot.streaming import posting

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import SimpleNamespace

    from bot.streaming import Lanes

_log = logging.getLogger(__name__)

TOO_MANY = 429

_WEBHOOK_PATH = re.compile(r"/webhooks/\d+/([^/]+)(?:/messages/[^/]+)?$")
_WITHOUT_LIMIT = re.compile(r"/(?:webhooks|interactions)/\d+/")
"""What goes by an interaction's token is outside the limit on a bot as a whole."""
_CHANNEL_PATH = re.compile(r"/channels/(\d+)/messages(?:/\d+)?$")


def interaction_lane(token: str) -> str:
    """The lane of one interaction. The token itself never is part of a name that may be logged."""
    return f"interaction:{hashlib.sha256(token.encode()).hexdigest()[:16]}"


def channel_lane(channel_id: int | str) -> str:
    """The lane of everyone's messages and edits in one channel."""
    return f"channel:{channel_id}"


def lane_of(method: str, path: str) -> str | None:
    """The lane a request spends from; None if it is neither a new message nor an edit."""
    # By the route, not by X-RateLimit-Bucket: posts and edits answer with the same hash and are counted apart. Should
    # one budget be shared all the same, its headers tell both lanes of it, and a 429 is waited for.
    if webhook := _WEBHOOK_PATH.search(path):
        lane = interaction_lane(webhook[1])
    elif channel := _CHANNEL_PATH.search(path):
        lane = channel_lane(channel[1])
    else:
        return None
    return {"POST": posting(lane), "PATCH": lane}.get(method)


def rate_limit_trace(lanes: Lanes, clock: Callable[[], float] = time.monotonic) -> aiohttp.TraceConfig:
    """What ``Client(http_trace=…)`` takes so that ``lanes`` know of all requests and learn from every answer's headers.

    ``clock`` must be the one the driver reads, in seconds.
    """

    async def count(_: aiohttp.ClientSession, __: SimpleNamespace, params: aiohttp.TraceRequestStartParams) -> None:
        if lane_of(params.method, params.url.path) is None and not _WITHOUT_LIMIT.search(params.url.path):
            lanes.passed_by(clock())

    async def learn(_: aiohttp.ClientSession, __: SimpleNamespace, params: aiohttp.TraceRequestEndParams) -> None:
        lane = lane_of(params.method, params.url.path)
        try:
            _teach(lanes, lane, params.response.status, params.response.headers, clock())
        except (KeyError, ValueError):
            _log.debug("No rate limit to learn from an answer with status %s", params.response.status)

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(count)
    trace.on_request_end.append(learn)
    return trace


def retry_after(headers: Mapping[str, str]) -> float:
    """Seconds to stay away after a 429. ``Retry-After`` is rounded up to a whole second; a window's reset is not.

    Raises:
        KeyError, ValueError: the headers do not say.
    """
    exact = headers.get("X-RateLimit-Reset-After") if headers.get("X-RateLimit-Scope", "user") == "user" else None
    return float(exact or headers["Retry-After"])


def _teach(lanes: Lanes, lane: str | None, status: int, headers: Mapping[str, str], now: float) -> None:
    if status == TOO_MANY and headers.get("X-RateLimit-Scope") == "global":
        lanes.refused_everywhere(retry_after(headers), now)
    elif lane and status == TOO_MANY:
        lanes.refused(lane, retry_after(headers), now)
    elif lane:
        lanes.learn(
            lane,
            limit=int(headers["X-RateLimit-Limit"]),
            remaining=int(headers["X-RateLimit-Remaining"]),
            reset_after=float(headers["X-RateLimit-Reset-After"]),
            now=now,
        )
