"""What the streaming picture shows: how far behind the model each contender is, at each moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from benchmarks.streaming.metrics import Cost, Curve, Figures
from benchmarks.streaming.plot import drawn, seconds_behind
from benchmarks.streaming.scenarios import LONG, SHORT, Contender
from benchmarks.streaming.tables import Row

if TYPE_CHECKING:
    from pathlib import Path


def test_whoever_shows_nothing_falls_behind_and_an_edit_catches_up() -> None:
    curve = Curve((0.0, 1.0, 2.0, 3.0), (0.0, 10.0, 20.0, 30.0), (0.0, 0.0, 15.0, 30.0))
    assert seconds_behind(curve) == pytest.approx([0.0, 1.0, 0.5, 0.0])


def test_after_the_models_last_word_the_rest_grows_older() -> None:
    curve = Curve((0.0, 1.0, 2.0, 3.0), (0.0, 10.0, 10.0, 10.0), (0.0, 5.0, 5.0, 10.0))
    assert seconds_behind(curve) == pytest.approx([0.0, 0.5, 1.5, 0.0])


def test_a_silence_of_the_model_is_nobodys_delay() -> None:
    curve = Curve((0.0, 1.0, 9.0, 9.5), (0.0, 10.0, 10.0, 20.0), (0.0, 10.0, 10.0, 10.0))
    assert seconds_behind(curve) == pytest.approx([0.0, 0.0, 0.0, 0.5])


@given(st.integers(1, 20), st.integers(1, 60))
def test_whoever_is_always_so_much_later_is_so_much_behind(late: int, length: int) -> None:
    times = tuple(float(number) for number in range(length + late + 1))
    produced = tuple(min(time, length) for time in times)
    visible = tuple(max(0.0, min(time - late, length)) for time in times)
    behind = seconds_behind(Curve(times, produced, visible))
    assert behind[:-1] == pytest.approx([min(time, late) for time in times[:-1]])
    assert behind[-1] == 0.0


def test_short_scenes_show_their_characters_too(tmp_path: Path) -> None:
    cost, figures = Cost(10, 0, 0.1, 0.0), Figures(0.3, 0.5, 0.1, 0.1, 0.5, 0.0, 0)
    curve = Curve((0.0, 1.0, 2.0), (0.0, 50.0, 100.0), (0.0, 40.0, 100.0))

    def height(*scenes: object) -> int:
        rows = [Row(s, c, figures, cost, curve) for s in (SHORT, LONG) if s in scenes for c in Contender]
        drawn(rows, tmp_path / "plot.png")
        with Image.open(tmp_path / "plot.png") as image:
            assert image.format == "PNG"
            return image.height

    assert height(SHORT, LONG) > height(SHORT)
