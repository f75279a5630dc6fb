"""A table laid for one test: the stand-in for Discord, a real client with cogs, and what was shown on it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.access.admission import GuildSettingsStore
from bot.answers.service import AnswerService
from bot.discord_adapter import create_rate_limit_trace
from bot.discord_adapter.client import DocentClient
from bot.discord_adapter.visibility import Visibility
from bot.domain import LibraryState
from bot.records import MemoryRecords
from bot.simulator.server import DiscordSimulator
from bot.streaming import Driver, RateLimiter
from cogs.answer_buttons import Answers
from cogs.ask import Ask
from cogs.status import Meta
from tests.fakes.answerer import FakeAnswerer, FakeLibrary, Script
from tests.fakes.discord_client import connect_client

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from discord.ext import commands

    from bot.records import Records
    from bot.simulator.server import RecordedRequest
    from bot.simulator.world import Channel, Interaction, Message

TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class BotInGuild:
    """Everything on it."""

    simulator: DiscordSimulator
    client: DocentClient
    answerer: FakeAnswerer
    driver: Driver

    @property
    def channel(self) -> Channel:
        return self.simulator.world.find_channel("general")

    def use_command(self, command: str, **options: str) -> Interaction:
        """Ada uses a command in #general."""
        world = self.simulator.world
        return world.use_command(self.channel.id, world.find_user("Ada").id, command, options)

    def ask(self, question: str = "How long do refunds take?") -> Interaction:
        return self.use_command("ask", question=question)

    def channel_messages(self) -> list[Message]:
        return self.simulator.world.history(self.channel.id)

    def find_requests(self, path: str, method: str = "") -> list[RecordedRequest]:
        return [call for call in self.simulator.requests if path in call.path and method in {"", call.method}]

    async def wait_until_done(self) -> None:
        """Wait until every answer that has begun is told."""
        await wait_until(lambda: any(call.status for call in self.find_requests("/callback")))
        await asyncio.sleep(0.05)
        await wait_until(lambda: not self.driver.open_answers)


def create_cogs(
    answer_service: AnswerService, records: Records, library: FakeLibrary | None = None
) -> list[commands.Cog]:
    """The cogs that ask, and /about where there is a library."""
    visibility, settings = Visibility(), GuildSettingsStore(records)
    return [
        Ask(answer_service, visibility, settings, library or FakeLibrary(LibraryState(0, 0, "none"))),
        Answers(answer_service, records, visibility, settings),
        *([Meta(library)] if library else []),
    ]


def create_client(
    answerer: FakeAnswerer, library: FakeLibrary | None = None, records: Records | None = None
) -> tuple[DocentClient, Driver]:
    """A client and its driver, as the composition root would make them."""
    lanes = RateLimiter()
    driver = Driver(lanes)
    records = records or MemoryRecords()
    cogs = create_cogs(AnswerService(answerer, driver, records), records, library)
    client = DocentClient(cogs=cogs, driver=driver, http_trace=create_rate_limit_trace(lanes))
    client._connection.guild_ready_timeout = 0.05
    return client, driver


@asynccontextmanager
async def bot_in_guild(
    script: Script, library: FakeLibrary | None = None, records: Records | None = None
) -> AsyncGenerator[BotInGuild]:
    """A table whose client is connected and has published its commands."""
    answerer = FakeAnswerer(script)
    client, driver = create_client(answerer, library, records)
    async with DiscordSimulator() as standin, connect_client(client, standin):
        await wait_until(lambda: any(standin.world.commands.values()))
        yield BotInGuild(standin, client, answerer, driver)


async def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for something that happens on the far side of a socket, so that no event tells of it."""
    async with asyncio.timeout(TIMEOUT):
        while not condition():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.01)
