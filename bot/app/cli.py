"""What is done from a terminal, beside the bot or without it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from bot.app.library import choose_embedding_model, choose_language_model, open_library
from bot.discord_adapter.client import set_discord_urls
from bot.doctor import run_checks
from bot.domain import QUESTION_LIMIT, FinishReason, Question, ReindexRequest, Scope
from bot.errors import AnswerUnavailable, DocentError, QuestionInvalid

if TYPE_CHECKING:
    from bot.app.library import LazyLibrary
    from bot.app.terminal import Terminal
    from bot.domain import IngestionReport, LibraryState
    from bot.knowledge import KnowledgeBase
    from bot.settings import Settings


async def ask(settings: Settings, terminal: Terminal, text: str) -> None:
    """Answer one question in the terminal; an index that is still empty is built first.

    Raises:
        QuestionInvalid: it is no question; nothing was opened for it.
        DocentError: there is no answer, or not the whole of it.
    """
    if not text.strip() or len(text) > QUESTION_LIMIT:
        raise QuestionInvalid(
            f"A question has between 1 and {QUESTION_LIMIT:,} characters; this one has {len(text):,}."
        )
    async with open_library(settings) as library:
        with terminal.show_spinner("Opening the index…"):
            state = await library.state()
        if not state.documents:
            await _run_reindex(library, terminal)
        with terminal.show_spinner("Searching…"):
            answer = await library.answer(Question(text, answer_id="terminal"))
        await terminal.show_answer(answer)
        if answer.outcome.finish_reason in {FinishReason.CUT_AT_LENGTH, FinishReason.FILTERED}:
            raise AnswerUnavailable(f"The answer was {answer.outcome.finish_reason.value}.")


async def reindex(settings: Settings, terminal: Terminal, *, dry_run: bool, force: bool) -> None:
    """Bring the index up to date, or show what that would change.

    Raises:
        DocentError: the run was refused or broke off; what it had embedded is kept.
    """
    async with open_library(settings) as library:
        with terminal.show_spinner("Opening the index…"):
            await library.get_knowledge_base()
        terminal.show_report(await _run_reindex(library, terminal, dry_run=dry_run, force=force))


async def evaluate(settings: Settings, terminal: Terminal, file: Path, *, documents: Path | None = None) -> None:
    """Measure how well the questions in ``file`` are answered.

    With ``documents``, from an index made for them alone.

    Raises:
        DocentError: the questions cannot be read, or name documents that are not searchable.
    """
    with TemporaryDirectory(prefix="docent-") as folder:
        alone = {"data_dir": documents, "state_dir": Path(folder), "store_url": None}
        searched = settings if documents is None else settings.model_copy(update=alone)
        async with open_library(searched) as library:
            with terminal.show_spinner("Opening the index…"):
                knowledge = await library.get_knowledge_base()
            if documents is not None:
                await _run_reindex(library, terminal)
            await _run_evaluation(settings, terminal, knowledge, file)


async def _run_evaluation(settings: Settings, terminal: Terminal, knowledge: KnowledgeBase, file: Path) -> None:
    from bot.knowledge import evaluation  # noqa: PLC0415  # as below: LlamaIndex

    try:
        text = await asyncio.to_thread(file.read_text, encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DocentError(f"{file} cannot be read; it must be a text file in UTF-8.") from error
    given = evaluation.parse_questions(text, file.name)
    collections = await asyncio.to_thread(knowledge.list_collections)
    with terminal.show_progress("Asking", len(given)) as show:
        found = await evaluation.evaluate(knowledge, given, file.name, scope=Scope(collections), on_progress=show)
    log = settings.state_dir / "evaluations.jsonl"
    terminal.show_evaluation(found, evaluation.load_previous(log, file.name))
    evaluation.append_run(log, found, datetime.now(UTC).isoformat(timespec="seconds"))


async def migrate_store(
    settings: Settings, terminal: Terminal, target: Path | str, *, source: Path | str | None, force: bool
) -> None:
    """Copy the index, by default the one the settings name, to another place; nothing is embedded again.

    Raises:
        DocentError: one of the two cannot be used, or the target holds an index and ``force`` was not given.
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
    """Look at everything the bot needs and say what is not well; ``is_offline`` asks nothing of any other server.

    Raises:
        DocentError: something is not well; the table has said what.
    """
    set_discord_urls(settings.discord_api_url, settings.discord_gateway_url)
    async with open_library(settings) as library:
        with terminal.show_spinner("Looking…"):
            writes, embeds = await asyncio.to_thread(
                lambda: (choose_language_model(settings), choose_embedding_model(settings))
            )
            findings = await run_checks(
                settings,
                _load_state_or_error(library),
                language_model=writes,
                embedding_model=embeds,
                is_offline=is_offline,
            )
    terminal.show_check_results(findings)
    ill = sum(finding.state == "ill" for finding in findings)
    if ill:
        raise DocentError(f"{ill} of {len(findings)} checks want mending." if ill > 1 else "One check wants mending.")


async def _run_reindex(
    library: LazyLibrary, terminal: Terminal, *, dry_run: bool = False, force: bool = False
) -> IngestionReport:
    with terminal.show_ingestion_progress() as show:
        return await library.reindex(ReindexRequest(dry_run=dry_run, force=force), on_progress=show)


async def _load_state_or_error(library: LazyLibrary) -> LibraryState | str:
    try:
        return await library.state()
    except DocentError as error:
        return error.user_message
