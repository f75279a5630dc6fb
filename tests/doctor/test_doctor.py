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
from bot.settings import load, setting_names
from bot.simulator.server import StandIn
from bot.simulator.world import ORDINARY, Permission
from tests.fakes.deployment import environment, ingested, with_documents
from tests.fakes.openai_server import OpenAIServer, key_refused

if TYPE_CHECKING:
    from pathlib import Path

    from bot.settings import Settings

WIDTH = 80


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in setting_names():
        monkeypatch.delenv(name, raising=False)


def between(standin: StandIn, model: OpenAIServer, folder: Path) -> Settings:
    """The settings of a bot that stands between the two."""
    return load(None, **{name.lower(): value for name, value in environment(standin, model, folder).items()})


async def printed(settings: Settings, *, is_watched: bool = False, is_offline: bool = False) -> tuple[str, str]:
    """What the doctor prints, and its complaint, "" if there is none."""
    output = io.StringIO()
    console = Console(file=output, width=WIDTH, force_terminal=is_watched, highlight=False, color_system=None)
    try:
        await diagnose(settings, Terminal(console, Console(file=io.StringIO())), is_offline=is_offline)
    except DocentError as error:
        return output.getvalue(), error.words
    return output.getvalue(), ""


def test_the_invite_asks_for_what_answers_need_and_nothing_else() -> None:
    asked = discord.Permissions(int(doctor.invite_link("42").rpartition("=")[2]))
    assert {name for name, is_asked in asked if is_asked} == {
        "read_messages", "send_messages", "attach_files", "read_message_history",
        "create_public_threads", "send_messages_in_threads",
    }  # fmt: skip


def test_a_missing_an_empty_and_a_filled_folder_are_told_apart(tmp_path: Path) -> None:
    folder = tmp_path / "documents"
    assert "is missing" in doctor.documents(folder).seen
    folder.mkdir()
    (folder / "picture.png").write_bytes(b"\x89PNG")
    assert doctor.documents(folder).seen == f"no file in {folder} can be read"
    (folder / "a.md").write_text("# A")
    assert doctor.documents(folder).seen.startswith("1 readable file in ")


async def test_everything_is_examined_in_one_go(tmp_path: Path) -> None:
    async def state() -> LibraryState:
        return LibraryState(documents=3, nodes=40, embedding="local")

    settings = load(None, data_dir=tmp_path, state_dir=tmp_path / "not" / "yet")
    findings = await doctor.examined(settings, state(), writes=None, embeds=None)
    by_subject = {finding.subject: finding for finding in findings}
    assert list(by_subject) == [
        *("Settings", "Discord", "Model", "Embeddings", "Documents", "Collections", "Index", "Records", "Disk")
    ]
    assert "3 documents, 40 passages" in by_subject["Index"].seen
    assert by_subject["Disk"].state == "well"
    assert all(finding.remedy for finding in findings if finding.state != "well")


async def test_an_index_that_cannot_be_opened_is_ill_in_its_own_words() -> None:
    async def state() -> str:
        return "The index was written by a newer version."

    finding = await doctor.searchable(state())
    assert (finding.state, finding.seen) == ("ill", "The index was written by a newer version.")
    assert finding.remedy


async def test_a_healthy_bot_is_one_line_each_and_the_invite_link(tmp_path: Path) -> None:
    async with StandIn() as standin, OpenAIServer() as model:
        settings = between(standin, model, with_documents(tmp_path))
        await ingested(settings)
        said, complaint = await printed(settings)
    assert complaint == ""
    lines = said.splitlines()
    assert "Harbour (well): it can answer in 4 of 4 channels." in lines
    assert any(line.startswith("Model (well): 1 token was written by 127.0.0.1:") for line in lines)
    assert any(line.startswith("Embeddings (well): 1 word was embedded by 127.0.0.1:") for line in lines)
    assert lines[-1] == doctor.invite_link(str(standin.world.bot.id))
    assert "(ill)" not in said
    assert "(note)" not in said


@pytest.mark.parametrize("is_watched", [True, False])
async def test_everything_that_is_ill_is_said_with_a_remedy_and_without_a_key(tmp_path: Path, is_watched: bool) -> None:
    async with StandIn() as standin, OpenAIServer(key_refused()) as model:
        model.embedding_refusal = key_refused()
        world = standin.world
        guild = world.add_guild("The very long name of a server by the sea \x1b[31m")
        world.change_role(guild.id, world.bot.id, ORDINARY | Permission.ADMINISTRATOR)
        settings = between(standin, model, tmp_path).model_copy(update={"message_content": True})
        said, complaint = await printed(settings, is_watched=is_watched)
    # Intents, model, embeddings and documents.
    assert complaint == "4 of 12 checks want mending."
    for secret in settings.secrets:
        assert secret not in said
    assert "\x1b[31m" not in said
    if is_watched:
        assert all(len(line) <= WIDTH for line in said.splitlines() if "oauth2" not in line)
        assert said.count("✗") == 4
    else:
        assert said.count("(ill): ") == 4


async def test_offline_asks_nobody_anything(tmp_path: Path) -> None:
    async with StandIn() as standin, OpenAIServer() as model:
        settings = between(standin, model, with_documents(tmp_path))
        said, complaint = await printed(settings, is_offline=True)
        assert not standin.requests
        assert not model.requests
    assert complaint == ""
    assert "Discord (note): not asked: --offline." in said
