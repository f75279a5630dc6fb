"""Opens the knowledge base that the settings describe, at once or while the bot connects."""

from __future__ import annotations

import asyncio
import gc
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from bot.errors import DocentError
from bot.settings import LOCAL_EMBEDDINGS

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator, Sequence

    from bot.domain import (
        Answer,
        Attachment,
        DocumentInfo,
        IngestionReport,
        LibraryState,
        Progress,
        Question,
        ReindexRequest,
        Scope,
    )
    from bot.knowledge import EmbeddingChoice, KnowledgeBase, LanguageModelChoice, LocalEmbeddingChoice, RerankChoice
    from bot.settings import Settings


@asynccontextmanager
async def open_library(settings: Settings, *, with_model: bool = True) -> AsyncGenerator[KnowledgeBase]:
    """Open the knowledge base for as long as the block lasts, with the settings' language model if wanted.

    Raises:
        StoreUnusable: The index cannot be opened.
    """
    knowledge = await asyncio.to_thread(open_knowledge_base, settings, with_model=with_model)
    try:
        yield knowledge
    finally:
        await knowledge.close()


class LazyLibrary:
    """The knowledge base while a thread opens it: every call waits until it is open.

    So the bot is online while LlamaIndex and a model are loaded (3 s, 15 s on a busy machine), and acknowledges
    questions within the 3 seconds that Discord allows.
    """

    def __init__(self, open_knowledge: Callable[[], KnowledgeBase]) -> None:
        self._opening = asyncio.create_task(asyncio.to_thread(open_knowledge))

    async def get_knowledge_base(self) -> KnowledgeBase:
        """Wait until the knowledge base is open and return it.

        Raises:
            StoreUnusable: The index cannot be opened.
        """
        return await asyncio.shield(self._opening)

    async def answer(self, question: Question) -> Answer:
        """As ``Answerer.answer``."""
        return await (await self.get_knowledge_base()).answer(question)

    async def state(self) -> LibraryState:
        """As ``Library.state``."""
        return await (await self.get_knowledge_base()).state()

    async def reindex(
        self, request: ReindexRequest | None = None, *, on_progress: Callable[[Progress], None] | None = None
    ) -> IngestionReport:
        """As ``Library.reindex``."""
        return await (await self.get_knowledge_base()).reindex(request, on_progress=on_progress)

    def cancel(self) -> bool:
        """As ``Library.cancel``; nothing runs before the knowledge base is open."""
        is_open = self._opening.done() and not self._opening.cancelled() and self._opening.exception() is None
        return is_open and self._opening.result().cancel()

    async def list_documents(self, scope: Scope) -> Sequence[DocumentInfo]:
        """As ``Library.list_documents``."""
        return await (await self.get_knowledge_base()).list_documents(scope)

    async def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]] | None:
        """As ``Library.embed``."""
        return await (await self.get_knowledge_base()).embed(texts)

    async def read(self, name: str, content: bytes) -> Attachment:
        """As ``Library.read``."""
        return await (await self.get_knowledge_base()).read(name, content)

    async def add(self, collection: str, name: str, content: bytes) -> str:
        """As ``Library.add``."""
        return await (await self.get_knowledge_base()).add(collection, name, content)

    async def add_page(self, collection: str, url: str) -> str:
        """As ``Library.add_page``."""
        return await (await self.get_knowledge_base()).add_page(collection, url)

    async def remove(self, document: str) -> bool:
        """As ``Library.remove``."""
        return await (await self.get_knowledge_base()).remove(document)

    async def close(self) -> None:
        """Wait until the knowledge base is open, and close it."""
        try:
            knowledge = await self.get_knowledge_base()
        except DocentError:
            return
        await knowledge.close()


@asynccontextmanager
async def open_library_in_background(settings: Settings) -> AsyncGenerator[LazyLibrary]:
    """Begin to open the knowledge base, and close it after the block; questions wait for its first ingestion."""

    def open_knowledge() -> KnowledgeBase:
        knowledge = open_knowledge_base(settings)
        knowledge.expects_first_run = True
        return knowledge

    library = LazyLibrary(open_knowledge)
    try:
        yield library
    finally:
        await library.close()


def open_knowledge_base(settings: Settings, *, with_model: bool = True) -> KnowledgeBase:
    """Open the knowledge base, ready for a first question; blocks for seconds, so call it in a thread.

    With ``with_model`` False documents are quoted, even if the settings name a language model.

    Raises:
        StoreUnusable: The index cannot be opened.
    """
    with _pause_garbage_collection():
        from bot.knowledge import KnowledgeBase  # noqa: PLC0415  # two seconds of LlamaIndex, spent in this thread

        return KnowledgeBase.open(
            settings.data_dir,
            settings.state_dir,
            choose_language_model(settings) if with_model else None,
            choose_embedding_model(settings),
            embed_tokens_per_run=settings.embed_tokens_per_run or None,
            context_tokens=settings.context_tokens,
            rerank=choose_reranker(settings),
            proxies=settings.proxies,
            store_url=None if settings.store_url is None else settings.store_url.get_secret_value(),
        )


@contextmanager
def _pause_garbage_collection() -> Generator[None]:
    """Disable garbage collection while modules are imported, and exempt what they created from it afterwards.

    Importing LlamaIndex creates a million objects; each collection over them stops every thread, the event loop's
    too, for 0.1 to 0.15 seconds.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def choose_language_model(settings: Settings) -> LanguageModelChoice | None:
    """Return the language model that the settings name, or None if answers are quoted from the documents."""
    from bot.knowledge import LanguageModelChoice  # noqa: PLC0415  # as above

    if not settings.has_model:
        return None
    first = LanguageModelChoice(
        settings.llm_model,
        settings.model_url,
        settings.openai_api_key,
        settings.llm_context_window,
        answer_tokens=settings.answer_tokens,
        options=settings.llm_options or {},
        headers=settings.llm_headers or {},
        proxies=settings.proxies,
    )
    if settings.llm_fallback_model is None:
        return first
    has_own_server = settings.llm_fallback_base_url is not None
    fallback = LanguageModelChoice(
        settings.llm_fallback_model,
        settings.llm_fallback_base_url or settings.model_url,
        settings.llm_fallback_api_key or (None if has_own_server else settings.openai_api_key),
        settings.llm_context_window,
        answer_tokens=settings.answer_tokens,
        proxies=settings.proxies,
    )
    return replace(first, fallback=fallback)


def choose_reranker(settings: Settings) -> RerankChoice | None:
    """Return the rerank server that the settings name."""
    from bot.knowledge import RerankChoice  # noqa: PLC0415  # as above

    if settings.rerank_url is None:
        return None
    return RerankChoice(settings.rerank_url, settings.rerank_model or "", settings.rerank_api_key, settings.proxies)


def choose_embedding_model(settings: Settings) -> EmbeddingChoice | LocalEmbeddingChoice | None:
    """Return the embedding model that the settings name, or None if search is by keywords only."""
    from bot.knowledge import EmbeddingChoice, LocalEmbeddingChoice  # noqa: PLC0415  # as above

    if settings.embedding == "none":
        return None
    if settings.embedding in LOCAL_EMBEDDINGS:
        return LocalEmbeddingChoice(settings.embed_model_dir, is_multilingual=settings.embedding == "multilingual")
    return EmbeddingChoice(
        settings.embedding,
        settings.embedding_url,
        settings.embedding_key,
        options=settings.embed_options or {},
        headers=settings.embed_headers or {},
        proxies=settings.proxies,
    )
