"""Tables come in; rows that say what each of their values is go out, sheet by sheet."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final

from bot.errors import DocumentUnreadable
from bot.knowledge.readers.page import TEXT_LIMIT, Page, format_row, map_line_numbers
from bot.knowledge.readers.text import OLE_SIGNATURE, decode_text
from bot.knowledge.readers.zip_guard import open_checked_zip, read_member

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

CELL_LIMIT: Final = 20_000_000
"""How many cells the used part of a sheet may span, empty ones included: a reader makes room for all of them."""

_HEADER_SEARCH_ROWS = 10  # rows among which the names of the columns are looked for
# A row or a cell, with where it says it is, if it does. No "<" stands inside a tag, whatever else does.
_CELL_POSITION = re.compile(
    rb"<(?:\w+:)?(?:(?P<row>row)|c)\b(?:[^<]*?\sr\s*=\s*[\"']\s*(?P<column>[A-Z]{0,3})0*(?P<line>\d{1,9})\s*[\"'])?",
    re.IGNORECASE,
)


def read_csv(content: bytes) -> list[Page]:
    """Rows of values between commas, semicolons, tabs or bars."""
    text = decode_text(content)
    try:
        dialect: Any = csv.Sniffer().sniff(text[:16_384], delimiters=",;\t|")
    except csv.Error:
        dialect = csv.excel
    return _read_rows(text, dialect)


def read_tsv(content: bytes) -> list[Page]:
    """Rows of values between tabs."""
    return _read_rows(decode_text(content), csv.excel_tab)


def _read_rows(text: str, dialect: Any) -> list[Page]:
    reader = csv.reader(io.StringIO(text, newline=""), dialect)
    begins = [1]
    rows: list[list[str]] = []
    try:
        for row in reader:
            rows.append(row)
            begins.append(reader.line_num + 1)
    except csv.Error as error:
        raise DocumentUnreadable("damaged CSV: a field is too long or not closed") from error
    records = _format_rows(rows)
    lines = map_line_numbers((begins[place], f"{written}\n\n") for place, written in records)
    return [Page(_join_rows(records), is_markdown=False, line_numbers=lines)]


def _join_rows(rows: Iterable[tuple[int, str]]) -> str:
    return "\n\n".join(written for _, written in rows)


def _format_rows(rows: Iterable[Sequence[str]]) -> list[tuple[int, str]]:
    """The rows below the names of the columns, each with those names, and with its place among all rows.

    The names are the first row; where a title stands above them, alone in its row, the first row of several cells.

    Raises:
        DocumentUnreadable: they are too much text; wide tables multiply their names.
    """
    filled = ((place, row) for place, row in enumerate(rows) if any(cell.strip() for cell in row))
    top = list(islice(filled, _HEADER_SEARCH_ROWS)) or [(0, [])]
    above = next((number for number, (_, row) in enumerate(top[:-1]) if sum(map(bool, map(str.strip, row))) > 1), 0)
    first, header = top[above]
    records = [(place, format_row((), row)) for place, row in top[:above]]
    total = 0
    for place, row in chain(top[above + 1 :], filled):
        records.append((place, format_row(header, row)))
        total += len(records[-1][1])
        if total > TEXT_LIMIT:
            raise DocumentUnreadable(f"more than {TEXT_LIMIT:,} characters of text")
    return records or [(first, "; ".join(cell for cell in header if cell.strip()))]


def read_xlsx(content: bytes) -> list[Page]:
    """The visible sheets of an Excel workbook.

    Raises:
        DocumentUnreadable: it is damaged, locked, or too large inside.
    """
    archive = open_checked_zip(content, "XLSX", "xl/workbook.xml")
    for name in archive.namelist():
        part = read_member(archive, name, "XLSX").replace(b"\x00", b"")
        if b"sheetData" in part:  # wherever it stands: the workbook may lead anywhere
            _reject_oversized(part)
    return _read_workbook(content, "XLSX")


def read_ods(content: bytes) -> list[Page]:
    """The visible sheets of an OpenDocument workbook.

    Raises:
        DocumentUnreadable: as ``read_xlsx``.
    """
    archive = open_checked_zip(content, "ODS", "content.xml")
    if "META-INF/manifest.xml" in archive.namelist() and b"encryption-data" in read_member(
        archive, "META-INF/manifest.xml", "ODS"
    ):
        raise DocumentUnreadable("password-protected")
    return _read_workbook(content, "ODS")


def read_xls(content: bytes) -> list[Page]:
    """The visible sheets of a workbook as Excel wrote it before 2007.

    Raises:
        DocumentUnreadable: as ``read_xlsx``.
    """
    if not content.startswith(OLE_SIGNATURE):
        raise DocumentUnreadable("its content is not XLS")
    return _read_workbook(content, "XLS")


def _reject_oversized(sheet: bytes) -> None:
    """Look for a cell so far out that to make room for all before it would take the process down.

    A row or cell that does not say where it is comes right behind the one before it.
    """
    columns = rows = 1
    column = row = 0
    for match in _CELL_POSITION.finditer(sheet):
        line, letters = match["line"], match["column"]
        if match["row"]:
            column, row = 0, int(line) if line else row + 1
        else:
            column, row = _parse_column(letters.upper()) if letters else column + 1, int(line) if line else row
        columns, rows = max(columns, column), max(rows, row)
        if columns * rows > CELL_LIMIT:
            raise DocumentUnreadable(f"a sheet spans {columns:,} columns and {rows:,} rows; delete what stands far out")


def _parse_column(letters: bytes) -> int:
    """A column's number, from 1: XFD → 16,384."""
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number


def _read_workbook(content: bytes, kind: str) -> list[Page]:
    from python_calamine import (  # noqa: PLC0415 - loaded with the first such file
        CalamineError,
        CalamineWorkbook,
        PasswordError,
        SheetVisibleEnum,
    )

    try:
        workbook = CalamineWorkbook.from_filelike(io.BytesIO(content))
        names = [each.name for each in workbook.sheets_metadata if each.visible == SheetVisibleEnum.Visible]
        sheets = [(name, _join_rows(_format_rows(_iterate_rows(workbook.get_sheet_by_name(name))))) for name in names]
    except PasswordError as error:
        raise DocumentUnreadable("password-protected") from error
    except (CalamineError, ValueError, OSError) as error:
        raise DocumentUnreadable(f"damaged {kind}") from error
    shown = [(name, text) for name, text in sheets if text]
    return [Page(text, section=name if len(shown) > 1 else "", is_markdown=False) for name, text in shown]


def _iterate_rows(sheet: Any) -> Iterator[list[str]]:
    for row in sheet.iter_rows():
        yield [_format_value(value) for value in row]


def _format_value(value: Any) -> str:
    """A cell as a reader sees it: whole numbers without a point, midnight without its time."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() and abs(value) < 1e15 else repr(value)  # noqa: PLR2004
    if isinstance(value, dt.datetime) and value.time() == dt.time():
        return value.date().isoformat()
    if isinstance(value, dt.datetime | dt.date | dt.time):
        return value.isoformat(" ") if isinstance(value, dt.datetime) else value.isoformat()
    return str(value)
