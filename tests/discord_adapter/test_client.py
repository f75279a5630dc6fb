"""The bot's life on Discord: arriving, publishing commands, answering for what fails, and leaving in good order."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import discord
import pytest
from discord import app_commands
from discord.ext import commands
from discord.gateway import DiscordWebSocket
from discord.http import Route

from bot.discord_adapter.client import DocentClient, are_commands_synced, set_discord_urls
from bot.errors import SettingsInvalid, StoreUnusable
from bot.simulator.faults import FailureKind, Fault
from bot.simulator.server import DiscordSimulator
from bot.streaming import Driver, RateLimiter
from tests.fakes.answerer import FakeAnswerer, Pause, Script
from tests.fakes.app import build_app
from tests.fakes.bot_in_guild import bot_in_guild, wait_until
from tests.fakes.discord_client import connect_client, override_discord_urls

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence


class FaultyCog(commands.Cog):
    """Commands that fail, each in its own way."""

    @app_commands.command()
    async def known(self, _: discord.Interaction[Any]) -> None:
        """Fail with words."""
        raise StoreUnusable("The index cannot be opened; whoever runs Docent must look at it.")

    @app_commands.command()
    async def late(self, interaction: discord.Interaction[Any]) -> None:
        """Fail after the acknowledgement."""
        await interaction.response.defer(thinking=True, ephemeral=True)
        raise ZeroDivisionError("sk-secret")

    @app_commands.command()
    @app_commands.checks.has_permissions(administrator=True)
    async def forbidden(self, _: discord.Interaction[Any]) -> None:
        """Fail for lack of permission."""


def create_client(cogs: Sequence[commands.Cog]) -> DocentClient:
    client = DocentClient(cogs=lambda _: cogs, driver=Driver(RateLimiter()))
    client._connection.guild_ready_timeout = 0.05
    return client


@asynccontextmanager
async def faulty_client() -> AsyncGenerator[tuple[DiscordSimulator, DocentClient]]:
    client = create_client([FaultyCog()])
    async with DiscordSimulator() as simulator, connect_client(client, simulator):
        await wait_until(lambda: any(simulator.world.commands.values()))
        yield simulator, client


async def run_failing_command(command: str) -> str:
    """What Ada alone is told when a command fails."""
    async with faulty_client() as (simulator, _):
        return await _wait_for_reply(simulator, command)


async def _wait_for_reply(simulator: DiscordSimulator, command: str) -> str:
    world = simulator.world
    channel, ada = world.find_channel("general"), world.find_user("Ada")
    world.people.use_command(channel.id, ada.id, command)
    await wait_until(lambda: any(message.current_state.content for message in world.history(channel.id)))
    (message,) = world.history(channel.id)
    assert message.visible_to_user_id == ada.id
    return message.current_state.content


def count_writes(simulator: DiscordSimulator) -> int:
    return sum(call.method == "PUT" for call in simulator.requests)


async def test_an_open_answer_is_finished_before_the_connection_goes(caplog: pytest.LogCaptureFixture) -> None:
    answerer = FakeAnswerer(Script(["Refunds take", Pause(30.0), " two weeks."]))
    stop = asyncio.Event()
    async with build_app(answerer) as app, DiscordSimulator() as simulator:
        with override_discord_urls(simulator):
            running = asyncio.create_task(app.client.run_until(stop, simulator.world.token))
            await wait_until(lambda: any(simulator.world.commands.values()))
            world = simulator.world
            channel = world.find_channel("general")
            world.people.use_command(channel.id, world.find_user("Ada").id, "ask", {"question": "Refunds?"})
            await wait_until(
                lambda: any("Refunds take" in message.current_state.content for message in world.history(channel.id))
            )
            stop.set()
            async with asyncio.timeout(6):
                await running
        (message,) = world.history(channel.id)
    assert message.current_state.content.startswith("Refunds take\n\n-# Interrupted. Docent is restarting.")
    assert answerer.answers[0].is_closed
    assert app.client.is_closed()
    assert not app.driver.open_answers
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_question_during_shutdown_is_rejected() -> None:
    stop = asyncio.Event()
    async with build_app(FakeAnswerer(Script(["Refunds take", Pause(30.0)]))) as app, DiscordSimulator() as simulator:
        with override_discord_urls(simulator):
            running = asyncio.create_task(app.client.run_until(stop, simulator.world.token))
            await wait_until(lambda: any(simulator.world.commands.values()))
            world = simulator.world
            channel, ada = world.find_channel("general"), world.find_user("Ada")
            world.people.use_command(channel.id, ada.id, "ask", {"question": "Refunds?"})
            await wait_until(
                lambda: any("Refunds take" in message.current_state.content for message in world.history(channel.id))
            )
            # The open answer's last words take a second, so that there is a time between stopping and having stopped.
            simulator.faults.add(Fault(FailureKind.STATUS, "PATCH", status=503))
            stop.set()
            await asyncio.sleep(0)
            world.people.use_command(channel.id, ada.id, "ask", {"question": "Holidays?"})
            await running
        contents = [message.current_state.content for message in world.history(channel.id)]
    assert len(contents) == 2
    assert contents[1] == "Docent is restarting. Ask again in a moment."


@pytest.mark.parametrize(
    "fault",
    [
        Fault(FailureKind.HTML_PAGE, "GET", "/users/@me", status=429),
        Fault(FailureKind.HTML_PAGE, "GET", "/users/@me", status=403),
        Fault(FailureKind.STATUS, "GET", "/users/@me", status=503),
    ],
    ids=["rate limit", "web page", "overload"],
)
async def test_login_that_a_proxy_answers_is_tried_again(fault: Fault) -> None:
    stop = asyncio.Event()
    async with build_app(FakeAnswerer(Script())) as app, DiscordSimulator() as simulator:
        simulator.faults.add(fault)
        with override_discord_urls(simulator):
            running = asyncio.create_task(app.client.run_until(stop, simulator.world.token))
            await wait_until(lambda: any(simulator.world.commands.values()))
            stop.set()
            await running


async def test_stopping_before_discord_was_ever_reached_is_no_error() -> None:
    stop = asyncio.Event()
    async with build_app(FakeAnswerer(Script())) as app, DiscordSimulator() as simulator:
        simulator.faults.add(Fault(FailureKind.RESET, "GET", "/users/@me", times=9))
        with override_discord_urls(simulator):
            running = asyncio.create_task(app.client.run_until(stop, simulator.world.token))
            await wait_until(lambda: bool(simulator.requests))
            stop.set()
            await running
    assert app.client.is_closed()


async def test_a_token_discord_does_not_know_is_one_clear_sentence() -> None:
    async with build_app(FakeAnswerer(Script())) as app, DiscordSimulator() as simulator:
        with (
            override_discord_urls(simulator),
            pytest.raises(SettingsInvalid, match=r"^DISCORD_TOKEN is not accepted by Discord"),
        ):
            await app.client.run_until(asyncio.Event(), "wrong")


async def test_reading_messages_without_the_portals_switch_names_the_setting_and_the_switch() -> None:
    client = DocentClient(cogs=lambda _: (), driver=Driver(RateLimiter()), reads_messages=True)
    async with DiscordSimulator() as simulator:
        with override_discord_urls(simulator), pytest.raises(SettingsInvalid) as caught:
            await client.run_until(asyncio.Event(), simulator.world.token)
    (problem,) = caught.value.problems
    assert problem.setting == "MESSAGE_CONTENT"
    assert "Message Content Intent" in problem.remedy
    assert "MESSAGE_CONTENT=false" in problem.remedy


async def test_intents_that_are_switched_off_are_one_clear_sentence() -> None:
    async with build_app(FakeAnswerer(Script())) as app, DiscordSimulator() as simulator:
        app.client._connection._intents = discord.Intents.all()
        with override_discord_urls(simulator), pytest.raises(SettingsInvalid, match="Privileged Gateway Intents"):
            await app.client.run_until(asyncio.Event(), simulator.world.token)


async def test_a_discord_that_cannot_be_reached_at_first_is_tried_again() -> None:
    stop = asyncio.Event()
    async with build_app(FakeAnswerer(Script())) as app, DiscordSimulator() as simulator:
        simulator.faults.add(Fault(FailureKind.RESET, "GET", "/users/@me"))
        with override_discord_urls(simulator):
            running = asyncio.create_task(app.client.run_until(stop, simulator.world.token))
            await wait_until(lambda: any(simulator.world.commands.values()))
            stop.set()
            await running


async def test_a_gateway_that_cannot_be_reached_at_first_is_tried_again() -> None:
    stop = asyncio.Event()
    async with build_app(FakeAnswerer(Script())) as app, DiscordSimulator() as simulator:
        with override_discord_urls(simulator):
            with socket.create_server(("127.0.0.1", 0)) as listener:
                closed = f"ws://127.0.0.1:{listener.getsockname()[1]}/"
            set_discord_urls(simulator.api_url, closed)
            running = asyncio.create_task(app.client.run_until(stop, simulator.world.token))
            await wait_until(lambda: len(simulator.requests) > 1)
            await asyncio.sleep(0.1)
            set_discord_urls(simulator.api_url, simulator.gateway_url)
            await wait_until(lambda: any(simulator.world.commands.values()))
            stop.set()
            await running


class OtherCog(commands.Cog):
    """A command of another version of the bot."""

    @app_commands.command()
    async def other(self, _: discord.Interaction[Any]) -> None:
        """Do something else."""


async def test_commands_are_written_once_and_again_only_when_they_changed() -> None:
    async with DiscordSimulator() as simulator:
        before: list[commands.Cog] = [FaultyCog()]
        after = [*before, OtherCog()]
        for expected, cogs in ((1, before), (0, before), (1, after), (0, after)):
            client = create_client(cogs)
            simulator.requests.clear()
            async with connect_client(client, simulator):
                await wait_until(lambda: any(call.path.endswith("/commands") for call in simulator.requests))
                await asyncio.sleep(0.1)
            assert count_writes(simulator) == expected
        names = {command["name"] for command in next(iter(simulator.world.commands.values()))}
        assert names == {"known", "late", "forbidden", "other"}


async def test_a_guild_that_takes_the_bot_in_gets_the_commands_again_each_time() -> None:
    async with bot_in_guild(Script()) as setup:
        world = setup.simulator.world
        guild = world.admin.add_guild("Lighthouse")
        await wait_until(lambda: bool(world.commands.get(guild.id)))
        world.admin.remove_bot(guild.id)
        world.commands[guild.id] = []
        await wait_until(lambda: setup.client.get_guild(guild.id) is None)
        world.admin.add_bot(guild.id)
        await wait_until(lambda: bool(world.commands[guild.id]))


async def test_a_guild_that_refuses_the_commands_does_not_keep_them_from_the_others() -> None:
    async with build_app(FakeAnswerer(Script())) as app, DiscordSimulator() as simulator:
        other = simulator.world.admin.add_guild("Lighthouse")
        simulator.faults.add(Fault(FailureKind.STATUS, "GET", r"/guilds/\d+/commands", status=403))
        async with connect_client(app.client, simulator):
            await wait_until(lambda: bool(simulator.world.commands.get(other.id)))
        assert [guild_id for guild_id, commands in simulator.world.commands.items() if guild_id and commands] == [
            other.id
        ]


async def test_docent_error_is_shown_with_its_user_message() -> None:
    assert await run_failing_command("known") == "The index cannot be opened; whoever runs Docent must look at it."


async def test_unexpected_error_is_reported_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    said = await run_failing_command("late")
    assert "sk-secret" not in said
    assert "in the log under" in said
    assert "ZeroDivisionError" in caplog.text


async def test_command_without_permission_is_refused_with_a_message() -> None:
    assert await run_failing_command("forbidden") == "You do not have permission to use this command here."


async def test_unknown_command_asks_for_a_reload() -> None:
    async with faulty_client() as (simulator, _):
        guild_id = simulator.world.find_channel("general").guild_id
        simulator.world.bot_api.register_commands(guild_id, [{"name": "old", "description": "From an earlier version"}])
        assert "Reload Discord" in await _wait_for_reply(simulator, "old")


def test_the_client_can_be_pointed_at_another_host() -> None:
    before = Route.BASE, str(DiscordWebSocket.DEFAULT_GATEWAY)
    try:
        set_discord_urls("http://127.0.0.1:9/api/v10/", "ws://127.0.0.1:9/gateway")
        assert Route("GET", "/users/@me").url == "http://127.0.0.1:9/api/v10/users/@me"
        assert str(DiscordWebSocket.DEFAULT_GATEWAY) == "ws://127.0.0.1:9/gateway"
    finally:
        set_discord_urls(*before)


OPTION = {"type": 3, "name": "question", "description": "What?", "required": True, "max_length": 2_000}
ASK = {
    "name": "ask",
    "type": 1,
    "description": "Ask",
    "options": [OPTION],
    "nsfw": False,
    "default_member_permissions": 8,
}
AS_DISCORD_SAYS_IT = {
    **ASK,
    "id": "7",
    "version": "9",
    "default_member_permissions": "8",
    "name_localizations": None,
    "contexts": None,
    "options": [{**OPTION, "description_localizations": None, "choices": []}],
}


def test_fields_added_by_discord_are_no_command_change() -> None:
    assert are_commands_synced([ASK], [AS_DISCORD_SAYS_IT])


@pytest.mark.parametrize(
    "change",
    [
        {"description": "Ask!"},
        {"options": []},
        {"options": [{**OPTION, "max_length": 100}]},
        {"options": [{**OPTION, "choices": [{"name": "a", "value": "b"}]}]},
        {"nsfw": True},
        {"default_member_permissions": None},
        {"name": "ask2"},
        {"type": 3},
    ],
)
def test_every_visible_difference_is_a_command_change(change: dict[str, Any]) -> None:
    assert not are_commands_synced([ASK], [AS_DISCORD_SAYS_IT | change])


def test_a_command_too_many_or_too_few_is_a_change() -> None:
    assert not are_commands_synced([ASK], [])
    assert not are_commands_synced([], [AS_DISCORD_SAYS_IT])
