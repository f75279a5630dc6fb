"""Node postprocessors between retriever and synthesizer: evidence, token budget, merged neighbours."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Final

from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import NodeWithScore

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
    from llama_index.core.schema import QueryBundle, TextNode

    from bot.knowledge.answering.prompt_budget import PromptBudget
    from bot.knowledge.stores.store import Store

PASSAGE_LIMIT: Final = 40
"""Passages in a prompt at most."""

SHINGLE_WORDS: Final = 5
MAX_SHARED_SHINGLES: Final = 0.8
"""A passage is a near copy if a better one holds this part of its runs of ``SHINGLE_WORDS`` words."""

COMPLETED_PASSAGES: Final = 3
"""Passages whose sections are completed, the best ones: with eight the added ones displaced what was needed as well."""
SMALL_SECTION_TOKENS: Final = 1_000
"""A section of so many tokens at most is read whole."""
MAX_SECTION_PASSAGES: Final = 100
"""Passages of a section that are looked at."""

_LANGUAGE_SAMPLE: Final = 5  # passages whose language is guessed
_PASSAGE_HEADER_TOKENS: Final = 40  # tokens of "[1] …, page 3, file …, of …" beyond title and headings, generously


class EvidenceFilter(BaseNodePostprocessor):
    """Drops all passages if they clearly do not hold the answer; ``evidence`` tells afterwards how much there was.

    A question in another language than the passages shares no words with them: they are left to a model.

    Args:
        embedding: The model that the passages were searched with.
        has_other_context: Whether the question can be answered from more than passages: its files, or a conversation.
        has_model: Whether a model will read the passages.

    Raises:
        NothingFound: nothing is left, and there is no other context.
    """

    _embedding: BaseEmbedding | None = PrivateAttr()
    _has_other_context: bool = PrivateAttr()
    _has_model: bool = PrivateAttr()
    _evidence: Evidence = PrivateAttr(default_factory=lambda: Evidence(0.0))

    def __init__(
        self, embedding: BaseEmbedding | None, *, has_other_context: bool = False, has_model: bool = False
    ) -> None:
        super().__init__()
        self._embedding = embedding
        self._has_other_context = has_other_context
        self._has_model = has_model

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
        if nodes and self._has_model and _is_foreign(question, nodes):
            return nodes
        if not self._has_other_context:
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


class NearCopyFilter(BaseNodePostprocessor):
    """Drops passages that say nearly the same as a better one, so that the budget holds more of the documents."""

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        del query_bundle
        kept: list[NodeWithScore] = []
        seen: list[frozenset[tuple[str, ...]]] = []
        for hit in nodes:
            shingles = _make_shingles(get_text_node(hit).text)
            if any(len(shingles & others) >= MAX_SHARED_SHINGLES * len(shingles) for others in seen):
                continue
            seen.append(shingles)
            kept.append(hit)
        return kept


class SectionCompleter(BaseNodePostprocessor):
    """Adds to each of the best passages the rest of its section, or of a long section the passages next to it.

    An answer often begins in the passage that was found and ends in the next one. Added passages follow the one they
    belong to; all of them are in documents that the asker may see, for a section lies in one document.
    """

    _store: Store = PrivateAttr()

    def __init__(self, store: Store) -> None:
        super().__init__()
        self._store = store

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        del query_bundle
        kept = {hit.node.node_id: hit for hit in nodes}
        completed: dict[str, NodeWithScore] = {}
        for hit in nodes[:COMPLETED_PASSAGES]:
            completed.setdefault(hit.node.node_id, hit)
            for node in self._find_context(get_text_node(hit)):
                found = kept.get(node.node_id) or NodeWithScore(node=node, score=hit.score)
                completed.setdefault(node.node_id, found)
        return list((completed | {name: hit for name, hit in kept.items() if name not in completed}).values())

    def _find_context(self, node: TextNode) -> list[TextNode]:
        """Return the other passages of a small section, or the passage's neighbours in a longer one."""
        document, section = str(node.metadata["document"]), str(node.metadata.get("section") or "")
        own = list(islice(self._store.section_nodes(document, section), MAX_SECTION_PASSAGES))
        if sum(count_tokens(each.text) for each in own) <= SMALL_SECTION_TOKENS:
            return own
        place = int(node.metadata.get("position") or 0)
        return [each for each in own if abs(int(each.metadata.get("position") or 0) - place) == 1]


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


def _make_shingles(text: str) -> frozenset[tuple[str, ...]]:
    """Return the runs of words of a text; of a short one, all of it."""
    words = re.findall(r"\w+", text.casefold()) or [text]
    size = min(SHINGLE_WORDS, len(words))
    return frozenset(tuple(words[at : at + size]) for at in range(len(words) - size + 1))


def _is_foreign(question: str, nodes: Sequence[NodeWithScore]) -> bool:
    """Return whether the question is in another language than the best passages."""
    texts = " ".join(get_text_node(hit).text for hit in nodes[:_LANGUAGE_SAMPLE])
    return guess_language(question) != guess_language(texts)


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
