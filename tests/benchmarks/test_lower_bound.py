"""The computed floor: what nobody who spaces edits evenly can be below."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.streaming.lower_bound import Lane, bound, finals, paced, shared

CHANNEL = Lane(5, 5.0, 0.05)
INTERACTION = Lane(5, 2.0, 0.05)

_LANES = st.builds(Lane, st.integers(1, 10), st.floats(1.0, 10.0), st.floats(0.0, 0.5))


def test_alone_it_is_half_the_spacing_and_the_way() -> None:
    assert paced(INTERACTION) == pytest.approx(0.25)
    assert paced(CHANNEL) == pytest.approx(0.55)


@given(_LANES)
def test_it_is_the_mean_delay_of_a_simulated_flow(lane: Lane) -> None:
    count = 2_000
    seconds = 50 * lane.interval
    produced = [seconds * (number + 0.5) / count for number in range(count)]
    edits = [lane.interval * number for number in range(1, 51)]
    delays = [next(at for at in edits if at >= one) - one + lane.latency for one in produced]
    assert sum(delays) / count == pytest.approx(paced(lane), rel=0.05)


@given(_LANES, st.floats(0.5, 60.0))
def test_foreknowledge_of_the_end_never_makes_it_worse(lane: Lane, seconds: float) -> None:
    assert bound(lane, max(seconds, lane.interval)) <= paced(lane) + 1e-9


@given(_LANES, st.floats(0.5, 30.0), st.integers(1, 12), st.floats(0.0, 3.0))
def test_a_shared_lane_is_never_quicker_than_the_way_and_more_answers_are_never_quicker(
    lane: Lane, seconds: float, answers: int, lead: float
) -> None:
    one = shared(lane, seconds, 1, lead)
    many = shared(lane, seconds, answers, lead)
    assert many >= lane.latency - 1e-9
    assert many >= one - lane.interval


@given(_LANES, st.floats(0.5, 30.0), st.integers(1, 20))
def test_no_window_holds_more_finals_than_it_may(lane: Lane, seconds: float, answers: int) -> None:
    times = finals(lane, seconds, answers)
    assert len(times) == answers
    assert times == sorted(times)
    assert all(at >= seconds for at in times)
    later = [at for at in times if at > seconds]
    assert all(later.count(at) <= lane.limit for at in set(later))


def test_ten_finals_in_a_channel_take_what_is_left_of_a_window_and_two_more() -> None:
    assert finals(CHANNEL, 2.0, 10) == [2.0] * 4 + [6.0] * 5 + [11.0]
    assert finals(CHANNEL, 0.5, 10) == [0.5] * 5 + [5.5] * 5
