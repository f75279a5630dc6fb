"""A number goes in, a library of that many passages comes out: the same each time, words as rare as in real texts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from bot.knowledge.splitting.splitter import build_passage_node, hash_passage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llama_index.core.schema import TextNode
    from numpy.typing import NDArray

VOCABULARY_SIZE = 30_000
WORDS_PER_PASSAGE = 95
"""Words in a passage: about 600 characters."""

COLLECTIONS = frozenset(f"guild-{number}" for number in range(50))
PASSAGES_PER_DOCUMENT = 10
"""Passages in a document."""

_SKIPPED_WORDS = 60  # words left out at the top, as a question's stop words are


@dataclass(frozen=True, slots=True)
class SampleQuestion:
    """A question, and what an embedding model would have said of it."""

    text: str
    vector: list[float]


@dataclass(frozen=True)
class Corpus:
    """So many passages, each with a vector of so many numbers."""

    passages: int
    dimension: int

    @cached_property
    def _vocabulary(self) -> NDArray[np.str_]:
        letters = np.random.default_rng(1).integers(97, 123, size=(VOCABULARY_SIZE, 9), dtype=np.uint32)
        return letters.view("U9").ravel()

    @cached_property
    def _cumulative_frequencies(self) -> NDArray[np.float64]:
        """Zipf's law, summed up, so that a random number between 0 and 1 falls on a word."""
        shares = 1 / np.arange(_SKIPPED_WORDS, VOCABULARY_SIZE + _SKIPPED_WORDS)
        return np.cumsum(shares / shares.sum())

    def documents(self) -> dict[str, str]:
        """Every document with its hash."""
        return {f"{number}.md": "first" for number in range(-(-self.passages // PASSAGES_PER_DOCUMENT))}

    def nodes(self, first: int = 0, last: int | None = None, *, edition: str = "") -> Iterator[TextNode]:
        """The passages from the first to before the last; ``edition`` tells changed texts from the first ones."""
        for number in range(first, self.passages if last is None else last):
            document = number // PASSAGES_PER_DOCUMENT
            metadata = {
                "document": f"{document}.md",
                "collection": f"guild-{document % len(COLLECTIONS)}",
                "title": f"Document {document}",
                "section": "",
                "position": number % PASSAGES_PER_DOCUMENT,
            }
            text = f"{edition} {self.sample_words(number, WORDS_PER_PASSAGE)}".strip()
            yield build_passage_node(text, metadata, node_id=str(number))

    def sample_words(self, seed: int, count: int) -> str:
        """Some words, the common ones more often."""
        drawn = np.random.default_rng(seed).random(count)
        return " ".join(
            self._vocabulary[np.minimum(np.searchsorted(self._cumulative_frequencies, drawn), VOCABULARY_SIZE - 1)]
        )

    def make_question(self, seed: int) -> SampleQuestion:
        """A question of six words."""
        return SampleQuestion(self.sample_words(seed, 6), self.make_vector(seed))

    def make_vector(self, seed: int) -> list[float]:
        """What an embedding model would have said."""
        return [float(number) for number in np.random.default_rng(seed).standard_normal(self.dimension)]

    def make_vectors(self, nodes: list[TextNode]) -> dict[str, list[float]]:
        """Each passage's vector under its hash."""
        return {hash_passage(node): self.make_vector(int(node.node_id)) for node in nodes}
