from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain import AnswerStatus, Question, Scope
from bot.knowledge import KnowledgeBase
from bot.knowledge.answering.vocabulary import find_telling_words, generate_edits, is_ordinary_word

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "documents"
    (folder / "@secret").mkdir(parents=True)
    (folder / "index.md").write_text("# Index\n\nThe configuration of the index is kept in one file.\n")
    (folder / "@secret" / "plans.md").write_text("# Plans\n\nWe shall move the index to pgvector in autumn.\n")
    return folder


async def ask(root: Path, tmp_path: Path, text: str, scope: Scope | None = None) -> tuple[str, str, AnswerStatus]:
    """Return what is shown, the notice and the status."""
    base = KnowledgeBase.open(root, tmp_path / "state", None, None)
    await base.reindex()
    answer = await base.answer(Question(text, "1", scope=scope or Scope()))
    shown = "".join([delta async for delta in answer.deltas()])
    await base.close()
    return shown, answer.notice, answer.status


async def test_a_telling_word_that_no_document_holds_is_named_before_the_quotes(root: Path, tmp_path: Path) -> None:
    shown, _, status = await ask(root, tmp_path, "Where is the configuration of the pgvector index kept?")
    assert shown.index("No document mentions *pgvector*. Nearest:") < shown.index("kept in one file")
    assert status is AnswerStatus.NOT_FOUND


async def test_a_word_is_missing_that_stands_only_where_the_asker_may_not_look(root: Path, tmp_path: Path) -> None:
    question = "When do we move the index to pgvector?"
    hidden, _, _ = await ask(root, tmp_path, question)
    visible, _, status = await ask(root, tmp_path, question, Scope(frozenset({"", "secret"})))
    assert "No document mentions *pgvector*" in hidden
    assert "No document mentions" not in visible
    assert status is AnswerStatus.COMPLETE


async def test_a_misspelt_word_is_searched_as_the_nearest_and_that_is_said(root: Path, tmp_path: Path) -> None:
    shown, notice, status = await ask(root, tmp_path, "Where is the configuraton kept?")
    assert "The configuration of the index is kept in one file." in shown
    assert notice == "Searched for *configuration*."
    assert status is AnswerStatus.COMPLETE


async def test_a_name_that_is_near_another_word_is_missing_not_misspelt(root: Path, tmp_path: Path) -> None:
    shown, notice, _ = await ask(root, tmp_path, "Is the index of IndexKept by Ondex kept in one file?")
    assert "No document mentions *IndexKept* or *Ondex*. Nearest:" in shown
    assert notice == ""


async def test_other_forms_and_everyday_words_are_not_missing(root: Path, tmp_path: Path) -> None:
    shown, notice, status = await ask(root, tmp_path, "My colleague asks where configurations of an index are kept?")
    assert "No document mentions" not in shown
    assert (notice, status) == ("", AnswerStatus.COMPLETE)


@pytest.mark.parametrize(
    ("question", "telling"),
    [
        ("How do I send it to Amazon S3?", ["Amazon", "S3"]),
        ("We used restic until now. How do I move?", ["restic"]),
        ("Does my laptop freeze overnight?", []),
        ("Debian is what? It is 70 MB.", ["MB"]),
        ("Wo liegt der Schlüssel von BorgBase im Schrank?", ["BorgBase"]),
        ("Где лежит ключ от BorgBase?", []),
    ],
)
def test_names_and_rare_words_are_telling(question: str, telling: list[str]) -> None:
    assert find_telling_words(question) == telling


@pytest.mark.parametrize("word", ["laptop", "colleagues", "dashboards", "freezes", "stopped", "Making"])
def test_everyday_words_are_ordinary_in_each_form(word: str) -> None:
    assert is_ordinary_word(word)


@pytest.mark.parametrize("word", ["woken", "rewritten", "mistyped", "unplugged", "overheated", "quickest", "loosely"])
def test_derived_words_are_as_ordinary_as_what_they_are_derived_from(word: str) -> None:
    assert is_ordinary_word(word)


@pytest.mark.parametrize("word", ["restic", "pgvector", "okta", "RFID", "roundcube", "unrar", "minio"])
def test_names_of_things_are_not_ordinary(word: str) -> None:
    assert not is_ordinary_word(word)


@given(st.text("abcdefghij", min_size=5, max_size=12), st.data())
def test_one_slip_is_undone_by_one_edit(word: str, data: st.DataObject) -> None:
    slip = data.draw(st.sampled_from(sorted(generate_edits(word))))
    assert word in generate_edits(slip)
