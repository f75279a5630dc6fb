"""Status lines and closing notes: what is written of an answer is recognised when its message is read back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.answers.status_lines import (
    INTERRUPTED_NOTE,
    SEARCHING,
    format_finish_note,
    format_interrupted_note,
    format_interruption,
    format_queue_position,
    format_reading_status,
    format_subtext,
    parse_answer_message,
)
from bot.domain import AnswerStatus, Source
from bot.streaming import OutOfTime, Restarting, Stalled, Stopped
from tests.fakes.answerer import HANDBOOK, TRAVEL


@pytest.mark.parametrize(
    ("ahead", "ordinal"), [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (12, "12th"), (21, "21st")]
)
def test_queue_position_is_formatted_as_text(ahead: int, ordinal: str) -> None:
    assert format_queue_position(ahead) == f"You are {ordinal} in line…"


def test_the_status_line_counts_the_documents_it_does_not_name() -> None:
    others = [Source(n, f"{n}.md", f"T{n}", "") for n in range(3, 6)]
    again = Source(9, "handbook.md", "Handbook", "", section="Elsewhere")
    status = format_reading_status([HANDBOOK, again, TRAVEL, *others])
    assert status == "Reading Handbook › Refunds · Travel, page 3 + 3 more …"


def test_status_line_is_shown_without_sources_too() -> None:
    assert format_reading_status([]) == "Reading the documents …"


@pytest.mark.parametrize(
    ("content", "text", "is_finished"),
    [
        ("Two weeks [1].\n\n-# **Sources**\n-# [1] Handbook", "Two weeks [1].", True),
        ("Two we\n\n-# Interrupted. The connection was lost.\n\n-# **Sources**", "Two we", False),
        ("Two we\n\n-# Stopped by Ada.", "Two we", False),
        ("Two we ▌", "Two we ▌", False),
        ("-# Sources", "", False),
        ("You are 2nd in line… 4 s", "You are 2nd in line… 4 s", False),
    ],
)
def test_answer_read_back_knows_whether_it_is_complete(content: str, text: str, *, is_finished: bool) -> None:
    assert parse_answer_message(content) == (text, is_finished)


@pytest.mark.parametrize(
    "status_line",
    [SEARCHING, format_queue_position(3), format_reading_status([HANDBOOK]), format_reading_status([], "How long?")],
)
@pytest.mark.parametrize("seconds", ["", " 12 s"])
def test_every_status_line_is_recognised_as_no_answer(status_line: str, seconds: str) -> None:
    assert parse_answer_message(status_line + seconds) == (status_line + seconds, False)


@pytest.mark.parametrize("end_reason", [Stopped("Ada"), Restarting(), Stalled(60.0), OutOfTime(600.0)])
def test_every_interruption_is_recognised_below_its_text(
    end_reason: Stopped | Restarting | Stalled | OutOfTime,
) -> None:
    note = format_subtext(format_interrupted_note(end_reason, format_interruption(end_reason)))
    assert parse_answer_message(f"Two we\n\n{note}") == ("Two we", False)


def test_note_of_a_killed_process_is_recognised() -> None:
    assert parse_answer_message(f"Two we\n\n{INTERRUPTED_NOTE}") == ("Two we", False)


@pytest.mark.parametrize("status", list(AnswerStatus))
def test_answers_the_model_ended_itself_are_finished_whatever_the_note(status: AnswerStatus) -> None:
    note = format_subtext(format_finish_note(status))
    assert parse_answer_message(f"Two weeks.\n\n{note}") == ("Two weeks.", True)
    assert bool(note) is (status in {AnswerStatus.CUT_AT_LENGTH, AnswerStatus.FILTERED})


@given(st.text(min_size=1))
def test_subtext_is_one_line_of_small_print_a_note(note: str) -> None:
    shown = format_subtext(note, "", note)
    assert all(line.startswith("-# ") for line in shown.split("\n"))
    assert parse_answer_message(shown)[0] == ""
