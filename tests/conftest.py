"""What every test begins and ends with, and what holds for the whole run: no line in the logs holds a secret."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from discord.gateway import DiscordWebSocket
from discord.http import Route

from bot.preview.world import World
from tests.safety.watching import Watch

if TYPE_CHECKING:
    from collections.abc import Iterator

WATCH = Watch()


@pytest.fixture(autouse=True)
def _discord_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever a test points discord.py, afterwards it points at Discord again."""
    monkeypatch.setattr(Route, "BASE", Route.BASE)
    monkeypatch.setattr(DiscordWebSocket, "DEFAULT_GATEWAY", DiscordWebSocket.DEFAULT_GATEWAY)


@pytest.fixture(autouse=True)
def _watched_logs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever is logged at INFO or above is looked at, and each world's token is known as soon as there is one."""
    begin = World.__init__

    def noted(world: World, *args: Any, **kwargs: Any) -> None:
        begin(world, *args, **kwargs)
        WATCH.tokens.add(world.token)

    monkeypatch.setattr(World, "__init__", noted)
    root = logging.getLogger()
    level = root.level
    root.setLevel(min(level, logging.INFO))
    root.addHandler(WATCH)
    yield
    root.removeHandler(WATCH)
    root.setLevel(level)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A secret in a log fails the run, whatever its tests say."""
    if WATCH.offences:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the lines that held a secret, without it."""
    if WATCH.offences:
        terminalreporter.section("secrets in the logs", red=True)
        for offence in WATCH.offences:
            terminalreporter.line(offence)
