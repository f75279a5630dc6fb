"""What one person is handed about an answer: its exact text, and its passages in full; nothing in them works."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.answers.excerpts import MESSAGE_LIMIT, copied, quoted
from bot.domain import Source
from bot.text.invisible import seen
from tests.fakes.answerer import HANDBOOK, TRAVEL

texts = st.text() | st.text("ab `\n[]*#😀", max_size=3_000)


def width(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def test_a_short_answer_is_copied_from_a_code_block() -> None:
    assert copied("Two **weeks** [1].").messages == ("```md\nTwo **weeks** [1].\n```",)


@pytest.mark.parametrize("text", ["```py\nprint()\n```", "word " * 500, "right\u202eleft", "bell\a"])
def test_what_a_code_block_would_change_is_copied_from_a_file(text: str) -> None:
    handout = copied(text)
    assert handout.file_name == "answer.md"
    assert handout.file.decode() == text


@given(texts)
def test_a_copy_is_exact_wherever_it_comes(text: str) -> None:
    handout = copied(text)
    (message,) = handout.messages
    assert width(message) <= MESSAGE_LIMIT
    if handout.file_name:
        assert handout.file == text.encode("utf-8", "replace")
    else:
        assert message == f"```md\n{text}\n```"


def test_passages_are_quoted_below_where_they_stand() -> None:
    (message,) = quoted([HANDBOOK, replace(TRAVEL, passage="Trains before planes.\n\nAlways.")]).messages
    assert message == (
        "**[1] Handbook › Refunds**\n> Refunds take 14 days.\n\n"
        "**[2] Travel, page 3**\n> Trains before planes.\n>\n> Always."
    )


def test_a_passage_of_source_code_is_quoted_below_its_line() -> None:
    (message,) = quoted([Source(1, "app.py", "app.py", "run()", line=12)]).messages
    assert message == "**[1] app.py, line 12**\n> run()"


def test_nothing_in_a_passage_works() -> None:
    passage = "# Big\n- item\n2. second\n-# small\n@everyone <@1> [x](https://evil.example) ||spoiler||\n```\ncode"
    (message,) = quoted([replace(HANDBOOK, passage=passage)]).messages
    assert not re.search(r"^> (#|-|\d+\.)", message, re.MULTILINE)
    assert not re.search(r"(?<!\\)(@|\]\(|://|`|\|\|)", message)
    assert "> 2\\. second" in message


def test_a_table_in_a_passage_is_an_aligned_block() -> None:
    passage = "Who approves\n\n| Amount | By |\n|---|---|\n| up to `50` € | Lotte |\n| more | the **board** |\nAlways."
    (message,) = quoted([replace(HANDBOOK, passage=passage)]).messages
    assert message == (
        "**[1] Handbook › Refunds**\n> Who approves\n>\n"
        "```\nAmount        By\n────────────  ─────────\nup to 50 €    Lotte\nmore          the board\n```\n> Always."
    )


def test_a_table_too_wide_for_a_block_is_a_line_for_each_row() -> None:
    passage = f"| What | Why |\n|---|---|\n| Hotels | {'long ' * 25}|\n| Lunch | |"
    (message,) = quoted([replace(HANDBOOK, passage=passage)]).messages
    assert message.splitlines()[1:] == [f"> What\\: Hotels · Why\\: {'long ' * 25}".rstrip(), "> What\\: Lunch · Why"]


@pytest.mark.parametrize("cell", ["```", "[x](https://evil.example)", "<@1> @everyone", "||s||", "\u202eleft"])
def test_nothing_in_a_table_works(cell: str) -> None:
    passage = f"| A | B |\n|---|---|\n| {cell} | b |\n| {'long words ' * 12} | {cell} |"
    for table in (passage, passage[: passage.rindex("\n")]):
        (message,) = quoted([replace(HANDBOOK, passage=table)]).messages
        prose = re.sub(r"^```\n.*?^```$", "", message, flags=re.DOTALL | re.MULTILINE)
        assert not re.search(r"(?<!\\)(@|\]\(|://|`|\|\|)", prose)
        assert "\u202e" not in message


def test_a_table_is_not_divided_where_a_message_ends() -> None:
    table = "| A | B |\n|---|---|\n" + "| some words | more words |\n" * 30
    sources = [Source(n, "a.md", "A", f"{'word ' * 200}\n\n{table}") for n in (1, 2)]
    for message in quoted(sources).messages:
        assert message.count("```") % 2 == 0


def test_without_passages_there_is_nothing_to_hand_out() -> None:
    assert not quoted([]).messages


def test_many_long_passages_are_a_file_beside_the_first_of_them() -> None:
    sources = [Source(n, f"{n}.md", f"Title {n}", f"Passage {n}. " + "word " * 300) for n in range(1, 9)]
    handout = quoted(sources)
    assert len(handout.messages) == 3
    assert "all 8 passages" in handout.messages[-1]
    assert handout.file_name == "sources.md"
    assert all(source.passage.strip() in handout.file.decode() for source in sources)


@given(st.lists(texts, max_size=6))
def test_messages_fit_and_no_word_of_a_passage_is_lost(passages: list[str]) -> None:
    handout = quoted([Source(n, "a.md", "A", passage) for n, passage in enumerate(passages, 1)])
    assert all(0 < width(message) <= MESSAGE_LIMIT for message in handout.messages)
    if not handout.file_name:
        shown = re.sub(r"\\(?=[^\w\s])", "", "\n".join(handout.messages))
        assert all(sign in shown for passage in passages for sign in passage if _is_seen(sign))


def _is_seen(sign: str) -> bool:
    return not sign.isspace() and unicodedata.category(sign) not in {"Cf", "Cs"} and sign != "\\" and seen(sign) != ""
