"""A table laid for one test: the stand-in for Discord, a real client with cogs, and what was shown on it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.answers.service import Asking
from bot.discord_adapter import rate_limit_trace
from bot.discord_adapter.client import DocentClient
from bot.records import MemoryRecords
from bot.simulator.server import StandIn
from bot.streaming import Driver, Lanes
from cogs.answer_buttons import Answers
from cogs.ask import Ask
from cogs.status import Meta
from tests.fakes.answerer import FakeAnswerer, FakeLibrary, Script
from tests.fakes.discord_client import connected

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from bot.records import Records
    from bot.simulator.server import Request
    from bot.simulator.world import Channel, Interaction, Message

PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class Table:
    """Everything on it."""

    standin: StandIn
    client: DocentClient
    answerer: FakeAnswerer
    driver: Driver

    @property
    def channel(self) -> Channel:
        return self.standin.world.channel_named("general")

    def use(self, command: str, **options: str) -> Interaction:
        """Ada uses a command in #general."""
        world = self.standin.world
        return world.use_command(self.channel.id, world.user_named("Ada").id, command, options)

    def ask(self, question: str = "How long do refunds take?") -> Interaction:
        return self.use("ask", question=question)

    def shown(self) -> list[Message]:
        return self.standin.world.history(self.channel.id)

    def calls(self, path: str, method: str = "") -> list[Request]:
        return [call for call in self.standin.requests if path in call.path and method in {"", call.method}]

    async def settled(self) -> None:
        """Wait until every answer that has begun is told."""
        await until(lambda: any(call.status for call in self.calls("/callback")))
        await asyncio.sleep(0.05)
        await until(lambda: not self.driver.open_answers)


def made(
    answerer: FakeAnswerer, library: FakeLibrary | None = None, records: Records | None = None
) -> tuple[DocentClient, Driver]:
    """A client and its driver, as the composition root would make them."""
    lanes = Lanes()
    driver = Driver(lanes)
    records = records or MemoryRecords()
    asking = Asking(answerer, driver, records)
    cogs = [Ask(asking), Answers(asking, records), *([Meta(library)] if library else [])]
    client = DocentClient(cogs=cogs, driver=driver, http_trace=rate_limit_trace(lanes))
    client._connection.guild_ready_timeout = 0.05
    return client, driver


@asynccontextmanager
async def laid(
    script: Script, library: FakeLibrary | None = None, records: Records | None = None
) -> AsyncGenerator[Table]:
    """A table whose client is connected and has published its commands."""
    answerer = FakeAnswerer(script)
    client, driver = made(answerer, library, records)
    async with StandIn() as standin, connected(client, standin):
        await until(lambda: any(standin.world.commands.values()))
        yield Table(standin, client, answerer, driver)


async def until(claim: Callable[[], bool]) -> None:
    """Wait for something that happens on the far side of a socket, so that no event tells of it."""
    async with asyncio.timeout(PATIENCE):
        while not claim():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.01)
