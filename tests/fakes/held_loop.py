"""Runs the whole bot in a process of its own and prints how long it holds the event loop, for each question as JSON.

The length is in units of ``measure_processor_unit``.
``python -m tests.fakes.held_loop FOLDER``: documents are written there, read with the local model and quoted from.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tests.fakes.deployment import deploy
from tests.fakes.openai_server import make_completion
from tests.fakes.virtual_time import VirtualLoop, measure_processor_unit, run_virtual

if TYPE_CHECKING:
    from tests.fakes.deployment import Deployment

QUESTIONS = ("How long does a refund take?", "When does the dishwasher run?", "Who signs large refunds?")


async def _ask_until_answered(bot: Deployment, question: str) -> None:
    """Ask until the documents have been read and are quoted from, however slow the machine."""
    while True:
        with suppress(TimeoutError):
            if (await bot.ask_and_wait(question)).startswith("**No model is set"):
                return


async def main(folder: Path) -> None:
    """Ask, the first time while everything is being opened and read, and say how long the loop was held."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    unit = measure_processor_unit()
    async with deploy(
        folder, make_completion(""), is_indexed=False, embed_model="local", openai_base_url=None, openai_api_key=None
    ) as bot:
        loop.pop_longest_turn()
        for question in QUESTIONS:
            await _ask_until_answered(bot, question)
            print(json.dumps([question, loop.pop_longest_turn() / unit]))  # noqa: T201  # this is what the process is run for


if __name__ == "__main__":
    run_virtual(main(Path(sys.argv[1])))
