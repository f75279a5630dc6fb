"""The records in a SQL database: a SQLite file, SQLite in memory, or PostgreSQL."""

from bot.records.sql.database import IN_MEMORY
from bot.records.sql.records import SqlRecords

__all__ = ["IN_MEMORY", "SqlRecords"]
