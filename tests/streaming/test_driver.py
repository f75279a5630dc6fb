"""Replies run for real, in virtual time, against a stand-in with latency, windows and faults."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.streaming import (
    WRITING,
    Begun,
    Closing,
    Deadlines,
    Driver,
    Ended,
    Extent,
    Failed,
    Lanes,
    Lost,
    OutOfTime,
    Restarting,
    Stalled,
    Stopped,
    Urgency,
)
from bot.streaming.markdown.convert import rewritten
from bot.streaming.markdown.links import defused
from bot.streaming.paging import Pager, paginate
from tests.fakes.scripted_source import FOOTER, ScriptedTelling, evenly, said_on
from tests.fakes.surface import FakeSurface, Fault, Server, Window
from tests.fakes.virtual_time import run_virtual

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from bot.streaming import Cause, Edit

CHANNEL = "channel:17"
TEXT = "Refunds are paid within fourteen days of the day on which the goods came back. " * 6
PARAGRAPH = TEXT[:160] + "\n\n"
FOREVER = [(0.5, "Refunds take "), (0.2, "four "), (1e6, "never")]


def now() -> float:
    return asyncio.get_running_loop().time()


def shown(telling: ScriptedTelling, surface: FakeSurface) -> list[str]:
    """What the model said, as it stands at the end, page by page."""
    cause = telling.ends[-1]
    return said_on(surface.pages, Closing("" if isinstance(cause, Ended) else f"-# {type(cause).__name__}", FOOTER))


def said(telling: ScriptedTelling) -> list[str]:
    return [page.strip() for page in paginate(defused(rewritten(telling.said)))]


class Bench:
    """A driver, a server and one answer in a channel."""

    def __init__(
        self,
        script: Sequence[tuple[float, str]],
        *,
        faults: Sequence[Fault] = (),
        error: BaseException | None = None,
        deadlines: Deadlines | None = None,
        server: Server | None = None,
        extent: Extent | None = None,
    ) -> None:
        lanes = Lanes()
        self.server = server or Server()
        self.server.lanes = lanes
        self.driver = Driver(lanes, deadlines=deadlines, extent=extent)
        self.telling = ScriptedTelling(script, error=error)
        self.surface = FakeSurface(self.server, CHANNEL, faults)

    async def run(self) -> Cause:
        return await self.driver.run(self.telling, self.surface, key="17")

    def start(self) -> asyncio.Task[Cause]:
        return asyncio.create_task(self.run())

    def holds_all_that_was_said(self) -> bool:
        return shown(self.telling, self.surface) == said(self.telling) and len(self.telling.ends) == 1


def test_an_answer_appears_at_once_grows_and_ends_as_the_exact_text() -> None:
    async def scenario() -> None:
        bench = Bench(evenly(TEXT, rate=100))
        assert await bench.run() == Ended()
        first, last = bench.surface.sights[0], bench.surface.sights[-1]
        assert (first.at, first.pages) == (0.05, ("Searching…",))
        assert last.pages == (f"{TEXT.rstrip()}\n\n{FOOTER}",)
        assert last.at - bench.telling.produced[-1][0] < 1.6
        assert bench.server.refusals == 0
        assert bench.driver.open_answers == 0

    run_virtual(scenario())


def test_every_state_between_is_the_beginning_of_the_text_and_carries_the_mark() -> None:
    async def scenario() -> None:
        bench = Bench(evenly(TEXT, rate=100))
        await bench.run()
        between = [sight.pages[0] for sight in bench.surface.sights[1:-1]]
        assert len(between) >= 4
        assert all(page.endswith(WRITING) and TEXT.startswith(page.removesuffix(WRITING)) for page in between)

    run_virtual(scenario())


def test_a_long_wait_is_counted_in_the_status_line_that_names_what_is_read() -> None:
    async def scenario() -> None:
        bench = Bench([(11.0, "Refunds take four days.")])
        await bench.run()
        lines = [sight.pages[0] for sight in bench.surface.sights]
        assert lines[:4] == [
            "Searching…",
            "Reading handbook.md …",
            "Reading handbook.md … 2 s",
            "Reading handbook.md … 4 s",
        ]
        assert bench.server.refusals == 0

    run_virtual(scenario())


def test_text_that_has_arrived_is_not_held_back_by_a_model_that_stalls() -> None:
    async def scenario() -> None:
        bench = Bench([(0.5, "Refunds take "), (0.1, "four days."), (30.0, " Not more.")])
        assert await bench.run() == Ended()
        seen_at = next(sight.at for sight in bench.surface.sights if "four days." in sight.pages[0])
        assert seen_at - bench.telling.produced[1][0] < 1.1
        assert any("still waiting for the model, 10 s" in sight.pages[0] for sight in bench.surface.sights)
        assert "waiting" not in bench.surface.pages[0]

    run_virtual(scenario())


def test_a_failing_model_leaves_what_was_said_and_says_why() -> None:
    async def scenario() -> None:
        error = ConnectionError("reset")
        bench = Bench(evenly(TEXT, rate=200), error=error)
        assert await bench.run() == Failed(error)
        assert bench.surface.pages == [f"{TEXT.rstrip()}\n\n-# Failed\n\n{FOOTER}"]

    run_virtual(scenario())


def test_a_stream_that_cancels_itself_is_a_failure_and_not_a_silence() -> None:
    async def scenario() -> None:
        bench = Bench(evenly(TEXT, rate=200), error=asyncio.CancelledError())
        cause = await bench.run()
        assert isinstance(cause, Failed)
        assert isinstance(cause.error, ConnectionAbortedError)
        assert bench.holds_all_that_was_said()

    run_virtual(scenario())


class NothingThere(ScriptedTelling):
    """Its retrieval fails."""

    async def begin(self) -> None:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]  # it only raises
        raise LookupError("the index is empty")


def test_failing_retrieval_replaces_the_status_line() -> None:
    async def scenario() -> None:
        bench = Bench(())
        bench.telling = NothingThere(())
        cause = await bench.run()
        assert isinstance(cause, Failed)
        assert isinstance(cause.error, LookupError)
        assert bench.surface.pages == [f"-# Failed\n\n{FOOTER}"]

    run_virtual(scenario())


@pytest.mark.parametrize("at", [0.02, 0.3, 0.7, 1.0, 3.0])
def test_stop_hangs_up_on_the_model_at_once_and_keeps_what_was_said(at: float) -> None:
    async def scenario() -> None:
        bench = Bench(evenly(TEXT, rate=50))
        answer = bench.start()
        await asyncio.sleep(at)
        assert bench.driver.stop("17", "Ada")
        assert not bench.driver.stop("17", "Bob")
        assert await answer == Stopped("Ada")
        if at > 0.02:
            assert bench.telling.hung_up_at == pytest.approx(at)
        assert bench.holds_all_that_was_said()
        assert bench.surface.pages[-1].endswith(f"-# Stopped\n\n{FOOTER}")

    run_virtual(scenario())


def test_stopping_what_does_not_run_is_false() -> None:
    assert not Driver(Lanes()).stop("17", "Ada")


@pytest.mark.parametrize(
    ("script", "cause"),
    [
        ([(1e6, "never")], Stalled(60.0)),
        (FOREVER, Stalled(45.0)),
        ([(0.5, "Refunds "), *[(10.0, "")] * 10], Stalled(45.0)),
        ([(9.0, "word ")] * 300, OutOfTime(1_800.0)),
    ],
)
def test_deadlines_are_counted_on_content(script: Sequence[tuple[float, str]], cause: Cause) -> None:
    async def scenario() -> None:
        bench = Bench(script)
        assert await bench.run() == cause
        assert bench.telling.hung_up_at is not None
        assert bench.holds_all_that_was_said()

    run_virtual(scenario())


def test_an_answer_on_a_surface_that_does_not_last_is_ended_while_the_reader_can_still_be_told() -> None:
    async def scenario() -> None:
        bench = Bench([(9.0, "word ")] * 300)
        bench.surface.lasts_until = 840.0
        assert await bench.run() == OutOfTime(810.0)
        assert 810.0 <= now() < 812.0
        assert bench.holds_all_that_was_said()
        assert bench.surface.pages[-1].endswith(f"-# OutOfTime\n\n{FOOTER}")

    run_virtual(scenario())


def test_a_surface_that_turns_out_not_to_last_ends_its_answer_in_a_silence_too() -> None:
    async def scenario() -> None:
        bench = Bench([(1.0, "word "), (1e6, "never said")], deadlines=Deadlines(idle=1e5))
        answer = bench.start()
        await asyncio.sleep(3.0)
        bench.surface.lasts_until = 100.0
        assert await answer == OutOfTime(70.0)
        assert bench.holds_all_that_was_said()

    run_virtual(scenario())


def test_only_the_answers_that_need_a_channels_permission_are_shut_out() -> None:
    async def scenario() -> None:
        lanes = Lanes()
        driver, server = Driver(lanes), Server(lanes=lanes)
        tellings = [ScriptedTelling(FOREVER) for _ in range(3)]
        surfaces = [FakeSurface(server, f"channel:{number}") for number in range(3)]
        for surface, rests_on in zip(surfaces, (17, None, 18), strict=True):
            surface.rests_on = rests_on
        runs = [
            asyncio.create_task(driver.run(telling, surface, key=surface.lane))
            for telling, surface in zip(tellings, surfaces, strict=True)
        ]
        await asyncio.sleep(3.0)
        assert driver.resting_on == {17, 18}
        driver.shut_out(17)
        assert isinstance(await runs[0], Lost)
        assert tellings[0].hung_up_at == pytest.approx(3.0)
        assert [telling.hung_up_at for telling in tellings[1:]] == [None, None]
        await driver.close()
        assert [await run for run in runs[1:]] == [Restarting()] * 2

    run_virtual(scenario())


def test_a_turn_outside_an_answer_leaves_the_lane_to_the_answers() -> None:
    async def scenario() -> None:
        lanes = Lanes()
        driver = Driver(lanes)
        taken: list[float] = []
        for _ in range(7):
            await driver.turn("channel:1")
            taken.append(now())
            assert lanes.wait("channel:1", Urgency.FINAL, now()) == 0.0
        assert taken[-1] >= 5.0

    run_virtual(scenario())


def test_close_finishes_open_answers_as_restarting_within_its_grace() -> None:
    async def scenario() -> None:
        bench = Bench(FOREVER)
        answer = bench.start()
        await asyncio.sleep(3.0)
        await bench.driver.close(grace=5.0)
        assert now() < 8.0
        assert await answer == Restarting()
        assert bench.surface.pages == [f"Refunds take four\n\n-# Restarting\n\n{FOOTER}"]
        assert await bench.run() == Restarting()

    run_virtual(scenario())


def test_an_answer_that_comes_while_the_driver_closes_says_so_and_asks_no_model() -> None:
    async def scenario() -> None:
        bench = Bench(FOREVER)
        closing = asyncio.create_task(bench.driver.close(grace=5.0))
        await asyncio.sleep(0.2)
        late = bench.start()
        await closing
        assert now() < 1.0
        assert late.done()
        assert await late == Restarting()
        assert [sight.pages for sight in bench.surface.sights] == [(f"-# Restarting\n\n{FOOTER}",)]
        assert bench.telling.produced == []

    run_virtual(scenario())


def test_an_answer_that_comes_after_the_driver_has_closed_still_says_so() -> None:
    async def scenario() -> None:
        bench = Bench(FOREVER)
        await bench.driver.close()
        assert await bench.run() == Restarting()
        assert bench.surface.pages == [f"-# Restarting\n\n{FOOTER}"]

    run_virtual(scenario())


class Wordless(ScriptedTelling):
    """It has no closing words: asking for them fails."""

    def closing(self, cause: Cause) -> Closing:
        super().closing(cause)
        raise KeyError("no words for this end")


def test_closing_words_that_fail_leave_the_whole_text_and_an_honest_end() -> None:
    async def scenario() -> None:
        bench = Bench(())
        bench.telling = Wordless(evenly(TEXT, rate=200))
        cause = await bench.run()
        assert isinstance(cause, Failed)
        assert isinstance(cause.error, KeyError)
        assert bench.surface.pages == [
            f"{TEXT.rstrip()}\n\n-# Something went wrong here that nobody foresaw. Ask again."
        ]
        assert bench.surface.actions[-1].is_last

    run_virtual(scenario())


@pytest.mark.parametrize("at", [0.3, 0.72, 3.0])
@pytest.mark.parametrize("method", ["feed", "flush", "open_page"])
def test_a_pager_that_fails_leaves_what_was_visible_and_an_honest_end(
    method: str, at: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> str:
        raise RuntimeError("a fault of the pager")

    async def scenario() -> None:
        bench = Bench(evenly(TEXT, rate=100))
        answer = bench.start()
        await asyncio.sleep(at)
        seen = bench.surface.pages[0].removesuffix(WRITING) if at > 1.0 else ""
        monkeypatch.setattr(Pager, method, property(fails) if method == "open_page" else fails)
        cause = await answer
        assert isinstance(cause, Failed)
        assert str(cause.error) == "a fault of the pager"
        (page,) = bench.surface.pages
        assert page.startswith(seen)
        assert page.endswith("-# Failed")
        assert "Searching" not in page
        assert WRITING.strip() not in page
        assert bench.surface.actions[-1].is_last
        assert bench.driver.open_answers == 0
        assert method == "flush" or bench.telling.hung_up_at is not None

    run_virtual(scenario())


@pytest.mark.parametrize("is_message", [True, False])
def test_what_is_lost_is_hung_up_on_at_once_and_nothing_more_is_sent(is_message: bool) -> None:
    async def scenario() -> None:
        bench = Bench(FOREVER)
        bench.surface.messages, bench.surface.places = {17, 4}, {18, 5}
        doors = [(bench.driver.lost_message, 4), (bench.driver.lost_place, 5)]
        (lost, here), (other, elsewhere) = doors if is_message else reversed(doors)
        answer = bench.start()
        await asyncio.sleep(3.0)
        assert not lost(elsewhere)
        assert not other(here)
        assert lost(here)
        assert isinstance(await answer, Lost)
        assert bench.telling.hung_up_at == pytest.approx(3.0)
        calls = bench.surface.calls
        await asyncio.sleep(60.0)
        assert bench.surface.calls == calls
        assert not lost(here)

    run_virtual(scenario())


@pytest.mark.parametrize("takes_files", [True, False])
def test_an_answer_beyond_its_extent_ends_with_a_file_or_goes_on_where_it_may_have_none(takes_files: bool) -> None:
    async def scenario() -> None:
        bench = Bench(evenly(TEXT * 12, rate=400), extent=Extent(pages=2))
        bench.surface.takes_files = takes_files
        assert await bench.run() == Ended()
        assert len(bench.surface.pages) == 3
        assert bench.holds_all_that_was_said() is not takes_files
        assert bench.surface.actions[-1].is_last
        assert bench.surface.actions[-1].attached == (TEXT * 12 if takes_files else "")
        assert ("answer.md" in bench.surface.pages[-1]) is takes_files
        assert bench.server.refusals == 0

    run_virtual(scenario())


def test_close_does_not_wait_longer_than_its_grace_for_a_surface_that_hangs() -> None:
    async def scenario() -> None:
        bench = Bench(FOREVER, faults=[Fault.NONE, *[Fault.HANGS] * 20])
        answer = bench.start()
        await asyncio.sleep(3.0)
        await bench.driver.close(grace=5.0)
        assert now() == pytest.approx(8.0)
        assert isinstance(await answer, Lost)
        assert bench.driver.open_answers == 0

    run_virtual(scenario())


def test_a_deleted_message_hangs_up_on_the_model_and_nothing_more_is_sent() -> None:
    async def scenario() -> None:
        bench = Bench(evenly(TEXT * 10, rate=50))
        answer = bench.start()
        await asyncio.sleep(3.0)
        bench.surface.is_deleted = True
        assert isinstance(await answer, Lost)
        assert now() < 3.0 + 1.6
        assert bench.telling.hung_up_at is not None
        calls = bench.surface.calls
        await asyncio.sleep(60.0)
        assert bench.surface.calls == calls
        assert bench.telling.ends == []

    run_virtual(scenario())


def test_a_fault_of_the_surface_that_nobody_foresaw_ends_the_answer_as_lost() -> None:
    class Broken(FakeSurface):
        async def edit(self, action: Edit) -> None:
            raise ValueError(action.text)

    async def scenario() -> None:
        bench = Bench(FOREVER)
        bench.surface = Broken(bench.server, CHANNEL)
        cause = await bench.run()
        assert isinstance(cause, Lost)
        assert isinstance(cause.error, ValueError)
        assert bench.telling.hung_up_at is not None

    run_virtual(scenario())


@pytest.mark.parametrize("fault", [Fault.UNAVAILABLE, Fault.REPLY_LOST, Fault.HANGS])
def test_the_final_gets_through_after_faults(fault: Fault) -> None:
    async def scenario() -> None:
        bench = Bench([(0.5, "Refunds take four days.")], faults=[Fault.NONE, fault, fault, fault])
        assert await bench.run() == Ended()
        assert bench.surface.pages == [f"Refunds take four days.\n\n{FOOTER}"]

    run_virtual(scenario())


def test_a_final_that_never_gets_through_is_given_up_after_a_minute() -> None:
    async def scenario() -> None:
        bench = Bench([(0.5, "Refunds.")], faults=[Fault.NONE, *[Fault.UNAVAILABLE] * 1_000])
        assert isinstance(await bench.run(), Lost)
        assert 45.0 < now() < 75.0

    run_virtual(scenario())


def test_a_first_post_whose_reply_was_lost_does_not_make_a_second_message() -> None:
    async def scenario() -> None:
        bench = Bench(evenly(TEXT, rate=100), faults=[Fault.REPLY_LOST])
        assert await bench.run() == Ended()
        assert len(bench.surface.pages) == 1
        assert bench.holds_all_that_was_said()

    run_virtual(scenario())


def test_a_refusal_is_a_measurement_and_the_newest_text_goes_afterwards() -> None:
    async def scenario() -> None:
        # Two per 5 s, of which another bot uses one; nothing says so beforehand.
        server = Server(windows={CHANNEL: Window(1, 5.0)})
        bench = Bench(evenly(TEXT, rate=40), server=server)
        assert await bench.run() == Ended()
        assert server.refusals <= 1
        assert bench.holds_all_that_was_said()

    run_virtual(scenario())


def test_an_answer_longer_than_a_page_goes_on_in_further_messages() -> None:
    async def scenario() -> None:
        bench = Bench(evenly(TEXT * 12, rate=400))
        assert await bench.run() == Ended()
        assert len(bench.surface.pages) == 3
        assert bench.holds_all_that_was_said()
        assert bench.server.refusals == 0

    run_virtual(scenario())


class Moving(FakeSurface):
    """Moves to its channel's lane when the interaction's token is about to die."""

    async def edit(self, action: Edit) -> None:
        await super().edit(action)
        if now() > 5.0:
            self.lane = CHANNEL


def test_an_answer_moves_to_another_lane_without_a_break() -> None:
    async def scenario() -> None:
        bench = Bench(evenly(TEXT * 3, rate=100))
        bench.surface = Moving(bench.server, "interaction:a1")
        assert await bench.run() == Ended()
        times = [sight.at for sight in bench.surface.sights]
        assert max(later - earlier for earlier, later in pairwise(times)) < 1.6
        assert bench.server.refusals == 0
        assert bench.server.windows[CHANNEL].spent > 0

    run_virtual(scenario())


def test_ten_answers_in_one_channel_take_turns_and_none_is_refused() -> None:
    async def scenario() -> None:
        lanes = Lanes()
        server = Server(lanes)
        driver = Driver(lanes)
        tellings = [ScriptedTelling(evenly(TEXT, rate=5)) for _ in range(10)]
        surfaces = [FakeSurface(server, CHANNEL) for _ in tellings]
        causes = await asyncio.gather(
            *(driver.run(t, s, key=str(n)) for n, (t, s) in enumerate(zip(tellings, surfaces, strict=True)))
        )
        assert causes == [Ended()] * 10
        assert server.refusals == 0
        assert all(shown(t, s) == said(t) for t, s in zip(tellings, surfaces, strict=True))
        calls = [surface.calls for surface in surfaces]
        assert min(calls) >= 8
        assert max(calls) - min(calls) <= 3

    run_virtual(scenario())


class Burst(ScriptedTelling):
    """Three thousand deltas without a gap, as LlamaIndex hands out what has piled up."""

    async def until_it_began(self) -> None:
        while not self.produced:  # noqa: ASYNC110 - a turn of the loop is what is waited for
            await asyncio.sleep(0.001)
        assert len(self.produced) < 3_000

    def deltas(self) -> AsyncIterator[str]:
        return self._burst()

    async def _burst(self) -> AsyncIterator[str]:
        await asyncio.sleep(0.5)
        for number in range(3_000):
            delta = f"word{number} "
            self.produced.append((now(), delta))
            yield delta


class Turns:
    """What is done in each turn of the loop: deltas taken from the model, characters rewritten on their way."""

    def __init__(self, telling: ScriptedTelling) -> None:
        self._telling = telling
        self.deltas: list[int] = []
        self.characters: list[int] = [0]

    def feed(self, delta: str) -> str:
        self.characters[-1] += len(delta)
        return delta

    def flush(self) -> str:
        return ""

    async def count(self, until: int) -> None:
        """As long as not so many characters have gone by."""
        while sum(self.characters) < until:
            before = len(self._telling.produced)
            await asyncio.sleep(0)
            self.deltas.append(len(self._telling.produced) - before)
            self.characters.append(0)


class CountedBurst(Burst):
    """A burst whose way through the reply is counted; ``size`` is how many copies of a word one delta holds."""

    def __init__(self, size: int) -> None:
        super().__init__(())
        self._size = size
        self.turns = Turns(self)

    async def begin(self) -> Begun:
        begun = await super().begin()
        return Begun(begun.status, rewriting=self.turns)

    async def _burst(self) -> AsyncIterator[str]:
        async for delta in super()._burst():
            yield delta * self._size


@pytest.mark.parametrize("size", [1, 700])
def test_a_burst_of_three_thousand_deltas_leaves_the_loop_to_others_after_each_bite(size: int) -> None:
    async def scenario() -> None:
        bench = Bench((), extent=Extent(pages=2))
        bench.telling = telling = CountedBurst(size)
        answer = bench.start()
        while not telling.produced:  # noqa: ASYNC110 - a turn of the loop is what is waited for
            await asyncio.sleep(0.001)
        await telling.turns.count(until=min(len("word0 ") * size * 3_000, 60_000) // 2)
        # Through rewriting, links and pages no more than this goes in one turn, however much has come.
        assert max(telling.turns.characters) <= 500
        assert max(telling.turns.deltas) <= 64
        assert len(telling.turns.deltas) > 5
        bench.driver.stop("17", "Ada")
        await answer

    run_virtual(scenario())


def test_a_burst_that_ends_the_answer_is_shown_to_its_last_character() -> None:
    async def scenario() -> None:
        bench = Bench([(0.5, "Refunds. "), *[(0.0, PARAGRAPH)] * 60])
        assert await bench.run() == Ended()
        assert len(bench.telling.said) > 9_000
        assert bench.holds_all_that_was_said()

    run_virtual(scenario())


def test_an_answer_that_leaves_the_queue_wakes_the_next() -> None:
    async def scenario() -> None:
        bench = Bench(FOREVER)
        other = FakeSurface(bench.server, CHANNEL)
        next_in_line = ScriptedTelling([(0.6, "Refunds take four days. "), (30.0, "Not more.")])
        first, second = bench.start(), asyncio.create_task(bench.driver.run(next_in_line, other, key="18"))
        await asyncio.sleep(0.3)
        # Somebody else spends the window: both answers wait for its end, the first with a timer.
        window = bench.server.window(CHANNEL)
        for _ in range(window.limit):
            window.admits(now())
        lanes = bench.server.lanes
        assert lanes
        lanes.learn(CHANNEL, limit=5, remaining=0, reset_after=5.0, now=now())
        await asyncio.sleep(1.0)
        first.cancel()
        await asyncio.sleep(5.0)
        assert other.pages[0].startswith("Refunds take four days.")
        assert await second == Ended()

    run_virtual(scenario())


def test_a_stop_in_the_middle_of_a_burst_still_finds_the_model_waiting_and_hangs_up() -> None:
    class BurstThenWait(Burst):
        async def _burst(self) -> AsyncIterator[str]:
            async for delta in super()._burst():
                yield delta
            try:
                await asyncio.sleep(1e6)
            except asyncio.CancelledError:
                self.hung_up_at = now()
                raise

    async def scenario() -> None:
        bench = Bench(())
        bench.telling = telling = BurstThenWait(())
        answer = bench.start()
        await telling.until_it_began()
        bench.driver.stop("17", "Ada")
        assert await answer == Stopped("Ada")
        assert bench.telling.hung_up_at is not None

    run_virtual(scenario())


def test_cancelling_the_caller_hangs_up_on_the_model() -> None:
    async def scenario() -> None:
        bench = Bench(FOREVER)
        answer = bench.start()
        await asyncio.sleep(3.0)
        answer.cancel()
        with pytest.raises(asyncio.CancelledError):
            await answer
        assert bench.telling.hung_up_at == pytest.approx(3.0)
        assert bench.driver.open_answers == 0

    run_virtual(scenario())


_PIECES = st.sampled_from(
    ["word ", "a", "\n\n", "- item\n", "```py\n", "```\n", "``", "漢字", "𝄞 ", "end. ", "x" * 300, ""]
)
_SCRIPT = st.lists(st.tuples(st.sampled_from([0.0, 0.01, 0.3, 2.0, 9.0, 50.0]), _PIECES), max_size=40)
_STOP = st.none() | st.tuples(st.sampled_from(["stop", "close"]), st.floats(0.0, 60.0))
_FAULTS = st.lists(st.sampled_from(list(Fault)), max_size=6)


@settings(deadline=None, max_examples=60)
@given(
    answers=st.lists(st.tuples(_SCRIPT, _FAULTS, _STOP, st.booleans()), min_size=1, max_size=5),
    limit=st.sampled_from([1, 2, 5, 10]),
    period=st.sampled_from([1.0, 2.0, 5.0]),
    latency=st.sampled_from([0.0, 0.05, 0.4]),
    holds_last=st.booleans(),
)
def test_whatever_happens_each_answer_ends_once_and_shows_all_that_arrived(
    answers: list[tuple[list[tuple[float, str]], list[Fault], tuple[str, float] | None, bool]],
    limit: int,
    period: float,
    latency: float,
    holds_last: bool,
) -> None:
    async def one(
        driver: Driver, telling: ScriptedTelling, surface: FakeSurface, stop: tuple[str, float] | None
    ) -> None:
        key = str(id(telling))
        answer = asyncio.create_task(driver.run(telling, surface, key=key))
        if stop and stop[0] == "stop":
            await asyncio.sleep(stop[1])
            driver.stop(key, "Ada")
        cause = await answer
        if isinstance(cause, Restarting | Lost) and not telling.ends:
            return  # it began after the driver was closed, or nothing could be shown any more
        assert len(telling.ends) == 1
        if not isinstance(cause, Lost):
            assert telling.ends == [cause]
            assert shown(telling, surface) == said(telling)

    async def scenario() -> None:
        lanes = Lanes()
        windows = {lane: Window(limit, period) for lane in (CHANNEL, f"{CHANNEL}+posts")}
        server = Server(lanes, latency=latency, holds_last=holds_last, windows=windows)
        driver = Driver(lanes)
        async with asyncio.TaskGroup() as group:
            for script, faults, stop, fails in answers:
                error = ConnectionError("reset") if fails else None
                telling = ScriptedTelling(script, error=error)
                group.create_task(one(driver, telling, FakeSurface(server, CHANNEL, faults), stop))
            closings = [stop[1] for _, _, stop, _ in answers if stop and stop[0] == "close"]
            if closings:
                await asyncio.sleep(min(closings))
                await driver.close(grace=300.0)
        assert driver.open_answers == 0

    run_virtual(scenario())
