"""How close the pacing comes to what the lanes allow, in virtual time: mean delay per character, longest freeze, 429s.

Discord as reported: 5 edits per 5 s in a channel, 5 per 2 s for an interaction, 50 ms one way. The floor of a lane is
the delay of evenly spaced edits that spend all of it: half their distance and the way.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from itertools import pairwise

import pytest

from bot.streaming import WRITING, Driver, Lanes
from tests.fakes.scripted_source import FOOTER, ScriptedTelling, evenly
from tests.fakes.surface import FakeSurface, Server, Window
from tests.fakes.virtual_time import run_virtual

LATENCY = 0.05
CHANNEL_FLOOR = 1.0 / 2 + LATENCY
INTERACTION_FLOOR = 0.4 / 2 + LATENCY

PROSE = "Refunds are paid within fourteen days of the day on which the goods came back to us. "
CODE = "\n\n```sh\n" + "make the refund --order 17 --reason returned\n" * 6 + "```\n\n"
SHORT = (PROSE * 5)[:400]
LONG = ((PROSE * 9 + CODE) * 7)[:6_000]
FAST = ((PROSE * 9 + CODE) * 9)[:8_000]

SHORT_RATE, LONG_RATE, FAST_RATE = 200, 90, 300
"""Characters per second."""


@dataclass(frozen=True, slots=True)
class Result:
    """What readers saw of some answers at once. ``delay``: mean seconds per character; ``late``: of the last final."""

    delay: float
    freeze: float
    late: float
    refusals: int
    first_words: float


def stream(lane: str, text: str, rate: float, answers: int = 1, server: Server | None = None) -> Result:
    """Let so many answers of the same text appear at once; ``{}`` in a lane's name gives each its own."""

    async def scenario() -> Result:
        lanes = Lanes()
        stand_in = server or Server(latency=LATENCY, holds_last=False)
        stand_in.lanes = lanes
        driver = Driver(lanes)
        tellings = [ScriptedTelling(evenly(text, rate)) for _ in range(answers)]
        surfaces = [FakeSurface(stand_in, lane.format(number)) for number in range(answers)]
        pairs = list(zip(tellings, surfaces, strict=True))
        await asyncio.gather(*(driver.run(t, s, key=s.lane) for t, s in pairs))
        return Result(
            delay=sum(mean_delay(t, s) for t, s in pairs) / answers,
            freeze=max(longest_freeze(t, s) for t, s in pairs),
            late=max(s.sights[-1].at - t.produced[-1][0] for t, s in pairs),
            refusals=stand_in.refusals,
            first_words=max(first_sight(s) - t.produced[0][0] for t, s in pairs),
        )

    return run_virtual(scenario())


def counted(text: str) -> str:
    """The characters that are compared: not white space, nor the fences that pages close and reopen."""
    return "".join(re.sub(r"(?m)^```.*$", "", text).split())


def words_on(pages: tuple[str, ...]) -> str:
    text = "\n".join(page.removesuffix(WRITING.strip()) for page in pages).removesuffix(FOOTER)
    return "" if text.startswith(("Searching", "Reading")) else counted(text)


def first_sight(surface: FakeSurface) -> float:
    return next(sight.at for sight in surface.sights if words_on(sight.pages))


def mean_delay(telling: ScriptedTelling, surface: FakeSurface) -> float:
    whole, times = telling.said, list[float]()
    said = ""
    for at, delta in telling.produced:
        said += delta
        times += [at] * (len(counted(said)) - len(times))
    seen, delay = 0, 0.0
    for sight in surface.sights:
        visible = len(words_on(sight.pages))
        delay += sum(sight.at - at for at in times[seen:visible])
        seen = max(seen, visible)
    assert seen == len(counted(whole))
    return delay / seen


def longest_freeze(telling: ScriptedTelling, surface: FakeSurface) -> float:
    """The longest time without a change while text flows."""
    start, end = telling.produced[0][0], telling.produced[-1][0]
    changes = [start, *(sight.at for sight in surface.sights if start < sight.at < end), end]
    return max(later - earlier for earlier, later in pairwise(changes))


def shared_floor(text: str, rate: float, answers: int, interval: float) -> float:
    """The mean delay when an edit each ``interval`` seconds goes to the finished answer, else to the stalest one."""
    last = len(text) / rate
    seen = [0.0] * answers
    delay, slot = 0.0, 0.0
    while min(seen) < last:
        slot += interval
        turn = min((number for number in range(answers) if seen[number] < last), key=lambda number: seen[number])
        shown = min(slot, last)
        delay += (shown - seen[turn]) * (slot - (shown + seen[turn]) / 2 + LATENCY)
        seen[turn] = shown
    return delay / (last * answers)


@pytest.mark.parametrize(("text", "rate"), [(SHORT, SHORT_RATE), (LONG, LONG_RATE), (FAST, FAST_RATE)])
def test_in_an_interactions_lane_the_delay_is_within_a_fifth_of_the_floor(text: str, rate: float) -> None:
    result = stream("interaction:a1", text, rate)
    assert result.delay <= 1.2 * INTERACTION_FLOOR
    assert result.freeze <= 0.7
    assert result.refusals == 0


@pytest.mark.parametrize("rate", [150, 180, SHORT_RATE, 240, 280])
def test_a_short_answer_in_a_channel_is_ahead_of_even_pacing(rate: float) -> None:
    result = stream("channel:1", SHORT, rate)
    assert result.delay <= 0.42
    assert result.refusals == 0


def best_in_one_window(length: float, first: float, limit: int = 5) -> float:
    """The least mean delay for so many seconds of text that one window has to hold, had its length been known.

    The first edit comes ``first`` seconds after the text begins, the last one when it ends.
    """
    step = (length - first) / (limit - 1)
    return (first**2 + (limit - 1) * step**2) / (2 * length) + LATENCY


@pytest.mark.parametrize("rate", [120, 130, 140])
def test_a_short_answer_of_a_slow_model_is_as_good_as_one_window_allows(rate: float) -> None:
    result = stream("channel:1", SHORT, rate)
    first = result.first_words - LATENCY
    assert result.delay <= 1.06 * best_in_one_window(len(SHORT) / rate, first)
    assert result.freeze <= 1.6
    assert result.refusals == 0


@pytest.mark.parametrize(("text", "rate"), [(LONG, LONG_RATE), (FAST, FAST_RATE)])
def test_in_a_channels_lane_the_delay_is_near_the_floor_and_never_freezes(text: str, rate: float) -> None:
    result = stream("channel:1", text, rate)
    assert result.delay <= 1.15 * CHANNEL_FLOOR
    assert result.freeze <= 1.6
    assert result.refusals == 0


@pytest.mark.parametrize("lane", ["channel:1", "interaction:a1"])
def test_first_words_are_seen_at_once(lane: str) -> None:
    assert stream(lane, LONG, LONG_RATE).first_words <= LATENCY + 0.2


@pytest.mark.parametrize(("text", "rate"), [(SHORT, SHORT_RATE), (LONG, LONG_RATE)])
def test_ten_at_once_by_interaction_are_as_quick_as_one_alone(text: str, rate: float) -> None:
    alone, ten = stream("interaction:{}", text, rate), stream("interaction:{}", text, rate, answers=10)
    assert ten.delay == pytest.approx(alone.delay, rel=0.02)
    assert ten.refusals == 0


def test_ten_at_once_in_one_channel_are_near_the_floor_of_the_shared_lane() -> None:
    result = stream("channel:1", LONG, LONG_RATE, answers=10)
    assert result.delay <= 1.05 * shared_floor(LONG, LONG_RATE, 10, 1.0)
    assert result.refusals == 0


def test_ten_short_answers_in_one_channel_are_ahead_of_even_pacing() -> None:
    # 2.5 s is the floor that was measured for ten at once, where finals may spend a whole window together.
    result = stream("channel:1", SHORT, SHORT_RATE, answers=10)
    assert result.delay <= 1.3 * 2.5
    assert result.refusals == 0


@pytest.mark.parametrize(("text", "rate", "most"), [(SHORT, SHORT_RATE, 1.2), (PROSE * 14, 120, 1.65)])
def test_three_at_once_in_one_channel_neither_freeze_nor_wait_for_a_window(text: str, rate: float, most: float) -> None:
    # An edit each second goes to one of three: a character waits 1.5 s on average, less where finals come early.
    result = stream("channel:1", text, rate, answers=3)
    assert result.delay <= most
    assert result.freeze <= 4.5
    assert result.refusals == 0


def test_ten_finals_in_one_channel_come_as_early_as_the_lane_permits() -> None:
    # Ten finals fill two windows, and the one that is open when the text ends is partly spent.
    result = stream("channel:1", PROSE * 20, LONG_RATE, answers=10)
    assert result.late <= 2 * 5.1 + 0.2


@pytest.mark.parametrize(("limit", "period"), [(2, 5.0), (3, 5.0), (10, 5.0), (5, 10.0)])
def test_a_limit_that_was_not_told_in_advance_is_learned_without_a_refusal(limit: int, period: float) -> None:
    server = Server(windows={"channel:1": Window(limit, period)})
    result = stream("channel:1", LONG, LONG_RATE, server=server)
    assert result.refusals == 0
    # Closer than the shortest interval of 0.4 s it does not go.
    assert result.delay <= 1.3 * (max(0.4, period / limit) / 2 + LATENCY)


@pytest.mark.parametrize("lane", ["channel:1", "interaction:a1"])
def test_doubled_latency_costs_the_way_and_little_more(lane: str) -> None:
    near, far = stream(lane, LONG, LONG_RATE), stream(lane, LONG, LONG_RATE, server=Server(latency=0.1))
    assert far.delay <= near.delay + 0.1
    assert far.refusals == 0
