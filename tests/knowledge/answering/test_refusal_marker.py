"""The mark of an answer that says there is none: taken off however it is cut, and nothing else with it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.knowledge.answering.refusal_marker import REFUSAL_MARKER, RefusalMarkerFilter


def filter_pieces(pieces: list[str]) -> tuple[str, bool]:
    refusing = RefusalMarkerFilter()
    text = "".join([*map(refusing.feed, pieces), refusing.flush()])
    return text, refusing.is_refusal


def split_at(text: str, positions: list[int]) -> list[str]:
    ends = sorted(place % (len(text) + 1) for place in positions)
    return [text[a:b] for a, b in zip([0, *ends], [*ends, len(text)], strict=True)]


@given(st.text(), st.lists(st.integers(0, 99), max_size=8))
def test_refusal_marker_is_stripped_however_it_is_chunked(words: str, places: list[int]) -> None:
    assert filter_pieces(split_at(f" {REFUSAL_MARKER} {words}", places)) == (words.lstrip(), True)


@given(st.text(), st.lists(st.integers(0, 99), max_size=8))
def test_text_without_the_refusal_marker_is_unchanged(words: str, places: list[int]) -> None:
    if not words.lstrip().startswith(REFUSAL_MARKER):
        assert filter_pieces(split_at(words, places)) == (words, False)


@pytest.mark.parametrize("text", ["[", "[1] Yes.", "[0", "Thirty days [0]", "", "  "])
def test_text_that_resembles_the_refusal_marker_is_kept(text: str) -> None:
    assert filter_pieces(list(text)) == (text, False)


def test_refusal_filter_delays_no_delta() -> None:
    refusing = RefusalMarkerFilter()
    assert [refusing.feed(delta) for delta in ("Thirty", " days")] == ["Thirty", " days"]
