"""Writes votes and comments as a CSV file for spreadsheets, with no cell that is a formula. Pure."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bot.text.invisible import strip_invisible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.records import Feedback

MAX_BYTES = 8_000_000
"""Bytes of the largest file; Discord accepts this size in every server."""

_HEADER = ("at", "vote", "question", "what was missing", "outcome", "documents", "by")
_FORMULA_PREFIXES = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")  # noqa: RUF001 - wide signs begin formulas as well
_BOM = b"\xef\xbb\xbf"
"""Byte order mark, by which spreadsheets recognise UTF-8."""


@dataclass(frozen=True, slots=True)
class FeedbackExport:
    """A CSV file of votes; ``omitted`` counts the earliest ones that did not fit."""

    content: bytes
    votes: int
    omitted: int = 0


def export_feedback(feedback: Sequence[Feedback], *, max_bytes: int = MAX_BYTES) -> FeedbackExport:
    """Return the votes as CSV, the earliest first; if not all fit, only the latest."""
    head = _encode_row(_HEADER)
    room = max_bytes - len(_BOM) - len(head)
    rows: list[bytes] = []
    for vote in reversed(feedback):
        line = _encode_row(_format_cells(vote))
        room -= len(line)
        if room < 0:
            break
        rows.append(line)
    content = _BOM + head + b"".join(reversed(rows))
    return FeedbackExport(content, len(rows), len(feedback) - len(rows))


def escape_formula(cell: str) -> str:
    """Return a cell that no spreadsheet reads as a formula, also behind spaces."""
    return f"'{cell}" if cell.startswith(_FORMULA_PREFIXES) or cell.lstrip().startswith(_FORMULA_PREFIXES) else cell


def _format_cells(feedback: Feedback) -> tuple[str, ...]:
    return (
        datetime.fromtimestamp(feedback.at, UTC).isoformat(sep=" ", timespec="seconds"),
        "up" if feedback.is_up else "down",
        feedback.question,
        feedback.comment,
        feedback.status.value,
        "; ".join(feedback.documents),
        # As Discord mentions them: of a bare number spreadsheets would keep the first fifteen digits.
        f"<@{feedback.user_id}>",
    )


def _encode_row(cells: Sequence[str]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer).writerow([escape_formula(strip_invisible(cell)) for cell in cells])
    return buffer.getvalue().encode("utf-8", "replace")
