"""Reads the parts of an Excel workbook: each visible sheet as rows of text, as its cells show them."""

from __future__ import annotations

import io
import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from bot.errors import DocumentUnreadable
from bot.knowledge.readers.number_formats import BUILT_IN_FORMATS, format_general, format_number
from bot.knowledge.readers.page import format_failure_note
from bot.knowledge.readers.zip_guard import find_main_part, parse_xml, read_member, read_relationships

if TYPE_CHECKING:
    import zipfile
    from collections.abc import Iterator

_KIND: Final = "XLSX"
_MAX_MERGED_CELLS: Final = 200_000
_MAX_REPEATED: Final = 1_000  # cells that one merged value is repeated over
_REFERENCE = re.compile(r"([A-Z]{1,3})(\d{1,7})")


@dataclass(frozen=True, slots=True)
class Sheet:
    """One visible sheet: its name and its rows."""

    name: str
    rows: list[list[str]]


@dataclass(slots=True)
class Workbook:
    """The visible sheets, and a note on what could not be read of them."""

    sheets: list[Sheet] = field(default_factory=list[Sheet])
    note: str = ""


@dataclass(frozen=True, slots=True)
class _Styles:
    """What cells refer to: shared texts, and the number format of each style."""

    texts: list[str]
    formats: list[str]
    is_1904: bool


def read_workbook(archive: zipfile.ZipFile) -> Workbook:
    """Read the visible sheets; one that is broken costs no other.

    Raises:
        DocumentUnreadable: The workbook itself is damaged, or no sheet of it can be read.
    """
    main = find_main_part(archive, _KIND, "xl/workbook.xml")
    tree = parse_xml(read_member(archive, main, _KIND), _KIND)
    if tree is None:
        raise DocumentUnreadable(f"damaged {_KIND}")
    targets = dict(read_relationships(archive, main, _KIND))
    texts = _find_part(archive, main, "/sharedStrings")
    is_1904 = any(each.get("date1904") in {"1", "true"} for each in tree.iter("{*}workbookPr"))
    styles = _Styles(_read_texts(texts), _read_formats(_find_part(archive, main, "/styles")), is_1904)
    made, broken = Workbook(), 0
    for sheet in tree.iter("{*}sheet"):
        if sheet.get("state") in {"hidden", "veryHidden"}:
            continue
        part = targets.get(next((value for name, value in sheet.items() if name.endswith("}id")), ""), "")
        try:
            if "chartsheet" not in part:
                made.sheets.append(Sheet(str(sheet.get("name") or ""), _read_sheet(archive, part, styles)))
        except (DocumentUnreadable, KeyError, ValueError):
            broken += 1
    if broken and not made.sheets:
        raise DocumentUnreadable(f"damaged {_KIND}")
    made.note = format_failure_note(broken, "sheet")
    return made


def _find_part(archive: zipfile.ZipFile, main: str, relation: str) -> Any:
    """Return a part of the workbook as a tree; None where it is missing."""
    names = set(archive.namelist())
    found = [target for _, target in read_relationships(archive, main, _KIND, relation) if target in names]
    return parse_xml(read_member(archive, found[0], _KIND), _KIND) if found else None


def _read_texts(tree: Any) -> list[str]:
    return [] if tree is None else [_join_text(item) for item in tree.iter("{*}si")]


def _join_text(item: Any) -> str:
    """Return a text's runs joined; how Japanese is pronounced is left out."""
    runs = [each for each in item.iter("{*}t") if not any(up.tag.endswith("}rPh") for up in each.iterancestors())]
    return re.sub(r"_x([0-9A-Fa-f]{4})_", lambda match: chr(int(match[1], 16)), "".join(run.text or "" for run in runs))


def _read_formats(tree: Any) -> list[str]:
    """Return the format code of each cell style, "" for none."""
    if tree is None:
        return []
    own = {each.get("numFmtId"): str(each.get("formatCode") or "") for each in tree.iter("{*}numFmt")}
    styles = next(iter(tree.iter("{*}cellXfs")), None)
    numbers = [] if styles is None else [str(each.get("numFmtId") or "0") for each in styles.iterchildren("{*}xf")]
    return [own.get(number) or BUILT_IN_FORMATS.get(int(number) if number.isdecimal() else 0, "") for number in numbers]


def _read_sheet(archive: zipfile.ZipFile, part: str, styles: _Styles) -> list[list[str]]:
    rows: dict[int, dict[int, str]] = {}
    merged: list[str] = []
    row = column = 0
    for element in _iterate_elements(read_member(archive, part, _KIND)):
        if element.tag.endswith("}mergeCell"):
            merged.append(str(element.get("ref") or ""))
            continue
        number = str(element.get("r") or "")
        row, column = int(number) if number.isdecimal() else row + 1, 0
        for cell in element.iterchildren("{*}c"):
            place = _REFERENCE.fullmatch(str(cell.get("r") or ""))
            column = _parse_column(place[1]) if place else column + 1
            if text := _read_cell(cell, styles):
                rows.setdefault(row, {})[column] = text
        element.clear()
    _repeat_merged(rows, merged)
    last = max(rows, default=0)
    return [
        [rows[number].get(place, "") for place in range(1, max(rows[number]) + 1)] if number in rows else []
        for number in range(min(rows, default=1), last + 1)
    ]


def _iterate_elements(content: bytes) -> Iterator[Any]:
    from lxml import etree  # noqa: PLC0415 - loaded with the first such file

    options: dict[str, Any] = {"resolve_entities": False, "no_network": True, "load_dtd": False, "huge_tree": True}
    try:
        for _, element in etree.iterparse(io.BytesIO(content), tag=("{*}row", "{*}mergeCell"), recover=True, **options):
            yield element
    except etree.XMLSyntaxError as error:
        raise DocumentUnreadable(f"damaged {_KIND}") from error


def _parse_column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number


def _read_cell(cell: Any, styles: _Styles) -> str:
    """Return what a cell shows; a formula whose result is not in the file is named."""
    kind = cell.get("t") or "n"
    raw = cell.findtext("{*}v")
    if kind == "inlineStr":
        return "".join(_join_text(each) for each in cell.iterchildren("{*}is"))
    if raw is None or not raw.strip():
        formula = cell.findtext("{*}f")
        return f"={formula} (not calculated)" if formula else ""
    raw = str(raw)
    if kind == "s":
        return styles.texts[int(raw)] if raw.isdecimal() and int(raw) < len(styles.texts) else ""
    if kind == "b":
        return "yes" if raw.strip() == "1" else "no"
    if kind == "d":
        return raw.replace("T00:00:00", "").replace("T", " ")
    return _format_value(raw, cell, styles) if kind == "n" else raw


def _format_value(raw: str, cell: Any, styles: _Styles) -> str:
    try:
        value = float(raw)
    except ValueError:
        return raw
    if not math.isfinite(value):
        return raw
    style = str(cell.get("s") or "0")
    code = styles.formats[int(style)] if style.isdecimal() and int(style) < len(styles.formats) else ""
    return format_number(value, code, is_1904=styles.is_1904) if code else format_general(value)


def _repeat_merged(rows: dict[int, dict[int, str]], merged: list[str]) -> None:
    """Put the value of merged cells into each of them."""
    filled = 0
    for reference in merged:
        corners = _REFERENCE.findall(reference)
        if len(corners) != 2:  # noqa: PLR2004 - a range has two
            continue
        (left, top), (right, bottom) = ((_parse_column(letters), int(number)) for letters, number in corners)
        text = rows.get(top, {}).get(left, "")
        size = (right - left + 1) * (bottom - top + 1)
        filled += size
        if not text or not 0 < size <= _MAX_REPEATED or filled > _MAX_MERGED_CELLS:
            continue
        for row in range(top, bottom + 1):
            for column in range(left, right + 1):
                rows.setdefault(row, {}).setdefault(column, text)
