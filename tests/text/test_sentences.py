"""Where one sentence ends and the next begins."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.text.sentences import find_sentences, split_sentences


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two! Three?", ["One. ", "Two! ", "Three?"]),
        ("It is 3.5 or more. Then stop.", ["It is 3.5 or more. ", "Then stop."]),
        ("Ask Dr. Who, e.g. on Monday. He knows.", ["Ask Dr. Who, e.g. on Monday. ", "He knows."]),
        ("He said “Stop.” Then he left.", ["He said “Stop.” ", "Then he left."]),
        ("run approx. five times. then rest.", ["run approx. five times. then rest."]),
        ("退款需要五个工作日。礼品卡不能退款。", ["退款需要五个工作日。", "礼品卡不能退款。"]),
        ("Lead:\n- one\n- two\n\nEnd", ["Lead:\n", "- one\n", "- two\n\n", "End"]),
        ("Wrapped\nby an editor. Next.", ["Wrapped\nby an editor. ", "Next."]),
        ("", []),
    ],
)
def test_text_is_cut_behind_its_sentences(text: str, sentences: list[str]) -> None:
    assert split_sentences(text) == sentences


@given(st.text(alphabet="aB .!?。\n-*\"')", max_size=80))
def test_sentences_joined_are_the_text(text: str) -> None:
    assert "".join(split_sentences(text)) == text


@given(st.text(alphabet="aB .!?。\n-*\"')", max_size=80))
def test_sentence_spans_are_trimmed_ordered_and_apart(text: str) -> None:
    spans = list(find_sentences(text))
    assert [edge for span in spans for edge in span] == sorted(edge for span in spans for edge in span)
    assert all(text[start:end] == text[start:end].strip() for start, end in spans)
