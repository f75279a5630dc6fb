"""Files whose names lead elsewhere, sent through /docs add: whatever they are called, they land in their collection."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import pytest

from bot.domain import Attached
from bot.knowledge import knowledge_base
from bot.knowledge.sources.document_folder import NAME_BYTES
from bot.settings import setting_names
from bot.simulator.message_drafts import Attachment
from tests.fakes.deployment import deployed
from tests.fakes.openai_server import spoken
from tests.safety.hidden import hidden

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from pathlib import Path

    from tests.fakes.deployment import Deployment

PLANTED: Final = b"# Planted\n\nThis was planted.\n"
OWN: Final = "documents/@team/"
PLAIN: Final = "added.md"

LEADING_AWAY: Final = [
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
REFUSED: Final = {
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
    for name in setting_names():
        monkeypatch.delenv(name, raising=False)


def unread(name: str, _: bytes, **__: object) -> Attached:
    """A file that was read, and had nothing to say."""
    return Attached(name, "")


def standing(folder: Path) -> dict[str, str]:
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
async def furnished(folder: Path) -> AsyncGenerator[Deployment]:
    """A bot whose documents have two collections; Mia looks after both, and links lead out of one of them."""
    async with deployed(folder, spoken("."), is_indexed=False, embed_model="none") as bot:
        documents = bot.settings.data_dir
        guild = bot.standin.world.channel_named("general").guild_id
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


async def added(bot: Deployment, names: Sequence[str], content: bytes = PLANTED) -> str:
    """What Mia is told when she adds files of these names to @team, in one form."""
    world = bot.standin.world
    general, mia = world.channel_named("general").id, world.user_named("Mia").id
    form = world.use_command(general, mia, "docs add", {"collection": "@team"})
    await bot.until(lambda: form.response is not None)
    sent = world.submit(form.id, {"files": [Attachment(name, content) for name in names]})

    def told() -> list[str]:
        return [m.now.content for m in world.messages.values() if m.interaction_id == sent.id and m.now.content]

    await bot.until(lambda: bool(told()))
    return told()[0]


async def test_whatever_a_file_is_called_it_lands_in_its_collection_and_replaces_nothing_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each would be read in a child of its own, which takes a second and learns nothing of the name but its ending.
    monkeypatch.setattr(knowledge_base, "read_attached", unread)
    async with furnished(tmp_path) as bot:
        before = standing(tmp_path)
        own: set[str] = set()
        for first in range(0, len(LEADING_AWAY), 10):
            told = await added(bot, LEADING_AWAY[first : first + 10])
            lines = told.splitlines()
            assert [line for line in lines if not line.startswith(("✓ \\@team/", "-# They are found"))] == []
            assert len(lines) == len(LEADING_AWAY[first : first + 10]) + 1
            assert hidden(told) == set()
            own |= {name for name in standing(tmp_path) if name.startswith(OWN)}
        after = standing(tmp_path)
        replaced = {name for name, content in after.items() if before.get(name) != content}
    assert {name for name in replaced if not name.startswith(OWN)} == set()
    assert set(before) <= set(after)
    assert {name for name in own if name.removeprefix(OWN).startswith((".", "@", "-", "~"))} == set()
    assert {name for name in own if "/" in name.removeprefix(OWN) or "\\" in name or hidden(name)} == set()
    assert {name for name in own if len(name.removeprefix(OWN).encode()) > NAME_BYTES + 1} == set()
    assert after[f"{OWN}x.md"] == PLANTED.decode()
    assert after["documents/@other/x.md"] == "# The other's own\n"
    assert after[f"{OWN}urls.txt"] == "https://wiki.example/\n"


@pytest.mark.parametrize("names", [list(REFUSED)[:6], list(REFUSED)[6:]], ids=["first", "rest"])
async def test_what_may_not_be_called_so_is_refused_in_a_line_and_nothing_is_written(
    tmp_path: Path, names: list[str]
) -> None:
    async with furnished(tmp_path) as bot:
        before = standing(tmp_path)
        told = await added(bot, [*names, PLAIN])
        after = standing(tmp_path)
    lines = told.splitlines()
    assert lines[0] == f"✓ \\@team/{PLAIN}"
    assert len(lines) == len(names) + 2
    for name, line in zip(names, lines[1:-1], strict=True):
        assert line.startswith("✗ ")
        assert REFUSED[name] in line
        assert str(tmp_path) not in line
    assert after == before | {f"{OWN}{PLAIN}": PLANTED.decode()}


async def test_a_link_in_a_files_place_is_replaced_and_what_it_leads_to_is_not_touched(tmp_path: Path) -> None:
    async with furnished(tmp_path) as bot:
        before = standing(tmp_path)
        told = await added(bot, ["link.md", "dangling.md"])
        after = standing(tmp_path)
    assert told.count("✓") == 2
    assert after == before | {f"{OWN}link.md": PLANTED.decode(), f"{OWN}dangling.md": PLANTED.decode()}


async def test_a_file_given_to_the_command_itself_goes_the_same_way(tmp_path: Path) -> None:
    async with furnished(tmp_path) as bot:
        before = standing(tmp_path)
        world = bot.standin.world
        general, mia = world.channel_named("general").id, world.user_named("Mia").id
        options = {"collection": "@team", "file": Attachment("../../@other/x.md", PLANTED)}
        asked = world.use_command(general, mia, "docs add", options)
        await bot.until(lambda: any("x.md" in m.now.content for m in world.messages.values()))
        after = standing(tmp_path)
    assert asked.response is not None
    assert after == before | {f"{OWN}x.md": PLANTED.decode()}
