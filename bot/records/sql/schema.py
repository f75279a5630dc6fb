"""The tables of the records, as the latest migration leaves them."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

REVISION: Final = "baseline"
"""The latest migration. A database at this revision is opened without loading Alembic."""

SCHEMA: Final = "docent_records"
"""The PostgreSQL schema of the tables, so that they can share a database with others."""

metadata = sa.MetaData()

revision = sa.Table("records_revision", sa.MetaData(), sa.Column("version_num", sa.String(32), primary_key=True))
"""Alembic's own table."""

answers = sa.Table(
    "answers",
    metadata,
    sa.Column("answer_id", sa.Text, primary_key=True),
    sa.Column("question", sa.Text, nullable=False),
    sa.Column("asker_id", sa.BigInteger, nullable=False, index=True),
    sa.Column("guild_id", sa.BigInteger),
    sa.Column("channel_id", sa.BigInteger, nullable=False),
    sa.Column("asked_at", sa.Double, nullable=False, index=True),
    sa.Column("collections", sa.JSON, nullable=False),
    sa.Column("message_ids", sa.JSON, nullable=False),
    sa.Column("searched_for", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("sources", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("ended_at", sa.Double),
    sa.Column("prompt_tokens", sa.BigInteger, nullable=False),
    sa.Column("completion_tokens", sa.BigInteger, nullable=False),
    sa.Column("first_word_at", sa.Double),
    sa.Column("is_automatic", sa.Boolean, nullable=False),
    sa.Column("attached", sa.JSON, nullable=False),
    # When, and by whom, it was marked as done as a gap. AnswerRecord has neither, so saving one again keeps them.
    sa.Column("closed_at", sa.Double),
    sa.Column("closed_by", sa.BigInteger),
    sa.Index("ix_answers_guild_id_asked_at", "guild_id", "asked_at"),
)

votes = sa.Table(
    "votes",
    metadata,
    sa.Column("answer_id", sa.Text, sa.ForeignKey("answers.answer_id", ondelete="CASCADE"), primary_key=True),
    sa.Column("user_id", sa.BigInteger, primary_key=True),
    sa.Column("is_up", sa.Boolean, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("comment", sa.Text),
    sa.Index("ix_votes_user_id", "user_id"),
)

# No foreign key: usage outlives its answer.
usage_records = sa.Table(
    "usage_records",
    metadata,
    sa.Column("answer_id", sa.Text, primary_key=True),
    sa.Column("at", sa.Double, primary_key=True),
    sa.Column("user_id", sa.BigInteger, nullable=False),
    sa.Column("guild_id", sa.BigInteger),
    sa.Column("tokens", sa.BigInteger, nullable=False),
    sa.Column("is_settled", sa.Boolean, nullable=False),
    sa.Index("ix_usage_records_at", "at"),
)

# The sums of usage_records by day of UTC, so that a reservation need not add them up.
budget_counters = sa.Table(
    "budget_counters",
    metadata,
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("subject_id", sa.BigInteger, primary_key=True),
    sa.Column("day", sa.Integer, primary_key=True),
    sa.Column("tokens", sa.BigInteger, nullable=False),
)

guild_settings = sa.Table(
    "guild_settings",
    metadata,
    sa.Column("guild_id", sa.BigInteger, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.JSON, nullable=False),
)

audit_log = sa.Table(
    "audit_log",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("guild_id", sa.BigInteger),
    sa.Column("user_id", sa.BigInteger, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("details", sa.JSON, nullable=False),
    sa.Index("ix_audit_log_guild_id_at", "guild_id", "at"),
)

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("guild_id", sa.BigInteger),
    sa.Column("channel_id", sa.BigInteger, nullable=False),
    sa.Column("user_id", sa.BigInteger, nullable=False),
    sa.Column("started_at", sa.Double, nullable=False),
    sa.Column("message_id", sa.BigInteger),
    sa.Column("collection", sa.Text),
    sa.Column("full", sa.Boolean, nullable=False),
    sa.Column("force", sa.Boolean, nullable=False),
    sa.Column("ended_at", sa.Double),
)


def match_guild(column: sa.Column[int], guild_id: int | None) -> sa.ColumnElement[bool]:
    """Match rows of one guild, or of direct messages with None, in a form that uses the index."""
    return column.is_(None) if guild_id is None else column == guild_id
