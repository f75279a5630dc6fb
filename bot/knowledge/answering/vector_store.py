"""Offers a store to LlamaIndex as a vector store with a hybrid query mode."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.schema import NodeWithScore
from llama_index.core.vector_stores.types import (
    BasePydanticVectorStore,
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
    VectorStoreQueryResult,
)

from bot.knowledge.answering.evidence import compute_coverages
from bot.knowledge.answering.fusion import fuse, fusion_weights
from bot.knowledge.answering.passages import get_text_node
from bot.knowledge.models.local import LocalEmbedding
from bot.knowledge.splitting.splitter import get_searchable_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llama_index.core.base.embeddings.base import BaseEmbedding
    from llama_index.core.schema import BaseNode

    from bot.domain import Scope
    from bot.knowledge.stores.store import Hits, Store

COVERAGE: Final = "coverage"
"""Metadata key of a hit: the part of the question's words it holds, 0 to 1."""

SIMILARITY: Final = "similarity"
"""Metadata key of a hit, where vectors were searched: its cosine, or that of the farthest hit if it was not near."""

_TEXT_MODES: Final = frozenset({VectorStoreQueryMode.TEXT_SEARCH, VectorStoreQueryMode.SPARSE})
_READ_ONLY: Final = "the index is written by an ingestion"


class HybridVectorStore(BasePydanticVectorStore):
    """A ``Store`` as ``VectorStoreIndex.from_vector_store`` expects one, for queries alone.

    A query must be filtered by collection. Every hit says in its metadata how much it shares with the question
    (``COVERAGE``, ``SIMILARITY``).
    """

    stores_text: bool = True
    is_embedding_query: bool  # pyright: ignore[reportGeneralTypeIssues] - the base class has a constant here

    _store: Store = PrivateAttr()
    _embedding: BaseEmbedding | None = PrivateAttr()

    def __init__(self, store: Store, embedding: BaseEmbedding | None) -> None:
        super().__init__(stores_text=True, is_embedding_query=embedding is not None)
        self._store = store
        self._embedding = embedding

    @property
    def client(self) -> Store:
        """The store itself."""
        return self._store

    def add(self, nodes: Sequence[BaseNode], **_: Any) -> list[str]:
        """Refuse.

        Raises:
            NotImplementedError: always; ``Ingestion`` writes whole generations.
        """
        raise NotImplementedError(_READ_ONLY)

    def delete(self, ref_doc_id: str, **_: Any) -> None:
        """Refuse.

        Raises:
            NotImplementedError: always; ``Ingestion`` writes whole generations.
        """
        raise NotImplementedError(_READ_ONLY)

    def query(self, query: VectorStoreQuery, **_: Any) -> VectorStoreQueryResult:
        """Search where no event loop is running.

        Raises:
            ValueError: as ``aquery``.
        """
        return asyncio.run(self.aquery(query))

    async def aquery(self, query: VectorStoreQuery, **_: Any) -> VectorStoreQueryResult:
        """Search by vector (``default``), by keywords (``text_search``, ``sparse``) or by both (``hybrid``).

        Both are searched in one step and in one generation. Hybrid mode without a vector searches by keywords alone.

        Raises:
            ValueError: the query has a mode or filter that this store does not offer, or names no collections.
        """
        if query.doc_ids or query.node_ids:
            raise ValueError("search by document or node ids is not offered")
        if query.filters is None:
            raise ValueError("a search must be filtered by collection")
        is_hybrid, is_dense = query.mode == VectorStoreQueryMode.HYBRID, query.mode == VectorStoreQueryMode.DEFAULT
        if not (is_hybrid or query.mode in _TEXT_MODES or (is_dense and query.query_embedding is not None)):
            raise ValueError(f"the mode {query.mode} is not offered, or there is no vector to search with")
        text = "" if is_dense else query.query_str or ""
        found = await self._store.search(
            text,
            query.query_embedding if is_hybrid or is_dense else None,
            collections=_parse_collections(query.filters),
            top_k=query.similarity_top_k,
        )
        # Some milliseconds of a processor, which the event loop does not have.
        hits = await asyncio.to_thread(self._rank, text, found)
        return VectorStoreQueryResult(
            nodes=[hit.node for hit in hits],
            similarities=[hit.score or 0.0 for hit in hits],
            ids=[hit.node.node_id for hit in hits],
        )

    def _rank(self, text: str, found: Hits) -> list[NodeWithScore]:
        """Annotate all hits and fuse both rankings."""
        scale = self._embedding.cosine_scale if isinstance(self._embedding, LocalEmbedding) else 1.0
        by_vectors = [NodeWithScore(node=hit.node, score=scale * (hit.score or 0.0)) for hit in found.by_vectors]
        cosines = {hit.node.node_id: hit.score or 0.0 for hit in by_vectors}
        coverages = _compute_coverages(text, [*found.by_keywords, *found.by_vectors])
        weights = fusion_weights(self._embedding, text)
        if found.by_keywords:
            weights = replace(weights, keyword_scale=coverages[found.by_keywords[0].node.node_id])
        hits = fuse(found.by_keywords, by_vectors, weights)
        for hit in hits:
            hit.node.metadata[COVERAGE] = coverages[hit.node.node_id]
            if cosines:
                hit.node.metadata[SIMILARITY] = cosines.get(hit.node.node_id, min(cosines.values()))
            excluded = [*get_text_node(hit).excluded_embed_metadata_keys, COVERAGE, SIMILARITY]
            hit.node.excluded_embed_metadata_keys = hit.node.excluded_llm_metadata_keys = excluded
        return hits


def filter_by_scope(scope: Scope) -> MetadataFilters:
    """Return the filters that keep a query inside the collections of a scope."""
    collections = MetadataFilter(key="collection", value=sorted(scope.collections), operator=FilterOperator.IN)
    return MetadataFilters(filters=[collections])


def _compute_coverages(question: str, hits: Sequence[NodeWithScore]) -> dict[str, float]:
    """Return the coverage of each hit by node id; words that few hits hold are rare."""
    texts = {hit.node.node_id: get_searchable_text(get_text_node(hit)) for hit in hits}
    return dict(zip(texts, compute_coverages(question, list(texts.values())), strict=True))


def _parse_collections(filters: MetadataFilters) -> frozenset[str]:
    """Return the collections that pass the filters.

    Raises:
        ValueError: there is more to the filters than one or several lists of collections that must all hold.
    """
    allowed: frozenset[str] | None = None
    for part in filters.filters:
        if not isinstance(part, MetadataFilter) or part.key != "collection":
            raise ValueError("only collections can be filtered by")
        if part.operator == FilterOperator.EQ:
            names = frozenset({str(part.value)})
        elif part.operator == FilterOperator.IN and isinstance(part.value, list):
            names = frozenset(str(name) for name in part.value)
        else:
            raise ValueError(f"collections cannot be filtered by {part.operator}")
        allowed = names if allowed is None else allowed & names
    if allowed is None or filters.condition not in {FilterCondition.AND, None}:
        raise ValueError("collections are filtered by conditions that must all hold")
    return allowed
