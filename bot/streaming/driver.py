"""Runs replies side by side in shared rate-limit buckets: starts, stops, aborts and finishes them in time."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from bot.streaming.actions import Urgency
from bot.streaming.protocols import Restarting, Stopped, SurfaceGone
from bot.streaming.reply import Pace, Reply
from bot.streaming.run import Deadlines, Run

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.streaming.protocols import EndReason, Surface, TextSource
    from bot.streaming.rate_limits import RateLimiter
    from bot.streaming.reply import PageLimits

_MIN_CLOSE_WAIT = 0.3
"""So many seconds a driver that closes waits at least, for answers that were asked for but have not begun."""


class Driver:
    """Runs replies; all of them share its rate-limit buckets."""

    def __init__(  # noqa: PLR0913 - made in one place, from what an operator may choose
        self,
        rate_limiter: RateLimiter,
        *,
        pace: Pace | None = None,
        page_limits: PageLimits | None = None,
        deadlines: Deadlines | None = None,
        clock: Callable[[], float] | None = None,
        first_status: str = "Searching…",
    ) -> None:
        self._rate_limiter = rate_limiter
        self._pace = pace or Pace()
        self._page_limits = page_limits
        self._deadlines = deadlines or Deadlines()
        self._clock = clock
        self._first_status = first_status
        self._open_runs: dict[str, Run] = {}
        self._run_count = 0
        self._is_closing = False

    @property
    def open_answers(self) -> int:
        """The number of answers that have not ended."""
        return len(self._open_runs)

    async def run(self, text_source: TextSource, surface: Surface, *, answer_id: str, status: str = "") -> EndReason:
        """Run one answer to its end on a surface; ``stop`` finds it by ``answer_id``.

        ``status`` is the first status line, where it is not the usual one.
        After ``close`` no model is asked any more: the answer only says that the bot is restarting.

        Raises:
            CancelledError: the caller was cancelled; the model's connection is closed, the message stays as it is.
        """
        self._run_count += 1
        name = f"{self._run_count} {answer_id}"
        clock = self._clock or asyncio.get_running_loop().time
        reply = Reply(status=status or self._first_status, now=clock(), pace=self._pace, page_limits=self._page_limits)
        run = Run(name, text_source, surface, reply, self._rate_limiter, self._deadlines, clock, self._wake)
        self._open_runs[name] = run
        if self._is_closing:
            run.interrupt(Restarting())
        try:
            return await run.run()
        finally:
            del self._open_runs[name]

    def stop(self, answer_id: str, by: str) -> bool:
        """End an answer where it is and close the model's connection at once; False if none is running."""
        stopped = [run.interrupt(Stopped(by)) for run in self._find_runs(answer_id)]
        return any(stopped)

    def announce(self, answer_id: str, status: str) -> bool:
        """Show another status line while an answer has no text, and restart its deadline; False if there is none."""
        announced = [run.announce(status) for run in self._find_runs(answer_id)]
        return any(announced)

    def on_message_deleted(self, message_id: int) -> bool:
        """Abort the answer that a deleted message is part of, and close its model's connection at once.

        A thread has the id of the message it was started from, and either can be deleted alone: hence two functions.
        Returns whether there was such an answer.
        """
        return _abort_runs([run for run in self._open_runs.values() if run.has_message(message_id)])

    def on_channel_deleted(self, channel_or_guild_id: int) -> bool:
        """Abort the answers in a deleted channel, thread or guild; return whether there was any."""
        return _abort_runs([run for run in self._open_runs.values() if run.is_in(channel_or_guild_id)])

    @property
    def required_channel_ids(self) -> frozenset[int]:
        """The ids of channels and threads in which open answers need the bot's own permission to write."""
        return frozenset(
            run.required_channel_id for run in self._open_runs.values() if run.required_channel_id is not None
        )

    def on_permission_revoked(self, channel_id: int) -> None:
        """Abort the answers that need the bot's permission to write in this channel or thread, which it has lost."""
        for run in self._open_runs.values():
            if run.required_channel_id == channel_id:
                run.abort(SurfaceGone("the bot may no longer write there"))

    async def wait_for_edit_slot(self, bucket: str) -> None:
        """Wait until a bucket has room for an edit beside those of open answers, and count it."""
        clock = self._clock or asyncio.get_running_loop().time
        while wait := self._rate_limiter.seconds_to_wait(bucket, Urgency.STATUS, clock()):  # noqa: ASYNC110 - no event tells of time
            await asyncio.sleep(wait)
        self._rate_limiter.count_request(bucket, clock())

    async def close(self, grace: float = 5.0) -> None:
        """Finish every open answer as ``Restarting``, those too that come meanwhile.

        What is not finished after ``grace`` seconds is left as it is.
        """
        self._is_closing = True
        for run in self._open_runs.values():
            run.interrupt(Restarting())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await asyncio.sleep(min(grace, _MIN_CLOSE_WAIT))
                while unfinished := [run for run in self._open_runs.values() if not run.is_over.is_set()]:
                    await unfinished[0].is_over.wait()
        for run in self._open_runs.values():
            run.abort(TimeoutError("the bot went down before the answer was finished"))

    def _find_runs(self, answer_id: str) -> list[Run]:
        return [run for name, run in self._open_runs.items() if name.partition(" ")[2] == answer_id]

    def _wake(self, run_id: str) -> None:
        if run_id in self._open_runs:
            self._open_runs[run_id].wake()


def _abort_runs(runs: list[Run]) -> bool:
    for run in runs:
        run.abort(SurfaceGone("deleted, or closed to the bot"))
    return bool(runs)
