"""What was asked in a message, and what of a conversation is remembered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.answers.conversation import (
    HistoryMessage,
    add_quotation,
    disambiguate_speakers,
    estimate_tokens,
    extract_question,
    restrict_scope,
    trim_history,
    truncate_to_tokens,
    with_history,
)
from bot.domain import QUESTION_LIMIT, SHARED, Question, Scope, Turn

if TYPE_CHECKING:
    from collections.abc import Callable

BOT_MENTIONS = frozenset({"<@1>", "<@!1>", "<@&9>"})


def make_message(speaker: str, text: str, *, is_answer: bool = False) -> HistoryMessage:
    return HistoryMessage(Turn(speaker, text, is_answer), 0)


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
    assert extract_question(content, BOT_MENTIONS) == question


def test_mentions_of_others_are_read_as_names() -> None:
    names = {"<@2>": "@Ben", "<#3>": "#general"}
    assert extract_question("<@1> does <@2> sign in <#3>?", BOT_MENTIONS, names) == "does @Ben sign in #general?"


@given(
    st.lists(st.sampled_from(["<@1>", "<@!1>", "<@&9>", "<@", "1>", " ", "\n", "word", ",", "{", "\\"])).map("".join)
)
def test_bot_mention_is_stripped_and_no_word_is_lost(content: str) -> None:
    question = extract_question(content, BOT_MENTIONS)
    assert not any(mark in question for mark in BOT_MENTIONS)
    assert question == question.strip()
    without = content
    for mark in sorted(BOT_MENTIONS):
        without = without.replace(mark, " ")
    assert question.replace(",", "").split() == without.replace(",", "").split()


@given(st.text())
def test_a_message_that_names_nobody_is_the_question_as_it_is(content: str) -> None:
    assert extract_question(content, frozenset()) == content.strip()


def test_a_question_about_a_message_quotes_it() -> None:
    assert add_quotation("whose?", "one\ntwo") == "whose?\n\n> one\n> two"


@given(st.text(max_size=QUESTION_LIMIT), st.text(max_size=5_000))
def test_a_quoted_message_never_crowds_out_the_question(question: str, quoted: str) -> None:
    whole = add_quotation(question, quoted)
    assert len(whole) <= QUESTION_LIMIT
    assert whole.startswith(question.strip())
    if not question.strip():
        assert quoted.strip().startswith(whole)


def test_the_newest_turns_are_kept_in_their_order() -> None:
    turns = [make_message("Ada", f"question {n}") for n in range(10)]
    kept = trim_history(turns, max_tokens=3 * (len("question 0") + len("Ada") + 4), count_tokens=len)
    assert [turn.text for turn in kept] == ["question 7", "question 8", "question 9"]


def test_the_oldest_turn_kept_may_be_shortened() -> None:
    kept = trim_history(
        [make_message("Ada", "abcdefghij"), make_message("Ben", "short")], max_tokens=22, count_tokens=len
    )
    assert [turn.text for turn in kept] == ["abc", "short"]


@given(
    st.lists(st.builds(Turn, st.text(max_size=10), st.text(max_size=200), st.booleans()), max_size=8),
    st.integers(0, 400),
    st.sampled_from([len, estimate_tokens]),
)
def test_history_never_exceeds_its_limit(turns: list[Turn], room: int, count: Callable[[str], int]) -> None:
    kept = trim_history([HistoryMessage(turn, 0) for turn in turns], max_tokens=room, count_tokens=count)
    assert sum(count(turn.text) for turn in kept) <= room
    for number, (turn, whole) in enumerate(zip(kept, turns[len(turns) - len(kept) :], strict=True)):
        assert whole.text.strip().startswith(turn.text)
        is_cut = turn.text != whole.text.strip()
        assert not is_cut or number == 0 or (turn.is_answer and count(whole.text.strip()) > room // 2)


def test_a_long_answer_leaves_room_for_its_question() -> None:
    kept = trim_history([make_message("Ada", "Refunds?"), make_message("Docent", "word " * 9_000, is_answer=True)])
    assert kept[0] == Turn("Ada", "Refunds?")
    assert kept[1].text.startswith("word word")


def test_incomplete_answer_is_left_out_of_the_history_but_its_question_is_kept() -> None:
    turns = [
        make_message("Ada", "Refunds?"),
        HistoryMessage(Turn("Docent", "Refunds ta", is_answer=True), 0, is_finished=False),
    ]
    assert [turn.text for turn in trim_history(turns)] == ["Refunds?"]


people = st.tuples(st.integers(1, 4), st.sampled_from(["Ada", "Ada 2", "Docent"]))


@given(st.lists(people, max_size=8), people)
def test_each_person_has_one_name_and_no_two_have_the_same(
    spoken: list[tuple[int, str]], asker: tuple[int, str]
) -> None:
    heard, speaker = disambiguate_speakers(
        [HistoryMessage(Turn(name, "x"), who) for who, name in spoken], asker[1], asker[0]
    )
    names = {*((each.speaker_id, each.turn.speaker) for each in heard), (asker[0], speaker)}
    assert len({who for who, _ in names}) == len({name for _, name in names}) == len(names)


def test_the_first_of_a_name_keeps_it() -> None:
    heard, speaker = disambiguate_speakers(
        [HistoryMessage(Turn("Ada", "x"), 1), HistoryMessage(Turn("Ada", "x"), 2)], "Docent", 3
    )
    assert [each.turn.speaker for each in heard] == ["Ada", "Ada 2"]
    assert speaker == "Docent"


def test_question_with_a_disjoint_scope_has_no_history() -> None:
    said_before = [HistoryMessage(Turn("Docent", "x", is_answer=True), 1, scope=Scope(frozenset({"sales"})))]
    question = Question("and the pay?", "1", Scope(frozenset({"board"})))
    alone = with_history(question, said_before, question.scope, speaker="Ada", speaker_id=2)
    assert alone.conversation == ()
    assert alone.scope == question.scope


def test_answer_outside_the_current_scope_is_left_out_of_the_history() -> None:
    paid = HistoryMessage(
        Turn("Docent", "Ada earns 3,000.", is_answer=True), 1, scope=Scope(frozenset({SHARED, "pay"}))
    )
    turns = [make_message("Ada", "Who earns what?"), paid, make_message("Docent", "Read back.", is_answer=True)]
    assert [turn.text for turn in trim_history(turns, Scope())] == ["Who earns what?", "Read back."]
    assert len(trim_history(turns, Scope(frozenset({SHARED, "pay", "team"})))) == 3


collections = st.frozensets(st.sampled_from([SHARED, "board", "sales"]))


@given(collections, st.lists(st.none() | collections, max_size=4))
def test_a_follow_up_never_sees_more_than_its_asker_nor_than_any_answer_before(
    own: frozenset[str], before: list[frozenset[str] | None]
) -> None:
    turns = [
        HistoryMessage(Turn("Docent", "x", is_answer=True), 0, scope=None if b is None else Scope(b)) for b in before
    ]
    scope = restrict_scope(Scope(own), turns).collections
    assert scope <= own
    assert all(scope <= b for b in before if b is not None)
    if all(b is None or b >= own for b in before):
        assert scope == own


@given(st.text(max_size=300), st.integers(0, 200))
def test_a_text_is_shortened_to_the_room_there_is(text: str, room: int) -> None:
    short = truncate_to_tokens(text, room, len)
    assert short == text[:room]
