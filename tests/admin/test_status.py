"""How the bot is doing, in lines for an admin."""

from __future__ import annotations

from datetime import UTC, datetime

from bot.admin.status import Budget, BuildInfo, StatusReport, format_status
from bot.domain import LibraryState, Progress
from bot.records import AnswerStatus, Statistics

PARTS = BuildInfo("1.2.3", "gpt-x at api.example", "nothing: keywords only", "a SQLite file", "PostgreSQL")
BUILT = LibraryState(12, 1_430, "none", generation=7, built_at=datetime.fromtimestamp(1_700_000_000, UTC))


def test_status_summary_has_one_line_per_fact() -> None:
    fates = {
        AnswerStatus.COMPLETE: 6,
        AnswerStatus.FAILED: 1,
        AnswerStatus.STALLED: 1,
        AnswerStatus.STOPPED: 2,
        AnswerStatus.WRITING: 2,
    }
    today = Statistics(answers=12, by_status=fates, median_first_word=1.24, tokens=9)
    said = format_status(StatusReport(PARTS, BUILT, 2, 1, today, Budget(12_000, 100_000), Budget(40_000)))
    assert said.splitlines() == [
        "**Docent `1.2.3`**",
        "Writes: `gpt-x at api.example`",
        "Embeds: `nothing: keywords only`",
        "Stored: index in `a SQLite file`, records in `PostgreSQL`",
        "Index: generation 7, built <t:1700000000:R> · 12 documents, 1,430 passages",
        "Now: 2 answers running, 1 waiting",
        "Answers today: 12 in this server · first words after 1.2 s (median) · 2 of 10 failed (20%)",
        "Tokens today: 12,000 of 100,000 in this server, 40,000 in all servers together",
    ]


def test_status_shows_total_usage_only_to_those_allowed() -> None:
    assert "together" not in format_status(StatusReport(PARTS, BUILT))


def test_status_reports_a_running_ingestion_without_file_names() -> None:
    running = Progress(files_done=1, files_total=3, nodes_done=1, current="board/salaries.md")
    said = format_status(StatusReport(PARTS, LibraryState(1, 1, "none", running)))
    assert "1 of 3 files, 1 passage so far" in said
    assert "salaries" not in said


def test_status_reports_unreadable_index_and_records_on_their_lines() -> None:
    said = format_status(StatusReport(PARTS, "The index cannot be opened.", today="The records cannot be read."))
    assert "Index: The index cannot be opened." in said
    assert "Answers today: The records cannot be read." in said


def test_status_of_a_day_without_answers_shows_no_failure_rate() -> None:
    assert "failed" not in format_status(StatusReport(PARTS, BUILT, today=Statistics(1, {AnswerStatus.WRITING: 1})))


def test_model_name_in_the_status_is_escaped() -> None:
    assert "```" not in format_status(StatusReport(BuildInfo("1", "a```b", "c", "d", "e"), BUILT))
