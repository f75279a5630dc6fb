"""An index moves from one store to another, and nothing is paid for twice."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from bot.errors import IngestionRefused, StoreUnusable
from bot.knowledge.splitting.splitter import passage_hash
from bot.knowledge.stores import opened
from bot.knowledge.stores.migration import copied
from bot.knowledge.stores.store import NO_EMBEDDING, Counts
from tests.fakes.passages import by_keywords, filled, keyword_hits, near, node

if TYPE_CHECKING:
    from pathlib import Path

    from tests.knowledge.stores.conftest import Place

PASSAGES = [node(f"refund {n}", f"{n % 3}.md", collection="b" if n % 2 else "") for n in range(1_200)]
VECTORS = [[math.sin(n * k + 1) for k in range(8)] for n in range(1_200)]


def nothing(done: int, total: int) -> None:
    assert 0 < done <= total


@pytest.fixture
def away(tmp_path: Path) -> Path:
    return tmp_path / "backup" / "copy.sqlite"


async def test_a_copy_and_the_copy_of_a_copy_answer_as_the_first(place: Place, away: Path, tmp_path: Path) -> None:
    back = tmp_path / "back.sqlite"
    filled(opened(away, "model"), *PASSAGES, vectors=VECTORS).close()
    seen: list[int] = []
    counts = copied(away, place.where, on_progress=lambda done, total: seen.append(done * 100 // total))
    assert counts == Counts(3, 1_200, 1_200)
    assert seen == sorted(seen)
    assert seen[-1] == 100
    assert copied(place.where, back, on_progress=nothing) == counts
    stores = [opened(where, "model") for where in (away, place.where, back)]
    scope = frozenset({"b"})
    assert len({tuple(await near(store, VECTORS[7], scope)) for store in stores}) == 1
    assert [await by_keywords(store, "7", scope) for store in stores] == [["refund 7"]] * 3
    assert [store.manifest() for store in stores] == [stores[0].manifest()] * 3
    assert [list(store.nodes_without_vector()) for store in stores] == [[], [], []]
    assert [each.text for each in stores[2].nodes()] == [each.text for each in PASSAGES]
    for store in stores:
        store.close()


async def test_vectors_that_an_interrupted_run_has_paid_for_are_copied(place: Place, away: Path) -> None:
    store = filled(place.open(), node("refund"), vectors=[[1, 0]])
    store.keep_vectors({"paid": [0.0, 1.0]})
    copied(place.where, away, on_progress=nothing)
    copy = opened(away, "model")
    assert copy.without_vector(["paid", passage_hash(node("refund"))]) == set()
    copy.close()


async def test_an_index_of_keywords_only_is_copied(place: Place, away: Path) -> None:
    filled(place.open(NO_EMBEDDING), node("refund"))
    assert copied(place.where, away, on_progress=nothing) == Counts(1, 1, 0)
    copy = opened(away, NO_EMBEDDING)
    hits = await keyword_hits(copy, "refunds", top_k=1)
    assert [hit.node.get_content() for hit in hits] == ["refund"]
    copy.close()


async def test_an_index_is_replaced_by_a_copy_only_when_that_is_meant(place: Place, away: Path) -> None:
    target = filled(place.open(), node("old refund", "old.md"), vectors=[[1, 0]])
    filled(opened(away, "another"), node("new refund"), vectors=[[1, 0, 0]]).close()
    with pytest.raises(IngestionRefused, match="--force replaces it"):
        copied(away, place.where, on_progress=nothing)
    assert await by_keywords(target, "refund") == ["old refund"]
    copied(away, place.where, force=True, on_progress=nothing)
    assert await by_keywords(target, "refund") == ["new refund"]
    assert await near(place.open("another"), [1, 0, 0]) == ["new refund"]


def test_neither_index_may_be_written_meanwhile(place: Place, away: Path) -> None:
    filled(opened(away, "model"), node("refund")).close()
    with place.open().alone(), pytest.raises(IngestionRefused, match="already going on"):
        copied(away, place.where, on_progress=nothing)


def test_no_index_and_the_same_index_cannot_be_copied(place: Place, tmp_path: Path) -> None:
    with pytest.raises(StoreUnusable, match="There is no index"):
        copied(tmp_path / "none.sqlite", place.where, on_progress=nothing)
    assert not (tmp_path / "none.sqlite").exists()
    with pytest.raises(IngestionRefused, match="the same index"):
        copied(place.where, place.where, on_progress=nothing)
