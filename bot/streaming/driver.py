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

    from bot.streaming.protocols import Cause, Streamable, Surface
    from bot.streaming.rate_limits import Lanes
    from bot.streaming.reply import Extent

_LATECOMERS = 0.3
"""So many seconds a driver that closes waits at least, for answers that were asked for but have not begun."""


class Driver:
    """Runs replies for real; its lanes are shared by all of them."""

    def __init__(  # noqa: PLR0913 - made in one place, from what an operator may choose
        self,
        lanes: Lanes,
        *,
        pace: Pace | None = None,
        extent: Extent | None = None,
        deadlines: Deadlines | None = None,
        clock: Callable[[], float] | None = None,
        first_status: str = "Searching…",
    ) -> None:
        self._lanes = lanes
        self._pace = pace or Pace()
        self._extent = extent
        self._deadlines = deadlines or Deadlines()
        self._clock = clock
        self._first_status = first_status
        self._open: dict[str, Run] = {}
        self._begun = 0
        self._is_closing = False

    @property
    def open_answers(self) -> int:
        """How many answers have not come to their end."""
        return len(self._open)

    async def run(self, streamable: Streamable, surface: Surface, *, key: str, status: str = "") -> Cause:
        """Tell one answer to its end, on this surface; ``key`` is what ``stop`` knows it by.

        ``status`` is the first status line, where it is not the usual one.
        After ``close`` nothing is asked of a model any more: all that is told is that the bot is going down.

        Raises:
            CancelledError: the caller was cancelled; the model is hung up on, the message stays as it is.
        """
        self._begun += 1
        name = f"{self._begun} {key}"
        clock = self._clock or asyncio.get_running_loop().time
        reply = Reply(status=status or self._first_status, now=clock(), pace=self._pace, extent=self._extent)
        run = Run(name, streamable, surface, reply, self._lanes, self._deadlines, clock, self._wake)
        self._open[name] = run
        if self._is_closing:
            run.interrupt(Restarting())
        try:
            return await run.told()
        finally:
            del self._open[name]

    def stop(self, key: str, by: str) -> bool:
        """End an answer where it is, and hang up on the model at once; False if there is none that still runs."""
        stopped = [run.interrupt(Stopped(by)) for run in self._known_by(key)]
        return any(stopped)

    def announce(self, key: str, status: str) -> bool:
        """Show another status line while an answer has not begun, and be patient anew; False if there is none."""
        announced = [run.announce(status) for run in self._known_by(key)]
        return any(announced)

    def lost_message(self, message: int) -> bool:
        """A message, by its id, is gone: an answer that it is part of sends nothing more.

        A thread has the id of the message it was started from: one is gone without the other, so they have two doors.
        Gives whether an open answer was concerned; its model is hung up on at once.
        """
        return _abandoned([run for run in self._open.values() if run.has_message(message)])

    def lost_place(self, place: int) -> bool:
        """A channel, thread or guild, by its id, is gone: nothing more is sent there; the rest as for a message."""
        return _abandoned([run for run in self._open.values() if run.is_in(place)])

    @property
    def resting_on(self) -> frozenset[int]:
        """The channels and threads, by their ids, in which open answers need the bot's own right to write."""
        return frozenset(run.rests_on for run in self._open.values() if run.rests_on is not None)

    def shut_out(self, channel: int) -> None:
        """The bot may not write in this channel or thread any more: hang up on the models of answers that need it."""
        for run in self._open.values():
            if run.rests_on == channel:
                run.abandon(SurfaceGone("the bot may no longer write there"))

    async def turn(self, lane: str) -> None:
        """Wait until a lane has room for an edit beside those of open answers, and count it."""
        clock = self._clock or asyncio.get_running_loop().time
        while wait := self._lanes.wait(lane, Urgency.STATUS, clock()):  # noqa: ASYNC110 - no event tells of time
            await asyncio.sleep(wait)
        self._lanes.spend(lane, clock())

    async def close(self, grace: float = 5.0) -> None:
        """Finish every open answer as ``Restarting``, those too that come meanwhile.

        What is not finished after ``grace`` seconds is left as it is.
        """
        self._is_closing = True
        for run in self._open.values():
            run.interrupt(Restarting())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await asyncio.sleep(min(grace, _LATECOMERS))
                while unfinished := [run for run in self._open.values() if not run.is_over.is_set()]:
                    await unfinished[0].is_over.wait()
        for run in self._open.values():
            run.abandon(TimeoutError("the bot went down before the answer was finished"))

    def _known_by(self, key: str) -> list[Run]:
        return [run for name, run in self._open.items() if name.partition(" ")[2] == key]

    def _wake(self, name: str) -> None:
        if name in self._open:
            self._open[name].wake()


def _abandoned(concerned: list[Run]) -> bool:
    for run in concerned:
        run.abandon(SurfaceGone("deleted, or closed to the bot"))
    return bool(concerned)
