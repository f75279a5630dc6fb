"""The words a text is searched by: the same cut for passages and questions, whatever the script."""

from __future__ import annotations

import re
import sqlite3
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.text.search_terms import MARKED, held, indexed, language, stems, terms

SIGNS = "aBz9_-é ßЯй\u0301黑豹队のがカー・한국ประเทศไทย฿हिन्दी\u200b?.\n"
any_script = st.text(st.sampled_from(SIGNS) | st.characters(codec=None), max_size=60)


def is_found(question: str, passage: str) -> bool:
    """Whether FTS5 finds the passage by the question's words."""
    words = terms(question)
    with sqlite3.connect(":memory:") as memory:
        memory.execute("CREATE VIRTUAL TABLE words USING fts5 (text, tokenize='porter unicode61')")
        memory.execute("INSERT INTO words VALUES (?)", (indexed(passage).encode("utf-8", "replace").decode(),))
        wanted = " OR ".join(f'"{word}"' for word in words)
        return bool(words and memory.execute("SELECT 1 FROM words WHERE words MATCH ?", (wanted,)).fetchall())


def test_words_that_say_nothing_are_left_out_in_the_language_of_the_question() -> None:
    assert terms("How long do refunds take?") == ["long", "refunds", "take"]
    assert terms("Wie lange dauert die Erstattung?") == ["lange", "dauert", "erstattung"]
    assert terms("When does a die wear out in the press?") == ["die", "wear", "press"]
    assert terms("Où est la clé du garage ?") == ["clé", "garage"]


def test_a_question_made_of_nothing_else_is_searched_for_as_it_is() -> None:
    assert terms("Who are you?") == ["who", "are", "you"]
    assert terms("?!") == []


@pytest.mark.parametrize(
    ("question", "passage"),
    [
        ("黑豹队的防守", "去年黑豹队的防守只丢了308分。"),
        ("水", "自来水很干净"),
        ("東京の天気", "今日は東京で雨です。"),
        ("ประเทศไทย", "กรุงเทพเป็นเมืองหลวงของประเทศไทย"),
        ("서울에서", "수도는 서울이다"),
        ("हिन्दी", "यह हिन्दी है"),
        ("Какого цвета чайник?", "Два чайника стоят на кухне."),
        ("STRASSE", "Die Straße ist lang."),
        ("cafe", "Das Café hat zu."),
        ("full width", "\uff26\uff35\uff2c\uff2c width"),
        ("user name", "def getUserName(self): ..."),
        ("getUserName", "call getUserName() here"),
        ("retry_after", "the header retry-after"),
        ("http server", "class HTTPServer: ..."),
        ("refunds", "A refund is paid."),
    ],
)
def test_a_question_finds_what_is_written_in_another_form(question: str, passage: str) -> None:
    assert is_found(question, passage)


@pytest.mark.parametrize(
    ("question", "passage"), [("豹", "黑色的车"), ("北京", "京北路"), ("name", "surname"), ("the", "rabbit")]
)
def test_a_question_does_not_find_what_merely_looks_alike(question: str, passage: str) -> None:
    assert not is_found(question, passage)


@given(any_script)
def test_every_text_is_found_by_itself(text: str) -> None:
    assert set(terms(text)) <= set(indexed(text).split())


@given(any_script)
def test_terms_are_words_each_once_that_no_query_syntax_can_slip_through(text: str) -> None:
    words = terms(text)
    assert len(set(words)) == len(words)
    assert all(re.fullmatch(r"\w+", word) for word in words)


@given(st.lists(st.sampled_from("黑豹队防守丢分"), min_size=2, max_size=30).map("".join))
def test_a_run_without_spaces_is_asked_for_in_pairs_and_stored_in_pairs_and_single_characters(run: str) -> None:
    assert all(len(word) == 2 and word in run for word in terms(run))
    assert set(indexed(run).split()) == set(terms(run)) | set(run)


def test_words_meet_their_plurals_and_other_endings() -> None:
    assert stems("Fridays refunded deploying policies") == stems("friday refund deploy policy")


@given(any_script, any_script)
def test_what_is_looked_for_in_a_text_is_found_where_its_stems_hold_it(wanted: str, text: str) -> None:
    asked = set(stems(wanted)) | set(stems(text))
    assert held(asked, text) >= asked & set(stems(text))


@pytest.mark.parametrize(
    ("wanted", "text", "is_held"),
    [
        ("refunds", "We are refunding.", True),
        ("refund", "prerefund", False),
        ("refund", "refundable", False),
        ("name", "Call getUserName first.", True),
        ("getUserName", "Call getUserName first.", True),
        ("user", "superuser", False),
        ("возврата", "Срок возвратов", True),
        ("退款", "我们的退款期限", True),
        ("退款", "我们的退货付款", False),
        ("2024", "in 2024.", True),
        ("204", "in 2024.", False),
    ],
)
def test_a_text_holds_words_and_not_parts_of_words(wanted: str, text: str, is_held: bool) -> None:
    assert held(stems(wanted), text) == (set(stems(wanted)) if is_held else set())


def test_no_mark_is_overlooked() -> None:
    marks = filter(lambda sign: unicodedata.category(sign).startswith("M"), map(chr, range(sys.maxunicode + 1)))
    assert all(map(MARKED.match, marks))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("How long do refunds take?", "en"),
        ("refund policy", "en"),
        ("Wie lange dauert eine Erstattung?", "de"),
        ("¿Cuánto tarda un reembolso?", "es"),
        ("Combien de temps prend un remboursement ?", "fr"),
        ("Сколько времени занимает возврат?", ""),
        ("退款需要多长时间", ""),
        ("BSkyB和Openreach在哪年成立", ""),
        ("What does 退款 mean in our handbook?", "en"),
        ("", "en"),
    ],
)
def test_a_language_is_told_by_its_small_words_and_its_script(text: str, expected: str) -> None:
    assert language(text) == expected
