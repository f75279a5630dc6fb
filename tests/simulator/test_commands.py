"""Commands as people use them: who is offered which, what an option takes, what the bot suggests while one is typed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import discord
import pytest
from discord import app_commands

from bot.simulator.message_drafts import Draft, Refusal
from bot.simulator.server import StandIn
from bot.simulator.world import Clock, InteractionKind, Permission, ResponseKind, World
from tests.fakes.discord_client import connected

if TYPE_CHECKING:
    from bot.simulator.message_drafts import Json
    from bot.simulator.world import Interaction

REINDEX = {"name": "reindex", "default_member_permissions": str(int(Permission.MANAGE_GUILD))}
ASK = {"name": "ask"}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def world(clock: Clock) -> World:
    return World.populated(clock=clock)


def general(world: World) -> int:
    return world.channel_named("general").id


def id_of(world: World, name: str) -> int:
    return world.user_named(name).id


def offered(world: World, who: str, channel: int | None = None) -> list[str]:
    return [command["name"] for command in world.offered(id_of(world, who), channel or general(world))]


# Who is offered a command


def test_a_command_is_offered_to_whom_its_default_permissions_name(world: World) -> None:
    world.register(None, [ASK, REINDEX])
    assert offered(world, "Ada") == ["ask"]
    assert offered(world, "Mia") == ["ask", "reindex"]
    assert offered(world, "Owner") == ["ask", "reindex"]


def test_a_command_for_nobody_is_offered_to_administrators_alone(world: World) -> None:
    world.register(None, [ASK | {"default_member_permissions": "0"}])
    assert (offered(world, "Mia"), offered(world, "Owner")) == ([], ["ask"])


def test_a_server_may_offer_it_to_others_and_the_bot_hears_whoever_uses_it(world: World) -> None:
    guild = next(iter(world.guilds.values()))
    world.register(guild.id, [REINDEX])
    world.offer_command(guild.id, "reindex", guild.id)
    assert offered(world, "Ada") == ["reindex"]
    world.offer_command(guild.id, "reindex", id_of(world, "Ada"), is_offered=False)
    assert (offered(world, "Ada"), offered(world, "Ben")) == ([], ["reindex"])
    (team,) = (role.id for role in guild.roles.values() if role.name == "People team")
    world.offer_command(guild.id, "reindex", team, is_offered=False)
    assert offered(world, "Lea") == []
    assert world.use_command(general(world), id_of(world, "Lea"), "reindex").user_id == id_of(world, "Lea")


def test_where_nobody_may_use_commands_none_is_offered(world: World) -> None:
    world.register(None, [ASK])
    world.deny(general(world), next(iter(world.guilds)), Permission.USE_APPLICATION_COMMANDS)
    assert offered(world, "Ada") == []
    assert offered(world, "Owner") == ["ask"]


def test_direct_messages_offer_only_what_is_meant_for_them(world: World) -> None:
    world.register(None, [ASK, REINDEX | {"contexts": [0]}, {"name": "old", "dm_permission": False}])
    world.register(next(iter(world.guilds)), [{"name": "here"}])
    direct = world.open_direct(id_of(world, "Ada"))
    assert offered(world, "Ada", direct.id) == ["ask"]


# What an option takes


def used(world: World, options: list[Json], values: dict[str, object]) -> object:
    world.register(None, [{"name": "try", "options": options}])
    interaction = world.use_command(general(world), id_of(world, "Ada"), "try", values)
    return interaction.data["options"][0]["value"]


@pytest.mark.parametrize(
    ("option", "given", "sent"),
    [
        ({"type": 3}, "text", "text"),
        ({"type": 4}, "7", 7),
        ({"type": 10}, 0.5, 0.5),
        ({"type": 5}, False, False),
        ({"type": 6}, 123, "123"),
        ({"type": 3, "choices": [{"name": "All", "value": "all"}]}, "all", "all"),
    ],
)
def test_a_value_is_sent_as_its_option_says(world: World, option: Json, given: object, sent: object) -> None:
    assert used(world, [{"name": "x"} | option], {"x": given}) == sent


@pytest.mark.parametrize(
    ("option", "given"),
    [
        ({"type": 4}, "seven"),
        ({"type": 5}, "yes"),
        ({"type": 8}, "nobody"),
        ({"type": 3, "choices": [{"name": "All", "value": "all"}]}, "some"),
        ({"type": 3, "max_length": 3}, "four"),
        ({"type": 4, "min_value": 1}, 0),
    ],
)
def test_what_discord_would_not_send_is_refused(world: World, option: Json, given: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        used(world, [{"name": "x"} | option], {"x": given})


def test_what_is_required_must_be_there_and_what_is_unknown_must_not(world: World) -> None:
    options = [{"name": "x", "type": 3, "required": True}]
    with pytest.raises(ValueError, match="x is required"):
        used(world, options, {})
    with pytest.raises(LookupError):
        used(world, options, {"x": "1", "y": "2"})


def test_a_command_that_has_sub_commands_is_not_used_by_itself(world: World) -> None:
    world.register(None, [{"name": "docs", "options": [{"name": "list", "type": 1}]}])
    with pytest.raises(LookupError):
        world.use_command(general(world), id_of(world, "Ada"), "docs")
    assert world.use_command(general(world), id_of(world, "Ada"), "docs list").path == "docs list"


# What a real client makes of it


class Librarian(discord.Client):
    """A client with ``/docs list``, ``/docs look at`` and what it heard through them."""

    def __init__(self) -> None:
        super().__init__(intents=discord.Intents.default(), guild_ready_timeout=0.05)
        self.tree = app_commands.CommandTree(self)
        self.heard: asyncio.Queue[Any] = asyncio.Queue()
        docs = app_commands.Group(name="docs", description="Documents")
        look = app_commands.Group(name="look", description="Look", parent=docs)

        @docs.command(name="list", description="List them")
        async def listed(interaction: discord.Interaction, collection: str, page: int = 1, of: str = "") -> None:
            await interaction.response.send_message("listed", ephemeral=True)
            self.heard.put_nowait((collection, page, of))

        @listed.autocomplete("collection")
        async def suggest(interaction: discord.Interaction, current: str) -> list[app_commands.Choice[str]]:
            self.heard.put_nowait((current, interaction.namespace.page, interaction.user.name))
            names = ["handbook", "hardware", "payroll"]
            return [app_commands.Choice(name=n.title(), value=n) for n in names if n.startswith(current)]

        @listed.autocomplete("of")
        async def never(_: discord.Interaction, __: str) -> list[app_commands.Choice[str]]:
            await asyncio.sleep(60)
            return []

        @look.command(name="at", description="Look at")
        async def at(
            interaction: discord.Interaction,
            member: discord.Member,
            channel: discord.TextChannel,
            role: discord.Role,
            much: app_commands.Range[float, 0, 1],
            deep: bool,
        ) -> None:
            await interaction.response.send_message("seen", ephemeral=True)
            self.heard.put_nowait((member, channel, role, much, deep))

        self.suggesting: list[object] = [suggest, never]
        assert at.name == "at"
        self.tree.add_command(docs)

    async def next(self) -> Any:
        async with asyncio.timeout(10):
            return await self.heard.get()


async def test_a_client_is_given_members_channels_and_roles_and_the_rest_as_typed() -> None:
    client = Librarian()
    async with StandIn() as standin, connected(client, standin):
        await client.tree.sync()
        world, (guild,) = standin.world, client.guilds
        role = discord.utils.get(guild.roles, name="People team")
        assert role
        options = {
            "member": id_of(world, "Lea"),
            "channel": world.channel_named("random").id,
            "role": role.id,
            "much": 0.5,
            "deep": True,
        }
        world.use_command(general(world), id_of(world, "Ada"), "docs look at", options)
        member, channel, given, much, deep = await client.next()
        assert (member.name, [role.name for role in member.roles]) == ("Lea", ["@everyone", "People team"])
        assert (channel.name, given, much, deep) == ("random", role, 0.5, True)


async def test_the_bots_suggestions_can_be_awaited() -> None:
    client = Librarian()
    async with StandIn() as standin, connected(client, standin):
        await client.tree.sync()
        world, ada = standin.world, id_of(standin.world, "Ada")
        asked = world.complete(general(world), ada, "docs list", {"page": 2, "collection": "ha"}, focused="collection")
        async with asyncio.timeout(10):
            suggested = await world.suggested(asked)
        assert suggested == [{"name": "Handbook", "value": "handbook"}, {"name": "Hardware", "value": "hardware"}]
        assert await client.next() == ("ha", 2, "Ada")
        assert await world.suggested(asked) == suggested
        assert world.messages == {}
        world.use_command(general(world), ada, "docs list", {"collection": "handbook"})
        assert await client.next() == ("handbook", 1, "")


async def test_suggestions_that_do_not_come_within_three_seconds_are_given_up() -> None:
    client = Librarian()
    clock = Clock()
    async with StandIn(clock=clock) as standin, connected(client, standin):
        await client.tree.sync()
        world = standin.world
        asked = world.complete(general(world), id_of(world, "Ada"), "docs list", {}, focused="of")
        waiting = asyncio.create_task(world.suggested(asked))
        await asyncio.sleep(0.05)
        clock.advance(3.1)
        world.sweep()
        with pytest.raises(TimeoutError):
            await waiting


def typed(world: World) -> Interaction:
    option = {"name": "collection", "type": 3, "autocomplete": True}
    world.register(None, [{"name": "list", "options": [option, {"name": "page", "type": 4}]}])
    return world.complete(general(world), id_of(world, "Ada"), "list", {}, focused="collection")


def test_the_option_that_is_typed_is_marked_on_the_wire(world: World) -> None:
    asked = typed(world)
    assert asked.kind is InteractionKind.AUTOCOMPLETE
    assert asked.data["options"] == [{"name": "collection", "type": 3, "value": "", "focused": True}]
    with pytest.raises(LookupError):
        world.complete(general(world), id_of(world, "Ada"), "list", {}, focused="page")


@pytest.mark.parametrize(
    ("kind", "choices"),
    [
        (ResponseKind.CHOICES, [{"name": "x", "value": "x"}] * 26),
        (ResponseKind.CHOICES, [{"name": "x" * 101, "value": "x"}]),
        (ResponseKind.CHOICES, [{"name": "", "value": "x"}]),
        (ResponseKind.MESSAGE, []),
    ],
)
def test_what_is_typed_is_answered_with_at_most_25_short_choices(
    world: World, kind: ResponseKind, choices: list[Json]
) -> None:
    asked = typed(world)
    with pytest.raises(Refusal) as refused:
        world.acknowledge(asked.id, asked.token, kind, {"choices": choices}, Draft(content="words"))
    assert refused.value.code == 50035
    world.acknowledge(asked.id, asked.token, ResponseKind.CHOICES, {"choices": []}, Draft())
    assert asked.choices == []


def test_a_command_is_not_answered_with_choices(world: World) -> None:
    world.register(None, [ASK])
    used = world.use_command(general(world), id_of(world, "Ada"), "ask")
    with pytest.raises(Refusal):
        world.acknowledge(used.id, used.token, ResponseKind.CHOICES, {"choices": []}, Draft())
