"""Forums, voice channels' text and slow channels, as a real client knows them."""

from __future__ import annotations

import asyncio

import discord
import pytest

from bot.simulator.discord_json import Intent
from bot.simulator.message_drafts import ApiError, Attachment, Draft
from bot.simulator.server import DiscordSimulator
from bot.simulator.world import ChannelKind, World
from tests.fakes.discord_client import connect_client


class ForumClient(discord.Client):
    """A client that writes down threads and messages in the order in which it hears of them."""

    def __init__(self, *, reads_messages: bool) -> None:
        intents = discord.Intents.default()
        intents.message_content = reads_messages
        super().__init__(intents=intents, guild_ready_timeout=0.05)
        self.received: asyncio.Queue[discord.Thread | discord.Message] = asyncio.Queue()

    async def on_thread_create(self, thread: discord.Thread) -> None:
        self.received.put_nowait(thread)

    async def on_message(self, message: discord.Message) -> None:
        self.received.put_nowait(message)

    async def next_thread(self) -> discord.Thread:
        thread = await asyncio.wait_for(self.received.get(), 10)
        assert isinstance(thread, discord.Thread)
        return thread

    async def next_message(self) -> discord.Message:
        message = await asyncio.wait_for(self.received.get(), 10)
        assert isinstance(message, discord.Message)
        return message


@pytest.fixture
def world() -> World:
    return World.create_default()


def find_user_id(world: World, name: str) -> int:
    return world.find_user(name).id


async def test_a_post_is_a_new_thread_and_then_its_first_message(world: World) -> None:
    world.enabled_intents = Intent.MESSAGE_CONTENT
    client = ForumClient(reads_messages=True)
    async with DiscordSimulator(world) as simulator, connect_client(client, simulator):
        forum = world.find_channel("help")
        post = world.people.create_forum_post(
            forum.id, find_user_id(world, "Ada"), "Refunds", "How long?", [Attachment("bill.txt", b"14 euros")]
        )
        thread, starter = await client.next_thread(), await client.next_message()
        assert isinstance(thread.parent, discord.ForumChannel)
        assert (thread.name, thread.parent.id, thread.owner_id) == ("Refunds", forum.id, find_user_id(world, "Ada"))
        assert thread.id == starter.id == post.id
        assert starter.channel == thread
        assert (starter.content, await starter.attachments[0].read()) == ("How long?", b"14 euros")
        await starter.reply("Five days.")
        assert [message.current_state.content for message in world.history(post.channel_id)] == [
            "How long?",
            "Five days.",
        ]


async def test_forum_post_content_without_the_intent_needs_a_mention(world: World) -> None:
    client = ForumClient(reads_messages=False)
    async with DiscordSimulator(world) as simulator, connect_client(client, simulator):
        for text in ("How long?", f"<@{world.bot.id}> how long?"):
            world.people.create_forum_post(world.find_channel("help").id, find_user_id(world, "Ada"), "Refunds", text)
        contents = list[str]()
        for _ in range(2):
            assert (await client.next_thread()).name == "Refunds"
            contents.append((await client.next_message()).content)
        assert contents == ["", f"<@{world.bot.id}> how long?"]


def test_messages_directly_in_a_forum_are_refused(world: World) -> None:
    forum = world.find_channel("help")
    with pytest.raises(ApiError) as refused:
        world.bot_api.send(forum.id, Draft(content="hello"))
    assert refused.value.code == 50008
    with pytest.raises(ApiError):
        world.bot_api.create_thread(forum.id, "a post without a message")
    with pytest.raises(LookupError):
        world.people.create_forum_post(
            world.find_channel("general").id, find_user_id(world, "Ada"), "Refunds", "How long?"
        )


async def test_people_write_in_a_voice_channel_and_the_bot_answers_there(world: World) -> None:
    client = ForumClient(reads_messages=False)
    voice = world.admin.add_channel(next(iter(world.guilds)), "lounge", kind=ChannelKind.VOICE)
    async with DiscordSimulator(world) as simulator, connect_client(client, simulator):
        world.people.say(voice.id, find_user_id(world, "Ada"), f"<@{world.bot.id}> hello?")
        message = await client.next_message()
        assert isinstance(message.channel, discord.VoiceChannel)
        await message.reply("Here.")
        assert world.history(voice.id)[-1].current_state.content == "Here."


async def test_slow_mode_is_sent_to_the_client(world: World) -> None:
    slow = world.admin.add_channel(next(iter(world.guilds)), "slow", slow_mode=30)
    client = ForumClient(reads_messages=False)
    async with DiscordSimulator(world) as simulator, connect_client(client, simulator):
        known = client.get_channel(slow.id)
        assert isinstance(known, discord.TextChannel)
        assert known.slowmode_delay == 30


async def test_a_person_edits_their_message_and_it_keeps_its_files(world: World) -> None:
    general = world.find_channel("general").id
    message = world.people.say(general, find_user_id(world, "Ada"), "How lnog?", files=[Attachment("a.md", b"a")])
    world.people.edit_user_message(message.id, "How long?")
    assert [state.content for state in message.states] == ["How lnog?", "How long?"]
    assert [file.filename for file in message.current_state.attachments] == ["a.md"]
