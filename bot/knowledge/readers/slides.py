"""Reads presentations, slide by slide: titles, text, tables, charts' figures, diagrams and the speaker's notes."""

from __future__ import annotations

import io
import re
from functools import partial
from typing import TYPE_CHECKING, Any

from bot.errors import DocumentUnreadable
from bot.knowledge.readers.drawings import read_chart, read_diagram, read_math
from bot.knowledge.readers.page import Page, format_failure_note
from bot.knowledge.readers.zip_guard import find_main_part, get_bytes, open_checked_zip

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_GROUP_DEPTH = 20
_DIAGRAM = "http://schemas.openxmlformats.org/drawingml/2006/diagram"
_CHART = "http://schemas.openxmlformats.org/drawingml/2006/chart"
_USELESS_TITLES = frozenset({"powerpoint presentation", "presentation", "powerpoint-präsentation", "untitled"})


def read_pptx(content: bytes) -> list[Page]:
    """Read slides as pages; a shape that cannot be read costs itself, and is counted in the first page's note.

    Raises:
        DocumentUnreadable: The file is damaged, locked or too large inside, or no slide of it can be read.
    """
    from pptx import Presentation  # noqa: PLC0415 - loaded with the first such file

    archive = open_checked_zip(content, "PPTX")
    find_main_part(archive, "PPTX", "ppt/presentation.xml")
    try:
        deck: Any = Presentation(io.BytesIO(get_bytes(archive)))
        slides = list(deck.slides)
    except RecursionError as error:
        raise DocumentUnreadable("nested too deeply") from error
    except Exception as error:
        raise DocumentUnreadable("damaged PPTX") from error
    reader = _DeckReader()
    read = [reader.read_slide(slide) for slide in slides]
    if slides and reader.broken_slides == len(slides):
        raise DocumentUnreadable("damaged PPTX")
    title = reader.attempt(lambda: str(deck.core_properties.title or "")) or ""
    title = "" if title.strip().lower() in _USELESS_TITLES else title
    heading = next((each for each, text in read if each or text), "")
    pages = [
        Page(f"## {each}\n\n{text}" if each and text else text or each, title or heading, number=number)
        for number, (each, text) in enumerate(read, 1)
    ]
    return [pages[0].with_note(reader.note), *pages[1:]] if pages else []


class _DeckReader:
    """Reads slides and counts what of them cannot be read."""

    def __init__(self) -> None:
        self.broken_slides = 0
        self._broken_shapes = 0

    @property
    def note(self) -> str:
        """What could not be read, in words."""
        found = (format_failure_note(self.broken_slides, "slide"), format_failure_note(self._broken_shapes, "object"))
        return "; ".join(filter(None, found))

    def attempt(self, read: Any) -> Any:
        """Return what ``read`` gives; None, and count an object, where the library fails at it."""
        try:
            return read()
        except Exception:  # noqa: BLE001 - the library raises whatever it likes at what it does not know
            self._broken_shapes += 1
            return None

    def read_slide(self, slide: Any) -> tuple[str, str]:
        """Return a slide's title, and the rest of it as Markdown."""
        try:
            shapes = list(slide.shapes)
            title = slide.shapes.title
        except Exception:  # noqa: BLE001 - one slide costs no other
            self.broken_slides += 1
            return "", ""
        heading = " ".join(str(title.text_frame.text).split()) if title is not None and title.has_text_frame else ""
        shown = [shape for shape in _iterate_shapes(shapes) if title is None or shape.shape_id != title.shape_id]
        parts = [text for shape in shown if (text := self.attempt(partial(_format_shape, shape)))]
        notes = self.attempt(lambda: _read_notes(slide)) or ""
        return heading, "\n\n".join([*parts, *([f"Notes: {notes}"] if notes else [])])


def _read_notes(slide: Any) -> str:
    if not slide.has_notes_slide or slide.notes_slide.notes_text_frame is None:
        return ""
    return str(slide.notes_slide.notes_text_frame.text).replace("\v", "\n").strip()


def _iterate_shapes(shapes: Iterable[Any], depth: int = 0) -> Iterator[Any]:
    """Yield all shapes, those inside groups too."""
    for shape in shapes:
        inner = getattr(shape, "shapes", None)
        if inner is None:
            yield shape
        elif depth < _GROUP_DEPTH:
            yield from _iterate_shapes(inner, depth + 1)


def _format_shape(shape: Any) -> str:
    if getattr(shape, "has_table", False):
        rows = [[" ".join(cell.text.split()) for cell in row.cells] for row in shape.table.rows]
        return _format_table(rows)
    if related := _find_related(shape):
        return related
    if not getattr(shape, "has_text_frame", False):
        return ""
    paragraphs = [(paragraph.level or 0, _read_paragraph(paragraph)) for paragraph in shape.text_frame.paragraphs]
    paragraphs = [(level, text) for level, text in paragraphs if text]
    if len(paragraphs) > 1:
        return "\n".join(f"{'  ' * level}- {text}" for level, text in paragraphs)
    return paragraphs[0][1] if paragraphs else ""


def _find_related(shape: Any) -> str:
    """Return the text of a chart or a diagram, whose part the shape refers to."""
    for element in shape.element.iter(f"{{{_CHART}}}chart", f"{{{_DIAGRAM}}}relIds"):
        for name, value in element.items():
            if name.endswith(("}id", "}dm")):
                part = shape.part.related_part(value)
                blob = bytes(part.blob)
                return read_chart(blob) if element.tag.endswith("}chart") else read_diagram(blob)
    return ""


def _read_paragraph(paragraph: Any) -> str:
    """Return a paragraph's text, formulas included."""
    element = paragraph._p  # noqa: SLF001 - the library has no other way to it
    math = " ".join(filter(None, (read_math(each) for each in element.iter("{*}oMath"))))
    return re.sub(r"\s+", " ", f"{paragraph.text} {math}").strip()


def _format_table(rows: list[list[str]]) -> str:
    if not rows:
        return ""
    written = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join([written[0], "|" + " --- |" * len(rows[0]), *written[1:]])
