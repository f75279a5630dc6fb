"""What nobody sees is taken out, whole or piece by piece; what is to be seen stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.knowledge.readers import cleaned
from bot.text.invisible import Unveiling, seen
from tests.safety.hidden import LEGITIMATE, TRICKS, hidden

SIGNS = [*TRICKS, *LEGITIMATE, *"aя中1#©❤\u0645\u0915 \n\t\U0001f525"]
TEXTS = st.lists(st.sampled_from(SIGNS), max_size=30).map("".join)


@pytest.mark.parametrize("trick", TRICKS, ids=ascii)
def test_a_sign_that_nobody_sees_goes_from_between_letters_and_from_the_edges(trick: str) -> None:
    assert hidden(f"no{trick}thing")
    assert seen(f"{trick}no{trick}thi{trick * 2}ng{trick}") == "nothing"


@pytest.mark.parametrize("text", LEGITIMATE, ids=ascii)
def test_emoji_and_scripts_keep_what_joins_them(text: str) -> None:
    assert seen(f"so: {text}, and {text}") == f"so: {text}, and {text}"


@given(TEXTS)
def test_nothing_hidden_is_left_and_a_second_time_takes_out_nothing(text: str) -> None:
    assert hidden(seen(text)) == set()
    assert seen(seen(text)) == seen(text)
    assert hidden(cleaned(text)) == set()


@given(st.text())
def test_any_text_is_free_of_what_hides(text: str) -> None:
    assert hidden(seen(text)) == set()


@given(st.lists(TEXTS))
def test_piece_by_piece_it_is_what_the_whole_would_be(pieces: list[str]) -> None:
    unveiling = Unveiling()
    assert "".join(map(unveiling.feed, pieces)) == seen("".join(pieces))
