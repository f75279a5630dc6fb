"""Which buttons stand below an answer, and what a pressed one means."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.discord_adapter.answer_buttons import (
    ButtonAction,
    ButtonId,
    build_final_buttons,
    build_streaming_buttons,
    format_custom_id,
    parse_button_id,
)
from bot.discord_adapter.components import parse_custom_id
from bot.records import AnswerRecord, AnswerStatus
from tests.fakes.answerer import HANDBOOK

UNANSWERED = AnswerRecord("12", "How long?", asker_id=7, guild_id=8, channel_id=9, asked_at=1_000.0)
ANSWERED = replace(UNANSWERED, text="Two weeks [1].", sources=(HANDBOOK,), status=AnswerStatus.COMPLETE)


def button_labels(record: AnswerRecord) -> list[str]:
    (row,) = build_final_buttons(record)
    return [button.get("label") or button["emoji"]["name"] for button in row["components"]]


def test_streaming_answer_has_only_the_stop_button() -> None:
    ((button,),) = [row["components"] for row in build_streaming_buttons("12")]
    assert button["label"] == "Stop"
    assert parse_button_id(parse_custom_id(button["custom_id"])) == ButtonId(ButtonAction.STOP, "12")


def test_complete_answer_has_regenerate_sources_copy_and_vote_buttons() -> None:
    assert button_labels(ANSWERED) == ["Regenerate", "Sources", "Copy", "👍", "👎"]


@pytest.mark.parametrize("status", [status for status in AnswerStatus if status.is_interrupted])
def test_interrupted_answer_has_the_retry_button(status: AnswerStatus) -> None:
    assert button_labels(replace(ANSWERED, status=status))[0] == "Retry"


@pytest.mark.parametrize("status", [AnswerStatus.CUT_AT_LENGTH, AnswerStatus.FILTERED])
def test_answer_ended_by_the_model_has_the_regenerate_button(status: AnswerStatus) -> None:
    assert button_labels(replace(ANSWERED, status=status))[0] == "Regenerate"


def test_empty_answer_has_no_copy_or_vote_buttons() -> None:
    assert button_labels(replace(ANSWERED, text=" \n", status=AnswerStatus.FAILED)) == ["Retry"]


@pytest.mark.parametrize("question", [" ", "why " * 550])
def test_answer_that_would_be_refused_again_has_no_retry_button(question: str) -> None:
    assert build_final_buttons(replace(UNANSWERED, question=question, status=AnswerStatus.FAILED)) == []


def test_answer_without_passages_has_no_sources_button() -> None:
    assert "Sources" not in button_labels(replace(ANSWERED, sources=()))


@given(action=st.sampled_from(ButtonAction), key=st.from_regex(r"[0-9]{1,20}", fullmatch=True))
def test_every_custom_id_is_parsed_back_and_fits_discords_limit(action: ButtonAction, key: str) -> None:
    name = format_custom_id(action, key)
    assert parse_button_id(parse_custom_id(name)) == ButtonId(action, key)
    assert len(name) <= 100


@given(st.text() | st.from_regex(r"answer:[a-z]*:.*", fullmatch=True) | st.just("answer:stop:\u0661\u0662"))
def test_unknown_custom_id_is_not_parsed(name: str) -> None:
    press = parse_button_id(parse_custom_id(name))
    assert press is None or format_custom_id(press.action, press.answer_id) == name
