"""What is SQLite's alone: the file, who may read it, its earlier versions, and how a question is put to FTS5."""

from __future__ import annotations

import sqlite3
import stat
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.errors import StoreUnusable
from bot.knowledge.stores import open_store
from bot.knowledge.stores.sqlite import SqliteStore, build_keyword_query
from bot.knowledge.stores.store import TERM_LIMIT
from tests.fakes.passages import fill_store, find_texts_by_keywords, find_texts_by_vector, make_node, search_by_keywords

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "index.sqlite"


def test_a_path_is_opened_as_a_file_that_only_its_owner_can_read(path: Path) -> None:
    open_store(path, "model").close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("question", "query"),
    [
        ("What is the refund period?", '"refund" OR "period"'),
        ("who are you", '"who" OR "are" OR "you"'),
        ("a AND NOT b* NEAR(c) -d title:e", '"b" OR "near" OR "c" OR "title" OR "e"'),
        ('"quoted" ""', '"quoted"'),
        ("?!", ""),
    ],
)
def test_question_is_reduced_to_its_content_words(question: str, query: str) -> None:
    assert build_keyword_query(question) == query


def test_a_question_of_many_words_is_searched_by_the_first() -> None:
    assert build_keyword_query(" ".join(f"word{n}" for n in range(500))).count(" OR ") == TERM_LIMIT - 1


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.text(max_size=300), st.text('"*():^-+ANDORNOT aé漢.\x00\ud800', max_size=60)))
async def test_any_question_can_be_searched_without_an_error(path: Path, question: str) -> None:
    store = fill_store(SqliteStore(path), make_node("refund a é 漢"))
    hits = await search_by_keywords(store, question, top_k=3)
    assert all((hit.score or 0) > 0 for hit in hits)
    store.close()


@pytest.mark.parametrize("content", [b"this is not a database, but a text that is long enough", b"\x00" * 4096])
def test_a_damaged_file_is_named_with_what_to_do(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(StoreUnusable, match=r"index\.sqlite .*move it away and run reindex"):
        SqliteStore(path)


def test_an_index_of_a_later_version_is_named_with_what_to_do(path: Path) -> None:
    SqliteStore(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreUnusable, match="another version"):
        SqliteStore(path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    with pytest.raises(StoreUnusable, match="may write to it"):
        SqliteStore(tmp_path / "state" / "index.sqlite")


async def test_changed_analyzer_version_rebuilds_the_keyword_index(path: Path) -> None:
    fill_store(SqliteStore(path, "model"), make_node("Refunds take thirty days."), vectors=[[1, 0]]).close()
    connection = sqlite3.connect(path)
    connection.execute("UPDATE generation SET segmentation = 'some earlier way'")
    connection.execute("DELETE FROM words")
    connection.commit()
    connection.close()
    store = SqliteStore(path, "model")
    assert (
        await find_texts_by_keywords(store, "refund")
        == await find_texts_by_vector(store, [1, 0])
        == ["Refunds take thirty days."]
    )
