"""The door between a browser and the world: who may come in, what they are told, what they may do."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from aiohttp import ClientSession, ClientTimeout
from yarl import URL

from bot.preview import page as page_module
from bot.preview.page import PreviewPage
from bot.simulator.message_drafts import Draft
from bot.simulator.world import Clock, InteractionCreated, MessageFlag, RequestAnswered, ResponseKind, World
from tests.fakes.browser import TOKEN, Browser

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from bot.simulator.world import Event, Interaction

FILES = Path(page_module.__file__).parent / "page"
ASK = {"name": "ask", "type": 1, "description": "Ask", "options": [{"name": "question", "type": 3}]}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def world(clock: Clock) -> World:
    world = World.create_default(clock=clock)
    world.bot_api.register_commands(next(iter(world.guilds)), [ASK])
    return world


@pytest.fixture
async def browser(world: World) -> AsyncGenerator[Browser, None]:
    page = PreviewPage(world, viewer=world.find_user("Ada"), token=TOKEN, suggestions=["How long does a refund take?"])
    async with page.serve() as url, ClientSession(timeout=ClientTimeout(10)) as session:
        yield Browser(session, url, world)


def defer(world: World, interaction: Interaction) -> None:
    world.interaction_api.acknowledge(interaction.id, interaction.token, ResponseKind.DEFERRED_MESSAGE, None, Draft())


# Who may come in


async def test_the_address_holds_a_random_key_on_loopback(world: World) -> None:
    ada = world.find_user("Ada")
    async with PreviewPage(world, viewer=ada).serve() as one, PreviewPage(world, viewer=ada).serve() as other:
        assert URL(one).host == "127.0.0.1"
        assert len(URL(one).query["key"]) >= 32
        assert URL(one).query["key"] != URL(other).query["key"]


async def test_with_the_key_the_page_opens(browser: Browser) -> None:
    status, text = await browser.get(f"/?key={TOKEN}")
    assert status == 200
    assert "simulated" in text


@pytest.mark.parametrize("path", ["/", "/?key=wrong", "/?key=%F0%9F%97%9D", "/events", "/events?key=wrong", "/nothing"])
async def test_requests_without_the_key_are_refused(browser: Browser, path: str) -> None:
    status, text = await browser.get(path)
    assert (status, text) == (403, "This address lacks its key: open the one that `python -m bot preview` printed.")


@pytest.mark.parametrize("key", [None, "", "wrong"])
async def test_actions_without_the_key_are_refused(browser: Browser, key: str | None) -> None:
    status, _ = await browser.post("/say", {"channel": browser.channel, "text": "hello"}, X_Preview_Key=key)
    assert status == 403
    assert browser.world.messages == {}


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example"])
async def test_requests_for_another_host_name_are_refused(browser: Browser, host: str) -> None:
    for path in ("/?key=" + TOKEN, "/page.js"):
        status, text = await browser.get(path, Host=host)
        assert (status, text) == (403, "This page answers only on 127.0.0.1 and localhost.")


async def test_localhost_is_an_accepted_host_name(browser: Browser) -> None:
    status, _ = await browser.get(f"/?key={TOKEN}", Host=f"localhost:{browser.home_url.port}")
    assert status == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", None])
async def test_actions_from_another_origin_are_refused(browser: Browser, origin: str | None) -> None:
    status, text = await browser.post("/say", {"channel": browser.channel, "text": "hello"}, Origin=origin)
    assert (status, text) == (403, "This request comes from another site.")
    assert browser.world.messages == {}


async def test_events_from_another_origin_are_refused(browser: Browser) -> None:
    status, _ = await browser.get(f"/events?key={TOKEN}", Origin="https://evil.example")
    assert status == 403


@pytest.mark.parametrize("path", [f"/?key={TOKEN}", "/page.js", "/", f"/events?key={TOKEN}", f"/lost.txt?key={TOKEN}"])
async def test_every_response_has_security_headers(browser: Browser, path: str) -> None:
    async with browser.session.get(browser.home_url.join(URL(path))) as response:
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert response.headers["Cache-Control"] == "no-store"


# The page itself


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *(("page.css", "text/css"), ("icon.svg", "image/svg+xml")),
        *((file.name, "text/javascript") for file in sorted(FILES.glob("*.js"))),
    ],
)
async def test_static_files_are_served_with_their_content_type(browser: Browser, name: str, kind: str) -> None:
    async with browser.session.get(browser.home_url.join(URL(f"/{name}"))) as response:
        assert (response.status, response.content_type) == (200, kind)
        assert await response.text() == (FILES / name).read_text()


def test_the_page_names_no_address_off_this_machine() -> None:
    xml_name = "http://www.w3.org/2000/svg"
    for file in FILES.iterdir():
        text = file.read_text().replace(xml_name, "")
        assert re.findall(r"https?:|//[a-z0-9-]+\.[a-z]|url\(|@import", text) == [], file.name


def test_the_page_has_nothing_that_its_own_policy_forbids() -> None:
    text = (FILES / "index.html").read_text()
    assert re.findall(r"\sstyle=|\son\w+=|<style|<script(?![^>]*\ssrc=)", text) == []


def test_every_id_that_the_script_looks_for_is_on_the_page() -> None:
    scripts = [file.read_text() for file in FILES.glob("*.js")]
    wanted = {name for script in scripts for name in re.findall(r'byId\("([a-z-]+)"\)', script)}
    present = set(re.findall(r'\sid="([a-z-]+)"', (FILES / "index.html").read_text()))
    assert wanted - present == set()


# What a browser is told


async def test_the_stream_begins_with_everything_there_is(browser: Browser) -> None:
    ada = browser.world.find_user("Ada")
    browser.world.people.say(int(browser.channel), ada.id, "**hello**")
    async with browser.events() as events:
        state = await events.next()
    assert state["type"] == "state"
    assert state["suggestions"] == ["How long does a refund take?"]
    assert [channel["name"] for channel in state["place"]["channels"]] == ["general", "random", "help"]
    assert [command["name"] for command in state["place"]["commands"]] == ["ask"]
    assert state["place"]["viewer"]["name"] == "Ada"
    (message,) = state["messages"]
    assert message["author"]["initials"] == "A"
    assert message["states"][0]["html"] == "<p><strong>hello</strong></p>\n"


async def test_each_edit_arrives_once_with_its_time_since_the_question(
    browser: Browser, world: World, clock: Clock
) -> None:
    async with browser.events() as events:
        await events.next("state")
        interaction = world.people.use_command(
            int(browser.channel), world.find_user("Ada").id, "ask", {"question": "Why?"}
        )
        clock.advance(0.5)
        defer(world, interaction)
        first = (await events.next("message"))["message"]
        clock.advance(1.0)
        world.interaction_api.edit_response(interaction.token, None, Draft(content="Because"))
        clock.advance(1.0)
        world.interaction_api.edit_response(interaction.token, None, Draft(content="Because **so**."))
        second, third = [(await events.next("message"))["message"] for _ in range(2)]
    assert first["used"]["command"] == "ask"
    assert first["used"]["text"] == "Why?"
    assert first["used"]["user"]["name"] == "Ada"
    assert [state["is_thinking"] for state in first["states"]] == [True]
    assert first["states"][0]["after"] == pytest.approx(0.5, abs=0.2)
    told = [*second["states"], *third["states"]]
    assert [state["html"] for state in told] == ["<p>Because</p>\n", "<p>Because <strong>so</strong>.</p>\n"]
    assert [state["after"] for state in told] == pytest.approx([1.5, 2.5], abs=0.2)
    assert [first["is_edited"], third["is_edited"]] == [False, True]


async def test_late_browser_receives_all_earlier_states(browser: Browser, world: World) -> None:
    interaction = world.people.use_command(int(browser.channel), world.find_user("Ada").id, "ask", {"question": "Why?"})
    defer(world, interaction)
    for content in ("a", "ab", "abc"):
        world.interaction_api.edit_response(interaction.token, None, Draft(content=content))
    async with browser.events() as events:
        (message,) = (await events.next("state"))["messages"]
    assert len(message["states"]) == 4


async def test_deletion_is_streamed_and_earlier_states_stay(browser: Browser, world: World) -> None:
    message = world.people.say(int(browser.channel), world.find_user("Ada").id, "oops")
    async with browser.events() as events:
        await events.next("state")
        world.delete(message.id)
        told = (await events.next("message"))["message"]
    assert (told["is_deleted"], told["since"], told["states"]) == (True, 1, [])


async def test_unanswered_command_fails_after_three_seconds(browser: Browser, world: World, clock: Clock) -> None:
    async with browser.events() as events:
        await events.next("state")
        world.people.use_command(int(browser.channel), world.find_user("Ada").id, "ask", {"question": "Why?"})
        waiting = (await events.next("interaction"))["interaction"]
        clock.advance(3.5)
        world.fail_overdue_interactions()
        failed = (await events.next("interaction"))["interaction"]
    assert (waiting["is_settled"], waiting["has_failed"]) == (False, False)
    assert (failed["is_settled"], failed["has_failed"]) == (False, True)


async def test_typing_and_new_threads_are_streamed(browser: Browser, world: World) -> None:
    async with browser.events() as events:
        await events.next("state")
        world.people.start_typing(int(browser.channel), world.bot.id)
        assert await events.next() == {"type": "typing", "channel": browser.channel, "name": "Docent"}
        world.bot_api.create_thread(int(browser.channel), "more of it")
        channels = (await events.next("place"))["place"]["channels"]
    assert channels[-1]["kind"] == "thread"


async def test_commands_registered_later_are_streamed(browser: Browser, world: World) -> None:
    async with browser.events() as events:
        await events.next("state")
        world.bot_api.register_commands(
            next(iter(world.guilds)), [ASK, {"name": "about", "type": 1, "description": "About"}]
        )
        world.emit(RequestAnswered(world.clock(), "PUT", "/applications/{}/guilds/{}/commands", 200))
        commands = (await events.next("place"))["place"]["commands"]
    assert [command["name"] for command in commands] == ["about", "ask"]


async def test_ephemeral_messages_of_others_are_not_streamed(browser: Browser, world: World) -> None:
    ben = world.find_user("Ben")
    interaction = world.people.use_command(int(browser.channel), ben.id, "ask", {"question": "secret?"})
    draft = Draft(content="a secret", flags=int(MessageFlag.EPHEMERAL))
    world.interaction_api.acknowledge(interaction.id, interaction.token, ResponseKind.MESSAGE, None, draft)
    async with browser.events() as events:
        assert (await events.next("state"))["messages"] == []


# What a person may do


async def test_asking_uses_the_command(browser: Browser, world: World) -> None:
    status, _ = await browser.post("/ask", {"channel": browser.channel, "question": "How long?"})
    (interaction,) = world.interactions.values()
    assert status == 200
    assert interaction.name == "ask"
    assert interaction.user_id == world.find_user("Ada").id
    assert interaction.data["options"] == [{"name": "question", "type": 3, "value": "How long?"}]


async def test_registered_watcher_receives_the_question_at_once(browser: Browser, world: World) -> None:
    seen: list[Event] = []
    world.watch(seen.append)
    await browser.post("/command", {"channel": browser.channel, "name": "ask", "options": {"question": "x"}})
    assert [type(event) for event in seen] == [InteractionCreated]


async def test_unregistered_command_is_refused_with_a_message(browser: Browser, world: World) -> None:
    world.bot_api.register_commands(next(iter(world.guilds)), [])
    status, text = await browser.post("/ask", {"channel": browser.channel, "question": "How long?"})
    assert (status, text) == (400, "The bot has not registered /ask here (yet): is it running?")


async def test_posted_message_appears_in_the_channel_with_the_bot_mentioned(browser: Browser, world: World) -> None:
    status, _ = await browser.post("/say", {"channel": browser.channel, "text": "@Docent how long?"})
    (message,) = world.messages.values()
    assert status == 200
    assert message.current_state.content == f"<@{world.bot.id}> how long?"


async def test_a_button_is_pressed(browser: Browser, world: World) -> None:
    rows = ({"type": 1, "components": [{"type": 2, "style": 2, "label": "Stop", "custom_id": "stop"}]},)
    message = world.bot_api.send(int(browser.channel), Draft(content="x", components=rows))
    status, _ = await browser.post("/press", {"message": str(message.id), "custom_id": "stop"})
    assert status == 200
    assert [interaction.name for interaction in world.interactions.values()] == ["stop"]
    status, text = await browser.post("/press", {"message": str(message.id), "custom_id": "gone"})
    assert (status, text) == (400, "That button is no longer there.")


async def test_a_form_is_shown_and_sent_back(browser: Browser, world: World) -> None:
    interaction = world.people.use_command(int(browser.channel), world.find_user("Ada").id, "ask", {"question": "Why?"})
    field = {"type": 4, "style": 2, "custom_id": "missing", "required": False}
    data = {
        "title": "What was missing?",
        "custom_id": "gap",
        "components": [{"type": 18, "label": "It", "component": field}],
    }
    async with browser.events() as events:
        await events.next("state")
        world.interaction_api.acknowledge(interaction.id, interaction.token, ResponseKind.MODAL, data, Draft())
        form = (await events.next("interaction"))["interaction"]["form"]
    assert form["title"] == "What was missing?"
    assert [(f["id"], f["label"], f["is_long"], f["is_required"]) for f in form["fields"]] == [
        ("missing", "It", True, False)
    ]
    body = {"interaction": str(interaction.id), "values": {"missing": "the price"}}
    assert (await browser.post("/form", body))[0] == 200
    assert [i.name for i in world.interactions.values()] == ["ask", "gap"]
    assert (await browser.post("/form", body | {"interaction": "1"}))[0] == 400


async def test_modal_shows_choices_descriptions_and_prefilled_values(browser: Browser, world: World) -> None:
    interaction = world.people.use_command(int(browser.channel), world.find_user("Ada").id, "ask", {"question": "Why?"})
    options = [
        {"label": "Only I", "value": "private", "default": True},
        {"label": "Everybody", "value": "public", "description": "in this channel"},
    ]
    text = {"type": 4, "style": 1, "custom_id": "question", "value": "Why?", "max_length": 2000}
    components = [
        {"type": 18, "label": "Question", "description": "Edit it", "component": text},
        {"type": 18, "label": "Who", "component": {"type": 21, "custom_id": "who", "options": options}},
        {"type": 18, "label": "Where", "component": {"type": 3, "custom_id": "where", "options": options}},
    ]
    data = {"title": "Ask", "custom_id": "ask", "components": components}
    async with browser.events() as events:
        await events.next("state")
        world.interaction_api.acknowledge(interaction.id, interaction.token, ResponseKind.MODAL, data, Draft())
        question, who, where = (await events.next("interaction"))["interaction"]["form"]["fields"]
    assert (question["label"], question["hint"], question["value"], question["longest"], question["choices"]) == (
        *("Question", "Edit it", "Why?", 2000),
        [],
    )
    assert who["choices"] == where["choices"]
    assert who["choices"] == [
        {"value": "private", "label": "Only I", "hint": "", "is_chosen": True},
        {"value": "public", "label": "Everybody", "hint": "in this channel", "is_chosen": False},
    ]


async def test_a_message_is_replied_to(browser: Browser, world: World) -> None:
    said = world.people.say(int(browser.channel), world.find_user("Ben").id, "Two weeks")
    body = {"channel": browser.channel, "text": "@Docent whose?", "reply": str(said.id)}
    status, _ = await browser.post("/say", body)
    assert status == 200
    assert world.history(int(browser.channel))[-1].reference_id == said.id
    elsewhere = world.admin.add_channel(world.channels[int(browser.channel)].guild_id or 0, "elsewhere")
    assert (await browser.post("/say", body | {"channel": str(elsewhere.id)}))[0] == 400


async def test_a_messages_menu_is_offered_and_used(browser: Browser, world: World) -> None:
    guild_id = world.channels[int(browser.channel)].guild_id
    world.bot_api.register_commands(guild_id, [{"name": "Ask the docs about this", "type": 3}])
    said = world.people.say(int(browser.channel), world.find_user("Ben").id, "Two weeks")
    async with browser.events() as events:
        state = await events.next("state")
    assert state["place"]["menus"] == ["Ask the docs about this"]
    body = {"message": str(said.id), "name": "Ask the docs about this"}
    assert (await browser.post("/menu", body))[0] == 200
    (interaction,) = world.interactions.values()
    assert interaction.data["target_id"] == str(said.id)
    assert (await browser.post("/menu", body | {"name": "Something else"}))[0] == 400
    world.delete(said.id)
    assert (await browser.post("/menu", body))[1] == "That message is gone."


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/menu", {"message": "1", "name": "x"}),
        ("/ask", []),
        ("/ask", {}),
        ("/ask", {"channel": 5, "question": "x"}),
        ("/ask", {"channel": "٣", "question": "x"}),
        ("/ask", {"channel": "1", "question": "x"}),
        ("/say", {"channel": "1", "text": "x"}),
        ("/say", {"channel": "1", "text": "x" * 4_001}),
        ("/say", {"channel": "1", "text": " "}),
        ("/press", {"message": "1", "custom_id": "x"}),
        ("/command", {"channel": "1", "name": "ask", "options": []}),
        ("/form", {"interaction": "1", "values": 3}),
    ],
)
async def test_malformed_request_is_refused_in_one_sentence(browser: Browser, path: str, body: object) -> None:
    status, text = await browser.post(path, body)
    assert status == 400
    assert text.endswith((".", "most.", "running?"))
    assert "\n" not in text


async def test_a_huge_request_is_refused(browser: Browser) -> None:
    status, _ = await browser.post("/say", {"channel": browser.channel, "text": "x" * 100_000})
    assert status == 413


async def test_server_closes_at_once_with_open_event_streams(world: World) -> None:
    page = PreviewPage(world, viewer=world.find_user("Ada"), token=TOKEN)
    async with ClientSession() as session, asyncio.timeout(5):
        async with page.serve() as url:
            response = await session.get(URL(url).join(URL(f"/events?key={TOKEN}")))
            await response.content.readline()
        response.close()
