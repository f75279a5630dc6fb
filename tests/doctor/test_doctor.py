"""The doctor as a whole: every check in one go, what it prints, and that no line of it holds a key."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import discord
import pytest
from rich.console import Console

from bot import doctor
from bot.app.cli import diagnose
from bot.app.terminal import Terminal
from bot.domain import LibraryState
from bot.errors import DocentError
from bot.settings import list_setting_names, load
from bot.simulator.server import DiscordSimulator
from bot.simulator.world import DEFAULT_PERMISSIONS, Permission
from tests.fakes.deployment import build_environment, ingest_documents, write_documents
from tests.fakes.openai_server import OpenAIServer, make_invalid_key_error

if TYPE_CHECKING:
    from pathlib import Path

    from bot.settings import Settings

WIDTH = 80


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list_setting_names():
        monkeypatch.delenv(name, raising=False)


def load_settings(simulator: DiscordSimulator, model: OpenAIServer, folder: Path) -> Settings:
    """The settings of a bot that stands between the two."""
    return load(None, **{name.lower(): value for name, value in build_environment(simulator, model, folder).items()})


async def run_doctor(settings: Settings, *, is_terminal: bool = False, is_offline: bool = False) -> tuple[str, str]:
    """What the doctor prints, and its complaint, "" if there is none."""
    output = io.StringIO()
    console = Console(file=output, width=WIDTH, force_terminal=is_terminal, highlight=False, color_system=None)
    try:
        await diagnose(settings, Terminal(console, Console(file=io.StringIO())), is_offline=is_offline)
    except DocentError as error:
        return output.getvalue(), error.user_message
    return output.getvalue(), ""


def test_invite_link_requests_exactly_the_permissions_answers_need() -> None:
    asked = discord.Permissions(int(doctor.build_invite_link("42").rpartition("=")[2]))
    assert {name for name, is_asked in asked if is_asked} == {
        "read_messages", "send_messages", "attach_files", "read_message_history",
        "create_public_threads", "send_messages_in_threads",
    }  # fmt: skip


def test_missing_empty_and_filled_folders_are_distinguished(tmp_path: Path) -> None:
    folder = tmp_path / "documents"
    assert "is missing" in doctor.check_documents(folder).detail
    folder.mkdir()
    (folder / "picture.png").write_bytes(b"\x89PNG")
    unread = "1 file of formats that are not read: .png (1)"
    assert doctor.check_documents(folder).detail == f"no file in {folder} can be read; {unread}"
    (folder / "a.md").write_text("# A")
    assert doctor.check_documents(folder).detail.startswith("1 readable file in ")


async def test_doctor_runs_all_checks_at_once(tmp_path: Path) -> None:
    async def state() -> LibraryState:
        return LibraryState(documents=3, nodes=40, embedding="local")

    settings = load(None, data_dir=tmp_path, state_dir=tmp_path / "not" / "yet")
    findings = await doctor.run_checks(settings, state(), language_model=None, embedding_model=None)
    by_subject = {finding.subject: finding for finding in findings}
    assert list(by_subject) == [
        *("Settings", "Discord", "Model", "Embeddings", "Documents", "Collections", "Index", "Records", "Disk")
    ]
    assert "3 documents, 40 passages" in by_subject["Index"].detail
    assert by_subject["Disk"].state == "ok"
    assert all(finding.remedy for finding in findings if finding.state != "ok")


async def test_index_that_cannot_be_opened_is_an_error_with_its_message() -> None:
    async def state() -> str:
        return "The index was written by a newer version."

    finding = await doctor.check_index(state())
    assert (finding.state, finding.detail) == ("error", "The index was written by a newer version.")
    assert finding.remedy


@pytest.mark.parametrize(
    ("language", "can_read", "state", "words"),
    [
        ("en", True, "ok", "most are in English"),
        ("de", False, "note", "most are in German, which this embedding model does not read"),
        ("other", True, "ok", "most are in a language in another script than Latin"),
    ],
)
async def test_documents_that_the_embedding_model_does_not_read_are_noted(
    language: str, can_read: bool, state: str, words: str
) -> None:
    async def load_state() -> LibraryState:
        return LibraryState(3, 40, "all-MiniLM-L6-v2", language=language, can_read_language=can_read)

    finding = await doctor.check_index(load_state())
    assert finding.state == state
    assert finding.detail.endswith(words)
    assert ("EMBED_MODEL=multilingual" in finding.remedy) is (not can_read)


async def test_a_healthy_bot_is_one_line_each_and_the_invite_link(tmp_path: Path) -> None:
    async with DiscordSimulator() as simulator, OpenAIServer() as model:
        settings = load_settings(simulator, model, write_documents(tmp_path))
        await ingest_documents(settings)
        said, complaint = await run_doctor(settings)
    assert complaint == ""
    lines = said.splitlines()
    assert "Harbour (ok): it can answer in 4 of 4 channels." in lines
    assert any(line.startswith("Model (ok): 1 token was written by 127.0.0.1:") for line in lines)
    assert any(line.startswith("Embeddings (ok): 1 word was embedded by 127.0.0.1:") for line in lines)
    assert lines[-1] == doctor.build_invite_link(str(simulator.world.bot.id))
    assert "(error)" not in said
    assert "(note)" not in said


@pytest.mark.parametrize("is_watched", [True, False])
async def test_every_error_is_printed_with_a_remedy_and_without_a_key(tmp_path: Path, is_watched: bool) -> None:
    async with DiscordSimulator() as simulator, OpenAIServer(make_invalid_key_error()) as model:
        model.embedding_error = make_invalid_key_error()
        world = simulator.world
        guild = world.admin.add_guild("The very long name of a server by the sea \x1b[31m")
        world.admin.edit_role(guild.id, world.bot.id, DEFAULT_PERMISSIONS | Permission.ADMINISTRATOR)
        settings = load_settings(simulator, model, tmp_path).model_copy(update={"message_content": True})
        said, complaint = await run_doctor(settings, is_terminal=is_watched)
    # Intents, model, embeddings and documents.
    assert complaint == "4 of 12 checks failed."
    for secret in settings.secrets:
        assert secret not in said
    assert "\x1b[31m" not in said
    if is_watched:
        assert all(len(line) <= WIDTH for line in said.splitlines() if "oauth2" not in line)
        assert said.count("✗") == 4
    else:
        assert said.count("(error): ") == 4


async def test_offline_doctor_sends_no_request(tmp_path: Path) -> None:
    async with DiscordSimulator() as simulator, OpenAIServer() as model:
        settings = load_settings(simulator, model, write_documents(tmp_path))
        said, complaint = await run_doctor(settings, is_offline=True)
        assert not simulator.requests
        assert not model.requests
    assert complaint == ""
    assert "Discord (note): not asked: --offline." in said
