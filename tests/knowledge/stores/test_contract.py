"""What every store keeps, finds and refuses. A further store is proved by one more parameter of ``place``."""

from __future__ import annotations

import asyncio
import math
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from bot.errors import IngestionRefused, StoreUnusable
from bot.knowledge.splitting.splitter import hash_passage
from bot.knowledge.stores.store import MIN_UNUSED_VECTORS, NO_EMBEDDING, Counts
from tests.fakes.passages import (
    SHARED_ONLY,
    fill_store,
    find_texts_by_keywords,
    find_texts_by_vector,
    make_node,
    search_by_keywords,
    search_by_vector,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llama_index.core.schema import TextNode

    from tests.knowledge.stores.conftest import IndexLocation

ALL_COLLECTIONS = frozenset({"", "a", "b", "legal"})


async def test_stored_nodes_are_found_after_reopening(location: IndexLocation) -> None:
    fill_store(location.open(), make_node("Refunds take thirty days.", section="Refunds"), vectors=[[1, 0]]).close()
    again = location.open()
    (hit,) = await search_by_keywords(again, "refund", top_k=3)
    named = {"document": "a.md", "collection": "", "title": "T", "section": "Refunds", "position": 0}
    assert hit.node.metadata == named
    assert hit.node.ref_doc_id == "a.md"
    assert again.counts() == Counts(1, 1, 1)
    assert again.manifest() == {"a.md": "hash"}


def test_a_section_is_read_in_order_and_alone(location: IndexLocation) -> None:
    store = fill_store(
        location.open(),
        make_node("One.", section="S"),
        make_node("Other section.", section="T"),
        make_node("Two.", section="S"),
        make_node("Other document.", "b.md", section="S"),
    )
    assert [node.get_content() for node in store.section_nodes("a.md", "S")] == ["One.", "Two."]
    assert list(store.section_nodes("a.md", "No such")) == []


async def test_an_empty_index_finds_nothing(location: IndexLocation) -> None:
    store = location.open()
    store.preload()
    assert await find_texts_by_keywords(store, "refund") == []
    assert await find_texts_by_vector(store, [1, 0]) == []
    assert (store.counts(), store.manifest()) == (Counts(0, 0, 0), {})


# --- Words ---------------------------------------------------------------------------------------------------------


async def test_keywords_find_other_forms_of_a_word_and_the_best_passage_first(location: IndexLocation) -> None:
    store = fill_store(
        location.open(), make_node("Refunded customers."), make_node("Customers wait."), make_node("Nothing of it.")
    )
    assert await find_texts_by_keywords(store, "Which customer was refunding?") == [
        "Refunded customers.",
        "Customers wait.",
    ]


async def test_a_word_of_title_or_heading_finds_the_passage(location: IndexLocation) -> None:
    titled = make_node("Thirty days.", title="Refunds")
    headed = make_node("Ask Ada.", "b.md", section="Holidays › Sick leave")
    store = fill_store(location.open(), titled, headed)
    assert await find_texts_by_keywords(store, "refunds") == ["Thirty days."]
    assert await find_texts_by_keywords(store, "sick") == ["Ask Ada."]


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("退款政策是什么", "我们的退款期限是三十天。"),
        ("返金の期限は", "返金は三十日以内に行われます。"),
        ("ขอคืนเงิน", "ลูกค้าสามารถขอคืนเงินได้ภายในสามสิบวัน"),
        ("Ruckerstattung", "Die Rückerstattung dauert dreißig Tage."),
        ("возврат", "Возврат занимает тридцать дней."),
        ("user name", "Call getUserName first."),
    ],
)
async def test_words_are_found_in_scripts_with_spaces_or_not(location: IndexLocation, question: str, text: str) -> None:
    store = fill_store(location.open(), make_node(text), make_node("完全不同的内容"), make_node("Something else."))
    assert (await find_texts_by_keywords(store, question))[:1] == [text]


async def test_every_keyword_score_is_above_zero_and_falls(location: IndexLocation) -> None:
    store = fill_store(location.open(), *(make_node(f"common word {n} " + "rare " * n) for n in range(6)))
    scores = [hit.score or 0.0 for hit in await search_by_keywords(store, "common rare", top_k=9)]
    assert len(scores) == 6
    assert all(score > 0 for score in scores)
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize(
    "question", ["'; DROP TABLE nodes; --", '"quoted" OR *', "a:b & c | !d", "\x00", "?!", "%s :x $1"]
)
async def test_query_text_is_never_interpreted_as_query_syntax(location: IndexLocation, question: str) -> None:
    store = fill_store(location.open(), make_node("quoted"), vectors=[[1.0, 0.0]])
    await find_texts_by_keywords(store, question, frozenset({"", question}))
    await find_texts_by_vector(store, [1, 0], frozenset({"", question}))
    assert store.counts() == Counts(1, 1, 1)


# --- Scope ---------------------------------------------------------------------------------------------------------


async def test_search_finds_nothing_outside_the_collections(location: IndexLocation) -> None:
    nodes = [make_node("refund shared", "a.md"), make_node("refund legal", "@legal/b.md", collection="legal")]
    store = fill_store(location.open(), *nodes, vectors=[[0, 1], [1, 0]])
    assert await find_texts_by_keywords(store, "refund") == ["refund shared"]
    assert await find_texts_by_vector(store, [1, 0]) == ["refund shared"]
    assert await find_texts_by_keywords(store, "refund", frozenset({"legal"})) == ["refund legal"]
    assert await find_texts_by_vector(store, [1, 0], frozenset({"legal", ""})) == ["refund legal", "refund shared"]
    assert await find_texts_by_keywords(store, "refund", frozenset()) == []
    assert await find_texts_by_vector(store, [1, 0], frozenset()) == []


async def test_scope_filter_does_not_reduce_top_k(location: IndexLocation) -> None:
    others = [make_node(f"refund {n}", f"@b/{n}.md", collection="b") for n in range(50)]
    mine = [make_node(f"refund mine {n}", f"@a/{n}.md", collection="a") for n in range(5)]
    store = fill_store(location.open(), *others, *mine, vectors=[[1.0, 0.0]] * 50 + [[0.5, 0.5]] * 5)
    assert len(await find_texts_by_vector(store, [1, 0], frozenset({"a"}))) == 5
    assert len(await find_texts_by_keywords(store, "refund", frozenset({"a"}))) == 5


async def test_collections_that_differ_in_the_last_digit_of_a_discord_id_are_two(location: IndexLocation) -> None:
    first, second = "1100000000000000789", "1100000000000000700"
    nodes = [make_node(f"refund {name}", f"@{name}/a.md", collection=name) for name in (first, second)]
    store = fill_store(location.open(), *nodes, vectors=[[1, 0], [1, 0]])
    assert await find_texts_by_keywords(store, "refund", frozenset({first})) == [f"refund {first}"]
    assert await find_texts_by_vector(store, [1, 0], frozenset({second})) == [f"refund {second}"]


async def test_quotes_and_special_characters_are_stored_unchanged(location: IndexLocation) -> None:
    odd = 'O\'Brien "x" \\ %s :p $1 é漢😀 {} --'
    store = fill_store(
        location.open("it's"), make_node(f"refund {odd}", f"{odd}.md", collection=odd, title=odd, section=odd)
    )
    store.save_vectors({odd: [1.0, 0.0]})
    (hit,) = await search_by_keywords(store, "refund", frozenset({odd}), top_k=2)
    assert hit.node.get_content() == f"refund {odd}"
    assert [hit.node.metadata[key] for key in ("title", "section", "collection")] == [odd] * 3
    assert store.manifest() == {f"{odd}.md": "hash"}
    assert store.missing_vectors([odd, "other"]) == {"other"}
    store.replace({}, [], removed=[f"{odd}.md"])
    assert store.counts() == Counts(0, 0, 0)


async def test_characters_no_database_takes_are_replaced_and_the_rest_is_kept(location: IndexLocation) -> None:
    store = fill_store(location.open(), make_node("refund \x00 half \ud800 sign", title="\x00"))
    (text,) = await find_texts_by_keywords(store, "refund")
    assert text.startswith("refund ")
    assert text.endswith(" sign")


# --- Vectors -------------------------------------------------------------------------------------------------------


async def test_vectors_are_compared_by_direction(location: IndexLocation) -> None:
    store = fill_store(
        location.open(), make_node("east"), make_node("north"), make_node("west"), vectors=[[9, 0], [0, 0.1], [-3, 0]]
    )
    hits = await search_by_vector(store, [2, 1], top_k=3)
    assert [hit.node.get_content() for hit in hits] == ["east", "north", "west"]
    assert [hit.score for hit in hits] == pytest.approx([2 / math.sqrt(5), 1 / math.sqrt(5), -2 / math.sqrt(5)])


async def test_nearest_vectors_match_a_brute_force_computation(location: IndexLocation) -> None:
    vectors = [[math.sin(n * k + 1) for k in range(8)] for n in range(200)]
    nodes = [make_node(f"passage {n}", f"{n}.md", collection=str(n % 3)) for n in range(200)]
    store = fill_store(location.open(), *nodes, vectors=vectors)
    wanted = [math.cos(k) for k in range(8)]
    cosines = {
        each.text: sum(a * b for a, b in zip(vector, wanted, strict=True)) / math.hypot(*vector)
        for each, vector in zip(nodes, vectors, strict=True)
        if each.metadata["collection"] != "1"
    }
    best = sorted(cosines, key=lambda text: -cosines[text])[:10]
    assert await find_texts_by_vector(store, wanted, frozenset({"0", "2"})) == best


@pytest.mark.parametrize("vector", [[], [0.0, 0.0], [math.nan, 1.0], [math.inf, 1.0], [1.0, 2.0, 3.0]])
async def test_vector_that_cannot_be_compared_is_never_found(location: IndexLocation, vector: list[float]) -> None:
    assert await find_texts_by_vector(fill_store(location.open(), make_node("east"), vectors=[[1, 0]]), vector) == []


async def test_vectors_of_another_model_are_never_searched(location: IndexLocation) -> None:
    fill_store(location.open(), make_node("east"), vectors=[[1, 0]])
    other = location.open("another model")
    assert await find_texts_by_vector(other, [1, 0]) == []
    assert other.counts() == Counts(1, 1, 0)


@pytest.mark.parametrize("bad", [[0.0, 0.0], [math.nan, 1.0], [math.inf, 0.0], []])
def test_batch_with_an_unusable_vector_is_rejected_as_a_whole(location: IndexLocation, bad: list[float]) -> None:
    store = location.open()
    with pytest.raises(ValueError, match="finite"):
        store.save_vectors({"a": [1.0, 0.0], "b": bad})
    assert store.missing_vectors(["a", "b"]) == {"a", "b"}


def test_a_batch_of_different_dimensions_is_refused(location: IndexLocation) -> None:
    with pytest.raises(ValueError, match="dimension"):
        location.open().save_vectors({"a": [1.0], "b": [1.0, 0.0]})


def test_saving_a_vector_again_replaces_it(location: IndexLocation) -> None:
    store = location.open()
    store.save_vectors({"a": [1.0, 0.0]})
    store.save_vectors({"a": [0.0, 2.0]})
    assert [(passage, vector.tolist()) for passage, vector in store.vectors()] == [("a", [0.0, 1.0])]


def test_a_vector_is_reused_under_another_name_where_there_is_one_and_none_is_overwritten(
    location: IndexLocation,
) -> None:
    store = location.open()
    store.save_vectors({"old": [1.0, 0.0], "known": [0.0, 1.0]})
    store.reuse_vectors({"new": "old", "newer": "old", "known": "old", "lost": "never seen"})
    kept = {passage: vector.tolist() for passage, vector in store.vectors()}
    assert kept == {"old": [1.0, 0.0], "new": [1.0, 0.0], "newer": [1.0, 0.0], "known": [0.0, 1.0]}
    store.reuse_vectors({})


# --- Generations ---------------------------------------------------------------------------------------------------


async def test_another_process_sees_a_new_generation_at_its_next_question(location: IndexLocation) -> None:
    reader = fill_store(
        location.open(), make_node("old refund"), make_node("kept refund", "b.md"), vectors=[[1, 0], [0, 1]]
    )
    assert await find_texts_by_vector(reader, [1, 0]) == ["old refund", "kept refund"]
    writer = location.open()
    fresh = make_node("new refund")
    writer.save_vectors({hash_passage(fresh): [1, 0]})
    writer.replace({"a.md": "2"}, [fresh])
    assert await find_texts_by_vector(reader, [1, 0]) == ["new refund", "kept refund"]
    assert set(await find_texts_by_keywords(reader, "refund")) == {"new refund", "kept refund"}
    assert reader.generation().number == writer.generation().number == 2


async def test_a_replaced_document_is_there_once_and_a_removed_one_not_at_all(location: IndexLocation) -> None:
    store = fill_store(
        location.open(), make_node("refund one"), make_node("refund two", "b.md"), make_node("refund three", "c.md")
    )
    store.replace({"a.md": "2"}, [make_node("refund anew")], removed=["b.md"])
    assert set(await find_texts_by_keywords(store, "refund")) == {"refund anew", "refund three"}
    assert store.manifest() == {"a.md": "2", "c.md": "hash"}


async def test_a_failed_replacement_changes_nothing(location: IndexLocation) -> None:
    store = fill_store(location.open(), make_node("refund one"), vectors=[[1, 0]])
    twin = make_node("refund twin")
    with pytest.raises(StoreUnusable):
        store.replace({"a.md": "2"}, [twin, twin])

    def fail_midway() -> Iterator[TextNode]:
        yield make_node("refund half")
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError):
        store.replace({"a.md": "2"}, fail_midway())
    assert await find_texts_by_keywords(store, "refund") == await find_texts_by_vector(store, [1, 0]) == ["refund one"]
    assert store.manifest() == {"a.md": "hash"}


def test_nodes_are_taken_a_batch_at_a_time(location: IndexLocation) -> None:
    store, alive = location.open(), 0
    most = 0

    class Counted(str):
        __slots__ = ()

        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    def many() -> Iterator[TextNode]:
        nonlocal alive, most
        for n in range(3_000):
            alive += 1
            most = max(most, alive)
            each = make_node(f"passage {n}")
            each.metadata["mark"] = Counted(n)
            yield each

    store.replace({"a.md": "1"}, many())
    assert store.counts().nodes == 3_000
    assert most < 2_000


async def test_questions_are_answered_from_one_generation_while_another_is_written(location: IndexLocation) -> None:
    versions = [[make_node(f"refund {v} {n}", f"{n}.md") for n in range(20)] for v in range(2)]
    vectors = [[1.0, n / 9 + 0.1] for n in range(20)]
    store = location.open()
    for version in versions[::-1]:
        fill_store(store, *version, vectors=vectors)
        store.save_vectors({hash_passage(each): vectors[n] for n, each in enumerate(versions[1])})
    is_written = threading.Event()

    async def ask() -> None:
        while not is_written.is_set():
            found = await store.search("refund", [1.0, 1.0], collections=SHARED_ONLY, top_k=50)
            assert len(found.by_keywords) == len(found.by_vectors) == 20
            hits = (*found.by_keywords, *found.by_vectors)
            assert len({hit.node.get_content().split()[1] for hit in hits}) == 1

    def write() -> None:
        writer = location.open()
        for turn in range(12):
            new = versions[turn % 2]
            writer.save_vectors({hash_passage(each): vectors[n] for n, each in enumerate(new)})
            writer.replace({f"{n}.md": "x" for n in range(20)}, new)
        is_written.set()

    await asyncio.gather(ask(), ask(), asyncio.to_thread(write))


@pytest.mark.parametrize("new_vector", [[0.0, 1.0], [0.0, 0.0, 1.0]])
async def test_the_old_vectors_serve_until_those_of_another_model_are_complete(
    location: IndexLocation, new_vector: list[float]
) -> None:
    passages = [make_node("east"), make_node("north")]
    serving = fill_store(location.open(), *passages, vectors=[[1, 0], [0, 1]])
    building = location.open("another")
    assert {each.text for each in building.nodes_without_vector()} == {"east", "north"}
    building.save_vectors({hash_passage(passages[0]): new_vector})
    assert [each.text for each in building.nodes_without_vector()] == ["north"]
    for reader in (serving, location.open()):
        assert await find_texts_by_vector(reader, [1, 0.1]) == ["east", "north"]
    assert await find_texts_by_vector(building, new_vector) == []
    building.save_vectors({hash_passage(passages[1]): [1.0] * len(new_vector)})
    building.replace({}, [])
    assert await find_texts_by_vector(building, new_vector) == ["east", "north"]
    assert building.counts() == Counts(1, 2, 2)
    assert await find_texts_by_vector(serving, [1, 0]) == []


async def test_new_dimension_of_a_model_counts_as_missing_and_does_not_disturb_search(
    location: IndexLocation,
) -> None:
    east, north = make_node("east"), make_node("north")
    store = fill_store(location.open(), east, north, vectors=[[1, 0], [0, 1]])
    store.save_vectors({hash_passage(east): [1.0, 0.0, 0.0]})
    assert store.missing_vectors([hash_passage(east), hash_passage(north)]) == {hash_passage(north)}
    assert [each.text for each in store.nodes_without_vector()] == ["north"]
    for reader in (store, location.open()):
        assert await find_texts_by_vector(reader, [1, 0]) == ["east", "north"]
        assert reader.counts().embedded == 2
    store.save_vectors({hash_passage(north): [0.0, 1.0, 0.0]})
    store.replace({}, [])
    assert await find_texts_by_vector(store, [1, 0]) == []
    assert await find_texts_by_vector(store, [1, 0, 0]) == ["east", "north"]


async def test_run_without_a_model_leaves_existing_vectors(location: IndexLocation) -> None:
    store = fill_store(location.open(), make_node("east"), vectors=[[1, 0]])
    fill_store(location.open(NO_EMBEDDING), make_node("west", "b.md"))
    assert await find_texts_by_vector(store, [1, 0]) == ["east"]
    assert store.counts() == Counts(2, 2, 1)
    assert [each.text for each in store.nodes_without_vector()] == ["west"]


def test_readded_passage_still_has_its_vector(location: IndexLocation) -> None:
    before, after = make_node("refund five"), make_node("refund nine")
    store = fill_store(location.open(), before, vectors=[[1, 0]])
    fill_store(store, after, vectors=[[0, 1]])
    assert store.missing_vectors([hash_passage(before)]) == set()
    store.replace({}, [], removed=["a.md"])
    store.replace({"a.md": "3"}, [before])
    assert store.counts() == Counts(1, 1, 1)
    assert store.missing_vectors([hash_passage(after)]) == set()


def test_pruning_drops_the_oldest_unused_vectors_and_never_a_used_one(location: IndexLocation) -> None:
    store = fill_store(location.open(), make_node("east"), vectors=[[1, 0]])
    spares = {f"spare {n}": [1.0, n] for n in range(MIN_UNUSED_VECTORS)}
    store.save_vectors({"oldest": [1.0, 0.0]})
    store.replace({}, [])
    store.save_vectors(spares)
    store.replace({}, [])
    assert store.missing_vectors(["oldest", *spares]) == {"oldest"}
    assert store.missing_vectors([hash_passage(make_node("east"))]) == set()


def test_unused_vector_stays_if_pruning_is_disabled(location: IndexLocation) -> None:
    store = fill_store(location.open(), make_node("east"), vectors=[[1, 0]])
    store.save_vectors({"early": [1.0, 0.0]})
    store.replace({"b.md": "1"}, [make_node("west", "b.md")], prune_vectors=False)
    assert store.missing_vectors(["early"]) == set()


def test_each_generation_knows_when_it_was_put_in_place(location: IndexLocation) -> None:
    store = location.open()
    assert (store.generation().number, store.generation().built) == (0, None)
    before = datetime.now(UTC).replace(microsecond=0)
    store.replace({"a.md": "1"}, [make_node("east")])
    built = location.open().generation().built
    assert built is not None
    assert before <= built <= datetime.now(UTC)
    store.save_vectors({"early": [1.0, 0.0]})
    assert store.generation().built == built


def test_documents_are_listed_by_path_inside_the_collections(location: IndexLocation) -> None:
    dated = make_node("refund one", "z.md", title="Zoo")
    dated.metadata |= {"modified": "2024-05-01T10:00:00+00:00", "url": "https://team.example/z", "position": 0}
    second = make_node("refund two", "z.md", title="Zoo", section="Late")
    second.metadata["position"] = 1
    legal = make_node("refund law", "@legal/a.md", collection="legal", title="Law")
    store = fill_store(location.open(), dated, second, legal, make_node("refund b", "b.md", title="Bee"))

    shared = store.list_documents(SHARED_ONLY)
    assert [(each.document, each.title, each.collection, each.passages) for each in shared] == [
        ("b.md", "Bee", "", 1),
        ("z.md", "Zoo", "", 2),
    ]
    assert shared[1].date == datetime(2024, 5, 1, 10, tzinfo=UTC)
    assert (shared[1].url, shared[0].url, shared[0].date) == ("https://team.example/z", None, None)
    assert [each.document for each in store.list_documents(frozenset({"legal"}))] == ["@legal/a.md"]
    assert [each.document for each in store.list_documents(ALL_COLLECTIONS)] == ["@legal/a.md", "b.md", "z.md"]
    assert store.list_documents(frozenset()) == []


async def test_two_models_on_one_index_keep_their_vectors(location: IndexLocation) -> None:
    one = fill_store(location.open("one"), make_node("east"), vectors=[[1, 0]])
    two = location.open("two")
    two.save_vectors({hash_passage(make_node("east")): [0.0, 0.0, 1.0]})
    for _ in range(3):
        two.replace({}, [])
        assert await find_texts_by_vector(two, [0, 0, 1]) == ["east"]
        one.replace({}, [])
        assert await find_texts_by_vector(one, [1, 0]) == ["east"]
        assert [*one.nodes_without_vector(), *two.nodes_without_vector()] == []


# --- Several processes -----------------------------------------------------------------------------------------------


def test_only_one_ingestion_at_a_time(location: IndexLocation) -> None:
    one, two = location.open(), location.open()
    with one.ingestion_lock(), pytest.raises(IngestionRefused, match="already"), two.ingestion_lock():
        pass
    with two.ingestion_lock():
        pass


PROCESS_SCRIPT = """
import os, signal, sys
from pathlib import Path
from bot.knowledge.stores import open_store
from tests.fakes.passages import make_node
from bot.knowledge.splitting.splitter import hash_passage

where = sys.argv[1] if "://" in sys.argv[1] else Path(sys.argv[1])
store = open_store(where, "model")
nodes = [make_node(f"refund new {n}", f"{n}.md") for n in range(1_200)]

def dying():
    for each in nodes[:1_100]:
        yield each
    print("half", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

with store.ingestion_lock():
    store.save_vectors({hash_passage(each): [1.0, 1.0 + n] for n, each in enumerate(nodes)})
    print("kept", flush=True)
    if sys.argv[2] == "die":
        store.replace({f"{n}.md": "new" for n in range(1_200)}, dying())
    sys.stdin.readline()
    store.replace({f"{n}.md": "new" for n in range(1_200)}, nodes)
    print("replaced", flush=True)
    sys.stdin.readline()
"""


def start_process(location: IndexLocation, mode: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROCESS_SCRIPT, str(location.path_or_url), mode]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603 - ourselves


async def test_one_process_reads_while_another_writes(location: IndexLocation) -> None:
    store = fill_store(location.open(), make_node("refund old", "0.md"), vectors=[[1, 1]])
    with start_process(location, "live") as writer:
        assert writer.stdin is not None
        assert writer.stdout is not None
        assert writer.stdout.readline() == "kept\n"
        with pytest.raises(IngestionRefused), store.ingestion_lock():
            pass
        assert (
            await find_texts_by_keywords(store, "refund") == await find_texts_by_vector(store, [1, 1]) == ["refund old"]
        )
        writer.stdin.write("\n")
        writer.stdin.flush()
        assert writer.stdout.readline() == "replaced\n"
        assert (await find_texts_by_vector(store, [1, 1]))[0] == "refund new 0"
        assert len(await find_texts_by_keywords(store, "refund")) == 10
        writer.stdin.write("\n")
        writer.stdin.flush()
    assert writer.returncode == 0


async def test_kill_9_during_a_replacement_keeps_the_old_generation_and_saved_vectors(location: IndexLocation) -> None:
    store = fill_store(location.open(), make_node("refund old", "0.md"), vectors=[[1, 1]])
    with start_process(location, "die") as writer:
        assert writer.stdout is not None
        assert writer.stdout.read() == "kept\nhalf\n"
    assert writer.returncode == -signal.SIGKILL
    fresh = location.open()
    for reader in (store, fresh):
        assert (
            await find_texts_by_keywords(reader, "refund")
            == await find_texts_by_vector(reader, [1, 1])
            == ["refund old"]
        )
        assert reader.manifest() == {"0.md": "hash"}
    assert fresh.missing_vectors([hash_passage(make_node(f"refund new {n}", f"{n}.md")) for n in range(1_200)]) == set()
    with fresh.ingestion_lock():
        fresh.replace({"0.md": "2"}, [make_node("refund newest", "0.md")])
    assert await find_texts_by_keywords(store, "refund") == ["refund newest"]


# --- The event loop --------------------------------------------------------------------------------------------------


async def test_event_loop_is_not_blocked_while_the_store_searches(location: IndexLocation) -> None:
    store = fill_store(
        location.open(), *(make_node(f"refund {n}") for n in range(600)), vectors=[[1.0, n] for n in range(600)]
    )
    search = asyncio.create_task(store.search("refund", [1.0, 5.0], collections=ALL_COLLECTIONS, top_k=50))
    turns = 0
    while not search.done():
        turns += 1
        await asyncio.sleep(0)
    assert len(search.result().by_keywords) == len(search.result().by_vectors) == 50
    assert turns > 10
