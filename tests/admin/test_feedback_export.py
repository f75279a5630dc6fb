"""Votes as a file for a spreadsheet, in which nothing that people wrote is a formula."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.admin.feedback_export import exported, inert
from bot.records import Fate, Feedback


def vote(question: str = "How long?", words: str = "", *, at: float = 0.0) -> Feedback:
    return Feedback("1", question, Fate.COMPLETE, False, words, at, 123456789012345678, ("a.md", "b.md"))


def rows(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def test_a_vote_is_a_row_with_what_it_was_about() -> None:
    head, row = rows(exported([vote(words='The "price",\nplease')]).content)
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
    _, row = rows(exported([vote(text, text)]).content)
    assert row[2] == row[3]
    assert row[2].startswith("'")


def test_words_stay_as_they_are() -> None:
    assert inert("Why 1 + 1 = 2?") == "Why 1 + 1 = 2?"
    assert inert("") == ""


@given(st.lists(st.tuples(st.text(), st.text()), max_size=5))
def test_whatever_people_wrote_is_a_cell_of_its_own_and_no_formula(written: list[tuple[str, str]]) -> None:
    found = rows(exported([vote(question, words) for question, words in written]).content)
    assert len(found) == len(written) + 1
    assert all(len(row) == 7 for row in found)
    assert not any(cell.lstrip().startswith(("=", "+", "-", "@")) for row in found for cell in row)


def test_where_not_all_fit_the_latest_stay_in_their_order() -> None:
    votes = [vote(f"Question {n}", at=float(n)) for n in range(10)]
    whole = exported(votes)
    small = exported(votes, largest=len(whole.content) * 6 // 10)
    assert (whole.votes, whole.left_out) == (10, 0)
    assert small.votes + small.left_out == 10
    assert small.left_out > 0
    assert [row[2] for row in rows(small.content)[1:]] == [f"Question {n}" for n in range(small.left_out, 10)]
