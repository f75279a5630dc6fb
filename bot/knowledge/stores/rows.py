"""Converts nodes to rows of text and back, the same way in every store."""

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
    """A node as it is stored; ``passage`` names its vector, ``others`` is the rest of its metadata as JSON."""

    id: str
    document: str
    collection: str
    passage: str
    title: str
    section: str
    text: str
    others: str

    def values(self) -> tuple[str, ...]:
        """Return all values in the order of the fields."""
        return astuple(self)

    def search_texts(self) -> tuple[str, str, str]:
        """Return the index texts of title, section and text."""
        return index_text(self.title), index_text(self.section), index_text(self.text)


FIELDS = tuple(Row.__dataclass_fields__)
"""Names of the fields and of every store's columns."""


def row_from_node(node: TextNode) -> Row:
    """Return the row of a passage's node."""
    others = dict(node.metadata)
    document, collection, title, section = (
        replace_unstorable(str(others.pop(key))) for key in ("document", "collection", "title", "section")
    )
    passage = hash_passage(node)
    node_id, text = replace_unstorable(node.node_id), replace_unstorable(node.text)
    return Row(node_id, document, collection, passage, title, section, text, json.dumps(others))


def node_from_row(row: Row) -> TextNode:
    """Return the node of a row."""
    named = {"document": row.document, "collection": row.collection, "title": row.title, "section": row.section}
    return build_passage_node(row.text, {**named, **json.loads(row.others)}, node_id=row.id)


def make_document_info(document: str, title: str, collection: str, passages: int, others: str) -> DocumentInfo:
    """Return a document's information from its first passage's row and its number of passages."""
    metadata = json.loads(others)
    return DocumentInfo(
        document, title, collection, passages, parse_date(metadata.get("modified")), metadata.get("url")
    )


def parse_date(text: object) -> datetime | None:
    """Return the date that a reader wrote down in ISO 8601; None if there is none."""
    try:
        return datetime.fromisoformat(str(text)) if text else None
    except ValueError:
        return None
