"""Shards: in one process as many as Discord recommends, and in several processes each its own."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from bot.discord_adapter.visibility import count_guilds
from bot.errors import SettingsInvalid
from bot.records import AnswerRecord, AnswerStatus
from bot.settings import load
from bot.simulator.gateway import IdentifyLimits
from bot.simulator.server import DiscordSimulator
from tests.fakes.answerer import FakeAnswerer, Script
from tests.fakes.app import build_app
from tests.fakes.bot_in_guild import wait_until
from tests.fakes.discord_client import connect_client, override_discord_urls

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from bot.app.build import App
    from bot.simulator.world import Guild

RECOMMENDED = 3


def shard_of(guild: Guild) -> int:
    return (guild.id >> 22) % RECOMMENDED


async def fill_shards(simulator: DiscordSimulator) -> list[Guild]:
    """Guilds until each shard has one; the first of each, by shard."""
    world = simulator.world
    while len({shard_of(guild) for guild in world.guilds.values()}) < RECOMMENDED:
        assert len(world.guilds) < 100
        world.admin.add_guild(f"Guild {len(world.guilds)}")
        await asyncio.sleep(0.002)  # ids begin with their milliseconds
    first: dict[int, Guild] = {}
    for guild in world.guilds.values():
        first.setdefault(shard_of(guild), guild)
    return [first[number] for number in range(RECOMMENDED)]


@asynccontextmanager
async def run_process(simulator: DiscordSimulator, **settings: Any) -> AsyncGenerator[App]:
    """A bot that serves its shards; each takes five seconds to identify, after the first."""
    stop = asyncio.Event()
    async with build_app(FakeAnswerer(Script(["Two weeks."])), **settings) as app:
        with override_discord_urls(simulator):
            running = asyncio.create_task(app.client.run_until(stop, simulator.world.token))
            try:
                async with asyncio.timeout(60):
                    await app.client.wait_until_connected()
                yield app
            finally:
                stop.set()
                await running


def new_simulator() -> DiscordSimulator:
    return DiscordSimulator(identify_limits=IdentifyLimits(shards=RECOMMENDED, interval=5.0))


async def test_one_process_connects_the_recommended_shards_within_the_identify_limit() -> None:
    async with new_simulator() as simulator:
        guilds = await fill_shards(simulator)
        async with run_process(simulator) as app:
            await wait_until(lambda: all(guild.id in simulator.world.commands for guild in guilds))
            assert app.client.shard_count == RECOMMENDED
            assert {guild.id for guild in app.client.guilds} == set(simulator.world.guilds)
            assert count_guilds(app.client) == len(simulator.world.guilds)
            assert app.client.is_connected
        sessions = list(simulator.gateway.sessions.values())
        assert [session.shard for session in sessions] == [(number, RECOMMENDED) for number in range(RECOMMENDED)]
        assert simulator.gateway.limits.remaining == 1000 - RECOMMENDED


async def test_guilds_events_reach_its_shard_alone_and_direct_messages_shard_0() -> None:
    async with new_simulator() as simulator, run_process(simulator):
        guilds = await fill_shards(simulator)
        world = simulator.world
        ada = world.find_user("Ada").id
        for session in simulator.gateway.sessions.values():
            session.sent.clear()
        for guild in guilds:
            world.admin.add_role(guild.id, f"role-{shard_of(guild)}")
        channel = world.bot_api.create_dm(ada)
        world.people.say(channel.id, ada, "hello")
        told = {
            session.shard[0]: [payload["t"] for payload in session.sent]
            for session in simulator.gateway.sessions.values()
        }
        assert [names.count("GUILD_ROLE_CREATE") for _, names in sorted(told.items())] == [1] * RECOMMENDED
        assert ["MESSAGE_CREATE" in names for _, names in sorted(told.items())] == [True, False, False]


async def test_two_processes_answer_each_in_their_own_guilds_once() -> None:
    async with new_simulator() as simulator, AsyncExitStack() as stack:
        guilds = await fill_shards(simulator)
        world = simulator.world
        processes = [
            await stack.enter_async_context(run_process(simulator, shard_count="3", shard_ids=ids))
            for ids in ("0", "1-2")
        ]
        await wait_until(lambda: all(guild.id in world.commands for guild in guilds))
        assert [count_guilds(app.client) >= 2 for app in processes] == [True, True]
        assert [app.client.serves_all_guilds for app in processes] == [False, False]
        for guild in guilds:
            assert [app.client.serves(guild.id) for app in processes] == [shard_of(guild) == 0, shard_of(guild) != 0]
        assert [app.client.serves(None) for app in processes] == [True, False]


async def test_a_process_leaves_the_running_answers_of_another_alone() -> None:
    async with new_simulator() as simulator:
        guilds = await fill_shards(simulator)
        async with build_app(FakeAnswerer(Script(["Two weeks."])), shard_count="3", shard_ids="0") as app:
            for guild in guilds:
                await app.records.save_answer(AnswerRecord(str(guild.id), "?", 1, guild.id, 3, time.time()))
            looked_at: list[int] = []
            async with connect_client(app.client, simulator):
                await asyncio.sleep(30)
            looked_at = [int(r.path.split("/")[2]) for r in simulator.requests if r.path.startswith("/channels/")]
            assert len(looked_at) <= 3
            statuses = [await app.records.load_answer(str(guild.id)) for guild in guilds]
            assert [record.status for record in statuses if record][1:] == [AnswerStatus.WRITING] * 2


@pytest.mark.parametrize(
    ("text", "count", "expected"),
    [("", None, None), ("", "4", None), ("0-3", "4", (0, 1, 2, 3)), ("2, 0", "3", (0, 2)), ("1-2,2", "3", (1, 2))],
)
def test_shards_of_a_process_are_ranges_and_numbers(
    text: str, count: str | None, expected: tuple[int, ...] | None
) -> None:
    assert load(None, shard_ids=text, shard_count=count).own_shards == expected


@pytest.mark.parametrize(
    ("text", "count", "problem"),
    [("0", None, "without SHARD_COUNT"), ("3", "3", "0 to 2"), ("0-", "3", "not a list"), ("a", "3", "not a list")],
)
def test_shards_that_there_are_not_are_refused(text: str, count: str | None, problem: str) -> None:
    with pytest.raises(SettingsInvalid, match=problem):
        load(None, shard_ids=text, shard_count=count)
