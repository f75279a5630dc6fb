"""A PDF comes in; its pages go out one by one, each under the heading of the outline that it belongs to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from bot.errors import DocumentUnreadable
from bot.knowledge.readers.page import TEXT_LIMIT, Page
from bot.knowledge.splitting.headings import HEADING_SEPARATOR, strip_heading_markup

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PAGE_LIMIT: Final = 5_000
NO_TEXT_REASON: Final = "no text; text recognition is not supported"

_EOF_SEARCH_BYTES = 1_024  # bytes: readers look for the mark at the end no further up
_OUTLINE_DEPTH = 4
_OUTLINE_LIMIT = 5_000


def read_pdf(content: bytes) -> list[Page]:
    """The pages of a PDF; those that are broken are passed over.

    Raises:
        DocumentUnreadable: it is no PDF, damaged as a whole, locked, or too long.
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
        title = str(pdf.get_metadata_dict().get("Title", ""))
        sections = find_page_sections(_read_outline(pdf), len(pdf))
        return list(_read_pages(pdf, title, sections))
    finally:
        pdf.close()


def find_page_sections(entries: Iterable[tuple[int, str, int]], count: int) -> list[str]:
    """For each page the path of headings it begins under, of an outline of (level, heading, page from 0).

    A page on which several headings begin goes by the first of them.
    """
    paths: dict[int, str] = {}
    last: dict[int, str] = {}
    stack: list[tuple[int, str]] = []
    for level, heading, page in entries:
        while stack and stack[-1][0] >= level:
            stack.pop()
        if words := strip_heading_markup(heading)[:120]:
            stack.append((level, words))
        path = HEADING_SEPARATOR.join(words for _, words in stack[:_OUTLINE_DEPTH])
        paths.setdefault(page, path)
        last[page] = path
    sections: list[str] = []
    current = ""
    for page in range(count):
        sections.append(paths.get(page, current))
        current = last.get(page, current)
    return sections


def _read_outline(pdf: Any) -> Iterator[tuple[int, str, int]]:
    """The outline's entries, as far as they can be read."""
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


def _read_pages(pdf: Any, title: str, sections: list[str]) -> Iterator[Page]:
    """The pages that can be read; one broken page does not cost the others."""
    import pypdfium2 as pdfium  # noqa: PLC0415 - as above

    broken = total = 0
    for number, section in enumerate(sections):
        try:
            page = pdf[number]
            text = page.get_textpage().get_text_bounded()
        except pdfium.PdfiumError:
            broken += 1
            continue
        total += len(text)
        if total > TEXT_LIMIT:
            raise DocumentUnreadable(f"more than {TEXT_LIMIT:,} characters of text")
        yield Page(_join_hyphenated(text), title, number=number + 1, section=section, is_markdown=False)
    if broken == len(pdf):
        raise DocumentUnreadable("damaged PDF")


def _join_hyphenated(text: str) -> str:
    """A page's text with words whole that a hyphen had divided at a line's end."""
    return re.sub("[\ufffe\x02](?:\r?\n)?", "", text)
