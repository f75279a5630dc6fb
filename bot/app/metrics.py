"""Measures one bot for Prometheus, and serves /metrics, /healthz and /readyz."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from bot.errors import DocentError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from types import SimpleNamespace

    import aiohttp

    from bot.app.build import App
    from bot.records import AnswerRecord

_log = logging.getLogger(__name__)

_LOOP_PROBE_INTERVAL = 1.0
_LIBRARY_TIMEOUT = 2.0
"""Seconds within which the index answers, or the bot is not ready."""
_SHUTDOWN_TIMEOUT = 1.0
"""Seconds that open requests have to end when the bot stops."""

_ANSWER_BUCKETS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0, 300.0)
_REQUEST_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_DELAY_BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)


class Metrics:
    """Counts answers, tokens and requests to Discord as they happen."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._answers = self._counter("docent_answers", "Answers that have ended, by outcome.", "outcome")
        self._tokens = self._counter("docent_model_tokens", "Tokens that the language model used, by kind.", "kind")
        self._requests = self._counter(
            "docent_discord_requests", "Requests to Discord's API, by method and status.", "method", "status"
        )
        self._first_words = self._histogram(
            "docent_answer_first_words_seconds", "From the question to the model's first words.", _ANSWER_BUCKETS
        )
        self._duration = self._histogram(
            "docent_answer_duration_seconds", "From the question to the end of its answer.", _ANSWER_BUCKETS
        )
        self._request_seconds = self._histogram(
            "docent_discord_request_duration_seconds", "Requests to Discord's API.", _REQUEST_BUCKETS
        )
        self._loop_delay = self._histogram(
            "docent_event_loop_delay_seconds", "How late the event loop wakes a sleeping task.", _DELAY_BUCKETS
        )
        self._open_answers = Gauge(
            "docent_open_answers", "Answers being written or waiting.", ["state"], registry=self.registry
        )
        self._documents = self._gauge("docent_index_documents", "Documents in the index.")
        self._passages = self._gauge("docent_index_passages", "Passages in the index.")
        self._generation = self._gauge("docent_index_generation", "Generation of the index; it grows with each run.")
        self._built_at = self._gauge("docent_index_built_timestamp_seconds", "When the index was last changed.")
        self._reindexing = self._gauge("docent_reindex_running", "1 while documents are being read, else 0.")
        self._connected = self._gauge("docent_gateway_connected", "1 if connected to Discord's gateway, else 0.")
        self._latency = self._gauge("docent_gateway_latency_seconds", "Between a heartbeat and its acknowledgement.")
        self._guilds = self._gauge("docent_guilds", "Servers that the bot is in.")

    def _counter(self, name: str, help_text: str, *labels: str) -> Counter:
        return Counter(name, help_text, labels, registry=self.registry)

    def _gauge(self, name: str, help_text: str) -> Gauge:
        return Gauge(name, help_text, registry=self.registry)

    def _histogram(self, name: str, help_text: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(name, help_text, buckets=buckets, registry=self.registry)

    def observe_answer(self, record: AnswerRecord) -> None:
        """Count an answer that has ended."""
        self._answers.labels(record.status.value.replace(" ", "_")).inc()
        self._tokens.labels("prompt").inc(record.usage.prompt)
        self._tokens.labels("completion").inc(record.usage.completion)
        if record.first_word_at is not None:
            self._first_words.observe(max(0.0, record.first_word_at - record.asked_at))
        if record.ended_at is not None:
            self._duration.observe(max(0.0, record.ended_at - record.asked_at))

    def trace_requests(self, trace: aiohttp.TraceConfig) -> None:
        """Count the requests that ``trace`` sees."""

        async def start(
            _: aiohttp.ClientSession, context: SimpleNamespace, __: aiohttp.TraceRequestStartParams
        ) -> None:
            context.docent_started_at = time.monotonic()

        async def end(
            _: aiohttp.ClientSession, context: SimpleNamespace, params: aiohttp.TraceRequestEndParams
        ) -> None:
            self._requests.labels(params.method, str(params.response.status)).inc()
            self._request_seconds.observe(time.monotonic() - context.docent_started_at)

        trace.on_request_start.append(start)
        trace.on_request_end.append(end)

    async def watch_event_loop(self) -> None:
        """Measure, until cancelled, how late the event loop is."""
        loop = asyncio.get_running_loop()
        while True:
            expected = loop.time() + _LOOP_PROBE_INTERVAL
            await asyncio.sleep(_LOOP_PROBE_INTERVAL)
            self._loop_delay.observe(max(0.0, loop.time() - expected))

    async def collect(self, app: App) -> bytes:
        """Return all metrics in Prometheus' text format."""
        counts = app.answer_service.counts()
        self._open_answers.labels("running").set(counts.running)
        self._open_answers.labels("waiting").set(counts.waiting)
        is_connected = app.client.is_connected
        self._connected.set(is_connected)
        self._latency.set(app.client.latency if is_connected else float("nan"))
        self._guilds.set(len(app.client.guilds))
        try:
            async with asyncio.timeout(_LIBRARY_TIMEOUT):
                state = await app.library.state()
        except (DocentError, TimeoutError) as error:
            _log.warning("Reading the index for /metrics failed: %s", type(error).__name__)
        else:
            self._documents.set(state.documents)
            self._passages.set(state.nodes)
            self._generation.set(state.generation)
            self._reindexing.set(state.running is not None)
            if state.built_at is not None:
                self._built_at.set(state.built_at.timestamp())
        return generate_latest(self.registry)


async def find_readiness_problems(app: App) -> dict[str, str]:
    """Return why the bot cannot answer questions now, by part; empty if it can."""
    problems: dict[str, str] = {}
    if not app.client.is_connected:
        problems["gateway"] = "not connected"
    try:
        async with asyncio.timeout(_LIBRARY_TIMEOUT):
            await app.library.state()
    except TimeoutError:
        problems["index"] = f"no answer within {_LIBRARY_TIMEOUT:.0f} s (timeout)"
    except DocentError as error:
        problems["index"] = error.user_message
    return problems


@asynccontextmanager
async def serve_metrics(app: App, host: str, port: int) -> AsyncGenerator[str]:
    """Serve the metrics while the block lasts; yields the address.

    Raises:
        DocentError: The port is in use, or may not be used.
    """

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=await app.metrics.collect(app), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def readyz(_: web.Request) -> web.Response:
        problems = await find_readiness_problems(app)
        body = {"status": "not ready", "problems": problems} if problems else {"status": "ready"}
        return web.json_response(body, status=503 if problems else 200)

    server = web.Application()
    server.router.add_get("/metrics", metrics)
    server.router.add_get("/healthz", healthz)
    server.router.add_get("/readyz", readyz)
    runner = web.AppRunner(server, access_log=None, shutdown_timeout=_SHUTDOWN_TIMEOUT)
    await runner.setup()
    watching = asyncio.create_task(app.metrics.watch_event_loop())
    try:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as error:
            raise DocentError(f"METRICS_PORT {port} on {host} is not available ({error.strerror}).") from error
        address = f"http://{host}:{runner.addresses[0][1]}"
        _log.info("Metrics are served at %s/metrics", address)
        yield address
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await runner.cleanup()
