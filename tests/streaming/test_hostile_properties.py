"""What holds for any text that a model may write, judged by the reference renderer in every reading of the client.

``HOSTILE_TEXTS=200000 uv run pytest -k hostile`` tries more.
"""

from __future__ import annotations

import os

import pytest

from bot.streaming.markdown.convert import DiscordMarkdownConverter, convert_markdown
from bot.streaming.paging import Pager
from tests.reference_markdown import certain_code, possible_links
from tests.streaming.hostile_text import SOURCES, cut, hostile_texts
from tests.streaming.ordinary_texts import CODE, CONSTRUCTS, OPENINGS, with_code_behind, with_code_in_line

CITATIONS = {1: SOURCES[0], 2: ""}
EVERY_READING = 1 if "HOSTILE_TEXTS" in os.environ else 3
"""Of so many texts one is read by the reference renderer: a reading takes longer than all the rest."""
EVERY_STATE = 40
"""Of so many texts one is looked at in every state while it grows: each takes a reading."""


def find_foreign_links(text: str) -> set[str]:
    return {link.url for link in possible_links(text)} - set(SOURCES)


def test_hostile_texts_have_no_live_foreign_link_and_do_not_depend_on_the_cuts() -> None:
    for number, text in hostile_texts():
        whole = convert_markdown(text, SOURCES, CITATIONS)
        if number % EVERY_READING == 0:
            assert find_foreign_links(whole) == set(), (number, whole)
        converter = DiscordMarkdownConverter(SOURCES, citations=CITATIONS)
        shown = ""
        for piece in cut(text, number):
            shown += converter.feed(piece)
            if number % EVERY_STATE == 0:
                assert find_foreign_links(shown + converter.pending) == set(), (number, shown)
        assert shown + converter.flush() == whole, number


def test_hostile_texts_have_no_live_foreign_link_on_any_page() -> None:
    for number, text in hostile_texts():
        if number % EVERY_STATE != 0:
            continue
        pager = Pager(300)
        converter = DiscordMarkdownConverter(SOURCES, 300, CITATIONS)
        for piece in cut(text, number):
            pager.feed(converter.feed(piece))
            assert find_foreign_links(pager.open_page_with(converter.pending)) == set(), number
        pager.feed(converter.flush())
        pager.flush()
        for page in pager.pages:
            assert find_foreign_links(page.rendered) == set(), (number, page.rendered)


@pytest.mark.parametrize("opening", OPENINGS.values(), ids=OPENINGS)
def test_code_behind_an_ordinary_opening_is_exact(opening: str) -> None:
    assert certain_code(convert_markdown(with_code_behind(opening), SOURCES, CITATIONS))[CODE] == 1
    assert certain_code(convert_markdown(with_code_in_line(opening), SOURCES, CITATIONS))[CODE] == 1


@pytest.mark.parametrize("text", CONSTRUCTS.values(), ids=CONSTRUCTS)
def test_ordinary_constructs_are_shown_alike_in_every_state_and_at_the_end(text: str) -> None:
    converter = DiscordMarkdownConverter(SOURCES, citations=CITATIONS)
    shown = ""
    for letter in text:
        shown += converter.feed(letter)
        assert find_foreign_links(shown + converter.pending) == set()
    assert shown + converter.flush() == convert_markdown(text, SOURCES, CITATIONS)
