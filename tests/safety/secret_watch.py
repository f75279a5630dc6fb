"""Log lines and whatever is told go in; what holds a secret of the tests' is remembered, and nothing else is kept."""

from __future__ import annotations

import logging
import os
import re
from typing import Final

from bot.app.logging import redact

PLANTED_KEY: Final = "sk-planted-key"
"""The key that every deployment of the tests is given."""

_ADDRESS = re.compile(r"/(?:webhooks|interactions)/\d+/[^\s/\[{<\"']+")
_EXCERPT_CHARACTERS: Final = 200
_OWN_LOGGERS: Final = ("bot", "cogs")
_QUIET_LOGGERS: Final = (
    "alembic",
    "httpx",
    "httpcore",
    "openai",
    "asyncio",
    "aiohttp.access",
    "discord.gateway",
    "discord.client",
)


class SecretWatch(logging.Handler):
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
        if record.levelno < logging.WARNING and _is_child_logger(record.name, _QUIET_LOGGERS):
            return
        line = self._formatter.format(record)
        if not _is_child_logger(record.name, _OWN_LOGGERS):
            line = redact(line, ())
        self.check(line)

    def check(self, *texts: str) -> None:
        """Judge what is shown to anybody."""
        for text in texts:
            told = text
            for secret in self.find_secrets(text):
                told = told.replace(secret, "***")
            if told != text:
                self.offences.append(f"{os.environ.get('PYTEST_CURRENT_TEST', '?')}: {_excerpt(told)}")

    def find_secrets(self, line: str) -> list[str]:
        """The secrets that a line holds."""
        known = [secret for secret in (PLANTED_KEY, *self.tokens) if secret in line]
        return known + _ADDRESS.findall(line)


def _excerpt(text: str) -> str:
    """So much of it that the place is found."""
    start = max(0, text.index("***") - _EXCERPT_CHARACTERS)
    return text[start : start + 2 * _EXCERPT_CHARACTERS]


def _is_child_logger(name: str, parents: tuple[str, ...]) -> bool:
    return any(name == parent or name.startswith(f"{parent}.") for parent in parents)
