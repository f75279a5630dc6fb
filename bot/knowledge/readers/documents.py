"""A file of the folder goes in; Documents come out, each knowing its path, collection, title, page and address."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from llama_index.core.schema import Document, MediaResource

from bot.domain import collection_of
from bot.errors import DocumentUnreadable
from bot.knowledge.readers.html import read_html
from bot.knowledge.readers.office import read_docx, read_pptx
from bot.knowledge.readers.page import TEXT_LIMIT, Page, format_title, parse_http_url, title_from_path
from bot.knowledge.readers.pdf import NO_TEXT_REASON, read_pdf
from bot.knowledge.readers.rst import read_rst
from bot.knowledge.readers.source import LANGUAGES, is_generated, read_notebook, read_source
from bot.knowledge.readers.spreadsheets import read_csv, read_ods, read_tsv, read_xls, read_xlsx
from bot.knowledge.readers.text import read_markdown, read_text
from bot.knowledge.sources.folder import FileEntry, list_files, read_file
from bot.knowledge.sources.web.addresses import parse_list_path
from bot.knowledge.sources.web.page_cache import load_cached_page

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

READER_VERSION: Final = "5"
"""Names this way of reading. Change it with the way, and every file is read anew at the next ingestion."""


def _make_unsupported_reader(alternative: str) -> Callable[[bytes], list[Page]]:
    """The reader of a format that people take for one that can be read."""

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
    **dict.fromkeys((".doc", ".odt", ".rtf"), _make_unsupported_reader("DOCX or PDF")),
    **dict.fromkeys((".ppt", ".odp"), _make_unsupported_reader("PPTX or PDF")),
}


def list_known_files(root: Path) -> list[FileEntry]:
    """The files of a kind that is known, sorted by path; those that cannot be read with their fault.

    Hidden files and folders are passed over.
    """
    return list_files(root, is_known=_is_known)


def known_suffix(name: str) -> str | None:
    """The ending of a file of a kind that can be read, in small letters; None of any other."""
    suffix = PurePosixPath(name).suffix.lower()
    return suffix if suffix in _READERS or (suffix in LANGUAGES and not is_generated(name)) else None


def _is_known(name: str) -> bool:
    return known_suffix(name) is not None


def read(root: Path, relative: str) -> list[Document]:
    """One file as Documents: one for each page of a PDF, slide or sheet that holds text, a single one otherwise.

    A web page that was fetched is read by its name likewise; ``root`` is then the folder in which it is kept.

    Metadata: ``document`` (the relative path), ``collection``, ``title``, ``modified`` (ISO 8601, UTC);
    ``page``,
    ``section`` and ``url`` where there are such; ``lines``, which line of the file each line of the text is, where
    the file is made of lines.

    Raises:
        DocumentUnreadable: the file is damaged, locked, binary, empty or too large; the words are the reason.
    """
    if parse_list_path(relative) is not None:
        return _read_cached(root, relative)
    content = read_file(root, relative)
    path = PurePosixPath(relative)
    suffix = _suffix(path)
    made = _READERS[suffix](content.data) if suffix in _READERS else read_source(content.data, path.name)
    modified = datetime.fromtimestamp(content.modified, UTC).isoformat(timespec="seconds")
    return [
        _make_document(relative, place, page, modified)
        for place, page in enumerate(_clean_pages(made, is_pdf=suffix == ".pdf"))
    ]


def _suffix(path: PurePosixPath) -> str:
    """What says how a file is read: a name's ending, or the one before it where Sphinx shows what it was made from."""
    return ".rst" if path.name.lower().endswith(".rst.txt") else path.suffix.lower()


def _read_cached(folder: Path, document: str) -> list[Document]:
    """A fetched page as Documents; its address is where it was found, whatever the page says of itself."""
    kept = load_cached_page(folder, document)
    made = [
        replace(page, title=page.title or kept.address, url=parse_http_url(kept.address))
        for page in _READERS[kept.kind](kept.body)
    ]
    pages = _clean_pages(made, is_pdf=kept.kind == ".pdf")
    return [_make_document(document, place, page, kept.modified) for place, page in enumerate(pages)]


def _clean_pages(raw_pages: Sequence[Page], *, is_pdf: bool) -> list[Page]:
    """The pages that hold text, cleaned."""
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
    known = {"modified": modified or None, "page": page.number, "url": page.url, "section": page.section or None}
    metadata |= {name: value for name, value in known.items() if value is not None}
    if page.line_numbers:
        metadata["lines"] = page.line_numbers
    part = f"#page={page.number}" if page.number is not None else f"#part={position + 1}" if position else ""
    return Document(
        id_=relative + part,
        text_resource=MediaResource(text=page.text, mimetype="text/markdown" if page.is_markdown else "text/plain"),
        metadata=metadata,
    )
