"""A collection's name as people read and type it: ``@hr``, and ``shared`` for the documents that are everybody's."""

from __future__ import annotations

from bot.domain import SHARED

SHARED_SHOWN = "shared"


def shown(name: str) -> str:
    """A collection as people read it."""
    return f"@{name}" if name != SHARED else SHARED_SHOWN


def named(typed: str) -> str:
    """The collection that somebody typed or picked."""
    typed = typed.strip()
    return SHARED if typed.lower() == SHARED_SHOWN else typed.removeprefix("@")
