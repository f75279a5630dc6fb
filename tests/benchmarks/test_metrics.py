"""Figures of an answer: delays, freezes and losses as a reader with a stopwatch would have them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.streaming.metrics import Cost, Figures, Said, curve, figures, median_cost, median_of, worst_of
from benchmarks.streaming.visibility import State

SAID = Said(tuple((float(second), letter) for second, letter in enumerate("abcdef")))


def test_delay_is_the_mean_over_characters_and_each_counts_when_it_is_seen_first() -> None:
    found = figures(SAID, [State(1.5, 0, "ab"), State(3.0, 0, "abcd"), State(6.0, 0, "abcdef")])
    assert found.delay == pytest.approx((1.5 + 0.5 + 1.0 + 0.0 + 2.0 + 1.0) / 6)
    assert (found.first, found.worst, found.late) == (1.5, 2.0, 1.0)


def test_a_freeze_begins_when_there_is_something_to_show() -> None:
    silent = Said(((0.0, "a"), (10.0, "b"), (13.0, "c")))
    found = figures(silent, [State(0.1, 0, "a"), State(12.0, 0, "ab"), State(13.1, 0, "abc")])
    assert found.freeze == pytest.approx(2.0)


def test_what_was_said_and_is_not_there_in_the_end_is_lost() -> None:
    assert figures(SAID, [State(1.0, 0, "abcd"), State(2.0, 0, "ab")]).lost == 4
    assert figures(SAID, []).lost == 6


def test_an_answer_without_a_word_has_no_figures() -> None:
    with pytest.raises(ValueError, match="without a word"):
        figures(Said(()), [])


@given(st.lists(st.floats(0.0, 5.0), min_size=6, max_size=6))
def test_a_reader_who_sees_each_character_after_so_long_has_that_mean_delay(waits: list[float]) -> None:
    # Whoever reads from the beginning sees no character before those in front of it.
    at, states = 0.0, list[State]()
    for second, wait in enumerate(waits):
        at = max(at, second + wait)
        states.append(State(at, 0, "abcdef"[: second + 1]))
    expected = sum(state.at - second for second, state in enumerate(states)) / 6
    assert figures(SAID, states).delay == pytest.approx(expected)


def test_of_several_answers_the_worst_counts_and_of_several_rounds_the_median() -> None:
    one, two, three = (Figures(*[float(n)] * 7) for n in (1, 2, 6))
    assert worst_of([one, two, three]) == Figures(3.0, 6.0, 6.0, 6.0, 6.0, 6.0, 6.0)
    assert median_of([one, three, two]) == two


def test_a_round_in_which_nobody_cancelled_does_not_count_for_the_cancelling() -> None:
    assert median_cost([Cost(1, 0, 0.1, 0.0, None), Cost(1, 0, 0.1, 0.0, 0.5)]).cancel == 0.5
    assert median_cost([Cost(1, 0, 0.1, 0.0, None)]).cancel is None


def test_a_curve_rises_to_everything_that_was_said_and_seen() -> None:
    drawn = curve([(SAID, [State(1.0, 0, "ab"), State(6.0, 0, "abcdef")])] * 2)
    assert drawn.produced[-1] == drawn.visible[-1] == 6
    assert all(visible <= produced for visible, produced in zip(drawn.visible, drawn.produced, strict=True))
    assert (drawn.times[0], drawn.times[-1]) == (0.0, 6.0)
