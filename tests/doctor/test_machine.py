"""What is on this machine: collections and their rules, records, settings that do nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.doctor import check_collections, check_disk, check_documents, check_records, check_settings
from bot.doctor.machine import find_file_system
from bot.records import SqlRecords
from bot.settings import list_setting_names, load


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list_setting_names():
        monkeypatch.delenv(name, raising=False)


# Collections


def test_no_collections_is_ok(tmp_path: Path) -> None:
    (found,) = check_collections(tmp_path)
    assert (found.state, found.detail) == ("ok", "none: everybody can see all documents")


def test_collection_with_its_rule_is_ok(tmp_path: Path) -> None:
    (tmp_path / "@hr").mkdir()
    (tmp_path / "@hr.toml").write_text("roles = [7]")
    (found,) = check_collections(tmp_path)
    assert (found.state, found.detail) == ("ok", "@hr: each has a rule")


def test_a_collection_without_a_rule_is_noted_with_what_to_write(tmp_path: Path) -> None:
    (tmp_path / "@hr").mkdir()
    (found,) = check_collections(tmp_path)
    assert (found.state, found.detail) == ("note", "@hr has no rule: nobody can see it")
    assert str(tmp_path / "@hr.toml") in found.remedy
    assert "guilds = [" in found.remedy


@pytest.mark.parametrize(
    ("written", "words"),
    [("roles = 7", "roles must be a list"), ("rules = [7]", "rules is none of"), ("roles = [", "not TOML")],
)
def test_unreadable_rule_is_an_error(tmp_path: Path, written: str, words: str) -> None:
    (tmp_path / "@hr").mkdir()
    (tmp_path / "@hr.toml").write_text(written)
    (found,) = check_collections(tmp_path)
    assert found.state == "error"
    assert found.detail.startswith("@hr.toml: ")
    assert words in found.detail
    assert found.remedy


def test_a_rule_without_its_folder_is_noted(tmp_path: Path) -> None:
    (tmp_path / "@hr.toml").write_text("roles = [7]")
    (found,) = check_collections(tmp_path)
    assert (found.state, found.detail) == ("note", "@hr.toml is a rule for a collection that does not exist")
    assert str(tmp_path / "@hr") in found.remedy


def test_rule_that_allows_nobody_is_noted(tmp_path: Path) -> None:
    (tmp_path / "@hr").mkdir()
    (tmp_path / "@hr.toml").write_text("")
    (found,) = check_collections(tmp_path)
    assert (found.state, found.detail) == ("note", "@hr.toml names nobody: nobody sees @hr")


def test_many_collections_are_listed_in_part_and_the_rest_counted(tmp_path: Path) -> None:
    for number in range(25):
        (tmp_path / f"@{number}").mkdir()
    found = check_collections(tmp_path)
    assert len(found) == 21
    assert found[-1].detail == "5 more collections like these"


# Records


async def test_records_that_do_not_exist_yet_are_ok_and_are_not_created(tmp_path: Path) -> None:
    found = await check_records(load(None, state_dir=tmp_path))
    assert found.state == "ok"
    assert not (tmp_path / "records.sqlite").exists()


async def test_records_that_open_are_ok(tmp_path: Path) -> None:
    async with SqlRecords.open_file(tmp_path / "records.sqlite"):
        pass
    found = await check_records(load(None, state_dir=tmp_path, remember_days=7))
    assert found.state == "ok"
    assert "records.sqlite opens; kept for 7 days" in found.detail


async def test_records_that_are_no_database_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "records.sqlite").write_text("a letter" * 200)
    found = await check_records(load(None, state_dir=tmp_path))
    assert found.state == "error"
    assert "records.sqlite" in found.remedy


async def test_unreachable_database_is_an_error_without_showing_its_password(tmp_path: Path) -> None:
    url = "postgresql+asyncpg://docent:planted@127.0.0.1:9/records"
    found = await check_records(load(None, state_dir=tmp_path, records_url=url))
    assert found.state == "error"
    assert "RECORDS_URL" in found.remedy
    assert "planted" not in repr(found)


# Documents and disk


def test_files_of_unknown_kinds_are_counted_with_their_endings(tmp_path: Path) -> None:
    for name in ("a.md", "one.psd", "two.PSD", "plan.dwg", ".hidden.psd", "@hr.toml"):
        (tmp_path / name).write_text("text")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "x.psd").write_text("text")
    found = check_documents(tmp_path)
    assert found.state == "ok"
    assert found.detail == f"1 readable file in {tmp_path}; 3 files of formats that are not read: .psd (2), .dwg (1)"


MOUNTS = """\
overlay / overlay rw 0 0
server:/export /srv nfs4 rw 0 0
tmpfs /srv/fast\\040disk tmpfs rw 0 0
//nas/share /mnt/share cifs rw 0 0
sshfs#host: /mnt/ssh fuse.sshfs rw 0 0
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/home/docent", "overlay"),
        ("/srv/state", "nfs4"),
        ("/srv", "nfs4"),
        ("/srvother", "overlay"),
        ("/srv/fast disk/state", "tmpfs"),
        ("/mnt/share", "cifs"),
        ("/mnt/ssh/a", "fuse.sshfs"),
    ],
)
def test_file_system_is_that_of_the_nearest_mount(folder: str, kind: str) -> None:
    assert find_file_system(Path(folder), MOUNTS) == kind


@pytest.mark.parametrize(("mounts", "state"), [(MOUNTS, "ok"), ("server:/ / nfs4 rw 0 0\n", "error")])
def test_state_dir_on_a_network_file_system_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mounts: str, state: str
) -> None:
    monkeypatch.setattr("bot.doctor.machine._read_mounts", lambda: mounts)
    found = check_disk(tmp_path)
    assert found.state == state
    assert state == "ok" or "nfs4" in found.detail


# Settings


def test_chosen_settings_are_listed_without_their_values() -> None:
    found = check_settings(load(None, discord_token="planted", embed_model="none", llm_model="gpt-4.1-mini"))
    assert (found.state, found.detail) == ("ok", "valid; set: DISCORD_TOKEN, EMBED_MODEL")


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"llm_model": "llama3"}, "LLM_MODEL without OPENAI_API_KEY or OPENAI_BASE_URL"),
        ({"embed_base_url": "http://127.0.0.1:9/v1"}, "EMBED_BASE_URL with embeddings “local”"),
        ({"embed_model": "none", "embed_api_key": "planted"}, "EMBED_API_KEY with embeddings “none”"),
    ],
)
def test_a_setting_that_does_nothing_is_noted(values: dict[str, str], named: str) -> None:
    found = check_settings(load(None, **values))
    assert found.state == "note"
    assert named in found.detail
    assert "planted" not in repr(found)
