"""UnfinishedAnswers: what a killed process left half-written gets its end."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from bot.answers.service import AnswerService
from bot.answers.status_lines import INTERRUPTED_NOTE, append_note
from bot.discord_adapter import create_rate_limit_trace
from bot.discord_adapter.answer_buttons import build_streaming_buttons
from bot.discord_adapter.client import DocentClient
from bot.discord_adapter.unfinished_messages import UnfinishedAnswers
from bot.domain import Question
from bot.records import IN_MEMORY, AnswerRecord, AnswerStatus, SqlRecords
from bot.simulator.faults import FailureKind, Fault
from bot.simulator.message_drafts import Draft
from bot.simulator.server import DiscordSimulator
from bot.simulator.world import Permission
from bot.streaming import Driver, RateLimiter
from tests.fakes.answerer import FakeAnswerer, Script
from tests.fakes.bot_in_guild import wait_until
from tests.fakes.destination import FakeDestination
from tests.fakes.discord_client import connect_client
from tests.fakes.surface import FakeSurface, Server

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence

    from bot.simulator.world import Message

NOW = 1_000_000.0


@dataclass(frozen=True, slots=True)
class Scene:
    """Half-written answers in #general, and a bot that was started after they were left."""

    simulator: DiscordSimulator
    records: SqlRecords
    unfinished_answers: UnfinishedAnswers

    async def create_interrupted(
        self, content: str, *, asked_at: float = NOW - 60, with_button: bool = True
    ) -> Message:
        """What a killed process leaves: a question in the records, and a message with its button for stopping."""
        world = self.simulator.world
        channel = world.find_channel("general")
        question = world.people.say(channel.id, world.find_user("Ada").id, "How long?")
        key = str(question.id)
        buttons = tuple(build_streaming_buttons(key)) if with_button else ()
        message = world.bot_api.send(channel.id, Draft(content=content, components=buttons))
        asker_id = question.author_id
        record = AnswerRecord(key, "How long?", asker_id, channel.guild_id, channel.id, asked_at)
        await self.records.save_answer(record)
        return message

    async def statuses(self) -> Mapping[AnswerStatus, int]:
        return (await self.records.load_statistics(None, 0)).by_status

    async def finish_interrupted(self) -> None:
        await self.unfinished_answers.finish_all()


@asynccontextmanager
async def started_bot() -> AsyncGenerator[Scene]:
    buckets = RateLimiter()
    driver = Driver(buckets)
    async with SqlRecords.open(IN_MEMORY) as records:
        asking = AnswerService(FakeAnswerer(Script()), driver, records, clock=lambda: NOW)
        client = DocentClient(cogs=lambda _: (), driver=driver, http_trace=create_rate_limit_trace(buckets))
        client._connection.guild_ready_timeout = 0.05
        async with DiscordSimulator() as simulator, connect_client(client, simulator):
            unfinished = UnfinishedAnswers(client, asking, records, driver, clock=lambda: NOW)
            yield Scene(simulator, records, unfinished)


def button_labels(message: Message) -> list[str]:
    rows: Sequence[dict[str, Any]] = message.current_state.components
    return [button.get("label", "") for row in rows for button in row["components"]]


@pytest.mark.parametrize(
    ("left", "content"),
    [
        ("Refunds take two ▌", f"Refunds take two\n\n{INTERRUPTED_NOTE}"),
        ("Refunds take two\n-# still waiting for the model, 10 s", f"Refunds take two\n\n{INTERRUPTED_NOTE}"),
        ("Reading Handbook › Refunds …", INTERRUPTED_NOTE),
    ],
)
async def test_unfinished_message_is_finished_and_offers_retry(left: str, content: str) -> None:
    async with started_bot() as scene:
        message = await scene.create_interrupted(left)
        await scene.finish_interrupted()
        assert message.current_state.content == content
        assert button_labels(message) == ["Retry"]
        assert await scene.statuses() == {AnswerStatus.RESTARTING: 1}
        await scene.finish_interrupted()
        assert len(message.states) == 2, "what has its end is left alone"


async def test_unfinished_message_is_found_among_many_others() -> None:
    async with started_bot() as scene:
        world = scene.simulator.world
        channel, ben = world.find_channel("general"), world.find_user("Ben")
        question = world.people.say(channel.id, ben.id, "How long?")
        for n in range(150):
            world.people.say(channel.id, ben.id, f"{n}")
        draft = Draft(content="Refunds ▌", components=tuple(build_streaming_buttons(str(question.id))))
        message = world.bot_api.send(channel.id, draft)
        await scene.records.save_answer(
            AnswerRecord(str(question.id), "How long?", ben.id, channel.guild_id, channel.id, asked_at=NOW)
        )
        await scene.finish_interrupted()
        assert message.current_state.content.endswith(INTERRUPTED_NOTE)


async def test_many_unfinished_messages_are_finished_without_a_429() -> None:
    async with started_bot() as scene:
        messages = [await scene.create_interrupted("Refunds ▌") for _ in range(7)]
        await scene.finish_interrupted()
        assert all(message.current_state.content.endswith(INTERRUPTED_NOTE) for message in messages)
        assert not [call for call in scene.simulator.requests if call.status == 429]


async def test_unfinished_messages_over_a_day_old_or_beyond_fifty_are_left_alone() -> None:
    async with started_bot() as scene:
        old = await scene.create_interrupted("Refunds ▌", asked_at=NOW - 25 * 3600)
        for _ in range(50):
            await scene.create_interrupted("sealed", with_button=False)
        first = await scene.create_interrupted("Refunds ▌", asked_at=NOW - 3600)
        await scene.finish_interrupted()
        assert [len(old.states), len(first.states)] == [1, 1]


async def test_unfinished_message_the_bot_cannot_see_is_left_to_its_button() -> None:
    async with started_bot() as scene:
        await scene.create_interrupted("Refunds ▌")
        scene.simulator.world.admin.deny(
            scene.simulator.world.find_channel("general").id, scene.simulator.world.bot.id, Permission.VIEW_CHANNEL
        )
        await scene.finish_interrupted()
        assert await scene.statuses() == {AnswerStatus.WRITING: 1}


async def test_finishing_a_message_is_retried_after_a_server_error() -> None:
    async with started_bot() as scene:
        message = await scene.create_interrupted("Refunds ▌")
        scene.simulator.faults.add(Fault(FailureKind.RESET, "PATCH"))
        await scene.finish_interrupted()
        assert message.current_state.content.endswith(INTERRUPTED_NOTE)


async def test_running_answer_is_not_treated_as_unfinished() -> None:
    async with started_bot() as scene:
        message = await scene.create_interrupted("Refunds ▌")
        (record,) = await scene.records.unfinished_answers(0, 2)
        surface = FakeSurface(Server(), "channel:1")
        driver = Driver(RateLimiter())
        slow = AnswerService(FakeAnswerer(Script(["Two weeks."], search_seconds=0.5)), driver, scene.records)
        question = Question("How long?", record.answer_id)
        answer = asyncio.create_task(slow.ask(question, FakeDestination(surface)))
        await wait_until(lambda: bool(surface.pages))
        await UnfinishedAnswers(
            scene.unfinished_answers.client, slow, scene.records, driver, clock=lambda: NOW
        ).finish_all()
        assert len(message.states) == 1
        await answer


async def test_recovery_runs_once_when_the_client_is_ready_first() -> None:
    done: list[object] = []

    async def note(client: object) -> None:
        await asyncio.sleep(0)
        done.append(client)

    client = DocentClient(cogs=lambda _: (), driver=Driver(RateLimiter()), once_ready=note)
    client._connection.guild_ready_timeout = 0.05
    async with DiscordSimulator() as simulator, connect_client(client, simulator):
        await wait_until(lambda: bool(done))
        await client.on_ready()
        await asyncio.sleep(0.05)
    assert done == [client]


@pytest.mark.parametrize("length", [1_900, 1_950, 1_997, 1_998, 1_999, 2_000])
def test_unfinished_full_page_loses_no_text(length: int) -> None:
    text = "x" * length
    shown = f"{text} ▌" if length + 2 <= 2_000 else text
    page = append_note(shown, INTERRUPTED_NOTE)
    assert page.startswith(text)
    assert len(page) <= 2_000
