"""Lays out Markdown tables as aligned blocks of code, or as lists where the columns have no room.

Discord shows tables as bare pipes. A table's rows are held back up to a page's length, so that the columns fit them;
then the widths are fixed with some slack: a row that was returned stays where it was, and no word is ever broken.
"""

from __future__ import annotations

import html
import re
import unicodedata
from dataclasses import dataclass, replace
from enum import Enum
from itertools import zip_longest
from typing import TYPE_CHECKING

from bot.text.markdown import FENCE, Kind, pair_marks, tokenize

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MAX_BLOCK_WIDTH = 90
"""Widest table that is shown as a block, in columns of a fixed font; a wider one is a list."""

COMFORTABLE_WIDTH = 60
"""The width at which the last column wraps if it can: small screens wrap lines without regard for columns."""

_MIN_LAST_WIDTH = 16
"""Least width that the last column has to wrap in."""

_HELD_ROWS = 40
_HELD_LENGTH = 1_200
"""As long as no more rows, or characters in them, have come, the widths may still grow."""

_DECIDING_ROWS = 3
"""From these first rows it is decided, once, whether the table is a block or a list."""

_WIDTH_STEP = 4
"""A column grows by so many places at a time, so that a growing cell moves the rest now and then, not at every word."""

_GAP = "  "
_RULE = "─"

_PIPE = re.compile(r"(?<!\\)\|")
_DELIMITER = re.compile(r"(:?)-+(:?)")
_HEAD = re.compile(rf"[^\n]+\n{_RULE}+(?:{_GAP}{_RULE}+)*\n")
_FORMATTING = re.compile(r"([*_~|\[\]<>\\`])")
_MARKED = re.compile(r"[*_~|`\[\]<>\\&$\x00-\x1f\x7f\u2028\u2029]")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]+")


class Alignment(Enum):
    """Where in its column a cell is placed."""

    LEFT = "left"
    CENTRE = "centre"
    RIGHT = "right"

    def pad(self, text: str, width: int) -> str:
        """Return the text with spaces to fill so many places."""
        free = max(0, width - display_width(text))
        before = {Alignment.LEFT: 0, Alignment.CENTRE: free // 2, Alignment.RIGHT: free}[self]
        return " " * before + text + " " * (free - before)


def display_width(text: str) -> int:
    """Count the places a text takes in a fixed font: two for wide characters, none for combining and invisible ones."""
    if text.isascii():
        return len(text)
    return sum(_character_width(char) for char in text)


def _character_width(char: str) -> int:
    if unicodedata.category(char) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(char) in {"W", "F"} else 1


def find_table_head(code: str) -> str:
    """Return the first two lines of a block's code if they are a table's header, else nothing."""
    found = _HEAD.match(code)
    return found[0] if found else ""


def split_cells(line: str) -> tuple[str, ...]:
    """Return the cells of one line, as written."""
    parts = _PIPE.split(line.strip())
    inner = parts[1 if not parts[0].strip() else 0 : -1 if len(parts) > 1 and not parts[-1].strip() else None]
    return tuple(part.strip().replace("\\|", "|") for part in inner)


def strip_markdown(text: str) -> str:  # noqa: C901 - one case for each kind of token
    """Return the words of a line without its marks, for a place where no mark works; never three backticks in a row."""
    if not _MARKED.search(text):
        return text
    tokens = tokenize(text)
    marks = {place for pair in pair_marks(tokens) for place in (pair.start, pair.end)}
    words: list[str] = []
    opened: list[int] = []
    for position, token in enumerate(tokens):
        match token.kind:
            case Kind.MARK if position in marks:
                pass
            case Kind.CODE | Kind.FORMULA:
                words.append(token.value.strip())
            case Kind.ESCAPE:
                words.append(token.text[1:])
            case Kind.ENTITY:
                words.append(html.unescape(token.text))
            case Kind.TAG:
                words.append(" / " if token.value == "br" else "")
            case Kind.COMMENT:
                pass
            case Kind.OPEN | Kind.IMAGE:
                opened.append(len(words))
                words.append(token.text)
            case Kind.CLOSE:
                words.append(token.text)
                opened = opened[:-1]
            case Kind.TARGET if opened:
                words[opened.pop()] = ""
            case _:
                words.append(token.text)
    return break_up_fences(_UNPRINTABLE.sub(" ", "".join(words)))


def break_up_fences(code: str) -> str:
    """Return the code with a space after each second of three or more backticks: Discord would end the block there."""
    return re.sub(r"`{3,}", lambda run: " ".join(run[0][at : at + 2] for at in range(0, len(run[0]), 2)), code)


@dataclass(frozen=True, slots=True)
class Table:
    """A table as far as it has come.

    ``rows`` are those not returned yet, as words; ``widths`` are fixed once rows were returned. ``is_list``: it is
    shown as a list, None as long as that is open. ``write_cell`` writes a list's cell in Discord's Markdown.
    """

    header: tuple[str, ...]
    alignments: tuple[Alignment, ...]
    write_cell: Callable[[str], str]
    rows: tuple[tuple[str, ...], ...] = ()
    widths: tuple[int, ...] = ()
    is_list: bool | None = None

    def with_row(self, line: str) -> tuple[str, Table]:
        """Return what is shown now that another row has come, and the table with it."""
        row = self._fit_row(split_cells(line))
        if self.is_list:
            return self._format_list_row(row), self
        if self.widths:
            return self._format_block_row(_strip_row(row)), self
        table = replace(self, rows=(*self.rows, row))
        if len(table.rows) >= _DECIDING_ROWS and self.is_list is None:
            table = replace(table, is_list=table._is_too_wide())  # noqa: SLF001 - another one of ours
        if table.is_list:
            return "".join(map(self._format_list_row, table.rows)), replace(table, rows=())
        if len(table.rows) < _HELD_ROWS and sum(len("".join(row)) for row in table.rows) < _HELD_LENGTH:
            return "", table
        fixed = replace(table, rows=(), widths=table._compute_widths(slack=True), is_list=False)  # noqa: SLF001 - likewise
        return fixed._format_block_start(table.rows), fixed  # noqa: SLF001 - likewise

    def finish(self) -> str:
        """Return the rest: no more rows come."""
        if self.is_list and not self.rows:
            return ""
        if self.widths:
            return f"{FENCE}\n"
        if self.is_list is None and self._is_too_wide():
            if not self.rows:
                return f"{' · '.join(f'**{escape_cell(cell)}**' for cell in self.header if cell)}\n"
            return "".join(map(self._format_list_row, self.rows))
        return replace(self, widths=self._compute_widths())._format_block_start(self.rows) + f"{FENCE}\n"  # noqa: SLF001 - likewise

    def _is_too_wide(self) -> bool:
        widths = self._measure_columns(self.rows[:_DECIDING_ROWS])
        return sum(widths) + len(_GAP) * (len(self.header) - 1) > MAX_BLOCK_WIDTH

    def _fit_row(self, row: tuple[str, ...]) -> tuple[str, ...]:
        """Return the row with as many cells as there are columns; the last takes what is over."""
        count = len(self.header)
        if len(row) > count:
            return (*row[: count - 1], " | ".join(row[count - 1 :]))
        return row + ("",) * (count - len(row))

    def _measure_columns(self, rows: Sequence[tuple[str, ...]]) -> list[int]:
        return [
            max(display_width(strip_markdown(cell)) for cell in column)
            for column in zip(self.header, *rows, strict=True)
        ]

    def _compute_widths(self, *, slack: bool = False) -> tuple[int, ...]:
        *others, last = self._measure_columns(self.rows)
        steps = [-(-max(width, 1) // _WIDTH_STEP) * _WIDTH_STEP + (_WIDTH_STEP if slack else 0) for width in others]
        return (*steps, max(1, min(last, _compute_last_width(steps))))

    def _format_block_start(self, rows: tuple[tuple[str, ...], ...]) -> str:
        ruled = _GAP.join(_RULE * places for places in self.widths)
        head = self._format_block_row(_strip_row(self.header))
        return f"{FENCE}\n{head}{ruled}\n{''.join(self._format_block_row(_strip_row(row)) for row in rows)}"

    def _format_block_row(self, row: tuple[str, ...]) -> str:
        *others, last = self.widths
        rooms = [*others, max(last, _compute_last_width(others))]
        wrapped = [_wrap(cell, places) for cell, places in zip(row, rooms, strict=True)]
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
            f"**{escape_cell(name)}**: {self.write_cell(cell)}" if name else self.write_cell(cell)
            for name, cell in zip(self.header, row, strict=True)
            if cell
        ]
        return f"- {' · '.join(named)}\n" if named else ""


def parse_table_header(header: str, delimiter: str, write_cell: Callable[[str], str] | None = None) -> Table | None:
    """Return the table that these two lines begin, or None if they begin none."""
    if "|" not in header + delimiter or "-" not in delimiter:
        return None
    names, marks = split_cells(header), [_DELIMITER.fullmatch(cell) for cell in split_cells(delimiter)]
    alignments = [_parse_alignment(mark) for mark in marks if mark]
    is_table = len(names) == len(marks) == len(alignments) > 0
    return Table(names, tuple(alignments), write_cell or escape_cell) if is_table else None


def escape_cell(cell: str) -> str:
    """Return the cell's words alone, harmless between other marks."""
    return _FORMATTING.sub(r"\\\1", strip_markdown(cell))


def _strip_row(row: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(strip_markdown, row))


def _compute_last_width(others: Sequence[int]) -> int:
    """Return how many places are left to the last column."""
    return max(_MIN_LAST_WIDTH, COMFORTABLE_WIDTH - sum(others) - len(_GAP) * len(others))


def _parse_alignment(mark: re.Match[str]) -> Alignment:
    if mark[2]:
        return Alignment.CENTRE if mark[1] else Alignment.RIGHT
    return Alignment.LEFT


def _wrap(text: str, width: int) -> list[str]:
    """Return the text in lines of at most so many places, broken between words; a longer word is a line of its own."""
    lines = [""]
    for word in text.split(" "):
        joined = f"{lines[-1]} {word}" if lines[-1] else word
        if not lines[-1] or display_width(joined) <= width:
            lines[-1] = joined
        else:
            lines.append(word)
    return lines
