"""Stores under measurement: ours through our retriever, SimpleVectorStore as LlamaIndex documents it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from llama_index.core.embeddings import MockEmbedding
from llama_index.core.schema import QueryBundle
from llama_index.core.vector_stores import SimpleVectorStore
from llama_index.core.vector_stores.types import VectorStoreQuery

from benchmarks.knowledge.corpus import COLLECTIONS, PASSAGES_PER_DOCUMENT, Corpus
from bot.domain import Scope
from bot.knowledge.answering.retrieval import CANDIDATES, HybridRetriever, build_index
from bot.knowledge.stores import open_store
from bot.knowledge.stores.store import batched

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.knowledge.corpus import SampleQuestion


class Contender(Protocol):
    """One store with a corpus in it."""

    def fill(self, on_progress: Callable[[int], None]) -> None:
        """Store the whole corpus for the first time; the vectors come from nowhere and cost nothing."""
        ...

    def change(self, passages: int) -> None:
        """What the store does in a run that finds so many passages changed."""
        ...

    async def ask(self, question: SampleQuestion) -> None:
        """Find the passages for one question: by words and by vector, as far as the store can."""
        ...

    def close(self) -> None:
        """Give everything back."""
        ...


class DocentStore:
    """A ``Store``, at a path or an address."""

    def __init__(self, location: Path | str, corpus: Corpus) -> None:
        self._corpus = corpus
        self._store = open_store(location, "benchmark")
        self._store.preload()
        self._index = build_index(self._store, MockEmbedding(embed_dim=corpus.dimension))

    def fill(self, on_progress: Callable[[int], None]) -> None:
        """Vectors as they come, then everything at one stroke."""
        done = 0
        for batch in batched(self._corpus.nodes()):
            self._store.save_vectors(self._corpus.make_vectors(batch))
            on_progress(done := done + len(batch))
        self._store.replace(self._corpus.documents(), self._corpus.nodes())

    def change(self, passages: int) -> None:
        """As an ingestion does: look what is there, embed what is new, replace the documents it is in."""
        self._store.manifest()
        new = list(self._corpus.nodes(0, passages, edition="changed"))
        for batch in batched(new):
            vectors = self._corpus.make_vectors(batch)
            missing = self._store.missing_vectors(vectors)
            self._store.save_vectors({passage: vectors[passage] for passage in missing})
        list(self._store.nodes_without_vector())
        if new:
            self._store.replace(
                {f"{number}.md": "changed" for number in range(-(-passages // PASSAGES_PER_DOCUMENT))}, new
            )
            self._store.preload()

    async def ask(self, question: SampleQuestion) -> None:
        """As the bot does: search by words and by vector, weigh what is found, put it in one order."""
        bundle = QueryBundle(question.text, embedding=question.vector)
        await HybridRetriever(self._index, Scope(COLLECTIONS)).aretrieve(bundle)

    def close(self) -> None:
        """Close the store."""
        self._store.close()


class SimpleStore:
    """``SimpleVectorStore``: vectors only, in memory, written out as a whole as JSON."""

    def __init__(self, path: Path, corpus: Corpus) -> None:
        self._corpus = corpus
        self._path = path
        self._store = SimpleVectorStore.from_persist_path(str(path)) if path.exists() else SimpleVectorStore()

    def fill(self, on_progress: Callable[[int], None]) -> None:
        """Add everything, then write the file."""
        self._add(0, self._corpus.passages)
        on_progress(self._corpus.passages)
        self._store.persist(str(self._path))

    def change(self, passages: int) -> None:
        """Delete the changed documents, add them anew, and write the whole file again."""
        for number in range(-(-passages // PASSAGES_PER_DOCUMENT)):
            self._store.delete(f"{number}.md")
        self._add(0, passages)
        if passages:
            self._store.persist(str(self._path))

    def _add(self, first: int, last: int) -> None:
        nodes = list(self._corpus.nodes(first, last))
        for node in nodes:
            node.embedding = self._corpus.make_vector(int(node.node_id))
        self._store.add(nodes)

    async def ask(self, question: SampleQuestion) -> None:
        """Its asynchronous query, which computes on the loop."""
        await self._store.aquery(VectorStoreQuery(question.vector, similarity_top_k=CANDIDATES))

    def close(self) -> None:
        """Nothing is open."""
