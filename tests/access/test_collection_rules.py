"""Files of rules beside the documents."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from bot.access.collection_rules import Rules, RulesUnreadable, parsed
from bot.access.scopes import Rule

if TYPE_CHECKING:
    from pathlib import Path


def test_a_rule_is_lists_of_ids_as_numbers_or_strings() -> None:
    rule = parsed('guilds = [1]\nroles = ["1234567890123456789", 3]\n')
    assert rule == Rule(guilds=frozenset({1}), roles=frozenset({1234567890123456789, 3}))


@pytest.mark.parametrize("text", ["guilds = 1", "guilds = [true]", "rolls = [1]", "roles = [-1]", "roles = ['x']", "["])
def test_what_is_no_rule_is_said(text: str) -> None:
    with pytest.raises(RulesUnreadable):
        parsed(text)


async def test_a_rule_holds_as_soon_as_it_is_written_and_a_bad_one_shuts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rules = Rules(tmp_path)
    assert await rules.current() == {}
    (tmp_path / "@hr.toml").write_text("roles = [7]", encoding="utf-8")
    assert await rules.current() == {"hr": Rule(roles=frozenset({7}))}
    (tmp_path / "@hr.toml").write_text("roles = 7", encoding="utf-8")
    with caplog.at_level(logging.WARNING):
        assert await rules.current() == {"hr": Rule()}
        assert await rules.current() == {"hr": Rule()}
    assert len([line for line in caplog.messages if "@hr.toml" in line]) == 1


async def test_a_folder_that_is_missing_has_no_rules(tmp_path: Path) -> None:
    assert await Rules(tmp_path / "none").current() == {}
