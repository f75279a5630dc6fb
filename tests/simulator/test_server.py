from __future__ import annotations

import asyncio
import io
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import discord
import pytest
from discord import app_commands

from bot.simulator.faults import FailureKind, Fault
from bot.simulator.rate_limits import Allowance, Limits
from bot.simulator.server import DiscordSimulator
from bot.simulator.world import (
    Clock,
    Event,
    InteractionAcknowledged,
    InteractionFailed,
    Message,
    MessageEdited,
    Permission,
    RequestAnswered,
    World,
)
from tests.fakes.discord_client import connect_client

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    Answer = Callable[[discord.Interaction], Awaitable[None]]

GENEROUS_LIMITS = Limits(*[Allowance(1_000, 1.0)] * 5)
"""Limits that no test reaches."""


class AskClient(discord.Client):
    """A client with one command, ``/ask``, that answers as it is told to."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(
            intents=discord.Intents.default(),
            allowed_mentions=discord.AllowedMentions.none(),
            guild_ready_timeout=0.05,
        )
        self.tree = app_commands.CommandTree(self)
        self.outcomes: asyncio.Queue[Exception | None] = asyncio.Queue()

        @self.tree.command(description="Ask the documents.")
        async def ask(interaction: discord.Interaction, question: str) -> None:
            assert question
            try:
                await answer(interaction)
            except Exception as fault:  # noqa: BLE001 - a test looks at whatever came
                self.outcomes.put_nowait(fault)
            else:
                self.outcomes.put_nowait(None)

        assert ask.name == "ask"

    async def next_outcome(self) -> Exception | None:
        """What became of the next answer: None if all went well."""
        async with asyncio.timeout(10):
            return await self.outcomes.get()


async def do_not_answer(_: discord.Interaction) -> None:
    """No answer at all."""


@asynccontextmanager
async def run_ask_client(simulator: DiscordSimulator, answer: Answer) -> AsyncGenerator[AskClient]:
    """A client that is connected, knows its command, and has just been asked by Ada in #general."""
    client = AskClient(answer)
    async with connect_client(client, simulator):
        await client.tree.sync()
        use_ask(simulator.world)
        yield client


def use_ask(world: World) -> None:
    world.people.use_command(world.find_channel("general").id, world.find_user("Ada").id, "ask", {"question": "why?"})


def list_messages(simulator: DiscordSimulator) -> list[Message]:
    return simulator.world.history(simulator.world.find_channel("general").id)


def find_general(client: discord.Client) -> discord.TextChannel:
    (channel,) = (channel for channel in client.guilds[0].text_channels if channel.name == "general")
    return channel


def list_statuses(simulator: DiscordSimulator, method: str, route: str) -> list[int]:
    return [r.status for r in simulator.requests if r.method == method and r.route.endswith(route)]


# What an unmodified client does


async def test_a_command_is_synced_answered_and_edited() -> None:
    async def answer(interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True)
        for text in ("be", "because", "because of that"):
            await interaction.edit_original_response(content=text)
        await interaction.followup.send("and more", suppress_embeds=True)

    async with DiscordSimulator(limits=GENEROUS_LIMITS) as simulator, run_ask_client(simulator, answer) as client:
        assert await client.next_outcome() is None
        first, second = list_messages(simulator)
        assert [state.content for state in first.states] == ["", "be", "because", "because of that"]
        assert first.current_state.allowed_mentions == {"parse": []}
        assert (second.current_state.content, second.current_state.sent_flags) == ("and more", 4)
        assert "/webhooks/{app}/{token}/messages/{message}" in {request.route for request in simulator.requests}


async def test_an_answer_can_be_given_at_once_read_and_deleted() -> None:
    async def answer(interaction: discord.Interaction) -> None:
        response = await interaction.response.send_message("because")
        original = await interaction.original_response()
        assert response.message_id == original.id
        assert original.content == "because"
        more = await interaction.followup.send("more", wait=True)
        await more.edit(content="much more")
        await interaction.delete_original_response()

    async with DiscordSimulator(limits=GENEROUS_LIMITS) as simulator, run_ask_client(simulator, answer) as client:
        assert await client.next_outcome() is None
        assert [message.current_state.content for message in list_messages(simulator)] == ["much more"]


async def test_commands_are_registered_for_a_guild_and_read_back() -> None:
    client = AskClient(do_not_answer)
    async with DiscordSimulator() as simulator, connect_client(client, simulator):
        guild = client.guilds[0]
        client.tree.copy_global_to(guild=guild)
        synced = await client.tree.sync(guild=guild)
        assert [command.name for command in await client.tree.fetch_commands(guild=guild)] == ["ask"]
        assert await client.tree.fetch_commands() == []
        await synced[0].delete()
        assert await client.tree.fetch_commands(guild=guild) == []
        with pytest.raises(discord.NotFound):
            await synced[0].delete()


async def test_messages_are_sent_edited_read_and_deleted_in_a_channel() -> None:
    client = AskClient(do_not_answer)
    async with DiscordSimulator(limits=GENEROUS_LIMITS) as simulator, connect_client(client, simulator):
        channel = find_general(client)
        question = simulator.world.people.say(channel.id, simulator.world.find_user("Ada").id, "why?")
        message = await channel.send("one", reference=channel.get_partial_message(question.id), suppress_embeds=True)
        await channel.get_partial_message(message.id).edit(content="two")
        await message.edit(content="three", suppress=True)
        await message.add_reaction("👍")
        again = await channel.fetch_message(message.id)
        assert (again.content, again.flags.suppress_embeds) == ("three", True)
        assert again.reference is not None
        assert again.reference.message_id == question.id
        assert [str(reaction.emoji) for reaction in again.reactions] == ["👍"]
        assert [m.id async for m in channel.history()] == [message.id, question.id]
        await message.delete()
        assert list_messages(simulator) == [simulator.world.messages[question.id]]


@pytest.mark.parametrize("text", ["half a \ud83d pair", "null \x00 byte", "e\u0301 and \u202e", "two\u2028lines"])
async def test_text_of_any_kind_arrives_as_it_was_sent(text: str) -> None:
    client = AskClient(do_not_answer)
    async with DiscordSimulator() as simulator, connect_client(client, simulator):
        message = await find_general(client).send(text)
        assert (message.content, list_messages(simulator)[0].current_state.content) == (text, text)


async def test_one_command_is_added_beside_the_others() -> None:
    async with DiscordSimulator() as simulator, aiohttp.ClientSession(headers=credentials(simulator)) as session:
        simulator.world.bot_api.register_commands(None, [{"name": "ask"}])
        path = f"{simulator.api_url}/applications/{simulator.world.application_id}/commands"
        added = [await (await session.post(path, json={"name": "about"})).json() for _ in range(2)]
        assert added[0]["id"] == added[1]["id"]
        assert [command["name"] for command in simulator.world.commands[None]] == ["ask", "about"]


async def test_typing_threads_and_direct_messages_work() -> None:
    client = AskClient(do_not_answer)
    async with DiscordSimulator(limits=GENEROUS_LIMITS) as simulator, connect_client(client, simulator):
        message = await find_general(client).send("long story")
        thread = await message.create_thread(name="details")
        async with thread.typing():
            await thread.send("in the thread")
        heard = asyncio.create_task(client.wait_for("message", check=lambda message: message.content == "", timeout=5))
        await asyncio.sleep(0)
        simulator.world.people.say(thread.id, simulator.world.find_user("Ada").id, "hello")
        await (await heard).author.send("between us")
        contents = [(m.channel_id == thread.id, m.current_state.content) for m in simulator.world.messages.values()]
        assert contents == [(False, "long story"), (True, "in the thread"), (True, "hello"), (False, "between us")]


async def test_a_file_is_attached_and_can_be_fetched() -> None:
    client = AskClient(do_not_answer)
    async with DiscordSimulator() as simulator, connect_client(client, simulator):
        message = await find_general(client).send(
            "as a file", file=discord.File(io.BytesIO(b"# All of it"), "answer.md")
        )
        (attachment,) = message.attachments
        assert (attachment.filename, await attachment.read()) == ("answer.md", b"# All of it")
        await message.edit(attachments=[discord.File(io.BytesIO(b"new"), "other.md")])
        (state,) = (m.current_state for m in list_messages(simulator))
        assert [(file.filename, file.content) for file in state.attachments] == [("other.md", b"new")]


async def test_a_missing_permission_is_forbidden_and_the_client_knows_of_it() -> None:
    client = AskClient(do_not_answer)
    async with DiscordSimulator() as simulator, connect_client(client, simulator):
        channel = find_general(client)
        assert channel.permissions_for(channel.guild.me).send_messages
        simulator.world.admin.deny(channel.id, simulator.world.bot.id, Permission.SEND_MESSAGES)
        with pytest.raises(discord.Forbidden) as forbidden:
            await channel.send("may I?")
        assert forbidden.value.code == 50013
        assert not channel.permissions_for(channel.guild.me).send_messages


async def test_a_button_opens_a_modal_and_the_modal_is_sent_back() -> None:
    told = asyncio.Queue[str]()

    class Feedback(discord.ui.Modal, title="What was missing?"):
        missing: discord.ui.TextInput[Feedback] = discord.ui.TextInput(label="In a few words", custom_id="missing")

        async def on_submit(self, interaction: discord.Interaction, /) -> None:
            await interaction.response.send_message("thank you", ephemeral=True)
            told.put_nowait(self.missing.value)

    class Buttons(discord.ui.View):
        @discord.ui.button(label="Not helpful", custom_id="down")
        async def down(self, interaction: discord.Interaction, _: discord.ui.Button[Buttons]) -> None:
            await interaction.response.send_modal(Feedback())

    client = AskClient(do_not_answer)
    async with DiscordSimulator() as simulator, connect_client(client, simulator):
        world, ada = simulator.world, simulator.world.find_user("Ada")
        message = await find_general(client).send("because", view=Buttons())
        with world.subscribe() as events:
            pressed = world.people.press(message.id, "down", ada.id)
            async with asyncio.timeout(5):
                while not isinstance(await events.get(), InteractionAcknowledged):
                    pass
        world.people.submit_modal(pressed.id, {"missing": "the price"})
        async with asyncio.timeout(5):
            assert await told.get() == "the price"
        assert list_messages(simulator)[-1].visible_to_user_id == ada.id


async def test_a_button_changes_the_message_it_is_on() -> None:
    class Buttons(discord.ui.View):
        @discord.ui.button(label="Stop", custom_id="stop")
        async def stop_it(self, interaction: discord.Interaction, _: discord.ui.Button[Buttons]) -> None:
            await interaction.response.edit_message(content="stopped", view=None)

    client = AskClient(do_not_answer)
    async with DiscordSimulator() as simulator, connect_client(client, simulator):
        message = await find_general(client).send("because", view=Buttons())
        with simulator.world.subscribe() as events:
            simulator.world.people.press(message.id, "stop", simulator.world.find_user("Ada").id)
            async with asyncio.timeout(5):
                while not isinstance(event := await events.get(), MessageEdited):
                    pass
        assert (event.message.current_state.content, event.message.current_state.components) == ("stopped", ())


async def test_context_menu_shows_content_hidden_without_the_intent() -> None:
    read = asyncio.Queue[str]()
    client = AskClient(do_not_answer)

    @client.tree.context_menu(name="Ask about this")
    async def about(interaction: discord.Interaction, message: discord.Message) -> None:
        await interaction.response.defer(ephemeral=True)
        read.put_nowait(message.content)

    assert about.name == "Ask about this"
    async with DiscordSimulator() as simulator, connect_client(client, simulator):
        await client.tree.sync()
        ada = simulator.world.find_user("Ada")
        said = simulator.world.people.say(find_general(client).id, ada.id, "among ourselves")
        simulator.world.people.use_context_menu(ada.id, "Ask about this", said.id)
        async with asyncio.timeout(5):
            assert await read.get() == "among ourselves"


async def test_a_question_can_be_asked_in_direct_messages() -> None:
    async def answer(interaction: discord.Interaction) -> None:
        assert interaction.guild is None
        await interaction.response.send_message(f"Hello {interaction.user.name}")

    client = AskClient(answer)
    async with DiscordSimulator() as simulator, connect_client(client, simulator):
        await client.tree.sync()
        ada = simulator.world.find_user("Ada")
        direct = simulator.world.bot_api.create_dm(ada.id)
        simulator.world.people.use_command(direct.id, ada.id, "ask", {"question": "why?"})
        assert await client.next_outcome() is None
        assert [message.current_state.content for message in simulator.world.history(direct.id)] == ["Hello Ada"]


# Deadlines


async def test_a_defer_after_three_seconds_finds_no_interaction() -> None:
    clock = Clock()
    told = list[Event]()

    async def answer(interaction: discord.Interaction) -> None:
        clock.advance(3.1)
        await interaction.response.defer(thinking=True)

    async with DiscordSimulator(clock=clock) as simulator, run_ask_client(simulator, answer) as client:
        simulator.world.watch(told.append)
        fault = await client.next_outcome()
        assert isinstance(fault, discord.NotFound)
        assert fault.code == 10062
        assert len([event for event in told if isinstance(event, InteractionFailed)]) == 1


async def test_unanswered_interaction_fails_after_three_seconds() -> None:
    client = AskClient(do_not_answer)
    async with DiscordSimulator() as simulator, connect_client(client, simulator):
        await client.tree.sync()
        with simulator.world.subscribe() as events:
            use_ask(simulator.world)
            async with asyncio.timeout(10):
                while not isinstance(event := await events.get(), InteractionFailed):
                    pass
        assert event.time - event.interaction.created_at > 3.0


async def test_after_fifteen_minutes_the_token_is_dead_and_the_bots_own_token_still_edits() -> None:
    clock = Clock()

    async def answer(interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True)
        message = await interaction.edit_original_response(content="half")
        clock.advance(15 * 60 + 1)
        with pytest.raises(discord.HTTPException) as dead:
            await interaction.edit_original_response(content="whole")
        assert (dead.value.status, dead.value.code) == (401, 50027)
        assert isinstance(interaction.channel, discord.TextChannel)
        await interaction.channel.get_partial_message(message.id).edit(content="whole")

    async with DiscordSimulator(clock=clock) as simulator, run_ask_client(simulator, answer) as client:
        assert await client.next_outcome() is None
        assert [state.content for state in list_messages(simulator)[0].states] == ["", "half", "whole"]


# Limits


async def test_burst_of_edits_waits_in_the_call_that_uses_up_the_window() -> None:
    async def answer(interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True)
        for place in range(6):
            await interaction.edit_original_response(content=str(place))

    limits = Limits(response_edit=Allowance(5, 0.5))
    async with DiscordSimulator(limits=limits) as simulator, run_ask_client(simulator, answer) as client:
        assert await client.next_outcome() is None
        times = [state.time for state in list_messages(simulator)[0].states[1:]]
        assert times[5] - times[0] >= 0.5
        assert 429 not in list_statuses(simulator, "PATCH", "/messages/{message}")


async def test_client_retries_a_429_for_a_window_used_up_by_another() -> None:
    client = AskClient(do_not_answer)
    async with (
        DiscordSimulator(limits=Limits(message_create=Allowance(3, 1.0))) as simulator,
        connect_client(client, simulator),
    ):
        await find_general(client).send("one")
        path = f"{simulator.api_url}/channels/{find_general(client).id}/messages"
        async with aiohttp.ClientSession(headers=credentials(simulator)) as other:
            for text in ("two", "three"):
                await (await other.post(path, json={"content": text})).read()
        await find_general(client).send("four")
        assert list_statuses(simulator, "POST", "/messages") == [200, 200, 200, 429, 200]
        times = [message.created_at for message in list_messages(simulator)]
        assert times[3] - times[0] > 0.9  # the window opens when "one" arrives, which is before it is shown


async def test_creating_and_editing_share_a_hash_but_count_separately() -> None:
    async with DiscordSimulator() as simulator, aiohttp.ClientSession(headers=credentials(simulator)) as session:
        channel = f"{simulator.api_url}/channels/{simulator.world.find_channel('general').id}/messages"
        created = [await session.post(channel, json={"content": "hello"}) for _ in range(5)]
        assert [response.headers["X-RateLimit-Remaining"] for response in created] == ["4", "3", "2", "1", "0"]
        message = (await created[-1].json())["id"]
        async with session.patch(f"{channel}/{message}", json={"content": "edited"}) as edited:
            assert edited.headers["X-RateLimit-Remaining"] == "4"
            assert edited.headers["X-RateLimit-Bucket"] == created[0].headers["X-RateLimit-Bucket"]
        async with session.post(channel, json={"content": "hello"}) as refused:
            assert refused.status == 429
            assert refused.headers["Content-Type"] == "application/json"
            body = await refused.json()
            assert body["retry_after"] == pytest.approx(float(refused.headers["X-RateLimit-Reset-After"]))


def credentials(simulator: DiscordSimulator) -> dict[str, str]:
    return {"Authorization": f"Bot {simulator.world.token}"}


# Faults


async def test_a_500_is_tried_again_by_the_client_and_a_503_is_not() -> None:
    client = AskClient(do_not_answer)
    async with DiscordSimulator() as simulator, connect_client(client, simulator):
        simulator.faults.add(Fault(FailureKind.STATUS, "POST", r"/messages$", status=500))
        await find_general(client).send("after a second")
        simulator.faults.add(Fault(FailureKind.STATUS, "POST", r"/messages$", status=503))
        with pytest.raises(discord.DiscordServerError):
            await find_general(client).send("never")
        assert list_statuses(simulator, "POST", "/messages") == [500, 200, 503]


async def test_lost_response_leaves_the_request_applied() -> None:
    client = AskClient(do_not_answer)
    async with DiscordSimulator() as simulator, connect_client(client, simulator):
        simulator.faults.add(Fault(FailureKind.RESET, "POST", r"/messages$", is_applied=True))
        with pytest.raises(aiohttp.ClientError):
            await find_general(client).send("done", nonce=7)
        sent = await find_general(client).send("done", nonce=7)
        assert [message.id for message in list_messages(simulator)] == [sent.id]


async def test_connection_reset_leaves_the_request_unapplied() -> None:
    client = AskClient(do_not_answer)
    async with DiscordSimulator() as simulator, connect_client(client, simulator):
        simulator.faults.add(Fault(FailureKind.RESET, "POST", r"/messages$"))
        with pytest.raises(aiohttp.ClientOSError, match="reset by peer"):
            await find_general(client).send("lost")
        assert list_messages(simulator) == []


async def test_a_request_that_hangs_is_given_up_by_whoever_asked() -> None:
    client = AskClient(do_not_answer)
    async with DiscordSimulator() as simulator, connect_client(client, simulator):
        simulator.faults.add(Fault(FailureKind.HANG, "POST", r"/messages$", is_applied=True))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await find_general(client).send("are you there?")
        assert simulator.requests[-1].status == 0
        assert [message.current_state.content for message in list_messages(simulator)] == ["are you there?"]


async def test_html_error_page_of_a_proxy_is_no_json() -> None:
    client = AskClient(do_not_answer)
    async with DiscordSimulator() as simulator, connect_client(client, simulator):
        simulator.faults.add(Fault(FailureKind.HTML_PAGE, "POST", r"/messages$", status=503))
        with pytest.raises(discord.DiscordServerError, match="upstream"):
            await find_general(client).send("never")


async def test_an_unannounced_429_is_waited_out() -> None:
    async def answer(interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True)
        await interaction.edit_original_response(content="because")

    async with DiscordSimulator() as simulator:
        simulator.faults.add(Fault(FailureKind.RATE_LIMITED, "PATCH", r"/@original$", times=2, retry_after=0.1))
        async with run_ask_client(simulator, answer) as client:
            assert await client.next_outcome() is None
            assert list_statuses(simulator, "PATCH", "/messages/{message}") == [429, 429, 200]


async def test_fault_hits_only_matching_requests_and_only_its_times() -> None:
    async with DiscordSimulator() as simulator, aiohttp.ClientSession(headers=credentials(simulator)) as session:
        simulator.faults.add(Fault(FailureKind.STATUS, "GET", r"^/users/@me$", times=2, status=502))
        seen = list[tuple[str, int]]()
        for path in ("/users/@me", "/gateway", "/users/@me", "/users/@me"):
            async with session.get(simulator.api_url + path) as response:
                seen.append((path, response.status))
        assert seen == [("/users/@me", 502), ("/gateway", 200), ("/users/@me", 502), ("/users/@me", 200)]


async def test_latency_applies_in_each_direction() -> None:
    async with DiscordSimulator(latency=0.05) as simulator, aiohttp.ClientSession() as session:
        loop = asyncio.get_running_loop()
        started = loop.time()
        async with session.get(f"{simulator.api_url}/gateway") as response:
            assert (await response.json())["url"] == simulator.gateway_url
        assert loop.time() - started == pytest.approx(0.1)


# The wire


async def test_every_request_is_recorded_with_its_body_and_emitted_without_ids() -> None:
    told = list[Event]()
    async with DiscordSimulator() as simulator, aiohttp.ClientSession(headers=credentials(simulator)) as session:
        simulator.world.watch(told.append)
        path = f"/channels/{simulator.world.find_channel('general').id}/messages"
        async with session.post(simulator.api_url + path, json={"content": ""}) as response:
            assert (await response.json())["code"] == 50006
        (request,) = simulator.requests
        assert (request.method, request.route, request.path) == ("POST", "/channels/{channel}/messages", path)
        assert (request.body, request.status, request.code) == ({"content": ""}, 400, 50006)
        assert [(e.route, e.status) for e in told if isinstance(e, RequestAnswered)] == [(request.route, 400)]


@pytest.mark.parametrize("token", ["", "Bot wrong", "Bearer right"])
async def test_request_without_the_token_is_refused(token: str) -> None:
    async with DiscordSimulator() as simulator, aiohttp.ClientSession() as session:
        headers = {"Authorization": token.replace("right", simulator.world.token)}
        async with session.get(f"{simulator.api_url}/users/@me", headers=headers) as response:
            assert (response.status, (await response.json())["message"]) == (401, "401: Unauthorized")


@pytest.mark.parametrize("path", ["/api/v10/voice/regions", "/api/v9/users/@me", "/"])
async def test_unknown_route_is_not_found_and_recorded(path: str) -> None:
    async with DiscordSimulator() as simulator, aiohttp.ClientSession() as session:
        async with session.get(simulator.api_url.removesuffix("/api/v10") + path) as response:
            assert response.status == 404
        assert [request.route for request in simulator.requests] == ["(unknown)"]


async def test_simulator_listens_on_loopback_only() -> None:
    async with DiscordSimulator() as simulator:
        assert simulator.api_url.startswith("http://127.0.0.1:")
        assert simulator.gateway_url.startswith("ws://127.0.0.1:")


async def test_content_is_hidden_from_a_bot_without_the_intent_unless_it_is_meant() -> None:
    async with DiscordSimulator() as simulator, aiohttp.ClientSession(headers=credentials(simulator)) as session:
        world = simulator.world
        channel, ada = world.find_channel("general").id, world.find_user("Ada").id
        own = world.people.say(channel, world.bot.id, "of the bot")
        texts = ["among ourselves", f"<@{world.bot.id}> why?"]
        said = [
            own,
            *(world.people.say(channel, ada, text) for text in texts),
            world.people.say(channel, ada, "and", reply_to=own.id),
        ]
        seen = list[Any]()
        for message in said:
            async with session.get(f"{simulator.api_url}/channels/{channel}/messages/{message.id}") as response:
                seen.append((await response.json())["content"])
        assert seen == ["of the bot", "", texts[1], "and"]


async def test_a_member_can_be_looked_up_in_a_guild_of_the_bots() -> None:
    async with (
        DiscordSimulator() as simulator,
        aiohttp.ClientSession(headers={"Authorization": f"Bot {simulator.world.token}"}) as http,
    ):
        world = simulator.world
        guild = world.find_channel("general").guild_id
        async with http.get(f"{simulator.api_url}/guilds/{guild}/members/{world.find_user('Ada').id}") as found:
            member = await found.json()
        async with http.get(f"{simulator.api_url}/guilds/{guild}/members/1") as missing:
            refused = await missing.json()
    assert member["user"]["username"] == "Ada"
    assert refused["code"] == 10_007
