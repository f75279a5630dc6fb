"""An event loop whose clock jumps to the next timer: minutes of waiting take milliseconds, the same every time."""

from __future__ import annotations

import asyncio
import selectors
import time
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

import aiosqlite.core

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

_T = TypeVar("_T")

_DELIVERY_SECONDS = 0.001
"""Real seconds in which a loopback socket certainly delivers what was written to it."""

_FROZEN_SECONDS = 1.0
"""Real seconds for which the clock stands still for work in a thread. Then it passes as real time does, because the
thread may itself wait for a timer of the loop."""

_DEADLOCK_SECONDS = 5.0
"""Real seconds to wait for a socket where no timer is set at all."""


class _JumpingSelector(selectors.DefaultSelector):
    """Adds the time that it would have slept to ``elapsed``, in seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.elapsed = 0.0
        self.jobs = 0
        """Jobs that threads are doing for the loop."""
        self.has_outside_work: Callable[[], bool] = bool
        self._frozen_for = 0.0
        self.longest_turn = 0.0
        self._turn_began_at = time.thread_time()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.longest_turn = max(self.longest_turn, time.thread_time() - self._turn_began_at)
        events = self._select(timeout)
        self._turn_began_at = time.thread_time()
        return events

    def _select(self, timeout: float | None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        if events or (timeout is not None and timeout <= 0):
            self._frozen_for = 0.0
            return events
        if self.has_outside_work():
            return self._wait(timeout)
        if self.jobs:
            return self._wait_for_threads(timeout)
        if has_sockets := len(self.get_map()) > 1:  # the first is the loop's own, by which threads wake it
            events = super().select(_DELIVERY_SECONDS if timeout is not None else _DEADLOCK_SECONDS)
        if not events and timeout is None:
            where = "on a socket " if has_sockets else ""
            raise RuntimeError(f"every task waits {where}for something that will never happen")
        if not events and timeout:
            self.elapsed += timeout
        return events

    def _wait(self, timeout: float | None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait in real time."""
        began = time.monotonic()
        events = super().select(timeout)
        self.elapsed += time.monotonic() - began
        return events

    def _wait_for_threads(self, timeout: float | None) -> list[tuple[selectors.SelectorKey, int]]:
        if self._frozen_for >= _FROZEN_SECONDS:
            return self._wait(timeout)
        began = time.monotonic()
        events = super().select(_FROZEN_SECONDS - self._frozen_for)
        self._frozen_for = 0.0 if events else self._frozen_for + time.monotonic() - began
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop that starts at 0.0 s and whose clock jumps to the next timer when nothing else is left to do.

    Sockets between tasks of this loop, and threads that it starts, are waited for while the clock stands still. While a
    child process of this loop runs, or a connection leads to another process, time passes as it really does.
    """

    def __init__(self, started_at: float = 0.0) -> None:
        self._jumping_selector = _JumpingSelector()
        self._jumping_selector.elapsed = started_at
        self._jumping_selector.has_outside_work = self._has_outside_work
        self._served_addresses: set[Any] = set()
        self._outside_connections: list[asyncio.Transport] = []
        self._children: list[asyncio.SubprocessTransport] = []
        super().__init__(self._jumping_selector)

    def time(self) -> float:
        return self._jumping_selector.elapsed

    def pop_longest_turn(self) -> float:
        """Return the most that one turn of the loop has taken since the last call, in processor seconds.

        While a turn lasts, nothing else can be done; what other processes take from the machine does not count.
        """
        longest, self._jumping_selector.longest_turn = self._jumping_selector.longest_turn, 0.0
        return longest

    def count_job(self, future: asyncio.Future[Any]) -> None:
        """Let the clock stand still until a future that a thread sets is done."""
        self._jumping_selector.jobs += 1
        future.add_done_callback(self._forget_job)

    def _forget_job(self, _: asyncio.Future[Any]) -> None:
        self._jumping_selector.jobs -= 1

    def _has_outside_work(self) -> bool:
        self._children = [child for child in self._children if _is_running(child)]
        self._outside_connections = [each for each in self._outside_connections if not each.is_closing()]
        return bool(self._children or self._outside_connections)

    def run_in_executor(  # type: ignore[override]  # whatever the arguments, they are handed on
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = super().run_in_executor(executor, func, *args)
        self.count_job(future)
        return future

    async def shutdown_default_executor(self, *args: Any, **kwargs: Any) -> None:
        self._jumping_selector.jobs += 1
        try:
            await super().shutdown_default_executor(*args, **kwargs)
        finally:
            self._jumping_selector.jobs -= 1

    async def create_server(self, *args: Any, **kwargs: Any) -> asyncio.Server:
        server: asyncio.Server = await super().create_server(*args, **kwargs)
        self._served_addresses |= {socket.getsockname() for socket in server.sockets}
        return server

    async def create_connection(self, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        transport, protocol = await super().create_connection(*args, **kwargs)
        if transport.get_extra_info("peername") not in self._served_addresses:
            self._outside_connections.append(transport)
        return transport, protocol

    async def create_unix_connection(self, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        transport, protocol = await super().create_unix_connection(*args, **kwargs)
        self._outside_connections.append(transport)
        return transport, protocol

    async def subprocess_exec(self, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        transport, protocol = await super().subprocess_exec(*args, **kwargs)
        self._children.append(transport)
        return transport, protocol


def _is_running(child: asyncio.SubprocessTransport) -> bool:
    """Return whether a child, or one of its own children, may still write to what is read from it."""
    pipes = [pipe for number in (1, 2) if (pipe := child.get_pipe_transport(number)) is not None]
    return child.get_returncode() is None or not all(pipe.is_closing() for pipe in pipes)


class _CountedQueue(SimpleQueue[Any]):
    """The queue by which aiosqlite hands statements to its thread, in which a virtual loop counts them."""

    def put_nowait(self, item: Any) -> None:
        future, _ = item
        if future is not None and isinstance(loop := future.get_loop(), VirtualLoop):
            loop.count_job(future)
        super().put_nowait(item)


# What aiosqlite's threads do for any connection opened from now on is counted.
aiosqlite.core.SimpleQueue = _CountedQueue  # type: ignore[attr-defined]


def measure_processor_unit() -> float:
    """Return the processor seconds of a fixed computation: about a hundredth of a second on an idle core.

    Limits in this unit hold on slow and on busy machines alike.
    """
    return min(map(_compute, range(5)))


def _compute(_: int) -> float:
    began = time.thread_time()
    sum(number * number for number in range(150_000))
    return time.thread_time() - began


def run_virtual(coroutine: Coroutine[object, object, _T]) -> _T:
    """Run to the end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(coroutine)
