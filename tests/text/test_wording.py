"""Numbers with their nouns, shortened texts, and lengths as Discord counts them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.text.wording import format_count, truncate, utf16_length


@pytest.mark.parametrize(
    ("number", "nouns", "text"),
    [
        (0, ["file"], "0 files"),
        (1, ["file"], "1 file"),
        (1200, ["file"], "1,200 files"),
        (2, ["person", "people"], "2 people"),
    ],
)
def test_count_agrees_with_its_noun(number: int, nouns: list[str], text: str) -> None:
    assert format_count(number, *nouns) == text


@given(st.text(), st.integers(1, 40))
def test_truncated_text_fits_and_marks_the_cut(text: str, length: int) -> None:
    short = truncate(text, length)
    assert len(short) <= length
    assert short == text or short.endswith("…")


@given(st.text())
def test_utf16_length_is_that_of_the_encoded_text(text: str) -> None:
    assert utf16_length(text) == len(text.encode("utf-16-le", "surrogatepass")) // 2
