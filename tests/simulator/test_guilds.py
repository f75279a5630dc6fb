"""A bot's guilds over HTTP alone: a real client lists them, and comes to the same rights as the world."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import discord
import pytest

from bot.simulator.server import DiscordSimulator
from bot.simulator.world import MESSAGE_CONTENT_INTENT, ChannelKind, Permission, World
from tests.fakes.discord_client import override_discord_urls

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


COMPARED_PERMISSIONS = sum(Permission) & ~Permission.CONNECT
"""All but the right to join a voice channel, which a client counts in no other channel."""


@asynccontextmanager
async def log_in(simulator: DiscordSimulator) -> AsyncGenerator[discord.Client]:
    """A client that has logged in and is connected to no gateway."""
    with override_discord_urls(simulator):
        async with discord.Client(intents=discord.Intents(guilds=True)) as client:
            await client.login(simulator.world.token)
            yield client


async def test_the_guilds_the_bot_is_in_are_listed_and_no_others() -> None:
    world = World.create_default()
    world.admin.add_guild("Elsewhere", has_bot=False)
    async with DiscordSimulator(world) as simulator, log_in(simulator) as client:
        assert [guild.name async for guild in client.fetch_guilds()] == ["Harbour"]
        with pytest.raises(discord.NotFound):
            await client.fetch_guild(list(world.guilds)[1])


async def test_more_guilds_than_fit_on_a_page_come_page_by_page() -> None:
    world = World.create_default()
    for number in range(201):
        world.admin.add_guild(f"Guild {number}")
    async with DiscordSimulator(world) as simulator, log_in(simulator) as client:
        assert [guild.id async for guild in client.fetch_guilds(limit=None)] == list(world.guilds)


async def test_a_client_comes_to_the_worlds_permissions_in_every_channel() -> None:
    world = World.create_default()
    guild_id = next(iter(world.guilds))
    world.admin.add_channel(guild_id, "lounge", kind=ChannelKind.VOICE)
    general = world.find_channel("general")
    world.admin.set_overwrite(general.id, world.bot.id, deny=Permission.ATTACH_FILES)
    async with DiscordSimulator(world) as simulator, log_in(simulator) as client:
        guild = await client.fetch_guild(guild_id)
        me = await guild.fetch_member(world.bot.id)
        channels = await guild.fetch_channels()
        assert {c.name for c in channels} == {"general", "random", "help", "people-team", "lounge"}
        for channel in channels:
            ours = world.permissions_for(world.bot.id, world.channels[channel.id]) & COMPARED_PERMISSIONS
            assert channel.permissions_for(me).value & COMPARED_PERMISSIONS == ours


async def test_an_intent_that_is_switched_on_is_among_the_applications_flags() -> None:
    world = World.create_default()
    async with DiscordSimulator(world) as simulator:
        async with log_in(simulator) as client:
            assert not client.application_flags.gateway_message_content_limited
        world.enabled_intents = MESSAGE_CONTENT_INTENT
        async with log_in(simulator) as client:
            assert client.application_flags.gateway_message_content_limited
