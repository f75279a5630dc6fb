"""Passages as an ingestion would make them, and a store that holds some."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.knowledge.splitting.splitter import build_passage_node, hash_passage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llama_index.core.schema import NodeWithScore, TextNode

    from bot.knowledge.stores.store import Store

SHARED_ONLY = frozenset({""})


def make_node(
    text: str, document: str = "a.md", *, collection: str = "", title: str = "T", section: str = ""
) -> TextNode:
    """A passage; equal arguments make equal ones."""
    metadata = {"document": document, "collection": collection, "title": title, "section": section, "position": 0}
    return build_passage_node(text, metadata, node_id=f"{document}/{section}/{text}"[:60])


def fill_store(store: Store, *nodes: TextNode, vectors: Sequence[Sequence[float]] = ()) -> Store:
    """The store, made to hold these nodes and, for the first of them, these vectors."""
    store.save_vectors({hash_passage(each): vector for each, vector in zip(nodes, vectors, strict=False)})
    store.replace({str(each.metadata["document"]): "hash" for each in nodes}, nodes)
    return store


async def find_texts_by_keywords(store: Store, text: str, collections: frozenset[str] = SHARED_ONLY) -> list[str]:
    """Texts found by their words, best first."""
    return [hit.node.get_content() for hit in await search_by_keywords(store, text, collections)]


async def find_texts_by_vector(
    store: Store, vector: Sequence[float], collections: frozenset[str] = SHARED_ONLY
) -> list[str]:
    """Texts found by their vectors, best first."""
    return [hit.node.get_content() for hit in await search_by_vector(store, vector, collections)]


async def search_by_keywords(
    store: Store, text: str, collections: frozenset[str] = SHARED_ONLY, top_k: int = 10
) -> Sequence[NodeWithScore]:
    """Passages found by their words alone."""
    return (await store.search(text, None, collections=collections, top_k=top_k)).by_keywords


async def search_by_vector(
    store: Store, vector: Sequence[float], collections: frozenset[str] = SHARED_ONLY, top_k: int = 10
) -> Sequence[NodeWithScore]:
    """Passages found by their vectors alone."""
    return (await store.search("", vector, collections=collections, top_k=top_k)).by_vectors
