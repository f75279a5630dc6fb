"""The door between a browser and the world: one page, the stream of what happens, and what a person may do.

Only for the person who started the preview: it listens on loopback, wants the key from its own address, and answers no
other host name and no other site's page.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, cast

from aiohttp import web

from bot.preview.feed import Feed
from bot.preview.rendering import DiscordMarkdown
from bot.preview.views import Views
from bot.preview.world import RequestAnswered

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence

    from bot.preview.drafts import Json
    from bot.preview.world import Event, Message, User, World

_FILES = Path(__file__).parent / "page"
_FILE_TYPES = {"page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_KEY_HEADER = "X-Preview-Key"
_BODY_LIMIT = 64 * 1024
_TEXT_LIMIT = 4_000
"""Longest text a person may send, in characters; the bot's own limit is below, so that its refusal can be seen."""
_KEEP_ALIVE = 15.0
"""Seconds after which an idle stream says that it is still there."""


class Page:
    """Shows ``world`` to ``viewer`` and lets them act in it.

    Args:
        world: the stand-in's world.
        viewer: the member the person at the browser is.
        token: the key wanted in the page's address; a random one if not given.
        suggestions: questions offered to a reader who does not know what to ask.
    """

    def __init__(
        self, world: World, *, viewer: User, token: str | None = None, suggestions: Sequence[str] = ()
    ) -> None:
        self.token = token or secrets.token_urlsafe(32)
        self._world = world
        self._viewer = viewer
        self._suggestions = list(suggestions)
        self._views = Views(world, DiscordMarkdown(), viewer)
        self._throttled: list[float] = []
        world.watch(self._note_throttling)

    def app(self) -> web.Application:
        """The routes, behind the checks."""
        app = web.Application(middlewares=[self._guarded], client_max_size=_BODY_LIMIT)
        app.on_response_prepare.append(_harden)
        app.add_routes(
            [
                web.get("/", self._index),
                web.get("/{name:[a-z]+\\.[a-z]+}", self._file),
                web.get("/events", self._events),
                web.post("/ask", self._ask),
                web.post("/command", self._command),
                web.post("/say", self._say),
                web.post("/press", self._press),
                web.post("/menu", self._menu),
                web.post("/form", self._form),
            ]
        )
        return app

    @asynccontextmanager
    async def served(self, *, port: int = 0) -> AsyncGenerator[str, None]:
        """Serve on 127.0.0.1 (port 0 takes a free one) and give the address to open, key included."""
        runner = web.AppRunner(self.app(), access_log=None, handler_cancellation=True, shutdown_timeout=0.2)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", port)
            await site.start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}/?key={self.token}"
        finally:
            await runner.cleanup()

    def _note_throttling(self, event: Event) -> None:
        if isinstance(event, RequestAnswered) and event.status == 429:  # noqa: PLR2004 - "too many requests" has no shorter name
            self._throttled.append(event.time)

    # Who may come in

    @web.middleware
    async def _guarded(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        homes = _homes(request)
        if request.host not in homes:
            return _refused("This page answers only on 127.0.0.1 and localhost.")
        origin = request.headers.get("Origin")
        if (origin or request.method == "POST") and origin not in {f"http://{home}" for home in homes}:
            return _refused("This request comes from another site.")
        if request.path.lstrip("/") not in _FILE_TYPES and not self._has_key(request):
            return _refused("This address lacks its key: open the one that `python -m bot preview` printed.")
        return await handler(request)

    def _has_key(self, request: web.Request) -> bool:
        key = request.headers.get(_KEY_HEADER, "") if request.method == "POST" else request.query.get("key", "")
        return secrets.compare_digest(key.encode("utf-8", "replace"), self.token.encode())

    # What is shown

    async def _index(self, _request: web.Request) -> web.StreamResponse:
        return web.FileResponse(_FILES / "index.html")

    async def _file(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if name not in _FILE_TYPES:
            raise web.HTTPNotFound
        return web.FileResponse(_FILES / name, headers={"Content-Type": f"{_FILE_TYPES[name]}; charset=utf-8"})

    async def _events(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        feed = Feed(self._world, self._views, self._throttled)
        with self._world.subscribed() as queue, suppress(ConnectionResetError):
            beginning = feed.beginning() | {"suggestions": self._suggestions}
            await response.prepare(request)
            await response.write(_encoded(beginning))
            while True:
                try:
                    event = await asyncio.wait_for(queue.get(), _KEEP_ALIVE)
                except TimeoutError:
                    await response.write(b":\n\n")
                else:
                    for told in feed.told(event):
                        await response.write(_encoded(told))
        return response

    # What a person may do

    async def _ask(self, request: web.Request) -> web.Response:
        asked = await _body(request)
        return self._used(_id(asked, "channel"), "ask", {"question": _text(asked, "question")})

    async def _command(self, request: web.Request) -> web.Response:
        asked = await _body(request)
        return self._used(_id(asked, "channel"), _text(asked, "name"), _texts(asked, "options"))

    def _used(self, channel_id: int, name: str, options: Mapping[str, str]) -> web.Response:
        self._check_channel(channel_id)
        try:
            interaction = self._world.use_command(channel_id, self._viewer.id, name, options)
        except LookupError as missing:
            raise _invalid(f"The bot has not registered /{name} here (yet): is it running?") from missing
        return web.json_response({"id": str(interaction.id)})

    async def _say(self, request: web.Request) -> web.Response:
        asked = await _body(request)
        channel_id = _id(asked, "channel")
        self._check_channel(channel_id)
        bot = self._world.bot
        text = _text(asked, "text").replace(f"@{bot.name}", f"<@{bot.id}>")
        reply_to = self._seen(asked, "reply") if "reply" in asked else None
        if reply_to and reply_to.channel_id != channel_id:
            raise _invalid("That message stands in another channel.")
        message = self._world.say(channel_id, self._viewer.id, text, reply_to=reply_to.id if reply_to else None)
        return web.json_response({"id": str(message.id)})

    async def _press(self, request: web.Request) -> web.Response:
        asked = await _body(request)
        try:
            interaction = self._world.press(_id(asked, "message"), _text(asked, "custom_id"), self._viewer.id)
        except LookupError as missing:
            raise _invalid("That button is no longer there.") from missing
        return web.json_response({"id": str(interaction.id)})

    async def _menu(self, request: web.Request) -> web.Response:
        asked = await _body(request)
        message, name = self._seen(asked, "message"), _text(asked, "name")
        try:
            interaction = self._world.use_menu(self._viewer.id, name, message.id)
        except LookupError as missing:
            raise _invalid("The bot has no such entry in its menu here (yet): is it running?") from missing
        return web.json_response({"id": str(interaction.id)})

    async def _form(self, request: web.Request) -> web.Response:
        asked = await _body(request)
        try:
            interaction = self._world.submit(_id(asked, "interaction"), _texts(asked, "values"))
        except LookupError as missing:
            raise _invalid("That form is no longer open.") from missing
        return web.json_response({"id": str(interaction.id)})

    def _seen(self, asked: Json, name: str) -> Message:
        """A message that stands there for everybody: what only one person sees can neither be replied to nor asked."""
        message = self._world.messages.get(_id(asked, name))
        if message is None or message.deleted_at is not None or message.audience is not None:
            raise _invalid("That message is gone.")
        return message

    def _check_channel(self, channel_id: int) -> None:
        if channel_id not in self._world.channels:
            raise _invalid("That channel is gone.")


def _homes(request: web.Request) -> frozenset[str]:
    """The host names under which this server may be spoken to."""
    port = request.transport.get_extra_info("sockname")[1] if request.transport else 0
    return frozenset({f"127.0.0.1:{port}", f"localhost:{port}"})


async def _harden(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_HEADERS)


def _encoded(told: Json) -> bytes:
    return f"data: {json.dumps(told)}\n\n".encode()


def _refused(words: str) -> web.Response:
    return web.Response(status=403, text=words)


def _invalid(words: str) -> web.HTTPBadRequest:
    return web.HTTPBadRequest(text=words)


async def _body(request: web.Request) -> Json:
    try:
        body: object = await request.json()
    except ValueError as error:
        raise _invalid("The request is not JSON.") from error
    if not isinstance(body, dict):
        raise _invalid("The request is not a JSON object.")
    return cast("Json", body)


def _text(body: Json, name: str) -> str:
    text: object = body.get(name)
    if not isinstance(text, str) or not text.strip():
        raise _invalid(f"Write something first: “{name}” is empty.")
    if len(text) > _TEXT_LIMIT:
        raise _invalid(f"That is {len(text):,} characters; {_TEXT_LIMIT:,} is the most.")
    return text


def _texts(body: Json, name: str) -> dict[str, str]:
    texts: object = body.get(name, {})
    if not isinstance(texts, dict):
        raise _invalid(f"“{name}” is not an object.")
    return {str(key): str(value)[:_TEXT_LIMIT] for key, value in cast("dict[object, object]", texts).items()}


def _id(body: Json, name: str) -> int:
    given: object = body.get(name)
    if not isinstance(given, str) or not given.isascii() or not given.isdigit():
        raise _invalid(f"“{name}” is not an id.")
    return int(given[:20])
