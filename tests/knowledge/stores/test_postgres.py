"""What is PostgreSQL's alone: ranks near FTS5's, an index over many vectors, and words for what a server refuses."""

from __future__ import annotations

import random
import socket
from typing import TYPE_CHECKING

import numpy as np
import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from bot.errors import StoreUnusable
from bot.knowledge.splitting.splitter import hash_passage
from bot.knowledge.stores import open_store
from bot.knowledge.stores.sqlite import SqliteStore
from tests.fakes.passages import (
    fill_store,
    find_texts_by_keywords,
    find_texts_by_vector,
    make_node,
    search_by_keywords,
    search_by_vector,
)

for driver in ("asyncpg", "pgvector"):
    pytest.importorskip(driver, reason="the group `server` is not installed")
from bot.knowledge.stores import postgres  # noqa: E402  # not there without the drivers

if TYPE_CHECKING:
    from pathlib import Path

    from tests.knowledge.stores.conftest import IndexLocation


async def test_scores_are_those_of_fts5(database: IndexLocation, tmp_path: Path) -> None:
    chance = random.Random(7)  # noqa: S311 - any texts will do
    words = [f"{stem}{end}" for stem in ("refund", "ship", "custom", "hold", "ren") for end in ("", "s", "ing", "ed")]
    words += ["Straße", "naïve", "退款政策", "getUserName", "v2", "日本"]
    nodes = [
        make_node(
            " ".join(chance.choices(words, k=chance.randint(3, 60))),
            f"{n}.md",
            title=chance.choice(words),
            section=chance.choice(words),
        )
        for n in range(120)
    ]
    ours = fill_store(database.open(), *nodes)
    fts5 = fill_store(SqliteStore(tmp_path / "index.sqlite"), *nodes)
    for question in ("refunds shipping", "naive strasse", "退款", "user name v2", "renting customs held"):
        expected = await search_by_keywords(fts5, question, top_k=200)
        found = await search_by_keywords(ours, question, top_k=200)
        scores = {hit.node.node_id: hit.score for hit in found}
        assert scores == pytest.approx({hit.node.node_id: hit.score for hit in expected}, rel=1e-4)
    fts5.close()


def query_database(store: object, statement: str) -> list[tuple[object, ...]]:
    assert isinstance(store, postgres.PostgresStore)
    return [tuple(row) for row in store._fetch_rows(text(statement))]


@pytest.mark.parametrize("dimension", [8, 2_100])
async def test_many_vectors_get_an_index_that_keeps_to_the_scope(
    database: IndexLocation, monkeypatch: pytest.MonkeyPatch, dimension: int
) -> None:
    monkeypatch.setattr(postgres, "MIN_INDEXED_VECTORS", 300)
    chance = np.random.default_rng(7)
    count = 1_000 if dimension == 8 else 300
    rows = chance.normal(size=(count, dimension))
    nodes = [make_node(f"passage {n}", f"{n}.md", collection=str(n % 50)) for n in range(count)]
    store = fill_store(database.open(), *nodes, vectors=rows.tolist())
    names = [name for (name,) in query_database(store, "SELECT indexname FROM pg_indexes WHERE indexdef LIKE '%hnsw%'")]
    assert names == [f"vectors_near_{dimension}"]
    hits = await search_by_vector(store, rows[3].tolist(), frozenset({"3"}), top_k=6)
    assert len(hits) == 6
    assert hits[0].node.get_content() == "passage 3"
    assert hits[0].score == pytest.approx(1, abs=1e-3)
    assert {hit.node.metadata["collection"] for hit in hits} == {"3"}
    store.replace({}, [])
    store.preload()


async def test_vectors_too_long_for_any_index_are_compared_one_by_one(
    database: IndexLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "MIN_INDEXED_VECTORS", 1)
    east = [1.0] + [0.0] * 4_000
    store = fill_store(database.open(), make_node("east"), vectors=[east])
    store.replace({}, [])
    assert await find_texts_by_vector(store, east) == ["east"]


async def test_changed_analyzer_version_rebuilds_the_keyword_index(database: IndexLocation) -> None:
    store = fill_store(database.open(), make_node("Refunds take thirty days."), vectors=[[1, 0]])
    assert isinstance(store, postgres.PostgresStore)
    with store._write_transaction() as do:
        do(lambda c: c.execute(text("UPDATE docent.generation SET segmentation = 'earlier'")))
        do(lambda c: c.execute(text("UPDATE docent.nodes SET words = ''")))
    assert await find_texts_by_keywords(store, "refund") == []
    assert await find_texts_by_keywords(database.open(), "refund") == ["Refunds take thirty days."]


async def test_an_index_of_another_version_is_named_with_what_to_do(database: IndexLocation) -> None:
    store = database.open()
    assert isinstance(store, postgres.PostgresStore)
    with store._write_transaction() as do:
        do(lambda c: c.execute(text("UPDATE docent.generation SET version = 99")))
    with pytest.raises(StoreUnusable, match="another version"):
        database.open()


async def test_closed_database_sessions_are_reopened(database: IndexLocation) -> None:
    store = fill_store(database.open(), make_node("refund"), vectors=[[1, 0]])
    other = database.open()
    query_database(
        other, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname <> ''"
    )
    assert await find_texts_by_keywords(store, "refund") == ["refund"]


def test_a_database_that_does_not_exist_is_named(database: IndexLocation) -> None:
    url = make_url(str(database.path_or_url)).set(database="nowhere")
    with pytest.raises(StoreUnusable, match=r"database nowhere on a socket does not exist: create it"):
        open_store(url.render_as_string(hide_password=False), "model")


def test_a_user_that_does_not_exist_is_named_without_the_password(database: IndexLocation) -> None:
    url = make_url(str(database.path_or_url)).set(username="stranger", password="s3cret")
    with pytest.raises(StoreUnusable, match="does not accept the user") as caught:
        open_store(url.render_as_string(hide_password=False), "model")
    assert "s3cret" not in str(caught.value)


def test_user_without_create_privilege_gets_an_error_naming_who_may(database: IndexLocation) -> None:
    admin = database.open()
    assert isinstance(admin, postgres.PostgresStore)
    with admin._write_transaction() as do:
        do(lambda c: c.execute(text("DROP SCHEMA docent CASCADE")))
        do(lambda c: c.execute(text("DROP ROLE IF EXISTS guest")))
        do(lambda c: c.execute(text("CREATE ROLE guest LOGIN")))
    url = make_url(str(database.path_or_url)).set(username="guest")
    with pytest.raises(StoreUnusable, match="have its owner run CREATE EXTENSION"):
        open_store(url.render_as_string(hide_password=False), "model")


@pytest.mark.parametrize("url", ["postgres://host/db", "mysql://host/db", "postgresql+asyncpg://host:port/db"])
def test_address_with_another_scheme_is_refused(url: str) -> None:
    with pytest.raises(StoreUnusable, match=r"begins with|cannot be read"):
        open_store(url, "model")


def test_a_server_that_is_not_there_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    with pytest.raises(StoreUnusable, match=r"on 127\.0\.0\.1 cannot be reached: check STORE_URL"):
        open_store(f"postgresql+asyncpg://docent:pw@127.0.0.1:{port}/docent", "model")


def test_vectors_are_found_by_the_hash_that_their_passage_has(database: IndexLocation) -> None:
    east = make_node("east")
    store = fill_store(database.open(), east, vectors=[[3, 4]])
    assert [(p, v.tolist()) for p, v in store.vectors()] == [(hash_passage(east), pytest.approx([0.6, 0.8]))]
