from __future__ import annotations

import asyncio
import base64
import os
import re
import shutil
import threading
import time
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from bot.domain import Attachment, Image, Question, ReindexRequest, Scope, Turn, Usage
from bot.errors import (
    DocentError,
    DocumentUnreadable,
    IndexBuilding,
    IndexEmpty,
    IngestionRefused,
    ModelUnknown,
    NothingFound,
    QuestionInvalid,
)
from bot.knowledge import EmbeddingChoice, KnowledgeBase, LanguageModelChoice, LocalEmbeddingChoice
from bot.knowledge.knowledge_base import KEYWORDS_ONLY
from bot.knowledge.models.local import load_local_embedding
from bot.text.search_terms import OTHER_SCRIPT
from tests.fakes.openai_server import (
    Completion,
    ErrorResponse,
    OpenAIServer,
    make_completion,
    make_model_not_found_error,
    make_rate_limit_error,
)
from tests.fakes.virtual_time import VirtualLoop, measure_processor_unit

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from concurrent.futures import Future
    from pathlib import Path

    from bot.domain import Answer, IngestionReport, Progress, Source

KEY = SecretStr("k")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "documents"
    (folder / "@board").mkdir(parents=True)
    (folder / "kettle.md").write_text("---\nurl: https://tea.example/\n---\n# Tea\n\n## Kettle\n\nThe kettle is red.\n")
    (folder / "bicycle.md").write_text("# Bicycles\n\nBicycles are kept in the cellar.\n")
    (folder / "@board" / "gold.md").write_text("# Gold\n\nThe board keeps its gold in the kettle.\n")
    return folder


@asynccontextmanager
async def open_knowledge_base(
    root: Path, llm: LanguageModelChoice | None = None, embedding: EmbeddingChoice | None = None
) -> AsyncGenerator[KnowledgeBase]:
    base = await asyncio.to_thread(KnowledgeBase.open, root, root.parent / "state", llm, embedding)
    yield base
    await base.close()


def list_files(root: Path) -> list[Path]:
    return sorted(root.rglob("*"))


async def read_answer(answer: Answer) -> str:
    return "".join([delta async for delta in answer.deltas()])


async def test_from_documents_to_a_streamed_sourced_answer(root: Path) -> None:
    async with (
        OpenAIServer(make_completion("It is red [1].")) as server,
        open_knowledge_base(
            root,
            LanguageModelChoice("fake", server.url, KEY),
            EmbeddingChoice("fake-embedding", server.url, KEY),
        ) as base,
    ):
        report = await base.reindex()
        assert (len(report.new), report.embedded) == (3, 3)

        answer = await base.answer(Question("Which colour has the kettle?", "1"))

        (first, *_) = answer.sources
        assert (first.document, first.title, first.section) == ("kettle.md", "Tea", "Kettle")
        assert first.url == "https://tea.example/"
        assert answer.notice == ""
        assert await read_answer(answer) == "It is red [1]."
        assert answer.usage == Usage(100, 4)
        state = await base.state()
        assert (state.documents, state.nodes, state.embedding, state.running) == (3, 3, "fake-embedding", None)


@pytest.mark.parametrize(
    ("texts", "language"),
    [
        (["The kettle is red.", "It is kept in the cellar.", "Das ist der Keller."], "en"),
        (["The kettle is red.", "Der Kessel ist rot.", "Das Fahrrad ist im Keller."], "de"),
        (["水壶是红色的。"], OTHER_SCRIPT),
    ],
)
async def test_language_of_most_documents_is_known_after_a_run_and_after_reopening(
    tmp_path: Path, texts: list[str], language: str
) -> None:
    root = tmp_path / "documents"
    root.mkdir()
    for place, text in enumerate(texts):
        (root / f"{place}.md").write_text(f"# T\n\n{text}\n", encoding="utf-8")
    async with open_knowledge_base(root) as base:
        assert (await base.state()).language == ""
        await base.reindex()
        assert (await base.state()).language == language
    async with open_knowledge_base(root) as base:
        state = await base.state()
        assert (state.language, state.can_read_language) == (language, True)  # keywords are in every language


async def test_answer_never_uses_a_collection_outside_the_scope(root: Path) -> None:
    async with open_knowledge_base(root) as base:
        await base.reindex()

        everyone = await base.answer(Question("Where is the gold kettle?", "1"))
        board = await base.answer(Question("Where is the gold kettle?", "2", Scope(frozenset({"board"}))))

        assert {source.document for source in everyone.sources} == {"kettle.md"}
        assert {source.document for source in board.sources} == {"@board/gold.md"}


@pytest.mark.parametrize("text", ["", " \n\t", "x" * 2_001])
async def test_empty_or_too_long_question_is_refused_with_a_message(root: Path, text: str) -> None:
    async with open_knowledge_base(root) as base:
        with pytest.raises(QuestionInvalid, match=r"empty|2,000"):
            await base.answer(Question(text, "1"))


async def test_empty_index_ingesting_index_and_unmatched_question_are_distinguished(root: Path) -> None:
    seen: list[type[Exception]] = []
    async with open_knowledge_base(root) as base:
        loop = asyncio.get_running_loop()

        async def ask() -> None:
            try:
                await base.answer(Question("kettle", "1"))
            except (IndexEmpty, IndexBuilding) as error:
                seen.append(type(error))

        def asked_meanwhile(_: Progress) -> None:
            asyncio.run_coroutine_threadsafe(ask(), loop).result(10)

        await ask()
        await base.reindex(on_progress=asked_meanwhile)

        assert seen[:2] == [IndexEmpty, IndexBuilding]
        with pytest.raises(NothingFound):
            await base.answer(Question("submarine", "1"))


def empty_folder(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


async def test_question_before_the_first_run_is_told_to_wait_until_that_run_has_ended(root: Path) -> None:
    async with open_knowledge_base(root) as base:
        base.expects_first_run = True
        with pytest.raises(IndexBuilding):
            await base.answer(Question("kettle", "1"))
        empty_folder(root)
        await base.reindex()
        with pytest.raises(IndexEmpty):
            await base.answer(Question("kettle", "1"))


@pytest.mark.parametrize(
    ("state", "kind", "message"),
    [
        ("nothing read yet", IndexEmpty, "There are no documents to answer from yet."),
        ("empty folder", IndexEmpty, "There are no documents to answer from yet."),
        ("all unreadable", IndexEmpty, "No documents are searchable: 1 document could not be read."),
        ("only other formats", IndexEmpty, "holds only files of formats that are not read."),
        ("folder missing", IndexEmpty, "reading them was refused or cancelled. Docent's log says why."),
        ("embedding failed", IndexEmpty, "reading them failed. The model's server failed"),
        ("read", NothingFound, "The documents do not"),
    ],
)
async def test_message_about_missing_documents_is_true_in_each_state(
    root: Path, state: str, kind: type[Exception], message: str
) -> None:
    async with OpenAIServer() as server:
        embedding = EmbeddingChoice("fake-embedding", server.url, KEY) if state == "embedding failed" else None
        server.embedding_error = ErrorResponse(500)
        if state not in {"embedding failed", "read", "nothing read yet"}:
            empty_folder(root)
        if state == "all unreadable":
            (root / "a.pdf").write_bytes(b"%PDF-1.4 damaged")
        elif state == "only other formats":
            (root / "a.psd").write_bytes(b"8BPS")
        elif state == "folder missing":
            shutil.rmtree(root)
        async with open_knowledge_base(root, embedding=embedding) as base:
            if state != "nothing read yet":
                with suppress(DocentError):
                    await base.reindex()
            with pytest.raises(kind, match=re.escape(message)) as caught:
                await base.answer(Question("Which submarine crossed the arctic?", "1"))
            assert str(root) not in str(caught.value)


async def test_unmatched_question_names_the_nearest_documents_and_calls_no_model(
    root: Path,
) -> None:
    async with OpenAIServer(make_completion("Nonsense.")) as server:
        base = await asyncio.to_thread(
            KnowledgeBase.open,
            root,
            root.parent / "state",
            LanguageModelChoice("fake", server.url, KEY),
            None,
        )
        await base.reindex()
        question = "Which red submarine crossed the arctic ocean under thick ice?"
        with pytest.raises(NothingFound, match="Tea") as caught:
            await base.answer(Question(question, "1"))
        await base.close()
        assert server.chat_requests == []
    assert caught.value.nearest == ("Tea",)


async def test_a_source_is_marked_when_its_file_has_changed_since_and_not_when_it_was_only_touched(root: Path) -> None:
    async with open_knowledge_base(root) as base:
        await base.reindex()

        async def load_source() -> Source:
            return (await base.answer(Question("Which colour has the kettle?", "1"))).sources[0]

        fresh = await load_source()
        assert fresh.date is not None
        assert not fresh.is_changed

        os.utime(root / "kettle.md", (1_000_000_000, 1_000_000_000))
        assert not (await load_source()).is_changed
        (root / "kettle.md").write_text("# Tea\n\nThe kettle is blue now.\n")
        os.utime(root / "kettle.md", (1_000_000_000, 1_000_000_000))
        assert (await load_source()).is_changed
        (root / "kettle.md").unlink()
        assert (await load_source()).is_changed


async def test_follow_up_is_searched_by_its_condensed_question(root: Path) -> None:
    async with open_knowledge_base(root) as base:
        await base.reindex()
        before = (Turn("Ada", "Which colour has the kettle?"), Turn("Docent", "Red.", is_answer=True))

        answer = await base.answer(Question("And where is it?", "1", conversation=before))
        alone = await base.answer(Question("Which colour has the kettle?", "2", conversation=before))

        assert "kettle" in answer.searched_for
        assert answer.sources[0].document == "kettle.md"
        assert alone.searched_for == ""


async def test_condensing_a_follow_up_counts_in_the_usage(root: Path) -> None:
    said = {True: Completion(["Where is the kettle?"], has_usage=False), False: make_completion("In the kitchen [1].")}
    async with (
        OpenAIServer(lambda request: said["now asks" in request.prompt]) as server,
        open_knowledge_base(root, LanguageModelChoice("fake", server.url, KEY)) as base,
    ):
        await base.reindex()
        before = (Turn("Ada", "Which colour has the kettle?"), Turn("Docent", "Red.", is_answer=True))

        answer = await base.answer(Question("And where is it?", "1", conversation=before))
        rewriting = answer.usage
        await read_answer(answer)

        assert answer.searched_for == "Where is the kettle?"
        assert (rewriting.prompt > 100, rewriting.completion) == (True, 5)
        assert answer.usage == Usage(rewriting.prompt + 100, rewriting.completion + 4)


async def test_answers_without_a_model_use_no_tokens(root: Path) -> None:
    async with open_knowledge_base(root) as base:
        await base.reindex()
        answer = await base.answer(Question("Which colour has the kettle?", "1"))
        await read_answer(answer)
        assert answer.usage == Usage(0, 0)


async def test_question_unmatched_in_the_documents_is_answered_from_its_attachment(
    root: Path,
) -> None:
    async with (
        OpenAIServer(make_completion("It crossed under the ice, as your file says.")) as server,
        open_knowledge_base(root, LanguageModelChoice("fake", server.url, KEY)) as base,
    ):
        await base.reindex()
        attached = await base.read("log.md", b"# Log\n\nThe submarine crossed under the ice.\n")
        question = Question("Which submarine crossed the arctic under thick ice?", "1", attachments=(attached,))
        answer = await base.answer(question)

        assert answer.sources == ()
        assert not answer.is_confident
        assert await read_answer(answer) == "It crossed under the ice, as your file says."
        assert "File: log.md\n# Log\n\nThe submarine crossed under the ice." in server.chat_requests[0].prompt
        assert not (root / "log.md").exists()
        assert (await base.state()).documents == 3


async def test_pictures_are_sent_with_the_question_and_are_not_tokens_of_text(root: Path) -> None:
    images = (Image("a.png", "image/png", b"\x89PNG" * 5_000), Image("b.jpg", "image/jpeg", b"\xff\xd8\xff"))
    async with (
        OpenAIServer(make_completion("It is a kettle.")) as server,
        open_knowledge_base(root, LanguageModelChoice("fake", server.url, KEY)) as base,
    ):
        await base.reindex()
        answer = await base.answer(Question("What is on this picture?", "1", images=images))
        assert await read_answer(answer) == "It is a kettle."
        *_, last = server.requests[-1].body["messages"]
    text, *pictures = last["content"]
    assert text["text"].endswith("Question: What is on this picture?")
    assert [each["image_url"]["url"].partition(",")[0] for each in pictures] == [
        "data:image/png;base64",
        "data:image/jpeg;base64",
    ]
    assert base64.b64decode(pictures[1]["image_url"]["url"].partition(",")[2]) == images[1].content


async def test_an_empty_index_stays_empty_whatever_file_comes_with_a_question(root: Path) -> None:
    async with open_knowledge_base(root) as base:
        with pytest.raises(IndexEmpty):
            await base.answer(Question("Summarise this", "1", attachments=(Attachment("a.md", "Text."),)))


async def test_question_that_refers_to_its_file_searches_by_it_and_is_not_condensed(root: Path) -> None:
    async with (
        OpenAIServer(make_completion("Yes [1].")) as server,
        open_knowledge_base(root, LanguageModelChoice("fake", server.url, KEY)) as base,
    ):
        await base.reindex()
        attached = (Attachment("plan.md", "Our bicycles are to be kept in the cellar."),)
        before = (Turn("Ada", "Which colour has the kettle?"),)
        answer = await base.answer(Question("Is this right?", "1", attachments=attached, conversation=before))

        assert [source.document for source in answer.sources] == ["bicycle.md"]
        assert answer.searched_for == ""
        await read_answer(answer)
        assert len(server.chat_requests) == 1
        assert server.chat_requests[0].prompt.endswith("Question: Is this right?")


async def test_without_a_model_the_file_is_quoted_under_its_name_and_is_no_source(root: Path) -> None:
    async with open_knowledge_base(root) as base:
        await base.reindex()
        attached = (Attachment("my *plan*.md", "Bicycles are kept in the attic from May on. Cats sleep."),)
        answer = await base.answer(Question("Where are the bicycles kept from May on?", "1", attachments=attached))
        text = await read_answer(answer)
        alone = await base.answer(
            Question("Which submarine crossed?", "2", attachments=(Attachment("s.md", "A submarine."),))
        )

        assert "**Your attachment my \\*plan\\*.md**\n> Bicycles are kept in the attic from May on." in text
        assert [source.document for source in answer.sources] == ["bicycle.md"]
        assert "[0]" not in text
        assert alone.sources == ()
        assert "**Your attachment s.md**\n> A submarine." in await read_answer(alone)


async def test_the_old_index_answers_while_a_new_one_is_made(root: Path) -> None:
    documents: list[set[str]] = []
    async with open_knowledge_base(root) as base:
        await base.reindex()
        (root / "kettle.md").write_text("# Tea\n\nThe kettle is blue now.\n")
        loop = asyncio.get_running_loop()

        def ask_meanwhile(_: Progress) -> None:
            answer = asyncio.run_coroutine_threadsafe(base.answer(Question("kettle", "1")), loop).result(10)
            documents.append({source.passage for source in answer.sources})

        report = await base.reindex(on_progress=ask_meanwhile)
        after = await base.answer(Question("kettle", "1"))

        assert list(report.changed) == ["kettle.md"]
        assert documents[0] == {"The kettle is red."}
        assert {source.passage for source in after.sources} == {"The kettle is blue now."}


async def test_a_failing_embedding_model_leaves_keywords_and_a_notice(root: Path) -> None:
    async with (
        OpenAIServer(make_completion("Red [1].")) as server,
        open_knowledge_base(
            root, LanguageModelChoice("fake", server.url, KEY), EmbeddingChoice("fake-embedding", server.url, KEY)
        ) as base,
    ):
        await base.reindex()
        server.embedding_error = make_rate_limit_error()

        answer = await base.answer(Question("kettle", "1"))

        assert answer.notice == KEYWORDS_ONLY
        assert await read_answer(answer) == "Red [1]."


async def test_an_embedding_model_that_fails_a_reindex_is_named_and_a_later_run_succeeds(root: Path) -> None:
    async with (
        OpenAIServer() as server,
        open_knowledge_base(root, None, EmbeddingChoice("fake-embedding", server.url, KEY)) as base,
    ):
        server.embedding_error = make_model_not_found_error()
        with pytest.raises(ModelUnknown, match="EMBED_MODEL"):
            await base.reindex()
        assert (await base.state()).running is None

        server.embedding_error = None
        assert (await base.reindex()).embedded == 3


async def test_a_run_in_progress_is_cancelled_and_the_next_one_runs(root: Path) -> None:
    async with open_knowledge_base(root) as base:
        assert not base.cancel()
        loop, outcomes = asyncio.get_running_loop(), list[bool]()

        async def cancel_run() -> bool:
            return base.cancel()

        def cancel(_: Progress) -> None:
            outcomes.append(asyncio.run_coroutine_threadsafe(cancel_run(), loop).result(10))

        with pytest.raises(IngestionRefused, match="stopped"):
            await base.reindex(on_progress=cancel)
        state = await base.state()
        assert (outcomes, base.cancel(), state.running, state.documents) == ([True], False, None, 0)
        assert len((await base.reindex()).new) == 3


async def test_run_without_a_waiting_caller_ends(root: Path) -> None:
    async with open_knowledge_base(root) as base:
        begun = threading.Event()

        def slowly(_: Progress) -> None:
            begun.set()
            time.sleep(0.05)

        waiting = asyncio.create_task(base.reindex(on_progress=slowly))
        await asyncio.to_thread(begun.wait, 10)
        waiting.cancel()
        await asyncio.wait([waiting])
        assert (await base.state()).running is None
        report = None
        async with asyncio.timeout(30):
            while report is None:  # until the thread has noticed
                with suppress(IngestionRefused):
                    report = await base.reindex()
        assert len(report.new) == 3


async def test_a_second_run_that_is_refused_does_not_hide_the_first(root: Path) -> None:
    async with open_knowledge_base(root) as base:
        loop, seen = asyncio.get_running_loop(), list[object]()

        async def reindex_again() -> None:
            with suppress(IngestionRefused):
                await base.reindex()
            seen.append((await base.state()).running)

        await base.reindex(on_progress=lambda _: asyncio.run_coroutine_threadsafe(reindex_again(), loop).result(10))
        assert None not in seen


async def test_a_run_that_is_asked_for_ends_an_automatic_one(root: Path) -> None:
    async with open_knowledge_base(root) as base:
        loop, asked = asyncio.get_running_loop(), list["Future[IngestionReport]"]()

        def ask_for_a_run(_: object) -> None:
            if not asked:
                asked.append(asyncio.run_coroutine_threadsafe(base.reindex(), loop))
                asyncio.run_coroutine_threadsafe(asyncio.sleep(0.05), loop).result(10)  # by then it has begun

        with pytest.raises(IngestionRefused, match="stopped"):
            await base.reindex(ReindexRequest(is_automatic=True), on_progress=ask_for_a_run)
        report = await asyncio.wrap_future(asked[0])
        assert report.new
        assert (await base.reindex(ReindexRequest(is_automatic=True))).new == []


async def test_the_state_says_which_generation_serves_and_since_when(root: Path) -> None:
    async with open_knowledge_base(root) as base:
        state = await base.state()
        assert (state.generation, state.built_at) == (0, None)
        began = datetime.now(UTC).replace(microsecond=0)
        await base.reindex()
        state = await base.state()
        assert state.generation == 1
        assert state.built_at is not None
        assert began <= state.built_at <= datetime.now(UTC)


async def test_a_collection_without_documents_is_a_collection(root: Path) -> None:
    (root / "@empty").mkdir()
    async with open_knowledge_base(root) as base:
        assert base.list_collections() == {"board", "empty"}
        await base.reindex()
        assert base.list_collections() == {"", "board", "empty"}
        assert list((await base.reindex(ReindexRequest("empty"))).new) == []  # nothing to read, and no complaint


async def test_embedding_limit_binds_remote_models_but_not_local_ones(root: Path) -> None:
    async with OpenAIServer() as server:
        choice = EmbeddingChoice("fake-embedding", server.url, KEY)
        base = await asyncio.to_thread(
            KnowledgeBase.open, root, root.parent / "state", None, choice, embed_tokens_per_run=3
        )
        with pytest.raises(IngestionRefused, match="EMBED_TOKENS_PER_RUN allows 3;"):
            await base.reindex()
        assert server.embedding_requests == []
        await base.close()
    if load_local_embedding() is not None:
        base = await asyncio.to_thread(
            KnowledgeBase.open, root, root.parent / "other", None, LocalEmbeddingChoice(), embed_tokens_per_run=3
        )
        assert (await base.reindex()).embedded == 3
        await base.close()


async def test_added_document_is_searchable_after_the_next_run_and_listed_in_its_scope(root: Path) -> None:
    async with open_knowledge_base(root) as base:
        await base.reindex()
        document = await base.add("legal", "../Terms.md", b"# Terms\n\nSubmarines are not insured.\n")
        assert document == "@legal/Terms.md"
        legal, shared = Scope(frozenset({"legal"})), Scope()
        assert await base.list_documents(legal) == []

        assert list((await base.reindex(ReindexRequest("legal"))).new) == [document]
        (shelved,) = await base.list_documents(legal)
        assert (shelved.document, shelved.title, shelved.collection, shelved.passages) == (
            document,
            "Terms",
            "legal",
            1,
        )
        assert shelved.date is not None
        assert [(each.document, each.url) for each in await base.list_documents(shared)] == [
            ("bicycle.md", None),
            ("kettle.md", "https://tea.example/"),
        ]
        assert (await base.answer(Question("Are submarines insured?", "1", legal))).sources[0].document == document

        assert await base.remove(document)
        assert not await base.remove(document)
        assert (await base.list_documents(legal))[0].document == document
        assert list((await base.reindex(ReindexRequest("legal"))).removed) == [document]
        assert await base.list_documents(legal) == []


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("report.md", b"%PDF-1.7 and so on", "binary content"),
        ("report.pdf", b"plain text", "its content is not PDF"),
        ("tool.txt", b"\x7fELF" + bytes(99), "binary content"),
        ("page.html", b"\xff\xd8\xff\xe0 picture", "binary content"),
        ("sheet.xlsx", b"PK\x03\x04 cut", "damaged XLSX"),
        ("empty.md", b"", "empty file"),
        ("tool.exe", b"text", "no known format"),
        ("urls.txt", b"https://evil.example/ *", "list of web pages"),
    ],
)
async def test_unreadable_document_is_not_added(root: Path, name: str, content: bytes, words: str) -> None:
    before = list_files(root)
    async with open_knowledge_base(root) as base:
        with pytest.raises(DocumentUnreadable, match=words):
            await base.add("legal", name, content)
    assert list_files(root) == before


async def test_web_page_is_added_to_the_url_list_and_removed(root: Path) -> None:
    async with open_knowledge_base(root) as base:
        assert await base.add_page("legal", "https://team.example/terms#a") == "https://team.example/terms"
        assert (root / "@legal" / "urls.txt").read_text() == "https://team.example/terms\n"
        assert await base.remove("@legal/urls.txt/team.example/terms")
        assert (root / "@legal" / "urls.txt").read_text() == ""


async def test_one_run_at_a_time(root: Path) -> None:
    async with open_knowledge_base(root) as base:
        runs = await asyncio.gather(*(base.reindex() for _ in range(4)), return_exceptions=True)

        assert any(not isinstance(run, BaseException) for run in runs)
        assert all(isinstance(run, IngestionRefused) for run in runs if isinstance(run, BaseException))


async def test_first_question_never_blocks_the_event_loop_for_long(root: Path) -> None:
    async with (
        OpenAIServer(make_completion("Red [1].")) as server,
        open_knowledge_base(
            root, LanguageModelChoice("fake", server.url, KEY), EmbeddingChoice("fake-embedding", server.url, KEY)
        ) as base,
    ):
        await base.reindex()
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loop.pop_longest_turn()
        await read_answer(await base.answer(Question("Which colour has the kettle?", "1")))

        assert loop.pop_longest_turn() < 10 * measure_processor_unit()
