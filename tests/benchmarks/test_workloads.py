"""What the model says in the benchmark: as long as asked, in words that no other answer has."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.streaming.scenarios import LONG, SCENARIOS, STALL_SECONDS, Contender, Interruption, Scenario
from benchmarks.streaming.workloads import add_stall, generate_text, generate_words, make_script


def test_generated_answers_share_no_word() -> None:
    vocabularies = [set(islice(generate_words(answer), 2_000)) for answer in range(10)]
    assert len(set.union(*vocabularies)) == 20_000
    assert {len(word) for vocabulary in vocabularies for word in vocabulary} == {6}


@given(st.integers(1, 9_000), st.booleans())
def test_generated_text_has_the_exact_length_and_closes_its_fences(length: int, is_fenced: bool) -> None:
    text = generate_text(3, length, is_fenced=is_fenced)
    assert len(text) == length
    assert text.count("```") % 2 == 0


def test_a_long_text_with_code_has_several_blocks() -> None:
    assert LONG.build_script(0).text.count("```python\n") >= 4


@given(st.integers(1, 9), st.floats(10, 1_000))
def test_the_deltas_are_the_text_at_an_even_rate(size: int, rate: float) -> None:
    text = generate_text(0, 500)
    script = make_script(text, rate, delta_size=size)
    assert script.text == text
    assert script.seconds == pytest.approx((len(script.deltas) - 1) * size / rate)


def test_a_burst_comes_all_at_once() -> None:
    assert make_script("some words", float("inf")).seconds == 0.0


def test_a_stall_lasts_as_long_as_configured() -> None:
    script = add_stall(make_script("x" * 100, 10.0, delta_size=1), 5.0, 8.0)
    assert [delta.at for delta in script.deltas[48:52]] == pytest.approx([4.8, 4.9, 13.0, 13.1])


@pytest.mark.parametrize("scene", SCENARIOS, ids=lambda scene: scene.name)
def test_every_scenario_produces_what_its_title_says(scene: Scenario) -> None:
    script, is_halved = scene.build_script(0), scene.interruption is Interruption.DROP
    assert len(script.text) == scene.length // (2 if is_halved else 1)
    assert script.is_dropped == is_halved
    assert script.seconds <= scene.seconds + (STALL_SECONDS if scene.interruption is Interruption.STALL else 0.0)


def test_threads_limit_how_many_answers_share_a_bucket() -> None:
    threads = next(scene for scene in SCENARIOS if scene.crowd)
    together = replace(threads, crowd=0)
    alone = replace(threads, answers=1)
    assert (threads.answers_per_bucket, together.answers_per_bucket, alone.answers_per_bucket) == (4, 10, 1)
    of_mentions = Contender.DOCENT_CHANNEL
    assert alone.lower_bound(of_mentions) < threads.lower_bound(of_mentions) < together.lower_bound(of_mentions)
