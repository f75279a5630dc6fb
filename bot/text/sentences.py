"""Splits text into sentences, and into what stands alone like one: list items, table rows, headings, paragraphs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_ABBREVIATIONS = (
    r"(?<!\b[^\W\d_]\.)"
    r"(?<!\b(?:e\.g|i\.e|z\.B)\.)"
    r"(?<!\b(?:Mr|Dr|St|No|no|Nr|nr|vs|cf|Ms)\.)"
    r"(?<!\b(?:Mrs|etc|Fig|fig|bzw)\.)"
    r"(?<!\bapprox\.)"
)
"""A full stop behind one letter or a usual abbreviation ends no sentence."""

_BREAK = re.compile(
    rf"{_ABBREVIATIONS}(?<=[.!?…])[\"'”’)\]*_]*+\s++(?![a-z])"
    r"|(?<=[。！？])[\"'”’」』）)\]*_]*+\s*+"  # noqa: RUF001 - Chinese and Japanese punctuation
    r"|\n\s*\n\s*+"
    r"|\n(?=[ \t]*+(?:[-*+•|#>]|\d{1,9}[.)]\s))"
)


def split_sentences(text: str) -> list[str]:
    """Cut a text behind its sentences, each with the white space after it; joined they are the text."""
    ends = [found.end() for found in _BREAK.finditer(text) if found.end() < len(text)]
    return [text[a:b] for a, b in zip([0, *ends], [*ends, len(text)], strict=True) if a < b]


def find_sentences(text: str) -> Iterator[tuple[int, int]]:
    """Find where each sentence with a word in it starts and ends, without the white space around it."""
    start = 0
    for sentence in split_sentences(text):
        if re.search(r"\w", sentence):
            yield start + len(sentence) - len(sentence.lstrip()), start + len(sentence.rstrip())
        start += len(sentence)
