"""Writes the fault matrix into docs/reliability.md: ``python -m tests.faults.table``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.faults.rows import DISCORD_MOMENTS, GATEWAY_ROWS, RECORDS_ROWS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.rows import Row

DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN: Final = "<!-- matrix: written by python -m tests.faults.table -->\n"
END: Final = "<!-- end of the matrix -->\n"


def list_rows() -> Iterator[tuple[str, Row]]:
    """Return every row of the matrix with what fails in it."""
    for moment in DISCORD_MOMENTS:
        yield from ((f"Discord, {moment}", row) for row in moment.rows)
    for way in ("command", "mention"):
        yield from ((f"gateway, while an answer to a {way} is written", row) for row in GATEWAY_ROWS)
    yield from (("records", row) for row in RECORDS_ROWS)


def format_table() -> str:
    """Return the matrix as a Markdown table."""
    lines = ["| what fails | how | what the reader sees | log |", "|---|---|---|---|"]
    lines += [f"| {subject} | {row.fault} | {row.reader} | {row.log or '–'} |" for subject, row in list_rows()]
    return "\n".join(lines) + "\n"


def update(document: str) -> str:
    """Return the document with today's matrix."""
    before, _, rest = document.partition(BEGIN)
    return f"{before}{BEGIN}\n{format_table()}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    DOCUMENT.write_text(update(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
