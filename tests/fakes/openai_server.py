"""A server on loopback that speaks OpenAI's protocol and says what a script tells it to, faults included.

    async with OpenAIServer(spoken("The office is in Whitby [1].")) as server:
        ...  # point a client at server.url, any key

``server.script`` may be replaced at any time, or be a function that chooses a script for each request.
"""

from __future__ import annotations

import asyncio
import base64
import json
import math
import re
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Self

from aiohttp import web

if TYPE_CHECKING:
    from types import TracebackType

DIMENSION = 64
_LONG_PROMPT = 8_000  # characters
"""Length of the vectors that ``/v1/embeddings`` gives."""


class StreamEnd(Enum):
    """What happens after the last delta."""

    DONE = "finish reason, usage, [DONE]"
    UNFINISHED = "[DONE] without a finish reason"
    RESET = "the connection is torn down"
    CLOSED = "the stream ends without [DONE]"
    STALL = "silence until the client leaves"
    KEEP_ALIVE = "comments, but no text, until the client leaves"
    ERROR_EVENT = "an error event in the stream"
    BROKEN_JSON = "an event that is not JSON"


@dataclass(frozen=True, slots=True)
class Completion:
    """A streamed completion.

    ``first_delay`` and ``delta_delay`` are seconds: before the first byte, and between two deltas.
    """

    deltas: Sequence[str]
    first_delay: float = 0.0
    delta_delay: float = 0.0
    reasoning: Sequence[str] = ()
    end: StreamEnd = StreamEnd.DONE
    finish_reason: str = "stop"
    error: Mapping[str, Any] = field(default_factory=lambda: {"message": "The engine caught fire.", "code": None})
    has_usage: bool = True


@dataclass(frozen=True, slots=True)
class ErrorResponse:
    """An HTTP error in place of a completion; ``retry_after`` is sent as a header, in seconds."""

    status: int
    code: str | None = None
    message: str = "No."
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class RawResponse:
    """A body as it is, with status 200."""

    body: str
    content_type: str = "text/event-stream"


Script = Completion | ErrorResponse | RawResponse | Callable[["Request"], Completion | ErrorResponse | RawResponse]


def make_completion(
    text: str, *, first_delay: float = 0.0, delta_delay: float = 0.0, end: StreamEnd = StreamEnd.DONE
) -> Completion:
    """The text in deltas of a word each; they join to the text exactly."""
    return Completion(re.findall(r"\s*\S+|\s+", text), first_delay=first_delay, delta_delay=delta_delay, end=end)


def make_invalid_key_error() -> ErrorResponse:
    """The key is wrong."""
    return ErrorResponse(401, "invalid_api_key", "Incorrect API key provided: sk-secret.")


def make_quota_error() -> ErrorResponse:
    """The account has no quota left."""
    return ErrorResponse(429, "insufficient_quota", "You exceeded your current quota.")


def make_rate_limit_error(retry_after: float | None = None) -> ErrorResponse:
    """Too many requests."""
    return ErrorResponse(429, "rate_limit_exceeded", "Slow down.", retry_after)


def make_model_not_found_error() -> ErrorResponse:
    """There is no such model."""
    return ErrorResponse(404, "model_not_found", "The model does not exist.")


def make_context_length_error() -> ErrorResponse:
    """The prompt is longer than the model's window."""
    return ErrorResponse(400, "context_length_exceeded", "Maximum context length is 8192 tokens.")


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it arrived."""

    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]

    @property
    def prompt(self) -> str:
        """Everything said to the model, all messages in one text."""
        return "\n\n".join(str(message["content"]) for message in self.body.get("messages", ()))


def embed_text(text: str) -> list[float]:
    """A unit vector in which texts that share words are close: words hashed into ``DIMENSION`` bins."""
    bins = [0.0] * DIMENSION
    for word in re.findall(r"\w+", text.lower()):
        bins[zlib.crc32(word.encode()) % DIMENSION] += 1.0
    norm = math.hypot(*bins)
    return [value / norm for value in bins] if norm else [1.0, *bins[1:]]


def _make_chunk(delta: Mapping[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "fake", "choices": [choice]}


def _make_error(message: str, code: str | None) -> dict[str, Any]:
    return {"error": {"message": message, "type": "error", "param": None, "code": code}}


class OpenAIServer:
    """Serves on 127.0.0.1, on a free port, while it is entered.

    ``requests`` holds what arrived, oldest first. ``disconnects`` counts the clients that left before their stream was
    over; ``disconnected`` is set at the first.
    """

    def __init__(self, script: Script | None = None, *, models: Sequence[str] = ("fake",)) -> None:
        self.script: Script = script or make_completion("Hello.")
        self.embedding_error: ErrorResponse | None = None
        self.embedding_limit: int | None = None
        self.allowed_batches: asyncio.Semaphore | None = None
        """How many embedding requests of several texts are still answered; further ones wait. None: all."""
        self.requests: list[Request] = []
        self.context_window = 1_000_000
        """Tokens of a prompt that are read; the rest is cut silently."""
        self.model_fields: Mapping[str, Any] = {}
        """What /v1/models says of each model beside its id."""
        self.disconnects = 0
        self.disconnected = asyncio.Event()
        self._models = models
        self._runner: web.AppRunner | None = None
        self._port = 0

    @property
    def url(self) -> str:
        """The base URL, with ``/v1``."""
        return f"http://127.0.0.1:{self._port}/v1"

    @property
    def chat_requests(self) -> list[Request]:
        """The requests for a completion."""
        return [request for request in self.requests if request.path == "/v1/chat/completions"]

    @property
    def embedding_requests(self) -> list[Request]:
        """The requests for embeddings."""
        return [request for request in self.requests if request.path == "/v1/embeddings"]

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/v1/embeddings", self._embed)
        app.router.add_get("/v1/models", self._list_models)
        # Cancelling the handler is how aiohttp tells that the client has gone.
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _record_request(self, request: web.Request) -> Request:
        record = Request(request.path, dict(request.headers), await request.json())
        self.requests.append(record)
        return record

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        record = await self._record_request(request)
        script = self.script(record) if callable(self.script) else self.script
        if isinstance(script, ErrorResponse):
            return self._respond_with_error(script)
        if isinstance(script, RawResponse):
            return web.Response(text=script.body, content_type=script.content_type)
        try:
            return await self._stream_completion(request, script)
        except (asyncio.CancelledError, ConnectionResetError):
            self.disconnects += 1
            self.disconnected.set()
            raise

    async def _stream_completion(self, request: web.Request, completion: Completion) -> web.StreamResponse:
        await asyncio.sleep(completion.first_delay)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await self._send_event(response, _make_chunk({"role": "assistant", "content": ""}))
        for thought in completion.reasoning:
            await self._send_event(response, _make_chunk({"reasoning_content": thought}))
        for delta in completion.deltas:
            await self._send_event(response, _make_chunk({"content": delta}))
            await asyncio.sleep(completion.delta_delay)
        await self._end_stream(request, response, completion)
        return response

    async def _send_event(self, response: web.StreamResponse, event: Mapping[str, Any]) -> None:
        await response.write(b"data: " + json.dumps(event).encode() + b"\n\n")

    async def _end_stream(self, request: web.Request, response: web.StreamResponse, completion: Completion) -> None:
        match completion.end:
            case StreamEnd.DONE:
                await self._finish(response, completion)
            case StreamEnd.UNFINISHED:
                await response.write(b"data: [DONE]\n\n")
            case StreamEnd.CLOSED:
                pass
            case StreamEnd.RESET:
                await asyncio.sleep(0.05)  # lets what was written leave the machine first
                if request.transport is not None:
                    request.transport.abort()
            case StreamEnd.STALL:
                await asyncio.Event().wait()
            case StreamEnd.KEEP_ALIVE:
                await self._keep_alive(response)
            case StreamEnd.ERROR_EVENT:
                await self._send_event(response, {"error": dict(completion.error)})
            case StreamEnd.BROKEN_JSON:
                await response.write(b'data: {"choices": [\n\n')

    def _count_prompt_tokens(self) -> int:
        """100, or of a very long prompt a token for five characters, as far as the context window goes."""
        length = len(self.chat_requests[-1].prompt)
        return 100 if length < _LONG_PROMPT else min(length // 5, self.context_window)

    async def _finish(self, response: web.StreamResponse, completion: Completion) -> None:
        await self._send_event(response, _make_chunk({}, completion.finish_reason))
        if completion.has_usage:
            usage = {
                "prompt_tokens": self._count_prompt_tokens(),
                "completion_tokens": len(completion.deltas),
                "total_tokens": 0,
            }
            await self._send_event(response, {**_make_chunk({}), "choices": [], "usage": usage})
        await response.write(b"data: [DONE]\n\n")

    async def _keep_alive(self, response: web.StreamResponse) -> None:
        while True:
            await response.write(b": still here\n\n")
            await asyncio.sleep(0.05)

    def _respond_with_error(self, error: ErrorResponse) -> web.Response:
        headers = {} if error.retry_after is None else {"Retry-After": f"{error.retry_after:g}"}
        return web.json_response(_make_error(error.message, error.code), status=error.status, headers=headers)

    async def _embed(self, request: web.Request) -> web.Response:
        record = await self._record_request(request)
        texts = record.body["input"]
        if isinstance(texts, list) and len(texts) > 1:
            await self._wait_for_permission()
        if self.embedding_error is not None:
            return self._respond_with_error(self.embedding_error)
        if self.embedding_limit is not None and len(texts) > self.embedding_limit:
            return self._respond_with_error(ErrorResponse(400, None, "batch size is too large"))
        vectors = [embed_text(text) for text in ([texts] if isinstance(texts, str) else texts)]
        data = [
            {"object": "embedding", "index": index, "embedding": _encode_vector(vector, record.body)}
            for index, vector in enumerate(vectors)
        ]
        usage = {"prompt_tokens": len(vectors), "total_tokens": len(vectors)}
        return web.json_response({"object": "list", "data": data, "model": "fake", "usage": usage})

    async def _wait_for_permission(self) -> None:
        while (allowed := self.allowed_batches) is not None and allowed.locked():  # noqa: ASYNC110 - a test replaces it
            await asyncio.sleep(0.02)
        if allowed is not None:
            await allowed.acquire()

    async def _list_models(self, request: web.Request) -> web.Response:
        self.requests.append(Request(request.path, dict(request.headers), {}))
        data = [
            {"id": name, "object": "model", "created": 1, "owned_by": "tests", **self.model_fields}
            for name in self._models
        ]
        return web.json_response({"object": "list", "data": data})


def _encode_vector(vector: list[float], body: Mapping[str, Any]) -> list[float] | str:
    if body.get("encoding_format") != "base64":
        return vector
    return base64.b64encode(struct.pack(f"<{DIMENSION}f", *vector)).decode()
