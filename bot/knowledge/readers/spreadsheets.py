"""Reads tables: CSV, TSV and Excel workbooks, as rows that name the column of each value."""

from __future__ import annotations

import csv
import datetime as dt
import io
import math
import re
from typing import TYPE_CHECKING, Any, Final

from bot.errors import DocumentUnreadable
from bot.knowledge.readers.number_formats import format_general
from bot.knowledge.readers.page import TEXT_LIMIT, Page, map_line_numbers
from bot.knowledge.readers.tables import Table, format_rows, format_tables
from bot.knowledge.readers.text import OLE_SIGNATURE, decode_text
from bot.knowledge.readers.workbooks import read_workbook
from bot.knowledge.readers.zip_guard import find_main_part, open_checked_zip, read_member

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

CELL_LIMIT: Final = 20_000_000
"""Cells that the used part of a sheet may span, empty ones included: libraries make room for all of them."""

# A row or a cell, with where it says it is, if it does. No "<" stands inside a tag, whatever else does.
_CELL_POSITION = re.compile(
    rb"<(?:\w+:)?(?:(?P<row>row)|c)\b(?:[^<]*?\sr\s*=\s*[\"']\s*(?P<column>[A-Z]{0,3})0*(?P<line>\d{1,9})\s*[\"'])?",
    re.IGNORECASE,
)


def read_csv(content: bytes) -> list[Page]:
    """Read rows of values between commas, semicolons, tabs or bars."""
    text = decode_text(content)
    try:
        dialect: Any = csv.Sniffer().sniff(text[:16_384], delimiters=",;\t|")
    except csv.Error:
        dialect = csv.excel
    return _read_rows(text, dialect)


def read_tsv(content: bytes) -> list[Page]:
    """Read rows of values between tabs."""
    return _read_rows(decode_text(content), csv.excel_tab)


def _parse_rows(text: str, dialect: Any, *, is_strict: bool) -> tuple[list[int], list[list[str]]]:
    """Return the line on which each row begins, and the rows.

    Raises:
        csv.Error: With ``is_strict``, a quotation mark is not where it may be, or is not closed.
    """
    csv.field_size_limit(TEXT_LIMIT)  # the library's own limit refuses ordinary long texts
    reader = csv.reader(io.StringIO(text, newline=""), dialect, strict=is_strict)
    begins = [1]
    rows: list[list[str]] = []
    for row in reader:
        rows.append(row)
        begins.append(reader.line_num + 1)
    return begins, rows


def _read_rows(text: str, dialect: Any) -> list[Page]:
    try:
        begins, rows = _parse_rows(text, dialect, is_strict=True)
    except csv.Error as error:
        if "end of data" in str(error):
            raise DocumentUnreadable("damaged CSV: a field is not closed") from error
        try:
            begins, rows = _parse_rows(text, dialect, is_strict=False)
        except csv.Error as again:
            raise DocumentUnreadable("damaged CSV: a field is too long") from again
    records = format_rows(rows, is_one_table=True)
    lines = map_line_numbers((begins[place], f"{written}\n\n") for place, written in records)
    return [Page("\n\n".join(written for _, written in records), is_markdown=False, line_numbers=lines)]


def read_xlsx(content: bytes) -> list[Page]:
    """Read the visible sheets of an Excel workbook.

    Raises:
        DocumentUnreadable: It is damaged, locked, or too large inside.
    """
    archive = open_checked_zip(content, "XLSX")
    find_main_part(archive, "XLSX", "xl/workbook.xml")
    for name in archive.namelist():
        part = read_member(archive, name, "XLSX").replace(b"\x00", b"")
        if b"sheetData" in part:  # wherever it is: the workbook may lead anywhere
            _reject_oversized(part)
    workbook = read_workbook(archive)
    return _make_pages(((sheet.name, sheet.rows) for sheet in workbook.sheets), workbook.note)


def read_xls(content: bytes) -> list[Page]:
    """Read the visible sheets of a workbook as Excel wrote it before 2007.

    Raises:
        DocumentUnreadable: As ``read_xlsx``.
    """
    if not content.startswith(OLE_SIGNATURE):
        raise DocumentUnreadable("its content is not XLS")
    return _read_old_workbook(content)


def _reject_oversized(sheet: bytes) -> None:
    """Refuse a sheet with a cell so far out that making room for all before it would exhaust the memory.

    A row or cell that does not say where it is follows the one before it.
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
    """Return a column's number, from 1: XFD → 16,384."""
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number


def _read_old_workbook(content: bytes) -> list[Page]:
    from python_calamine import (  # noqa: PLC0415 - loaded with the first such file
        CalamineError,
        CalamineWorkbook,
        PasswordError,
        SheetVisibleEnum,
    )

    try:
        workbook = CalamineWorkbook.from_filelike(io.BytesIO(content))
        names = [each.name for each in workbook.sheets_metadata if each.visible == SheetVisibleEnum.Visible]
        sheets = [(name, list(_iterate_rows(workbook.get_sheet_by_name(name)))) for name in names]
    except PasswordError as error:
        raise DocumentUnreadable("password-protected") from error
    except (CalamineError, ValueError, OSError) as error:
        raise DocumentUnreadable("damaged XLS") from error
    return _make_pages(sheets)


def _make_pages(sheets: Iterable[tuple[str, Sequence[Sequence[str]]]], note: str = "") -> list[Page]:
    """Return a page for each sheet that holds text, under the sheet's name."""
    shown = [(name, text) for name, rows in sheets if (text := format_tables(Table(rows)))]
    return [
        Page(text, section=name, is_markdown=False, note="" if place else note)
        for place, (name, text) in enumerate(shown)
    ]


def _iterate_rows(sheet: Any) -> Iterator[list[str]]:
    for row in sheet.iter_rows():
        yield [_format_value(value) for value in row]


def _format_value(value: Any) -> str:
    """Return a cell's value as a reader sees it: whole numbers without a point, midnight without its time."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return format_general(value) if math.isfinite(value) else str(value)
    if isinstance(value, dt.datetime) and value.time() == dt.time():
        return value.date().isoformat()
    if isinstance(value, dt.datetime | dt.date | dt.time):
        return value.isoformat(" ") if isinstance(value, dt.datetime) else value.isoformat()
    return str(value)
