"""The tables as they are now; ``migrations`` make them, step by step, out of what older releases wrote."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

REVISION: Final = "0002"
"""The latest step of ``migrations``. Records that name it are up to date, and no step is looked for."""

SCHEMA: Final = "docent_records"
"""The schema that holds the tables in a PostgreSQL database, beside whatever else lives there."""

metadata = sa.MetaData()

revision = sa.Table("records_revision", sa.MetaData(), sa.Column("version_num", sa.String(32), primary_key=True))
"""Alembic's own table."""

answers = sa.Table(
    "answers",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
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
    sa.Column("fate", sa.Text, nullable=False),
    sa.Column("ended_at", sa.Double),
    # What came later has a value for rows that do not know of it: an older release may still write some.
    sa.Column("prompt_tokens", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("completion_tokens", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("first_word_at", sa.Double),
    sa.Column("is_automatic", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("attached", sa.JSON, nullable=False, server_default="[]"),
    # When, and by whom, it was marked done as a gap; no record holds it, so writing one anew leaves it.
    sa.Column("done_at", sa.Double),
    sa.Column("done_by", sa.BigInteger),
    sa.Index("ix_answers_guild_id_asked_at", "guild_id", "asked_at"),
)

votes = sa.Table(
    "votes",
    metadata,
    sa.Column("key", sa.Text, sa.ForeignKey("answers.key", ondelete="CASCADE"), primary_key=True),
    sa.Column("user_id", sa.BigInteger, primary_key=True),
    sa.Column("is_up", sa.Boolean, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("words", sa.Text),
    sa.Index("ix_votes_user_id", "user_id"),
)

# No foreign key: what was spent stays spent when the answer is forgotten.
usage_records = sa.Table(
    "spendings",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("at", sa.Double, primary_key=True),
    sa.Column("user_id", sa.BigInteger, nullable=False),
    sa.Column("guild_id", sa.BigInteger),
    sa.Column("tokens", sa.BigInteger, nullable=False),
    sa.Column("is_settled", sa.Boolean, nullable=False),
    sa.Index("ix_spendings_at", "at"),
)

guild_settings = sa.Table(
    "guild_settings",
    metadata,
    sa.Column("guild_id", sa.BigInteger, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.JSON, nullable=False),
)

audit_log = sa.Table(
    "acts",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("guild_id", sa.BigInteger),
    sa.Column("user_id", sa.BigInteger, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("details", sa.JSON, nullable=False),
    sa.Index("ix_acts_guild_id_at", "guild_id", "at"),
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
    """Whether a row is of this guild, or with None of direct messages, in words whose index is used everywhere."""
    return column.is_(None) if guild_id is None else column == guild_id
