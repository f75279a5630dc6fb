"""Commands as people use them: who is offered which, what an option takes, what the bot suggests while one is typed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import discord
import pytest
from discord import app_commands

from bot.simulator.message_drafts import ApiError, Draft
from bot.simulator.server import DiscordSimulator
from bot.simulator.world import Clock, InteractionKind, Permission, ResponseKind, World
from tests.fakes.discord_client import connect_client

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
    return World.create_default(clock=clock)


def find_general_id(world: World) -> int:
    return world.find_channel("general").id


def find_user_id(world: World, name: str) -> int:
    return world.find_user(name).id


def list_offered(world: World, who: str, channel: int | None = None) -> list[str]:
    return [
        command["name"]
        for command in world.list_offered_commands(find_user_id(world, who), channel or find_general_id(world))
    ]


# Who is offered a command


def test_a_command_is_offered_to_whom_its_default_permissions_name(world: World) -> None:
    world.bot_api.register_commands(None, [ASK, REINDEX])
    assert list_offered(world, "Ada") == ["ask"]
    assert list_offered(world, "Mia") == ["ask", "reindex"]
    assert list_offered(world, "Owner") == ["ask", "reindex"]


def test_command_without_default_permissions_is_offered_to_administrators_only(world: World) -> None:
    world.bot_api.register_commands(None, [ASK | {"default_member_permissions": "0"}])
    assert (list_offered(world, "Mia"), list_offered(world, "Owner")) == ([], ["ask"])


def test_command_permissions_of_a_guild_override_the_default(world: World) -> None:
    guild = next(iter(world.guilds.values()))
    world.bot_api.register_commands(guild.id, [REINDEX])
    world.admin.set_command_permission(guild.id, "reindex", guild.id)
    assert list_offered(world, "Ada") == ["reindex"]
    world.admin.set_command_permission(guild.id, "reindex", find_user_id(world, "Ada"), is_offered=False)
    assert (list_offered(world, "Ada"), list_offered(world, "Ben")) == ([], ["reindex"])
    (team,) = (role.id for role in guild.roles.values() if role.name == "People team")
    world.admin.set_command_permission(guild.id, "reindex", team, is_offered=False)
    assert list_offered(world, "Lea") == []
    assert world.people.use_command(
        find_general_id(world), find_user_id(world, "Lea"), "reindex"
    ).user_id == find_user_id(world, "Lea")


def test_no_command_is_offered_without_the_permission_to_use_commands(world: World) -> None:
    world.bot_api.register_commands(None, [ASK])
    world.admin.deny(find_general_id(world), next(iter(world.guilds)), Permission.USE_APPLICATION_COMMANDS)
    assert list_offered(world, "Ada") == []
    assert list_offered(world, "Owner") == ["ask"]


def test_direct_messages_offer_only_commands_with_that_context(world: World) -> None:
    world.bot_api.register_commands(None, [ASK, REINDEX | {"contexts": [0]}, {"name": "old", "dm_permission": False}])
    world.bot_api.register_commands(next(iter(world.guilds)), [{"name": "here"}])
    direct = world.bot_api.create_dm(find_user_id(world, "Ada"))
    assert list_offered(world, "Ada", direct.id) == ["ask"]


# What an option takes


def send_options(world: World, options: list[Json], values: dict[str, object]) -> object:
    world.bot_api.register_commands(None, [{"name": "try", "options": options}])
    interaction = world.people.use_command(find_general_id(world), find_user_id(world, "Ada"), "try", values)
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
def test_option_value_is_sent_in_its_declared_type(world: World, option: Json, given: object, sent: object) -> None:
    assert send_options(world, [{"name": "x"} | option], {"x": given}) == sent


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
def test_invalid_option_value_is_refused(world: World, option: Json, given: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        send_options(world, [{"name": "x"} | option], {"x": given})


def test_required_options_must_be_given_and_unknown_ones_are_refused(world: World) -> None:
    options = [{"name": "x", "type": 3, "required": True}]
    with pytest.raises(ValueError, match="x is required"):
        send_options(world, options, {})
    with pytest.raises(LookupError):
        send_options(world, options, {"x": "1", "y": "2"})


def test_a_command_that_has_sub_commands_is_not_used_by_itself(world: World) -> None:
    world.bot_api.register_commands(None, [{"name": "docs", "options": [{"name": "list", "type": 1}]}])
    with pytest.raises(LookupError):
        world.people.use_command(find_general_id(world), find_user_id(world, "Ada"), "docs")
    assert world.people.use_command(find_general_id(world), find_user_id(world, "Ada"), "docs list").path == "docs list"


# What a real client makes of it


class DocsClient(discord.Client):
    """A client with ``/docs list``, ``/docs look at`` and what it heard through them."""

    def __init__(self) -> None:
        super().__init__(intents=discord.Intents.default(), guild_ready_timeout=0.05)
        self.tree = app_commands.CommandTree(self)
        self.received: asyncio.Queue[Any] = asyncio.Queue()
        docs = app_commands.Group(name="docs", description="Documents")
        look = app_commands.Group(name="look", description="Look", parent=docs)

        @docs.command(name="list", description="List them")
        async def list_documents(
            interaction: discord.Interaction, collection: str, page: int = 1, of: str = ""
        ) -> None:
            await interaction.response.send_message("listed", ephemeral=True)
            self.received.put_nowait((collection, page, of))

        @list_documents.autocomplete("collection")
        async def suggest(interaction: discord.Interaction, current: str) -> list[app_commands.Choice[str]]:
            self.received.put_nowait((current, interaction.namespace.page, interaction.user.name))
            names = ["handbook", "hardware", "payroll"]
            return [app_commands.Choice(name=n.title(), value=n) for n in names if n.startswith(current)]

        @list_documents.autocomplete("of")
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
            self.received.put_nowait((member, channel, role, much, deep))

        self.autocompletes: list[object] = [suggest, never]
        assert at.name == "at"
        self.tree.add_command(docs)

    async def next_received(self) -> Any:
        async with asyncio.timeout(10):
            return await self.received.get()


async def test_a_client_is_given_members_channels_and_roles_and_the_rest_as_typed() -> None:
    client = DocsClient()
    async with DiscordSimulator() as simulator, connect_client(client, simulator):
        await client.tree.sync()
        world, (guild,) = simulator.world, client.guilds
        role = discord.utils.get(guild.roles, name="People team")
        assert role
        options = {
            "member": find_user_id(world, "Lea"),
            "channel": world.find_channel("random").id,
            "role": role.id,
            "much": 0.5,
            "deep": True,
        }
        world.people.use_command(find_general_id(world), find_user_id(world, "Ada"), "docs look at", options)
        member, channel, given, much, deep = await client.next_received()
        assert (member.name, [role.name for role in member.roles]) == ("Lea", ["@everyone", "People team"])
        assert (channel.name, given, much, deep) == ("random", role, 0.5, True)


async def test_autocomplete_choices_can_be_awaited() -> None:
    client = DocsClient()
    async with DiscordSimulator() as simulator, connect_client(client, simulator):
        await client.tree.sync()
        world, ada = simulator.world, find_user_id(simulator.world, "Ada")
        asked = world.people.autocomplete(
            find_general_id(world), ada, "docs list", {"page": 2, "collection": "ha"}, focused="collection"
        )
        async with asyncio.timeout(10):
            suggested = await world.people.wait_for_choices(asked)
        assert suggested == [{"name": "Handbook", "value": "handbook"}, {"name": "Hardware", "value": "hardware"}]
        assert await client.next_received() == ("ha", 2, "Ada")
        assert await world.people.wait_for_choices(asked) == suggested
        assert world.messages == {}
        world.people.use_command(find_general_id(world), ada, "docs list", {"collection": "handbook"})
        assert await client.next_received() == ("handbook", 1, "")


async def test_autocomplete_times_out_after_three_seconds() -> None:
    client = DocsClient()
    clock = Clock()
    async with DiscordSimulator(clock=clock) as simulator, connect_client(client, simulator):
        await client.tree.sync()
        world = simulator.world
        asked = world.people.autocomplete(
            find_general_id(world), find_user_id(world, "Ada"), "docs list", {}, focused="of"
        )
        waiting = asyncio.create_task(world.people.wait_for_choices(asked))
        await asyncio.sleep(0.05)
        clock.advance(3.1)
        world.fail_overdue_interactions()
        with pytest.raises(TimeoutError):
            await waiting


def start_autocomplete(world: World) -> Interaction:
    option = {"name": "collection", "type": 3, "autocomplete": True}
    world.bot_api.register_commands(None, [{"name": "list", "options": [option, {"name": "page", "type": 4}]}])
    return world.people.autocomplete(
        find_general_id(world), find_user_id(world, "Ada"), "list", {}, focused="collection"
    )


def test_focused_option_is_marked_in_the_json(world: World) -> None:
    asked = start_autocomplete(world)
    assert asked.kind is InteractionKind.AUTOCOMPLETE
    assert asked.data["options"] == [{"name": "collection", "type": 3, "value": "", "focused": True}]
    with pytest.raises(LookupError):
        world.people.autocomplete(find_general_id(world), find_user_id(world, "Ada"), "list", {}, focused="page")


@pytest.mark.parametrize(
    ("kind", "choices"),
    [
        (ResponseKind.CHOICES, [{"name": "x", "value": "x"}] * 26),
        (ResponseKind.CHOICES, [{"name": "x" * 101, "value": "x"}]),
        (ResponseKind.CHOICES, [{"name": "", "value": "x"}]),
        (ResponseKind.MESSAGE, []),
    ],
)
def test_autocomplete_takes_at_most_25_short_choices(world: World, kind: ResponseKind, choices: list[Json]) -> None:
    asked = start_autocomplete(world)
    with pytest.raises(ApiError) as refused:
        world.interaction_api.acknowledge(asked.id, asked.token, kind, {"choices": choices}, Draft(content="words"))
    assert refused.value.code == 50035
    world.interaction_api.acknowledge(asked.id, asked.token, ResponseKind.CHOICES, {"choices": []}, Draft())
    assert asked.choices == []


def test_autocomplete_choices_are_refused_for_a_command(world: World) -> None:
    world.bot_api.register_commands(None, [ASK])
    used = world.people.use_command(find_general_id(world), find_user_id(world, "Ada"), "ask")
    with pytest.raises(ApiError):
        world.interaction_api.acknowledge(used.id, used.token, ResponseKind.CHOICES, {"choices": []}, Draft())
