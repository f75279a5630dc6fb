"""A number goes in, a library of that many passages comes out: the same each time, words as rare as in real texts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from bot.knowledge.splitting.splitter import passage_hash, passage_node

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llama_index.core.schema import TextNode
    from numpy.typing import NDArray

VOCABULARY = 30_000
WORDS = 95
"""Words in a passage: about 600 characters."""

COLLECTIONS = frozenset(f"guild-{number}" for number in range(50))
A_DOCUMENT = 10
"""Passages in a document."""

_COMMONEST = 60  # words left out at the top, as a question's stop words are


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, and what an embedding model would have said of it."""

    text: str
    vector: list[float]


@dataclass(frozen=True)
class Corpus:
    """So many passages, each with a vector of so many numbers."""

    passages: int
    dimension: int

    @cached_property
    def _words(self) -> NDArray[np.str_]:
        letters = np.random.default_rng(1).integers(97, 123, size=(VOCABULARY, 9), dtype=np.uint32)
        return letters.view("U9").ravel()

    @cached_property
    def _rarities(self) -> NDArray[np.float64]:
        """Zipf's law, summed up, so that a random number between 0 and 1 falls on a word."""
        shares = 1 / np.arange(_COMMONEST, VOCABULARY + _COMMONEST)
        return np.cumsum(shares / shares.sum())

    def documents(self) -> dict[str, str]:
        """Every document with its hash."""
        return {f"{number}.md": "first" for number in range(-(-self.passages // A_DOCUMENT))}

    def nodes(self, first: int = 0, last: int | None = None, *, edition: str = "") -> Iterator[TextNode]:
        """The passages from the first to before the last; ``edition`` tells changed texts from the first ones."""
        for number in range(first, self.passages if last is None else last):
            document = number // A_DOCUMENT
            metadata = {
                "document": f"{document}.md",
                "collection": f"guild-{document % len(COLLECTIONS)}",
                "title": f"Document {document}",
                "section": "",
                "position": number % A_DOCUMENT,
            }
            text = f"{edition} {self.words(number, WORDS)}".strip()
            yield passage_node(text, metadata, node_id=str(number))

    def words(self, seed: int, count: int) -> str:
        """Some words, the common ones more often."""
        drawn = np.random.default_rng(seed).random(count)
        return " ".join(self._words[np.minimum(np.searchsorted(self._rarities, drawn), VOCABULARY - 1)])

    def asked(self, seed: int) -> Asked:
        """A question of six words."""
        return Asked(self.words(seed, 6), self.vector(seed))

    def vector(self, seed: int) -> list[float]:
        """What an embedding model would have said."""
        return [float(number) for number in np.random.default_rng(seed).standard_normal(self.dimension)]

    def vectors(self, nodes: list[TextNode]) -> dict[str, list[float]]:
        """Each passage's vector under its hash."""
        return {passage_hash(node): self.vector(int(node.node_id)) for node in nodes}
