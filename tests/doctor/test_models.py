"""The models' hosts: each is asked for one word by the bot's own client, and what it says is believed."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import web

from bot.doctor import check_embeddings, check_model
from bot.knowledge import EmbeddingChoice, LanguageModelChoice, LocalEmbeddingChoice
from bot.settings import list_setting_names, load
from tests.fakes.openai_server import (
    Completion,
    ErrorResponse,
    OpenAIServer,
    StreamEnd,
    make_completion,
    make_invalid_key_error,
    make_model_not_found_error,
    make_quota_error,
    make_rate_limit_error,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bot.doctor import CheckResult
    from bot.settings import Settings

KEY = "sk-planted-key"


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list_setting_names():
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def server() -> AsyncIterator[OpenAIServer]:
    async with OpenAIServer(
        make_completion("Hello there, what would you like to know?"), models=["llama3:latest"]
    ) as server:
        yield server


def make_settings(url: str, **others: str | float) -> Settings:
    values = {"openai_base_url": url, "openai_api_key": KEY, "llm_model": "fake", "embed_model": "e", **others}
    return load(None, required=(), **values)


async def run_model_check(settings: Settings, *, is_offline: bool = False) -> CheckResult:
    choice = LanguageModelChoice(settings.llm_model, settings.model_url, settings.openai_api_key)
    async with aiohttp.ClientSession() as session:
        return await check_model(session, settings, choice, is_offline=is_offline)


async def run_embeddings_check(settings: Settings, *, is_offline: bool = False) -> CheckResult:
    choice = EmbeddingChoice(settings.embedding, settings.embedding_url, settings.embedding_key)
    async with aiohttp.ClientSession() as session:
        return await check_embeddings(session, settings, choice, is_offline=is_offline)


def host_of(server: OpenAIServer) -> str:
    return urlsplit(server.url).netloc


# Proof


async def test_the_model_writes_one_token_and_its_host_is_named(server: OpenAIServer) -> None:
    found = await run_model_check(make_settings(server.url))
    assert (found.state, found.remedy) == ("ok", "")
    assert f"1 token was written by {host_of(server)} as fake: every question" in found.detail
    (chat,) = server.chat_requests
    assert chat.body["max_tokens"] == 1
    assert chat.body["stream"]


async def test_embedding_probe_embeds_one_word_and_names_its_host(server: OpenAIServer) -> None:
    found = await run_embeddings_check(make_settings(server.url))
    assert (found.state, found.remedy) == ("ok", "")
    assert f"1 word was embedded by {host_of(server)} as e: the text of every document" in found.detail
    (request,) = server.embedding_requests
    assert request.body["input"] == ["Hello"]


async def test_a_host_is_the_same_however_its_address_is_written(server: OpenAIServer) -> None:
    found = await run_model_check(make_settings(server.url.replace("127.0.0.1", "LocalHost")))
    assert found.state == "ok"
    assert "by localhost:" in found.detail


async def test_reasoning_model_passes_the_probe_with_its_first_reasoning_delta(server: OpenAIServer) -> None:
    server.script = Completion([], reasoning=["Hm"], end=StreamEnd.STALL)
    assert (await run_model_check(make_settings(server.url))).state == "ok"


async def test_probe_closes_the_stream_after_the_first_word(server: OpenAIServer) -> None:
    server.script = make_completion("One two three", delta_delay=30)
    assert (await run_model_check(make_settings(server.url))).state == "ok"


async def test_documents_and_questions_may_go_to_two_hosts(server: OpenAIServer) -> None:
    async with OpenAIServer() as other:
        settings = make_settings(server.url, embed_base_url=other.url)
        assert host_of(other) in (await run_embeddings_check(settings)).detail
        assert host_of(server) in (await run_model_check(settings)).detail
        assert not other.chat_requests
        assert not server.embedding_requests
        assert other.embedding_requests[0].headers["Authorization"] != f"Bearer {KEY}"


async def test_redirect_to_another_host_is_not_followed_and_reported() -> None:
    async with OpenAIServer() as other:

        async def send_on(request: web.Request) -> web.Response:
            raise web.HTTPTemporaryRedirect(other.url + request.path.removeprefix("/v1"))

        app = web.Application()
        app.router.add_post("/v1/{path:.*}", send_on)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        first = f"127.0.0.1:{runner.addresses[0][1]}"
        try:
            for found in (
                await run_model_check(make_settings(f"http://{first}/v1")),
                await run_embeddings_check(make_settings(f"http://{first}/v1")),
            ):
                assert found.state == "error"
                assert f"{first} answered: The model's address redirects" in found.detail
                assert "OPENAI_BASE_URL" in found.remedy
                assert other.requests == []
        finally:
            await runner.cleanup()


# What is ill


@pytest.mark.parametrize(
    ("refusal", "message", "remedy"),
    [
        (make_invalid_key_error(), "does not accept the key", "OPENAI_API_KEY"),
        (make_quota_error(), "no credit left", "Add credit"),
        (make_rate_limit_error(7), "rate limit). Try again in 7 s", "run `doctor` again later"),
        (make_model_not_found_error(), "no such model", "_MODEL"),
        (ErrorResponse(500), "server failed", "OPENAI_BASE_URL"),
    ],
)
async def test_refusal_by_the_host_is_an_error_with_our_own_message(
    server: OpenAIServer, refusal: ErrorResponse, message: str, remedy: str
) -> None:
    server.script = server.embedding_error = refusal
    for found in (
        await run_model_check(make_settings(server.url)),
        await run_embeddings_check(make_settings(server.url)),
    ):
        assert found.state == "error"
        assert found.detail.startswith(f"{host_of(server)} answered: ")
        assert message in found.detail
        assert remedy in found.remedy
        assert KEY not in repr(found)


async def test_unknown_model_name_is_an_error_that_lists_the_known_ones(server: OpenAIServer) -> None:
    server.script = make_model_not_found_error()
    assert "It has: llama3:latest." in (await run_model_check(make_settings(server.url, llm_model="llama4"))).remedy
    assert "It has" not in (await run_model_check(make_settings(server.url, llm_model="llama3"))).remedy


async def test_unreachable_model_host_is_an_error() -> None:
    for found in (
        await run_model_check(make_settings("http://127.0.0.1:9/v1")),
        await run_embeddings_check(make_settings("http://127.0.0.1:9/v1")),
    ):
        assert found.state == "error"
        assert found.detail.startswith("127.0.0.1:9 did not answer: The model's server cannot be reached.")


async def test_silent_model_host_times_out(server: OpenAIServer) -> None:
    server.script = Completion([], end=StreamEnd.STALL)
    found = await run_model_check(make_settings(server.url, model_patience=5))
    assert found.state == "error"
    assert "no answer within 5 seconds" in found.detail


async def test_model_that_ends_without_text_is_noted(server: OpenAIServer) -> None:
    server.script = Completion([])
    found = await run_model_check(make_settings(server.url))
    assert (found.state, found.detail) == ("note", f"{host_of(server)} answered, but wrote nothing")
    assert found.remedy


async def test_model_without_chat_is_an_error() -> None:
    found = await run_model_check(make_settings("http://127.0.0.1:9/v1", llm_model="gpt-5.2-pro"))
    assert found.state == "error"
    assert found.detail.startswith("127.0.0.1:9 was not asked: LLM_MODEL ")


# What is not asked


async def test_offline_mode_names_the_hosts_and_sends_no_request(server: OpenAIServer) -> None:
    settings = make_settings(server.url)
    for found in (
        await run_model_check(settings, is_offline=True),
        await run_embeddings_check(settings, is_offline=True),
    ):
        assert found.state == "note"
        assert f"at {host_of(server)}: " in found.detail
        assert "--offline" in found.remedy
    assert not server.requests


async def test_without_a_model_and_with_local_embeddings_no_text_leaves_the_machine() -> None:
    async with aiohttp.ClientSession() as session:
        assert "no question leaves this machine" in (await check_model(session, load(None), None)).detail
        local = await check_embeddings(session, load(None), LocalEmbeddingChoice())
        assert (local.state, local.detail[:43]) == ("ok", "1 word was embedded on this machine: no tex")
        none = await check_embeddings(session, load(None, embed_model="none"), None)
        assert (none.state, none.remedy) == ("note", "EMBED_MODEL=local finds more.")


async def test_a_local_model_that_is_not_installed_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.knowledge.models.local._PACKAGE", "no_such_package")
    monkeypatch.setattr("bot.knowledge.models.local._MULTILINGUAL_PACKAGE", "no_such_package")
    async with aiohttp.ClientSession() as session:
        found = await check_embeddings(session, load(None), LocalEmbeddingChoice())
    assert found.state == "note"
    assert "--extra local" in found.remedy
