"""A stand-in for Discord as a surface sees it: latency, windows with their 429s, faults to order, deletion."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from bot.streaming import FileRefused, SurfaceBusy, SurfaceGone, posting

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bot.streaming import Edit, Lanes, Post


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
    spent: int = 0

    def admits(self, now: float) -> bool:
        if now >= self.ends_at:
            self.ends_at, self.spent = now + self.period, 0
        self.spent += 1
        return self.spent <= self.limit

    @property
    def remaining(self) -> int:
        return max(0, self.limit - self.spent)


@dataclass(slots=True)
class Server:
    """What all surfaces share: the windows, and what ``lanes`` are told from the headers of every response.

    ``latency`` is one way, in seconds. With ``holds_last`` a call that spends the last token returns only at the
    window's end, as discord.py's do. Lanes are counted in ``windows``; those not named get 5 per 5 s (2 s for an
    interaction's edits).
    """

    lanes: Lanes | None = None
    latency: float = 0.05
    holds_last: bool = True
    windows: dict[str, Window] = field(default_factory=dict[str, Window])
    refusals: int = 0

    def window(self, lane: str) -> Window:
        is_quick = lane.startswith("interaction:") and lane != posting(lane.partition("+")[0])
        return self.windows.setdefault(lane, Window(5, 2.0 if is_quick else 5.0))


@dataclass(frozen=True, slots=True)
class Sight:
    """What a reader sees from ``at`` on: all pages of the answer."""

    at: float
    pages: tuple[str, ...]


class FakeSurface:
    """One answer's messages on the server, and everything a reader saw of them."""

    def __init__(self, server: Server, lane: str, faults: Iterable[Fault] = ()) -> None:
        self.server = server
        self.lane = lane
        self.faults = deque(faults)
        self.pages: list[str] = []
        self.sights: list[Sight] = []
        self.actions: list[Post | Edit] = []
        self.calls = 0
        self.messages: set[int] = set()
        self.places: set[int] = set()
        self.lasts_until: float | None = None
        self.rests_on: int | None = None
        self.is_deleted = False
        self.takes_files = True
        self._created: int | None = None

    def has_message(self, message: int) -> bool:
        return message in self.messages

    def is_in(self, place: int) -> bool:
        return place in self.places

    async def post(self, action: Post) -> None:
        page = len(self.pages) if self._created is None else self._created
        await self._request(posting(self.lane), page, action)
        self._created = None

    async def edit(self, action: Edit) -> None:
        if action.page >= len(self.pages):
            raise AssertionError("a page was edited before it was posted")
        await self._request(self.lane, action.page, action)

    async def _request(self, lane: str, page: int, action: Post | Edit) -> None:
        server = self.server
        window = server.window(lane)
        fault = self.faults.popleft() if self.faults else Fault.NONE
        self.calls += 1
        await asyncio.sleep(server.latency)
        if self.is_deleted:
            await asyncio.sleep(server.latency)
            raise SurfaceGone("10008: unknown message")
        if action.attached and not self.takes_files:
            raise FileRefused("50013: missing permissions")
        now = asyncio.get_running_loop().time()
        if not window.admits(now):
            server.refusals += 1
            await self._answered(lane, window, is_refused=True)
            raise SurfaceBusy(window.ends_at - asyncio.get_running_loop().time())
        if fault is Fault.UNAVAILABLE:
            await self._answered(lane, window)
            raise SurfaceBusy(1.0)
        self._show(page, action, now)
        if fault is Fault.REPLY_LOST:
            # A second try to create the same page finds the first one by its nonce.
            self._created = page if lane == posting(self.lane) else None
            raise SurfaceBusy(1.0)
        if fault is Fault.HANGS:
            self._created = page if lane == posting(self.lane) else None
            await asyncio.sleep(60)
        await self._answered(lane, window)
        if server.holds_last and window.remaining == 0:
            await asyncio.sleep(max(0.0, window.ends_at - asyncio.get_running_loop().time()))

    async def _answered(self, lane: str, window: Window, *, is_refused: bool = False) -> None:
        sent = asyncio.get_running_loop().time()
        reset_after = window.ends_at - sent
        remaining = window.remaining
        await asyncio.sleep(self.server.latency)
        now = asyncio.get_running_loop().time()
        if self.server.lanes is None:
            return
        if is_refused:
            self.server.lanes.refused(lane, reset_after, now)
        else:
            self.server.lanes.learn(lane, limit=window.limit, remaining=remaining, reset_after=reset_after, now=now)

    def _show(self, page: int, action: Post | Edit, now: float) -> None:
        if not action.text.strip():
            raise AssertionError("50006: an empty message")
        self.pages[page:] = [action.text, *self.pages[page + 1 :]]
        self.actions.append(action)
        self.sights.append(Sight(now, tuple(self.pages)))
