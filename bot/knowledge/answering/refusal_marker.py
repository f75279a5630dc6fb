"""Strips the marker from an answer that says that the passages do not hold it."""

from __future__ import annotations

from typing import Final

REFUSAL_MARKER: Final = "[0]"
"""Begins an answer that says that the passages do not hold it; the number of no passage."""


class RefusalMarkerFilter:
    """Strips a leading marker from growing text, however it is cut; ``is_refusal`` tells whether there was one.

    Only text that may still become the marker, and spaces around it, are held back.
    """

    def __init__(self) -> None:
        self._buffer = ""
        self._has_started = False
        self.is_refusal = False

    def feed(self, delta: str) -> str:
        """Return the text that can be shown by now."""
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
        """Return what was held back."""
        self._has_started = True
        shown, self._buffer = (self._buffer.lstrip() if self.is_refusal else self._buffer), ""
        return shown
