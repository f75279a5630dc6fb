"""Recognises a citation mark in prose: ``[1]``, ``[1, 2]``, ``[[1]]``, ``【1†source】``, ``[^1]``, ``[Source 1]``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_NUMBERS = r"\d{1,3}(?:[ \t]?[,;–-][ \t]?\d{1,3}){0,8}"
_NAME = r"(?:\^|(?:source|sources|passage|doc|document|ref|citation|quelle)[ \t_:#]{0,2})?"
_MARK = re.compile(
    rf"\[\[[ \t]?(?P<double>{_NUMBERS})[ \t]?\]\]"
    rf"|\[[ \t]?{_NAME}(?P<single>{_NUMBERS})[ \t]?(?:†[^\[\]\n]{{0,80}})?\]"
    rf"|【[ \t]?{_NAME}(?P<lens>{_NUMBERS})(?::\d{{1,3}})?[ \t]?(?:†[^【】\n]{{0,80}})?】",
    re.IGNORECASE,
)
_RANGE = re.compile(r"(\d{1,3})(?:\s?[–-]\s?(\d{1,3}))?")
_IDENTIFIER = re.compile(
    r"(?:[A-Za-z0-9]+_[A-Za-z0-9_]*|[a-z]+[A-Z][A-Za-z0-9]*|(?<![A-Za-z0-9])[A-Za-z]|\$\w+|\w+\(\))\Z"
)
_MATHS = re.compile(
    r"(?:\b(?:lies|lie|range|ranges|interval|intervals|array|list|vector|tuple|matrix|index|one of|values?|returns?"
    r"|between|probability|from|within)(?: in)?|[=<∈+/{,\\]|[\"']:)[ \t]*\Z",
    re.IGNORECASE,
)
_AFTER_LIST_COMMA = re.compile(r"[\])】][ \t]*[,;][ \t]*\Z")
_NEXT_IS_CODE = re.compile(r"[({=+*/^<>]|[A-Za-z0-9_]|\[(?!\[?\s?\^?\d)|[ \t]*(?:=[^>]|\+\s*\d|\*\s*\d|->)|\.[a-z_]")


def parse_numbers(mark: str) -> Iterator[int]:
    """Yield every number that a mark names, in order; "2-4" names three."""
    for first, last in _RANGE.findall(mark):
        yield from range(int(first), int(last or first) + 1)


def match_citation(text: str, position: int, sources: Collection[int] | None) -> tuple[str, tuple[int, ...]] | None:
    """Return the citation mark that begins at a position and its numbers, None if there is none.

    A mark is a citation only if all its numbers are sources and it is where prose puts one.

    Args:
        text: the paragraph.
        position: where the bracket is.
        sources: the sources' numbers; None for any.
    """
    found = _MARK.match(text, position)
    if found is None:
        return None
    numbers = tuple(parse_numbers(found["double"] or found["single"] or found["lens"]))
    if not numbers or (sources is not None and not all(number in sources for number in numbers)):
        return None
    if found["lens"] is None and not _is_in_prose(text, position, found.end(), len(numbers)):
        return None
    return found[0], numbers


def _is_in_prose(text: str, start: int, end: int, count: int) -> bool:
    before, after = text[max(0, start - 40) : start], text[end : end + 8]
    if _NEXT_IS_CODE.match(after) or (after.startswith(":") and not before.strip() and start == len(before)):
        return False
    if before[-1:].isspace() or not before:
        maths = _MATHS.search(before)
        return maths is None or bool(_AFTER_LIST_COMMA.search(before)) or (count == 1 and maths[0].strip().isalpha())
    return not _IDENTIFIER.search(before) and not _MATHS.search(before)
