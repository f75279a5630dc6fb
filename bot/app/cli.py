"""Runs the commands of the command line that need no Discord."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from bot.answers.status_lines import format_finish_note
from bot.app.library import choose_embedding_model, choose_language_model, choose_reranker, open_library
from bot.discord_adapter.client import set_discord_urls
from bot.doctor import run_checks
from bot.domain import QUESTION_LIMIT, Question, ReindexRequest, Scope
from bot.errors import AnswerUnavailable, DocentError, QuestionInvalid

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from bot.app.terminal import Terminal
    from bot.domain import IngestionReport, Library, LibraryState
    from bot.knowledge import KnowledgeBase
    from bot.settings import Settings


async def ask(settings: Settings, terminal: Terminal, text: str) -> None:
    """Answer one question in the terminal; an empty index is built first.

    Raises:
        QuestionInvalid: The question is empty or too long; nothing was opened for it.
        DocentError: There is no answer, or not the whole of it.
    """
    if not text.strip() or len(text) > QUESTION_LIMIT:
        raise QuestionInvalid(
            f"A question has between 1 and {QUESTION_LIMIT:,} characters; this one has {len(text):,}."
        )
    async with _open_library(settings, terminal) as library:
        if not (await library.state()).documents:
            await _run_reindex(library, terminal)
        with terminal.show_spinner("Searching…"):
            answer = await library.answer(Question(text, answer_id="terminal"))
        await terminal.show_answer(answer)
        if note := format_finish_note(answer.status):
            raise AnswerUnavailable(note)


async def reindex(settings: Settings, terminal: Terminal, *, dry_run: bool, force: bool) -> None:
    """Bring the index up to date, or with ``dry_run`` only show what would change.

    Raises:
        DocentError: The run was refused or failed; what it had embedded is kept.
    """
    async with _open_library(settings, terminal) as library:
        terminal.show_report(await _run_reindex(library, terminal, dry_run=dry_run, force=force))


async def evaluate(
    settings: Settings, terminal: Terminal, file: Path, *, documents: Path | None = None, with_model: bool = False
) -> None:
    """Measure how well the questions in ``file`` are answered.

    Args:
        settings: The operator's settings.
        terminal: Shows the progress and the result.
        file: The questions, one JSON object per line.
        documents: A folder to search instead of the settings' own, in a temporary index.
        with_model: Whether the model answers, which costs tokens; otherwise the documents are quoted.

    Raises:
        DocentError: No model is set, the questions cannot be read, or name documents that are not searchable.
    """
    if with_model and not settings.has_model:
        raise DocentError("No model is set. Set OPENAI_API_KEY or OPENAI_BASE_URL, or leave --with-model out.")
    with TemporaryDirectory(prefix="docent-") as folder:
        temporary = {"data_dir": documents, "state_dir": Path(folder), "store_url": None}
        searched = settings if documents is None else settings.model_copy(update=temporary)
        async with _open_library(searched, terminal, with_model=with_model) as knowledge:
            if documents is not None:
                await _run_reindex(knowledge, terminal)
            await _run_evaluation(settings, terminal, knowledge, file)


async def _run_evaluation(settings: Settings, terminal: Terminal, knowledge: KnowledgeBase, file: Path) -> None:
    from bot.knowledge import evaluation  # noqa: PLC0415  # as below: LlamaIndex

    try:
        text = await asyncio.to_thread(file.read_text, encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DocentError(f"Reading {file} failed. It must be a text file in UTF-8.") from error
    given = evaluation.parse_questions(text, file.name)
    collections = await asyncio.to_thread(knowledge.list_collections)
    with terminal.show_progress("Asking", len(given)) as show:
        found = await evaluation.evaluate(knowledge, given, file.name, scope=Scope(collections), on_progress=show)
    log = settings.state_dir / "evaluations.jsonl"
    terminal.show_evaluation(found, evaluation.load_previous(log, file.name, with_model=knowledge.has_model))
    evaluation.append_run(log, found, datetime.now(UTC).isoformat(timespec="seconds"))


async def migrate_store(
    settings: Settings, terminal: Terminal, target: Path | str, *, source: Path | str | None, force: bool
) -> None:
    """Copy the index, by default the one that the settings name, to another place; nothing is embedded again.

    Raises:
        DocentError: One of the two cannot be used, or the target holds an index and ``force`` was not given.
    """
    from bot.knowledge.stores.migration import copy_index  # noqa: PLC0415  # as below: LlamaIndex

    with terminal.show_progress("Copying, percent", 100) as show:
        counts = await asyncio.to_thread(
            copy_index,
            source or settings.store_location,
            target,
            force=force,
            on_progress=lambda done, total: show(done * 100 // total),
        )
    terminal.print_notice(
        f"Copied: {counts.documents:,} documents, {counts.nodes:,} passages, {counts.embedded:,} of them with a vector."
    )


async def diagnose(settings: Settings, terminal: Terminal, *, is_offline: bool = False) -> None:
    """Check everything the bot needs and show the results; with ``is_offline`` no server is asked.

    Raises:
        DocentError: A check failed; the table says which, and what to do.
    """
    set_discord_urls(settings.discord_api_url, settings.discord_gateway_url)
    with terminal.show_spinner("Checking…"):
        language_model, embedding_model, reranker = await asyncio.to_thread(
            lambda: (choose_language_model(settings), choose_embedding_model(settings), choose_reranker(settings))
        )
        results = await run_checks(
            settings,
            _load_state_or_error(settings),
            language_model=language_model,
            embedding_model=embedding_model,
            reranker=reranker,
            is_offline=is_offline,
        )
    terminal.show_check_results(results)
    failed = sum(result.state == "error" for result in results)
    if failed:
        raise DocentError(f"{failed} of {len(results)} checks failed.")


@asynccontextmanager
async def _open_library(
    settings: Settings, terminal: Terminal, *, with_model: bool = True
) -> AsyncGenerator[KnowledgeBase]:
    async with AsyncExitStack() as stack:
        with terminal.show_spinner("Opening the index…"):
            knowledge = await stack.enter_async_context(open_library(settings, with_model=with_model))
        yield knowledge


async def _run_reindex(
    library: Library, terminal: Terminal, *, dry_run: bool = False, force: bool = False
) -> IngestionReport:
    with terminal.show_ingestion_progress() as show:
        return await library.reindex(ReindexRequest(dry_run=dry_run, force=force), on_progress=show)


async def _load_state_or_error(settings: Settings) -> LibraryState | str:
    try:
        async with open_library(settings) as library:
            return await library.state()
    except DocentError as error:
        return error.user_message
