from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bot.simulator.rate_limits import Allowance, Bucket, Counters, Limits

LANE = Bucket("edit:1", "abc", Allowance(5, 5.0))
SAME_HASH = Bucket("create:1", "abc", Allowance(5, 5.0))


def test_a_window_starts_with_its_first_request_and_not_with_the_clock() -> None:
    counters = Counters()
    verdicts = [counters.take(LANE, now, counts_overall=False) for now in (103.0, 103.5, 104.0)]
    assert [(v.remaining, v.reset, v.reset_after) for v in verdicts if v] == [
        (4, 108.0, 5.0),
        (3, 108.0, 4.5),
        (2, 108.0, 4.0),
    ]


def test_the_sixth_request_of_a_window_is_refused_and_the_first_after_it_passes() -> None:
    counters = Counters()
    for _ in range(5):
        counters.take(LANE, 10.0, counts_overall=False)
    refused = counters.take(LANE, 14.0, counts_overall=False)
    after = counters.take(LANE, 15.0, counts_overall=False)
    assert refused is not None
    assert after is not None
    assert (refused.is_allowed, refused.remaining, refused.reset_after) == (False, 0, 1.0)
    assert (after.is_allowed, after.remaining) == (True, 4)


def test_a_refusal_carries_what_a_client_needs_to_wait() -> None:
    counters = Counters()
    for _ in range(5):
        counters.take(LANE, 10.0, counts_overall=False)
    refused = counters.take(LANE, 11.25, counts_overall=False)
    assert refused is not None
    assert refused.headers() == {
        "X-RateLimit-Limit": "5",
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": "15.000",
        "X-RateLimit-Reset-After": "3.750",
        "X-RateLimit-Bucket": "abc",
        "X-RateLimit-Scope": "user",
        "Retry-After": "4",
        "Via": "1.1 simulated",
    }
    assert refused.body() == {"message": "You are being rate limited.", "retry_after": 3.75, "global": False}


def test_lanes_of_one_hash_count_apart() -> None:
    counters = Counters()
    for _ in range(5):
        counters.take(LANE, 10.0, counts_overall=False)
    other = counters.take(SAME_HASH, 10.0, counts_overall=False)
    assert other is not None
    assert (other.is_allowed, other.remaining, other.hash) == (True, 4, "abc")


def test_what_has_no_bucket_is_held_by_the_overall_limit_only() -> None:
    counters = Counters(Limits(overall=Allowance(2, 1.0)))
    verdicts = [counters.take(None, 10.0, counts_overall=True) for _ in range(3)]
    assert verdicts[:2] == [None, None]
    assert verdicts[2] is not None
    assert verdicts[2].body()["global"] is True
    assert verdicts[2].headers()["X-RateLimit-Global"] == "true"
    assert "X-RateLimit-Bucket" not in verdicts[2].headers()


def test_what_does_not_count_overall_passes_when_the_overall_limit_is_reached() -> None:
    counters = Counters(Limits(overall=Allowance(1, 1.0)))
    counters.take(None, 10.0, counts_overall=True)
    verdict = counters.take(LANE, 10.0, counts_overall=False)
    assert verdict is not None
    assert verdict.is_allowed


def test_a_refused_request_takes_nothing_from_the_overall_limit() -> None:
    counters = Counters(Limits(overall=Allowance(6, 10.0)))
    for _ in range(50):
        counters.take(LANE, 10.0, counts_overall=True)
    assert counters.take(None, 10.0, counts_overall=True) is None


def test_limits_can_be_halved_and_doubled_but_never_to_nothing() -> None:
    assert Limits().scaled(0.5).message_edit == Allowance(2, 5.0)
    assert Limits().scaled(2).response_edit == Allowance(10, 2.0)
    assert Limits().scaled(0.01).message_create == Allowance(1, 5.0)


def test_limits_changed_on_the_way_hold_at_once() -> None:
    counters = Counters()
    for _ in range(3):
        counters.take(LANE, 10.0, counts_overall=False)
    smaller = Bucket(LANE.lane, LANE.hash, LANE.allowance.scaled(0.5))
    verdict = counters.take(smaller, 10.0, counts_overall=False)
    assert verdict is not None
    assert (verdict.is_allowed, verdict.remaining) == (False, 0)


def test_windows_that_are_over_are_forgotten() -> None:
    counters = Counters()
    for place in range(1_500):
        counters.take(Bucket(f"edit:{place}", "abc", Allowance(5, 5.0)), place / 100, counts_overall=False)
    assert len(counters.windows) <= 1_001


@given(
    st.lists(st.floats(0, 3), max_size=60),
    st.integers(1, 8),
    st.floats(0.5, 5),
)
def test_no_window_ever_holds_more_than_its_allowance(gaps: list[float], limit: int, window: float) -> None:
    counters = Counters()
    bucket = Bucket("lane", "abc", Allowance(limit, window))
    now, allowed = 1_000.0, list[float]()
    for gap in gaps:
        now += gap
        verdict = counters.take(bucket, now, counts_overall=False)
        assert verdict is not None
        if verdict.is_allowed:
            allowed.append(verdict.reset)
    assert all(allowed.count(reset) <= limit for reset in allowed)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.integers(1, 5), st.floats(0.5, 5))
def test_whoever_waits_as_long_as_told_is_let_through(gaps: list[float], limit: int, window: float) -> None:
    counters = Counters()
    bucket = Bucket("lane", "abc", Allowance(limit, window))
    now = 1_000.0
    for gap in gaps:
        now += gap
        verdict = counters.take(bucket, now, counts_overall=False)
        assert verdict is not None
        if not verdict.is_allowed:
            now += float(verdict.headers()["X-RateLimit-Reset-After"])
            again = counters.take(bucket, now, counts_overall=False)
            assert again is not None
            assert again.is_allowed
