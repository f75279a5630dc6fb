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
from typing import TYPE_CHECKING
from urllib.parse import quote

from aiohttp import web

from bot.preview.event_feed import EventFeed
from bot.preview.page_actions import PageActions
from bot.preview.rendering import DiscordMarkdown
from bot.preview.request_body import BODY_LIMIT, bad_request
from bot.preview.views import Views
from bot.simulator.discord_json import ATTACHMENT_SIZE_LIMIT
from bot.simulator.world import RequestAnswered

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

    from bot.simulator.message_drafts import Json
    from bot.simulator.world import Event, User, World

_STATIC_FOLDER = Path(__file__).parent / "page"
_SCRIPTS = ("page.js", "shared.js", "messages.js", "composer.js", "options.js", "fields.js")
_FILE_TYPES = {"page.css": "text/css", "icon.svg": "image/svg+xml"} | dict.fromkeys(_SCRIPTS, "text/javascript")
_POLICY_HEADER = "Content-Security-Policy"
_FILE_POLICY = "sandbox; default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_SECURITY_HEADERS = {
    _POLICY_HEADER: (
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
_VIEWER_HEADER = "X-Preview-As"
_KEEP_ALIVE = 15.0
"""Seconds after which an idle stream says that it is still there."""


class PreviewPage:
    """Shows ``world`` to ``viewer`` and lets them act in it.

    Args:
        world: the simulator's world.
        viewer: the member the person at the browser is, until they choose to be another.
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
        self._markdown = DiscordMarkdown()
        self._rate_limited_at: list[float] = []
        world.watch(self._record_rate_limit)

    def build_app(self) -> web.Application:
        """The routes, behind the checks."""
        app = web.Application(middlewares=[self._check_request], client_max_size=ATTACHMENT_SIZE_LIMIT + BODY_LIMIT)
        app.on_response_prepare.append(_add_security_headers)
        app.add_routes(
            [
                web.get("/", self._serve_index),
                web.get("/{name:[a-z]+\\.[a-z]+}", self._serve_static_file),
                web.get("/events", self._stream_events),
                web.get("/files/{id:[0-9]+}", self._serve_attachment),
                *PageActions(self._world, self._find_viewer).build_routes(),
            ]
        )
        return app

    @asynccontextmanager
    async def serve(self, *, port: int = 0) -> AsyncGenerator[str, None]:
        """Serve on 127.0.0.1 (port 0 takes a free one) and give the address to open, key included."""
        runner = web.AppRunner(self.build_app(), access_log=None, handler_cancellation=True, shutdown_timeout=0.2)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", port)
            await site.start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}/?key={self.token}"
        finally:
            await runner.cleanup()

    def _record_rate_limit(self, event: Event) -> None:
        if isinstance(event, RequestAnswered) and event.status == 429:  # noqa: PLR2004 - "too many requests" has no shorter name
            self._rate_limited_at.append(event.time)

    # Who may come in

    @web.middleware
    async def _check_request(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        homes = _list_allowed_hosts(request)
        if request.host not in homes:
            return _forbid("This page answers only on 127.0.0.1 and localhost.")
        origin = request.headers.get("Origin")
        if (origin or request.method == "POST") and origin not in {f"http://{home}" for home in homes}:
            return _forbid("This request comes from another site.")
        if request.path.lstrip("/") not in _FILE_TYPES and not self._has_key(request):
            return _forbid("This address lacks its key: open the one that `python -m bot preview` printed.")
        return await handler(request)

    def _has_key(self, request: web.Request) -> bool:
        key = request.headers.get(_KEY_HEADER, "") if request.method == "POST" else request.query.get("key", "")
        return secrets.compare_digest(key.encode("utf-8", "replace"), self.token.encode())

    def _find_viewer(self, request: web.Request) -> User:
        """Who the person at the browser is: a member of their choice."""
        chosen = request.headers.get(_VIEWER_HEADER) or request.query.get("as", "")
        if not chosen:
            return self._viewer
        user = self._world.users.get(int(chosen)) if chosen.isascii() and chosen.isdigit() else None
        is_member = user is not None and any(user.id in guild.members for guild in self._world.guilds.values())
        if user is None or user.is_bot or not is_member:
            raise bad_request("There is no such member any more: reload the page.")
        return user

    # What is shown

    async def _serve_index(self, _request: web.Request) -> web.StreamResponse:
        return web.FileResponse(_STATIC_FOLDER / "index.html")

    async def _serve_static_file(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if name not in _FILE_TYPES:
            raise web.HTTPNotFound
        return web.FileResponse(_STATIC_FOLDER / name, headers={"Content-Type": f"{_FILE_TYPES[name]}; charset=utf-8"})

    async def _serve_attachment(self, request: web.Request) -> web.StreamResponse:
        """A file at a message the viewer sees: text as nothing but text, anything else to be saved."""
        views = Views(self._world, self._markdown, self._find_viewer(request))
        try:
            message, file = self._world.find_message_of_file(int(request.match_info["id"]))
        except LookupError:
            message, file = None, None
        if message is None or file is None or not views.is_visible(message):
            raise web.HTTPNotFound(text="That file is gone.")
        is_text = file.media_type.startswith(("text/", "application/json"))
        kind = "text/plain; charset=utf-8" if is_text else "application/octet-stream"
        placed = "inline" if is_text else "attachment"
        disposition = f"{placed}; filename*=UTF-8''{quote(file.filename, safe='')}"
        headers = {"Content-Type": kind, "Content-Disposition": disposition, _POLICY_HEADER: _FILE_POLICY}
        return web.Response(body=file.content, headers=headers)

    async def _stream_events(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        views = Views(self._world, self._markdown, self._find_viewer(request))
        feed = EventFeed(self._world, views, self._rate_limited_at)
        with self._world.subscribe() as queue, suppress(ConnectionResetError):
            beginning = feed.build_snapshot() | {"suggestions": self._suggestions}
            await response.prepare(request)
            await response.write(_encode_event(beginning))
            while True:
                try:
                    event = await asyncio.wait_for(queue.get(), _KEEP_ALIVE)
                except TimeoutError:
                    await response.write(b":\n\n")
                else:
                    for told in feed.serialize_event(event):
                        await response.write(_encode_event(told))
        return response


def _list_allowed_hosts(request: web.Request) -> frozenset[str]:
    """The host names under which this server may be spoken to."""
    port = request.transport.get_extra_info("sockname")[1] if request.transport else 0
    return frozenset({f"127.0.0.1:{port}", f"localhost:{port}"})


async def _add_security_headers(_request: web.Request, response: web.StreamResponse) -> None:
    for name, value in _SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)


def _encode_event(data: Json) -> bytes:
    return f"data: {json.dumps(data)}\n\n".encode()


def _forbid(message: str) -> web.Response:
    return web.Response(status=403, text=message)
