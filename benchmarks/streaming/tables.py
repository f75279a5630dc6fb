"""The figures as tables: what everybody reached, against the floor, and what was to be reached."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.table import Table

from benchmarks.streaming.lower_bound import compute_final_times, compute_optimal_delay
from benchmarks.streaming.metrics import Cost, Curve, Metrics, combine_costs, combine_rounds
from benchmarks.streaming.scenarios import FAST, LONG, SHORT, Contender, Interruption, Scenario

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from benchmarks.streaming.runner import RunResult


@dataclass(frozen=True, slots=True)
class Row:
    """What one contender reached in one scene: the medians of its rounds."""

    scenario: Scenario
    contender: Contender
    metrics: Metrics
    cost: Cost
    curve: Curve

    @property
    def ratio(self) -> float:
        """The mean delay in floors."""
        return self.metrics.delay / self.scenario.lower_bound(self.contender)


@dataclass(frozen=True, slots=True)
class Target:
    """One thing to be reached: ``limit`` is the most that ``measured`` may be, in ``unit``."""

    label: str
    measured: float
    limit: float
    unit: str = "s"

    @property
    def is_met(self) -> bool:
        """Whether it was reached."""
        return self.measured <= self.limit


def build_rows(performances: Iterable[RunResult]) -> list[Row]:
    """One row for each scene and contender, in their order."""
    grouped: dict[tuple[str, Contender], list[RunResult]] = {}
    for one in performances:
        grouped.setdefault((one.scenario.name, one.contender), []).append(one)
    return [
        Row(
            rounds[0].scenario,
            contender,
            combine_rounds([one.metrics for one in rounds]),
            combine_costs([one.cost for one in rounds]),
            rounds[0].curve,
        )
        for (_, contender), rounds in grouped.items()
    ]


def build_results_table(given: Sequence[Row]) -> Table:
    """Everything that was measured."""
    table = Table(title="Seconds, unless a column says otherwise; medians of the rounds", title_justify="left")
    table.add_column("scene and contender", no_wrap=True)
    headings = ("delay", "floor", "× floor", "first", "worst", "freeze", "late", "broken", "lost chars", "429s")
    for heading in (*headings, "requests", "CPU", "loop held", "model cancelled"):
        table.add_column(heading, justify="right")
    scene = None
    for row in given:
        if row.scenario != scene:
            scene = row.scenario
            table.add_row(f"[bold]{scene.title}[/bold]")
        table.add_row(f"  {row.contender.value}", *_format_cells(row), style="" if row.contender.is_docent else "dim")
    return table


def _format_cells(row: Row) -> list[str]:
    figures, cost = row.metrics, row.cost
    return [
        _format_number(figures.delay),
        _format_number(row.scenario.lower_bound(row.contender)),
        _format_number(row.ratio),
        _format_number(figures.first),
        _format_number(figures.worst),
        _format_number(figures.freeze),
        _format_number(figures.late),
        _format_number(figures.broken, 1),
        "" if row.scenario.interruption is Interruption.DELETE else _format_number(figures.lost, 0),
        _format_number(cost.rate_limited, 0),
        _format_number(cost.requests, 1),
        _format_number(cost.cpu),
        f"{1000 * cost.loop_blocked:.0f} ms",
        ""
        if cost.cancel_seconds is None
        else "never"
        if math.isinf(cost.cancel_seconds)
        else _format_number(cost.cancel_seconds),
    ]


def _format_number(value: float, digits: int = 2) -> str:
    return "–" if math.isinf(value) else f"{value:.{digits}f}"


def build_targets_table(given: Sequence[Row]) -> Table:
    """What was to be reached, and whether it was."""
    table = Table(title="To reach", title_justify="left")
    for heading, justify in (("", "left"), ("measured", "right"), ("at most", "right"), ("", "left")):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]  # rich's own literals
    for target in build_targets(given):
        verdict = "[green]yes[/green]" if target.is_met else "[red]no[/red]"
        table.add_row(
            target.label,
            _format_with_unit(target.measured, target.unit),
            _format_with_unit(target.limit, target.unit),
            verdict,
        )
    return table


def _format_with_unit(value: float, unit: str) -> str:
    if unit == "ms":
        return f"{1000 * value:.0f} ms"
    return f"{value:.2f} {unit}" if unit in {"s", "×"} else f"{value:.0f} {unit}".rstrip()


def build_targets(given: Sequence[Row]) -> list[Target]:
    """The targets that the rows say something about."""
    ours = [row for row in given if row.contender.is_docent]
    return [
        *_delay_targets(ours),
        *_concurrency_targets(ours),
        *_interruption_targets(ours),
        _make_maximum_target("code blocks left open, anywhere", ours, lambda row: row.metrics.broken, 0.0),
        _make_maximum_target("429s, anywhere", ours, lambda row: row.cost.rate_limited, 0, "429s"),
        _make_maximum_target("the loop held, anywhere", ours, lambda row: row.cost.loop_blocked, 0.05, "ms"),
    ]


def _delay_targets(ours: Sequence[Row]) -> list[Target]:
    found: list[Target] = []
    for row in ours:
        if row.scenario not in {SHORT, LONG, FAST}:
            continue
        name, is_quick = row.scenario.name, row.contender.uses_interactions
        if row.scenario == SHORT and not is_quick:
            found.append(Target(f"{name}, channel: delay", row.metrics.delay, 0.42))
        else:
            limit = 1.2 if is_quick else 1.15
            found.append(Target(f"{name}, {_bucket_name(row)}: delay in floors", row.ratio, limit, "×"))
        found.append(
            Target(f"{name}, {_bucket_name(row)}: longest freeze", row.metrics.freeze, 0.7 if is_quick else 1.6)
        )
    return found


def _concurrency_targets(ours: Sequence[Row]) -> list[Target]:
    found: list[Target] = []
    for row in ours:
        if row.scenario.answers == 1:
            continue
        is_alone = row.contender.uses_interactions or row.scenario.channels > 1
        limit = 1.2 if row.contender.uses_interactions else 1.15 if is_alone else 1.3
        found.append(Target(f"{row.scenario.name}, {_bucket_name(row)}: delay in floors", row.ratio, limit, "×"))
        if not is_alone:
            lane = row.scenario.bucket(row.contender)
            latest = (
                compute_final_times(lane, row.scenario.seconds, row.scenario.answers_per_bucket)[-1]
                - row.scenario.seconds
                + lane.latency
            )
            found.append(
                Target(f"{row.scenario.name}, {_bucket_name(row)}: last final late by", row.metrics.late, latest)
            )
    return found


def _interruption_targets(ours: Sequence[Row]) -> list[Target]:
    found: list[Target] = []
    for row in ours:
        if row.scenario.interruption in {Interruption.DROP, Interruption.STALL, Interruption.STOP}:
            found.append(Target(f"{row.scenario.name}, {_bucket_name(row)}: lost", row.metrics.lost, 0, "characters"))
        if row.cost.cancel_seconds is not None:
            limit = 0.1 if row.scenario.interruption is Interruption.STOP else 1.0
            found.append(
                Target(
                    f"{row.scenario.name}, {_bucket_name(row)}: model cancelled after", row.cost.cancel_seconds, limit
                )
            )
    return found


def _make_maximum_target(
    label: str, ours: Sequence[Row], metric: Callable[[Row], float], limit: float, unit: str = "s"
) -> Target:
    return Target(label, max(map(metric, ours), default=0.0), limit, unit)


def _bucket_name(row: Row) -> str:
    return "interaction" if row.contender.uses_interactions else "channel"


def build_lower_bounds_table() -> Table:
    """The floors and what foreknowledge could reach beyond them."""
    table = Table(title="Computed for one answer alone: mean delay of even pacing, and with foreknowledge of the end")
    for heading in ("scene", "interaction", "foreknown", "channel", "foreknown"):
        table.add_column(heading, justify="right")
    for scene in (SHORT, LONG, FAST):
        cells: list[str] = []
        for contender in (Contender.DOCENT_INTERACTION, Contender.DOCENT_CHANNEL):
            cells += [
                _format_number(scene.lower_bound(contender)),
                _format_number(compute_optimal_delay(scene.bucket(contender), scene.seconds)),
            ]
        table.add_row(scene.name, *cells)
    return table
