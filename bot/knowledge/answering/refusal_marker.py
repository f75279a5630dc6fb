"""A model's deltas go in, and come out without the mark of an answer that says the passages do not hold it."""

from __future__ import annotations

from typing import Final

REFUSAL_MARKER: Final = "[0]"
"""How an answer begins that says the passages do not hold it: short, and the number of no passage."""


class RefusalMarkerFilter:
    """Growing text without its first mark, however it is cut; ``is_refusal`` tells whether there was one.

    Nothing is held back but what may still become the mark, and the blanks about it.
    """

    def __init__(self) -> None:
        self._buffer = ""
        self._has_started = False
        self.is_refusal = False

    def feed(self, delta: str) -> str:
        """What can be shown by now."""
        if self._has_started:
            return delta
        self._buffer += delta
        words = self._buffer.lstrip()
        if not self.is_refusal and words.startswith(REFUSAL_MARKER):
            self.is_refusal = True
            self._buffer = words = words[len(REFUSAL_MARKER) :].lstrip()
        may_come = not words if self.is_refusal else REFUSAL_MARKER.startswith(words)
        return "" if may_come else self.flush()

    def flush(self) -> str:
        """What was held back, now that no more comes or it is known to be text."""
        self._has_started = True
        shown, self._buffer = (self._buffer.lstrip() if self.is_refusal else self._buffer), ""
        return shown
