"""A run that was cut off is found again with all that is needed to resume it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bot.records import Run
from tests.records.samples import ADMIN, GUILD

if TYPE_CHECKING:
    from bot.records import Records
    from tests.records.conftest import RecordsBackend

RUN = Run("1", GUILD, 9, ADMIN, started_at=1_000.0, message_id=12, collection="board", full=True, force=True)


async def test_run_is_unfinished_until_its_end_is_saved(records: Records) -> None:
    begun = replace(RUN, message_id=None)
    await records.save_run(begun)
    assert await records.unfinished_runs() == [begun]
    await records.save_run(RUN)
    assert await records.unfinished_runs() == [RUN]
    await records.save_run(replace(RUN, ended_at=1_060.0))
    assert not await records.unfinished_runs()


async def test_runs_come_in_the_order_they_were_begun(records: Records) -> None:
    later = Run("0", None, 10, ADMIN, started_at=1_001.0)
    for run in (later, RUN):
        await records.save_run(run)
    assert await records.unfinished_runs() == [RUN, later]


async def test_a_run_outlives_the_process_that_was_killed(persistent_backend: RecordsBackend) -> None:
    async with persistent_backend.open() as records:
        await records.save_run(RUN)
    async with persistent_backend.open() as records:
        assert await records.unfinished_runs() == [RUN]
