"""Stores answers, votes, usage, guild settings, the audit log and runs in SQLite or PostgreSQL.

``values`` are what is stored, ``protocol`` how it is read and written, ``sql`` the implementation, ``migrations`` the
steps from one release's tables to the next one's.
"""

from bot.domain import AnswerStatus
from bot.records.protocol import Records
from bot.records.sql import IN_MEMORY, SqlRecords
from bot.records.values import (
    ANONYMOUS,
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

__all__ = [
    "ANONYMOUS",
    "IN_MEMORY",
    "AnswerRecord",
    "AnswerStatus",
    "AuditEntry",
    "DeletionCount",
    "Feedback",
    "Gap",
    "Json",
    "Records",
    "Run",
    "SqlRecords",
    "Statistics",
    "UsageLimits",
    "UsageRecord",
    "UsageReservation",
    "Vote",
]
