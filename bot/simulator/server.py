"""The simulated Discord: a server on this machine alone that an unmodified client takes for the real one."""

from __future__ import annotations

import asyncio
import hmac
import json
import socket
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from aiohttp import web

from bot.simulator.discord_json import DiscordSerializer, sign_file
from bot.simulator.faults import FailureKind, Fault, Faults
from bot.simulator.gateway import Gateway, IdentifyLimits, reset_connection
from bot.simulator.message_drafts import ApiError, Attachment, Json
from bot.simulator.rate_limits import Limits, RateLimitCounters, RateLimitResult
from bot.simulator.routes import ParsedRequest, ResponseBody, Route, Routes
from bot.simulator.world import ACKNOWLEDGE_TIMEOUT, Event, InteractionCreated, RequestAnswered, World

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from types import TracebackType

PREFIX = "/api/v10"
ATTACHMENT_PATH = "/attachments/{id:[0-9]+}/{filename}"
"""Where files are served, outside the API."""

MAX_RECORDED_REQUESTS = 10_000
"""How many requests are remembered."""

BODY_LIMIT = 26 * 1024 * 1024
"""Largest request, in bytes."""

CONNECTION_RESET_STATUS = 499
"""What is recorded for a request whose connection was broken off."""


@dataclass(slots=True)
class RecordedRequest:
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


class DiscordSimulator:
    """Discord on loopback: ``async with DiscordSimulator() as simulator``, then point a client at its two addresses.

    Args:
        world: what it stands in front of; by default ``World.create_default()``.
        limits: the rate limits at the start; ``simulator.counters.limits`` can be changed on the way.
        latency: seconds that everything takes in each direction.
        faults: what goes wrong; more can be added on the way.
        clock: Unix seconds, for a world that is made here.
        identify_limits: how many shards Discord recommends, and how soon they may identify.
    """

    def __init__(  # noqa: PLR0913 - what a test chooses, each by name
        self,
        world: World | None = None,
        *,
        limits: Limits | None = None,
        latency: float = 0.0,
        faults: Faults | None = None,
        clock: Callable[[], float] | None = None,
        identify_limits: IdentifyLimits | None = None,
    ) -> None:
        self.world = world or World.create_default(clock=clock)
        self.counters = RateLimitCounters(limits or Limits())
        self.faults = faults or Faults()
        self.requests: deque[RecordedRequest] = deque(maxlen=MAX_RECORDED_REQUESTS)
        self._latency = latency
        self._identify_limits = identify_limits or IdentifyLimits()
        self._closing = asyncio.Event()
        self._timers: set[asyncio.TimerHandle] = set()

    async def __aenter__(self) -> Self:
        """Start to listen, on 127.0.0.1 and a port that is free."""
        listener = socket.create_server(("127.0.0.1", 0))
        self._authority = f"127.0.0.1:{listener.getsockname()[1]}"
        wire = DiscordSerializer(self.world, f"http://{self._authority}")
        self.gateway = Gateway(wire, self.gateway_url, latency=self._latency, limits=self._identify_limits)
        app = web.Application(client_max_size=BODY_LIMIT)
        self._add_routes(app, Routes(wire, self.gateway_url, self._identify_limits).build_table())
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.SockSite(self._runner, listener).start()
        self._stop_watching = self.world.watch(self._schedule_timeout_check)
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

    async def wait_until_ready(self) -> None:
        """Wait until a bot is connected to the gateway and has been told of its guilds."""
        await self.gateway.wait_until_ready()

    def _add_routes(self, app: web.Application, table: list[Route]) -> None:
        for route in table:
            app.router.add_route(route.method, PREFIX + route.path, self._make_handler(route))
        app.router.add_get("/gateway", self.gateway.serve)
        app.router.add_get(ATTACHMENT_PATH, self._serve_file)
        app.router.add_route("*", "/{path:.*}", self._make_handler(UNKNOWN_ROUTE))

    def _make_handler(self, route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def serve(request: web.Request) -> web.StreamResponse:
            return await self._serve(route, request)

        return serve

    async def _serve(self, route: Route, request: web.Request) -> web.StreamResponse:
        """One request from its arrival to its answer, with everything that can befall it."""
        await asyncio.sleep(self._latency)
        call = await _parse_request(request)
        path = request.path.removeprefix(PREFIX)
        record = RecordedRequest(request.method, route.path, path, self.world.clock(), call.body, call.files)
        self.requests.append(record)
        fault = self.faults.take(request.method, path)
        if fault is None:
            response = self._answer(route, call, request, record)
        else:
            if fault.is_applied:
                self._answer(route, call, request, record)
            response = await self._apply_fault(fault, request)
        record.status = response.status
        await asyncio.sleep(self._latency)
        self.world.emit(RequestAnswered(self.world.clock(), record.method, record.route, record.status))
        return response

    def _answer(self, route: Route, call: ParsedRequest, request: web.Request, record: RecordedRequest) -> web.Response:
        """Discord's answer: to a stranger, to one who asks too often, or to what was asked."""
        if route.needs_token and request.headers.get("Authorization") != f"Bot {self.world.token}":
            return _json_response(401, {"message": "401: Unauthorized", "code": 0})
        bucket = route.bucket(call, self.counters.limits) if route.bucket else None
        verdict = self.counters.take(bucket, self.world.clock(), counts_globally=route.needs_token)
        headers = {} if verdict is None else verdict.to_headers()
        if verdict is not None and not verdict.is_allowed:
            return _json_response(429, verdict.to_json(), headers)
        try:
            reply = route.perform(call)
        except ApiError as refusal:
            record.code = refusal.code
            return _json_response(refusal.status, refusal.to_json(), headers)
        return (
            web.Response(status=204, headers=headers) if reply is None else _json_response(route.status, reply, headers)
        )

    async def _apply_fault(self, fault: Fault, request: web.Request) -> web.Response:
        """What comes of a request that got into trouble."""
        match fault.kind:
            case FailureKind.STATUS:
                return _json_response(fault.status, {"message": "Internal Server Error", "code": 0})
            case FailureKind.HTML_PAGE:
                page = "<html><body>upstream connect error</body></html>"
                return web.Response(status=fault.status, text=page, content_type="text/html")
            case FailureKind.RATE_LIMITED:
                until = self.world.clock() + fault.retry_after
                verdict = RateLimitResult(1, 0, until, fault.retry_after, "", is_allowed=False, scope=fault.scope)
                return _json_response(429, verdict.to_json(), verdict.to_headers())
            case FailureKind.HANG:
                await self._closing.wait()
            case FailureKind.RESET:
                pass
        if request.transport is not None:
            reset_connection(request.transport)
        return web.Response(status=CONNECTION_RESET_STATUS)

    async def _serve_file(self, request: web.Request) -> web.StreamResponse:
        """A file, as long as it is there, to whoever has its signed address."""
        await asyncio.sleep(self._latency)
        record = RecordedRequest(request.method, ATTACHMENT_PATH, request.path, self.world.clock())
        self.requests.append(record)
        fault = self.faults.take(request.method, request.path)
        response = self._respond_with_file(request) if fault is None else await self._apply_fault(fault, request)
        record.status = response.status
        await asyncio.sleep(self._latency)
        return response

    def _respond_with_file(self, request: web.Request) -> web.Response:
        file_id = int(request.match_info["id"])
        signature = sign_file(self.world.token, file_id)
        if not hmac.compare_digest(request.query.get("hm", "").encode(), signature.encode()):
            return web.Response(status=403, text="This address is not signed.")
        try:
            file = self.world.find_file(file_id)
        except LookupError:
            return web.Response(status=404, text="This content is no longer available.")
        return web.Response(body=file.content, headers={"Content-Type": file.media_type})

    def _schedule_timeout_check(self, event: Event) -> None:
        """Look again when an interaction's first answer is due."""
        if isinstance(event, InteractionCreated):
            loop = asyncio.get_running_loop()
            self._timers = {timer for timer in self._timers if timer.when() > loop.time()}
            self._timers.add(loop.call_later(ACKNOWLEDGE_TIMEOUT + 0.01, self.world.fail_overdue_interactions))


def _raise_not_found(_: ParsedRequest) -> ResponseBody:
    raise ApiError(404, 0, "404: Not Found")


UNKNOWN_ROUTE = Route("*", "(unknown)", _raise_not_found, needs_token=False)


def _json_response(status: int, body: Json | list[Json], headers: Mapping[str, str] | None = None) -> web.Response:
    # Exactly this content type, without a charset: discord.py takes anything else for text.
    packed = json.dumps(body).encode()
    return web.Response(status=status, body=packed, content_type="application/json", headers=headers)


async def _parse_request(request: web.Request) -> ParsedRequest:
    """A request with its body, be it JSON or a form with files."""
    names, query = dict(request.match_info), dict(request.query)
    if request.content_type == "multipart/form-data":
        body, files = await _parse_form(request)
        return ParsedRequest(names, query, body, files)
    raw = await request.read()
    return ParsedRequest(names, query, json.loads(raw) if raw else None)


async def _parse_form(request: web.Request) -> tuple[Any, tuple[Attachment, ...]]:
    form = await request.post()
    files: list[Attachment] = []
    for value in form.values():
        if isinstance(value, web.FileField):
            with value.file:
                files.append(Attachment(value.filename, value.file.read(), value.content_type))
    return json.loads(str(form["payload_json"])), tuple(files)
