"""Reads Word documents: their main part, with numbers, formulas, notes and drawings written into its text."""

from __future__ import annotations

import io
import zipfile
from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from bot.errors import DocumentUnreadable
from bot.knowledge.readers.drawings import read_chart, read_diagram, read_math
from bot.knowledge.readers.html import parse_html
from bot.knowledge.readers.page import Page, format_failure_note
from bot.knowledge.readers.word_numbering import Numbering, read_numbering
from bot.knowledge.readers.zip_guard import (
    find_main_part,
    is_well_formed,
    open_checked_zip,
    parse_xml,
    read_member,
    read_relationships,
)

if TYPE_CHECKING:
    from collections.abc import Callable

_KIND: Final = "DOCX"
_W: Final = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_MIN_HEADER_WORDS: Final = 3  # a header or footer of fewer says nothing


def read_docx(content: bytes) -> list[Page]:
    """Read a Word document, without its pictures.

    Raises:
        DocumentUnreadable: It is damaged, locked, empty or too large inside.
    """
    archive = open_checked_zip(content, _KIND)
    main = find_main_part(archive, _KIND, "word/document.xml")
    document = _Document(archive, main)
    document.write_out()
    html = _convert(document.pack())
    if html is None:  # an object that the library does not know must not cost the text
        text = document.read_plainly()
        page = Page(text, note="read without its formatting")
    else:
        page = parse_html(html) if html.strip() else Page("")
    if not page.text.strip():
        is_whole = is_well_formed(read_member(archive, main, _KIND))
        raise DocumentUnreadable("empty file" if is_whole else f"damaged {_KIND}")
    title = page.title or document.title
    return [Page(page.text, title, note=page.note).with_note(format_failure_note(document.broken, "object"))]


def _convert(content: bytes) -> str | None:
    """Return the document as HTML; None where the library fails at it."""
    import mammoth  # noqa: PLC0415 - loaded with the first such file

    try:
        made = mammoth.convert_to_html(
            io.BytesIO(content),
            convert_image=_drop_image,
            external_file_access=False,
            include_embedded_style_map=False,
        )
    except RecursionError as error:
        raise DocumentUnreadable("nested too deeply") from error
    except Exception:  # noqa: BLE001 - the library raises whatever it likes; the caller reads the text plainly
        return None
    return str(made.value)


def _drop_image(_: object) -> list[object]:
    return []


class _Document:
    """The main part of a document as a tree, and the parts that it refers to."""

    def __init__(self, archive: zipfile.ZipFile, main: str) -> None:
        self.broken = 0
        self._archive = archive
        self._main = main
        tree = parse_xml(read_member(archive, main, _KIND), _KIND)
        if tree is None or not any(each.tag.endswith("}body") for each in tree):
            raise DocumentUnreadable(f"damaged {_KIND}")
        self._tree = tree
        self._targets = dict(read_relationships(archive, main, _KIND))

    @property
    def title(self) -> str:
        """The title in the file's properties."""
        for _, name in read_relationships(self._archive, "", _KIND, "/core-properties"):
            tree = self._parse(name)
            found = "" if tree is None else str(tree.findtext("{*}title") or "").strip()
            return "" if found.lower() in {"word document", "untitled", "document"} else found
        return ""

    def write_out(self) -> None:
        """Write into the text what Word shows beside it; what fails is counted."""
        for step in (
            self._write_numbers,
            self._write_formulas,
            self._write_notes,
            self._write_drawings,
            self._write_headers,
        ):
            self._attempt(step)

    def pack(self) -> bytes:
        """Return the archive with the main part as it is now."""
        from lxml import etree  # noqa: PLC0415 - loaded with the first such file

        made = io.BytesIO()
        with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as target:
            for name in dict.fromkeys(self._archive.namelist()):
                is_main = name == self._main
                target.writestr(
                    name, etree.tostring(self._tree) if is_main else read_member(self._archive, name, _KIND)
                )
        return made.getvalue()

    def read_plainly(self) -> str:
        """Return the text of all paragraphs."""
        paragraphs = (
            "".join(each.text or "" for each in paragraph.iter(f"{_W}t")) for paragraph in self._tree.iter(f"{_W}p")
        )
        return "\n\n".join(text for text in paragraphs if text.strip())

    def _attempt(self, step: Callable[[], None]) -> None:
        try:
            step()
        except Exception:  # noqa: BLE001 - one odd object must not cost the document
            self.broken += 1

    def _parse(self, name: str) -> Any:
        return parse_xml(read_member(self._archive, name, _KIND), _KIND) if name in self._archive.namelist() else None

    def _find(self, relation: str) -> Any:
        found = read_relationships(self._archive, self._main, _KIND, relation)
        return self._parse(found[0][1]) if found else None

    def _write_numbers(self) -> None:
        numbering: Numbering = read_numbering(self._find("/numbering"), self._find("/styles"))
        for paragraph in self._tree.iter(f"{_W}p"):
            if label := numbering.next_label(paragraph):
                _insert_text(paragraph, f"{label} ", at_start=True)

    def _write_formulas(self) -> None:
        for math in list(self._tree.iter("{*}oMath")):
            parent = math.getparent()
            text = read_math(math)
            run = _make_run(f" {text} ")
            if parent is not None and parent.tag.endswith("}oMathPara"):
                parent.addprevious(run)
                parent.remove(math)
            elif parent is not None:
                run.tail = math.tail
                parent.replace(math, run)

    def _write_notes(self) -> None:
        """Put the text of footnotes, endnotes and comments in brackets behind what they belong to."""
        for tag, relation, word in (
            ("footnoteReference", "/footnotes", "footnote"),
            ("endnoteReference", "/endnotes", "endnote"),
            ("commentReference", "/comments", "comment"),
        ):
            tree = self._find(relation)
            if tree is None:
                continue
            texts = {str(each.get(f"{_W}id")): _describe_note(each, word) for each in tree}
            for reference in list(self._tree.iter(f"{_W}{tag}")):
                text = texts.get(str(reference.get(f"{_W}id")), "")
                run = reference.getparent()
                if run is not None:
                    run.remove(reference)
                    if text:
                        run.addnext(_make_run(f" ({text}) "))

    def _write_drawings(self) -> None:
        """Put the text of charts and diagrams, and the description of pictures, behind the paragraph they are in."""
        found: defaultdict[Any, list[str]] = defaultdict(list)
        for drawing in list(self._tree.iter(f"{_W}drawing")):
            paragraph = next(drawing.iterancestors(f"{_W}p"), None)
            if paragraph is None:
                continue
            self._attempt(partial(self._describe_drawing, drawing, found[paragraph]))
        for paragraph, lines in found.items():
            for line in reversed(lines):
                made = paragraph.makeelement(f"{_W}p")
                made.append(_make_run(line))
                paragraph.addnext(made)

    def _describe_drawing(self, drawing: Any, lines: list[str]) -> None:
        """Append the lines that say what a drawing shows."""
        for element in drawing.iter("{*}chart", "{*}relIds"):
            for key, value in element.items():
                name = self._targets.get(str(value), "") if key.endswith(("}id", "}dm")) else ""
                if name in self._archive.namelist():
                    content = read_member(self._archive, name, _KIND)
                    text = read_chart(content) if element.tag.endswith("}chart") else read_diagram(content)
                    lines += [line.removeprefix("- ") for line in text.split("\n") if line]
        if not lines:
            described = [str(each.get("descr") or "").strip() for each in drawing.iter("{*}docPr")]
            lines += [f"(image: {text})" for text in described if len(text.split()) > 1]

    def _write_headers(self) -> None:
        """Put what headers and footers say at the document's beginning, once."""
        texts: dict[str, None] = {}
        for _, name in read_relationships(self._archive, self._main, _KIND):
            if name.rpartition("/")[2].startswith(("header", "footer")) and (tree := self._parse(name)) is not None:
                text = " ".join("".join(each.text or "" for each in p.iter(f"{_W}t")) for p in tree.iter(f"{_W}p"))
                words = [word for word in text.split() if any(map(str.isalpha, word))]
                if len(words) >= _MIN_HEADER_WORDS:
                    texts[" ".join(text.split())] = None
        body = next(each for each in self._tree if each.tag.endswith("}body"))
        for text in texts:
            paragraph = body.makeelement(f"{_W}p")
            paragraph.append(_make_run(text))
            body.append(paragraph)


def _describe_note(note: Any, word: str) -> str:
    if note.get(f"{_W}type") in {"separator", "continuationSeparator"}:
        return ""
    text = " ".join("".join(each.text or "" for each in p.iter(f"{_W}t")) for p in note.iter(f"{_W}p"))
    author = str(note.get(f"{_W}author") or "").strip()
    words = " ".join(text.split())
    return f"{word}{f' by {author}' if author else ''}: {words}" if words else ""


def _make_run(text: str) -> Any:
    from lxml import etree  # noqa: PLC0415 - as above

    run = etree.Element(f"{_W}r")
    inner = etree.SubElement(run, f"{_W}t")
    inner.set("{http://www.w3.org/XML/1998/namespace}space", "preserve")
    inner.text = text
    return run


def _insert_text(paragraph: Any, text: str, *, at_start: bool) -> None:
    run = _make_run(text)
    properties = paragraph.find(f"{_W}pPr")
    if not at_start:
        paragraph.append(run)
    elif properties is None:
        paragraph.insert(0, run)
    else:
        properties.addnext(run)
