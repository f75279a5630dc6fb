"""How a Markdown table looks on Discord, and that what a reader has seen of it stays where it was."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.streaming.markdown.convert import DiscordMarkdownConverter, convert_markdown
from bot.streaming.markdown.tables import (
    MAX_BLOCK_WIDTH,
    display_width,
    find_table_head,
    parse_table_header,
    split_cells,
)
from bot.text.markdown import find_code_blocks

unhurried = settings(deadline=None)  # machines that run tests are shared, and time is not what these test

cell = st.text(alphabet="ab c漢é\u0301👍`*_~[]()|<>\\-:", max_size=14).map(lambda text: text.replace("|", "\\|"))
rows = st.lists(st.lists(cell, min_size=1, max_size=4), min_size=1, max_size=14)


def format_table(header: list[str], body: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *body]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def count_columns(text: str) -> int:
    """Columns in a fixed font, counted another way."""
    seen = [char for char in text if unicodedata.category(char) not in {"Mn", "Me", "Cf"}]
    return len(seen) + sum(unicodedata.east_asian_width(char) in "WF" for char in seen)


def test_columns_are_aligned_as_the_table_declares() -> None:
    text = (
        "| Plan | Price | Seats |\n"
        "|:-----|------:|:-----:|\n"
        "| **Free** | 0 | 3 |\n"
        "| [Team](https://x.test/team) | `12.50` | 2,000 |\n"
        "| 漢字 | 7 | ~~4~~ |\n"
        "\n"
        "Done.\n"
    )
    assert convert_markdown(text) == (
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
    text = format_table(
        ["Name", "What it does", ""], [["`run`", "starts " * 15, "**x**"], ["stop", "", "a[1]"], ["", "", ""]]
    )
    assert convert_markdown(text) == (
        f"- **Name**: `run` · **What it does**: {('starts ' * 15).strip()} · **x**\n"
        "- **Name**: stop · a[1]\n"
    )  # fmt: skip


def test_a_list_keeps_links_and_escapes_what_is_left_open() -> None:
    long = "a long cell " * 8
    text = format_table(["a*N\\|", "B"], [[f"[l](https://x.test) {long}", "**open `tick"]])
    assert convert_markdown(text, ["https://x.test"]) == (
        f"- **a\\*N\\|**: [l](<https://x.test>) {long.strip()} · **B**: \\*\\*open \\`tick\n"
    )


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
def test_ambiguous_table_stays_text(text: str) -> None:
    assert convert_markdown(text) == text


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
def test_table_ends_before_each_following_block(after: str, shown: str) -> None:
    block = "```\na     b\n────  ─\n1     2\n```\n"
    assert convert_markdown("a | b\n--|--\n1 | 2\n" + after) == block + shown


def test_table_may_follow_text_directly() -> None:
    assert convert_markdown("So:\n|a|\n|-|\n|1|") == "So:\n```\na\n─\n1\n```\n"


def test_a_row_with_too_many_or_too_few_cells_loses_none() -> None:
    assert convert_markdown("|a|b|\n|-|-|\n|1|\n|1|2|3|\n") == "```\na     b\n────  ─────\n1\n1     2 | 3\n```\n"


def test_a_cell_cannot_close_the_block() -> None:
    assert convert_markdown("|a|\n|-|\n|x ``` y\\`\\`\\` z|\n").count("```") == 2


@given(rows)
@unhurried
def test_every_line_of_a_block_is_aligned_and_fits(body: list[list[str]]) -> None:
    shown = convert_markdown(format_table(["one", "two", "three"], body))
    if shown.startswith("- "):
        return
    _, _, ruled, *lines, closing, end = shown.split("\n")
    assert (closing, end) == ("```", "")
    assert all(count_columns(line) <= MAX_BLOCK_WIDTH for line in lines)
    first, second, _ = (len(part) for part in ruled.split("  "))
    for line in lines:
        at = 0
        for char in line:
            if at in {first, first + 1, first + second + 2, first + second + 3}:
                assert char == " " or display_width(char) == 0
            at += display_width(char)


@given(rows)
@settings(max_examples=25, deadline=None)
def test_streamed_table_is_always_one_closed_code_block(body: list[list[str]]) -> None:
    converter, given_so_far = DiscordMarkdownConverter(), ""
    for letter in format_table(["one", "two", "three"], body):
        given_so_far += converter.feed(letter)
        state = given_so_far + converter.pending
        blocks = find_code_blocks(state)
        assert len(blocks) <= 1
        assert all(block.is_closed for block in blocks)


@given(st.lists(st.lists(st.text(alphabet="abc ", max_size=9), min_size=3, max_size=3), min_size=9, max_size=20))
@settings(max_examples=25, deadline=None)
def test_rows_seldom_move_while_a_table_grows(body: list[list[str]]) -> None:
    converter, given_so_far, seen = DiscordMarkdownConverter(), "", set[str]()
    for letter in format_table(["one", "two", "three"], body):
        given_so_far += converter.feed(letter)
        state = given_so_far + converter.pending
        if match := re.search(r"```\n(.*)\n─", state):
            seen.add(match[1])
    assert len(seen) <= 6


def test_columns_grow_with_later_rows_while_the_table_may_change() -> None:
    names = ["Al", "Bo", "Cy", "Di", "Ed", "Flo", "Christopher Robin"]
    shown = convert_markdown(format_table(["Name", "Team"], [[name, "Data"] for name in names]))
    assert "Christopher Robin     Data\n" in shown
    assert "Al                    Data\n" in shown


def test_column_widths_are_fixed_with_slack_once_rows_were_returned_and_wide_cells_wrap_between_words() -> None:
    converter = DiscordMarkdownConverter()
    shown = converter.feed("|a|b|\n|-|-|\n" + "|x|y|\n" * 40)
    assert shown + converter.feed("|so many longwords|漢字|\n") == (
        "```\na         b\n────────  ─\n" + "x         y\n" * 40 + "so many   漢字\nlongwords\n"
    )
    assert converter.feed("\n") == "```\n\n"


def test_a_table_becomes_a_list_early_or_never() -> None:
    rows = [["x", "y"], ["x", "y"], ["x", "y"], ["x " * 60, "y " * 60]]
    assert convert_markdown(format_table(["a", "b"], rows)).startswith("```\n")
    assert convert_markdown(format_table(["a", "b"], [*rows[2:], *rows[:2]])).startswith("- **a**: x")


def test_a_table_in_a_quote_stays_in_it() -> None:
    assert convert_markdown("> |a|b|\n> |-|-|\n> |1|2|\nx") == "> ```\n> a     b\n> ────  ─\n> 1     2\n> ```\nx"


@given(st.text(max_size=12))
@unhurried
def test_display_width_of_text_is_counted(text: str) -> None:
    assert display_width(text) == count_columns(text)


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
def test_table_row_is_split_into_cells(line: str, found: tuple[str, ...]) -> None:
    assert split_cells(line) == found


def test_table_header_is_recognised_again() -> None:
    begun = parse_table_header("| a | b |", "|---|---|")
    assert begun is not None
    block = begun.with_row("|1|2|")[1].finish().removeprefix("```\n")
    assert find_table_head(block) == "a     b\n────  ─\n"
    assert find_table_head("x = 1\ny = 2\n") == ""


def test_the_last_column_wraps_where_small_screens_would() -> None:
    shown = convert_markdown(
        format_table(["Name", "Meaning"], [["one", "some words that go on for quite a while, seventy in all"]])
    )
    assert shown == (
        "```\n"
        "Name  Meaning\n"
        "────  ──────────────────────────────────────────────────────\n"
        "one   some words that go on for quite a while, seventy in\n"
        "      all\n"
        "```\n"
    )
