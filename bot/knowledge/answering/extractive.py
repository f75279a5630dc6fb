"""Without a model: the best sentences of the best passages, word for word, streamed like a model's answer.

Each unit is scored by what it shares with the question; nothing is written, combined or calculated.
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
from bot.knowledge.models.openai import MODEL_ERRORS

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence

    from llama_index.core.base.embeddings.base import BaseEmbedding
    from llama_index.core.schema import NodeWithScore

    from bot.domain import Attachment

NO_MODEL_HEADING: Final = "**No model is set: quoting your documents**"
LOW_CONFIDENCE_NOTE: Final = "*This may not answer your question.*"

PASSAGES_READ: Final = 12
"""Passages searched for quotes; there is no model's window to spare."""

QUOTE_LIMIT: Final = 4
"""Units quoted at most."""

MIN_RELATIVE_SCORE: Final = 0.8
"""Quoted is what scores at least this part of the best."""

SHORTLIST_SIZE: Final = 24
"""Units whose meaning is looked at: those that share most with the question in the passages that come first. Each costs
some ten milliseconds of a processor."""

LOW_CONFIDENCE_SCORE: Final = 0.35
LOW_CONFIDENCE_SIMILARITY: Final = 0.3
"""Below this best score, or this cosine of the nearest passage, the answer says that it may be none. On the sample
documents one right answer of 22 is below, and two of three questions without an answer are, or are turned away."""

UNNUMBERED: Final = 0
"""The number of what is quoted like a source and is none: a file that came with the question."""

_WORD_PAUSE: Final = 0.002  # seconds between two words: enough for the loop to turn, too little to wait for
_log = logging.getLogger(__name__)


# --- Scores: what a unit shares with the question ----------------------------------------------------------------

SIMILARITY_WEIGHT: Final = 0.8
"""Of it a quarter is the passage's: sentences that say "it" speak for themselves only below their heading."""

PASSAGE_SHARE: Final = 0.25
OVERLAP_WEIGHT: Final = 0.15
ANSWER_TYPE_WEIGHT: Final = 0.15


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
    """A unit, the source it stands in, its place there, and its score."""

    unit: QuotableUnit
    source: Source
    position: int
    score: float


def select_quotes(quotes: Sequence[Quote]) -> list[Quote]:
    """What to quote of all there is, best first: what comes near the best, little of it, nothing twice.

    A line that ends in a colon brings along what it introduces.
    """
    following = {(quote.source, quote.position - 1): quote for quote in quotes}
    kept: list[Quote] = []
    brought: list[Quote] = []
    for quote in sorted(quotes, key=lambda quote: -quote.score):
        if len(kept) == QUOTE_LIMIT or (kept and quote.score < kept[0].score * MIN_RELATIVE_SCORE):
            break
        if quote in brought or any(
            _is_duplicate(_extract_words(quote.unit), _extract_words(other.unit)) for other in kept + brought
        ):
            continue
        kept.append(quote)
        introduced = following.get((quote.source, quote.position)) if quote.unit.text.endswith(":") else None
        if introduced is not None and introduced not in kept:
            brought.append(introduced)
    return kept + brought


def _extract_words(unit: QuotableUnit) -> list[str]:
    """What a unit says, without its marks: the same in a page, in its source and as plain text. Code stays as it is."""
    if unit.is_block:
        return unit.full_text.split()
    return re.findall(r"[^\W_]+", re.sub(r"\]\([^)\s]*\)", " ", unit.full_text).casefold())


def _is_duplicate(words: Sequence[str], others: Sequence[str]) -> bool:
    """Whether all of it is said by the others, or the same but for numbers that one of both lacks: those of notes."""
    if f" {' '.join(words)} " in f" {' '.join(others)} ":
        return True
    own, theirs = ({word for word in each if word.isdecimal()} for each in (words, others))
    is_alike = [word for word in words if word not in own] == [word for word in others if word not in theirs]
    return is_alike and (own < theirs or theirs < own)


def render_quotes(quotes: Sequence[Quote], *, is_low_confidence: bool = False) -> Iterator[str]:
    """The answer's paragraphs: per source, in the order of the best, its heading with [n] and then what is quoted.

    A file that came with the question is no source, and has no number.
    """
    for source in dict.fromkeys(quote.source for quote in quotes):
        own = sorted((quote for quote in quotes if quote.source == source), key=lambda quote: quote.position)
        yield f"\n\n**{format_heading(source)}**" + (f" [{source.number}]" if source.number != UNNUMBERED else "")
        shown: set[str] = set()
        for quote in own:
            yield from _render_unit(quote.unit, has_lead_in=quote.unit.lead_in not in shown)
            shown |= {quote.unit.lead_in, quote.unit.text}
    if is_low_confidence:
        yield f"\n\n{LOW_CONFIDENCE_NOTE}"


def _render_unit(unit: QuotableUnit, *, has_lead_in: bool) -> Iterator[str]:
    is_table = unit.is_block and unit.lead_in.startswith("|")
    if unit.lead_in and has_lead_in:
        yield f"\n\n{unit.lead_in}" if is_table else f"\n> {unit.lead_in}"
    yield f"\n{unit.text}" if unit.is_block else f"\n> {_escape_citations(unit.text)}"


def _escape_citations(text: str) -> str:
    """The text with a document's own [n] made plain: it must not pass for one of ours."""
    return re.sub(r"(?<!\\)\[(?=[\d ,;–-]+\])", r"\\[", text)


# --- The synthesizer ---------------------------------------------------------------------------------------------


class ExtractiveSynthesizer(PassageSynthesizer):
    """Answers with quotes instead of a model; what to quote is chosen when the first delta is awaited.

    Files that came with the question are quoted as well, each under its name; they are not among the sources.
    """

    def __init__(self, embedding: BaseEmbedding | None, *, attachments: Sequence[Attachment] = ()) -> None:
        super().__init__(MockLLM())  # LlamaIndex wants a model; this one is never asked
        self._embedding = embedding
        self._files = [
            Source(UNNUMBERED, "", f"Your attachment {_escape_markdown(file.name)}", file.text) for file in attachments
        ]
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
        quotes = select_quotes(await self._score_units(question, candidates))
        self._is_low_confidence = (
            not quotes
            or quotes[0].score < LOW_CONFIDENCE_SCORE
            or (candidates.has_low_similarity and not candidates.files)
        )
        for piece in render_quotes(quotes, is_low_confidence=self._is_low_confidence):
            for word in re.findall(r"\s*\S+\s*?|\s+", piece):
                yield word
                await asyncio.sleep(_WORD_PAUSE)

    async def _score_units(self, question: str, candidates: Candidates) -> list[Quote]:
        """Return every unit with its score; one that is not on the shortlist has 0."""
        shared = await asyncio.to_thread(_score_overlaps, question, candidates)
        everything = list(shared)
        read = shortlist(
            everything, {quote: shared[quote] + candidates.get_rank_score(quote.source) for quote in everything}
        )
        similar = await self._compute_similarities(question, read, candidates)
        scored = {
            quote: replace(quote, score=meaning + OVERLAP_WEIGHT * shared[quote] + ANSWER_TYPE_WEIGHT * hinted)
            for quote, meaning, hinted in zip(
                read,
                (SIMILARITY_WEIGHT * shared[quote] for quote in read) if similar is None else similar,
                (score_answer_type(question, quote.unit.text) for quote in read),
                strict=True,
            )
        }
        return [scored.get(quote, quote) for quote in everything]

    async def _compute_similarities(
        self, question: str, quotes: Sequence[Quote], candidates: Candidates
    ) -> list[float] | None:
        """Return the weighted similarity of each unit and its passage; None without an embedding."""
        if self._embedding is None or not candidates.has_vectors or not quotes:
            return None
        texts = [question, *(quote.unit.full_text for quote in quotes)]
        try:
            vectors = await self._embedding.aget_text_embedding_batch(texts)
        except MODEL_ERRORS as error:
            _log.warning("embedding sentences failed (%s): choosing them by their words", type(error).__name__)
            return None
        wanted, *others = np.asarray(vectors, dtype=np.float32)
        own = [float(np.dot(wanted, other)) for other in others]
        around = [candidates.get_cosine(quote.source) for quote in quotes]
        return [
            SIMILARITY_WEIGHT * (alone if near is None else (1 - PASSAGE_SHARE) * alone + PASSAGE_SHARE * near)
            for alone, near in zip(own, around, strict=True)
        ]


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


def _score_overlaps(question: str, candidates: Candidates) -> dict[Quote, float]:
    """Return every unit, in order, and its coverage of the question. A long file takes its time."""
    everything = [
        Quote(unit, source, place, 0.0)
        for source in (*candidates.sources, *candidates.files)
        for place, unit in enumerate(split_units(source.passage))
    ]
    titled = [f"{format_heading(quote.source)}: {quote.unit.full_text}" for quote in everything]
    return dict(zip(everything, compute_coverages(question, titled), strict=True))


def shortlist(quotes: Sequence[Quote], scores: Mapping[Quote, float]) -> list[Quote]:
    """Return the best by overlap and rank, ``SHORTLIST_SIZE`` at most, in their order."""
    best = sorted(quotes, key=lambda quote: -scores[quote])[:SHORTLIST_SIZE]
    return [quote for quote in quotes if quote in set(best)]


def _escape_markdown(name: str) -> str:
    """Return a file's name so that Markdown shows it as it is."""
    return re.sub(r"([\\`*_~|<>\[\]#])", r"\\\1", name)
