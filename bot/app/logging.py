"""Writes logs without secrets to standard error: one line per event, as text or as JSON.

At INFO and above no line holds a token, a key, a question or a document's text. As a second protection the operator's
secrets are replaced wherever they turn up, and so is the token in an interaction's address (discord.py prints it in
its warning about a 429).
"""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, TextIO

from bot.domain.log_context import current_log_context

if TYPE_CHECKING:
    from collections.abc import Iterable

_INTERACTION_TOKEN = re.compile(r"(/(?:webhooks|interactions)/\d+/)[\w\-.~%=]+")
_REPLACEMENT = "[redacted]"

_FIELDS = ("answer_id", "guild_id", "outcome")
"""Fields of a line besides its message: from ``extra=…``, else from the answer that the task works on."""

_NOISY_LOGGERS = (
    "alembic",
    "httpx",
    "httpcore",
    "openai",
    "asyncio",
    "aiohttp.access",
    "watchfiles",
    "discord.gateway",
    "discord.client",
)
"""Libraries whose INFO lines name every request; only their warnings are logged, unless the level is DEBUG."""


_TOKEN_FIELD = re.compile(r"""(["']token["']: ?["'])[^"']+""")
"""A token in an event as discord.py logs it at DEBUG."""


def redact(text: str, secrets: Iterable[str]) -> str:
    """Return ``text`` without any of ``secrets`` and without an interaction's token."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, _REPLACEMENT)
    return _TOKEN_FIELD.sub(rf"\1{_REPLACEMENT}", _INTERACTION_TOKEN.sub(rf"\1{_REPLACEMENT}", text))


class _RedactingFormatter(logging.Formatter):
    """Formats with another formatter, then redacts the result, tracebacks included."""

    def __init__(self, inner: logging.Formatter, secrets: Iterable[str]) -> None:
        super().__init__()
        self._inner = inner
        self._secrets = tuple(secrets)

    def format(self, record: logging.LogRecord) -> str:
        return redact(self._inner.format(record), self._secrets)


class _TextFormatter(logging.Formatter):
    """Formats ``2026-11-30T16:20:11Z INFO    bot.answers.service: … [answer_id=17 guild_id=8]``."""

    def format(self, record: logging.LogRecord) -> str:
        first, newline, traceback = super().format(record).partition("\n")
        fields = " ".join(f"{name}={value}" for name, value in _collect_fields(record).items())
        time = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        suffix = f" [{fields}]" if fields else ""
        return f"{time} {record.levelname:<7} {record.name}: {first}{suffix}{newline}{traceback}"


class _JsonFormatter(logging.Formatter):
    """Formats one JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        event: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_collect_fields(record),
        }
        if record.exc_info:
            event["exception"] = self.formatException(record.exc_info)
        return json.dumps(event, ensure_ascii=False)


def _collect_fields(record: logging.LogRecord) -> dict[str, str]:
    """Return the line's fields; ids are text, because JSON readers round Discord's numbers."""
    context = current_log_context()
    found = {name: getattr(record, name, getattr(context, name, None)) for name in _FIELDS}
    return {name: str(value) for name, value in found.items() if value is not None}


def configure(
    level: str, log_format: Literal["text", "json"], secrets: Iterable[str], stream: TextIO | None = None
) -> None:
    """Send every log line to ``stream`` (standard error by default), formatted and redacted.

    Call it once, first.
    """
    target = logging.StreamHandler(stream or sys.stderr)
    target.setFormatter(_RedactingFormatter(_JsonFormatter() if log_format == "json" else _TextFormatter(), secrets))
    root = logging.getLogger()
    root.handlers[:] = [target]
    root.setLevel(level)
    for name in _NOISY_LOGGERS:
        logging.getLogger(name).setLevel(logging.DEBUG if level == "DEBUG" else logging.WARNING)
