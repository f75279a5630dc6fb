"""Figures become a table, and a plot of what each thing costs as the library grows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from benchmarks import chart
from benchmarks.chart import Axis, Line, Panel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from benchmarks.knowledge.measure import Figures, Spec

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
_LONG = 1_000  # numbers in a vector from which on its line is broken


def timed(seconds: float) -> str:
    """Seconds, or thousandths of one where it is less."""
    return f"{seconds:,g} s" if seconds >= 1 else f"{seconds * 1e3:g} ms"


def counted(number: float) -> str:
    """A number of passages, in thousands where there are so many."""
    return f"{number / 1e3:g}k" if number >= 1e3 else f"{number:g}"  # noqa: PLR2004  # a thousand


def weighed(size: float) -> str:
    """Bytes as megabytes."""
    return f"{size / 1e6:,g} MB"


_PLOTTED = {
    "first": ("first run", timed),
    "one_percent": ("1 % changed", timed),
    "opening": ("open", timed),
    "p50": ("question, p50", timed),
    "loop_at_once": ("loop late at worst, 16 at once", timed),
    "memory": ("memory", weighed),
}
_COLOURS = {"SQLite": "#1a56db", "PostgreSQL": "#0e8f63", "SimpleVectorStore": "#e0762a"}
_OTHER = "#23272e"


def table(reached: Mapping[Spec, Figures], passed_over: Mapping[Spec, str]) -> Table:
    """Everything measured, and why the rest was not."""
    shown = Table(*_COLUMNS, title="Stores", title_justify="left")
    for spec in sorted([*reached, *passed_over], key=lambda each: (each.passages, each.dimension, each.store)):
        named = (f"{spec.passages:,}", str(spec.dimension), spec.store)
        shown.add_row(*named, *(_row(reached[spec]) if spec in reached else (passed_over[spec],)))
    return shown


def _row(figures: Figures) -> tuple[str, ...]:
    f = figures
    return (
        *(f"{seconds:.2f}" for seconds in (f.first, f.nothing, f.one_percent, f.opening)),
        *(f"{a * 1e3:.1f} / {b * 1e3:.1f}" for a, b in ((f.p50, f.p99), (f.p50_at_once, f.p99_at_once))),
        " / ".join(f"{late * 1e3:.1f}" for late in (f.loop_idle, f.loop, f.loop_at_once)),
        f"{f.memory / 1e6:,.0f}",
        f"{f.disk / 1e6:,.0f}",
    )


def drawn(reached: Mapping[Spec, Figures], path: Path) -> None:
    """Draw cost against size, one panel for each cost, and write it to ``path``.

    Raises:
        OSError: it cannot be written.
        ValueError: nothing was measured.
    """
    grouped = _grouped(list(reached))
    panels: list[Panel] = []
    for field, (words, written) in _PLOTTED.items():
        lines = [
            Line(
                f"{store}, {dimension} numbers",
                [spec.passages for spec in specs],
                [getattr(reached[spec], field) for spec in specs],
                _COLOURS.get(store, _OTHER),
                is_dashed=dimension >= _LONG,
                is_marked=True,
            )
            for (store, dimension), specs in grouped.items()
        ]
        panels.append(
            Panel(words, lines, Axis("passages", counted, is_logarithmic=True), Axis("", written, is_logarithmic=True))
        )
    chart.drawn(panels, path, columns=3)


def _grouped(specs: Sequence[Spec]) -> dict[tuple[str, int], list[Spec]]:
    grouped: dict[tuple[str, int], list[Spec]] = {}
    for spec in sorted(specs, key=lambda each: each.passages):
        grouped.setdefault((spec.store, spec.dimension), []).append(spec)
    return grouped
