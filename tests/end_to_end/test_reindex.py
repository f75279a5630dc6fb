"""A team re-indexes 2,000 files from chat: cancelled, killed and resumed, while a hundred questions are answered."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bot.admin.reindex_runs import CANCEL
from bot.settings import load
from bot.simulator.server import StandIn
from bot.simulator.world import Permission
from tests.fakes.deployment import environment, ingested, with_documents
from tests.fakes.openai_server import OpenAIServer, spoken

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from bot.simulator.world import Interaction, Message

FILES = 2_000
QUESTIONS = 100
PATIENCE = 120.0
SAID = "A refund is paid within five working days [1]."


class Team:
    """Mia manages the server and re-indexes; Ada and Ben ask."""

    def __init__(self, standin: StandIn) -> None:
        self.world = standin.world
        self.general = self.world.channel_named("general")
        self.asked = 0
        guild_id = self.general.guild_id or 0
        role = self.world.add_role(guild_id, "managers", Permission.MANAGE_GUILD)
        self.world.give_role(guild_id, self.world.user_named("Ada").id, role.id)

    def reindexes(self) -> Interaction:
        return self.world.use_command(self.general.id, self.world.user_named("Ada").id, "reindex")

    def asks(self, count: int) -> None:
        for _ in range(count):
            self.asked += 1
            who = self.world.user_named(("Ada", "Ben")[self.asked % 2]).id
            self.world.use_command(self.general.id, who, "ask", {"question": "How long does a refund take?"})

    def answers(self) -> list[Message]:
        """The answers that have come to their end."""
        messages = self.world.history(self.general.id)
        return [m for m in messages if m.now.content.startswith("A refund is paid") and "Sources" in m.now.content]

    def runs(self) -> list[Message]:
        """The messages of all runs, oldest first."""
        signs = ("Comparing", "**Plan", "▱", "**Done", "**Cancelled", "-# Resumed")
        messages = self.world.history(self.general.id)
        return [message for message in messages if any(sign in message.now.content for sign in signs)]

    def shows(self, *words: str, count: int = 1) -> bool:
        """Whether there are so many runs, and the last one's message holds all of these words."""
        runs = self.runs()
        return len(runs) >= count and all(word in runs[-1].now.content for word in words)


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not is_so():  # noqa: ASYNC110 - it happens in another process
            await asyncio.sleep(0.05)


@asynccontextmanager
async def process(environ: dict[str, str], standin: StandIn) -> AsyncGenerator[asyncio.subprocess.Process]:
    """The bot as people run it; killed at the end, if it runs still."""
    before = len([request for request in standin.requests if request.method == "PUT"])
    standin.world.commands.clear()
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot"),
        cwd=Path(__file__).parents[2],
        env={**os.environ, **environ},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await until(lambda: len([r for r in standin.requests if r.method == "PUT" and r.status < 300]) > before)
        yield running
    finally:
        if running.returncode is None:
            running.kill()
        await running.wait()


async def test_two_thousand_files_with_a_cancel_a_kill_and_a_resume_while_a_hundred_questions_are_answered(
    tmp_path: Path,
) -> None:
    async with StandIn() as standin, OpenAIServer(spoken(SAID)) as model:
        environ = environment(standin, model, with_documents(tmp_path)) | {
            "CONCURRENT_ANSWERS": "50",
        }
        await ingested(load(None, **{name.lower(): value for name, value in environ.items()}))
        written(tmp_path / "documents", "archive")
        team = Team(standin)
        async with process(environ, standin) as first:
            run = team.reindexes()
            await until(lambda: team.shows("▱", "**Plan:** 2,000 new"))
            team.asks(30)
            team.world.press(team.runs()[-1].id, f"{CANCEL}{run.id}", team.world.user_named("Ada").id)
            await until(lambda: team.shows("**Cancelled by Ada.**"))
            team.asks(30)
            await until(lambda: len(team.answers()) == team.asked)
            # What was embedded before the end is not paid for again: without new words the next run would be too short.
            written(tmp_path / "documents", "library")
            team.reindexes()
            await until(lambda: team.shows("▱", "**Plan", count=2))
            message = team.runs()[-1]
            assert "**Done" not in message.now.content
            first.kill()
            await first.wait()
        async with process(environ, standin):
            team.asks(40)
            await until(lambda: "**Done" in message.now.content)
            await until(lambda: len(team.answers()) == QUESTIONS)
        assert message.now.content.startswith("-# Resumed after a restart.")
        assert all(SAID.partition("[")[0] in answer.now.content for answer in team.answers())
        texts = [text for request in model.embeddings for text in request.body["input"] if "library" in text]
        # The kill may cost the batches that were under way: three of 32 passages.
        assert len(set(texts)) == FILES
        assert len(texts) <= FILES + 96


def written(folder: Path, place: str) -> None:
    """So many notes, each with words of its own."""
    for number in range(FILES):
        words = f"# Note {number}\n\nRoom {number} holds box {number * 7} of the {place}.\n"
        (folder / f"note-{number:04}.md").write_text(words, encoding="utf-8")
