"""What people said of answers goes in, and a file for a spreadsheet comes out, in which nothing is a formula. Pure."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bot.text.invisible import seen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.records import Feedback

LARGEST = 8_000_000
"""Bytes of the largest file: every server takes as much."""

_HEAD = ("at", "vote", "question", "what was missing", "outcome", "documents", "by")
_ACTIVE = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")  # noqa: RUF001 - wide signs begin formulas as well
_SIGNATURE = b"\xef\xbb\xbf"
"""What tells spreadsheets that the text is UTF-8."""


@dataclass(frozen=True, slots=True)
class Exported:
    """A file of votes; ``left_out`` is how many of the earliest had no room."""

    content: bytes
    votes: int
    left_out: int = 0


def exported(feedback: Sequence[Feedback], *, largest: int = LARGEST) -> Exported:
    """The votes, the first first, as CSV; where not all fit, the latest that do."""
    head = _line(_HEAD)
    room = largest - len(_SIGNATURE) - len(head)
    kept: list[bytes] = []
    for given in reversed(feedback):
        line = _line(_cells(given))
        room -= len(line)
        if room < 0:
            break
        kept.append(line)
    content = _SIGNATURE + head + b"".join(reversed(kept))
    return Exported(content, len(kept), len(feedback) - len(kept))


def inert(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula, also with spaces before it."""
    return f"'{cell}" if cell.startswith(_ACTIVE) or cell.lstrip().startswith(_ACTIVE) else cell


def _cells(given: Feedback) -> tuple[str, ...]:
    return (
        datetime.fromtimestamp(given.at, UTC).isoformat(sep=" ", timespec="seconds"),
        "up" if given.is_up else "down",
        given.question,
        given.words,
        given.fate.value,
        "; ".join(given.documents),
        # As Discord mentions them: of a bare number spreadsheets would keep the first fifteen digits.
        f"<@{given.user_id}>",
    )


def _line(cells: Sequence[str]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer).writerow([inert(seen(cell)) for cell in cells])
    return buffer.getvalue().encode("utf-8", "replace")
