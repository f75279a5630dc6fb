"""How a store serves LlamaIndex, and what it refuses to do for it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from llama_index.core import VectorStoreIndex
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores.types import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
)

from bot.knowledge.stores.store import Counts
from bot.knowledge.stores.vector_store import VectorStore
from tests.fakes.passages import make_node

if TYPE_CHECKING:
    from tests.knowledge.stores.conftest import IndexLocation


def filters(*parts: MetadataFilter, condition: FilterCondition = FilterCondition.AND) -> MetadataFilters:
    return MetadataFilters(filters=list(parts), condition=condition)


def in_collections(*collections: str) -> MetadataFilter:
    return MetadataFilter(key="collection", value=list(collections), operator=FilterOperator.IN)


async def test_vector_store_index_adds_finds_and_deletes(location: IndexLocation) -> None:
    store = location.open("mock")
    face = VectorStore(store)
    index = VectorStoreIndex.from_vector_store(face, embed_model=MockEmbedding(embed_dim=4))
    index.insert_nodes([make_node("refund one"), make_node("refund legal", "b.md", collection="legal")])
    assert face.client is store
    retriever = index.as_retriever(
        similarity_top_k=5, filters=filters(in_collections("legal"), in_collections("legal", ""))
    )
    assert [hit.node.get_content() for hit in await retriever.aretrieve("refund")] == ["refund legal"]
    await face.adelete("b.md")
    assert store.manifest().keys() == {"a.md"}
    await face.aclear()
    assert store.counts() == Counts(0, 0, 0)


async def test_node_without_our_metadata_is_shared_and_found_by_keyword(location: IndexLocation) -> None:
    face = VectorStore(location.open("mock"))
    await face.async_add([TextNode(text="refund from elsewhere", id_="x", embedding=[1.0, 0.0])])
    query = VectorStoreQuery(
        query_str="refunds",
        mode=VectorStoreQueryMode.TEXT_SEARCH,
        similarity_top_k=3,
        filters=filters(MetadataFilter(key="collection", value="")),
    )
    found = await asyncio.to_thread(face.query, query)
    assert found.ids == ["x"]
    assert [each.get_content() for each in found.nodes or []] == ["refund from elsewhere"]


@pytest.mark.parametrize(
    "query",
    [
        VectorStoreQuery(query_embedding=[1.0]),
        VectorStoreQuery(query_embedding=[1.0], filters=filters(MetadataFilter(key="guild", value="1"))),
        VectorStoreQuery(
            query_embedding=[1.0],
            filters=filters(MetadataFilter(key="collection", value="a", operator=FilterOperator.NE)),
        ),
        VectorStoreQuery(query_embedding=[1.0], filters=filters(in_collections("a"), condition=FilterCondition.OR)),
        VectorStoreQuery(query_embedding=[1.0], filters=MetadataFilters(filters=[])),
        VectorStoreQuery(query_embedding=[1.0], doc_ids=["a.md"]),
        VectorStoreQuery(query_embedding=[1.0], mode=VectorStoreQueryMode.MMR, filters=filters(in_collections("a"))),
        VectorStoreQuery(query_str="no vector", filters=filters(in_collections("a"))),
    ],
)
async def test_unsupported_metadata_filter_is_refused(location: IndexLocation, query: VectorStoreQuery) -> None:
    with pytest.raises(ValueError, match=r"offered|filtered"):
        await VectorStore(location.open()).aquery(query)
