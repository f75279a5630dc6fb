"""Figures become a table, and a plot of what each thing costs as the library grows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from benchmarks import chart
from benchmarks.chart import Axis, Line, Panel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from benchmarks.knowledge.measure import Metrics, Spec

_COLUMNS = (
    "passages",
    "numbers",
    "store",
    "first run, s",
    "nothing new, s",
    "1 % new, s",
    "open, s",
    "question p50 / p99, ms",
    "16 at once p50 / p99, ms",
    "loop late, ms: idle / 1 / 16",
    "memory, MB",
    "disk, MB",
)
_LONG_VECTOR = 1_000  # numbers in a vector from which on its line is broken


def format_seconds(seconds: float) -> str:
    """Seconds, or thousandths of one where it is less."""
    return f"{seconds:,g} s" if seconds >= 1 else f"{seconds * 1e3:g} ms"


def format_count(number: float) -> str:
    """A number of passages, in thousands where there are so many."""
    return f"{number / 1e3:g}k" if number >= 1e3 else f"{number:g}"  # noqa: PLR2004  # a thousand


def format_bytes(size: float) -> str:
    """Bytes as megabytes."""
    return f"{size / 1e6:,g} MB"


_PLOTTED_METRICS = {
    "first": ("first run", format_seconds),
    "one_percent": ("1 % changed", format_seconds),
    "opening": ("open", format_seconds),
    "p50": ("question, p50", format_seconds),
    "loop_at_once": ("loop late at worst, 16 at once", format_seconds),
    "memory": ("memory", format_bytes),
}
_COLOURS = {"SQLite": "#1a56db", "PostgreSQL": "#0e8f63", "SimpleVectorStore": "#e0762a"}
_OTHER = "#23272e"


def build_table(results: Mapping[Spec, Metrics], skipped: Mapping[Spec, str]) -> Table:
    """Everything measured, and why the rest was not."""
    shown = Table(*_COLUMNS, title="Stores", title_justify="left")
    for spec in sorted([*results, *skipped], key=lambda each: (each.passages, each.dimension, each.store)):
        named = (f"{spec.passages:,}", str(spec.dimension), spec.store)
        shown.add_row(*named, *(_format_row(results[spec]) if spec in results else (skipped[spec],)))
    return shown


def _format_row(metrics: Metrics) -> tuple[str, ...]:
    f = metrics
    return (
        *(f"{seconds:.2f}" for seconds in (f.first, f.unchanged, f.one_percent, f.opening)),
        *(f"{a * 1e3:.1f} / {b * 1e3:.1f}" for a, b in ((f.p50, f.p99), (f.p50_at_once, f.p99_at_once))),
        " / ".join(f"{late * 1e3:.1f}" for late in (f.loop_idle, f.loop, f.loop_at_once)),
        f"{f.memory / 1e6:,.0f}",
        f"{f.disk / 1e6:,.0f}",
    )


def draw(results: Mapping[Spec, Metrics], path: Path) -> None:
    """Draw cost against size, one panel for each cost, and write it to ``path``.

    Raises:
        OSError: it cannot be written.
        ValueError: nothing was measured.
    """
    grouped = _group_specs(list(results))
    panels: list[Panel] = []
    for field, (words, written) in _PLOTTED_METRICS.items():
        lines = [
            Line(
                f"{store}, {dimension} numbers",
                [spec.passages for spec in specs],
                [getattr(results[spec], field) for spec in specs],
                _COLOURS.get(store, _OTHER),
                is_dashed=dimension >= _LONG_VECTOR,
                is_marked=True,
            )
            for (store, dimension), specs in grouped.items()
        ]
        panels.append(
            Panel(
                words,
                lines,
                Axis("passages", format_count, is_logarithmic=True),
                Axis("", written, is_logarithmic=True),
            )
        )
    chart.draw_panels(panels, path, columns=3)


def _group_specs(specs: Sequence[Spec]) -> dict[tuple[str, int], list[Spec]]:
    grouped: dict[tuple[str, int], list[Spec]] = {}
    for spec in sorted(specs, key=lambda each: each.passages):
        grouped.setdefault((spec.store, spec.dimension), []).append(spec)
    return grouped
