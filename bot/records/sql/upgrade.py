"""Records that an older release wrote, or none yet, go through the steps that make them today's: all steps, or none."""

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

_LEGACY_VERSION_TABLE: Final = "records_schema"
"""Where the first release wrote its version, which was always 1."""

_NEWER_MESSAGE: Final = "The records were written by a newer version of Docent; run that one, or move them away."


def upgrade(connection: Connection) -> None:
    """Bring the tables up to date within the transaction that is open, and which nobody else writes beside.

    Alembic's own machinery of settings and logging is left out: of it, only the steps and their order are needed.

    Raises:
        RecordsUnusable: they are of a version that no step begins at.
    """
    steps = ScriptDirectory(str(_MIGRATIONS))
    context = MigrationContext.configure(connection, opts={"version_table": schema.revision.name})
    current = context.get_current_revision()
    if current not in {None, *(step.revision for step in steps.walk_revisions())} or not _is_known_legacy_version(
        connection
    ):
        raise RecordsUnusable(_NEWER_MESSAGE)
    with Operations.context(context):
        for step in reversed(list(steps.iterate_revisions("head", current or "base"))):
            step.module.upgrade()
    context.stamp(steps, "head")


def _is_known_legacy_version(connection: Connection) -> bool:
    """Whether the mark of the first release, where there is one, is that of its only version."""
    if not sa.inspect(connection).has_table(_LEGACY_VERSION_TABLE):
        return True
    return set(connection.scalars(sa.text(f"SELECT version FROM {_LEGACY_VERSION_TABLE}"))) <= {1}  # noqa: S608 - our own name
