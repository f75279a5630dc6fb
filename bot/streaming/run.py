"""One answer on its way: text is pumped from the model into a reply, whose posts and edits go out in the lane's order.

Each has three tasks: the pump, which only waits for the model; the action under way, one at a time; and the loop that
stands between them with a timer of its own, so that a silent model holds back nothing that has arrived.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.streaming.actions import Closing, Post, Urgency
from bot.streaming.protocols import Begun, Ended, Failed, FileRefused, Lost, OutOfTime, Stalled, SurfaceBusy
from bot.streaming.rate_limits import Claim, posting

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.streaming.actions import Edit
    from bot.streaming.protocols import Cause, Streamable, Surface
    from bot.streaming.rate_limits import Lanes
    from bot.streaming.reply import Reply


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long an answer may take, in seconds, counted on content: a delta that is empty is none.

    ``call`` and ``last_words`` are the surface's: one post or edit, and how long the finished answer is tried again.
    ``reserve`` is left of a surface that does not last when its answer is ended, for the closing words.
    """

    first_delta: float = 60.0
    idle: float = 45.0
    total: float = 1_800.0
    call: float = 15.0
    last_words: float = 60.0
    reserve: float = 30.0


_BREATH = 64
"""After so many deltas in one go the pump lets other tasks run."""
_RELUCTANCE = 256
"""So many breaths a cancelled pump is put off, until the model waits: only there does cancelling hang up on it."""
_BITE = 500
"""So many characters are paged in one go."""
_FIRST_RETRY = 0.5
_LAST_RETRY = 8.0
"""Seconds between attempts, doubling from the first to the last."""
_TIMER = 0.001
_FAREWELL = 2.0
"""How many seconds a model may take to hang up before its answer is left alone."""
_APOLOGY = "-# Something went wrong here that nobody foresaw. Ask again."
"""The words for a fault that left no others."""


class Run:
    """One answer on its way: what has arrived, why it ends, what is under way."""

    def __init__(  # noqa: PLR0913, PLR0917 - made in one place, from everything that one answer needs
        self,
        name: str,
        streamable: Streamable,
        surface: Surface,
        reply: Reply,
        lanes: Lanes,
        deadlines: Deadlines,
        clock: Callable[[], float],
        wake_other: Callable[[str], None],
    ) -> None:
        self._name = name
        self._streamable = streamable
        self._surface = surface
        self._reply = reply
        self._lanes = lanes
        self._deadlines = deadlines
        self._clock = clock
        self._wake_other = wake_other
        self._changed = asyncio.Event()
        self._arrived: deque[str | Begun] = deque()
        self._cause: Cause | None = None
        self._lost: Lost | None = None
        self._began_at = clock()
        self._patience = deadlines.first_delta
        self._silent_at = clock() + self._patience
        self._claimed: str | None = None
        self._is_queueing = False
        self._has_begun = False
        self._put_off = 0
        self._failures = 0
        self._has_given_up = False
        self._pressing_since = 0.0
        self._pump: asyncio.Task[None] | None = None
        self._action: asyncio.Task[None] | None = None
        self.is_over = asyncio.Event()

    def wake(self) -> None:
        """Something may have changed: look again."""
        self._changed.set()

    def interrupt(self, cause: Cause) -> bool:
        """End the text here, for this reason; False if it has ended before."""
        if self._cause is not None or self._lost is not None:
            return False
        self._cause = cause
        if self._pump:
            self._pump.cancel()
        self.wake()
        return True

    def announce(self, status: str) -> bool:
        """Show another status line; False once the answer has begun or is over."""
        if self._has_begun or self._cause is not None or self._lost is not None:
            return False
        self._put(Begun(status))
        return True

    def abandon(self, error: Exception) -> None:
        """Send nothing more."""
        self._lost = self._lost or Lost(error)
        if self._pump:
            self._pump.cancel()
        self.wake()

    def has_message(self, message: int) -> bool:
        """Whether this message is one of the answer's."""
        return self._surface.has_message(message)

    def is_in(self, place: int) -> bool:
        """Whether the answer appears in this channel, thread or guild."""
        return self._surface.is_in(place)

    @property
    def rests_on(self) -> int | None:
        """Where the bot's own right to write is needed now, by its id."""
        return self._surface.rests_on

    async def told(self) -> Cause:
        """Run to the end; gives the reason why the text ended, or ``Lost``."""
        if self._cause is None:
            self._pump = asyncio.create_task(self._pumped())
        try:
            while not self._has_nothing_left:
                self._changed.clear()
                await self._pause(self._looked())
        finally:
            self._leave_lane()
            self.is_over.set()
            await _cancelled(self._pump, self._action)
        return self._lost or self._cause or Ended()

    def _looked(self) -> float | None:
        """Take in what is new and begin what is due; gives the time of the next look, None for never.

        A fault in it must not leave a message in progress: the answer ends with what is visible, and says so.
        """
        try:
            self._take_in()
            return self._next_look()
        except Exception as error:  # noqa: BLE001 - whatever it is, the reader is told
            if self._has_given_up:
                self.abandon(error)
            else:
                self._give_up(error)
            return self._clock()

    def _give_up(self, error: Exception) -> None:
        self._has_given_up = True
        self._arrived.clear()
        self._cause = Failed(error)
        if self._pump:
            self._pump.cancel()
        if self._action:
            self._action.cancel()
        closing = self._closing_words(self._cause)
        self._pressing_since = self._clock()
        self._reply.give_up(closing.note or _APOLOGY, self._clock())

    def _closing_words(self, cause: Cause) -> Closing:
        try:
            return self._streamable.closing(cause)
        except Exception as error:  # noqa: BLE001 - what was said stands, with words of our own below it
            self._cause = Failed(error)
            return Closing(note=_APOLOGY)

    async def _pumped(self) -> None:
        """Do nothing but wait for the model, so that cancelling this task finds it waiting there and hangs up."""
        try:
            begun = await self._streamable.begin()
            self._has_begun = True
            self._put(begun)
            count = 0
            async for delta in self._streamable.deltas():
                if not delta:
                    continue
                self._put(delta)
                count += 1
                if count % _BREATH == 0:
                    await self._breathe()
        except Exception as error:  # noqa: BLE001 - whatever a model or store raises is how this answer ended
            self._end(Failed(error))
        except asyncio.CancelledError:
            # Nobody here may have asked for it: a library's own cancellation must not leave the answer waiting.
            self._end(Failed(ConnectionAbortedError("the model's stream was cancelled")))
            raise
        else:
            self._end(Ended())

    async def _breathe(self) -> None:
        """Let other tasks run during a burst. A cancellation that comes here waits until the model is waited for."""
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            this_task = asyncio.current_task()
            if self._put_off == _RELUCTANCE or this_task is None:
                raise
            self._put_off += 1
            this_task.cancel()

    def _put(self, arrival: str | Begun) -> None:
        if isinstance(arrival, str):
            self._patience = self._deadlines.idle
        self._silent_at = self._clock() + self._patience
        self._arrived.append(arrival)
        if not self._is_queueing:
            self.wake()

    def _end(self, cause: Cause) -> None:
        self._cause = self._cause or cause
        self.wake()

    @property
    def _has_nothing_left(self) -> bool:
        return self._lost is not None or self._reply.is_complete

    def _take_in(self) -> None:
        """Hand what has arrived to the reply, a bite at a time, and its end once all of it is there."""
        now = self._clock()
        bite: list[str] = []
        room = _BITE
        while self._arrived and room > 0:
            arrival = self._arrived.popleft()
            if isinstance(arrival, str):
                bite.append(arrival[:room])
                if rest := arrival[room:]:
                    self._arrived.appendleft(rest)
                room -= len(arrival)
            else:
                self._reply.announce(arrival.status, now, links=arrival.links, rewriting=arrival.rewriting)
        if self._reply.is_finished:
            return
        self._reply.receive("".join(bite), now)
        self._look_at_deadlines(now)
        if self._cause and not self._arrived:
            self._reply.finish(self._closing_words(self._cause), now)
            self._pressing_since = now

    def _look_at_deadlines(self, now: float) -> None:
        if now >= self._overdue_at:
            self.interrupt(OutOfTime(self._overdue_at - self._began_at))
        elif now >= self._silent_at:
            self.interrupt(Stalled(self._patience))

    @property
    def _overdue_at(self) -> float:
        """When the answer has taken too long, or the surface is about to end under it."""
        overdue_at = self._began_at + self._deadlines.total
        lasts_until = self._surface.lasts_until
        return overdue_at if lasts_until is None else min(overdue_at, lasts_until - self._deadlines.reserve)

    def _next_look(self) -> float | None:
        """Begin what is due and may go; gives the time at which to look again if nothing happens, None for never."""
        now = self._clock()
        if self._arrived:
            return now
        action = None if self._action else self._reply.due(now)
        if action:
            look_at = self._take_turn(action, now)
        else:
            self._leave_lane()
            look_at = self._reply.wake_at(now)
        # While text waits for its turn, more text changes nothing: it is taken in when the turn comes.
        self._is_queueing = self._claimed is not None and self._reply.urgency() is Urgency.TEXT
        times = [look_at] if look_at is not None else []
        if self._cause is None:
            times += [self._silent_at, self._overdue_at]
        return min(times, default=None)

    async def _pause(self, until: float | None) -> None:
        """Wait for news or until a time; at least for the other tasks, and for a timer at least a millisecond."""
        if self._arrived or self._has_nothing_left:
            await asyncio.sleep(0)
            return
        # A timer that fires a rounding error too early must not be set again for no time at all.
        seconds = None if until is None else max(_TIMER, until - self._clock())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()

    def _take_turn(self, action: Post | Edit, now: float) -> float | None:
        """Begin the action if it is this answer's turn in the lane; else give the time at which it may be."""
        lane = posting(self._surface.lane) if isinstance(action, Post) else self._surface.lane
        if lane != self._claimed:
            self._leave_lane()
            self._claimed = lane
        urgency = self._reply.urgency()
        was_first = self._lanes.first(lane) == self._name
        self._lanes.claim(lane, Claim(urgency, now - self._reply.staleness(now), self._name))
        if self._lanes.first(lane) != self._name:
            if was_first:
                self._wake_first(lane)
            return None
        wait = self._lanes.wait(lane, urgency, now)
        if wait > 0:
            return now + wait
        self._lanes.spend(lane, now)
        self._leave_lane()
        self._reply.begun(action, now)
        self._action = asyncio.create_task(self._performed(action, lane))
        return None

    def _leave_lane(self) -> None:
        if self._claimed is not None:
            self._lanes.withdraw(self._claimed, self._name)
            self._wake_first(self._claimed)
            self._claimed = None

    def _wake_first(self, lane: str) -> None:
        first = self._lanes.first(lane)
        if first is not None:
            self._wake_other(first)

    async def _performed(self, action: Post | Edit, lane: str) -> None:
        try:
            async with asyncio.timeout(self._deadlines.call):
                await self._sent(action)
            self._reply.performed(action)
        except (SurfaceBusy, TimeoutError) as error:
            self._try_later(error)
        except FileRefused:
            self._reply.failed(self._clock())
            self._reply.attach_nothing(self._clock())
        except Exception as error:  # noqa: BLE001 - SurfaceGone, or a fault of the surface: either way nothing can appear
            self.abandon(error)
        else:
            self._failures = 0
            self._pressing_since = self._clock()
        finally:
            self._action = None
            self._wake_first(lane)  # the response may have taught the lane something
            self.wake()

    async def _sent(self, action: Post | Edit) -> None:
        if isinstance(action, Post):
            await self._surface.post(action)
        else:
            await self._surface.edit(action)

    def _try_later(self, error: SurfaceBusy | TimeoutError) -> None:
        now = self._clock()
        asked = error.retry_after if isinstance(error, SurfaceBusy) else 0.0
        retry_at = now + max(asked, min(_LAST_RETRY, _FIRST_RETRY * 2**self._failures))
        self._failures += 1
        self._reply.failed(retry_at)
        if self._reply.is_finished and retry_at > self._pressing_since + self._deadlines.last_words:
            self.abandon(error)


async def _cancelled(*tasks: asyncio.Task[None] | None) -> None:
    """End these tasks. One that is ending already is not cancelled again: that would cut its clearing up short."""
    running = [task for task in tasks if task and not task.done()]
    for task in running:
        if not task.cancelling():
            task.cancel()
    if running:
        await asyncio.wait(running, timeout=_FAREWELL)
