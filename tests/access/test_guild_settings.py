"""A guild's choices as an admin types them, as they are kept, and as they hold."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.access.budgets import Limits
from bot.access.guild_settings import CHOICES, Customs, customs, read, shown
from bot.errors import CustomInvalid


@pytest.mark.parametrize(
    ("name", "written", "kept", "again"),
    [
        ("channels", "<#12> <#7>,<#12>", ["12", "7"], "<#7> <#12>"),
        ("forums", " <#3> ", ["3"], "<#3>"),
        ("language", "German", "German", "German"),
        ("tone", "Short,\n and  friendly", "Short, and friendly", "Short, and friendly"),
        ("threads", "Yes", True, "yes"),
        ("private", "off", False, "no"),
        ("questions_per_minute", "3", 3, "3"),
        ("questions_by_role", "<@&5> 30", {"5": 30}, "<@&5> 30"),
        ("tokens_per_person", "50,000", 50_000, "50,000"),
        ("tokens_by_role", "<@&5> 50_000, <@&6>=2000", {"5": 50_000, "6": 2_000}, "<@&5> 50,000, <@&6> 2,000"),
        ("tokens_per_server", "1 000 000", 1_000_000, "1,000,000"),
    ],
)
def test_what_is_typed_is_kept_as_json_and_shown_as_it_could_be_typed(
    name: str, written: str, kept: object, again: str
) -> None:
    assert read(name, written) == kept
    kept = json.loads(json.dumps(kept))
    assert {each: value for each, value, _ in shown({name: kept})}[name] == again
    assert read(name, again) == read(name, written) or name in {"channels", "tokens_by_role"}
    assert customs({name: kept}) != Customs() or kept is False


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("channels", "general"),
        ("channels", ""),
        ("language", " "),
        ("tone", "x" * 301),
        ("threads", "perhaps"),
        ("tokens_per_person", "0"),
        ("tokens_per_person", "many"),
        ("tokens_per_person", "²"),
        ("tokens_per_person", "1" * 20),
        ("tokens_by_role", "@staff 5"),
        ("tokens_by_role", "<@&5> lots"),
        ("no_such", "1"),
    ],
)
def test_what_cannot_be_is_refused_in_words(name: str, written: str) -> None:
    with pytest.raises(CustomInvalid) as refused:
        read(name, written)
    assert refused.value.words


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*CHOICES, "another"]), anything))
def test_whatever_was_kept_by_another_version_can_be_read_and_shown(kept: dict[str, object]) -> None:
    assert isinstance(customs(kept), Customs)
    assert len(shown(kept)) == len(CHOICES)


@given(st.sampled_from([*CHOICES]), st.text(max_size=40))
def test_whatever_is_typed_is_kept_or_refused(name: str, written: str) -> None:
    with suppress(CustomInvalid):
        json.dumps(read(name, written))


def test_a_guilds_limits_are_never_wider_than_the_operators() -> None:
    general = Limits(per_minute=6, person_daily=10_000, guild_daily=0)
    chosen = Customs(
        per_minute=60,
        person_daily=2_000,
        guild_daily=30_000,
        role_minute={5: 2, 6: 1},
        role_daily={5: 50_000, 6: 5_000},
    )
    assert chosen.limits(general, ()) == Limits(per_minute=6, person_daily=2_000, guild_daily=30_000)
    assert chosen.limits(general, (6,)).person_daily == 5_000
    assert chosen.limits(general, (6,)).per_minute == 1
    assert chosen.limits(general, (5, 6)).per_minute == 2
    assert chosen.limits(general, (5, 6)).person_daily == 10_000
    assert Customs().limits(general, (5,)) == general


def test_answers_appear_in_the_chosen_channels_and_their_threads() -> None:
    assert Customs().is_open({1})
    chosen = Customs(channels=frozenset({1}))
    assert chosen.is_open({9, 1})
    assert not chosen.is_open({9})
