"""Runs one answer: a task reads the model's text into a reply, whose posts and edits go out when the bucket allows.

Each has three tasks: the pump, which only waits for the model; the action under way, one at a time; and the loop
between them with a timer of its own, so that a silent model does not delay what has arrived.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.streaming.actions import Closing, Post, Urgency
from bot.streaming.protocols import (
    Ended,
    Failed,
    FileRefused,
    Lost,
    OutOfTime,
    Stalled,
    StreamStart,
    SurfaceBusy,
    TooLong,
)
from bot.streaming.rate_limits import EditClaim, bucket_for_posts

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.streaming.actions import Edit
    from bot.streaming.protocols import EndReason, Surface, TextSource
    from bot.streaming.rate_limits import RateLimiter
    from bot.streaming.reply import Reply


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long an answer may take, in seconds, counted on content: a delta that is empty is none.

    ``call`` and ``final_retry`` are the surface's: one post or edit, and how long the finished answer is tried again.
    ``reserve`` is left of a surface that does not last when its answer is ended, for the closing words.
    """

    first_delta: float = 60.0
    idle: float = 45.0
    total: float = 1_800.0
    call: float = 15.0
    final_retry: float = 60.0
    reserve: float = 30.0


MAX_CHARACTERS = 200_000
"""Longest answer, in characters: a model that does not end is stopped here."""
_YIELD_EVERY = 64
"""After so many deltas in one go the pump lets other tasks run."""
_CANCEL_RETRIES = 256
"""So many breaths a cancelled pump is put off, until the model waits: only there does cancelling hang up on it."""
_BATCH_CHARS = 500
"""So many characters are paged in one go."""
_FIRST_RETRY_DELAY = 0.5
_MAX_RETRY_DELAY = 8.0
"""Seconds between attempts, doubling from the first to the last."""
_MIN_TIMER = 0.001
_CLOSE_TIMEOUT = 2.0
"""How many seconds a model may take to hang up before its answer is left alone."""
_FALLBACK_NOTE = "-# An unexpected error occurred. Ask again."
"""The words for a fault that left no others."""


class Run:
    """Runs one answer: holds what has arrived, why it ends, and the action under way."""

    def __init__(  # noqa: PLR0913, PLR0917 - made in one place, from everything that one answer needs
        self,
        run_id: str,
        text_source: TextSource,
        surface: Surface,
        reply: Reply,
        rate_limiter: RateLimiter,
        deadlines: Deadlines,
        clock: Callable[[], float],
        wake_other: Callable[[str], None],
    ) -> None:
        self._run_id = run_id
        self._text_source = text_source
        self._surface = surface
        self._reply = reply
        self._rate_limiter = rate_limiter
        self._deadlines = deadlines
        self._clock = clock
        self._wake_other = wake_other
        self._changed = asyncio.Event()
        self._arrivals: deque[str | StreamStart] = deque()
        self._end_reason: EndReason | None = None
        self._lost: Lost | None = None
        self._began_at = clock()
        self._delta_timeout = deadlines.first_delta
        self._stall_deadline = clock() + self._delta_timeout
        self._claimed_bucket: str | None = None
        self._is_waiting_for_turn = False
        self._has_begun = False
        self._characters = 0
        self._deferred_cancels = 0
        self._failures = 0
        self._has_given_up = False
        self._retrying_since = 0.0
        self._pump: asyncio.Task[None] | None = None
        self._action_task: asyncio.Task[None] | None = None
        self.is_over = asyncio.Event()

    def wake(self) -> None:
        """Look again: something may have changed."""
        self._changed.set()

    def interrupt(self, end_reason: EndReason) -> bool:
        """End the text here, for this reason; False if it has ended before."""
        if self._end_reason is not None or self._lost is not None:
            return False
        self._end_reason = end_reason
        if self._pump:
            self._pump.cancel()
        self.wake()
        return True

    def announce(self, status: str) -> bool:
        """Show another status line; False once the answer has begun or is over."""
        if self._has_begun or self._end_reason is not None or self._lost is not None:
            return False
        self._enqueue(StreamStart(status))
        return True

    def abort(self, error: Exception) -> None:
        """Send nothing more."""
        self._lost = self._lost or Lost(error)
        if self._pump:
            self._pump.cancel()
        self.wake()

    def has_message(self, message_id: int) -> bool:
        """Tell whether this message is one of the answer's."""
        return self._surface.has_message(message_id)

    def is_in(self, channel_or_guild_id: int) -> bool:
        """Tell whether the answer appears in this channel, thread or guild."""
        return self._surface.is_in(channel_or_guild_id)

    @property
    def required_channel_id(self) -> int | None:
        """The id of the channel where the bot's own permission to write is needed now."""
        return self._surface.required_channel_id

    async def run(self) -> EndReason:
        """Run to the end; return the reason why the text ended, or ``Lost``."""
        if self._end_reason is None:
            self._pump = asyncio.create_task(self._pump_deltas())
        try:
            while not self._is_done:
                self._changed.clear()
                await self._pause(self._step())
        finally:
            self._withdraw_claim()
            self.is_over.set()
            await _cancel_tasks(self._pump, self._action_task)
        return self._lost or self._end_reason or Ended()

    def _step(self) -> float | None:
        """Take in what is new and begin what is due; return the time of the next look, None for never.

        A fault in it must not leave a message in progress: the answer ends with what is visible, and says so.
        """
        try:
            self._process_arrivals()
            return self._start_next_action()
        except Exception as error:  # noqa: BLE001 - whatever it is, the answer says so
            if self._has_given_up:
                self.abort(error)
            else:
                self._give_up(error)
            return self._clock()

    def _give_up(self, error: Exception) -> None:
        self._has_given_up = True
        self._arrivals.clear()
        self._end_reason = Failed(error)
        if self._pump:
            self._pump.cancel()
        if self._action_task:
            self._action_task.cancel()
        closing = self._build_closing(self._end_reason)
        self._retrying_since = self._clock()
        self._reply.give_up(closing.note or _FALLBACK_NOTE, self._clock())

    def _build_closing(self, end_reason: EndReason) -> Closing:
        try:
            return self._text_source.closing(end_reason)
        except Exception as error:  # noqa: BLE001 - what was said stands, with words of our own below it
            self._end_reason = Failed(error)
            return Closing(note=_FALLBACK_NOTE)

    async def _pump_deltas(self) -> None:
        """Only wait for the model, so that cancelling this task closes the model's connection."""
        try:
            begun = await self._text_source.begin()
            self._has_begun = True
            self._enqueue(begun)
            count = 0
            async for delta in self._text_source.deltas():
                if not delta:
                    continue
                self._enqueue(delta)
                count += 1
                if count % _YIELD_EVERY == 0:
                    await self._yield_to_loop()
        except Exception as error:  # noqa: BLE001 - whatever a model or store raises is how this answer ended
            self._end(Failed(error))
        except asyncio.CancelledError:
            # Nobody here may have asked for it: a library's own cancellation must not leave the answer waiting.
            self._end(Failed(ConnectionAbortedError("the model's stream was cancelled")))
            raise
        else:
            self._end(Ended())

    async def _yield_to_loop(self) -> None:
        """Let other tasks run during a burst. A cancellation here is delayed until the model is waited for."""
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            this_task = asyncio.current_task()
            if self._deferred_cancels == _CANCEL_RETRIES or this_task is None:
                raise
            self._deferred_cancels += 1
            this_task.cancel()

    def _enqueue(self, arrival: str | StreamStart) -> None:
        if isinstance(arrival, str):
            self._delta_timeout = self._deadlines.idle
            arrival = arrival[: MAX_CHARACTERS - self._characters]
            self._characters += len(arrival)
            if self._characters == MAX_CHARACTERS:
                self.interrupt(TooLong(MAX_CHARACTERS))
        self._stall_deadline = self._clock() + self._delta_timeout
        self._arrivals.append(arrival)
        if not self._is_waiting_for_turn:
            self.wake()

    def _end(self, end_reason: EndReason) -> None:
        self._end_reason = self._end_reason or end_reason
        self.wake()

    @property
    def _is_done(self) -> bool:
        return self._lost is not None or self._reply.is_complete

    def _process_arrivals(self) -> None:
        """Pass what has arrived to the reply, a batch at a time, and its end once all of it has arrived."""
        now = self._clock()
        bite: list[str] = []
        room = _BATCH_CHARS
        while self._arrivals and room > 0:
            arrival = self._arrivals.popleft()
            if isinstance(arrival, str):
                bite.append(arrival[:room])
                if rest := arrival[room:]:
                    self._arrivals.appendleft(rest)
                room -= len(arrival)
            else:
                self._reply.announce(
                    arrival.status,
                    now,
                    allowed_urls=arrival.allowed_urls,
                    citations=arrival.citations,
                    text_filter=arrival.text_filter,
                )
        if self._reply.is_finished:
            return
        self._reply.receive("".join(bite), now)
        self._check_deadlines(now)
        if self._end_reason and not self._arrivals:
            self._reply.finish(self._build_closing(self._end_reason), now)
            self._retrying_since = now

    def _check_deadlines(self, now: float) -> None:
        if now >= self._overdue_at:
            self.interrupt(OutOfTime(self._overdue_at - self._began_at))
        elif now >= self._stall_deadline:
            self.interrupt(Stalled(self._delta_timeout))

    @property
    def _overdue_at(self) -> float:
        """Return when the answer has taken too long, or must end because its surface will."""
        overdue_at = self._began_at + self._deadlines.total
        lasts_until = self._surface.lasts_until
        return overdue_at if lasts_until is None else min(overdue_at, lasts_until - self._deadlines.reserve)

    def _start_next_action(self) -> float | None:
        """Begin what is due and may go; return the time to look again if nothing happens, None for never."""
        now = self._clock()
        if self._arrivals:
            return now
        action = None if self._action_task else self._reply.next_action(now)
        if action:
            look_at = self._take_turn(action, now)
        else:
            self._withdraw_claim()
            look_at = self._reply.wake_at(now)
        # While text waits for its turn, more text changes nothing: it is taken in when the turn comes.
        self._is_waiting_for_turn = self._claimed_bucket is not None and self._reply.get_urgency() is Urgency.TEXT
        times = [look_at] if look_at is not None else []
        if self._end_reason is None:
            times += [self._stall_deadline, self._overdue_at]
        return min(times, default=None)

    async def _pause(self, until: float | None) -> None:
        """Wait until something changes or until a time; let other tasks run, for a timer at least a millisecond."""
        if self._arrivals or self._is_done:
            await asyncio.sleep(0)
            return
        # A timer that fires a rounding error too early must not be set again for no time at all.
        seconds = None if until is None else max(_MIN_TIMER, until - self._clock())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()

    def _take_turn(self, action: Post | Edit, now: float) -> float | None:
        """Begin the action if it is this answer's turn in the bucket; else return the time at which it may be."""
        bucket = bucket_for_posts(self._surface.bucket) if isinstance(action, Post) else self._surface.bucket
        if bucket != self._claimed_bucket:
            self._withdraw_claim()
            self._claimed_bucket = bucket
        urgency = self._reply.get_urgency()
        was_first = self._rate_limiter.next_run_id(bucket) == self._run_id
        self._rate_limiter.claim(bucket, EditClaim(urgency, now - self._reply.get_staleness(now), self._run_id))
        if self._rate_limiter.next_run_id(bucket) != self._run_id:
            if was_first:
                self._wake_first(bucket)
            return None
        wait = self._rate_limiter.seconds_to_wait(bucket, urgency, now)
        if wait > 0:
            return now + wait
        self._rate_limiter.count_request(bucket, now)
        self._withdraw_claim()
        self._reply.action_started(action, now)
        self._action_task = asyncio.create_task(self._perform(action, bucket))
        return None

    def _withdraw_claim(self) -> None:
        if self._claimed_bucket is not None:
            self._rate_limiter.withdraw(self._claimed_bucket, self._run_id)
            self._wake_first(self._claimed_bucket)
            self._claimed_bucket = None

    def _wake_first(self, bucket: str) -> None:
        first = self._rate_limiter.next_run_id(bucket)
        if first is not None:
            self._wake_other(first)

    async def _perform(self, action: Post | Edit, bucket: str) -> None:
        try:
            async with asyncio.timeout(self._deadlines.call):
                await self._send(action)
            self._reply.action_succeeded(action)
        except (SurfaceBusy, TimeoutError) as error:
            self._try_later(error)
        except FileRefused:
            self._reply.action_failed(self._clock())
            self._reply.disable_attachment(self._clock())
        except Exception as error:  # noqa: BLE001 - SurfaceGone, or a fault of the surface: either way nothing can appear
            self.abort(error)
        else:
            self._failures = 0
            self._retrying_since = self._clock()
        finally:
            self._action_task = None
            self._wake_first(bucket)  # the response's headers may have changed the bucket
            self.wake()

    async def _send(self, action: Post | Edit) -> None:
        if isinstance(action, Post):
            await self._surface.post(action)
        else:
            await self._surface.edit(action)

    def _try_later(self, error: SurfaceBusy | TimeoutError) -> None:
        now = self._clock()
        asked = error.retry_after if isinstance(error, SurfaceBusy) else 0.0
        retry_at = now + max(asked, min(_MAX_RETRY_DELAY, _FIRST_RETRY_DELAY * 2**self._failures))
        self._failures += 1
        self._reply.action_failed(retry_at)
        if self._reply.is_finished and retry_at > self._retrying_since + self._deadlines.final_retry:
            self.abort(error)


async def _cancel_tasks(*tasks: asyncio.Task[None] | None) -> None:
    """Cancel these tasks and wait for them; one that is ending is left to its cleanup."""
    running = [task for task in tasks if task and not task.done()]
    for task in running:
        if not task.cancelling():
            task.cancel()
    if running:
        await asyncio.wait(running, timeout=_CLOSE_TIMEOUT)
