"""A set of questions with the documents that answer them goes in; how often each is found, and how soon, comes out.

Every question is searched by keywords alone, by vectors alone and by both; with a model it is answered too. What a run
found is kept, one line a run, so that the next can stand beside it.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

from bot.domain import FinishReason, Question, Scope
from bot.errors import AnswerUnavailable, DocentError, NothingFound
from bot.knowledge.answering.retrieval import get_text_node
from bot.text.citations import find_citation_numbers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence
    from pathlib import Path

    from llama_index.core.schema import NodeWithScore

    from bot.knowledge.knowledge_base import KnowledgeBase

MAX_RANK: Final = 10
"""Documents looked at for each question: the right one behind them counts as not found."""

KEYWORDS: Final = "keywords"
VECTORS: Final = "vectors"
FUSED: Final = "fused"

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class EvalQuestion:
    """A question, the document that answers it, and words one of which a right answer holds (none: not looked at).

    ``document`` None is a question that no document answers: what is right is to say so.
    """

    question: str
    document: str | None
    expected_answers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Score:
    """How well one way of searching found the right document. Shares are from 0 to 1, latencies in seconds."""

    hit_1: float
    hit_3: float
    hit_5: float
    mrr: float
    p50: float
    p95: float


@dataclass(frozen=True, slots=True)
class AnswerStats:
    """What became of the questions when they were answered, as shares of all of them.

    ``grounded``: an answer came, and each of its marks, one at least, leads to a passage it was given. ``right``: it
    holds the expected words, as far as a case gives any. ``refused``: it was said that the documents do not hold it.
    ``failed``: the model failed.
    """

    grounded: float
    right: float
    refused: float
    failed: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One run over one set. ``searches`` is by the way of searching; ``told`` is None where no model was asked.

    Both are of the questions that have an answer. ``unanswerable`` counts those that have none, ``turned_away`` is the
    part of them that was rightly refused.
    """

    name: str
    questions: int
    embedding: str
    searches: dict[str, Score] = field(default_factory=dict[str, Score])
    told: AnswerStats | None = None
    unanswerable: int = 0
    turned_away: float = 0.0


def parse_questions(text: str, name: str) -> list[EvalQuestion]:
    """Read a question set, a JSON object a line: ``question``, ``source``, and ``answers`` where there are any.

    Raises:
        DocentError: a line is not such an object, or there is none; ``name`` is how the set is called then.
    """
    found = [
        _parse_question(line, f"{name}, line {number}")
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip()
    ]
    if not found:
        raise DocentError(f"{name} holds no questions. Each line is an object with question and source.")
    return found


def _parse_question(line: str, location: str) -> EvalQuestion:
    try:
        entry: Any = json.loads(line)
        question, source, answers = entry["question"], entry["source"], entry.get("answers", [])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DocentError(
            f'{location} is not an object such as {{"question": "…", "source": "refunds.md"}}.'
        ) from error
    if not isinstance(question, str) or not isinstance(source, str | None) or not isinstance(answers, list):
        raise DocentError(f"{location}: question and source are texts (or source is null), answers a list of texts.")
    return EvalQuestion(question, source, tuple(str(answer) for answer in answers))


async def evaluate(
    base: KnowledgeBase,
    questions: Sequence[EvalQuestion],
    name: str,
    *,
    scope: Scope,
    on_progress: Callable[[int], None],
) -> Evaluation:
    """Search for every case in each way, and answer it where the base has a model; ``on_progress`` is told how many.

    A case without a source is only answered, by the model or by quotes.

    Raises:
        DocentError: a case names a document that is not searchable: its share would say nothing.
    """
    await base.ensure_searchable({case.document for case in questions if case.document is not None})
    ways: dict[str, list[tuple[int | None, float]]] = {}
    told: list[str] = []
    unanswerable: list[str] = []
    for done, case in enumerate(questions, 1):
        if case.document is None:
            unanswerable.append(await _grade_answer(base, case, scope))
            on_progress(done)
            continue
        for way, found in (await _search(base, case.question, case.document, scope)).items():
            ways.setdefault(way, []).append(found)
        if base.has_model:
            told.append(await _grade_answer(base, case, scope))
        on_progress(done)
    state = await base.state()
    return Evaluation(
        name,
        len(questions),
        state.embedding,
        {way: compute_score(found) for way, found in ways.items()},
        _compute_stats(told) if told else None,
        len(unanswerable),
        _compute_stats(unanswerable).refused if unanswerable else 0.0,
    )


async def _search(base: KnowledgeBase, question: str, source: str, scope: Scope) -> dict[str, tuple[int | None, float]]:
    """The rank of the right document and the seconds taken, by the way of searching."""
    retriever = base.as_retriever(scope)
    vector, embedding = await _measure_time(retriever.embed_query(question))
    ways: dict[str, tuple[str, Sequence[float] | None]] = {KEYWORDS: (question, None)}
    if base.embedding is not None:
        ways |= {VECTORS: ("", vector), FUSED: (question, vector)}
    found: dict[str, tuple[int | None, float]] = {}
    for way, asked in ways.items():
        hits, searching = await _measure_time(retriever.search(*asked))
        found[way] = (find_rank(source, hits), searching + (0.0 if way == KEYWORDS else embedding))
    return found


async def _measure_time(work: Awaitable[_T]) -> tuple[_T, float]:
    """What comes of it, and the seconds it took."""
    began = time.perf_counter()
    return await work, time.perf_counter() - began


async def _grade_answer(base: KnowledgeBase, case: EvalQuestion, scope: Scope) -> str:
    """What became of one question: a word for each field of ``AnswerStats`` that it counts for."""
    try:
        answer = await base.answer(Question(case.question, answer_id="evaluation", scope=scope))
        text = "".join([delta async for delta in answer.deltas()])
    except NothingFound:
        return "refused"
    except AnswerUnavailable:
        return "failed"
    if answer.outcome.finish_reason is FinishReason.NOT_FOUND:
        return "refused"
    marks = find_citation_numbers(text)
    is_grounded = bool(marks) and marks <= {source.number for source in answer.sources}
    plain = " ".join(text.split()).casefold()
    is_right = any(" ".join(words.split()).casefold() in plain for words in case.expected_answers)
    return " ".join(word for word, holds in (("grounded", is_grounded), ("right", is_right)) if holds)


def _compute_stats(verdicts: Sequence[str]) -> AnswerStats:
    return AnswerStats(
        **{
            name: sum(name in one.split() for one in verdicts) / len(verdicts)
            for name in AnswerStats.__dataclass_fields__
        }
    )


def find_rank(document: str, hits: Iterable[NodeWithScore]) -> int | None:
    """Where the document stands among the documents of the hits, from 1; None where it is not among the first."""
    documents = list(dict.fromkeys(str(get_text_node(hit).metadata["document"]) for hit in hits))[:MAX_RANK]
    return documents.index(document) + 1 if document in documents else None


def compute_score(results: Sequence[tuple[int | None, float]]) -> Score:
    """Ranks and seconds of all cases in one: shares, the mean of 1/rank, and the middle and the slow end.

    Raises:
        ValueError: there are no cases.
    """
    if not results:
        raise ValueError("no cases, no score")
    ranks = [place for place, _ in results]
    seconds = sorted(taken for _, taken in results)

    def hit_rate(max_rank: int) -> float:
        return sum(place is not None and place <= max_rank for place in ranks) / len(ranks)

    return Score(
        hit_rate(1),
        hit_rate(3),
        hit_rate(5),
        sum(1 / place for place in ranks if place is not None) / len(ranks),
        seconds[(len(seconds) - 1) // 2],
        seconds[round(0.95 * (len(seconds) - 1))],
    )


def load_previous(log: Path, name: str) -> Evaluation | None:
    """The last run over the set of this name; None where there is none, or it cannot be read."""
    try:
        lines = log.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    for line in reversed(lines):
        try:
            entry: Any = json.loads(line)
            if entry["name"] == name:
                searches = {way: Score(**score) for way, score in entry["searches"].items()}
                told = AnswerStats(**entry["told"]) if entry["told"] else None
                others = {key: entry[key] for key in ("unanswerable", "turned_away") if key in entry}
                return Evaluation(name, entry["questions"], entry["embedding"], searches, told, **others)
        except (ValueError, KeyError, TypeError, AttributeError):  # written by another version, or cut off: passed over
            continue
    return None


def append_run(log: Path, evaluation: Evaluation, when: str) -> None:
    """Add a run to the log; ``when`` is its time in ISO 8601.

    Raises:
        DocentError: the log cannot be written.
    """
    try:
        log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "a", encoding="utf-8") as lines:
            with suppress(PermissionError):  # it is somebody else's, who lets us write
                log.chmod(0o600)  # one that was begun when it was still open to others
            lines.write(json.dumps({"when": when, **asdict(evaluation)}, ensure_ascii=False) + "\n")
    except OSError as error:
        raise DocentError(f"{log} cannot be written; the run is not kept to compare with.") from error
