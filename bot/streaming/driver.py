"""Replies are run for real, side by side: begun, stopped, given up or finished in time, all in the same lanes."""

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
    """Runs replies for real; its lanes are shared by all of them."""

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
        """How many answers have not come to their end."""
        return len(self._open_runs)

    async def run(self, text_source: TextSource, surface: Surface, *, answer_id: str, status: str = "") -> EndReason:
        """Tell one answer to its end, on this surface; ``answer_id`` is what ``stop`` knows it by.

        ``status`` is the first status line, where it is not the usual one.
        After ``close`` nothing is asked of a model any more: all that is told is that the bot is going down.

        Raises:
            CancelledError: the caller was cancelled; the model is hung up on, the message stays as it is.
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
        """End an answer where it is, and hang up on the model at once; False if there is none that still runs."""
        stopped = [run.interrupt(Stopped(by)) for run in self._find_runs(answer_id)]
        return any(stopped)

    def announce(self, answer_id: str, status: str) -> bool:
        """Show another status line while an answer has not begun, and be patient anew; False if there is none."""
        announced = [run.announce(status) for run in self._find_runs(answer_id)]
        return any(announced)

    def on_message_deleted(self, message_id: int) -> bool:
        """A message, by its id, is gone: an answer that it is part of sends nothing more.

        A thread has the id of the message it was started from: one is gone without the other, so they have two doors.
        Gives whether an open answer was concerned; its model is hung up on at once.
        """
        return _abort_runs([run for run in self._open_runs.values() if run.has_message(message_id)])

    def on_channel_deleted(self, channel_or_guild_id: int) -> bool:
        """A channel, thread or guild, by its id, is gone: nothing more is sent there; the rest as for a message."""
        return _abort_runs([run for run in self._open_runs.values() if run.is_in(channel_or_guild_id)])

    @property
    def required_channel_ids(self) -> frozenset[int]:
        """The channels and threads, by their ids, in which open answers need the bot's own right to write."""
        return frozenset(
            run.required_channel_id for run in self._open_runs.values() if run.required_channel_id is not None
        )

    def on_permission_revoked(self, channel_id: int) -> None:
        """The bot may not write in this channel or thread any more: hang up on the models of answers that need it."""
        for run in self._open_runs.values():
            if run.required_channel_id == channel_id:
                run.abort(SurfaceGone("the bot may no longer write there"))

    async def wait_for_edit_slot(self, bucket: str) -> None:
        """Wait until a lane has room for an edit beside those of open answers, and count it."""
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
