"""Orders, joins and numbers the passages of one answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from llama_index.core.schema import NodeWithScore, TextNode

from bot.domain import Source
from bot.knowledge.splitting.splitter import build_passage_node
from bot.knowledge.stores.rows import parse_date

if TYPE_CHECKING:
    from collections.abc import Sequence

_OVERLAP_MIN: Final = 12
_OVERLAP_MAX: Final = 1_000
"""Characters that two neighbours have in common where a long section was cut between them."""


def get_text_node(hit: NodeWithScore) -> TextNode:
    """Return the node of a hit; our stores hold text only.

    Raises:
        TypeError: it holds something else.
    """
    if not isinstance(hit.node, TextNode):
        raise TypeError(f"a passage is text, not {type(hit.node).__name__}")
    return hit.node


def group_by_document(ranked: Sequence[NodeWithScore]) -> list[NodeWithScore]:
    """Put a document's passages together in reading order; documents in the order of their best passages."""
    documents = list(dict.fromkeys(get_text_node(hit).metadata["document"] for hit in ranked))

    def sort_key(hit: NodeWithScore) -> tuple[int, int]:
        metadata = get_text_node(hit).metadata
        return documents.index(metadata["document"]), int(metadata.get("position") or 0)

    return sorted(ranked, key=sort_key)


def merge_adjacent(ordered: Sequence[NodeWithScore]) -> list[NodeWithScore]:
    """Merge passages that follow one another in one section, without their overlap twice; keep the order."""
    merged: list[NodeWithScore] = []
    for hit in ordered:
        if merged and (joined := _join_adjacent(get_text_node(merged[-1]), get_text_node(hit))) is not None:
            score = max(merged[-1].score or 0.0, hit.score or 0.0)
            merged[-1] = NodeWithScore(node=joined, score=score)
        else:
            merged.append(hit)
    return merged


def _join_adjacent(first: TextNode, second: TextNode) -> TextNode | None:
    """Join two neighbours, or return None; the result has the second's position, so that a third can be joined."""
    same = ("document", "section", "page")
    if any(first.metadata.get(key) != second.metadata.get(key) for key in same):
        return None
    if int(second.metadata.get("position") or 0) != int(first.metadata.get("position") or 0) + 1:
        return None
    if (shared := _find_overlap(first.text, second.text)) is None:
        return None
    metadata = {**first.metadata, "position": second.metadata["position"]}
    return build_passage_node(first.text + second.text[shared:], metadata, node_id=first.node_id)


def _find_overlap(first: str, second: str) -> int | None:
    """Return how many characters end the first text and begin the second; None if they share no line or sentence."""
    longest = min(len(first), len(second), _OVERLAP_MAX)
    return next((size for size in range(longest, _OVERLAP_MIN - 1, -1) if first.endswith(second[:size])), None)


def build_sources(hits: Sequence[NodeWithScore]) -> list[Source]:
    """Return the passages as sources, numbered from 1 in this order."""
    return [_build_source(number, get_text_node(hit)) for number, hit in enumerate(hits, start=1)]


def list_nearest_titles(hits: Sequence[NodeWithScore], limit: int = 3) -> list[str]:
    """Return the titles of the nearest documents, best first."""
    titles: dict[str, str] = {}
    for hit in hits:
        metadata = get_text_node(hit).metadata
        titles.setdefault(str(metadata["document"]), str(metadata["title"]))
    return list(titles.values())[:limit]


def _build_source(number: int, node: TextNode) -> Source:
    return Source(
        number=number,
        document=str(node.metadata["document"]),
        title=str(node.metadata["title"]),
        passage=node.text,
        section=str(node.metadata.get("section") or ""),
        page=node.metadata.get("page"),
        page_label=str(node.metadata.get("label") or ""),
        line=node.metadata.get("line"),
        url=node.metadata.get("url"),
        date=parse_date(node.metadata.get("modified")),
    )
