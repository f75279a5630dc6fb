"""The whole bot in a process of its own: how long it holds the event loop at most, told for each question as JSON.

``python -m tests.fakes.held_loop FOLDER``: documents are written there, read with the local model and quoted from.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tests.fakes.deployment import deploy
from tests.fakes.openai_server import make_completion

if TYPE_CHECKING:
    from tests.fakes.deployment import Deployment

QUESTIONS = ("How long does a refund take?", "When does the dishwasher run?", "Who signs large refunds?")


class LoopMonitor:
    """The longest bite: what this thread worked between two turns of the loop, whatever others took of the machine."""

    def __init__(self) -> None:
        self._worst = 0.0

    async def run(self) -> None:
        while True:
            began = time.thread_time()
            await asyncio.sleep(0)
            self._worst = max(self._worst, time.thread_time() - began)

    def pop_worst(self) -> float:
        """The longest so far, in seconds; from now on another is looked for."""
        worst, self._worst = self._worst, 0.0
        return worst


async def _ask_until_answered(bot: Deployment, question: str) -> None:
    """Ask until the documents have been read and are quoted from, however slow the machine."""
    while True:
        with suppress(TimeoutError):
            if (await bot.ask_and_wait(question)).startswith("**No model is set"):
                return


async def main(folder: Path) -> None:
    """Ask, the first time while everything is being opened and read, and say how long the loop was held."""
    watch = LoopMonitor()
    async with deploy(
        folder, make_completion(""), is_indexed=False, embed_model="local", openai_base_url=None, openai_api_key=None
    ) as bot:
        watching = asyncio.create_task(watch.run())
        for question in QUESTIONS:
            await _ask_until_answered(bot, question)
            print(json.dumps([question, watch.pop_worst()]))  # noqa: T201  # this is what the process is run for
        watching.cancel()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
