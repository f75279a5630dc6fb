"""The watch over all logs and replies: it sees what it is to see, and a run in which it saw something has failed."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bot.simulator.world import World
from tests.conftest import WATCH
from tests.safety.secret_watch import PLANTED_KEY, SecretWatch

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[2]
ADDRESS = "https://discord.com/api/v10/webhooks/123/aW50ZXJhY3Rpb24_6x-y.z/messages/@original"


def check_line(name: str, line: str, level: int = logging.WARNING) -> list[str]:
    """What a watch of its own has against a line."""
    watch = SecretWatch()
    watch.tokens.add("a-bots-token")
    logger = logging.Logger(name)  # noqa: LOG001 - one that nobody else hears
    logger.addHandler(watch)
    logger.log(level, "so: %s", line)
    return watch.offences


@pytest.mark.parametrize("name", ["bot.app", "cogs.ask", "discord.http", "llama_index"])
@pytest.mark.parametrize("secret", [PLANTED_KEY, "a-bots-token"])
def test_key_or_bot_token_in_any_log_line_is_detected_and_not_repeated(name: str, secret: str) -> None:
    (offence,) = check_line(name, f"with {secret} in it", logging.INFO)
    assert offence.endswith(f": {name}: so: with *** in it")


@pytest.mark.parametrize("address", [ADDRESS, "/interactions/9/aW50ZXJhY3Rpb24/callback"])
def test_interaction_token_is_detected_in_our_log_lines_and_redacted_in_others(address: str) -> None:
    assert check_line("bot.discord_adapter", address)
    assert check_line("discord.http", address) == []
    assert check_line("bottle", address) == []


def test_secrets_in_tracebacks_are_detected() -> None:
    watch = SecretWatch()
    logger = logging.Logger("bot.app")  # noqa: LOG001 - as above
    logger.addHandler(watch)
    try:
        int(PLANTED_KEY)
    except ValueError:
        logger.exception("It failed.")
    assert watch.offences


@pytest.mark.parametrize(
    ("name", "line", "level"),
    [
        ("bot.app", PLANTED_KEY, logging.DEBUG),
        ("httpx", PLANTED_KEY, logging.INFO),
        ("bot.app", "/webhooks/{webhook_id}/{token} /webhooks/123/[redacted] sk-other a-bots", logging.ERROR),
    ],
)
def test_unshown_log_lines_and_non_secrets_pass(name: str, line: str, level: int) -> None:
    assert check_line(name, line, level) == []


def test_secret_watch_covers_every_test_and_every_simulator_token() -> None:
    assert WATCH in logging.getLogger().handlers
    assert logging.getLogger("bot.anything").isEnabledFor(logging.INFO)
    assert World.create_default().token in WATCH.tokens


LOGGED = "def test_it():\n    import logging\n    logging.getLogger('bot.app').info({0!r})\n"
REPLIED = """
def test_it():
    from bot.simulator.server import RecordedRequest
    RecordedRequest("POST", "", "", 0.0, {{"embeds": [{{"title": {0!r}}}]}})
"""
ATTACHED = """
def test_it():
    from bot.simulator.message_drafts import Attachment
    from bot.simulator.server import RecordedRequest
    RecordedRequest("POST", "", "", 0.0, None, (Attachment("a.md", {0!r}.encode()),))
"""
PRINTED = "def test_it():\n    print({0!r})\n"
READ = "def test_it(capsys):\n    print({0!r})\n    capsys.readouterr()\n"
BY_ANOTHER_PROCESS = """
def test_it():
    import asyncio, sys
    async def run():
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", "print(" + repr({0!r}) + ")", stdout=-1)
        await process.communicate()
    asyncio.run(run())
"""


@pytest.fixture
def inner_run(pytester: pytest.Pytester) -> Iterator[pytest.Pytester]:
    """A project whose tests are watched as ours are, and whose offences are not ours."""
    before = list(WATCH.offences)
    pytester.makeconftest("from tests.conftest import *\nfrom tests.conftest import _watch_for_secrets\n")
    pytester.makeini("[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n")
    yield pytester
    WATCH.offences[:] = before
    logging.getLogger().addHandler(WATCH)


def assert_outcome(result: pytest.RunResult, *, is_secret: bool) -> None:
    assert result.parseoutcomes().keys() - {"warnings"} == {"passed"}
    assert result.ret == (pytest.ExitCode.TESTS_FAILED if is_secret else pytest.ExitCode.OK)
    assert ("secrets in logs and replies" in result.stdout.str()) == is_secret


@pytest.mark.parametrize(
    ("test", "line"),
    [
        (LOGGED, PLANTED_KEY),
        (REPLIED, PLANTED_KEY),
        (ATTACHED, PLANTED_KEY),
        (PRINTED, PLANTED_KEY),
        (READ, PLANTED_KEY),
        (BY_ANOTHER_PROCESS, PLANTED_KEY),
        (LOGGED + REPLIED.replace("it()", "that()"), "harmless"),
    ],
    ids=["logged", "replied", "attached", "printed", "read", "by another process", "harmless"],
)
def test_test_run_that_logs_a_secret_fails_though_its_tests_pass(
    inner_run: pytest.Pytester, test: str, line: str
) -> None:
    inner_run.makepyfile(test.format(line))
    assert_outcome(inner_run.runpytest_inprocess("-p", "no:xdist"), is_secret=line == PLANTED_KEY)


def test_secret_logged_in_a_process_of_several_fails_the_run(
    inner_run: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without what this run itself was asked to do besides: coverage, say.
    monkeypatch.setenv("PYTEST_ADDOPTS", "")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    inner_run.makepyfile(LOGGED.format(PLANTED_KEY))
    assert_outcome(inner_run.runpytest_subprocess("-n1"), is_secret=True)
