"""Records in a SQL database: each kind in a module of its own, on one ``database`` whose tables are in ``schema``."""

from bot.records.sql.answers import SqlAnswers
from bot.records.sql.guilds import SqlGuilds
from bot.records.sql.runs import SqlRuns
from bot.records.sql.usage import SqlUsageRecords
from bot.records.sql.votes import SqlVotes

__all__ = ["SqlRecords"]


class SqlRecords(SqlAnswers, SqlVotes, SqlUsageRecords, SqlGuilds, SqlRuns):
    """``Records`` in a SQL database. Open it with ``opened`` or ``opened_file``, which close it too."""
