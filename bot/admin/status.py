"""How the bot is doing goes in as figures, and what an admin reads of it comes out. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bot.records import Fate, Statistics

if TYPE_CHECKING:
    from bot.domain import LibraryState, Progress

_ERRORS = (Fate.FAILED, Fate.STALLED, Fate.OUT_OF_TIME, Fate.RESTARTING)
"""Ends that are nobody's wish."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What this bot is made of, in plain words that hold no secret.

    ``writes`` and ``embeds`` name a model and its host; ``index`` and ``records`` say where each is kept.
    """

    version: str
    writes: str
    embeds: str
    index: str
    records: str


@dataclass(frozen=True, slots=True)
class Budget:
    """Tokens spent today, and how many may be; 0 is no limit."""

    spent: int
    limit: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """Everything as it is now. ``library`` and ``today`` are words where the figures cannot be had.

    ``today`` are the answers of one guild since midnight, ``here`` is that guild's budget; ``whole`` is everybody's
    together, None for those whose business it is not.
    """

    parts: Parts
    library: LibraryState | str
    under_way: int = 0
    in_line: int = 0
    today: Statistics | str = field(default_factory=Statistics)
    here: Budget = field(default_factory=lambda: Budget(0))
    whole: Budget | None = None


def summary(standing: Standing) -> str:
    """All of it in a few lines of Discord's Markdown."""
    parts = standing.parts
    budgets = [f"Tokens today: {_budget(standing.here)} in this server"]
    if standing.whole is not None:
        budgets.append(f"{_budget(standing.whole)} by everybody together")
    lines = [
        f"**Docent {_plain(parts.version)}**",
        f"Writes: {_plain(parts.writes)}",
        f"Embeds: {_plain(parts.embeds)}",
        f"Kept: index in {_plain(parts.index)}, records in {_plain(parts.records)}",
        *_of_library(standing.library),
        f"Now: {_counted(standing.under_way, 'answer')} under way, {standing.in_line:,} in line",
        _of_today(standing.today),
        ", ".join(budgets),
    ]
    return "\n".join(lines)


def underway(progress: Progress) -> str:
    """A run in progress. Not its file's name: the one who asks may not be allowed to see it."""
    files = f"{progress.files_done:,} of {_counted(progress.files_total, 'file')}"
    return f"-# Reading documents now: {files}, {_counted(progress.nodes_done, 'passage')} so far"


def _of_library(library: LibraryState | str) -> list[str]:
    if isinstance(library, str):
        return [f"Index: {library}"]
    age = f", built <t:{int(library.built_at.timestamp())}:R>" if library.built_at else ""
    size = f"{_counted(library.documents, 'document')}, {_counted(library.nodes, 'passage')}"
    lines = [f"Index: generation {library.generation:,}{age} · {size}"]
    return [*lines, underway(library.running)] if library.running else lines


def _of_today(today: Statistics | str) -> str:
    if isinstance(today, str):
        return f"Answers today: {today}"
    ended = today.answers - today.by_fate.get(Fate.WRITING, 0)
    errors = sum(today.by_fate.get(fate, 0) for fate in _ERRORS)
    facts = [f"Answers today: {today.answers:,} in this server"]
    if today.median_first_word is not None:
        facts.append(f"first words after {today.median_first_word:.1f} s (median)")
    if ended:
        facts.append(f"{errors:,} of {ended:,} failed ({errors / ended:.0%})")
    return " · ".join(facts)


def _budget(budget: Budget) -> str:
    return f"{budget.spent:,} of {budget.limit:,}" if budget.limit else f"{budget.spent:,}"


def _plain(text: str) -> str:
    """The operator's words, in which no sign works."""
    return f"`{text.replace('`', '')}`"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
