"""A collection's name as people read and type it: ``@hr``, and ``shared`` for the documents that are everybody's."""

from __future__ import annotations

from bot.domain import SHARED

SHARED_NAME = "shared"


def format_collection(name: str) -> str:
    """A collection as people read it."""
    return f"@{name}" if name != SHARED else SHARED_NAME


def parse_collection(typed: str) -> str:
    """The collection that somebody typed or picked."""
    typed = typed.strip()
    return SHARED if typed.lower() == SHARED_NAME else typed.removeprefix("@")
