"""Answers stand in a line: so many run side by side, the rest move up, and each knows how many go before it.

``Line`` decides, purely; ``QueuedDriver`` makes the others wait and tells their readers where they stand.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bot.streaming import Begun, Cause, Closing, Driver, Streamable, Surface

CONCURRENT_ANSWERS = 12

_REMINDER = 15.0
"""So many seconds after which an answer that waits says again that it does: silence is for models that stall."""

_PASSED = 4
"""So many newcomers may pass somebody's second question while the first is being answered."""

_ORDINALS = {1: "st", 2: "nd", 3: "rd"}
_TEENS = range(10, 20)


@dataclass(frozen=True, slots=True)
class Ticket:
    """One who stands in the line. ``asker`` and ``place`` are Discord's ids; ``since`` is in seconds.

    ``is_thread``: what is said in that place is one conversation, so that a question there may rest on the one before.
    """

    number: int
    asker: int
    place: int
    is_thread: bool
    since: float
    tag: float


class Line:
    """Who may begin. Fair: whoever asks much waits for themselves, not others for them.

    The order is that of start-time fair queueing with all answers deemed equally long; newcomers pass a person's second
    question only so often, so that nobody waits for ever. In a thread it waits until the first is answered.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: list[Ticket] = []
        self._running: list[Ticket] = []
        self._virtual = 0.0
        self._last_tag: dict[int, float] = {}
        self._count = 0

    def join(self, *, asker: int, place: int, now: float, is_thread: bool = False) -> Ticket:
        """Stand behind one's own questions and beside everybody else's; ``now`` is in seconds."""
        self._count += 1
        tag = max(self._virtual, self._last_tag.get(asker, self._virtual - 1.0) + 1.0)
        self._last_tag[asker] = tag
        ticket = Ticket(self._count, asker, place, is_thread, now, tag)
        self._waiting.append(ticket)
        self._waiting.sort(key=lambda waiting: (waiting.tag, waiting.since, waiting.number))
        self._move_up()
        return ticket

    def leave(self, ticket: Ticket) -> None:
        """The answer has ended, or is not wanted any more."""
        for group in (self._running, self._waiting):
            if ticket in group:
                group.remove(ticket)
        if not any(other.asker == ticket.asker for other in (*self._running, *self._waiting)):
            self._last_tag.pop(ticket.asker, None)
        self._move_up()

    def ahead(self, ticket: Ticket) -> int:
        """How many go first; 0 once it is one's turn."""
        return self._waiting.index(ticket) + 1 if ticket in self._waiting else 0

    @property
    def standing(self) -> tuple[int, int]:
        """How many answers are under way, and how many wait."""
        return len(self._running), len(self._waiting)

    def _move_up(self) -> None:
        for ticket in tuple(self._waiting):
            if len(self._running) < self._limit and not self._is_after_own(ticket):
                self._waiting.remove(ticket)
                self._running.append(ticket)
                self._virtual = max(self._virtual, ticket.tag) + 1 / _PASSED

    def _is_after_own(self, ticket: Ticket) -> bool:
        """Whether the same person's earlier question in the same thread is still being answered."""
        return ticket.is_thread and any(
            (other.asker, other.place) == (ticket.asker, ticket.place) and other.number < ticket.number
            for other in (*self._running, *self._waiting)
        )


class QueuedDriver:
    """A driver that runs only so many answers at a time; the others are told their place, and it moves."""

    def __init__(self, driver: Driver, limit: int = CONCURRENT_ANSWERS) -> None:
        self._driver = driver
        self._line = Line(limit)
        self._moved = asyncio.Event()

    async def run(  # noqa: PLR0913 - the driver's own, and whose turn it is
        self, streamable: Streamable, surface: Surface, *, key: str, asker: int, place: int, is_thread: bool = False
    ) -> Cause:
        """As ``Driver.run``, in turn. ``asker`` and ``place`` (a channel) are Discord's ids."""
        now = asyncio.get_running_loop().time()
        ticket = self._line.join(asker=asker, place=place, now=now, is_thread=is_thread)
        try:
            ahead = self._line.ahead(ticket)
            status = waiting(ahead) if ahead else ""
            return await self._driver.run(_InLine(self, ticket, streamable, key), surface, key=key, status=status)
        finally:
            self._line.leave(ticket)
            # Whoever waits looks at its place anew; who comes later waits for the next move.
            self._moved.set()
            self._moved = asyncio.Event()

    def stop(self, key: str, by: str) -> bool:
        """As ``Driver.stop``; an answer that waits is stopped too."""
        return self._driver.stop(key, by)

    @property
    def standing(self) -> tuple[int, int]:
        """How many answers are under way, and how many wait in line."""
        return self._line.standing

    async def turn(self, ticket: Ticket, key: str) -> None:
        """Wait until it is this answer's turn, and tell its reader meanwhile where it stands."""
        has_waited = False
        while ahead := self._line.ahead(ticket):
            has_waited = True
            self._driver.announce(key, waiting(ahead))
            moved = self._moved
            try:
                async with asyncio.timeout(_REMINDER):
                    await moved.wait()
            except TimeoutError:
                continue
        if has_waited:
            self._driver.announce(key, "Searching…")


@dataclass(frozen=True, slots=True)
class _InLine:
    """What is driven, once its turn has come."""

    queue: QueuedDriver
    ticket: Ticket
    inner: Streamable
    key: str

    async def begin(self) -> Begun:
        await self.queue.turn(self.ticket, self.key)
        return await self.inner.begin()

    def deltas(self) -> AsyncIterator[str]:
        return self.inner.deltas()

    def closing(self, cause: Cause) -> Closing:
        return self.inner.closing(cause)


def waiting(ahead: int) -> str:
    """The status line of an answer that stands in the line; ``ahead`` counts from 1, the first who waits."""
    suffix = "th" if ahead % 100 in _TEENS else _ORDINALS.get(ahead % 10, "th")
    return f"You are {ahead}{suffix} in line…"
