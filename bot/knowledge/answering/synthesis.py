"""Passages and a question in, the model's deltas out: one call, its sources known before its first word."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, cast

from llama_index.core.indices.prompt_helper import PromptHelper
from llama_index.core.response_synthesizers import ResponseMode, get_response_synthesizer
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from bot.domain import AnswerStatus, Attachment, ResponseStyle, Usage
from bot.knowledge.answering.prompts import NO_PASSAGES, build_question_prompt, format_file, format_passage
from bot.knowledge.answering.refusal_marker import RefusalMarkerFilter
from bot.knowledge.answering.retrieval import (
    TOKEN_BUDGET,
    build_sources,
    group_by_document,
    merge_adjacent,
    trim_to_budget,
)
from bot.knowledge.ingestion.attachments import fit_files
from bot.knowledge.models.openai import ANSWER_TOKENS, MODEL_ERRORS, build_context_too_long, map_model_error
from bot.knowledge.splitting.splitter import count_tokens

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from llama_index.core.base.response.schema import AsyncStreamingResponse

    from bot.domain import Source
    from bot.knowledge.models.openai import StreamingModel
    from bot.knowledge.models.usage import UsageCounter

_UNLIMITED_CONTEXT: Final = (
    10_000_000  # LlamaIndex would split what it deems too long into several calls; it was trimmed here
)
_PASSAGE_HEADER_TOKENS: Final = 16  # tokens of "[1] …, page 3" beyond title and headings, generously


class StreamedAnswer:
    """An answer over a LlamaIndex response: iterate ``deltas()`` once, to its end or until the task is cancelled."""

    def __init__(
        self,
        response: AsyncStreamingResponse,
        sources: Sequence[Source],
        *,
        get_status: Callable[[bool], AnswerStatus] = lambda _has_text: AnswerStatus.COMPLETE,
        usage_counters: Sequence[UsageCounter] = (),
    ) -> None:
        """Make it.

        Args:
            response: Where the deltas come from.
            sources: What the answer may cite.
            get_status: Asked once the deltas are exhausted, with whether there was any text: the outcome, or an error.
            usage_counters: What counts the tokens of the streams that it takes; none where no model writes.
        """
        self._response = response
        self._get_status = get_status
        self._status = AnswerStatus.COMPLETE
        self.sources: Sequence[Source] = tuple(sources)
        self.usage_counters: Sequence[UsageCounter] = tuple(usage_counters)
        self.notice = ""
        self.searched_for = ""
        self.is_confident = False

    @property
    def status(self) -> AnswerStatus:
        """How it ended."""
        return self._status

    @property
    def usage(self) -> Usage:
        """Tokens spent so far, counted now where the model has not told."""
        spent = [tally.usage for tally in self.usage_counters]
        return Usage(sum(usage.prompt for usage in spent), sum(usage.completion for usage in spent))

    async def deltas(self) -> AsyncIterator[str]:
        """Newly arrived text, as ``bot.answering.Answer`` promises.

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
        outcome = self._get_status(has_text)
        is_whole = outcome is AnswerStatus.COMPLETE
        self._status = AnswerStatus.NOT_FOUND if is_whole and refusing.is_refusal else outcome


@dataclass(frozen=True, slots=True)
class PromptContext:
    """What a model is given to answer from: passages, and the files that came with the question."""

    hits: Sequence[NodeWithScore] = ()
    files: Sequence[Attachment] = ()
    style: ResponseStyle = field(default_factory=ResponseStyle)


def fit_context(
    ranked: Sequence[NodeWithScore],
    question: str,
    *,
    window: int,
    answer_tokens: int = ANSWER_TOKENS,
    extra_context: PromptContext | None = None,
) -> PromptContext:
    """What a model with this context window (tokens) can read for this question, documents in one piece.

    ``extra_context`` are files and manner that are read besides. The files come first, but leave to the passages as
    much as
    these need, or half of the room.

    Raises:
        ContextTooLong: there are passages, and none of them fits.
    """
    extra_context = extra_context or PromptContext()
    bare = [Attachment(file.name, "") for file in extra_context.files]
    prompt = build_question_prompt(
        _make_delimiter(), style=extra_context.style, files=bare, file_delimiter=_make_delimiter()
    )
    spoken = sum(count_tokens(message.content or "") for message in prompt.format_messages())
    room = window - spoken - count_tokens(question) - min(answer_tokens, window // 4)
    files = fit_files(
        extra_context.files, max(room // 2, room - TOKEN_BUDGET) if ranked else room - count_tokens(NO_PASSAGES)
    )
    room -= sum(count_tokens(file.text) for file in files)
    kept = trim_to_budget(
        ranked,
        token_budget=min(TOKEN_BUDGET, room),
        count_tokens=lambda text: count_tokens(text) + _PASSAGE_HEADER_TOKENS,
    )
    if ranked and not kept:
        raise build_context_too_long()
    return PromptContext(merge_adjacent(group_by_document(kept)), files, extra_context.style)


async def synthesize(question: str, context: PromptContext, model: StreamingModel) -> StreamedAnswer:
    """The model's answer from what it reads; it is asked when the first delta is awaited, and only once.

    ``context`` is what ``fit_context`` gave for this model.
    """
    sources = build_sources(context.hits)
    passages = [format_passage(source) for source in sources] or [NO_PASSAGES]
    read = [question, *passages, *map(format_file, context.files)]
    watched = model.with_usage()
    synthesizer = get_response_synthesizer(
        llm=watched,
        response_mode=ResponseMode.COMPACT,
        prompt_helper=PromptHelper(context_window=_UNLIMITED_CONTEXT),
        text_qa_template=build_question_prompt(
            _make_delimiter(*read), style=context.style, files=context.files, file_delimiter=_make_delimiter(*read)
        ),
        streaming=True,
    )
    nodes = [NodeWithScore(node=TextNode(text=passage)) for passage in passages]
    response = await synthesizer.asynthesize(QueryBundle(question), nodes)
    return StreamedAnswer(
        cast("AsyncStreamingResponse", response),
        sources,
        get_status=lambda has_text: watched.usage_counter.status(has_text=has_text),
        usage_counters=[watched.usage_counter],
    )


def _make_delimiter(*texts: str) -> str:
    """A mark that stands in none of the texts, and that nobody could have known."""
    mark = secrets.token_hex(8)
    while any(mark in text for text in texts):
        mark = secrets.token_hex(8)
    return mark
