"""Lets a model write an answer from numbered passages, in one streamed request."""

from __future__ import annotations

import asyncio
import secrets
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, cast

from llama_index.core.response_synthesizers import BaseSynthesizer
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from bot.domain import AnswerStatus, Usage
from bot.knowledge.answering.passages import build_sources
from bot.knowledge.answering.prompts import NO_PASSAGES, format_file, format_passage
from bot.knowledge.answering.refusal_marker import RefusalMarkerFilter
from bot.knowledge.models.model_errors import MODEL_ERRORS, map_model_error

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence

    from llama_index.core.base.response.schema import RESPONSE_TYPE, AsyncStreamingResponse
    from llama_index.core.llms import LLM
    from llama_index.core.prompts.mixin import PromptDictType

    from bot.domain import Source
    from bot.knowledge.answering.prompt_budget import PromptBudget
    from bot.knowledge.models.openai import StreamingModel
    from bot.knowledge.models.usage import UsageCounter


class PassageSynthesizer(BaseSynthesizer):
    """A response synthesizer that streams from whole nodes, not only from their texts. One serves one question.

    LlamaIndex answers "Empty Response" where there are no nodes; this one is asked all the same, for files may have
    come with the question.
    """

    def __init__(self, llm: LLM) -> None:
        super().__init__(llm=llm, streaming=True)

    @abstractmethod
    async def stream_answer(self, question: str, passages: Sequence[NodeWithScore]) -> AsyncGenerator[str, None]:
        """Return the answer's deltas."""

    def get_status(self, *, has_text: bool) -> AnswerStatus:
        """Return how the stream ended, once it has.

        Raises:
            AnswerUnavailable: it ended, but not as an answer does.
        """
        del has_text
        return AnswerStatus.COMPLETE

    async def asynthesize(
        self,
        query: str | QueryBundle,
        nodes: list[NodeWithScore],
        additional_source_nodes: Sequence[NodeWithScore] | None = None,
        **response_kwargs: Any,
    ) -> RESPONSE_TYPE:
        """Return a streaming response whose ``source_nodes`` are the passages, in the order of their numbers."""
        given = nodes or [NodeWithScore(node=TextNode(text=NO_PASSAGES))]
        response = await super().asynthesize(query, given, additional_source_nodes, passages=nodes, **response_kwargs)
        response.source_nodes = [*nodes, *(additional_source_nodes or ())]
        return response

    async def aget_response(
        self,
        query_str: str,
        text_chunks: Sequence[str],  # noqa: ARG002 # as inherited
        *,
        passages: Sequence[NodeWithScore] = (),
        **_: Any,
    ) -> AsyncGenerator[str, None]:
        """Return the answer's deltas."""
        return await self.stream_answer(query_str, passages)

    def get_response(self, query_str: str, text_chunks: Sequence[str], **_: Any) -> str:
        """Refuse.

        Raises:
            NotImplementedError: always; answers are streamed.
        """
        raise NotImplementedError("answers are streamed: use asynthesize")

    def _get_prompts(self) -> PromptDictType:
        return {}

    def _update_prompts(self, prompts_dict: PromptDictType) -> None:
        pass


class GroundedSynthesizer(PassageSynthesizer):
    """Asks a model once; the request goes out when the first delta is awaited."""

    def __init__(self, llm: StreamingModel, budget: PromptBudget) -> None:
        super().__init__(llm)
        self._model = llm
        self._budget = budget

    async def stream_answer(self, question: str, passages: Sequence[NodeWithScore]) -> AsyncGenerator[str, None]:
        """Return the model's deltas."""
        texts = [format_passage(source) for source in build_sources(passages)] or [NO_PASSAGES]
        # Counting the tokens of long files takes more time than the event loop has.
        fitted = await asyncio.to_thread(self._budget.fit, question, has_passages=bool(passages))
        read = [
            question,
            *texts,
            *map(format_file, fitted.files),
            *(turn.text for turn in fitted.conversation),
        ]
        prompt = self._budget.build_prompt(
            _make_delimiter(*read), fitted.files, _make_delimiter(*read), fitted.conversation
        )
        deltas = await self._model.astream(prompt, context_str="\n\n".join(texts), query_str=question)
        return cast("AsyncGenerator[str, None]", deltas)  # pyright: ignore[reportUnnecessaryCast] - mypy needs it

    def get_status(self, *, has_text: bool) -> AnswerStatus:
        """Return how the model's stream ended.

        Raises:
            ModelResponseEmpty: it ended without text.
            ModelInterrupted: it ended without a finish reason.
        """
        return self._model.usage_counter.status(has_text=has_text)


class StreamedAnswer:
    """An answer over a LlamaIndex response: iterate ``deltas()`` once, to its end or until the task is cancelled."""

    def __init__(  # noqa: PLR0913 # what is known of an answer, each by name
        self,
        response: AsyncStreamingResponse,
        *,
        get_status: Callable[..., AnswerStatus],
        usage_counters: Sequence[UsageCounter] = (),
        notice: str = "",
        searched_for: str = "",
        is_confident: bool = False,
    ) -> None:
        """Make it.

        Args:
            response: Where the deltas come from; its nodes are the sources.
            get_status: Called with ``has_text`` once the deltas are exhausted; returns the status or raises.
            usage_counters: Counters of every request to a model that this answer takes.
            notice: A remark shown with the answer.
            searched_for: The self-contained question, if it is not the one that was asked.
            is_confident: Whether the passages speak clearly of the question.
        """
        self._response = response
        self._get_status = get_status
        self._usage_counters = usage_counters
        self._status = AnswerStatus.COMPLETE
        self.sources: Sequence[Source] = tuple(build_sources(response.source_nodes))
        self.notice = notice
        self.searched_for = searched_for
        self.is_confident = is_confident

    @property
    def status(self) -> AnswerStatus:
        """How it ended."""
        return self._status

    @property
    def usage(self) -> Usage:
        """Tokens used so far, counted now where the model has not reported them."""
        spent = [counter.usage for counter in self._usage_counters]
        return Usage(sum(usage.prompt for usage in spent), sum(usage.completion for usage in spent))

    async def deltas(self) -> AsyncIterator[str]:
        """Yield newly arrived text, as ``bot.domain.Answer`` promises.

        Raises:
            AnswerUnavailable: the model failed.
        """
        has_text = False
        refusing = RefusalMarkerFilter()
        try:
            async for delta in self._response.async_response_gen():
                has_text = has_text or bool(delta.strip())
                if shown := refusing.feed(delta):
                    yield shown
        except MODEL_ERRORS as error:
            raise map_model_error(error) from error
        if shown := refusing.flush():
            yield shown
        status = self._get_status(has_text=has_text)
        is_refusal = status is AnswerStatus.COMPLETE and refusing.is_refusal
        self._status = AnswerStatus.NOT_FOUND if is_refusal else status


def _make_delimiter(*texts: str) -> str:
    """Return a random delimiter that none of the texts contains, and that nobody could have known."""
    delimiter = secrets.token_hex(8)
    while any(delimiter in text for text in texts):
        delimiter = secrets.token_hex(8)
    return delimiter
