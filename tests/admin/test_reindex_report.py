"""What an admin reads of a run."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bot.admin.reindex_report import (
    format_dry_run,
    format_duration,
    format_failures,
    format_plan,
    format_progress,
    format_result,
)
from bot.domain import IngestionReport, Progress


def test_progress_is_a_bar_with_files_passages_rate_and_time_left() -> None:
    shown = format_progress(Progress(files_done=5, files_total=20, nodes_done=100, failed=1), elapsed=10.0)
    assert shown == "▰▰▰▱▱▱▱▱▱▱▱▱ 25%\n-# 5 of 20 files · 100 passages · 10/s · 0:30 left · 1 could not be read"


@given(st.integers(0, 10_000), st.integers(0, 10_000), st.integers(0, 10_000), st.floats(0, 1e6))
def test_progress_is_always_two_lines_that_fit(done_files: int, more: int, nodes: int, elapsed: float) -> None:
    shown = format_progress(Progress(done_files, done_files + more, nodes), elapsed)
    assert shown.count("\n") == 1
    assert len(shown) < 200


def test_moved_files_are_counted_once() -> None:
    report = IngestionReport(new=("b",), removed=("a",), moved={"a": "b"}, unchanged=2)
    assert format_plan(report) == "**Plan:** 0 new, 0 changed, 0 removed, 1 moved, 2 unchanged"


def test_price_is_shown_if_it_is_known() -> None:
    assert "1 passage to embed: 20 tokens" in format_dry_run(IngestionReport(embedded=1, tokens=20))
    assert "$" not in format_dry_run(IngestionReport(embedded=1, tokens=20))


def test_failed_files_are_counted_and_named_only_within_the_scope() -> None:
    failed = {"@hr/pay.pdf": "damaged", "b.pdf": "empty file"}
    assert "2 files could not be read; what was searchable of them stays so." in format_result(
        IngestionReport(failed=failed), 61
    )
    assert format_failures(failed, lambda collection: not collection) == "b.pdf: empty file\n"
    assert format_failures(failed, lambda _: True) == "@hr/pay.pdf: damaged\nb.pdf: empty file\n"


def test_times_are_minutes_and_seconds() -> None:
    assert [format_duration(seconds) for seconds in (0, 9.6, 61, 3_661)] == ["0:00", "0:10", "1:01", "1:01:01"]
