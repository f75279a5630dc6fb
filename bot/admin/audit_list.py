"""Writes the audit log of a server for its admins. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.domain import collection_of
from bot.domain.collection_names import format_collection
from bot.text.citations import escape_markdown
from bot.text.wording import format_count, utf16_length

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from bot.records import AuditEntry, Json

PER_PAGE = 10
"""Most entries on one page; fewer if they are long."""
MAX_ENTRIES = 500
"""Entries that are listed, the latest ones."""

_PAGE_LENGTH = 1_800
"""UTF-16 code units for the entries of a page; the lines around them fit into a message as well."""
_VALUE_LENGTH = 120
"""Characters of one detail, before Markdown is escaped."""
_HIDDEN = "details hidden: they name a collection that you may not see"


@dataclass(frozen=True, slots=True)
class AuditPage:
    """One page of the audit log; ``number`` and ``last`` count pages from 0."""

    text: str
    number: int
    last: int


def build_page(entries: Sequence[AuditEntry], number: int, visible_collections: Collection[str]) -> AuditPage:
    """Return the page with this number, or the nearest one that exists.

    Args:
        entries: The latest first.
        number: From 0.
        visible_collections: Details that name another collection, or a document in it, are hidden.
    """
    if not entries:
        return AuditPage("The audit log of this server is empty.", 0, 0)
    pages: list[list[str]] = [[]]
    room = _PAGE_LENGTH
    for entry in entries:
        line = _format_entry(entry, visible_collections)
        length = utf16_length(line) + 1
        if length > room or len(pages[-1]) == PER_PAGE:
            pages.append([])
            room = _PAGE_LENGTH
        pages[-1].append(line)
        room -= length
    last = len(pages) - 1
    number = max(0, min(number, last))
    head = f"**Audit log: {format_count(len(entries), 'entry', 'entries')}, the latest first**"
    foot = [f"-# Page {number + 1} of {last + 1}"] if last else []
    return AuditPage("\n".join([head, *pages[number], *foot]), number, last)


def _format_entry(entry: AuditEntry, visible_collections: Collection[str]) -> str:
    line = f"- <t:{int(entry.at)}:f> <@{entry.user_id}> `{entry.name.replace('`', '')}`"
    if not _find_collections(entry.details) <= set(visible_collections):
        return f"{line}: {_HIDDEN}"
    details = ", ".join(
        f"{name} {_format_value(name, value)}" for name, value in entry.details.items() if value is not None
    )
    return f"{line}: {details}" if details else line


def _find_collections(details: Mapping[str, Json]) -> set[str]:
    """Return the collections that an entry names, directly or by a document's path."""
    documents = details.get("documents")
    paths = documents if isinstance(documents, list) else []
    found = {collection_of(str(path)) for path in [*paths, *([details["document"]] if "document" in details else [])]}
    collection = details.get("collection")
    return found | ({collection} if isinstance(collection, str) else set())


def _format_value(name: str, value: Json) -> str:
    if name == "collection":
        value = format_collection(str(value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        value = [f"{name}: {each}" for name, each in value.items()]
    if isinstance(value, list):
        value = ", ".join(map(str, value))
    return escape_markdown(str(value), _VALUE_LENGTH)
