"""A fake for Discord as a surface sees it: latency, windows with their 429s, faults to order, deletion."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from bot.streaming import FileRefused, SurfaceBusy, SurfaceGone, bucket_for_posts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bot.streaming import Edit, Post, RateLimiter


class Fault(Enum):
    """What may happen to one request."""

    NONE = "it succeeds"
    UNAVAILABLE = "503: it did not happen"
    REPLY_LOST = "it happened, but the connection broke before the reply"
    HANGS = "nothing comes back for a minute"


@dataclass(slots=True)
class Window:
    """A fixed window as Discord has it: it opens with its first request. ``period`` in seconds."""

    limit: int
    period: float
    ends_at: float = 0.0
    used: int = 0

    def count_request(self, now: float) -> bool:
        if now >= self.ends_at:
            self.ends_at, self.used = now + self.period, 0
        self.used += 1
        return self.used <= self.limit

    @property
    def remaining(self) -> int:
        return max(0, self.limit - self.used)


@dataclass(slots=True)
class Server:
    """What all surfaces share: the windows, and what ``rate_limiter`` are told from the headers of every response.

    ``latency`` is one way, in seconds. With ``waits_on_last_token`` a call that spends the last token returns only at
    the
    window's end, as discord.py's do. Lanes are counted in ``windows``; those not named get 5 per 5 s (2 s for an
    interaction's edits).
    """

    rate_limiter: RateLimiter | None = None
    latency: float = 0.05
    waits_on_last_token: bool = True
    windows: dict[str, Window] = field(default_factory=dict[str, Window])
    rate_limit_count: int = 0

    def get_window(self, bucket: str) -> Window:
        is_quick = bucket.startswith("interaction:") and bucket != bucket_for_posts(bucket.partition("+")[0])
        return self.windows.setdefault(bucket, Window(5, 2.0 if is_quick else 5.0))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a reader sees from ``at`` on: all pages of the answer."""

    at: float
    pages: tuple[str, ...]


class FakeSurface:
    """One answer's messages on the server, and everything a reader saw of them."""

    def __init__(self, server: Server, bucket: str, faults: Iterable[Fault] = ()) -> None:
        self.server = server
        self.bucket = bucket
        self.faults = deque(faults)
        self.pages: list[str] = []
        self.snapshots: list[Snapshot] = []
        self.actions: list[Post | Edit] = []
        self.calls = 0
        self.message_ids: set[int] = set()
        self.channel_and_guild_ids: set[int] = set()
        self.lasts_until: float | None = None
        self.required_channel_id: int | None = None
        self.is_deleted = False
        self.accepts_files = True
        self._created_page: int | None = None

    def has_message(self, message_id: int) -> bool:
        return message_id in self.message_ids

    def is_in(self, channel_or_guild_id: int) -> bool:
        return channel_or_guild_id in self.channel_and_guild_ids

    async def post(self, action: Post) -> None:
        page = len(self.pages) if self._created_page is None else self._created_page
        await self._request(bucket_for_posts(self.bucket), page, action)
        self._created_page = None

    async def edit(self, action: Edit) -> None:
        if action.page >= len(self.pages):
            raise AssertionError("a page was edited before it was posted")
        await self._request(self.bucket, action.page, action)

    async def _request(self, bucket: str, page: int, action: Post | Edit) -> None:
        server = self.server
        window = server.get_window(bucket)
        fault = self.faults.popleft() if self.faults else Fault.NONE
        self.calls += 1
        await asyncio.sleep(server.latency)
        if self.is_deleted:
            await asyncio.sleep(server.latency)
            raise SurfaceGone("10008: unknown message")
        if action.attachment_text and not self.accepts_files:
            raise FileRefused("50013: missing permissions")
        now = asyncio.get_running_loop().time()
        if not window.count_request(now):
            server.rate_limit_count += 1
            await self._respond(bucket, window, is_refused=True)
            raise SurfaceBusy(window.ends_at - asyncio.get_running_loop().time())
        if fault is Fault.UNAVAILABLE:
            await self._respond(bucket, window)
            raise SurfaceBusy(1.0)
        self._show(page, action, now)
        if fault is Fault.REPLY_LOST:
            # A second try to create the same page finds the first one by its nonce.
            self._created_page = page if bucket == bucket_for_posts(self.bucket) else None
            raise SurfaceBusy(1.0)
        if fault is Fault.HANGS:
            self._created_page = page if bucket == bucket_for_posts(self.bucket) else None
            await asyncio.sleep(60)
        await self._respond(bucket, window)
        if server.waits_on_last_token and window.remaining == 0:
            await asyncio.sleep(max(0.0, window.ends_at - asyncio.get_running_loop().time()))

    async def _respond(self, bucket: str, window: Window, *, is_refused: bool = False) -> None:
        sent = asyncio.get_running_loop().time()
        reset_after = window.ends_at - sent
        remaining = window.remaining
        await asyncio.sleep(self.server.latency)
        now = asyncio.get_running_loop().time()
        if self.server.rate_limiter is None:
            return
        if is_refused:
            self.server.rate_limiter.record_rate_limit(bucket, reset_after, now)
        else:
            self.server.rate_limiter.update_from_headers(
                bucket, limit=window.limit, remaining=remaining, reset_after=reset_after, now=now
            )

    def _show(self, page: int, action: Post | Edit, now: float) -> None:
        if not action.text.strip():
            raise AssertionError("50006: an empty message")
        self.pages[page:] = [action.text, *self.pages[page + 1 :]]
        self.actions.append(action)
        self.snapshots.append(Snapshot(now, tuple(self.pages)))
