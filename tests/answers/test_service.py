"""Every way of asking: the answer is told whatever the records do, and what a killed process left gets its end."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from bot.answers.service import CUT_OFF, Asking
from bot.discord_adapter import rate_limit_trace
from bot.discord_adapter.answer_buttons import while_writing
from bot.discord_adapter.client import DocentClient
from bot.discord_adapter.unfinished_messages import ended
from bot.records import Fate, MemoryRecords, Record
from bot.simulator.faults import Fault, Trouble
from bot.simulator.message_drafts import Draft
from bot.simulator.server import StandIn
from bot.simulator.world import Permission
from bot.streaming import Driver, Ended, Lanes
from tests.fakes.answerer import FakeAnswerer, Script
from tests.fakes.bot_in_guild import until
from tests.fakes.discord_client import connected
from tests.fakes.surface import FakeSurface, Server

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from bot.simulator.world import Message

KEY = "17"
QUESTION = Record(KEY, "How long?", asker_id=7, guild_id=8, channel_id=9, asked_at=1_000.0)
NOW = 1_000_000.0


# The records fail


class Faulty(MemoryRecords):
    """Records with a fault nobody foresaw, from the given write on."""

    def __init__(self, good_writes: int) -> None:
        super().__init__()
        self._good_writes = good_writes

    async def remember(self, record: Record) -> None:
        await asyncio.sleep(0.01)
        if not self._good_writes:
            raise ZeroDivisionError
        self._good_writes -= 1
        await super().remember(record)


@pytest.mark.parametrize("good_writes", [0, 1])
async def test_records_with_a_fault_neither_cut_an_answer_short_nor_fail_after_it(
    good_writes: int, caplog: pytest.LogCaptureFixture
) -> None:
    lanes = Lanes()
    asking = Asking(FakeAnswerer(Script(["Two weeks."])), Driver(lanes), Faulty(good_writes))
    surface = FakeSurface(Server(lanes), "channel:1")
    assert await asking.ask(QUESTION, lambda _: surface) == Ended()
    assert surface.pages[0].startswith("Two weeks.")
    assert not asking.is_writing(KEY)
    await asking.settled()
    faults = [record for record in caplog.records if record.levelname == "ERROR"]
    assert len(faults) == 2 - good_writes
    assert all(record.exc_info and KEY in record.getMessage() for record in faults)


# The process was killed


@dataclass(frozen=True, slots=True)
class Scene:
    """Half-written answers in #general, and a bot that was started after they were left."""

    standin: StandIn
    records: MemoryRecords
    asking: Asking
    client: DocentClient

    def leave(self, content: str, *, asked_at: float = NOW - 60, with_button: bool = True) -> Message:
        """What a killed process leaves: a question in the records, and a message with its button for stopping."""
        world = self.standin.world
        channel = world.channel_named("general")
        question = world.say(channel.id, world.user_named("Ada").id, "How long?")
        key = str(question.id)
        buttons = tuple(while_writing(key)) if with_button else ()
        message = world.send(channel.id, Draft(content=content, components=buttons))
        asker_id = question.author_id
        self.records._answers[key] = Record(key, "How long?", asker_id, channel.guild_id, channel.id, asked_at)
        return message

    def fates(self) -> Sequence[Fate]:
        return [record.fate for record in self.records._answers.values()]

    async def end(self) -> None:
        await self.asking.end_leftovers(self.client)


@asynccontextmanager
async def started() -> AsyncGenerator[Scene]:
    records, lanes = MemoryRecords(), Lanes()
    driver = Driver(lanes)
    asking = Asking(FakeAnswerer(Script()), driver, records, clock=lambda: NOW)
    client = DocentClient(cogs=[], driver=driver, http_trace=rate_limit_trace(lanes))
    client._connection.guild_ready_timeout = 0.05
    async with StandIn() as standin, connected(client, standin):
        yield Scene(standin, records, asking, client)


def labels(message: Message) -> list[str]:
    rows: Sequence[dict[str, Any]] = message.now.components
    return [button.get("label", "") for row in rows for button in row["components"]]


@pytest.mark.parametrize(
    ("left", "content"),
    [
        ("Refunds take two ▌", f"Refunds take two\n\n{CUT_OFF}"),
        ("Refunds take two\n-# still waiting for the model, 10 s", f"Refunds take two\n\n{CUT_OFF}"),
        ("Reading Handbook › Refunds …", CUT_OFF),
    ],
)
async def test_a_half_written_message_is_ended_and_can_be_asked_again(left: str, content: str) -> None:
    async with started() as scene:
        message = scene.leave(left)
        await scene.end()
        assert message.now.content == content
        assert labels(message) == ["Retry"]
        assert scene.fates() == [Fate.RESTARTING]
        await scene.end()
        assert len(message.states) == 2, "what has its end is left alone"


async def test_it_is_found_among_many_other_messages() -> None:
    async with started() as scene:
        world = scene.standin.world
        channel, ben = world.channel_named("general"), world.user_named("Ben")
        question = world.say(channel.id, ben.id, "How long?")
        for n in range(150):
            world.say(channel.id, ben.id, f"{n}")
        draft = Draft(content="Refunds ▌", components=tuple(while_writing(str(question.id))))
        message = world.send(channel.id, draft)
        await scene.records.remember(
            Record(str(question.id), "How long?", ben.id, channel.guild_id, channel.id, asked_at=NOW)
        )
        await scene.end()
        assert message.now.content.endswith(CUT_OFF)


async def test_more_than_a_window_holds_are_ended_in_turn_without_a_429() -> None:
    async with started() as scene:
        messages = [scene.leave("Refunds ▌") for _ in range(7)]
        await scene.end()
        assert all(message.now.content.endswith(CUT_OFF) for message in messages)
        assert not [call for call in scene.standin.requests if call.status == 429]


async def test_what_is_older_than_a_day_is_left_alone_and_so_is_what_is_beyond_fifty() -> None:
    async with started() as scene:
        old = scene.leave("Refunds ▌", asked_at=NOW - 25 * 3600)
        for _ in range(50):
            scene.leave("sealed", with_button=False)
        first = scene.leave("Refunds ▌", asked_at=NOW - 3600)
        await scene.end()
        assert [len(old.states), len(first.states)] == [1, 1]


async def test_a_message_the_bot_may_not_see_is_left_to_its_button() -> None:
    async with started() as scene:
        scene.leave("Refunds ▌")
        scene.standin.world.deny(
            scene.standin.world.channel_named("general").id, scene.standin.world.bot.id, Permission.VIEW_CHANNEL
        )
        await scene.end()
        assert scene.fates() == [Fate.WRITING]


async def test_a_server_that_falters_is_asked_again() -> None:
    async with started() as scene:
        message = scene.leave("Refunds ▌")
        scene.standin.faults.add(Fault(Trouble.RESET, "PATCH"))
        await scene.end()
        assert message.now.content.endswith(CUT_OFF)


async def test_an_answer_that_is_being_written_now_is_none_that_was_left() -> None:
    async with started() as scene:
        message = scene.leave("Refunds ▌")
        (record,) = scene.records._answers.values()
        surface = FakeSurface(Server(), "channel:1")
        slow = Asking(FakeAnswerer(Script(["Two weeks."], search=0.5)), Driver(Lanes()), scene.records)
        answer = asyncio.create_task(slow.ask(record, lambda _: surface))
        await until(lambda: bool(surface.pages))
        await slow.end_leftovers(scene.client)
        assert len(message.states) == 1
        await answer


async def test_it_is_done_once_when_discord_is_reached_first() -> None:
    done: list[object] = []

    async def note(client: object) -> None:
        await asyncio.sleep(0)
        done.append(client)

    client = DocentClient(cogs=[], driver=Driver(Lanes()), once_ready=note)
    client._connection.guild_ready_timeout = 0.05
    async with StandIn() as standin, connected(client, standin):
        await until(lambda: bool(done))
        await client.on_ready()
        await asyncio.sleep(0.05)
    assert done == [client]


@pytest.mark.parametrize("length", [1_900, 1_950, 1_997, 1_998, 1_999, 2_000])
def test_a_full_page_that_was_left_loses_nothing(length: int) -> None:
    text = "x" * length
    shown = f"{text} ▌" if length + 2 <= 2_000 else text
    page = ended(shown, CUT_OFF)
    assert page.startswith(text)
    assert len(page) <= 2_000
