"""A fake Discord with one guild, a real client with cogs, and what they showed; for one test."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.simulator.server import DiscordSimulator
from tests.fakes.answerer import FakeAnswerer, FakeLibrary, Script
from tests.fakes.app import build_app
from tests.fakes.discord_client import connect_client
from tests.fakes.sent_messages import find_unsafe_messages

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from bot.answers.service import AnswerService
    from bot.discord_adapter.client import DocentClient
    from bot.records import Records
    from bot.simulator.server import RecordedRequest
    from bot.simulator.world import Channel, Interaction, Message
    from bot.streaming import Driver

TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class BotInGuild:
    """Everything on it."""

    simulator: DiscordSimulator
    client: DocentClient
    answerer: FakeAnswerer
    driver: Driver
    answer_service: AnswerService

    @property
    def channel(self) -> Channel:
        return self.simulator.world.find_channel("general")

    def use_command(self, command: str, **options: str) -> Interaction:
        """Ada uses a command in #general."""
        world = self.simulator.world
        return world.people.use_command(self.channel.id, world.find_user("Ada").id, command, options)

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
        await self.wait_until_saved()

    async def wait_until_saved(self) -> None:
        """Wait until every answer has ended and its record is saved."""
        await wait_until(lambda: not self.driver.open_answers)
        await self.answer_service.wait_until_done()


@asynccontextmanager
async def bot_in_guild(
    script: Script, library: FakeLibrary | None = None, records: Records | None = None
) -> AsyncGenerator[BotInGuild]:
    """Connect a bot that answers every question by ``script``; its commands are published. All it sent must be safe."""
    answerer = FakeAnswerer(script)
    async with (
        build_app(answerer, library=library, records=records) as app,
        DiscordSimulator() as simulator,
        connect_client(app.client, simulator),
    ):
        await wait_until(lambda: any(simulator.world.commands.values()))
        yield BotInGuild(simulator, app.client, answerer, app.driver, app.answer_service)
        assert find_unsafe_messages(simulator.world) == []


async def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for something that happens on the far side of a socket, so that no event tells of it."""
    async with asyncio.timeout(TIMEOUT):
        while not condition():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.01)
