"""Measures how well a set of questions is searched and answered, and keeps each run to compare the next with.

Every question is searched by keywords alone, by vectors alone and by both, and answered: by the model, or by quotes.
"""

from __future__ import annotations

import json
import os
import re
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from llama_index.core.schema import QueryBundle
from llama_index.core.vector_stores.types import VectorStoreQueryMode

from bot.domain import AnswerStatus, Question, Scope, Usage
from bot.errors import AnswerUnavailable, DocentError, NothingFound
from bot.knowledge.answering.passages import get_text_node
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
    """A question, the document that answers it, and what a right answer holds.

    ``document`` None is a question that no document answers. A right answer holds one text of each group of
    ``expected_answers``; without a group nothing is judged right. ``other_documents`` answer it as well.
    """

    question: str
    document: str | None
    expected_answers: tuple[tuple[str, ...], ...] = ()
    other_documents: tuple[str, ...] = ()

    def is_answered_by(self, text: str) -> bool:
        """Return whether the text holds what a right answer holds, markup and case aside."""
        plain = _normalize_text(text)
        return bool(self.expected_answers) and all(
            any(_normalize_text(one) in plain for one in group) for group in self.expected_answers
        )


@dataclass(frozen=True, slots=True)
class Score:
    """How well one way of searching found the right document. Shares are from 0 to 1, latencies in seconds.

    ``answer_1`` and ``answer_3``: the best passage, or the best three together, hold the expected answer.
    """

    hit_1: float
    hit_3: float
    hit_5: float
    mrr: float
    p50: float
    p95: float
    answer_1: float = 0.0
    answer_3: float = 0.0


@dataclass(frozen=True, slots=True)
class AnswerStats:
    """What became of the questions when they were answered, as shares of all of them.

    ``right``: what is shown holds the expected answer, and is not marked as doubtful. ``doubtful``: quotes are shown,
    and the answer says that they may not answer the question. ``wrong``: an answer came that is neither. ``refused``:
    it was said that the documents do not hold it. ``failed``: the model failed. These five make up the whole.
    ``shown``: what is shown holds the expected answer, marked as doubtful or not. ``grounded``: an answer came, and
    each of its citations, one at least, leads to a passage it was given.
    """

    right: float
    doubtful: float
    wrong: float
    refused: float
    failed: float
    shown: float
    grounded: float


@dataclass(frozen=True, slots=True)
class ModelStats:
    """What a model's answers were worth and what they cost.

    Attributes:
        grounded: Of the answers, the share with a citation of which each leads to a passage that the model was given.
        citations_right: Of the citations in answers to questions that have an answer, the share that leads to a
            document that answers.
        refused_rightly: Of the questions without an answer, the share that was refused.
        refused_wrongly: Of the questions with an answer, the share that was refused.
        prompt_tokens: Tokens that the model read, over all questions.
        completion_tokens: Tokens that it wrote.
    """

    grounded: float
    citations_right: float
    refused_rightly: float
    refused_wrongly: float
    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One run over one set: ``searches`` by the way of searching, and what the answers were.

    Both are of the questions that have an answer. ``unanswerable`` counts those that have none; of these ``honest`` is
    the share that was refused or marked as doubtful. ``model`` is None where documents were quoted.
    """

    name: str
    questions: int
    embedding: str
    searches: dict[str, Score] = field(default_factory=dict[str, Score])
    answers: AnswerStats | None = None
    unanswerable: int = 0
    honest: float = 0.0
    model: ModelStats | None = None


def parse_questions(text: str, name: str) -> list[EvalQuestion]:
    """Read a question set, a JSON object a line: ``question``, ``source``, and ``answers`` where there are any.

    A right answer holds one of ``answers``, all of ``all_of``, and one of the ``answers`` of each of ``passages``.

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
        question, source = entry["question"], entry["source"]
        passages = [passage["answers"] for passage in entry.get("passages", [])]
        groups = [entry.get("answers", []), *([one] for one in entry.get("all_of", [])), *passages]
        documents = [*entry.get("documents", []), *(passage["document"] for passage in entry.get("passages", []))]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DocentError(
            f'{location} is not an object such as {{"question": "…", "source": "refunds.md"}}.'
        ) from error
    is_list = all(isinstance(group, list) for group in groups)
    if not isinstance(question, str) or not isinstance(source, str | None) or not is_list:
        raise DocentError(f"{location}: question and source are texts (or source is null), answers a list of texts.")
    others = tuple(dict.fromkeys(str(document) for document in documents if document != source))
    return EvalQuestion(question, source, tuple(tuple(map(str, group)) for group in groups if group), others)


async def evaluate(
    base: KnowledgeBase,
    questions: Sequence[EvalQuestion],
    name: str,
    *,
    scope: Scope,
    on_progress: Callable[[int], None],
) -> Evaluation:
    """Search for every question in each way, and answer it, by the model or by quotes.

    Args:
        base: What is measured.
        questions: Those without a document are only answered.
        name: How the set is called.
        scope: The collections that are searched.
        on_progress: Called with the number of questions done.

    Raises:
        DocentError: a case names a document that is not searchable: its share would say nothing.
    """
    await base.ensure_searchable({case.document for case in questions if case.document is not None})
    ways: dict[str, list[SearchResult]] = {}
    answers: list[_Verdict] = []
    unanswerable: list[_Verdict] = []
    for done, case in enumerate(questions, 1):
        verdict = await _grade_answer(base, case, scope)
        if case.document is None:
            unanswerable.append(verdict)
        else:
            answers.append(verdict)
            for way, found in (await _search(base, case, case.document, scope)).items():
                ways.setdefault(way, []).append(found)
        on_progress(done)
    state = await base.state()
    return Evaluation(
        name,
        len(questions),
        state.embedding,
        {way: compute_score(found) for way, found in ways.items()},
        _compute_stats(answers) if answers else None,
        len(unanswerable),
        _share(one.form in {"doubtful", "refused"} for one in unanswerable),
        _compute_model_stats(answers, unanswerable) if base.has_model else None,
    )


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What one search for one question found: ranks from 1 (None: not found), and the seconds it took."""

    rank: int | None
    seconds: float
    answer_rank: int | None = None


async def _search(base: KnowledgeBase, case: EvalQuestion, document: str, scope: Scope) -> dict[str, SearchResult]:
    """Search in each way."""
    question = case.question
    modes = {KEYWORDS: VectorStoreQueryMode.TEXT_SEARCH}
    vector: Sequence[float] | None = None
    embedding = 0.0
    if base.embedding is not None:
        modes |= {VECTORS: VectorStoreQueryMode.DEFAULT, FUSED: VectorStoreQueryMode.HYBRID}
        vector, embedding = await _measure_time(base.as_retriever(scope).embed_query(question))
    bundle = QueryBundle(question, embedding=None if vector is None else list(vector))
    found: dict[str, SearchResult] = {}
    for way, mode in modes.items():
        hits, searching = await _measure_time(base.as_retriever(scope, mode).aretrieve(bundle))
        seconds = searching + (0.0 if way == KEYWORDS else embedding)
        found[way] = SearchResult(find_rank(document, hits), seconds, _find_answer_rank(case, hits))
    return found


def _find_answer_rank(case: EvalQuestion, hits: Sequence[NodeWithScore]) -> int | None:
    """Return how many of the best passages together hold the answer; None where the first ten do not."""
    texts = [get_text_node(hit).text for hit in hits[:MAX_RANK]]
    return next((size for size in range(1, len(texts) + 1) if case.is_answered_by("\n".join(texts[:size]))), None)


async def _measure_time(work: Awaitable[_T]) -> tuple[_T, float]:
    """Await the work; return its result and the seconds it took."""
    began = time.perf_counter()
    return await work, time.perf_counter() - began


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What became of one question: the name of the field of ``AnswerStats`` it counts for, and of two more."""

    form: Literal["right", "doubtful", "wrong", "refused", "failed"]
    is_shown: bool = False
    is_grounded: bool = False
    citations: int = 0
    right_citations: int = 0
    usage: Usage = field(default_factory=Usage)


async def _grade_answer(base: KnowledgeBase, case: EvalQuestion, scope: Scope) -> _Verdict:
    """Ask one question and judge what comes."""
    try:
        answer = await base.answer(Question(case.question, answer_id="evaluation", scope=scope))
        text = "".join([delta async for delta in answer.deltas()])
    except NothingFound:
        return _Verdict("refused")
    except AnswerUnavailable:
        return _Verdict("failed")
    citations = find_citation_numbers(text)
    is_grounded = bool(citations) and citations <= {source.number for source in answer.sources}
    is_right = case.is_answered_by(text)
    if answer.status is AnswerStatus.NOT_FOUND:
        if base.has_model:
            return _Verdict("refused", usage=answer.usage)
        return _Verdict("doubtful", is_right, is_grounded)
    cited = [source for source in answer.sources if source.number in citations]
    right = [source for source in cited if source.document in {case.document, *case.other_documents}]
    return _Verdict("right" if is_right else "wrong", is_right, is_grounded, len(citations), len(right), answer.usage)


def _compute_model_stats(answers: Sequence[_Verdict], unanswerable: Sequence[_Verdict]) -> ModelStats:
    verdicts = [*answers, *unanswerable]
    citations = sum(one.citations for one in answers)
    return ModelStats(
        grounded=_share(one.is_grounded for one in verdicts if one.form in {"right", "wrong"}),
        citations_right=sum(one.right_citations for one in answers) / citations if citations else 0.0,
        refused_rightly=_share(one.form == "refused" for one in unanswerable),
        refused_wrongly=_share(one.form == "refused" for one in answers),
        prompt_tokens=sum(one.usage.prompt for one in verdicts),
        completion_tokens=sum(one.usage.completion for one in verdicts),
    )


def _compute_stats(verdicts: Sequence[_Verdict]) -> AnswerStats:
    forms = {
        form: _share(one.form == form for one in verdicts)
        for form in ("right", "doubtful", "wrong", "refused", "failed")
    }
    return AnswerStats(
        **forms, shown=_share(one.is_shown for one in verdicts), grounded=_share(one.is_grounded for one in verdicts)
    )


def _share(claims: Iterable[bool]) -> float:
    """Return the share of claims that are true; 0 where there are none."""
    held = list(claims)
    return sum(held) / len(held) if held else 0.0


def _normalize_text(text: str) -> str:
    """Return the text without marks of code and emphasis, case-folded, each gap one space."""
    return " ".join(re.sub(r"[`*\\]|^> ?", "", text, flags=re.MULTILINE).split()).casefold()


def find_rank(document: str, hits: Iterable[NodeWithScore]) -> int | None:
    """Return the rank of the document among the documents of the hits, from 1; None behind the tenth."""
    documents = list(dict.fromkeys(str(get_text_node(hit).metadata["document"]) for hit in hits))[:MAX_RANK]
    return documents.index(document) + 1 if document in documents else None


def compute_score(results: Sequence[SearchResult]) -> Score:
    """Summarize the searches of a set: shares, the mean of 1/rank, the median and the 95th percentile of seconds.

    Raises:
        ValueError: there are none.
    """
    if not results:
        raise ValueError("no searches, no score")
    ranks = [result.rank for result in results]
    answer_ranks = [result.answer_rank for result in results]
    seconds = sorted(result.seconds for result in results)

    def hit_rate(among: Sequence[int | None], max_rank: int) -> float:
        return _share(rank is not None and rank <= max_rank for rank in among)

    return Score(
        hit_rate(ranks, 1),
        hit_rate(ranks, 3),
        hit_rate(ranks, 5),
        sum(1 / rank for rank in ranks if rank is not None) / len(ranks),
        seconds[(len(seconds) - 1) // 2],
        seconds[round(0.95 * (len(seconds) - 1))],
        hit_rate(answer_ranks, 1),
        hit_rate(answer_ranks, 3),
    )


def load_previous(log: Path, name: str, *, with_model: bool = False) -> Evaluation | None:
    """Return the last run over the set of this name, with or without a model; None where none can be read."""
    try:
        lines = log.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    for line in reversed(lines):
        try:
            entry: Any = json.loads(line)
            if entry["name"] == name and (entry["model"] is not None) is with_model:
                searches = {way: Score(**score) for way, score in entry["searches"].items()}
                answers = AnswerStats(**entry["answers"]) if entry["answers"] else None
                others = {key: entry[key] for key in ("unanswerable", "honest")}
                model = ModelStats(**entry["model"]) if with_model else None
                return Evaluation(
                    name, entry["questions"], entry["embedding"], searches, answers, **others, model=model
                )
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
