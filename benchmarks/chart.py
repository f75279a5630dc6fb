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

_Place = tuple[float, float]

_SHARPNESS = 2
"""Everything is drawn so many times as large, and shrunk: lines become smooth."""
_WIDTH, _HEIGHT = 640, 380
_LEFT, _TOP, _RIGHT, _BOTTOM = 76, 74, 24, 54
_LEGEND_LINE = 26
_SWATCH, _GAP = 28, 26
_DASH, _PAUSE = 7.0, 5.0
_MARK = 3.5
_MARGIN = 1.8
"""Beyond its points a logarithmic axis goes on by no more than this factor."""
_MOST_TICKS = 7
_INK, _FAINT, _PALE, _PAPER = "#23272e", "#69707a", "#e3e6ea", "#ffffff"


@dataclass(frozen=True, slots=True)
class Line:
    """Points from left to right. ``note``: a few words about this line, written in its colour above its panel.

    ``is_stepped``: between two points nothing changes, until it jumps.
    """

    words: str
    across: Sequence[float]
    up: Sequence[float]
    colour: str
    note: str = ""
    is_dashed: bool = False
    is_stepped: bool = False
    is_marked: bool = False


@dataclass(frozen=True, slots=True)
class Axis:
    """What is counted, how a number of it is written, and whether each step is a multiple of the one before."""

    words: str
    written: Callable[[float], str] = field(default="{:g}".format)
    is_logarithmic: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """Lines over one another, on the same axes."""

    title: str
    lines: Sequence[Line]
    across: Axis
    up: Axis


def drawn(panels: Sequence[Panel], path: Path, *, columns: int = 2) -> None:
    """Draw the panels row by row and write them to ``path``.

    Raises:
        OSError: it cannot be written.
        ValueError: there is no panel, or one without a point.
    """
    if not panels or not all(any(line.across for line in panel.lines) for panel in panels):
        raise ValueError("there is nothing to draw")
    columns = min(columns, len(panels))
    width = columns * _WIDTH
    entries = list({line.words: line for panel in panels for line in panel.lines}.values())
    places, head = _legend_places(entries, width)
    height = head + -(-len(panels) // columns) * _HEIGHT
    image = Image.new("RGB", (width * _SHARPNESS, height * _SHARPNESS), _PAPER)
    pen = _Pen(ImageDraw.Draw(image))
    for line, (x, y) in zip(entries, places, strict=True):
        pen.stroke([(x, y), (x + _SWATCH, y)], line.colour, 3, is_dashed=line.is_dashed)
        pen.write(line.words, (x + _SWATCH + 8, y), 15, anchor="lm")
    for number, panel in enumerate(panels):
        corner = number % columns * _WIDTH, head + number // columns * _HEIGHT
        _Frame(pen, corner, panel).draw()
    image.resize((width, height), Image.Resampling.LANCZOS).save(path, "PNG", optimize=True)


def linear_ticks(end: float) -> list[float]:
    """Round numbers from 0 to ``end``, a handful of them.

    Raises:
        ValueError: ``end`` is not above 0.
    """
    if end <= 0:
        raise ValueError("an axis needs a length")
    least = end / (_MOST_TICKS - 1)
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
    if len(marks) > _MOST_TICKS:
        tens = range(math.floor(math.log10(marks[0])), math.ceil(math.log10(marks[-1]) - 1e-9) + 1)
        step = -(-len(tens) // _MOST_TICKS)
        marks = [10.0**ten for ten in range(tens[0], tens[-1] + step, step)]
    return marks


def _round_numbers(start: float) -> Iterator[float]:
    """1, 2, 5, 10 and so on, from about ``start`` upwards, without an end."""
    ten = math.floor(math.log10(start))
    while True:
        yield from (float(f"{digit}e{ten}") for digit in (1, 2, 5))
        ten += 1


def _legend_places(entries: Sequence[Line], width: float) -> tuple[list[_Place], int]:
    """Where each entry stands, one after the other in lines as wide as the picture; and the height of them all."""
    places: list[_Place] = []
    x, y = float(_LEFT), 24.0
    for line in entries:
        needed = _SWATCH + 8 + _font(15).getlength(line.words) / _SHARPNESS
        if x > _LEFT and x + needed > width - _RIGHT:
            x, y = float(_LEFT), y + _LEGEND_LINE
        places.append((x, y))
        x += needed + _GAP
    return places, int(y) + _LEGEND_LINE // 2


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size * _SHARPNESS)


class _Pen:
    """Draws in the picture's own measure, not in that in which it is drawn."""

    def __init__(self, draw: ImageDraw.ImageDraw) -> None:
        self._draw = draw

    def stroke(self, places: Sequence[_Place], colour: str, width: float, *, is_dashed: bool = False) -> None:
        for piece in _dashes(places) if is_dashed else [places]:
            scaled = [(x * _SHARPNESS, y * _SHARPNESS) for x, y in piece]
            self._draw.line(scaled, fill=colour, width=round(width * _SHARPNESS), joint="curve")

    def dot(self, place: _Place, colour: str) -> None:
        self._draw.circle((place[0] * _SHARPNESS, place[1] * _SHARPNESS), _MARK * _SHARPNESS, fill=colour)

    def write(self, words: str, place: _Place, size: int, *, anchor: str = "la", colour: str = _INK) -> float:
        """Write, and give the width."""
        font = _font(size)
        self._draw.text((place[0] * _SHARPNESS, place[1] * _SHARPNESS), words, fill=colour, font=font, anchor=anchor)
        return font.getlength(words) / _SHARPNESS


def _dashes(places: Sequence[_Place]) -> Iterator[list[_Place]]:
    """The pieces of a line that are drawn where it is dashed; dashes go on around corners."""
    piece, is_down, left = [places[0]], True, _DASH
    for start, end in pairwise(places):
        length, gone = math.dist(start, end), 0.0
        while length - gone > left:
            gone += left
            place = tuple(a + (b - a) * gone / length for a, b in zip(start, end, strict=True))
            turn = (place[0], place[1])
            if is_down:
                yield [*piece, turn]
            piece, is_down = [turn], not is_down
            left = _DASH if is_down else _PAUSE
        left -= length - gone
        piece.append(end)
    if is_down:
        yield piece


class _Frame:
    """One panel at its place in the picture: title, notes, axes, lines."""

    def __init__(self, pen: _Pen, corner: _Place, panel: Panel) -> None:
        self._pen = pen
        self._corner = corner
        self._panel = panel

    @cached_property
    def _across(self) -> _Scale:
        return _Scale(self._panel.across, [number for line in self._panel.lines for number in line.across])

    @cached_property
    def _up(self) -> _Scale:
        return _Scale(self._panel.up, [number for line in self._panel.lines for number in line.up])

    def draw(self) -> None:
        x, y = self._corner
        self._pen.write(self._panel.title, (x + _LEFT, y + 16), 17)
        self._notes(x + _LEFT, y + 56)
        self._axes()
        for line in self._panel.lines:
            self._line(line)

    def _notes(self, x: float, y: float) -> None:
        for line in self._panel.lines:
            if line.note:
                x += self._pen.write(line.note, (x, y), 14, anchor="ls", colour=line.colour) + _GAP / 2

    def _axes(self) -> None:
        bottom, left = self._corner[1] + _HEIGHT - _BOTTOM, self._corner[0] + _LEFT
        for mark in self._across.ticks:
            x = self._x(mark)
            self._pen.stroke([(x, bottom), (x, self._corner[1] + _TOP)], _PALE, 1)
            self._pen.write(self._panel.across.written(mark), (x, bottom + 8), 13, anchor="ma")
        for mark in self._up.ticks:
            y = self._y(mark)
            self._pen.stroke([(left, y), (self._corner[0] + _WIDTH - _RIGHT, y)], _PALE, 1)
            self._pen.write(self._panel.up.written(mark), (left - 8, y), 13, anchor="rm")
        self._pen.write(
            self._panel.across.words, (self._x(self._across.end), bottom + 28), 13, anchor="ra", colour=_FAINT
        )

    def _line(self, line: Line) -> None:
        points = [(self._x(x), self._y(y)) for x, y in zip(line.across, line.up, strict=True)]
        path = points
        if line.is_stepped:
            path = points[:1] + [place for a, b in pairwise(points) for place in ((b[0], a[1]), b)]
        if len(path) > 1:
            self._pen.stroke(path, line.colour, 2, is_dashed=line.is_dashed)
        if line.is_marked:
            for point in points:
                self._pen.dot(point, line.colour)

    def _x(self, number: float) -> float:
        return self._corner[0] + _LEFT + (_WIDTH - _LEFT - _RIGHT) * self._across.part(number)

    def _y(self, number: float) -> float:
        return self._corner[1] + _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * self._up.part(number)


class _Scale:
    """Where on its axis a number stands. A linear one begins at 0; what is less stands at an axis's beginning."""

    def __init__(self, axis: Axis, numbers: Sequence[float]) -> None:
        self._is_logarithmic = axis.is_logarithmic
        if axis.is_logarithmic:
            above = [number for number in numbers if number > 0] or [1.0]
            marks = logarithmic_ticks(min(above), max(above))
            self._start, self.end = max(marks[0], min(above) / _MARGIN), min(marks[-1], max(above) * _MARGIN)
            self.ticks = [mark for mark in marks if self._start <= mark <= self.end]
        else:
            self._start, self.end = 0.0, max(numbers) if max(numbers) > 0 else 1.0
            self.ticks = linear_ticks(self.end)

    def part(self, number: float) -> float:
        """0 at the axis's beginning, 1 at its end."""
        number = max(number, self._start)
        if self._is_logarithmic:
            return math.log(number / self._start) / math.log(self.end / self._start)
        return number / self.end
