"""Logs: one line per event, with date and ids, and no secret in any of them."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import re
from typing import TYPE_CHECKING, Literal

import pytest

from bot.app.logging import configure, redact
from bot.domain.log_context import log_context

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _restore_root_logger() -> Iterator[None]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)


def test_secrets_are_taken_out_of_messages_and_tracebacks() -> None:
    stream = io.StringIO()
    configure("INFO", "text", ["planted-key"], stream)
    try:
        int("planted-key")
    except ValueError:
        logging.getLogger("bot.test").exception("with planted-key")
    assert "planted-key" not in stream.getvalue()
    assert stream.getvalue().count("[redacted]") == 3  # the message, then the traceback: source line and error


@pytest.mark.parametrize(
    "path",
    ["/webhooks/123/aW50ZXJhY3Rpb24_6x-y.z/messages/@original", "/interactions/9/aW50ZXJhY3Rpb24_6x-y.z/callback"],
)
def test_an_interactions_token_is_taken_out_of_its_address(path: str) -> None:
    assert "aW50ZXJhY3Rpb24" not in redact(f"We are being rate limited. PATCH https://host/api/v10{path}", [])


def test_json_logs_are_one_object_per_line() -> None:
    stream = io.StringIO()
    configure("INFO", "json", [], stream)
    logging.getLogger("bot.test").warning("two\nlines")
    (line,) = stream.getvalue().splitlines()
    assert json.loads(line)["message"] == "two\nlines"


def test_verbose_libraries_do_not_log_every_request() -> None:
    stream = io.StringIO()
    configure("INFO", "text", [], stream)
    logging.getLogger("httpx").info("HTTP Request: POST")
    assert stream.getvalue() == ""


@pytest.mark.parametrize("log_format", ["text", "json"])
async def test_lines_of_an_answer_carry_its_id_its_guild_and_the_date(log_format: Literal["text", "json"]) -> None:
    async def retry() -> None:
        logging.getLogger("openai.test").warning("Retrying")

    stream = io.StringIO()
    configure("INFO", log_format, [], stream)
    with log_context("17", 1576992289882898434):
        await asyncio.create_task(retry())
        logging.getLogger("bot.test").info("Answer ended", extra={"outcome": "complete"})
    logging.getLogger("bot.test").info("Elsewhere")
    inside, ended, elsewhere = stream.getvalue().splitlines()
    assert all(re.search(r"\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d", line) for line in (inside, ended, elsewhere))
    assert all("17" in line and "1576992289882898434" in line for line in (inside, ended))
    assert "complete" in ended
    assert "answer_id" not in elsewhere
    if log_format == "json":
        assert json.loads(ended)["guild_id"] == "1576992289882898434"


def test_traceback_of_a_text_line_follows_its_fields() -> None:
    stream = io.StringIO()
    configure("INFO", "text", [], stream)
    with log_context("17", None):
        try:
            int("x")
        except ValueError:
            logging.getLogger("bot.test").exception("Parsing failed")
    assert stream.getvalue().splitlines()[0].endswith("bot.test: Parsing failed [answer_id=17]")
    assert "Traceback" in stream.getvalue()
