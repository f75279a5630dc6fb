"""Which buttons stand below an answer, and what a pressed one means."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.discord_adapter.answer_buttons import Deed, Press, afterwards, custom_id, is_ours, pressed, while_writing
from bot.records import Fate, Record
from tests.fakes.answerer import HANDBOOK

ASKED = Record("12", "How long?", asker_id=7, guild_id=8, channel_id=9, asked_at=1_000.0)
TOLD = replace(ASKED, text="Two weeks [1].", sources=(HANDBOOK,), fate=Fate.COMPLETE)


def shown(record: Record) -> list[str]:
    (row,) = afterwards(record)
    return [button.get("label") or button["emoji"]["name"] for button in row["components"]]


def test_while_it_is_written_an_answer_can_be_stopped_and_nothing_else() -> None:
    ((button,),) = [row["components"] for row in while_writing("12")]
    assert button["label"] == "Stop"
    assert pressed(button["custom_id"]) == Press(Deed.STOP, "12")


def test_a_whole_answer_can_be_asked_again_looked_into_copied_and_judged() -> None:
    assert shown(TOLD) == ["Regenerate", "Sources", "Copy", "👍", "👎"]


@pytest.mark.parametrize("fate", [fate for fate in Fate if fate.is_interrupted])
def test_an_interrupted_answer_offers_to_try_again(fate: Fate) -> None:
    assert shown(replace(TOLD, fate=fate))[0] == "Retry"


@pytest.mark.parametrize("fate", [Fate.CUT_AT_LENGTH, Fate.FILTERED])
def test_an_answer_the_model_ended_itself_offers_another(fate: Fate) -> None:
    assert shown(replace(TOLD, fate=fate))[0] == "Regenerate"


def test_where_nothing_was_said_there_is_nothing_to_copy_or_judge() -> None:
    assert shown(replace(TOLD, text=" \n", fate=Fate.FAILED)) == ["Retry"]


@pytest.mark.parametrize("question", [" ", "why " * 550])
def test_a_question_that_is_refused_every_time_is_not_offered_again(question: str) -> None:
    assert afterwards(replace(ASKED, question=question, fate=Fate.FAILED)) == []


def test_an_answer_without_passages_shows_none() -> None:
    assert "Sources" not in shown(replace(TOLD, sources=()))


@given(deed=st.sampled_from(Deed), key=st.from_regex(r"[0-9]{1,20}", fullmatch=True))
def test_every_name_is_known_again_and_short_enough_for_discord(deed: Deed, key: str) -> None:
    name = custom_id(deed, key)
    assert pressed(name) == Press(deed, key)
    assert is_ours(name)
    assert len(name) <= 100


@given(st.text() | st.from_regex(r"answer:[a-z]*:.*", fullmatch=True) | st.just("answer:stop:\u0661\u0662"))
def test_a_name_that_was_never_given_means_nothing(name: str) -> None:
    press = pressed(name)
    assert press is None or custom_id(press.deed, press.key) == name
