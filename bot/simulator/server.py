"""The stand-in for Discord: a server on this machine alone that an unmodified client takes for the real one."""

from __future__ import annotations

import asyncio
import json
import socket
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from aiohttp import web

from bot.simulator.discord_json import Wire
from bot.simulator.faults import Fault, Faults, Trouble
from bot.simulator.gateway import Gateway, reset
from bot.simulator.message_drafts import Attachment, Json, Refusal
from bot.simulator.rate_limits import Counters, Limits, Verdict
from bot.simulator.routes import Call, Reply, Route, Routes
from bot.simulator.world import ACKNOWLEDGE_WITHIN, Event, InteractionCreated, RequestAnswered, World

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from types import TracebackType

PREFIX = "/api/v10"
FILES = "/attachments/{id:[0-9]+}/{filename}"
"""Where files are served, outside the API."""

REMEMBERED = 10_000
"""How many requests are remembered."""

BODY_LIMIT = 26 * 1024 * 1024
"""Largest request, in bytes."""

NEVER_SENT = 499
"""What is recorded for a request whose connection was broken off."""


@dataclass(slots=True)
class Request:
    """One request as it came over the wire; ``time`` in Unix seconds.

    ``route`` is the path's pattern and ``path`` the path itself, both behind the API's version. ``body`` is its JSON.
    ``status`` is 0 while it is not answered, and 499 if its connection was broken off instead.
    """

    method: str
    route: str
    path: str
    time: float
    body: Any = None
    files: tuple[Attachment, ...] = ()
    status: int = 0
    code: int = 0
    """Discord's own code, where the request was refused with one."""


class StandIn:
    """Discord on loopback: ``async with StandIn() as standin``, then point a client at its two addresses.

    Args:
        world: what it stands in front of; by default ``World.populated()``.
        limits: the rate limits at the start; ``standin.counters.limits`` can be changed on the way.
        latency: seconds that everything takes in each direction.
        faults: what goes wrong; more can be added on the way.
        clock: Unix seconds, for a world that is made here.
    """

    def __init__(
        self,
        world: World | None = None,
        *,
        limits: Limits | None = None,
        latency: float = 0.0,
        faults: Faults | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.world = world or World.populated(clock=clock)
        self.counters = Counters(limits or Limits())
        self.faults = faults or Faults()
        self.requests: deque[Request] = deque(maxlen=REMEMBERED)
        self._latency = latency
        self._closing = asyncio.Event()
        self._timers: set[asyncio.TimerHandle] = set()

    async def __aenter__(self) -> Self:
        """Start to listen, on 127.0.0.1 and a port that is free."""
        listener = socket.create_server(("127.0.0.1", 0))
        self._authority = f"127.0.0.1:{listener.getsockname()[1]}"
        wire = Wire(self.world, f"http://{self._authority}")
        self.gateway = Gateway(wire, self.gateway_url, latency=self._latency)
        app = web.Application(client_max_size=BODY_LIMIT)
        self._add_routes(app, Routes(wire, self.gateway_url).table())
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.SockSite(self._runner, listener).start()
        self._stop_watching = self.world.watch(self._expect_answer)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hang up on everybody and stop to listen."""
        self._stop_watching()
        for timer in self._timers:
            timer.cancel()
        self._closing.set()
        await self.gateway.stop()
        await self._runner.cleanup()

    @property
    def api_url(self) -> str:
        """What stands in for ``https://discord.com/api/v10``."""
        return f"http://{self._authority}{PREFIX}"

    @property
    def gateway_url(self) -> str:
        """What stands in for ``wss://gateway.discord.gg/``."""
        return f"ws://{self._authority}/gateway"

    async def ready(self) -> None:
        """Wait until a bot is connected to the gateway and has been told of its guilds."""
        await self.gateway.ready()

    def _add_routes(self, app: web.Application, table: list[Route]) -> None:
        for route in table:
            app.router.add_route(route.method, PREFIX + route.path, self._server_of(route))
        app.router.add_get("/gateway", self.gateway.serve)
        app.router.add_get(FILES, self._serve_file)
        app.router.add_route("*", "/{path:.*}", self._server_of(UNKNOWN))

    def _server_of(self, route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def serve(request: web.Request) -> web.StreamResponse:
            return await self._serve(route, request)

        return serve

    async def _serve(self, route: Route, request: web.Request) -> web.StreamResponse:
        """One request from its arrival to its answer, with everything that can befall it."""
        await asyncio.sleep(self._latency)
        call = await _read(request)
        path = request.path.removeprefix(PREFIX)
        record = Request(request.method, route.path, path, self.world.clock(), call.body, call.files)
        self.requests.append(record)
        fault = self.faults.claim(request.method, path)
        if fault is None:
            response = self._answer(route, call, request, record)
        else:
            if fault.is_applied:
                self._answer(route, call, request, record)
            response = await self._spoil(fault, request)
        record.status = response.status
        await asyncio.sleep(self._latency)
        self.world.tell(RequestAnswered(self.world.clock(), record.method, record.route, record.status))
        return response

    def _answer(self, route: Route, call: Call, request: web.Request, record: Request) -> web.Response:
        """Discord's answer: to a stranger, to one who asks too often, or to what was asked."""
        if route.needs_token and request.headers.get("Authorization") != f"Bot {self.world.token}":
            return _written(401, {"message": "401: Unauthorized", "code": 0})
        bucket = route.bucket(call, self.counters.limits) if route.bucket else None
        verdict = self.counters.take(bucket, self.world.clock(), counts_overall=route.needs_token)
        headers = {} if verdict is None else verdict.headers()
        if verdict is not None and not verdict.is_allowed:
            return _written(429, verdict.body(), headers)
        try:
            reply = route.perform(call)
        except Refusal as refusal:
            record.code = refusal.code
            return _written(refusal.status, refusal.body(), headers)
        return web.Response(status=204, headers=headers) if reply is None else _written(route.status, reply, headers)

    async def _spoil(self, fault: Fault, request: web.Request) -> web.Response:
        """What comes of a request that got into trouble."""
        match fault.trouble:
            case Trouble.STATUS:
                return _written(fault.status, {"message": "Internal Server Error", "code": 0})
            case Trouble.PAGE:
                page = "<html><body>upstream connect error</body></html>"
                return web.Response(status=fault.status, text=page, content_type="text/html")
            case Trouble.LIMITED:
                until = self.world.clock() + fault.retry_after
                verdict = Verdict(1, 0, until, fault.retry_after, "", is_allowed=False, scope=fault.scope)
                return _written(429, verdict.body(), verdict.headers())
            case Trouble.HANG:
                await self._closing.wait()
            case Trouble.RESET:
                pass
        if request.transport is not None:
            reset(request.transport)
        return web.Response(status=NEVER_SENT)

    async def _serve_file(self, request: web.Request) -> web.StreamResponse:
        """A file, as long as it is there: without a token, as Discord's are."""
        await asyncio.sleep(self._latency)
        record = Request(request.method, FILES, request.path, self.world.clock())
        self.requests.append(record)
        fault = self.faults.claim(request.method, request.path)
        response = self._file(request) if fault is None else await self._spoil(fault, request)
        record.status = response.status
        await asyncio.sleep(self._latency)
        return response

    def _file(self, request: web.Request) -> web.Response:
        try:
            file = self.world.file(int(request.match_info["id"]))
        except LookupError:
            return web.Response(status=404, text="This content is no longer available.")
        return web.Response(body=file.content, headers={"Content-Type": file.media_type})

    def _expect_answer(self, event: Event) -> None:
        """Look again when an interaction's first answer is due."""
        if isinstance(event, InteractionCreated):
            loop = asyncio.get_running_loop()
            self._timers = {timer for timer in self._timers if timer.when() > loop.time()}
            self._timers.add(loop.call_later(ACKNOWLEDGE_WITHIN + 0.01, self.world.sweep))


def _missing(_: Call) -> Reply:
    raise Refusal(404, 0, "404: Not Found")


UNKNOWN = Route("*", "(unknown)", _missing, needs_token=False)


def _written(status: int, body: Json | list[Json], headers: Mapping[str, str] | None = None) -> web.Response:
    # Exactly this content type, without a charset: discord.py takes anything else for text.
    packed = json.dumps(body).encode()
    return web.Response(status=status, body=packed, content_type="application/json", headers=headers)


async def _read(request: web.Request) -> Call:
    """A request with its body, be it JSON or a form with files."""
    names, query = dict(request.match_info), dict(request.query)
    if request.content_type == "multipart/form-data":
        body, files = await _read_form(request)
        return Call(names, query, body, files)
    raw = await request.read()
    return Call(names, query, json.loads(raw) if raw else None)


async def _read_form(request: web.Request) -> tuple[Any, tuple[Attachment, ...]]:
    form = await request.post()
    files: list[Attachment] = []
    for value in form.values():
        if isinstance(value, web.FileField):
            with value.file:
                files.append(Attachment(value.filename, value.file.read(), value.content_type))
    return json.loads(str(form["payload_json"])), tuple(files)
