"""Judges whether passages can hold the answer to a question. Pure.

No score tells an answer from its absence: only what is clearly not there is turned away. A model or a person judges the
rest by reading the passages.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bot.text.search_terms import extract_stems, find_contained_stems

if TYPE_CHECKING:
    from collections.abc import Sequence

MIN_COVERAGE: Final = 0.15
"""Below this coverage the passages share nothing with a question but its commonest words."""

MIN_COVERAGE_NON_LATIN: Final = 0.1
"""The same in other scripts than Latin. Where there are no spaces, pairs of characters are compared: a question has
many, and a passage that answers it in other words holds few. Of XQuAD's Chinese questions, 298, all have an answer: at
0.15 11 would be turned away, here none; of 15 about other matters 8 are."""

MIN_SIMILARITY: Final = 0.25
"""Below this cosine nothing is near. Of MiniLM's questions with an answer none is, of those about other things a third
are. Models whose cosines are all high never come below it: then a model is asked, which is the safe side."""

CLEAR_COVERAGE: Final = 0.6
CLEAR_SIMILARITY: Final = 0.45
"""From this coverage on, and this cosine where there is one, the passages speak clearly of the question.

Measured, questions that have an answer against those that have none. XQuAD, questions of one half of the paragraphs and
of the other put to the first half alone: English 67 % pass against 0.7 % (by keywords alone 75 % against 1.4 %), German
37 % against none (45 % against 0.4 %), and by keywords alone Spanish 59 % against 0.7 %, Russian 48 % against 0.4 %,
Chinese 10 % against none. The sample documents: of the 12 plain questions 11 pass (by keywords alone 11), of 12 that
share hardly a word with their answer none does, and of 40 without an answer none (by keywords alone 2, both of the 20
that are close to the documents' own matters). Asking more of the cosine than MiniLM's say would only make models whose
cosines are all low more timid; of one whose cosines are all high the coverage decides alone.
"""


@dataclass(frozen=True, slots=True)
class Evidence:
    """How much the passages share with the question.

    Attributes:
        coverage: The part of the question's words that the best passage holds, 0 to 1; rare words count more.
        similarity: The cosine of the nearest passage; None where no vectors were searched, or they say nothing.
        min_coverage: Below this a coverage is that of any passage at all.
    """

    coverage: float
    similarity: float | None = None
    min_coverage: float = MIN_COVERAGE

    @property
    def is_empty(self) -> bool:
        """Whether the passages clearly do not hold the answer: other words, and far in meaning."""
        return self.coverage < self.min_coverage and (self.similarity is None or self.similarity < MIN_SIMILARITY)

    @property
    def is_clear(self) -> bool:
        """Whether the passages speak so clearly of the question that they may be shown to people who did not ask."""
        return self.coverage >= CLEAR_COVERAGE and (self.similarity is None or self.similarity >= CLEAR_SIMILARITY)


def compute_coverages(question: str, texts: Sequence[str]) -> list[float]:
    """Return the part of the question's words that each text holds, 0 to 1; rare words count more."""
    wanted = set(extract_stems(question))
    bags = [find_contained_stems(wanted, text) for text in texts]
    frequency = Counter(word for bag in bags for word in bag)
    weights = {word: math.log(1 + len(bags) / (1 + frequency[word])) for word in wanted}
    total = sum(weights.values()) or 1.0
    return [min(1.0, sum(weights[word] for word in bag) / total) for bag in bags]
