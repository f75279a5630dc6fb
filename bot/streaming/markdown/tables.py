"""A Markdown table's rows go in, one by one; an aligned block of code comes out, or a list where columns have no room.

Discord shows tables as bare pipes. The first rows are held back, so that the columns fit them; then the widths stand,
and what is wider later on wraps within its column: a row that was shown stays where it was.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from enum import Enum
from itertools import zip_longest
from typing import TYPE_CHECKING

from bot.streaming.markdown.code import FENCE, find_code_spans
from bot.streaming.markdown.inline import convert_inline, strip_markdown
from bot.streaming.markdown.open_marks import is_balanced

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_BLOCK_WIDTH = 90
"""Widest table that is shown as a block, in columns of a fixed font; a wider one is a list."""

COMFORTABLE_WIDTH = 60
"""The width at which the last column wraps if it can: small screens wrap lines without regard for columns."""

_MIN_LAST_WIDTH = 16
"""The last column has at least so much room to wrap in."""

_HELD_ROWS = 6
_HELD_LENGTH = 600
"""So many rows, or characters in them, are seen before the widths stand."""

_WIDTH_STEP = 4
"""A column grows by so many places at a time, so that a growing cell moves the rest now and then, not at every word."""

_GAP = "  "
_RULE = "─"

_PIPE = re.compile(r"(?<!\\)\|")
_DELIMITER = re.compile(r"(:?)-+(:?)")
_HEAD = re.compile(rf"[^\n]+\n{_RULE}+(?:{_GAP}{_RULE}+)*\n")
_FORMATTING = re.compile(r"([*_~|\[\]<>\\])")


class Alignment(Enum):
    """Where in its column a cell stands."""

    LEFT = "left"
    CENTRE = "centre"
    RIGHT = "right"

    def pad(self, text: str, width: int) -> str:
        """The text with spaces to fill so many places."""
        free = max(0, width - display_width(text))
        before = {Alignment.LEFT: 0, Alignment.CENTRE: free // 2, Alignment.RIGHT: free}[self]
        return " " * before + text + " " * (free - before)


def display_width(text: str) -> int:
    """How many places a text takes in a fixed font: two for wide characters, none for combining and unseen ones."""
    if text.isascii():
        return len(text)
    return sum(_character_width(char) for char in text)


def _character_width(char: str) -> int:
    if unicodedata.category(char) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(char) in {"W", "F"} else 1


def find_table_head(code: str) -> str:
    """The first two lines of a block's code if they are a table's header, else nothing."""
    found = _HEAD.match(code)
    return found[0] if found else ""


def split_cells(line: str) -> tuple[str, ...]:
    """The cells of one line, as written."""
    parts = _PIPE.split(line.strip())
    inner = parts[1 if not parts[0].strip() else 0 : -1 if len(parts) > 1 and not parts[-1].strip() else None]
    return tuple(part.strip().replace("\\|", "|") for part in inner)


@dataclass(frozen=True, slots=True)
class Table:
    """A table as far as it has come. ``rows`` are those not given yet, ``widths`` stand once rows were given.

    ``is_list`` says that it is shown as a list: a table once too wide stays a list.
    """

    header: tuple[str, ...]
    alignments: tuple[Alignment, ...]
    rows: tuple[tuple[str, ...], ...] = ()
    widths: tuple[int, ...] = ()
    is_list: bool = False

    def with_row(self, line: str) -> tuple[str, Table]:
        """Take in one more row; give what is decided with it, and the table from there on."""
        row = self._fit_row(split_cells(line))
        table = replace(self, rows=(*self.rows, row))
        if self.widths:
            return self._format_block_row(row), self
        if self.is_list or table._measure_total_width() > MAX_BLOCK_WIDTH:  # noqa: SLF001 # another one of ours
            listed = replace(table, rows=(), is_list=True)
            return "".join(map(self._format_list_row, table.rows)), listed
        if len(table.rows) < _HELD_ROWS and sum(len("".join(row)) for row in table.rows) < _HELD_LENGTH:
            return "", table
        standing = replace(table, rows=(), widths=table._compute_widths())  # noqa: SLF001 # likewise
        return standing._format_block_start(table.rows), standing  # noqa: SLF001 # likewise

    def finish(self) -> str:
        """No more rows come: the rest."""
        if self.is_list:
            return ""
        if self.widths:
            return f"{FENCE}\n"
        if not self.rows and self._measure_total_width() > MAX_BLOCK_WIDTH:
            return f"{' · '.join(f'**{_escape_cell(cell)}**' for cell in self.header if cell)}\n"
        return replace(self, widths=self._compute_widths())._format_block_start(self.rows) + f"{FENCE}\n"  # noqa: SLF001 # likewise

    def _fit_row(self, row: tuple[str, ...]) -> tuple[str, ...]:
        """The row with as many cells as there are columns; the last takes what is over."""
        count = len(self.header)
        if len(row) > count:
            return (*row[: count - 1], " | ".join(row[count - 1 :]))
        return row + ("",) * (count - len(row))

    def _measure_columns(self) -> tuple[int, ...]:
        widest = [
            max(display_width(strip_markdown(cell)) for cell in column)
            for column in zip(self.header, *self.rows, strict=True)
        ]
        *others, last = widest
        return (*(-(-max(width, 1) // _WIDTH_STEP) * _WIDTH_STEP for width in others), max(last, 1))

    def _compute_widths(self) -> tuple[int, ...]:
        *others, last = self._measure_columns()
        return (*others, min(last, _compute_last_width(others)))

    def _measure_total_width(self) -> int:
        return sum(self._measure_columns()) + len(_GAP) * (len(self.header) - 1)

    def _format_block_start(self, rows: tuple[tuple[str, ...], ...]) -> str:
        ruled = _GAP.join(_RULE * places for places in self.widths)
        return f"{FENCE}\n{self._format_block_row(self.header)}{ruled}\n{''.join(map(self._format_block_row, rows))}"

    def _format_block_row(self, row: tuple[str, ...]) -> str:
        *others, last = self.widths
        rooms = [*others, max(last, _compute_last_width(others))]
        wrapped = [_wrap(strip_markdown(cell), places) for cell, places in zip(row, rooms, strict=True)]
        lines = zip_longest(*wrapped, fillvalue="")
        return "".join(f"{self._format_block_line(line)}\n" for line in lines)

    def _format_block_line(self, line: tuple[str, ...]) -> str:
        placed = [
            alignment.pad(text, places)
            for text, alignment, places in zip(line, self.alignments, self.widths, strict=True)
        ]
        return _GAP.join(placed).rstrip()

    def _format_list_row(self, row: tuple[str, ...]) -> str:
        named = [
            f"**{_escape_cell(name)}**: {_format_cell(cell)}" if name else _format_cell(cell)
            for name, cell in zip(self.header, row, strict=True)
            if cell
        ]
        return f"- {' · '.join(named)}\n" if named else ""


def parse_table_header(header: str, delimiter: str) -> Table | None:
    """The table that these two lines begin, or None if they begin none."""
    names, marks = split_cells(header), [_DELIMITER.fullmatch(cell) for cell in split_cells(delimiter)]
    if "|" not in header + delimiter or len(names) != len(marks):
        return None
    alignments = [_parse_alignment(mark) for mark in marks if mark]
    return Table(names, tuple(alignments)) if len(alignments) == len(names) > 0 else None


def _compute_last_width(others: Sequence[int]) -> int:
    """How many places are left to the last column."""
    return max(_MIN_LAST_WIDTH, COMFORTABLE_WIDTH - sum(others) - len(_GAP) * len(others))


def _parse_alignment(mark: re.Match[str]) -> Alignment:
    if mark[2]:
        return Alignment.CENTRE if mark[1] else Alignment.RIGHT
    return Alignment.LEFT


def _wrap(text: str, width: int) -> list[str]:
    """The text in lines of at most so many places, broken between words where it can be."""
    lines = [""]
    for word in text.split(" "):
        joined = f"{lines[-1]} {word}" if lines[-1] else word
        if display_width(joined) <= width:
            lines[-1] = joined
            continue
        if lines[-1]:
            lines.append("")
        for char in word:
            if display_width(lines[-1] + char) > width and lines[-1]:
                lines.append("")
            lines[-1] += char
    return lines


def _escape_cell(cell: str) -> str:
    """The cell's words alone, harmless between bold marks."""
    return _FORMATTING.sub(r"\\\1", strip_markdown(cell).replace("`", "'"))


def _format_cell(cell: str) -> str:
    """The cell with its marks, if it closes each; else its words alone."""
    shown = convert_inline(cell).replace("\n", " / ")
    words = shown
    for code in reversed(find_code_spans(shown)):
        words = words[: code.start] + "x" + words[code.end :]
    return shown if "`" not in words and is_balanced(words) else _escape_cell(cell)
