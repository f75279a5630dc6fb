"""What every store promises: passages, their words and their vectors go in, one whole generation is searched.

A generation is what one ``replace`` or ``add`` committed, together with the model and dimension its vectors are of.
A search reads exactly one generation. Vectors are kept as they are paid for, beside the generation, and are searched
from the next one on; so an index goes on serving with its old vectors while those of another model are collected.

A further store is one more file that keeps these promises; its proof is the contract suite in the tests, which runs
over every store.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime

    from llama_index.core.schema import NodeWithScore, TextNode
    from numpy.typing import NDArray

    from bot.domain import DocumentInfo

NO_EMBEDDING: Final = "none"
"""The embedding model's name where there is none: keywords only."""

TERM_LIMIT: Final = 64
"""How many different words of a question are searched for."""

TITLE_WEIGHT, SECTION_WEIGHT, TEXT_WEIGHT = 2.0, 2.0, 1.0
"""What one occurrence of a word counts, by where it stands; the same in every store, so that their ranks agree."""

MIN_UNUSED_VECTORS: Final = 2_000
"""Vectors out of use that even a small index keeps: what was paid for once may be needed again."""

BATCH_SIZE: Final = 500
"""Nodes that are held in memory at once while many are written."""

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Counts:
    """What is searchable now. ``embedded`` counts the passages that are found by vectors of the store's own model."""

    documents: int
    nodes: int
    embedded: int


@dataclass(frozen=True, slots=True)
class Hits:
    """What one search found on either side, the best first, all of it in one generation."""

    by_keywords: Sequence[NodeWithScore] = ()
    by_vectors: Sequence[NodeWithScore] = ()


@dataclass(frozen=True, slots=True)
class Generation:
    """Which state of the index is searched: its number, from 0, and whose vectors, of how many numbers, it holds.

    ``built`` is when it was put in place; None of the empty one, and where an earlier version did not write it down.
    """

    number: int
    model: str
    dimension: int
    built: datetime | None = None


class Store(Protocol):
    """An index, for one ingestion at a time and any number of readers, in this process and in others.

    ``embed_name`` names the model whose vectors are kept and searched. Blocking methods are meant for a thread;
    the ``async`` ones never hold up the event loop they are awaited on.

    Raises:
        StoreUnusable: from every method, when the index cannot be reached, read or written.
    """

    @property
    def embed_name(self) -> str:
        """The embedding model's name, or ``NO_EMBEDDING``."""
        ...

    def generation(self) -> Generation:
        """What is searched now."""
        ...

    def manifest(self) -> dict[str, str]:
        """Every searchable document with the content hash it was read at."""
        ...

    def counts(self) -> Counts:
        """How much is searchable now."""
        ...

    def list_documents(self, collections: frozenset[str]) -> list[DocumentInfo]:
        """The searchable documents inside ``collections``, by path."""
        ...

    def replace(
        self,
        documents: Mapping[str, str],
        nodes: Iterable[TextNode],
        *,
        removed: Collection[str] = (),
        prune_vectors: bool = True,
    ) -> None:
        """Make a new generation at one stroke: ``documents`` (with hashes) now consist of ``nodes``.

        ``nodes`` is consumed once, a batch at a time. Documents in ``removed`` are gone. Vectors that are not
        searched
        from now on, be it for their passage or for their model, stay for the day they are needed again: as many as
        there are passages, ``MIN_UNUSED_VECTORS`` in any case, and the longest unneeded go first. None goes without
        ``prune_vectors``: another run has paid for them and will need them.
        """
        ...

    def save_vectors(self, vectors: Mapping[str, Sequence[float]]) -> None:
        """Keep vectors by passage hash, at once and for good: they may have been paid for.

        Where they have another dimension than before, the model behind the name is another one now: what was kept of
        it no longer counts as kept, but is searched until the next generation.

        Raises:
            ValueError: a vector is empty, zero or not finite, or they differ in dimension; then none is kept.
        """
        ...

    def reuse_vectors(self, pairs: Mapping[str, str]) -> None:
        """Keep for each new passage hash the vector its old one has, unless it has none or the new one needs none."""
        ...

    def missing_vectors(self, passages: Collection[str]) -> set[str]:
        """Which of these passage hashes have no vector of this model yet."""
        ...

    def nodes_without_vector(self) -> Iterator[TextNode]:
        """Searchable passages that have no vector of this model: all of them after a change of model."""
        ...

    def nodes(self) -> Iterator[TextNode]:
        """Yield every searchable passage, for a copy; hold ``ingestion_lock()`` so that the generation stays."""
        ...

    def vectors(self) -> Iterator[tuple[str, NDArray[np.float32]]]:
        """Every vector that is kept of this model, by passage hash, for a copy."""
        ...

    def ingestion_lock(self) -> AbstractContextManager[None]:
        """Be the only ingestion of this index, among all processes; a process that dies gives the place free.

        Raises:
            IngestionRefused: another ingestion is going on.
        """
        ...

    async def search(
        self, text: str, embedding: Sequence[float] | None, *, collections: frozenset[str], top_k: int
    ) -> Hits:
        """Passages inside ``collections``: at most ``top_k`` by their words and as many by their vectors.

        The scores of those that share words with ``text`` are above 0; of those nearest to ``embedding``
        they are
        cosines, -1 to 1. Nothing shares a word with "". Nothing is near None or a vector of another dimension, or
        while the generation holds vectors of another model. Both sides are of the same generation, whatever is
        written meanwhile.
        """
        ...

    def preload(self) -> None:
        """Make ready what the first question would otherwise wait for."""
        ...

    def close(self) -> None:
        """Give back connections and memory. Nothing may be asked afterwards."""
        ...


def normalise_vector(vector: Sequence[float] | NDArray[np.float32]) -> NDArray[np.float32]:
    """A vector of length one in the same direction.

    Raises:
        ValueError: it is empty, has no direction, or is not finite.
    """
    row = np.asarray(vector, dtype=np.float64)
    length = float(np.linalg.norm(row)) if row.ndim == 1 and row.size else 0.0
    if not np.isfinite(length) or length == 0.0:
        raise ValueError("a vector must be finite and not zero")
    return (row / length).astype(np.float32)


def normalise_vectors(vectors: Mapping[str, Sequence[float]]) -> dict[str, NDArray[np.float32]]:
    """Vectors of length one that can be compared with one another.

    Raises:
        ValueError: one is empty, zero or not finite, or they differ in dimension.
    """
    rows = {passage: normalise_vector(vector) for passage, vector in vectors.items()}
    if len({row.size for row in rows.values()}) > 1:
        raise ValueError("vectors differ in dimension")
    return rows


def batched(items: Iterable[_Item], size: int = BATCH_SIZE) -> Iterator[list[_Item]]:
    """The items in lists of at most ``size``, none empty, taken from the iterable only as they are asked for."""
    source = iter(items)
    while batch := list(islice(source, size)):
        yield batch
