"""What is remembered, as values: an answer, what people said of it, what it cost, and what admins did."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias, Union

from bot.domain import AnswerStatus, Scope, Source, Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

Json: TypeAlias = Union[bool, int, float, str, "list[Json]", "dict[str, Json]", None]
"""What a guild's setting may hold."""

ANONYMOUS = 0
"""Whose spendings are those of people who had themselves forgotten; no id of Discord's is 0."""


@dataclass(frozen=True, slots=True)
class AnswerRecord:
    """One answer as it is remembered. Ids are Discord's; times are Unix seconds.

    ``guild_id`` is None in direct messages. ``searched_for`` is the question in words that stand alone, where it was a
    follow-up that did not. ``text`` is exactly what the model said. ``message_ids`` are the answer's pages, empty until
    all of it is shown. ``ended_at`` is None while it is being written, ``first_word_at`` until a reader saw the first
    words. ``is_automatic``: nobody asked the bot for it. ``attached`` are the names of files that came along.
    """

    answer_id: str
    question: str
    asker_id: int
    guild_id: int | None
    channel_id: int
    asked_at: float
    scope: Scope = field(default_factory=Scope)
    message_ids: tuple[int, ...] = ()
    searched_for: str = ""
    text: str = ""
    sources: tuple[Source, ...] = ()
    status: AnswerStatus = AnswerStatus.WRITING
    ended_at: float | None = None
    usage: Usage = field(default_factory=Usage)
    first_word_at: float | None = None
    is_automatic: bool = False
    attached: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Vote:
    """What one person thinks of one answer; a later vote of theirs takes its place. ``at`` is in Unix seconds.

    ``comment`` is what they missed; None leaves what they said before, if the thumb still points the same way.
    """

    answer_id: str
    user_id: int
    is_up: bool
    at: float
    comment: str | None = None

    def merge(self, previous: Vote | None) -> Vote:
        """This vote with the words said before, where it brings none and means the same."""
        if self.comment is None and previous is not None and previous.is_up == self.is_up:
            return replace(self, comment=previous.comment)
        return self


@dataclass(frozen=True, slots=True)
class Gap:
    """A question the documents did not answer, or not to somebody's liking; ``answer_id`` is its answer's.

    ``question`` is in words that stand alone, ``comment`` what those who voted it down missed, the first of them
    first.
    """

    answer_id: str
    question: str
    asked_at: float
    asker_id: int
    scope: Scope
    status: AnswerStatus
    downs: int = 0
    ups: int = 0
    comment: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Feedback:
    """A vote with what it was about; ``documents`` are those that the answer rested on, each once.

    ``scope`` is what the answer was drawn from.
    """

    answer_id: str
    question: str
    status: AnswerStatus
    is_up: bool
    comment: str
    at: float
    user_id: int
    documents: tuple[str, ...] = ()
    scope: Scope = field(default_factory=Scope)


@dataclass(frozen=True, slots=True)
class DeletionCount:
    """How much of one person is gone: ``votes`` are those they gave, on whosever answers."""

    answers: int = 0
    votes: int = 0


@dataclass(frozen=True, slots=True)
class Statistics:
    """Some answers in numbers. ``median_first_word`` is the wait in seconds, None where no reader saw any words."""

    answers: int = 0
    by_status: Mapping[AnswerStatus, int] = field(default_factory=dict[AnswerStatus, int])
    median_first_word: float | None = None
    tokens: int = 0
    ups: int = 0
    downs: int = 0


@dataclass(frozen=True, slots=True)
class UsageRecord:
    """The tokens of one answer: an estimate when it begins, the real figure once it is settled.

    ``answer_id`` and ``at`` name it together: a question that was edited is answered, and paid for, again under its
    key.
    """

    answer_id: str
    user_id: int
    guild_id: int | None
    at: float
    tokens: int
    is_settled: bool = False


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """What an admin did: ``name`` is the command's. ``guild_id`` is None where it was done in direct messages."""

    at: float
    guild_id: int | None
    user_id: int
    name: str
    details: Mapping[str, Json] = field(default_factory=dict[str, Json])


@dataclass(frozen=True, slots=True)
class Run:
    """An ingestion begun from chat, with all that is needed to resume it and to say so in its message.

    ``collection`` is None for all of them. ``message_id`` is None until the message is there, ``ended_at`` until the
    run has come to an end, good or bad.
    """

    id: str
    guild_id: int | None
    channel_id: int
    user_id: int
    started_at: float
    message_id: int | None = None
    collection: str | None = None
    full: bool = False
    force: bool = False
    ended_at: float | None = None
