"""Node postprocessors between retriever and synthesizer: evidence, token budget, merged neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.postprocessor.types import BaseNodePostprocessor

from bot.errors import NothingFound
from bot.knowledge.answering.evidence import MIN_COVERAGE, MIN_COVERAGE_NON_LATIN, Evidence
from bot.knowledge.answering.fusion import fusion_weights
from bot.knowledge.answering.passages import get_text_node, group_by_document, list_nearest_titles, merge_adjacent
from bot.knowledge.answering.vector_store import COVERAGE, SIMILARITY
from bot.knowledge.models.model_errors import build_context_too_long
from bot.knowledge.splitting.splitter import count_tokens, get_searchable_text
from bot.text.search_terms import guess_language

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from llama_index.core.base.embeddings.base import BaseEmbedding
    from llama_index.core.schema import NodeWithScore, QueryBundle

    from bot.knowledge.answering.prompt_budget import PromptBudget

PASSAGE_LIMIT: Final = 8
"""Passages in a prompt at most."""

_PASSAGE_HEADER_TOKENS: Final = 16  # tokens of "[1] …, page 3" beyond title and headings, generously


class EvidenceFilter(BaseNodePostprocessor):
    """Drops all passages if they clearly do not hold the answer; ``evidence`` tells afterwards how much there was.

    Raises:
        NothingFound: nothing is left, unless files came with the question and it can be answered from them.
    """

    _embedding: BaseEmbedding | None = PrivateAttr()
    _has_files: bool = PrivateAttr()
    _evidence: Evidence = PrivateAttr(default_factory=lambda: Evidence(0.0))

    def __init__(self, embedding: BaseEmbedding | None, *, has_files: bool) -> None:
        super().__init__()
        self._embedding = embedding
        self._has_files = has_files

    @property
    def evidence(self) -> Evidence:
        """How much the retrieved passages share with the question."""
        return self._evidence

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        question = query_bundle.embedding_strs[0] if query_bundle and query_bundle.embedding_strs else ""
        self._evidence = _measure_evidence(nodes, question, self._embedding)
        if nodes and not self._evidence.is_empty:
            return nodes
        if not self._has_files:
            nearest = list_nearest_titles(nodes)
            raise NothingFound(_format_not_found(nearest), nearest=nearest)
        return []


class BestPassages(BaseNodePostprocessor):
    """Keeps the best passages, ``limit`` at most."""

    limit: int

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        del query_bundle
        return nodes[: self.limit]


class TokenBudget(BaseNodePostprocessor):
    """Keeps the best passages that fit into the prompt beside everything else that is said in it.

    Raises:
        ContextTooLong: there are passages, and none of them fits.
    """

    _budget: PromptBudget = PrivateAttr()

    def __init__(self, budget: PromptBudget) -> None:
        super().__init__()
        self._budget = budget

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        if not nodes:
            return []
        question = query_bundle.query_str if query_bundle else ""
        kept = trim_to_budget(
            nodes,
            token_budget=self._budget.fit(question, has_passages=True).passage_tokens,
            count_tokens=lambda text: count_tokens(text) + _PASSAGE_HEADER_TOKENS,
        )
        if not kept:
            raise build_context_too_long()
        return kept


class NeighbourMerger(BaseNodePostprocessor):
    """Puts a document's passages together in reading order, and merges those that follow one another."""

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        del query_bundle
        return merge_adjacent(group_by_document(nodes))


def trim_to_budget(
    ranked: Sequence[NodeWithScore],
    *,
    token_budget: int,
    count_tokens: Callable[[str], int],
    limit: int = PASSAGE_LIMIT,
) -> list[NodeWithScore]:
    """Return the best passages that fit the budget, in the order of their ranks; one that does not fit is skipped.

    Args:
        ranked: Passages, best first.
        token_budget: Tokens that they may take together.
        count_tokens: Counts the tokens of a text; a passage is counted with its title and headings.
        limit: Passages kept at most.
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


def _measure_evidence(nodes: Sequence[NodeWithScore], question: str, embedding: BaseEmbedding | None) -> Evidence:
    coverage = max((float(hit.node.metadata.get(COVERAGE, 0.0)) for hit in nodes), default=0.0)
    cosines = [float(hit.node.metadata[SIMILARITY]) for hit in nodes if SIMILARITY in hit.node.metadata]
    nearest = max(cosines, default=None) if fusion_weights(embedding, question).supports_language else None
    min_coverage = MIN_COVERAGE if guess_language(question) else MIN_COVERAGE_NON_LATIN
    return Evidence(coverage, nearest, min_coverage)


def _format_not_found(nearest: Sequence[str]) -> str:
    if not nearest:
        return "The documents do not mention this. Try other words."
    return f"I did not find this in the documents. Nearest: {', '.join(nearest)}."
