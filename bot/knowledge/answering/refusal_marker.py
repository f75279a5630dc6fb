"""A model's deltas go in, and come out without the mark of an answer that says the passages do not hold it."""

from __future__ import annotations

from typing import Final

NOT_HELD: Final = "[0]"
"""How an answer begins that says the passages do not hold it: short, and the number of no passage."""


class Refusing:
    """Growing text without its first mark, however it is cut; ``is_refusal`` tells whether there was one.

    Nothing is held back but what may still become the mark, and the blanks about it.
    """

    def __init__(self) -> None:
        self._held = ""
        self._is_begun = False
        self.is_refusal = False

    def feed(self, delta: str) -> str:
        """What can be shown by now."""
        if self._is_begun:
            return delta
        self._held += delta
        words = self._held.lstrip()
        if not self.is_refusal and words.startswith(NOT_HELD):
            self.is_refusal = True
            self._held = words = words[len(NOT_HELD) :].lstrip()
        may_come = not words if self.is_refusal else NOT_HELD.startswith(words)
        return "" if may_come else self.flush()

    def flush(self) -> str:
        """What was held back, now that no more comes or it is known to be text."""
        self._is_begun = True
        shown, self._held = (self._held.lstrip() if self.is_refusal else self._held), ""
        return shown
