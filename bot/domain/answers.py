"""Values that packages exchange about a question and its answer, and the protocols of knowledge."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime  # noqa: TC003  # the records' reader looks the type up
from enum import Enum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

QUESTION_LIMIT = 2_000
"""Longest question, in characters (Discord's own limit for a message)."""

SHARED = ""
"""The collection of the documents directly in the documents' folder."""


def collection_of(document: str) -> str:
    """Return the name of a document's collection: NAME for ``@NAME/…``, else shared."""
    first, slash, _ = document.partition("/")
    return first[1:] if slash and first.startswith("@") and len(first) > 1 else SHARED


@dataclass(frozen=True, slots=True)
class Scope:
    """The collections that this asker may see here. Applied inside the store's query."""

    collections: frozenset[str] = frozenset({SHARED})


@dataclass(frozen=True, slots=True)
class Turn:
    """One earlier message of a conversation. ``speaker`` is a name that tells people apart."""

    speaker: str
    text: str
    is_answer: bool = False


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that came with a question: its name, and its text as Markdown, cut to what a model may read."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Image:
    """A picture that came with a question, for a model that reads pictures; ``media_type`` is like "image/png"."""

    name: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class ResponseStyle:
    """How answers are written on a server.

    ``language`` is a language's name in English, "" for the question's own; ``tone`` is a line on how to write.
    """

    language: str = ""
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """One question: what is asked, by whom, where and when.

    Args:
        text: The question as the asker wrote it.
        answer_id: Id of the interaction or message that asked; it names the answer from then on.
        scope: The collections this asker may see here.
        conversation: Earlier messages, oldest first, no longer than a model may be given.
        speaker: The asker's name in that conversation.
        attachments: Documents that came with the question: read as part of it, never indexed.
        images: Pictures that came with it; empty unless the model reads pictures.
        style: How this guild wants to be answered.
        asker_id: The user's id.
        asker_role_ids: Their roles in this guild.
        guild_id: None in direct messages.
        channel_id: The channel or thread it was asked in.
        asked_at: Unix seconds.
        attachment_names: Names of all files that came with the question, known before any is read.
        notes: Lines shown below the answer, such as a file that could not be read.
        is_automatic: Nobody asked the bot: a new post is answered because the documents answer it clearly.
    """

    text: str
    answer_id: str
    scope: Scope = field(default_factory=Scope)
    conversation: tuple[Turn, ...] = ()
    speaker: str = ""
    attachments: tuple[Attachment, ...] = ()
    images: tuple[Image, ...] = ()
    style: ResponseStyle = field(default_factory=ResponseStyle)
    asker_id: int = 0
    asker_role_ids: frozenset[int] = frozenset()
    guild_id: int | None = None
    channel_id: int = 0
    asked_at: float = 0.0
    attachment_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    is_automatic: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """One passage that the answer may be based on. ``number`` is the n of its [n] citations, from 1.

    ``document`` is the path relative to the documents' folder, with ``/``. ``section`` is the path of headings, joined
    by " › ", without the title; ``page`` counts from 1, as does ``line``, on which the passage begins where the file is
    made of lines. ``url`` is the document's own address. ``date`` is when the document was last changed before it was
    read; ``is_changed``: the file has changed since then. ``page_label`` is what the document itself calls the page,
    where that is not its number.
    """

    number: int
    document: str
    title: str
    passage: str
    section: str = ""
    page: int | None = None
    line: int | None = None
    url: str | None = None
    date: datetime | None = None
    is_changed: bool = False
    page_label: str = ""


class AnswerStatus(Enum):
    """How an answer ended; the values are what is stored.

    ``WRITING`` in the records is an answer that is being written, or was when the process died. ``NOT_FOUND`` is a gap:
    a question that the documents do not answer.
    """

    WRITING = "writing"
    COMPLETE = "complete"
    CUT_AT_LENGTH = "cut at length"
    FILTERED = "filtered"
    NOT_FOUND = "not found"
    FAILED = "failed"
    STOPPED = "stopped"
    RESTARTING = "restarting"
    STALLED = "stalled"
    OUT_OF_TIME = "out of time"
    LOST = "lost"

    @property
    def is_interrupted(self) -> bool:
        """Whether the answer was interrupted, so that asking again may bring more."""
        return self not in {
            AnswerStatus.COMPLETE,
            AnswerStatus.CUT_AT_LENGTH,
            AnswerStatus.FILTERED,
            AnswerStatus.NOT_FOUND,
        }


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that a model read and wrote: the server's own numbers where it sent any, else counted."""

    prompt: int = 0
    completion: int = 0

    @property
    def total(self) -> int:
        """Tokens read and written together."""
        return self.prompt + self.completion


class Answer(Protocol):
    """An answer that is being written: its sources first, then its deltas, then its status."""

    @property
    def sources(self) -> Sequence[Source]:
        """The passages given to the model, complete before the first delta."""
        ...

    @property
    def notice(self) -> str:
        """A short note shown with the answer, not part of its text, such as "keywords only"; "" if there is none."""
        ...

    @property
    def searched_for(self) -> str:
        """The condensed question that a follow-up was searched as; "" where it was searched as asked."""
        ...

    @property
    def is_confident(self) -> bool:
        """Whether the passages answer the question so clearly that it may be answered unasked."""
        ...

    @property
    def usage(self) -> Usage:
        """Tokens spent so far, those for condensing a follow-up included; correct at any time, also after an error.

        What the model read counts from the moment the first delta is awaited; without a model all is 0.
        """
        ...

    def deltas(self) -> AsyncIterator[str]:
        """Yield new text as it arrives, once.

        Cancelling the task that waits for it closes the connection to the model.

        Raises:
            AnswerUnavailable: the model failed; the deltas before that are valid.
        """
        ...

    @property
    def status(self) -> AnswerStatus:
        """How the model ended the answer; valid once ``deltas()`` is exhausted without an error."""
        ...


class Answerer(Protocol):
    """Answers questions."""

    async def answer(self, question: Question) -> Answer:
        """Find the passages and prepare an answer; no model writes before the first delta is awaited.

        Raises:
            QuestionInvalid, IndexUnavailable, NothingFound, StoreUnusable, ContextTooLong
        """
        ...
