"""What holds for any text that a model may write, judged by the reference renderer in every reading of the client.

``HOSTILE_TEXTS=200000 uv run pytest -n auto tests/streaming/test_hostile_properties.py`` tries more.
"""

from __future__ import annotations

import re

import pytest

from bot.streaming.markdown.convert import DiscordMarkdownConverter, convert_markdown
from bot.streaming.paging import Pager
from tests.reference_markdown import certain_code, possible_links
from tests.streaming.hostile_text import SOURCES, cut, hostile_texts
from tests.streaming.ordinary_texts import CODE, CONSTRUCTS, OPENINGS, with_code_behind, with_code_in_line

CITATIONS = {1: SOURCES[0], 2: ""}
SHARDS = 10
"""Parts that the texts are tried in, so that several processes share them."""
EVERY_WHOLE = 5
"""Of so many texts one is also converted in one piece."""
EVERY_STATE = 100
"""Of so many texts one is looked at in every state while it grows: each state takes a reading."""

_MARKED = re.compile("|".join(rf"(?:\]\()?<{re.escape(url)}>\)?" for url in sorted(SOURCES, key=len, reverse=True)))
_MAY_BE_LIVE = re.compile(r"https?:|steam:|discord|\]\(|<[^\s<>]*[:@+]", re.IGNORECASE)


def find_foreign_links(text: str) -> set[str]:
    """Return the live links that are no source's; a text that can hold none is not read."""
    if not _MAY_BE_LIVE.search(_MARKED.sub("", text)):
        return set()
    return {link.url for link in possible_links(text)} - set(SOURCES)


def test_what_is_not_read_has_no_live_link() -> None:
    for _, text in hostile_texts(300):
        if not _MAY_BE_LIVE.search(_MARKED.sub("", text)):
            assert {link.url for link in possible_links(text)} <= set(SOURCES)


@pytest.mark.parametrize("shard", range(SHARDS))
def test_hostile_texts_have_no_live_foreign_link_and_do_not_depend_on_the_cuts(shard: int) -> None:
    for number, text in hostile_texts(shard=shard, shards=SHARDS):
        converter = DiscordMarkdownConverter(SOURCES, citations=CITATIONS)
        shown = ""
        for piece in cut(text, number):
            shown += converter.feed(piece)
            if number % EVERY_STATE == 0:
                assert find_foreign_links(shown + converter.pending) == set(), (number, shown)
        shown += converter.flush()
        assert find_foreign_links(shown) == set(), (number, shown)
        if number % EVERY_WHOLE == 0:
            assert shown == convert_markdown(text, SOURCES, CITATIONS), number


def test_hostile_texts_have_no_live_foreign_link_on_any_page() -> None:
    for number, text in hostile_texts():
        if number % EVERY_STATE != 0:
            continue
        pager = Pager(300)
        converter = DiscordMarkdownConverter(SOURCES, 300, CITATIONS)
        states: set[str] = set()
        for piece in cut(text, number):
            pager.feed(converter.feed(piece))
            states.add(pager.open_page_with(converter.pending))
        pager.feed(converter.flush())
        pager.flush()
        for page in states.union(page.rendered for page in pager.pages):
            assert find_foreign_links(page) == set(), (number, page)


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
