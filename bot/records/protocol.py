"""The doors of what is remembered, one for each kind, and all of them together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from bot.records.values import (
        AnswerRecord,
        AuditEntry,
        DeletionCount,
        Feedback,
        Gap,
        Json,
        Run,
        Statistics,
        UsageRecord,
        Vote,
    )

_DAY = 24 * 3600.0

USAGE_RETENTION: Final = 40 * _DAY
AUDIT_RETENTION: Final = 366 * _DAY
"""Seconds after which what was spent, and what admins did, goes too, whenever answers are forgotten for their age."""

BUDGET_WINDOW: Final = 2 * _DAY
"""Seconds for which a spending counts in its person's budget, and so keeps their name."""


class Answers(Protocol):
    """Answers, by their key."""

    async def save_answer(self, record: AnswerRecord) -> None:
        """Write a record; one of the same key is replaced, its votes stay."""
        ...

    async def load_answer(self, answer_id: str) -> AnswerRecord | None:
        """The record of that key, None where there is none any more."""
        ...

    async def unfinished_answers(self, since: float, limit: int) -> Sequence[AnswerRecord]:
        """The answers asked for since this Unix time that have no end, the latest first, at most so many."""
        ...

    async def load_statistics(self, guild_id: int | None, since: float) -> Statistics:
        """The answers asked for since this Unix time in numbers: one guild's, or with None all there are."""
        ...

    async def delete_before(self, time: float) -> int:
        """Forget every answer asked for before this Unix time, with its votes; gives how many.

        What else has had its time goes as well: spendings and ended runs after 40 days, acts after a year.
        """
        ...

    async def delete_person(
        self, user_id: int, *, guild_id: int | None = None, everywhere: bool = False
    ) -> DeletionCount:
        """Forget what one person asked and how they voted, in one guild, in direct messages (None) or everywhere.

        What they spent stays in the books, under nobody's name once it counts in no budget of theirs any more.
        """
        ...


class Votes(Protocol):
    """What people said of answers. Each guild's are its own; where one is named, None is direct messages."""

    async def save_vote(self, vote: Vote) -> bool:
        """Count a vote; False if the answer is no longer remembered."""
        ...

    async def load_votes(self, answer_id: str) -> Sequence[Vote]:
        """What people said of an answer, the first voter first."""
        ...

    async def load_feedback(self, guild_id: int | None, since: float) -> Sequence[Feedback]:
        """Every vote given in a guild since this Unix time with what it was about, the first first."""
        ...

    async def load_gaps(self, guild_id: int | None, since: float, limit: int) -> Sequence[Gap]:
        """Questions asked in a guild since this Unix time that wait for an answer, the latest first, at most so many.

        Those are the ones the documents did not answer, and those whose answer somebody voted down.
        """
        ...

    async def close_gaps(self, guild_id: int | None, answer_ids: Collection[str], by: int, at: float) -> int:
        """Mark gaps of this guild as done, in the name of ``by``; gives how many were still open."""
        ...


class UsageRecords(Protocol):
    """What answers cost. Forgetting an answer leaves it spent."""

    async def add_usage(self, usage_record: UsageRecord) -> None:
        """Write down an estimate before the model is asked, so that a crash costs the budget no less."""
        ...

    async def commit_usage(self, usage_record: UsageRecord) -> None:
        """Put the real figure in the place of the estimate that was made under the same key at the same time."""
        ...

    async def load_usage(self, since: float) -> Sequence[UsageRecord]:
        """What was spent since this Unix time, the first first: what a ledger starts with."""
        ...


class Guilds(Protocol):
    """What admins chose for their guild, and what they did."""

    async def load_guild_settings(self, guild_id: int) -> Mapping[str, Json]:
        """What was chosen in a guild; a name that was not, or was reset, is missing."""
        ...

    async def save_guild_setting(self, guild_id: int, name: str, value: Json) -> None:
        """Keep a choice of a guild's; None resets it."""
        ...

    async def save_audit_entry(self, entry: AuditEntry) -> None:
        """Note what an admin did."""
        ...

    async def load_audit_log(self, guild_id: int | None, limit: int) -> Sequence[AuditEntry]:
        """What admins did in a guild (None: in direct messages), the latest first, at most so many."""
        ...


class Runs(Protocol):
    """Ingestions that were begun from chat."""

    async def save_run(self, run: Run) -> None:
        """Write down how a run stands; the same run's earlier note is replaced."""
        ...

    async def unfinished_runs(self) -> Sequence[Run]:
        """The runs that have no end, the first begun first."""
        ...


class Records(Answers, Votes, UsageRecords, Guilds, Runs, Protocol):
    """All that is remembered. Every method raises RecordsUnusable where it cannot be read or written."""
