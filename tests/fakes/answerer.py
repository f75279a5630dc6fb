"""A working stand-in for knowledge: a script of sources, deltas, pauses and faults, told like a real answer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from bot.answering import IngestionReport, LibraryState, Outcome, Progress, Source

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from bot.answering import Question

HANDBOOK = Source(
    1, "handbook.md", "Handbook", "Refunds take 14 days.", section="Refunds", url="https://team.example/h"
)
TRAVEL = Source(2, "travel.pdf", "Travel", "Trains before planes.", page=3)


@dataclass(frozen=True, slots=True)
class Pause:
    """A step of a script: the model says nothing for so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Script:
    """What an answer will be: its steps are deltas, pauses, and an error at which it breaks off."""

    steps: Sequence[str | Pause | Exception] = ()
    sources: Sequence[Source] = (HANDBOOK, TRAVEL)
    notice: str = ""
    searched_for: str = ""
    outcome: Outcome = field(default_factory=Outcome)
    refusal: Exception | None = None
    """Raised by ``answer`` itself, before there is an answer."""
    search: float = 0.0
    """Seconds that finding the passages takes."""


class FakeAnswer:
    """One telling of a script; knows whether the model's connection was closed."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._is_over = False
        self.is_closed = False

    @property
    def sources(self) -> Sequence[Source]:
        return self._script.sources

    @property
    def notice(self) -> str:
        return self._script.notice

    @property
    def searched_for(self) -> str:
        return self._script.searched_for

    @property
    def outcome(self) -> Outcome:
        if not self._is_over:
            raise RuntimeError("the outcome is not known before the last delta")
        return self._script.outcome

    async def deltas(self) -> AsyncIterator[str]:
        try:
            for step in self._script.steps:
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, Pause):
                    await asyncio.sleep(step.seconds)
                else:
                    yield step
            self._is_over = True
        finally:
            self.is_closed = True


class FakeAnswerer:
    """Tells the same script to everyone and remembers what was asked."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self.asked: list[Question] = []
        self.answers: list[FakeAnswer] = []

    async def answer(self, question: Question) -> FakeAnswer:
        self.asked.append(question)
        await asyncio.sleep(self._script.search)
        if self._script.refusal:
            raise self._script.refusal
        self.answers.append(FakeAnswer(self._script))
        return self.answers[-1]


class FakeLibrary:
    """A library whose every run finds the same and changes nothing."""

    def __init__(self, state: LibraryState, report: IngestionReport | None = None) -> None:
        self._state = state
        self._report = report or IngestionReport(unchanged=state.documents, nodes=state.nodes)
        self.forced = 0

    async def state(self) -> LibraryState:
        return self._state

    async def reindex(
        self, *, dry_run: bool = False, force: bool = False, on_progress: Callable[[Progress], None] | None = None
    ) -> IngestionReport:
        self.forced += force
        total = self._state.documents
        for done in range(total + 1):
            if on_progress:
                on_progress(Progress(files_done=done, files_total=total))
            await asyncio.sleep(0)
        return replace(self._report, is_dry_run=dry_run)
