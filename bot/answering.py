"""The words that rooms exchange about a question and its answer, and the two doors behind which knowledge lives."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime  # noqa: TC003  # the records' reader looks the type up
from enum import Enum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

QUESTION_LIMIT = 2_000
"""Longest question, in characters (Discord's own limit for a message)."""

SHARED = ""
"""The collection of documents that stand directly under the documents' folder."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What this asker may see: names of collections. Applied inside the store's query."""

    collections: frozenset[str] = frozenset({SHARED})


@dataclass(frozen=True, slots=True)
class Turn:
    """What one person, or the bot, said before. ``speaker`` is a name that tells people apart, and nothing else."""

    speaker: str
    text: str
    is_answer: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """One question, as it was asked. ``key`` names it once and for all: an interaction's or message's id.

    ``conversation`` is what was said before, the oldest first, no longer than a model may be given; ``speaker`` is who
    asks, by the name that person has in it.
    """

    text: str
    key: str
    scope: Scope = field(default_factory=Scope)
    conversation: tuple[Turn, ...] = ()
    speaker: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """One passage the answer may rest on. ``number`` is the n of its [n] marks, from 1.

    ``document`` is the path relative to the documents' folder, with ``/``. ``section`` is the path of headings, joined
    by " › ", without the title; ``page`` counts from 1. ``url`` is where the document itself says it lives.
    ``date`` is when the document was last changed before it was read; ``is_changed``: the file is another one by now.
    """

    number: int
    document: str
    title: str
    passage: str
    section: str = ""
    page: int | None = None
    url: str | None = None
    date: datetime | None = None
    is_changed: bool = False


class Ending(Enum):
    """How an answer's text came to its end. Faults are not endings: they are raised."""

    COMPLETE = "complete"
    CUT_AT_LENGTH = "cut at the length limit"
    FILTERED = "stopped by the provider's filter"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is known once the last delta has come. Token counts are the model's own, None where it gave none."""

    ending: Ending = Ending.COMPLETE
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class Answer(Protocol):
    """An answer on its way: sources now, deltas as they come, then an outcome."""

    @property
    def sources(self) -> Sequence[Source]:
        """The passages given to the model, complete before the first delta."""
        ...

    @property
    def notice(self) -> str:
        """A short remark shown with the answer, not part of its text: "keywords only", say; empty if there is none."""
        ...

    @property
    def searched_for(self) -> str:
        """The self-contained question that a follow-up was searched as; empty where it was searched as asked."""
        ...

    def deltas(self) -> AsyncIterator[str]:
        """Newly arrived text, once. Cancel the task that waits on it and the model's connection closes.

        Raises:
            AnswerUnavailable: the model failed; the deltas that came before stand.
        """
        ...

    @property
    def outcome(self) -> Outcome:
        """How it ended; meaningful once ``deltas()`` is exhausted without an error."""
        ...


class Answerer(Protocol):
    """Answers questions."""

    async def answer(self, question: Question) -> Answer:
        """Find the passages and make ready to answer; no model is asked to write before the first delta is awaited.

        Raises:
            QuestionInvalid, IndexUnavailable, NothingFound, StoreUnusable, ContextTooLong
        """
        ...


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an ingestion is. Counts are of this run; ``files_total`` is known before the first file is read."""

    files_done: int = 0
    files_total: int = 0
    nodes_done: int = 0
    current: str = ""


@dataclass(frozen=True, slots=True)
class IngestionReport:
    """What a run changed, or with a dry run would change.

    ``nodes`` counts the passages of what is new or changed, ``embedded`` those that went to the embedding model;
    ``failed`` maps a document that was passed over to its reason. ``moved`` maps old names to new ones where a file
    is the same under another name; they are among ``removed`` and ``new`` as well. ``tokens`` and ``dollars`` are what
    a dry run expects the embedding to take; ``dollars`` is None where the model's price is not known.
    """

    new: Sequence[str] = ()
    changed: Sequence[str] = ()
    removed: Sequence[str] = ()
    unchanged: int = 0
    failed: Mapping[str, str] = field(default_factory=dict[str, str])
    nodes: int = 0
    embedded: int = 0
    is_dry_run: bool = False
    moved: Mapping[str, str] = field(default_factory=dict[str, str])
    tokens: int = 0
    dollars: float | None = None


@dataclass(frozen=True, slots=True)
class LibraryState:
    """What is searchable now, and the run in progress, if any. ``embedding`` is the model's name, or "none"."""

    documents: int
    nodes: int
    embedding: str
    running: Progress | None = None


class Library(Protocol):
    """The documents behind the answers."""

    async def state(self) -> LibraryState:
        """What is searchable now."""
        ...

    async def reindex(
        self,
        *,
        dry_run: bool = False,
        force: bool = False,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> IngestionReport:
        """Bring the index up to what the folder holds; the old one serves meanwhile. One run at a time.

        ``force`` allows a run that deletes more than half of what is searchable.

        Raises:
            IngestionRefused, StoreUnusable, AnswerUnavailable: the last when the embedding model fails.
        """
        ...
