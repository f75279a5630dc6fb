"""What the command line shows."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from bot.app.terminal import Terminal
from bot.doctor import CheckResult
from bot.domain import AnswerStatus, IngestionReport, Progress, Source, Usage
from bot.errors import ModelInterrupted, Problem
from bot.knowledge.evaluation import AnswerStats, Evaluation, ModelStats, Score

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

SOURCES = (
    Source(1, "refunds.md", "Refunds", "Five days.", section="Time", url="https://wiki.example/refunds"),
    Source(2, "guide.pdf", "Guide", "Ten days.", page=3),
)


@dataclass
class PreparedAnswer:
    """An answer whose deltas are known beforehand; the last may be an error."""

    parts: Sequence[str | Exception]
    sources: Sequence[Source] = SOURCES
    notice: str = ""
    searched_for: str = ""
    is_confident: bool = False
    usage: Usage = field(default_factory=Usage)
    status: AnswerStatus = AnswerStatus.COMPLETE

    async def deltas(self) -> AsyncIterator[str]:
        for part in self.parts:
            if isinstance(part, Exception):
                raise part
            yield part


def create_terminal(*, is_terminal: bool) -> tuple[Terminal, io.StringIO, io.StringIO]:
    output, remarks = io.StringIO(), io.StringIO()
    return (
        Terminal(
            Console(file=output, width=100, force_terminal=is_terminal, highlight=False, color_system=None),
            Console(file=remarks, width=100, force_terminal=is_terminal, highlight=False, color_system=None),
        ),
        output,
        remarks,
    )


@pytest.mark.parametrize("watched", [True, False])
async def test_an_answer_ends_with_its_text_and_the_sources_it_cites(watched: bool) -> None:
    terminal, output, _ = create_terminal(is_terminal=watched)
    assert await terminal.show_answer(PreparedAnswer(["It takes ", "ten days [2]."])) == "It takes ten days [2]."
    shown = output.getvalue()
    assert "It takes ten days [2]." in shown
    assert "[2] Guide, page 3 guide.pdf" in shown
    assert "Refunds" not in shown


async def test_a_source_without_page_and_section_is_shown_with_its_line() -> None:
    terminal, output, _ = create_terminal(is_terminal=False)
    await terminal.show_answer(
        PreparedAnswer(["Run it [1]."], sources=[Source(1, "code/app.py", "app.py", "run()", line=12)])
    )
    assert "[1] app.py, line 12 code/app.py" in output.getvalue()


async def test_text_stays_on_screen_when_the_model_fails() -> None:
    terminal, output, _ = create_terminal(is_terminal=True)
    with pytest.raises(ModelInterrupted):
        await terminal.show_answer(PreparedAnswer(["It takes", ModelInterrupted("The connection was lost.")]))
    assert output.getvalue().rstrip().endswith("It takes")


async def test_document_text_cannot_send_terminal_escapes() -> None:
    terminal, output, _ = create_terminal(is_terminal=False)
    await terminal.show_answer(PreparedAnswer(["a\x1b]0;owned\x07b [red]c[/red]"], sources=()))
    assert output.getvalue().strip() == "a]0;ownedb [red]c[/red]"


async def test_a_long_answer_grows_on_a_small_screen() -> None:
    terminal, output, _ = create_terminal(is_terminal=True)
    await terminal.show_answer(PreparedAnswer([f"line {n}\n\n" for n in range(200)], sources=()))
    assert "line 0" in output.getvalue().rsplit("\x1b", 1)[-1]


async def test_notice_is_printed_outside_the_answer() -> None:
    terminal, output, remarks = create_terminal(is_terminal=False)
    await terminal.show_answer(PreparedAnswer(["Text."], notice="found by keywords only"))
    assert "keywords" in remarks.getvalue()
    assert "keywords" not in output.getvalue()


def test_a_report_lists_what_changed_and_what_was_passed_over() -> None:
    terminal, output, _ = create_terminal(is_terminal=False)
    many = tuple(f"page-{n}.md" for n in range(20))
    terminal.show_report(IngestionReport(new=many, failed={"scan.pdf": "no text"}, unchanged=4, nodes=50, embedded=30))
    shown = output.getvalue()
    for words in ("and 8 more", "unchanged", "50 passages written, 30 of them embedded", "scan.pdf", "no text"):
        assert words in shown


def test_dry_run_report_uses_the_conditional() -> None:
    terminal, output, _ = create_terminal(is_terminal=False)
    terminal.show_report(IngestionReport(removed=("old.md",), is_dry_run=True))
    assert "This would change" in output.getvalue()
    assert "would be embedded" in output.getvalue()


def test_dry_run_report_shows_the_embedding_cost() -> None:
    terminal, output, _ = create_terminal(is_terminal=False)
    report = IngestionReport(new=("b.md",), removed=("a.md",), moved={"a.md": "b.md"}, nodes=3, embedded=2)
    terminal.show_report(replace(report, is_dry_run=True, tokens=12_345, dollars=0.00025))
    assert "12,345 tokens, about $0.0003" in output.getvalue()
    assert "1 of the new ones only moved" in output.getvalue()


def test_progress_names_the_file_and_the_counts() -> None:
    terminal, _, remarks = create_terminal(is_terminal=True)
    with terminal.show_ingestion_progress() as show:
        show(
            Progress(
                files_done=3, files_total=12, nodes_done=40, current="a/very/long/path/to/some/document/handbook.md"
            )
        )
    assert "handbook.md" in remarks.getvalue()
    assert "3/12" in remarks.getvalue()


@pytest.mark.parametrize("watched", [True, False])
def test_every_problem_is_shown_with_what_to_do(watched: bool) -> None:
    terminal, _, remarks = create_terminal(is_terminal=watched)
    terminal.show_problems(
        [Problem("DISCORD_TOKEN", "is missing", "It should hold the token."), Problem("X", "is y", "Z.")]
    )
    for words in ("DISCORD_TOKEN", "is missing", "It should hold the token.", "Z."):
        assert words in remarks.getvalue()


def test_check_results_show_their_remedy() -> None:
    terminal, output, _ = create_terminal(is_terminal=True)
    terminal.show_check_results([CheckResult("Disk", "error", "0.1 GB free", "Make room.")])
    assert "✗" in output.getvalue()
    assert "→ Make room." in output.getvalue()


def test_check_results_without_a_terminal_are_sentences_with_links_below() -> None:
    terminal, output, _ = create_terminal(is_terminal=False)
    link = f"https://discord.com/?{'x' * 200}"
    terminal.show_check_results(
        [
            CheckResult("Discord", "ok", "signed in", link=link),
            CheckResult("Disk", "error", "0.1 GB free.", "Make room."),
        ]
    )
    lines = output.getvalue().splitlines()
    assert lines[:2] == ["Discord (ok): signed in.", "Disk (error): 0.1 GB free. Make room."]
    assert lines[-1] == link


def test_check_results_cannot_send_terminal_escapes() -> None:
    terminal, output, _ = create_terminal(is_terminal=True)
    terminal.show_check_results([CheckResult("Guild \x1b]0;x\x07", "note", "\x1b[2Jseen", "\x1b[2Jdo")])
    assert "\x1b[2J" not in output.getvalue()
    assert "\x1b]0" not in output.getvalue()


def test_an_evaluation_with_answers_shows_both_tables_and_what_changed() -> None:
    output = io.StringIO()
    score = Score(0.5, 0.75, 1.0, 0.66, 0.012, 0.03, 0.25, 0.5)
    stats = AnswerStats(0.5, 0.25, 0.0, 0.25, 0.0, 0.75, 1.0)
    now = Evaluation("set.jsonl", 4, "local", {"fused": score}, stats, 3, 0.667)
    before = replace(now, searches={"fused": replace(score, mrr=0.61)}, answers=replace(stats, right=0.25, wrong=0.25))

    Terminal(Console(file=output, width=100)).show_evaluation(now, before)

    shown = output.getvalue()
    assert re.search(r"fused +0\.500 +0\.750 +1\.000 +0\.660 +0\.250 +0\.500 +12 ms +30 ms *\n +\(\+0\.050\)", shown)
    answers = r"answers +0\.500 +0\.250 +0\.000 +0\.250 +0\.000 +0\.750 +1\.000 *\n +\(\+0\.250\) +\(-0\.250\)"
    assert re.search(answers, shown)
    assert re.search(r"3 without an answer +0\.667", shown)
    assert "tokens" not in shown


def test_an_evaluation_with_a_model_shows_citations_refusals_and_tokens() -> None:
    output = io.StringIO()
    model = ModelStats(1.0, 0.75, 0.9, 0.05, 12_000, 800)
    now = Evaluation("set.jsonl", 4, "local", model=model)
    before = replace(now, model=replace(model, citations_right=0.5))

    Terminal(Console(file=output, width=100)).show_evaluation(now, before)

    assert re.search(r"model +1\.000 +0\.750 +0\.900 +0\.050 *\n +\(\+0\.250\)", output.getvalue())
    assert "12,000 tokens read and 800 written, 3,200 a question." in output.getvalue()
