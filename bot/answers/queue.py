"""Queues answers: a limited number runs at the same time, and each waiting one knows its position.

``AnswerQueue`` decides, and is pure; ``QueuedDriver`` makes answers wait and shows their position.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.answers.status_lines import SEARCHING, format_queue_position

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bot.streaming import Closing, Driver, EndReason, StreamStart, Surface, TextSource

CONCURRENT_ANSWERS = 12

_REMINDER_INTERVAL = 15.0
"""Seconds after which a waiting answer repeats its status line: the driver takes silence for a stalled model."""

_MAX_OVERTAKES = 4
"""Newcomers that may pass somebody's second question while the first is being answered."""


@dataclass(frozen=True, slots=True)
class QueueTicket:
    """One question in the queue. ``asker_id`` and ``channel_id`` are Discord's ids; ``joined_at`` is in seconds.

    ``is_conversation``: the channel is a thread or a direct message, where a question may follow up on the previous
    one. ``tag`` is the virtual start time that orders the queue.
    """

    number: int
    asker_id: int
    channel_id: int
    is_conversation: bool
    joined_at: float
    tag: float


class AnswerQueue:
    """Decides which answer may begin; a person with many questions delays only their own.

    The order is that of start-time fair queueing with all answers counted as equally long. Newcomers pass a person's
    second question only a few times, so nobody waits for ever. In a conversation it waits until the first is answered.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: list[QueueTicket] = []
        self._running: list[QueueTicket] = []
        self._virtual_time = 0.0
        self._last_tag: dict[int, float] = {}
        self._count = 0

    def join(self, *, asker_id: int, channel_id: int, now: float, is_conversation: bool = False) -> QueueTicket:
        """Add a question behind the asker's own ones and beside everybody else's; ``now`` is in seconds."""
        self._count += 1
        tag = max(self._virtual_time, self._last_tag.get(asker_id, self._virtual_time - 1.0) + 1.0)
        self._last_tag[asker_id] = tag
        ticket = QueueTicket(self._count, asker_id, channel_id, is_conversation, now, tag)
        self._waiting.append(ticket)
        self._waiting.sort(key=lambda waiting: (waiting.tag, waiting.joined_at, waiting.number))
        self._start_next()
        return ticket

    def leave(self, ticket: QueueTicket) -> None:
        """Remove a question whose answer has ended or is no longer wanted."""
        for group in (self._running, self._waiting):
            if ticket in group:
                group.remove(ticket)
        if not any(other.asker_id == ticket.asker_id for other in (*self._running, *self._waiting)):
            self._last_tag.pop(ticket.asker_id, None)
        self._start_next()

    def count_ahead(self, ticket: QueueTicket) -> int:
        """Return the position in the queue, from 1; 0 once the answer may begin."""
        return self._waiting.index(ticket) + 1 if ticket in self._waiting else 0

    @property
    def counts(self) -> tuple[int, int]:
        """How many answers are running, and how many wait."""
        return len(self._running), len(self._waiting)

    def _start_next(self) -> None:
        for ticket in tuple(self._waiting):
            if len(self._running) < self._limit and not self._waits_for_own(ticket):
                self._waiting.remove(ticket)
                self._running.append(ticket)
                self._virtual_time = max(self._virtual_time, ticket.tag) + 1 / _MAX_OVERTAKES

    def _waits_for_own(self, ticket: QueueTicket) -> bool:
        """Return whether the same person's earlier question in this conversation has not been answered yet."""
        return ticket.is_conversation and any(
            (other.asker_id, other.channel_id) == (ticket.asker_id, ticket.channel_id) and other.number < ticket.number
            for other in (*self._running, *self._waiting)
        )


class QueuedDriver:
    """A driver that runs a limited number of answers; the others are shown their position."""

    def __init__(self, driver: Driver, limit: int = CONCURRENT_ANSWERS) -> None:
        self._driver = driver
        self._queue = AnswerQueue(limit)
        self._queue_moved = asyncio.Event()

    async def run(  # noqa: PLR0913 - the driver's own, and whose turn it is
        self,
        text_source: TextSource,
        surface: Surface,
        *,
        answer_id: str,
        asker_id: int,
        channel_id: int,
        is_conversation: bool = False,
    ) -> EndReason:
        """Run one answer when its turn comes, as ``Driver.run``. The ids are Discord's."""
        now = asyncio.get_running_loop().time()
        ticket = self._queue.join(asker_id=asker_id, channel_id=channel_id, now=now, is_conversation=is_conversation)
        try:
            ahead = self._queue.count_ahead(ticket)
            status = format_queue_position(ahead) if ahead else SEARCHING
            return await self._driver.run(
                _QueuedStream(self, ticket, text_source, answer_id), surface, answer_id=answer_id, status=status
            )
        finally:
            self._queue.leave(ticket)
            # Waiting answers look at their position again; later ones wait for the next move.
            self._queue_moved.set()
            self._queue_moved = asyncio.Event()

    def stop(self, answer_id: str, by: str) -> bool:
        """Stop an answer as ``Driver.stop``, also one that waits."""
        return self._driver.stop(answer_id, by)

    def announce(self, answer_id: str, status: str) -> bool:
        """Show a status line as ``Driver.announce``."""
        return self._driver.announce(answer_id, status)

    async def wait_for_turn(self, ticket: QueueTicket, answer_id: str) -> None:
        """Wait until this answer may begin, and show its position meanwhile."""
        has_waited = False
        while ahead := self._queue.count_ahead(ticket):
            has_waited = True
            self._driver.announce(answer_id, format_queue_position(ahead))
            moved = self._queue_moved
            try:
                async with asyncio.timeout(_REMINDER_INTERVAL):
                    await moved.wait()
            except TimeoutError:
                continue
        if has_waited:
            self._driver.announce(answer_id, SEARCHING)


@dataclass(frozen=True, slots=True)
class _QueuedStream:
    """A text source that begins when its turn comes."""

    driver: QueuedDriver
    ticket: QueueTicket
    inner: TextSource
    answer_id: str

    async def begin(self) -> StreamStart:
        await self.driver.wait_for_turn(self.ticket, self.answer_id)
        return await self.inner.begin()

    def deltas(self) -> AsyncIterator[str]:
        return self.inner.deltas()

    def closing(self, end_reason: EndReason) -> Closing:
        return self.inner.closing(end_reason)
