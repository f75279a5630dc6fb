"""Values that the records hold: answers, votes, gaps, usage, guild settings, the audit log and runs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias, Union

from bot.domain import AnswerStatus, Scope, Source, Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

Json: TypeAlias = Union[bool, int, float, str, "list[Json]", "dict[str, Json]", None]
"""A value that JSON can hold."""

ANONYMOUS = 0
"""The user id of usage whose user had their data deleted. Discord uses no id 0."""


@dataclass(frozen=True, slots=True)
class AnswerRecord:
    """One answer as it is stored. Ids are Discord's; times are Unix seconds.

    Attributes:
        guild_id: None in direct messages.
        message_ids: the answer's pages; empty until all of it is shown.
        searched_for: the condensed question, where the question was a follow-up; else empty.
        text: exactly what the model wrote.
        ended_at: None while the answer is being written.
        first_word_at: None until a reader saw the first words.
        is_automatic: nobody asked the bot; it answered by itself.
        attached: names of the files that came with the question.
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
    """One person's vote on one answer; a later vote of the same person replaces it. ``at`` is in Unix seconds.

    ``comment`` says what was missing. None keeps the previous comment, if the vote points the same way.
    """

    answer_id: str
    user_id: int
    is_up: bool
    at: float
    comment: str | None = None

    def merge(self, previous: Vote | None) -> Vote:
        """Return this vote, with the previous comment where it has none and points the same way."""
        if self.comment is None and previous is not None and previous.is_up == self.is_up:
            return replace(self, comment=previous.comment)
        return self


@dataclass(frozen=True, slots=True)
class Gap:
    """A question that the documents did not answer, or whose answer was voted down.

    ``question`` is the condensed question. ``comments`` are those of the down-votes, the earliest first.
    """

    answer_id: str
    question: str
    asked_at: float
    asker_id: int
    scope: Scope
    status: AnswerStatus
    downs: int = 0
    ups: int = 0
    comments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Feedback:
    """A vote together with its answer. ``documents`` are the answer's sources, each once; ``scope`` the answer's."""

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
    """How much of one person's data was deleted. ``votes`` are the votes they gave, on anybody's answers."""

    answers: int = 0
    votes: int = 0


@dataclass(frozen=True, slots=True)
class Statistics:
    """Some answers in numbers. ``median_first_word`` is in seconds; None if no reader saw any words."""

    answers: int = 0
    by_status: Mapping[AnswerStatus, int] = field(default_factory=dict[AnswerStatus, int])
    median_first_word: float | None = None
    tokens: int = 0
    ups: int = 0
    downs: int = 0


@dataclass(frozen=True, slots=True)
class UsageRecord:
    """The tokens of one answer: an estimate when it begins, the real number once it is settled.

    ``answer_id`` and ``at`` (Unix seconds) identify it together: an edited question is answered again under the same
    answer id, and paid again.
    """

    answer_id: str
    user_id: int
    guild_id: int | None
    at: float
    tokens: int
    is_settled: bool = False


@dataclass(frozen=True, slots=True)
class UsageLimits:
    """Tokens a day and questions within a minute, of one person, one guild and everybody; 0 is no limit."""

    person_daily: int = 0
    guild_daily: int = 0
    total_daily: int = 0
    person_per_minute: int = 0
    guild_per_minute: int = 0
    total_per_minute: int = 0


@dataclass(frozen=True, slots=True)
class UsageReservation:
    """The result of a reservation.

    Attributes:
        exceeded: the field of ``UsageLimits`` that leaves no room; empty if the reservation was made.
        retry_at: Unix seconds at which a limit of a minute leaves room again.
        tokens: today's tokens with this reservation, by "person", "guild" and "total"; empty if it was not made.
    """

    exceeded: str = ""
    retry_at: float | None = None
    tokens: Mapping[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One command of an admin. ``name`` is the command's; ``guild_id`` is None in direct messages."""

    at: float
    guild_id: int | None
    user_id: int
    name: str
    details: Mapping[str, Json] = field(default_factory=dict[str, Json])


@dataclass(frozen=True, slots=True)
class Run:
    """An ingestion run started from chat, with all that is needed to resume it and to edit its message.

    Attributes:
        collection: None for all collections.
        message_id: None until the message is posted.
        ended_at: None until the run has succeeded, failed or been cancelled.
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
