"""Knowledge that is still being open_knowledge is a library like any other: whoever asks for it waits."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from bot.app.library import LazyLibrary
from bot.domain import Question, ReindexRequest, Scope
from bot.errors import IngestionRefused, StoreUnusable
from bot.knowledge import KnowledgeBase

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path

    from bot.domain import Library, Progress


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "kettle.md").write_text("# Tea\n\nThe kettle is red.\n")
    return folder


@asynccontextmanager
async def open_lazy_library(open_knowledge: Callable[[], KnowledgeBase]) -> AsyncGenerator[LazyLibrary]:
    library = LazyLibrary(open_knowledge)
    yield library
    await library.close()


async def test_lazy_library_forwards_every_call_once_open(root: Path) -> None:
    may_open = threading.Event()

    def open_knowledge() -> KnowledgeBase:
        may_open.wait(30)
        return KnowledgeBase.open(root, root.parent / "state", None, None)

    async with open_lazy_library(open_knowledge) as library:
        is_library: Library = library
        assert not is_library.cancel()
        waiting = asyncio.create_task(library.add("legal", "terms.md", b"Submarines are not insured."))
        await asyncio.sleep(0)
        may_open.set()
        assert await waiting == "@legal/terms.md"
        assert await library.add_page("other", "https://team.example") == "https://team.example/"
        assert await library.remove("@other/urls.txt/team.example")
        assert list((await library.reindex(ReindexRequest("legal", full=True))).new) == ["@legal/terms.md"]
        assert (await library.state()).generation == 1
        assert [each.document for each in await library.list_documents(Scope(frozenset({"legal"})))] == [
            "@legal/terms.md"
        ]
        assert (await library.read("a.md", b"Text.")).text == "Text."
        answer = await library.answer(Question("Are submarines insured?", "1", Scope(frozenset({"legal"}))))
        assert answer.sources[0].document == "@legal/terms.md"


async def test_lazy_library_forwards_cancel(root: Path) -> None:
    async with open_lazy_library(lambda: KnowledgeBase.open(root, root.parent / "state", None, None)) as library:
        loop = asyncio.get_running_loop()

        async def cancelled() -> bool:
            return library.cancel()

        def cancel(_: Progress) -> None:
            assert asyncio.run_coroutine_threadsafe(cancelled(), loop).result(10)

        with pytest.raises(IngestionRefused, match="stopped"):
            await library.reindex(on_progress=cancel)
        assert not library.cancel()


async def test_library_that_failed_to_open_has_no_run_to_cancel() -> None:
    def open_knowledge() -> KnowledgeBase:
        raise StoreUnusable("The index is damaged.")

    async with open_lazy_library(open_knowledge) as library:
        with pytest.raises(StoreUnusable):
            await library.list_documents(Scope())
        assert not library.cancel()


async def test_lazy_library_embeds_nothing_without_a_model(root: Path) -> None:
    async with open_lazy_library(lambda: KnowledgeBase.open(root, root.parent / "state", None, None)) as library:
        assert await library.embed(["tea"]) is None
