"""A node becomes one row of plain text, and a row becomes that node again; the same in every store."""

from __future__ import annotations

import json
from dataclasses import astuple, dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from bot.domain import DocumentInfo
from bot.knowledge.splitting.splitter import build_passage_node, hash_passage
from bot.text.search_terms import index_text
from bot.text.storable import replace_unstorable

if TYPE_CHECKING:
    from llama_index.core.schema import TextNode


@dataclass(frozen=True, slots=True)
class Row:
    """What is kept of a node. ``passage`` names its vector; ``others`` is the rest of its metadata, as JSON."""

    id: str
    document: str
    collection: str
    passage: str
    title: str
    section: str
    text: str
    others: str

    def values(self) -> tuple[str, ...]:
        """All of it, in the order of the fields."""
        return astuple(self)

    def search_texts(self) -> tuple[str, str, str]:
        """What title, section and text are searched by."""
        return index_text(self.title), index_text(self.section), index_text(self.text)


FIELDS = tuple(Row.__dataclass_fields__)
"""The fields' names, which every store gives to its columns."""


def row_from_node(node: TextNode) -> Row:
    """The row of a node whose metadata is that of a passage."""
    others = dict(node.metadata)
    document, collection, title, section = (
        replace_unstorable(str(others.pop(key))) for key in ("document", "collection", "title", "section")
    )
    passage = hash_passage(node)
    node_id, text = replace_unstorable(node.node_id), replace_unstorable(node.text)
    return Row(node_id, document, collection, passage, title, section, text, json.dumps(others))


def node_from_row(row: Row) -> TextNode:
    """The node of a row."""
    named = {"document": row.document, "collection": row.collection, "title": row.title, "section": row.section}
    return build_passage_node(row.text, {**named, **json.loads(row.others)}, node_id=row.id)


def make_document_info(document: str, title: str, collection: str, passages: int, others: str) -> DocumentInfo:
    """A document as other rooms know it, of its first passage's row and of how many it has."""
    metadata = json.loads(others)
    return DocumentInfo(
        document, title, collection, passages, parse_date(metadata.get("modified")), metadata.get("url")
    )


def parse_date(text: object) -> datetime | None:
    """When a document was last changed, as its reader wrote it down (ISO 8601)."""
    try:
        return datetime.fromisoformat(str(text)) if text else None
    except ValueError:
        return None
