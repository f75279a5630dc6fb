"""Reads PDF page by page, each under its heading of the outline and with its filled form fields."""

from __future__ import annotations

import ctypes
import re
import unicodedata
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from bot.errors import DocumentUnreadable
from bot.knowledge.readers.page import TEXT_LIMIT, Page
from bot.knowledge.readers.pdf_layout import drop_running_lines, is_contents_or_index
from bot.knowledge.splitting.headings import HEADING_SEPARATOR, strip_heading_markup

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

PAGE_LIMIT: Final = 5_000
NO_TEXT_REASON: Final = "no text; text recognition is not supported"

_EOF_SEARCH_BYTES = 1_024  # readers look for the mark at the end no further up
_OUTLINE_DEPTH = 4
_OUTLINE_LIMIT = 5_000
_FIELD_LIMIT = 2_000  # form fields of one page
_FIELD_CHARS = 4_000  # characters of one field
_SAMPLE_CHARS = 400  # characters of a page that are looked at to see whether its fonts can be read
_MAX_UNREADABLE_SHARE = 0.3  # of those; above it a page's text is not indexed
_TITLE_CHARS = 1_500  # characters of the first page among which the largest are its title
_MIN_TITLE_RATIO = 1.2  # a title's letters are so much larger than the page's usual ones
_TEXT_FIELDS, _CHOICE_FIELDS, _BUTTON_FIELDS = frozenset({6}), frozenset({4, 5}), frozenset({2, 3})  # fpdf_formfill.h
_USELESS_TITLE = re.compile(
    r"\(?(?:untitled|anonymous|unknown|no title|title|document|presentation|slide)\)?[\s\d]*|[\W\d_]*"
    r"|.{0,100}\.(?:docx?|odt|rtf|pptx?|xlsx?|indd|tex|dvi|ps|qxd|pdf|fm|pages|html?)",
    re.IGNORECASE,
)
_PRODUCER_PREFIX = re.compile(r"^Microsoft (?:Office )?(?:Word|PowerPoint|Excel|Publisher) - ", re.IGNORECASE)


def read_pdf(content: bytes) -> list[Page]:
    """Read the pages of a PDF; those that are broken, hold no text or only lead elsewhere are left out and counted.

    Raises:
        DocumentUnreadable: It is no PDF, damaged as a whole, locked, or too long.
    """
    import pypdfium2 as pdfium  # noqa: PLC0415 - loaded with the first such file

    if b"%PDF-" not in content[:1024]:
        raise DocumentUnreadable("its content is not PDF")
    try:
        pdf = pdfium.PdfDocument(content)
    except pdfium.PdfiumError as error:
        is_locked = "password" in str(error).lower()
        is_cut = b"%%EOF" not in content[-_EOF_SEARCH_BYTES:]
        fault = "password-protected" if is_locked else "damaged PDF: its end is missing" if is_cut else "damaged PDF"
        raise DocumentUnreadable(fault) from error
    try:
        if len(pdf) > PAGE_LIMIT:
            raise DocumentUnreadable(f"more than {PAGE_LIMIT:,} pages")
        if pdf.get_formtype():
            pdf.init_forms()
        entries = list(_read_outline(pdf))
        reader = _PageReader(pdf)
        pages = list(reader.read_pages(find_page_sections(entries, len(pdf))))
        title = clean_pdf_title(str(pdf.get_metadata_dict().get("Title", ""))) or reader.largest_line
        return split_at_headings(_finish(pages, title, reader), find_page_headings(entries))
    finally:
        pdf.close()


def clean_pdf_title(title: str) -> str:
    """Return a title from a file's properties; "" where a program wrote one that says nothing."""
    plain = " ".join(title.split())
    without = _PRODUCER_PREFIX.sub("", plain)
    if without != plain:
        without = re.sub(r"\.\w{2,5}$", "", without)
    return "" if _USELESS_TITLE.fullmatch(without) else without


def _finish(pages: Sequence[Page], title: str, reader: _PageReader) -> list[Page]:
    """Leave out what repeats on each page, and pages that only lead to others; note what was left out."""
    texts = drop_running_lines([page.text for page in pages])
    kept = [
        replace(page, text=text, title=title)
        for page, text in zip(pages, texts, strict=True)
        if not is_contents_or_index(text)
    ]
    if not any(page.text.strip() for page in kept):
        kept = [replace(page, title=title) for page in pages]
    left_out = len(pages) - len(kept)
    notes = [
        f"{count} of {reader.total} pages {what}"
        for count, what in (
            (reader.broken, "could not be read"),
            (reader.empty, "hold no text"),
            (reader.unreadable, "are in fonts whose letters cannot be told"),
            (left_out, "of contents or index left out"),
        )
        if count
    ]
    return [kept[0].with_note("; ".join(notes)), *kept[1:]] if kept else []


def find_page_headings(entries: Iterable[tuple[int, str, int]]) -> dict[int, list[tuple[str, str]]]:
    """Return for each page, counted from 1, the headings that begin on it, each with its whole path."""
    found: dict[int, list[tuple[str, str]]] = {}
    for _, words, path, page in _walk_outline(entries):
        if words:
            found.setdefault(page + 1, []).append((words, path))
    return found


def split_at_headings(pages: Iterable[Page], headings: Mapping[int, Sequence[tuple[str, str]]]) -> list[Page]:
    """Cut pages where a line is a heading of the outline; each part is under its own heading.

    A heading that is not found in the page's text, in its order, cuts nothing.
    """
    last = {number: found[-1][1] for number, found in sorted(headings.items())}
    made: list[Page] = []
    for page in pages:
        before = next((last[number] for number in reversed(last) if number < (page.number or 0)), "")
        made += _split_page(page, headings.get(page.number or 0, ()), before)
    return made


def _split_page(page: Page, headings: Sequence[tuple[str, str]], before: str) -> list[Page]:
    """Cut one page; what is above its first heading is under the path ``before``."""
    lines = page.text.split("\n")
    cuts: list[tuple[int, str]] = []
    for words, path in headings:
        start = cuts[-1][0] + 1 if cuts else 0
        place = next((number for number in range(start, len(lines)) if _is_heading_line(lines[number], words)), None)
        if place is not None:
            cuts.append((place, path))
    if not cuts:
        return [page]
    starts = [(0, before if cuts[0][1] == headings[0][1] else page.section), *cuts]
    ends = [*(start for start, _ in cuts), len(lines)]
    parts = [
        replace(page, text="\n".join(lines[start:end]), section=section)
        for (start, section), end in zip(starts, ends, strict=True)
    ]
    kept = [part for part in parts if part.text.strip()]
    return [kept[0], *(replace(part, note="") for part in kept[1:])] if kept else [page]


def _is_heading_line(line: str, words: str) -> bool:
    """Whether a line is this heading, with or without a number before it."""
    plain, wanted = ("".join(filter(str.isalnum, text)).casefold() for text in (line, words))
    return (
        plain == wanted
        or (plain.endswith(wanted) and plain[: -len(wanted)].isdecimal())
        or (wanted.endswith(plain) and bool(plain) and wanted[: -len(plain)].isdecimal())
    )


def find_page_sections(entries: Iterable[tuple[int, str, int]], count: int) -> list[str]:
    """Return for each page the path of headings it begins under, from an outline of (level, heading, page from 0).

    A page on which several headings begin goes by the first of them.
    """
    paths: dict[int, str] = {}
    last: dict[int, str] = {}
    for _, _, path, page in _walk_outline(entries):
        paths.setdefault(page, path)
        last[page] = path
    sections: list[str] = []
    current = ""
    for page in range(count):
        sections.append(paths.get(page, current))
        current = last.get(page, current)
    return sections


def _walk_outline(entries: Iterable[tuple[int, str, int]]) -> Iterator[tuple[int, str, str, int]]:
    """Yield each entry's level, its words, the path of headings down to it, and its page from 0."""
    stack: list[tuple[int, str]] = []
    for level, heading, page in entries:
        while stack and stack[-1][0] >= level:
            stack.pop()
        words = strip_heading_markup(heading)[:120]
        if words:
            stack.append((level, words))
        yield level, words, HEADING_SEPARATOR.join(each for _, each in stack[:_OUTLINE_DEPTH]), page


def _read_outline(pdf: Any) -> Iterator[tuple[int, str, int]]:
    """Yield the outline's entries, as far as they can be read."""
    import pypdfium2 as pdfium  # noqa: PLC0415 - as above

    try:
        for number, bookmark in enumerate(pdf.get_toc(max_depth=_OUTLINE_DEPTH)):
            if number >= _OUTLINE_LIMIT:
                return
            target = bookmark.get_dest()
            page = None if target is None else target.get_index()
            if page is not None:
                yield bookmark.level, bookmark.get_title(), page
    except (pdfium.PdfiumError, ValueError, UnicodeDecodeError):
        return  # a broken outline costs the headings, not the text


class _PageReader:
    """Reads the pages of a PDF, and counts those that give nothing."""

    def __init__(self, pdf: Any) -> None:
        self._pdf = pdf
        self.total = len(pdf)
        self.broken = self.empty = self.unreadable = 0
        self.largest_line = ""
        """The line of the first page in the largest letters, where these are larger than the others."""

    def read_pages(self, sections: Sequence[str]) -> Iterator[Page]:
        """Yield the pages that hold text; one that is broken does not cost the others."""
        import pypdfium2 as pdfium  # noqa: PLC0415 - as above

        length = 0
        for number, section in enumerate(sections):
            try:
                text = self._read_page(number)
            except pdfium.PdfiumError:
                self.broken += 1
                continue
            if not text.strip():
                continue
            length += len(text)
            if length > TEXT_LIMIT:
                raise DocumentUnreadable(f"more than {TEXT_LIMIT:,} characters of text")
            label = self._read_label(number)
            yield Page(text, number=number + 1, section=section, is_markdown=False, label=label)
        if self.broken == self.total:
            raise DocumentUnreadable("damaged PDF")
        if self.unreadable and self.unreadable + self.empty + self.broken == self.total:
            raise DocumentUnreadable("its fonts do not say which letters they show; text recognition is not supported")

    def _read_page(self, number: int) -> str:
        page = self._pdf[number]
        text_page = page.get_textpage()
        text = _join_hyphenated(text_page.get_text_bounded())
        fields = "\n".join(self._read_fields(page))
        if text.strip() and _is_unreadable(text_page):
            self.unreadable += 1
            text = ""
        elif not text.strip() and not fields:
            self.empty += 1
        elif number == 0:
            self.largest_line = _find_largest_line(text_page)
        return "\n\n".join(filter(None, (text, fields)))

    def _read_label(self, number: int) -> str:
        """Return what the document itself calls a page, such as "iv", where that is not its number."""
        label = " ".join(str(self._pdf.get_page_label(number) or "").split())[:20]
        return "" if label == str(number + 1) else label

    def _read_fields(self, page: Any) -> Iterator[str]:
        """Yield "name: value" for each filled field of a form."""
        import pypdfium2.raw as pdfium_c  # noqa: PLC0415 - as above

        if self._pdf.formenv is None:
            return
        seen: set[str] = set()
        for place in range(min(pdfium_c.FPDFPage_GetAnnotCount(page), _FIELD_LIMIT)):
            annotation = pdfium_c.FPDFPage_GetAnnot(page, place)
            if not annotation:
                continue
            try:
                line = _format_field(pdfium_c, self._pdf.formenv, annotation)
            finally:
                pdfium_c.FPDFPage_CloseAnnot(annotation)
            if line and line not in seen:
                seen.add(line)
                yield line


def _format_field(pdfium_c: Any, form: Any, annotation: Any) -> str:
    kind = pdfium_c.FPDFAnnot_GetFormFieldType(form, annotation)
    value = _read_wide(pdfium_c.FPDFAnnot_GetFormFieldValue, form, annotation)
    name = _read_wide(pdfium_c.FPDFAnnot_GetFormFieldAlternateName, form, annotation) or _read_wide(
        pdfium_c.FPDFAnnot_GetFormFieldName, form, annotation
    )
    if kind in _BUTTON_FIELDS:
        value = "" if value.lower() in {"", "off"} else "yes" if value.lower() in {"yes", "on", "1"} else value
    elif kind not in _TEXT_FIELDS | _CHOICE_FIELDS:
        return ""
    return f"{name}: {value}" if name and value else value


def _read_wide(function: Any, form: Any, annotation: Any) -> str:
    """Return a text that pdfium writes into a buffer as UTF-16, after saying how many bytes it needs."""
    size = min(int(function(form, annotation, None, 0)), 2 * _FIELD_CHARS)
    if size <= 2:  # noqa: PLR2004 - the zero at the end alone
        return ""
    buffer = ctypes.create_string_buffer(size)
    function(form, annotation, ctypes.cast(buffer, ctypes.POINTER(ctypes.c_ushort)), size)
    return " ".join(buffer.raw.decode("utf-16-le", "replace").replace("\x00", "").split())


def _is_unreadable(text_page: Any) -> bool:
    """Whether most letters of a page have no code that says which they are: what is extracted is not what is seen."""
    import pypdfium2.raw as pdfium_c  # noqa: PLC0415 - as above

    count = min(text_page.count_chars(), _SAMPLE_CHARS)
    unknown = looked = 0
    for place in range(count):
        code = pdfium_c.FPDFText_GetUnicode(text_page, place)
        if code <= 32:  # noqa: PLR2004 - spaces and line ends are added by pdfium
            looked += 0 < code < 9  # noqa: PLR2004 - no text holds these
            unknown += 0 < code < 9  # noqa: PLR2004 - as above
            continue
        looked += 1
        is_private = unicodedata.category(chr(code)) in {"Co", "Cn"} or code == 0xFFFD  # noqa: PLR2004 - the replacement character
        unknown += is_private or pdfium_c.FPDFText_HasUnicodeMapError(text_page, place) == 1
    return looked > 0 and unknown > _MAX_UNREADABLE_SHARE * looked


def _find_largest_line(text_page: Any) -> str:
    import pypdfium2.raw as pdfium_c  # noqa: PLC0415 - as above

    count = min(text_page.count_chars(), _TITLE_CHARS)
    sizes = [round(pdfium_c.FPDFText_GetFontSize(text_page, place), 1) for place in range(count)]
    if not sizes:
        return ""
    largest, usual = max(sizes), Counter(sizes).most_common(1)[0][0]
    if largest < usual * _MIN_TITLE_RATIO:
        return ""
    codes = [pdfium_c.FPDFText_GetUnicode(text_page, place) for place in range(count)]
    first = sizes.index(largest)
    end = next((place for place in range(first, count) if sizes[place] != largest and codes[place] > 32), count)  # noqa: PLR2004 - a space may have any size
    words = " ".join("".join(map(chr, codes[first:end])).split())
    return words if any(map(str.isalpha, words)) else ""


def _join_hyphenated(text: str) -> str:
    """Return a page's text with words joined that a hyphen divided at a line's end."""
    return re.sub("[\ufffe\x02](?:\r?\n)?", "", text)
