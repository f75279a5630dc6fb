"""The time in a world: Unix seconds that never run backwards and that a test may push forward."""

from __future__ import annotations

import time


class Clock:
    """Unix seconds that never run backwards and that a test may push forward."""

    def __init__(self) -> None:
        self._base = time.time() - time.monotonic()

    def __call__(self) -> float:
        """The time now, in Unix seconds."""
        return self._base + time.monotonic()

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass at once."""
        self._base += seconds
