"""docs/reliability.md shows the matrix as it is tested."""

from __future__ import annotations

from tests.faults.table import DOCUMENT, list_rows, update


def test_document_shows_the_matrix_as_tested() -> None:
    document = DOCUMENT.read_text(encoding="utf-8")
    assert update(document) == document, "run: uv run python -m tests.faults.table"


def test_matrix_has_no_row_twice_and_at_least_120() -> None:
    names = [(subject, row.fault) for subject, row in list_rows()]
    assert len(names) == len(set(names))
    assert len(names) >= 120
