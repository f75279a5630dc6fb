"""Answers without a model: excerpts of the best passages, word for word, streamed like a model's answer.

Each unit is scored by what it and its surroundings share with the question; nothing is written or calculated.
"""

from __future__ import annotations

import asyncio
import logging
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Self

import numpy as np
from llama_index.core.llms.mock import MockLLM

from bot.domain import AnswerStatus, Source
from bot.knowledge.answering.evidence import compute_coverages
from bot.knowledge.answering.passages import build_sources
from bot.knowledge.answering.prompts import format_heading
from bot.knowledge.answering.quotable_units import QuotableUnit, split_units
from bot.knowledge.answering.synthesis import PassageSynthesizer
from bot.knowledge.answering.vector_store import SIMILARITY
from bot.knowledge.models.local import LocalEmbedding
from bot.knowledge.models.model_errors import MODEL_ERRORS

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence

    from llama_index.core.base.embeddings.base import BaseEmbedding
    from llama_index.core.schema import NodeWithScore

    from bot.domain import Attachment
    from bot.knowledge.answering.vocabulary import WordChecker

NO_MODEL_HEADING: Final = "**No model is set: quoting your documents**"
LOW_CONFIDENCE_NOTE: Final = "*This may not answer your question.* Nearest:"

PASSAGES_READ: Final = 12
"""Passages searched for quotes; there is no model's window to spare."""

SOURCE_LIMIT: Final = 3
"""Passages quoted from at most."""

EXCERPT_CHARS: Final = 500
FURTHER_EXCERPT_CHARS: Final = 350
"""Characters quoted from the best passage, and from each further one; a single unit may be longer."""

CODE_CHARS: Final = 700
"""Characters of a code block that are quoted; a longer one is cut behind a line."""

MIN_RELATIVE_SCORE: Final = 0.5
"""A further passage is quoted from when its best unit scores at least this part of the best of all."""

SHORTLIST_SIZE: Final = 24
"""Units whose meaning is looked at: those that share most with the question in the passages that come first. Each costs
some ten milliseconds of a processor."""

LOW_CONFIDENCE_COVERAGE: Final = 0.2
LOW_CONFIDENCE_SIMILARITY: Final = 0.3
"""Below this cosine of the nearest passage, or without vectors this coverage by the best one, the answer is marked."""

UNNUMBERED: Final = 0
"""The number of what is quoted like a source and is none: a file that came with the question."""

_WORD_PAUSE: Final = 0.002  # seconds between two words: enough for the loop to turn, too little to wait for
_log = logging.getLogger(__name__)


# --- Scores: what a unit shares with the question ----------------------------------------------------------------

SIMILARITY_WEIGHT: Final = 0.8
"""A quarter of it is the passage's similarity: a sentence that says "it" is understood only with its heading."""

PASSAGE_SHARE: Final = 0.25
OVERLAP_WEIGHT: Final = 0.15
ANSWER_TYPE_WEIGHT: Final = 0.15

UNIT_WEIGHT, WINDOW_WEIGHT, PASSAGE_WEIGHT = 0.3, 0.5, 0.2
"""What makes up the overlap: the coverage of the question by the unit, by it with its neighbours, by its passage.

The sentence that answers often stands beside the one that repeats the question's words. On seven manuals and the small
one, without vectors, other weights showed the answer to 54 to 62 of 148 questions: these are not tuned finely.
"""

RANK_WEIGHT: Final = 0.3
"""How much the rank of its passage counts beside the overlap, where there are no vectors."""


def _compile_any(*alternatives: str) -> re.Pattern[str]:
    return re.compile("|".join(alternatives), re.IGNORECASE)


_ANSWER_TYPES: Final = (
    (
        _compile_any(r"\bwho(m|se)?\b"),
        re.compile(r"\b[A-Z]\w+ [A-Z]\w+\b|@|\b(?:[Aa]nyone|[Ee]very(?:body|one)|[Nn]obody)\b"),
    ),
    (
        _compile_any(r"\bwhen\b", r"\bwhat time\b", r"\bwhich days?\b", r"\bhow (long|soon|often|fast|quickly|late)\b"),
        _compile_any(
            r"\d",
            r"\b(second|minute|hour|day|week|month|quarter|year)s?\b",
            r"\b(mon|tues|wednes|thurs|fri|satur|sun)days?\b",
            r"\b(daily|weekly|monthly|yearly|noon|midnight|morning|evening)\b",
        ),
    ),
    (
        _compile_any(r"\bhow (much|many)\b", r"\b(cost|price|limit|rate|fee|percent(age)?|number)\b"),
        _compile_any(r"\d", r"\b(one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|dozen|half)\b"),
    ),
    (_compile_any(r"\b(command|code|script|install|configure)\b"), _compile_any("`", "~~~")),
    (
        _compile_any(r"\bdefaults?\b"),
        _compile_any(
            r"\bdefault", r"\b(unless|otherwise|normally|initially|unset|omitted)\b", r"\bnot (given|set|specified)\b"
        ),
    ),
    (_compile_any(r"\bwhere\b"), re.compile(r"\b(?:in|at|on|under|near|above|below) (?:the )?[A-Z`/]|`|://|#\w")),
)
"""What a question asks for, and what an answer to it looks like. English only; elsewhere no hint is given."""


def score_answer_type(question: str, text: str) -> float:
    """1 if the text holds the kind of thing the question asks for (a name, a time, a number …); 0.5 if it asks none."""
    asked = [answer for wanted, answer in _ANSWER_TYPES if wanted.search(question)]
    if not asked:
        return 0.5
    return sum(bool(answer.search(text)) for answer in asked) / len(asked)


@dataclass(frozen=True, slots=True)
class Quote:
    """A unit, the source it is in, its position there, and its score."""

    unit: QuotableUnit
    source: Source
    position: int
    score: float


def select_quotes(quotes: Sequence[Quote]) -> list[Quote]:
    """Choose what to quote: an excerpt around the best unit of each of the best passages, nothing twice.

    ``quotes`` are all units of all passages, each passage's in their order.
    """
    passages: dict[Source, list[Quote]] = {}
    for quote in quotes:
        passages.setdefault(quote.source, []).append(quote)
    seeds = {source: max(own, key=_score_as_seed) for source, own in passages.items()}
    kept: list[Quote] = []
    best = max(map(_score_as_seed, seeds.values()), default=0.0)
    for source in sorted(seeds, key=lambda source: -_score_as_seed(seeds[source])):
        quoted = {quote.source for quote in kept}
        if len(quoted) == SOURCE_LIMIT or (kept and _score_as_seed(seeds[source]) < best * MIN_RELATIVE_SCORE):
            break
        known = [_extract_words(quote.unit) for quote in kept]
        if any(_is_duplicate(_extract_words(seeds[source].unit), words) for words in known):
            continue
        excerpt = _build_excerpt(passages[source], seeds[source], FURTHER_EXCERPT_CHARS if kept else EXCERPT_CHARS)
        for quote in excerpt:
            words = _extract_words(quote.unit)
            if not any(_is_duplicate(words, other) for other in known):
                known.append(words)
                kept.append(quote)
    return kept


# "This needs …", "- It is …": not to be understood without the sentence before.
_REFERENCE: Final = re.compile(
    r"(?:[-*+•]\s+)?(?:this|that|these|those|it|its|they|such|otherwise|however|then|so|if so|if not|instead|also"
    r"|in (?:this|that|these|such)|for this|therefore|thus|hence|but)\b",
    re.IGNORECASE,
)
# What is no sentence of its own: a line of a contents page, of an index, a note below a page, a list item that is a
# link and nothing else.
_NAVIGATION: Final = re.compile(
    r"(?:[-*+•]\s+|\d{1,3}[.)]\s+)?"
    r"(?:\*{0,2}!?\[[^\]]*\]\([^)]*\)\*{0,2}[.,;]?|.{0,80}?(?:\. ?){4,}\d*|[^.!?]{1,60}(?:, \d{1,4})+)"
    r"|\[\^\w+\]:.*",
    re.DOTALL,
)


def _score_as_seed(quote: Quote) -> float:
    """Return the unit's score; 0 for what answers nothing: a question, or a line that only leads elsewhere."""
    text = quote.unit.text.rstrip('*_"”’)')
    is_answer = quote.unit.is_block or not (text.endswith("?") or _NAVIGATION.fullmatch(quote.unit.text))
    return quote.score if is_answer else 0.0


def _build_excerpt(passage: Sequence[Quote], seed: Quote, max_chars: int) -> list[Quote]:
    """Return the seed with what it needs to be understood, and with its neighbours as long as there is room."""
    first = last = passage.index(seed)
    taken = len(seed.unit.full_text)
    while first and _REFERENCE.match(passage[first].unit.text) and taken < max_chars:
        first -= 1
        taken += len(passage[first].unit.text)
    is_lead_in = passage[last].unit.text.endswith(":") and last + 1 < len(passage)
    if is_lead_in:  # a line that ends in a colon says nothing without what it introduces
        last += 1
        taken += min(len(passage[last].unit.text), CODE_CHARS)
    while True:
        around = [number for number in (last + 1, first - 1) if 0 <= number < len(passage)]
        fitting = [
            number
            for number in around
            if taken + len(passage[number].unit.text) <= max_chars
            and not _NAVIGATION.fullmatch(passage[number].unit.text)
        ]
        if not fitting:
            break
        nearest = max(fitting, key=lambda number: passage[number].score)
        first, last = min(first, nearest), max(last, nearest)
        taken += len(passage[nearest].unit.text)
    return [replace(quote, unit=_shorten_code(quote.unit)) for quote in passage[first : last + 1]]


def _shorten_code(unit: QuotableUnit) -> QuotableUnit:
    """Return a long code block cut behind a line, with a line that says so; any other unit as it is."""
    if not unit.is_block or unit.text.startswith("|") or len(unit.text) <= CODE_CHARS:
        return unit
    fence = unit.text[: len(unit.text) - len(unit.text.lstrip("`~"))]
    kept = unit.text[:CODE_CHARS].rsplit("\n", 1)[0]
    return replace(unit, text=f"{kept}\n…\n{fence}") if fence else unit


def _extract_words(unit: QuotableUnit) -> list[str]:
    """Return the words of a unit without its Markdown marks; code stays as it is."""
    if unit.is_block:
        return unit.full_text.split()
    return re.findall(r"[^\W_]+", re.sub(r"\]\([^)\s]*\)", " ", unit.full_text).casefold())


def _is_duplicate(words: Sequence[str], others: Sequence[str]) -> bool:
    """Return whether the others contain these words, or differ only by numbers that one of both lacks (footnotes)."""
    if f" {' '.join(words)} " in f" {' '.join(others)} ":
        return True
    own, theirs = ({word for word in each if word.isdecimal()} for each in (words, others))
    is_alike = [word for word in words if word not in own] == [word for word in others if word not in theirs]
    return is_alike and (own < theirs or theirs < own)


def format_doubt(missing: Sequence[str], *, is_low_confidence: bool) -> str:
    """Return what a doubtful answer begins with; "" where nothing speaks against the quotes."""
    if missing:
        return f"No document mentions {' or '.join(f'*{word}*' for word in missing)}. Nearest:"
    return LOW_CONFIDENCE_NOTE if is_low_confidence else ""


def render_quotes(quotes: Sequence[Quote]) -> Iterator[str]:
    """Yield the answer's paragraphs: for each source, best first, its heading with [n] and then what is quoted.

    A file that came with the question is no source, and has no number.
    """
    for source in dict.fromkeys(quote.source for quote in quotes):
        own = sorted((quote for quote in quotes if quote.source == source), key=lambda quote: quote.position)
        yield f"\n\n**{format_heading(source)}**" + (f" [{source.number}]" if source.number != UNNUMBERED else "")
        shown: set[str] = set()
        for quote in own:
            yield from _render_unit(quote.unit, has_lead_in=quote.unit.lead_in not in shown)
            shown |= {quote.unit.lead_in, quote.unit.text}


def _render_unit(unit: QuotableUnit, *, has_lead_in: bool) -> Iterator[str]:
    is_table = unit.is_block and unit.lead_in.startswith("|")
    if unit.lead_in and has_lead_in:
        yield f"\n\n{unit.lead_in}" if is_table else f"\n> {unit.lead_in}"
    yield f"\n{unit.text}" if unit.is_block else f"\n> {_escape_citations(unit.text)}"


def _escape_citations(text: str) -> str:
    """Escape a document's own [n], so that it is not taken for a citation of this answer."""
    return re.sub(r"(?<!\\)\[(?=[\d ,;–-]+\])", r"\\[", text)


# --- The synthesizer ---------------------------------------------------------------------------------------------


class ExtractiveSynthesizer(PassageSynthesizer):
    """Answers with quotes instead of a model; what to quote is chosen when the first delta is awaited.

    Files that came with the question are quoted as well, each under its name; they are not among the sources.
    """

    def __init__(
        self,
        embedding: BaseEmbedding | None,
        *,
        attachments: Sequence[Attachment] = (),
        words: WordChecker | None = None,
    ) -> None:
        """Make it.

        Args:
            embedding: Judges which unit is near the question; None chooses by words.
            attachments: Files that came with the question.
            words: What was found out about the question's words by the time it is answered.
        """
        super().__init__(MockLLM())  # LlamaIndex wants a model; this one is never asked
        self._embedding = embedding
        self._files = [
            Source(UNNUMBERED, "", f"Your attachment {_escape_markdown(file.name)}", file.text) for file in attachments
        ]
        self._words = words
        self._is_low_confidence = False

    def get_status(self, *, has_text: bool) -> AnswerStatus:
        """Return how the answer ended: as not found where the quotes may not answer the question."""
        del has_text
        return AnswerStatus.NOT_FOUND if self._is_low_confidence else AnswerStatus.COMPLETE

    async def stream_answer(self, question: str, passages: Sequence[NodeWithScore]) -> AsyncGenerator[str, None]:
        """Return the quotes, word by word."""
        return self._stream_deltas(question, Candidates.from_passages(passages, self._files))

    async def _stream_deltas(self, question: str, candidates: Candidates) -> AsyncGenerator[str, None]:
        yield NO_MODEL_HEADING
        scored, best_coverage = await self._score_units(question, candidates)
        quotes = select_quotes(scored)
        missing = self._words.missing if self._words else ()
        self._is_low_confidence = bool(
            missing
            or not quotes
            or (candidates.has_low_similarity and not candidates.files)
            or (not candidates.has_vectors and best_coverage < LOW_CONFIDENCE_COVERAGE)
        )
        doubt = format_doubt(missing, is_low_confidence=self._is_low_confidence)
        for piece in (*([f"\n\n{doubt}"] if doubt else []), *render_quotes(quotes)):
            for word in re.findall(r"\s*\S+\s*?|\s+", piece):
                yield word
                await asyncio.sleep(_WORD_PAUSE)

    async def _score_units(self, question: str, candidates: Candidates) -> tuple[list[Quote], float]:
        """Return every unit with its score, and the best passage's coverage of the question.

        Where meaning is looked at, a unit that is not on the shortlist keeps a score below all that are.
        """
        overlaps, best_coverage = await asyncio.to_thread(_score_overlaps, question, candidates)
        by_words = {
            quote: overlap
            + RANK_WEIGHT * candidates.get_rank_score(quote.source)
            + ANSWER_TYPE_WEIGHT * score_answer_type(question, quote.unit.text)
            for quote, overlap in overlaps.items()
        }
        read = shortlist(
            list(overlaps),
            {quote: overlap + candidates.get_rank_score(quote.source) for quote, overlap in overlaps.items()},
        )
        similar = await self._compute_similarities(question, read, candidates)
        if similar is None:
            return [replace(quote, score=score) for quote, score in by_words.items()], best_coverage
        scored = {
            quote: replace(
                quote,
                score=meaning
                + OVERLAP_WEIGHT * overlaps[quote]
                + ANSWER_TYPE_WEIGHT * score_answer_type(question, quote.unit.text),
            )
            for quote, meaning in zip(read, similar, strict=True)
        }
        return [scored.get(quote, quote) for quote in overlaps], best_coverage

    async def _compute_similarities(
        self, question: str, quotes: Sequence[Quote], candidates: Candidates
    ) -> list[float] | None:
        """Return the weighted similarity of each unit and its passage; None without an embedding."""
        if self._embedding is None or not candidates.has_vectors or not quotes:
            return None
        texts = [quote.unit.full_text for quote in quotes]
        try:
            own = await _compare(self._embedding, question, texts)
        except MODEL_ERRORS as error:
            _log.warning("embedding sentences failed (%s): choosing them by their words", type(error).__name__)
            return None
        around = [candidates.get_cosine(quote.source) for quote in quotes]
        return [
            SIMILARITY_WEIGHT * (alone if near is None else (1 - PASSAGE_SHARE) * alone + PASSAGE_SHARE * near)
            for alone, near in zip(own, around, strict=True)
        ]


async def _compare(embedding: BaseEmbedding, question: str, texts: Sequence[str]) -> list[float]:
    """Return the cosine of the question and each text."""
    if isinstance(embedding, LocalEmbedding):
        return await embedding.acompare(question, texts)
    wanted, *others = np.asarray(await embedding.aget_text_embedding_batch([question, *texts]), dtype=np.float32)
    return [float(np.dot(wanted, other)) for other in others]


@dataclass(frozen=True, slots=True)
class Candidates:
    """Passages that can be quoted from: for each source its rank score (0 to 1) and its cosine, where there is one.

    ``files`` came with the question: quoted like sources, but without a number.
    """

    sources: Sequence[Source]
    rank_scores: Sequence[float]
    cosines: Sequence[float | None]
    files: Sequence[Source] = ()

    @classmethod
    def from_passages(cls, passages: Sequence[NodeWithScore], files: Sequence[Source]) -> Self:
        """Make them of the passages, as the retriever annotated these."""
        cosines = [hit.node.metadata.get(SIMILARITY) for hit in passages]
        return cls(build_sources(passages), [hit.score or 0.0 for hit in passages], cosines, files)

    def get_rank_score(self, source: Source) -> float:
        """Return how well its passage was found; 1 for a file that came with the question."""
        return 1.0 if source.number == UNNUMBERED else self.rank_scores[source.number - 1]

    def get_cosine(self, source: Source) -> float | None:
        """Return the cosine of its passage."""
        return None if source.number == UNNUMBERED else self.cosines[source.number - 1]

    @property
    def has_vectors(self) -> bool:
        """Whether vectors were searched; not so where the embedding model failed."""
        return bool(self._known_cosines) or not self.sources

    @property
    def has_low_similarity(self) -> bool:
        """Whether even the nearest passage is far away."""
        return bool(self._known_cosines) and max(self._known_cosines) < LOW_CONFIDENCE_SIMILARITY

    @property
    def _known_cosines(self) -> list[float]:
        return [cosine for cosine in self.cosines if cosine is not None]


def _score_overlaps(question: str, candidates: Candidates) -> tuple[dict[Quote, float], float]:
    """Return every unit, in order, with its overlap, and the best passage's coverage. A long file takes its time."""
    passages = [
        [Quote(unit, source, place, 0.0) for place, unit in enumerate(split_units(source.passage))]
        for source in (*candidates.sources, *candidates.files)
    ]
    everything = [quote for passage in passages for quote in passage]
    coverages = [
        compute_coverages(question, texts)
        for texts in (
            [_join_units(passage[place : place + 1]) for passage in passages for place in range(len(passage))],
            [
                _join_units(passage[max(place - 1, 0) : place + 2])
                for passage in passages
                for place in range(len(passage))
            ],
            [_join_units(passage) for passage in passages if passage],
        )
    ]
    by_unit, by_window, by_passage = coverages
    whole = dict(zip((passage[0].source for passage in passages if passage), by_passage, strict=True))
    overlaps = {
        quote: UNIT_WEIGHT * own + WINDOW_WEIGHT * around + PASSAGE_WEIGHT * whole[quote.source]
        for quote, own, around in zip(everything, by_unit, by_window, strict=True)
    }
    return overlaps, max(by_passage, default=0.0)


def _join_units(quotes: Sequence[Quote]) -> str:
    """Return the units of one passage as one text below its heading."""
    return f"{format_heading(quotes[0].source)}: {' '.join(quote.unit.full_text for quote in quotes)}"


def shortlist(quotes: Sequence[Quote], scores: Mapping[Quote, float]) -> list[Quote]:
    """Return the best by overlap and rank, ``SHORTLIST_SIZE`` at most, in their order."""
    best = sorted(quotes, key=lambda quote: -scores[quote])[:SHORTLIST_SIZE]
    return [quote for quote in quotes if quote in set(best)]


def _escape_markdown(name: str) -> str:
    """Return a file's name so that Markdown shows it as it is."""
    return re.sub(r"([\\`*_~|<>\[\]#])", r"\\\1", name)
