"""What an admin is shown of a server's choices, and told of a change."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.access.budgets import Limits
from bot.access.guild_settings import CHOICES, read
from bot.admin.guild_settings_text import UNREADABLE, described, mentioned, told

FREE = Limits(per_minute=0)
BOUND = Limits(per_minute=6, person_daily=50_000, guild_daily=1_000_000)


def test_every_choice_is_shown_with_its_purpose_and_what_bounds_it() -> None:
    (said,) = described({"language": "German", "tokens_per_person": 9_000}, BOUND, reads_messages=True)
    for name, choice in CHOICES.items():
        assert f"`{name}`: " in said
        assert f"-# {choice.purpose}" in said
    assert "`language`: German\n" in said
    assert "`tokens_per_person`: 9,000\n-# tokens a day for one person · the operator allows 50,000" in said
    assert "`tone`: –\n" in said
    assert "questions of one person within a minute · the operator allows 6" in said
    assert "tokens a day for this server · the operator allows 1,000,000" in said


def test_where_the_operator_sets_no_limit_none_is_named() -> None:
    assert "the operator allows" not in "".join(described({}, FREE, reads_messages=True))


@pytest.mark.parametrize("reads_messages", [True, False])
def test_forums_that_cannot_be_read_are_said_to_be_so_plainly(reads_messages: bool) -> None:
    shown = "".join(described({"forums": ["7"]}, FREE, reads_messages=reads_messages))
    changed = told("forums", ["7"], FREE, reads_messages=reads_messages)
    assert (UNREADABLE in shown) is (UNREADABLE in changed) is not reads_messages
    assert UNREADABLE not in "".join(described({}, FREE, reads_messages=False))


def test_a_limit_wider_than_the_operators_is_said_not_to_hold() -> None:
    assert "allows 50,000 tokens a day" in told("tokens_per_person", 60_000, BOUND, reads_messages=True)
    assert "allows 50,000" in told("tokens_by_role", {"5": 60_000, "6": 1}, BOUND, reads_messages=True)
    assert "allows" not in told("tokens_per_person", 40_000, BOUND, reads_messages=True)
    assert "allows" not in told("tokens_per_person", 60_000, FREE, reads_messages=True)


def test_a_line_of_words_does_nothing_where_it_is_shown() -> None:
    tone = read("tone", "**@everyone** [x](https://evil.example) <#7>")
    for said in (told("tone", tone, FREE, reads_messages=True), *described({"tone": tone}, FREE, reads_messages=True)):
        assert "\\@everyone" in said
        assert "\\[x\\](https\\://" in said
        assert "\\<#7\\>" in said


def test_the_channels_and_roles_of_a_value_are_known() -> None:
    assert mentioned("channels", ["7", "8"]) == (frozenset({7, 8}), frozenset())
    assert mentioned("tokens_by_role", {"5": 10}) == (frozenset(), frozenset({5}))
    assert mentioned("tone", "like <#7>") == (frozenset(), frozenset())
    assert mentioned("threads", True) == (frozenset(), frozenset())


@given(st.integers(0, 300), st.integers(0, 60), st.text(st.sampled_from("*a😀@"), max_size=300))
def test_however_much_is_chosen_every_message_fits(channels: int, roles: int, tone: str) -> None:
    kept = {
        "channels": [str(10**19 + n) for n in range(channels)],
        "forums": [str(10**19 + n) for n in range(channels)],
        "tokens_by_role": {str(10**19 + n): 1_000_000_000 for n in range(roles)},
        "tone": tone,
        "language": tone,
    }
    messages = described(kept, BOUND, reads_messages=False)
    messages += [told(name, value, BOUND, reads_messages=False) for name, value in kept.items()]
    assert all(len(message.encode("utf-16-le")) // 2 <= 2_000 for message in messages)
    assert all(f"`{name}`: " in "".join(messages) for name in CHOICES)
