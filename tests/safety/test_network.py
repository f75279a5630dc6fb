"""What leaves the machine: to which host, through which proxy, with which headers. The far ends are the oracle."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
from contextlib import asynccontextmanager
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import web

from bot.app.logging import configure
from bot.app.serve import serve
from bot.knowledge.models.model_errors import MODEL_ERRORS, map_model_error
from bot.knowledge.models.openai import (
    EmbeddingChoice,
    LanguageModelChoice,
    build_embedding_model,
    build_language_model,
)
from bot.knowledge.sources.web import fetcher
from bot.settings import list_setting_names, load
from bot.simulator.discord_json import sign_file
from bot.simulator.message_drafts import Attachment
from bot.simulator.server import DiscordSimulator
from tests.fakes.deployment import (
    Deployment,
    build_environment,
    deploy,
    has_commands,
    ingest_documents,
    write_documents,
)
from tests.fakes.openai_server import OpenAIServer, make_completion
from tests.fakes.proxy_server import ProxyServer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

ROOT = Path(__file__).parents[2]
HANDBOOK = "<html><body><h1>Parking</h1><p>Visitors park behind the mill, in the second row.</p></body></html>"


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list_setting_names():
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@asynccontextmanager
async def redirect_to(target: str, status: int) -> AsyncGenerator[str]:
    """A server that sends every request on to another one."""

    async def respond(request: web.Request) -> web.Response:
        return web.Response(status=status, headers={"Location": target + request.path.removeprefix("/v1")})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", respond)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirect_of_a_model_server_is_not_followed(status: int) -> None:
    async with OpenAIServer() as other, redirect_to(other.url, status) as url:
        model = build_language_model(LanguageModelChoice("fake", url))
        embedding = build_embedding_model(EmbeddingChoice("fake", url))
        with pytest.raises(MODEL_ERRORS) as caught:
            await model.acomplete("The secret of the mill.")
        assert "redirects" in map_model_error(caught.value).user_message
        for embed in (embedding.aget_query_embedding, embedding.aget_text_embedding):
            with pytest.raises(MODEL_ERRORS) as caught:
                await embed("The secret of the mill.")
            assert "redirects" in map_model_error(caught.value).user_message
        assert other.requests == []
        await model.aclose()
        await embedding.aclose()


async def test_redirect_is_said_in_the_answer_and_its_host_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with OpenAIServer() as other, redirect_to(other.url.replace("127.0.0.1", "localhost"), 307) as url:
        async with deploy(tmp_path, make_completion("No."), openai_base_url=url, embed_model="none") as bot:
            assert "redirects to another one, which is not followed" in await bot.ask_and_wait()
        assert other.requests == []
    assert "redirects to localhost, not followed" in caplog.text


async def test_every_client_uses_the_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Discord's API and gateway, both models, a web page: nothing but the proxy knows where their hosts are."""

    async def serve_page(_: web.Request) -> web.Response:
        return web.Response(text=HANDBOOK, content_type="text/html")

    async def find_nothing(host: str) -> list[str]:
        raise socket.gaierror(f"{host} is unknown")

    monkeypatch.setattr(fetcher, "_resolve_host", find_nothing)
    site = web.Application()
    site.router.add_get("/parking", serve_page)
    runner = web.AppRunner(site)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    endpoints = {"docs.example.com": int(runner.addresses[0][1])}
    async with (
        DiscordSimulator() as simulator,
        OpenAIServer(make_completion("Behind the mill [1].")) as model,
        ProxyServer(endpoints) as proxy,
    ):
        endpoints |= {host: urlsplit(model.url).port or 0 for host in ("models.example.com", "embed.example.com")}
        endpoints |= {
            host: urlsplit(simulator.api_url).port or 0 for host in ("discord.example.com", "gateway.example.com")
        }
        environment = build_environment(simulator, model, write_documents(tmp_path)) | {
            "HTTP_PROXY": proxy.url,
            "DISCORD_API_URL": "http://discord.example.com/api/v10",
            "DISCORD_GATEWAY_URL": "ws://gateway.example.com/gateway",
            "OPENAI_BASE_URL": "http://models.example.com/v1",
            "EMBED_BASE_URL": "http://embed.example.com/v1",
        }
        (tmp_path / "documents" / "urls.txt").write_text("http://docs.example.com/parking\n", encoding="utf-8")
        settings = load(None, **{name.lower(): value for name, value in environment.items()})
        await ingest_documents(settings)
        stop = asyncio.Event()
        serving = asyncio.create_task(serve(settings, stop=stop))
        bot = Deployment(simulator, model, settings, stop)
        await bot.wait_until(lambda: has_commands(simulator))
        said = await bot.ask_and_wait("Where do visitors park?")
        stop.set()
        await serving
    await runner.cleanup()
    assert "Behind the mill" in said
    assert "parking" in said
    assert {*proxy.hosts} == {*endpoints}


@pytest.mark.real_time("the bot is another process")
async def test_private_addresses_and_libraries_variables_are_left_alone(tmp_path: Path) -> None:
    """One real process whose environment holds what the libraries would obey."""
    async with OpenAIServer(make_completion("Five working days [1].")) as model, ProxyServer({}) as proxy:
        write_documents(tmp_path)
        foreign = {
            "HTTP_PROXY": proxy.url,
            "HTTPS_PROXY": proxy.url,
            "ALL_PROXY": proxy.url,
            "OPENAI_LOG": "debug",
            "OPENAI_ORG_ID": "org-planted",
            "OPENAI_PROJECT_ID": "proj-planted",
            "OPENAI_ADMIN_KEY": "sk-admin-planted",
            "OPENAI_CUSTOM_HEADERS": "X-Planted: planted",
            "OPENAI_API_BASE": f"{proxy.url}/planted",
            "OPENAI_API_TYPE": "azure",
            "OPENAI_API_VERSION": "planted",
            "NETRC": str(tmp_path / "netrc"),
        }
        (tmp_path / "netrc").write_text("machine 127.0.0.1 login planted password planted\n", encoding="utf-8")
        own = {
            "OPENAI_API_KEY": "sk-own",
            "OPENAI_BASE_URL": model.url,
            "LLM_MODEL": "fake",
            "EMBED_MODEL": "fake",
            "DATA_DIR": str(tmp_path / "documents"),
            "STATE_DIR": str(tmp_path / "state"),
            "PATH": os.environ["PATH"],
        }
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bot", "ask", "How long does a refund take?"),
            cwd=ROOT,
            env=own | foreign,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
    assert "Five working days" in out.decode()
    assert proxy.heads == []
    assert len(model.chat_requests) > 0 < len(model.embedding_requests)
    for request in model.requests:
        assert "planted" not in str(request.headers)
        assert request.headers["Authorization"] == "Bearer sk-own"
    assert "DEBUG" not in err.decode()
    assert "refund" not in err.decode()


def test_clients_built_in_a_running_process_ignore_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "planted")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "planted")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Planted: planted")
    model = build_language_model(LanguageModelChoice("fake", "http://127.0.0.1:1/v1"))
    embedding = build_embedding_model(EmbeddingChoice("fake", "http://127.0.0.1:1/v1"))
    for client in (model._get_client(), model._get_aclient(), embedding._get_client(), embedding._get_aclient()):
        assert "planted" not in str(client.default_headers)


async def test_file_of_the_simulator_needs_its_signed_address() -> None:
    async with DiscordSimulator() as simulator, aiohttp.ClientSession() as session:
        world = simulator.world
        general, ada = world.find_channel("general").id, world.find_user("Ada").id
        message = world.people.say(general, ada, "have a look", files=[Attachment("pay.md", b"The pay is 5.")])
        (file,) = message.current_state.attachments
        host = simulator.api_url.removesuffix("/api/v10")
        signature = sign_file(world.token, file.id)
        expected = {"": 403, "?hm=": 403, f"?hm={'0' * 64}": 403, f"?hm={sign_file('x', file.id)}": 403}
        for query, status in (expected | {f"?hm={signature}": 200}).items():
            async with session.get(f"{host}/attachments/{file.id}/pay.md{query}") as response:
                assert response.status == status, query
                assert (b"The pay is 5." in await response.read()) == (status == 200)


@pytest.fixture
def debug_log() -> Iterator[StringIO]:
    """All that the process logs at DEBUG, as an operator reads it."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    names = ("discord.gateway", "discord.client", "httpx", "httpcore", "openai", "asyncio", "aiohttp.access", "alembic")
    levels = {name: logging.getLogger(name).level for name in names}
    stream = StringIO()
    configure("DEBUG", "text", (), stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


async def test_interaction_tokens_are_in_no_log_at_any_level(tmp_path: Path, debug_log: StringIO) -> None:
    async with deploy(tmp_path, make_completion("Five days [1]."), embed_model="none") as bot:
        await bot.ask_and_wait()
        tokens = [token for token in bot.simulator.world.interactions_by_token if token]
    text = debug_log.getvalue()
    assert "INTERACTION_CREATE" in text
    assert tokens
    assert [token for token in tokens if token in text] == []
