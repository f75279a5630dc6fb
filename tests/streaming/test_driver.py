"""Replies run for real, in virtual time, against a simulator with latency, windows and faults."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.streaming import (
    WRITING_CURSOR,
    Closing,
    Deadlines,
    Driver,
    Ended,
    Failed,
    Lost,
    OutOfTime,
    PageLimits,
    RateLimiter,
    Restarting,
    Stalled,
    Stopped,
    StreamStart,
    TooLong,
    Urgency,
)
from bot.streaming.markdown.convert import convert_markdown
from bot.streaming.paging import Pager, paginate
from bot.streaming.run import MAX_CHARACTERS
from tests.fakes.scripted_source import FOOTER, ScriptedSource, script_evenly, strip_closing
from tests.fakes.surface import FakeSurface, Fault, Server, Window
from tests.fakes.virtual_time import run_virtual

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from bot.streaming import Edit, EndReason

CHANNEL = "channel:17"
TEXT = "Refunds are paid within fourteen days of the day on which the goods came back. " * 6
PARAGRAPH = TEXT[:160] + "\n\n"
FOREVER = [(0.5, "Refunds take "), (0.2, "four "), (1e6, "never")]


def now() -> float:
    return asyncio.get_running_loop().time()


def visible_pages(source: ScriptedSource, surface: FakeSurface) -> list[str]:
    """What the model said, as it stands at the end, page by page."""
    cause = source.end_reasons[-1]
    return strip_closing(
        surface.pages, Closing("" if isinstance(cause, Ended) else f"-# {type(cause).__name__}", FOOTER)
    )


def expected_pages(source: ScriptedSource) -> list[str]:
    return [page.strip() for page in paginate(convert_markdown(source.text))]


class DriverHarness:
    """A driver, a server and one answer in a channel."""

    def __init__(
        self,
        script: Sequence[tuple[float, str]],
        *,
        faults: Sequence[Fault] = (),
        error: BaseException | None = None,
        deadlines: Deadlines | None = None,
        server: Server | None = None,
        page_limits: PageLimits | None = None,
    ) -> None:
        rate_limiter = RateLimiter()
        self.server = server or Server()
        self.server.rate_limiter = rate_limiter
        self.driver = Driver(rate_limiter, deadlines=deadlines, page_limits=page_limits)
        self.source = ScriptedSource(script, error=error)
        self.surface = FakeSurface(self.server, CHANNEL, faults)

    async def run(self) -> EndReason:
        return await self.driver.run(self.source, self.surface, answer_id="17")

    def start(self) -> asyncio.Task[EndReason]:
        return asyncio.create_task(self.run())

    def shows_whole_text(self) -> bool:
        return (
            visible_pages(self.source, self.surface) == expected_pages(self.source)
            and len(self.source.end_reasons) == 1
        )


def test_an_answer_that_does_not_end_is_stopped_at_its_greatest_length() -> None:
    async def scenario() -> None:
        bench = DriverHarness([(0.0, "word " * 2_000)] * 100)
        assert await bench.run() == TooLong(MAX_CHARACTERS)
        assert len(bench.surface.snapshots[-1].pages) <= 7

    run_virtual(scenario())


def test_an_answer_appears_at_once_grows_and_ends_as_the_exact_text() -> None:
    async def scenario() -> None:
        bench = DriverHarness(script_evenly(TEXT, rate=100))
        assert await bench.run() == Ended()
        first, last = bench.surface.snapshots[0], bench.surface.snapshots[-1]
        assert (first.at, first.pages) == (0.05, ("Searching…",))
        assert last.pages == (f"{TEXT.rstrip()}\n\n{FOOTER}",)
        assert last.at - bench.source.produced[-1][0] < 1.6
        assert bench.server.rate_limit_count == 0
        assert bench.driver.open_answers == 0

    run_virtual(scenario())


def test_every_intermediate_state_is_a_prefix_with_the_progress_mark() -> None:
    async def scenario() -> None:
        bench = DriverHarness(script_evenly(TEXT, rate=100))
        await bench.run()
        between = [sight.pages[0] for sight in bench.surface.snapshots[1:-1]]
        assert len(between) >= 4
        assert all(
            page.endswith(WRITING_CURSOR) and TEXT.startswith(page.removesuffix(WRITING_CURSOR)) for page in between
        )

    run_virtual(scenario())


def test_status_line_counts_the_seconds_of_a_long_wait() -> None:
    async def scenario() -> None:
        bench = DriverHarness([(11.0, "Refunds take four days.")])
        await bench.run()
        lines = [sight.pages[0] for sight in bench.surface.snapshots]
        assert lines[:4] == [
            "Searching…",
            "Reading handbook.md …",
            "Reading handbook.md … 2 s",
            "Reading handbook.md … 4 s",
        ]
        assert bench.server.rate_limit_count == 0

    run_virtual(scenario())


def test_text_that_has_arrived_is_not_held_back_by_a_model_that_stalls() -> None:
    async def scenario() -> None:
        bench = DriverHarness([(0.5, "Refunds take "), (0.1, "four days."), (30.0, " Not more.")])
        assert await bench.run() == Ended()
        seen_at = next(sight.at for sight in bench.surface.snapshots if "four days." in sight.pages[0])
        assert seen_at - bench.source.produced[1][0] < 1.1
        assert any("still waiting for the model, 10 s" in sight.pages[0] for sight in bench.surface.snapshots)
        assert "waiting" not in bench.surface.pages[0]

    run_virtual(scenario())


def test_failing_model_keeps_the_text_and_gives_the_reason() -> None:
    async def scenario() -> None:
        error = ConnectionError("reset")
        bench = DriverHarness(script_evenly(TEXT, rate=200), error=error)
        assert await bench.run() == Failed(error)
        assert bench.surface.pages == [f"{TEXT.rstrip()}\n\n-# Failed\n\n{FOOTER}"]

    run_virtual(scenario())


def test_stream_that_cancels_itself_is_a_failure() -> None:
    async def scenario() -> None:
        bench = DriverHarness(script_evenly(TEXT, rate=200), error=asyncio.CancelledError())
        cause = await bench.run()
        assert isinstance(cause, Failed)
        assert isinstance(cause.error, ConnectionAbortedError)
        assert bench.shows_whole_text()

    run_virtual(scenario())


class FailingRetrievalSource(ScriptedSource):
    """Its retrieval fails."""

    async def begin(self) -> None:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]  # it only raises
        raise LookupError("the index is empty")


def test_failing_retrieval_replaces_the_status_line() -> None:
    async def scenario() -> None:
        bench = DriverHarness(())
        bench.source = FailingRetrievalSource(())
        cause = await bench.run()
        assert isinstance(cause, Failed)
        assert isinstance(cause.error, LookupError)
        assert bench.surface.pages == [f"-# Failed\n\n{FOOTER}"]

    run_virtual(scenario())


@pytest.mark.parametrize("at", [0.02, 0.3, 0.7, 1.0, 3.0])
def test_stop_closes_the_model_connection_and_keeps_the_text(at: float) -> None:
    async def scenario() -> None:
        bench = DriverHarness(script_evenly(TEXT, rate=50))
        answer = bench.start()
        await asyncio.sleep(at)
        assert bench.driver.stop("17", "Ada")
        assert not bench.driver.stop("17", "Bob")
        assert await answer == Stopped("Ada")
        if at > 0.02:
            assert bench.source.cancelled_at == pytest.approx(at)
        assert bench.shows_whole_text()
        assert bench.surface.pages[-1].endswith(f"-# Stopped\n\n{FOOTER}")

    run_virtual(scenario())


def test_stop_of_an_unknown_answer_returns_false() -> None:
    assert not Driver(RateLimiter()).stop("17", "Ada")


@pytest.mark.parametrize(
    ("script", "cause"),
    [
        ([(1e6, "never")], Stalled(60.0)),
        (FOREVER, Stalled(45.0)),
        ([(0.5, "Refunds "), *[(10.0, "")] * 10], Stalled(45.0)),
        ([(9.0, "word ")] * 300, OutOfTime(1_800.0)),
    ],
)
def test_stall_deadlines_count_only_deltas_with_text(script: Sequence[tuple[float, str]], cause: EndReason) -> None:
    async def scenario() -> None:
        bench = DriverHarness(script)
        assert await bench.run() == cause
        assert bench.source.cancelled_at is not None
        assert bench.shows_whole_text()

    run_virtual(scenario())


def test_answer_ends_before_its_surface_expires() -> None:
    async def scenario() -> None:
        bench = DriverHarness([(9.0, "word ")] * 300)
        bench.surface.lasts_until = 840.0
        assert await bench.run() == OutOfTime(810.0)
        assert 810.0 <= now() < 812.0
        assert bench.shows_whole_text()
        assert bench.surface.pages[-1].endswith(f"-# OutOfTime\n\n{FOOTER}")

    run_virtual(scenario())


def test_surface_that_expires_during_a_silence_ends_its_answer() -> None:
    async def scenario() -> None:
        bench = DriverHarness([(1.0, "word "), (1e6, "never said")], deadlines=Deadlines(idle=1e5))
        answer = bench.start()
        await asyncio.sleep(3.0)
        bench.surface.lasts_until = 100.0
        assert await answer == OutOfTime(70.0)
        assert bench.shows_whole_text()

    run_virtual(scenario())


def test_revoked_permission_ends_only_the_answers_that_need_it() -> None:
    async def scenario() -> None:
        rate_limiter = RateLimiter()
        driver, server = Driver(rate_limiter), Server(rate_limiter=rate_limiter)
        sources = [ScriptedSource(FOREVER) for _ in range(3)]
        surfaces = [FakeSurface(server, f"channel:{number}") for number in range(3)]
        for surface, rests_on in zip(surfaces, (17, None, 18), strict=True):
            surface.required_channel_id = rests_on
        runs = [
            asyncio.create_task(driver.run(source, surface, answer_id=surface.bucket))
            for source, surface in zip(sources, surfaces, strict=True)
        ]
        await asyncio.sleep(3.0)
        assert driver.required_channel_ids == {17, 18}
        driver.on_permission_revoked(17)
        assert isinstance(await runs[0], Lost)
        assert sources[0].cancelled_at == pytest.approx(3.0)
        assert [source.cancelled_at for source in sources[1:]] == [None, None]
        await driver.close()
        assert [await run for run in runs[1:]] == [Restarting()] * 2

    run_virtual(scenario())


def test_requests_outside_an_answer_yield_the_bucket_to_answers() -> None:
    async def scenario() -> None:
        rate_limiter = RateLimiter()
        driver = Driver(rate_limiter)
        taken: list[float] = []
        for _ in range(7):
            await driver.wait_for_edit_slot("channel:1")
            taken.append(now())
            assert rate_limiter.seconds_to_wait("channel:1", Urgency.FINAL, now()) == 0.0
        assert taken[-1] >= 5.0

    run_virtual(scenario())


def test_close_finishes_open_answers_as_restarting_within_its_grace() -> None:
    async def scenario() -> None:
        bench = DriverHarness(FOREVER)
        answer = bench.start()
        await asyncio.sleep(3.0)
        await bench.driver.close(grace=5.0)
        assert now() < 8.0
        assert await answer == Restarting()
        assert bench.surface.pages == [f"Refunds take four\n\n-# Restarting\n\n{FOOTER}"]
        assert await bench.run() == Restarting()

    run_virtual(scenario())


def test_answer_during_driver_close_reports_it_and_calls_no_model() -> None:
    async def scenario() -> None:
        bench = DriverHarness(FOREVER)
        closing = asyncio.create_task(bench.driver.close(grace=5.0))
        await asyncio.sleep(0.2)
        late = bench.start()
        await closing
        assert now() < 1.0
        assert late.done()
        assert await late == Restarting()
        assert [sight.pages for sight in bench.surface.snapshots] == [(f"-# Restarting\n\n{FOOTER}",)]
        assert bench.source.produced == []

    run_virtual(scenario())


def test_answer_after_driver_close_reports_it() -> None:
    async def scenario() -> None:
        bench = DriverHarness(FOREVER)
        await bench.driver.close()
        assert await bench.run() == Restarting()
        assert bench.surface.pages == [f"-# Restarting\n\n{FOOTER}"]

    run_virtual(scenario())


class FailingClosingSource(ScriptedSource):
    """It has no closing words: asking for them fails."""

    def closing(self, end_reason: EndReason) -> Closing:
        super().closing(end_reason)
        raise KeyError("no words for this end")


def test_failing_footer_keeps_the_whole_text_and_an_end_note() -> None:
    async def scenario() -> None:
        bench = DriverHarness(())
        bench.source = FailingClosingSource(script_evenly(TEXT, rate=200))
        cause = await bench.run()
        assert isinstance(cause, Failed)
        assert isinstance(cause.error, KeyError)
        assert bench.surface.pages == [f"{TEXT.rstrip()}\n\n-# An unexpected error occurred. Ask again."]
        assert bench.surface.actions[-1].is_last

    run_virtual(scenario())


@pytest.mark.parametrize("at", [0.3, 0.72, 3.0])
@pytest.mark.parametrize("method", ["feed", "flush", "open_page_with"])
def test_failing_pager_keeps_the_visible_text_and_an_end_note(
    method: str, at: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> str:
        raise RuntimeError("a fault of the pager")

    async def scenario() -> None:
        bench = DriverHarness(script_evenly(TEXT, rate=100))
        answer = bench.start()
        await asyncio.sleep(at)
        seen = bench.surface.pages[0].removesuffix(WRITING_CURSOR) if at > 1.0 else ""
        monkeypatch.setattr(Pager, method, fails)
        cause = await answer
        assert isinstance(cause, Failed)
        assert str(cause.error) == "a fault of the pager"
        (page,) = bench.surface.pages
        assert page.startswith(seen)
        assert page.endswith("-# Failed")
        assert "Searching" not in page
        assert WRITING_CURSOR.strip() not in page
        assert bench.surface.actions[-1].is_last
        assert bench.driver.open_answers == 0
        assert method == "flush" or bench.source.cancelled_at is not None

    run_virtual(scenario())


@pytest.mark.parametrize("is_message", [True, False])
def test_deleted_message_or_channel_closes_the_model_and_sends_nothing_more(is_message: bool) -> None:
    async def scenario() -> None:
        bench = DriverHarness(FOREVER)
        bench.surface.message_ids, bench.surface.channel_and_guild_ids = {17, 4}, {18, 5}
        events = [(bench.driver.on_message_deleted, 4), (bench.driver.on_channel_deleted, 5)]
        (lost, here), (other, elsewhere) = events if is_message else reversed(events)
        answer = bench.start()
        await asyncio.sleep(3.0)
        assert not lost(elsewhere)
        assert not other(here)
        assert lost(here)
        assert isinstance(await answer, Lost)
        assert bench.source.cancelled_at == pytest.approx(3.0)
        calls = bench.surface.calls
        await asyncio.sleep(60.0)
        assert bench.surface.calls == calls
        assert not lost(here)

    run_virtual(scenario())


@pytest.mark.parametrize("takes_files", [True, False])
def test_answer_over_its_page_limit_ends_with_a_file_or_continues(takes_files: bool) -> None:
    async def scenario() -> None:
        bench = DriverHarness(script_evenly(TEXT * 12, rate=400), page_limits=PageLimits(max_pages=2))
        bench.surface.accepts_files = takes_files
        assert await bench.run() == Ended()
        assert len(bench.surface.pages) == 3
        assert bench.shows_whole_text() is not takes_files
        assert bench.surface.actions[-1].is_last
        assert bench.surface.actions[-1].attachment_text == (TEXT * 12 if takes_files else "")
        assert ("answer.md" in bench.surface.pages[-1]) is takes_files
        assert bench.server.rate_limit_count == 0

    run_virtual(scenario())


def test_close_does_not_wait_longer_than_its_grace_for_a_surface_that_hangs() -> None:
    async def scenario() -> None:
        bench = DriverHarness(FOREVER, faults=[Fault.NONE, *[Fault.HANGS] * 20])
        answer = bench.start()
        await asyncio.sleep(3.0)
        await bench.driver.close(grace=5.0)
        assert now() == pytest.approx(8.0)
        assert isinstance(await answer, Lost)
        assert bench.driver.open_answers == 0

    run_virtual(scenario())


def test_edit_of_a_deleted_message_closes_the_model_and_sends_nothing_more() -> None:
    async def scenario() -> None:
        bench = DriverHarness(script_evenly(TEXT * 10, rate=50))
        answer = bench.start()
        await asyncio.sleep(3.0)
        bench.surface.is_deleted = True
        assert isinstance(await answer, Lost)
        assert now() < 3.0 + 1.6
        assert bench.source.cancelled_at is not None
        calls = bench.surface.calls
        await asyncio.sleep(60.0)
        assert bench.surface.calls == calls
        assert bench.source.end_reasons == []

    run_virtual(scenario())


def test_unexpected_surface_error_ends_the_answer_as_lost() -> None:
    class Broken(FakeSurface):
        async def edit(self, action: Edit) -> None:
            raise ValueError(action.text)

    async def scenario() -> None:
        bench = DriverHarness(FOREVER)
        bench.surface = Broken(bench.server, CHANNEL)
        cause = await bench.run()
        assert isinstance(cause, Lost)
        assert isinstance(cause.error, ValueError)
        assert bench.source.cancelled_at is not None

    run_virtual(scenario())


@pytest.mark.parametrize("fault", [Fault.UNAVAILABLE, Fault.REPLY_LOST, Fault.HANGS])
def test_final_edit_succeeds_after_failures(fault: Fault) -> None:
    async def scenario() -> None:
        bench = DriverHarness([(0.5, "Refunds take four days.")], faults=[Fault.NONE, fault, fault, fault])
        assert await bench.run() == Ended()
        assert bench.surface.pages == [f"Refunds take four days.\n\n{FOOTER}"]

    run_virtual(scenario())


def test_final_edit_is_given_up_after_a_minute() -> None:
    async def scenario() -> None:
        bench = DriverHarness([(0.5, "Refunds.")], faults=[Fault.NONE, *[Fault.UNAVAILABLE] * 1_000])
        assert isinstance(await bench.run(), Lost)
        assert 45.0 < now() < 75.0

    run_virtual(scenario())


def test_a_first_post_whose_reply_was_lost_does_not_make_a_second_message() -> None:
    async def scenario() -> None:
        bench = DriverHarness(script_evenly(TEXT, rate=100), faults=[Fault.REPLY_LOST])
        assert await bench.run() == Ended()
        assert len(bench.surface.pages) == 1
        assert bench.shows_whole_text()

    run_virtual(scenario())


def test_a_429_teaches_an_unknown_limit_and_loses_no_text() -> None:
    async def scenario() -> None:
        # Two per 5 s, of which another bot uses one; nothing says so beforehand.
        server = Server(windows={CHANNEL: Window(1, 5.0)})
        bench = DriverHarness(script_evenly(TEXT, rate=40), server=server)
        assert await bench.run() == Ended()
        assert server.rate_limit_count <= 1
        assert bench.shows_whole_text()

    run_virtual(scenario())


def test_an_answer_longer_than_a_page_goes_on_in_further_messages() -> None:
    async def scenario() -> None:
        bench = DriverHarness(script_evenly(TEXT * 12, rate=400))
        assert await bench.run() == Ended()
        assert len(bench.surface.pages) == 3
        assert bench.shows_whole_text()
        assert bench.server.rate_limit_count == 0

    run_virtual(scenario())


class MovingSurface(FakeSurface):
    """Moves to its channel's bucket when the interaction's token is about to die."""

    async def edit(self, action: Edit) -> None:
        await super().edit(action)
        if now() > 5.0:
            self.bucket = CHANNEL


def test_answer_moves_to_another_bucket_without_a_gap() -> None:
    async def scenario() -> None:
        bench = DriverHarness(script_evenly(TEXT * 3, rate=100))
        bench.surface = MovingSurface(bench.server, "interaction:a1")
        assert await bench.run() == Ended()
        times = [sight.at for sight in bench.surface.snapshots]
        assert max(later - earlier for earlier, later in pairwise(times)) < 1.6
        assert bench.server.rate_limit_count == 0
        assert bench.server.windows[CHANNEL].used > 0

    run_virtual(scenario())


def test_ten_answers_in_one_channel_take_turns_and_none_is_refused() -> None:
    async def scenario() -> None:
        rate_limiter = RateLimiter()
        server = Server(rate_limiter)
        driver = Driver(rate_limiter)
        sources = [ScriptedSource(script_evenly(TEXT, rate=5)) for _ in range(10)]
        surfaces = [FakeSurface(server, CHANNEL) for _ in sources]
        causes = await asyncio.gather(
            *(driver.run(t, s, answer_id=str(n)) for n, (t, s) in enumerate(zip(sources, surfaces, strict=True)))
        )
        assert causes == [Ended()] * 10
        assert server.rate_limit_count == 0
        assert all(visible_pages(t, s) == expected_pages(t) for t, s in zip(sources, surfaces, strict=True))
        calls = [surface.calls for surface in surfaces]
        assert min(calls) >= 8
        assert max(calls) - min(calls) <= 3

    run_virtual(scenario())


class BurstSource(ScriptedSource):
    """Three thousand deltas without a gap, as LlamaIndex hands out what has piled up."""

    async def wait_until_started(self) -> None:
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


class LoopTurnCounter:
    """What is done in each turn of the loop: deltas taken from the model, characters rewritten on their way."""

    def __init__(self, source: ScriptedSource) -> None:
        self._source = source
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
            before = len(self._source.produced)
            await asyncio.sleep(0)
            self.deltas.append(len(self._source.produced) - before)
            self.characters.append(0)


class CountedBurstSource(BurstSource):
    """A burst whose way through the reply is counted; ``size`` is how many copies of a word one delta holds."""

    def __init__(self, size: int) -> None:
        super().__init__(())
        self._size = size
        self.turn_counter = LoopTurnCounter(self)

    async def begin(self) -> StreamStart:
        begun = await super().begin()
        return StreamStart(begun.status, text_filter=self.turn_counter)

    async def _burst(self) -> AsyncIterator[str]:
        async for delta in super()._burst():
            yield delta * self._size


@pytest.mark.parametrize("size", [1, 700])
def test_burst_of_3000_deltas_yields_the_event_loop_between_batches(size: int) -> None:
    async def scenario() -> None:
        bench = DriverHarness((), page_limits=PageLimits(max_pages=2))
        bench.source = source = CountedBurstSource(size)
        answer = bench.start()
        while not source.produced:  # noqa: ASYNC110 - a turn of the loop is what is waited for
            await asyncio.sleep(0.001)
        await source.turn_counter.count(until=min(len("word0 ") * size * 3_000, 60_000) // 2)
        # Through rewriting, links and pages no more than this goes in one turn, however much has come.
        assert max(source.turn_counter.characters) <= 500
        assert max(source.turn_counter.deltas) <= 64
        assert len(source.turn_counter.deltas) > 5
        bench.driver.stop("17", "Ada")
        await answer

    run_virtual(scenario())


def test_a_burst_that_ends_the_answer_is_shown_to_its_last_character() -> None:
    async def scenario() -> None:
        bench = DriverHarness([(0.5, "Refunds. "), *[(0.0, PARAGRAPH)] * 60])
        assert await bench.run() == Ended()
        assert len(bench.source.text) > 9_000
        assert bench.shows_whole_text()

    run_virtual(scenario())


def test_an_answer_that_leaves_the_queue_wakes_the_next() -> None:
    async def scenario() -> None:
        bench = DriverHarness(FOREVER)
        other = FakeSurface(bench.server, CHANNEL)
        next_in_line = ScriptedSource([(0.6, "Refunds take four days. "), (30.0, "Not more.")])
        first, second = bench.start(), asyncio.create_task(bench.driver.run(next_in_line, other, answer_id="18"))
        await asyncio.sleep(0.3)
        # Somebody else spends the window: both answers wait for its end, the first with a timer.
        window = bench.server.get_window(CHANNEL)
        for _ in range(window.limit):
            window.count_request(now())
        rate_limiter = bench.server.rate_limiter
        assert rate_limiter
        rate_limiter.update_from_headers(CHANNEL, limit=5, remaining=0, reset_after=5.0, now=now())
        await asyncio.sleep(1.0)
        first.cancel()
        await asyncio.sleep(5.0)
        assert other.pages[0].startswith("Refunds take four days.")
        assert await second == Ended()

    run_virtual(scenario())


def test_stop_during_a_burst_closes_the_waiting_model() -> None:
    class BurstThenWait(BurstSource):
        async def _burst(self) -> AsyncIterator[str]:
            async for delta in super()._burst():
                yield delta
            try:
                await asyncio.sleep(1e6)
            except asyncio.CancelledError:
                self.cancelled_at = now()
                raise

    async def scenario() -> None:
        bench = DriverHarness(())
        bench.source = source = BurstThenWait(())
        answer = bench.start()
        await source.wait_until_started()
        bench.driver.stop("17", "Ada")
        assert await answer == Stopped("Ada")
        assert bench.source.cancelled_at is not None

    run_virtual(scenario())


def test_cancelling_the_caller_closes_the_model_connection() -> None:
    async def scenario() -> None:
        bench = DriverHarness(FOREVER)
        answer = bench.start()
        await asyncio.sleep(3.0)
        answer.cancel()
        with pytest.raises(asyncio.CancelledError):
            await answer
        assert bench.source.cancelled_at == pytest.approx(3.0)
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
def test_every_answer_ends_once_and_shows_all_text_that_arrived(
    answers: list[tuple[list[tuple[float, str]], list[Fault], tuple[str, float] | None, bool]],
    limit: int,
    period: float,
    latency: float,
    holds_last: bool,
) -> None:
    async def one(driver: Driver, source: ScriptedSource, surface: FakeSurface, stop: tuple[str, float] | None) -> None:
        key = str(id(source))
        answer = asyncio.create_task(driver.run(source, surface, answer_id=key))
        if stop and stop[0] == "stop":
            await asyncio.sleep(stop[1])
            driver.stop(key, "Ada")
        cause = await answer
        if isinstance(cause, Restarting | Lost) and not source.end_reasons:
            return  # it began after the driver was closed, or nothing could be shown any more
        assert len(source.end_reasons) == 1
        if not isinstance(cause, Lost):
            assert source.end_reasons == [cause]
            assert visible_pages(source, surface) == expected_pages(source)

    async def scenario() -> None:
        rate_limiter = RateLimiter()
        windows = {bucket: Window(limit, period) for bucket in (CHANNEL, f"{CHANNEL}+posts")}
        server = Server(rate_limiter, latency=latency, waits_on_last_token=holds_last, windows=windows)
        driver = Driver(rate_limiter)
        async with asyncio.TaskGroup() as group:
            for script, faults, stop, fails in answers:
                error = ConnectionError("reset") if fails else None
                source = ScriptedSource(script, error=error)
                group.create_task(one(driver, source, FakeSurface(server, CHANNEL, faults), stop))
            closings = [stop[1] for _, _, stop, _ in answers if stop and stop[0] == "close"]
            if closings:
                await asyncio.sleep(min(closings))
                await driver.close(grace=300.0)
        assert driver.open_answers == 0

    run_virtual(scenario())
