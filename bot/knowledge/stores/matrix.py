"""Searches all vectors of one generation, held in one matrix.

Nothing here holds Python's lock for long: rows are read one at a time, and numpy multiplies and selects without it, so
that an event loop in another thread is not held up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from numpy.typing import NDArray

    from bot.knowledge.stores.store import Generation

VectorRow = tuple[int, str, bytes]
"""A node's number, its collection, and its vector of length one as float32."""


@dataclass(frozen=True, slots=True)
class Matrix:
    """One row for each node that has a vector, of shape (nodes, dimension); ``codes`` index ``collections``."""

    generation: Generation
    numbers: NDArray[np.int64]
    codes: NDArray[np.int32]
    collections: tuple[str, ...]
    vectors: NDArray[np.float32]

    @classmethod
    def empty(cls, generation: Generation) -> Self:
        """Return a matrix without rows."""
        nothing = np.zeros((0, generation.dimension), dtype=np.float32)
        return cls(generation, np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int32), (), nothing)

    @property
    def last_number(self) -> int:
        """The highest number of a node; younger nodes have higher ones."""
        return int(self.numbers.max()) if len(self.numbers) else 0

    def build_next(self, generation: Generation, kept: NDArray[np.intp], rows: Iterable[VectorRow], count: int) -> Self:
        """Return the matrix of the next generation: the ``kept`` rows of this one, and ``count`` new ones."""
        places = {name: place for place, name in enumerate(self.collections)}
        numbers = np.concatenate([self.numbers[kept], np.zeros(count, dtype=np.int64)])
        codes = np.concatenate([self.codes[kept], np.zeros(count, dtype=np.int32)])
        vectors = np.empty((len(kept) + count, generation.dimension), dtype=np.float32)
        np.take(self.vectors, kept, axis=0, out=vectors[: len(kept)], mode="clip")
        for place, (number, collection, vector) in enumerate(rows, start=len(kept)):
            numbers[place] = number
            codes[place] = places.setdefault(collection, len(places))
            vectors[place] = np.frombuffer(vector, dtype=np.float32)
        return type(self)(generation, numbers, codes, tuple(places), vectors)

    def find_nearest(
        self, query_vector: NDArray[np.float32], collections: Collection[str], top_k: int
    ) -> list[tuple[int, float]]:
        """Return numbers and cosines of the nearest nodes inside these collections, best first."""
        is_allowed = np.array([name in collections for name in self.collections], dtype=np.bool_)
        if top_k < 1 or query_vector.shape[0] != self.vectors.shape[1] or not is_allowed.any():
            return []
        rows = np.flatnonzero(is_allowed[self.codes])
        if not len(rows):
            return []
        used = np.flatnonzero(query_vector)  # of joined vectors a question has one part, and zeros for the other
        part = slice(int(used[0]), int(used[-1]) + 1) if len(used) else slice(0)
        is_small_part = len(rows) * 4 < len(self.vectors)
        query_part = query_vector[part]
        scores = self.vectors[rows, part] @ query_part if is_small_part else (self.vectors[:, part] @ query_part)[rows]
        nearest = np.argpartition(-scores, min(top_k, len(rows)) - 1)[:top_k]
        ordered = nearest[np.lexsort((self.numbers[rows[nearest]], -scores[nearest]))]
        return [(int(self.numbers[rows[place]]), float(scores[place])) for place in ordered]
