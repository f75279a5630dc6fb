"""A real, unmodified discord.py client, turned towards the fake and back again afterwards."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Protocol

import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    import discord

    from bot.simulator.server import DiscordSimulator

TIMEOUT = 10.0
"""Seconds within which a client on loopback is connected, or something is wrong."""


class HasDiscordUrls(Protocol):
    """Something with the two addresses of Discord."""

    @property
    def api_url(self) -> str:
        """Where the HTTP API is."""
        ...

    @property
    def gateway_url(self) -> str:
        """Where the gateway is."""
        ...


@contextmanager
def override_discord_urls(simulator: HasDiscordUrls) -> Generator[None]:
    """Every discord.py client made or running inside speaks to the fake."""
    before = Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY
    Route.BASE = simulator.api_url
    DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(simulator.gateway_url)
    try:
        yield
    finally:
        Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY = before


@asynccontextmanager
async def connect_client(client: discord.Client, simulator: DiscordSimulator) -> AsyncGenerator[None]:
    """Run a client against the fake until the block ends; its guilds are known when it begins.

    Make the client with ``guild_ready_timeout=0.05``, or its ``on_ready`` waits two seconds for more guilds.
    """
    with override_discord_urls(simulator):
        running = asyncio.create_task(client.start(simulator.world.token))
        ready = asyncio.create_task(simulator.wait_until_ready())
        try:
            await asyncio.wait({running, ready}, timeout=TIMEOUT, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                running.result()
            async with asyncio.timeout(TIMEOUT):
                await client.wait_until_ready()
            yield
        finally:
            ready.cancel()
            await client.close()
            await asyncio.gather(running, return_exceptions=True)
