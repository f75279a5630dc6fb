"""How a store serves LlamaIndex, and which queries it refuses."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from llama_index.core import VectorStoreIndex
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.schema import MetadataMode
from llama_index.core.vector_stores.types import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
)

from bot.domain import Scope
from bot.knowledge.answering.vector_store import COVERAGE, SIMILARITY, HybridVectorStore, filter_by_scope
from bot.knowledge.stores.sqlite import SqliteStore
from tests.fakes.passages import fill_store, make_node

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


def filters(*parts: MetadataFilter, condition: FilterCondition = FilterCondition.AND) -> MetadataFilters:
    return MetadataFilters(filters=list(parts), condition=condition)


def in_collections(*collections: str) -> MetadataFilter:
    return MetadataFilter(key="collection", value=list(collections), operator=FilterOperator.IN)


@pytest.fixture
def store(tmp_path: Path) -> Generator[SqliteStore]:
    store = SqliteStore(tmp_path / "index.sqlite", "mock")
    nodes = [make_node("refund one"), make_node("refund legal", "b.md", collection="legal"), make_node("kettle")]
    fill_store(store, *nodes, vectors=[[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    yield store
    store.close()


async def test_vector_store_index_retrieves_inside_the_filtered_collections(store: SqliteStore) -> None:
    index = VectorStoreIndex.from_vector_store(HybridVectorStore(store, None), embed_model=MockEmbedding(embed_dim=2))
    retriever = index.as_retriever(
        similarity_top_k=5,
        vector_store_query_mode=VectorStoreQueryMode.HYBRID,
        filters=filters(in_collections("legal"), in_collections("legal", "")),
    )
    assert [hit.node.get_content() for hit in await retriever.aretrieve("refund")] == ["refund legal"]


@pytest.mark.parametrize(
    ("mode", "found"),
    [
        (VectorStoreQueryMode.TEXT_SEARCH, ["refund one"]),
        (VectorStoreQueryMode.DEFAULT, ["kettle"]),
        (VectorStoreQueryMode.HYBRID, ["kettle", "refund one"]),
    ],
)
async def test_each_query_mode_searches_its_side(
    store: SqliteStore, mode: VectorStoreQueryMode, found: list[str]
) -> None:
    query = VectorStoreQuery(
        query_str="refunds",
        query_embedding=[0.0, 1.0],
        mode=mode,
        similarity_top_k=3,
        filters=filters(MetadataFilter(key="collection", value="")),
    )
    result = await asyncio.to_thread(HybridVectorStore(store, None).query, query)
    assert sorted(each.get_content() for each in result.nodes or []) == found


async def test_hits_say_how_much_they_share_with_the_question(store: SqliteStore) -> None:
    query = VectorStoreQuery(
        query_str="refund one",
        query_embedding=[1.0, 0.0],
        mode=VectorStoreQueryMode.HYBRID,
        similarity_top_k=1,
        filters=filter_by_scope(Scope()),
    )
    result = await HybridVectorStore(store, None).aquery(query)
    (node,) = result.nodes or []
    assert (node.metadata[COVERAGE], node.metadata[SIMILARITY]) == (1.0, 1.0)
    assert "1.0" not in node.get_content(MetadataMode.LLM)


def test_vector_store_is_read_only(store: SqliteStore) -> None:
    with pytest.raises(NotImplementedError, match="ingestion"):
        HybridVectorStore(store, None).add([make_node("new")])
    with pytest.raises(NotImplementedError, match="ingestion"):
        HybridVectorStore(store, None).delete("a.md")


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
async def test_unsupported_metadata_filter_is_refused(store: SqliteStore, query: VectorStoreQuery) -> None:
    with pytest.raises(ValueError, match=r"offered|filtered"):
        await HybridVectorStore(store, None).aquery(query)
