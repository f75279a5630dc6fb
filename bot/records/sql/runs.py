"""Ingestions begun from chat, in a SQL database."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import sqlalchemy as sa

from bot.records.sql.database import Database
from bot.records.sql.schema import runs
from bot.records.values import Run

if TYPE_CHECKING:
    from collections.abc import Sequence


class SqlRuns(Database):
    """The part of the records that is ``Runs``."""

    async def save_run(self, run: Run) -> None:
        """As ``Runs.save_run``."""
        async with self._write_transaction() as connection:
            await connection.execute(self._upsert(runs, asdict(run)))

    async def unfinished_runs(self) -> Sequence[Run]:
        """As ``Runs.unfinished_runs``."""
        wanted = sa.select(runs).where(runs.c.ended_at.is_(None)).order_by(runs.c.started_at, runs.c.id)
        async with self._read_transaction() as connection:
            return [Run(**row._asdict()) for row in await connection.execute(wanted)]
