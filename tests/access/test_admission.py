"""Whether a question may be asked: a guild's choices, budgets, and what a crash leaves of them."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import pytest

from bot.access.admission import Admission, House
from bot.access.budgets import Limits
from bot.domain import Manner, Usage
from bot.errors import RecordsUnusable
from bot.records import MemoryRecords, Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bot.records import Json, Spending

NOW = 100 * 86_400.0 + 3_600
FREE = Limits(per_minute=0, at_once=0)
T = TypeVar("T")


def record(key: str, *, who: int = 1, guild: int | None = 5, text: str = "Why?") -> Record:
    return Record(key, text, who, guild, 7, NOW)


def clock() -> float:
    return NOW


class Unwritable(MemoryRecords):
    """Records on a disk that is full."""

    async def begin_spending(self, spending: Spending) -> None:
        raise RecordsUnusable(f"What answer {spending.key} costs cannot be written.")

    async def guild_settings(self, guild_id: int) -> Mapping[str, Json]:
        raise RecordsUnusable(f"The settings of {guild_id} cannot be read.")


async def test_two_hundred_at_once_exceed_a_budget_by_no_more_than_those_already_running() -> None:
    records = MemoryRecords()
    admission = Admission(records, limits=replace(FREE, total_daily=50_000), estimate=1_000, clock=clock)
    generator = random.Random(7)  # noqa: S311 - prices, not secrets
    running: set[str] = set()
    paid = 0
    worst = 0

    async def ask(number: int) -> bool:
        nonlocal paid, worst
        key = str(number)
        await asyncio.sleep(generator.random() / 50)
        if await admission.admit(record(key, who=number)):
            return False
        assert paid + 1_000 * len(running) < 50_000
        running.add(key)
        await admission.claim(key)
        await asyncio.sleep(generator.random() / 20)
        price = generator.randrange(0, 3_000)
        running.discard(key)
        paid += price
        worst = max(worst, paid)
        await admission.settle(key, Usage(price, 0))
        return True

    answered = sum(await asyncio.gather(*(ask(number) for number in range(200))))
    assert 25 < answered < 200
    assert worst <= 50_000 + 2_000 * 50
    assert admission.spent_today() == paid
    assert sum(spending.tokens for spending in await records.spendings(0)) == paid


async def test_what_a_crash_left_unsettled_counts_as_estimated_after_the_restart() -> None:
    records = MemoryRecords()
    before = Admission(records, limits=FREE, estimate=3_000, clock=clock)
    assert await before.admit(record("1")) == ""
    await before.claim("1")
    after = Admission(records, limits=FREE, estimate=3_000, clock=clock)
    await after.open()
    assert after.spent_today(user_id=1) == 3_000


async def test_a_guilds_channels_language_and_limits_hold() -> None:
    records = MemoryRecords()
    house = House(records)
    admission = Admission(records, house, limits=FREE, question_characters=10, clock=clock)
    await house.choose(5, "channels", ["7"])
    await house.choose(5, "language", "German")
    await house.choose(5, "questions_per_minute", 1)
    assert "I answer in <#7>" in await admission.admit(record("1"), channels={8, 9})
    assert await admission.admit(record("2"), channels={8, 7}) == ""
    assert "You may ask 1 question a minute." in await admission.admit(record("3"), channels={7})
    assert await admission.admit(record("4", guild=6), channels={8}) == ""
    assert "11 characters; 10 are the most" in await admission.admit(record("5", guild=6, text="x" * 11))
    assert (await house.customs(5)).manner == Manner("German", "")
    assert (await House(records).customs(5)).manner == Manner("German", "")
    await house.choose(5, "language", None)
    assert (await house.customs(5)).manner == Manner()


async def test_a_choice_that_cannot_be_written_is_not_made() -> None:
    house = House(Unwritable())
    assert (await house.customs(5)).channels == frozenset()


async def test_an_answer_is_given_though_its_price_cannot_be_written_down() -> None:
    admission = Admission(Unwritable(), limits=replace(FREE, person_daily=100), estimate=50, clock=clock)
    assert await admission.admit(record("1")) == ""
    await admission.claim("1")
    await admission.settle("1", Usage(90, 20))
    assert "Your budget for today is used up." in await admission.admit(record("2"))


@pytest.mark.parametrize("usage", [Usage(), Usage(10, 5)])
async def test_without_a_model_nothing_is_reserved_and_only_what_was_spent_is_written(usage: Usage) -> None:
    records = MemoryRecords()
    admission = Admission(records, limits=replace(FREE, total_daily=10), clock=clock)
    assert await admission.admit(record("1")) == ""
    await admission.claim("1")
    await admission.settle("1", usage)
    assert [spending.tokens for spending in await records.spendings(0)] == ([15] if usage.total else [])


async def test_what_was_let_in_under_one_key_is_paid_for_under_another() -> None:
    records = MemoryRecords()
    admission = Admission(records, limits=replace(FREE, at_once=1), estimate=10, clock=clock)
    assert await admission.admit(record("1")) == ""
    admission.rename("1", "thread")
    await admission.claim("thread")
    assert await admission.admit(record("2"))
    await admission.settle("thread", Usage(3, 4))
    assert await admission.admit(record("3")) == ""
    assert admission.spent_today() == 17
