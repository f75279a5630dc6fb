"""A question whose answer is written beforehand: deltas with their pauses, an error if wanted, plain closing words."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bot.streaming import EMPTY_ANSWER, Closing, Ended, StreamStart

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from bot.streaming import EndReason

FOOTER = "-# Sources: none"


@dataclass(slots=True)
class ScriptedSource:
    """``script`` holds pairs: seconds to wait, then the delta. A wait of 0.0 does not yield to the loop."""

    script: Sequence[tuple[float, str]]
    error: BaseException | None = None
    retrieval_seconds: float = 0.1
    status: str = "Reading handbook.md …"
    footer: str = FOOTER
    produced: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]])
    end_reasons: list[EndReason] = field(default_factory=list["EndReason"])
    cancelled_at: float | None = None

    @property
    def text(self) -> str:
        return "".join(delta for _, delta in self.produced)

    async def begin(self) -> StreamStart:
        try:
            await asyncio.sleep(self.retrieval_seconds)
        except asyncio.CancelledError:
            self.cancelled_at = asyncio.get_running_loop().time()
            raise
        return StreamStart(self.status)

    def deltas(self) -> AsyncIterator[str]:
        return self._deltas()

    async def _deltas(self) -> AsyncIterator[str]:
        loop = asyncio.get_running_loop()
        for seconds, delta in self.script:
            if seconds:
                try:
                    await asyncio.sleep(seconds)
                except asyncio.CancelledError:
                    self.cancelled_at = loop.time()
                    raise
            self.produced.append((loop.time(), delta))
            yield delta
        if self.error:
            raise self.error

    def closing(self, end_reason: EndReason) -> Closing:
        self.end_reasons.append(end_reason)
        note = "" if isinstance(end_reason, Ended) else f"-# {type(end_reason).__name__}"
        return Closing(note=note, footer=self.footer)


def script_evenly(text: str, rate: float, *, first: float = 0.5, size: int = 4) -> list[tuple[float, str]]:
    """A script: the text in deltas of ``size`` characters, ``rate`` characters per second, after ``first`` seconds."""
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    return [(first if number == 0 else size / rate, piece) for number, piece in enumerate(pieces)]


def strip_closing(pages: Sequence[str], closing: Closing) -> list[str]:
    """The finished pages without the closing words: what the model said, page by page, without white space at edges."""
    said = [page for page in pages if page != EMPTY_ANSWER]
    for block in (closing.footer, closing.note):
        if block and said:
            said[-1] = said[-1].removesuffix(block).rstrip()
            if not said[-1]:
                said.pop()
    return [page.strip() for page in said]
