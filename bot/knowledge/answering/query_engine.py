"""Joins retriever, node postprocessors and synthesizer into the query engine of one question."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.schema import QueryBundle

from bot.knowledge.answering.condense_question import condense_question, is_self_contained
from bot.knowledge.answering.evidence import Evidence
from bot.knowledge.answering.postprocessors import EvidenceFilter
from bot.knowledge.answering.search_query import build_search_query

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llama_index.core.base.response.schema import RESPONSE_TYPE
    from llama_index.core.postprocessor.types import BaseNodePostprocessor

    from bot.domain import Question
    from bot.knowledge.answering.retrieval import HybridRetriever
    from bot.knowledge.answering.synthesis import PassageSynthesizer
    from bot.knowledge.answering.vocabulary import WordChecker
    from bot.knowledge.models.openai import StreamingModel


class GroundedQueryEngine(RetrieverQueryEngine):
    """LlamaIndex's query engine for one question: condense a follow-up, retrieve, postprocess, synthesize.

    ``aquery`` is the root span of everything that is done for the question. Afterwards ``search_text`` is the
    self-contained question, and ``evidence`` how clearly the passages speak of it.
    """

    def __init__(  # noqa: PLR0913 # its parts, each by name
        self,
        question: Question,
        *,
        retriever: HybridRetriever,
        node_postprocessors: Sequence[BaseNodePostprocessor],
        response_synthesizer: PassageSynthesizer,
        condenser: StreamingModel | None,
        words: WordChecker,
    ) -> None:
        """Make it.

        Args:
            question: What was asked, with its conversation and files.
            retriever: Finds passages inside the asker's scope.
            node_postprocessors: Applied to the passages in this order.
            response_synthesizer: Streams the answer.
            condenser: The model that makes a follow-up self-contained; None does that without a model.
            words: Corrects misspelt words before anything is searched.
        """
        super().__init__(retriever, response_synthesizer, list(node_postprocessors))
        self._question = question
        self._condenser = condenser
        self._words = words
        self.search_text = question.text

    @property
    def evidence(self) -> Evidence:
        """How much the retrieved passages share with the question."""
        filters = [each for each in self._node_postprocessors if isinstance(each, EvidenceFilter)]
        return filters[0].evidence if filters else Evidence(0.0)

    @property
    def is_confident(self) -> bool:
        """Whether the passages speak so clearly of the question that it may be answered unasked."""
        # One word, or a question that points at something unsaid, is covered by any passage that happens to hold it.
        return self.evidence.is_clear and is_self_contained(self.search_text)

    async def _aquery(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        return await super()._aquery(await self._condense(query_bundle.query_str))

    async def _condense(self, asked: str) -> QueryBundle:
        """Return the question as the synthesizer reads it, and the text that is searched for."""
        files = self._question.attachments
        # A question with files refers to these, not to earlier messages.
        text = (
            asked
            if files or self._question.images
            else (await condense_question(self._question, self._condenser)).strip()
        )
        text = await self._words.correct(text)
        self.search_text = text
        is_restated = text != asked and self._condenser is not None
        read = f"{asked}\nThat is: {text}" if is_restated else text
        return QueryBundle(read, custom_embedding_strs=[build_search_query(text, files)])
