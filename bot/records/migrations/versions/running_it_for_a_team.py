"""What answers cost and how soon they came, gaps that are done, spendings, guilds' settings, admins' acts, runs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add columns to the answers, and the tables beside them."""
    _extend_answers()
    _add_spendings()
    _add_guilds()
    _add_runs()
    # The first release's own mark. It makes another one if it is ever run on these records again, and can read them.
    op.drop_table("records_schema", if_exists=True)


def _extend_answers() -> None:
    for column in (
        sa.Column("prompt_tokens", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("completion_tokens", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("first_word_at", sa.Double),
        sa.Column("is_automatic", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("attached", sa.JSON, nullable=False, server_default="[]"),
        sa.Column("done_at", sa.Double),
        sa.Column("done_by", sa.BigInteger),
    ):
        op.add_column("answers", column)
    op.create_index("ix_answers_asker_id", "answers", ["asker_id"])
    op.create_index("ix_answers_guild_id_asked_at", "answers", ["guild_id", "asked_at"])
    op.create_index("ix_votes_user_id", "votes", ["user_id"])


def _add_spendings() -> None:
    op.create_table(
        "spendings",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("at", sa.Double, primary_key=True),
        sa.Column("user_id", sa.BigInteger, nullable=False),
        sa.Column("guild_id", sa.BigInteger),
        sa.Column("tokens", sa.BigInteger, nullable=False),
        sa.Column("is_settled", sa.Boolean, nullable=False),
    )
    op.create_index("ix_spendings_at", "spendings", ["at"])


def _add_guilds() -> None:
    op.create_table(
        "guild_settings",
        sa.Column("guild_id", sa.BigInteger, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.JSON, nullable=False),
    )
    op.create_table(
        "acts",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("guild_id", sa.BigInteger),
        sa.Column("user_id", sa.BigInteger, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("details", sa.JSON, nullable=False),
    )
    op.create_index("ix_acts_guild_id_at", "acts", ["guild_id", "at"])


def _add_runs() -> None:
    op.create_table(
        "runs",
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
