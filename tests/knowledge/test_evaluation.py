"""Question sets measured: what a set may look like, what its numbers mean, and what must not get worse."""

from __future__ import annotations

import json
import re
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from bot.domain import Scope
from bot.errors import DocentError
from bot.knowledge import KnowledgeBase, LanguageModelChoice, LocalEmbeddingChoice
from bot.knowledge.evaluation import (
    FUSED,
    KEYWORDS,
    AnswerStats,
    EvalQuestion,
    Evaluation,
    ModelStats,
    Score,
    SearchResult,
    append_run,
    compute_score,
    evaluate,
    load_previous,
    parse_questions,
)
from bot.knowledge.models.local import load_local_embedding
from tests.fakes.openai_server import Completion, OpenAIServer, Request, make_completion, make_invalid_key_error

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

REPOSITORY = Path(__file__).parents[2]
QUESTIONS_FILE_TEXT = (Path(__file__).parent / "questions.jsonl").read_text(encoding="utf-8")


def test_a_set_is_a_json_object_a_line() -> None:
    text = '{"question": "Q?", "source": "a.md"}\n\n{"question": "R?", "source": "b.md", "answers": ["yes"], "n": 1}\n'
    assert parse_questions(text, "set") == [EvalQuestion("Q?", "a.md"), EvalQuestion("R?", "b.md", (("yes",),))]


def test_a_right_answer_holds_one_of_each_group() -> None:
    line = {
        "question": "Q?",
        "source": "a.md",
        "answers": ["50M", "50 MB"],
        "all_of": ["limit"],
        "passages": [{"document": "b.md", "answers": ["queue"]}],
    }
    (question,) = parse_questions(json.dumps(line), "set")
    assert question.is_answered_by("> The *Limit* is `50\n> mb`, the **queue** waits.")
    assert not question.is_answered_by("The limit is 50 MB.")
    assert not question.is_answered_by("The queue has a limit.")
    assert not EvalQuestion("Q?", "a.md").is_answered_by("Anything.")


@pytest.mark.parametrize(
    "line", ["nonsense", "[]", "3", '{"question": "Q?"}', '{"question": 1, "source": "a"}', '{"source": "a"}']
)
def test_malformed_line_is_reported(line: str) -> None:
    with pytest.raises(DocentError, match="set, line 2"):
        parse_questions('{"question": "Q?", "source": "a.md"}\n' + line, "set")


def test_unanswerable_question_has_no_source() -> None:
    assert parse_questions('{"question": "Q?", "source": null}', "set") == [EvalQuestion("Q?", None)]


def test_an_empty_set_is_refused() -> None:
    with pytest.raises(DocentError, match="no questions"):
        parse_questions("\n", "set")


def test_scores_are_shares_of_all_questions_and_a_miss_counts_as_zero() -> None:
    results = [SearchResult(1, 0.1, 1), SearchResult(2, 0.2), SearchResult(4, 0.3, 3), SearchResult(None, 9.0)]
    assert compute_score(results) == Score(0.25, 0.5, 0.75, (1 + 0.5 + 0.25) / 4, 0.2, 9.0, 0.25, 0.5)


_RANKS = st.none() | st.integers(1, 10)


@given(st.lists(st.builds(SearchResult, _RANKS, st.floats(0, 100), _RANKS), min_size=1))
def test_scores_are_ordered_and_bounded(found: list[SearchResult]) -> None:
    score = compute_score(found)
    assert 0 <= score.hit_1 <= score.hit_3 <= score.hit_5 <= 1
    assert score.hit_1 <= score.mrr + 1e-9 <= 1 + 2e-9
    assert 0 <= score.answer_1 <= score.answer_3 <= 1
    assert score.p50 <= score.p95


def test_the_last_run_over_the_same_set_is_found_again_whatever_else_the_log_holds(tmp_path: Path) -> None:
    log = tmp_path / "state" / "evaluations.jsonl"
    assert load_previous(log, "a") is None
    score = Score(0.5, 0.6, 0.7, 0.55, 0.01, 0.02)
    runs = [
        Evaluation("a", 4, "none", {KEYWORDS: score}),
        Evaluation("a", 5, "none", {KEYWORDS: score}, AnswerStats(0.5, 0.25, 0.0, 0.25, 0.0, 0.75, 1.0)),
        Evaluation("b", 6, "none", {}, None, 2, 0.5),
    ]
    for run in runs:
        append_run(log, run, "2025-05-03T10:00:00+00:00")
    with log.open("a", encoding="utf-8") as lines:
        lines.write('{"name": "a", "searches": 3}\n{"name": "a", "que')

    assert load_previous(log, "a") == runs[1]
    assert load_previous(log, "b") == runs[2]


def test_unwritable_log_is_reported(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where a folder should be")
    with pytest.raises(DocentError, match="cannot be written"):
        append_run(tmp_path / "state" / "evaluations.jsonl", Evaluation("a", 1, "none"), "now")


@asynccontextmanager
async def open_searchable(
    tmp_path: Path, *, llm: LanguageModelChoice | None = None, embedding: LocalEmbeddingChoice | None = None
) -> AsyncGenerator[KnowledgeBase]:
    base = KnowledgeBase.open(REPOSITORY / "data" / "documents", tmp_path, llm, embedding)
    await base.reindex()
    yield base
    await base.close()


async def test_a_document_that_is_not_searchable_is_named_before_anything_is_measured(tmp_path: Path) -> None:
    async with open_searchable(tmp_path) as base:
        with pytest.raises(DocentError, match=r"lost\.md cannot be searched"):
            await evaluate(base, [EvalQuestion("Q?", "lost.md")], "set", scope=Scope(), on_progress=lambda _: None)


async def test_with_a_model_every_question_is_answered_and_judged(tmp_path: Path) -> None:
    given = [
        EvalQuestion("Who may approve a refund of more than 1,000 euros?", "refunds.md", (("Lotte  Vermeer",),)),
        EvalQuestion("When are passport scans deleted?", "running/security.md", (("30 days",),)),
        EvalQuestion("Which zebra sang operettas?", "welcome.md"),
    ]
    done: list[int] = []
    async with OpenAIServer(make_completion("It is Lotte Vermeer [1].")) as server:
        async with open_searchable(tmp_path, llm=LanguageModelChoice("fake", server.url, SecretStr("k"))) as base:
            found = await evaluate(base, given, "set", scope=Scope(), on_progress=done.append)
        assert len(server.chat_requests) == 2  # nothing was found for the third, so no model was asked

    assert done == [1, 2, 3]
    assert (found.name, found.questions, list(found.searches)) == ("set", 3, [KEYWORDS])
    assert found.answers == AnswerStats(
        right=1 / 3, doubtful=0.0, wrong=1 / 3, refused=1 / 3, failed=0.0, shown=1 / 3, grounded=2 / 3
    )
    assert found.model is not None
    assert (found.model.grounded, found.model.refused_wrongly) == (1.0, 1 / 3)


def write_answer(message: str) -> str:
    """Answer as a careful model: one question right, one with a citation that leads elsewhere, the rest not."""
    if "refund" in message.rpartition("Question:")[2]:
        numbers = re.findall(r"^\[(\d+)\] Refunds", message, re.MULTILINE)
        others = re.findall(r"^\[(\d+)\] (?!Refunds)", message, re.MULTILINE)
        return f"Lotte Vermeer signs [{numbers[0]}], somebody else packs [{others[0]}]."
    return "[0] The passages do not say."


async def test_a_models_citations_refusals_and_tokens_are_counted(tmp_path: Path) -> None:
    given = [
        EvalQuestion("Who may approve a refund of more than 1,000 euros?", "refunds.md", (("Lotte Vermeer",),)),
        EvalQuestion("When are passport scans deleted?", "running/security.md", (("30 days",),)),
        EvalQuestion("Which salary does the security officer have?", None),
        EvalQuestion("What is the colour of the passport scans?", None),
    ]

    written: list[str] = []

    def answer(request: Request) -> Completion:
        written.append(write_answer(request.prompt))
        return make_completion(written[-1])

    async with (
        OpenAIServer(answer) as server,
        open_searchable(tmp_path, llm=LanguageModelChoice("fake", server.url, SecretStr("k"))) as base,
    ):
        found = await evaluate(base, given, "set", scope=Scope(), on_progress=lambda _: None)
    assert found.model is not None
    assert found.model.prompt_tokens > 100 * len(given)
    assert found.model == ModelStats(
        grounded=1.0,
        citations_right=0.5,
        refused_rightly=1.0,
        refused_wrongly=0.5,
        prompt_tokens=found.model.prompt_tokens,
        completion_tokens=sum(len(text.split()) for text in written),
    )
    log = tmp_path / "evaluations.jsonl"
    append_run(log, replace(found, model=None), "before")
    append_run(log, found, "now")
    append_run(log, replace(found, model=None, questions=9), "later")
    assert load_previous(log, "set", with_model=True) == found
    quoted = load_previous(log, "set")
    assert quoted is not None
    assert quoted.questions == 9


@pytest.mark.parametrize(("said", "honest"), [("It is Ada [1].", 0.5), ("[0] That is not in them.", 1.0)])
async def test_refused_unanswerable_questions_are_counted(tmp_path: Path, said: str, honest: float) -> None:
    given = [EvalQuestion("Which zebra sang operettas?", None), EvalQuestion("Who approves a refund of a car?", None)]
    async with (
        OpenAIServer(make_completion(said)) as server,
        open_searchable(tmp_path, llm=LanguageModelChoice("fake", server.url, SecretStr("k"))) as base,
    ):
        found = await evaluate(base, given, "set", scope=Scope(), on_progress=lambda _: None)
    assert (found.unanswerable, found.honest) == (2, honest)
    assert (found.searches, found.answers) == ({}, None)


async def test_low_confidence_quotes_count_as_refusals_without_a_model(tmp_path: Path) -> None:
    async with open_searchable(tmp_path) as base:
        given = [EvalQuestion("Which zebra sang operettas?", None)]
        found = await evaluate(base, given, "set", scope=Scope(), on_progress=lambda _: None)
    assert (found.unanswerable, found.honest) == (1, 1.0)


@pytest.mark.parametrize(("text", "grounded"), [("No marks.", 0.0), ("Made up [99].", 0.0), ("Both [1][99].", 0.0)])
async def test_answer_without_a_valid_citation_is_not_grounded(tmp_path: Path, text: str, grounded: float) -> None:
    async with (
        OpenAIServer(make_completion(text)) as server,
        open_searchable(tmp_path, llm=LanguageModelChoice("fake", server.url, SecretStr("k"))) as base,
    ):
        case = EvalQuestion("When are passport scans deleted?", "running/security.md")
        found = await evaluate(base, [case], "set", scope=Scope(), on_progress=lambda _: None)
    assert found.answers is not None
    assert found.answers.grounded == grounded


async def test_a_model_that_fails_is_counted_as_failed(tmp_path: Path) -> None:
    async with (
        OpenAIServer(make_invalid_key_error()) as server,
        open_searchable(tmp_path, llm=LanguageModelChoice("fake", server.url, SecretStr("k"))) as base,
    ):
        case = EvalQuestion("When are passport scans deleted?", "running/security.md")
        found = await evaluate(base, [case], "set", scope=Scope(), on_progress=lambda _: None)
    assert found.answers == AnswerStats(0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0)


async def test_keyword_scores_on_the_committed_set_do_not_regress(tmp_path: Path) -> None:
    async with open_searchable(tmp_path) as base:
        found = await evaluate(
            base, parse_questions(QUESTIONS_FILE_TEXT, "set"), "set", scope=Scope(), on_progress=lambda _: None
        )
    assert found.searches[KEYWORDS].hit_1 >= 0.5
    assert found.searches[KEYWORDS].mrr >= 0.58
    assert found.answers is not None
    assert found.answers.shown >= 0.5


@pytest.mark.skipif(load_local_embedding() is None, reason="the extra 'local' is not installed (Python 3.14 and newer)")
async def test_vectors_find_paraphrases_on_the_committed_set(tmp_path: Path) -> None:
    async with open_searchable(tmp_path, embedding=LocalEmbeddingChoice()) as base:
        found = await evaluate(
            base, parse_questions(QUESTIONS_FILE_TEXT, "set"), "set", scope=Scope(), on_progress=lambda _: None
        )
    both, keywords = found.searches[FUSED], found.searches[KEYWORDS]
    assert both.hit_1 >= 0.87, found
    assert both.mrr >= 0.92, found
    assert both.hit_1 > keywords.hit_1, found


def test_every_question_of_the_committed_set_is_asked_once() -> None:
    questions = [json.loads(line)["question"] for line in QUESTIONS_FILE_TEXT.splitlines()]
    assert len(set(questions)) == len(questions) == 24
