"""LlamaIndex asks for a vector store, any of our stores answers; a search without collections is refused."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from llama_index.core.bridge.pydantic import PrivateAttr
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

from bot.domain import SHARED
from bot.knowledge.splitting.splitter import build_passage_node

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llama_index.core.schema import BaseNode, TextNode

    from bot.knowledge.stores.store import Store


class VectorStore(BasePydanticVectorStore):
    """A ``Store`` with the face that ``VectorStoreIndex.from_vector_store`` looks for."""

    stores_text: bool = True
    is_embedding_query: bool = True

    _store: Store = PrivateAttr()

    def __init__(self, store: Store) -> None:
        super().__init__(stores_text=True)
        self._store = store

    @property
    def client(self) -> Store:
        """The store itself."""
        return self._store

    def add(self, nodes: Sequence[BaseNode], **_: Any) -> list[str]:
        """Add or replace nodes by id, each with its vector if it has one."""
        self._store.add([_make_passage(node) for node in nodes])
        return [node.node_id for node in nodes]

    async def async_add(self, nodes: Sequence[BaseNode], **_: Any) -> list[str]:
        """Add in a thread."""
        return await asyncio.to_thread(self.add, nodes)

    def delete(self, ref_doc_id: str, **_: Any) -> None:
        """Forget a document."""
        self._store.replace({}, [], removed=[ref_doc_id])

    async def adelete(self, ref_doc_id: str, **_: Any) -> None:
        """Forget a document, in a thread."""
        await asyncio.to_thread(self.delete, ref_doc_id)

    def clear(self) -> None:
        """Forget every document."""
        self._store.replace({}, [], removed=list(self._store.manifest()))

    async def aclear(self) -> None:
        """Forget every document, in a thread."""
        await asyncio.to_thread(self.clear)

    def query(self, query: VectorStoreQuery, **_: Any) -> VectorStoreQueryResult:
        """Search where no event loop is running.

        Raises:
            ValueError: as ``aquery``.
        """
        return asyncio.run(self.aquery(query))

    async def aquery(self, query: VectorStoreQuery, **_: Any) -> VectorStoreQueryResult:
        """Search by vector, or by words in the modes ``text_search`` and ``sparse``.

        Raises:
            ValueError: the query has a mode or a filter that would otherwise be passed over in silence, or does not
                say in which collections to search; they can be filtered by ``==`` and ``in``.
        """
        if query.doc_ids or query.node_ids:
            raise ValueError("search by document or node ids is not offered")
        if query.filters is None:
            raise ValueError("a search must be filtered by collection")
        inside, top_k = _parse_collections(query.filters), query.similarity_top_k
        if query.mode == VectorStoreQueryMode.DEFAULT and query.query_embedding is not None:
            found = await self._store.search("", query.query_embedding, collections=inside, top_k=top_k)
            hits = found.by_vectors
        elif query.mode in {VectorStoreQueryMode.TEXT_SEARCH, VectorStoreQueryMode.SPARSE}:
            found = await self._store.search(query.query_str or "", None, collections=inside, top_k=top_k)
            hits = found.by_keywords
        else:
            raise ValueError(f"the mode {query.mode} is not offered, or there is no vector to search with")
        return VectorStoreQueryResult(
            nodes=[hit.node for hit in hits],
            similarities=[hit.score or 0.0 for hit in hits],
            ids=[hit.node.node_id for hit in hits],
        )


def _make_passage(node: BaseNode) -> TextNode:
    """A node of LlamaIndex's making with the metadata a passage has."""
    document = str(node.metadata.get("document") or node.ref_doc_id or node.node_id)
    named = {"document": document, "collection": SHARED, "title": document, "section": ""}
    passage = build_passage_node(node.get_content(), {**named, **node.metadata}, node_id=node.node_id)
    passage.embedding = node.embedding
    return passage


def _parse_collections(filters: MetadataFilters) -> frozenset[str]:
    """The collections that pass the filters.

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
