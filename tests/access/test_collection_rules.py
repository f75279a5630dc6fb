"""Files of rules beside the documents."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from bot.access.collection_rules import Rules, RulesUnreadable, parse_rule
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
