"""Ingestions begun from chat, in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.records.memory.state import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.records.values import Run


class MemoryRuns(State):
    """The part of the records that is ``Runs``."""

    async def save_run(self, run: Run) -> None:
        """As ``Runs.save_run``."""
        self._runs[run.id] = run

    async def unfinished_runs(self) -> Sequence[Run]:
        """As ``Runs.unfinished_runs``."""
        found = [run for run in self._runs.values() if run.ended_at is None]
        return sorted(found, key=lambda run: (run.started_at, run.id))
