"""What a stream tells of its end and its cost, and what is counted where it tells nothing."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from llama_index.core.base.llms.types import ChatMessage
from openai.types.chat import ChatCompletionChunk
from pydantic import SecretStr

from bot import errors
from bot.domain import FinishReason, Usage
from bot.knowledge.models import usage as room
from bot.knowledge.models.openai import MODEL_FAULTS, LanguageModelChoice, language_model
from bot.knowledge.models.usage import Tally
from bot.knowledge.splitting.splitter import token_count
from tests.fakes.openai_server import Close, OpenAIServer, Refusal, Script, Speech, key_refused, spoken

if TYPE_CHECKING:
    from bot.knowledge.models.openai import StreamingModel

ASKED = "Where is the office of this team, and who has its key?"
GIVEN = token_count(ASKED)


def model_at(server: OpenAIServer) -> StreamingModel:
    return language_model(LanguageModelChoice("fake", server.url, SecretStr("k")))


async def heard(model: StreamingModel) -> str:
    stream = await model.astream_chat([ChatMessage(ASKED)])
    return "".join([response.delta or "" async for response in stream])


def event(content: str = "", finish_reason: str | None = None, usage: tuple[int, int] | None = None) -> Any:
    choice = {"index": 0, "delta": {"content": content}, "finish_reason": finish_reason}
    told = {"prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": sum(usage)} if usage else None
    return ChatCompletionChunk.model_validate(
        {
            "id": "1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "fake",
            "choices": [choice],
            "usage": told,
        }
    )


@pytest.mark.parametrize(
    ("finish_reason", "ending"),
    [
        ("stop", FinishReason.COMPLETE),
        ("length", FinishReason.CUT_AT_LENGTH),
        ("content_filter", FinishReason.FILTERED),
    ],
)
async def test_the_outcome_is_read_off_the_raw_events(finish_reason: str, ending: FinishReason) -> None:
    async with OpenAIServer(Speech(["In", " Whitby."], finish_reason=finish_reason)) as server:
        model = model_at(server).watched()

        assert await heard(model) == "In Whitby."
        assert model.tally.outcome(has_text=True).finish_reason is ending
        assert model.tally.usage == Usage(100, 2)
        await model.aclose()


async def test_two_concurrent_answers_do_not_mix_their_outcomes() -> None:
    scripts = iter([Speech(["One"], between=0.1, finish_reason="length"), Speech(["Two", " three"])])
    async with OpenAIServer(lambda _request: next(scripts)) as server:
        model = model_at(server)
        copies = model.watched(), model.watched()

        await asyncio.gather(*map(heard, copies))

        told = {(copy.tally.outcome(has_text=True).finish_reason, copy.tally.usage.completion) for copy in copies}
        assert told == {(FinishReason.CUT_AT_LENGTH, 1), (FinishReason.COMPLETE, 2)}
        await model.aclose()


def test_stream_emptied_by_the_content_filter_is_reported_as_filtered() -> None:
    tally = Tally()
    tally.see(event(finish_reason="content_filter"))

    assert tally.outcome(has_text=False).finish_reason is FinishReason.FILTERED


def test_length_limit_used_up_by_reasoning_gives_a_hint() -> None:
    tally = Tally()
    tally.see(event(finish_reason="length"), thought="Let me see. ")

    with pytest.raises(errors.ModelResponseEmpty, match="longest answer"):
        tally.outcome(has_text=False)


def test_usage_is_zero_before_the_first_request() -> None:
    assert Tally().usage == Usage(0, 0)


async def test_usage_is_counted_if_the_model_reports_none() -> None:
    text = "It is in Whitby, above the lifeboat station [1]."
    async with OpenAIServer(Speech([text[:20], text[20:]], has_usage=False)) as server:
        model = model_at(server).watched()
        await heard(model)
        assert model.tally.usage == Usage(GIVEN, token_count(text))
        await model.aclose()


@pytest.mark.parametrize("close", [Close.RESET, Close.UNFINISHED, Close.ERROR_EVENT, Close.BROKEN_JSON])
async def test_usage_counts_the_text_before_an_error(close: Close) -> None:
    async with OpenAIServer(spoken("So it is said", close=close)) as server:
        model = model_at(server).watched()
        with suppress(*MODEL_FAULTS):
            await heard(model)
        assert model.tally.usage == Usage(GIVEN, token_count("So it is said"))
        await model.aclose()


async def test_usage_counts_the_prompt_before_the_first_delta_and_after_a_stop() -> None:
    async with OpenAIServer(spoken("So it", before=0.05, close=Close.STALL)) as server:
        model = model_at(server).watched()
        stream = await model.astream_chat([ChatMessage(ASKED)])
        assert model.tally.usage == Usage(0, 0)

        async def listen() -> None:
            async for _ in stream:
                pass

        task = asyncio.create_task(listen())
        while not server.chats:
            assert model.tally.usage in {Usage(0, 0), Usage(GIVEN, 0)}
            await asyncio.sleep(0.005)
        assert model.tally.usage == Usage(GIVEN, 0)
        while model.tally.usage.completion < 2:  # noqa: ASYNC110 # a count has no event of its own to wait for
            await asyncio.sleep(0.005)
        task.cancel()
        await asyncio.wait([task])
        assert model.tally.usage == Usage(GIVEN, 2)
        await model.aclose()


@pytest.mark.parametrize("script", [key_refused(), Refusal(500)])
async def test_usage_of_a_refused_request_is_zero(script: Script) -> None:
    async with OpenAIServer(script) as server:
        model = model_at(server).watched()
        with suppress(*MODEL_FAULTS):
            await heard(model)
        assert model.tally.usage == Usage(0, 0)
        await model.aclose()


async def test_usage_counts_reasoning_as_output() -> None:
    thoughts = ["Let me think. ", "Whitby, I believe."]
    async with OpenAIServer(Speech(["Yes."], reasoning=thoughts, close=Close.UNFINISHED)) as server:
        model = model_at(server).watched()
        assert await heard(model) == "Yes."
        assert model.tally.usage.completion == token_count("".join([*thoughts, "Yes."]))
        await model.aclose()


def test_usage_reported_early_does_not_hide_later_output() -> None:
    tally = Tally()
    tally.see(event(usage=(70, 0)))
    for _ in range(5):
        tally.see(event(" word"))
    assert tally.usage == Usage(70, 5)
    tally.see(event(finish_reason="stop", usage=(70, 4)))
    assert tally.usage == Usage(70, 4)


def test_reading_the_usage_again_does_not_count_text_again(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[str] = []

    def noted(text: str) -> int:
        counted.append(text)
        return token_count(text)

    monkeypatch.setattr(room, "token_count", noted)
    tally = Tally()
    for number in range(200):
        tally.see(event(f" word{number}"))
        if number % 3 == 0:
            _ = tally.usage
    assert tally.usage == tally.usage
    assert "".join(counted) == "".join(f" word{number}" for number in range(200))
