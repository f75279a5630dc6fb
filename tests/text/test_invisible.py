"""What nobody sees is taken out, whole or piece by piece; what is to be seen stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.knowledge.readers import clean_text
from bot.text.invisible import InvisibleFilter, strip_invisible
from tests.safety.hidden import INVISIBLE_CHARACTERS, LEGITIMATE_SEQUENCES, find_hidden

CHARACTERS = [*INVISIBLE_CHARACTERS, *LEGITIMATE_SEQUENCES, *"aя中1#©❤\u0645\u0915 \n\t\U0001f525"]
TEXTS = st.lists(st.sampled_from(CHARACTERS), max_size=30).map("".join)


@pytest.mark.parametrize("trick", INVISIBLE_CHARACTERS, ids=ascii)
def test_invisible_characters_are_stripped_between_letters_and_at_the_edges(trick: str) -> None:
    assert find_hidden(f"no{trick}thing")
    assert strip_invisible(f"{trick}no{trick}thi{trick * 2}ng{trick}") == "nothing"


@pytest.mark.parametrize("text", LEGITIMATE_SEQUENCES, ids=ascii)
def test_emoji_and_scripts_keep_their_joiners(text: str) -> None:
    assert strip_invisible(f"so: {text}, and {text}") == f"so: {text}, and {text}"


@given(TEXTS)
def test_strip_invisible_removes_everything_hidden_and_is_idempotent(text: str) -> None:
    assert find_hidden(strip_invisible(text)) == set()
    assert strip_invisible(strip_invisible(text)) == strip_invisible(text)
    assert find_hidden(clean_text(text)) == set()


@given(st.text())
def test_strip_invisible_cleans_any_text(text: str) -> None:
    assert find_hidden(strip_invisible(text)) == set()


@given(st.lists(TEXTS))
def test_invisible_filter_output_does_not_depend_on_chunking(pieces: list[str]) -> None:
    unveiling = InvisibleFilter()
    assert "".join(map(unveiling.feed, pieces)) == strip_invisible("".join(pieces))
