"""Files of rules beside the documents."""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.access.collection_rules import Rules, RulesUnreadable, find_misplaced_collections, parse_rule
from bot.access.scopes import Rule

if TYPE_CHECKING:
    from pathlib import Path


def test_a_rule_is_lists_of_ids_as_numbers_or_strings() -> None:
    rule = parse_rule('guilds = [1]\nroles = ["1234567890123456789", 3]\n')
    assert rule == Rule(guilds=frozenset({1}), roles=frozenset({1234567890123456789, 3}))


@pytest.mark.parametrize("text", ["guilds = 1", "guilds = [true]", "rolls = [1]", "roles = [-1]", "roles = ['x']", "["])
def test_malformed_rule_file_is_reported(text: str) -> None:
    with pytest.raises(RulesUnreadable):
        parse_rule(text)


async def test_changed_rule_applies_at_once_and_a_bad_one_denies_access(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rules = Rules(tmp_path)
    assert await rules.load() == {}
    (tmp_path / "@hr.toml").write_text("roles = [7]", encoding="utf-8")
    assert await rules.load() == {"hr": Rule(roles=frozenset({7}))}
    (tmp_path / "@hr.toml").write_text("roles = 7", encoding="utf-8")
    with caplog.at_level(logging.WARNING):
        assert await rules.load() == {"hr": Rule()}
        assert await rules.load() == {"hr": Rule()}
    assert len([line for line in caplog.messages if "@hr.toml" in line]) == 1


async def test_a_folder_that_is_missing_has_no_rules(tmp_path: Path) -> None:
    assert await Rules(tmp_path / "none").load() == {}


OPEN_RULE = "guilds = [1]\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("#" * 64_000 + "\nroles = [7]\n" + OPEN_RULE, "larger than 64,000 bytes"),
        (OPEN_RULE + "roles = []\n", "roles is an empty list"),
        (OPEN_RULE + "users = [" + "9" * 5_000 + "]", "too long"),
        (OPEN_RULE + 'users = ["' + "9" * 5_000 + '"]', "which is not an id"),
        (OPEN_RULE + "users = [18446744073709551616]", "which is not an id"),
        (OPEN_RULE + 'users = ["\uff11\uff12"]', "which is not an id"),
        (OPEN_RULE + "roles = " + "[" * 20_000 + "]" * 20_000, "too deep"),
        (OPEN_RULE + "roles = [[1]]", "which is not an id"),
        (OPEN_RULE + "guilds = [2]", "not TOML"),
        ("\udcff", "cannot be read"),
    ],
)
async def test_a_broken_rule_closes_its_own_collection_is_named_and_touches_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str, reason: str
) -> None:
    (tmp_path / "@broken.toml").write_bytes(text.encode("utf-8", "surrogateescape"))
    (tmp_path / "@whole.toml").write_text("roles = [7]")
    rules = Rules(tmp_path)
    with caplog.at_level(logging.WARNING):
        assert await rules.load() == {"broken": Rule(), "whole": Rule(roles=frozenset({7}))}
    (fault,) = await rules.find_faults()
    assert fault.startswith("@broken.toml: ")
    assert reason in fault or "not UTF-8" in fault
    assert any("@broken.toml" in line and "failed" in line for line in caplog.messages)


async def test_pipe_device_folder_and_dangling_link_for_a_rule_close_the_collection_without_waiting(
    tmp_path: Path,
) -> None:
    os.mkfifo(tmp_path / "@pipe.toml")
    (tmp_path / "@zero.toml").symlink_to("/dev/zero")
    (tmp_path / "@folder.toml").mkdir()
    (tmp_path / "@gone.toml").symlink_to("nowhere")
    async with asyncio.timeout(20):
        loaded = await Rules(tmp_path).load()
    assert loaded == dict.fromkeys(("pipe", "zero", "folder", "gone"), Rule())


async def test_two_rules_whose_names_differ_in_the_case_of_the_suffix_close_the_collection(tmp_path: Path) -> None:
    (tmp_path / "@hr.TOML").write_text("roles = [7]")
    assert await Rules(tmp_path).load() == {"hr": Rule(roles=frozenset({7}))}
    (tmp_path / "@hr.toml").write_text("guilds = [1]")
    assert await Rules(tmp_path).load() == {"hr": Rule()}


@given(st.text() | st.sampled_from(["guilds", "roles"]).flatmap(lambda key: st.text().map(lambda x: f"{key} = {x}")))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
def test_any_text_is_a_rule_or_unreadable(text: str) -> None:
    with suppress(RulesUnreadable):
        assert isinstance(parse_rule(text), Rule)


def test_names_that_only_look_like_collections_are_warned_of(tmp_path: Path) -> None:
    for folder in ("sub/@hr", "\uff20board", "\u200b@sales", "@legal/deep", "plain"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "sub" / "@hr.toml").write_text("roles = [7]")
    (tmp_path / "\ufe6bteam.toml").write_text("roles = [7]")
    (tmp_path / "@link").symlink_to(tmp_path / "plain")
    warned = find_misplaced_collections(tmp_path)
    assert [line.split(" ")[0] for line in warned] == [
        "?@sales",
        "@link",
        "sub/@hr",
        "sub/@hr.toml",
        "\ufe6bteam.toml",
        "\uff20board",
    ]


async def test_misplaced_collections_are_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "sub" / "@hr").mkdir(parents=True)
    rules = Rules(tmp_path)
    with caplog.at_level(logging.WARNING):
        await rules.load()
        await rules.load()
    assert len([line for line in caplog.messages if "sub/@hr" in line]) == 1
