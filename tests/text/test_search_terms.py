"""The words a text is searched by: the same cut for passages and questions, whatever the script."""

from __future__ import annotations

import re
import sqlite3
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.text.search_terms import (
    COMBINING_MARKS,
    extract_query_terms,
    extract_stems,
    find_contained_stems,
    guess_language,
    index_text,
)

CHARACTERS = "aBz9_-é ßЯй\u0301黑豹队のがカー・한국ประเทศไทย฿हिन्दी\u200b?.\n"
any_script = st.text(st.sampled_from(CHARACTERS) | st.characters(codec=None), max_size=60)


def is_found(question: str, passage: str) -> bool:
    """Whether FTS5 finds the passage by the question's words."""
    words = extract_query_terms(question)
    with sqlite3.connect(":memory:") as memory:
        memory.execute("CREATE VIRTUAL TABLE words USING fts5 (text, tokenize='porter unicode61')")
        memory.execute("INSERT INTO words VALUES (?)", (index_text(passage).encode("utf-8", "replace").decode(),))
        wanted = " OR ".join(f'"{word}"' for word in words)
        return bool(words and memory.execute("SELECT 1 FROM words WHERE words MATCH ?", (wanted,)).fetchall())


def test_stop_words_are_dropped_in_the_language_of_the_question() -> None:
    assert extract_query_terms("How long do refunds take?") == ["long", "refunds", "take"]
    assert extract_query_terms("Wie lange dauert die Erstattung?") == ["lange", "dauert", "erstattung"]
    assert extract_query_terms("When does a die wear out in the press?") == ["die", "wear", "press"]
    assert extract_query_terms("Où est la clé du garage ?") == ["clé", "garage"]


def test_question_of_stop_words_only_is_searched_unchanged() -> None:
    assert extract_query_terms("Who are you?") == ["who", "are", "you"]
    assert extract_query_terms("?!") == []


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
    assert set(extract_query_terms(text)) <= set(index_text(text).split())


@given(any_script)
def test_query_terms_are_unique_words_without_query_syntax(text: str) -> None:
    words = extract_query_terms(text)
    assert len(set(words)) == len(words)
    assert all(re.fullmatch(r"\w+", word) for word in words)


@given(st.lists(st.sampled_from("黑豹队防守丢分"), min_size=2, max_size=30).map("".join))
def test_text_without_spaces_is_searched_as_bigrams_and_indexed_with_unigrams(run: str) -> None:
    assert all(len(word) == 2 and word in run for word in extract_query_terms(run))
    assert set(index_text(run).split()) == set(extract_query_terms(run)) | set(run)


def test_stems_match_plurals_and_other_endings() -> None:
    assert extract_stems("Fridays refunded deploying policies") == extract_stems("friday refund deploy policy")


@given(any_script, any_script)
def test_contained_stems_finds_every_stem_of_the_text(wanted: str, text: str) -> None:
    asked = set(extract_stems(wanted)) | set(extract_stems(text))
    assert find_contained_stems(asked, text) >= asked & set(extract_stems(text))


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
def test_contained_stems_matches_whole_words_only(wanted: str, text: str, is_held: bool) -> None:
    assert find_contained_stems(extract_stems(wanted), text) == (set(extract_stems(wanted)) if is_held else set())


def test_all_unicode_combining_marks_are_matched() -> None:
    marks = filter(lambda sign: unicodedata.category(sign).startswith("M"), map(chr, range(sys.maxunicode + 1)))
    assert all(map(COMBINING_MARKS.match, marks))


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
def test_language_is_detected_by_stop_words_and_script(text: str, expected: str) -> None:
    assert guess_language(text) == expected
