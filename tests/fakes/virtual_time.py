"""An event loop whose clock jumps to the next timer: minutes of pacing run in milliseconds, the same every time."""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

_T = TypeVar("_T")


class _JumpingSelector(selectors.DefaultSelector):
    """Never sleeps: the time it would have slept is added to ``elapsed``, in seconds."""

    elapsed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        if not events and timeout is None:
            raise RuntimeError("every task waits for something that will never happen")
        if not events and timeout:
            self.elapsed += timeout
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    """Starts at 0.0 s. Real sockets and threads do not fit in: nothing may be waited for but timers and tasks."""

    def __init__(self) -> None:
        self._jumping_selector = _JumpingSelector()
        super().__init__(self._jumping_selector)

    def time(self) -> float:
        return self._jumping_selector.elapsed


def run_virtual(coroutine: Coroutine[object, object, _T]) -> _T:
    """Run to the end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(coroutine)
