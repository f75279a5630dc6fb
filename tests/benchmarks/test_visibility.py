"""What a reader could see is told from the messages' states, however the text was paged, marked and cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.streaming.visibility import (
    State,
    VisibilityChange,
    compute_production_times,
    extract_alphanumerics,
    measure_broken_seconds,
    measure_visibility,
)
from benchmarks.streaming.workloads import generate_text, make_script
from bot.streaming import WRITING_CURSOR
from bot.streaming.paging import Pager, paginate

TEXT = generate_text(0, 3_000, is_fenced=True)
ALPHANUMERICS = extract_alphanumerics(TEXT)


@given(st.integers(0, len(TEXT)), st.integers(40, 2_000))
def test_the_pages_of_a_beginning_show_exactly_that_beginning(end: int, limit: int) -> None:
    pager = Pager(limit)
    pager.feed(TEXT[:end])
    pager.flush()
    states = [State(1.0, number, page.rendered) for number, page in enumerate(pager.pages)]
    advances = measure_visibility(ALPHANUMERICS, states)
    # A word of a code block's first line ("python") may arrive before the line is known to be one.
    assert (advances[-1].visible if advances else 0) == len(
        _common_prefix(ALPHANUMERICS, extract_alphanumerics(TEXT[:end]))
    )


@given(st.lists(st.integers(1, len(TEXT) - 1), unique=True))
def test_text_split_into_pages_anywhere_is_fully_visible(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(TEXT)]
    states = [State(float(n), n, TEXT[a:b]) for n, (a, b) in enumerate(pairwise(places))]
    assert measure_visibility(ALPHANUMERICS, states)[-1].visible == len(ALPHANUMERICS)


@pytest.mark.parametrize(
    "around",
    [
        f"{{}}{WRITING_CURSOR}",
        "{}\n-# still waiting for the model, 10 s",
        "{}\n\n-# **Sources**\n-# [1] Handbook › Refunds",
        "{}\n-# Interrupted. The model's connection broke off.",
    ],
)
def test_progress_mark_and_small_print_do_not_count_as_visible_text(around: str) -> None:
    said = "Bakedi golumo. Tazune"
    assert measure_visibility(extract_alphanumerics(said), [State(0.0, 0, around.format(said))]) == [
        VisibilityChange(0.0, 18)
    ]


def test_status_line_does_not_count_as_visible_text() -> None:
    assert measure_visibility(
        ALPHANUMERICS, [State(0.0, 0, "Searching…"), State(1.0, 0, "Reading Handbook › Refunds …")]
    ) == [
        VisibilityChange(0.0, 0),
        VisibilityChange(1.0, 0),
    ]


def test_text_after_a_gap_does_not_count_as_visible() -> None:
    assert measure_visibility("abcdef", [State(0.0, 0, "abc"), State(1.0, 1, "ef")])[-1].visible == 3


def test_a_page_that_loses_its_text_shows_less() -> None:
    assert [a.visible for a in measure_visibility("abcdef", [State(0.0, 0, "abcdef"), State(1.0, 0, "ab")])] == [6, 2]


@given(st.integers(1, 9), st.sampled_from([50.0, 200.0, float("inf")]))
def test_each_counted_character_is_produced_with_its_delta(size: int, rate: float) -> None:
    script = make_script(TEXT, rate, delta_size=size)
    times = compute_production_times(TEXT, [(delta.at, delta.text) for delta in script.deltas])
    assert len(times) == len(ALPHANUMERICS)
    assert times == sorted(times)
    assert times[-1] <= script.seconds


def test_a_code_block_is_broken_until_it_is_closed_and_two_at_once_count_once() -> None:
    states = [
        State(0.0, 0, "words"),
        State(1.0, 0, "words\n```python\nx = 1"),
        State(2.0, 1, "```\nleft open too"),
        State(4.0, 0, "words\n```python\nx = 1\n```"),
        State(5.0, 1, "closed ``` ```"),
    ]
    assert measure_broken_seconds(states, 9.0) == 4.0
    assert measure_broken_seconds(states[:2], 9.0) == 8.0


@given(st.integers(40, 2_000))
def test_docents_own_pages_are_never_broken(limit: int) -> None:
    states = [State(0.0, number, page) for number, page in enumerate(paginate(TEXT, limit))]
    assert measure_broken_seconds(states, 1.0) == 0.0


def _common_prefix(whole: str, other: str) -> str:
    count = next((n for n, (a, b) in enumerate(zip(whole, other, strict=False)) if a != b), min(len(whole), len(other)))
    return whole[:count]
