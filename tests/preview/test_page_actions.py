"""What a person at the browser may do as each member: commands, files, posts, forms; and what they may not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from aiohttp import ClientSession, ClientTimeout
from yarl import URL

from bot.preview.page import PreviewPage
from bot.simulator.message_drafts import Attachment, Draft
from bot.simulator.world import InteractionCreated, InteractionKind, MessageFlag, Permission, ResponseKind, World
from tests.fakes.browser import TOKEN, Browser

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from bot.simulator.message_drafts import Json
    from bot.simulator.world import Event

MANAGE = str(int(Permission.MANAGE_GUILD))
COLLECTION = {"name": "collection", "type": 3, "autocomplete": True}
FILE = {"name": "file", "type": 11, "required": True}
DOCS = {
    "name": "docs",
    "default_member_permissions": MANAGE,
    "options": [
        {"name": "list", "type": 1, "options": [COLLECTION, {"name": "page", "type": 4}]},
        {"name": "add", "type": 1, "options": [FILE, {"name": "loud", "type": 5}, {"name": "who", "type": 6}]},
    ],
}


@pytest.fixture
def world() -> World:
    world = World.create_default()
    world.bot_api.register_commands(
        next(iter(world.guilds)), [DOCS, {"name": "ask", "options": [{"name": "question", "type": 3}]}]
    )
    return world


@pytest.fixture
async def ada(world: World) -> AsyncGenerator[Browser]:
    page = PreviewPage(world, viewer=world.find_user("Ada"), token=TOKEN)
    async with page.serve() as url, ClientSession(timeout=ClientTimeout(10)) as session:
        yield Browser(session, url, world)


@pytest.fixture
def mia(ada: Browser) -> Browser:
    return ada.become(ada.world.find_user("Mia"))


@pytest.fixture
def lea(ada: Browser) -> Browser:
    return ada.become(ada.world.find_user("Lea"))


async def load_place(browser: Browser) -> Json:
    async with browser.events() as events:
        place: Json = (await events.next("state"))["place"]
    return place


# Who one is


async def test_each_member_is_shown_what_they_may_see_and_use(ada: Browser, mia: Browser, lea: Browser) -> None:
    places = [await load_place(browser) for browser in (ada, mia, lea)]
    assert [place["viewer"]["name"] for place in places] == ["Ada", "Mia", "Lea"]
    assert [len(place["commands"]) for place in places] == [1, 3, 1]
    assert ["people-team" in [c["name"] for c in place["channels"]] for place in places] == [False, False, True]
    assert [(p["name"], p["roles"]) for p in places[0]["people"]] == [
        *(("Owner", []), ("Ada", []), ("Ben", [])),
        *(("Mia", ["Admins"]), ("Lea", ["People team"])),
    ]


async def test_hidden_channels_never_reach_the_members_browser(ada: Browser, world: World) -> None:
    shut = world.find_channel("people-team").id
    world.people.say(shut, world.find_user("Lea").id, "secret salaries")
    async with ada.events() as events:
        everything = [await events.next("state")]
        world.people.say(shut, world.find_user("Lea").id, f"secret <#{shut}>")
        world.people.start_typing(shut, world.bot.id)
        world.people.say(int(ada.channel), world.find_user("Lea").id, f"see <#{shut}>")
        everything.append(await events.next("message"))
    assert "secret" not in json.dumps(everything)
    assert "people-team" not in json.dumps(everything)


async def test_member_given_a_role_sees_its_channels_at_once(ada: Browser, world: World) -> None:
    shut = world.find_channel("people-team").id
    world.people.say(shut, world.find_user("Lea").id, "salaries")
    guild = next(iter(world.guilds.values()))
    (team,) = (role.id for role in guild.roles.values() if role.name == "People team")
    async with ada.events() as events:
        assert (await events.next("state"))["messages"] == []
        world.admin.assign_role(guild.id, world.find_user("Ada").id, team)
        assert [message["channel"] for message in (await events.next("state"))["messages"]] == [str(shut)]
        world.admin.remove_role(guild.id, world.find_user("Ada").id, team)
        assert (await events.next("state"))["messages"] == []


@pytest.mark.parametrize("who", ["1", "x", "bot", "٣"])
async def test_viewer_must_be_a_member(ada: Browser, world: World, who: str) -> None:
    ada.viewer = str(world.bot.id) if who == "bot" else who
    header = {"X_Preview_As": ada.viewer} if ada.viewer.isascii() else {}
    if header:
        status, text = await ada.post("/say", {"channel": ada.channel, "text": "hello"}, **header)
        assert (status, text) == (400, "There is no such member any more: reload the page.")
    status, _ = await ada.get(f"/events?key={TOKEN}&as={ada.viewer}")
    assert status == 400


# Commands


async def test_a_sub_command_is_used_with_options_of_their_own_kinds(mia: Browser, world: World) -> None:
    held = await mia.upload_file("hand book.md", b"# All of it")
    body = {
        "channel": mia.channel,
        "name": "docs add",
        "options": {"loud": True, "who": str(world.find_user("Ben").id)},
        "files": {"file": [held]},
    }
    assert (await mia.post("/command", body))[0] == 200
    (used,) = world.interactions.values()
    values = {option["name"]: option["value"] for option in used.data["options"][0]["options"]}
    assert (used.path, used.user_id, values["loud"]) == ("docs add", world.find_user("Mia").id, True)
    assert world.find_file(int(values["file"])).content == b"# All of it"
    assert (await mia.post("/command", body))[1] == "Choose the files again, 10 at most."


async def test_invalid_option_value_is_refused_with_a_message(mia: Browser) -> None:
    body: Json = {"channel": mia.channel, "name": "docs add", "options": {}}
    assert await mia.post("/command", body) == (400, "/docs add: file is required.")
    body = {"channel": mia.channel, "name": "docs list", "options": {"page": "two"}}
    assert await mia.post("/command", body) == (400, "/docs list: page is not 'two'.")


async def test_suggestions_come_from_the_bot(mia: Browser, world: World) -> None:
    def suggest(event: Event) -> None:
        if isinstance(event, InteractionCreated) and event.interaction.kind is InteractionKind.AUTOCOMPLETE:
            asked = event.interaction
            choices = {"choices": [{"name": "Handbook", "value": "handbook"}]}
            world.interaction_api.acknowledge(asked.id, asked.token, ResponseKind.CHOICES, choices, Draft())

    world.watch(suggest)
    body = {"channel": mia.channel, "name": "docs list", "options": {"collection": "ha"}, "focused": "collection"}
    status, text = await mia.post("/complete", body)
    assert (status, json.loads(text)) == (200, {"choices": [{"name": "Handbook", "value": "handbook"}]})
    status, text = await mia.post("/complete", body | {"focused": "page"})
    assert (status, text) == (400, "The bot suggests nothing for “page”.")


async def test_autocomplete_is_not_shown_as_a_pending_command(mia: Browser, world: World) -> None:
    async with mia.events() as events:
        await events.next("state")
        world.people.autocomplete(int(mia.channel), world.find_user("Mia").id, "docs list", {}, focused="collection")
        world.people.say(int(mia.channel), world.find_user("Ben").id, "hello")
        assert (await events.next())["type"] == "message"


# Messages, files and posts


async def test_message_with_files_needs_no_text(ada: Browser, world: World) -> None:
    held = [await ada.upload_file(name, b"x") for name in ("a.md", "b.md")]
    assert (await ada.post("/say", {"channel": ada.channel, "text": "", "files": held}))[0] == 200
    (message,) = world.messages.values()
    assert [file.filename for file in message.current_state.attachments] == ["a.md", "b.md"]
    world.admin.deny(int(ada.channel), next(iter(world.guilds)), Permission.ATTACH_FILES)
    held = [await ada.upload_file("c.md", b"x")]
    status, text = await ada.post("/say", {"channel": ada.channel, "text": "look", "files": held})
    assert (status, text) == (400, "You may not attach files here.")


async def test_a_post_is_opened_in_a_forum(ada: Browser, world: World) -> None:
    forum = str(world.find_channel("help").id)
    body = {"channel": forum, "title": "Refunds", "text": "How long?"}
    status, text = await ada.post("/post", body)
    assert status == 200
    post = world.channels[int(json.loads(text)["id"])]
    assert (post.name, post.owner_id) == ("Refunds", world.find_user("Ada").id)
    assert (await ada.post("/say", body))[1] == "A forum takes posts, which have a title."
    assert (await ada.post("/post", body | {"channel": ada.channel}))[1] == "Only a forum takes posts."
    (shown,) = [channel for channel in (await load_place(ada))["channels"] if channel["name"] == "Refunds"]
    assert (shown["kind"], shown["parent"]) == ("thread", forum)


async def test_direct_message_is_seen_by_its_author_only(ada: Browser, lea: Browser, world: World) -> None:
    _, text = await ada.post("/direct", {})
    direct = json.loads(text)["id"]
    assert (await ada.post("/say", {"channel": direct, "text": "psst"}))[0] == 200
    assert "Docent" in [channel["name"] for channel in (await load_place(ada))["channels"]]
    assert (await lea.post("/say", {"channel": direct, "text": "psst"}))[1] == "That channel is gone."
    async with lea.events() as events:
        assert (await events.next("state"))["messages"] == []
    assert world.channels[int(direct)].recipients == (world.find_user("Ada").id,)


async def test_member_edits_and_deletes_only_their_own_messages(ada: Browser, lea: Browser, world: World) -> None:
    message = world.people.say(int(ada.channel), world.find_user("Ada").id, "How lnog?")
    body = {"message": str(message.id), "text": "How long, @Docent?"}
    for act in ("/rewrite", "/delete"):
        assert (await lea.post(act, body))[1] == "That message is somebody else’s."
    assert (await ada.post("/rewrite", body))[0] == 200
    assert message.current_state.content == f"How long, <@{world.bot.id}>?"
    assert (await ada.post("/delete", body))[0] == 200
    assert message.deleted_at is not None


async def test_actions_without_the_channel_permission_are_refused(ada: Browser, world: World) -> None:
    shut = world.find_channel("people-team")
    secret = world.people.say(shut.id, world.find_user("Lea").id, "salaries")
    world.admin.deny(int(ada.channel), next(iter(world.guilds)), Permission.SEND_MESSAGES)
    before = len(world.messages)
    assert (await ada.post("/say", {"channel": ada.channel, "text": "hello"}))[1] == "You may not write here."
    assert (await ada.post("/say", {"channel": str(shut.id), "text": "hello"}))[1] == "That channel is gone."
    assert (await ada.post("/ask", {"channel": str(shut.id), "question": "hello"}))[1] == "That channel is gone."
    assert (await ada.post("/menu", {"message": str(secret.id), "name": "x"}))[1] == "That channel is gone."
    assert (len(world.messages), len(world.interactions)) == (before, 0)


# Buttons, selects and forms


async def test_select_shows_its_options_and_sends_the_chosen_one(ada: Browser, world: World) -> None:
    options = [{"label": "One", "value": "1"}, {"label": "Two", "value": "2"}]
    rows = (
        {"type": 1, "components": [{"type": 3, "custom_id": "page", "placeholder": "Page", "options": options}]},
        {"type": 1, "components": [{"type": 6, "custom_id": "role", "max_values": 2}]},
        {"type": 1, "components": [{"type": 8, "custom_id": "place", "channel_types": [15]}]},
    )
    message = world.bot_api.send(int(ada.channel), Draft(content="choose", components=rows))
    async with ada.events() as events:
        (shown,) = (await events.next("state"))["messages"]
    page, role, place = shown["states"][0]["selects"]
    assert (page["label"], [choice["label"] for choice in page["choices"]]) == ("Page", ["One", "Two"])
    assert (role["most"], [choice["label"] for choice in role["choices"]]) == (2, ["@Admins", "@People team"])
    assert [choice["label"] for choice in place["choices"]] == ["#help"]
    body = {"message": str(message.id), "custom_id": "page"}
    assert (await ada.post("/press", body | {"values": ["2"]}))[0] == 200
    assert next(iter(world.interactions.values())).data["values"] == ["2"]
    assert (await ada.post("/press", body | {"values": []}))[1] == "Choose again: 1 to 1 of them are to be chosen."
    assert (await ada.post("/press", body | {"values": ["3"]}))[0] == 400


async def test_button_on_anothers_ephemeral_message_cannot_be_pressed(ada: Browser, lea: Browser, world: World) -> None:
    used = world.people.use_command(int(ada.channel), world.find_user("Lea").id, "ask")
    rows = ({"type": 1, "components": [{"type": 2, "custom_id": "stop"}]},)
    draft = Draft(content="between us", components=rows, flags=int(MessageFlag.EPHEMERAL))
    world.interaction_api.acknowledge(used.id, used.token, ResponseKind.MESSAGE, None, draft)
    body = {"message": str(used.original_response_id), "custom_id": "stop"}
    assert (await ada.post("/press", body))[1] == "That button is no longer there."
    assert (await lea.post("/press", body))[0] == 200


async def test_modal_is_submitted_by_the_member_it_was_shown_to_only(ada: Browser, mia: Browser, world: World) -> None:
    used = world.people.use_command(int(mia.channel), world.find_user("Mia").id, "docs list")
    components = [
        {"type": 18, "label": "Files", "component": {"type": 19, "custom_id": "files", "max_values": 10}},
        {"type": 18, "label": "Whom", "component": {"type": 5, "custom_id": "whom", "required": False}},
        {"type": 18, "label": "Sure?", "component": {"type": 23, "custom_id": "sure"}},
    ]
    modal = {"custom_id": "add", "title": "Add", "components": components}
    async with mia.events() as events:
        await events.next("state")
        world.interaction_api.acknowledge(used.id, used.token, ResponseKind.MODAL, modal, Draft())
        files, whom, sure = (await events.next("interaction"))["interaction"]["form"]["fields"]
    assert (files["kind"], files["most"], whom["kind"], sure["kind"]) == ("files", 10, "choice", "checkbox")
    assert "Lea" in [choice["label"] for choice in whom["choices"]]
    held = await mia.upload_file("a.md", b"# A")
    body = {"interaction": str(used.id), "values": {"whom": "", "sure": True}, "files": {"files": [held]}}
    assert (await ada.post("/form", body))[1] == "That form is no longer open."
    assert (await mia.post("/form", body))[0] == 200
    sent = [part["component"] for part in list(world.interactions.values())[-1].data["components"]]
    assert world.find_file(int(sent[0]["values"][0])).filename == "a.md"
    assert (sent[1]["values"], sent[2]["value"]) == ([], True)
    assert (await mia.post("/form", body | {"files": {}}))[0] == 400


# Files on the page


@pytest.mark.parametrize(
    ("name", "kind", "placed"),
    [
        ("failures.html", "text/plain", "inline"),
        ("image.svg", "application/octet-stream", "attachment"),
        ("list.csv", "text/plain", "inline"),
        ("program.exe", "application/octet-stream", "attachment"),
    ],
)
async def test_a_file_is_opened_as_plain_text_or_saved_and_never_run(
    ada: Browser, world: World, name: str, kind: str, placed: str
) -> None:
    message = world.bot_api.send(int(ada.channel), Draft(files=(Attachment(name, b"<script>alert(1)</script>"),)))
    (file,) = message.current_state.attachments
    async with ada.session.get(ada.home_url.join(URL(f"/files/{file.id}?key={TOKEN}"))) as response:
        assert (response.status, response.content_type) == (200, kind)
        assert response.headers["Content-Disposition"].startswith(placed)
        assert response.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert await response.read() == b"<script>alert(1)</script>"


async def test_a_file_is_opened_only_by_who_sees_its_message_and_has_the_key(
    ada: Browser, lea: Browser, world: World
) -> None:
    shut = world.find_channel("people-team").id
    message = world.people.say(shut, world.find_user("Lea").id, "look", files=[Attachment("salaries.csv", b"1,2")])
    address = f"/files/{message.current_state.attachments[0].id}"
    assert (await lea.get(f"{address}?key={TOKEN}&as={lea.viewer}"))[0] == 200
    assert await ada.get(f"{address}?key={TOKEN}") == (404, "That file is gone.")
    assert (await lea.get(f"{address}?as={lea.viewer}"))[0] == 403
    world.delete(message.id)
    assert (await lea.get(f"{address}?key={TOKEN}&as={lea.viewer}"))[0] == 404


async def test_file_name_cannot_break_out_of_its_header(ada: Browser, world: World) -> None:
    draft = Draft(files=(Attachment('a"\r\nX-Evil: 1.txt', b"x"),))
    (file,) = world.bot_api.send(int(ada.channel), draft).current_state.attachments
    async with ada.session.get(ada.home_url.join(URL(f"/files/{file.id}?key={TOKEN}"))) as response:
        assert response.status == 200
        assert "X-Evil" not in response.headers


async def test_number_of_held_files_is_bounded(ada: Browser, world: World) -> None:
    first = await ada.upload_file("first.md", b"x")
    for number in range(20):
        await ada.upload_file(f"{number}.md", b"x")
    status, _ = await ada.post("/say", {"channel": ada.channel, "text": "look", "files": [first]})
    assert (status, world.messages) == (400, {})
