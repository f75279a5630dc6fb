"""Logs without secrets: one line an event, for people or for machines, on standard error.

At INFO and above no line holds a token, a key, a question or a document's text. Two nets lie below that rule: the
operator's own secrets are replaced wherever they turn up, and so is the token in an interaction's address (discord.py
prints it in its warning about a 429).
"""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterable

_INTERACTION_TOKEN = re.compile(r"(/(?:webhooks|interactions)/\d+/)[\w\-.~%=]+")
_REPLACEMENT = "[redacted]"

_NOISY_LOGGERS = (
    "alembic",
    "httpx",
    "httpcore",
    "openai",
    "asyncio",
    "aiohttp.access",
    "discord.gateway",
    "discord.client",
)
"""Libraries whose INFO lines name every request; their warnings are wanted, the rest only at DEBUG."""


def redact(text: str, secrets: Iterable[str]) -> str:
    """``text`` without any of ``secrets`` and without an interaction's token."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, _REPLACEMENT)
    return _INTERACTION_TOKEN.sub(rf"\1{_REPLACEMENT}", text)


class _RedactingFormatter(logging.Formatter):
    """Formats through another formatter, then takes out what must not be shown, tracebacks included."""

    def __init__(self, inner: logging.Formatter, secrets: Iterable[str]) -> None:
        super().__init__()
        self._inner = inner
        self._secrets = tuple(secrets)

    def format(self, record: logging.LogRecord) -> str:
        return redact(self._inner.format(record), self._secrets)


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        event = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            event["exception"] = self.formatException(record.exc_info)
        return json.dumps(event, ensure_ascii=False)


def configure(
    level: str, log_format: Literal["text", "json"], secrets: Iterable[str], stream: TextIO | None = None
) -> None:
    """Send every log line to ``stream`` (standard error by default), formatted and redacted.

    Call it once, first.
    """
    inner = (
        _JsonFormatter()
        if log_format == "json"
        else logging.Formatter("{asctime} {levelname:<7} {name}: {message}", datefmt="%H:%M:%S", style="{")
    )
    target = logging.StreamHandler(stream or sys.stderr)
    target.setFormatter(_RedactingFormatter(inner, secrets))
    root = logging.getLogger()
    root.handlers[:] = [target]
    root.setLevel(level)
    for name in _NOISY_LOGGERS:
        logging.getLogger(name).setLevel(logging.DEBUG if level == "DEBUG" else logging.WARNING)
