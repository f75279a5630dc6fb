"""The line answers stand in: who begins when, fairly, and what those who wait are told."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.answers.queue import Line, QueuedDriver, Ticket, waiting
from bot.streaming import Driver, Ended, Lanes, Stopped
from tests.fakes.scripted_source import ScriptedTelling, evenly
from tests.fakes.surface import FakeSurface, Server
from tests.fakes.virtual_time import run_virtual

if TYPE_CHECKING:
    from bot.streaming import Cause


def joined(line: Line, asker: int, *, place: int = 1, is_thread: bool = False) -> Ticket:
    return line.join(asker=asker, place=place, now=0.0, is_thread=is_thread)


def test_up_to_the_limit_everybody_begins_at_once() -> None:
    line = Line(3)
    assert [line.ahead(joined(line, asker)) for asker in range(3)] == [0, 0, 0]


def test_the_rest_know_how_many_go_first_and_move_up() -> None:
    line = Line(1)
    first, second, third = (joined(line, asker) for asker in range(1, 4))
    assert [line.ahead(second), line.ahead(third)] == [1, 2]
    line.leave(first)
    assert [line.ahead(second), line.ahead(third)] == [0, 1]
    line.leave(second)
    assert line.ahead(third) == 0


def test_who_asks_much_waits_for_themselves_and_not_others_for_them() -> None:
    line = Line(1)
    running = joined(line, 1)
    greedy = [joined(line, 1) for _ in range(5)]
    modest = joined(line, 2)
    assert line.ahead(modest) == 1
    line.leave(running)
    assert line.ahead(modest) == 0
    assert line.ahead(greedy[0]) == 1


def test_nobody_waits_for_ever_however_many_newcomers_there_are() -> None:
    line = Line(1)
    running = joined(line, 1)
    patient = joined(line, 1)
    passed = 0
    for newcomer in range(2, 50):
        joined(line, newcomer)
        line.leave(running)
        if line.ahead(patient) == 0:
            break
        passed += 1
        running = next(ticket for ticket in line._running if ticket is not patient)
    assert passed <= 5


def test_in_a_thread_a_persons_second_question_waits_for_the_first() -> None:
    line = Line(8)
    first = joined(line, 1, is_thread=True)
    second = joined(line, 1, is_thread=True)
    other_person = joined(line, 2, is_thread=True)
    other_thread = joined(line, 1, place=2, is_thread=True)
    assert line.ahead(second) == 1
    assert line.ahead(other_person) == line.ahead(other_thread) == 0
    line.leave(first)
    assert line.ahead(second) == 0


def test_who_does_not_want_to_wait_any_more_leaves_no_gap() -> None:
    line = Line(1)
    joined(line, 1)
    second, third = joined(line, 2), joined(line, 3)
    line.leave(second)
    assert line.ahead(third) == 1
    assert line.ahead(second) == 0


@given(
    st.integers(1, 4),
    st.lists(
        st.one_of(st.tuples(st.integers(1, 3), st.integers(1, 2), st.booleans()), st.integers(0, 20)), max_size=60
    ),
)
def test_however_people_come_and_go_the_line_is_never_longer_than_it_must_be(
    limit: int, steps: list[tuple[int, int, bool] | int]
) -> None:
    line = Line(limit)
    present: list[Ticket] = []
    for step in steps:
        if isinstance(step, int):
            if step < len(present):
                line.leave(present.pop(step))
        else:
            asker, place, is_thread = step
            present.append(line.join(asker=asker, place=place, now=0.0, is_thread=is_thread))
        begun = [ticket for ticket in present if line.ahead(ticket) == 0]
        waits = sorted(line.ahead(ticket) for ticket in present if line.ahead(ticket))
        assert len(begun) <= limit
        assert waits == list(range(1, len(waits) + 1))
        if len(begun) < limit:
            assert all(ticket.is_thread for ticket in present if line.ahead(ticket))
    while present:
        begun = [ticket for ticket in present if line.ahead(ticket) == 0]
        assert begun
        line.leave(begun[0])
        present.remove(begun[0])


@pytest.mark.parametrize(
    ("ahead", "ordinal"), [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (12, "12th"), (21, "21st")]
)
def test_a_place_in_line_is_said_in_words(ahead: int, ordinal: str) -> None:
    assert waiting(ahead) == f"You are {ordinal} in line…"


class Counter:
    """Answers through one queue in virtual time."""

    def __init__(self, limit: int) -> None:
        self.lanes = Lanes()
        self.queue = QueuedDriver(Driver(self.lanes), limit)
        self.surfaces: list[FakeSurface] = []
        self.tellings: list[ScriptedTelling] = []

    async def ask(self, asker: int, seconds: float = 3.0, *, is_thread: bool = False) -> Cause:
        """One answer that takes so long."""
        number = len(self.tellings)
        self.tellings.append(ScriptedTelling(evenly("word " * 20, 100 / seconds)))
        self.surfaces.append(FakeSurface(Server(self.lanes), f"interaction:{number}"))
        return await self.queue.run(
            self.tellings[-1], self.surfaces[-1], key=str(number), asker=asker, place=1, is_thread=is_thread
        )


def statuses(surface: FakeSurface) -> list[str]:
    return [sight.pages[0] for sight in surface.sights]


def test_more_than_the_limit_never_write_at_once_and_all_are_told_to_the_end() -> None:
    async def scenario() -> list[tuple[float, float]]:
        counter = Counter(2)
        causes = await asyncio.gather(*(counter.ask(asker) for asker in range(1, 8)))
        assert all(isinstance(cause, Ended) for cause in causes)
        return [(telling.produced[0][0], telling.produced[-1][0]) for telling in counter.tellings]

    spans = run_virtual(scenario())
    for moment, _ in spans:
        assert sum(first <= moment <= last for first, last in spans) <= 2


def test_who_waits_reads_their_place_at_once_and_sees_it_move() -> None:
    async def scenario() -> list[str]:
        counter = Counter(1)
        await asyncio.gather(*(counter.ask(asker) for asker in range(1, 4)))
        first = counter.surfaces[2].sights[0]
        assert first.at < 1.0
        return statuses(counter.surfaces[2])

    seen = run_virtual(scenario())
    assert seen[0] == "You are 2nd in line…"
    moved = next(n for n, status in enumerate(seen) if status.startswith("You are 1st in line…"))
    spoken = next(n for n, status in enumerate(seen) if status.startswith("word"))
    assert 0 < moved < spoken


def test_waiting_in_line_is_no_stall() -> None:
    async def scenario() -> list[Cause]:
        counter = Counter(1)
        return list(await asyncio.gather(counter.ask(1, 100.0), counter.ask(2)))

    assert [type(cause) for cause in run_virtual(scenario())] == [Ended, Ended]


def test_who_is_stopped_in_line_makes_room() -> None:
    async def scenario() -> list[Cause]:
        counter = Counter(1)
        asked = [asyncio.create_task(counter.ask(asker)) for asker in range(1, 4)]
        await asyncio.sleep(1.0)
        assert counter.queue.stop("1", "Ada")
        causes = [await task for task in asked]
        assert not counter.tellings[1].produced
        assert counter.queue.standing == (0, 0)
        return causes

    assert [type(cause) for cause in run_virtual(scenario())] == [Ended, Stopped, Ended]


def test_an_answer_whose_caller_goes_away_makes_room_too() -> None:
    async def scenario() -> Cause:
        counter = Counter(1)
        first = asyncio.create_task(counter.ask(1, 1_000.0))
        second = asyncio.create_task(counter.ask(2))
        await asyncio.sleep(1.0)
        first.cancel()
        return await second

    assert isinstance(run_virtual(scenario()), Ended)
