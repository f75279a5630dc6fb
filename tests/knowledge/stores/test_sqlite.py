"""What is SQLite's alone: the file, who may read it, its earlier versions, and how a question is put to FTS5."""

from __future__ import annotations

import logging
import sqlite3
import stat
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.errors import StoreUnusable
from bot.knowledge.splitting.splitter import hash_passage
from bot.knowledge.stores import open_store
from bot.knowledge.stores.sqlite import SqliteStore, build_keyword_query
from bot.knowledge.stores.store import TERM_LIMIT, Counts, Generation
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


FIRST_VERSION = """
CREATE TABLE generation (number INTEGER NOT NULL);
INSERT INTO generation SELECT 7;
CREATE TABLE documents (id TEXT PRIMARY KEY, hash TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO documents VALUES ('a.md', 'hash');
CREATE TABLE nodes (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, document TEXT NOT NULL, collection TEXT NOT NULL,
    passage TEXT NOT NULL, title TEXT NOT NULL, section TEXT NOT NULL, text TEXT NOT NULL, others TEXT NOT NULL
);
CREATE INDEX nodes_by_document ON nodes (document);
CREATE INDEX nodes_by_passage ON nodes (passage, collection);
CREATE TABLE vectors (passage TEXT NOT NULL, model TEXT NOT NULL, vector BLOB NOT NULL, PRIMARY KEY (passage, model));
CREATE VIRTUAL TABLE words USING fts5 (
    title, section, text, content='nodes', content_rowid='number', tokenize='porter unicode61'
);
CREATE TRIGGER words_of_new_nodes AFTER INSERT ON nodes BEGIN
    INSERT INTO words (rowid, title, section, text) VALUES (new.number, new.title, new.section, new.text);
END;
CREATE TRIGGER words_of_old_nodes AFTER DELETE ON nodes BEGIN
    INSERT INTO words (words, rowid, title, section, text)
    VALUES ('delete', old.number, old.title, old.section, old.text);
END;
PRAGMA user_version = 1;
PRAGMA journal_mode = WAL;
"""


def create_first_version(path: Path) -> None:
    path.parent.mkdir()
    connection = sqlite3.connect(path)
    connection.executescript(FIRST_VERSION)
    passages = [make_node("Refunds take thirty days."), make_node("我们的退款期限是三十天。")]
    for place, each in enumerate(passages):
        row = (each.node_id, "a.md", "", hash_passage(each), "T", "", each.text, '{"position": 0}')
        connection.execute(
            "INSERT INTO nodes (id, document, collection, passage, title, section, text, others) VALUES"
            " (?, ?, ?, ?, ?, ?, ?, ?)",
            row,
        )
        vector = b"\x00\x00\x80\x3f\x00\x00\x00\x00" if place == 0 else b"\x00\x00\x00\x00\x00\x00\x80\x3f"
        connection.execute("INSERT INTO vectors VALUES (?, 'model', ?)", (hash_passage(each), vector))
    connection.commit()
    connection.close()


async def test_index_of_the_first_version_is_migrated_and_keeps_its_vectors(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    create_first_version(path)
    caplog.set_level(logging.INFO, logger="bot")
    store = SqliteStore(path, "model")
    assert "the words of its 2 passages are indexed anew; its vectors stay" in caplog.text
    assert store.generation() == Generation(7, "model", 2)
    assert store.counts() == Counts(1, 2, 2)
    assert await find_texts_by_keywords(store, "退款") == ["我们的退款期限是三十天。"]
    assert (await find_texts_by_vector(store, [1, 0]))[0] == "Refunds take thirty days."
    store.replace({"a.md": "2"}, [make_node("Refunds take ten days.")])
    assert await find_texts_by_keywords(store, "refund") == ["Refunds take ten days."]
    caplog.clear()
    SqliteStore(path, "model").close()
    assert caplog.text == ""


async def test_an_index_of_the_second_version_is_read_on_and_knows_its_age_from_the_next_generation(path: Path) -> None:
    fill_store(SqliteStore(path, "model"), make_node("Refunds take thirty days."), vectors=[[1, 0]]).close()
    connection = sqlite3.connect(path)
    connection.execute("ALTER TABLE generation DROP COLUMN built")
    connection.execute("PRAGMA user_version = 2")
    connection.commit()
    connection.close()
    store = SqliteStore(path, "model")
    assert store.generation() == Generation(1, "model", 2)
    assert (
        await find_texts_by_keywords(store, "refund")
        == await find_texts_by_vector(store, [1, 0])
        == ["Refunds take thirty days."]
    )
    store.replace({}, [])
    assert store.generation().built is not None


def test_an_index_of_the_first_version_without_a_vector_is_brought_up_to_date(path: Path) -> None:
    create_first_version(path)
    connection = sqlite3.connect(path)
    connection.execute("DELETE FROM vectors")
    connection.commit()
    connection.close()
    assert SqliteStore(path).generation() == Generation(7, "none", 0)


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
