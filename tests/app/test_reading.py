"""The index stays current by itself: at the start, and whenever a file changes."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from bot.app import reading
from bot.app.library import open_knowledge_base
from bot.app.reading import FIRST_RETRY, CurrentIndex, keep_index_current, watch_folder
from bot.domain import IngestionReport, LibraryState, ReindexRequest, Scope
from bot.errors import IngestionRefused, StoreUnusable
from bot.settings import load
from tests.fakes.answerer import FakeLibrary

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from bot.domain import Progress

TIMEOUT = 100.0


class FailingLibrary(FakeLibrary):
    """A library whose runs fail so many times, and that remembers what was asked of it and when."""

    def __init__(self, failures: int = 0, *, is_damaged: bool = False) -> None:
        super().__init__(LibraryState(0, 0, "none"))
        self.failures = failures
        self.is_damaged = is_damaged
        self.requests: list[ReindexRequest] = []
        self.times: list[float] = []

    async def state(self) -> LibraryState:
        if self.is_damaged:
            raise StoreUnusable("The index cannot be opened.")
        return await super().state()

    async def reindex(
        self, request: ReindexRequest | None = None, *, on_progress: Callable[[Progress], None] | None = None
    ) -> IngestionReport:
        del on_progress
        self.requests.append(request or ReindexRequest())
        self.times.append(asyncio.get_running_loop().time())
        if len(self.requests) <= self.failures:
            raise IngestionRefused("A run is already going on; wait until it has ended.")
        return IngestionReport(failed={"damaged.pdf": "damaged PDF"})


async def watch_nothing(_folder: Path, stop: asyncio.Event) -> AsyncIterator[set[str]]:
    await stop.wait()
    yield set()


async def test_documents_are_read_at_every_start_and_without_watching_once(tmp_path: Path) -> None:
    library, stop = FailingLibrary(), asyncio.Event()
    async with keep_index_current(library, tmp_path, stop, is_watching=False, watch=watch_nothing):
        await asyncio.sleep(3_600)
    assert library.requests == [ReindexRequest(is_automatic=True)]


async def test_changes_are_read_without_fetching_pages_unless_a_list_changed(tmp_path: Path) -> None:
    async def watch(_folder: Path, _stop: asyncio.Event) -> AsyncIterator[set[str]]:
        for paths in ({"/d/a.md"}, {"/d/a.md", "/d/b.md"}, {"/d/urls.txt"}, {"/d/c.md"}):
            await asyncio.sleep(10)
            yield paths

    library, stop = FailingLibrary(), asyncio.Event()
    async with keep_index_current(library, tmp_path, stop, is_watching=True, watch=watch):
        await asyncio.sleep(100)
    assert [request.files_only for request in library.requests] == [False, True, True, False, True]


async def test_a_run_that_failed_is_tried_again_later_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    library = FailingLibrary(failures=3)
    index = CurrentIndex(library)
    caplog.set_level(logging.INFO, logger="bot.app.reading")
    await index.read_at_start(asyncio.Event())
    following = asyncio.create_task(index.read_changes())
    await asyncio.sleep(3_600)
    index.note_changes({"/d/a.md"})
    await asyncio.sleep(3_600)
    following.cancel()
    gaps = [later - earlier for earlier, later in zip(library.times, library.times[1:], strict=False)]
    assert gaps[:3] == pytest.approx([FIRST_RETRY, 2 * FIRST_RETRY, 4 * FIRST_RETRY])
    assert len(library.requests) == 5
    assert caplog.text.count("Reading the documents failed") == 1
    assert caplog.text.count("damaged.pdf") == 1


async def test_an_index_that_is_an_older_one_than_before_is_read_anew(tmp_path: Path) -> None:
    class RebuiltLibrary(FailingLibrary):
        generation = 3

        async def state(self) -> LibraryState:
            return replace(await super().state(), generation=self.generation)

    library, stop = RebuiltLibrary(), asyncio.Event()
    async with keep_index_current(library, tmp_path, stop, is_watching=False, watch=watch_nothing):
        await asyncio.sleep(100)
        library.generation = 0
        await asyncio.sleep(100)
    assert [request.files_only for request in library.requests] == [False, False]


async def test_an_index_that_cannot_be_opened_at_the_start_ends_the_bot(tmp_path: Path) -> None:
    library, stop = FailingLibrary(is_damaged=True), asyncio.Event()
    with pytest.raises(StoreUnusable):
        async with keep_index_current(library, tmp_path, stop, is_watching=True, watch=watch_nothing):
            await stop.wait()
    assert library.requests == []


@pytest.mark.real_time("the system or a thread notices changes of files")
@pytest.mark.parametrize("is_polling", [False, True])
async def test_changed_new_and_removed_files_are_noticed_and_hidden_ones_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_polling: bool
) -> None:
    monkeypatch.setattr(reading, "POLL_MILLISECONDS", 100)
    monkeypatch.setattr(reading, "BATCH_MILLISECONDS", 200)
    monkeypatch.setattr(reading, "_MISSING_FOLDER_SECONDS", 0.1)
    folder, stop, seen = tmp_path / "documents", asyncio.Event(), asyncio.Queue[str]()
    names: set[str] = set()

    async def collect() -> None:
        async for paths in watch_folder(folder, stop, is_polling=is_polling):
            for path in paths:
                seen.put_nowait(path.rpartition("/")[2])

    async def change(action: Callable[[], object], expected: str) -> None:
        await asyncio.sleep(0.3)
        action()
        async with asyncio.timeout(TIMEOUT):
            while (name := await seen.get()) != expected:
                names.add(name)

    watching = asyncio.create_task(collect())
    await asyncio.sleep(0.2)  # the folder is missing at first
    folder.mkdir()
    (folder / "sub").mkdir()
    await asyncio.sleep(0.6)
    try:
        await change(lambda: (folder / "sub" / "a.md").write_text("one"), "a.md")
        (folder / ".hidden.md").write_text("x")
        await change(lambda: (folder / "b.md").write_text("two"), "b.md")
        await change((folder / "b.md").unlink, "b.md")
        assert ".hidden.md" not in names
    finally:
        stop.set()
        async with asyncio.timeout(TIMEOUT):
            await watching


@pytest.mark.real_time("files are read in a process, and the system notices changes")
async def test_a_file_changed_under_a_running_bot_is_searchable_within_seconds(tmp_path: Path) -> None:
    documents = tmp_path / "documents"
    documents.mkdir()
    (documents / "refunds.md").write_text("# Refunds\n\nA refund takes thirty days.")
    settings = load(None, data_dir=str(documents), state_dir=str(tmp_path / "state"), embed_model="none")
    knowledge = await asyncio.to_thread(open_knowledge_base, settings)
    stop = asyncio.Event()

    async def wait_for_documents(*names: str) -> None:
        async with asyncio.timeout(TIMEOUT):
            while [each.document for each in await knowledge.list_documents(Scope())] != sorted(names):  # noqa: ASYNC110 - another task's run changes it
                await asyncio.sleep(0.05)

    try:
        async with keep_index_current(knowledge, documents, stop, is_watching=True):
            await wait_for_documents("refunds.md")
            (documents / "kitchen.md").write_text("# Kitchen\n\nThe dishwasher runs at six.")
            await wait_for_documents("refunds.md", "kitchen.md")
            (documents / "refunds.md").unlink()
            await wait_for_documents("kitchen.md")
            stop.set()
    finally:
        await knowledge.close()
