"""Collection names as people read and type them: ``@hr``, or ``shared`` for the shared documents."""

from __future__ import annotations

from bot.domain import SHARED

SHARED_NAME = "shared"


def format_collection(name: str) -> str:
    """Return a collection's name as people read it."""
    return f"@{name}" if name != SHARED else SHARED_NAME


def parse_collection(typed: str) -> str:
    """Return the name of the collection that somebody typed or picked."""
    typed = typed.strip()
    return SHARED if typed.lower() == SHARED_NAME else typed.removeprefix("@")
