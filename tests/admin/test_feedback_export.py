"""Votes as a file for a spreadsheet, in which nothing that people wrote is a formula."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.admin.feedback_export import escape_formula, export_feedback
from bot.records import AnswerStatus, Feedback


def make_feedback(question: str = "How long?", comment: str = "", *, at: float = 0.0) -> Feedback:
    return Feedback("1", question, AnswerStatus.COMPLETE, False, comment, at, 123456789012345678, ("a.md", "b.md"))


def parse_rows(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def test_a_vote_is_a_row_with_what_it_was_about() -> None:
    head, row = parse_rows(export_feedback([make_feedback(comment='The "price",\nplease')]).content)
    assert head == ["at", "vote", "question", "what was missing", "outcome", "documents", "by"]
    assert row == [
        "1970-01-01 00:00:00+00:00",
        "down",
        "How long?",
        'The "price",\nplease',
        "complete",
        "a.md; b.md",
        "<@123456789012345678>",
    ]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1", "\n=1", "\uff1d1", "\x00=1"])
def test_a_formula_is_made_inert(text: str) -> None:
    _, row = parse_rows(export_feedback([make_feedback(text, text)]).content)
    assert row[2] == row[3]
    assert row[2].startswith("'")


def test_plain_comments_are_exported_unchanged() -> None:
    assert escape_formula("Why 1 + 1 = 2?") == "Why 1 + 1 = 2?"
    assert escape_formula("") == ""


@given(st.lists(st.tuples(st.text(), st.text()), max_size=5))
def test_exported_text_is_always_one_cell_and_never_a_formula(written: list[tuple[str, str]]) -> None:
    found = parse_rows(export_feedback([make_feedback(question, words) for question, words in written]).content)
    assert len(found) == len(written) + 1
    assert all(len(row) == 7 for row in found)
    assert not any(cell.lstrip().startswith(("=", "+", "-", "@")) for row in found for cell in row)


def test_export_over_the_limit_keeps_the_latest_rows_in_order() -> None:
    votes = [make_feedback(f"Question {n}", at=float(n)) for n in range(10)]
    whole = export_feedback(votes)
    small = export_feedback(votes, max_bytes=len(whole.content) * 6 // 10)
    assert (whole.votes, whole.omitted) == (10, 0)
    assert small.votes + small.omitted == 10
    assert small.omitted > 0
    assert [row[2] for row in parse_rows(small.content)[1:]] == [f"Question {n}" for n in range(small.omitted, 10)]
