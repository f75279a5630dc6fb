"""Which signs nobody sees: an opinion of its own, so that what takes them out is not judged by itself."""

from __future__ import annotations

import re
from typing import Final

INVISIBLE_CHARACTERS: Final = [
    "\u202e",  # from right to left from here
    "\u2066",
    "\u2069",
    "\u200f",
    "\u061c",
    "\u200b",
    "\u200c",
    "\u200d",
    "\u2060",
    "\ufeff",
    "\u00ad",
    "\u034f",
    "\u180e",
    "\u3164",
    "\ufe01",
    "\ufe0f",
    "\ufe0e",
    "\U000e0041",  # the tag A
    "\U000e007f",
    "\U000e0100",
    "\U000e0fff",
    "\U0001d173",
    "\ufff9",
    "\x00",
    "\x1b",
    "\x7f",
    "\x9b",
]
"""One of each kind; joiners and the selectors of emoji are among them, which hide between Latin letters alone."""

LEGITIMATE_SEQUENCES: Final = [
    "\U0001f468\u200d\U0001f469\u200d\U0001f467",  # a family
    "\u2764\ufe0f\u200d\U0001f525",  # a heart on fire
    "\U0001f3f3\ufe0f\u200d\U0001f308",
    "\U0001f937\U0001f3fd\u200d\u2640\ufe0f",
    "1\ufe0f\u20e3",
    "\u263a\ufe0e",
    "\u3299\ufe0f",
    "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",  # Persian
    "\u0915\u094d\u200d\u0937",  # Hindi
    "\u0dc1\u0dca\u200d\u0dbb\u0dd3",  # Sinhala
]

_ALWAYS_HIDDEN: Final = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0d\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff]"
)
_HIDDEN_BETWEEN_LETTERS: Final = re.compile(
    "(?<=[A-Za-z\u0391-\u044f\u4e00-\u9fff])[\u200c\u200d\ufe0e\ufe0f]"
    "|[\u200c\u200d](?=[A-Za-z\u0391-\u044f\u4e00-\u9fff])|[\u200c\u200d]{2}|[\ufe0e\ufe0f]{2}"
)


def find_hidden(text: str) -> set[str]:
    """The signs in a text that nobody sees, by their numbers."""
    return {
        f"{ord(sign):x}"
        for found in (*_ALWAYS_HIDDEN.findall(text), *_HIDDEN_BETWEEN_LETTERS.findall(text))
        for sign in found
    }
