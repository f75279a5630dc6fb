"""Groups texts that mean the same, by their vectors or by the stems they share. Pure."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from bot.text.search_terms import extract_stems

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

VECTOR_THRESHOLD = 0.7
"""Cosine of two vectors from which on two questions are one."""
STEM_THRESHOLD = 0.5
"""Cosine of two questions' stems, the rare ones weighing more, from which on they are one."""


def cluster_texts(texts: Sequence[str], vectors: Sequence[Sequence[float]] | None = None) -> list[tuple[int, ...]]:
    """Return the indexes of the texts in groups; without vectors, the words they share decide.

    Each text joins the group whose first text is the most similar, or begins a new one.
    """
    if not texts:
        return []
    rows = _normalize_rows(
        np.asarray(vectors, dtype=np.float64) if vectors is not None else _compute_stem_weights(texts)
    )
    near = VECTOR_THRESHOLD if vectors is not None else STEM_THRESHOLD
    alike = rows @ rows.T
    groups: dict[int, list[int]] = {}
    for index in range(len(texts)):
        nearest = max(groups, key=lambda first: float(alike[index, first]), default=index)
        if nearest != index and alike[index, nearest] >= near:
            groups[nearest].append(index)
        else:
            groups[index] = [index]
    return [tuple(group) for group in groups.values()]


def _compute_stem_weights(texts: Sequence[str]) -> NDArray[np.float64]:
    """Return one row of stem weights for each text; a stem that few texts have weighs more."""
    sets = [set(extract_stems(text)) or {text.strip()} for text in texts]
    spread = Counter(stem for found in sets for stem in found)
    column = {stem: number for number, stem in enumerate(spread)}
    rows = np.zeros((len(texts), len(column)))
    for row, found in zip(rows, sets, strict=True):
        for stem in found:
            row[column[stem]] = math.log(1 + len(texts) / spread[stem])
    return rows


def _normalize_rows(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rows with length 1; rows of zeros stay zero."""
    clean = np.nan_to_num(rows, posinf=0.0, neginf=0.0)
    lengths = np.linalg.norm(clean, axis=1, keepdims=True)
    unit: NDArray[np.float64] = np.divide(clean, lengths, out=np.zeros_like(clean), where=lengths > 0)
    return unit
