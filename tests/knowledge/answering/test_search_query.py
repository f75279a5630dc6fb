from __future__ import annotations

import pytest

from bot.domain import Attachment
from bot.knowledge.answering.search_query import EXCERPT_CHARS, build_search_query

LEASE = Attachment("lease.pdf", "Lease of the cellar. " + "The tenant keeps bicycles there. " * 100)


@pytest.mark.parametrize(
    "text",
    [
        "Summarise this",
        "Is this contract in line with our holiday rules and our notice period?",
        "What does the attached lease say about bicycles in our cellar?",
        "Correct?",
        "Passt das zu unserem Vertrag?",
        "Entspricht die Datei im Anhang unseren Regeln für Reisekosten und Hotels?",
        "Соответствует ли этот файл нашим правилам поездок?",
        "这符合规定吗",
    ],
)
def test_question_that_refers_to_its_file_is_searched_with_the_files_beginning(text: str) -> None:
    assert build_search_query(text, [LEASE]).startswith(f"{text}\nLease of the cellar. The tenant keeps bicycles")
    assert len(build_search_query(text, [LEASE])) <= len(text) + 1 + EXCERPT_CHARS


@pytest.mark.parametrize(
    "text",
    [
        "How many days of paid holiday do we have a year?",
        "Wie lange dauert eine Erstattung bei Reisekosten im Ausland?",
    ],
)
def test_question_that_names_its_subject_is_searched_by_itself(text: str) -> None:
    assert build_search_query(text, [LEASE]) == text


def test_search_text_without_files_is_unchanged_and_each_file_adds_a_little() -> None:
    assert build_search_query("Summarise this", []) == "Summarise this"
    assert len(build_search_query("Summarise this", [LEASE] * 8)) < EXCERPT_CHARS + 50
