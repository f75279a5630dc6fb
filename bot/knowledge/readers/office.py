"""Word documents and slides come in; their text goes out as Markdown, slide by slide with its notes."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

from bot.errors import DocumentUnreadable
from bot.knowledge.readers.html import parse_html
from bot.knowledge.readers.page import Page, format_row
from bot.knowledge.readers.zip_guard import open_checked_zip

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_GROUP_DEPTH = 20


def read_docx(content: bytes) -> list[Page]:
    """A Word document, without its images.

    Raises:
        DocumentUnreadable: it is damaged, locked, empty or too large inside.
    """
    import mammoth  # noqa: PLC0415 - loaded with the first such file

    open_checked_zip(content, "DOCX", "word/document.xml")
    try:
        made = mammoth.convert_to_html(
            io.BytesIO(content),
            convert_image=_drop_image,
            external_file_access=False,
            include_embedded_style_map=False,
        )
    except RecursionError as error:
        raise DocumentUnreadable("nested too deeply") from error
    except Exception as error:
        raise DocumentUnreadable("damaged DOCX") from error
    if not str(made.value).strip():
        raise DocumentUnreadable("empty file")
    return [parse_html(str(made.value))]


def _drop_image(_: object) -> list[object]:
    """An image's part in the text: none, as its bytes would flood it."""
    return []


def read_pptx(content: bytes) -> list[Page]:
    """Slides as pages: titles as headings, text, tables, charts' figures, and the speaker's notes.

    Raises:
        DocumentUnreadable: it is damaged, locked or too large inside.
    """
    from pptx import Presentation  # noqa: PLC0415 - loaded with the first such file

    open_checked_zip(content, "PPTX", "ppt/presentation.xml")
    try:
        deck: Any = Presentation(io.BytesIO(content))
        title = str(deck.core_properties.title or "")
        slides = [_read_slide(slide) for slide in deck.slides]
    except RecursionError as error:
        raise DocumentUnreadable("nested too deeply") from error
    except Exception as error:
        raise DocumentUnreadable("damaged PPTX") from error
    title = "" if title.lower() in {"powerpoint presentation", "presentation"} else title
    heading = next((each for each, text in slides if each or text), "")
    return [
        Page(f"## {each}\n\n{text}" if each and text else text or each, title or heading, number=number)
        for number, (each, text) in enumerate(slides, 1)
    ]


def _read_slide(slide: Any) -> tuple[str, str]:
    """A slide's title, and the rest of it as Markdown."""
    title = slide.shapes.title
    heading = " ".join(str(title.text_frame.text).split()) if title is not None and title.has_text_frame else ""
    shown = [shape for shape in _iterate_shapes(slide.shapes) if title is None or shape.shape_id != title.shape_id]
    parts = [text for shape in shown if (text := _format_shape(shape))]
    if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
        notes = str(slide.notes_slide.notes_text_frame.text).replace("\v", "\n").strip()
        parts += [f"Notes: {notes}"] if notes else []
    return heading, "\n\n".join(parts)


def _iterate_shapes(shapes: Iterable[Any], depth: int = 0) -> Iterator[Any]:
    """All shapes, those inside groups too."""
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
    if getattr(shape, "has_chart", False):
        return _format_chart(shape.chart)
    if not getattr(shape, "has_text_frame", False):
        return ""
    paragraphs = [(paragraph.level or 0, _join_whitespace(paragraph.text)) for paragraph in shape.text_frame.paragraphs]
    paragraphs = [(level, text) for level, text in paragraphs if text]
    if len(paragraphs) > 1:
        return "\n".join(f"{'  ' * level}- {text}" for level, text in paragraphs)
    return paragraphs[0][1] if paragraphs else ""


def _join_whitespace(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def _format_table(rows: list[list[str]]) -> str:
    if not rows:
        return ""
    written = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join([written[0], "|" + " --- |" * len(rows[0]), *written[1:]])


def _format_chart(chart: Any) -> str:
    """A chart's figures, one line for each category."""
    heading = (
        _join_whitespace(chart.chart_title.text_frame.text)
        if chart.has_title and chart.chart_title.has_text_frame
        else ""
    )
    lines = [heading] if heading else []
    for plot in chart.plots:
        series = [(str(each.name or ""), list(each.values)) for each in plot.series]
        for place, category in enumerate(plot.categories):
            cells = [
                f"{values[place]:g}" if place < len(values) and values[place] is not None else ""
                for _, values in series
            ]
            lines.append(f"- {category}: {format_row([name for name, _ in series], cells)}")
    return "\n".join(lines)
