"""A question and its scope in, the passages that may answer it out: keywords and vectors side by side, fused."""

from __future__ import annotations

import asyncio
import logging
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol

from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from bot.domain import Source
from bot.knowledge.answering.evidence import MIN_COVERAGE, MIN_COVERAGE_NON_LATIN, Evidence, compute_coverages
from bot.knowledge.models.local import LocalEmbedding
from bot.knowledge.models.openai import MODEL_ERRORS
from bot.knowledge.splitting.splitter import build_passage_node, get_searchable_text
from bot.knowledge.stores.rows import parse_date
from bot.text.search_terms import guess_language

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from llama_index.core.base.embeddings.base import BaseEmbedding

    from bot.domain import Scope
    from bot.knowledge.stores.store import Store

CANDIDATES: Final = 50
"""Passages asked for on either side before the two are fused."""

PASSAGE_LIMIT: Final = 8
TOKEN_BUDGET: Final = 1_800

_OVERLAP_MIN: Final = 12
_OVERLAP_MAX: Final = 1_000
"""Characters that two neighbours have in common where a long section was cut between them."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FusionWeights:
    """How much vectors say beside keywords. ``vector_share`` is their part of a fused score.

    ``spread`` is how far apart in cosine the nearest and the farthest candidate stand where the model knows what it
    reads: a model that finds all candidates about equally near does not decide between them. 0 asks for no distance.
    ``keyword_scale`` is what the best of the keywords' list scores, up to 1: little where it holds little of the
    question.
    Unless ``supports_language``, everything is near to the model in a language that it does not read.
    """

    vector_share: float = 0.5
    spread: float = 0.0
    keyword_scale: float = 1.0
    supports_language: bool = True


# MiniLM reads English. Measured on parallel question sets, it still helps a little with languages of the same letters,
# and in other scripts only drags the keywords down.
_LOCAL_SPREAD: Final = 0.3
_LOCAL_SHARE_NON_ENGLISH: Final = 0.2
_TIE_BREAK_SHARE: Final = 0.01


def fusion_weights(embedding: BaseEmbedding | None, question: str) -> FusionWeights:
    """What is known of a model's judgement on a question; of a model that nothing is known of, half and half."""
    if not isinstance(embedding, LocalEmbedding):
        return FusionWeights()
    spoken = guess_language(question)
    share = 0.5 if spoken == "en" else _LOCAL_SHARE_NON_ENGLISH if spoken else _TIE_BREAK_SHARE
    return FusionWeights(share, _LOCAL_SPREAD, supports_language=bool(spoken))


class Reranker(Protocol):
    """Reads question and passages together and orders them anew: slower than either search, and better."""

    async def rerank(self, question: str, hits: Sequence[NodeWithScore]) -> Sequence[NodeWithScore]:
        """The same hits, best first."""
        ...


class FusedRetriever(BaseRetriever):
    """Finds the passages for one question.

    Afterwards ``is_keywords_only`` tells that the embedding model failed, ``cosines`` how near those passages are that
    are near in meaning, by node id, and ``evidence`` how much there is to go by.
    """

    def __init__(
        self, store: Store, embedding: BaseEmbedding | None, scope: Scope, *, reranker: Reranker | None = None
    ) -> None:
        super().__init__()
        self._store = store
        self._embedding = embedding
        self._scope = scope
        self._reranker = reranker
        self.is_keywords_only = False
        self.cosines: Mapping[str, float] = {}
        self.evidence = Evidence(0.0)

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        text = query_bundle.query_str
        hits = await self.search(text, await self.embed_query(text))
        return hits if self._reranker is None else list(await self._reranker.rerank(text, hits))

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return asyncio.run(self._aretrieve(query_bundle))

    async def embed_query(self, text: str) -> Sequence[float] | None:
        """The question's vector; None without a model, or when it fails."""
        if self._embedding is None:
            return None
        try:
            return await self._embedding.aget_query_embedding(text)
        except MODEL_ERRORS as error:
            # The message of such an error may quote the question or the key: its kind is enough.
            _log.warning("the embedding model failed (%s): keywords answer alone", type(error).__name__)
            self.is_keywords_only = True
            return None

    async def search(self, text: str, vector: Sequence[float] | None) -> list[NodeWithScore]:
        """What shares words with the text and what is near the vector, each with the weight it deserves, best first.

        Both are searched for at once, and only now: a run that ends while a question is being embedded must not give
        one answer two states of a document.
        """
        found = await self._store.search(text, vector, collections=self._scope.collections, top_k=CANDIDATES)
        by_keywords, by_vectors = found.by_keywords, found.by_vectors
        self.cosines = {hit.node.node_id: hit.score or 0.0 for hit in by_vectors}
        candidates = [*by_keywords, *by_vectors]
        # Some milliseconds of a processor, which the event loop does not have.
        covered = await asyncio.to_thread(_compute_coverages, text, candidates)
        trust = fusion_weights(self._embedding, text)
        nearest = max(self.cosines.values(), default=None) if trust.supports_language else None
        foreign = MIN_COVERAGE if guess_language(text) else MIN_COVERAGE_NON_LATIN
        self.evidence = Evidence(max(covered, default=0.0), nearest, foreign)
        return fuse(
            by_keywords, by_vectors, replace(trust, keyword_scale=math.sqrt(covered[0])) if by_keywords else trust
        )


def fuse(
    by_keywords: Sequence[NodeWithScore], by_vectors: Sequence[NodeWithScore], weights: FusionWeights = FusionWeights()
) -> list[NodeWithScore]:
    """Both lists in one, best first, scores from 0 to 1. Where one list is empty the other stands alone."""
    dense = 0.0 if not by_vectors else weights.vector_share if by_keywords else 1.0
    scores: dict[str, float] = {}
    nodes = {hit.node.node_id: hit.node for hit in (*by_vectors, *by_keywords)}
    words = (1.0 - dense) * (weights.keyword_scale if by_vectors else 1.0)
    for weight, hits, spread in ((words, by_keywords, 0.0), (dense, by_vectors, weights.spread)):
        for node_id, score in normalize_scores(hits, spread).items():
            scores[node_id] = scores.get(node_id, 0.0) + weight * score
    ranked = sorted(scores, key=lambda node_id: (-scores[node_id], node_id))
    return [NodeWithScore(node=nodes[node_id], score=scores[node_id]) for node_id in ranked]


def _compute_coverages(question: str, hits: Sequence[NodeWithScore]) -> list[float]:
    """The part of the question that each hit holds, in the hits' order; rare are the words that few of them hold."""
    texts = {hit.node.node_id: get_searchable_text(get_text_node(hit)) for hit in hits}
    covered = dict(zip(texts, compute_coverages(question, list(texts.values())), strict=True))
    return [covered[hit.node.node_id] for hit in hits]


def normalize_scores(hits: Sequence[NodeWithScore], spread: float = 0.0) -> dict[str, float]:
    """Scores stretched so that the worst is 0 and the best is 1, or less if they lie closer together than ``spread``.

    A hit that scored nothing is no hit.
    """
    raw = {hit.node.node_id: hit.score for hit in hits if hit.score is not None and hit.score > 0}
    if not raw:
        return {}
    low, high = min(raw.values()), max(raw.values())
    if high == low:
        return dict.fromkeys(raw, 1.0)
    return {node_id: (score - low) / max(high - low, spread) for node_id, score in raw.items()}


def trim_to_budget(
    ranked: Sequence[NodeWithScore],
    *,
    token_budget: int,
    count_tokens: Callable[[str], int],
    limit: int = PASSAGE_LIMIT,
) -> list[NodeWithScore]:
    """The best passages that fit the budget, in the order of their ranks; one that does not fit is passed over.

    ``count_tokens`` gives the tokens of a text; a passage is counted with its title and headings.
    """
    kept: list[NodeWithScore] = []
    for hit in ranked:
        tokens = count_tokens(get_searchable_text(get_text_node(hit)))
        if tokens <= token_budget:
            token_budget -= tokens
            kept.append(hit)
        if len(kept) == limit:
            break
    return kept


def group_by_document(ranked: Sequence[NodeWithScore]) -> list[NodeWithScore]:
    """Passages of one document side by side and in their order; documents in the order of their best passages."""
    documents = list(dict.fromkeys(get_text_node(hit).metadata["document"] for hit in ranked))

    def sort_key(hit: NodeWithScore) -> tuple[int, int]:
        metadata = get_text_node(hit).metadata
        return documents.index(metadata["document"]), int(metadata.get("position") or 0)

    return sorted(ranked, key=sort_key)


def merge_adjacent(ordered: Sequence[NodeWithScore]) -> list[NodeWithScore]:
    """Passages that follow one another in one section as one, what they share said once; order and rest are kept."""
    whole: list[NodeWithScore] = []
    for hit in ordered:
        if whole and (joined := _join_adjacent(get_text_node(whole[-1]), get_text_node(hit))) is not None:
            score = max(whole[-1].score or 0.0, hit.score or 0.0)
            whole[-1] = NodeWithScore(node=joined, score=score)
        else:
            whole.append(hit)
    return whole


def _join_adjacent(first: TextNode, second: TextNode) -> TextNode | None:
    """Two neighbours in one, None where they are none; it has the position of the second, for the next to follow."""
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
    """How many characters end the first text and begin the second; None where they share no line or sentence."""
    longest = min(len(first), len(second), _OVERLAP_MAX)
    return next((size for size in range(longest, _OVERLAP_MIN - 1, -1) if first.endswith(second[:size])), None)


def build_sources(hits: Sequence[NodeWithScore]) -> list[Source]:
    """The passages as other rooms know them, numbered from 1."""
    return [_build_source(number, get_text_node(hit)) for number, hit in enumerate(hits, start=1)]


def list_nearest_titles(hits: Sequence[NodeWithScore], limit: int = 3) -> list[str]:
    """The titles of the documents that come nearest, the best first."""
    titles: dict[str, str] = {}
    for hit in hits:
        metadata = get_text_node(hit).metadata
        titles.setdefault(str(metadata["document"]), str(metadata["title"]))
    return list(titles.values())[:limit]


def get_text_node(hit: NodeWithScore) -> TextNode:
    """The node of a hit; our stores hold text only.

    Raises:
        TypeError: it holds something else.
    """
    if not isinstance(hit.node, TextNode):
        raise TypeError(f"a passage is text, not {type(hit.node).__name__}")
    return hit.node


def _build_source(number: int, node: TextNode) -> Source:
    return Source(
        number=number,
        document=str(node.metadata["document"]),
        title=str(node.metadata["title"]),
        passage=node.text,
        section=str(node.metadata.get("section") or ""),
        page=node.metadata.get("page"),
        line=node.metadata.get("line"),
        url=node.metadata.get("url"),
        date=parse_date(node.metadata.get("modified")),
    )
