"""Who shows the text late: seconds behind the model over time, scene by scene, as a PNG.

Where the text is short enough to tell the lines apart, the characters themselves stand beside it.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING

from benchmarks import chart
from benchmarks.chart import Axis, Line, Panel
from benchmarks.streaming.scenarios import Contender

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.streaming.metrics import Curve
    from benchmarks.streaming.tables import Row

_MODEL = "the model"
_MODELS_COLOUR = "#9aa1ab"
_COLOURS = {
    Contender.DOCENT_INTERACTION: "#1a56db",
    Contender.DOCENT_CHANNEL: "#0e8f63",
    Contender.EVERY_SECOND_INTERACTION: "#e0762a",
    Contender.EVERY_SECOND_CHANNEL: "#b3266b",
}
_SHORT_TEXT = 2_000
"""Characters up to which one edit is a step that can be seen."""
_SMOOTHING_WINDOWS = 20
"""Seconds behind are a mean over such a part of the whole time: else they are a saw with a tooth for each edit."""
_TIME_AXIS = Axis("seconds since the model's first word", "{:g} s".format)


def draw(rows: Sequence[Row], path: Path) -> None:
    """Draw every scene of the rows into a PNG.

    Raises:
        OSError: it cannot be written.
        ValueError: there is no row.
    """
    by_scene = [[row for row in rows if row.scenario == scene] for scene in dict.fromkeys(row.scenario for row in rows)]
    short = [
        panel
        for own in by_scene
        if own[0].scenario.length <= _SHORT_TEXT
        for panel in (_make_characters_panel(own), _make_delay_panel(own))
    ]
    long = [_make_delay_panel(own) for own in by_scene if own[0].scenario.length > _SHORT_TEXT]
    chart.draw_panels([*short, *long], path)


def compute_seconds_behind(curve: Curve) -> list[float]:
    """At each of the curve's times, how long ago the model said what is the next to become visible; 0 where all is."""
    behind: list[float] = []
    for now, produced, visible in zip(curve.times, curve.produced, curve.visible, strict=True):
        behind.append(0.0 if visible >= produced else now - _find_production_time(curve, visible))
    return behind


def _find_production_time(curve: Curve, count: float) -> float:
    """When the model had said so many characters, between two points of the curve on a straight line."""
    place = bisect_left(curve.produced, count)
    if place == 0 or curve.produced[place] == count:
        # The last of the times at which it had said no more than that.
        while place + 1 < len(curve.produced) and curve.produced[place + 1] == count:
            place += 1
        return curve.times[place]
    before, after = curve.produced[place - 1], curve.produced[place]
    part = (count - before) / (after - before)
    return curve.times[place - 1] + part * (curve.times[place] - curve.times[place - 1])


def _make_delay_panel(rows: Sequence[Row]) -> Panel:
    lines = [
        Line(
            row.contender.value,
            row.curve.times,
            _smooth(compute_seconds_behind(row.curve)),
            _COLOURS[row.contender],
            note=f"{row.metrics.delay:.2f} s",
        )
        for row in rows
    ]
    return Panel(f"{rows[0].scenario.title}: seconds behind", lines, _TIME_AXIS, Axis("", "{:g} s".format))


def _make_characters_panel(rows: Sequence[Row]) -> Panel:
    longest = max((row.curve for row in rows), key=lambda curve: curve.times[-1])
    lines = [Line(_MODEL, longest.times, longest.produced, _MODELS_COLOUR, is_dashed=True)]
    lines += [
        Line(row.contender.value, row.curve.times, row.curve.visible, _COLOURS[row.contender], is_stepped=True)
        for row in rows
    ]
    return Panel(f"{rows[0].scenario.title}: characters visible", lines, _TIME_AXIS, Axis("", "{:,.0f}".format))


def _smooth(numbers: Sequence[float]) -> list[float]:
    """Each number's mean with its neighbours."""
    half = len(numbers) // _SMOOTHING_WINDOWS // 2
    sums = [0.0, *accumulate(numbers)]
    edges = [(max(0, place - half), min(len(numbers), place + half + 1)) for place in range(len(numbers))]
    return [(sums[end] - sums[start]) / (end - start) for start, end in edges]
