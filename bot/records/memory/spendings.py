"""What answers cost, in memory."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bot.records.memory.state import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.records.values import Spending


class MemorySpendings(State):
    """The part of the records that is ``Spendings``."""

    async def begin_spending(self, spending: Spending) -> None:
        """As ``Spendings.begin_spending``; one that was settled already stays so."""
        self._spendings.setdefault((spending.key, spending.at), spending)

    async def settle(self, spending: Spending) -> None:
        """As ``Spendings.settle``."""
        self._spendings[spending.key, spending.at] = replace(spending, is_settled=True)

    async def spendings(self, since: float) -> Sequence[Spending]:
        """As ``Spendings.spendings``."""
        found = [each for each in self._spendings.values() if each.at >= since]
        return sorted(found, key=lambda each: (each.at, each.key))
