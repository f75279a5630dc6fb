"""A team re-indexes hundreds of files from chat: cancelled, killed and resumed, while questions are answered."""

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

BATCH = 32
"""Passages in one embedding request."""
IN_FLIGHT = 3
"""Embedding requests at once."""
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


@pytest.mark.timeout(600)  # real processes read the files twice
@pytest.mark.parametrize(("files", "questions"), [(320, 20), pytest.param(2_000, 100, marks=pytest.mark.nightly)])
async def test_reindex_is_cancelled_killed_and_resumed_while_questions_are_answered(
    tmp_path: Path, files: int, questions: int
) -> None:
    async with DiscordSimulator() as simulator, OpenAIServer(make_completion(ANSWER_TEXT)) as model:
        environ = build_environment(simulator, model, write_documents(tmp_path)) | {
            "CONCURRENT_ANSWERS": "50",
        }
        await ingest_documents(load(None, **{name.lower(): value for name, value in environ.items()}))
        team = Team(simulator)
        async with running_process(environ, simulator) as first:
            write_notes(tmp_path / "documents", "archive", files)
            model.allowed_batches = asyncio.Semaphore(IN_FLIGHT)
            run = team.start_reindex()
            await wait_until(lambda: team.shows_in_last_run("▱", f"**Plan:** {files:,} new"))
            team.ask_questions(questions * 3 // 10)
            click = team.world.people.press(
                team.run_messages()[-1].id,
                f"reindex:cancel:{run.id}",
                team.world.find_user("Ada").id,
            )
            await wait_until(lambda: click.acknowledged_at is not None)
            model.allowed_batches = None
            await wait_until(lambda: team.shows_in_last_run("**Cancelled by Ada.**"))
            team.ask_questions(questions * 3 // 10)
            await wait_until(lambda: len(team.finished_answers()) == team.asked_count)
            # What was embedded before the end is not paid for again: only new words need requests.
            write_notes(tmp_path / "documents", "library", files)
            model.allowed_batches = asyncio.Semaphore(2 * IN_FLIGHT)
            team.start_reindex()
            await wait_until(lambda: team.shows_in_last_run("▱", "**Plan", count=2))
            await wait_until(lambda: len(list_texts(model, "library")) == 3 * IN_FLIGHT * BATCH)
            message = team.run_messages()[-1]
            assert "**Done" not in message.current_state.content
            first.kill()
            await first.wait()
        model.allowed_batches = None
        async with running_process(environ, simulator):
            team.ask_questions(questions - team.asked_count)
            await wait_until(lambda: "**Done" in message.current_state.content)
            await wait_until(lambda: len(team.finished_answers()) == questions)
        assert message.current_state.content.startswith("-# Resumed after a restart.")
        assert all(ANSWER_TEXT.partition("[")[0] in answer.current_state.content for answer in team.finished_answers())
        texts = list_texts(model, "library")
        assert len(set(texts)) == files
        # The kill costs no more than the batches that were under way.
        assert len(texts) <= files + IN_FLIGHT * BATCH


def list_texts(model: OpenAIServer, subject: str) -> list[str]:
    """Return the passages about a subject that the embedding model was asked for, oldest first."""
    return [text for request in model.embedding_requests for text in request.body["input"] if subject in text]


def write_notes(folder: Path, subject: str, count: int) -> None:
    """Write so many notes, each with words of its own."""
    for number in range(count):
        words = f"# Note {number}\n\nRoom {number} holds box {number * 7} of the {subject}.\n"
        (folder / f"note-{number:04}.md").write_text(words, encoding="utf-8")
