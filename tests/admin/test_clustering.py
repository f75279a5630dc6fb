"""Texts that mean the same come together: by their vectors, and without any by the words they share."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.admin.clustering import cluster_texts


def test_vectors_that_point_the_same_way_are_one_group_however_long_they_are() -> None:
    vectors = [[1.0, 0.0], [0.0, 2.0], [5.0, 0.5], [0.1, 3.0]]
    assert cluster_texts(["a", "b", "c", "d"], vectors) == [(0, 2), (1, 3)]


def test_a_text_joins_the_nearest_of_two_groups() -> None:
    # 40 degrees from the first founder and 20 from the second, which are 60 apart.
    vectors = [[1.0, 0.0], [0.5, 0.866], [0.766, 0.643]]
    assert cluster_texts(["a", "b", "c"], vectors) == [(0,), (1, 2)]


def test_clustering_by_vectors_ignores_the_wording() -> None:
    assert cluster_texts(["the same", "the same"], [[1.0, 0.0], [0.0, 1.0]]) == [(0,), (1,)]


def test_zero_or_nan_vector_is_similar_to_nothing() -> None:
    assert cluster_texts(["a", "b", "c"], [[0.0, 0.0], [float("nan"), 0.0], [1.0, 0.0]]) == [(0,), (1,), (2,)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("How long do refunds take?", "how long does a refund take"),
        ("How do I get a parking permit?", "Where are parking permits?"),
        ("Is there a gym discount?", "Do we get discounts for gyms?"),
        ("Wie ist die Kündigungsfrist?", "Welche Kündigungsfrist gibt es?"),
        ("退款需要多长时间?", "退款需要多长时间呢"),
        ("???", "???"),
    ],
)
def test_clustering_without_vectors_joins_inflected_forms(one: str, other: str) -> None:
    assert cluster_texts([one, other, "Something else entirely"]) == [(0, 1), (2,)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("How do I get a parking permit?", "How do I get a new laptop?"),
        ("How do I expense a taxi?", "How do I expense a hotel?"),
        ("Where is the office?", "Who is the manager?"),
    ],
)
def test_clustering_without_vectors_separates_questions_alike_only_in_form(one: str, other: str) -> None:
    assert cluster_texts([one, other]) == [(0,), (1,)]


@given(st.lists(st.text(max_size=12), max_size=12))
def test_clustering_puts_each_text_in_one_cluster_and_equal_ones_together(texts: list[str]) -> None:
    groups = cluster_texts(texts)
    assert sorted(index for group in groups for index in group) == list(range(len(texts)))
    assert all(list(group) == sorted(group) for group in groups)
    of = {index: number for number, group in enumerate(groups) for index in group}
    assert all(of[i] == of[j] for i, a in enumerate(texts) for j, b in enumerate(texts) if a == b)
