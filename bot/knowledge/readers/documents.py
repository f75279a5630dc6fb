"""Chooses a file's reader by its suffix, and makes Documents of the pages that it returns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from llama_index.core.schema import Document, MediaResource

from bot.domain import collection_of
from bot.errors import DocumentUnreadable
from bot.knowledge.readers.epub import read_epub
from bot.knowledge.readers.html import read_html
from bot.knowledge.readers.mail import read_mail
from bot.knowledge.readers.markup import read_asciidoc, read_latex, read_mdx, read_org
from bot.knowledge.readers.opendocument import read_odp, read_ods, read_odt
from bot.knowledge.readers.page import TEXT_LIMIT, Page, format_title, parse_http_url, title_from_path
from bot.knowledge.readers.pdf import NO_TEXT_REASON, read_pdf
from bot.knowledge.readers.rst import read_rst
from bot.knowledge.readers.rtf import read_rtf
from bot.knowledge.readers.slides import read_pptx
from bot.knowledge.readers.source import LANGUAGES, is_generated, read_notebook, read_source
from bot.knowledge.readers.spreadsheets import read_csv, read_tsv, read_xls, read_xlsx
from bot.knowledge.readers.subtitles import read_subtitles
from bot.knowledge.readers.text import read_markdown, read_text
from bot.knowledge.readers.word import read_docx

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

NOTE: Final = "note"
"""Metadata of a file's first Document that says what could not be read of the file."""

READER_VERSION: Final = "7"
"""Version of the readers. Change it with their results: every file is then read anew at the next ingestion."""


def _make_unsupported_reader(alternative: str) -> Callable[[bytes], list[Page]]:

    def raise_unsupported(_: bytes) -> list[Page]:
        raise DocumentUnreadable(f"format not supported: save it as {alternative}")

    return raise_unsupported


_READERS: Final[Mapping[str, Callable[[bytes], list[Page]]]] = {
    ".md": read_markdown,
    ".markdown": read_markdown,
    ".txt": read_text,
    ".rst": read_rst,
    ".html": read_html,
    ".htm": read_html,
    ".pdf": read_pdf,
    ".docx": read_docx,
    ".pptx": read_pptx,
    ".csv": read_csv,
    ".tsv": read_tsv,
    ".xlsx": read_xlsx,
    ".xlsm": read_xlsx,
    ".xls": read_xls,
    ".ods": read_ods,
    ".ipynb": read_notebook,
    ".mdx": read_mdx,
    ".adoc": read_asciidoc,
    ".asciidoc": read_asciidoc,
    ".org": read_org,
    ".tex": read_latex,
    ".epub": read_epub,
    ".eml": read_mail,
    ".odt": read_odt,
    ".odp": read_odp,
    ".rtf": read_rtf,
    ".vtt": read_subtitles,
    ".srt": read_subtitles,
    ".doc": _make_unsupported_reader("DOCX or PDF"),
    ".ppt": _make_unsupported_reader("PPTX or PDF"),
}


def known_suffix(name: str) -> str | None:
    """Return the suffix of a file in a format that is read, in lower case; None of any other."""
    suffix = PurePosixPath(name).suffix.lower()
    return suffix if suffix in _READERS or (suffix in LANGUAGES and not is_generated(name)) else None


def read_document(
    content: bytes, document: str, *, suffix: str | None = None, modified: str = "", address: str | None = None
) -> list[Document]:
    """Read a file: one Document for each page of a PDF, slide or sheet that holds text, a single one otherwise.

    Args:
        content: The file's bytes.
        document: Its path relative to the documents' folder, or a fetched page's name.
        suffix: What says how it is read; the path's own without it.
        modified: When it was last changed, in ISO 8601.
        address: Where a fetched page was found, whatever the page says of itself.

    Returns:
        Documents whose metadata holds ``document``, ``collection``, ``title`` and ``modified``; ``page``, ``section``
        and ``url`` where there are such; ``lines``, the file's line of each line of the text, where it has lines; in
        the first ``note``, what could not be read of the file.

    Raises:
        DocumentUnreadable: The file is damaged, locked, binary, empty or too large; the message is the reason.
    """
    path = PurePosixPath(document)
    kind = suffix or _suffix(path)
    pages = _READERS[kind](content) if kind in _READERS else read_source(content, path.name)
    if address is not None:
        pages = [replace(page, title=page.title or address, url=parse_http_url(address)) for page in pages]
    note = "; ".join(dict.fromkeys(page.note for page in pages if page.note))
    documents = [
        _make_document(document, position, page, modified)
        for position, page in enumerate(_clean_pages(pages, is_pdf=kind == ".pdf"))
    ]
    if note:
        documents[0].metadata[NOTE] = note
    return documents


def _suffix(path: PurePosixPath) -> str:
    """Return what says how a file is read: its suffix, or the one before it where Sphinx shows a page's source."""
    return ".rst" if path.name.lower().endswith(".rst.txt") else path.suffix.lower()


def _clean_pages(raw_pages: Sequence[Page], *, is_pdf: bool) -> list[Page]:
    """Return the pages that hold text, cleaned."""
    if sum(len(page.text) for page in raw_pages) > TEXT_LIMIT:
        raise DocumentUnreadable(f"more than {TEXT_LIMIT:,} characters of text")
    pages = [page for page in (each.clean() for each in raw_pages) if page.text.strip()]
    if not pages:
        raise DocumentUnreadable(NO_TEXT_REASON if is_pdf else "empty file")
    return pages


def _make_document(relative: str, position: int, page: Page, modified: str) -> Document:
    metadata: dict[str, Any] = {
        "document": relative,
        "collection": collection_of(relative),
        "title": format_title(page.title) or title_from_path(relative),
    }
    known = {
        "modified": modified or None,
        "page": page.number,
        "label": page.label or None,
        "url": page.url,
        "section": page.section or None,
    }
    metadata |= {name: value for name, value in known.items() if value is not None}
    if page.line_numbers:
        metadata["lines"] = page.line_numbers
    part = f"#page={page.number}" if page.number is not None else f"#part={position + 1}" if position else ""
    return Document(
        id_=relative + part,
        text_resource=MediaResource(text=page.text, mimetype="text/markdown" if page.is_markdown else "text/plain"),
        metadata=metadata,
    )
