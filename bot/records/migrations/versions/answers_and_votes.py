"""Answers and votes, as the first release made them: where its file is there already, this does nothing."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the two tables, those of them that are missing."""
    op.create_table(
        "answers",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("question", sa.Text, nullable=False),
        sa.Column("asker_id", sa.BigInteger, nullable=False),
        sa.Column("guild_id", sa.BigInteger),
        sa.Column("channel_id", sa.BigInteger, nullable=False),
        sa.Column("asked_at", sa.Double, nullable=False),
        sa.Column("collections", sa.JSON, nullable=False),
        sa.Column("message_ids", sa.JSON, nullable=False),
        sa.Column("searched_for", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("sources", sa.Text, nullable=False),
        sa.Column("fate", sa.Text, nullable=False),
        sa.Column("ended_at", sa.Double),
        if_not_exists=True,
    )
    op.create_index("ix_answers_asked_at", "answers", ["asked_at"], if_not_exists=True)
    op.create_table(
        "votes",
        sa.Column("key", sa.Text, sa.ForeignKey("answers.key", ondelete="CASCADE"), primary_key=True),
        sa.Column("user_id", sa.BigInteger, primary_key=True),
        sa.Column("is_up", sa.Boolean, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("words", sa.Text),
        if_not_exists=True,
    )
