"""An index moves from one store to another, and nothing is paid for twice."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from bot.errors import IngestionRefused, StoreUnusable
from bot.knowledge.splitting.splitter import hash_passage
from bot.knowledge.stores import open_store
from bot.knowledge.stores.migration import copy_index
from bot.knowledge.stores.store import NO_EMBEDDING, Counts
from tests.fakes.passages import fill_store, find_texts_by_keywords, find_texts_by_vector, make_node, search_by_keywords

if TYPE_CHECKING:
    from pathlib import Path

    from tests.knowledge.stores.conftest import IndexLocation

PASSAGES = [make_node(f"refund {n}", f"{n % 3}.md", collection="b" if n % 2 else "") for n in range(1_200)]
VECTORS = [[math.sin(n * k + 1) for k in range(8)] for n in range(1_200)]


def check_progress(done: int, total: int) -> None:
    assert 0 < done <= total


@pytest.fixture
def backup_path(tmp_path: Path) -> Path:
    return tmp_path / "backup" / "copy.sqlite"


async def test_a_copy_and_the_copy_of_a_copy_answer_as_the_first(
    location: IndexLocation, backup_path: Path, tmp_path: Path
) -> None:
    back = tmp_path / "back.sqlite"
    fill_store(open_store(backup_path, "model"), *PASSAGES, vectors=VECTORS).close()
    seen: list[int] = []
    counts = copy_index(
        backup_path, location.path_or_url, on_progress=lambda done, total: seen.append(done * 100 // total)
    )
    assert counts == Counts(3, 1_200, 1_200)
    assert seen == sorted(seen)
    assert seen[-1] == 100
    assert copy_index(location.path_or_url, back, on_progress=check_progress) == counts
    stores = [open_store(where, "model") for where in (backup_path, location.path_or_url, back)]
    scope = frozenset({"b"})
    assert len({tuple(await find_texts_by_vector(store, VECTORS[7], scope)) for store in stores}) == 1
    assert [await find_texts_by_keywords(store, "7", scope) for store in stores] == [["refund 7"]] * 3
    assert [store.manifest() for store in stores] == [stores[0].manifest()] * 3
    assert [list(store.nodes_without_vector()) for store in stores] == [[], [], []]
    assert [each.text for each in stores[2].nodes()] == [each.text for each in PASSAGES]
    for store in stores:
        store.close()


async def test_vectors_saved_by_an_interrupted_run_are_copied(location: IndexLocation, backup_path: Path) -> None:
    store = fill_store(location.open(), make_node("refund"), vectors=[[1, 0]])
    store.save_vectors({"paid": [0.0, 1.0]})
    copy_index(location.path_or_url, backup_path, on_progress=check_progress)
    copy = open_store(backup_path, "model")
    assert copy.missing_vectors(["paid", hash_passage(make_node("refund"))]) == set()
    copy.close()


async def test_an_index_of_keywords_only_is_copied(location: IndexLocation, backup_path: Path) -> None:
    fill_store(location.open(NO_EMBEDDING), make_node("refund"))
    assert copy_index(location.path_or_url, backup_path, on_progress=check_progress) == Counts(1, 1, 0)
    copy = open_store(backup_path, NO_EMBEDDING)
    hits = await search_by_keywords(copy, "refunds", top_k=1)
    assert [hit.node.get_content() for hit in hits] == ["refund"]
    copy.close()


async def test_copy_replaces_an_existing_index_only_with_force(location: IndexLocation, backup_path: Path) -> None:
    target = fill_store(location.open(), make_node("old refund", "old.md"), vectors=[[1, 0]])
    fill_store(open_store(backup_path, "another"), make_node("new refund"), vectors=[[1, 0, 0]]).close()
    with pytest.raises(IngestionRefused, match="--force replaces it"):
        copy_index(backup_path, location.path_or_url, on_progress=check_progress)
    assert await find_texts_by_keywords(target, "refund") == ["old refund"]
    copy_index(backup_path, location.path_or_url, force=True, on_progress=check_progress)
    assert await find_texts_by_keywords(target, "refund") == ["new refund"]
    assert await find_texts_by_vector(location.open("another"), [1, 0, 0]) == ["new refund"]


def test_copy_is_refused_while_either_index_is_being_written(location: IndexLocation, backup_path: Path) -> None:
    fill_store(open_store(backup_path, "model"), make_node("refund")).close()
    with location.open().ingestion_lock(), pytest.raises(IngestionRefused, match="already going on"):
        copy_index(backup_path, location.path_or_url, on_progress=check_progress)


def test_copy_refuses_a_missing_index_and_the_same_index(location: IndexLocation, tmp_path: Path) -> None:
    with pytest.raises(StoreUnusable, match="There is no index"):
        copy_index(tmp_path / "none.sqlite", location.path_or_url, on_progress=check_progress)
    assert not (tmp_path / "none.sqlite").exists()
    with pytest.raises(IngestionRefused, match="the same index"):
        copy_index(location.path_or_url, location.path_or_url, on_progress=check_progress)
