from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from llama_index.core.schema import NodeWithScore, TextNode

from bot.errors import NothingFound
from bot.knowledge.answering.postprocessors import (
    COMPLETED_PASSAGES,
    EvidenceFilter,
    NearCopyFilter,
    SectionCompleter,
)
from bot.knowledge.splitting.splitter import build_passage_node
from bot.knowledge.stores.sqlite import SqliteStore
from bot.knowledge.stores.store import NO_EMBEDDING
from tests.fakes.passages import fill_store, make_node

if TYPE_CHECKING:
    from pathlib import Path


def make_hits(*texts: str) -> list[NodeWithScore]:
    return [NodeWithScore(node=make_node(text, f"{place}.md"), score=1.0) for place, text in enumerate(texts)]


def list_texts(hits: list[NodeWithScore]) -> list[str]:
    return [hit.node.get_content() for hit in hits]


def test_near_copy_of_a_better_passage_is_dropped() -> None:
    text = "Refunds are paid within five working days after the request has arrived at the office in Whitby."
    other = "A shift lasts one week and changes hands on Wednesday at noon, in the channel for operations."
    kept = NearCopyFilter().postprocess_nodes(
        make_hits(text, f"{text} ", text.replace("Refunds", "All refunds"), other)
    )
    assert len(kept) == 2
    assert [hit.node.metadata["document"] for hit in kept] == ["0.md", "3.md"]


def test_short_passages_that_differ_are_kept() -> None:
    kept = NearCopyFilter().postprocess_nodes(make_hits("Red.", "Blue.", "…", "!"))
    assert len(kept) == 4


GERMAN = "Die Erstattung wird innerhalb von fünf Tagen gezahlt, wenn der Antrag im Büro ist."


def test_question_in_another_language_is_left_to_the_model() -> None:
    question, hits = "How soon do people get their money back from us?", make_hits(GERMAN)
    evidence = EvidenceFilter(None, has_model=True)
    assert len(evidence.postprocess_nodes(hits, query_str=question)) == 1
    with pytest.raises(NothingFound, match="T"):
        EvidenceFilter(None).postprocess_nodes(hits, query_str=question)


def test_unmatched_question_in_the_documents_language_is_turned_away() -> None:
    hits = make_hits("The refund is paid within five days of the request.")
    with pytest.raises(NothingFound) as caught:
        EvidenceFilter(None, has_model=True).postprocess_nodes(hits, query_str="Where do whales sleep at night?")
    assert caught.value.nearest == ("T",)


def make_section(document: str, section: str, *texts: str) -> list[TextNode]:
    """The passages of one section, in order."""
    return [
        build_passage_node(
            text,
            {"document": document, "collection": "", "title": "T", "section": section, "position": place},
            node_id=f"{document}/{section}/{place}",
        )
        for place, text in enumerate(texts)
    ]


def test_small_section_is_completed_and_a_passage_of_a_long_one_gets_its_neighbours(tmp_path: Path) -> None:
    small = make_section("a.md", "Small", "One.", "Two.", "Three.")
    long = make_section("b.md", "Long", *(f"Part {place}: {'word ' * 200}" for place in range(8)))
    other = make_section("c.md", "Small", "Elsewhere.")
    store = SqliteStore(tmp_path / "index.sqlite", NO_EMBEDDING)
    fill_store(store, *small, *long, *other)
    hits = [NodeWithScore(node=node, score=score) for node, score in ((small[1], 0.9), (long[4], 0.8), (small[0], 0.7))]

    completed = SectionCompleter(store).postprocess_nodes(hits)

    wanted = [small[1], small[0], small[2], long[4], long[3], long[5]]
    assert [hit.node.node_id for hit in completed] == [node.node_id for node in wanted]
    assert [hit.score for hit in completed] == [0.9, 0.7, 0.9, 0.8, 0.8, 0.8]
    store.close()


def test_only_the_best_passages_are_completed_and_none_is_lost(tmp_path: Path) -> None:
    sections = [make_section(f"{place}.md", "S", f"First {place}.", f"Second {place}.") for place in range(6)]
    store = SqliteStore(tmp_path / "index.sqlite", NO_EMBEDDING)
    fill_store(store, *(node for section in sections for node in section))
    hits = [NodeWithScore(node=section[0], score=1.0) for section in sections]
    completed = [hit.node.node_id for hit in SectionCompleter(store).postprocess_nodes(hits)]
    assert {hit.node.node_id for hit in hits} <= set(completed)
    assert len(set(completed)) == len(completed) == len(hits) + COMPLETED_PASSAGES
    store.close()


def test_question_with_other_context_goes_on_without_passages() -> None:
    assert EvidenceFilter(None, has_other_context=True).postprocess_nodes([], query_str="Shorter, please") == []
