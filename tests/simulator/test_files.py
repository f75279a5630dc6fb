"""Files: at messages and given to commands, fetched by a real client as long as they are there."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING, Any

import discord
import pytest
from discord import app_commands

from bot.simulator.discord_json import Intent
from bot.simulator.faults import FailureKind, Fault
from bot.simulator.message_drafts import Attachment
from bot.simulator.server import DiscordSimulator
from bot.simulator.world import Permission, World
from tests.fakes.discord_client import connect_client

if TYPE_CHECKING:
    from bot.simulator.world import Channel

HANDBOOK = Attachment("hand book.md", "# Größe\n".encode())


class FileClient(discord.Client):
    """A client that reads messages, and files given to ``/add``."""

    def __init__(self, *, reads_messages: bool = True) -> None:
        intents = discord.Intents.default()
        intents.message_content = reads_messages
        super().__init__(intents=intents, guild_ready_timeout=0.05)
        self.tree = app_commands.CommandTree(self)
        self.received: asyncio.Queue[Any] = asyncio.Queue()

        @self.tree.command(description="Add a document.")
        async def add(interaction: discord.Interaction, file: discord.Attachment) -> None:
            await interaction.response.send_message("added", ephemeral=True)
            self.received.put_nowait((file, interaction.filesize_limit))

        assert add.name == "add"

    async def on_message(self, message: discord.Message) -> None:
        self.received.put_nowait(message)

    async def next_received(self) -> Any:
        async with asyncio.timeout(10):
            return await self.received.get()


@pytest.fixture
def world() -> World:
    world = World.create_default()
    world.enabled_intents = Intent.MESSAGE_CONTENT
    return world


def find_general(world: World) -> Channel:
    return world.find_channel("general")


def find_ada_id(world: World) -> int:
    return world.find_user("Ada").id


async def test_a_file_at_a_persons_message_is_fetched_and_known_for_what_it_is(world: World) -> None:
    client = FileClient()
    async with DiscordSimulator(world) as simulator, connect_client(client, simulator):
        world.people.say(
            find_general(world).id, find_ada_id(world), "have a look", files=[HANDBOOK, Attachment("a.pdf", b"%PDF")]
        )
        first, second = (await client.next_received()).attachments
        assert (first.filename, first.size, first.content_type) == ("hand book.md", 10, "text/markdown; charset=utf-8")
        assert await first.read() == HANDBOOK.content
        assert await second.read(use_cached=True) == b"%PDF"
        assert second.content_type == "application/pdf"
        assert [request.status for request in simulator.requests if "/attachments/" in request.path] == [200, 200]


async def test_attachments_are_not_sent_without_the_content_intent(world: World) -> None:
    client = FileClient(reads_messages=False)
    async with DiscordSimulator(world) as simulator, connect_client(client, simulator):
        world.people.say(find_general(world).id, find_ada_id(world), "have a look", files=[HANDBOOK])
        world.people.say(find_general(world).id, find_ada_id(world), f"<@{world.bot.id}> look", files=[HANDBOOK])
        assert (await client.next_received()).attachments == []
        assert len((await client.next_received()).attachments) == 1


async def test_file_given_to_a_command_is_served_until_it_expires(world: World) -> None:
    client = FileClient()
    async with DiscordSimulator(world) as simulator, connect_client(client, simulator):
        await client.tree.sync()
        world.people.use_command(find_general(world).id, find_ada_id(world), "add", {"file": HANDBOOK})
        file, limit = await client.next_received()
        assert (file.filename, file.ephemeral, limit) == ("hand book.md", True, 10 * 1024 * 1024)
        assert await file.read() == HANDBOOK.content
        world.people.expire_upload(file.id)
        with pytest.raises(discord.NotFound):
            await file.read()


async def test_a_file_goes_with_its_message(world: World) -> None:
    client = FileClient()
    async with DiscordSimulator(world) as simulator, connect_client(client, simulator):
        message = world.people.say(find_general(world).id, find_ada_id(world), "have a look", files=[HANDBOOK])
        (file,) = (await client.next_received()).attachments
        world.delete(message.id)
        with pytest.raises(discord.NotFound):
            await file.read()


async def test_a_file_that_an_edit_takes_away_is_gone(world: World) -> None:
    client = FileClient()
    async with DiscordSimulator(world) as simulator, connect_client(client, simulator):
        place = client.get_channel(find_general(world).id)
        assert isinstance(place, discord.TextChannel)
        message = await place.send("here", file=discord.File(io.BytesIO(b"old"), "old.md"))
        await message.edit(attachments=[])
        with pytest.raises(discord.NotFound):
            await message.attachments[0].read()


@pytest.mark.parametrize("name", ["../../etc/passwd", "..", "a?b#c%2F.md", "Über uns.md", "\u202egnp.exe", ".hidden"])
async def test_any_file_name_arrives_unchanged_and_is_safe_in_its_url(world: World, name: str) -> None:
    client = FileClient()
    async with DiscordSimulator(world) as simulator, connect_client(client, simulator):
        world.people.say(find_general(world).id, find_ada_id(world), "look", files=[Attachment(name, b"inside")])
        (file,) = (await client.next_received()).attachments
        assert (file.filename, await file.read()) == (name, b"inside")


async def test_fetching_a_file_can_be_made_to_fail(world: World) -> None:
    client = FileClient()
    async with DiscordSimulator(world) as simulator, connect_client(client, simulator):
        world.people.say(find_general(world).id, find_ada_id(world), "look", files=[HANDBOOK])
        (file,) = (await client.next_received()).attachments
        simulator.faults.add(Fault(FailureKind.STATUS, path="/attachments/", status=403))
        with pytest.raises(discord.Forbidden):
            await file.read()
        assert await file.read() == HANDBOOK.content


def test_denied_attach_files_shows_in_the_permissions(world: World) -> None:
    world.admin.deny(find_general(world).id, find_ada_id(world), Permission.ATTACH_FILES)
    assert Permission.ATTACH_FILES not in world.permissions_for(find_ada_id(world), find_general(world))
