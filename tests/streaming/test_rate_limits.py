"""Who may edit next: budgets learned from headers, and an order that is fair."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.streaming import Claim, Lanes, Urgency, posting

CHANNEL = "channel:17"


def at_even_pace(lanes: Lanes, lane: str, seconds: float, urgency: Urgency = Urgency.TEXT) -> list[float]:
    """The times at which edits go that are always due."""
    now, times = 0.0, list[float]()
    while now < seconds:
        wait = lanes.wait(lane, urgency, now)
        if wait > 0:
            now += wait
            continue
        lanes.spend(lane, now)
        times.append(round(now, 3))
        now += 0.001
    return times


@pytest.mark.parametrize(("lane", "per_second"), [(CHANNEL, 1.0), ("interaction:a1", 2.5), ("elsewhere:1", 1.0)])
def test_the_customary_budget_is_assumed_until_headers_are_seen(lane: str, per_second: float) -> None:
    times = at_even_pace(Lanes(), lane, 100.0)
    assert len(times) == pytest.approx(100 * per_second, rel=0.05)


def test_no_window_sees_more_than_its_limit() -> None:
    times = at_even_pace(Lanes(), CHANNEL, 100.0)
    assert all(later - earlier >= 4.99 for earlier, later in zip(times, times[5:], strict=False))


def test_text_flows_evenly_without_a_freeze() -> None:
    times = at_even_pace(Lanes(), CHANNEL, 60.0)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert max(gaps) <= 1.5
    assert max(gaps[6:]) <= 1.1


def test_an_idle_lane_starts_with_closer_edits() -> None:
    times = at_even_pace(Lanes(), CHANNEL, 6.0)
    assert times[1] - times[0] == pytest.approx(0.6)
    assert times[2] - times[0] < 1.5


def test_the_last_token_is_kept_for_a_final() -> None:
    lanes = Lanes()
    for _ in range(4):
        lanes.spend(CHANNEL, 0.0)
    assert lanes.wait(CHANNEL, Urgency.FINAL, 0.1) == 0
    assert lanes.wait(CHANNEL, Urgency.FIRST_WORDS, 0.1) > 3
    assert lanes.wait(CHANNEL, Urgency.TEXT, 0.1) > 3
    lanes.spend(CHANNEL, 0.1)
    assert lanes.wait(CHANNEL, Urgency.FINAL, 0.1) == pytest.approx(4.9)


def test_first_words_do_not_wait_for_the_even_spacing() -> None:
    lanes = Lanes()
    lanes.spend(CHANNEL, 0.0)
    assert lanes.wait(CHANNEL, Urgency.TEXT, 0.1) > 0.4
    assert lanes.wait(CHANNEL, Urgency.FIRST_WORDS, 0.1) == 0


def test_a_status_line_leaves_more_than_half_of_the_budget_to_the_text() -> None:
    lanes = Lanes()
    for second in (0.0, 1.0, 2.0):
        lanes.spend(CHANNEL, second)
    assert lanes.wait(CHANNEL, Urgency.TEXT, 3.0) < 0.5
    assert lanes.wait(CHANNEL, Urgency.STATUS, 3.0) == pytest.approx(2.0)


@pytest.mark.parametrize(("limit", "period"), [(2, 5.0), (10, 5.0), (5, 10.0), (1, 1.0), (30, 1.0)])
def test_the_limit_is_learned_from_one_response(limit: int, period: float) -> None:
    lanes = Lanes()
    lanes.spend(CHANNEL, 0.0)
    lanes.learn(CHANNEL, limit=limit, remaining=limit - 1, reset_after=period, now=0.0)
    assert lanes.interval(CHANNEL) == pytest.approx(period / limit)
    assert lanes.interval(CHANNEL, share=10) == pytest.approx(10 * period / limit)
    assert len(at_even_pace(lanes, CHANNEL, 60.0)) == pytest.approx(60 * limit / period, rel=0.12, abs=1)


def test_a_new_lane_starts_with_what_its_kind_was_found_to_allow() -> None:
    lanes = Lanes()
    lanes.learn("interaction:a", limit=3, remaining=2, reset_after=6.0, now=0.0)
    assert lanes.interval("interaction:b") == pytest.approx(2.0)
    assert lanes.interval(CHANNEL) == pytest.approx(1.0)


def test_what_others_spend_from_the_same_budget_is_seen_in_the_headers() -> None:
    lanes = Lanes()
    lanes.spend(CHANNEL, 0.0)
    lanes.learn(CHANNEL, limit=5, remaining=0, reset_after=4.0, now=0.1)
    assert lanes.wait(CHANNEL, Urgency.FINAL, 0.1) == pytest.approx(4.0)


def test_of_two_reports_on_one_window_the_stricter_counts() -> None:
    lanes = Lanes()
    for _ in range(3):
        lanes.spend(CHANNEL, 0.0)
    lanes.learn(CHANNEL, limit=5, remaining=2, reset_after=4.9, now=0.1)
    lanes.learn(CHANNEL, limit=5, remaining=4, reset_after=4.9, now=0.1)
    lanes.spend(CHANNEL, 0.2)
    lanes.spend(CHANNEL, 0.2)
    assert lanes.wait(CHANNEL, Urgency.FINAL, 0.2) == pytest.approx(4.8)


def test_a_report_at_a_windows_very_end_says_nothing_of_how_long_windows_are() -> None:
    lanes = Lanes()
    lanes.spend(CHANNEL, 0.0)
    lanes.learn(CHANNEL, limit=5, remaining=4, reset_after=0.0, now=0.1)
    assert lanes.interval(CHANNEL) == lanes.interval("channel:18") == pytest.approx(1.0)


def test_a_late_report_of_the_window_before_takes_nothing_from_the_one_that_is_open() -> None:
    lanes = Lanes()
    for second in range(5):
        lanes.spend(CHANNEL, second)
        lanes.learn(CHANNEL, limit=5, remaining=4 - second, reset_after=5.0 - second, now=second)
    lanes.spend(CHANNEL, 5.2)
    before = lanes.wait(CHANNEL, Urgency.TEXT, 5.3)
    lanes.learn(CHANNEL, limit=5, remaining=0, reset_after=0.0, now=5.3)
    assert lanes.wait(CHANNEL, Urgency.FINAL, 5.3) == 0.0
    assert lanes.wait(CHANNEL, Urgency.TEXT, 5.3) == pytest.approx(before)
    for _ in range(4):
        lanes.spend(CHANNEL, 5.3)
    assert lanes.wait(CHANNEL, Urgency.FINAL, 5.4) == pytest.approx(4.8)


def test_posts_are_counted_apart_from_edits() -> None:
    lanes = Lanes()
    for _ in range(5):
        lanes.spend(posting(CHANNEL), 0.0)
    assert lanes.wait(posting(CHANNEL), Urgency.FINAL, 0.0) == pytest.approx(5.0)
    assert lanes.wait(CHANNEL, Urgency.TEXT, 0.0) == 0


def test_text_in_a_lane_that_only_others_have_used_waits_no_less_than_first_words() -> None:
    lanes = Lanes()
    lanes.refused(CHANNEL, 1.0, 0.0)
    lanes.learn(CHANNEL, limit=6, remaining=0, reset_after=3.0, now=0.6)
    lanes.learn(CHANNEL, limit=7, remaining=1, reset_after=0.0, now=0.6)
    assert lanes.wait(CHANNEL, Urgency.TEXT, 0.6) >= lanes.wait(CHANNEL, Urgency.FIRST_WORDS, 0.6) > 1.0


@given(st.lists(st.tuples(st.integers(0, 99), st.sampled_from(Urgency), st.booleans()), min_size=60, max_size=300))
def test_all_channels_together_never_make_more_than_forty_requests_in_a_second(
    wishes: list[tuple[int, Urgency, bool]],
) -> None:
    lanes, now, times = Lanes(), 0.0, list[float]()
    for channel, urgency, is_post in wishes:
        lane = posting(f"channel:{channel}") if is_post else f"channel:{channel}"
        while (wait := lanes.wait(lane, urgency, now)) > 0:
            now += wait
        lanes.spend(lane, now)
        times.append(now)
    assert all(later - earlier >= 0.999 for earlier, later in zip(times, times[40:], strict=False))


def test_forty_channels_do_not_wait_for_one_another_and_the_next_waits_its_second() -> None:
    lanes = Lanes()
    for n in range(40):
        assert lanes.wait(f"channel:{n}", Urgency.TEXT, n / 100) == 0
        lanes.spend(f"channel:{n}", n / 100)
    assert lanes.wait("channel:new", Urgency.FINAL, 0.4) == pytest.approx(0.6)
    assert lanes.wait(posting("channel:new"), Urgency.FIRST_WORDS, 0.4) == pytest.approx(0.6)
    assert lanes.wait("channel:new", Urgency.FINAL, 1.0) == 0


def test_requests_of_no_lane_count_with_those_of_channels_but_do_not_hold_up_interactions() -> None:
    lanes = Lanes()
    for n in range(40):
        lanes.passed_by(n / 100)
    assert lanes.wait("channel:1", Urgency.FINAL, 0.4) == pytest.approx(0.6)
    assert lanes.wait("interaction:1", Urgency.FINAL, 0.4) == 0


def test_an_interactions_requests_neither_wait_for_the_channels_nor_hold_them_up() -> None:
    lanes = Lanes()
    for n in range(100):
        assert lanes.wait(f"interaction:{n}", Urgency.TEXT, 0.0) == 0
        lanes.spend(f"interaction:{n}", 0.0)
    for n in range(40):
        assert lanes.wait(f"channel:{n}", Urgency.TEXT, 0.0) == 0
        lanes.spend(f"channel:{n}", 0.0)
    assert lanes.wait("interaction:new", Urgency.TEXT, 0.0) == 0


def test_a_refusal_holds_back_even_finals() -> None:
    lanes = Lanes()
    lanes.refused(CHANNEL, 3.0, 1.0)
    assert lanes.wait(CHANNEL, Urgency.FINAL, 1.0) == pytest.approx(3.0)
    assert lanes.wait(CHANNEL, Urgency.FINAL, 4.0) == 0


def test_an_unexpected_refusal_widens_the_spacing_and_quiet_windows_narrow_it_again() -> None:
    lanes = Lanes()
    lanes.spend(CHANNEL, 0.0)
    lanes.refused(CHANNEL, 1.0, 0.0)
    times = at_even_pace(lanes, CHANNEL, 120.0)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert max(gaps[:4]) > 1.4
    assert max(gaps[-10:]) < 1.1


def test_headers_that_make_no_sense_teach_nothing() -> None:
    lanes = Lanes()
    lanes.learn(CHANNEL, limit=0, remaining=0, reset_after=5.0, now=0.0)
    lanes.learn(CHANNEL, limit=5, remaining=4, reset_after=-1.0, now=0.0)
    assert len(lanes) == 0


def test_finals_go_first_then_first_words_then_the_stalest_text_then_status_lines() -> None:
    lanes = Lanes()
    lanes.claim(CHANNEL, Claim(Urgency.STATUS, 0.0, "status"))
    lanes.claim(CHANNEL, Claim(Urgency.TEXT, 5.0, "fresh"))
    lanes.claim(CHANNEL, Claim(Urgency.TEXT, 2.0, "stale"))
    lanes.claim(CHANNEL, Claim(Urgency.FIRST_WORDS, 6.0, "new"))
    lanes.claim(CHANNEL, Claim(Urgency.FINAL, 9.0, "done"))
    order = list[str]()
    while (key := lanes.first(CHANNEL)) is not None:
        order.append(key)
        lanes.withdraw(CHANNEL, key)
    assert order == ["done", "new", "stale", "fresh", "status"]


def test_a_claim_can_change_its_place() -> None:
    lanes = Lanes()
    lanes.claim(CHANNEL, Claim(Urgency.TEXT, 1.0, "a"))
    lanes.claim(CHANNEL, Claim(Urgency.TEXT, 2.0, "b"))
    lanes.claim(CHANNEL, Claim(Urgency.FINAL, 3.0, "b"))
    assert lanes.first(CHANNEL) == "b"


def shared_lane() -> Lanes:
    """A channel whose window was opened at 0.0 s by the first of two answers."""
    lanes = Lanes()
    lanes.claim(CHANNEL, Claim(Urgency.FIRST_WORDS, 0.0, "a"))
    lanes.spend(CHANNEL, 0.0)
    lanes.withdraw(CHANNEL, "a")
    lanes.claim(CHANNEL, Claim(Urgency.FIRST_WORDS, 0.1, "b"))
    return lanes


def test_answers_that_share_a_lane_spread_their_edits_so_that_finals_may_come_together() -> None:
    lanes = shared_lane()
    assert lanes.wait(CHANNEL, Urgency.TEXT, 0.1) == pytest.approx(0.9)
    lanes.spend(CHANNEL, 1.0)
    assert lanes.wait(CHANNEL, Urgency.TEXT, 1.1) == pytest.approx(0.9)
    for _ in range(3):
        assert lanes.wait(CHANNEL, Urgency.FINAL, 1.2) == 0
        lanes.spend(CHANNEL, 1.2)


def test_first_words_in_a_shared_lane_have_a_head_start_on_text() -> None:
    assert shared_lane().wait(CHANNEL, Urgency.FIRST_WORDS, 0.1) == pytest.approx(0.65)


def test_an_answer_that_is_alone_again_has_the_lane_to_itself() -> None:
    lanes = shared_lane()
    lanes.spend(CHANNEL, 20.0)
    assert lanes.wait(CHANNEL, Urgency.FIRST_WORDS, 20.1) == 0
    lanes.claim(CHANNEL, Claim(Urgency.TEXT, 20.1, "b"))
    assert lanes.wait(CHANNEL, Urgency.TEXT, 20.1) == pytest.approx(0.5)


def test_first_messages_may_take_all_of_a_window_because_nobody_can_edit_what_is_not_there() -> None:
    lanes, posts = Lanes(), posting(CHANNEL)
    for number in range(5):
        lanes.claim(posts, Claim(Urgency.FIRST_WORDS, 0.0, str(number)))
        assert lanes.wait(posts, Urgency.FIRST_WORDS, 0.0) == 0
        lanes.spend(posts, 0.0)
    assert lanes.wait(posts, Urgency.FIRST_WORDS, 0.1) == pytest.approx(4.9)


def test_further_pages_leave_a_message_to_those_that_have_none() -> None:
    lanes, posts = Lanes(), posting(CHANNEL)
    for _ in range(4):
        lanes.spend(posts, 0.0)
    assert lanes.wait(posts, Urgency.TEXT, 0.1) > 3
    assert lanes.wait(posts, Urgency.FIRST_WORDS, 0.1) == 0


def test_a_refusal_of_everything_holds_back_every_lane() -> None:
    lanes = Lanes()
    lanes.refused_everywhere(3.0, 1.0)
    assert lanes.wait(CHANNEL, Urgency.FINAL, 1.0) == pytest.approx(3.0)
    assert lanes.wait("interaction:new", Urgency.FINAL, 2.0) == pytest.approx(2.0)
    assert lanes.wait(CHANNEL, Urgency.FINAL, 4.0) == 0


def test_idle_lanes_are_forgotten() -> None:
    lanes = Lanes()
    for number in range(5_000):
        lanes.spend(f"interaction:{number}", float(number))
    assert len(lanes) <= 512


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
def test_a_wait_is_never_for_ever_and_the_more_urgent_never_waits_longer(
    events: list[tuple[str, float, int, int, Urgency]],
) -> None:
    lanes, now = Lanes(), 0.0
    for what, seconds, limit, remaining, urgency in events:
        now += seconds / 5
        if what == "spend" and lanes.wait(CHANNEL, urgency, now) == 0:
            lanes.spend(CHANNEL, now)
        elif what == "learn":
            lanes.learn(CHANNEL, limit=limit, remaining=remaining, reset_after=seconds, now=now)
        elif what == "refused":
            lanes.refused(CHANNEL, seconds, now)
        elif what == "refused_everywhere":
            lanes.refused_everywhere(seconds, now)
        elif what == "claim":
            lanes.claim(CHANNEL, Claim(urgency, now, f"answer {limit}"))
        elif what == "withdraw":
            lanes.withdraw(CHANNEL, f"answer {limit}")
        waits = [lanes.wait(CHANNEL, each, now) for each in Urgency]
        assert waits == sorted(waits)
        assert 0 <= waits[-1] <= 20
