"""Answers stand in a line: so many run side by side, the rest move up, and each knows how many go before it.

``AnswerQueue`` decides, purely; ``QueuedDriver`` makes the others wait and tells their readers where they stand.
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
"""So many seconds after which an answer that waits says again that it does: silence is for models that stall."""

_MAX_OVERTAKES = 4
"""So many newcomers may pass somebody's second question while the first is being answered."""


@dataclass(frozen=True, slots=True)
class QueueTicket:
    """One question in the queue. ``asker_id`` and ``channel_id`` are Discord's ids; ``joined_at`` is in seconds.

    ``is_conversation``: the channel is a thread or a direct message, where a question may follow up on the one before.
    """

    number: int
    asker_id: int
    channel_id: int
    is_conversation: bool
    joined_at: float
    tag: float


class AnswerQueue:
    """Who may begin. Fair: whoever asks much waits for themselves, not others for them.

    The order is that of start-time fair queueing with all answers deemed equally long; newcomers pass a person's second
    question only so often, so that nobody waits for ever. In a thread it waits until the first is answered.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: list[QueueTicket] = []
        self._running: list[QueueTicket] = []
        self._virtual_time = 0.0
        self._last_tag: dict[int, float] = {}
        self._count = 0

    def join(self, *, asker_id: int, channel_id: int, now: float, is_conversation: bool = False) -> QueueTicket:
        """Stand behind one's own questions and beside everybody else's; ``now`` is in seconds."""
        self._count += 1
        tag = max(self._virtual_time, self._last_tag.get(asker_id, self._virtual_time - 1.0) + 1.0)
        self._last_tag[asker_id] = tag
        ticket = QueueTicket(self._count, asker_id, channel_id, is_conversation, now, tag)
        self._waiting.append(ticket)
        self._waiting.sort(key=lambda waiting: (waiting.tag, waiting.joined_at, waiting.number))
        self._start_next()
        return ticket

    def leave(self, ticket: QueueTicket) -> None:
        """The answer has ended, or is not wanted any more."""
        for group in (self._running, self._waiting):
            if ticket in group:
                group.remove(ticket)
        if not any(other.asker_id == ticket.asker_id for other in (*self._running, *self._waiting)):
            self._last_tag.pop(ticket.asker_id, None)
        self._start_next()

    def count_ahead(self, ticket: QueueTicket) -> int:
        """How many go first; 0 once it is one's turn."""
        return self._waiting.index(ticket) + 1 if ticket in self._waiting else 0

    @property
    def counts(self) -> tuple[int, int]:
        """How many answers are under way, and how many wait."""
        return len(self._running), len(self._waiting)

    def _start_next(self) -> None:
        for ticket in tuple(self._waiting):
            if len(self._running) < self._limit and not self._waits_for_own(ticket):
                self._waiting.remove(ticket)
                self._running.append(ticket)
                self._virtual_time = max(self._virtual_time, ticket.tag) + 1 / _MAX_OVERTAKES

    def _waits_for_own(self, ticket: QueueTicket) -> bool:
        """Whether the same person's earlier question in the same thread is still being answered."""
        return ticket.is_conversation and any(
            (other.asker_id, other.channel_id) == (ticket.asker_id, ticket.channel_id) and other.number < ticket.number
            for other in (*self._running, *self._waiting)
        )


class QueuedDriver:
    """A driver that runs only so many answers at a time; the others are told their place, and it moves."""

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
        """As ``Driver.run``, in turn. ``asker_id`` and ``channel_id`` (a channel) are Discord's ids."""
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
            # Whoever waits looks at its place anew; who comes later waits for the next move.
            self._queue_moved.set()
            self._queue_moved = asyncio.Event()

    def stop(self, answer_id: str, by: str) -> bool:
        """As ``Driver.stop``; an answer that waits is stopped too."""
        return self._driver.stop(answer_id, by)

    def announce(self, answer_id: str, status: str) -> bool:
        """As ``Driver.announce``."""
        return self._driver.announce(answer_id, status)

    async def wait_for_turn(self, ticket: QueueTicket, answer_id: str) -> None:
        """Wait until it is this answer's turn, and tell its reader meanwhile where it stands."""
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
    """What is driven, once its turn has come."""

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
