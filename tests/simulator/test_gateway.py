from __future__ import annotations

import asyncio

import aiohttp
import discord
import pytest

from bot.simulator.discord_json import Intent
from bot.simulator.gateway import REPLAY_LIMIT, Session
from bot.simulator.server import StandIn
from bot.simulator.world import World
from tests.fakes.discord_client import connected, pointed_at


class Listening(discord.Client):
    """A client that writes down what it hears."""

    def __init__(self, intents: discord.Intents | None = None) -> None:
        super().__init__(intents=intents or discord.Intents.default(), guild_ready_timeout=0.05)
        self.heard: list[str] = []
        self.news = asyncio.Event()

    def hear(self, what: str) -> None:
        self.heard.append(what)
        self.news.set()

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Identify at once; by itself discord.py waits five seconds before it does so again."""

    async def on_message(self, message: discord.Message) -> None:
        self.hear(f"message {message.content}")

    async def on_raw_message_edit(self, event: discord.RawMessageUpdateEvent) -> None:
        self.hear(f"edit {event.message.content}")

    async def on_raw_message_delete(self, event: discord.RawMessageDeleteEvent) -> None:
        self.hear(f"delete {event.message_id}")

    async def on_interaction(self, interaction: discord.Interaction) -> None:
        self.hear(f"interaction {interaction.user.name} {interaction.permissions.send_messages}")

    async def on_typing(self, _: object, user: discord.Member, __: object) -> None:
        self.hear(f"typing {user.name}")

    async def on_resumed(self) -> None:
        self.hear("resumed")

    async def on_ready(self) -> None:
        self.hear("ready")

    async def on_guild_remove(self, guild: discord.Guild) -> None:
        self.hear(f"left {guild.name}")

    async def on_guild_join(self, guild: discord.Guild) -> None:
        self.hear(f"joined {guild.name}")

    async def on_guild_channel_delete(self, channel: discord.abc.GuildChannel) -> None:
        self.hear(f"deleted {channel.name}")


async def settled(client: Listening, last: str) -> list[str]:
    """What was heard, once the last of it was."""
    async with asyncio.timeout(10):
        while last not in client.heard:
            client.news.clear()
            await client.news.wait()
    return client.heard


def say(world: World, text: str) -> int:
    return world.say(world.channel_named("general").id, world.user_named("Ada").id, text).id


async def test_a_client_learns_its_guilds_channels_and_permissions() -> None:
    client = Listening()
    async with StandIn() as standin, connected(client, standin):
        (guild,) = client.guilds
        assert guild.name == "Harbour"
        assert [channel.name for channel in guild.text_channels] == ["general", "random", "people-team"]
        assert guild.me.id == standin.world.bot.id
        assert guild.text_channels[0].permissions_for(guild.me).send_messages
        assert not guild.me.guild_permissions.administrator


async def test_what_happens_is_heard_in_order() -> None:
    client = Listening()
    async with StandIn() as standin, connected(client, standin):
        world = standin.world
        first = say(world, f"<@{world.bot.id}> one")
        world.type(world.channel_named("general").id, world.user_named("Ada").id)
        world.delete(first)
        world.register(None, [{"name": "ask"}])
        world.use_command(world.channel_named("general").id, world.user_named("Ada").id, "ask")
        heard = await settled(client, "interaction Ada True")
        assert heard == ["ready", f"message <@{world.bot.id}> one", f"delete {first}", "interaction Ada True"]


async def test_a_bot_hears_of_its_own_messages_and_edits() -> None:
    client = Listening()
    async with StandIn() as standin, connected(client, standin):
        message = await client.guilds[0].text_channels[0].send("one")
        await message.edit(content="two")
        assert await settled(client, "edit two") == ["ready", "message one", "edit two"]


async def test_a_channel_that_is_deleted_or_a_guild_that_is_left_is_heard_of() -> None:
    client = Listening()
    async with StandIn() as standin, connected(client, standin):
        world = standin.world
        world.delete_channel(world.channel_named("general").id)
        world.expel_bot(client.guilds[0].id)
        await settled(client, "left Harbour")
        assert client.heard == ["ready", "deleted general", "left Harbour"]
        assert not client.guilds
        world.add_channel(world.add_guild("Island").id, "beach")
        await settled(client, "joined Island")
        assert [channel.name for channel in client.guilds[0].text_channels] == ["beach"]


async def test_without_the_content_intent_only_what_is_meant_for_the_bot_is_read() -> None:
    client = Listening()
    async with StandIn() as standin, connected(client, standin):
        say(standin.world, "among ourselves")
        say(standin.world, f"<@{standin.world.bot.id}> why?")
        heard = await settled(client, f"message <@{standin.world.bot.id}> why?")
        assert heard[1] == "message "


async def test_with_the_content_intent_everything_is_read() -> None:
    world = World.populated()
    world.enabled_intents = Intent.MESSAGE_CONTENT
    intents = discord.Intents.default()
    intents.message_content = True
    client = Listening(intents)
    async with StandIn(world) as standin, connected(client, standin):
        say(world, "among ourselves")
        assert await settled(client, "message among ourselves")


async def test_an_intent_that_is_not_switched_on_closes_the_gateway() -> None:
    intents = discord.Intents.default()
    intents.message_content = True
    async with StandIn() as standin:
        with pytest.raises(discord.PrivilegedIntentsRequired):
            async with connected(Listening(intents), standin):
                pass


async def test_a_wrong_token_does_not_log_in() -> None:
    async with StandIn() as standin:
        client = Listening()
        with pointed_at(standin), pytest.raises(discord.LoginFailure):
            await client.start("wrong")
        await client.close()


async def test_a_token_that_was_changed_closes_the_gateway_with_4004() -> None:
    client = Listening()
    async with StandIn() as standin:
        with pointed_at(standin):
            await client.login(standin.world.token)
            standin.world.token = "another"
            with pytest.raises(discord.ConnectionClosed) as closed:
                await client.connect()
            assert closed.value.code == 4004
            await client.close()


async def test_a_lost_connection_is_resumed_and_what_was_missed_is_replayed() -> None:
    client = Listening()
    async with StandIn() as standin, connected(client, standin):
        mention = f"<@{standin.world.bot.id}>"
        standin.gateway.drop()
        say(standin.world, f"{mention} while away")
        await standin.ready()
        say(standin.world, f"{mention} afterwards")
        heard = await settled(client, f"message {mention} afterwards")
        assert heard == ["ready", f"message {mention} while away", "resumed", f"message {mention} afterwards"]
        assert [payload["op"] for payload in standin.gateway.received].count(6) == 1


async def test_a_gateway_that_hangs_up_is_resumed() -> None:
    client = Listening()
    async with StandIn() as standin, connected(client, standin):
        await standin.gateway.close(4000)
        assert await settled(client, "resumed") == ["ready", "resumed"]


async def test_a_sharded_client_asks_where_the_gateway_is() -> None:
    async with StandIn() as standin, aiohttp.ClientSession() as session:
        headers = {"Authorization": f"Bot {standin.world.token}"}
        async with session.get(f"{standin.api_url}/gateway/bot", headers=headers) as response:
            answer = await response.json()
    assert (answer["url"], answer["shards"]) == (standin.gateway_url, 1)


async def test_op_7_makes_the_client_come_back_and_resume() -> None:
    client = Listening()
    async with StandIn() as standin, connected(client, standin):
        standin.gateway.ask_to_reconnect()
        assert await settled(client, "resumed") == ["ready", "resumed"]


async def test_a_session_that_is_gone_is_begun_anew() -> None:
    client = Listening()
    async with StandIn() as standin, connected(client, standin):
        standin.gateway.invalidate()
        async with asyncio.timeout(10):
            await standin.ready()
        say(standin.world, f"<@{standin.world.bot.id}> still there?")
        heard = await settled(client, f"message <@{standin.world.bot.id}> still there?")
        assert "resumed" not in heard
        assert [payload["op"] for payload in standin.gateway.received].count(2) == 2


async def test_what_is_heard_arrives_late_by_the_latency_and_in_order() -> None:
    client = Listening()
    async with StandIn(latency=0.1) as standin, connected(client, standin):
        started = asyncio.get_running_loop().time()
        for place in range(20):
            say(standin.world, f"<@{standin.world.bot.id}> {place}")
        heard = await settled(client, f"message <@{standin.world.bot.id}> 19")
        assert 0.1 <= asyncio.get_running_loop().time() - started < 1.9
        assert heard[1:] == [f"message <@{standin.world.bot.id}> {place}" for place in range(20)]


async def test_a_client_that_asks_for_no_compression_gets_text_and_its_heartbeats_are_acknowledged() -> None:
    async with (
        StandIn() as standin,
        aiohttp.ClientSession() as session,
        session.ws_connect(standin.gateway_url) as socket,
    ):
        assert (await socket.receive_json(timeout=5))["op"] == 10
        await socket.send_json({"op": 1, "d": None})
        assert await socket.receive_json(timeout=5) == {"op": 11, "d": None}


async def test_a_session_that_was_never_begun_cannot_be_resumed() -> None:
    async with (
        StandIn() as standin,
        aiohttp.ClientSession() as session,
        session.ws_connect(standin.gateway_url) as socket,
    ):
        await socket.receive_json(timeout=5)
        data = {"token": standin.world.token, "session_id": "made up", "seq": 1}
        await socket.send_json({"op": 6, "d": data})
        assert await socket.receive_json(timeout=5) == {"op": 9, "d": False}


async def test_what_was_told_too_long_ago_cannot_be_replayed() -> None:
    session = Session(intents=0)
    for place in range(REPLAY_LIMIT + 1):
        session.dispatch("TYPING_START", {"place": place})
    assert session.missed(0) is None
    assert session.missed(REPLAY_LIMIT) == [session.told[-1]]
    assert session.missed(REPLAY_LIMIT + 1) == []


async def test_ready_waits_until_a_client_is_there() -> None:
    async with StandIn() as standin:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await standin.ready()
        async with connected(Listening(), standin):
            await standin.ready()
