"""Settings become knowledge, opened while other things go on."""

from __future__ import annotations

import asyncio
import gc
import logging
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from bot.errors import DocentError

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
    from bot.knowledge import EmbeddingChoice, KnowledgeBase, LanguageModelChoice, LocalEmbeddingChoice
    from bot.settings import Settings

_log = logging.getLogger(__name__)


class LazyLibrary:
    """Knowledge that is still being opened, in a thread, while the bot connects: whoever asks for it waits."""

    def __init__(self, open_knowledge: Callable[[], KnowledgeBase]) -> None:
        self._knowledge_task = asyncio.create_task(asyncio.to_thread(open_knowledge))

    async def get_knowledge_base(self) -> KnowledgeBase:
        """The knowledge itself.

        Raises:
            StoreUnusable: its index cannot be opened.
        """
        return await asyncio.shield(self._knowledge_task)

    async def answer(self, question: Question) -> Answer:
        """As ``KnowledgeBase.answer``."""
        return await (await self.get_knowledge_base()).answer(question)

    async def state(self) -> LibraryState:
        """As ``KnowledgeBase.state``."""
        return await (await self.get_knowledge_base()).state()

    async def reindex(
        self,
        request: ReindexRequest | None = None,
        *,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> IngestionReport:
        """As ``KnowledgeBase.reindex``."""
        knowledge = await self.get_knowledge_base()
        return await knowledge.reindex(request, on_progress=on_progress)

    def cancel(self) -> bool:
        """As ``KnowledgeBase.cancel``; what is not open yet has no run."""
        is_open = (
            self._knowledge_task.done()
            and not self._knowledge_task.cancelled()
            and self._knowledge_task.exception() is None
        )
        return is_open and self._knowledge_task.result().cancel()

    async def list_documents(self, scope: Scope) -> Sequence[DocumentInfo]:
        """As ``KnowledgeBase.list_documents``."""
        return await (await self.get_knowledge_base()).list_documents(scope)

    async def read(self, name: str, content: bytes) -> Attachment:
        """As ``KnowledgeBase.read``."""
        return await (await self.get_knowledge_base()).read(name, content)

    async def add(self, collection: str, name: str, content: bytes) -> str:
        """As ``KnowledgeBase.add``."""
        return await (await self.get_knowledge_base()).add(collection, name, content)

    async def add_page(self, collection: str, url: str) -> str:
        """As ``KnowledgeBase.add_page``."""
        return await (await self.get_knowledge_base()).add_page(collection, url)

    async def remove(self, document: str) -> bool:
        """As ``KnowledgeBase.remove``."""
        return await (await self.get_knowledge_base()).remove(document)

    async def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]] | None:
        """The texts' vectors; None without a model that embeds, or where it fails."""
        model = (await self.get_knowledge_base()).embedding
        if model is None:
            return None
        try:
            return await asyncio.to_thread(model.get_text_embedding_batch, list(texts))
        except Exception as error:  # noqa: BLE001 - whatever a model's server and its library come up with
            _log.warning("Questions could not be embedded: %s", type(error).__name__)
            return None

    async def close(self) -> None:
        """Wait until it is open, and close it."""
        try:
            knowledge = await self.get_knowledge_base()
        except DocentError:
            return
        await knowledge.close()


@asynccontextmanager
async def open_library(settings: Settings) -> AsyncGenerator[LazyLibrary]:
    """The knowledge the settings describe, for as long as the block lasts."""
    library = LazyLibrary(lambda: open_knowledge_base(settings))
    try:
        yield library
    finally:
        await library.close()


def open_knowledge_base(settings: Settings) -> KnowledgeBase:
    """The knowledge the settings describe, ready for a first question. Blocks for seconds: call it in a thread.

    Raises:
        StoreUnusable: the index cannot be opened.
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
    """Hold the garbage collector back while what is made stays for good, and spare it that for ever after.

    LlamaIndex makes a million objects at its import; each look through them stops every thread, the event loop's too,
    for 0.1 to 0.15 seconds.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def choose_language_model(settings: Settings) -> LanguageModelChoice | None:
    """Which model writes; None where there is none."""
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
    """Which model embeds; None where none does."""
    from bot.knowledge import EmbeddingChoice, LocalEmbeddingChoice  # noqa: PLC0415  # as above

    if settings.embedding == "none":
        return None
    if settings.embedding == "local":
        return LocalEmbeddingChoice()
    return EmbeddingChoice(settings.embedding, settings.embedding_url, settings.embedding_key)
