"""Logs: one line an event, and no secret in any of them."""

from __future__ import annotations

import io
import json
import logging
from typing import TYPE_CHECKING

import pytest

from bot.app.logging import configure, redact

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
