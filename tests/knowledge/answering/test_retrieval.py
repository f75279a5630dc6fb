from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable  # noqa: TC003  # the fake's fields are looked up
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.schema import NodeWithScore
from pydantic import SecretStr

from bot.domain import Scope
from bot.knowledge.answering.fusion import FusionWeights, fuse, fusion_weights, normalize_scores
from bot.knowledge.answering.passages import (
    build_sources,
    get_text_node,
    group_by_document,
    list_nearest_titles,
    merge_adjacent,
)
from bot.knowledge.answering.postprocessors import trim_to_budget
from bot.knowledge.answering.retrieval import HybridRetriever, build_index
from bot.knowledge.models.local import LocalEmbeddingChoice, load_local_embedding
from bot.knowledge.models.openai import EmbeddingChoice, build_embedding_model
from bot.knowledge.splitting.splitter import build_passage_node, hash_passage
from bot.knowledge.stores.sqlite import SqliteStore
from tests.fakes.openai_server import OpenAIServer, embed_text, make_quota_error
from tests.fakes.passages import fill_store
from tests.fakes.virtual_time import VirtualLoop, measure_processor_unit

if TYPE_CHECKING:
    from pathlib import Path

    from llama_index.core.base.embeddings.base import BaseEmbedding
    from llama_index.core.schema import TextNode

    from bot.knowledge.stores.store import Store


def make_passage(
    name: str, text: str = "", *, document: str = "a.md", position: int = 0, collection: str = ""
) -> TextNode:
    metadata = {
        "document": document,
        "collection": collection,
        "title": "Title",
        "section": "Section",
        "position": position,
        "page": None,
        "url": None,
    }
    return build_passage_node(text or name, metadata, node_id=name)


def make_hit(name: str, score: float) -> NodeWithScore:
    return NodeWithScore(node=make_passage(name), score=score)


def list_node_ids(hits: list[NodeWithScore]) -> list[str]:
    return [found.node.node_id for found in hits]


def test_passage_in_both_rankings_comes_before_one_in_a_single_ranking() -> None:
    ranked = fuse(
        [make_hit("a", 9), make_hit("b", 8), make_hit("c", 1)],
        [make_hit("d", 0.9), make_hit("b", 0.8), make_hit("e", 0.1)],
    )

    assert list_node_ids(ranked)[0] == "b"
    assert {"a", "d"} == set(list_node_ids(ranked)[1:3])


def test_single_ranking_is_used_if_the_other_is_empty() -> None:
    assert list_node_ids(fuse([make_hit("a", 3), make_hit("b", 1)], [])) == ["a", "b"]
    assert list_node_ids(fuse([], [make_hit("a", 0.3), make_hit("b", 0.1)])) == ["a", "b"]
    assert fuse([], []) == []


def test_a_single_hit_has_the_full_score_of_its_side() -> None:
    assert normalize_scores([make_hit("a", 0.2)]) == {"a": 1.0}
    assert fuse([make_hit("a", 0.2)], [])[0].score == 1.0


def test_vectors_that_lie_close_together_decide_little_where_the_model_is_known() -> None:
    words, close = (
        [make_hit("a", 9), make_hit("b", 8), make_hit("c", 1)],
        [make_hit("b", 0.52), make_hit("c", 0.51), make_hit("a", 0.5)],
    )

    assert list_node_ids(fuse(words, close))[0] == "b"
    assert list_node_ids(fuse(words, close, FusionWeights(0.5, spread=0.3)))[0] == "a"


def test_embedding_model_weak_in_a_language_does_not_override_keywords() -> None:
    model = load_local_embedding()
    if model is None:
        pytest.skip("the extra 'local' is not installed")
    english = fusion_weights(model, "How long do refunds take?")
    german = fusion_weights(model, "Wie lange dauert die Erstattung?")
    chinese = fusion_weights(model, "退款需要多长时间")

    assert english.vector_share > german.vector_share > chinese.vector_share
    assert list_node_ids(
        fuse(
            [make_hit("a", 9), make_hit("b", 8.9), make_hit("c", 1)], [make_hit("b", 0.9), make_hit("a", 0.1)], chinese
        )
    )[:2] == [
        "a",
        "b",
    ]
    assert fusion_weights(None, "退款") == FusionWeights()


def test_multilingual_model_counts_in_every_language() -> None:
    model = load_local_embedding(LocalEmbeddingChoice(is_multilingual=True))
    assert model is not None
    for question in ("How long do refunds take?", "Wie lange dauert die Erstattung?", "退款需要多长时间"):
        assert fusion_weights(model, question).vector_share == 0.5
        assert fusion_weights(model, question).supports_language


@given(st.floats(0.01, 0.99), st.floats(0, 1), st.floats(0.01, 1))
def test_best_of_both_rankings_stays_first_for_any_fusion_weights(share: float, spread: float, keywords: float) -> None:
    ranked = fuse(
        [make_hit("a", 9), make_hit("b", 8)],
        [make_hit("a", 0.9), make_hit("c", 0.8)],
        FusionWeights(share, spread, keywords),
    )
    assert list_node_ids(ranked)[0] == "a"


def test_low_keyword_coverage_gives_way_to_near_vectors() -> None:
    sides = [make_hit("a", 9), make_hit("b", 1)], [make_hit("c", 0.9), make_hit("b", 0.1)]
    assert list_node_ids(fuse(*sides, FusionWeights(keyword_scale=0.9)))[0] == "c"
    assert list_node_ids(fuse(*sides, FusionWeights(0.4, keyword_scale=0.9)))[0] == "a"
    assert fuse(sides[0], [], FusionWeights(keyword_scale=0.1))[0].score == 1.0


def test_a_hit_that_scored_nothing_gets_no_credit() -> None:
    assert normalize_scores([make_hit("a", 0.0), make_hit("b", -1.0)]) == {}
    assert list_node_ids(fuse([make_hit("a", 0.0), make_hit("b", 2.0)], [])) == ["b"]


@given(
    st.dictionaries(st.sampled_from("abcdefgh"), st.floats(-1, 50)),
    st.dictionaries(st.sampled_from("abcdefgh"), st.floats(-1, 1)),
)
def test_fused_scores_lie_between_0_and_1_best_first_and_no_passage_comes_twice(
    words: dict[str, float], vectors: dict[str, float]
) -> None:
    ranked = fuse([make_hit(*item) for item in words.items()], [make_hit(*item) for item in vectors.items()])

    scores = [found.score or 0.0 for found in ranked]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    assert len(set(list_node_ids(ranked))) == len(ranked)
    assert set(list_node_ids(ranked)) == {
        name for side in (words, vectors) for name, score in side.items() if score > 0
    }


def test_passages_are_kept_while_the_budget_lasts_and_one_too_long_is_passed_over() -> None:
    ranked = [
        NodeWithScore(node=make_passage(name, name * length)) for name, length in (("a", 10), ("b", 500), ("c", 10))
    ]

    assert list_node_ids(trim_to_budget(ranked, token_budget=100, count_tokens=len)) == ["a", "c"]
    assert list_node_ids(trim_to_budget(ranked, token_budget=1000, count_tokens=len, limit=2)) == ["a", "b"]


@given(st.lists(st.integers(1, 300), max_size=20), st.integers(0, 1000))
def test_trimmed_passages_never_exceed_the_token_budget(lengths: list[int], budget: int) -> None:
    ranked = [NodeWithScore(node=make_passage(f"n{place}", "x" * length)) for place, length in enumerate(lengths)]

    kept = trim_to_budget(ranked, token_budget=budget, count_tokens=lambda text: text.count("x"))

    assert sum(get_text_node(found).text.count("x") for found in kept) <= budget
    assert len(kept) <= 8


def test_passages_of_one_document_are_grouped_in_reading_order() -> None:
    order = [("b2", "b.md", 2), ("a9", "a.md", 9), ("b1", "b.md", 1), ("a0", "a.md", 0)]
    ranked = [NodeWithScore(node=make_passage(name, document=document, position=at)) for name, document, at in order]

    assert list_node_ids(group_by_document(ranked)) == ["b1", "b2", "a0", "a9"]


def make_neighbours(*texts: str) -> list[NodeWithScore]:
    return [
        NodeWithScore(node=make_passage(f"p{at}", text, position=at), score=at / 10) for at, text in enumerate(texts)
    ]


def test_adjacent_passages_are_merged_without_their_overlap_twice() -> None:
    first, second = "The kettle is red. It stands in the kitchen.", "It stands in the kitchen. Nobody owns it."

    (whole,) = merge_adjacent(make_neighbours(first, second))

    assert get_text_node(whole).text == "The kettle is red. It stands in the kitchen. Nobody owns it."
    assert whole.score == 0.1


def test_three_adjacent_passages_are_merged() -> None:
    texts = ["One two three four. ", "three four. five six seven. ", "six seven. eight nine."]
    assert [get_text_node(found).text for found in merge_adjacent(make_neighbours(*texts))] == [
        "One two three four. five six seven. ",
        "six seven. eight nine.",
    ]
    long = [" ".join(f"word{n}" for n in range(start, start + 20)) for start in (0, 15, 30)]
    (whole,) = merge_adjacent(make_neighbours(*long))
    assert get_text_node(whole).text == " ".join(f"word{n}" for n in range(50))


def test_merged_passage_has_the_line_of_its_first_part() -> None:
    found = make_neighbours(
        "The kettle is red. It stands there. ", "It stands there. Nobody", "stands there. Nobody owns it."
    )
    for line, each in zip((4, 9, 12), found, strict=True):
        each.node.metadata["line"] = line
    (source,) = build_sources(merge_adjacent(found))
    assert (source.line, source.passage[-9:]) == (4, " owns it.")


def test_passages_that_are_not_adjacent_are_not_merged() -> None:
    apart = [make_hit("a", 1), NodeWithScore(node=make_passage("b", "a", position=2), score=1)]
    assert list_node_ids(merge_adjacent(apart)) == ["a", "b"]
    assert len(merge_adjacent(make_neighbours("Nothing in common.", "With this one."))) == 2


def test_the_nearest_documents_are_named_by_title_each_once() -> None:
    hits = [
        NodeWithScore(node=make_passage(name, document=document)) for name, document in (("x", "a.md"), ("y", "a.md"))
    ]
    assert list_nearest_titles(hits) == ["Title"]
    assert list_nearest_titles([]) == []


def test_a_source_has_the_date_its_reader_noted() -> None:
    node = make_passage("a")
    node.metadata["modified"] = "2025-05-03T22:00:00+00:00"
    odd = make_passage("b")
    odd.metadata["modified"] = "yesterday"
    dated, undated = build_sources([NodeWithScore(node=node), NodeWithScore(node=odd)])
    assert dated.date == datetime(2025, 5, 3, 22, tzinfo=UTC)
    assert undated.date is None


def test_sources_are_numbered_from_1_and_hold_the_bare_passage() -> None:
    first, second = build_sources(
        [NodeWithScore(node=make_passage("a", "Words.")), NodeWithScore(node=make_passage("b"))]
    )

    assert (first.number, second.number) == (1, 2)
    assert (first.passage, first.title, first.section, first.document) == ("Words.", "Title", "Section", "a.md")


def create_store(path: Path) -> SqliteStore:
    nodes = [
        make_passage("kettle", "The kettle stands in the kitchen.", document="kettle.md"),
        make_passage("bicycle", "Bicycles are kept in the cellar.", document="bicycle.md"),
        make_passage("secret", "The kettle of the board is of gold.", document="@board/s.md", collection="board"),
    ]
    store = SqliteStore(path / "index.sqlite", "own-embedding")
    fill_store(store, *nodes, vectors=[embed_text(node.text) for node in nodes])
    return store


def make_retriever(store: Store, embedding: BaseEmbedding | None, scope: Scope | None = None) -> HybridRetriever:
    return HybridRetriever(build_index(store, embedding), scope or Scope())


async def test_words_and_vectors_are_searched_under_the_scope(tmp_path: Path) -> None:
    async with OpenAIServer() as server:
        embedding = build_embedding_model(EmbeddingChoice("own-embedding", server.url, SecretStr("k")))
        store = create_store(tmp_path)

        open_hits = await make_retriever(store, embedding).aretrieve("Where is the kettle?")
        board = Scope(frozenset({"", "board"}))
        board_hits = await make_retriever(store, embedding, board).aretrieve("Where is the golden kettle?")

        assert list_node_ids(open_hits)[0] == "kettle"
        assert "secret" not in list_node_ids(open_hits)
        assert "secret" in list_node_ids(board_hits)
        await embedding.aclose()
        store.close()


async def test_search_over_thousands_of_passages_never_blocks_the_event_loop(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "index.sqlite", "model")
    nodes = [
        make_passage(str(n), " ".join(f"word{(n * 31 + k * k) % 900}" for k in range(90)), document=f"{n // 10}.md")
        for n in range(3_000)
    ]
    store.save_vectors({hash_passage(node): [1.0, n] for n, node in enumerate(nodes)})
    store.replace({f"{n}.md": "1" for n in range(300)}, nodes)
    store.preload()

    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)

    async def measure_longest_turn(question: str) -> float:
        loop.pop_longest_turn()
        assert len(await make_retriever(store, MockEmbedding(embed_dim=2)).aretrieve(question)) > 50
        return loop.pop_longest_turn()

    await measure_longest_turn("Which word1 is it?")
    longest = [await measure_longest_turn(f"Where do word{n}, word{n + 40} and word{n + 80} meet?") for n in range(5)]
    # It is a tenth of that; a collection of garbage now and then is not the question's.
    assert min(longest) < 2 * measure_processor_unit()
    store.close()


class SlowEmbedding(MockEmbedding):
    """An embedding request during which something happens."""

    on_embed: Callable[[], None]

    async def _aget_query_embedding(self, query: str) -> list[float]:
        await asyncio.sleep(0.1)  # long enough for whatever does not wait for the vector
        self.on_embed()
        return await super()._aget_query_embedding(query)


async def test_answer_never_mixes_two_generations_of_a_document(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "index.sqlite", "model")
    old, new = make_passage("old", "Refunds take five days."), make_passage("new", "Refunds take nine days.")
    store.save_vectors({hash_passage(node): [0.5, 0.5] for node in (old, new)})
    store.replace({"a.md": "1"}, [old])
    slow = SlowEmbedding(embed_dim=2, on_embed=lambda: store.replace({"a.md": "2"}, [new]))

    assert list_node_ids(await make_retriever(store, slow).aretrieve("How long do refunds take?")) == ["new"]
    store.close()


async def test_failed_embedding_falls_back_to_keywords_without_logging_the_question(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="bot")
    async with OpenAIServer() as server:
        server.embedding_error = make_quota_error()
        embedding = build_embedding_model(EmbeddingChoice("own-embedding", server.url, SecretStr("k")))
        store = create_store(tmp_path)
        retriever = make_retriever(store, embedding)

        hits = await retriever.aretrieve("Where is the kettle?")

        assert list_node_ids(hits) == ["kettle"]
        assert retriever.is_keywords_only
        assert "keywords only" in caplog.text
        assert "kettle" not in caplog.text
        await embedding.aclose()
        store.close()


async def test_without_an_embedding_model_keywords_are_no_failure(tmp_path: Path) -> None:
    store = create_store(tmp_path)
    retriever = make_retriever(store, None)

    assert list_node_ids(await retriever.aretrieve("bicycles")) == ["bicycle"]
    assert not retriever.is_keywords_only
    store.close()
