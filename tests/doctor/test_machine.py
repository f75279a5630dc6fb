"""What is on this machine: collections and their rules, records, settings that do nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bot.doctor import chosen, collections, records
from bot.records import SqlRecords
from bot.settings import load, setting_names

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in setting_names():
        monkeypatch.delenv(name, raising=False)


# Collections


def test_no_collection_is_well(tmp_path: Path) -> None:
    (found,) = collections(tmp_path)
    assert (found.state, found.seen) == ("well", "none: all documents are everybody's")


def test_a_collection_with_its_rule_is_well(tmp_path: Path) -> None:
    (tmp_path / "@hr").mkdir()
    (tmp_path / "@hr.toml").write_text("roles = [7]")
    (found,) = collections(tmp_path)
    assert (found.state, found.seen) == ("well", "@hr: each has its rule")


def test_a_collection_without_a_rule_is_noted_with_what_to_write(tmp_path: Path) -> None:
    (tmp_path / "@hr").mkdir()
    (found,) = collections(tmp_path)
    assert (found.state, found.seen) == ("note", "@hr has no rule: nobody sees it")
    assert str(tmp_path / "@hr.toml") in found.remedy
    assert "guilds = [" in found.remedy


@pytest.mark.parametrize(
    ("written", "words"),
    [("roles = 7", "roles must be a list"), ("rules = [7]", "rules is none of"), ("roles = [", "not TOML")],
)
def test_a_rule_that_cannot_be_read_is_ill(tmp_path: Path, written: str, words: str) -> None:
    (tmp_path / "@hr").mkdir()
    (tmp_path / "@hr.toml").write_text(written)
    (found,) = collections(tmp_path)
    assert found.state == "ill"
    assert found.seen.startswith("@hr.toml: ")
    assert words in found.seen
    assert found.remedy


def test_a_rule_without_its_folder_is_noted(tmp_path: Path) -> None:
    (tmp_path / "@hr.toml").write_text("roles = [7]")
    (found,) = collections(tmp_path)
    assert (found.state, found.seen) == ("note", "@hr.toml is a rule for a collection that is not there")
    assert str(tmp_path / "@hr") in found.remedy


def test_a_rule_that_names_nobody_is_noted(tmp_path: Path) -> None:
    (tmp_path / "@hr").mkdir()
    (tmp_path / "@hr.toml").write_text("")
    (found,) = collections(tmp_path)
    assert (found.state, found.seen) == ("note", "@hr.toml names nobody: nobody sees @hr")


def test_of_very_many_collections_the_rest_is_counted(tmp_path: Path) -> None:
    for number in range(25):
        (tmp_path / f"@{number}").mkdir()
    found = collections(tmp_path)
    assert len(found) == 21
    assert found[-1].seen == "5 more collections like these"


# Records


async def test_records_that_are_not_there_yet_are_well_and_are_not_made(tmp_path: Path) -> None:
    found = await records(load(None, state_dir=tmp_path))
    assert found.state == "well"
    assert not (tmp_path / "records.sqlite").exists()


async def test_records_that_open_are_well(tmp_path: Path) -> None:
    async with SqlRecords.opened_file(tmp_path / "records.sqlite"):
        pass
    found = await records(load(None, state_dir=tmp_path, remember_days=7))
    assert found.state == "well"
    assert "records.sqlite opens; kept for 7 days" in found.seen


async def test_records_that_are_no_database_are_ill(tmp_path: Path) -> None:
    (tmp_path / "records.sqlite").write_text("a letter" * 200)
    found = await records(load(None, state_dir=tmp_path))
    assert found.state == "ill"
    assert "records.sqlite" in found.remedy


async def test_a_database_that_does_not_answer_is_ill_without_showing_its_password(tmp_path: Path) -> None:
    url = "postgresql+asyncpg://docent:planted@127.0.0.1:9/records"
    found = await records(load(None, state_dir=tmp_path, records_url=url))
    assert found.state == "ill"
    assert "RECORDS_URL" in found.remedy
    assert "planted" not in repr(found)


# Settings


def test_the_settings_that_were_chosen_are_named_without_what_they_hold() -> None:
    found = chosen(load(None, discord_token="planted", embed_model="none", llm_model="gpt-4.1-mini"))
    assert (found.state, found.seen) == ("well", "valid; chosen: DISCORD_TOKEN, EMBED_MODEL")


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"llm_model": "llama3"}, "LLM_MODEL without OPENAI_API_KEY or OPENAI_BASE_URL"),
        ({"embed_base_url": "http://127.0.0.1:9/v1"}, "EMBED_BASE_URL with embeddings “local”"),
        ({"embed_model": "none", "embed_api_key": "planted"}, "EMBED_API_KEY with embeddings “none”"),
    ],
)
def test_a_setting_that_does_nothing_is_noted(values: dict[str, str], named: str) -> None:
    found = chosen(load(None, **values))
    assert found.state == "note"
    assert named in found.seen
    assert "planted" not in repr(found)
