"""How a Markdown table looks on Discord, and that what a reader has seen of it stays where it was."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.streaming.markdown.code import codes, fence_left_open
from bot.streaming.markdown.convert import Rewriter, rewritten
from bot.streaming.markdown.tables import WIDEST, cells, columns, head, table

unhurried = settings(deadline=None)  # machines that run tests are shared, and time is not what these test

cell = st.text(alphabet="ab c漢é\u0301👍`*_~[]()|<>\\-:", max_size=14).map(lambda text: text.replace("|", "\\|"))
rows = st.lists(st.lists(cell, min_size=1, max_size=4), min_size=1, max_size=14)


def written(header: list[str], body: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *body]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def places(text: str) -> int:
    """Columns in a fixed font, counted another way."""
    seen = [char for char in text if unicodedata.category(char) not in {"Mn", "Me", "Cf"}]
    return len(seen) + sum(unicodedata.east_asian_width(char) in "WF" for char in seen)


def test_columns_are_aligned_and_numbers_stand_right_where_the_table_says_so() -> None:
    text = (
        "| Plan | Price | Seats |\n"
        "|:-----|------:|:-----:|\n"
        "| **Free** | 0 | 3 |\n"
        "| [Team](https://x.test/team) | `12.50` | 2,000 |\n"
        "| 漢字 | 7 | ~~4~~ |\n"
        "\n"
        "Done.\n"
    )
    assert rewritten(text) == (
        "```\n"
        "Plan     Price  Seats\n"
        "────  ────────  ─────\n"
        "Free         0    3\n"
        "Team     12.50  2,000\n"
        "漢字         7    4\n"
        "```\n"
        "\n"
        "Done.\n"
    )


def test_a_table_too_wide_for_a_screen_becomes_a_list() -> None:
    text = written(
        ["Name", "What it does", ""], [["`run`", "starts " * 15, "**x**"], ["stop", "", "a[1]"], ["", "", ""]]
    )
    assert rewritten(text) == (
        f"- **Name**: `run` · **What it does**: {('starts ' * 15).strip()} · **x**\n"
        "- **Name**: stop · a[1]\n"
    )  # fmt: skip


def test_a_list_keeps_links_and_escapes_what_is_left_open() -> None:
    long = "a long cell " * 8
    text = written(["a*N\\|", "B"], [[f"[l](https://x.test) {long}", "**open `tick"]])
    assert rewritten(text) == f"- **a\\*N\\|**: [l](https://x.test) {long.strip()} · **B**: \\*\\*open 'tick\n"


@pytest.mark.parametrize(
    "text",
    [
        "| a | b |\nno delimiter\n",
        "| a | b |\n|---|\n",
        "a | b without a delimiter",
        "| a | b |\n\n|---|---|\n",
        "```\n| a | b |\n|---|---|\n```\n",
        "`| a | b |`\n`|---|---|`\n",
    ],
)
def test_what_is_not_certainly_a_table_stays_text(text: str) -> None:
    assert rewritten(text) == text


@pytest.mark.parametrize(
    ("after", "shown"),
    [
        ("\ntext", "\ntext"),
        ("text without a bar\n", "text without a bar\n"),
        ("# Heading | with a bar\n", "# Heading | with a bar\n"),
        ("- item | with a bar\n", "- item | with a bar\n"),
        ("> quote | with a bar\n", "> quote | with a bar\n"),
        ("```\na | b\n```\n", "```\na | b\n```\n"),
    ],
)
def test_what_ends_a_table(after: str, shown: str) -> None:
    block = "```\na     b\n────  ─\n1     2\n```\n"
    assert rewritten("a | b\n--|--\n1 | 2\n" + after) == block + shown


def test_text_may_stand_straight_above_a_table() -> None:
    assert rewritten("So:\n|a|\n|-|\n|1|") == "So:\n```\na\n─\n1\n```\n"


def test_a_row_with_too_many_or_too_few_cells_loses_none() -> None:
    assert rewritten("|a|b|\n|-|-|\n|1|\n|1|2|3|\n") == "```\na     b\n────  ─────\n1\n1     2 | 3\n```\n"


def test_a_cell_cannot_close_the_block() -> None:
    assert rewritten("|a|\n|-|\n|x ``` y\\`\\`\\` z|\n").count("```") == 2


@given(rows)
@unhurried
def test_every_line_of_a_block_is_aligned_and_fits(body: list[list[str]]) -> None:
    shown = rewritten(written(["one", "two", "three"], body))
    if shown.startswith("- "):
        return
    _, _, ruled, *lines, closing, end = shown.split("\n")
    assert (closing, end) == ("```", "")
    assert all(places(line) <= WIDEST for line in lines)
    first, second, _ = (len(part) for part in ruled.split("  "))
    for line in lines:
        at = 0
        for char in line:
            if at in {first, first + 1, first + second + 2, first + second + 3}:
                assert char == " " or columns(char) == 0
            at += columns(char)


@given(rows)
@settings(max_examples=25, deadline=None)
def test_what_was_given_of_a_table_is_always_one_block_that_the_rest_closes(body: list[list[str]]) -> None:
    rewriter, given_so_far = Rewriter(), ""
    for letter in written(["one", "two", "three"], body):
        given_so_far += rewriter.feed(letter)
        state = given_so_far + rewriter.pending
        assert fence_left_open(state) is None
        assert sum(code.is_fence for code in codes(state)) <= 1


@given(st.lists(st.lists(st.text(alphabet="abc ", max_size=9), min_size=3, max_size=3), min_size=9, max_size=20))
@settings(max_examples=25, deadline=None)
def test_rows_seldom_move_while_a_table_grows(body: list[list[str]]) -> None:
    rewriter, given_so_far, seen = Rewriter(), "", set[str]()
    for letter in written(["one", "two", "three"], body):
        given_so_far += rewriter.feed(letter)
        state = given_so_far + rewriter.pending
        if match := re.search(r"```\n(.*)\n─", state):
            seen.add(match[1])
    assert len(seen) <= 6


def test_after_the_first_rows_the_widths_stand_and_wide_cells_wrap() -> None:
    text = "|a|b|\n|-|-|\n" + "|x|y|\n" * 6
    rewriter = Rewriter()
    given_so_far = rewriter.feed(text)
    assert given_so_far == "```\na     b\n────  ─\n" + "x     y\n" * 6
    assert rewriter.feed("|so many words|漢字漢字漢字|\n") == "so    漢字漢字漢字\nmany\nword\ns\n"
    assert rewriter.feed("\n") == "```\n\n"


@given(st.text(max_size=12))
@unhurried
def test_columns_count_places(text: str) -> None:
    assert columns(text) == places(text)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("| a | b |", ("a", "b")),
        ("a|b", ("a", "b")),
        ("| a | |", ("a", "")),
        ("|a\\|b|c", ("a|b", "c")),
        ("a", ("a",)),
        ("| a", ("a",)),
    ],
)
def test_cells(line: str, found: tuple[str, ...]) -> None:
    assert cells(line) == found


def test_a_table_s_head_is_known_again() -> None:
    begun = table("| a | b |", "|---|---|")
    assert begun is not None
    block = begun.with_row("|1|2|")[1].ended().removeprefix("```\n")
    assert head(block) == "a     b\n────  ─\n"
    assert head("x = 1\ny = 2\n") == ""


def test_the_last_column_wraps_where_small_screens_would() -> None:
    shown = rewritten(
        written(["Name", "Meaning"], [["one", "some words that go on for quite a while, seventy in all"]])
    )
    assert shown == (
        "```\n"
        "Name  Meaning\n"
        "────  ──────────────────────────────────────────────────────\n"
        "one   some words that go on for quite a while, seventy in\n"
        "      all\n"
        "```\n"
    )
