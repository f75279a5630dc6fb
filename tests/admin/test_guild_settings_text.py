"""Admins see every setting with its purpose and limit, in messages that fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.access.budgets import Limits
from bot.access.guild_settings import SETTING_PURPOSES, GuildSettings, parse_guild_settings, parse_setting
from bot.admin.guild_settings_text import FORUMS_UNREADABLE, find_mentions, format_change, format_settings

if TYPE_CHECKING:
    from bot.records import Json

FREE = Limits(per_minute=0)
BOUND = Limits(per_minute=6, person_daily=50_000, guild_daily=1_000_000)


def test_every_setting_is_shown_with_its_purpose_and_limits() -> None:
    (said,) = format_settings(GuildSettings(language="German", tokens_per_person=9_000), BOUND, reads_messages=True)
    for name, purpose in SETTING_PURPOSES.items():
        assert f"`{name}`: " in said
        assert f"-# {purpose}" in said
    assert "`language`: German\n" in said
    assert "`tokens_per_person`: 9,000\n-# tokens a day for one person · the operator allows 50,000" in said
    assert "`tone`: –\n" in said
    assert "questions of one person within a minute · the operator allows 6" in said
    assert "tokens a day for this server · the operator allows 1,000,000" in said


def test_settings_text_names_no_limit_if_the_operator_sets_none() -> None:
    assert "the operator allows" not in "".join(format_settings(GuildSettings(), FREE, reads_messages=True))


@pytest.mark.parametrize("reads_messages", [True, False])
def test_settings_text_warns_of_unreadable_forums(reads_messages: bool) -> None:
    shown = "".join(format_settings(GuildSettings(forums=frozenset({7})), FREE, reads_messages=reads_messages))
    changed = format_change(GuildSettings(forums=frozenset({7})), "forums", FREE, reads_messages=reads_messages)
    assert (FORUMS_UNREADABLE in shown) is (FORUMS_UNREADABLE in changed) is not reads_messages
    assert FORUMS_UNREADABLE not in "".join(format_settings(GuildSettings(), FREE, reads_messages=False))


def test_settings_text_warns_of_a_limit_above_the_operators() -> None:
    high, low = GuildSettings(tokens_per_person=60_000), GuildSettings(tokens_per_person=40_000)
    roles = GuildSettings(tokens_by_role={5: 60_000, 6: 1})
    assert "allows 50,000 tokens a day" in format_change(high, "tokens_per_person", BOUND, reads_messages=True)
    assert "allows 50,000" in format_change(roles, "tokens_by_role", BOUND, reads_messages=True)
    assert "allows" not in format_change(low, "tokens_per_person", BOUND, reads_messages=True)
    assert "allows" not in format_change(high, "tokens_per_person", FREE, reads_messages=True)


def test_text_value_of_a_setting_is_escaped() -> None:
    tone = parse_setting("tone", "**@everyone** [x](https://evil.example) <#7>")
    for said in (
        format_change(tone, "tone", FREE, reads_messages=True),
        *format_settings(tone, FREE, reads_messages=True),
    ):
        assert "\\@everyone" in said
        assert "\\[x\\]\\(https\\://" in said
        assert "\\<#7\\>" in said


def test_the_channels_and_roles_of_a_value_are_known() -> None:
    assert find_mentions(GuildSettings(channels=frozenset({7, 8})), "channels") == (frozenset({7, 8}), frozenset())
    assert find_mentions(GuildSettings(tokens_by_role={5: 10}), "tokens_by_role") == (frozenset(), frozenset({5}))
    assert find_mentions(GuildSettings(tone="like <#7>"), "tone") == (frozenset(), frozenset())
    assert find_mentions(GuildSettings(threads=True), "threads") == (frozenset(), frozenset())


@given(st.integers(0, 300), st.integers(0, 60), st.text(st.sampled_from("*a😀@"), max_size=300))
def test_settings_text_always_fits_a_message(channels: int, roles: int, tone: str) -> None:
    stored: dict[str, Json] = {
        "channels": [str(10**19 + n) for n in range(channels)],
        "forums": [str(10**19 + n) for n in range(channels)],
        "tokens_by_role": {str(10**19 + n): 1_000_000_000 for n in range(roles)},
        "tone": tone,
        "language": tone,
    }
    settings = parse_guild_settings(stored)
    messages = format_settings(settings, BOUND, reads_messages=False)
    messages += [format_change(settings, name, BOUND, reads_messages=False) for name in stored]
    assert all(len(message.encode("utf-16-le")) // 2 <= 2_000 for message in messages)
    assert all(f"`{name}`: " in "".join(messages) for name in SETTING_PURPOSES)
