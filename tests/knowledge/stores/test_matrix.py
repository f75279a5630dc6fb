"""Vectors as one matrix: what follows upon another, and what is nearest."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.knowledge.stores.matrix import Matrix, VectorRow
from bot.knowledge.stores.store import Generation, normalise_vector

vectors = st.lists(st.floats(-1, 1, width=32), min_size=3, max_size=3).filter(lambda v: math.hypot(*v) > 1e-3)


def make_row(number: int, collection: str, vector: list[float]) -> VectorRow:
    return number, collection, normalise_vector(vector).tobytes()


def make_matrix(rows: list[VectorRow]) -> Matrix:
    generation = Generation(1, "model", 3)
    return Matrix.empty(generation).build_next(generation, np.zeros(0, dtype=np.intp), rows, len(rows))


@given(st.lists(st.tuples(st.sampled_from("abc"), vectors), max_size=30), vectors, st.sets(st.sampled_from("abcd")))
def test_top_matches_equal_a_full_sort(
    held: list[tuple[str, list[float]]], wanted: list[float], inside: set[str]
) -> None:
    matrix = make_matrix(
        [make_row(number, collection, vector) for number, (collection, vector) in enumerate(held, start=1)]
    )
    found = matrix.find_nearest(normalise_vector(wanted), inside, 5)
    cosines = sorted(
        (
            float(normalise_vector(vector) @ normalise_vector(wanted))
            for collection, vector in held
            if collection in inside
        ),
        reverse=True,
    )
    assert [score for _, score in found] == pytest.approx(cosines[:5], abs=1e-5)
    assert all(held[number - 1][0] in inside for number, _ in found)


@given(st.lists(vectors, min_size=1, max_size=12), st.data())
def test_updated_matrix_equals_a_freshly_loaded_one(held: list[list[float]], data: st.DataObject) -> None:
    rows = [make_row(number, str(number % 3), vector) for number, vector in enumerate(held, start=1)]
    cut = data.draw(st.integers(0, len(rows)))
    before, later = rows[:cut], rows[cut:]
    kept = sorted(data.draw(st.sets(st.integers(0, max(cut - 1, 0)), max_size=cut))) if cut else []
    follower = make_matrix(before).build_next(
        Generation(2, "model", 3), np.array(kept, dtype=np.intp), later, len(later)
    )
    anew = make_matrix([*(rows[place] for place in kept), *later])
    assert follower.numbers.tolist() == anew.numbers.tolist()
    assert np.array_equal(follower.vectors, anew.vectors)
    names = [follower.collections[code] for code in follower.codes]
    assert names == [anew.collections[code] for code in anew.codes]


def test_equal_vectors_are_found_in_the_order_of_their_numbers() -> None:
    matrix = make_matrix([make_row(number, "a", [1, 0, 0]) for number in (3, 1, 2)])
    assert [number for number, _ in matrix.find_nearest(normalise_vector([1, 0, 0]), {"a"}, 3)] == [1, 2, 3]


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20).filter(lambda v: math.hypot(*v) > 1e-3))
def test_a_normalised_vector_has_length_one(vector: list[float]) -> None:
    assert math.hypot(*(float(x) for x in normalise_vector(vector))) == pytest.approx(1, abs=1e-5)
