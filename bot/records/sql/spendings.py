"""What answers cost, in a SQL database."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import sqlalchemy as sa

from bot.records.sql.database import Database
from bot.records.sql.schema import usage_records
from bot.records.values import UsageRecord

if TYPE_CHECKING:
    from collections.abc import Sequence


class SqlUsageRecords(Database):
    """The part of the records that is ``Spendings``."""

    async def add_usage(self, usage_record: UsageRecord) -> None:
        """As ``Spendings.begin_spending``; one that was settled already stays so."""
        async with self._write_transaction() as connection:
            await connection.execute(self._upsert(usage_records, asdict(usage_record), replacing=False))

    async def commit_usage(self, usage_record: UsageRecord) -> None:
        """As ``Spendings.settle``."""
        async with self._write_transaction() as connection:
            await connection.execute(self._upsert(usage_records, asdict(replace(usage_record, is_settled=True))))

    async def load_usage(self, since: float) -> Sequence[UsageRecord]:
        """As ``Spendings.spendings``."""
        wanted = (
            sa.select(usage_records)
            .where(usage_records.c.at >= since)
            .order_by(usage_records.c.at, usage_records.c.key)
        )
        async with self._read_transaction() as connection:
            return [UsageRecord(**row._asdict()) for row in await connection.execute(wanted)]
