"""Finds the sentences of a passage that support what an answer cites it for."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections import Counter, defaultdict
from itertools import islice
from typing import TYPE_CHECKING

from bot.text.search_terms import extract_stems
from bot.text.sentences import find_sentences

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_CITATIONS = re.compile(r"(?:\[\[?\d{1,3}(?:\s?[-–,]\s?\d{1,3})*\]?\](?:\(<?[^)\s]{0,600}>?\))?)+")
_TARGET = re.compile(r"\(<?[^)\s]*>?\)")
_QUOTATION = re.compile(r"\**[ ]*\n(?:>[^\n]*(?:\n|\Z))+")
_NUMBER = re.compile(r"\d{1,3}")
_MIN_SIMILARITY = 0.34
"""Least similarity of a claim and a sentence, from 0 to 1; below it nothing is highlighted."""
_MAX_CLAIMS = 50
"""Most claims that are looked up in one passage: the time taken stays bounded."""


def find_cited_spans(passage: str, number: int, answer: str) -> list[tuple[int, int]]:
    """Find the sentences of a passage that an answer cites it for.

    Args:
        passage: the passage's text.
        number: the passage's number in the answer's citations.
        answer: the answer's text.

    Returns:
        Spans of characters in the passage, in order, none overlapping.
    """
    spans = list(find_sentences(passage))
    stems = [set(extract_stems(passage[start:end])) for start, end in spans]
    positions: defaultdict[str, list[int]] = defaultdict(list)
    for position, words in enumerate(stems):
        for word in words:
            positions[word].append(position)
    found: set[tuple[int, int]] = set()
    for claim in islice(dict.fromkeys(_find_claims(answer, number)), _MAX_CLAIMS):
        best = _find_most_similar(set(extract_stems(claim)), stems, positions)
        if best is not None:
            found.add(spans[best])
    return sorted(found)


def _find_most_similar(
    claim: set[str], stems: Sequence[set[str]], positions: Mapping[str, Sequence[int]]
) -> int | None:
    """Return the position of the sentence that shares most with a claim, None if none shares enough."""
    shared = Counter(position for word in claim for position in positions.get(word, ()))
    if not shared:
        return None
    similarity, best = max(
        (count / math.sqrt(len(claim) * len(stems[position])), -position) for position, count in shared.items()
    )
    return -best if similarity >= _MIN_SIMILARITY else None


def _find_claims(answer: str, number: int) -> Iterator[str]:
    """Yield the sentences that end in this passage's citation; below a heading that does, the quoted ones."""
    pieces: list[str] = []
    citations: list[tuple[int, re.Match[str]]] = []
    length = place = 0
    for marks in _CITATIONS.finditer(answer):
        pieces.append(answer[place : marks.start()].rstrip())
        length, place = length + len(pieces[-1]), marks.end()
        citations.append((length, marks))
    plain = "".join(pieces)
    starts = [start for start, _ in find_sentences(plain)]
    for end, marks in citations:
        if number not in map(int, _NUMBER.findall(_TARGET.sub("", marks[0]))):
            continue
        if quotation := _QUOTATION.match(answer, marks.end()):
            said = re.sub(r"(?m)^>[ ]?", "", quotation[0])
            yield from (said[a:b] for a, b in find_sentences(said))
        elif count := bisect_right(starts, max(end - 1, 0)):
            yield plain[starts[count - 1] : end].rstrip()
