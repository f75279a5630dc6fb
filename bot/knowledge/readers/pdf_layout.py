"""Tells a page's text from what only helps to turn pages: running heads, tables of contents, indexes."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_MIN_PAGES: Final = 6  # pages from which on a line that repeats is a running head
_MIN_REPEATED_SHARE: Final = 0.4  # of the pages; heads of left and right pages differ
_EDGE_LINES: Final = 2  # lines at a page's top and bottom that may be such
_MIN_LINES: Final = 5  # a page of fewer lines is not judged
_MIN_LEADING_SHARE: Final = 0.6  # of a page's lines that lead to other pages

_LEADERS = re.compile(r"(?:\.[ \t]?){4,}\s*(?:\d{1,4}|[ivxlc]{1,6})\s*$")
_ENDS_IN_PAGE = re.compile(r"\S.*\s(?:\d{1,4}|[ivxlc]{1,6}|[A-Z]-\d{1,3})\s*$")
_ENDS_IN_PAGES = re.compile(r"\S.*,\s*\d{1,4}(?:\s*[-\u2013,]\s*\d{1,4})*,?\s*$")
_CONTENTS_HEADING = re.compile(
    r"\s*(?:table of )?contents|\s*inhalt(?:sverzeichnis)?|\s*table des matières|\s*índice|\s*sommaire|\s*indice"
    r"|\s*list of (?:figures|tables)|\s*содержание|\s*目次|\s*目录",
    re.IGNORECASE,
)


def drop_running_lines(pages: Sequence[str]) -> list[str]:
    """Return pages' texts without lines that are at the top or bottom of many of them.

    A line with a number counts as the same line only where the number grows with the page.
    """
    split = [page.split("\n") for page in pages]
    if len(pages) < _MIN_PAGES:
        return list(pages)
    counts = Counter(
        form
        for number, lines in enumerate(split)
        for form in {_normalize(lines[place], number) for place in _find_edges(lines)}
    )
    repeated = {form for form, count in counts.items() if count >= max(_MIN_REPEATED_SHARE * len(pages), 3)}
    return ["\n".join(_drop(lines, number, repeated)) for number, lines in enumerate(split)]


def _drop(lines: Sequence[str], number: int, repeated: set[tuple[str, int]]) -> list[str]:
    edges = set(_find_edges(lines))
    return [line for place, line in enumerate(lines) if place not in edges or _normalize(line, number) not in repeated]


def _find_edges(lines: Sequence[str]) -> list[int]:
    """Return the places of the first and last lines that are not empty."""
    filled = [place for place, line in enumerate(lines) if line.strip()]
    return [*filled[:_EDGE_LINES], *filled[-_EDGE_LINES:]] if len(filled) > 2 * _EDGE_LINES else []


def _normalize(line: str, number: int) -> tuple[str, int]:
    """Return a line without its spaces and its page number, and how far that is from the page's place."""
    words = " ".join(line.split())
    numbers = [(match, int(match[0])) for match in re.finditer(r"(?<!\d)\d{1,4}(?!\d)", words)]
    if not numbers:
        return words, 0
    match, value = min(numbers, key=lambda each: abs(each[1] - number))
    return f"{words[: match.start()]}#{words[match.end() :]}", value - number


def is_contents_or_index(text: str) -> bool:
    """Whether a page only leads to others: most of its lines end in a page's number behind dots, or after a heading."""
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) < _MIN_LINES:
        return False
    wanted = _MIN_LEADING_SHARE * len(lines)
    if sum(bool(_LEADERS.search(line)) for line in lines) >= wanted:
        return True
    has_heading = any(_CONTENTS_HEADING.fullmatch(line.strip()) for line in lines[:3])
    if has_heading and sum(bool(_ENDS_IN_PAGE.match(line)) for line in lines) >= wanted:
        return True
    return sum(bool(_ENDS_IN_PAGES.match(line)) and len(line) < 90 for line in lines) >= wanted  # noqa: PLR2004 - an entry is short
