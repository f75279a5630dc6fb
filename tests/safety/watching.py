"""Log lines go in; those that hold a secret of the tests' are remembered. Nothing else is kept, so it costs little."""

from __future__ import annotations

import logging
import os
import re
from typing import Final

from bot.telemetry import redacted

PLANTED: Final = "sk-planted-key"
"""The key that every deployment of the tests is given."""

_ADDRESS = re.compile(r"/(?:webhooks|interactions)/\d+/[^\s/\[{<\"']+")
_OWN: Final = ("bot", "cogs")
_QUIET: Final = (
    "alembic",
    "httpx",
    "httpcore",
    "openai",
    "asyncio",
    "aiohttp.access",
    "discord.gateway",
    "discord.client",
)


class Watch(logging.Handler):
    """Remembers each line at INFO or above that holds the planted key, a bot's token or an interaction's.

    Our own lines are judged as they are: they must hold none, redacted or not. Others' are judged without what the
    product's formatter takes out of an interaction's address, which discord.py prints in its warning about a 429; a key
    or a token in them is an offence all the same. What the product keeps quiet is not looked at.
    """

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.tokens: set[str] = set()
        self.offences: list[str] = []
        self._formatter = logging.Formatter("{name}: {message}", style="{")

    def emit(self, record: logging.LogRecord) -> None:
        """Judge a line."""
        if record.levelno < logging.WARNING and _is_of(record.name, _QUIET):
            return
        line = self._formatter.format(record)
        if not _is_of(record.name, _OWN):
            line = redacted(line, ())
        if held := self.held(line):
            told = line
            for secret in held:
                told = told.replace(secret, "***")
            self.offences.append(f"{os.environ.get('PYTEST_CURRENT_TEST', '?')}: {told}")

    def held(self, line: str) -> list[str]:
        """The secrets that a line holds."""
        known = [secret for secret in (PLANTED, *self.tokens) if secret in line]
        return known + _ADDRESS.findall(line)


def _is_of(name: str, parents: tuple[str, ...]) -> bool:
    return any(name == parent or name.startswith(f"{parent}.") for parent in parents)
