"""Usage is right after a crash and a deletion, and reserved within limits by any number of processes."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from bot.records import UsageLimits, UsageRecord, UsageReservation
from tests.records.samples import ADA, ANSWER, BEN, DAY, GUILD

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


# Reservations


async def test_reservation_is_made_until_a_budget_is_reached(records: Records) -> None:
    limits = UsageLimits(person_daily=5_000, guild_daily=100_000)
    first = await records.reserve_usage(ESTIMATE, limits)
    assert first == UsageReservation(tokens={"person": 3_000, "guild": 3_000, "total": 3_000})
    second = await records.reserve_usage(replace(ESTIMATE, answer_id="2"), limits)
    assert second.tokens["person"] == 6_000
    assert await records.reserve_usage(replace(ESTIMATE, answer_id="3"), limits) == UsageReservation("person_daily")
    other = await records.reserve_usage(replace(ESTIMATE, answer_id="4", user_id=BEN), limits)
    assert other.tokens == {"person": 3_000, "guild": 9_000, "total": 9_000}
    assert [usage.answer_id for usage in await records.load_usage(0)] == ["1", "2", "4"]


async def test_settled_usage_makes_room_in_the_budget_and_a_new_day_does_too(records: Records) -> None:
    limits = UsageLimits(total_daily=3_000)
    assert not (await records.reserve_usage(ESTIMATE, limits)).exceeded
    again = replace(ESTIMATE, answer_id="2")
    assert (await records.reserve_usage(again, limits)).exceeded == "total_daily"
    await records.add_usage(ESTIMATE)
    await records.commit_usage(replace(ESTIMATE, tokens=940))
    assert (await records.reserve_usage(again, limits)).tokens["total"] == 3_940
    tomorrow = replace(ESTIMATE, answer_id="3", at=ESTIMATE.at + DAY)
    assert (await records.reserve_usage(tomorrow, limits)).tokens["total"] == 3_000


async def test_usage_without_a_reservation_counts_in_the_budget(records: Records) -> None:
    await records.add_usage(ESTIMATE)
    await records.commit_usage(replace(ESTIMATE, answer_id="2", tokens=500))
    assert (await records.reserve_usage(replace(ESTIMATE, answer_id="3"), UsageLimits())).tokens["person"] == 6_500


async def test_questions_a_minute_are_counted_to_the_second(records: Records) -> None:
    limits = UsageLimits(person_per_minute=2)
    for seconds, exceeded, retry_at in (
        (0.0, "", None),
        (10.0, "", None),
        (20.0, "person_per_minute", 1_060.25),
        (60.0, "", None),
        (61.0, "person_per_minute", 1_070.25),
    ):
        asked = replace(ESTIMATE, answer_id=str(seconds), at=ESTIMATE.at + seconds)
        reservation = await records.reserve_usage(asked, limits)
        assert (reservation.exceeded, reservation.retry_at) == (exceeded, retry_at)


async def test_concurrent_processes_never_exceed_a_budget_together(persistent_backend: RecordsBackend) -> None:
    limits = UsageLimits(total_daily=30_000, guild_per_minute=0)
    async with persistent_backend.open() as one, persistent_backend.open() as other:
        asked = [replace(ESTIMATE, answer_id=str(n), user_id=n, guild_id=n % 3) for n in range(40)]
        results = await asyncio.gather(
            *((one if n % 2 else other).reserve_usage(usage, limits) for n, usage in enumerate(asked))
        )
        assert sum(not result.exceeded for result in results) == 10
        assert sum(usage.tokens for usage in await one.load_usage(0)) == 30_000
