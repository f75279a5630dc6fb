"""The gateway: a WebSocket over which the bot identifies itself and hears, in order, what happens in the world."""

from __future__ import annotations

import asyncio
import json
import math
import secrets
import socket as sockets
import struct
import zlib
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from aiohttp import ClientConnectionError, WSMsgType, web

from bot.simulator.discord_json import DiscordSerializer, Intent
from bot.simulator.dispatches import DispatchSerializer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bot.simulator.message_drafts import Json
    from bot.simulator.world import Event

HEARTBEAT_INTERVAL = 41.25
"""Seconds between a client's heartbeats, as told to it."""


REPLAY_LIMIT = 5_000
"""How many payloads a session remembers for a resume."""


class Op(IntEnum):
    """What a gateway payload is about."""

    DISPATCH = 0
    HEARTBEAT = 1
    IDENTIFY = 2
    RESUME = 6
    RECONNECT = 7
    INVALID_SESSION = 9
    HELLO = 10
    HEARTBEAT_ACK = 11


class CloseCode(IntEnum):
    """Why the gateway hangs up."""

    NORMAL = 1000
    NOT_AUTHENTICATED = 4003
    AUTHENTICATION_FAILED = 4004
    INVALID_SHARD = 4010
    DISALLOWED_INTENTS = 4014


@dataclass(slots=True)
class IdentifyLimits:
    """What Discord recommends and allows.

    Attributes:
        shards: The number of shards that ``/gateway/bot`` recommends.
        max_concurrency: Shards that may identify within one interval, each with another remainder by this number.
        interval: Seconds between two identifies of shards with the same remainder; Discord's is 5.
        remaining: Identifies that are left today.
    """

    shards: int = 1
    max_concurrency: int = 1
    interval: float = 0.0
    remaining: int = 1000


@dataclass(slots=True)
class Session:
    """What one shard was told since it identified itself; it outlives its connections.

    ``shard`` is its number, counted from 0, and how many shards there are.
    """

    intents: int
    shard: tuple[int, int] = (0, 1)
    id: str = field(default_factory=lambda: secrets.token_hex(16))
    sent: deque[Json] = field(default_factory=lambda: deque[Any](maxlen=REPLAY_LIMIT))
    sequence: int = 0
    connection: Connection | None = None

    def dispatch(self, name: str, data: Json) -> None:
        """Tell the bot something, now or when it resumes."""
        self.sequence += 1
        payload = {"op": int(Op.DISPATCH), "t": name, "s": self.sequence, "d": data}
        self.sent.append(payload)
        if self.connection is not None:
            self.connection.send(payload)

    def serves(self, guild_id: int | None) -> bool:
        """Whether this shard is told of a guild; of direct messages (None) shard 0 alone is."""
        number, count = self.shard
        return number == (0 if guild_id is None else (guild_id >> 22) % count)

    def find_missed(self, sequence: int) -> list[Json] | None:
        """What was told after that sequence number; None if not all of it is remembered."""
        missed = [payload for payload in self.sent if payload["s"] > sequence]
        return missed if len(missed) == self.sequence - sequence else None


class Connection:
    """One WebSocket: payloads leave in order, each ``latency`` seconds after it was sent."""

    def __init__(self, request: web.Request, socket: web.WebSocketResponse, latency: float) -> None:
        self.socket = socket
        self._transport = request.transport
        self._latency = latency
        is_compressed = request.query.get("compress") == "zlib-stream"
        self._deflate = zlib.compressobj() if is_compressed else None
        self._outbox: asyncio.Queue[tuple[float, Json]] = asyncio.Queue()

    def send(self, payload: Json) -> None:
        """Put a payload on its way."""
        self._outbox.put_nowait((asyncio.get_running_loop().time() + self._latency, payload))

    async def write(self) -> None:
        """Send what is in the outbox, until cancelled."""
        while True:
            due, payload = await self._outbox.get()
            await asyncio.sleep(due - asyncio.get_running_loop().time())
            with suppress(ClientConnectionError):
                await self._write(json.dumps(payload))
            self._outbox.task_done()

    async def _write(self, text: str) -> None:
        if self._deflate is None:
            await self.socket.send_str(text)
        else:
            packed = self._deflate.compress(text.encode()) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
            await self.socket.send_bytes(packed)

    async def flush(self) -> None:
        """Wait until everything sent so far has left."""
        await self._outbox.join()

    def abort(self) -> None:
        """Break the connection off without a word, as a lost network does."""
        if self._transport is not None:
            reset_connection(self._transport)


def reset_connection(transport: asyncio.BaseTransport) -> None:
    """Break a TCP connection off so that the other side sees a reset."""
    socket = transport.get_extra_info("socket")
    if socket is not None:
        socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, struct.pack("ii", 1, 0))
    if isinstance(transport, asyncio.WriteTransport):
        transport.abort()


class Gateway:
    """Every connected bot, and every session that may still be resumed."""

    def __init__(
        self, serializer: DiscordSerializer, url: str, *, latency: float = 0.0, limits: IdentifyLimits | None = None
    ) -> None:
        self._serializer = serializer
        self._world = serializer.world
        self._dispatches = DispatchSerializer(serializer)
        self._url = url
        self._latency = latency
        self.limits = limits or IdentifyLimits()
        self._identified_at: dict[int, float] = {}
        self.sessions: dict[str, Session] = {}
        self.received: list[Json] = []
        """Every payload a bot sent, oldest first."""
        self._is_ready = asyncio.Event()
        self._stop_watching = self._world.watch(self._on_event)

    async def wait_until_ready(self) -> None:
        """Wait until a bot is connected and has been told of its guilds."""
        await self._is_ready.wait()

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """Speak with one bot until either side hangs up."""
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        connection = Connection(request, socket, self._latency)
        writing = asyncio.create_task(connection.write())
        connection.send({"op": int(Op.HELLO), "d": {"heartbeat_interval": int(HEARTBEAT_INTERVAL * 1000)}})
        try:
            await self._listen(connection)
        finally:
            self._remove_connection(connection)
            writing.cancel()
            with suppress(asyncio.CancelledError):
                await writing
        return socket

    async def _listen(self, connection: Connection) -> None:
        async for frame in connection.socket:
            if frame.type is not WSMsgType.TEXT:
                continue
            payload: Json = json.loads(frame.data)
            self.received.append(payload)
            await asyncio.sleep(self._latency)
            await self._handle(connection, payload)

    async def _handle(self, connection: Connection, payload: Json) -> None:
        match payload["op"]:
            case Op.HEARTBEAT:
                connection.send({"op": int(Op.HEARTBEAT_ACK), "d": None})
            case Op.IDENTIFY:
                await self._identify(connection, payload["d"])
            case Op.RESUME:
                await self._resume(connection, payload["d"])
            case _:
                pass  # Presence and the rest change nothing here.

    async def _identify(self, connection: Connection, data: Json) -> None:
        intents = int(data["intents"])
        if data["token"] != self._world.token:
            await connection.socket.close(code=CloseCode.AUTHENTICATION_FAILED, message=b"Authentication failed.")
        elif intents & Intent.PRIVILEGED & ~self._world.enabled_intents:
            await connection.socket.close(code=CloseCode.DISALLOWED_INTENTS, message=b"Disallowed intent(s).")
        elif not 0 <= (shard := _read_shard(data))[0] < shard[1]:
            await connection.socket.close(code=CloseCode.INVALID_SHARD, message=b"Invalid shard.")
        elif not self._may_identify(shard[0]):
            connection.send({"op": int(Op.INVALID_SESSION), "d": False})
        else:
            session = Session(intents, shard, connection=connection)
            self.sessions[session.id] = session
            self._send_ready(session)
            await connection.flush()
            self._is_ready.set()

    def _may_identify(self, shard: int) -> bool:
        """Count an identify; Discord invalidates the session of one that comes too soon."""
        key, now = shard % self.limits.max_concurrency, asyncio.get_running_loop().time()
        if now - self._identified_at.get(key, -math.inf) < self.limits.interval:
            return False
        self._identified_at[key] = now
        self.limits.remaining -= 1
        return True

    def _send_ready(self, session: Session) -> None:
        guilds = [
            guild
            for guild in self._world.guilds.values()
            if self._world.bot.id in guild.members and session.serves(guild.id)
        ]
        session.dispatch(
            "READY",
            {
                "v": 10,
                "user": self._serializer.serialize_user(self._world.bot),
                "guilds": [{"id": str(guild.id), "unavailable": True} for guild in guilds],
                "session_id": session.id,
                "resume_gateway_url": self._url,
                "application": {"id": str(self._world.application_id), "flags": 0},
                "shard": list(session.shard),
            },
        )
        for guild in guilds:
            session.dispatch("GUILD_CREATE", self._serializer.serialize_guild(guild, session.intents))

    async def _resume(self, connection: Connection, data: Json) -> None:
        session = self.sessions.get(data["session_id"]) if data["token"] == self._world.token else None
        missed = None if session is None else session.find_missed(int(data["seq"]))
        if session is None or missed is None:
            connection.send({"op": int(Op.INVALID_SESSION), "d": False})
            return
        session.connection = connection
        for payload in missed:
            connection.send(payload)
        session.dispatch("RESUMED", {})
        await connection.flush()
        self._is_ready.set()

    def _remove_connection(self, connection: Connection) -> None:
        for session in self._connected_sessions():
            if session.connection is connection:
                session.connection = None
        if not any(self._connected_sessions()):
            self._is_ready.clear()

    def _connected_sessions(self) -> Iterator[Session]:
        return (session for session in list(self.sessions.values()) if session.connection is not None)

    # What can go wrong

    def drop_connections(self) -> None:
        """Break every connection off; the sessions can be resumed."""
        for session in self._connected_sessions():
            if session.connection is not None:
                session.connection.abort()
                session.connection = None
        self._is_ready.clear()

    async def close(self, code: int = CloseCode.NORMAL) -> None:
        """Hang up on every bot with a close code."""
        self._is_ready.clear()
        for session in self._connected_sessions():
            if session.connection is not None:
                await session.connection.socket.close(code=code)

    def ask_to_reconnect(self) -> None:
        """Send every bot op 7: come back and resume."""
        self._is_ready.clear()
        for session in self._connected_sessions():
            if session.connection is not None:
                session.connection.send({"op": int(Op.RECONNECT), "d": None})

    def invalidate(self) -> None:
        """Send every bot op 9: its session is gone, it must identify itself anew."""
        self._is_ready.clear()
        for session in self._connected_sessions():
            if session.connection is not None:
                session.connection.send({"op": int(Op.INVALID_SESSION), "d": False})
        self.sessions.clear()

    async def stop(self) -> None:
        """Hear nothing more and hang up."""
        self._stop_watching()
        await self.close(CloseCode.NORMAL)

    # What is told

    def _on_event(self, event: Event) -> None:
        for session in self.sessions.values():
            for name, data in self._dispatches.serialize(event, session.intents):
                if session.serves(_find_guild_id(name, data)):
                    session.dispatch(name, data)


def _find_guild_id(name: str, data: Json) -> int | None:
    """Return the guild that a dispatch belongs to; None for direct messages."""
    found = data["id"] if name in {"GUILD_CREATE", "GUILD_DELETE"} else data.get("guild_id")
    return None if found is None else int(found)


def _read_shard(data: Json) -> tuple[int, int]:
    number, count = data.get("shard") or (0, 1)
    return int(number), int(count)
