"""What is remembered: answers, votes, gaps, spendings, guilds' choices, admins' acts and runs; one door, two rooms.

``values`` is what is exchanged, ``base`` the door; ``memory`` lasts as long as the process, ``sql`` in one private
SQLite file or a PostgreSQL database, which ``migrations`` bring up to date when they are opened.
"""

from bot.domain import AnswerStatus
from bot.records.memory import MemoryRecords
from bot.records.protocol import Records
from bot.records.sql import SqlRecords
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
    UsageRecord,
    Vote,
)

__all__ = [
    "ANONYMOUS",
    "AnswerRecord",
    "AnswerStatus",
    "AuditEntry",
    "DeletionCount",
    "Feedback",
    "Gap",
    "Json",
    "MemoryRecords",
    "Records",
    "Run",
    "SqlRecords",
    "Statistics",
    "UsageRecord",
    "Vote",
]
