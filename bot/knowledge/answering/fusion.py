"""Fuses the rankings by keywords and by vectors into one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from llama_index.core.schema import NodeWithScore

from bot.knowledge.models.local import LocalEmbedding
from bot.text.search_terms import guess_language

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llama_index.core.base.embeddings.base import BaseEmbedding


@dataclass(frozen=True, slots=True)
class FusionWeights:
    """How much vectors count beside keywords.

    Attributes:
        vector_share: The vectors' part of a fused score, 0 to 1 (LlamaIndex's ``alpha``).
        spread: Distance in cosine between the nearest and the farthest candidate from which on the vectors count in
            full: a model that finds all candidates about equally near does not decide between them. 0 asks for none.
        keyword_scale: Score of the best keyword hit, 0 to 1: the part of the question's words that it holds. A question
            in other words than the documents' is decided by the vectors.
        supports_language: Whether the model reads the question's language; otherwise everything is near to it.
    """

    vector_share: float = 0.5
    spread: float = 0.0
    keyword_scale: float = 1.0
    supports_language: bool = True


# Of a model that reads English alone, measured on parallel question sets: it still helps a little with languages of the
# same letters, and in other scripts only drags the keywords down.
_LOCAL_SPREAD: Final = 0.3
_LOCAL_SHARE_NON_ENGLISH: Final = 0.2
_TIE_BREAK_SHARE: Final = 0.01


def fusion_weights(embedding: BaseEmbedding | None, question: str) -> FusionWeights:
    """Return the weights for this model and question; half and half for a model of which nothing is known."""
    if not isinstance(embedding, LocalEmbedding):
        return FusionWeights()
    language = guess_language(question)
    share = 0.5 if embedding.can_read(language) else _LOCAL_SHARE_NON_ENGLISH if language else _TIE_BREAK_SHARE
    return FusionWeights(share, _LOCAL_SPREAD, supports_language=embedding.can_read(language) or bool(language))


def fuse(
    by_keywords: Sequence[NodeWithScore], by_vectors: Sequence[NodeWithScore], weights: FusionWeights = FusionWeights()
) -> list[NodeWithScore]:
    """Fuse both rankings, best first, with scores from 0 to 1; where one is empty the other counts alone."""
    dense = 0.0 if not by_vectors else weights.vector_share if by_keywords else 1.0
    sparse = (1.0 - dense) * (weights.keyword_scale if by_vectors else 1.0)
    scores: dict[str, float] = {}
    nodes = {hit.node.node_id: hit.node for hit in (*by_vectors, *by_keywords)}
    for weight, hits, spread in ((sparse, by_keywords, 0.0), (dense, by_vectors, weights.spread)):
        for node_id, score in normalize_scores(hits, spread).items():
            scores[node_id] = scores.get(node_id, 0.0) + weight * score
    ranked = sorted(scores, key=lambda node_id: (-scores[node_id], node_id))
    return [NodeWithScore(node=nodes[node_id], score=scores[node_id]) for node_id in ranked]


def normalize_scores(hits: Sequence[NodeWithScore], spread: float = 0.0) -> dict[str, float]:
    """Scale scores so that the worst is 0 and the best is 1, or less if they lie closer together than ``spread``.

    A hit without a positive score is left out.
    """
    raw = {hit.node.node_id: hit.score for hit in hits if hit.score is not None and hit.score > 0}
    if not raw:
        return {}
    low, high = min(raw.values()), max(raw.values())
    if high == low:
        return dict.fromkeys(raw, 1.0)
    return {node_id: (score - low) / max(high - low, spread) for node_id, score in raw.items()}
