"""Selects below messages, and forms with everything that can stand in one, as a real client reads them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import discord
import pytest
from discord import app_commands, ui

from bot.simulator.components import build_component_data, build_modal_components
from bot.simulator.message_drafts import Attachment, Draft
from bot.simulator.server import DiscordSimulator
from bot.simulator.world import InteractionAcknowledged, ResponseKind, World
from tests.fakes.discord_client import connect_client

if TYPE_CHECKING:
    from bot.simulator.message_drafts import Json
    from bot.simulator.world import Interaction


class AddModal(ui.Modal, title="Add documents"):
    """A file, and something of each kind to choose."""

    def __init__(self, submitted: asyncio.Queue[Any]) -> None:
        super().__init__(custom_id="add")
        self._submitted = submitted
        options = [discord.SelectOption(label="Handbook", value="handbook"), discord.SelectOption(label="Payroll")]
        self.files = ui.FileUpload[AddModal](custom_id="files", min_values=1, max_values=10)
        self.where = ui.Select[AddModal](custom_id="where", options=options)
        self.whose = ui.RoleSelect[AddModal](custom_id="whose", max_values=2, required=False)
        self.whom = ui.UserSelect[AddModal](custom_id="whom", required=False)
        self.place = ui.ChannelSelect[AddModal](custom_id="place", required=False)
        self.parts = (self.files, self.where, self.whose, self.whom, self.place)
        for part in self.parts:
            self.add_item(ui.Label(text="A part", component=part))

    async def on_submit(self, interaction: discord.Interaction, /) -> None:
        await interaction.response.send_message("thank you", ephemeral=True)
        self._submitted.put_nowait([part.values for part in self.parts])


class ModalClient(discord.Client):
    """A client whose ``/add`` opens the form."""

    def __init__(self) -> None:
        super().__init__(intents=discord.Intents.default(), guild_ready_timeout=0.05)
        self.tree = app_commands.CommandTree(self)
        self.submitted: asyncio.Queue[Any] = asyncio.Queue()

        @self.tree.command(description="Add documents")
        async def add(interaction: discord.Interaction) -> None:
            await interaction.response.send_modal(AddModal(self.submitted))

        assert add.name == "add"


def find_user_id(world: World, name: str) -> int:
    return world.find_user(name).id


async def open_modal(world: World) -> Interaction:
    """Mia has used ``/add`` and looks at the form."""
    with world.subscribe() as events:
        used = world.people.use_command(world.find_channel("general").id, find_user_id(world, "Mia"), "add")
        async with asyncio.timeout(10):
            while not isinstance(await events.get(), InteractionAcknowledged):
                pass
    return used


async def test_files_and_choices_of_every_kind_come_back_from_a_form() -> None:
    client = ModalClient()
    async with DiscordSimulator() as simulator, connect_client(client, simulator):
        await client.tree.sync()
        world = simulator.world
        used = await open_modal(world)
        roles = next(iter(world.guilds.values())).roles
        files = [Attachment("a.md", b"# A"), Attachment("b.md", b"# B")]
        values = {
            "files": files,
            "where": "handbook",
            "whose": list(roles),
            "whom": find_user_id(world, "Lea"),
            "place": world.find_channel("help").id,
        }
        world.people.submit_modal(used.id, values)
        async with asyncio.timeout(10):
            given, where, whose, whom, place = await client.submitted.get()
        assert [(file.filename, await file.read()) for file in given] == [("a.md", b"# A"), ("b.md", b"# B")]
        assert where == ["handbook"]
        assert {role.name for role in whose} == {"Admins", "People team"}
        assert [member.name for member in whom] == ["Lea"]
        assert [channel.name for channel in place] == ["help"]


async def test_a_form_that_lacks_what_is_required_cannot_be_sent() -> None:
    client = ModalClient()
    async with DiscordSimulator() as simulator, connect_client(client, simulator):
        await client.tree.sync()
        world = simulator.world
        used = await open_modal(world)
        with pytest.raises(ValueError, match="1 to 10"):
            world.people.submit_modal(used.id, {"where": "handbook"})
        with pytest.raises(LookupError):
            world.people.submit_modal(used.id, {"where": "elsewhere", "files": [Attachment("a.md", b"a")]})


async def test_selects_below_a_message_send_the_chosen_values() -> None:
    told: asyncio.Queue[Any] = asyncio.Queue()

    class Selects(ui.View):
        @ui.select(custom_id="page", options=[discord.SelectOption(label="1"), discord.SelectOption(label="2")])
        async def page(self, interaction: discord.Interaction, select: ui.Select[Selects]) -> None:
            await interaction.response.defer()
            told.put_nowait(select.values)

        @ui.select(cls=ui.UserSelect, custom_id="who", max_values=2)
        async def who(self, interaction: discord.Interaction, select: ui.UserSelect[Selects]) -> None:
            await interaction.response.defer()
            told.put_nowait([user.name for user in select.values])

        @ui.select(cls=ui.RoleSelect, custom_id="role")
        async def role(self, interaction: discord.Interaction, select: ui.RoleSelect[Selects]) -> None:
            await interaction.response.defer()
            told.put_nowait([role.name for role in select.values])

        @ui.select(cls=ui.ChannelSelect, custom_id="place")
        async def place(self, interaction: discord.Interaction, select: ui.ChannelSelect[Selects]) -> None:
            await interaction.response.defer()
            told.put_nowait([channel.name for channel in select.values])

        @ui.select(cls=ui.MentionableSelect, custom_id="either", max_values=2)
        async def either(self, interaction: discord.Interaction, select: ui.MentionableSelect[Selects]) -> None:
            await interaction.response.defer()
            told.put_nowait(sorted(one.name for one in select.values))

    client = discord.Client(intents=discord.Intents.default(), guild_ready_timeout=0.05)
    async with DiscordSimulator() as simulator, connect_client(client, simulator):
        world = simulator.world
        general = client.get_channel(world.find_channel("general").id)
        assert isinstance(general, discord.TextChannel)
        message = await general.send("choose", view=Selects(timeout=None))
        ada, lea = find_user_id(world, "Ada"), find_user_id(world, "Lea")
        (team,) = (r.id for r in next(iter(world.guilds.values())).roles.values() if r.name == "People team")
        for custom_id, chosen, expected in (
            ("page", ["2"], ["2"]),
            ("who", [ada, lea], ["Ada", "Lea"]),
            ("role", [team], ["People team"]),
            ("place", [general.id], ["general"]),
            ("either", [lea, team], ["Lea", "People team"]),
        ):
            world.people.press(message.id, custom_id, ada, chosen)
            assert await asyncio.wait_for(told.get(), 10) == expected


# What comes back, without a client


@pytest.mark.parametrize(
    ("component", "given", "sent"),
    [
        ({"type": 4}, "text", {"value": "text"}),
        ({"type": 4}, None, {"value": ""}),
        ({"type": 21, "options": [{"value": "a"}, {"value": "b", "default": True}]}, "a", {"value": "a"}),
        ({"type": 21, "options": [{"value": "a"}, {"value": "b", "default": True}]}, None, {"value": "b"}),
        ({"type": 21, "required": False, "options": [{"value": "a"}]}, None, {"value": None}),
        ({"type": 22, "options": [{"value": "a"}, {"value": "b"}]}, ["a", "b"], {"values": ["a", "b"]}),
        ({"type": 22, "required": False, "options": [{"value": "a"}]}, None, {"values": []}),
        ({"type": 23}, True, {"value": True}),
        ({"type": 23, "default": True}, None, {"value": True}),
        ({"type": 5, "default_values": [{"id": "7", "type": "user"}]}, None, {"values": ["7"]}),
        ({"type": 5, "required": False, "default_values": [{"id": "7"}]}, "", {"values": []}),
        ({"type": 19, "min_values": None, "max_values": None}, ["7"], {"values": ["7"]}),
        ({"type": 3, "min_values": 0, "options": [{"value": "a"}]}, (), {"values": []}),
    ],
)
def test_each_modal_component_is_sent_back_with_its_value(component: Json, given: object, sent: Json) -> None:
    (back,) = build_modal_components([component | {"custom_id": "x"}], {} if given is None else {"x": given})
    assert {key: value for key, value in back.items() if key not in {"type", "id", "custom_id"}} == sent


@pytest.mark.parametrize("values", [[], ["a", "b"]])
def test_select_enforces_its_min_and_max_values(values: list[str]) -> None:
    select = {"type": 3, "custom_id": "x", "options": [{"value": "a"}, {"value": "b"}]}
    with pytest.raises(ValueError, match="1 to 1"):
        build_component_data(select, values)
    assert build_component_data(select | {"min_values": 0, "max_values": 2}, values)["values"] == values


def test_a_form_is_not_answered_with_another_form() -> None:
    world = World.create_default()
    world.bot_api.register_commands(None, [{"name": "add"}])
    used = world.people.use_command(world.find_channel("general").id, find_user_id(world, "Mia"), "add")
    modal = {"custom_id": "m", "title": "M", "components": []}
    world.interaction_api.acknowledge(used.id, used.token, ResponseKind.MODAL, modal, Draft())
    sent = world.people.submit_modal(used.id, {})
    with pytest.raises(Exception, match="50035"):
        world.interaction_api.acknowledge(sent.id, sent.token, ResponseKind.MODAL, modal, Draft())
