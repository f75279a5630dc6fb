"""Guild settings are parsed from an admin's text, stored as JSON, shown as text, and bounded by the operator's."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.access.budgets import Limits
from bot.access.guild_settings import (
    SETTING_PURPOSES,
    GuildSettings,
    parse_guild_settings,
    parse_setting,
)
from bot.errors import GuildSettingInvalid

if TYPE_CHECKING:
    from bot.records import Json


@pytest.mark.parametrize(
    ("name", "written", "stored", "shown"),
    [
        ("channels", "<#12> <#7>,<#12>", ["7", "12"], "<#7> <#12>"),
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
def test_setting_text_round_trips_through_json(name: str, written: str, stored: Json, shown: str) -> None:
    parsed = parse_setting(name, written)
    assert json.loads(json.dumps(parsed.dump(name))) == stored
    assert parse_guild_settings({name: stored}) == parsed
    assert parsed.format(name) == shown
    assert parse_setting(name, shown) == parsed
    assert parsed.model_fields_set == {name}


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
def test_invalid_setting_text_is_refused_with_a_message(name: str, written: str) -> None:
    with pytest.raises(GuildSettingInvalid) as refused:
        parse_setting(name, written)
    assert refused.value.user_message


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*SETTING_PURPOSES, "another"]), anything))
def test_settings_stored_by_another_version_can_be_loaded_and_shown(stored: dict[str, Json]) -> None:
    settings = parse_guild_settings(stored)
    for name in SETTING_PURPOSES:
        shown = settings.format(name)
        assert not shown or parse_setting(name, shown).dump(name) == settings.dump(name)


def test_invalid_stored_setting_does_not_drop_the_others() -> None:
    stored: dict[str, Json] = {"tone": "Kind.", "threads": "perhaps", "channels": ["x"], "future": 1}
    assert parse_guild_settings(stored) == GuildSettings(tone="Kind.")


@given(st.sampled_from([*SETTING_PURPOSES]), st.text(max_size=40))
def test_any_setting_text_is_parsed_or_refused(name: str, written: str) -> None:
    with suppress(GuildSettingInvalid):
        json.dumps(parse_setting(name, written).dump(name))


def test_a_guilds_limits_are_never_wider_than_the_operators() -> None:
    general = Limits(per_minute=6, person_daily=10_000, guild_daily=0)
    chosen = GuildSettings(
        questions_per_minute=60,
        tokens_per_person=2_000,
        tokens_per_server=30_000,
        questions_by_role={5: 2, 6: 1},
        tokens_by_role={5: 50_000, 6: 5_000},
    )
    assert chosen.limits_for(general, ()) == Limits(per_minute=6, person_daily=2_000, guild_daily=30_000)
    assert chosen.limits_for(general, (6,)).person_daily == 5_000
    assert chosen.limits_for(general, (6,)).per_minute == 1
    assert chosen.limits_for(general, (5, 6)).per_minute == 2
    assert chosen.limits_for(general, (5, 6)).person_daily == 10_000
    assert GuildSettings().limits_for(general, (5,)) == general


def test_answers_appear_in_the_chosen_channels_and_their_threads() -> None:
    assert GuildSettings().allows({1})
    chosen = GuildSettings(channels=frozenset({1}))
    assert chosen.allows({9, 1})
    assert not chosen.allows({9})
