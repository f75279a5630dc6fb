"""Writes the list of documents, one document, and the result of an upload for admins. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.domain.collection_names import format_collection
from bot.text.citations import escape_markdown
from bot.text.invisible import strip_invisible
from bot.text.wording import format_count, truncate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bot.domain import DocumentInfo

PER_PAGE = 12
"""Documents on one page: this number of lines of these lengths fits into a message."""

_NAME_LENGTH = 70
_TITLE_LENGTH = 40
_MESSAGE_LENGTH = 1_900


def format_page(documents: Sequence[DocumentInfo], number: int, last: int) -> str:
    """Return one page of the list; ``number`` and ``last`` count pages from 0."""
    if not documents:
        return "No document that you may see is searchable. Add some with /docs add, then /reindex."
    lines = [_format_line(each) for each in documents[number * PER_PAGE : (number + 1) * PER_PAGE]]
    passages = sum(each.passages for each in documents)
    head = f"**{format_count(len(documents), 'document')}, {format_count(passages, 'passage')}**"
    foot = f"-# Page {number + 1} of {last + 1}" if last else ""
    return "\n".join(part for part in (head, *lines, foot) if part)


def format_document(document: DocumentInfo) -> str:
    """Return the details of one document."""
    lines = [
        f"**{escape_markdown(document.title)}**",
        f"Path: {escape_markdown(document.document)}",
        f"Collection: {escape_markdown(format_collection(document.collection))}",
        f"Passages: {document.passages:,}",
        *([f"Last changed: <t:{int(document.date.timestamp())}:f>"] if document.date else []),
        *([f"Address: `{strip_invisible(document.url).replace('`', '')}`"] if document.url else []),
    ]
    return "\n".join(lines)


def format_import_result(added: Sequence[str], rejected: Mapping[str, str]) -> str:
    """Return what happened to each uploaded file."""
    lines = [f"✓ {escape_markdown(truncate(name, _NAME_LENGTH))}" for name in added]
    lines += [f"✗ {escape_markdown(truncate(name, _NAME_LENGTH))}: {reason}" for name, reason in rejected.items()]
    if added:
        lines.append("-# They are searchable after the next /reindex.")
    return "\n".join(lines)[:_MESSAGE_LENGTH]


def _format_line(document: DocumentInfo) -> str:
    date = f" · <t:{int(document.date.timestamp())}:d>" if document.date else ""
    title = escape_markdown(truncate(document.title, _TITLE_LENGTH))
    name = escape_markdown(truncate(document.document, _NAME_LENGTH))
    return f"- {name} · {title} · {format_count(document.passages, 'passage')}{date}"
