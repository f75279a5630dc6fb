"""Writes how the bot is doing, for admins. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bot.records import AnswerStatus, Statistics
from bot.text.citations import escape_markdown
from bot.text.wording import format_count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.domain import LibraryState, Progress

_FAILED_STATUSES = (AnswerStatus.FAILED, AnswerStatus.STALLED, AnswerStatus.OUT_OF_TIME, AnswerStatus.RESTARTING)
"""Ways in which an answer fails."""


_MAX_FAULTS = 5
_FAULT_LENGTH = 150  # characters of a fault, before Markdown is escaped


@dataclass(frozen=True, slots=True)
class BuildInfo:
    """Which models and databases this bot uses, in words without secrets.

    ``language_model`` and ``embedding_model`` name a model and its host; ``index`` and ``records`` say where each is
    stored.
    """

    version: str
    language_model: str
    embedding_model: str
    index: str
    records: str


@dataclass(frozen=True, slots=True)
class Budget:
    """Tokens spent today, and the limit; 0 is no limit."""

    spent: int
    limit: int = 0


@dataclass(frozen=True, slots=True)
class StatusReport:
    """The state of everything. ``library`` and ``today`` are error messages if they cannot be loaded.

    ``today`` counts the answers of one guild since midnight, ``guild_budget`` is that guild's budget; ``total_budget``
    is that of all guilds together, None for those who may not see it. ``rule_faults`` are
    sentences about broken rule files, ``hidden_rule_faults`` counts those that the reader may not see.
    """

    build_info: BuildInfo
    library: LibraryState | str
    running: int = 0
    waiting: int = 0
    today: Statistics | str = field(default_factory=Statistics)
    guild_budget: Budget = field(default_factory=lambda: Budget(0))
    total_budget: Budget | None = None
    rule_faults: Sequence[str] = ()
    hidden_rule_faults: int = 0


def format_status(report: StatusReport) -> str:
    """Return the report in a few lines of Discord's Markdown."""
    parts = report.build_info
    budgets = [f"Tokens today: {_format_budget(report.guild_budget)} in this server"]
    if report.total_budget is not None:
        budgets.append(f"{_format_budget(report.total_budget)} in all servers together")
    lines = [
        f"**Docent {_format_code(parts.version)}**",
        f"Writes: {_format_code(parts.language_model)}",
        f"Embeds: {_format_code(parts.embedding_model)}",
        f"Stored: index in {_format_code(parts.index)}, records in {_format_code(parts.records)}",
        *_format_library(report.library),
        f"Now: {format_count(report.running, 'answer')} running, {report.waiting:,} waiting",
        _format_today(report.today),
        ", ".join(budgets),
        *_format_rule_faults(report),
    ]
    return "\n".join(lines)


def format_progress(progress: Progress) -> str:
    """Return a run's progress without its file's name, which the reader may not be allowed to see."""
    files = f"{progress.files_done:,} of {format_count(progress.files_total, 'file')}"
    return f"-# Reading documents now: {files}, {format_count(progress.nodes_done, 'passage')} so far"


def _format_rule_faults(report: StatusReport) -> list[str]:
    lines = [f"- {escape_markdown(fault, _FAULT_LENGTH)}" for fault in report.rule_faults[:_MAX_FAULTS]]
    more = len(report.rule_faults) - len(lines) + report.hidden_rule_faults
    if more:
        lines.append(f"- {format_count(more, 'file')} more" if lines else f"- {format_count(more, 'file')}")
    return ["**Broken rule files: nobody sees their collections**", *lines] if lines else []


def _format_library(library: LibraryState | str) -> list[str]:
    if isinstance(library, str):
        return [f"Index: {library}"]
    age = f", built <t:{int(library.built_at.timestamp())}:R>" if library.built_at else ""
    size = f"{format_count(library.documents, 'document')}, {format_count(library.nodes, 'passage')}"
    lines = [f"Index: generation {library.generation:,}{age} · {size}"]
    return [*lines, format_progress(library.running)] if library.running else lines


def _format_today(today: Statistics | str) -> str:
    if isinstance(today, str):
        return f"Answers today: {today}"
    ended = today.answers - today.by_status.get(AnswerStatus.WRITING, 0)
    errors = sum(today.by_status.get(status, 0) for status in _FAILED_STATUSES)
    facts = [f"Answers today: {today.answers:,} in this server"]
    if today.median_first_word is not None:
        facts.append(f"first words after {today.median_first_word:.1f} s (median)")
    if ended:
        facts.append(f"{errors:,} of {ended:,} failed ({errors / ended:.0%})")
    return " · ".join(facts)


def _format_budget(budget: Budget) -> str:
    return f"{budget.spent:,} of {budget.limit:,}" if budget.limit else f"{budget.spent:,}"


def _format_code(text: str) -> str:
    """Return text in a code span, in which no Markdown works."""
    return f"`{text.replace('`', '')}`"
