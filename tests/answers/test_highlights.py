"""Which part of a passage says what an answer cites it for."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.answers.excerpts import format_sources
from bot.answers.highlights import find_cited_spans
from bot.domain import Source

PASSAGE = """Refunds are paid back to the card.
They take five working days, counted from
the day the goods arrive. Gift cards are not refunded.

- Orders above 1,000 euros need Lotte's signature.
- Everything else is approved by the team lead."""


def find_highlights(passage: str, number: int, answer: str) -> list[str]:
    return [passage[start:end] for start, end in find_cited_spans(passage, number, answer)]


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
def test_sentence_sharing_most_terms_with_the_claim_is_highlighted(answer: str, sentences: list[str]) -> None:
    assert find_highlights(PASSAGE, 1, answer) == sentences


def test_chinese_sentence_is_highlighted() -> None:
    assert find_highlights("退款需要五个工作日。礼品卡不能退款。", 1, "礼品卡不退款[1]。") == ["礼品卡不能退款。"]


@given(st.text(max_size=300), st.text(max_size=300), st.integers(1, 9))
def test_spans_lie_in_the_passage_in_order_and_apart(passage: str, answer: str, number: int) -> None:
    spans = find_cited_spans(passage, number, f"{answer} [{number}].")
    edges = [edge for span in spans for edge in span]
    assert edges == sorted(edges)
    assert all(0 <= start < end <= len(passage) for start, end in spans)


def test_cited_sentences_are_bold_line_by_line_in_the_sources() -> None:
    source = Source(1, "refunds.md", "Refunds", PASSAGE)
    (message,) = format_sources(
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
def test_bold_highlight_activates_no_markdown_of_the_passage(passage: str) -> None:
    source = Source(1, "a.md", "A", f"{passage} refund days")
    answer = f"{passage} refund days [1]."
    plain, bold = ("".join(format_sources([source], said).messages) for said in ("", answer))
    assert _strip_markup(plain) == _strip_markup(bold)
    assert not re.search(r"(?<!\\)[\[\]<@`|_~]", bold.split("\n", 1)[1])


def _strip_markup(text: str) -> str:
    """Without bold, blanks, and the signs that keep others from working."""
    return re.sub(r"\*\*|\\|\s", "", text)
