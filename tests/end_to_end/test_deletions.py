"""Deleted under our hands: the model is hung up on, nothing more is sent, one line says so. All of it end to end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import discord
import pytest

from bot.discord_adapter import ChannelSurface, has_write_permission
from bot.simulator.discord_json import DiscordSerializer
from bot.simulator.world import NO_PERMISSIONS, Permission
from bot.streaming import Lost
from tests.fakes.answerer import Pause, Script
from tests.fakes.bot_in_guild import bot_in_guild, wait_until
from tests.fakes.scripted_source import ScriptedSource

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.simulator.message_drafts import Json
    from tests.fakes.bot_in_guild import BotInGuild

STALLING_SCRIPT = Script(["Refunds take four days. ", Pause(30.0), "Never said."])
"""Nothing is due for seconds, so no edit of ours can find out: the gateway must tell."""


def delete_message(setup: BotInGuild) -> None:
    setup.simulator.world.delete(setup.channel_messages()[0].id)


def delete_channel(setup: BotInGuild) -> None:
    setup.simulator.world.admin.delete_channel(setup.channel.id)


def expel(setup: BotInGuild) -> None:
    setup.simulator.world.admin.remove_bot(setup.channel.guild_id or 0)


@pytest.mark.parametrize("happens", [delete_message, delete_channel, expel])
async def test_deletion_event_ends_the_answer_at_once(
    happens: Callable[[BotInGuild], None], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with bot_in_guild(STALLING_SCRIPT) as setup:
        setup.ask()
        await wait_until(
            lambda: any("Refunds" in message.current_state.content for message in setup.channel_messages())
        )
        happens(setup)
        before = asyncio.get_running_loop().time()
        await wait_until(lambda: setup.answerer.answers[0].is_closed)
        assert asyncio.get_running_loop().time() - before < 1.0
        await wait_until(lambda: not setup.driver.open_answers)
        calls = len(setup.find_requests("/messages"))
        await asyncio.sleep(0.5)
        assert len(setup.find_requests("/messages")) == calls
        lines = [record.getMessage() for record in caplog.records if record.name.startswith(("bot.", "cogs."))]
    assert len([line for line in lines if "lost" in line]) == 1


async def test_a_thread_that_is_deleted_ends_the_answer_in_it() -> None:
    async with bot_in_guild(STALLING_SCRIPT) as setup:
        world = setup.simulator.world
        thread = world.bot_api.create_thread(setup.channel.id, "Refunds")
        setup.simulator.world.people.use_command(thread.id, world.find_user("Ada").id, "ask", {"question": "How long?"})
        await wait_until(
            lambda: any("Refunds" in message.current_state.content for message in world.history(thread.id))
        )
        world.admin.delete_channel(thread.id)
        await wait_until(lambda: setup.answerer.answers[0].is_closed)


async def test_the_message_that_a_thread_was_started_from_is_deleted_and_the_answer_in_the_thread_goes_on() -> None:
    async with bot_in_guild(Script(["Refunds take ", Pause(0.5), "four days."])) as setup:
        world = setup.simulator.world
        thread = world.bot_api.create_thread(setup.channel.id, "Refunds")
        world.people.use_command(thread.id, world.find_user("Ada").id, "ask", {"question": "How long?"})
        await wait_until(
            lambda: any("Refunds" in message.current_state.content for message in world.history(thread.id))
        )
        starter = {"id": str(thread.id), "channel_id": str(setup.channel.id)}
        dispatch(setup, "MESSAGE_DELETE", starter | {"guild_id": str(setup.channel.guild_id)})
        await wait_until(lambda: not setup.driver.open_answers)
        assert any("four days." in message.current_state.content for message in world.history(thread.id))


async def test_deletions_elsewhere_do_not_affect_an_answer() -> None:
    async with bot_in_guild(Script(["Refunds take ", Pause(0.5), "four days."])) as setup:
        world = setup.simulator.world
        other = world.find_channel("random")
        message = world.people.say(other.id, world.find_user("Ada").id, "Never mind")
        setup.ask()
        await wait_until(lambda: any("Refunds" in shown.current_state.content for shown in setup.channel_messages()))
        world.delete(message.id)
        world.admin.delete_channel(other.id)
        await setup.wait_until_done()
        assert "four days." in setup.channel_messages()[0].current_state.content


def hide(setup: BotInGuild, _: discord.Guild) -> None:
    setup.simulator.world.admin.deny(setup.channel.id, setup.simulator.world.bot.id, Permission.VIEW_CHANNEL)


def silence(setup: BotInGuild, _: discord.Guild) -> None:
    setup.simulator.world.admin.deny(setup.channel.id, setup.simulator.world.bot.id, Permission.SEND_MESSAGES)


def take_from_role(setup: BotInGuild, guild: discord.Guild) -> None:
    setup.simulator.world.admin.edit_role(guild.id, guild.id, NO_PERMISSIONS)
    setup.simulator.world.admin.edit_role(guild.id, setup.simulator.world.bot.id, NO_PERMISSIONS)


def delete_role(setup: BotInGuild, guild: discord.Guild) -> None:
    setup.simulator.world.admin.edit_role(guild.id, guild.id, NO_PERMISSIONS)
    setup.simulator.world.admin.delete_role(guild.id, setup.simulator.world.bot.id)


def take_from_member(setup: BotInGuild, guild: discord.Guild) -> None:
    setup.simulator.world.admin.edit_role(guild.id, guild.id, NO_PERMISSIONS)
    setup.simulator.world.admin.remove_role(guild.id, setup.simulator.world.bot.id, setup.simulator.world.bot.id)


def dispatch(setup: BotInGuild, event: str, data: Json) -> None:
    """What only Discord's side decides."""
    for session in setup.simulator.gateway.sessions.values():
        session.dispatch(event, data)


@pytest.mark.parametrize("happens", [hide, silence, take_from_role, delete_role, take_from_member])
async def test_permission_revoked_while_streaming_ends_an_answer_that_needs_it(
    happens: Callable[[BotInGuild, discord.Guild], None],
) -> None:
    async with bot_in_guild(STALLING_SCRIPT) as setup:
        telling = ScriptedSource([(0.1, "Refunds "), (60.0, "never said")])
        surface = ChannelSurface(setup.client, setup.channel.id, nonce_seed="1")
        answer = asyncio.create_task(setup.driver.run(telling, surface, answer_id="1"))
        await wait_until(
            lambda: any("Refunds" in message.current_state.content for message in setup.channel_messages())
        )
        happens(setup, setup.client.guilds[0])
        async with asyncio.timeout(1.0):
            cause = await answer
        assert isinstance(cause, Lost)
        assert "may no longer write" in str(cause.error)
        assert telling.cancelled_at is not None


async def test_a_permission_withdrawn_from_a_channel_ends_the_answers_in_its_threads() -> None:
    async with bot_in_guild(STALLING_SCRIPT) as setup:
        world = setup.simulator.world
        thread = world.bot_api.create_thread(setup.channel.id, "Refunds")
        await wait_until(lambda: setup.client.get_channel(thread.id) is not None)
        telling = ScriptedSource([(0.1, "Refunds "), (60.0, "never said")])
        answer = asyncio.create_task(
            setup.driver.run(telling, ChannelSurface(setup.client, thread.id, nonce_seed="1"), answer_id="1")
        )
        await wait_until(
            lambda: any("Refunds" in message.current_state.content for message in world.history(thread.id))
        )
        world.admin.deny(setup.channel.id, world.bot.id, Permission.SEND_MESSAGES)
        await asyncio.sleep(0.2)
        assert not answer.done(), "in a thread another permission counts"
        world.admin.deny(setup.channel.id, world.bot.id, Permission.SEND_MESSAGES_IN_THREADS)
        async with asyncio.timeout(1.0):
            assert isinstance(await answer, Lost)


async def test_a_thread_that_is_locked_ends_the_answer_in_it() -> None:
    async with bot_in_guild(STALLING_SCRIPT) as setup:
        world = setup.simulator.world
        thread = world.bot_api.create_thread(setup.channel.id, "Refunds")
        await wait_until(lambda: setup.client.get_channel(thread.id) is not None)
        telling = ScriptedSource([(0.1, "Refunds "), (60.0, "never said")])
        answer = asyncio.create_task(
            setup.driver.run(telling, ChannelSurface(setup.client, thread.id, nonce_seed="1"), answer_id="1")
        )
        await wait_until(
            lambda: any("Refunds" in message.current_state.content for message in world.history(thread.id))
        )
        data = DiscordSerializer(world, "").serialize_channel(thread)
        dispatch(setup, "THREAD_UPDATE", data | {"thread_metadata": data["thread_metadata"] | {"locked": True}})
        async with asyncio.timeout(1.0):
            assert isinstance(await answer, Lost)


async def test_an_answer_that_has_its_interactions_token_needs_no_permission() -> None:
    async with bot_in_guild(Script(["Refunds take ", Pause(0.6), "four days."])) as setup:
        world = setup.simulator.world
        setup.ask()
        await wait_until(
            lambda: any("Refunds" in message.current_state.content for message in setup.channel_messages())
        )
        world.admin.deny(setup.channel.id, world.bot.id, Permission.VIEW_CHANNEL)
        await setup.wait_until_done()
        assert "four days." in setup.channel_messages()[0].current_state.content


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
    assert has_write_permission(permissions, is_thread=is_thread) is may
