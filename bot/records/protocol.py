"""The protocol of the records, and how long they keep what."""

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
        UsageLimits,
        UsageRecord,
        UsageReservation,
        Vote,
    )

_DAY = 24 * 3600.0

USAGE_RETENTION: Final = 40 * _DAY
"""Seconds for which usage and ended runs are kept."""

AUDIT_RETENTION: Final = 366 * _DAY
"""Seconds for which the audit log is kept."""

BUDGET_WINDOW: Final = 2 * _DAY
"""Seconds for which usage counts in its user's budget, and so keeps their id."""


class Records(Protocol):
    """Everything that is stored about answers. Every method raises RecordsUnusable if the database fails.

    A ``guild_id`` of None means direct messages. Times are Unix seconds.
    """

    @property
    def backend(self) -> str:
        """Where they are stored, as an operator calls it."""
        ...

    async def save_answer(self, record: AnswerRecord) -> None:
        """Insert or replace an answer; its votes stay."""
        ...

    async def load_answer(self, answer_id: str) -> AnswerRecord | None:
        """Return the answer with this id, or None if there is none."""
        ...

    async def unfinished_answers(self, since: float, limit: int) -> Sequence[AnswerRecord]:
        """Return at most ``limit`` answers asked since then that have no end, the latest first."""
        ...

    async def load_statistics(self, guild_id: int | None, since: float) -> Statistics:
        """Count the answers asked since then, in one guild or, with None, everywhere."""
        ...

    async def delete_expired(self, before: float, *, now: float) -> int:
        """Delete the answers asked before a time, with their votes, and whatever else is past its retention.

        Returns:
            How many answers were deleted.
        """
        ...

    async def delete_person(self, user_id: int, *, guild_id: int | None, now: float) -> DeletionCount:
        """Delete one person's questions and votes in one guild, and make their old usage anonymous."""
        ...

    async def save_vote(self, vote: Vote) -> bool:
        """Count a vote; return False if its answer is no longer stored."""
        ...

    async def load_votes(self, answer_id: str) -> Sequence[Vote]:
        """Return the votes on an answer, the earliest first."""
        ...

    async def load_feedback(self, guild_id: int | None, since: float) -> Sequence[Feedback]:
        """Return the votes given in one guild since then, with their answers, the earliest first."""
        ...

    async def load_gaps(self, guild_id: int | None, since: float, limit: int) -> Sequence[Gap]:
        """Return at most ``limit`` open gaps of one guild, asked since then, the latest first."""
        ...

    async def close_gaps(self, guild_id: int | None, answer_ids: Collection[str], by: int, at: float) -> int:
        """Mark gaps of this guild as done by a user; return how many were still open."""
        ...

    @property
    def is_shared(self) -> bool:
        """Whether several processes use these records, so that budgets must be reserved in them."""
        ...

    async def reserve_usage(self, usage: UsageRecord, limits: UsageLimits) -> UsageReservation:
        """Store an estimate if the limits leave room for it, in one transaction that no other reservation overlaps.

        A limit leaves room until it is reached, so the last answer may exceed it.
        """
        ...

    async def add_usage(self, usage: UsageRecord) -> None:
        """Store an estimate before the model is asked; usage that is settled already stays."""
        ...

    async def commit_usage(self, usage: UsageRecord) -> None:
        """Replace the estimate of the same answer and time by the real number."""
        ...

    async def load_usage(self, since: float) -> Sequence[UsageRecord]:
        """Return the usage since then, the earliest first."""
        ...

    async def load_guild_settings(self, guild_id: int) -> Mapping[str, Json]:
        """Return the settings of a guild; names without a value are missing."""
        ...

    async def save_guild_setting(self, guild_id: int, name: str, value: Json) -> None:
        """Store one setting of a guild; None resets it."""
        ...

    async def save_audit_entry(self, entry: AuditEntry) -> None:
        """Append to the audit log."""
        ...

    async def load_audit_log(self, guild_id: int | None, limit: int) -> Sequence[AuditEntry]:
        """Return at most ``limit`` entries of one guild's audit log, the latest first."""
        ...

    async def save_run(self, run: Run) -> None:
        """Insert or replace a run."""
        ...

    async def unfinished_runs(self) -> Sequence[Run]:
        """Return the runs that have no end, the earliest first."""
        ...
