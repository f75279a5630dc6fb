"""What answers cost, in a SQL database."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import sqlalchemy as sa

from bot.records.sql.database import Database
from bot.records.sql.schema import spendings
from bot.records.values import Spending

if TYPE_CHECKING:
    from collections.abc import Sequence


class SqlSpendings(Database):
    """The part of the records that is ``Spendings``."""

    async def begin_spending(self, spending: Spending) -> None:
        """As ``Spendings.begin_spending``; one that was settled already stays so."""
        async with self._writing() as connection:
            await connection.execute(self._upsert(spendings, asdict(spending), replacing=False))

    async def settle(self, spending: Spending) -> None:
        """As ``Spendings.settle``."""
        async with self._writing() as connection:
            await connection.execute(self._upsert(spendings, asdict(replace(spending, is_settled=True))))

    async def spendings(self, since: float) -> Sequence[Spending]:
        """As ``Spendings.spendings``."""
        wanted = sa.select(spendings).where(spendings.c.at >= since).order_by(spendings.c.at, spendings.c.key)
        async with self._reading() as connection:
            return [Spending(**row._asdict()) for row in await connection.execute(wanted)]
