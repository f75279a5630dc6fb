"""The words that rooms exchange about a question and its answer, and the two doors behind which knowledge lives."""

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
"""The collection of documents that stand directly under the documents' folder."""


def collection_of(document: str) -> str:
    """``@NAME/…`` belongs to the collection NAME; everything else is shared."""
    first, slash, _ = document.partition("/")
    return first[1:] if slash and first.startswith("@") and len(first) > 1 else SHARED


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
class Attachment:
    """A document that came with a question: its file's name, and its text as Markdown, cut to what a model may read."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class ResponseStyle:
    """How a place wants to be answered, in its admin's words.

    ``language`` is a language's name in English, "" for the question's own; ``tone`` a line on how to write.
    """

    language: str = ""
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """One question: what is asked, by whom, where and when.

    Args:
        text: The question in the asker's words.
        answer_id: Id of the interaction or message that asked; it names the answer from then on.
        scope: The collections this asker may see here.
        conversation: Earlier messages, oldest first, no longer than a model may be given.
        speaker: The asker's name in that conversation.
        attachments: Documents that came with the question: read as part of it, never indexed.
        style: How this guild wants to be answered.
        asker_id: The user's id.
        asker_role_ids: Their roles in this guild.
        guild_id: None in direct messages.
        channel_id: The channel or thread it was asked in.
        asked_at: Unix seconds.
        attachment_names: Names of all files that came with the question, known before any is read.
        notes: What the asker is told below the answer, such as a file that could not be read.
        is_automatic: Nobody asked the bot: a new post is answered because the documents answer it clearly.
    """

    text: str
    answer_id: str
    scope: Scope = field(default_factory=Scope)
    conversation: tuple[Turn, ...] = ()
    speaker: str = ""
    attachments: tuple[Attachment, ...] = ()
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
    """One passage the answer may rest on. ``number`` is the n of its [n] marks, from 1.

    ``document`` is the path relative to the documents' folder, with ``/``. ``section`` is the path of headings,
    joined
    by " › ", without the title; ``page`` counts from 1, as does ``line``, on which the passage begins where the
    file is
    made of lines. ``url`` is where the document itself says it lives.
    ``date`` is when the document was last changed before it was read; ``is_changed``: the file is another one by now.
    ``page_label`` is what the document itself calls the page, where that is not its number.
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
        """Whether something kept the model from its end, so that asking again may bring more."""
        return self not in {
            AnswerStatus.COMPLETE,
            AnswerStatus.CUT_AT_LENGTH,
            AnswerStatus.FILTERED,
            AnswerStatus.NOT_FOUND,
        }


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that a model was given and that it wrote; the model's own figures where it gave any, else counted."""

    prompt: int = 0
    completion: int = 0

    @property
    def total(self) -> int:
        """Both together."""
        return self.prompt + self.completion


class Answer(Protocol):
    """An answer on its way: sources now, deltas as they come, then a status."""

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

    @property
    def is_confident(self) -> bool:
        """Whether the passages speak so clearly of the question that it may be answered unasked."""
        ...

    @property
    def usage(self) -> Usage:
        """Tokens spent on it so far, the rewriting of a follow-up included; right at any moment, also after a fault.

        What a model was given counts from the moment the first delta is awaited; nothing where no model writes.
        """
        ...

    def deltas(self) -> AsyncIterator[str]:
        """Newly arrived text, once. Cancel the task that waits on it and the model's connection closes.

        Raises:
            AnswerUnavailable: the model failed; the deltas that came before stand.
        """
        ...

    @property
    def status(self) -> AnswerStatus:
        """How the model ended it; meaningful once ``deltas()`` is exhausted without an error."""
        ...


class Answerer(Protocol):
    """Answers questions."""

    async def answer(self, question: Question) -> Answer:
        """Find the passages and make ready to answer; no model is asked to write before the first delta is awaited.

        Raises:
            QuestionInvalid, IndexUnavailable, NothingFound, StoreUnusable, ContextTooLong
        """
        ...
