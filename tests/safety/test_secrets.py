"""The watch over all logs and replies: it sees what it is to see, and a run in which it saw something has failed."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bot.simulator.world import World
from tests.conftest import WATCH
from tests.safety.secret_watch import PLANTED, Watch

ROOT = Path(__file__).parents[2]
ADDRESS = "https://discord.com/api/v10/webhooks/123/aW50ZXJhY3Rpb24_6x-y.z/messages/@original"


def judged(name: str, line: str, level: int = logging.WARNING) -> list[str]:
    """What a watch of its own has against a line."""
    watch = Watch()
    watch.tokens.add("a-bots-token")
    logger = logging.Logger(name)  # noqa: LOG001 - one that nobody else hears
    logger.addHandler(watch)
    logger.log(level, "so: %s", line)
    return watch.offences


@pytest.mark.parametrize("name", ["bot.app", "cogs.ask", "discord.http", "llama_index"])
@pytest.mark.parametrize("secret", [PLANTED, "a-bots-token"])
def test_a_key_or_a_bots_token_is_seen_in_anybodys_line_and_is_not_repeated(name: str, secret: str) -> None:
    (offence,) = judged(name, f"with {secret} in it", logging.INFO)
    assert offence.endswith(f": {name}: so: with *** in it")


@pytest.mark.parametrize("address", [ADDRESS, "/interactions/9/aW50ZXJhY3Rpb24/callback"])
def test_an_interactions_token_is_seen_in_our_own_lines_and_passes_in_others_where_it_is_redacted(address: str) -> None:
    assert judged("bot.discord_adapter", address)
    assert judged("discord.http", address) == []
    assert judged("bottle", address) == []


def test_a_traceback_is_looked_at_too() -> None:
    watch = Watch()
    logger = logging.Logger("bot.app")  # noqa: LOG001 - as above
    logger.addHandler(watch)
    try:
        int(PLANTED)
    except ValueError:
        logger.exception("It failed.")
    assert watch.offences


@pytest.mark.parametrize(
    ("name", "line", "level"),
    [
        ("bot.app", PLANTED, logging.DEBUG),
        ("httpx", PLANTED, logging.INFO),
        ("bot.app", "/webhooks/{webhook_id}/{token} /webhooks/123/[redacted] sk-other a-bots", logging.ERROR),
    ],
)
def test_what_nobody_is_shown_and_what_is_no_secret_passes(name: str, line: str, level: int) -> None:
    assert judged(name, line, level) == []


def test_every_test_is_watched_and_every_worlds_token_known() -> None:
    assert WATCH in logging.getLogger().handlers
    assert logging.getLogger("bot.anything").isEnabledFor(logging.INFO)
    assert World.populated().token in WATCH.tokens


LOGGED = "def test_it():\n    import logging\n    logging.getLogger('bot.app').info({0!r})\n"
REPLIED = """
def test_it():
    from bot.simulator.server import Request
    Request("POST", "", "", 0.0, {{"embeds": [{{"title": {0!r}}}]}})
"""
ATTACHED = """
def test_it():
    from bot.simulator.message_drafts import Attachment
    from bot.simulator.server import Request
    Request("POST", "", "", 0.0, None, (Attachment("a.md", {0!r}.encode()),))
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


@pytest.mark.parametrize(
    ("words", "line", "status", "processes"),
    [
        (LOGGED, PLANTED, 1, 0),
        (LOGGED, PLANTED, 1, 2),
        (REPLIED, PLANTED, 1, 0),
        (ATTACHED, PLANTED, 1, 0),
        (PRINTED, PLANTED, 1, 0),
        (READ, PLANTED, 1, 0),
        (BY_ANOTHER_PROCESS, PLANTED, 1, 0),
        (LOGGED + REPLIED.replace("it()", "that()"), "harmless", 0, 0),
    ],
    ids=["logged", "logged side by side", "replied", "attached", "printed", "read", "by another process", "harmless"],
)
def test_a_run_that_tells_a_secret_fails_though_its_tests_pass(
    tmp_path: Path, words: str, line: str, status: int, processes: int
) -> None:
    (tmp_path / "conftest.py").write_text("from tests.conftest import *\nfrom tests.conftest import _watched\n")
    (tmp_path / "test_it.py").write_text(words.format(line))
    run = subprocess.run(  # noqa: S603 - this very interpreter
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            f"-n{processes}",
            f"--rootdir={tmp_path}",
            ".",
        ],
        cwd=tmp_path,
        # Without what this run itself was asked to do besides: coverage, say.
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert " passed" in run.stdout
    assert run.returncode == status, run.stdout
    assert ("secrets in logs and replies" in run.stdout) == bool(status)
