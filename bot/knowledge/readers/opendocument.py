"""Reads OpenDocument texts, presentations and spreadsheets, each cell as it is displayed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bot.errors import DocumentUnreadable
from bot.knowledge.readers.page import Page
from bot.knowledge.readers.tables import Table, format_tables
from bot.knowledge.readers.zip_guard import open_checked_zip, parse_xml, read_member

if TYPE_CHECKING:
    import zipfile
    from collections.abc import Iterator

_OFFICE: Final = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_TEXT: Final = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_TABLE: Final = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_DRAW: Final = "{urn:oasis:names:tc:opendocument:xmlns:drawing:1.0}"
_PRESENTATION: Final = "{urn:oasis:names:tc:opendocument:xmlns:presentation:1.0}"
_STYLE: Final = "{urn:oasis:names:tc:opendocument:xmlns:style:1.0}"
_DUBLIN: Final = "{http://purl.org/dc/elements/1.1/}"
_IGNORED: Final = frozenset(
    {f"{_TEXT}tracked-changes", f"{_OFFICE}forms", f"{_TEXT}sequence-decls", f"{_TEXT}table-of-content",
     f"{_TEXT}alphabetical-index", f"{_TEXT}note-citation", f"{_TEXT}bookmark"}
)  # fmt: skip
_MAX_COLUMNS: Final = 16_384
_MAX_CELLS: Final = 2_000_000
_MAX_DEPTH: Final = 200
_MAX_REPEATED: Final = 1_000  # rows or empty cells that are written once and meant often
_LONGEST_NUMBER: Final = 9  # digits


def read_odt(content: bytes) -> list[Page]:
    """Read a text: headings, paragraphs, lists, tables, notes.

    Raises:
        DocumentUnreadable: It is damaged, locked or too large inside.
    """
    archive, body = _open(content, "ODT", "text")
    return [Page("\n\n".join(_format_blocks(body)), _read_title(archive))]


def read_odp(content: bytes) -> list[Page]:
    """Read a presentation, a page a slide, with the speaker's notes.

    Raises:
        DocumentUnreadable: As ``read_odt``.
    """
    archive, body = _open(content, "ODP", "presentation")
    title = _read_title(archive)
    return [_read_slide(slide, number, title) for number, slide in enumerate(body.findall(f"{_DRAW}page"), 1)]


def read_ods(content: bytes) -> list[Page]:
    """Read the visible sheets of a spreadsheet; a cell's text is what the sheet shows.

    Raises:
        DocumentUnreadable: As ``read_odt``, or a sheet has too many cells.
    """
    archive, body = _open(content, "ODS", "spreadsheet")
    hidden = _find_hidden_styles(archive)
    pages = []
    for sheet in body.findall(f"{_TABLE}table"):
        if sheet.get(f"{_TABLE}style-name") in hidden or sheet.get(f"{_TABLE}display") == "false":
            continue
        rows = list(_read_rows(sheet))
        if text := format_tables(Table(rows)):
            pages.append(Page(text, section=str(sheet.get(f"{_TABLE}name") or ""), is_markdown=False))
    return pages


def _open(content: bytes, kind: str, part: str) -> tuple[zipfile.ZipFile, Any]:
    archive = open_checked_zip(content, kind, "content.xml")
    manifest = "META-INF/manifest.xml"
    if manifest in archive.namelist() and b"encryption-data" in read_member(archive, manifest, kind):
        raise DocumentUnreadable("password-protected")
    tree = parse_xml(read_member(archive, "content.xml", kind), kind)
    body = None if tree is None else tree.find(f"{_OFFICE}body/{_OFFICE}{part}")
    if body is None:
        raise DocumentUnreadable(f"damaged {kind}: it holds no document")
    return archive, body


def _read_title(archive: zipfile.ZipFile) -> str:
    if "meta.xml" not in archive.namelist():
        return ""
    tree = parse_xml(read_member(archive, "meta.xml", "OpenDocument"), "OpenDocument")
    return "" if tree is None else next((_join(each) for each in tree.iter(f"{_DUBLIN}title")), "")


def _find_hidden_styles(archive: zipfile.ZipFile) -> frozenset[str]:
    tree = parse_xml(read_member(archive, "content.xml", "ODS"), "ODS")
    found = [
        str(style.get(f"{_STYLE}name"))
        for style in tree.iter(f"{_STYLE}style")
        if any(each.get(f"{_TABLE}display") == "false" for each in style.iter(f"{_STYLE}table-properties"))
    ]
    return frozenset(found)


def _read_slide(slide: Any, number: int, title: str) -> Page:
    heading, parts = "", []
    for frame in slide.iter(f"{_DRAW}frame", f"{_DRAW}custom-shape"):
        if any(each.tag == f"{_PRESENTATION}notes" for each in frame.iterancestors()):
            continue
        text = "\n\n".join(_format_blocks(frame))
        if frame.get(f"{_PRESENTATION}class") == "title" and not heading:
            heading = " ".join(text.split())
        elif text:
            parts.append(text)
    notes = ("\n\n".join(_format_blocks(each)) for each in slide.iter(f"{_PRESENTATION}notes"))
    parts += [f"Notes: {text}" for text in notes if text]
    body = "\n\n".join(parts)
    return Page(f"## {heading}\n\n{body}" if heading and body else heading or body, title or heading, number=number)


def _format_blocks(element: Any, depth: int = 0, level: int = 0) -> Iterator[str]:
    """Yield the Markdown of an element's blocks."""
    if depth > _MAX_DEPTH:
        raise DocumentUnreadable("nested too deeply")
    for child in element:
        tag = child.tag
        if not isinstance(tag, str) or tag in _IGNORED:
            continue
        if tag in {f"{_TEXT}h", f"{_TEXT}p"}:
            yield from _format_paragraph(child)
            yield from _format_frames(child, depth)
        elif tag == f"{_TEXT}list":
            yield from filter(None, ["\n".join(_format_list(child, depth, level))])
        elif tag == f"{_TABLE}table":
            yield _format_table(child)
        else:
            yield from _format_blocks(child, depth + 1, level)


def _format_paragraph(element: Any) -> Iterator[str]:
    if not (words := _join(element)):
        return
    outline = str(element.get(f"{_TEXT}outline-level") or "1")
    is_heading = element.tag == f"{_TEXT}h"
    yield f"{'#' * min(int(outline) if outline.isdecimal() else 1, 6)} {words}" if is_heading else words


def _format_frames(paragraph: Any, depth: int) -> Iterator[str]:
    """Yield the text of boxes that are anchored in a paragraph."""
    for box in paragraph.iter(f"{_DRAW}text-box"):
        yield from _format_blocks(box, depth + 1)


def _format_list(element: Any, depth: int, level: int) -> Iterator[str]:
    for item in element.findall(f"{_TEXT}list-item") + element.findall(f"{_TEXT}list-header"):
        blocks = list(_format_blocks(item, depth + 1, level + 1))
        for place, block in enumerate(blocks):
            is_list = block.lstrip().startswith("- ")
            margin = "" if is_list else "  " * level + ("- " if place == 0 else "  ")
            yield block if is_list else margin + " ".join(block.split())


def _format_table(element: Any) -> str:
    rows = [[" ".join(cell.split()).replace("|", "\\|") for cell in row] for row in _read_rows(element)]
    rows = [row for row in rows if any(row)]
    if not rows:
        return ""
    width = max(map(len, rows))
    written = ["| " + " | ".join([*row, *[""] * (width - len(row))]) + " |" for row in rows]
    return "\n".join([written[0], "|" + " --- |" * width, *written[1:]])


def _read_rows(table: Any) -> Iterator[list[str]]:
    """Yield a table's rows; a cell that spans others is repeated in them, and repeated rows come as often.

    Raises:
        DocumentUnreadable: There are too many cells.
    """
    spanned: dict[int, tuple[int, str]] = {}
    total = 0
    for row in table.iter(f"{_TABLE}table-row"):
        line = _read_row(row, spanned)
        times = min(_count(row, "number-rows-repeated"), _MAX_REPEATED) if line else 1
        total += max(len(line), 1) * times
        if total > _MAX_CELLS:
            raise DocumentUnreadable(f"a table of more than {_MAX_CELLS:,} cells")
        for _ in range(times):
            yield list(line)


def _read_row(row: Any, spanned: dict[int, tuple[int, str]]) -> list[str]:
    """Return a row's cells; ``spanned`` holds by column the rows still covered by a cell above, and its text."""
    line: list[str] = []
    for cell in row.iterchildren(f"{_TABLE}table-cell", f"{_TABLE}covered-table-cell"):
        text = "\n".join(filter(None, (_join(each) for each in cell.findall(f".//{_TEXT}p"))))
        is_covered = cell.tag == f"{_TABLE}covered-table-cell"
        first = len(line)
        for _ in range(min(_count(cell, "number-columns-repeated"), _MAX_COLUMNS if text else _MAX_REPEATED)):
            left, above = spanned.pop(len(line), (0, ""))
            if left > 1:
                spanned[len(line)] = (left - 1, above)
            line.append(above if is_covered and not text else text)
        down, across = _count(cell, "number-rows-spanned"), min(_count(cell, "number-columns-spanned"), _MAX_COLUMNS)
        if down > 1 or across > 1:
            spanned.update({first + place: (down, text) for place in range(1, across)})
            spanned.update({first: (down - 1, text)} if down > 1 else {})
    while line and not line[-1]:
        line.pop()
    return line


def _count(element: Any, name: str) -> int:
    value = str(element.get(f"{_TABLE}{name}") or "1")
    return max(int(value), 1) if value.isascii() and value.isdecimal() and len(value) <= _LONGEST_NUMBER else 1


def _join(element: Any) -> str:
    """Return an element's text in one line; a note is in brackets, a hidden or deleted part left out."""
    return " ".join("".join(_iterate_text(element)).split())


def _iterate_text(element: Any, depth: int = 0) -> Iterator[str]:
    yield element.text or ""
    for child in element:
        tag = child.tag
        if isinstance(tag, str) and tag not in _IGNORED and depth < _MAX_DEPTH:
            if tag in {f"{_TEXT}s", f"{_TEXT}tab", f"{_TEXT}line-break"}:
                yield " "
            elif tag == f"{_TEXT}note":
                yield f" ({_join(child)}) "
            elif tag == f"{_OFFICE}annotation":
                yield f" (comment: {_join(child)}) "
            elif tag != f"{_DRAW}frame":
                yield from _iterate_text(child, depth + 1)
        yield child.tail or ""
