from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import openai
import pytest
from llama_index.core.base.llms.types import ChatMessage, ChatResponse
from pydantic import SecretStr

from bot import errors
from bot.domain import AnswerStatus
from bot.domain.model_server import OPENAI_URL
from bot.knowledge.models.model_errors import MODEL_ERRORS, map_model_error
from bot.knowledge.models.openai import (
    ANSWER_TOKENS,
    FALLBACK_WINDOW,
    EmbeddingChoice,
    LanguageModelChoice,
    build_embedding_model,
    build_language_model,
)
from tests.fakes.openai_server import (
    DIMENSION,
    Completion,
    ErrorResponse,
    OpenAIServer,
    RawResponse,
    Request,
    Script,
    StreamEnd,
    make_completion,
    make_context_length_error,
    make_invalid_key_error,
    make_model_not_found_error,
    make_quota_error,
    make_rate_limit_error,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bot.knowledge.models.openai import StreamingModel

KEY = SecretStr("sk-secret")


def connect_model(server: OpenAIServer, name: str = "fake") -> StreamingModel:
    return build_language_model(LanguageModelChoice(name, server.url, KEY))


async def read_stream(model: StreamingModel) -> str:
    stream = await model.astream_chat([ChatMessage("Where is the office?")])
    return "".join([response.delta or "" async for response in stream])


async def catch_error(script: Script) -> errors.AnswerUnavailable:
    async with OpenAIServer(script) as server:
        model = connect_model(server).with_usage()
        try:
            text = await read_stream(model)
            model.usage_counter.status(has_text=bool(text))
        except MODEL_ERRORS as error:
            return map_model_error(error)
        except errors.AnswerUnavailable as error:
            return error
        finally:
            await model.aclose()
    raise AssertionError("nothing went wrong")


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (make_invalid_key_error(), errors.ModelAccessDenied),
        (ErrorResponse(403), errors.ModelAccessDenied),
        (make_quota_error(), errors.ModelOutOfCredit),
        (ErrorResponse(402), errors.ModelOutOfCredit),
        (make_model_not_found_error(), errors.ModelUnknown),
        (make_rate_limit_error(), errors.ModelBusy),
        (ErrorResponse(503, retry_after=7), errors.ModelBusy),
        (make_context_length_error(), errors.ContextTooLong),
        (ErrorResponse(500), errors.ModelUnreachable),
        (ErrorResponse(422), errors.AnswerUnavailable),
        (make_completion("So", end=StreamEnd.RESET), errors.ModelInterrupted),
        (make_completion("So", end=StreamEnd.ERROR_EVENT), errors.ModelInterrupted),
        (make_completion("So", end=StreamEnd.BROKEN_JSON), errors.ModelInterrupted),
        (make_completion("So", end=StreamEnd.CLOSED), errors.ModelInterrupted),
        (
            Completion(["So"], end=StreamEnd.ERROR_EVENT, error={"message": "", "code": "insufficient_quota"}),
            errors.ModelOutOfCredit,
        ),
        (make_completion(""), errors.ModelResponseEmpty),
        (Completion([], finish_reason="length"), errors.ModelResponseEmpty),
        (make_completion("", end=StreamEnd.CLOSED), errors.ModelResponseEmpty),
    ],
)
async def test_every_model_error_has_a_type_and_a_message_without_key_or_address(
    script: Script, kind: type[errors.AnswerUnavailable]
) -> None:
    fault = await catch_error(script)

    assert type(fault) is kind
    assert len(fault.user_message) > 20
    assert "sk-" not in fault.user_message
    assert "127.0.0.1" not in fault.user_message
    assert "http" not in fault.user_message


async def test_a_server_that_is_not_there_is_unreachable_within_seconds() -> None:
    async with OpenAIServer() as server:
        gone = server.url
    model = build_language_model(LanguageModelChoice("fake", gone, KEY))
    began = asyncio.get_running_loop().time()

    with pytest.raises(openai.APIConnectionError) as caught:
        await read_stream(model)

    assert isinstance(map_model_error(caught.value), errors.ModelUnreachable)
    assert asyncio.get_running_loop().time() - began < 5
    await model.aclose()


async def test_rate_limited_model_raises_at_once_with_retry_after() -> None:
    began = asyncio.get_running_loop().time()

    fault = await catch_error(make_rate_limit_error(retry_after=40))

    assert asyncio.get_running_loop().time() - began < 5
    assert isinstance(fault, errors.ModelBusy)
    assert fault.retry_after == 40
    assert "in 40 s" in fault.user_message


async def test_a_server_in_trouble_is_asked_twice_and_no_more() -> None:
    async with OpenAIServer(ErrorResponse(500)) as server:
        model = connect_model(server)
        with pytest.raises(openai.InternalServerError):
            await read_stream(model)
        assert len(server.chat_requests) == 2
        await model.aclose()


async def test_the_chosen_address_is_the_one_that_is_asked_whatever_the_environment_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/elsewhere")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-somebody-else")
    async with OpenAIServer() as server:
        model = build_language_model(LanguageModelChoice("fake", server.url))

        await read_stream(model)

        assert len(server.chat_requests) == 1
        assert server.chat_requests[0].headers["Authorization"] == "Bearer none"
        await model.aclose()


def test_without_an_address_the_model_is_openais_own() -> None:
    assert build_language_model(LanguageModelChoice("gpt-4o-mini", api_key=KEY)).api_base == OPENAI_URL
    assert build_embedding_model(EmbeddingChoice("text-embedding-3-small", api_key=KEY)).api_base == OPENAI_URL


@pytest.mark.parametrize("name", ["o3-mini", "gpt-5-mini", "openai/o4-mini"])
async def test_a_reasoning_model_is_not_sent_a_temperature(name: str) -> None:
    async with OpenAIServer() as server:
        model = connect_model(server, name)
        await read_stream(model)
        assert "temperature" not in server.chat_requests[0].body
        await model.aclose()


async def test_other_models_get_a_low_temperature_max_tokens_and_no_stream_options() -> None:
    async with OpenAIServer() as server:
        model = connect_model(server)
        await read_stream(model)
        assert server.chat_requests[0].body["temperature"] == pytest.approx(0.1)
        assert "stream_options" not in server.chat_requests[0].body
        assert server.chat_requests[0].body["max_tokens"] == ANSWER_TOKENS
        assert "max_completion_tokens" not in server.chat_requests[0].body
        await model.aclose()


async def test_compatible_server_is_sent_the_configured_max_tokens() -> None:
    async with OpenAIServer() as server:
        model = build_language_model(LanguageModelChoice("own", server.url, KEY, answer_tokens=300))
        await read_stream(model)
        assert server.chat_requests[0].body["max_tokens"] == 300
        await model.aclose()


@pytest.mark.parametrize(
    ("name", "most"), [("gpt-4.1-mini", 300), ("gpt-next", 300 + 4_096), ("gpt-5-mini", 300 + 4_096)]
)
def test_openai_is_sent_max_completion_tokens(name: str, most: int) -> None:
    model = build_language_model(LanguageModelChoice(name, None, KEY, answer_tokens=300))
    sent = model._get_model_kwargs(stream=True)
    assert sent["max_completion_tokens"] == most
    assert "max_tokens" not in sent


async def test_reasoning_tokens_come_on_top_of_the_answer_limit() -> None:
    async with OpenAIServer() as server:
        model = build_language_model(LanguageModelChoice("o3-mini", server.url, KEY, answer_tokens=300))
        await read_stream(model)
        body = server.chat_requests[0].body
        assert body.get("max_completion_tokens", body.get("max_tokens")) == 300 + 4_096
        await model.aclose()


def test_answer_limit_is_at_most_a_quarter_of_the_context_window() -> None:
    assert LanguageModelChoice("own", context_window=2_000, answer_tokens=4_000).max_answer_tokens == 500
    assert LanguageModelChoice("own", context_window=64_000, answer_tokens=4_000).max_answer_tokens == 4_000


def test_context_window_is_configured_then_known_then_a_small_default() -> None:
    assert LanguageModelChoice("gpt-4o-mini", context_window=4_000).window == 4_000
    assert LanguageModelChoice("gpt-4o-mini").window == 128_000
    assert LanguageModelChoice("own-model").window == FALLBACK_WINDOW


def test_model_choice_repr_hides_the_key() -> None:
    assert "sk-secret" not in repr(LanguageModelChoice("fake", None, KEY)) + repr(EmbeddingChoice("fake", None, KEY))


async def test_embeddings_come_from_the_chosen_server_in_order() -> None:
    async with OpenAIServer() as server:
        model = build_embedding_model(EmbeddingChoice("own-embedding", server.url, KEY))

        vectors = await model.aget_text_embedding_batch(["one", "two", "one"])

        assert [len(vector) for vector in vectors] == [DIMENSION] * 3
        assert vectors[0] == vectors[2] != vectors[1]
        assert server.embedding_requests[0].body["model"] == "own-embedding"
        await model.aclose()


async def test_rate_limited_embedding_model_raises_at_once() -> None:
    async with OpenAIServer() as server:
        server.embedding_error = make_rate_limit_error(retry_after=60)
        model = build_embedding_model(EmbeddingChoice("own-embedding", server.url, KEY))
        began = asyncio.get_running_loop().time()

        with pytest.raises(openai.RateLimitError):
            await model.aget_query_embedding("anything")

        assert asyncio.get_running_loop().time() - began < 3
        assert len(server.embedding_requests) == 1
        await model.aclose()


def test_model_without_chat_is_reported_as_a_settings_error() -> None:
    with pytest.raises(errors.SettingsInvalid, match=r"LLM_MODEL .*gpt-5\.2-pro.* Choose") as caught:
        build_language_model(LanguageModelChoice("gpt-5.2-pro", None, KEY))
    assert [problem.setting for problem in caught.value.problems] == ["LLM_MODEL"]


# --- What servers accept ---------------------------------------------------------------------------------------------


def refuse(*names: str) -> Script:
    """A server that takes none of these parameters."""

    def script(request: Request) -> Completion | ErrorResponse:
        refused = [name for name in names if name in request.body]
        if refused:
            return ErrorResponse(400, "unsupported_parameter", f"Unsupported parameter: '{refused[0]}'.")
        return make_completion("Hello.")

    return script


async def test_refused_parameters_are_left_out_and_remembered() -> None:
    async with OpenAIServer(refuse("temperature", "max_tokens")) as server:
        model = connect_model(server)
        assert await read_stream(model) == "Hello."
        assert await read_stream(model.with_usage()) == "Hello."
        assert len(server.chat_requests) == 4
        assert server.chat_requests[-1].body["max_completion_tokens"] == ANSWER_TOKENS
        assert not {"temperature", "max_tokens"} & set(server.chat_requests[-1].body)
        await model.aclose()


async def test_request_refused_for_another_reason_is_not_repeated() -> None:
    error = ErrorResponse(400, None, "max_tokens is too large: the maximum context length is 4096 tokens")
    async with OpenAIServer(error) as server:
        model = connect_model(server)
        with pytest.raises(openai.BadRequestError) as caught:
            await read_stream(model)
        assert isinstance(map_model_error(caught.value), errors.ContextTooLong)
        assert len(server.chat_requests) == 1
        await model.aclose()


async def test_options_and_headers_are_sent() -> None:
    async with OpenAIServer() as server:
        choice = LanguageModelChoice(
            "own", server.url, options={"top_k": 3, "extra_body": {"seed": 1}}, headers={"X-Team": "docs"}
        )
        model = build_language_model(choice)
        await read_stream(model)
        assert (server.chat_requests[0].body["top_k"], server.chat_requests[0].body["seed"]) == (3, 1)
        assert server.chat_requests[0].headers["X-Team"] == "docs"
        await model.aclose()


async def test_fallback_model_answers_where_the_first_fails_before_its_first_word() -> None:
    async with (
        OpenAIServer(ErrorResponse(500)) as first,
        OpenAIServer(make_completion("Hello.")) as second,
    ):
        fallback = LanguageModelChoice("second", second.url)
        model = build_language_model(LanguageModelChoice("first", first.url, fallback=fallback)).with_usage()
        assert await read_stream(model) == "Hello."
        assert second.chat_requests[0].body["model"] == "second"
        assert model.usage_counter.status(has_text=True) is AnswerStatus.COMPLETE
        await model.aclose()


async def test_fallback_model_is_not_asked_after_the_first_word() -> None:
    async with OpenAIServer(make_completion("So", end=StreamEnd.RESET)) as first, OpenAIServer() as second:
        choice = LanguageModelChoice("first", first.url, fallback=LanguageModelChoice("second", second.url))
        model = build_language_model(choice)
        with pytest.raises(MODEL_ERRORS):
            await read_stream(model)
        assert second.chat_requests == []
        await model.aclose()


async def test_short_retry_after_is_waited_for_once() -> None:
    async with OpenAIServer(make_rate_limit_error(retry_after=0.01)) as server:
        model = connect_model(server)
        with pytest.raises(openai.RateLimitError):
            await read_stream(model)
        assert len(server.chat_requests) == 2
        await model.aclose()


@pytest.mark.parametrize(("retry_after", "requests"), [(20, 2), (21, 1)])
async def test_retry_after_of_up_to_twenty_seconds_is_waited_for(retry_after: float, requests: int) -> None:
    async with OpenAIServer(make_rate_limit_error(retry_after=retry_after)) as server:
        model = connect_model(server)
        began = asyncio.get_running_loop().time()
        with pytest.raises(openai.RateLimitError):
            await read_stream(model)
        assert len(server.chat_requests) == requests
        assert asyncio.get_running_loop().time() - began >= (retry_after if requests > 1 else 0)
        await model.aclose()


async def test_first_delta_comes_at_once_and_those_behind_it_are_joined() -> None:
    words = [f" word{number}" for number in range(200)]
    async with OpenAIServer(Completion(words, first_delay=0.01, delta_delay=0.001)) as server:
        model = connect_model(server)
        stream = await model.astream_chat([ChatMessage("Where is the office?")])
        deltas = [response.delta or "" async for response in stream if response.delta]
        assert "".join(deltas) == "".join(words)
        assert len(deltas) < 100
        assert len(deltas[0]) < 50
        await model.aclose()


async def collect_deltas(stream: AsyncIterator[ChatResponse], deltas: list[str]) -> None:
    async for response in stream:
        deltas.append(response.delta or "")  # noqa: PERF401 # what came before an error is kept too


async def test_text_before_a_reset_is_passed_on_before_the_error() -> None:
    async with OpenAIServer(make_completion("So it is said", end=StreamEnd.RESET)) as server:
        model = connect_model(server)
        stream = await model.astream_chat([ChatMessage("Where is the office?")])
        deltas: list[str] = []
        with pytest.raises(MODEL_ERRORS):
            await collect_deltas(stream, deltas)
        assert "".join(deltas) == "So it is said"
        await model.aclose()


@pytest.mark.parametrize(
    ("script", "kind", "words"),
    [
        (RawResponse("<!doctype html>", "text/html"), errors.ModelUnreachable, "web page"),
        (RawResponse("Ollama is running", "text/plain"), errors.ModelUnreachable, "not an answer"),
        (ErrorResponse(404, None, "404 page not found"), errors.ModelUnreachable, "/v1"),
        (ErrorResponse(400, None, "litellm: Invalid model name"), errors.ModelUnknown, "LLM_MODEL"),
        (
            RawResponse('{"error": {"code": 400, "message": "too big", "type": "exceed_context_size_error"}}'),
            errors.ContextTooLong,
            "LLM_CONTEXT_WINDOW",
        ),
    ],
)
async def test_error_is_told_by_what_it_is(script: Script, kind: type[Exception], words: str) -> None:
    fault = await catch_error(script)
    assert type(fault) is kind
    assert words in fault.user_message


async def test_server_reason_is_logged_without_the_key(caplog: pytest.LogCaptureFixture) -> None:
    await catch_error(ErrorResponse(400, None, "The key sk-secret may not use Bearer abc; line\nbreaks. " + "x" * 900))
    (line,) = [record.getMessage() for record in caplog.records if "failed" in record.getMessage()]
    assert "BadRequestError 400" in line
    assert "may not use" in line
    assert "sk-secret" not in line
    assert "abc" not in line
    assert len(line) < 400


async def test_embedding_batches_are_halved_until_the_server_takes_them() -> None:
    async with OpenAIServer() as server:
        server.embedding_limit = 3
        model = build_embedding_model(EmbeddingChoice("own-embedding", server.url))
        texts = [f"text {number}" for number in range(10)]
        assert len(await model.aget_text_embedding_batch(texts)) == 10
        sizes = [len(request.body["input"]) for request in server.embedding_requests]
        assert sizes == [10, 5, 3, 3, 3, 1]
        await model.aget_text_embedding_batch(texts)
        assert [len(request.body["input"]) for request in server.embedding_requests[6:]] == [3, 3, 3, 1]
        await model.aclose()
