"""What the model says in the benchmark: as long as asked, in words that no other answer has."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.streaming.scenarios import LONG, SCENES, STALL, Break, Contender, Scene
from benchmarks.streaming.workloads import spoken, stalled, words, written


def test_no_two_answers_share_a_word() -> None:
    vocabularies = [set(islice(words(answer), 2_000)) for answer in range(10)]
    assert len(set.union(*vocabularies)) == 20_000
    assert {len(word) for vocabulary in vocabularies for word in vocabulary} == {6}


@given(st.integers(1, 9_000), st.booleans())
def test_a_text_is_exactly_as_long_as_asked_and_closes_what_it_opens(length: int, is_fenced: bool) -> None:
    text = written(3, length, is_fenced=is_fenced)
    assert len(text) == length
    assert text.count("```") % 2 == 0


def test_a_long_text_with_code_has_several_blocks() -> None:
    assert LONG.script(0).text.count("```python\n") >= 4


@given(st.integers(1, 9), st.floats(10, 1_000))
def test_the_deltas_are_the_text_at_an_even_rate(size: int, rate: float) -> None:
    text = written(0, 500)
    script = spoken(text, rate, size=size)
    assert script.text == text
    assert script.seconds == pytest.approx((len(script.deltas) - 1) * size / rate)


def test_a_burst_comes_all_at_once() -> None:
    assert spoken("some words", float("inf")).seconds == 0.0


def test_a_stall_is_a_silence_of_its_length() -> None:
    script = stalled(spoken("x" * 100, 10.0, size=1), 5.0, 8.0)
    assert [delta.at for delta in script.deltas[48:52]] == pytest.approx([4.8, 4.9, 13.0, 13.1])


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_every_scene_says_what_its_title_promises(scene: Scene) -> None:
    script, is_halved = scene.script(0), scene.breaks is Break.DROP
    assert len(script.text) == scene.length // (2 if is_halved else 1)
    assert script.is_dropped == is_halved
    assert script.seconds <= scene.seconds + (STALL if scene.breaks is Break.STALL else 0.0)


def test_where_threads_are_opened_only_so_many_answers_share_a_lane() -> None:
    threads = next(scene for scene in SCENES if scene.crowd)
    together = replace(threads, crowd=0)
    alone = replace(threads, answers=1)
    assert (threads.sharing, together.sharing, alone.sharing) == (4, 10, 1)
    of_mentions = Contender.DOCENT_CHANNEL
    assert alone.floor(of_mentions) < threads.floor(of_mentions) < together.floor(of_mentions)
