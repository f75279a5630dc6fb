"""The result of one check: what was found, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What was checked, its state, what was found, and what to do about it.

    ``link`` is an address to open; it stands alone, so that it can be clicked.
    """

    subject: str
    state: Literal["ok", "note", "error"]
    detail: str
    remedy: str = ""
    link: str = ""


def format_names(names: Sequence[str], limit: int = 3) -> str:
    """Return the first few names, and how many more there are."""
    more = len(names) - limit
    named = ", ".join(names[:limit])
    return f"{named} and {more} more" if more > 0 else named
