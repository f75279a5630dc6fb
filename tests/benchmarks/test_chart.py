"""A picture of lines: round ticks, everything inside, and a legend that covers nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from benchmarks.chart import Axis, Line, Panel, draw_panels, linear_ticks, logarithmic_ticks

if TYPE_CHECKING:
    from pathlib import Path

_NUMBERS = st.floats(1e-6, 1e12)


@given(_NUMBERS)
def test_a_linear_axis_has_a_handful_of_ticks_from_zero_that_fit(end: float) -> None:
    marks = linear_ticks(end)
    assert marks[0] == 0
    assert 3 <= len(marks) <= 7
    assert marks[-1] <= end * (1 + 1e-6)


@pytest.mark.parametrize(
    ("end", "marks"), [(2.0, [0, 0.5, 1, 1.5, 2]), (0.55, [0, 0.1, 0.2, 0.3, 0.4, 0.5]), (27.0, [0, 5, 10, 15, 20, 25])]
)
def test_ticks_are_round(end: float, marks: list[float]) -> None:
    assert linear_ticks(end) == marks


@given(_NUMBERS, _NUMBERS)
def test_a_logarithmic_axis_encloses_its_numbers_with_a_handful_of_ticks(one: float, other: float) -> None:
    low, high = sorted((one, other))
    marks = logarithmic_ticks(low, high)
    assert marks[0] < low <= high < marks[-1] * (1 + 1e-9)
    assert 2 <= len(marks) <= 8


def test_ticks_over_many_decades_are_powers_of_ten() -> None:
    assert logarithmic_ticks(1_500, 90_000) == [1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5]
    assert logarithmic_ticks(0.5, 9_000) == pytest.approx([0.1, 1, 10, 100, 1_000, 10_000])


def test_ticks_reject_an_empty_axis() -> None:
    with pytest.raises(ValueError, match="length"):
        linear_ticks(0)
    with pytest.raises(ValueError, match="above 0"):
        logarithmic_ticks(0, 1)


@pytest.mark.parametrize("is_logarithmic", [False, True])
@pytest.mark.parametrize("is_dashed", [False, True])
def test_a_line_is_in_its_panel_and_its_colour_in_the_legend(
    tmp_path: Path, is_logarithmic: bool, is_dashed: bool
) -> None:
    axis = Axis("x", is_logarithmic=is_logarithmic)
    line = Line("red", (1, 10, 100), (100, 3, 100), "#ff0000", is_dashed=is_dashed, is_marked=True)
    draw_panels([Panel("one", [line], axis, axis)], tmp_path / "chart.png")
    with Image.open(tmp_path / "chart.png") as image:
        reds = _find_red_pixels(image)
    heights = [y for _, y in reds]
    assert min(heights) < 36  # the legend, above every panel
    assert max(heights) > 200
    assert not any(40 < y < 90 for y in heights)  # nothing between legend and axes


def test_a_single_point_and_zeros_can_be_drawn(tmp_path: Path) -> None:
    for is_logarithmic in (False, True):
        axis = Axis("x", is_logarithmic=is_logarithmic)
        draw_panels(
            [Panel("one", [Line("a", (5,), (0,), "#ff0000", is_marked=True)], axis, axis)], tmp_path / "chart.png"
        )
        with Image.open(tmp_path / "chart.png") as image:
            assert any(y > 100 for _, y in _find_red_pixels(image))


def test_draw_rejects_an_empty_list_of_panels(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nothing to draw"):
        draw_panels([], tmp_path / "chart.png")


def _find_red_pixels(image: Image.Image) -> list[tuple[int, int]]:
    data = image.convert("RGB").tobytes()
    return [
        (place // 3 % image.width, place // 3 // image.width)
        for place in range(0, len(data), 3)
        if data[place] > 200 and data[place + 1] < 60 and data[place + 2] < 60
    ]
