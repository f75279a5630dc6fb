"""What answers cost, in memory."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bot.records.memory.state import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.records.values import UsageRecord


class MemoryUsageRecords(State):
    """The part of the records that is ``UsageRecords``."""

    async def add_usage(self, usage_record: UsageRecord) -> None:
        """As ``UsageRecords.add_usage``; one that was settled already stays so."""
        self._usage_records.setdefault((usage_record.answer_id, usage_record.at), usage_record)

    async def commit_usage(self, usage_record: UsageRecord) -> None:
        """As ``UsageRecords.commit_usage``."""
        self._usage_records[usage_record.answer_id, usage_record.at] = replace(usage_record, is_settled=True)

    async def load_usage(self, since: float) -> Sequence[UsageRecord]:
        """As ``UsageRecords.load_usage``."""
        found = [each for each in self._usage_records.values() if each.at >= since]
        return sorted(found, key=lambda each: (each.at, each.answer_id))
