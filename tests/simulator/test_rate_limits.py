from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bot.simulator.rate_limits import Allowance, Bucket, Limits, RateLimitCounters

BUCKET = Bucket("edit:1", "abc", Allowance(5, 5.0))
SAME_HASH = Bucket("create:1", "abc", Allowance(5, 5.0))


def test_a_window_starts_with_its_first_request_and_not_with_the_clock() -> None:
    counters = RateLimitCounters()
    verdicts = [counters.take(BUCKET, now, counts_globally=False) for now in (103.0, 103.5, 104.0)]
    assert [(v.remaining, v.reset, v.reset_after) for v in verdicts if v] == [
        (4, 108.0, 5.0),
        (3, 108.0, 4.5),
        (2, 108.0, 4.0),
    ]


def test_the_sixth_request_of_a_window_is_refused_and_the_first_after_it_passes() -> None:
    counters = RateLimitCounters()
    for _ in range(5):
        counters.take(BUCKET, 10.0, counts_globally=False)
    refused = counters.take(BUCKET, 14.0, counts_globally=False)
    after = counters.take(BUCKET, 15.0, counts_globally=False)
    assert refused is not None
    assert after is not None
    assert (refused.is_allowed, refused.remaining, refused.reset_after) == (False, 0, 1.0)
    assert (after.is_allowed, after.remaining) == (True, 4)


def test_a_refusal_carries_what_a_client_needs_to_wait() -> None:
    counters = RateLimitCounters()
    for _ in range(5):
        counters.take(BUCKET, 10.0, counts_globally=False)
    refused = counters.take(BUCKET, 11.25, counts_globally=False)
    assert refused is not None
    assert refused.to_headers() == {
        "X-RateLimit-Limit": "5",
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": "15.000",
        "X-RateLimit-Reset-After": "3.750",
        "X-RateLimit-Bucket": "abc",
        "X-RateLimit-Scope": "user",
        "Retry-After": "4",
        "Via": "1.1 simulated",
    }
    assert refused.to_json() == {"message": "You are being rate limited.", "retry_after": 3.75, "global": False}


def test_buckets_with_the_same_hash_count_separately() -> None:
    counters = RateLimitCounters()
    for _ in range(5):
        counters.take(BUCKET, 10.0, counts_globally=False)
    other = counters.take(SAME_HASH, 10.0, counts_globally=False)
    assert other is not None
    assert (other.is_allowed, other.remaining, other.hash) == (True, 4, "abc")


def test_requests_without_a_bucket_count_only_in_the_global_limit() -> None:
    counters = RateLimitCounters(Limits(global_limit=Allowance(2, 1.0)))
    verdicts = [counters.take(None, 10.0, counts_globally=True) for _ in range(3)]
    assert verdicts[:2] == [None, None]
    assert verdicts[2] is not None
    assert verdicts[2].to_json()["global"] is True
    assert verdicts[2].to_headers()["X-RateLimit-Global"] == "true"
    assert "X-RateLimit-Bucket" not in verdicts[2].to_headers()


def test_requests_exempt_from_the_global_limit_pass_when_it_is_reached() -> None:
    counters = RateLimitCounters(Limits(global_limit=Allowance(1, 1.0)))
    counters.take(None, 10.0, counts_globally=True)
    verdict = counters.take(BUCKET, 10.0, counts_globally=False)
    assert verdict is not None
    assert verdict.is_allowed


def test_refused_request_does_not_count_in_the_global_limit() -> None:
    counters = RateLimitCounters(Limits(global_limit=Allowance(6, 10.0)))
    for _ in range(50):
        counters.take(BUCKET, 10.0, counts_globally=True)
    assert counters.take(None, 10.0, counts_globally=True) is None


def test_limits_can_be_halved_and_doubled_but_never_to_nothing() -> None:
    assert Limits().scale(0.5).message_edit == Allowance(2, 5.0)
    assert Limits().scale(2).response_edit == Allowance(10, 2.0)
    assert Limits().scale(0.01).message_create == Allowance(1, 5.0)


def test_limits_changed_on_the_way_hold_at_once() -> None:
    counters = RateLimitCounters()
    for _ in range(3):
        counters.take(BUCKET, 10.0, counts_globally=False)
    smaller = Bucket(BUCKET.name, BUCKET.hash, BUCKET.allowance.scale(0.5))
    verdict = counters.take(smaller, 10.0, counts_globally=False)
    assert verdict is not None
    assert (verdict.is_allowed, verdict.remaining) == (False, 0)


def test_expired_windows_are_pruned() -> None:
    counters = RateLimitCounters()
    for place in range(1_500):
        counters.take(Bucket(f"edit:{place}", "abc", Allowance(5, 5.0)), place / 100, counts_globally=False)
    assert len(counters.windows) <= 1_001


@given(
    st.lists(st.floats(0, 3), max_size=60),
    st.integers(1, 8),
    st.floats(0.5, 5),
)
def test_window_never_admits_more_than_its_allowance(gaps: list[float], limit: int, window: float) -> None:
    counters = RateLimitCounters()
    bucket = Bucket("lane", "abc", Allowance(limit, window))
    now, allowed = 1_000.0, list[float]()
    for gap in gaps:
        now += gap
        verdict = counters.take(bucket, now, counts_globally=False)
        assert verdict is not None
        if verdict.is_allowed:
            allowed.append(verdict.reset)
    assert all(allowed.count(reset) <= limit for reset in allowed)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.integers(1, 5), st.floats(0.5, 5))
def test_request_passes_after_waiting_for_reset_after(gaps: list[float], limit: int, window: float) -> None:
    counters = RateLimitCounters()
    bucket = Bucket("lane", "abc", Allowance(limit, window))
    now = 1_000.0
    for gap in gaps:
        now += gap
        verdict = counters.take(bucket, now, counts_globally=False)
        assert verdict is not None
        if not verdict.is_allowed:
            now += float(verdict.to_headers()["X-RateLimit-Reset-After"])
            again = counters.take(bucket, now, counts_globally=False)
            assert again is not None
            assert again.is_allowed
