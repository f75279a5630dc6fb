"""Makes tables of web pages regular: spanned cells repeated, one row of column names, the caption above."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any, Final

from lxml import html

from bot.errors import DocumentUnreadable

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_TABLE_CELLS: Final = 500_000

_MAX_SPAN: Final = 100  # rows or columns that one cell is repeated over
_MAX_SPAN_DIGITS: Final = 5


def fill_table(table: Any) -> None:
    """Replace a table in its tree by a regular one, whose first row names its columns.

    Raises:
        DocumentUnreadable: It has more than ``MAX_TABLE_CELLS`` cells, spanned ones counted each.
    """
    parent = table.getparent()
    if parent is None:
        return
    for caption in table.findall("caption"):
        words = _read_cell(caption)
        table.remove(caption)
        if words:
            paragraph = html.Element("p")
            paragraph.text = words
            table.addprevious(paragraph)
    grid = _expand_spans(list(table.iter("tr")))
    if not grid:
        return
    filled = html.Element("table")
    filled.tail = table.tail
    heads = _count_head_rows(grid)
    _append_row(_append(filled, "thead"), _join_heads(grid[:heads]) if heads > 1 else grid[0], "th")
    body = _append(filled, "tbody")
    for row in grid[max(heads, 1) :]:
        _append_row(body, row, "td")
    parent.replace(table, filled)


def _count_head_rows(grid: Sequence[Sequence[Any]]) -> int:
    """Return how many rows at the top name columns: all of their cells are heads, or they are in the table's head."""
    count = 0
    for row in grid:
        if not (all(cell.tag == "th" for cell in row) or any(each.tag == "thead" for each in row[0].iterancestors())):
            break
        count += 1
    return count


def _join_heads(rows: Sequence[Sequence[Any]]) -> list[Any]:
    """Return one row of names for several: "2025" above "Q1" is "2025 Q1"."""
    joined: list[Any] = []
    for place in range(max(map(len, rows))):
        names = dict.fromkeys(_read_cell(row[place]) for row in rows if place < len(row))
        cell = html.Element("th")
        cell.text = " ".join(filter(None, names))
        joined.append(cell)
    return joined


def _expand_spans(rows: Sequence[Any]) -> list[list[Any]]:
    """Return a table's cells by row and column, each as often as it spans."""
    grid: list[list[Any]] = []
    spanned: dict[int, tuple[int, Any]] = {}  # by column: the rows that are left to fill, and the cell
    total = 0
    for row in rows:
        line: list[Any] = []
        for cell in row.iterchildren("td", "th"):
            _fill_spanned(line, spanned)
            down = _parse_span(cell, "rowspan")
            for _ in range(_parse_span(cell, "colspan")):
                if down > 1:
                    spanned[len(line)] = (down - 1, cell)
                line.append(cell)
        _fill_spanned(line, spanned)
        total += len(line)
        if total > MAX_TABLE_CELLS:
            raise DocumentUnreadable(f"a table of more than {MAX_TABLE_CELLS:,} cells")
        if line:
            grid.append(line)
    return grid


def _fill_spanned(line: list[Any], spanned: dict[int, tuple[int, Any]]) -> None:
    """Append the cells from rows above that reach down to the next columns of this line."""
    while len(line) in spanned:
        left, cell = spanned.pop(len(line))
        if left > 1:
            spanned[len(line)] = (left - 1, cell)
        line.append(cell)


def _parse_span(cell: Any, name: str) -> int:
    value = str(cell.get(name) or "").strip()
    is_number = value.isascii() and value.isdecimal() and len(value) <= _MAX_SPAN_DIGITS
    return min(max(int(value), 1), _MAX_SPAN) if is_number else 1


def _read_cell(cell: Any) -> str:
    return " ".join(str(cell.text_content()).split())


def _append(parent: Any, tag: str) -> Any:
    made = html.Element(tag)
    parent.append(made)
    return made


def _append_row(parent: Any, cells: Sequence[Any], tag: str) -> None:
    row = _append(parent, "tr")
    for cell in cells:
        made = _append(row, tag)
        made.text = cell.text
        made.extend(deepcopy(child) for child in cell)
