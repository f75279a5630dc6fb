"""Deleted under our hands: the model is hung up on, nothing more is sent, one line says so. All of it end to end."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import discord
import pytest

from bot.discord_adapter import ChannelSurface, may_write
from bot.simulator.discord_json import Wire
from bot.simulator.world import NOTHING, Permission
from bot.streaming import Lost
from tests.fakes.answerer import Pause, Script
from tests.fakes.bot_in_guild import laid, until
from tests.fakes.scripted_source import ScriptedTelling

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.simulator.message_drafts import Json
    from tests.fakes.bot_in_guild import Table

STALLING = Script(["Refunds take four days. ", Pause(30.0), "Never said."])
"""Nothing is due for seconds, so no edit of ours can find out: the gateway must tell."""


def delete_message(table: Table) -> None:
    table.standin.world.delete(table.shown()[0].id)


def delete_channel(table: Table) -> None:
    table.standin.world.delete_channel(table.channel.id)


def expel(table: Table) -> None:
    table.standin.world.expel_bot(table.channel.guild_id or 0)


@pytest.mark.parametrize("happens", [delete_message, delete_channel, expel])
async def test_what_the_gateway_tells_of_a_deletion_ends_the_answer_at_once(
    happens: Callable[[Table], None], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with laid(STALLING) as table:
        table.ask()
        await until(lambda: any("Refunds" in message.now.content for message in table.shown()))
        happens(table)
        before = time.monotonic()
        await until(lambda: table.answerer.answers[0].is_closed)
        assert time.monotonic() - before < 1.0
        await until(lambda: not table.driver.open_answers)
        calls = len(table.calls("/messages"))
        await asyncio.sleep(0.5)
        assert len(table.calls("/messages")) == calls
        lines = [record.getMessage() for record in caplog.records if record.name.startswith(("bot.", "cogs."))]
    assert len([line for line in lines if "lost" in line]) == 1


async def test_a_thread_that_is_deleted_ends_the_answer_in_it() -> None:
    async with laid(STALLING) as table:
        world = table.standin.world
        thread = world.open_thread(table.channel.id, "Refunds")
        table.standin.world.use_command(thread.id, world.user_named("Ada").id, "ask", {"question": "How long?"})
        await until(lambda: any("Refunds" in message.now.content for message in world.history(thread.id)))
        world.delete_channel(thread.id)
        await until(lambda: table.answerer.answers[0].is_closed)


async def test_the_message_that_a_thread_was_started_from_is_deleted_and_the_answer_in_the_thread_goes_on() -> None:
    async with laid(Script(["Refunds take ", Pause(0.5), "four days."])) as table:
        world = table.standin.world
        thread = world.open_thread(table.channel.id, "Refunds")
        world.use_command(thread.id, world.user_named("Ada").id, "ask", {"question": "How long?"})
        await until(lambda: any("Refunds" in message.now.content for message in world.history(thread.id)))
        starter = {"id": str(thread.id), "channel_id": str(table.channel.id)}
        dispatch(table, "MESSAGE_DELETE", starter | {"guild_id": str(table.channel.guild_id)})
        await until(lambda: not table.driver.open_answers)
        assert any("four days." in message.now.content for message in world.history(thread.id))


async def test_what_is_deleted_elsewhere_disturbs_nobody() -> None:
    async with laid(Script(["Refunds take ", Pause(0.5), "four days."])) as table:
        world = table.standin.world
        other = world.channel_named("random")
        message = world.say(other.id, world.user_named("Ada").id, "Never mind")
        table.ask()
        await until(lambda: any("Refunds" in shown.now.content for shown in table.shown()))
        world.delete(message.id)
        world.delete_channel(other.id)
        await table.settled()
        assert "four days." in table.shown()[0].now.content


def hide(table: Table, _: discord.Guild) -> None:
    table.standin.world.deny(table.channel.id, table.standin.world.bot.id, Permission.VIEW_CHANNEL)


def silence(table: Table, _: discord.Guild) -> None:
    table.standin.world.deny(table.channel.id, table.standin.world.bot.id, Permission.SEND_MESSAGES)


def take_from_role(table: Table, guild: discord.Guild) -> None:
    table.standin.world.change_role(guild.id, guild.id, NOTHING)
    table.standin.world.change_role(guild.id, table.standin.world.bot.id, NOTHING)


def delete_role(table: Table, guild: discord.Guild) -> None:
    table.standin.world.change_role(guild.id, guild.id, NOTHING)
    table.standin.world.delete_role(guild.id, table.standin.world.bot.id)


def take_from_member(table: Table, guild: discord.Guild) -> None:
    table.standin.world.change_role(guild.id, guild.id, NOTHING)
    table.standin.world.take_role(guild.id, table.standin.world.bot.id, table.standin.world.bot.id)


def dispatch(table: Table, event: str, data: Json) -> None:
    """What only Discord's side decides."""
    for session in table.standin.gateway.sessions.values():
        session.dispatch(event, data)


@pytest.mark.parametrize("happens", [hide, silence, take_from_role, delete_role, take_from_member])
async def test_a_permission_withdrawn_in_mid_stream_ends_an_answer_that_needs_it_at_once(
    happens: Callable[[Table, discord.Guild], None],
) -> None:
    async with laid(STALLING) as table:
        telling = ScriptedTelling([(0.1, "Refunds "), (60.0, "never said")])
        surface = ChannelSurface(table.client, table.channel.id, key="1")
        answer = asyncio.create_task(table.driver.run(telling, surface, key="1"))
        await until(lambda: any("Refunds" in message.now.content for message in table.shown()))
        happens(table, table.client.guilds[0])
        async with asyncio.timeout(1.0):
            cause = await answer
        assert isinstance(cause, Lost)
        assert "may no longer write" in str(cause.error)
        assert telling.hung_up_at is not None


async def test_a_permission_withdrawn_from_a_channel_ends_the_answers_in_its_threads() -> None:
    async with laid(STALLING) as table:
        world = table.standin.world
        thread = world.open_thread(table.channel.id, "Refunds")
        await until(lambda: table.client.get_channel(thread.id) is not None)
        telling = ScriptedTelling([(0.1, "Refunds "), (60.0, "never said")])
        answer = asyncio.create_task(
            table.driver.run(telling, ChannelSurface(table.client, thread.id, key="1"), key="1")
        )
        await until(lambda: any("Refunds" in message.now.content for message in world.history(thread.id)))
        world.deny(table.channel.id, world.bot.id, Permission.SEND_MESSAGES)
        await asyncio.sleep(0.2)
        assert not answer.done(), "in a thread another permission counts"
        world.deny(table.channel.id, world.bot.id, Permission.SEND_MESSAGES_IN_THREADS)
        async with asyncio.timeout(1.0):
            assert isinstance(await answer, Lost)


async def test_a_thread_that_is_locked_ends_the_answer_in_it() -> None:
    async with laid(STALLING) as table:
        world = table.standin.world
        thread = world.open_thread(table.channel.id, "Refunds")
        await until(lambda: table.client.get_channel(thread.id) is not None)
        telling = ScriptedTelling([(0.1, "Refunds "), (60.0, "never said")])
        answer = asyncio.create_task(
            table.driver.run(telling, ChannelSurface(table.client, thread.id, key="1"), key="1")
        )
        await until(lambda: any("Refunds" in message.now.content for message in world.history(thread.id)))
        data = Wire(world, "").channel(thread)
        dispatch(table, "THREAD_UPDATE", data | {"thread_metadata": data["thread_metadata"] | {"locked": True}})
        async with asyncio.timeout(1.0):
            assert isinstance(await answer, Lost)


async def test_an_answer_that_has_its_interactions_token_needs_no_permission() -> None:
    async with laid(Script(["Refunds take ", Pause(0.6), "four days."])) as table:
        world = table.standin.world
        table.ask()
        await until(lambda: any("Refunds" in message.now.content for message in table.shown()))
        world.deny(table.channel.id, world.bot.id, Permission.VIEW_CHANNEL)
        await table.settled()
        assert "four days." in table.shown()[0].now.content


@pytest.mark.parametrize(
    ("allowed", "is_thread", "may"),
    [
        ({"view_channel", "send_messages"}, False, True),
        ({"view_channel", "send_messages"}, True, False),
        ({"view_channel", "send_messages_in_threads"}, True, True),
        ({"view_channel", "send_messages_in_threads"}, False, False),
        ({"send_messages", "send_messages_in_threads"}, False, False),
        (set[str](), True, False),
    ],
)
def test_an_answer_needs_to_see_its_channel_and_to_send_there(allowed: set[str], is_thread: bool, may: bool) -> None:
    permissions = discord.Permissions(**dict.fromkeys(allowed, True))
    assert may_write(permissions, is_thread=is_thread) is may
