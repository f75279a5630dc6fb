"""What a model's server says it reads, and what it does read, beside what the settings assume."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web

from bot.doctor import check_reranker, check_writing
from bot.doctor.model_limits import compare_context_window, find_context_window
from bot.knowledge import LanguageModelChoice, RerankChoice
from bot.settings import list_setting_names, load
from tests.fakes.openai_server import ErrorResponse, OpenAIServer, make_completion, make_model_not_found_error

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bot.doctor import CheckResult


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list_setting_names():
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def server() -> AsyncIterator[OpenAIServer]:
    async with OpenAIServer(make_completion("Hello.")) as server:
        yield server


async def run_checks(server: OpenAIServer, choice: LanguageModelChoice | None = None) -> dict[str, CheckResult]:
    settings = load(None, openai_base_url=server.url, llm_model="fake")
    choice = choice or LanguageModelChoice("fake", server.url, context_window=16_000)
    async with aiohttp.ClientSession() as session:
        return {result.subject: result for result in await check_writing(session, settings, choice)}


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"meta": {"n_ctx": 4096, "n_ctx_train": 131_072}}, 4096),
        ({"max_model_len": 32_768}, 32_768),
        ({"loaded_context_length": 8192, "max_context_length": 131_072}, 8192),
        ({"context_length": 200_000}, 200_000),
        ({"context_window": 131_072}, 131_072),
        ({"meta": None, "max_model_len": True, "context_length": "many"}, None),
        ({}, None),
    ],
)
def test_context_window_is_found_as_each_server_names_it(fields: dict[str, Any], told: int | None) -> None:
    other = {"id": "other", "max_model_len": 1}
    assert find_context_window({"data": [other, {"id": "fake", **fields}]}, "fake") == told
    assert find_context_window({"data": [{"id": "fake:latest", **fields}, other]}, "fake") == told
    assert find_context_window({"data": [{"id": "/models/fake.gguf", **fields}]}, "fake") == told


@pytest.mark.parametrize("body", [{}, {"data": None}, {"data": [None, "fake"]}, {"data": {"id": "fake"}}])
def test_list_of_models_of_another_form_tells_nothing(body: dict[str, Any]) -> None:
    assert find_context_window(body, "fake") is None


@pytest.mark.parametrize(
    ("chosen", "told", "state", "remedy"),
    [
        (16_000, 4_096, "error", "LLM_CONTEXT_WINDOW=4096"),
        (None, 4_096, "error", "LLM_CONTEXT_WINDOW=4096"),  # 8,192 are assumed
        (None, 32_768, "note", "LLM_CONTEXT_WINDOW=32768"),
        (16_000, 32_768, "ok", ""),
        (16_000, 16_000, "ok", ""),
    ],
)
def test_assumed_window_is_compared_with_the_one_the_server_tells(
    chosen: int | None, told: int, state: str, remedy: str
) -> None:
    result = compare_context_window(LanguageModelChoice("fake", "http://x/v1", context_window=chosen), told)
    assert result is not None
    assert result.state == state
    assert remedy in result.remedy


async def test_server_that_reads_the_whole_prompt_passes(server: OpenAIServer) -> None:
    server.model_fields = {"max_model_len": 16_000}
    results = await run_checks(server)
    assert [result.state for result in results.values()] == ["ok", "ok", "ok"]
    assert "read whole" in results["Prompt length"].detail


async def test_silently_cut_prompt_is_an_error_that_says_what_to_set(server: OpenAIServer) -> None:
    server.context_window = 4_096
    result = (await run_checks(server))["Prompt length"]
    assert result.state == "error"
    assert "the server has read 4,096: it cuts silently" in result.detail
    assert "OLLAMA_CONTEXT_LENGTH" in result.remedy


async def test_window_that_is_larger_than_told_needs_no_long_prompt(server: OpenAIServer) -> None:
    server.model_fields = {"meta": {"n_ctx": 2_048}}
    results = await run_checks(server)
    assert results["Context window"].state == "error"
    assert "Prompt length" not in results


async def test_prompt_that_the_server_refuses_as_too_long_is_an_error(server: OpenAIServer) -> None:
    long = ErrorResponse(400, "context_length_exceeded", "Maximum context length is 4096 tokens.")
    server.script = lambda request: long if len(request.prompt) > 1_000 else make_completion("Hello.")
    result = (await run_checks(server))["Prompt length"]
    assert (result.state, "is refused as too long" in result.detail) == ("error", True)


async def test_model_that_fails_is_not_sent_a_long_prompt(server: OpenAIServer) -> None:
    server.script = make_model_not_found_error()
    assert list(await run_checks(server)) == ["Model"]


async def test_fallback_model_is_checked_too(server: OpenAIServer) -> None:
    for script, state in ((make_completion("Hello."), "ok"), (make_model_not_found_error(), "error")):
        async with OpenAIServer(script, models=["other"]) as other:
            fallback = LanguageModelChoice("spare", other.url)
            choice = LanguageModelChoice("fake", server.url, context_window=16_000, fallback=fallback)
            result = (await run_checks(server, choice))["Fallback model"]
        assert result.state == state
        assert ("LLM_FALLBACK_MODEL" in result.remedy) == (state == "error")


# The rerank server


@pytest.mark.parametrize(
    ("status", "body", "state", "detail"),
    [
        (
            200,
            {"results": [{"index": 0, "relevance_score": 0.9}, {"index": 1, "relevance_score": 0.1}]},
            "ok",
            "ordered",
        ),
        (200, {"results": [{"index": 0, "relevance_score": 0.9}]}, "error", "a text has no score"),
        (200, {"message": "hello"}, "error", "no scores"),
        (404, {}, "error", "status 404"),
    ],
)
async def test_rerank_server_is_checked(status: int, body: dict[str, Any], state: str, detail: str) -> None:
    async def rank(_: web.Request) -> web.Response:
        return web.json_response(body, status=status)

    app = web.Application()
    app.router.add_post("/v1/rerank", rank)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1/rerank"
        (result,) = await check_reranker(RerankChoice(url))
        (offline,) = await check_reranker(RerankChoice(url), is_offline=True)
    finally:
        await runner.cleanup()
    assert (result.state, detail in result.detail) == (state, True)
    assert offline.state == "note"
    assert await check_reranker(None) == []
