"""Opens the knowledge base that the settings describe."""

from __future__ import annotations

import asyncio
import gc
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from bot.knowledge import EmbeddingChoice, KnowledgeBase, LanguageModelChoice, LocalEmbeddingChoice
    from bot.settings import Settings


@asynccontextmanager
async def open_library(settings: Settings) -> AsyncGenerator[KnowledgeBase]:
    """Open the knowledge base for as long as the block lasts.

    Raises:
        StoreUnusable: The index cannot be opened.
    """
    knowledge = await asyncio.to_thread(open_knowledge_base, settings)
    try:
        yield knowledge
    finally:
        await knowledge.close()


def open_knowledge_base(settings: Settings) -> KnowledgeBase:
    """Open the knowledge base, ready for a first question; blocks for seconds, so call it in a thread.

    Raises:
        StoreUnusable: The index cannot be opened.
    """
    with _pause_garbage_collection():
        from bot.knowledge import KnowledgeBase  # noqa: PLC0415  # two seconds of LlamaIndex, spent in this thread

        return KnowledgeBase.open(
            settings.data_dir,
            settings.state_dir,
            choose_language_model(settings),
            choose_embedding_model(settings),
            embed_tokens_per_run=settings.embed_tokens_per_run or None,
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
    return LanguageModelChoice(
        settings.llm_model,
        settings.model_url,
        settings.openai_api_key,
        settings.llm_context_window,
        answer_tokens=settings.answer_tokens,
    )


def choose_embedding_model(settings: Settings) -> EmbeddingChoice | LocalEmbeddingChoice | None:
    """Return the embedding model that the settings name, or None if search is by keywords only."""
    from bot.knowledge import EmbeddingChoice, LocalEmbeddingChoice  # noqa: PLC0415  # as above

    if settings.embedding == "none":
        return None
    if settings.embedding == "local":
        return LocalEmbeddingChoice()
    return EmbeddingChoice(settings.embedding, settings.embedding_url, settings.embedding_key)
