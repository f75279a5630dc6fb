"""What one person is handed about an answer: its exact text, and its passages in full; nothing in them works."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.answers.excerpts import MESSAGE_LIMIT, copy_text, format_sources
from bot.domain import Source
from bot.text.invisible import strip_invisible
from bot.text.wording import utf16_length
from tests.fakes.answerer import HANDBOOK, TRAVEL

texts = st.text() | st.text("ab `\n[]*#😀", max_size=3_000)


def test_copy_of_a_short_answer_is_a_code_block() -> None:
    assert copy_text("Two **weeks** [1].").messages == ("```md\nTwo **weeks** [1].\n```",)


@pytest.mark.parametrize("text", ["```py\nprint()\n```", "word " * 500, "right\u202eleft", "bell\a"])
def test_copy_that_a_code_block_would_change_is_a_file(text: str) -> None:
    handout = copy_text(text)
    assert handout.file_name == "answer.md"
    assert handout.file.decode() == text


@given(texts)
def test_copy_is_the_exact_text_in_either_form(text: str) -> None:
    handout = copy_text(text)
    (message,) = handout.messages
    assert utf16_length(message) <= MESSAGE_LIMIT
    if handout.file_name:
        assert handout.file == text.encode("utf-8", "replace")
    else:
        assert message == f"```md\n{text}\n```"


def test_passages_are_quoted_below_their_location() -> None:
    (message,) = format_sources([HANDBOOK, replace(TRAVEL, passage="Trains before planes.\n\nAlways.")]).messages
    assert message == (
        "**[1] Handbook › Refunds**\n> Refunds take 14 days.\n\n"
        "**[2] Travel, page 3**\n> Trains before planes.\n>\n> Always."
    )


def test_a_passage_of_source_code_is_quoted_below_its_line() -> None:
    (message,) = format_sources([Source(1, "app.py", "app.py", "run()", line=12)]).messages
    assert message == "**[1] app.py, line 12**\n> run()"


def test_markdown_in_a_quoted_passage_is_inert() -> None:
    passage = "# Big\n- item\n2. second\n-# small\n@everyone <@1> [x](https://evil.example) ||spoiler||\n```\ncode"
    (message,) = format_sources([replace(HANDBOOK, passage=passage)]).messages
    assert not re.search(r"^> (#|-|\d+\.)", message, re.MULTILINE)
    assert not re.search(r"(?<!\\)(@|\]\(|://|`|\|\|)", message)
    assert "> 2\\. second" in message


def test_a_table_in_a_passage_is_an_aligned_block() -> None:
    passage = "Who approves\n\n| Amount | By |\n|---|---|\n| up to `50` € | Lotte |\n| more | the **board** |\nAlways."
    (message,) = format_sources([replace(HANDBOOK, passage=passage)]).messages
    assert message == (
        "**[1] Handbook › Refunds**\n> Who approves\n>\n"
        "```\nAmount        By\n────────────  ─────────\nup to 50 €    Lotte\nmore          the board\n```\n> Always."
    )


def test_a_table_too_wide_for_a_block_is_a_line_for_each_row() -> None:
    passage = f"| What | Why |\n|---|---|\n| Hotels | {'long ' * 25}|\n| Lunch | |"
    (message,) = format_sources([replace(HANDBOOK, passage=passage)]).messages
    assert message.splitlines()[1:] == [f"> What\\: Hotels · Why\\: {'long ' * 25}".rstrip(), "> What\\: Lunch · Why"]


@pytest.mark.parametrize("cell", ["```", "[x](https://evil.example)", "<@1> @everyone", "||s||", "\u202eleft"])
def test_markdown_in_a_quoted_table_is_inert(cell: str) -> None:
    passage = f"| A | B |\n|---|---|\n| {cell} | b |\n| {'long words ' * 12} | {cell} |"
    for table in (passage, passage[: passage.rindex("\n")]):
        (message,) = format_sources([replace(HANDBOOK, passage=table)]).messages
        prose = re.sub(r"^```\n.*?^```$", "", message, flags=re.DOTALL | re.MULTILINE)
        assert not re.search(r"(?<!\\)(@|\]\(|://|`|\|\|)", prose)
        assert "\u202e" not in message


def test_a_table_is_not_divided_where_a_message_ends() -> None:
    table = "| A | B |\n|---|---|\n" + "| some words | more words |\n" * 30
    sources = [Source(n, "a.md", "A", f"{'word ' * 200}\n\n{table}") for n in (1, 2)]
    for message in format_sources(sources).messages:
        assert message.count("```") % 2 == 0


def test_sources_without_passages_have_no_content() -> None:
    assert not format_sources([]).messages


def test_many_long_passages_are_a_file_beside_the_first_of_them() -> None:
    sources = [Source(n, f"{n}.md", f"Title {n}", f"Passage {n}. " + "word " * 300) for n in range(1, 9)]
    handout = format_sources(sources)
    assert len(handout.messages) == 3
    assert "all 8 passages" in handout.messages[-1]
    assert handout.file_name == "sources.md"
    assert all(source.passage.strip() in handout.file.decode() for source in sources)


@given(st.lists(texts, max_size=6))
def test_messages_fit_and_no_word_of_a_passage_is_lost(passages: list[str]) -> None:
    handout = format_sources([Source(n, "a.md", "A", passage) for n, passage in enumerate(passages, 1)])
    assert all(0 < utf16_length(message) <= MESSAGE_LIMIT for message in handout.messages)
    if not handout.file_name:
        shown = re.sub(r"\\(?=[^\w\s])", "", "\n".join(handout.messages))
        assert all(sign in shown for passage in passages for sign in passage if _is_visible(sign))


def _is_visible(character: str) -> bool:
    return (
        not character.isspace()
        and unicodedata.category(character) not in {"Cf", "Cs"}
        and character != "\\"
        and strip_invisible(character) != ""
    )
