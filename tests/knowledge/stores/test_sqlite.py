"""What is SQLite's alone: the file, who may read it, its earlier versions, and how a question is put to FTS5."""

from __future__ import annotations

import sqlite3
import stat
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.errors import IndexMovedAside, StoreUnusable
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


def write_file(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)


@pytest.mark.parametrize("content", [b"this is not a database, but a text that is long enough", b"\x00" * 4096])
async def test_a_damaged_file_is_moved_aside_and_a_new_index_created(
    path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    write_file(path, content)
    store = fill_store(SqliteStore(path), make_node("Refunds take thirty days."))
    assert await find_texts_by_keywords(store, "refund") == ["Refunds take thirty days."]
    (aside,) = path.parent.glob("index.sqlite.damaged-*")
    assert aside.read_bytes() == content
    assert f"index.sqlite is damaged: moved to {aside.name}" in caplog.text
    store.close()


async def test_an_index_damaged_while_it_is_open_is_rebuilt_and_its_vectors_are_used_again(path: Path) -> None:
    store = fill_store(SqliteStore(path, "model"), make_node("Refunds take thirty days."), vectors=[[1, 0]])
    (passage,) = [name for name, _ in store.vectors()]
    store.close()
    store = SqliteStore(path, "model")
    with closing(sqlite3.connect(path)) as connection:
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'nodes'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\xff" * size)
    with pytest.raises(IndexMovedAside, match="moved aside, and is rebuilt"):
        list(store.nodes())
    assert (store.manifest(), store.missing_vectors({passage, "another"})) == ({}, {"another"})
    assert len(list(path.parent.glob("index.sqlite.damaged-*[0-9]"))) == 1
    fill_store(store, make_node("Refunds take thirty days."))
    assert await find_texts_by_vector(store, [1, 0]) == ["Refunds take thirty days."]
    store.close()


@pytest.mark.parametrize("is_restored", [True, False])
async def test_an_index_that_was_deleted_or_restored_is_opened_anew_without_a_restart(
    path: Path, *, is_restored: bool
) -> None:
    other = path.parent / "other.sqlite"
    fill_store(SqliteStore(other), make_node("Leave is thirty days.")).close()
    store = fill_store(SqliteStore(path), make_node("Refunds take thirty days."))
    assert await find_texts_by_keywords(store, "days") == ["Refunds take thirty days."]
    for suffix in ("-wal", "-shm", ""):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    if is_restored:
        other.rename(path)
    assert await find_texts_by_keywords(store, "days") == (["Leave is thirty days."] if is_restored else [])
    store.close()


def test_a_state_folder_that_came_back_is_used_without_a_restart(path: Path) -> None:
    store = fill_store(SqliteStore(path), make_node("Refunds take thirty days."))
    gone = path.parent.rename(path.parent.with_name("gone"))
    path.parent.write_text("a file where the folder should be")
    with pytest.raises(StoreUnusable, match="nothing needs to be restarted") as failure:
        store.manifest()
    assert str(path.parent) not in failure.value.user_message
    path.parent.unlink()
    gone.rename(path.parent)
    assert store.counts().nodes == 1
    store.close()


def test_a_connection_that_is_in_use_while_the_store_is_closed_is_closed_afterwards(path: Path) -> None:
    store = SqliteStore(path)
    fill_store(store, make_node("One."), make_node("Two."))
    with store._read_transaction() as connection:
        store.close()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")


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
