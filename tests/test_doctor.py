"""The doctor: what it sees over real HTTP, and what it says to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp
import discord
import pytest
from aiohttp import web

from bot import doctor
from bot.answering import LibraryState
from bot.settings import load, setting_names

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in setting_names():
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def host() -> AsyncIterator[str]:
    """A server that knows one Discord token, one key and two models."""

    async def me(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != "Bot good":
            return web.json_response({"message": "401: Unauthorized"}, status=401)
        return web.json_response({"id": "42", "username": "docent"})

    async def models(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != "Bearer good":
            return web.json_response({}, status=401)
        return web.json_response({"data": [{"id": "llama3:latest"}, {"id": "embedder"}]})

    app = web.Application()
    app.router.add_get("/api/users/@me", me)
    app.router.add_get("/v1/models", models)
    app.router.add_get("/html/models", lambda _: _html())
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def _html() -> web.Response:
    return web.Response(text="<html>a portal</html>", content_type="text/html")


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


async def test_a_good_token_gives_the_invite_link(host: str, session: aiohttp.ClientSession) -> None:
    finding = await doctor.discord_token(session, load(None, discord_token="good", discord_api_url=f"{host}/api"))
    assert finding.state == "well"
    assert "signed in as docent" in finding.seen
    assert "client_id=42&scope=bot%20applications.commands&permissions=" in finding.seen


def test_the_invite_asks_for_what_answers_need_and_nothing_else() -> None:
    asked = discord.Permissions(int(doctor.invite_link("42").rpartition("=")[2]))
    assert {name for name, is_asked in asked if is_asked} == {
        "read_messages", "send_messages", "attach_files", "read_message_history",
        "create_public_threads", "send_messages_in_threads",
    }  # fmt: skip


async def test_a_refused_token_is_said_without_showing_it(host: str, session: aiohttp.ClientSession) -> None:
    finding = await doctor.discord_token(session, load(None, discord_token="planted", discord_api_url=f"{host}/api"))
    assert (finding.state, finding.seen) == ("ill", "the token is not accepted")
    assert "planted" not in repr(finding)


async def test_no_token_points_at_the_preview(session: aiohttp.ClientSession) -> None:
    assert "preview" in (await doctor.discord_token(session, load(None))).remedy


@pytest.mark.parametrize(
    ("key", "name", "state", "words"),
    [
        ("good", "llama3", "well", "llama3 at 127.0.0.1"),
        ("good", "llama4", "ill", "has no model llama4"),
        ("bad", "llama3", "ill", "does not accept the key"),
    ],
)
async def test_the_models_host_is_named_and_asked(
    host: str, session: aiohttp.ClientSession, key: str, name: str, state: str, words: str
) -> None:
    finding = await doctor.model(session, load(None, openai_base_url=f"{host}/v1", openai_api_key=key, llm_model=name))
    assert finding.state == state
    assert words in finding.seen


async def test_a_server_that_lists_no_models_is_only_noted(host: str, session: aiohttp.ClientSession) -> None:
    finding = await doctor.model(session, load(None, openai_base_url=f"{host}/html"))
    assert finding.state == "note"


async def test_a_host_nobody_answers_at_is_said(session: aiohttp.ClientSession) -> None:
    finding = await doctor.embeddings(session, load(None, embed_model="e", embed_base_url="http://127.0.0.1:9/v1"))
    assert (finding.state, finding.seen) == ("ill", "127.0.0.1:9 cannot be reached")


async def test_without_a_model_it_says_that_nothing_leaves_the_machine(session: aiohttp.ClientSession) -> None:
    assert "nothing leaves this machine" in (await doctor.model(session, load(None))).seen
    assert "no text leaves this machine" in (await doctor.embeddings(session, load(None))).seen


def test_a_missing_folder_one_without_and_one_with_readable_files_are_told_apart(tmp_path: Path) -> None:
    folder = tmp_path / "documents"
    assert "is missing" in doctor.documents(folder).seen
    folder.mkdir()
    (folder / "photo.png").write_text("no document")
    (folder / ".hidden.md").write_text("# Hidden")
    assert doctor.documents(folder).seen == f"no file in {folder} can be read"
    (folder / "a.md").write_text("# A")
    assert doctor.documents(folder).seen == f"1 readable file in {folder}"


async def test_everything_is_examined_in_one_go(host: str, tmp_path: Path) -> None:
    async def state() -> LibraryState:
        return LibraryState(documents=3, nodes=40, embedding="local")

    settings = load(
        None, discord_token="good", discord_api_url=f"{host}/api", data_dir=tmp_path, state_dir=tmp_path / "not" / "yet"
    )
    findings = {finding.subject: finding for finding in await doctor.examined(settings, state())}
    assert set(findings) == {"Discord", "Model", "Embeddings", "Documents", "Index", "Disk"}
    assert "3 documents, 40 passages" in findings["Index"].seen
    assert findings["Disk"].state == "well"
