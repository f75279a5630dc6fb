"""What a person at the browser may do in the world, as the member they are: each request, and what comes of it."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from aiohttp import web

from bot.preview.request_body import Asked, invalid
from bot.simulator.discord_json import ATTACHMENT_SIZE_LIMIT
from bot.simulator.message_drafts import Attachment
from bot.simulator.world import ChannelKind, Permission

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from bot.simulator.world import Channel, Interaction, Message, User, World

    Act = Callable[[Asked, User], Awaitable[int | None]]

_FILES_HELD = 20
"""How many files are held that no message or form has taken yet."""

_FILES_SENT = 10
"""Most files at a message."""


class Acts:
    """Does in ``world`` what the people at the browser ask for."""

    def __init__(self, world: World, viewer_of: Callable[[web.Request], User]) -> None:
        self._world = world
        self._viewer_of = viewer_of
        self._held: dict[str, Attachment] = {}

    def routes(self) -> list[web.RouteDef]:
        """One route for each thing to do."""
        acts: dict[str, Act] = {
            "ask": self._ask,
            "command": self._command,
            "say": self._say,
            "post": self._post,
            "rewrite": self._rewrite,
            "delete": self._delete,
            "direct": self._direct,
            "press": self._press,
            "menu": self._menu,
            "form": self._form,
        }
        routes = [web.post(f"/{name}", self._doer(act)) for name, act in acts.items()]
        return [*routes, web.post("/complete", self._complete), web.post("/hold", self._hold)]

    def _doer(self, act: Act) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def do(request: web.Request) -> web.Response:
            made = await act(await Asked.read(request), self._viewer_of(request))
            return web.json_response({"id": str(made or "")})

        return do

    # Commands and menus

    async def _ask(self, asked: Asked, viewer: User) -> int:
        return self._used(asked.id("channel"), viewer, "ask", {"question": asked.text("question")}).id

    async def _command(self, asked: Asked, viewer: User) -> int:
        values = asked.values("options")
        values |= {option: file for option, held in asked.lists("files").items() for file in self._taken(held)}
        return self._used(asked.id("channel"), viewer, asked.text("name"), values).id

    def _used(self, channel_id: int, viewer: User, name: str, options: Mapping[str, object]) -> Interaction:
        self._seen_channel(channel_id, viewer)
        try:
            return self._world.use_command(channel_id, viewer.id, name, options)
        except LookupError as missing:
            raise invalid(f"The bot has not registered /{name} here (yet): is it running?") from missing
        except ValueError as error:
            raise invalid(f"/{name}: {error}.") from error

    async def _complete(self, request: web.Request) -> web.Response:
        asked, viewer = await Asked.read(request), self._viewer_of(request)
        channel = self._seen_channel(asked.id("channel"), viewer)
        name, focused = asked.text("name"), asked.text("focused")
        try:
            typing = self._world.complete(channel.id, viewer.id, name, asked.values("options"), focused=focused)
            return web.json_response({"choices": await self._world.suggested(typing)})
        except TimeoutError:
            return web.json_response({"choices": None})
        except (LookupError, ValueError) as missing:
            raise invalid(f"The bot suggests nothing for “{focused}”.") from missing

    async def _menu(self, asked: Asked, viewer: User) -> int:
        message, name = self._seen(asked, "message", viewer), asked.text("name")
        try:
            return self._world.use_menu(viewer.id, name, message.id).id
        except LookupError as missing:
            raise invalid("The bot has no such entry in its menu here (yet): is it running?") from missing

    # Messages

    async def _say(self, asked: Asked, viewer: User) -> int:
        channel = self._writable(asked.id("channel"), viewer)
        if channel.kind is ChannelKind.FORUM:
            raise invalid("A forum takes posts, which have a title.")
        files = self._taken(asked.texts("files"), channel, viewer)
        text = asked.text("text") if asked.names("text") or not files else ""
        reply_to = self._seen(asked, "reply", viewer) if "reply" in asked.body else None
        if reply_to and reply_to.channel_id != channel.id:
            raise invalid("That message stands in another channel.")
        reference = reply_to.id if reply_to else None
        return self._world.say(channel.id, viewer.id, self._mentioning(text), reply_to=reference, files=files).id

    async def _post(self, asked: Asked, viewer: User) -> int:
        forum = self._writable(asked.id("channel"), viewer)
        if forum.kind is not ChannelKind.FORUM:
            raise invalid("Only a forum takes posts.")
        files = self._taken(asked.texts("files"), forum, viewer)
        title, text = asked.text("title")[:100], self._mentioning(asked.text("text"))
        return self._world.post(forum.id, viewer.id, title, text, files).id

    def _mentioning(self, text: str) -> str:
        return text.replace(f"@{self._world.bot.name}", f"<@{self._world.bot.id}>")

    async def _rewrite(self, asked: Asked, viewer: User) -> int:
        message = self._own(asked, viewer)
        self._world.rewrite(message.id, self._mentioning(asked.text("text")))
        return message.id

    async def _delete(self, asked: Asked, viewer: User) -> int:
        message = self._own(asked, viewer)
        self._world.delete(message.id)
        return message.id

    async def _direct(self, _: Asked, viewer: User) -> int:
        return self._world.open_direct(viewer.id).id

    # Components and forms

    async def _press(self, asked: Asked, viewer: User) -> int:
        message = self._world.messages.get(asked.id("message"))
        is_seen = message and message.audience in {None, viewer.id} and self._world.sees(viewer.id, message.channel_id)
        custom_id, values = asked.text("custom_id"), asked.texts("values")
        if message is None or not is_seen or message.deleted_at is not None:
            raise invalid("That button is no longer there.")
        try:
            return self._world.press(message.id, custom_id, viewer.id, values).id
        except LookupError as missing:
            raise invalid("That button is no longer there.") from missing
        except ValueError as error:
            raise invalid(f"Choose again: {error}.") from error

    async def _form(self, asked: Asked, viewer: User) -> int:
        values = asked.values("values")
        shown = self._world.interactions.get(asked.id("interaction"))
        if shown is None or shown.user_id != viewer.id:
            raise invalid("That form is no longer open.")
        files = {name: self._taken(held) for name, held in asked.lists("files").items()}
        try:
            return self._world.submit(shown.id, values | files).id
        except LookupError as missing:
            raise invalid("That form is no longer open.") from missing
        except ValueError as error:
            raise invalid(f"Choose again: {error}.") from error

    # Files

    async def _hold(self, request: web.Request) -> web.Response:
        """Keep a file until a message, a command or a form takes it."""
        self._viewer_of(request)
        content = await request.read()
        if len(content) > ATTACHMENT_SIZE_LIMIT:
            raise invalid(f"That file is larger than {ATTACHMENT_SIZE_LIMIT // 2**20} MiB, which is the most.")
        held = secrets.token_urlsafe(12)
        self._held[held] = Attachment(request.query.get("name", "")[:200] or "file", content)
        while len(self._held) > _FILES_HELD:
            del self._held[next(iter(self._held))]
        return web.json_response({"id": held})

    def _taken(
        self, held: Sequence[str], channel: Channel | None = None, viewer: User | None = None
    ) -> list[Attachment]:
        """Files that were held; into a channel only where the viewer may attach some."""
        if not held:
            return []
        if channel and viewer and Permission.ATTACH_FILES not in self._world.permissions(viewer.id, channel):
            raise invalid("You may not attach files here.")
        if len(held) > _FILES_SENT or not all(one in self._held for one in held):
            raise invalid(f"Choose the files again, {_FILES_SENT} at most.")
        return [self._held.pop(one) for one in dict.fromkeys(held)]

    # What is there

    def _seen_channel(self, channel_id: int, viewer: User) -> Channel:
        if not self._world.sees(viewer.id, channel_id):
            raise invalid("That channel is gone.")
        return self._world.channels[channel_id]

    def _writable(self, channel_id: int, viewer: User) -> Channel:
        channel = self._seen_channel(channel_id, viewer)
        is_thread = channel.kind is ChannelKind.THREAD
        wanted = Permission.SEND_MESSAGES_IN_THREADS if is_thread else Permission.SEND_MESSAGES
        if wanted not in self._world.permissions(viewer.id, channel) or channel.is_locked:
            raise invalid("You may not write here.")
        return channel

    def _seen(self, asked: Asked, name: str, viewer: User) -> Message:
        """A message that stands there for everybody: what only one person sees can neither be replied to nor asked."""
        message = self._world.messages.get(asked.id(name))
        if message is None or message.deleted_at is not None or message.audience is not None:
            raise invalid("That message is gone.")
        self._seen_channel(message.channel_id, viewer)
        return message

    def _own(self, asked: Asked, viewer: User) -> Message:
        message = self._seen(asked, "message", viewer)
        if message.author_id != viewer.id:
            raise invalid("That message is somebody else’s.")
        return message
