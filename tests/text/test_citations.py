"""Where an answer's marks lead, and what stands under it, in Discord's Markdown, whatever the titles hold."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain import Source
from bot.text.citations import (
    FOOTER_LIMIT,
    escape_markdown,
    find_allowed_urls,
    find_citation_links,
    find_cited_sources,
    format_footer,
)
from tests.reference_markdown import possible_links, readings

readings("")  # sets the recursion limit that it needs before hypothesis notes it

SOURCES = [Source(number, f"doc{number}.md", f"Title {number}", "…") for number in range(1, 6)]

fragments = st.sampled_from(
    [*"[](){}<>*_~|`#@:/\\. \n-1,234", "```", "[1]", "https://", "@everyone", "<@1>", "\u202e", "é"]
)
texts = st.lists(fragments | st.text(max_size=4), max_size=60).map("".join)
urls = st.none() | st.sampled_from(["https://team.example/a", "http://x.example/?q=1&b=(2)"]) | texts
sources = st.lists(
    st.builds(
        Source,
        number=st.integers(1, 40),
        document=st.sampled_from(["a.md", "b.md", "c.md"]) | texts,
        title=texts,
        passage=st.just(""),
        section=texts,
        page=st.none() | st.integers(1, 9_999),
        line=st.none() | st.integers(1, 99_999),
        url=urls,
    ),
    max_size=40,
    unique_by=lambda source: source.number,
)


def cited_numbers(text: str) -> list[int]:
    return [source.number for source in find_cited_sources(text, SOURCES)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Refunds take 14 days [2].", [2]),
        ("First [3], then [1], then [3] again.", [3, 1]),
        ("Both [1, 2] and [4][5].", [1, 2, 4, 5]),
        ("A range [2-4] or [2–4].", [2, 3, 4]),
        ("Semicolons [1; 3] and room [ 2 ].", [1, 3, 2]),
        ("No such source [9], no mark [a], nor [].", []),
        ("A backward range [4-2] names nobody.", []),
        ("A range that goes beyond [4-999].", []),
        ("In code `x[1]` it is an index, here [2] it is not.", [2]),
        ("Two ticks ``a ` [1]`` then [3].", [3]),
        ("An open tick ` does not hide [1].", [1]),
        ("```python\nx[1]\n```\nafter [2]", [2]),
        ("~~~\n[1]\n```\n[2]\n~~~\n[3]", [3]),
        ("````\n```\n[1]\n````\n[2]", [2]),
        ("```\nnever closed [1]", []),
    ],
)
def test_cited_sources_are_in_order_of_first_use_and_never_from_code(text: str, expected: list[int]) -> None:
    assert cited_numbers(text) == expected


@given(texts, sources)
def test_cited_sources_are_some_of_the_given_ones_each_once(text: str, given: list[Source]) -> None:
    found = find_cited_sources(text, given)
    assert len(found) == len(set(found))
    assert set(found) <= set(given)


@given(texts)
def test_citations_inside_code_are_ignored(text: str) -> None:
    tamed = text.replace("`", "").replace("~", "")
    assert not cited_numbers(f"```\n{tamed}\n```")


@pytest.mark.parametrize(
    "text",
    [
        "It lies in [0, 1].",
        "It lies in [1, 2].",
        "One of [1, 2] is meant.",
        "Both [1, 9].",
        "A year [2023], a box [ ] [x].",
        "The first is a[1], then list_of[2] and f()[3].",
        "A link [1](https://a.example).",
        "[1]: https://a.example",
        r"Escaped \[1].",
        'Send {"a": [1]} or x = [2].',
        "It is [1] + 2.",
        "Not yet closed [1",
    ],
)
def test_brackets_that_are_no_citation_cite_nothing(text: str) -> None:
    assert cited_numbers(text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A hundred【1†source】, or【2:0†handbook.md】.", [1, 2]),
        ("At once [^1] or [Source 2] or [doc_3].", [1, 2, 3]),
        ("In double brackets [[2]].", [2]),
        ("As in [1], [2] and [3].", [1, 2, 3]),
        ("中文[1]。", [1]),
        ("(see [1]) **bold**[2]", [1, 2]),
    ],
)
def test_other_spellings_of_citations_are_understood(text: str, expected: list[int]) -> None:
    assert cited_numbers(text) == expected


def test_citations_lead_to_their_sources_urls() -> None:
    linked = [Source(1, "h.md", "Handbook", "", url="https://team.example/h"), SOURCES[1]]
    assert find_citation_links(linked) == {1: "https://team.example/h", 2: ""}


def test_footer_lists_cited_sources_with_location_and_link() -> None:
    given = [
        Source(1, "h.md", "Handbook", "", section="Refunds › Late", page=3, url="https://team.example/h"),
        Source(2, "t.pdf", "Travel", "", page=7),
        Source(3, "x.md", "Unused", ""),
    ]
    assert format_footer("Trains [2]; refunds [1].", given) == (
        "-# **Sources**\n-# [2] Travel, page 7\n-# [1] [Handbook](<https://team.example/h>) › Refunds › Late, page 3"
    )


def test_footer_without_citations_lists_the_passages_read() -> None:
    assert format_footer("No marks here.", SOURCES[:1]) == "-# **Passages read**\n-# [1] Title 1"


def test_without_sources_there_is_no_footer() -> None:
    assert not format_footer("Anything [1].", [])


def test_footer_groups_passages_of_one_document_and_numbers_of_one_location() -> None:
    given = [
        Source(1, "h.md", "Handbook", "", section="Refunds"),
        Source(2, "h.md", "Handbook", "", section="Holidays", page=2),
        Source(3, "h.md", "Handbook", "", section="Refunds"),
    ]
    assert format_footer("[1][2][3]", given) == "-# **Sources**\n-# [1][3] Handbook › Refunds · [2] Holidays, page 2"


def test_footer_gives_the_line_if_there_is_no_page_or_section() -> None:
    given = [
        Source(1, "app.py", "app.py", "", line=12),
        Source(2, "h.md", "Handbook", "", section="Refunds", line=7),
        Source(3, "app.py", "app.py", "", line=340),
        Source(4, "t.pdf", "Travel", "", page=7, line=1),
    ]
    assert format_footer("[1][2][3][4]", given) == (
        "-# **Sources**\n-# [1] app.py, line 12 · [3] line 340\n-# [2] Handbook › Refunds\n-# [4] Travel, page 7"
    )


def test_footer_shows_a_documents_age_and_if_it_has_changed() -> None:
    may = datetime(2025, 5, 3, 22, tzinfo=UTC)
    given = [
        Source(1, "h.md", "Handbook", "", section="Refunds", date=may, is_changed=True),
        Source(2, "t.md", "Travel", "", date=may),
    ]
    assert format_footer("[1][2]", given) == (
        "-# **Sources**\n"
        "-# [1] Handbook › Refunds · 2025-05-03 · changed since it was indexed\n"
        "-# [2] Travel · 2025-05-03"
    )


def test_footer_counts_the_sources_that_do_not_fit() -> None:
    many = [Source(n, f"{n}.md", "A title of some length " * 4, "", section="S" * 60) for n in range(1, 20)]
    lines = format_footer("", many).splitlines()
    hidden = re.fullmatch(r"-# \+ (\d+) more", lines[-1])
    assert hidden
    assert int(hidden[1]) + len(lines) - 2 == len(many)


def test_a_title_that_looks_like_a_url_is_no_link_label() -> None:
    source = Source(1, "h.md", "https://evil.example/x", "", url="https://team.example/h")
    assert format_footer("[1]", [source]).endswith(r"[1] https\://evil.example/x <https://team.example/h>")


@pytest.mark.parametrize(
    "url",
    [
        *(
            "javascript:alert(1)",
            "ftp://x.example",
            "https://",
            "/relative",
            "https://a b.example",
            "https://x.example/>",
        ),
        *("https://x.example/\n-# fake", "https://[broken", "https://x.example/" + "a" * 500, "", None),
    ],
)
def test_only_web_addresses_that_fit_between_angle_brackets_are_links(url: str | None) -> None:
    source = Source(1, "h.md", "Handbook", "", url=url)
    assert not find_allowed_urls([source])
    assert format_footer("[1]", [source]) == "-# **Sources**\n-# [1] Handbook"


@given(texts, sources)
def test_a_footer_is_bounded_and_every_line_is_small_print(text: str, given: list[Source]) -> None:
    shown = format_footer(text, given)
    assert len(shown.encode("utf-16-le")) // 2 <= FOOTER_LIMIT
    assert all(line.startswith("-# ") for line in shown.split("\n") if shown)
    assert bool(shown) == bool(given)


@given(texts, sources)
def test_footer_has_no_live_link_but_those_of_its_sources(text: str, given: list[Source]) -> None:
    shown = format_footer(text, given)
    live = re.findall(r"(?<!\\)<([^>\s]*)>", shown)
    assert set(live) <= find_allowed_urls(given)
    rest = re.sub(r"(?<!\\)<[^>\s]*>", "", shown)
    assert not re.search(r"(?<!\\)://", rest)


@given(texts)
def test_escaped_text_has_no_active_markdown(text: str) -> None:
    line = escape_markdown(text)
    assert "\n" not in line
    assert not re.search(r"[*_~`|<>\[\]:@\\]", re.sub(r"\\[\\*_~`|<>\[\]:@#+.)\-]", "", line))
    assert "\u202e" not in line
    line.encode()


@given(texts)
def test_escaped_text_is_inert_in_every_reading(text: str) -> None:
    line = escape_markdown(f"{text} discord.gg/abc")
    assert possible_links(line) == set()
    assert all(not reading.mentions and not reading.code for reading in readings(line))


@pytest.mark.parametrize(
    ("text", "line"),
    [("# a", r"\# a"), ("1. a", r"1\. a"), ("- a", r"\- a"), ("discord.gg/x", r"discord\[.\]gg/x"), ("-5", "-5")],
)
def test_a_title_begins_no_block_and_holds_no_invite(text: str, line: str) -> None:
    assert escape_markdown(text) == line
