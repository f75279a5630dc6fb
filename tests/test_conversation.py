"""What was asked in a message, and what of a conversation is remembered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.answering import QUESTION_LIMIT, SHARED, Scope, Turn
from bot.conversation import Utterance, about, asked, estimated, narrowed, remembered, shortened, told

if TYPE_CHECKING:
    from collections.abc import Callable

BOT = frozenset({"<@1>", "<@!1>", "<@&9>"})


def said(speaker: str, text: str, *, is_answer: bool = False) -> Utterance:
    return Utterance(Turn(speaker, text, is_answer))


@pytest.mark.parametrize(
    ("content", "question"),
    [
        ("<@1> How long?", "How long?"),
        ("How long, <@1>", "How long,"),
        ("Hey <@1> how long?", "Hey how long?"),
        ("<@1>, how long?", "how long?"),
        ("<@!1>: how long?", "how long?"),
        ("<@1> <@1> how <@&9> long?", "how long?"),
        ("<@1>", ""),
        (" <@1>  <@!1> ", ""),
        ("<@1>\n```py\n    indented\n```", "```py\n    indented\n```"),
        ("line one <@1>\n<@1> line two", "line one\nline two"),
        ("why<@1>not", "why not"),
        ("<@12> is somebody else", "<@12> is somebody else"),
        ("{x} {{y}} \\1 \\g<0>", "{x} {{y}} \\1 \\g<0>"),
    ],
)
def test_the_question_is_the_message_without_the_bots_name(content: str, question: str) -> None:
    assert asked(content, BOT) == question


def test_other_marks_are_read_as_names() -> None:
    names = {"<@2>": "@Ben", "<#3>": "#general"}
    assert asked("<@1> does <@2> sign in <#3>?", BOT, names) == "does @Ben sign in #general?"


@given(
    st.lists(st.sampled_from(["<@1>", "<@!1>", "<@&9>", "<@", "1>", " ", "\n", "word", ",", "{", "\\"])).map("".join)
)
def test_no_mark_of_the_bot_is_left_and_no_word_is_lost(content: str) -> None:
    question = asked(content, BOT)
    assert not any(mark in question for mark in BOT)
    assert question == question.strip()
    without = content
    for mark in sorted(BOT):
        without = without.replace(mark, " ")
    assert question.replace(",", "").split() == without.replace(",", "").split()


@given(st.text())
def test_a_message_that_names_nobody_is_the_question_as_it_is(content: str) -> None:
    assert asked(content, frozenset()) == content.strip()


def test_a_question_about_a_message_quotes_it() -> None:
    assert about("whose?", "one\ntwo") == "whose?\n\n> one\n> two"


@given(st.text(max_size=QUESTION_LIMIT), st.text(max_size=5_000))
def test_a_quoted_message_never_crowds_out_the_question(question: str, quoted: str) -> None:
    whole = about(question, quoted)
    assert len(whole) <= QUESTION_LIMIT
    assert whole.startswith(question.strip())
    if not question.strip():
        assert quoted.strip().startswith(whole)


def test_the_newest_turns_are_kept_in_their_order() -> None:
    turns = [said("Ada", f"question {n}") for n in range(10)]
    kept = remembered(turns, room=3 * (len("question 0") + len("Ada") + 4), count=len)
    assert [turn.text for turn in kept] == ["question 7", "question 8", "question 9"]


def test_the_oldest_turn_kept_may_be_shortened() -> None:
    kept = remembered([said("Ada", "abcdefghij"), said("Ben", "short")], room=22, count=len)
    assert [turn.text for turn in kept] == ["abc", "short"]


@given(
    st.lists(st.builds(Turn, st.text(max_size=10), st.text(max_size=200), st.booleans()), max_size=8),
    st.integers(0, 400),
    st.sampled_from([len, estimated]),
)
def test_a_conversation_never_takes_more_room_than_it_has(
    turns: list[Turn], room: int, count: Callable[[str], int]
) -> None:
    kept = remembered(map(Utterance, turns), room=room, count=count)
    assert sum(count(turn.text) for turn in kept) <= room
    everything = [turn.text.strip() for turn in turns]
    assert [turn.text for turn in kept][1:] == everything[len(everything) - len(kept) + 1 :][: max(0, len(kept) - 1)]


def test_an_answer_that_did_not_come_to_its_end_is_left_out_but_not_what_was_asked() -> None:
    turns = [said("Ada", "Refunds?"), Utterance(Turn("Docent", "Refunds ta", is_answer=True), is_finished=False)]
    assert [turn.text for turn in remembered(turns)] == ["Refunds?"]


def test_what_was_said_in_private_stays_there() -> None:
    turns = [said("Ada", "Refunds?"), Utterance(Turn("Docent", "Secret.", is_answer=True), is_private=True)]
    assert [turn.text for turn in remembered(turns)] == ["Refunds?"]
    assert [turn.text for turn in remembered(turns, in_private=True)] == ["Refunds?", "Secret."]


def test_an_answer_drawn_from_more_than_may_be_told_now_is_left_out() -> None:
    paid = Utterance(Turn("Docent", "Ada earns 3,000.", is_answer=True), scope=Scope(frozenset({SHARED, "pay"})))
    turns = [said("Ada", "Who earns what?"), paid, said("Docent", "Read back.", is_answer=True)]
    assert [turn.text for turn in remembered(turns, Scope())] == ["Who earns what?", "Read back."]
    assert len(remembered(turns, Scope(frozenset({SHARED, "pay", "team"})))) == 3


collections = st.frozensets(st.sampled_from([SHARED, "board", "sales"]))


@given(collections, st.lists(st.none() | collections, max_size=4))
def test_a_follow_up_never_sees_more_than_its_asker_nor_than_any_answer_before(
    own: frozenset[str], before: list[frozenset[str] | None]
) -> None:
    turns = [Utterance(Turn("Docent", "x", is_answer=True), scope=None if b is None else Scope(b)) for b in before]
    scope = narrowed(Scope(own), turns).collections
    assert scope <= own
    assert all(scope <= b for b in before if b is not None)
    if all(b is None or b >= own for b in before):
        assert scope == own


@given(st.text(max_size=300), st.integers(0, 200))
def test_a_text_is_shortened_to_the_room_there_is(text: str, room: int) -> None:
    short = shortened(text, room, len)
    assert short == text[:room]


@pytest.mark.parametrize(
    ("content", "text", "is_finished"),
    [
        ("Two weeks [1].\n\n-# **Sources**\n-# [1] Handbook", "Two weeks [1].", True),
        ("Two we\n\n-# Interrupted. The connection was lost.\n\n-# **Sources**", "Two we", False),
        ("Two we\n\n-# Stopped by Ada.", "Two we", False),
        ("Two we ▌", "Two we ▌", False),
        ("-# Sources", "", False),
        ("Searching…", "Searching…", False),
        ("Reading Handbook …", "Reading Handbook …", False),
        ("You are 2nd in line… 4 s", "You are 2nd in line… 4 s", False),
    ],
)
def test_an_answer_read_back_tells_whether_it_came_to_its_end(content: str, text: str, *, is_finished: bool) -> None:
    assert told(content) == (text, is_finished)
