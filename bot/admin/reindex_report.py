"""Writes the progress and the result of an ingestion run for admins. Pure.

Counts only: people who read the channel may not be allowed to see the documents' names. Times are in seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.domain import SHARED, collection_of
from bot.text.invisible import single_line
from bot.text.wording import format_count, format_left_out, format_passed_over

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bot.domain import IngestionReport, Progress

_BAR_LENGTH = 12
_MINUTE = 60


def format_plan(report: IngestionReport) -> str:
    """Return what a run is about to change, and what it costs."""
    return f"**Plan:** {_format_changes(report)}{_format_cost(report)}"


def format_dry_run(report: IngestionReport) -> str:
    """Return what a run would change."""
    lines = [
        f"**Nothing was changed.** A run would bring: {_format_changes(report)}{_format_cost(report)}",
        *_format_unread(report),
    ]
    return "\n".join(lines)


def format_progress(progress: Progress, elapsed: float) -> str:
    """Return a progress bar with files, passages, rate and time left."""
    total, done = progress.files_total, progress.files_done
    share = done / total if total else 0.0
    filled = int(share * _BAR_LENGTH)
    parts = [f"{done:,} of {format_count(total, 'file')}", format_count(progress.nodes_done, "passage")]
    if elapsed >= 1 and progress.nodes_done:
        parts.append(f"{progress.nodes_done / elapsed:.0f}/s")
    if 0 < done < total:
        parts.append(f"{format_duration(elapsed * (total - done) / done)} left")
    if progress.failed:
        parts.append(f"{progress.failed:,} could not be read")
    if progress.waiting:
        parts.append(f"waiting for the embedding model, {progress.waiting:.0f} s")
    return f"{'▰' * filled}{'▱' * (_BAR_LENGTH - filled)} {share:.0%}\n-# {' · '.join(parts)}"


def format_result(report: IngestionReport, elapsed: float) -> str:
    """Return what a run has changed."""
    embedded = f", {report.embedded:,} of {format_count(report.nodes, 'passage')} embedded" if report.nodes else ""
    return "\n".join(
        [f"**Done in {format_duration(elapsed)}:** {_format_changes(report)}{embedded}", *_format_unread(report)]
    )


def format_failures(failed: Mapping[str, str], can_see: Callable[[str], bool]) -> str:
    """Return the unreadable files with their reasons as text, only of collections that may be seen."""
    visible = {name: reason for name, reason in failed.items() if can_see(collection_of(name))}
    return "".join(f"{single_line(name)}: {single_line(reason)}\n" for name, reason in sorted(visible.items()))


def format_duration(seconds: float) -> str:
    """Return a time as minutes:seconds, or hours:minutes:seconds."""
    minutes, rest = divmod(max(0, round(seconds)), _MINUTE)
    hours, minutes = divmod(minutes, _MINUTE)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def format_run_scope(collection: str | None, *, full: bool) -> str:
    """Return which documents a run compares."""
    what = (
        "all documents" if collection is None else "the shared documents" if collection == SHARED else f"@{collection}"
    )
    return f"{what}, read anew" if full else what


def _format_changes(report: IngestionReport) -> str:
    moved = len(report.moved)
    parts = [
        f"{len(report.new) - moved:,} new",
        f"{len(report.changed):,} changed",
        f"{len(report.removed) - moved:,} removed",
        *([f"{moved:,} moved"] if moved else []),
        f"{report.unchanged:,} unchanged",
    ]
    return ", ".join(parts)


def _format_cost(report: IngestionReport) -> str:
    if not report.tokens:
        return ""
    dollars = "" if report.dollars is None else f", about {report.dollars:.4f} $"
    return f"\n-# {format_count(report.embedded, 'passage')} to embed: {report.tokens:,} tokens{dollars}"


def _format_unread(report: IngestionReport) -> list[str]:
    count = len(report.failed)
    lines = []
    if count:
        lines.append(
            f"{format_count(count, 'file')} could not be read; what was searchable of {_it_or_them(count)} stays so."
        )
    if report.left_out:
        lines.append(f"{format_left_out(report.left_out)}.")
    if report.notes:
        lines.append(f"{format_count(len(report.notes), 'file')} could be read in part only.")
    if passed_over := format_passed_over(report.passed_over):
        lines.append(f"{passed_over}.")
    return [f"-# {line}" for line in lines]


def _it_or_them(count: int) -> str:
    return "it" if count == 1 else "them"
