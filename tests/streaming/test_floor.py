"""How close the pacing comes to what the buckets allow, in virtual time: delay per character, longest freeze, 429s.

Discord as reported: 5 edits per 5 s in a channel, 5 per 2 s for an interaction, 50 ms one way. The floor of a bucket is
the delay of evenly spaced edits that spend all of it: half their distance and the way.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from itertools import pairwise

import pytest

from bot.streaming import WRITING_CURSOR, Driver, RateLimiter
from tests.fakes.scripted_source import FOOTER, ScriptedSource, script_evenly
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
    """What readers saw of some answers at once.

    ``delay``: mean seconds per character; ``final_delay``: of the last final.
    """

    delay: float
    freeze: float
    final_delay: float
    refusals: int
    first_words: float


def measure_stream(bucket: str, text: str, rate: float, answers: int = 1, server: Server | None = None) -> Result:
    """Let so many answers of the same text appear at once; ``{}`` in a bucket's name gives each its own."""

    async def scenario() -> Result:
        rate_limiter = RateLimiter()
        stand_in = server or Server(latency=LATENCY, waits_on_last_token=False)
        stand_in.rate_limiter = rate_limiter
        driver = Driver(rate_limiter)
        sources = [ScriptedSource(script_evenly(text, rate)) for _ in range(answers)]
        surfaces = [FakeSurface(stand_in, bucket.format(number)) for number in range(answers)]
        pairs = list(zip(sources, surfaces, strict=True))
        await asyncio.gather(*(driver.run(t, s, answer_id=s.bucket) for t, s in pairs))
        return Result(
            delay=sum(measure_mean_delay(t, s) for t, s in pairs) / answers,
            freeze=max(measure_longest_freeze(t, s) for t, s in pairs),
            final_delay=max(s.snapshots[-1].at - t.produced[-1][0] for t, s in pairs),
            refusals=stand_in.rate_limit_count,
            first_words=max(find_first_text_time(s) - t.produced[0][0] for t, s in pairs),
        )

    return run_virtual(scenario())


def keep_compared_characters(text: str) -> str:
    """The characters that are compared: not white space, nor the fences that pages close and reopen."""
    return "".join(re.sub(r"(?m)^```.*$", "", text).split())


def extract_text(pages: tuple[str, ...]) -> str:
    text = "\n".join(page.removesuffix(WRITING_CURSOR.strip()) for page in pages).removesuffix(FOOTER)
    return "" if text.startswith(("Searching", "Reading")) else keep_compared_characters(text)


def find_first_text_time(surface: FakeSurface) -> float:
    return next(sight.at for sight in surface.snapshots if extract_text(sight.pages))


def measure_mean_delay(source: ScriptedSource, surface: FakeSurface) -> float:
    whole, times = source.text, list[float]()
    said = ""
    for at, delta in source.produced:
        said += delta
        times += [at] * (len(keep_compared_characters(said)) - len(times))
    seen, delay = 0, 0.0
    for sight in surface.snapshots:
        # A new page is posted before its text is cut from the last one: for a moment a few words are shown twice.
        visible = min(len(extract_text(sight.pages)), sum(at <= sight.at for at in times))
        delay += sum(sight.at - at for at in times[seen:visible])
        seen = max(seen, visible)
    assert seen == len(keep_compared_characters(whole))
    return delay / seen


def measure_longest_freeze(source: ScriptedSource, surface: FakeSurface) -> float:
    """The longest time without a change while text flows."""
    start, end = source.produced[0][0], source.produced[-1][0]
    changes = [start, *(sight.at for sight in surface.snapshots if start < sight.at < end), end]
    return max(later - earlier for earlier, later in pairwise(changes))


def compute_shared_floor(text: str, rate: float, answers: int, interval: float) -> float:
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
def test_interaction_bucket_delay_is_within_a_fifth_of_the_lower_bound(text: str, rate: float) -> None:
    result = measure_stream("interaction:a1", text, rate)
    assert result.delay <= 1.2 * INTERACTION_FLOOR
    # Two edits' time and a page change, which takes one request more since no text leaves the screen for it.
    assert result.freeze <= 0.9
    assert result.refusals == 0


@pytest.mark.parametrize("rate", [150, 180, SHORT_RATE, 240, 280])
def test_a_short_answer_in_a_channel_is_ahead_of_even_pacing(rate: float) -> None:
    result = measure_stream("channel:1", SHORT, rate)
    assert result.delay <= 0.42
    assert result.refusals == 0


def compute_window_floor(length: float, first: float, limit: int = 5) -> float:
    """The least mean delay for so many seconds of text that one window has to hold, had its length been known.

    The first edit comes ``first`` seconds after the text begins, the last one when it ends.
    """
    step = (length - first) / (limit - 1)
    return (first**2 + (limit - 1) * step**2) / (2 * length) + LATENCY


@pytest.mark.parametrize("rate", [120, 130, 140])
def test_a_short_answer_of_a_slow_model_is_as_good_as_one_window_allows(rate: float) -> None:
    result = measure_stream("channel:1", SHORT, rate)
    first = result.first_words - LATENCY
    assert result.delay <= 1.06 * compute_window_floor(len(SHORT) / rate, first)
    assert result.freeze <= 1.6
    assert result.refusals == 0


@pytest.mark.parametrize(("text", "rate"), [(LONG, LONG_RATE), (FAST, FAST_RATE)])
def test_channel_bucket_delay_is_near_the_lower_bound_without_a_freeze(text: str, rate: float) -> None:
    result = measure_stream("channel:1", text, rate)
    assert result.delay <= 1.15 * CHANNEL_FLOOR
    assert result.freeze <= 1.6
    assert result.refusals == 0


@pytest.mark.parametrize("bucket", ["channel:1", "interaction:a1"])
def test_first_words_are_visible_at_once(bucket: str) -> None:
    assert measure_stream(bucket, LONG, LONG_RATE).first_words <= LATENCY + 0.2


@pytest.mark.parametrize(("text", "rate"), [(SHORT, SHORT_RATE), (LONG, LONG_RATE)])
def test_ten_at_once_by_interaction_are_as_quick_as_one_alone(text: str, rate: float) -> None:
    alone, ten = measure_stream("interaction:{}", text, rate), measure_stream("interaction:{}", text, rate, answers=10)
    assert ten.delay == pytest.approx(alone.delay, rel=0.02)
    assert ten.refusals == 0


def test_ten_at_once_in_one_channel_are_near_the_shared_lower_bound() -> None:
    result = measure_stream("channel:1", LONG, LONG_RATE, answers=10)
    assert result.delay <= 1.05 * compute_shared_floor(LONG, LONG_RATE, 10, 1.0)
    assert result.refusals == 0


def test_ten_short_answers_in_one_channel_are_ahead_of_even_pacing() -> None:
    # 2.5 s is the floor that was measured for ten at once, where finals may spend a whole window together.
    result = measure_stream("channel:1", SHORT, SHORT_RATE, answers=10)
    assert result.delay <= 1.3 * 2.5
    assert result.refusals == 0


@pytest.mark.parametrize(("text", "rate", "most"), [(SHORT, SHORT_RATE, 1.2), (PROSE * 14, 120, 1.65)])
def test_three_at_once_in_one_channel_neither_freeze_nor_wait_for_a_window(text: str, rate: float, most: float) -> None:
    # An edit each second goes to one of three: a character waits 1.5 s on average, less where finals come early.
    result = measure_stream("channel:1", text, rate, answers=3)
    assert result.delay <= most
    assert result.freeze <= 4.5
    assert result.refusals == 0


def test_ten_final_edits_in_one_channel_come_as_early_as_the_bucket_permits() -> None:
    # Ten finals fill two windows, and the one that is open when the text ends is partly spent.
    result = measure_stream("channel:1", PROSE * 20, LONG_RATE, answers=10)
    assert result.final_delay <= 2 * 5.1 + 0.2


@pytest.mark.parametrize(("limit", "period"), [(2, 5.0), (3, 5.0), (10, 5.0), (5, 10.0)])
def test_unknown_limit_is_learned_without_a_429(limit: int, period: float) -> None:
    server = Server(windows={"channel:1": Window(limit, period)})
    result = measure_stream("channel:1", LONG, LONG_RATE, server=server)
    assert result.refusals == 0
    # Closer than the shortest interval of 0.4 s it does not go.
    assert result.delay <= 1.3 * (max(0.4, period / limit) / 2 + LATENCY)


@pytest.mark.parametrize("bucket", ["channel:1", "interaction:a1"])
def test_doubled_latency_adds_little_more_than_itself(bucket: str) -> None:
    near, far = (
        measure_stream(bucket, LONG, LONG_RATE),
        measure_stream(bucket, LONG, LONG_RATE, server=Server(latency=0.1)),
    )
    assert far.delay <= near.delay + 0.1
    assert far.refusals == 0
