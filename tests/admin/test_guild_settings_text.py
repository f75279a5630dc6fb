"""What an admin is shown of a server's choices, and told of a change."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.access.budgets import Limits
from bot.access.guild_settings import SETTING_SPECS, parse_setting
from bot.admin.guild_settings_text import FORUMS_UNREADABLE, find_mentions, format_change, format_settings

FREE = Limits(per_minute=0)
BOUND = Limits(per_minute=6, person_daily=50_000, guild_daily=1_000_000)


def test_every_setting_is_shown_with_its_purpose_and_limits() -> None:
    (said,) = format_settings({"language": "German", "tokens_per_person": 9_000}, BOUND, reads_messages=True)
    for name, choice in SETTING_SPECS.items():
        assert f"`{name}`: " in said
        assert f"-# {choice.purpose}" in said
    assert "`language`: German\n" in said
    assert "`tokens_per_person`: 9,000\n-# tokens a day for one person · the operator allows 50,000" in said
    assert "`tone`: –\n" in said
    assert "questions of one person within a minute · the operator allows 6" in said
    assert "tokens a day for this server · the operator allows 1,000,000" in said


def test_settings_text_names_no_limit_if_the_operator_sets_none() -> None:
    assert "the operator allows" not in "".join(format_settings({}, FREE, reads_messages=True))


@pytest.mark.parametrize("reads_messages", [True, False])
def test_settings_text_warns_of_unreadable_forums(reads_messages: bool) -> None:
    shown = "".join(format_settings({"forums": ["7"]}, FREE, reads_messages=reads_messages))
    changed = format_change("forums", ["7"], FREE, reads_messages=reads_messages)
    assert (FORUMS_UNREADABLE in shown) is (FORUMS_UNREADABLE in changed) is not reads_messages
    assert FORUMS_UNREADABLE not in "".join(format_settings({}, FREE, reads_messages=False))


def test_settings_text_warns_of_a_limit_above_the_operators() -> None:
    assert "allows 50,000 tokens a day" in format_change("tokens_per_person", 60_000, BOUND, reads_messages=True)
    assert "allows 50,000" in format_change("tokens_by_role", {"5": 60_000, "6": 1}, BOUND, reads_messages=True)
    assert "allows" not in format_change("tokens_per_person", 40_000, BOUND, reads_messages=True)
    assert "allows" not in format_change("tokens_per_person", 60_000, FREE, reads_messages=True)


def test_text_value_of_a_setting_is_escaped() -> None:
    tone = parse_setting("tone", "**@everyone** [x](https://evil.example) <#7>")
    for said in (
        format_change("tone", tone, FREE, reads_messages=True),
        *format_settings({"tone": tone}, FREE, reads_messages=True),
    ):
        assert "\\@everyone" in said
        assert "\\[x\\](https\\://" in said
        assert "\\<#7\\>" in said


def test_the_channels_and_roles_of_a_value_are_known() -> None:
    assert find_mentions("channels", ["7", "8"]) == (frozenset({7, 8}), frozenset())
    assert find_mentions("tokens_by_role", {"5": 10}) == (frozenset(), frozenset({5}))
    assert find_mentions("tone", "like <#7>") == (frozenset(), frozenset())
    assert find_mentions("threads", True) == (frozenset(), frozenset())


@given(st.integers(0, 300), st.integers(0, 60), st.text(st.sampled_from("*a😀@"), max_size=300))
def test_settings_text_always_fits_a_message(channels: int, roles: int, tone: str) -> None:
    kept = {
        "channels": [str(10**19 + n) for n in range(channels)],
        "forums": [str(10**19 + n) for n in range(channels)],
        "tokens_by_role": {str(10**19 + n): 1_000_000_000 for n in range(roles)},
        "tone": tone,
        "language": tone,
    }
    messages = format_settings(kept, BOUND, reads_messages=False)
    messages += [format_change(name, value, BOUND, reads_messages=False) for name, value in kept.items()]
    assert all(len(message.encode("utf-16-le")) // 2 <= 2_000 for message in messages)
    assert all(f"`{name}`: " in "".join(messages) for name in SETTING_SPECS)
