"""Finds the passages that may answer a question, by keywords and vectors."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from llama_index.core import VectorStoreIndex
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.indices.vector_store import VectorIndexRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle
from llama_index.core.vector_stores.types import VectorStoreQueryMode

from bot.knowledge.answering.vector_store import HybridVectorStore, filter_by_scope
from bot.knowledge.models.model_errors import MODEL_ERRORS
from bot.knowledge.stores.store import find_vector_fault

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llama_index.core.base.embeddings.base import BaseEmbedding

    from bot.domain import Scope
    from bot.knowledge.stores.store import Store

CANDIDATES: Final = 50
"""Passages asked for by keywords, and as many by vectors, before they are fused."""

_log = logging.getLogger(__name__)


def build_index(store: Store, embedding: BaseEmbedding | None) -> VectorStoreIndex:
    """Build LlamaIndex's index over a store; without an embedding model it is searched by keywords."""
    # LlamaIndex would take its global model where none is given. Its mock is never asked: the store wants no vector.
    model = MockEmbedding(embed_dim=1) if embedding is None else embedding
    return VectorStoreIndex.from_vector_store(HybridVectorStore(store, embedding), embed_model=model)


class HybridRetriever(VectorIndexRetriever):
    """LlamaIndex's retriever over our index; where the embedding model fails, keywords are searched alone.

    ``is_keywords_only`` tells afterwards whether that happened. A query bundle's ``custom_embedding_strs`` are searched
    for, its ``query_str`` only where there are none. A question is embedded before the search: both rankings are of
    the generation that serves then.
    """

    def __init__(
        self, index: VectorStoreIndex, scope: Scope, *, mode: VectorStoreQueryMode = VectorStoreQueryMode.HYBRID
    ) -> None:
        super().__init__(
            index, similarity_top_k=CANDIDATES, vector_store_query_mode=mode, filters=filter_by_scope(scope)
        )
        self.is_keywords_only = False

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        text = "\n".join(query_bundle.embedding_strs)
        vector: Sequence[float] | None = query_bundle.embedding
        if vector is None and self._needs_embedding():
            vector = await self.embed_query(text)
            if vector is None and self._vector_store_query_mode == VectorStoreQueryMode.DEFAULT:
                return []
        return await self._aget_nodes_with_embeddings(
            QueryBundle(text, embedding=None if vector is None else list(vector))
        )

    async def embed_query(self, text: str) -> Sequence[float] | None:
        """Return the question's vector; None if the model fails, or its vector cannot be searched with."""
        try:
            vector = await self._embed_model.aget_query_embedding(text)
        except MODEL_ERRORS as error:
            # The message of such an error may quote the question or the key: its kind is enough.
            _log.warning("embedding the question failed (%s): searching by keywords only", type(error).__name__)
            self.is_keywords_only = True
            return None
        store = self._vector_store
        if isinstance(store, HybridVectorStore) and (
            fault := await asyncio.to_thread(find_vector_fault, vector, store.client)
        ):
            _log.warning("the vector of the question cannot be used (%s): searching by keywords only", fault)
            self.is_keywords_only = True
            return None
        return vector
