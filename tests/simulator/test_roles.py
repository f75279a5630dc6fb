"""Who may do what where: @everyone, roles, a channel's overwrites; and that a real client comes to the same result."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import discord
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.preview.rendering import DiscordMarkdown
from bot.preview.views import Views
from bot.simulator.discord_json import DiscordSerializer
from bot.simulator.server import DiscordSimulator
from bot.simulator.world import (
    ALL_PERMISSIONS,
    DEFAULT_PERMISSIONS,
    NO_PERMISSIONS,
    Channel,
    ChannelKind,
    Permission,
    World,
)
from tests.fakes.discord_client import connect_client

if TYPE_CHECKING:
    from collections.abc import Callable

VIEW, SEND = Permission.VIEW_CHANNEL, Permission.SEND_MESSAGES
PERMISSIONS = st.sets(st.sampled_from(list(Permission))).map(lambda chosen: Permission(sum(chosen)))
CHANNEL_PERMISSIONS = PERMISSIONS.map(lambda some: some & ~(Permission.ADMINISTRATOR | Permission.MANAGE_GUILD))
"""What a channel can allow or deny."""
THREE_PERMISSIONS = st.tuples(CHANNEL_PERMISSIONS, CHANNEL_PERMISSIONS, CHANNEL_PERMISSIONS)


@pytest.fixture
def world() -> World:
    return World.create_default()


def find_guild_id(world: World) -> int:
    return next(iter(world.guilds))


def find_permissions(world: World, who: str, channel: str) -> Permission:
    return world.permissions_for(world.find_user(who).id, world.find_channel(channel))


def find_role_id(world: World, name: str) -> int:
    return next(role.id for role in world.guilds[find_guild_id(world)].roles.values() if role.name == name)


async def wait_until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - it happens on the far side of a socket
            await asyncio.sleep(0.01)


# What a member may do


def test_a_role_adds_to_what_everyone_may(world: World) -> None:
    assert find_permissions(world, "Ada", "general") == DEFAULT_PERMISSIONS
    assert Permission.MANAGE_GUILD in find_permissions(world, "Mia", "general")


def test_permission_denied_to_everyone_can_be_granted_by_a_role(world: World) -> None:
    guild = find_guild_id(world)
    world.admin.edit_role(guild, guild, DEFAULT_PERMISSIONS & ~SEND)
    world.admin.edit_role(guild, find_role_id(world, "People team"), SEND)
    assert SEND not in find_permissions(world, "Ada", "general")
    assert SEND in find_permissions(world, "Lea", "general")


def test_private_channel_is_seen_by_its_role_and_the_bot_only(world: World) -> None:
    assert [
        who
        for who in ("Ada", "Ben", "Mia", "Lea", "Docent", "Owner")
        if VIEW in find_permissions(world, who, "people-team")
    ] == [
        "Lea",
        "Docent",
        "Owner",
    ]
    assert find_permissions(world, "Mia", "people-team") == NO_PERMISSIONS


def test_an_administrators_role_sees_everything(world: World) -> None:
    world.admin.edit_role(find_guild_id(world), find_role_id(world, "Admins"), Permission.ADMINISTRATOR)
    assert find_permissions(world, "Mia", "people-team") == ALL_PERMISSIONS


def test_removed_or_deleted_role_grants_no_access(world: World) -> None:
    guild, lea, team = find_guild_id(world), world.find_user("Lea").id, find_role_id(world, "People team")
    world.admin.remove_role(guild, lea, team)
    assert VIEW not in find_permissions(world, "Lea", "people-team")
    world.admin.assign_role(guild, lea, team)
    assert VIEW in find_permissions(world, "Lea", "people-team")
    world.admin.delete_role(guild, team)
    assert VIEW not in find_permissions(world, "Lea", "people-team")


def test_one_role_that_allows_outweighs_another_that_denies_and_the_user_outweighs_both(world: World) -> None:
    guild, ada, general = find_guild_id(world), world.find_user("Ada").id, world.find_channel("general").id
    quiet, loud = world.admin.add_role(guild, "quiet"), world.admin.add_role(guild, "loud")
    world.admin.set_overwrite(general, quiet.id, deny=SEND)
    world.admin.set_overwrite(general, loud.id, allow=SEND)
    world.admin.assign_role(guild, ada, quiet.id)
    assert SEND not in find_permissions(world, "Ada", "general")
    world.admin.assign_role(guild, ada, loud.id)
    assert SEND in find_permissions(world, "Ada", "general")
    world.admin.set_overwrite(general, ada, deny=SEND)
    assert SEND not in find_permissions(world, "Ada", "general")
    world.admin.set_overwrite(general, ada)
    assert SEND in find_permissions(world, "Ada", "general")


def test_missing_send_messages_removes_attach_files_except_in_threads(world: World) -> None:
    general, bot = world.find_channel("general"), world.bot.id
    thread = world.bot_api.create_thread(general.id, "details")
    world.admin.deny(general.id, bot, SEND)
    assert Permission.ATTACH_FILES not in world.permissions_for(bot, general)
    assert Permission.ATTACH_FILES in world.permissions_for(bot, thread)


def test_thread_is_as_private_as_its_channel(world: World) -> None:
    thread = world.bot_api.create_thread(world.find_channel("people-team").id, "salaries")
    assert [who for who in ("Ada", "Lea") if world.can_see(world.find_user(who).id, thread.id)] == ["Lea"]


def test_former_member_has_no_permissions(world: World) -> None:
    world.admin.remove_member(find_guild_id(world), world.find_user("Lea").id)
    assert find_permissions(world, "Lea", "people-team") == find_permissions(world, "Lea", "general") == NO_PERMISSIONS


@given(everyone=PERMISSIONS, role=PERMISSIONS, own=PERMISSIONS, allows=THREE_PERMISSIONS, denies=THREE_PERMISSIONS)
def test_a_client_computes_the_same_permissions(
    everyone: Permission,
    role: Permission,
    own: Permission,
    allows: tuple[Permission, Permission, Permission],
    denies: tuple[Permission, Permission, Permission],
) -> None:
    world = World.create_default()
    guild, bot, general = find_guild_id(world), world.bot.id, world.find_channel("general")
    world.admin.edit_role(guild, guild, everyone)
    given = world.admin.add_role(guild, "given", role)
    world.admin.assign_role(guild, bot, given.id)
    world.guilds[guild].members[bot] = own
    for whom, allow, deny in zip((guild, given.id, bot), allows, denies, strict=True):
        world.admin.set_overwrite(general.id, whom, allow=allow, deny=deny)
    theirs = compute_client_permissions(world, general.id)
    ours = world.permissions_for(bot, general)
    # The client leaves voice out of a text channel; where nothing is seen it keeps what belongs to the guild alone.
    assert theirs == ours & ~Permission.CONNECT if ours else VIEW not in theirs


def compute_client_permissions(world: World, channel_id: int) -> Permission:
    """What discord.py makes of the guild as it is told over the gateway."""
    wire = DiscordSerializer(world, "http://127.0.0.1")
    client = discord.Client(intents=discord.Intents.default())
    state = client._connection
    state.user = discord.ClientUser(state=state, data=wire.serialize_user(world.bot))  # type: ignore[arg-type]  # JSON
    guild = discord.Guild(data=wire.serialize_guild(world.guilds[find_guild_id(world)], 0), state=state)  # type: ignore[arg-type]  # JSON
    channel = guild.get_channel(channel_id)
    assert channel
    return Permission(channel.permissions_for(guild.me).value & ALL_PERMISSIONS)


# What a client is told


class InteractionClient(discord.Client):
    def __init__(self) -> None:
        super().__init__(intents=discord.Intents.default(), guild_ready_timeout=0.05)
        self.interactions: asyncio.Queue[discord.Interaction] = asyncio.Queue()

    async def on_interaction(self, interaction: discord.Interaction) -> None:
        self.interactions.put_nowait(interaction)


async def test_a_client_knows_the_roles_and_who_may_see_a_channel() -> None:
    client = InteractionClient()
    async with DiscordSimulator() as simulator, connect_client(client, simulator):
        (guild,) = client.guilds
        assert [role.name for role in guild.roles if not role.managed] == ["@everyone", "Admins", "People team"]
        team = discord.utils.get(guild.roles, name="People team")
        shut = discord.utils.get(guild.text_channels, name="people-team")
        assert team
        assert shut
        assert shut.overwrites_for(guild.default_role).view_channel is False
        assert shut.overwrites_for(team).view_channel is True
        assert shut.permissions_for(guild.me).view_channel
        assert not shut.permissions_for(guild.default_role).view_channel
        assert guild.self_role
        assert guild.self_role.is_default() is False


async def test_an_interaction_carries_the_members_roles_and_what_they_may_do_here() -> None:
    client = InteractionClient()
    async with DiscordSimulator() as simulator, connect_client(client, simulator):
        world = simulator.world
        world.bot_api.register_commands(None, [{"name": "ask"}])
        for who in ("Mia", "Ada"):
            world.people.use_command(world.find_channel("general").id, world.find_user(who).id, "ask")
        async with asyncio.timeout(5):
            mia, ada = await client.interactions.get(), await client.interactions.get()
        assert isinstance(mia.user, discord.Member)
        assert [role.name for role in mia.user.roles] == ["@everyone", "Admins"]
        assert (mia.permissions.manage_guild, ada.permissions.manage_guild) == (True, False)
        assert mia.app_permissions.send_messages


async def test_role_and_channel_changes_reach_the_client() -> None:
    client = InteractionClient()
    async with DiscordSimulator() as simulator, connect_client(client, simulator):
        world, (guild,) = simulator.world, client.guilds
        role = world.admin.add_role(guild.id, "Crew", Permission.MANAGE_MESSAGES)
        world.admin.assign_role(guild.id, world.bot.id, role.id)
        await wait_until(lambda: guild.me.guild_permissions.manage_messages)
        world.admin.edit_role(guild.id, role.id, Permission.MANAGE_THREADS)
        await wait_until(lambda: guild.me.guild_permissions.manage_threads)
        assert not guild.me.guild_permissions.manage_messages
        world.admin.delete_role(guild.id, role.id)
        await wait_until(lambda: guild.get_role(role.id) is None)
        general = discord.utils.get(guild.text_channels, name="general")
        assert general
        world.admin.make_private(general.id)
        await wait_until(lambda: not general.permissions_for(guild.me).view_channel)


async def test_member_events_need_the_members_intent() -> None:
    intents = discord.Intents.default()
    intents.members = True
    world = World.create_default()
    world.enabled_intents = 1 << 1
    knowing = discord.Client(intents=intents, guild_ready_timeout=0.05)
    async with DiscordSimulator(world) as simulator, connect_client(knowing, simulator):
        (guild,) = knowing.guilds
        assert {member.name for member in guild.members} == {"Owner", "Docent", "Ada", "Ben", "Mia", "Lea"}
        zoe = world.add_user("Zoe")
        world.admin.add_member(guild.id, zoe.id)
        await wait_until(lambda: guild.get_member(zoe.id) is not None)
        world.admin.remove_member(guild.id, zoe.id)
        await wait_until(lambda: guild.get_member(zoe.id) is None)
    unknowing = InteractionClient()
    async with DiscordSimulator() as simulator, connect_client(unknowing, simulator):
        assert [member.name for member in unknowing.guilds[0].members] == ["Docent"]


async def test_threads_hidden_from_the_bot_are_not_dispatched() -> None:
    client = InteractionClient()
    async with DiscordSimulator() as simulator, connect_client(client, simulator):
        world = simulator.world
        world.admin.deny(world.find_channel("random").id, world.bot.id, VIEW)
        hidden = world.insert_channel(create_thread_in(world, "random"))
        seen = world.insert_channel(create_thread_in(world, "general"))
        await wait_until(lambda: client.guilds[0].get_thread(seen.id) is not None)
        assert client.guilds[0].get_thread(hidden.id) is None


def create_thread_in(world: World, name: str) -> Channel:
    parent = world.find_channel(name)
    return Channel(world.generate_id(), f"below {name}", parent.guild_id, ChannelKind.THREAD, parent.id)


# What the page shows


def test_hidden_channel_is_neither_listed_nor_streamed(world: World) -> None:
    shut = world.find_channel("people-team")
    message = world.people.say(shut.id, world.find_user("Lea").id, "salaries")
    ada, lea = (Views(world, DiscordMarkdown(), world.find_user(name)) for name in ("Ada", "Lea"))
    assert "people-team" not in [channel["name"] for channel in ada.serialize_guild()["channels"]]
    assert "people-team" in [channel["name"] for channel in lea.serialize_guild()["channels"]]
    assert (ada.is_visible(message), lea.is_visible(message)) == (False, True)
