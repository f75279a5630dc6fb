"""Messages with all their states go in; out comes how many characters of an answer a reader could see, and when.

Compared are letters and digits alone, from the first on: what a reader can see of the text is the longest beginning of
it that stands on the pages, read one after the other. Marks, white space, lines of fence marks (which a page repeats)
and small print ("-# …", in which sources and remarks of ours stand) are left out on both sides.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_IGNORED_MARKUP = re.compile(r"`{3,}[^\n]*|^-# [^\n]*", re.MULTILINE)
_FENCE = "```"


@dataclass(frozen=True, slots=True)
class State:
    """What one message showed from ``at`` (seconds) on. ``page`` counts the answer's messages from 0."""

    at: float
    page: int
    content: str


@dataclass(frozen=True, slots=True)
class VisibilityChange:
    """From ``at`` (seconds) on, so many characters were visible."""

    at: float
    visible: int


def extract_alphanumerics(text: str) -> str:
    """The characters that count: letters and digits that are no furniture."""
    return "".join(filter(str.isalnum, _IGNORED_MARKUP.sub("", text)))


def compute_production_times(text: str, deltas: Iterable[tuple[float, str]]) -> list[float]:
    """When each character that counts was produced, in seconds; ``deltas`` are the text in pieces with their times."""
    pairs = list(deltas)
    ends = list(accumulate(len(piece) for _, piece in pairs))
    blanked = _IGNORED_MARKUP.sub(lambda match: " " * len(match[0]), text)
    return [pairs[bisect_right(ends, place)][0] for place, char in enumerate(blanked) if char.isalnum()]


def measure_visibility(whole: str, states: Sequence[State]) -> list[VisibilityChange]:
    """How much of ``whole`` (already comparable) was visible after each state, in the order of time."""
    pages: dict[int, str] = {}
    advances: list[VisibilityChange] = []
    for state in sorted(states, key=lambda state: state.at):
        pages[state.page] = state.content
        advances.append(VisibilityChange(state.at, _count_visible(whole, pages)))
    return advances


def _count_visible(whole: str, pages: Mapping[int, str]) -> int:
    shown = extract_alphanumerics("".join(_end_fence_line(content) for _, content in sorted(pages.items())))
    if whole.startswith(shown):
        return len(shown)
    return bisect_left(range(len(shown)), True, key=lambda count: not whole.startswith(shown[: count + 1]))  # noqa: FBT003 - what bisect looks for


def _end_fence_line(content: str) -> str:
    """A page so that the next one's text can follow: not on the line of a fence mark that ends this page."""
    return content + "\n" if content.endswith(_FENCE) and not _has_open_fence(content) else content


def measure_broken_seconds(states: Sequence[State], until: float) -> float:
    """How long any message stood there with a code block that was opened and not closed, to the end of the answer."""
    pages: dict[int, str] = {}
    total = 0.0
    ordered = sorted(states, key=lambda state: state.at)
    ends = [*(state.at for state in ordered[1:]), until]
    for state, end in zip(ordered, ends, strict=False):
        pages[state.page] = state.content
        total += max(0.0, end - state.at) if any(map(_has_open_fence, pages.values())) else 0.0
    return total


def _has_open_fence(content: str) -> bool:
    return content.count(_FENCE) % 2 == 1
