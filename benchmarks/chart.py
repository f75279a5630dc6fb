"""Lines of numbers go in, a PNG comes out: panels in a grid, and one legend above them all that covers no line."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

_Point = tuple[float, float]

_SUPERSAMPLING = 2
"""Everything is drawn so many times as large, and shrunk: lines become smooth."""
_WIDTH, _HEIGHT = 640, 380
_LEFT, _TOP, _RIGHT, _BOTTOM = 76, 74, 24, 54
_LEGEND_LINE = 26
_SWATCH, _GAP = 28, 26
_DASH, _DASH_GAP = 7.0, 5.0
_DOT_RADIUS = 3.5
_MAX_LOG_MARGIN = 1.8
"""Beyond its points a logarithmic axis goes on by no more than this factor."""
_MAX_TICKS = 7
_TEXT_COLOUR, _LABEL_COLOUR, _GRID_COLOUR, _BACKGROUND = "#23272e", "#69707a", "#e3e6ea", "#ffffff"


@dataclass(frozen=True, slots=True)
class Line:
    """Points from left to right. ``note``: a few words about this line, written in its colour above its panel.

    ``is_stepped``: between two points nothing changes, until it jumps.
    """

    label: str
    x_values: Sequence[float]
    y_values: Sequence[float]
    colour: str
    note: str = ""
    is_dashed: bool = False
    is_stepped: bool = False
    is_marked: bool = False


@dataclass(frozen=True, slots=True)
class Axis:
    """What is counted, how a number of it is written, and whether each step is a multiple of the one before."""

    label: str
    format_number: Callable[[float], str] = field(default="{:g}".format)
    is_logarithmic: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """Lines over one another, on the same axes."""

    title: str
    lines: Sequence[Line]
    x_axis: Axis
    y_axis: Axis


def draw_panels(panels: Sequence[Panel], path: Path, *, columns: int = 2) -> None:
    """Draw the panels row by row and write them to ``path``.

    Raises:
        OSError: it cannot be written.
        ValueError: there is no panel, or one without a point.
    """
    if not panels or not all(any(line.x_values for line in panel.lines) for panel in panels):
        raise ValueError("there is nothing to draw")
    columns = min(columns, len(panels))
    width = columns * _WIDTH
    entries = list({line.label: line for panel in panels for line in panel.lines}.values())
    places, head = _place_legend(entries, width)
    height = head + -(-len(panels) // columns) * _HEIGHT
    image = Image.new("RGB", (width * _SUPERSAMPLING, height * _SUPERSAMPLING), _BACKGROUND)
    pen = _Pen(ImageDraw.Draw(image))
    for line, (x, y) in zip(entries, places, strict=True):
        pen.draw_line([(x, y), (x + _SWATCH, y)], line.colour, 3, is_dashed=line.is_dashed)
        pen.draw_text(line.label, (x + _SWATCH + 8, y), 15, anchor="lm")
    for number, panel in enumerate(panels):
        corner = number % columns * _WIDTH, head + number // columns * _HEIGHT
        _PanelDrawer(pen, corner, panel).draw()
    image.resize((width, height), Image.Resampling.LANCZOS).save(path, "PNG", optimize=True)


def linear_ticks(end: float) -> list[float]:
    """Round numbers from 0 to ``end``, a handful of them.

    Raises:
        ValueError: ``end`` is not above 0.
    """
    if end <= 0:
        raise ValueError("an axis needs a length")
    least = end / (_MAX_TICKS - 1)
    step = next(number for number in _round_numbers(least) if number >= least)
    return [float(f"{number * step:.12g}") for number in range(int(end / step * (1 + 1e-9)) + 1)]


def logarithmic_ticks(low: float, high: float) -> list[float]:
    """Round numbers around ``low`` to ``high``, a handful; the first is below and the last above, so both fit between.

    Raises:
        ValueError: ``low`` is not above 0, or above ``high``.
    """
    if not 0 < low <= high:
        raise ValueError("a logarithmic axis goes upwards from above 0")
    marks: list[float] = []
    for number in _round_numbers(low / 10):
        marks = [number] if number < low else [*marks, number]
        if number > high:
            break
    if len(marks) > _MAX_TICKS:
        tens = range(math.floor(math.log10(marks[0])), math.ceil(math.log10(marks[-1]) - 1e-9) + 1)
        step = -(-len(tens) // _MAX_TICKS)
        marks = [10.0**ten for ten in range(tens[0], tens[-1] + step, step)]
    return marks


def _round_numbers(start: float) -> Iterator[float]:
    """1, 2, 5, 10 and so on, from about ``start`` upwards, without an end."""
    ten = math.floor(math.log10(start))
    while True:
        yield from (float(f"{digit}e{ten}") for digit in (1, 2, 5))
        ten += 1


def _place_legend(entries: Sequence[Line], width: float) -> tuple[list[_Point], int]:
    """Where each entry stands, one after the other in lines as wide as the picture; and the height of them all."""
    places: list[_Point] = []
    x, y = float(_LEFT), 24.0
    for line in entries:
        needed = _SWATCH + 8 + _load_font(15).getlength(line.label) / _SUPERSAMPLING
        if x > _LEFT and x + needed > width - _RIGHT:
            x, y = float(_LEFT), y + _LEGEND_LINE
        places.append((x, y))
        x += needed + _GAP
    return places, int(y) + _LEGEND_LINE // 2


def _load_font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size * _SUPERSAMPLING)


class _Pen:
    """Draws in the picture's own measure, not in that in which it is drawn."""

    def __init__(self, draw: ImageDraw.ImageDraw) -> None:
        self._draw = draw

    def draw_line(self, points: Sequence[_Point], colour: str, width: float, *, is_dashed: bool = False) -> None:
        for piece in _split_into_dashes(points) if is_dashed else [points]:
            scaled = [(x * _SUPERSAMPLING, y * _SUPERSAMPLING) for x, y in piece]
            self._draw.line(scaled, fill=colour, width=round(width * _SUPERSAMPLING), joint="curve")

    def draw_dot(self, point: _Point, colour: str) -> None:
        self._draw.circle(
            (point[0] * _SUPERSAMPLING, point[1] * _SUPERSAMPLING), _DOT_RADIUS * _SUPERSAMPLING, fill=colour
        )

    def draw_text(
        self, text: str, point: _Point, size: int, *, anchor: str = "la", colour: str = _TEXT_COLOUR
    ) -> float:
        """Write, and give the width."""
        font = _load_font(size)
        self._draw.text(
            (point[0] * _SUPERSAMPLING, point[1] * _SUPERSAMPLING), text, fill=colour, font=font, anchor=anchor
        )
        return font.getlength(text) / _SUPERSAMPLING


def _split_into_dashes(points: Sequence[_Point]) -> Iterator[list[_Point]]:
    """The pieces of a line that are drawn where it is dashed; dashes go on around corners."""
    piece, is_down, left = [points[0]], True, _DASH
    for start, end in pairwise(points):
        length, gone = math.dist(start, end), 0.0
        while length - gone > left:
            gone += left
            place = tuple(a + (b - a) * gone / length for a, b in zip(start, end, strict=True))
            turn = (place[0], place[1])
            if is_down:
                yield [*piece, turn]
            piece, is_down = [turn], not is_down
            left = _DASH if is_down else _DASH_GAP
        left -= length - gone
        piece.append(end)
    if is_down:
        yield piece


class _PanelDrawer:
    """One panel at its place in the picture: title, notes, axes, lines."""

    def __init__(self, pen: _Pen, corner: _Point, panel: Panel) -> None:
        self._pen = pen
        self._corner = corner
        self._panel = panel

    @cached_property
    def _x_scale(self) -> _Scale:
        return _Scale(self._panel.x_axis, [number for line in self._panel.lines for number in line.x_values])

    @cached_property
    def _y_scale(self) -> _Scale:
        return _Scale(self._panel.y_axis, [number for line in self._panel.lines for number in line.y_values])

    def draw(self) -> None:
        x, y = self._corner
        self._pen.draw_text(self._panel.title, (x + _LEFT, y + 16), 17)
        self._draw_notes(x + _LEFT, y + 56)
        self._draw_axes()
        for line in self._panel.lines:
            self._draw_line(line)

    def _draw_notes(self, x: float, y: float) -> None:
        for line in self._panel.lines:
            if line.note:
                x += self._pen.draw_text(line.note, (x, y), 14, anchor="ls", colour=line.colour) + _GAP / 2

    def _draw_axes(self) -> None:
        bottom, left = self._corner[1] + _HEIGHT - _BOTTOM, self._corner[0] + _LEFT
        for mark in self._x_scale.ticks:
            x = self._x(mark)
            self._pen.draw_line([(x, bottom), (x, self._corner[1] + _TOP)], _GRID_COLOUR, 1)
            self._pen.draw_text(self._panel.x_axis.format_number(mark), (x, bottom + 8), 13, anchor="ma")
        for mark in self._y_scale.ticks:
            y = self._y(mark)
            self._pen.draw_line([(left, y), (self._corner[0] + _WIDTH - _RIGHT, y)], _GRID_COLOUR, 1)
            self._pen.draw_text(self._panel.y_axis.format_number(mark), (left - 8, y), 13, anchor="rm")
        self._pen.draw_text(
            self._panel.x_axis.label, (self._x(self._x_scale.end), bottom + 28), 13, anchor="ra", colour=_LABEL_COLOUR
        )

    def _draw_line(self, line: Line) -> None:
        points = [(self._x(x), self._y(y)) for x, y in zip(line.x_values, line.y_values, strict=True)]
        path = points
        if line.is_stepped:
            path = points[:1] + [place for a, b in pairwise(points) for place in ((b[0], a[1]), b)]
        if len(path) > 1:
            self._pen.draw_line(path, line.colour, 2, is_dashed=line.is_dashed)
        if line.is_marked:
            for point in points:
                self._pen.draw_dot(point, line.colour)

    def _x(self, number: float) -> float:
        return self._corner[0] + _LEFT + (_WIDTH - _LEFT - _RIGHT) * self._x_scale.to_fraction(number)

    def _y(self, number: float) -> float:
        return self._corner[1] + _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * self._y_scale.to_fraction(number)


class _Scale:
    """Where on its axis a number stands. A linear one begins at 0; what is less stands at an axis's beginning."""

    def __init__(self, axis: Axis, numbers: Sequence[float]) -> None:
        self._is_logarithmic = axis.is_logarithmic
        if axis.is_logarithmic:
            above = [number for number in numbers if number > 0] or [1.0]
            marks = logarithmic_ticks(min(above), max(above))
            self._start, self.end = (
                max(marks[0], min(above) / _MAX_LOG_MARGIN),
                min(marks[-1], max(above) * _MAX_LOG_MARGIN),
            )
            self.ticks = [mark for mark in marks if self._start <= mark <= self.end]
        else:
            self._start, self.end = 0.0, max(numbers) if max(numbers) > 0 else 1.0
            self.ticks = linear_ticks(self.end)

    def to_fraction(self, number: float) -> float:
        """0 at the axis's beginning, 1 at its end."""
        number = max(number, self._start)
        if self._is_logarithmic:
            return math.log(number / self._start) / math.log(self.end / self._start)
        return number / self.end
