"""Files whose names lead elsewhere, sent through /docs add: whatever they are called, they land in their collection."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import pytest

from bot.domain import Attachment
from bot.knowledge import knowledge_base
from bot.knowledge.sources.document_folder import NAME_BYTES
from bot.settings import list_setting_names
from bot.simulator.message_drafts import Attachment as MessageAttachment
from tests.fakes.deployment import deploy
from tests.fakes.openai_server import make_completion
from tests.safety.hidden import find_hidden

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from pathlib import Path

    from tests.fakes.deployment import Deployment

PLANTED_CONTENT: Final = b"# Planted\n\nThis was planted.\n"
TEAM_FOLDER: Final = "documents/@team/"
FALLBACK_NAME: Final = "added.md"

ESCAPING_NAMES: Final = [
    "../evil.md",
    "../../../../etc/evil.md",
    "/etc/evil.md",
    "//evil.example/share/evil.md",
    "..\\..\\evil.md",
    "C:\\Windows\\evil.md",
    "C:evil.md",
    "\\\\?\\C:\\evil.md",
    "%2e%2e%2fevil.md",
    "..\u2215..\u2215evil.md",
    "..\uff0f..\uff0fevil.md",
    "@other/x.md",
    "../@other/x.md",
    "x/../../@other/x.md",
    "@other.toml",
    "@team.toml",
    "../refunds.md",
    "~/evil.md",
    "~root.md",
    "evil.md/../../../x.md",
    "a\x00/../../evil.md",
    "evil.md\x00.exe.md",
    "line\nend.md",
    "\x1b[2Jevil.md",
    ".hidden.md",
    "..evil.md",
    "... .md.md",
    "-rf.md",
    "$(touch evil).md",
    "`id`;rm -r x.md",
    "\u202edm.live.md",
    "ev\u200bil.md",
    "\ufeff.\u200d./evil.md",
    "\U000e0041evil.md",
    "x" * 300 + ".md",
    "\u6f22" * 300 + ".md",
    "CON.md",
    "nul.md",
    "com1.tar.md",
    "LPT\u00b9.md",
    "AUX .md",
    "evil.md::$DATA.md",
    "evil.md. . .",
]
REFUSED_NAMES: Final = {
    "urls.txt": "list of web pages",
    "URLS.TXT": "list of web pages",
    "x/urls.txt": "list of web pages",
    "url\u200bs.txt": "list of web pages",
    "..": "no known format",
    "/": "no known format",
    "evil.md/": "no known format",
    ".md": "no known format",
    "evil.exe": "no known format",
    "evil.md\x00.exe": "no known format",
    ".env": "no known format",
    "folder.md": "a folder is called that",
}


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list_setting_names():
        monkeypatch.delenv(name, raising=False)


def read_empty(name: str, _: bytes, **__: object) -> Attachment:
    """A file that was read, and had nothing to say."""
    return Attachment(name, "")


def list_tree(folder: Path) -> dict[str, str]:
    """Everything below a folder: what files hold, and where links lead; the bot's own state and the own files aside."""
    found: dict[str, str] = {}
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_file() and not name.startswith("state/"):
            found[name] = path.read_bytes().decode("utf-8", "replace")
    return found


@asynccontextmanager
async def deploy_with_collections(folder: Path) -> AsyncGenerator[Deployment]:
    """A bot whose documents have two collections; Mia looks after both, and links lead out of one of them."""
    async with deploy(folder, make_completion("."), is_indexed=False, embed_model="none") as bot:
        documents = bot.settings.data_dir
        guild = bot.simulator.world.find_channel("general").guild_id
        for name in ("team", "other"):
            (documents / f"@{name}").mkdir()
            (documents / f"@{name}.toml").write_text(f"guilds = [{guild}]\n")
            (documents / f"@{name}" / "x.md").write_text(f"# The {name}'s own\n")
        (documents / "@team" / "urls.txt").write_text("https://wiki.example/\n")
        (documents / "@team" / "folder.md").mkdir()
        (folder / "outside.md").write_text("# Outside\n")
        (documents / "@team" / "link.md").symlink_to(folder / "outside.md")
        (documents / "@team" / "dangling.md").symlink_to(folder / "nowhere.md")
        yield bot


async def add_files(bot: Deployment, names: Sequence[str], content: bytes = PLANTED_CONTENT) -> str:
    """What Mia is told when she adds files of these names to @team, in one form."""
    world = bot.simulator.world
    general, mia = world.find_channel("general").id, world.find_user("Mia").id
    form = world.people.use_command(general, mia, "docs add", {"collection": "@team"})
    await bot.wait_until(lambda: form.response is not None)
    sent = world.people.submit_modal(form.id, {"files": [MessageAttachment(name, content) for name in names]})

    def find_responses() -> list[str]:
        return [
            m.current_state.content
            for m in world.messages.values()
            if m.interaction_id == sent.id and m.current_state.content
        ]

    await bot.wait_until(lambda: bool(find_responses()))
    return find_responses()[0]


async def test_file_with_any_name_is_stored_in_its_collection_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each would be read in a child of its own, which takes a second and learns nothing of the name but its ending.
    monkeypatch.setattr(knowledge_base, "read_attachment", read_empty)
    async with deploy_with_collections(tmp_path) as bot:
        before = list_tree(tmp_path)
        own: set[str] = set()
        for first in range(0, len(ESCAPING_NAMES), 10):
            told = await add_files(bot, ESCAPING_NAMES[first : first + 10])
            lines = told.splitlines()
            assert [line for line in lines if not line.startswith(("✓ \\@team/", "-# They are searchable"))] == []
            assert len(lines) == len(ESCAPING_NAMES[first : first + 10]) + 1
            assert find_hidden(told) == set()
            own |= {name for name in list_tree(tmp_path) if name.startswith(TEAM_FOLDER)}
        after = list_tree(tmp_path)
        replaced = {name for name, content in after.items() if before.get(name) != content}
    assert {name for name in replaced if not name.startswith(TEAM_FOLDER)} == set()
    assert set(before) <= set(after)
    assert {name for name in own if name.removeprefix(TEAM_FOLDER).startswith((".", "@", "-", "~"))} == set()
    assert {name for name in own if "/" in name.removeprefix(TEAM_FOLDER) or "\\" in name or find_hidden(name)} == set()
    assert {name for name in own if len(name.removeprefix(TEAM_FOLDER).encode()) > NAME_BYTES + 1} == set()
    assert after[f"{TEAM_FOLDER}x.md"] == PLANTED_CONTENT.decode()
    assert after["documents/@other/x.md"] == "# The other's own\n"
    assert after[f"{TEAM_FOLDER}urls.txt"] == "https://wiki.example/\n"


@pytest.mark.parametrize("names", [list(REFUSED_NAMES)[:6], list(REFUSED_NAMES)[6:]], ids=["first", "rest"])
async def test_invalid_file_names_are_refused_in_one_line_and_nothing_is_written(
    tmp_path: Path, names: list[str]
) -> None:
    async with deploy_with_collections(tmp_path) as bot:
        before = list_tree(tmp_path)
        told = await add_files(bot, [*names, FALLBACK_NAME])
        after = list_tree(tmp_path)
    lines = told.splitlines()
    assert lines[0] == f"✓ \\@team/{FALLBACK_NAME}"
    assert len(lines) == len(names) + 2
    for name, line in zip(names, lines[1:-1], strict=True):
        assert line.startswith("✗ ")
        assert REFUSED_NAMES[name] in line
        assert str(tmp_path) not in line
    assert after == before | {f"{TEAM_FOLDER}{FALLBACK_NAME}": PLANTED_CONTENT.decode()}


async def test_symlink_with_the_files_name_is_replaced_and_its_target_untouched(tmp_path: Path) -> None:
    async with deploy_with_collections(tmp_path) as bot:
        before = list_tree(tmp_path)
        told = await add_files(bot, ["link.md", "dangling.md"])
        after = list_tree(tmp_path)
    assert told.count("✓") == 2
    assert after == before | {
        f"{TEAM_FOLDER}link.md": PLANTED_CONTENT.decode(),
        f"{TEAM_FOLDER}dangling.md": PLANTED_CONTENT.decode(),
    }


async def test_file_given_to_the_command_is_stored_in_its_collection_only(tmp_path: Path) -> None:
    async with deploy_with_collections(tmp_path) as bot:
        before = list_tree(tmp_path)
        world = bot.simulator.world
        general, mia = world.find_channel("general").id, world.find_user("Mia").id
        options = {"collection": "@team", "file": MessageAttachment("../../@other/x.md", PLANTED_CONTENT)}
        asked = world.people.use_command(general, mia, "docs add", options)
        await bot.wait_until(lambda: any("x.md" in m.current_state.content for m in world.messages.values()))
        after = list_tree(tmp_path)
    assert asked.response is not None
    assert after == before | {f"{TEAM_FOLDER}x.md": PLANTED_CONTENT.decode()}
