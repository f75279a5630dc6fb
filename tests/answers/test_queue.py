"""The line answers stand in: who begins when, fairly, and what those who wait are told."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from bot.answers.queue import AnswerQueue, QueuedDriver, QueueTicket
from bot.streaming import Driver, Ended, RateLimiter, Stopped
from tests.fakes.scripted_source import ScriptedSource, script_evenly
from tests.fakes.surface import FakeSurface, Server
from tests.fakes.virtual_time import run_virtual

if TYPE_CHECKING:
    from bot.streaming import EndReason


def join_queue(queue: AnswerQueue, asker_id: int, *, channel_id: int = 1, is_conversation: bool = False) -> QueueTicket:
    return queue.join(asker_id=asker_id, channel_id=channel_id, now=0.0, is_conversation=is_conversation)


def test_answers_up_to_the_limit_start_at_once() -> None:
    line = AnswerQueue(3)
    assert [line.count_ahead(join_queue(line, asker)) for asker in range(3)] == [0, 0, 0]


def test_queued_answers_know_their_position_and_move_up() -> None:
    line = AnswerQueue(1)
    first, second, third = (join_queue(line, asker) for asker in range(1, 4))
    assert [line.count_ahead(second), line.count_ahead(third)] == [1, 2]
    line.leave(first)
    assert [line.count_ahead(second), line.count_ahead(third)] == [0, 1]
    line.leave(second)
    assert line.count_ahead(third) == 0


def test_heavy_asker_does_not_delay_other_askers() -> None:
    line = AnswerQueue(1)
    running = join_queue(line, 1)
    greedy = [join_queue(line, 1) for _ in range(5)]
    modest = join_queue(line, 2)
    assert line.count_ahead(modest) == 1
    line.leave(running)
    assert line.count_ahead(modest) == 0
    assert line.count_ahead(greedy[0]) == 1


def test_queued_answer_is_never_starved_by_newcomers() -> None:
    line = AnswerQueue(1)
    running = join_queue(line, 1)
    patient = join_queue(line, 1)
    passed = 0
    for newcomer in range(2, 50):
        join_queue(line, newcomer)
        line.leave(running)
        if line.count_ahead(patient) == 0:
            break
        passed += 1
        running = next(ticket for ticket in line._running if ticket is not patient)
    assert passed <= 5


def test_second_question_of_a_user_in_a_thread_waits_for_the_first() -> None:
    line = AnswerQueue(8)
    first = join_queue(line, 1, is_conversation=True)
    second = join_queue(line, 1, is_conversation=True)
    other_person = join_queue(line, 2, is_conversation=True)
    other_thread = join_queue(line, 1, channel_id=2, is_conversation=True)
    assert line.count_ahead(second) == 1
    assert line.count_ahead(other_person) == line.count_ahead(other_thread) == 0
    line.leave(first)
    assert line.count_ahead(second) == 0


def test_leaving_the_queue_moves_the_others_up() -> None:
    line = AnswerQueue(1)
    join_queue(line, 1)
    second, third = join_queue(line, 2), join_queue(line, 3)
    line.leave(second)
    assert line.count_ahead(third) == 1
    assert line.count_ahead(second) == 0


@given(
    st.integers(1, 4),
    st.lists(
        st.one_of(st.tuples(st.integers(1, 3), st.integers(1, 2), st.booleans()), st.integers(0, 20)), max_size=60
    ),
)
def test_queue_is_never_longer_than_necessary(limit: int, steps: list[tuple[int, int, bool] | int]) -> None:
    line = AnswerQueue(limit)
    present: list[QueueTicket] = []
    for step in steps:
        if isinstance(step, int):
            if step < len(present):
                line.leave(present.pop(step))
        else:
            asker, place, is_conversation = step
            present.append(line.join(asker_id=asker, channel_id=place, now=0.0, is_conversation=is_conversation))
        begun = [ticket for ticket in present if line.count_ahead(ticket) == 0]
        waits = sorted(line.count_ahead(ticket) for ticket in present if line.count_ahead(ticket))
        assert len(begun) <= limit
        assert waits == list(range(1, len(waits) + 1))
        if len(begun) < limit:
            assert all(ticket.is_conversation for ticket in present if line.count_ahead(ticket))
    while present:
        begun = [ticket for ticket in present if line.count_ahead(ticket) == 0]
        assert begun
        line.leave(begun[0])
        present.remove(begun[0])


class QueueRunner:
    """Answers through one queue in virtual time."""

    def __init__(self, limit: int) -> None:
        self.rate_limiter = RateLimiter()
        self.queue = QueuedDriver(Driver(self.rate_limiter), limit)
        self.surfaces: list[FakeSurface] = []
        self.text_sources: list[ScriptedSource] = []

    async def ask(self, asker_id: int, seconds: float = 3.0, *, is_conversation: bool = False) -> EndReason:
        """One answer that takes so long."""
        number = len(self.text_sources)
        self.text_sources.append(ScriptedSource(script_evenly("word " * 20, 100 / seconds)))
        self.surfaces.append(FakeSurface(Server(self.rate_limiter), f"interaction:{number}"))
        return await self.queue.run(
            self.text_sources[-1],
            self.surfaces[-1],
            answer_id=str(number),
            asker_id=asker_id,
            channel_id=1,
            is_conversation=is_conversation,
        )


def statuses(surface: FakeSurface) -> list[str]:
    return [sight.pages[0] for sight in surface.snapshots]


def test_concurrent_answers_never_exceed_the_limit_and_all_complete() -> None:
    async def scenario() -> list[tuple[float, float]]:
        counter = QueueRunner(2)
        causes = await asyncio.gather(*(counter.ask(asker) for asker in range(1, 8)))
        assert all(isinstance(cause, Ended) for cause in causes)
        return [(telling.produced[0][0], telling.produced[-1][0]) for telling in counter.text_sources]

    spans = run_virtual(scenario())
    for moment, _ in spans:
        assert sum(first <= moment <= last for first, last in spans) <= 2


def test_queued_asker_sees_their_position_at_once_and_its_updates() -> None:
    async def scenario() -> list[str]:
        counter = QueueRunner(1)
        await asyncio.gather(*(counter.ask(asker) for asker in range(1, 4)))
        first = counter.surfaces[2].snapshots[0]
        assert first.at < 1.0
        return statuses(counter.surfaces[2])

    seen = run_virtual(scenario())
    assert seen[0] == "You are 2nd in line…"
    moved = next(n for n, status in enumerate(seen) if status.startswith("You are 1st in line…"))
    spoken = next(n for n, status in enumerate(seen) if status.startswith("word"))
    assert 0 < moved < spoken


def test_waiting_in_the_queue_is_no_stall() -> None:
    async def scenario() -> list[EndReason]:
        counter = QueueRunner(1)
        return list(await asyncio.gather(counter.ask(1, 100.0), counter.ask(2)))

    assert [type(cause) for cause in run_virtual(scenario())] == [Ended, Ended]


def test_stopping_a_queued_answer_frees_its_slot() -> None:
    async def scenario() -> list[EndReason]:
        counter = QueueRunner(1)
        asked = [asyncio.create_task(counter.ask(asker)) for asker in range(1, 4)]
        await asyncio.sleep(1.0)
        assert counter.queue.stop("1", "Ada")
        causes = [await task for task in asked]
        assert not counter.text_sources[1].produced
        return causes

    assert [type(cause) for cause in run_virtual(scenario())] == [Ended, Stopped, Ended]


def test_cancelling_the_caller_of_a_queued_answer_frees_its_slot() -> None:
    async def scenario() -> EndReason:
        counter = QueueRunner(1)
        first = asyncio.create_task(counter.ask(1, 1_000.0))
        second = asyncio.create_task(counter.ask(2))
        await asyncio.sleep(1.0)
        first.cancel()
        return await second

    assert isinstance(run_virtual(scenario()), Ended)
