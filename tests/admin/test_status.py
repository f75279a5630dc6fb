"""How the bot is doing, in lines for an admin."""

from __future__ import annotations

from datetime import UTC, datetime

from bot.admin.status import Budget, Parts, Standing, summary
from bot.domain import LibraryState, Progress
from bot.records import Fate, Statistics

PARTS = Parts("1.2.3", "gpt-x at api.example", "nothing: keywords only", "a SQLite file", "PostgreSQL")
BUILT = LibraryState(12, 1_430, "none", generation=7, built_at=datetime.fromtimestamp(1_700_000_000, UTC))


def test_everything_is_said_in_lines() -> None:
    fates = {Fate.COMPLETE: 6, Fate.FAILED: 1, Fate.STALLED: 1, Fate.STOPPED: 2, Fate.WRITING: 2}
    today = Statistics(answers=12, by_fate=fates, median_first_word=1.24, tokens=9)
    said = summary(Standing(PARTS, BUILT, 2, 1, today, Budget(12_000, 100_000), Budget(40_000)))
    assert said.splitlines() == [
        "**Docent `1.2.3`**",
        "Writes: `gpt-x at api.example`",
        "Embeds: `nothing: keywords only`",
        "Kept: index in `a SQLite file`, records in `PostgreSQL`",
        "Index: generation 7, built <t:1700000000:R> · 12 documents, 1,430 passages",
        "Now: 2 answers under way, 1 in line",
        "Answers today: 12 in this server · first words after 1.2 s (median) · 2 of 10 failed (20%)",
        "Tokens today: 12,000 of 100,000 in this server, 40,000 by everybody together",
    ]


def test_what_everybody_spends_is_said_only_to_whom_it_concerns() -> None:
    assert "together" not in summary(Standing(PARTS, BUILT))


def test_a_run_is_told_without_naming_a_file() -> None:
    running = Progress(files_done=1, files_total=3, nodes_done=1, current="board/salaries.md")
    said = summary(Standing(PARTS, LibraryState(1, 1, "none", running)))
    assert "1 of 3 files, 1 passage so far" in said
    assert "salaries" not in said


def test_what_cannot_be_read_is_said_in_its_place() -> None:
    said = summary(Standing(PARTS, "The index cannot be opened.", today="The records cannot be read."))
    assert "Index: The index cannot be opened." in said
    assert "Answers today: The records cannot be read." in said


def test_a_quiet_day_has_no_share_of_failures() -> None:
    assert "failed" not in summary(Standing(PARTS, BUILT, today=Statistics(1, {Fate.WRITING: 1})))


def test_a_models_name_does_nothing_where_it_is_shown() -> None:
    assert "```" not in summary(Standing(Parts("1", "a```b", "c", "d", "e"), BUILT))
