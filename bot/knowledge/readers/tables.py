"""Finds the tables on a sheet and writes their rows so that each value says which column it is in."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from bot.errors import DocumentUnreadable
from bot.knowledge.readers.page import TEXT_LIMIT, format_row

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_HEADER_SEARCH_ROWS: Final = 10  # rows at a table's top among which the names of the columns are looked for
_LONGEST_NAME: Final = 60  # characters of a column's name
_NUMBER = re.compile(r"[^\w]*[(]?[-+\u2212]?[^\w]{0,3}\d[\d.,'\s\u00a0\u202f:/-]*(?:[^\w]|[A-Za-z]{1,3}|E[-+]\d+)*[)]?")


@dataclass(frozen=True, slots=True)
class Table:
    """A sheet's rows as its cells show them; cells that are merged hold the same text."""

    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class _Block:
    """Rows of a table: their numbers on the sheet, the first column, their cells; ``is_header``: names alone."""

    numbers: Sequence[int]
    first_column: int
    rows: list[list[str]]
    is_header: bool = False

    @property
    def width(self) -> int:
        return len(self.rows[0])


def format_tables(table: Table) -> str:
    """Return the rows of all tables of a sheet, each row a paragraph."""
    return "\n\n".join(written for _, written in format_rows(table.rows))


def format_rows(rows: Sequence[Sequence[str]], *, is_one_table: bool = False) -> list[tuple[int, str]]:
    """Return each row with the names of its columns, and its number among all rows, counted from 0.

    Several tables on one sheet are told apart by the empty rows and columns between them, and each has names of its
    own; rows behind a gap that look like those before it go on with its names. Rows with one value above a table are
    its title. Two rows of names are joined: "2025" above "Q1" is "2025 Q1". With ``is_one_table`` gaps mean nothing.

    Raises:
        DocumentUnreadable: The text is longer than ``TEXT_LIMIT``.
    """
    records: list[tuple[int, str]] = []
    total = 0
    names: list[str] = []
    last: _Block | None = None
    blocks = [block for block in [_join_all(rows)] if block.rows] if is_one_table else list(_find_blocks(rows))
    for number, block in enumerate(blocks):
        following = blocks[number + 1] if number + 1 < len(blocks) else None
        is_continued = last is not None and (last.is_header or _continues(block, last, names))
        is_title = following is not None and block.width == 1 < following.width
        titles, heads = (len(block.rows), 0) if is_title else (0, 0) if is_continued else _find_header(block.rows)
        if not is_continued:
            names = _join_names(block.rows[titles : titles + heads]) if heads else []
        is_header = bool(heads) and len(block.rows) == titles + heads and _is_alike(block, following)
        for place, row in enumerate(block.rows):
            if titles <= place < titles + heads and (is_header or len(block.rows) > titles + heads):
                continue
            is_data = place >= titles + heads
            written = format_row(names if is_data else (), row if is_data else list(dict.fromkeys(row)))
            total += len(written)
            if total > TEXT_LIMIT:
                raise DocumentUnreadable(f"more than {TEXT_LIMIT:,} characters of text")
            records.append((block.numbers[place], written))
        last = replace(block, is_header=is_header)
    return records


def _join_all(rows: Sequence[Sequence[str]]) -> _Block:
    """Return all rows that are not empty as one block."""
    numbers = [number for number, row in enumerate(rows) if any(cell.strip() for cell in row)]
    width = max((len(rows[number]) for number in numbers), default=0)
    return _Block(numbers, 0, [[*rows[number], *[""] * (width - len(rows[number]))] for number in numbers])


def _find_blocks(rows: Sequence[Sequence[str]]) -> Iterator[_Block]:
    """Yield the parts of a sheet between empty rows, and in these the parts between empty columns."""
    start = 0
    for place in range(len(rows) + 1):
        if place < len(rows) and any(cell.strip() for cell in rows[place]):
            continue
        if place > start:
            yield from _split_columns(start, rows[start:place])
        start = place + 1


def _split_columns(first_row: int, rows: Sequence[Sequence[str]]) -> Iterator[_Block]:
    width = max(map(len, rows))
    is_filled = [False] * width
    for row in rows:
        for place, cell in enumerate(row):
            is_filled[place] = is_filled[place] or bool(cell.strip())
    starts = [place for place in range(width) if is_filled[place] and (place == 0 or not is_filled[place - 1])]
    ends = [
        place + 1 for place in range(width) if is_filled[place] and (place + 1 == width or not is_filled[place + 1])
    ]
    spans = list(zip(starts, ends, strict=True))
    if not all(_is_table_of_its_own([row[a:b] for row in rows]) for a, b in spans):
        spans = [(starts[0], ends[-1])]
    for a, b in spans:
        yield _Block(
            range(first_row, first_row + len(rows)), a, [[*row[a:b], *[""] * (b - max(len(row), a))] for row in rows]
        )


def _is_table_of_its_own(rows: Sequence[Sequence[str]]) -> bool:
    """Whether columns beside an empty one hold a table: two columns and two rows at least, names first."""
    filled = [row for row in rows if any(cell.strip() for cell in row)]
    return len(filled) > 1 and sum(bool(cell.strip()) for cell in filled[0]) > 1


def _find_header(rows: Sequence[Sequence[str]]) -> tuple[int, int]:
    """Return how many rows at the top are titles, and how many below them name the columns."""
    titles = 0
    for row in rows[: min(_HEADER_SEARCH_ROWS, len(rows) - 1)]:
        if len({cell.strip() for cell in row} - {""}) > 1:
            break
        titles += 1
    else:
        titles = 0  # one column alone: its first row names it
    first = rows[titles]
    if titles + 1 >= len(rows):
        return titles, 0 if titles else 1
    second = rows[titles + 1]
    has_groups = any(a.strip() and (a == b or not b.strip()) for a, b in pairwise(first))
    is_second_names = (
        has_groups
        and titles + 2 < len(rows)
        and not any(_is_number(cell) for cell in second)
        and sum(bool(cell.strip()) for cell in second) > 1
        and any(_is_number(cell) for cell in rows[titles + 2])
    )
    return titles, 2 if is_second_names else 1


def _join_names(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return one name a column; of two rows of names, that of a group counts for the columns right of it too."""
    if len(rows) == 1:
        return [cell.strip()[:_LONGEST_NAME] for cell in rows[0]]
    group, names = "", []
    for upper, lower in zip(*rows, strict=True):
        group = upper.strip() or (group if lower.strip() else "")
        names.append(" ".join(dict.fromkeys(filter(None, (group, lower.strip()))))[:_LONGEST_NAME])
    return names


def _continues(block: _Block, last: _Block, names: Sequence[str]) -> bool:
    """Whether rows behind a gap go on with the table before it: in its columns, of its types, without names above."""
    if not names or not _is_alike(block, last):
        return False
    first, above = block.rows[0], last.rows[-1]
    if len({cell.strip() for cell in first} - {""}) == 1 and len(first) > 1:
        return False
    return [_kind(cell) for cell in first] == [_kind(cell) for cell in above] and any(
        _is_number(cell) for cell in first
    )


def _is_alike(block: _Block, other: _Block | None) -> bool:
    """Whether two blocks are in the same columns."""
    return other is not None and (block.first_column, block.width) == (other.first_column, other.width)


def _kind(cell: str) -> str:
    return "number" if _is_number(cell) else "text" if cell.strip() else ""


def _is_number(cell: str) -> bool:
    return bool(_NUMBER.fullmatch(cell.strip())) and len(cell) < _LONGEST_NAME
