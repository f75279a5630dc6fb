"""Passages and a question in, the model's deltas out: one call, its sources known before its first word."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final, cast

from llama_index.core.indices.prompt_helper import PromptHelper
from llama_index.core.response_synthesizers import ResponseMode, get_response_synthesizer
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from bot.answering import Ending, Outcome, Usage
from bot.knowledge.models import MODEL_FAULTS, context_too_long, named_fault
from bot.knowledge.prompts import numbered_passage, question_prompt
from bot.knowledge.refusing import Refusing
from bot.knowledge.retrieval import TOKEN_BUDGET, gathered, merged, sources_of, trimmed
from bot.knowledge.splitting import token_count

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from llama_index.core.base.response.schema import AsyncStreamingResponse

    from bot.answering import Source
    from bot.knowledge.models import StreamingModel
    from bot.knowledge.tally import Tally

ANSWER_TOKENS: Final = 1_024
"""Kept free in the model's window for what it writes."""

_UNBOUNDED: Final = 10_000_000  # LlamaIndex would split what it deems too long into several calls; it was trimmed here
_PASSAGE_LINE: Final = 16  # tokens of "[1] …, page 3" beyond title and headings, generously


class StreamedAnswer:
    """An answer over a LlamaIndex response: iterate ``deltas()`` once, to its end or until the task is cancelled."""

    def __init__(
        self,
        response: AsyncStreamingResponse,
        sources: Sequence[Source],
        *,
        notice: str = "",
        ending: Callable[[bool], Outcome] = lambda _has_text: Outcome(),
        tallies: Sequence[Tally] = (),
    ) -> None:
        """Make it.

        Args:
            response: Where the deltas come from.
            sources: What the answer may cite.
            notice: A remark to show with it.
            ending: Asked once the deltas are exhausted, with whether there was any text: the outcome, or an error.
            tallies: What counts the tokens of the streams that it takes; none where no model writes.
        """
        self._response = response
        self._ending = ending
        self._outcome = Outcome()
        self.sources: Sequence[Source] = tuple(sources)
        self.notice = notice
        self.tallies: Sequence[Tally] = tuple(tallies)
        self.searched_for = ""
        self.is_confident = False

    @property
    def outcome(self) -> Outcome:
        """How it ended."""
        return self._outcome

    @property
    def usage(self) -> Usage:
        """Tokens spent so far, counted now where the model has not told."""
        spent = [tally.usage for tally in self.tallies]
        return Usage(sum(usage.prompt for usage in spent), sum(usage.completion for usage in spent))

    async def deltas(self) -> AsyncIterator[str]:
        """Newly arrived text, as ``bot.answering.Answer`` promises.

        Raises:
            AnswerUnavailable: the model failed.
        """
        has_text = False
        refusing = Refusing()
        try:
            async for delta in self._response.async_response_gen():
                has_text = has_text or bool(delta.strip())
                if shown := refusing.feed(delta):
                    yield shown
        except MODEL_FAULTS as error:
            raise named_fault(error) from error
        if shown := refusing.flush():
            yield shown
        outcome = self._ending(has_text)
        is_whole = outcome.ending is Ending.COMPLETE
        self._outcome = Outcome(Ending.NOT_FOUND) if is_whole and refusing.is_refusal else outcome


def readable(ranked: Sequence[NodeWithScore], question: str, *, window: int) -> list[NodeWithScore]:
    """The passages that a model with this context window (tokens) can read for this question, documents in one piece.

    Raises:
        ContextTooLong: there are passages, and none of them fits.
    """
    spoken = sum(token_count(message.content or "") for message in question_prompt(_mark()).format_messages())
    room = window - spoken - token_count(question) - min(ANSWER_TOKENS, window // 4)
    kept = trimmed(ranked, token_budget=min(TOKEN_BUDGET, room), count=lambda text: token_count(text) + _PASSAGE_LINE)
    if ranked and not kept:
        raise context_too_long()
    return merged(gathered(kept))


async def written(
    question: str, hits: Sequence[NodeWithScore], model: StreamingModel, *, notice: str = ""
) -> StreamedAnswer:
    """The model's answer from these passages; it is asked when the first delta is awaited, and only once.

    ``hits`` are what ``readable`` gave for this model.
    """
    sources = sources_of(hits)
    watched = model.watched()
    synthesizer = get_response_synthesizer(
        llm=watched,
        response_mode=ResponseMode.COMPACT,
        prompt_helper=PromptHelper(context_window=_UNBOUNDED),
        text_qa_template=question_prompt(_mark()),
        streaming=True,
    )
    nodes = [NodeWithScore(node=TextNode(text=numbered_passage(source))) for source in sources]
    response = await synthesizer.asynthesize(QueryBundle(question), nodes)
    return StreamedAnswer(
        cast("AsyncStreamingResponse", response),
        sources,
        notice=notice,
        ending=lambda has_text: watched.tally.outcome(has_text=has_text),
        tallies=[watched.tally],
    )


def _mark() -> str:
    return secrets.token_hex(8)
