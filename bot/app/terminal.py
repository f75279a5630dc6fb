"""Prints to the terminal: answers as they are written, progress bars, and tables of results and problems."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.markdown import Markdown
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from rich.segment import Segment
from rich.table import Column, Table
from rich.text import Text

from bot.errors import AnswerUnavailable
from bot.text.citations import find_cited_sources, format_page_or_line
from bot.text.reasoning import ReasoningFilter
from bot.text.wording import format_left_out, format_passed_over

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator, Sequence

    from rich.console import ConsoleOptions, RenderResult

    from bot import domain
    from bot.doctor import CheckResult
    from bot.errors import Problem
    from bot.knowledge.evaluation import Evaluation

_MAX_LISTED = 12
"""Documents named in a summary; the others are counted."""


_SCORES = ("hit@1", "hit@3", "hit@5", "MRR@10", "answer@1", "answer@3", "p50", "p95")
_ANSWER_SCORES = ("right", "doubtful", "wrong", "refused", "failed", "shown", "grounded")
_MODEL_SCORES = ("grounded", "citations right", "refused rightly", "refused wrongly")
_SUBJECT_WIDTH = 16
"""Characters of the doctor's second column: a server's name may be long, and the last column needs the room."""
_MIN_SHOWN_DIFFERENCE = 0.0005  # the smallest difference that three digits show


class Terminal:
    """Prints answers and results to standard output; progress, notes and errors to standard error."""

    def __init__(self, output: Console | None = None, error_output: Console | None = None) -> None:
        self.output = output or Console(highlight=False)
        self.error_output = error_output or Console(stderr=True, highlight=False)

    @contextmanager
    def show_spinner(self, message: str) -> Generator[None]:
        """Show a spinner beside ``message``; silent if standard error is not a terminal."""
        with self.error_output.status(Text(message)):
            yield

    async def show_answer(self, answer: domain.Answer) -> str:
        """Print the answer as it arrives and its sources below it; return its text.

        Raises:
            AnswerUnavailable: The model failed; what had arrived stays on the screen.
        """
        text = ""
        if answer.notice:
            self.error_output.print(Text(answer.notice, style="yellow"))
        shown = _iter_cited_deltas(answer)
        try:
            if self.output.is_terminal:
                with Live(console=self.output, transient=True, auto_refresh=False) as live:
                    async for delta in shown:
                        text += delta
                        live.update(_Tail(text), refresh=True)
            else:
                async for delta in shown:
                    text += delta
                    self.output.print(Text(delta), end="", soft_wrap=True)
        finally:
            self.output.print(Markdown(text) if self.output.is_terminal else "")
        self._show_sources(find_cited_sources(text, answer.sources) or answer.sources)
        return text

    def _show_sources(self, sources: Sequence[domain.Source]) -> None:
        if not sources:
            return
        self.output.print(Text("\nSources", style="bold"))
        for source in sources:
            section = " › ".join(part for part in (source.title, source.section) if part)
            place = ", ".join(part for part in (section, format_page_or_line(source)) if part)
            where = source.url or source.document
            self.output.print(
                Text.assemble((f"[{source.number}] ", "cyan"), f"{place} ", (where, "dim")), soft_wrap=True
            )

    @contextmanager
    def show_ingestion_progress(self) -> Generator[Callable[[domain.Progress], None]]:
        """Show a bar with files, passages, rate and time left; yields the ingestion's ``on_progress``."""
        columns = (
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TextColumn("files · {task.fields[nodes]} passages · {task.fields[rate]} ·"),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.description}", style="dim", markup=False, table_column=Column(no_wrap=True)),
        )
        with Progress(*columns, console=self.error_output, transient=True) as progress:
            task = progress.add_task("", total=None, nodes=0, rate="…")

            def show(state: domain.Progress) -> None:
                elapsed = progress.tasks[0].elapsed or 0.0
                progress.update(
                    task,
                    description=f"waiting for the embedding model, {state.waiting:.0f} s"
                    if state.waiting
                    else state.current,
                    completed=state.files_done,
                    total=state.files_total,
                    nodes=state.nodes_done,
                    rate=f"{state.nodes_done / elapsed:.0f}/s" if elapsed and state.nodes_done else "…",
                )

            yield show

    @contextmanager
    def show_progress(self, label: str, total: int) -> Generator[Callable[[int], None]]:
        """Show a bar from 0 to ``total`` with the time left; yields a function that sets its position."""
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=self.error_output, transient=True) as progress:
            task = progress.add_task(label, total=total)
            yield lambda done: progress.update(task, completed=done)

    def show_evaluation(self, current: Evaluation, previous: Evaluation | None) -> None:
        """Print what each way of searching found, what the answers were, and how both differ from the previous run."""
        title = f"{current.name}: {current.questions} questions, embedding {current.embedding}"
        table = Table("", *_SCORES, title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
        for way, score in current.searches.items():
            old = previous.searches.get(way) if previous else None
            shares = [
                _format_score(getattr(score, name), getattr(old, name, None))
                for name in ("hit_1", "hit_3", "hit_5", "mrr", "answer_1", "answer_3")
            ]
            table.add_row(way, *shares, f"{score.p50 * 1000:.0f} ms", f"{score.p95 * 1000:.0f} ms")
        self.output.print(table)
        if current.answers is not None:
            old_answers = previous.answers if previous else None
            parts = [
                _format_score(getattr(current.answers, name), getattr(old_answers, name, None))
                for name in _ANSWER_SCORES
            ]
            answers = Table("", *_ANSWER_SCORES, box=None, padding=(0, 2, 0, 0))
            answers.add_row("answers", *parts)
            self.output.print(answers)
        if current.unanswerable:
            honest = _format_score(current.honest, previous.honest if previous and previous.unanswerable else None)
            refusals = Table("", "told honestly", box=None, padding=(0, 2, 0, 0))
            refusals.add_row(f"{current.unanswerable} without an answer", honest)
            self.output.print(refusals)
        if current.model is not None:
            self._show_model_stats(current, previous)
        if previous is not None:
            self.output.print(Text("In brackets: the change since the previous run.", style="dim"))

    def _show_model_stats(self, current: Evaluation, previous: Evaluation | None) -> None:
        """Print what the model's answers were worth, and the tokens that they cost."""
        old = previous.model if previous else None
        shares = [
            _format_score(getattr(current.model, name), getattr(old, name, None))
            for name in ("grounded", "citations_right", "refused_rightly", "refused_wrongly")
        ]
        table = Table("", *_MODEL_SCORES, box=None, padding=(0, 2, 0, 0))
        table.add_row("model", *shares)
        self.output.print(table)
        if current.model is not None:
            read, written = current.model.prompt_tokens, current.model.completion_tokens
            per_question = (read + written) // max(current.questions, 1)
            self.output.print(f"{read:,} tokens read and {written:,} written, {per_question:,} a question.")

    def show_report(self, report: domain.IngestionReport) -> None:
        """Say what a run changed, or with a dry run would change, and which files were passed over, with the reason."""
        heading = "This would change" if report.is_dry_run else "Done"
        changes = [("new", report.new), ("changed", report.changed), ("removed", report.removed)]
        table = Table(title=heading, title_justify="left", show_header=False, box=None, padding=(0, 2, 0, 0))
        for word, documents in changes:
            table.add_row(
                word, str(len(documents)), Text(_strip_control_characters(_format_documents(documents)), style="dim")
            )
        table.add_row("unchanged", str(report.unchanged), "")
        self.output.print(table)
        if report.moved:
            self.output.print(f"{len(report.moved)} of the new ones only moved: nothing of them is embedded again.")
        would = "would be " if report.is_dry_run else ""
        cost = _format_cost(report) if report.is_dry_run and report.embedded else ""
        self.output.print(f"{report.nodes} passages {would}written, {report.embedded} of them {would}embedded{cost}.")
        if report.failed:
            failures = Table(
                "Document", "Passed over because", title=f"{len(report.failed)} not read", title_justify="left"
            )
            for document, reason in report.failed.items():
                failures.add_row(Text(_strip_control_characters(document)), Text(_strip_control_characters(reason)))
            self.output.print(failures)
        for document, note in report.notes.items():
            self.output.print(Text(_strip_control_characters(f"{document}: {note}")), soft_wrap=True)
        if left_out := format_left_out(report.left_out):
            self.output.print(f"{left_out}.", soft_wrap=True, markup=False)
        if passed_over := format_passed_over(report.passed_over):
            self.output.print(f"{passed_over}.", soft_wrap=True, markup=False)

    def show_check_results(self, results: Sequence[CheckResult]) -> None:
        """The doctor's table: a sign, what was looked at, what was seen, and what to do where it is not well.

        Where nobody watches, a line of sentences for each. Links stand below, unbroken.
        """
        if self.output.is_terminal:
            self.output.print(_build_result_table(results))
        else:
            for finding in results:
                self.print_notice(_strip_control_characters(_format_result(finding)))
        for finding in results:
            if finding.link:
                self.print_notice(f"\nTo invite it to a server, with the least permissions:\n{finding.link}")

    def print_notice(self, message: str) -> None:
        """Print something to act on, such as an address; never wrapped, so that it can be clicked."""
        self.output.print(Text(message), soft_wrap=True)

    def print_error(self, message: str) -> None:
        """Print an error message in red."""
        self.error_output.print(Text(message, style="red"), soft_wrap=True)

    def show_problems(self, problems: Sequence[Problem]) -> None:
        """Print all problems with the settings as a table, or one per line if standard error is not a terminal."""
        if not self.error_output.is_terminal:
            for problem in problems:
                self.print_error(f"{problem.setting} {problem.complaint}. {problem.remedy}")
            return
        table = Table(
            "Setting", "Problem", "What to do", title="Settings (in the environment or .env)", title_justify="left"
        )
        for problem in problems:
            table.add_row(
                Text(problem.setting, style="bold"), Text(problem.complaint, style="red"), Text(problem.remedy)
            )
        self.error_output.print(table)


class _Tail:
    """The last lines of a growing text that fit on the screen: a live display cannot scroll."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = console.render_lines(Markdown(self._text), options, pad=False)
        for line in lines[-max(1, console.height - 2) :]:
            yield from line
            yield Segment.line()


def _format_result(result: CheckResult) -> str:
    seen = result.detail.removesuffix(".")
    return f"{result.subject} ({result.state}): {seen}. {result.remedy}".rstrip()


def _build_result_table(results: Sequence[CheckResult]) -> Table:
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column()
    table.add_column(max_width=_SUBJECT_WIDTH)
    table.add_column()
    for finding in results:
        sign, style = {"ok": ("✓", "green"), "note": ("·", "yellow"), "error": ("✗", "red")}[finding.state]
        seen = Text(_strip_control_characters(finding.detail))
        if finding.remedy:
            seen.append(f"\n→ {_strip_control_characters(finding.remedy)}", style=style)
        table.add_row(Text(sign, style=style), Text(_strip_control_characters(finding.subject), style="bold"), seen)
    return table


async def _iter_cited_deltas(answer: domain.Answer) -> AsyncGenerator[str]:
    """Yield the answer's text as it arrives, without the model's reasoning."""
    reasoning_filter = ReasoningFilter()
    try:
        async for delta in answer.deltas():
            yield _strip_control_characters(reasoning_filter.feed(delta))
    except AnswerUnavailable:
        yield _strip_control_characters(reasoning_filter.flush())  # what was held back had arrived, and stands
        raise
    yield _strip_control_characters(reasoning_filter.flush())


def _format_score(current: float, previous: float | None) -> Text:
    """A share, and below it how far it is from the last one where it is another."""
    change = 0.0 if previous is None else current - previous
    text = Text(f"{current:.3f}")
    if abs(change) >= _MIN_SHOWN_DIFFERENCE:
        text.append(f"\n({change:+.3f})", style="green" if change > 0 else "red")
    return text


def _strip_control_characters(text: str) -> str:
    """Remove control characters: a document could otherwise send commands to the terminal."""
    return "".join(sign for sign in text if sign.isprintable() or sign in "\n\t")


def _format_cost(report: domain.IngestionReport) -> str:
    price = "" if report.dollars is None else f", about ${report.dollars:.4f}"
    return f": {report.tokens:,} tokens{price}"


def _format_documents(documents: Sequence[str]) -> str:
    named = ", ".join(documents[:_MAX_LISTED])
    more = len(documents) - _MAX_LISTED
    return f"{named} and {more} more" if more > 0 else named
