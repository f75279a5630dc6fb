"""Passages and a question in, the model's deltas out: one call, its sources known before its first word."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, cast

from llama_index.core.indices.prompt_helper import PromptHelper
from llama_index.core.response_synthesizers import ResponseMode, get_response_synthesizer
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from bot.domain import AnswerOutcome, Attachment, FinishReason, ResponseStyle, Usage
from bot.knowledge.answering.prompts import NO_PASSAGES, named_file, numbered_passage, question_prompt
from bot.knowledge.answering.refusal_marker import Refusing
from bot.knowledge.answering.retrieval import TOKEN_BUDGET, gathered, merged, sources_of, trimmed
from bot.knowledge.ingestion.attachments import fitted
from bot.knowledge.models.openai import ANSWER_TOKENS, MODEL_FAULTS, context_too_long, named_fault
from bot.knowledge.splitting.splitter import token_count

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from llama_index.core.base.response.schema import AsyncStreamingResponse

    from bot.domain import Source
    from bot.knowledge.models.openai import StreamingModel
    from bot.knowledge.models.usage import Tally

_UNBOUNDED: Final = 10_000_000  # LlamaIndex would split what it deems too long into several calls; it was trimmed here
_PASSAGE_LINE: Final = 16  # tokens of "[1] …, page 3" beyond title and headings, generously


class StreamedAnswer:
    """An answer over a LlamaIndex response: iterate ``deltas()`` once, to its end or until the task is cancelled."""

    def __init__(
        self,
        response: AsyncStreamingResponse,
        sources: Sequence[Source],
        *,
        ending: Callable[[bool], AnswerOutcome] = lambda _has_text: AnswerOutcome(),
        tallies: Sequence[Tally] = (),
    ) -> None:
        """Make it.

        Args:
            response: Where the deltas come from.
            sources: What the answer may cite.
            ending: Asked once the deltas are exhausted, with whether there was any text: the outcome, or an error.
            tallies: What counts the tokens of the streams that it takes; none where no model writes.
        """
        self._response = response
        self._ending = ending
        self._outcome = AnswerOutcome()
        self.sources: Sequence[Source] = tuple(sources)
        self.tallies: Sequence[Tally] = tuple(tallies)
        self.notice = ""
        self.searched_for = ""
        self.is_confident = False

    @property
    def outcome(self) -> AnswerOutcome:
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
        is_whole = outcome.finish_reason is FinishReason.COMPLETE
        self._outcome = AnswerOutcome(FinishReason.NOT_FOUND) if is_whole and refusing.is_refusal else outcome


@dataclass(frozen=True, slots=True)
class Reading:
    """What a model is given to answer from: passages, and the files that came with the question."""

    hits: Sequence[NodeWithScore] = ()
    files: Sequence[Attachment] = ()
    manner: ResponseStyle = field(default_factory=ResponseStyle)


def readable(
    ranked: Sequence[NodeWithScore],
    question: str,
    *,
    window: int,
    answer_tokens: int = ANSWER_TOKENS,
    beside: Reading | None = None,
) -> Reading:
    """What a model with this context window (tokens) can read for this question, documents in one piece.

    ``beside`` are files and manner that are read besides. The files come first, but leave to the passages as much as
    these need, or half of the room.

    Raises:
        ContextTooLong: there are passages, and none of them fits.
    """
    beside = beside or Reading()
    bare = [Attachment(file.name, "") for file in beside.files]
    prompt = question_prompt(_mark(), manner=beside.manner, files=bare, file_mark=_mark())
    spoken = sum(token_count(message.content or "") for message in prompt.format_messages())
    room = window - spoken - token_count(question) - min(answer_tokens, window // 4)
    files = fitted(beside.files, max(room // 2, room - TOKEN_BUDGET) if ranked else room - token_count(NO_PASSAGES))
    room -= sum(token_count(file.text) for file in files)
    kept = trimmed(ranked, token_budget=min(TOKEN_BUDGET, room), count=lambda text: token_count(text) + _PASSAGE_LINE)
    if ranked and not kept:
        raise context_too_long()
    return Reading(merged(gathered(kept)), files, beside.manner)


async def written(question: str, reading: Reading, model: StreamingModel) -> StreamedAnswer:
    """The model's answer from what it reads; it is asked when the first delta is awaited, and only once.

    ``reading`` is what ``readable`` gave for this model.
    """
    sources = sources_of(reading.hits)
    passages = [numbered_passage(source) for source in sources] or [NO_PASSAGES]
    read = [question, *passages, *map(named_file, reading.files)]
    watched = model.watched()
    synthesizer = get_response_synthesizer(
        llm=watched,
        response_mode=ResponseMode.COMPACT,
        prompt_helper=PromptHelper(context_window=_UNBOUNDED),
        text_qa_template=question_prompt(
            _mark(*read), manner=reading.manner, files=reading.files, file_mark=_mark(*read)
        ),
        streaming=True,
    )
    nodes = [NodeWithScore(node=TextNode(text=passage)) for passage in passages]
    response = await synthesizer.asynthesize(QueryBundle(question), nodes)
    return StreamedAnswer(
        cast("AsyncStreamingResponse", response),
        sources,
        ending=lambda has_text: watched.tally.outcome(has_text=has_text),
        tallies=[watched.tally],
    )


def _mark(*texts: str) -> str:
    """A mark that stands in none of the texts, and that nobody could have known."""
    mark = secrets.token_hex(8)
    while any(mark in text for text in texts):
        mark = secrets.token_hex(8)
    return mark
