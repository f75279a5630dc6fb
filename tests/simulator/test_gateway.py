from __future__ import annotations

import asyncio

import aiohttp
import discord
import pytest

from bot.simulator.discord_json import Intent
from bot.simulator.gateway import REPLAY_LIMIT, Session
from bot.simulator.server import DiscordSimulator
from bot.simulator.world import World
from tests.fakes.discord_client import connect_client, override_discord_urls


class RecordingClient(discord.Client):
    """A client that writes down what it hears."""

    def __init__(self, intents: discord.Intents | None = None) -> None:
        super().__init__(intents=intents or discord.Intents.default(), guild_ready_timeout=0.05)
        self.events: list[str] = []
        self.has_event = asyncio.Event()

    def record(self, event: str) -> None:
        self.events.append(event)
        self.has_event.set()

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Identify at once; by itself discord.py waits five seconds before it does so again."""

    async def on_message(self, message: discord.Message) -> None:
        self.record(f"message {message.content}")

    async def on_raw_message_edit(self, event: discord.RawMessageUpdateEvent) -> None:
        self.record(f"edit {event.message.content}")

    async def on_raw_message_delete(self, event: discord.RawMessageDeleteEvent) -> None:
        self.record(f"delete {event.message_id}")

    async def on_interaction(self, interaction: discord.Interaction) -> None:
        self.record(f"interaction {interaction.user.name} {interaction.permissions.send_messages}")

    async def on_typing(self, _: object, user: discord.Member, __: object) -> None:
        self.record(f"typing {user.name}")

    async def on_resumed(self) -> None:
        self.record("resumed")

    async def on_ready(self) -> None:
        self.record("ready")

    async def on_guild_remove(self, guild: discord.Guild) -> None:
        self.record(f"left {guild.name}")

    async def on_guild_join(self, guild: discord.Guild) -> None:
        self.record(f"joined {guild.name}")

    async def on_guild_channel_delete(self, channel: discord.abc.GuildChannel) -> None:
        self.record(f"deleted {channel.name}")


async def wait_for_event(client: RecordingClient, last: str) -> list[str]:
    """What was heard, once the last of it was."""
    async with asyncio.timeout(10):
        while last not in client.events:
            client.has_event.clear()
            await client.has_event.wait()
    return client.events


def say(world: World, text: str) -> int:
    return world.people.say(world.find_channel("general").id, world.find_user("Ada").id, text).id


async def test_a_client_learns_its_guilds_channels_and_permissions() -> None:
    client = RecordingClient()
    async with DiscordSimulator() as simulator, connect_client(client, simulator):
        (guild,) = client.guilds
        assert guild.name == "Harbour"
        assert [channel.name for channel in guild.text_channels] == ["general", "random", "people-team"]
        assert guild.me.id == simulator.world.bot.id
        assert guild.text_channels[0].permissions_for(guild.me).send_messages
        assert not guild.me.guild_permissions.administrator


async def test_events_are_dispatched_in_order() -> None:
    client = RecordingClient()
    async with DiscordSimulator() as simulator, connect_client(client, simulator):
        world = simulator.world
        first = say(world, f"<@{world.bot.id}> one")
        world.people.start_typing(world.find_channel("general").id, world.find_user("Ada").id)
        world.delete(first)
        world.bot_api.register_commands(None, [{"name": "ask"}])
        world.people.use_command(world.find_channel("general").id, world.find_user("Ada").id, "ask")
        heard = await wait_for_event(client, "interaction Ada True")
        assert heard == ["ready", f"message <@{world.bot.id}> one", f"delete {first}", "interaction Ada True"]


async def test_bot_receives_its_own_messages_and_edits() -> None:
    client = RecordingClient()
    async with DiscordSimulator() as simulator, connect_client(client, simulator):
        message = await client.guilds[0].text_channels[0].send("one")
        await message.edit(content="two")
        assert await wait_for_event(client, "edit two") == ["ready", "message one", "edit two"]


async def test_deleted_channels_and_left_guilds_are_dispatched() -> None:
    client = RecordingClient()
    async with DiscordSimulator() as simulator, connect_client(client, simulator):
        world = simulator.world
        world.admin.delete_channel(world.find_channel("general").id)
        world.admin.remove_bot(client.guilds[0].id)
        await wait_for_event(client, "left Harbour")
        assert client.events == ["ready", "deleted general", "left Harbour"]
        assert not client.guilds
        world.admin.add_channel(world.admin.add_guild("Island").id, "beach")
        await wait_for_event(client, "joined Island")
        assert [channel.name for channel in client.guilds[0].text_channels] == ["beach"]


async def test_content_without_the_intent_is_limited_to_messages_for_the_bot() -> None:
    client = RecordingClient()
    async with DiscordSimulator() as simulator, connect_client(client, simulator):
        say(simulator.world, "among ourselves")
        say(simulator.world, f"<@{simulator.world.bot.id}> why?")
        heard = await wait_for_event(client, f"message <@{simulator.world.bot.id}> why?")
        assert heard[1] == "message "


async def test_with_the_content_intent_everything_is_read() -> None:
    world = World.create_default()
    world.enabled_intents = Intent.MESSAGE_CONTENT
    intents = discord.Intents.default()
    intents.message_content = True
    client = RecordingClient(intents)
    async with DiscordSimulator(world) as simulator, connect_client(client, simulator):
        say(world, "among ourselves")
        assert await wait_for_event(client, "message among ourselves")


async def test_an_intent_that_is_not_switched_on_closes_the_gateway() -> None:
    intents = discord.Intents.default()
    intents.message_content = True
    async with DiscordSimulator() as simulator:
        with pytest.raises(discord.PrivilegedIntentsRequired):
            async with connect_client(RecordingClient(intents), simulator):
                pass


async def test_a_wrong_token_does_not_log_in() -> None:
    async with DiscordSimulator() as simulator:
        client = RecordingClient()
        with override_discord_urls(simulator), pytest.raises(discord.LoginFailure):
            await client.start("wrong")
        await client.close()


async def test_a_token_that_was_changed_closes_the_gateway_with_4004() -> None:
    client = RecordingClient()
    async with DiscordSimulator() as simulator:
        with override_discord_urls(simulator):
            await client.login(simulator.world.token)
            simulator.world.token = "another"
            with pytest.raises(discord.ConnectionClosed) as closed:
                await client.connect()
            assert closed.value.code == 4004
            await client.close()


async def test_a_lost_connection_is_resumed_and_what_was_missed_is_replayed() -> None:
    client = RecordingClient()
    async with DiscordSimulator() as simulator, connect_client(client, simulator):
        mention = f"<@{simulator.world.bot.id}>"
        simulator.gateway.drop_connections()
        say(simulator.world, f"{mention} while away")
        await simulator.wait_until_ready()
        say(simulator.world, f"{mention} afterwards")
        heard = await wait_for_event(client, f"message {mention} afterwards")
        assert heard == ["ready", f"message {mention} while away", "resumed", f"message {mention} afterwards"]
        assert [payload["op"] for payload in simulator.gateway.received].count(6) == 1


async def test_closed_gateway_connection_is_resumed() -> None:
    client = RecordingClient()
    async with DiscordSimulator() as simulator, connect_client(client, simulator):
        await simulator.gateway.close(4000)
        assert await wait_for_event(client, "resumed") == ["ready", "resumed"]


async def test_a_sharded_client_asks_where_the_gateway_is() -> None:
    async with DiscordSimulator() as simulator, aiohttp.ClientSession() as session:
        headers = {"Authorization": f"Bot {simulator.world.token}"}
        async with session.get(f"{simulator.api_url}/gateway/bot", headers=headers) as response:
            answer = await response.json()
    assert (answer["url"], answer["shards"]) == (simulator.gateway_url, 1)


async def test_op_7_makes_the_client_come_back_and_resume() -> None:
    client = RecordingClient()
    async with DiscordSimulator() as simulator, connect_client(client, simulator):
        simulator.gateway.ask_to_reconnect()
        assert await wait_for_event(client, "resumed") == ["ready", "resumed"]


async def test_invalidated_session_identifies_again() -> None:
    client = RecordingClient()
    async with DiscordSimulator() as simulator, connect_client(client, simulator):
        simulator.gateway.invalidate()
        async with asyncio.timeout(10):
            await simulator.wait_until_ready()
        say(simulator.world, f"<@{simulator.world.bot.id}> still there?")
        heard = await wait_for_event(client, f"message <@{simulator.world.bot.id}> still there?")
        assert "resumed" not in heard
        assert [payload["op"] for payload in simulator.gateway.received].count(2) == 2


async def test_events_arrive_after_the_latency_and_in_order() -> None:
    client = RecordingClient()
    async with DiscordSimulator(latency=0.1) as simulator, connect_client(client, simulator):
        started = asyncio.get_running_loop().time()
        for place in range(20):
            say(simulator.world, f"<@{simulator.world.bot.id}> {place}")
        heard = await wait_for_event(client, f"message <@{simulator.world.bot.id}> 19")
        assert 0.099 < asyncio.get_running_loop().time() - started < 1.9
        assert heard[1:] == [f"message <@{simulator.world.bot.id}> {place}" for place in range(20)]


async def test_a_client_that_asks_for_no_compression_gets_text_and_its_heartbeats_are_acknowledged() -> None:
    async with (
        DiscordSimulator() as simulator,
        aiohttp.ClientSession() as session,
        session.ws_connect(simulator.gateway_url) as socket,
    ):
        assert (await socket.receive_json(timeout=5))["op"] == 10
        await socket.send_json({"op": 1, "d": None})
        assert await socket.receive_json(timeout=5) == {"op": 11, "d": None}


async def test_a_session_that_was_never_begun_cannot_be_resumed() -> None:
    async with (
        DiscordSimulator() as simulator,
        aiohttp.ClientSession() as session,
        session.ws_connect(simulator.gateway_url) as socket,
    ):
        await socket.receive_json(timeout=5)
        data = {"token": simulator.world.token, "session_id": "made up", "seq": 1}
        await socket.send_json({"op": 6, "d": data})
        assert await socket.receive_json(timeout=5) == {"op": 9, "d": False}


async def test_events_beyond_the_replay_limit_cannot_be_replayed() -> None:
    session = Session(intents=0)
    for place in range(REPLAY_LIMIT + 1):
        session.dispatch("TYPING_START", {"place": place})
    assert session.find_missed(0) is None
    assert session.find_missed(REPLAY_LIMIT) == [session.sent[-1]]
    assert session.find_missed(REPLAY_LIMIT + 1) == []


async def test_ready_waits_until_a_client_is_there() -> None:
    async with DiscordSimulator() as simulator:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await simulator.wait_until_ready()
        async with connect_client(RecordingClient(), simulator):
            await simulator.wait_until_ready()
