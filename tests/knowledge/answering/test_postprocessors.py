from __future__ import annotations

import pytest
from llama_index.core.schema import NodeWithScore

from bot.errors import NothingFound
from bot.knowledge.answering.postprocessors import EvidenceFilter, NearCopyFilter
from tests.fakes.passages import make_node


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


def test_question_with_other_context_goes_on_without_passages() -> None:
    assert EvidenceFilter(None, has_other_context=True).postprocess_nodes([], query_str="Shorter, please") == []
