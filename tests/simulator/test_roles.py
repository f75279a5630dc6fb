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
from bot.simulator.discord_json import Wire
from bot.simulator.server import StandIn
from bot.simulator.world import EVERYTHING, NOTHING, ORDINARY, Channel, ChannelKind, Permission, World
from tests.fakes.discord_client import connected

if TYPE_CHECKING:
    from collections.abc import Callable

VIEW, SEND = Permission.VIEW_CHANNEL, Permission.SEND_MESSAGES
SOME = st.sets(st.sampled_from(list(Permission))).map(lambda chosen: Permission(sum(chosen)))
OF_A_CHANNEL = SOME.map(lambda some: some & ~(Permission.ADMINISTRATOR | Permission.MANAGE_GUILD))
"""What a channel can allow or deny."""
THREE = st.tuples(OF_A_CHANNEL, OF_A_CHANNEL, OF_A_CHANNEL)


@pytest.fixture
def world() -> World:
    return World.populated()


def guild_of(world: World) -> int:
    return next(iter(world.guilds))


def may(world: World, who: str, channel: str) -> Permission:
    return world.permissions(world.user_named(who).id, world.channel_named(channel))


def role_named(world: World, name: str) -> int:
    return next(role.id for role in world.guilds[guild_of(world)].roles.values() if role.name == name)


async def until(claim: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not claim():  # noqa: ASYNC110 - it happens on the far side of a socket
            await asyncio.sleep(0.01)


# What a member may do


def test_a_role_adds_to_what_everyone_may(world: World) -> None:
    assert may(world, "Ada", "general") == ORDINARY
    assert Permission.MANAGE_GUILD in may(world, "Mia", "general")


def test_what_everyone_may_can_be_taken_from_all_and_given_back_to_a_role(world: World) -> None:
    guild = guild_of(world)
    world.change_role(guild, guild, ORDINARY & ~SEND)
    world.change_role(guild, role_named(world, "People team"), SEND)
    assert SEND not in may(world, "Ada", "general")
    assert SEND in may(world, "Lea", "general")


def test_a_channel_shut_is_seen_by_its_role_and_the_bot_alone(world: World) -> None:
    assert [
        who for who in ("Ada", "Ben", "Mia", "Lea", "Docent", "Owner") if VIEW in may(world, who, "people-team")
    ] == [
        "Lea",
        "Docent",
        "Owner",
    ]
    assert may(world, "Mia", "people-team") == NOTHING


def test_an_administrators_role_sees_everything(world: World) -> None:
    world.change_role(guild_of(world), role_named(world, "Admins"), Permission.ADMINISTRATOR)
    assert may(world, "Mia", "people-team") == EVERYTHING


def test_a_role_that_is_taken_or_deleted_opens_nothing_any_more(world: World) -> None:
    guild, lea, team = guild_of(world), world.user_named("Lea").id, role_named(world, "People team")
    world.take_role(guild, lea, team)
    assert VIEW not in may(world, "Lea", "people-team")
    world.give_role(guild, lea, team)
    assert VIEW in may(world, "Lea", "people-team")
    world.delete_role(guild, team)
    assert VIEW not in may(world, "Lea", "people-team")


def test_one_role_that_allows_outweighs_another_that_denies_and_the_user_outweighs_both(world: World) -> None:
    guild, ada, general = guild_of(world), world.user_named("Ada").id, world.channel_named("general").id
    quiet, loud = world.add_role(guild, "quiet"), world.add_role(guild, "loud")
    world.overwrite(general, quiet.id, deny=SEND)
    world.overwrite(general, loud.id, allow=SEND)
    world.give_role(guild, ada, quiet.id)
    assert SEND not in may(world, "Ada", "general")
    world.give_role(guild, ada, loud.id)
    assert SEND in may(world, "Ada", "general")
    world.overwrite(general, ada, deny=SEND)
    assert SEND not in may(world, "Ada", "general")
    world.overwrite(general, ada)
    assert SEND in may(world, "Ada", "general")


def test_who_may_not_write_may_not_attach_either_but_for_a_thread(world: World) -> None:
    general, bot = world.channel_named("general"), world.bot.id
    thread = world.open_thread(general.id, "details")
    world.deny(general.id, bot, SEND)
    assert Permission.ATTACH_FILES not in world.permissions(bot, general)
    assert Permission.ATTACH_FILES in world.permissions(bot, thread)


def test_a_thread_is_as_shut_as_its_channel(world: World) -> None:
    thread = world.open_thread(world.channel_named("people-team").id, "salaries")
    assert [who for who in ("Ada", "Lea") if world.sees(world.user_named(who).id, thread.id)] == ["Lea"]


def test_who_has_left_may_nothing(world: World) -> None:
    world.remove_member(guild_of(world), world.user_named("Lea").id)
    assert may(world, "Lea", "people-team") == may(world, "Lea", "general") == NOTHING


@given(everyone=SOME, role=SOME, own=SOME, allows=THREE, denies=THREE)
def test_a_client_computes_the_same_permissions(
    everyone: Permission,
    role: Permission,
    own: Permission,
    allows: tuple[Permission, Permission, Permission],
    denies: tuple[Permission, Permission, Permission],
) -> None:
    world = World.populated()
    guild, bot, general = guild_of(world), world.bot.id, world.channel_named("general")
    world.change_role(guild, guild, everyone)
    given = world.add_role(guild, "given", role)
    world.give_role(guild, bot, given.id)
    world.guilds[guild].members[bot] = own
    for whom, allow, deny in zip((guild, given.id, bot), allows, denies, strict=True):
        world.overwrite(general.id, whom, allow=allow, deny=deny)
    theirs = discord_permissions(world, general.id)
    ours = world.permissions(bot, general)
    # The client leaves voice out of a text channel; where nothing is seen it keeps what belongs to the guild alone.
    assert theirs == ours & ~Permission.CONNECT if ours else VIEW not in theirs


def discord_permissions(world: World, channel_id: int) -> Permission:
    """What discord.py makes of the guild as it is told over the gateway."""
    wire = Wire(world, "http://127.0.0.1")
    client = discord.Client(intents=discord.Intents.default())
    state = client._connection
    state.user = discord.ClientUser(state=state, data=wire.user(world.bot))  # type: ignore[arg-type]  # JSON
    guild = discord.Guild(data=wire.guild(world.guilds[guild_of(world)], 0), state=state)  # type: ignore[arg-type]  # JSON
    channel = guild.get_channel(channel_id)
    assert channel
    return Permission(channel.permissions_for(guild.me).value & EVERYTHING)


# What a client is told


class Roles(discord.Client):
    def __init__(self) -> None:
        super().__init__(intents=discord.Intents.default(), guild_ready_timeout=0.05)
        self.used: asyncio.Queue[discord.Interaction] = asyncio.Queue()

    async def on_interaction(self, interaction: discord.Interaction) -> None:
        self.used.put_nowait(interaction)


async def test_a_client_knows_the_roles_and_who_may_see_a_channel() -> None:
    client = Roles()
    async with StandIn() as standin, connected(client, standin):
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
    client = Roles()
    async with StandIn() as standin, connected(client, standin):
        world = standin.world
        world.register(None, [{"name": "ask"}])
        for who in ("Mia", "Ada"):
            world.use_command(world.channel_named("general").id, world.user_named(who).id, "ask")
        async with asyncio.timeout(5):
            mia, ada = await client.used.get(), await client.used.get()
        assert isinstance(mia.user, discord.Member)
        assert [role.name for role in mia.user.roles] == ["@everyone", "Admins"]
        assert (mia.permissions.manage_guild, ada.permissions.manage_guild) == (True, False)
        assert mia.app_permissions.send_messages


async def test_what_changes_about_roles_and_channels_reaches_the_client() -> None:
    client = Roles()
    async with StandIn() as standin, connected(client, standin):
        world, (guild,) = standin.world, client.guilds
        role = world.add_role(guild.id, "Crew", Permission.MANAGE_MESSAGES)
        world.give_role(guild.id, world.bot.id, role.id)
        await until(lambda: guild.me.guild_permissions.manage_messages)
        world.change_role(guild.id, role.id, Permission.MANAGE_THREADS)
        await until(lambda: guild.me.guild_permissions.manage_threads)
        assert not guild.me.guild_permissions.manage_messages
        world.delete_role(guild.id, role.id)
        await until(lambda: guild.get_role(role.id) is None)
        general = discord.utils.get(guild.text_channels, name="general")
        assert general
        world.shut(general.id)
        await until(lambda: not general.permissions_for(guild.me).view_channel)


async def test_only_a_client_with_the_members_intent_is_told_who_comes_and_goes() -> None:
    intents = discord.Intents.default()
    intents.members = True
    world = World.populated()
    world.enabled_intents = 1 << 1
    knowing = discord.Client(intents=intents, guild_ready_timeout=0.05)
    async with StandIn(world) as standin, connected(knowing, standin):
        (guild,) = knowing.guilds
        assert {member.name for member in guild.members} == {"Owner", "Docent", "Ada", "Ben", "Mia", "Lea"}
        zoe = world.add_user("Zoe")
        world.add_member(guild.id, zoe.id)
        await until(lambda: guild.get_member(zoe.id) is not None)
        world.remove_member(guild.id, zoe.id)
        await until(lambda: guild.get_member(zoe.id) is None)
    unknowing = Roles()
    async with StandIn() as standin, connected(unknowing, standin):
        assert [member.name for member in unknowing.guilds[0].members] == ["Docent"]


async def test_a_thread_the_bot_cannot_see_is_not_told_to_it() -> None:
    client = Roles()
    async with StandIn() as standin, connected(client, standin):
        world = standin.world
        world.deny(world.channel_named("random").id, world.bot.id, VIEW)
        hidden = world._open(thread_below(world, "random"))
        seen = world._open(thread_below(world, "general"))
        await until(lambda: client.guilds[0].get_thread(seen.id) is not None)
        assert client.guilds[0].get_thread(hidden.id) is None


def thread_below(world: World, name: str) -> Channel:
    parent = world.channel_named(name)
    return Channel(world.new_id(), f"below {name}", parent.guild_id, ChannelKind.THREAD, parent.id)


# What the page shows


def test_a_channel_that_a_viewer_cannot_see_is_neither_listed_nor_told(world: World) -> None:
    shut = world.channel_named("people-team")
    message = world.say(shut.id, world.user_named("Lea").id, "salaries")
    ada, lea = (Views(world, DiscordMarkdown(), world.user_named(name)) for name in ("Ada", "Lea"))
    assert "people-team" not in [channel["name"] for channel in ada.place()["channels"]]
    assert "people-team" in [channel["name"] for channel in lea.place()["channels"]]
    assert (ada.is_visible(message), lea.is_visible(message)) == (False, True)
