"""A model speaks by a script, in its own time whether or not anybody listens, and knows when it was hung up on."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmarks.streaming.metrics import ModelOutput
from bot.domain import AnswerStatus, Source, Usage
from bot.errors import ModelInterrupted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from benchmarks.streaming.workloads import Script
    from bot.domain import Question

SEARCH_SECONDS = 0.3
"""Seconds that finding the passages takes."""

THINKING_SECONDS = 0.5
"""Seconds from the request to the model until its first delta."""

_SOURCE = Source(1, "handbook.md", "Handbook", "What the handbook says.", section="Refunds")


@dataclass(slots=True)
class ScriptRun:
    """One script being told. ``began_at``: when the first delta is said; ``taken``: how many deltas were taken."""

    script: Script
    began_at: float | None = None
    taken: int = 0
    is_over: bool = False
    cancelled_at: float | None = None

    def collect_output(self) -> ModelOutput:
        """What had been said when it ended, with the times at which the model said it."""
        began = self.began_at or 0.0
        heard = self.script.deltas[: self.taken]
        return ModelOutput(tuple((began + delta.at, delta.text) for delta in heard), self.cancelled_at)


class Model:
    """Tells each asker the script whose number is the first in the question. ``clock`` is in seconds.

    A delta is said at its time, taken or not: like a socket that fills while a bot looks elsewhere.
    """

    def __init__(self, scripts: Sequence[Script], clock: Callable[[], float]) -> None:
        self._clock = clock
        self.runs = [ScriptRun(script) for script in scripts]

    async def answer(self, question: Question) -> ScriptedAnswer:
        """What Docent is given as its Answerer."""
        await asyncio.sleep(SEARCH_SECONDS)
        return ScriptedAnswer(self.deltas(question.text))

    async def deltas(self, question: str) -> AsyncIterator[str]:
        """The text as it comes.

        Raises:
            ModelInterrupted: the script says that the connection drops.
        """
        number = re.search(r"question (\d+)", question)
        speech = self.runs[int(number[1]) if number else 0]
        speech.began_at = self._clock() + THINKING_SECONDS
        try:
            for delta in speech.script.deltas:
                wait = speech.began_at + delta.at - self._clock()
                if wait > 0:
                    await asyncio.sleep(wait)
                speech.taken += 1
                yield delta.text
        except (asyncio.CancelledError, GeneratorExit):
            speech.cancelled_at = self._clock()
            raise
        finally:
            speech.is_over = True
        if speech.script.is_dropped:
            raise ModelInterrupted("The model's connection broke off.")


@dataclass(frozen=True, slots=True)
class ScriptedAnswer:
    """One answer by script, with one source."""

    stream: AsyncIterator[str]
    sources: Sequence[Source] = (_SOURCE,)
    notice: str = ""
    searched_for: str = ""
    is_confident: bool = False
    usage: Usage = field(default_factory=Usage)
    status: AnswerStatus = AnswerStatus.COMPLETE

    def deltas(self) -> AsyncIterator[str]:
        """The text as it comes."""
        return self.stream
