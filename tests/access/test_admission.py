"""Questions are admitted by guild settings and budgets, also after a crash and across processes."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import pytest

from bot.access.admission import Admission, GuildSettingsStore
from bot.access.budgets import Limits
from bot.access.guild_settings import GuildSettings
from bot.domain import Question, ResponseStyle, Usage
from bot.errors import RecordsUnusable
from bot.records import IN_MEMORY, SqlRecords

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bot.records import Json, UsageLimits, UsageRecord, UsageReservation

NOW = 100 * 86_400.0 + 3_600
FREE = Limits(per_minute=0, at_once=0)
T = TypeVar("T")


UNSET = GuildSettings()


def make_question(answer_id: str, *, who: int = 1, guild: int | None = 5, text: str = "Why?") -> Question:
    return Question(text, answer_id, asker_id=who, guild_id=guild, channel_id=7, asked_at=NOW)


def clock() -> float:
    return NOW


class BreakableRecords(SqlRecords):
    """Records whose settings cannot be read while ``is_broken``."""

    is_broken = False

    async def load_guild_settings(self, guild_id: int) -> Mapping[str, Json]:
        if self.is_broken:
            raise RecordsUnusable(f"The settings of {guild_id} cannot be read.")
        return await super().load_guild_settings(guild_id)


class UnwritableRecords(SqlRecords):
    """Records on a disk that is full."""

    async def add_usage(self, usage: UsageRecord) -> None:
        raise RecordsUnusable(f"The usage of answer {usage.answer_id} cannot be written.")

    async def save_guild_setting(self, guild_id: int, name: str, value: Json) -> None:
        raise RecordsUnusable(f"{name} of {guild_id} cannot be {value}.")

    async def load_guild_settings(self, guild_id: int) -> Mapping[str, Json]:
        raise RecordsUnusable(f"The settings of {guild_id} cannot be read.")


async def test_two_hundred_at_once_exceed_a_budget_by_no_more_than_those_already_running(
    memory_records: SqlRecords,
) -> None:
    admission = Admission(memory_records, limits=replace(FREE, total_daily=50_000), estimate=1_000, clock=clock)
    generator = random.Random(7)  # noqa: S311 - prices, not secrets
    running: set[str] = set()
    paid = 0
    worst = 0

    async def ask(number: int) -> bool:
        nonlocal paid, worst
        key = str(number)
        await asyncio.sleep(generator.random() / 50)
        if await admission.admit(make_question(key, who=number), UNSET):
            return False
        assert paid + 1_000 * len(running) < 50_000
        running.add(key)
        await admission.reserve(key)
        await asyncio.sleep(generator.random() / 20)
        price = generator.randrange(0, 3_000)
        running.discard(key)
        paid += price
        worst = max(worst, paid)
        await admission.commit(key, Usage(price, 0))
        return True

    answered = sum(await asyncio.gather(*(ask(number) for number in range(200))))
    assert 25 < answered < 200
    assert worst <= 50_000 + 2_000 * 50
    assert admission.count_tokens_today() == paid
    assert sum(spending.tokens for spending in await memory_records.load_usage(0)) == paid


async def test_uncommitted_reservation_counts_as_its_estimate_after_a_restart(memory_records: SqlRecords) -> None:
    before = Admission(memory_records, limits=FREE, estimate=3_000, clock=clock)
    assert await before.admit(make_question("1"), UNSET) == ""
    await before.reserve("1")
    after = Admission(memory_records, limits=FREE, estimate=3_000, clock=clock)
    await after.open()
    assert after.count_tokens_today(user_id=1) == 3_000


async def test_a_guilds_channels_language_and_limits_hold(memory_records: SqlRecords) -> None:
    store = GuildSettingsStore(memory_records)
    admission = Admission(memory_records, store, limits=FREE, question_characters=10, clock=clock)
    await store.set(5, "channels", ["7"])
    await store.set(5, "language", "German")
    await store.set(5, "questions_per_minute", 1)
    chosen = await store.load(5)
    assert "I answer in <#7>" in await admission.admit(make_question("1"), chosen, channel_ids={8, 9})
    assert await admission.admit(make_question("2"), chosen, channel_ids={8, 7}) == ""
    assert "You may ask 1 question a minute." in await admission.admit(make_question("3"), chosen, channel_ids={7})
    assert await admission.admit(make_question("4", guild=6), UNSET, channel_ids={8}) == ""
    assert "11 characters. The limit here is 10." in await admission.admit(
        make_question("5", guild=6, text="x" * 11), UNSET
    )
    assert (await store.load(5)).style == ResponseStyle("German", "")
    assert (await GuildSettingsStore(memory_records).load(5)).style == ResponseStyle("German", "")
    await store.set(5, "language", None)
    assert (await store.load(5)).style == ResponseStyle()


async def test_setting_that_cannot_be_saved_is_not_applied() -> None:
    async with UnwritableRecords.open(IN_MEMORY) as records:
        store = GuildSettingsStore(records)
        with pytest.raises(RecordsUnusable):
            await store.set(5, "channels", ["7"])
        assert (await store.load(5)).channels == frozenset()


async def test_answer_is_given_even_if_its_usage_cannot_be_saved() -> None:
    async with UnwritableRecords.open(IN_MEMORY) as records:
        admission = Admission(records, limits=replace(FREE, person_daily=100), estimate=50, clock=clock)
        assert await admission.admit(make_question("1"), UNSET) == ""
        await admission.reserve("1")
        await admission.commit("1", Usage(90, 20))
        assert "Your budget for today is used up." in await admission.admit(make_question("2"), UNSET)


@pytest.mark.parametrize("usage", [Usage(), Usage(10, 5)])
async def test_no_tokens_are_reserved_without_a_model(memory_records: SqlRecords, usage: Usage) -> None:
    admission = Admission(memory_records, limits=replace(FREE, total_daily=10), clock=clock)
    assert await admission.admit(make_question("1"), UNSET) == ""
    await admission.reserve("1")
    await admission.commit("1", usage)
    assert [spending.tokens for spending in await memory_records.load_usage(0)] == ([15] if usage.total else [])


async def test_settings_of_another_process_are_seen_after_a_minute(memory_records: SqlRecords) -> None:
    now = 0.0
    store, other = GuildSettingsStore(memory_records, clock=lambda: now), GuildSettingsStore(memory_records)
    await other.set(5, "tone", "Kind.")
    assert (await store.load(5)).tone == "Kind."
    await other.set(5, "tone", "Short.")
    now = 59.0
    assert (await store.load(5)).tone == "Kind."
    now = 60.0
    assert (await store.load(5)).tone == "Short."


async def test_last_known_settings_apply_while_the_records_fail() -> None:
    now = 0.0
    async with BreakableRecords.open(IN_MEMORY) as records:
        store = GuildSettingsStore(records, clock=lambda: now)
        await store.set(5, "tone", "Kind.")
        assert (await store.load(5)).tone == "Kind."
        records.is_broken = True
        now = 60.0
        assert (await store.load(5)).tone == "Kind."
        assert (await store.load(6)) == GuildSettings()


# Several processes on one PostgreSQL


class SharedRecords(SqlRecords):
    """Records that several processes share."""

    is_slow = False

    @property
    def is_shared(self) -> bool:
        return True

    async def reserve_usage(self, usage: UsageRecord, limits: UsageLimits) -> UsageReservation:
        if self.is_slow:
            await asyncio.sleep(3_600)
        return await super().reserve_usage(usage, limits)


async def test_processes_share_budgets_and_questions_a_minute() -> None:
    async with SharedRecords.open(IN_MEMORY) as records:
        limits = replace(FREE, total_daily=2_500, per_minute=2)
        one, other = (Admission(records, limits=limits, estimate=1_000, clock=clock) for _ in range(2))
        assert await one.admit(make_question("1"), UNSET) == ""
        assert await other.admit(make_question("2"), UNSET) == ""
        assert "You may ask 2 questions a minute." in await one.admit(make_question("3"), UNSET)
        assert await one.admit(make_question("4", who=2), UNSET) == ""
        assert "This bot's budget for today is used up." in await other.admit(make_question("5", who=3), UNSET)
        assert one.count_tokens_today() == 3_000
        await one.commit("4", Usage())
        assert await other.admit(make_question("6", who=3), UNSET) == ""


async def test_rejected_question_leaves_no_reservation_in_its_own_process() -> None:
    async with SharedRecords.open(IN_MEMORY) as records:
        limits = replace(FREE, per_minute=1, at_once=1)
        one, other = (Admission(records, limits=limits, estimate=1_000, clock=clock) for _ in range(2))
        assert await one.admit(make_question("1"), UNSET) == ""
        assert await other.admit(make_question("2"), UNSET)
        assert other.count_tokens_today() == 0


async def test_cancelled_reservation_leaves_nothing_in_its_own_process() -> None:
    async with SharedRecords.open(IN_MEMORY) as records:
        records.is_slow = True
        admission = Admission(records, limits=replace(FREE, at_once=1), estimate=1_000, clock=clock)
        admitting = asyncio.create_task(admission.admit(make_question("1"), UNSET))
        await asyncio.sleep(0.1)
        admitting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await admitting
        assert admission.count_tokens_today() == 0
        records.is_slow = False
        assert await admission.admit(make_question("2"), UNSET) == ""


async def test_slow_shared_records_leave_the_decision_to_the_process(caplog: pytest.LogCaptureFixture) -> None:
    async with SharedRecords.open(IN_MEMORY) as records:
        records.is_slow = True
        admission = Admission(records, limits=replace(FREE, total_daily=1_000), estimate=1_000, clock=clock)
        assert await admission.admit(make_question("1"), UNSET) == ""
        assert "this process's own count decides: timeout" in caplog.text
        assert "budget for today" in await admission.admit(make_question("2"), UNSET)
        await admission.reserve("1")
        assert [usage.tokens for usage in await records.load_usage(0)] == [1_000]
