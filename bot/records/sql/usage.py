"""What answers cost, in a SQL database."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import sqlalchemy as sa

from bot.records.sql.database import Database
from bot.records.sql.rows import usage_from_row, usage_to_row
from bot.records.sql.schema import usage_records

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.records.values import UsageRecord


class SqlUsageRecords(Database):
    """The part of the records that is ``UsageRecords``."""

    async def add_usage(self, usage_record: UsageRecord) -> None:
        """As ``UsageRecords.add_usage``; one that was settled already stays so."""
        async with self._write_transaction() as connection:
            await connection.execute(self._upsert(usage_records, usage_to_row(usage_record), replacing=False))

    async def commit_usage(self, usage_record: UsageRecord) -> None:
        """As ``UsageRecords.commit_usage``."""
        async with self._write_transaction() as connection:
            await connection.execute(self._upsert(usage_records, usage_to_row(replace(usage_record, is_settled=True))))

    async def load_usage(self, since: float) -> Sequence[UsageRecord]:
        """As ``UsageRecords.load_usage``."""
        wanted = (
            sa.select(usage_records)
            .where(usage_records.c.at >= since)
            .order_by(usage_records.c.at, usage_records.c.key)
        )
        async with self._read_transaction() as connection:
            return [usage_from_row(row) for row in await connection.execute(wanted)]
