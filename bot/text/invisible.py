"""Strips characters that nobody sees, in which a document could hide orders to a model.

Zero-width and bidirectional characters, soft hyphens, byte order marks, tag characters, control characters. Joiners and
variation selectors stay where they have a visible effect: in emoji, and in the scripts that need them.
"""

from __future__ import annotations

import re
from typing import Final

INVISIBLE_RANGES: Final = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""Every character without width or ink, as the inside of a character class of a regular expression."""

_CONTROL: Final = "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"
_INVISIBLE: Final = re.compile(rf"(?![\u200c\u200d\ufe0e\ufe0f])[{_CONTROL}{INVISIBLE_RANGES}]")
_INVISIBLE_OR_PRIVATE: Final = re.compile(
    rf"[{_CONTROL}{INVISIBLE_RANGES}\r\ud800-\udfff\ue000-\uf8ff\U000f0000-\U0010ffff]"
)
_SELECTORS: Final = "\ufe0e\ufe0f"
# Behind anything but these two a selector chooses nothing: what can be an emoji, and what a keycap is put around.
_NEEDLESS_SELECTORS: Final = re.compile(rf"(?<![#*0-9\u00a9\u00ae\u203c-\u33ff\U0001f000-\U0001fbff])[{_SELECTORS}]")
_JOINERS: Final = "\u200c\u200d"
# Scripts whose letters never join: Latin, Greek, Cyrillic, Armenian, Hebrew, Chinese, Japanese, Korean.
_NON_JOINING: Final = "\x00-\u05ff\u1e00-\u1fff\u2c00-\ua4cf\uac00-\ud7ff\uf900-\ufaff"
_NEEDLESS_JOINERS: Final = re.compile(
    rf"(?:^|(?<=[{_NON_JOINING}{_JOINERS}]))[{_JOINERS}]+|[{_JOINERS}]+(?=[{_NON_JOINING}]|\Z)"
)
_PLACEHOLDER: Final = "\ufffd"  # one behind which joiners stay, and selectors do not


def strip_invisible(text: str) -> str:
    """Return the text without invisible characters."""
    return InvisibleFilter().feed(text)


def single_line(text: str) -> str:
    """Return the text on a single line with single spaces: a name may hold a line end, and a forged line behind it."""
    return " ".join(strip_invisible(text).split())


def has_invisible(text: str) -> bool:
    """Tell whether a text holds a character that cannot be seen, joiners and private characters included."""
    return _INVISIBLE_OR_PRIVATE.search(text) is not None


class InvisibleFilter:
    """Strips invisible characters while text grows. Fed piece by piece it gives what the whole text would give.

    It needs no flush: only a joiner is ever held back, and one that joins nothing is dropped.
    """

    def __init__(self) -> None:
        self._before = ""
        self._joiners = ""

    def feed(self, delta: str) -> str:
        """Take in newly arrived text and return what is visible of it."""
        text = _NEEDLESS_SELECTORS.sub("", self._before + self._joiners + _INVISIBLE.sub("", delta))
        decided = text.rstrip(_JOINERS)
        self._joiners = text[len(decided) :]
        shown = _NEEDLESS_JOINERS.sub("", decided)[len(self._before) :]
        if shown:
            self._before = _PLACEHOLDER if shown[-1] in _SELECTORS else shown[-1]
        return shown
