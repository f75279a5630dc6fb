"""Whether the passages found can hold an answer: turned away is only what is clearly not there."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain import Question, Scope
from bot.errors import NothingFound
from bot.knowledge import KnowledgeBase, LocalEmbeddingChoice
from bot.knowledge.answering.evidence import (
    CLEAR_COVERAGE,
    CLEAR_SIMILARITY,
    MIN_COVERAGE,
    MIN_COVERAGE_NON_LATIN,
    MIN_SIMILARITY,
    Evidence,
    compute_coverages,
)
from bot.knowledge.answering.postprocessors import EvidenceFilter
from bot.knowledge.models.local import load_local_embedding
from bot.text.search_terms import extract_stems

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

HERE = Path(__file__).parents[1]
SAMPLES = HERE.parents[1] / "data" / "documents"

PASSAGES = [
    "A long shift lasts one week and changes hands on Wednesday.",
    "Refunds are paid within five working days, however long the queue.",
    "The kettle stands in the kitchen; a long cable leads there.",
]


def compute_evidence(question: str, passages: list[str], similarity: float | None = None) -> Evidence:
    return Evidence(max(compute_coverages(question, passages), default=0.0), similarity)


def test_question_with_unmatched_rare_words_has_no_evidence() -> None:
    found = compute_evidence("How long is a submarine's periscope under the arctic ice?", PASSAGES)
    assert found.coverage < MIN_COVERAGE
    assert found.is_empty


def test_question_with_matched_rare_words_has_evidence() -> None:
    assert not compute_evidence("When is a refund paid?", PASSAGES).is_empty


def test_paraphrase_with_near_vectors_has_evidence() -> None:
    question = "Where can I boil water?"
    assert compute_evidence(question, PASSAGES).is_empty
    assert compute_evidence(question, PASSAGES, similarity=0.1).is_empty
    assert not compute_evidence(question, PASSAGES, similarity=0.45).is_empty


@pytest.mark.parametrize(
    ("coverage", "similarity", "is_empty"),
    [
        (0.0, None, True),
        (0.0, MIN_SIMILARITY, False),
        (0.0, MIN_SIMILARITY - 0.01, True),
        (MIN_COVERAGE, None, False),
        (MIN_COVERAGE, -1.0, False),
    ],
)
def test_evidence_is_empty_below_coverage_and_similarity_thresholds(
    coverage: float, similarity: float | None, is_empty: bool
) -> None:
    assert Evidence(coverage, similarity).is_empty is is_empty


@pytest.mark.parametrize(
    ("coverage", "similarity", "is_clear"),
    [
        (CLEAR_COVERAGE, None, True),
        (CLEAR_COVERAGE, CLEAR_SIMILARITY, True),
        (CLEAR_COVERAGE - 0.01, None, False),
        (CLEAR_COVERAGE - 0.01, 0.9, False),
        (1.0, CLEAR_SIMILARITY - 0.01, False),
    ],
)
def test_evidence_is_clear_above_coverage_and_similarity_thresholds(
    coverage: float, similarity: float | None, is_clear: bool
) -> None:
    assert Evidence(coverage, similarity).is_clear is is_clear


def load_questions(name: str, kind: str) -> list[str]:
    entries = [json.loads(line) for line in (HERE / name).read_text(encoding="utf-8").splitlines()]
    return [str(entry["question"]) for entry in entries if entry["kind"] in kind]


async def find_confident(base: KnowledgeBase, questions: Iterable[str]) -> list[str]:
    sure: list[str] = []
    for text in questions:
        try:
            answer = await base.answer(Question(text, "1"))
        except NothingFound:
            continue
        if answer.is_confident:
            sure.append(text)
    return sure


@pytest.mark.parametrize("embedding", [LocalEmbeddingChoice(), None])
async def test_clear_evidence_separates_answerable_sample_questions(
    tmp_path: Path, embedding: LocalEmbeddingChoice | None
) -> None:
    if embedding is not None and load_local_embedding() is None:
        pytest.skip("the extra 'local' is not installed")
    base = await asyncio.to_thread(KnowledgeBase.open, SAMPLES, tmp_path, None, embedding)
    await base.reindex()
    without = [*load_questions("unanswerable.jsonl", "other close"), "refunds?", "How does it work?", "Holiday"]
    plain = load_questions("questions.jsonl", "plain")

    assert len(await find_confident(base, plain)) >= len(plain) * 0.75
    assert len(await find_confident(base, without)) <= len(without) * 0.05
    assert await find_confident(base, load_questions("unanswerable.jsonl", "other")) == []
    await base.close()


CHINESE = [
    "黑豹队的防守只丢了308分。在联赛中排名第六。同时以24次拦截领先联赛。",
    "退款在收到申请后五个工作日内支付。与排队长短无关。",
    "值班一次持续一周。每星期三交接。交接时须填写记录。",
    "护照扫描件在三十天后删除。由安全组负责。",
]


@pytest.mark.parametrize("embedding", [LocalEmbeddingChoice(), None])
async def test_a_question_without_spaces_is_judged_by_its_pairs(
    tmp_path: Path, embedding: LocalEmbeddingChoice | None
) -> None:
    if embedding is not None and load_local_embedding() is None:
        pytest.skip("the extra 'local' is not installed")
    (tmp_path / "docs").mkdir()
    for number, text in enumerate(CHINESE):
        (tmp_path / "docs" / f"{number}.md").write_text(text, encoding="utf-8")
    base = await asyncio.to_thread(KnowledgeBase.open, tmp_path / "docs", tmp_path / "state", None, embedding)
    await base.reindex()

    async def retrieve_evidence(question: str) -> Evidence:
        hits = await base.as_retriever(Scope()).aretrieve(question)
        evidence_filter = EvidenceFilter(base.embedding, has_other_context=True)
        evidence_filter.postprocess_nodes(hits, query_str=question)
        return evidence_filter.evidence

    answered = await retrieve_evidence("护照扫描资料我们公司会替离职者留多久")
    assert MIN_COVERAGE_NON_LATIN <= answered.coverage < MIN_COVERAGE
    assert not answered.is_empty
    foreign = await retrieve_evidence("怎样才能在自己家里的烤箱里烤出一条外皮酥脆内里松软的面包呢")
    assert foreign.is_empty
    await base.close()


def test_evidence_without_hits_is_empty() -> None:
    assert compute_evidence("Where is the kettle?", []).is_empty


def test_rare_words_count_more_than_common_ones() -> None:
    common, rare = compute_coverages("shift pager", ["The shift.", "Pagers", "shifts", "a shift"])[:2]
    assert 0 < common < rare < 1


@given(st.text(), st.lists(st.text(), max_size=5))
def test_coverage_lies_between_0_and_1(question: str, texts: list[str]) -> None:
    assert all(0 <= part <= 1 for part in compute_coverages(question, texts))


def test_coverage_of_100_passages_is_cheaper_than_stemming_them() -> None:
    words = [f"{number:b}".translate(str.maketrans("01", "kt")) + "aeiou"[number % 5] + "ing" for number in range(900)]
    texts = [" ".join(words[(n * 31 + k) % 900] for k in range(90)) for n in range(100)]

    def least(work: Callable[[], object]) -> float:
        """Processor time of this thread, in seconds, at the best of a few tries."""
        taken: list[float] = []
        for _ in range(5):
            began = time.thread_time()
            work()
            taken.append(time.thread_time() - began)
        return min(taken)

    question = f"Which {words[1]} or {words[70]} does {words[300]} have when {words[500]} and {words[899]} meet?"
    assert max(compute_coverages(question, texts)) > 0
    assert least(lambda: compute_coverages(question, texts)) < least(lambda: list(map(extract_stems, texts))) / 2
