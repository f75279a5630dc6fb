"""/metrics, /healthz and /readyz of a running bot."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bot.app.metrics import serve_metrics
from bot.domain import LibraryState, Usage
from bot.errors import DocentError, StoreUnusable
from bot.records import AnswerRecord, AnswerStatus
from bot.simulator.server import DiscordSimulator
from tests.fakes.answerer import FakeAnswerer, FakeLibrary, Pause, Script
from tests.fakes.app import build_app
from tests.fakes.bot_in_guild import wait_until
from tests.fakes.discord_client import connect_client

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from bot.app.build import App


class UnreadableLibrary(FakeLibrary):
    async def state(self) -> LibraryState:
        raise StoreUnusable("The index cannot be read.")


@dataclass(frozen=True, slots=True)
class Scraper:
    """A monitoring system that looks at one bot."""

    app: App
    address: str
    http: aiohttp.ClientSession

    async def scrape(self) -> dict[str, float]:
        """Every sample by its name and labels."""
        async with self.http.get(f"{self.address}/metrics") as response:
            assert response.headers["Content-Type"].startswith("text/plain; version=")
            text = await response.text()
        return {
            sample.name + "".join(f",{value}" for value in sample.labels.values()): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    async def get(self, path: str) -> tuple[int, dict[str, object]]:
        async with self.http.get(self.address + path) as response:
            return response.status, await response.json()


@asynccontextmanager
async def scraper(library: FakeLibrary | None = None) -> AsyncGenerator[Scraper]:
    script = Script(["Two ", Pause(0.5), "weeks [1]."], prompt_tokens=50)
    async with (
        build_app(FakeAnswerer(script), library=library) as app,
        serve_metrics(app, "127.0.0.1", 0) as address,
        aiohttp.ClientSession() as http,
    ):
        yield Scraper(app, address, http)


async def test_answers_tokens_and_requests_are_counted() -> None:
    async with scraper(FakeLibrary(LibraryState(3, 40, "none", generation=7))) as monitor:
        async with DiscordSimulator() as simulator, connect_client(monitor.app.client, simulator):
            world = simulator.world
            await wait_until(lambda: any(world.commands.values()))
            channel, ada = world.find_channel("general"), world.find_user("Ada")
            world.people.use_command(channel.id, ada.id, "ask", {"question": "How long?"})
            await wait_until(lambda: monitor.app.answer_service.counts().running == 1)
            assert (await monitor.scrape())["docent_open_answers,running"] == 1
            await monitor.app.answer_service.wait_until_done()
            samples = await monitor.scrape()
        assert samples["docent_answers_total,complete"] == 1
        assert samples["docent_answer_first_words_seconds_count"] == 1
        assert samples["docent_answer_duration_seconds_count"] == 1
        assert samples["docent_model_tokens_total,prompt"] == 50
        assert samples["docent_model_tokens_total,completion"] == 2
        assert samples["docent_discord_requests_total,PATCH,200"] >= 1
        assert samples["docent_open_answers,running"] == 0
        assert (samples["docent_index_documents"], samples["docent_index_passages"]) == (3, 40)
        assert samples["docent_index_generation"] == 7
        assert samples["docent_gateway_connected"] == 1
        assert samples["docent_guilds"] == 1


async def test_bot_is_ready_while_it_is_connected() -> None:
    async with scraper() as monitor:
        status, body = await monitor.get("/readyz")
        assert (status, body["problems"]) == (503, {"gateway": "not connected"})
        async with DiscordSimulator() as simulator, connect_client(monitor.app.client, simulator):
            assert await monitor.get("/readyz") == (200, {"status": "ready"})
        assert (await monitor.get("/readyz"))[0] == 503
        assert (await monitor.get("/healthz"))[0] == 200
        assert (await monitor.scrape())["docent_gateway_connected"] == 0


async def test_unreadable_index_is_named_and_does_not_break_the_metrics() -> None:
    async with scraper(UnreadableLibrary(LibraryState(0, 0, "none"))) as monitor:
        status, body = await monitor.get("/readyz")
        assert status == 503
        assert body["problems"] == {"gateway": "not connected", "index": "The index cannot be read."}
        assert (await monitor.scrape())["docent_index_documents"] == 0


async def test_answer_without_first_words_has_an_outcome_only() -> None:
    async with scraper() as monitor:
        failed = AnswerRecord("1", "?", 1, 2, 3, 100.0, status=AnswerStatus.OUT_OF_TIME, usage=Usage(7), ended_at=160.0)
        monitor.app.metrics.observe_answer(failed)
        samples = await monitor.scrape()
    assert samples["docent_answers_total,out_of_time"] == 1
    assert samples["docent_answer_first_words_seconds_count"] == 0
    assert samples["docent_answer_duration_seconds_sum"] == 60


async def test_port_in_use_is_reported() -> None:
    async with scraper() as monitor:
        port = int(monitor.address.rpartition(":")[2])
        with pytest.raises(DocentError, match=f"METRICS_PORT {port} on 127.0.0.1 is not available"):
            async with serve_metrics(monitor.app, "127.0.0.1", port):
                pass
