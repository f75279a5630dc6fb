"""The simulator for a library keeps the library's promises, so that tests over it mean something."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from bot.domain import DocumentInfo, LibraryState, ReindexRequest, Scope, Usage
from bot.errors import DocumentUnreadable, IngestionRefused, ModelInterrupted
from tests.fakes.answerer import FakeAnswer, FakeLibrary, Pause, Script

if TYPE_CHECKING:
    from bot.domain import Answer, Library, Progress

LEGAL = Scope(frozenset({"legal"}))


async def test_added_and_removed_documents_take_effect_at_the_next_run() -> None:
    fake = FakeLibrary(LibraryState(2, 9, "none"), documents=[DocumentInfo("old.md", "Old", passages=3)])
    library: Library = fake
    assert await library.add("legal", "terms.md", b"Terms.") == "@legal/terms.md"
    assert await library.remove("old.md")
    assert not await library.remove("never.md")
    assert await library.list_documents(LEGAL) == []
    await library.reindex(ReindexRequest(dry_run=True))
    assert await library.list_documents(LEGAL) == []
    await library.reindex(ReindexRequest("legal"))
    assert [each.document for each in await library.list_documents(LEGAL)] == ["@legal/terms.md"]
    assert [each.document for each in await library.list_documents(Scope())] == ["old.md"]
    await library.reindex(ReindexRequest(full=True, force=True))
    assert await library.list_documents(Scope()) == []
    assert fake.runs == [ReindexRequest(dry_run=True), ReindexRequest("legal"), ReindexRequest(full=True, force=True)]
    assert (fake.added, fake.removed, (await library.state()).generation) == (["@legal/terms.md"], ["old.md"], 2)


async def test_slow_run_reports_progress_is_exclusive_and_can_be_cancelled() -> None:
    library = FakeLibrary(LibraryState(50, 9, "none"), seconds_per_file=0.01)
    seen: list[Progress] = []
    assert not library.cancel()
    running = asyncio.create_task(library.reindex(on_progress=seen.append))
    while len(seen) < 2:  # noqa: ASYNC110 - its progress is what is waited for
        await asyncio.sleep(0.005)
    assert (await library.state()).running == seen[-1]
    with pytest.raises(IngestionRefused, match="already"):
        await library.reindex()
    assert library.cancel()
    with pytest.raises(IngestionRefused, match="stopped"):
        await running
    assert ((await library.state()).running, library.cancel_count) == (None, 1)
    assert (await library.reindex()).unchanged == 50


async def test_unreadable_files_are_neither_read_nor_added() -> None:
    library = FakeLibrary(LibraryState(0, 0, "none"))
    library.unreadable["scan.pdf"] = "password-protected"
    with pytest.raises(DocumentUnreadable, match="password"):
        await library.read("scan.pdf", b"%PDF")
    with pytest.raises(DocumentUnreadable, match="password"):
        await library.add("", "scan.pdf", b"%PDF")
    with pytest.raises(DocumentUnreadable, match="http"):
        await library.add_page("", "team.example")
    assert (await library.read("a.md", b"Text.")).text == "Text."
    assert library.added == []


async def test_answer_usage_counts_up_to_its_interruption() -> None:
    script = Script(["One", " two", ModelInterrupted("It broke off.")], prompt_tokens=40, is_confident=True)
    answer: Answer = FakeAnswer(script)
    assert (answer.usage, answer.is_confident) == (Usage(), True)
    with pytest.raises(ModelInterrupted):
        _ = [delta async for delta in answer.deltas()]
    assert answer.usage == Usage(40, 2)
    free: Answer = FakeAnswer(Script(["One", Pause(0)]))
    _ = [delta async for delta in free.deltas()]
    assert free.usage == Usage(0, 0)
