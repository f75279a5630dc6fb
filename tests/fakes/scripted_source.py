"""A question whose answer is written beforehand: deltas with their pauses, an error if wanted, plain closing words."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bot.streaming import WORDLESS, Begun, Closing, Ended

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from bot.streaming import Cause

FOOTER = "-# Sources: none"


@dataclass(slots=True)
class ScriptedTelling:
    """``script`` holds pairs: seconds to wait, then the delta. A wait of 0.0 does not yield to the loop."""

    script: Sequence[tuple[float, str]]
    error: BaseException | None = None
    retrieval: float = 0.1
    status: str = "Reading handbook.md …"
    footer: str = FOOTER
    produced: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]])
    ends: list[Cause] = field(default_factory=list["Cause"])
    hung_up_at: float | None = None

    @property
    def said(self) -> str:
        return "".join(delta for _, delta in self.produced)

    async def begin(self) -> Begun:
        try:
            await asyncio.sleep(self.retrieval)
        except asyncio.CancelledError:
            self.hung_up_at = asyncio.get_running_loop().time()
            raise
        return Begun(self.status)

    def deltas(self) -> AsyncIterator[str]:
        return self._deltas()

    async def _deltas(self) -> AsyncIterator[str]:
        loop = asyncio.get_running_loop()
        for seconds, delta in self.script:
            if seconds:
                try:
                    await asyncio.sleep(seconds)
                except asyncio.CancelledError:
                    self.hung_up_at = loop.time()
                    raise
            self.produced.append((loop.time(), delta))
            yield delta
        if self.error:
            raise self.error

    def closing(self, cause: Cause) -> Closing:
        self.ends.append(cause)
        note = "" if isinstance(cause, Ended) else f"-# {type(cause).__name__}"
        return Closing(note=note, footer=self.footer)


def evenly(text: str, rate: float, *, first: float = 0.5, size: int = 4) -> list[tuple[float, str]]:
    """A script: the text in deltas of ``size`` characters, ``rate`` characters per second, after ``first`` seconds."""
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    return [(first if number == 0 else size / rate, piece) for number, piece in enumerate(pieces)]


def said_on(pages: Sequence[str], closing: Closing) -> list[str]:
    """The finished pages without the closing words: what the model said, page by page, without white space at edges."""
    said = [page for page in pages if page != WORDLESS]
    for block in (closing.footer, closing.note):
        if block and said:
            said[-1] = said[-1].removesuffix(block).rstrip()
            if not said[-1]:
                said.pop()
    return [page.strip() for page in said]
