"""Applies all pending Alembic migrations in one transaction."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from bot import records
from bot.errors import RecordsUnusable
from bot.records.sql import schema

if TYPE_CHECKING:
    from sqlalchemy import Connection

_MIGRATIONS: Final = Path(records.__file__).parent / "migrations"

_UNRELEASED_REVISIONS: Final = {"0001", "0002"}
"""Revisions that only development versions wrote."""

_NEWER_MESSAGE: Final = "The records were written by a newer version of Docent. Run that version, or move them away."
_OLDER_SQLITE_MESSAGE: Final = (
    "The records were written by a development version of Docent, which this one cannot read. "
    "Move records.sqlite, records.sqlite-wal and records.sqlite-shm away and start again; new ones are created."
)
_OLDER_SERVER_MESSAGE: Final = (
    "The records were written by a development version of Docent, which this one cannot read. "
    f"Rename or drop the schema {schema.SCHEMA} and start again; a new one is created."
)


def upgrade(connection: Connection) -> None:
    """Bring the tables up to date in the open transaction, which must hold the write lock.

    Alembic's environment (settings, logging) is left out: only the migrations and their order are needed.

    Raises:
        RecordsUnusable: another version of Docent wrote them, from whose revision no migration starts.
    """
    migrations = ScriptDirectory(str(_MIGRATIONS))
    context = MigrationContext.configure(connection, opts={"version_table": schema.revision.name})
    current = context.get_current_revision()
    if current in _UNRELEASED_REVISIONS or (current is None and sa.inspect(connection).has_table("answers")):
        raise RecordsUnusable(_OLDER_SQLITE_MESSAGE if connection.dialect.name == "sqlite" else _OLDER_SERVER_MESSAGE)
    if current not in {None, *(each.revision for each in migrations.walk_revisions())}:
        raise RecordsUnusable(_NEWER_MESSAGE)
    with Operations.context(context):
        for migration in reversed(list(migrations.iterate_revisions("head", current or "base"))):
            migration.module.upgrade()
    context.stamp(migrations, "head")
