"""Which part of a passage says what an answer cites it for."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.answers.excerpts import quoted
from bot.answers.highlights import cited_spans
from bot.domain import Source

PASSAGE = """Refunds are paid back to the card.
They take five working days, counted from
the day the goods arrive. Gift cards are not refunded.

- Orders above 1,000 euros need Lotte's signature.
- Everything else is approved by the team lead."""


def marked(passage: str, number: int, answer: str) -> list[str]:
    return [passage[start:end] for start, end in cited_spans(passage, number, answer)]


@pytest.mark.parametrize(
    ("answer", "sentences"),
    [
        (
            "A refund takes five working days [1].",
            ["They take five working days, counted from\nthe day the goods arrive."],
        ),
        ("Lotte signs orders above 1,000 euros [2][1].", ["- Orders above 1,000 euros need Lotte's signature."]),
        ("Lotte signs large orders above 1,000 euros. [1, 2]", ["- Orders above 1,000 euros need Lotte's signature."]),
        (
            "Gift cards are not refunded [1](<https://wiki.example>). Otherwise the team lead approves [1].",
            ["Gift cards are not refunded.", "- Everything else is approved by the team lead."],
        ),
        (
            "**Refunds** [1]\n> They take five working days, counted from the day the goods arrive.\n\nMore.",
            ["They take five working days, counted from\nthe day the goods arrive."],
        ),
        ("Gift cards are not refunded [2].", []),
        ("The moon is made of cheese [1].", []),
        ("", []),
    ],
)
def test_the_sentence_that_shares_most_with_the_statement_is_found(answer: str, sentences: list[str]) -> None:
    assert marked(PASSAGE, 1, answer) == sentences


def test_a_chinese_sentence_is_found() -> None:
    assert marked("退款需要五个工作日。礼品卡不能退款。", 1, "礼品卡不退款[1]。") == ["礼品卡不能退款。"]


@given(st.text(max_size=300), st.text(max_size=300), st.integers(1, 9))
def test_spans_lie_in_the_passage_in_order_and_apart(passage: str, answer: str, number: int) -> None:
    spans = cited_spans(passage, number, f"{answer} [{number}].")
    edges = [edge for span in spans for edge in span]
    assert edges == sorted(edges)
    assert all(0 <= start < end <= len(passage) for start, end in spans)


def test_what_is_cited_is_bold_in_the_sources_message_line_by_line() -> None:
    source = Source(1, "refunds.md", "Refunds", PASSAGE)
    (message,) = quoted(
        [source], "A refund takes five working days [1]. Lotte signs orders above 1,000 euros [1]."
    ).messages
    assert message.splitlines()[1:] == [
        "> Refunds are paid back to the card.",
        "> **They take five working days, counted from**",
        "> **the day the goods arrive.** Gift cards are not refunded.",
        ">",
        "> \\- **Orders above 1,000 euros need Lotte's signature.**",
        "> \\- Everything else is approved by the team lead.",
    ]


@given(st.text(alphabet="ab .*_`>-|[]()@#<https://e.x\n", max_size=200))
def test_bold_takes_no_sign_from_a_passage_into_effect(passage: str) -> None:
    source = Source(1, "a.md", "A", f"{passage} refund days")
    answer = f"{passage} refund days [1]."
    plain, bold = ("".join(quoted([source], said).messages) for said in ("", answer))
    assert _bare(plain) == _bare(bold)
    assert not re.search(r"(?<!\\)[\[\]<@`|_~]", bold.split("\n", 1)[1])


def _bare(shown: str) -> str:
    """Without bold, blanks, and the signs that keep others from working."""
    return re.sub(r"\*\*|\\|\s", "", shown)
