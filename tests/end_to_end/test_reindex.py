"""A team re-indexes 2,000 files from chat: cancelled, killed and resumed, while a hundred questions are answered."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bot.settings import load
from bot.simulator.server import DiscordSimulator
from bot.simulator.world import Permission
from tests.fakes.deployment import build_environment, ingest_documents, write_documents
from tests.fakes.openai_server import OpenAIServer, make_completion

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from bot.simulator.world import Interaction, Message

FILES = 2_000
QUESTIONS = 100
TIMEOUT = 120.0
ANSWER_TEXT = "A refund is paid within five working days [1]."


class Team:
    """Mia manages the server and re-indexes; Ada and Ben ask."""

    def __init__(self, simulator: DiscordSimulator) -> None:
        self.world = simulator.world
        self.general = self.world.find_channel("general")
        self.asked_count = 0
        guild_id = self.general.guild_id or 0
        role = self.world.admin.add_role(guild_id, "managers", Permission.MANAGE_GUILD)
        self.world.admin.assign_role(guild_id, self.world.find_user("Ada").id, role.id)

    def start_reindex(self) -> Interaction:
        return self.world.people.use_command(self.general.id, self.world.find_user("Ada").id, "reindex")

    def ask_questions(self, count: int) -> None:
        for _ in range(count):
            self.asked_count += 1
            who = self.world.find_user(("Ada", "Ben")[self.asked_count % 2]).id
            self.world.people.use_command(self.general.id, who, "ask", {"question": "How long does a refund take?"})

    def finished_answers(self) -> list[Message]:
        """The answers that have come to their end."""
        messages = self.world.history(self.general.id)
        return [
            m
            for m in messages
            if m.current_state.content.startswith("A refund is paid") and "Sources" in m.current_state.content
        ]

    def run_messages(self) -> list[Message]:
        """The messages of all runs, oldest first."""
        signs = ("Comparing", "**Plan", "▱", "**Done", "**Cancelled", "-# Resumed")
        messages = self.world.history(self.general.id)
        return [message for message in messages if any(sign in message.current_state.content for sign in signs)]

    def shows_in_last_run(self, *words: str, count: int = 1) -> bool:
        """Whether there are so many runs, and the last one's message holds all of these words."""
        runs = self.run_messages()
        return len(runs) >= count and all(word in runs[-1].current_state.content for word in words)


async def wait_until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(TIMEOUT):
        while not condition():  # noqa: ASYNC110 - it happens in another process
            await asyncio.sleep(0.05)


@asynccontextmanager
async def running_process(
    environ: dict[str, str], simulator: DiscordSimulator
) -> AsyncGenerator[asyncio.subprocess.Process]:
    """The bot as people run it; killed at the end, if it runs still."""
    before = len([request for request in simulator.requests if request.method == "PUT"])
    simulator.world.commands.clear()
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot"),
        cwd=Path(__file__).parents[2],
        env={**os.environ, **environ},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await wait_until(lambda: len([r for r in simulator.requests if r.method == "PUT" and r.status < 300]) > before)
        yield running
    finally:
        if running.returncode is None:
            running.kill()
        await running.wait()


@pytest.mark.timeout(600)  # real processes read thousands of files twice
async def test_two_thousand_files_with_a_cancel_a_kill_and_a_resume_while_a_hundred_questions_are_answered(
    tmp_path: Path,
) -> None:
    async with DiscordSimulator() as simulator, OpenAIServer(make_completion(ANSWER_TEXT)) as model:
        environ = build_environment(simulator, model, write_documents(tmp_path)) | {
            "CONCURRENT_ANSWERS": "50",
        }
        await ingest_documents(load(None, **{name.lower(): value for name, value in environ.items()}))
        write_notes(tmp_path / "documents", "archive")
        team = Team(simulator)
        async with running_process(environ, simulator) as first:
            run = team.start_reindex()
            await wait_until(lambda: team.shows_in_last_run("▱", "**Plan:** 2,000 new"))
            team.ask_questions(30)
            team.world.people.press(
                team.run_messages()[-1].id,
                f"reindex:cancel:{run.id}",
                team.world.find_user("Ada").id,
            )
            await wait_until(lambda: team.shows_in_last_run("**Cancelled by Ada.**"))
            team.ask_questions(30)
            await wait_until(lambda: len(team.finished_answers()) == team.asked_count)
            # What was embedded before the end is not paid for again: without new words the next run would be too short.
            write_notes(tmp_path / "documents", "library")
            team.start_reindex()
            await wait_until(lambda: team.shows_in_last_run("▱", "**Plan", count=2))
            message = team.run_messages()[-1]
            assert "**Done" not in message.current_state.content
            first.kill()
            await first.wait()
        async with running_process(environ, simulator):
            team.ask_questions(40)
            await wait_until(lambda: "**Done" in message.current_state.content)
            await wait_until(lambda: len(team.finished_answers()) == QUESTIONS)
        assert message.current_state.content.startswith("-# Resumed after a restart.")
        assert all(ANSWER_TEXT.partition("[")[0] in answer.current_state.content for answer in team.finished_answers())
        texts = [text for request in model.embedding_requests for text in request.body["input"] if "library" in text]
        # The kill may cost the batches that were under way: three of 32 passages.
        assert len(set(texts)) == FILES
        assert len(texts) <= FILES + 96


def write_notes(folder: Path, subject: str) -> None:
    """So many notes, each with words of its own."""
    for number in range(FILES):
        words = f"# Note {number}\n\nRoom {number} holds box {number * 7} of the {subject}.\n"
        (folder / f"note-{number:04}.md").write_text(words, encoding="utf-8")
