"""What the streaming picture shows: how far behind the model each contender is, at each moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from benchmarks.streaming.metrics import Cost, Curve, Metrics
from benchmarks.streaming.plot import compute_seconds_behind, draw
from benchmarks.streaming.scenarios import LONG, SHORT, Contender
from benchmarks.streaming.tables import Row

if TYPE_CHECKING:
    from pathlib import Path


def test_seconds_behind_grows_without_edits_and_drops_with_one() -> None:
    curve = Curve((0.0, 1.0, 2.0, 3.0), (0.0, 10.0, 20.0, 30.0), (0.0, 0.0, 15.0, 30.0))
    assert compute_seconds_behind(curve) == pytest.approx([0.0, 1.0, 0.5, 0.0])


def test_seconds_behind_keeps_growing_after_the_last_delta() -> None:
    curve = Curve((0.0, 1.0, 2.0, 3.0), (0.0, 10.0, 10.0, 10.0), (0.0, 5.0, 5.0, 10.0))
    assert compute_seconds_behind(curve) == pytest.approx([0.0, 0.5, 1.5, 0.0])


def test_a_pause_of_the_model_adds_no_delay() -> None:
    curve = Curve((0.0, 1.0, 9.0, 9.5), (0.0, 10.0, 10.0, 20.0), (0.0, 10.0, 10.0, 10.0))
    assert compute_seconds_behind(curve) == pytest.approx([0.0, 0.0, 0.0, 0.5])


@given(st.integers(1, 20), st.integers(1, 60))
def test_constant_lag_is_the_seconds_behind(late: int, length: int) -> None:
    times = tuple(float(number) for number in range(length + late + 1))
    produced = tuple(min(time, length) for time in times)
    visible = tuple(max(0.0, min(time - late, length)) for time in times)
    behind = compute_seconds_behind(Curve(times, produced, visible))
    assert behind[:-1] == pytest.approx([min(time, late) for time in times[:-1]])
    assert behind[-1] == 0.0


def test_short_scenarios_show_their_characters_too(tmp_path: Path) -> None:
    cost, figures = Cost(10, 0, 0.1, 0.0), Metrics(0.3, 0.5, 0.1, 0.1, 0.5, 0.0, 0)
    curve = Curve((0.0, 1.0, 2.0), (0.0, 50.0, 100.0), (0.0, 40.0, 100.0))

    def draw_and_measure_height(*scenarios: object) -> int:
        rows = [Row(s, c, figures, cost, curve) for s in (SHORT, LONG) if s in scenarios for c in Contender]
        draw(rows, tmp_path / "plot.png")
        with Image.open(tmp_path / "plot.png") as image:
            assert image.format == "PNG"
            return image.height

    assert draw_and_measure_height(SHORT, LONG) > draw_and_measure_height(SHORT)
