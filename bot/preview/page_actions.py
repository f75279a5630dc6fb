"""What a person at the browser may do in the world, as the member they are: each request, and what comes of it."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from aiohttp import web

from bot.preview.request_body import RequestBody, bad_request
from bot.simulator.discord_json import ATTACHMENT_SIZE_LIMIT
from bot.simulator.message_drafts import Attachment
from bot.simulator.world import ChannelKind, Permission

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from bot.simulator.world import Channel, Interaction, Message, User, World

    PageAction = Callable[[RequestBody, User], Awaitable[int | None]]

_MAX_HELD_FILES = 20
"""How many files are held that no message or form has taken yet."""

_MAX_FILES_PER_MESSAGE = 10
"""Most files at a message."""


class PageActions:
    """Does in ``world`` what the people at the browser ask for."""

    def __init__(self, world: World, find_viewer: Callable[[web.Request], User]) -> None:
        self._world = world
        self._find_viewer = find_viewer
        self._held_files: dict[str, Attachment] = {}

    def build_routes(self) -> list[web.RouteDef]:
        """One route for each thing to do."""
        acts: dict[str, PageAction] = {
            "ask": self._ask,
            "command": self._use_command,
            "say": self._say,
            "post": self._create_forum_post,
            "rewrite": self._edit,
            "delete": self._delete,
            "direct": self._create_dm,
            "press": self._press,
            "menu": self._use_context_menu,
            "form": self._submit_modal,
        }
        routes = [web.post(f"/{name}", self._make_handler(act)) for name, act in acts.items()]
        return [*routes, web.post("/complete", self._autocomplete), web.post("/hold", self._hold_file)]

    def _make_handler(self, action: PageAction) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            made = await action(await RequestBody.read(request), self._find_viewer(request))
            return web.json_response({"id": str(made or "")})

        return handle

    # Commands and menus

    async def _ask(self, body: RequestBody, viewer: User) -> int:
        return self._run_command(body.get_id("channel"), viewer, "ask", {"question": body.get_text("question")}).id

    async def _use_command(self, body: RequestBody, viewer: User) -> int:
        values = body.get_values("options")
        values |= {option: file for option, held in body.get_lists("files").items() for file in self._take_files(held)}
        return self._run_command(body.get_id("channel"), viewer, body.get_text("name"), values).id

    def _run_command(self, channel_id: int, viewer: User, name: str, options: Mapping[str, object]) -> Interaction:
        self._find_visible_channel(channel_id, viewer)
        try:
            return self._world.people.use_command(channel_id, viewer.id, name, options)
        except LookupError as missing:
            raise bad_request(f"The bot has not registered /{name} here (yet): is it running?") from missing
        except ValueError as error:
            raise bad_request(f"/{name}: {error}.") from error

    async def _autocomplete(self, request: web.Request) -> web.Response:
        asked, viewer = await RequestBody.read(request), self._find_viewer(request)
        channel = self._find_visible_channel(asked.get_id("channel"), viewer)
        name, focused = asked.get_text("name"), asked.get_text("focused")
        try:
            typing = self._world.people.autocomplete(
                channel.id, viewer.id, name, asked.get_values("options"), focused=focused
            )
            return web.json_response({"choices": await self._world.people.wait_for_choices(typing)})
        except TimeoutError:
            return web.json_response({"choices": None})
        except (LookupError, ValueError) as missing:
            raise bad_request(f"The bot suggests nothing for “{focused}”.") from missing

    async def _use_context_menu(self, body: RequestBody, viewer: User) -> int:
        message, name = self._find_visible_message(body, "message", viewer), body.get_text("name")
        try:
            return self._world.people.use_context_menu(viewer.id, name, message.id).id
        except LookupError as missing:
            raise bad_request("The bot has no such entry in its menu here (yet): is it running?") from missing

    # Messages

    async def _say(self, body: RequestBody, viewer: User) -> int:
        channel = self._find_writable_channel(body.get_id("channel"), viewer)
        if channel.kind is ChannelKind.FORUM:
            raise bad_request("A forum takes posts, which have a title.")
        files = self._take_files(body.get_texts("files"), channel, viewer)
        text = body.get_text("text") if body.has("text") or not files else ""
        reply_to = self._find_visible_message(body, "reply", viewer) if "reply" in body.data else None
        if reply_to and reply_to.channel_id != channel.id:
            raise bad_request("That message stands in another channel.")
        reference = reply_to.id if reply_to else None
        return self._world.people.say(
            channel.id, viewer.id, self._replace_bot_mention(text), reply_to=reference, files=files
        ).id

    async def _create_forum_post(self, body: RequestBody, viewer: User) -> int:
        forum = self._find_writable_channel(body.get_id("channel"), viewer)
        if forum.kind is not ChannelKind.FORUM:
            raise bad_request("Only a forum takes posts.")
        files = self._take_files(body.get_texts("files"), forum, viewer)
        title, text = body.get_text("title")[:100], self._replace_bot_mention(body.get_text("text"))
        return self._world.people.create_forum_post(forum.id, viewer.id, title, text, files).id

    def _replace_bot_mention(self, text: str) -> str:
        return text.replace(f"@{self._world.bot.name}", f"<@{self._world.bot.id}>")

    async def _edit(self, body: RequestBody, viewer: User) -> int:
        message = self._find_own_message(body, viewer)
        self._world.people.edit_user_message(message.id, self._replace_bot_mention(body.get_text("text")))
        return message.id

    async def _delete(self, body: RequestBody, viewer: User) -> int:
        message = self._find_own_message(body, viewer)
        self._world.delete(message.id)
        return message.id

    async def _create_dm(self, _: RequestBody, viewer: User) -> int:
        return self._world.bot_api.create_dm(viewer.id).id

    # Components and forms

    async def _press(self, body: RequestBody, viewer: User) -> int:
        message = self._world.messages.get(body.get_id("message"))
        is_seen = (
            message
            and message.visible_to_user_id in {None, viewer.id}
            and self._world.can_see(viewer.id, message.channel_id)
        )
        custom_id, values = body.get_text("custom_id"), body.get_texts("values")
        if message is None or not is_seen or message.deleted_at is not None:
            raise bad_request("That button is no longer there.")
        try:
            return self._world.people.press(message.id, custom_id, viewer.id, values).id
        except LookupError as missing:
            raise bad_request("That button is no longer there.") from missing
        except ValueError as error:
            raise bad_request(f"Choose again: {error}.") from error

    async def _submit_modal(self, body: RequestBody, viewer: User) -> int:
        values = body.get_values("values")
        shown = self._world.interactions.get(body.get_id("interaction"))
        if shown is None or shown.user_id != viewer.id:
            raise bad_request("That form is no longer open.")
        files = {name: self._take_files(held) for name, held in body.get_lists("files").items()}
        try:
            return self._world.people.submit_modal(shown.id, values | files).id
        except LookupError as missing:
            raise bad_request("That form is no longer open.") from missing
        except ValueError as error:
            raise bad_request(f"Choose again: {error}.") from error

    # Files

    async def _hold_file(self, request: web.Request) -> web.Response:
        """Keep a file until a message, a command or a form takes it."""
        self._find_viewer(request)
        content = await request.read()
        if len(content) > ATTACHMENT_SIZE_LIMIT:
            raise bad_request(f"That file is larger than {ATTACHMENT_SIZE_LIMIT // 2**20} MiB, which is the most.")
        held = secrets.token_urlsafe(12)
        self._held_files[held] = Attachment(request.query.get("name", "")[:200] or "file", content)
        while len(self._held_files) > _MAX_HELD_FILES:
            del self._held_files[next(iter(self._held_files))]
        return web.json_response({"id": held})

    def _take_files(
        self, file_ids: Sequence[str], channel: Channel | None = None, viewer: User | None = None
    ) -> list[Attachment]:
        """Files that were held; into a channel only where the viewer may attach some."""
        if not file_ids:
            return []
        if channel and viewer and Permission.ATTACH_FILES not in self._world.permissions_for(viewer.id, channel):
            raise bad_request("You may not attach files here.")
        if len(file_ids) > _MAX_FILES_PER_MESSAGE or not all(one in self._held_files for one in file_ids):
            raise bad_request(f"Choose the files again, {_MAX_FILES_PER_MESSAGE} at most.")
        return [self._held_files.pop(one) for one in dict.fromkeys(file_ids)]

    # What is there

    def _find_visible_channel(self, channel_id: int, viewer: User) -> Channel:
        if not self._world.can_see(viewer.id, channel_id):
            raise bad_request("That channel is gone.")
        return self._world.channels[channel_id]

    def _find_writable_channel(self, channel_id: int, viewer: User) -> Channel:
        channel = self._find_visible_channel(channel_id, viewer)
        is_thread = channel.kind is ChannelKind.THREAD
        wanted = Permission.SEND_MESSAGES_IN_THREADS if is_thread else Permission.SEND_MESSAGES
        if wanted not in self._world.permissions_for(viewer.id, channel) or channel.is_locked:
            raise bad_request("You may not write here.")
        return channel

    def _find_visible_message(self, body: RequestBody, name: str, viewer: User) -> Message:
        """A message that stands there for everybody: what only one person sees can neither be replied to nor asked."""
        message = self._world.messages.get(body.get_id(name))
        if message is None or message.deleted_at is not None or message.visible_to_user_id is not None:
            raise bad_request("That message is gone.")
        self._find_visible_channel(message.channel_id, viewer)
        return message

    def _find_own_message(self, body: RequestBody, viewer: User) -> Message:
        message = self._find_visible_message(body, "message", viewer)
        if message.author_id != viewer.id:
            raise bad_request("That message is somebody else’s.")
        return message
