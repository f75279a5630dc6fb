"""An answer and a passage it cites go in, and the part of the passage that says so comes out. Pure.

What is cited is the sentence before a mark [n]; in the passage that sentence is looked for that shares most with it.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from bot.text.search_terms import extract_stems

if TYPE_CHECKING:
    from collections.abc import Iterator

_SENTENCE_BREAK = re.compile(
    r"(?<=[.!?])[\"'”’)\]*_]*\s+|(?<=[。！？])|\n\s*\n|\n(?=\s*(?:[-*+•|#>]|\d{1,9}[.)]\s))"  # noqa: RUF001 - Chinese signs
)
"""Between two sentences, or what stands alone like one: an item, a row, a heading."""
_CITATIONS = re.compile(r"\s*(?:\[\[?\d{1,3}(?:\s?[-–,]\s?\d{1,3})*\]?\](?:\(<?[^)\s]*>?\))?)+")
_QUOTATION = re.compile(r"\**[ ]*\n(?:>[^\n]*(?:\n|\Z))+")
_NUMBER = re.compile(r"\d{1,3}")
_MIN_SIMILARITY = 0.34
"""What a sentence has in common with a statement at least, from 0 to 1; below it nothing is marked."""


def find_cited_spans(passage: str, number: int, answer: str) -> list[tuple[int, int]]:
    """Where in a passage stands what the answer cites it for: spans of characters, in order, none overlapping."""
    claims = [set(extract_stems(claim)) for claim in _find_claims(answer, number)]
    sentences = [(span, set(extract_stems(passage[span[0] : span[1]]))) for span in _find_sentences(passage)]
    found: set[tuple[int, int]] = set()
    for claim in claims:
        best = max(sentences, key=lambda each: _compute_similarity(claim, each[1]), default=None)
        if best is not None and _compute_similarity(claim, best[1]) >= _MIN_SIMILARITY:
            found.add(best[0])
    return sorted(found)


def _find_claims(answer: str, number: int) -> Iterator[str]:
    """The sentences of an answer that end in this passage's mark; below a heading that does, what is quoted there."""
    for marks in _CITATIONS.finditer(answer):
        if number in map(int, _NUMBER.findall(re.sub(r"\(<?[^)\s]*>?\)", "", marks[0]))):
            if quotation := _QUOTATION.match(answer, marks.end()):
                said = re.sub(r"(?m)^>[ ]?", "", quotation[0])
                yield from (said[start:end] for start, end in _find_sentences(said))
                continue
            before = _CITATIONS.sub("", answer[: marks.start()]).rstrip()
            spans = list(_find_sentences(before))
            if spans:
                yield before[spans[-1][0] :]


def _find_sentences(text: str) -> Iterator[tuple[int, int]]:
    """Where each sentence stands, without the blanks around it."""
    start = 0
    for end, after in [*((gap.start(), gap.end()) for gap in _SENTENCE_BREAK.finditer(text)), (len(text), len(text))]:
        piece = text[start:end]
        if re.search(r"\w", piece):
            yield start + len(piece) - len(piece.lstrip()), start + len(piece.rstrip())
        start = after


def _compute_similarity(claim: set[str], sentence: set[str]) -> float:
    """What two bags of stems have in common, from 0 to 1."""
    return len(claim & sentence) / math.sqrt(len(claim) * len(sentence)) if claim and sentence else 0.0
