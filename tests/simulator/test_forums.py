"""Forums, voice channels' text and slow channels, as a real client knows them."""

from __future__ import annotations

import asyncio

import discord
import pytest

from bot.simulator.discord_json import Intent
from bot.simulator.message_drafts import Attachment, Draft, Refusal
from bot.simulator.server import StandIn
from bot.simulator.world import ChannelKind, World
from tests.fakes.discord_client import connected


class Reader(discord.Client):
    """A client that writes down threads and messages in the order in which it hears of them."""

    def __init__(self, *, reads_messages: bool) -> None:
        intents = discord.Intents.default()
        intents.message_content = reads_messages
        super().__init__(intents=intents, guild_ready_timeout=0.05)
        self.heard: asyncio.Queue[discord.Thread | discord.Message] = asyncio.Queue()

    async def on_thread_create(self, thread: discord.Thread) -> None:
        self.heard.put_nowait(thread)

    async def on_message(self, message: discord.Message) -> None:
        self.heard.put_nowait(message)

    async def thread(self) -> discord.Thread:
        thread = await asyncio.wait_for(self.heard.get(), 10)
        assert isinstance(thread, discord.Thread)
        return thread

    async def message(self) -> discord.Message:
        message = await asyncio.wait_for(self.heard.get(), 10)
        assert isinstance(message, discord.Message)
        return message


@pytest.fixture
def world() -> World:
    return World.populated()


def id_of(world: World, name: str) -> int:
    return world.user_named(name).id


async def test_a_post_is_a_new_thread_and_then_its_first_message(world: World) -> None:
    world.enabled_intents = Intent.MESSAGE_CONTENT
    client = Reader(reads_messages=True)
    async with StandIn(world) as standin, connected(client, standin):
        forum = world.channel_named("help")
        post = world.post(forum.id, id_of(world, "Ada"), "Refunds", "How long?", [Attachment("bill.txt", b"14 euros")])
        thread, starter = await client.thread(), await client.message()
        assert isinstance(thread.parent, discord.ForumChannel)
        assert (thread.name, thread.parent.id, thread.owner_id) == ("Refunds", forum.id, id_of(world, "Ada"))
        assert thread.id == starter.id == post.id
        assert starter.channel == thread
        assert (starter.content, await starter.attachments[0].read()) == ("How long?", b"14 euros")
        await starter.reply("Five days.")
        assert [message.now.content for message in world.history(post.channel_id)] == ["How long?", "Five days."]


async def test_without_the_content_intent_a_posts_words_are_read_only_where_they_mention_the_bot(world: World) -> None:
    client = Reader(reads_messages=False)
    async with StandIn(world) as standin, connected(client, standin):
        for text in ("How long?", f"<@{world.bot.id}> how long?"):
            world.post(world.channel_named("help").id, id_of(world, "Ada"), "Refunds", text)
        contents = list[str]()
        for _ in range(2):
            assert (await client.thread()).name == "Refunds"
            contents.append((await client.message()).content)
        assert contents == ["", f"<@{world.bot.id}> how long?"]


def test_nobody_writes_into_a_forum_itself(world: World) -> None:
    forum = world.channel_named("help")
    with pytest.raises(Refusal) as refused:
        world.send(forum.id, Draft(content="hello"))
    assert refused.value.code == 50008
    with pytest.raises(Refusal):
        world.open_thread(forum.id, "a post without a message")
    with pytest.raises(LookupError):
        world.post(world.channel_named("general").id, id_of(world, "Ada"), "Refunds", "How long?")


async def test_people_write_in_a_voice_channel_and_the_bot_answers_there(world: World) -> None:
    client = Reader(reads_messages=False)
    voice = world.add_channel(next(iter(world.guilds)), "lounge", kind=ChannelKind.VOICE)
    async with StandIn(world) as standin, connected(client, standin):
        world.say(voice.id, id_of(world, "Ada"), f"<@{world.bot.id}> hello?")
        message = await client.message()
        assert isinstance(message.channel, discord.VoiceChannel)
        await message.reply("Here.")
        assert world.history(voice.id)[-1].now.content == "Here."


async def test_a_slow_channel_is_known_as_one(world: World) -> None:
    slow = world.add_channel(next(iter(world.guilds)), "slow", slow_mode=30)
    client = Reader(reads_messages=False)
    async with StandIn(world) as standin, connected(client, standin):
        known = client.get_channel(slow.id)
        assert isinstance(known, discord.TextChannel)
        assert known.slowmode_delay == 30


async def test_a_person_edits_their_message_and_it_keeps_its_files(world: World) -> None:
    general = world.channel_named("general").id
    message = world.say(general, id_of(world, "Ada"), "How lnog?", files=[Attachment("a.md", b"a")])
    world.rewrite(message.id, "How long?")
    assert [state.content for state in message.states] == ["How lnog?", "How long?"]
    assert [file.filename for file in message.now.attachments] == ["a.md"]
