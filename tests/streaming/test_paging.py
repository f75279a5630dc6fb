"""The pager's specification: what holds for every text, however it is cut."""

from __future__ import annotations

import re
import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.streaming.markdown.convert import DiscordMarkdownConverter, convert_markdown
from bot.streaming.paging import MIN_PAGE_LIMIT, PAGE_LIMIT, QUOTE, Pager, paginate
from bot.text.invisible import INVISIBLE_RANGES
from bot.text.wording import utf16_length

unhurried = settings(deadline=None)  # machines that run tests are shared, and time is not what these test

FENCES = [
    "```",
    "```py\n",
    "```c++\n",
    "\n```\n",
    "\n```",
    "````md\n",
    "\n````\n",
    "~~~~\n",
    "~~~sh\n",
    "  ```js\n",
    "``",
    "`",
]
PROSE = [
    "a",
    "word ",
    "A sentence. ",
    "\n",
    "\n\n",
    " ",
    "\t",
    "\r\n",
    "- item\n",
    "  2. item\n",
    "# Heading\n",
    "**bold** ",
    "*",
    "**",
    "||",
    "_it_ ",
    "    - nested\n",
    "a     b\n────  ─\n",
]
ODD = [
    "\ud83d",
    "\ude00",
    "\U0001f600",
    "漢字。",
    "e\u0301\u0323",
    "👩‍👩‍👧‍👦",
    "\u200b",
    "\ufeff\u2060",
    "https://example.com/" + "y" * 20,
    "x" * 30,
    "```" + "y" * 40,
    "\n" * 9,
    " " * 25,
]

BLANK = rf"[\s{INVISIBLE_RANGES}]*"
OPENING = re.compile(
    r"((> )?```[\w+\-.#]*\n(> )?([^\n]+\n─[─ ]*\n)?|[*_~|]{0,8}`{0,8}|([ \t]*([-*+]|\d+[.)]) …\n)+[ \t]+)?", re.ASCII
)
CLOSING = re.compile(r"(\n(> )?```|`{0,8}[*_~|]{0,8})?")

hostile = (
    st.lists(
        st.one_of(st.sampled_from(FENCES), st.sampled_from(PROSE), st.sampled_from(ODD), st.text(max_size=6)),
        max_size=60,
    )
    .map("".join)
    .map(convert_markdown)
)
"""What the converter makes of any text: a pager is fed nothing else."""
limits = st.one_of(st.integers(MIN_PAGE_LIMIT, 60), st.just(PAGE_LIMIT))


def cut(text: str, sizes: list[int]) -> list[str]:
    """The text in pieces of these sizes, the last one taking what remains."""
    pieces: list[str] = []
    for size in sizes:
        pieces.append(text[:size])
        text = text[size:]
    return [*pieces, text]


def make_flushed_pager(text: str, limit: int) -> Pager:
    pager = Pager(limit)
    pager.feed(text)
    pager.flush()
    return pager


def show_while_writing(arrived: str) -> str:
    """Return the page of an answer of which so much has arrived."""
    converter, pager = DiscordMarkdownConverter(), Pager()
    pager.feed(converter.feed(arrived))
    return pager.open_page_with(converter.pending)


def replace_surrogates(text: str) -> str:
    """The text as it can be sent."""
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


def leaves_fence_open(page: str) -> bool:
    """Discord's reading, written again another way: drop code in lines, drop fenced blocks, look at what is left."""
    inline = re.compile(r"(?<!`)(`{1,2})(?!`)[^\n]*?(?<!`)\1(?!`)")
    while page:
        fence, code = page.find("```"), inline.search(page)
        if fence < 0:
            return False
        if code and code.start() < fence:
            page = page[code.end() :]
            continue
        closing = page.find("```", fence + 3)
        if closing < 0:
            return True
        page = page[closing + 3 :]
    return False


@given(hostile, limits)
@unhurried
def test_every_page_fits(text: str, limit: int) -> None:
    assert all(len(page.encode("utf-16-le")) // 2 <= limit for page in paginate(text, limit))


@given(hostile, limits)
@unhurried
def test_every_page_closes_the_fences_it_opens(text: str, limit: int) -> None:
    assert not any(map(leaves_fence_open, paginate(text, limit)))


@given(hostile, limits)
@unhurried
def test_pages_are_never_blank(text: str, limit: int) -> None:
    assert all(re.sub(BLANK, "", page) for page in paginate(text, limit))


@given(hostile, limits, st.lists(st.integers(0, 50)))
@unhurried
def test_pages_do_not_depend_on_chunking(text: str, limit: int, sizes: list[int]) -> None:
    pager = Pager(limit)
    for delta in cut(text, sizes):
        pager.feed(delta)
    pager.flush()
    assert [page.rendered for page in pager.pages] == paginate(text, limit)


@given(hostile, st.integers(MIN_PAGE_LIMIT, 60))
@unhurried
def test_the_pages_do_not_depend_on_being_fed_letter_by_letter(text: str, limit: int) -> None:
    pager = Pager(limit)
    for letter in text:
        pager.feed(letter)
    pager.flush()
    assert [page.rendered for page in pager.pages] == paginate(text, limit)


@given(hostile, limits)
@unhurried
def test_page_bodies_and_gaps_rebuild_the_text(text: str, limit: int) -> None:
    pager = make_flushed_pager(text, limit)
    rebuilt = "".join(page.gap + page.body for page in pager.pages)
    assert text.startswith(rebuilt)
    assert re.fullmatch(rf"{BLANK}((> )?```{BLANK})?", text[len(rebuilt) :])
    assert pager.text == text


@given(hostile, limits)
@unhurried
def test_a_gap_is_white_space_and_at_most_the_fence_mark_that_the_page_before_has_shown(text: str, limit: int) -> None:
    pages = make_flushed_pager(text, limit).pages
    for before, page in zip((None, *pages), pages, strict=False):
        shows_it = before is not None and before.closing.endswith("```") and not page.opening.endswith("```")
        assert re.fullmatch(rf"(\s*(> )?```)?{BLANK}" if shows_it else BLANK, page.gap)


@given(hostile, limits)
@unhurried
def test_page_is_its_body_with_fences_reopened_and_closed(text: str, limit: int) -> None:
    for page in make_flushed_pager(text, limit).pages:
        assert page.rendered == page.opening + replace_surrogates(page.body) + page.closing
        assert OPENING.fullmatch(page.opening)
        assert CLOSING.fullmatch(page.closing)


@given(hostile, limits)
@unhurried
def test_a_fence_goes_on_in_the_same_language(text: str, limit: int) -> None:
    pages = make_flushed_pager(text, limit).pages
    for before, page in pairwise(pages):
        if page.opening.startswith(("```", "> ```")):
            assert (
                page.opening.removeprefix("> ").startswith("```\n")
                or page.opening.partition("\n")[0] in before.rendered
            )


@given(hostile, st.integers(MIN_PAGE_LIMIT, 60), st.lists(st.integers(1, 12)))
@unhurried
def test_every_intermediate_state_can_be_shown(text: str, limit: int, sizes: list[int]) -> None:
    final = paginate(text, limit)
    pager = Pager(limit)
    for delta in cut(text, sizes):
        pager.feed(delta)
        page = pager.open_page
        assert utf16_length(page) <= limit
        assert not leaves_fence_open(page)
        assert page == "" or page.strip()
        assert list(pager.sealed) == final[: len(pager.sealed)]


@given(hostile, st.integers(0, 300), st.integers(MIN_PAGE_LIMIT, 60))
@unhurried
def test_a_tail_shown_ahead_of_its_time_fits_and_changes_nothing(whole: str, end: int, limit: int) -> None:
    text, tail = whole[:end], whole[end:]
    pager = Pager(limit)
    pager.feed(text)
    before = (pager.sealed, pager.open_page)
    ahead = pager.open_page_with(tail)
    assert utf16_length(ahead) <= limit
    assert not leaves_fence_open(ahead)
    assert (pager.sealed, pager.open_page) == before
    pager.feed(tail)
    sealed = pager.sealed[len(before[0]) :]
    assert ahead == (sealed[0] if sealed else pager.open_page)


@given(hostile, limits)
@unhurried
def test_every_page_encodes_as_utf8(text: str, limit: int) -> None:
    for page in paginate(text, limit):
        page.encode()


@given(st.sampled_from(["\n", "`", "\ud83d", "```\n", "漢", "e\u0301", "👩‍👩‍👧‍👦", "x", "- \n"]), limits)
@unhurried
def test_paging_repeated_text_terminates(thing: str, limit: int) -> None:
    text = convert_markdown(thing * (3 * limit // len(thing)))
    pages = paginate(text, limit)
    assert all(utf16_length(page) <= limit and page.strip() for page in pages)
    assert not any(map(leaves_fence_open, pages))


@given(
    st.lists(
        st.sampled_from(["word ", "A sentence. ", "line\n", "paragraph\n\n", "- item\n"]), min_size=600, max_size=900
    )
)
@settings(max_examples=25, deadline=None)
def test_prose_fills_more_than_half_of_each_page(words: list[str]) -> None:
    pages = paginate("".join(words))
    assert all(len(page) > PAGE_LIMIT // 2 for page in pages[:-1])


@pytest.mark.parametrize(
    ("text", "first", "second"),
    [
        ("one two. three four five\n\nsix seven. eight", "one two. three four five", "six seven. eight"),
        ("Items of mine:\n- one two\n- three and four", "Items of mine:\n- one two", "- three and four"),
        ("a line is here, quite\nanother line is here", "a line is here, quite", "another line is here"),
        ("It ends here, it does. Here starts another one", "It ends here, it does.", "Here starts another one"),
        ("no end to this is in sight for anyone at all", "no end to this is in sight for", "anyone at all"),
        ("x" * 30 + "👩‍👧" + "y" * 10, "x" * 30, "👩‍👧" + "y" * 10),
        ("some words at first **and these in bold here**", "some words at first", "**and these in bold here**"),
        ("some words at first `and these are some code`", "some words at first", "`and these are some code`"),
        ("look at this page: https://example.com/abc/def", "look at this page:", "https://example.com/abc/def"),
        ("Some more text on top.\n\n# Title\n\nText is below", "Some more text on top.", "# Title\n\nText is below"),
        ("x" * 20 + "<https://example.com/a/b.html>", "x" * 20, "<https://example.com/a/b.html>"),
        ("Some more text on top.\n```py\nx = 1\ny = 2\n```", "Some more text on top.", "```py\nx = 1\ny = 2\n```"),
    ],
    ids=[
        "paragraph",
        "item",
        "line",
        "sentence",
        "word",
        "emoji",
        "bold",
        "code",
        "link",
        "heading",
        "long-link",
        "fence",
    ],
)
def test_page_breaks_at_the_best_position(text: str, first: str, second: str) -> None:
    assert paginate(text, 38) == [first, second]


def test_a_long_fence_is_closed_and_reopened_in_its_language() -> None:
    text = "```py\nfirst_line = 1\n    indented = 2\n```\nafter"
    assert paginate(text, 38) == ["```py\nfirst_line = 1\n```", "```py\n    indented = 2\n```\nafter"]


def test_code_in_a_quote_goes_on_in_a_quote() -> None:
    text = "> ```py\n> first_line = 1\n>     indented = 2\n> ```\nafter"
    assert paginate(text, 44) == ["> ```py\n> first_line = 1\n> ```", "> ```py\n>     indented = 2\n> ```\nafter"]


def test_a_link_is_on_one_page() -> None:
    text = f"{'some words ' * 8}and [a long label for it](<https://example.com/handbook>) with more words behind it"
    first, second = paginate(text, 130)
    assert first.endswith("and")
    assert second.startswith("[a long label for it](<https://example.com/handbook>)")


def test_closing_fence_alone_makes_no_page() -> None:
    text = "```py\n" + "x = 1\n" * 4 + "```\n"
    limit = len(text.strip()) + len(QUOTE)
    assert paginate(text, limit) == ["```py\n" + "x = 1\n" * 4 + "```"]
    assert paginate(text + "on we go", limit) == ["```py\n" + "x = 1\n" * 4 + "```", "on we go"]


@pytest.mark.parametrize(
    "arrived", ["Look:\n`", "Look:\n``", "Look:\n```", "Look:\n```p", "Look:\n```py", "Look:\n```py\n"]
)
def test_a_fence_is_not_shown_before_its_first_line(arrived: str) -> None:
    assert show_while_writing(arrived) == "Look:"


@pytest.mark.parametrize("arriving", ["\n", "\n`", "\n``", "\n```", "\n```\n"])
def test_a_closing_fence_does_not_flicker_as_it_arrives(arriving: str) -> None:
    assert show_while_writing(f"```py\nx = 1{arriving}") == "```py\nx = 1\n```"


def test_an_answer_that_ends_in_half_a_fence_is_shown_to_its_end() -> None:
    assert paginate("Look:\n``") == ["Look:\n``"]
    assert paginate("Look:\n```py") == ["Look:\n```py\n```"]


def test_backticks_within_code_in_a_line_open_no_fence() -> None:
    assert paginate("Write `` ``` `` to open one.") == ["Write `` ``` `` to open one."]


def test_a_long_language_is_not_carried_over() -> None:
    pages = paginate("```" + "y" * 30 + "\n" + "x = 1\n" * 20, 60)
    assert all(page.startswith("```\n") for page in pages[1:])


@pytest.mark.parametrize("mark", ["**", "*", "||", "~~", "__", "`"])
def test_marks_that_a_break_falls_between_are_closed_and_reopened(mark: str) -> None:
    words = ["some", "more", "words", "in", "one", "line"] * 10
    text = f"{mark}{' '.join(words)}{mark} end"
    if mark == "`":
        text = text.replace(" ", ".")
    first, *others, last = paginate(text, 100)
    assert first.startswith(mark)
    assert last.startswith(mark)
    assert all(page.startswith(mark) and page.endswith(mark) for page in others)
    assert first.endswith(mark)
    assert last.count(mark) == 2


def test_marks_that_are_still_open_are_closed_on_the_page_being_written() -> None:
    assert show_while_writing("so **bo") == "so **bo**"
    assert show_while_writing("so **bold*") == "so **bold**"
    assert show_while_writing("so **bold** end") == "so **bold** end"


def test_marks_never_closed_are_shown_as_written() -> None:
    assert paginate("5 ** 3 and **open") == ["5 ** 3 and **open"]


def test_a_nested_item_on_a_new_page_stays_nested() -> None:
    items = "".join(f"   - point {number} of it\n" for number in range(8))
    first, second = paginate(f"1. One\n2. Two\n{items}3. Three\n", 150)
    assert first.endswith("   - point 5 of it")
    assert second == "2. …\n   - point 6 of it\n   - point 7 of it\n3. Three"


def test_deeply_nested_item_on_a_new_page_repeats_its_parents() -> None:
    text = "- a\n  - b\n" + "    - deep point\n" * 12 + "\ntext\n\n"
    pages = paginate(text, 160)
    assert pages[1].startswith("- …\n  - …\n    - deep point\n")


def test_indented_item_after_prose_has_no_parent() -> None:
    pages = paginate("- a\n\n" + "word " * 20 + "\n\n  - b " + "x" * 20, 120)
    assert pages[1].startswith("- b")


def test_table_continues_under_its_header_on_the_next_page() -> None:
    table = "```\nName  Qty\n────  ───\n" + "".join(f"row   {number:>3}\n" for number in range(30)) + "```\n"
    pages = paginate(table, 200)
    assert len(pages) > 1
    assert all(page.startswith("```\nName  Qty\n────  ───\nrow ") and page.endswith("\n```") for page in pages)
    assert sum(page.count("row") for page in pages) == 30


def test_empty_text_gives_no_page() -> None:
    assert paginate("") == paginate(" \n\t") == paginate("\u200b\u2060 \ufeff") == []
    assert Pager().open_page == ""


def test_lone_surrogates_are_shown_as_replacement_characters() -> None:
    pager = make_flushed_pager("a\ud83db", PAGE_LIMIT)
    assert pager.open_page == "a\ufffdb"
    assert pager.text == "a\ud83db"


def test_width_counts_utf_16_code_units() -> None:
    assert utf16_length("aé漢") == 3
    assert utf16_length("😀") == 2
    assert utf16_length("\ud83d") == 1


def test_a_flushed_pager_takes_no_more() -> None:
    pager = Pager()
    pager.flush()
    pager.flush()
    with pytest.raises(RuntimeError):
        pager.feed("x")


def test_a_limit_too_small_for_a_fence_is_refused() -> None:
    with pytest.raises(ValueError, match="16"):
        Pager(MIN_PAGE_LIMIT - 1)


def test_the_cost_of_a_delta_does_not_grow_with_the_answer() -> None:
    pager = Pager()

    def seconds_for_some_pages() -> float:
        start = time.process_time()
        for _ in range(1_500):
            pager.feed("some words, and ")
            assert pager.open_page
        return time.process_time() - start

    first = seconds_for_some_pages()
    for _ in range(400):
        pager.feed("some words, and " * 100)
    assert seconds_for_some_pages() < 5 * first + 0.1
