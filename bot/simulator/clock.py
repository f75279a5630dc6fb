"""The time in a world: Unix seconds that never run backwards and that a test may push forward."""

from __future__ import annotations

import asyncio
import time


class Clock:
    """Unix seconds that pass as in the running event loop, never run backwards, and that a test may push forward."""

    def __init__(self) -> None:
        self._base = time.time() - _monotonic()
        self._latest = 0.0

    def __call__(self) -> float:
        """Return the time now, in Unix seconds."""
        self._latest = max(self._latest, self._base + _monotonic())
        return self._latest

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass at once."""
        self._base += seconds


def _monotonic() -> float:
    """Return the event loop's time, in which everything around the world waits; without a loop the system's."""
    try:
        return asyncio.get_running_loop().time()
    except RuntimeError:
        return time.monotonic()
