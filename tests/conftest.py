"""What every test begins and ends with, and what holds for the whole run: no log, no reply holds a secret."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from asyncio.subprocess import SubprocessStreamProtocol
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from discord.gateway import DiscordWebSocket
from discord.http import Route
from hypothesis import is_hypothesis_test, settings

from bot.records import IN_MEMORY, SqlRecords
from bot.simulator.server import RecordedRequest
from bot.simulator.world import World
from tests.fakes.virtual_time import VirtualLoop
from tests.safety.secret_watch import SecretWatch

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator, Mapping

    from _pytest.capture import CaptureResult

WATCH = SecretWatch()

# Machines that run tests are shared: no example has a deadline. The night has time for many more of them.
settings.register_profile("ci", deadline=None)
settings.register_profile("nightly", deadline=None, max_examples=2_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

MARKED_UNTRACED = "no_cover"
"""pytest-cov's mark. Tracing makes Python code two to three times as slow."""

REAL_TIME_FOLDERS = tuple(Path(__file__).parent / name for name in ("knowledge/stores", "records"))
"""Their tests wait for PostgreSQL, which is another process, and for nothing else."""


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run every test in virtual time, except those whose mark ``real_time`` says why they cannot."""
    if item.get_closest_marker("real_time") or any(item.path.is_relative_to(folder) for folder in REAL_TIME_FOLDERS):
        return {"real": asyncio.new_event_loop}
    return {"virtual": lambda: VirtualLoop(time.monotonic())}


@pytest.hookimpl(optionalhook=True)  # tests of a run within a run go without xdist
def pytest_xdist_auto_num_workers() -> int | None:
    """Run one process more than there are cores: a third of the time is spent waiting for child processes."""
    return None if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ else (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Measure coverage with the plain tests alone: a property test repeats what they reach, a hundred times over."""
    for item in items:
        if is_hypothesis_test(getattr(item, "function", None)):
            item.add_marker(MARKED_UNTRACED)


@pytest.fixture
async def memory_records() -> AsyncGenerator[SqlRecords]:
    """Records that last as long as the test."""
    async with SqlRecords.open(IN_MEMORY) as records:
        yield records


@pytest.fixture(autouse=True)
def _restore_discord_urls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever a test points discord.py, afterwards it points at Discord again."""
    monkeypatch.setattr(Route, "BASE", Route.BASE)
    monkeypatch.setattr(DiscordWebSocket, "DEFAULT_GATEWAY", DiscordWebSocket.DEFAULT_GATEWAY)


@pytest.fixture(autouse=True)
def _watch_for_secrets(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever is logged at INFO or above, sent to the simulator, or said by a command is looked at.

    Each world's token is known as soon as there is one.
    """
    begin, record, read = World.__init__, RecordedRequest.__init__, pytest.CaptureFixture[str].readouterr
    hear = SubprocessStreamProtocol.pipe_data_received

    def init_world(world: World, *args: Any, **kwargs: Any) -> None:
        begin(world, *args, **kwargs)
        WATCH.tokens.add(world.token)

    def init_request(request: RecordedRequest, *args: Any, **kwargs: Any) -> None:
        record(request, *args, **kwargs)
        WATCH.check(json.dumps(request.body), *(file.content.decode("utf-8", "replace") for file in request.files))

    def read_captured(capture: pytest.CaptureFixture[str]) -> CaptureResult[str]:
        result = read(capture)
        WATCH.check(str(result.out), str(result.err))
        return result

    def receive_data(process: SubprocessStreamProtocol, fd: int, data: bytes | str) -> None:
        WATCH.check(data if isinstance(data, str) else data.decode("utf-8", "replace"))
        hear(process, fd, data)

    monkeypatch.setattr(World, "__init__", init_world)
    monkeypatch.setattr(RecordedRequest, "__init__", init_request)
    monkeypatch.setattr(pytest.CaptureFixture, "readouterr", read_captured)
    monkeypatch.setattr(SubprocessStreamProtocol, "pipe_data_received", receive_data)
    root = logging.getLogger()
    level = root.level
    root.setLevel(min(level, logging.INFO))
    root.addHandler(WATCH)
    yield
    root.removeHandler(WATCH)
    root.setLevel(level)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """What was printed, and read by nobody, is looked at as well."""
    WATCH.check(report.capstdout, report.capstderr)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A secret in a log or a reply fails the run, whatever its tests say."""
    if WATCH.offences:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    if (told := getattr(session.config, "workeroutput", None)) is not None:  # one of several processes
        told["offences"] = WATCH.offences


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """What one of several processes has seen is told by the first."""
    WATCH.offences += getattr(node, "workeroutput", {}).get("offences", [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name what held a secret, without it."""
    if WATCH.offences:
        terminalreporter.section("secrets in logs and replies", red=True)
        for offence in WATCH.offences:
            terminalreporter.line(offence)
