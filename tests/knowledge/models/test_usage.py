"""What a stream tells of its end and its cost, and what is counted where it tells nothing."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from llama_index.core.base.llms.types import ChatMessage
from pydantic import SecretStr

from bot import errors
from bot.domain import AnswerStatus, Usage
from bot.knowledge.models import usage as usage_module
from bot.knowledge.models.chat_stream import ChatUpdate
from bot.knowledge.models.model_errors import MODEL_ERRORS
from bot.knowledge.models.openai import LanguageModelChoice, build_language_model
from bot.knowledge.models.usage import UsageCounter
from bot.knowledge.splitting.splitter import count_tokens
from tests.fakes.openai_server import (
    Completion,
    ErrorResponse,
    OpenAIServer,
    Script,
    StreamEnd,
    make_completion,
    make_invalid_key_error,
)

if TYPE_CHECKING:
    from bot.knowledge.models.openai import StreamingModel

QUESTION_TEXT = "Where is the office of this team, and who has its key?"
QUESTION_TOKENS = count_tokens(QUESTION_TEXT)


def connect_model(server: OpenAIServer) -> StreamingModel:
    return build_language_model(LanguageModelChoice("fake", server.url, SecretStr("k")))


async def read_stream(model: StreamingModel) -> str:
    stream = await model.astream_chat([ChatMessage(QUESTION_TEXT)])
    return "".join([response.delta or "" async for response in stream])


@pytest.mark.parametrize(
    ("finish_reason", "ending"),
    [
        ("stop", AnswerStatus.COMPLETE),
        ("length", AnswerStatus.CUT_AT_LENGTH),
        ("content_filter", AnswerStatus.FILTERED),
    ],
)
async def test_the_outcome_is_read_from_the_stream(finish_reason: str, ending: AnswerStatus) -> None:
    async with OpenAIServer(Completion(["In", " Whitby."], finish_reason=finish_reason)) as server:
        model = connect_model(server).with_usage()

        assert await read_stream(model) == "In Whitby."
        assert model.usage_counter.status(has_text=True) is ending
        assert model.usage_counter.usage == Usage(100, 2)
        await model.aclose()


async def test_two_concurrent_answers_do_not_mix_their_outcomes() -> None:
    scripts = iter([Completion(["One"], delta_delay=0.1, finish_reason="length"), Completion(["Two", " three"])])
    async with OpenAIServer(lambda _request: next(scripts)) as server:
        model = connect_model(server)
        copies = model.with_usage(), model.with_usage()

        await asyncio.gather(*map(read_stream, copies))

        told = {(copy.usage_counter.status(has_text=True), copy.usage_counter.usage.completion) for copy in copies}
        assert told == {(AnswerStatus.CUT_AT_LENGTH, 1), (AnswerStatus.COMPLETE, 2)}
        await model.aclose()


def test_stream_emptied_by_the_content_filter_is_reported_as_filtered() -> None:
    tally = UsageCounter()
    tally.observe(ChatUpdate(finish_reason="content_filter"))

    assert tally.status(has_text=False) is AnswerStatus.FILTERED


def test_length_limit_used_up_by_reasoning_gives_a_hint() -> None:
    tally = UsageCounter()
    tally.observe(ChatUpdate(finish_reason="length", reasoning="Let me see. "))

    with pytest.raises(errors.ModelResponseEmpty, match="longest answer"):
        tally.status(has_text=False)


def test_usage_is_zero_before_the_first_request() -> None:
    assert UsageCounter().usage == Usage(0, 0)


async def test_usage_is_counted_if_the_model_reports_none() -> None:
    text = "It is in Whitby, above the lifeboat station [1]."
    async with OpenAIServer(Completion([text[:20], text[20:]], has_usage=False)) as server:
        model = connect_model(server).with_usage()
        await read_stream(model)
        assert model.usage_counter.usage == Usage(QUESTION_TOKENS, count_tokens(text))
        await model.aclose()


@pytest.mark.parametrize("close", [StreamEnd.RESET, StreamEnd.CLOSED, StreamEnd.ERROR_EVENT, StreamEnd.BROKEN_JSON])
async def test_usage_counts_the_text_before_an_error(close: StreamEnd) -> None:
    async with OpenAIServer(make_completion("So it is said", end=close)) as server:
        model = connect_model(server).with_usage()
        with suppress(*MODEL_ERRORS):
            await read_stream(model)
        assert model.usage_counter.usage == Usage(QUESTION_TOKENS, count_tokens("So it is said"))
        await model.aclose()


async def test_usage_counts_the_prompt_before_the_first_delta_and_after_a_stop() -> None:
    async with OpenAIServer(make_completion("So it", first_delay=0.05, end=StreamEnd.STALL)) as server:
        model = connect_model(server).with_usage()
        stream = await model.astream_chat([ChatMessage(QUESTION_TEXT)])
        assert model.usage_counter.usage == Usage(0, 0)

        async def listen() -> None:
            async for _ in stream:
                pass

        task = asyncio.create_task(listen())
        while not server.chat_requests:
            assert model.usage_counter.usage in {Usage(0, 0), Usage(QUESTION_TOKENS, 0)}
            await asyncio.sleep(0.005)
        assert model.usage_counter.usage == Usage(QUESTION_TOKENS, 0)
        while model.usage_counter.usage.completion < 2:  # noqa: ASYNC110 # a count has no event of its own to wait for
            await asyncio.sleep(0.005)
        task.cancel()
        await asyncio.wait([task])
        assert model.usage_counter.usage == Usage(QUESTION_TOKENS, 2)
        await model.aclose()


@pytest.mark.parametrize("script", [make_invalid_key_error(), ErrorResponse(500)])
async def test_usage_of_a_refused_request_is_zero(script: Script) -> None:
    async with OpenAIServer(script) as server:
        model = connect_model(server).with_usage()
        with suppress(*MODEL_ERRORS):
            await read_stream(model)
        assert model.usage_counter.usage == Usage(0, 0)
        await model.aclose()


async def test_usage_counts_reasoning_as_output() -> None:
    thoughts = ["Let me think. ", "Whitby, I believe."]
    async with OpenAIServer(Completion(["Yes."], reasoning=thoughts, end=StreamEnd.CLOSED)) as server:
        model = connect_model(server).with_usage()
        assert await read_stream(model) == "Yes."
        assert model.usage_counter.usage.completion == count_tokens("".join([*thoughts, "Yes."]))
        await model.aclose()


def test_usage_reported_early_does_not_hide_later_output() -> None:
    tally = UsageCounter()
    tally.observe(ChatUpdate(usage=(70, 0)))
    for _ in range(5):
        tally.observe(ChatUpdate(" word"))
    assert tally.usage == Usage(70, 5)
    tally.observe(ChatUpdate(finish_reason="stop", usage=(70, 4)))
    assert tally.usage == Usage(70, 4)


def test_reading_the_usage_again_does_not_count_text_again(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[str] = []

    def recording_count(text: str) -> int:
        counted.append(text)
        return count_tokens(text)

    monkeypatch.setattr(usage_module, "count_tokens", recording_count)
    tally = UsageCounter()
    for number in range(200):
        tally.observe(ChatUpdate(f" word{number}"))
        if number % 3 == 0:
            _ = tally.usage
    assert tally.usage == tally.usage
    assert "".join(counted) == "".join(f" word{number}" for number in range(200))
