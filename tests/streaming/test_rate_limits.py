"""Who may edit next: budgets learned from headers, and an order that is fair."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.streaming import EditClaim, RateLimiter, Urgency, bucket_for_posts

CHANNEL = "channel:17"


def simulate_edits(
    rate_limiter: RateLimiter, bucket: str, seconds: float, urgency: Urgency = Urgency.TEXT
) -> list[float]:
    """The times at which edits go that are always due."""
    now, times = 0.0, list[float]()
    while now < seconds:
        wait = rate_limiter.seconds_to_wait(bucket, urgency, now)
        if wait > 0:
            now += wait
            continue
        rate_limiter.count_request(bucket, now)
        times.append(round(now, 3))
        now += 0.001
    return times


@pytest.mark.parametrize(("bucket", "per_second"), [(CHANNEL, 1.0), ("interaction:a1", 2.5), ("elsewhere:1", 1.0)])
def test_the_customary_budget_is_assumed_until_headers_are_seen(bucket: str, per_second: float) -> None:
    times = simulate_edits(RateLimiter(), bucket, 100.0)
    assert len(times) == pytest.approx(100 * per_second, rel=0.05)


def test_window_never_has_more_requests_than_its_limit() -> None:
    times = simulate_edits(RateLimiter(), CHANNEL, 100.0)
    assert all(later - earlier >= 4.99 for earlier, later in zip(times, times[5:], strict=False))


def test_text_flows_evenly_without_a_freeze() -> None:
    times = simulate_edits(RateLimiter(), CHANNEL, 60.0)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert max(gaps) <= 1.5
    assert max(gaps[6:]) <= 1.1


def test_idle_bucket_starts_with_closer_edits() -> None:
    times = simulate_edits(RateLimiter(), CHANNEL, 6.0)
    assert times[1] - times[0] == pytest.approx(0.6)
    assert times[2] - times[0] < 1.5


def test_the_last_token_is_kept_for_a_final() -> None:
    rate_limiter = RateLimiter()
    for _ in range(4):
        rate_limiter.count_request(CHANNEL, 0.0)
    assert rate_limiter.seconds_to_wait(CHANNEL, Urgency.FINAL, 0.1) == 0
    assert rate_limiter.seconds_to_wait(CHANNEL, Urgency.FIRST_WORDS, 0.1) > 3
    assert rate_limiter.seconds_to_wait(CHANNEL, Urgency.TEXT, 0.1) > 3
    rate_limiter.count_request(CHANNEL, 0.1)
    assert rate_limiter.seconds_to_wait(CHANNEL, Urgency.FINAL, 0.1) == pytest.approx(4.9)


def test_first_words_do_not_wait_for_the_even_spacing() -> None:
    rate_limiter = RateLimiter()
    rate_limiter.count_request(CHANNEL, 0.0)
    assert rate_limiter.seconds_to_wait(CHANNEL, Urgency.TEXT, 0.1) > 0.4
    assert rate_limiter.seconds_to_wait(CHANNEL, Urgency.FIRST_WORDS, 0.1) == 0


def test_a_status_line_leaves_more_than_half_of_the_budget_to_the_text() -> None:
    rate_limiter = RateLimiter()
    for second in (0.0, 1.0, 2.0):
        rate_limiter.count_request(CHANNEL, second)
    assert rate_limiter.seconds_to_wait(CHANNEL, Urgency.TEXT, 3.0) < 0.5
    assert rate_limiter.seconds_to_wait(CHANNEL, Urgency.STATUS, 3.0) == pytest.approx(2.0)


@pytest.mark.parametrize(("limit", "period"), [(2, 5.0), (10, 5.0), (5, 10.0), (1, 1.0), (30, 1.0)])
def test_the_limit_is_learned_from_one_response(limit: int, period: float) -> None:
    rate_limiter = RateLimiter()
    rate_limiter.count_request(CHANNEL, 0.0)
    rate_limiter.update_from_headers(CHANNEL, limit=limit, remaining=limit - 1, reset_after=period, now=0.0)
    assert rate_limiter.get_interval(CHANNEL) == pytest.approx(period / limit)
    assert rate_limiter.get_interval(CHANNEL, share=10) == pytest.approx(10 * period / limit)
    assert len(simulate_edits(rate_limiter, CHANNEL, 60.0)) == pytest.approx(60 * limit / period, rel=0.12, abs=1)


def test_new_bucket_starts_with_the_learned_limit_of_its_kind() -> None:
    rate_limiter = RateLimiter()
    rate_limiter.update_from_headers("interaction:a", limit=3, remaining=2, reset_after=6.0, now=0.0)
    assert rate_limiter.get_interval("interaction:b") == pytest.approx(2.0)
    assert rate_limiter.get_interval(CHANNEL) == pytest.approx(1.0)


def test_requests_of_others_in_the_same_bucket_are_learned_from_headers() -> None:
    rate_limiter = RateLimiter()
    rate_limiter.count_request(CHANNEL, 0.0)
    rate_limiter.update_from_headers(CHANNEL, limit=5, remaining=0, reset_after=4.0, now=0.1)
    assert rate_limiter.seconds_to_wait(CHANNEL, Urgency.FINAL, 0.1) == pytest.approx(4.0)


def test_stricter_of_two_headers_for_one_window_counts() -> None:
    rate_limiter = RateLimiter()
    for _ in range(3):
        rate_limiter.count_request(CHANNEL, 0.0)
    rate_limiter.update_from_headers(CHANNEL, limit=5, remaining=2, reset_after=4.9, now=0.1)
    rate_limiter.update_from_headers(CHANNEL, limit=5, remaining=4, reset_after=4.9, now=0.1)
    rate_limiter.count_request(CHANNEL, 0.2)
    rate_limiter.count_request(CHANNEL, 0.2)
    assert rate_limiter.seconds_to_wait(CHANNEL, Urgency.FINAL, 0.2) == pytest.approx(4.8)


def test_header_at_the_end_of_a_window_does_not_set_its_length() -> None:
    rate_limiter = RateLimiter()
    rate_limiter.count_request(CHANNEL, 0.0)
    rate_limiter.update_from_headers(CHANNEL, limit=5, remaining=4, reset_after=0.0, now=0.1)
    assert rate_limiter.get_interval(CHANNEL) == rate_limiter.get_interval("channel:18") == pytest.approx(1.0)


def test_late_header_of_the_previous_window_does_not_affect_the_open_one() -> None:
    rate_limiter = RateLimiter()
    for second in range(5):
        rate_limiter.count_request(CHANNEL, second)
        rate_limiter.update_from_headers(CHANNEL, limit=5, remaining=4 - second, reset_after=5.0 - second, now=second)
    rate_limiter.count_request(CHANNEL, 5.2)
    before = rate_limiter.seconds_to_wait(CHANNEL, Urgency.TEXT, 5.3)
    rate_limiter.update_from_headers(CHANNEL, limit=5, remaining=0, reset_after=0.0, now=5.3)
    assert rate_limiter.seconds_to_wait(CHANNEL, Urgency.FINAL, 5.3) == 0.0
    assert rate_limiter.seconds_to_wait(CHANNEL, Urgency.TEXT, 5.3) == pytest.approx(before)
    for _ in range(4):
        rate_limiter.count_request(CHANNEL, 5.3)
    assert rate_limiter.seconds_to_wait(CHANNEL, Urgency.FINAL, 5.4) == pytest.approx(4.8)


def test_posts_and_edits_are_counted_separately() -> None:
    rate_limiter = RateLimiter()
    for _ in range(5):
        rate_limiter.count_request(bucket_for_posts(CHANNEL), 0.0)
    assert rate_limiter.seconds_to_wait(bucket_for_posts(CHANNEL), Urgency.FINAL, 0.0) == pytest.approx(5.0)
    assert rate_limiter.seconds_to_wait(CHANNEL, Urgency.TEXT, 0.0) == 0


def test_text_in_a_bucket_used_only_by_others_waits_no_less_than_first_words() -> None:
    rate_limiter = RateLimiter()
    rate_limiter.record_rate_limit(CHANNEL, 1.0, 0.0)
    rate_limiter.update_from_headers(CHANNEL, limit=6, remaining=0, reset_after=3.0, now=0.6)
    rate_limiter.update_from_headers(CHANNEL, limit=7, remaining=1, reset_after=0.0, now=0.6)
    assert (
        rate_limiter.seconds_to_wait(CHANNEL, Urgency.TEXT, 0.6)
        >= rate_limiter.seconds_to_wait(CHANNEL, Urgency.FIRST_WORDS, 0.6)
        > 1.0
    )


@given(st.lists(st.tuples(st.integers(0, 99), st.sampled_from(Urgency), st.booleans()), min_size=60, max_size=300))
def test_all_channels_together_never_make_more_than_forty_requests_in_a_second(
    wishes: list[tuple[int, Urgency, bool]],
) -> None:
    rate_limiter, now, times = RateLimiter(), 0.0, list[float]()
    for channel, urgency, is_post in wishes:
        bucket = bucket_for_posts(f"channel:{channel}") if is_post else f"channel:{channel}"
        while (wait := rate_limiter.seconds_to_wait(bucket, urgency, now)) > 0:
            now += wait
        rate_limiter.count_request(bucket, now)
        times.append(now)
    assert all(later - earlier >= 0.999 for earlier, later in zip(times, times[40:], strict=False))


def test_forty_channels_do_not_wait_for_one_another_and_the_next_waits_its_second() -> None:
    rate_limiter = RateLimiter()
    for n in range(40):
        assert rate_limiter.seconds_to_wait(f"channel:{n}", Urgency.TEXT, n / 100) == 0
        rate_limiter.count_request(f"channel:{n}", n / 100)
    assert rate_limiter.seconds_to_wait("channel:new", Urgency.FINAL, 0.4) == pytest.approx(0.6)
    assert rate_limiter.seconds_to_wait(bucket_for_posts("channel:new"), Urgency.FIRST_WORDS, 0.4) == pytest.approx(0.6)
    assert rate_limiter.seconds_to_wait("channel:new", Urgency.FINAL, 1.0) == 0


def test_requests_without_a_bucket_count_globally_but_do_not_delay_interactions() -> None:
    rate_limiter = RateLimiter()
    for n in range(40):
        rate_limiter.count_unbucketed_request(n / 100)
    assert rate_limiter.seconds_to_wait("channel:1", Urgency.FINAL, 0.4) == pytest.approx(0.6)
    assert rate_limiter.seconds_to_wait("interaction:1", Urgency.FINAL, 0.4) == 0


def test_an_interactions_requests_neither_wait_for_the_channels_nor_hold_them_up() -> None:
    rate_limiter = RateLimiter()
    for n in range(100):
        assert rate_limiter.seconds_to_wait(f"interaction:{n}", Urgency.TEXT, 0.0) == 0
        rate_limiter.count_request(f"interaction:{n}", 0.0)
    for n in range(40):
        assert rate_limiter.seconds_to_wait(f"channel:{n}", Urgency.TEXT, 0.0) == 0
        rate_limiter.count_request(f"channel:{n}", 0.0)
    assert rate_limiter.seconds_to_wait("interaction:new", Urgency.TEXT, 0.0) == 0


def test_rate_limit_delays_even_final_edits() -> None:
    rate_limiter = RateLimiter()
    rate_limiter.record_rate_limit(CHANNEL, 3.0, 1.0)
    assert rate_limiter.seconds_to_wait(CHANNEL, Urgency.FINAL, 1.0) == pytest.approx(3.0)
    assert rate_limiter.seconds_to_wait(CHANNEL, Urgency.FINAL, 4.0) == 0


def test_unexpected_429_widens_the_spacing_and_quiet_windows_narrow_it() -> None:
    rate_limiter = RateLimiter()
    rate_limiter.count_request(CHANNEL, 0.0)
    rate_limiter.record_rate_limit(CHANNEL, 1.0, 0.0)
    times = simulate_edits(rate_limiter, CHANNEL, 120.0)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert max(gaps[:4]) > 1.4
    assert max(gaps[-10:]) < 1.1


def test_invalid_headers_are_ignored() -> None:
    rate_limiter = RateLimiter()
    rate_limiter.update_from_headers(CHANNEL, limit=0, remaining=0, reset_after=5.0, now=0.0)
    rate_limiter.update_from_headers(CHANNEL, limit=5, remaining=4, reset_after=-1.0, now=0.0)
    assert len(rate_limiter) == 0


def test_finals_go_first_then_first_words_then_the_stalest_text_then_status_lines() -> None:
    rate_limiter = RateLimiter()
    rate_limiter.claim(CHANNEL, EditClaim(Urgency.STATUS, 0.0, "status"))
    rate_limiter.claim(CHANNEL, EditClaim(Urgency.TEXT, 5.0, "fresh"))
    rate_limiter.claim(CHANNEL, EditClaim(Urgency.TEXT, 2.0, "stale"))
    rate_limiter.claim(CHANNEL, EditClaim(Urgency.FIRST_WORDS, 6.0, "new"))
    rate_limiter.claim(CHANNEL, EditClaim(Urgency.FINAL, 9.0, "done"))
    order = list[str]()
    while (key := rate_limiter.next_run_id(CHANNEL)) is not None:
        order.append(key)
        rate_limiter.withdraw(CHANNEL, key)
    assert order == ["done", "new", "stale", "fresh", "status"]


def test_edit_claim_can_change_its_urgency() -> None:
    rate_limiter = RateLimiter()
    rate_limiter.claim(CHANNEL, EditClaim(Urgency.TEXT, 1.0, "a"))
    rate_limiter.claim(CHANNEL, EditClaim(Urgency.TEXT, 2.0, "b"))
    rate_limiter.claim(CHANNEL, EditClaim(Urgency.FINAL, 3.0, "b"))
    assert rate_limiter.next_run_id(CHANNEL) == "b"


def make_shared_bucket() -> RateLimiter:
    """A channel whose window was opened at 0.0 s by the first of two answers."""
    rate_limiter = RateLimiter()
    rate_limiter.claim(CHANNEL, EditClaim(Urgency.FIRST_WORDS, 0.0, "a"))
    rate_limiter.count_request(CHANNEL, 0.0)
    rate_limiter.withdraw(CHANNEL, "a")
    rate_limiter.claim(CHANNEL, EditClaim(Urgency.FIRST_WORDS, 0.1, "b"))
    return rate_limiter


def test_answers_sharing_a_bucket_spread_edits_and_leave_room_for_finals() -> None:
    rate_limiter = make_shared_bucket()
    assert rate_limiter.seconds_to_wait(CHANNEL, Urgency.TEXT, 0.1) == pytest.approx(0.9)
    rate_limiter.count_request(CHANNEL, 1.0)
    assert rate_limiter.seconds_to_wait(CHANNEL, Urgency.TEXT, 1.1) == pytest.approx(0.9)
    for _ in range(3):
        assert rate_limiter.seconds_to_wait(CHANNEL, Urgency.FINAL, 1.2) == 0
        rate_limiter.count_request(CHANNEL, 1.2)


def test_first_words_in_a_shared_bucket_go_before_text() -> None:
    assert make_shared_bucket().seconds_to_wait(CHANNEL, Urgency.FIRST_WORDS, 0.1) == pytest.approx(0.65)


def test_answer_that_is_alone_again_has_the_bucket_to_itself() -> None:
    rate_limiter = make_shared_bucket()
    rate_limiter.count_request(CHANNEL, 20.0)
    assert rate_limiter.seconds_to_wait(CHANNEL, Urgency.FIRST_WORDS, 20.1) == 0
    rate_limiter.claim(CHANNEL, EditClaim(Urgency.TEXT, 20.1, "b"))
    assert rate_limiter.seconds_to_wait(CHANNEL, Urgency.TEXT, 20.1) == pytest.approx(0.5)


def test_first_posts_may_use_a_whole_window() -> None:
    rate_limiter, posts = RateLimiter(), bucket_for_posts(CHANNEL)
    for number in range(5):
        rate_limiter.claim(posts, EditClaim(Urgency.FIRST_WORDS, 0.0, str(number)))
        assert rate_limiter.seconds_to_wait(posts, Urgency.FIRST_WORDS, 0.0) == 0
        rate_limiter.count_request(posts, 0.0)
    assert rate_limiter.seconds_to_wait(posts, Urgency.FIRST_WORDS, 0.1) == pytest.approx(4.9)


def test_further_pages_leave_a_post_to_answers_without_a_message() -> None:
    rate_limiter, posts = RateLimiter(), bucket_for_posts(CHANNEL)
    for _ in range(4):
        rate_limiter.count_request(posts, 0.0)
    assert rate_limiter.seconds_to_wait(posts, Urgency.TEXT, 0.1) > 3
    assert rate_limiter.seconds_to_wait(posts, Urgency.FIRST_WORDS, 0.1) == 0


def test_global_rate_limit_delays_every_bucket() -> None:
    rate_limiter = RateLimiter()
    rate_limiter.record_global_rate_limit(3.0, 1.0)
    assert rate_limiter.seconds_to_wait(CHANNEL, Urgency.FINAL, 1.0) == pytest.approx(3.0)
    assert rate_limiter.seconds_to_wait("interaction:new", Urgency.FINAL, 2.0) == pytest.approx(2.0)
    assert rate_limiter.seconds_to_wait(CHANNEL, Urgency.FINAL, 4.0) == 0


def test_idle_buckets_are_pruned() -> None:
    rate_limiter = RateLimiter()
    for number in range(5_000):
        rate_limiter.count_request(f"interaction:{number}", float(number))
    assert len(rate_limiter) <= 512


_EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["spend", "learn", "refused", "refused_everywhere", "wait", "claim", "withdraw"]),
        st.floats(0.0, 10.0),
        st.integers(1, 12),
        st.integers(0, 12),
        st.sampled_from(list(Urgency)),
    ),
    max_size=60,
)


@given(_EVENTS)
def test_wait_is_bounded_and_never_longer_for_higher_urgency(
    events: list[tuple[str, float, int, int, Urgency]],
) -> None:
    rate_limiter, now = RateLimiter(), 0.0
    for what, seconds, limit, remaining, urgency in events:
        now += seconds / 5
        if what == "spend" and rate_limiter.seconds_to_wait(CHANNEL, urgency, now) == 0:
            rate_limiter.count_request(CHANNEL, now)
        elif what == "learn":
            rate_limiter.update_from_headers(CHANNEL, limit=limit, remaining=remaining, reset_after=seconds, now=now)
        elif what == "refused":
            rate_limiter.record_rate_limit(CHANNEL, seconds, now)
        elif what == "refused_everywhere":
            rate_limiter.record_global_rate_limit(seconds, now)
        elif what == "claim":
            rate_limiter.claim(CHANNEL, EditClaim(urgency, now, f"answer {limit}"))
        elif what == "withdraw":
            rate_limiter.withdraw(CHANNEL, f"answer {limit}")
        waits = [rate_limiter.seconds_to_wait(CHANNEL, each, now) for each in Urgency]
        assert waits == sorted(waits)
        assert 0 <= waits[-1] <= 20
