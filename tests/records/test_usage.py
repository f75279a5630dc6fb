"""What answers cost is right after a crash, and no forgetting makes it less."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bot.records import UsageRecord
from tests.records.samples import ADA, ANSWER, BEN, GUILD

if TYPE_CHECKING:
    from bot.records import Records
    from tests.records.conftest import RecordsBackend

ESTIMATE = UsageRecord("1", ADA, GUILD, at=1_000.25, tokens=3_000)
SETTLED = replace(ESTIMATE, tokens=940, is_settled=True)


async def test_estimated_usage_is_replaced_by_the_actual_one(records: Records) -> None:
    await records.add_usage(ESTIMATE)
    assert await records.load_usage(0) == [ESTIMATE]
    await records.commit_usage(replace(ESTIMATE, tokens=940))
    assert await records.load_usage(0) == [SETTLED]


async def test_late_estimate_does_not_replace_the_actual_usage(records: Records) -> None:
    await records.commit_usage(SETTLED)
    await records.add_usage(ESTIMATE)
    assert await records.load_usage(0) == [SETTLED]


async def test_regenerated_answer_counts_its_usage_twice(records: Records) -> None:
    again = replace(ESTIMATE, at=1_060.0)
    await records.commit_usage(SETTLED)
    await records.add_usage(again)
    assert await records.load_usage(0) == [SETTLED, again]


async def test_usage_since_a_time_is_listed_oldest_first(records: Records) -> None:
    direct, late, old = (
        replace(ESTIMATE, answer_id="2", user_id=BEN, guild_id=None, at=1_000.5),
        replace(ESTIMATE, answer_id="3", at=1_002.0),
        replace(ESTIMATE, answer_id="4", at=999.0),
    )
    for spending in (late, old, direct, ESTIMATE):
        await records.add_usage(spending)
    assert await records.load_usage(1_000.25) == [ESTIMATE, direct, late]


async def test_deleting_an_answer_keeps_its_usage(records: Records) -> None:
    await records.save_answer(ANSWER)
    await records.add_usage(ESTIMATE)
    assert await records.delete_expired(9_999.0, now=9_999.0) == 1
    assert await records.load_usage(0) == [ESTIMATE]


async def test_uncommitted_estimate_survives_a_restart(persistent_backend: RecordsBackend) -> None:
    async with persistent_backend.open() as records:
        await records.add_usage(ESTIMATE)
    async with persistent_backend.open() as records:
        assert await records.load_usage(0) == [ESTIMATE]
