"""Contract of every store: passages, keyword index and vectors, searched one whole generation at a time.

A generation is what one ``replace`` committed, together with the model and dimension its vectors are of.
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
    """How much is searchable; ``embedded`` counts passages with a vector of the store's own model."""

    documents: int
    nodes: int
    embedded: int


@dataclass(frozen=True, slots=True)
class Hits:
    """Both rankings of one search, best first, all in one generation."""

    by_keywords: Sequence[NodeWithScore] = ()
    by_vectors: Sequence[NodeWithScore] = ()


@dataclass(frozen=True, slots=True)
class Generation:
    """One state of the index: its number, from 0, and the embedding model and dimension of its vectors.

    ``built`` is when it was committed; None of the empty one.
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
        """Return the generation that is searched now."""
        ...

    def manifest(self) -> dict[str, str]:
        """Return every searchable document with its content hash."""
        ...

    def counts(self) -> Counts:
        """Return how much is searchable now."""
        ...

    def list_documents(self, collections: frozenset[str]) -> list[DocumentInfo]:
        """Return the searchable documents inside ``collections``, by path."""
        ...

    def replace(
        self,
        documents: Mapping[str, str],
        nodes: Iterable[TextNode],
        *,
        removed: Collection[str] = (),
        prune_vectors: bool = True,
    ) -> None:
        """Make a new generation in one transaction: ``documents`` (with hashes) now consist of ``nodes``.

        ``nodes`` is consumed once, a batch at a time. Documents in ``removed`` are deleted. Unused vectors are kept,
        for they may be needed again: as many as there are passages, and ``MIN_UNUSED_VECTORS`` in any case; those that
        have been unused longest are deleted first. Without ``prune_vectors`` none is: another run has paid for them.
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
        """Return which of these passage hashes have no vector of this model yet."""
        ...

    def nodes_without_vector(self) -> Iterator[TextNode]:
        """Yield searchable passages without a vector of this model: all of them after a change of model."""
        ...

    def nodes(self) -> Iterator[TextNode]:
        """Yield every searchable passage, for a copy; hold ``ingestion_lock()`` so that the generation stays."""
        ...

    def section_nodes(self, document: str, section: str) -> Iterator[TextNode]:
        """Yield the passages below one heading of a document, in reading order."""
        ...

    def vectors(self) -> Iterator[tuple[str, NDArray[np.float32]]]:
        """Yield every stored vector of this model, by passage hash, for a copy."""
        ...

    def ingestion_lock(self) -> AbstractContextManager[None]:
        """Hold the lock of this index's ingestion among all processes; it is released when the process dies.

        Raises:
            IngestionRefused: another ingestion is going on.
        """
        ...

    async def search(
        self, text: str, embedding: Sequence[float] | None, *, collections: frozenset[str], top_k: int
    ) -> Hits:
        """Return passages inside ``collections``: at most ``top_k`` by keywords and as many by vectors.

        Keyword scores are above 0; vector scores are cosines, -1 to 1. Nothing is found by keywords for "", nor by
        vectors for None, for a vector of another dimension, or while the generation holds vectors of another model.
        Both rankings are of the same generation, whatever is written meanwhile.
        """
        ...

    def preload(self) -> None:
        """Load what the first question would otherwise wait for."""
        ...

    def close(self) -> None:
        """Release connections and memory; the store cannot be used afterwards."""
        ...


def normalise_vector(vector: Sequence[float] | NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a vector of length one in the same direction.

    Raises:
        ValueError: it is empty, has no direction, or is not finite.
    """
    row = np.asarray(vector, dtype=np.float64)
    length = float(np.linalg.norm(row)) if row.ndim == 1 and row.size else 0.0
    if not np.isfinite(length) or length == 0.0:
        raise ValueError("a vector must be finite and not zero")
    return (row / length).astype(np.float32)


def find_vector_fault(vector: Sequence[float], store: Store) -> str:
    """Say why a question's vector cannot be searched with in this store; "" if it can."""
    try:
        normalise_vector(vector)
    except ValueError as error:
        return str(error)
    generation = store.generation()
    if generation.model != store.embed_name or generation.dimension in {0, len(vector)}:
        return ""
    return (
        f"it has {len(vector):,} numbers, and the index holds vectors of {generation.dimension:,}:"
        " check EMBED_MODEL, or run reindex full"
    )


def normalise_vectors(vectors: Mapping[str, Sequence[float]]) -> dict[str, NDArray[np.float32]]:
    """Return vectors of length one that can be compared with one another.

    Raises:
        ValueError: one is empty, zero or not finite, or they differ in dimension.
    """
    rows = {passage: normalise_vector(vector) for passage, vector in vectors.items()}
    if len({row.size for row in rows.values()}) > 1:
        raise ValueError("vectors differ in dimension")
    return rows


def batched(items: Iterable[_Item], size: int = BATCH_SIZE) -> Iterator[list[_Item]]:
    """Yield the items in non-empty lists of at most ``size``, read lazily."""
    source = iter(items)
    while batch := list(islice(source, size)):
        yield batch
