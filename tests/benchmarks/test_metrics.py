"""Figures of an answer: delays, freezes and losses as a reader with a stopwatch would have them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.streaming.metrics import (
    Cost,
    Metrics,
    ModelOutput,
    combine_answers,
    combine_costs,
    combine_rounds,
    compute_curve,
    compute_metrics,
)
from benchmarks.streaming.visibility import State

OUTPUT = ModelOutput(tuple((float(second), letter) for second, letter in enumerate("abcdef")))


def test_mean_delay_counts_each_character_when_it_is_first_visible() -> None:
    found = compute_metrics(OUTPUT, [State(1.5, 0, "ab"), State(3.0, 0, "abcd"), State(6.0, 0, "abcdef")])
    assert found.delay == pytest.approx((1.5 + 0.5 + 1.0 + 0.0 + 2.0 + 1.0) / 6)
    assert (found.first, found.worst, found.late) == (1.5, 2.0, 1.0)


def test_freeze_begins_when_there_is_text_to_show() -> None:
    silent = ModelOutput(((0.0, "a"), (10.0, "b"), (13.0, "c")))
    found = compute_metrics(silent, [State(0.1, 0, "a"), State(12.0, 0, "ab"), State(13.1, 0, "abc")])
    assert found.freeze == pytest.approx(2.0)


def test_text_missing_from_the_last_state_counts_as_lost() -> None:
    assert compute_metrics(OUTPUT, [State(1.0, 0, "abcd"), State(2.0, 0, "ab")]).lost == 4
    assert compute_metrics(OUTPUT, []).lost == 6


def test_an_empty_answer_has_no_figures() -> None:
    with pytest.raises(ValueError, match="without a word"):
        compute_metrics(ModelOutput(()), [])


@given(st.lists(st.floats(0.0, 5.0), min_size=6, max_size=6))
def test_constant_delay_per_character_is_the_mean_delay(waits: list[float]) -> None:
    # Whoever reads from the beginning sees no character before those in front of it.
    at, states = 0.0, list[State]()
    for second, wait in enumerate(waits):
        at = max(at, second + wait)
        states.append(State(at, 0, "abcdef"[: second + 1]))
    expected = sum(state.at - second for second, state in enumerate(states)) / 6
    assert compute_metrics(OUTPUT, states).delay == pytest.approx(expected)


def test_figures_take_the_worst_answer_and_the_median_round() -> None:
    one, two, three = (Metrics(*[float(n)] * 7) for n in (1, 2, 6))
    assert combine_answers([one, two, three]) == Metrics(3.0, 6.0, 6.0, 6.0, 6.0, 6.0, 6.0)
    assert combine_rounds([one, three, two]) == two


def test_cancel_figure_ignores_rounds_without_a_cancel() -> None:
    assert combine_costs([Cost(1, 0, 0.1, 0.0, None), Cost(1, 0, 0.1, 0.0, 0.5)]).cancel_seconds == 0.5
    assert combine_costs([Cost(1, 0, 0.1, 0.0, None)]).cancel_seconds is None


def test_curve_ends_at_all_text_produced_and_visible() -> None:
    drawn = compute_curve([(OUTPUT, [State(1.0, 0, "ab"), State(6.0, 0, "abcdef")])] * 2)
    assert drawn.produced[-1] == drawn.visible[-1] == 6
    assert all(visible <= produced for visible, produced in zip(drawn.visible, drawn.produced, strict=True))
    assert (drawn.times[0], drawn.times[-1]) == (0.0, 6.0)
