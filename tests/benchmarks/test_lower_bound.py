"""The computed floor: what nobody who spaces edits evenly can be below."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.streaming.lower_bound import (
    Bucket,
    compute_final_times,
    compute_optimal_delay,
    compute_paced_delay,
    compute_shared_delay,
)

CHANNEL = Bucket(5, 5.0, 0.05)
INTERACTION = Bucket(5, 2.0, 0.05)

_BUCKETS = st.builds(Bucket, st.integers(1, 10), st.floats(1.0, 10.0), st.floats(0.0, 0.5))


def test_lower_bound_of_one_answer_is_half_the_interval_plus_latency() -> None:
    assert compute_paced_delay(INTERACTION) == pytest.approx(0.25)
    assert compute_paced_delay(CHANNEL) == pytest.approx(0.55)


@given(_BUCKETS)
def test_lower_bound_is_the_mean_delay_of_a_simulated_stream(bucket: Bucket) -> None:
    count = 2_000
    seconds = 50 * bucket.interval
    produced = [seconds * (number + 0.5) / count for number in range(count)]
    edits = [bucket.interval * number for number in range(1, 51)]
    delays = [next(at for at in edits if at >= one) - one + bucket.latency for one in produced]
    assert sum(delays) / count == pytest.approx(compute_paced_delay(bucket), rel=0.05)


@given(_BUCKETS, st.floats(0.5, 60.0))
def test_knowing_the_end_in_advance_never_raises_the_lower_bound(bucket: Bucket, seconds: float) -> None:
    assert compute_optimal_delay(bucket, max(seconds, bucket.interval)) <= compute_paced_delay(bucket) + 1e-9


@given(_BUCKETS, st.floats(0.5, 30.0), st.integers(1, 12), st.floats(0.0, 3.0))
def test_shared_bucket_bound_grows_with_answers_and_includes_latency(
    bucket: Bucket, seconds: float, answers: int, lead: float
) -> None:
    one = compute_shared_delay(bucket, seconds, 1, lead)
    many = compute_shared_delay(bucket, seconds, answers, lead)
    assert many >= bucket.latency - 1e-9
    assert many >= one - bucket.interval


@given(_BUCKETS, st.floats(0.5, 30.0), st.integers(1, 20))
def test_final_edits_never_exceed_the_limit_of_a_window(bucket: Bucket, seconds: float, answers: int) -> None:
    times = compute_final_times(bucket, seconds, answers)
    assert len(times) == answers
    assert times == sorted(times)
    assert all(at >= seconds for at in times)
    later = [at for at in times if at > seconds]
    assert all(later.count(at) <= bucket.limit for at in set(later))


def test_ten_final_edits_in_a_channel_take_the_rest_of_a_window_and_two_more() -> None:
    assert compute_final_times(CHANNEL, 2.0, 10) == [2.0] * 4 + [6.0] * 5 + [11.0]
    assert compute_final_times(CHANNEL, 0.5, 10) == [0.5] * 5 + [5.5] * 5
