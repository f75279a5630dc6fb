"""The figures as tables: what everybody reached, against the floor, and what was to be reached."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.table import Table

from benchmarks.streaming.lower_bound import bound, finals
from benchmarks.streaming.metrics import Cost, Curve, Figures, median_cost, median_of
from benchmarks.streaming.scenarios import FAST, LONG, SHORT, Break, Contender, Scene

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from benchmarks.streaming.runner import Performance


@dataclass(frozen=True, slots=True)
class Row:
    """What one contender reached in one scene: the medians of its rounds."""

    scene: Scene
    contender: Contender
    figures: Figures
    cost: Cost
    curve: Curve

    @property
    def ratio(self) -> float:
        """The mean delay in floors."""
        return self.figures.delay / self.scene.floor(self.contender)


@dataclass(frozen=True, slots=True)
class Target:
    """One thing to be reached: ``limit`` is the most that ``reached`` may be, in ``unit``."""

    claim: str
    reached: float
    limit: float
    unit: str = "s"

    @property
    def is_met(self) -> bool:
        """Whether it was reached."""
        return self.reached <= self.limit


def rows(performances: Iterable[Performance]) -> list[Row]:
    """One row for each scene and contender, in their order."""
    grouped: dict[tuple[str, Contender], list[Performance]] = {}
    for one in performances:
        grouped.setdefault((one.scene.name, one.contender), []).append(one)
    return [
        Row(
            rounds[0].scene,
            contender,
            median_of([one.figures for one in rounds]),
            median_cost([one.cost for one in rounds]),
            rounds[0].curve,
        )
        for (_, contender), rounds in grouped.items()
    ]


def of_scenes(given: Sequence[Row]) -> Table:
    """Everything that was measured."""
    table = Table(title="Seconds, unless a column says otherwise; medians of the rounds", title_justify="left")
    table.add_column("scene and contender", no_wrap=True)
    headings = ("delay", "floor", "× floor", "first", "worst", "freeze", "late", "broken", "lost chars", "429s")
    for heading in (*headings, "requests", "CPU", "loop held", "model cancelled"):
        table.add_column(heading, justify="right")
    scene = None
    for row in given:
        if row.scene != scene:
            scene = row.scene
            table.add_row(f"[bold]{scene.title}[/bold]")
        table.add_row(f"  {row.contender.value}", *_cells(row), style="" if row.contender.is_docent else "dim")
    return table


def _cells(row: Row) -> list[str]:
    figures, cost = row.figures, row.cost
    return [
        _shown(figures.delay),
        _shown(row.scene.floor(row.contender)),
        _shown(row.ratio),
        _shown(figures.first),
        _shown(figures.worst),
        _shown(figures.freeze),
        _shown(figures.late),
        _shown(figures.broken, 1),
        "" if row.scene.breaks is Break.DELETE else _shown(figures.lost, 0),
        _shown(cost.refusals, 0),
        _shown(cost.requests, 1),
        _shown(cost.cpu),
        f"{1000 * cost.held:.0f} ms",
        "" if cost.cancel is None else "never" if math.isinf(cost.cancel) else _shown(cost.cancel),
    ]


def _shown(value: float, digits: int = 2) -> str:
    return "–" if math.isinf(value) else f"{value:.{digits}f}"


def of_targets(given: Sequence[Row]) -> Table:
    """What was to be reached, and whether it was."""
    table = Table(title="To reach", title_justify="left")
    for heading, justify in (("", "left"), ("measured", "right"), ("at most", "right"), ("", "left")):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]  # rich's own literals
    for target in targets(given):
        verdict = "[green]yes[/green]" if target.is_met else "[red]no[/red]"
        table.add_row(
            target.claim, _with_unit(target.reached, target.unit), _with_unit(target.limit, target.unit), verdict
        )
    return table


def _with_unit(value: float, unit: str) -> str:
    if unit == "ms":
        return f"{1000 * value:.0f} ms"
    return f"{value:.2f} {unit}" if unit in {"s", "×"} else f"{value:.0f} {unit}".rstrip()


def targets(given: Sequence[Row]) -> list[Target]:
    """The targets that the rows say something about."""
    ours = [row for row in given if row.contender.is_docent]
    return [
        *_of_delays(ours),
        *_of_crowds(ours),
        *_of_endings(ours),
        _most("code blocks left open, anywhere", ours, lambda row: row.figures.broken, 0.0),
        _most("429s, anywhere", ours, lambda row: row.cost.refusals, 0, "429s"),
        _most("the loop held, anywhere", ours, lambda row: row.cost.held, 0.05, "ms"),
    ]


def _of_delays(ours: Sequence[Row]) -> list[Target]:
    found: list[Target] = []
    for row in ours:
        if row.scene not in {SHORT, LONG, FAST}:
            continue
        name, is_quick = row.scene.name, row.contender.uses_interactions
        if row.scene == SHORT and not is_quick:
            found.append(Target(f"{name}, channel: delay", row.figures.delay, 0.42))
        else:
            limit = 1.2 if is_quick else 1.15
            found.append(Target(f"{name}, {_lane(row)}: delay in floors", row.ratio, limit, "×"))
        found.append(Target(f"{name}, {_lane(row)}: longest freeze", row.figures.freeze, 0.7 if is_quick else 1.6))
    return found


def _of_crowds(ours: Sequence[Row]) -> list[Target]:
    found: list[Target] = []
    for row in ours:
        if row.scene.answers == 1:
            continue
        is_alone = row.contender.uses_interactions or row.scene.channels > 1
        limit = 1.2 if row.contender.uses_interactions else 1.15 if is_alone else 1.3
        found.append(Target(f"{row.scene.name}, {_lane(row)}: delay in floors", row.ratio, limit, "×"))
        if not is_alone:
            lane = row.scene.lane(row.contender)
            latest = finals(lane, row.scene.seconds, row.scene.sharing)[-1] - row.scene.seconds + lane.latency
            found.append(Target(f"{row.scene.name}, {_lane(row)}: last final late by", row.figures.late, latest))
    return found


def _of_endings(ours: Sequence[Row]) -> list[Target]:
    found: list[Target] = []
    for row in ours:
        if row.scene.breaks in {Break.DROP, Break.STALL, Break.STOP}:
            found.append(Target(f"{row.scene.name}, {_lane(row)}: lost", row.figures.lost, 0, "characters"))
        if row.cost.cancel is not None:
            limit = 0.1 if row.scene.breaks is Break.STOP else 1.0
            found.append(Target(f"{row.scene.name}, {_lane(row)}: model cancelled after", row.cost.cancel, limit))
    return found


def _most(claim: str, ours: Sequence[Row], figure: Callable[[Row], float], limit: float, unit: str = "s") -> Target:
    return Target(claim, max(map(figure, ours), default=0.0), limit, unit)


def _lane(row: Row) -> str:
    return "interaction" if row.contender.uses_interactions else "channel"


def of_floors() -> Table:
    """The floors and what foreknowledge could reach beyond them."""
    table = Table(title="Computed for one answer alone: mean delay of even pacing, and with foreknowledge of the end")
    for heading in ("scene", "interaction", "foreknown", "channel", "foreknown"):
        table.add_column(heading, justify="right")
    for scene in (SHORT, LONG, FAST):
        cells: list[str] = []
        for contender in (Contender.DOCENT_INTERACTION, Contender.DOCENT_CHANNEL):
            cells += [_shown(scene.floor(contender)), _shown(bound(scene.lane(contender), scene.seconds))]
        table.add_row(scene.name, *cells)
    return table
