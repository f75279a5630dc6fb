"""Texts go in, and groups of those that mean the same come out: by their vectors, or by the stems they share. Pure."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

NEAR = 0.7
"""Cosine of two vectors from which on two questions are one."""
SHARED_STEMS = 0.5
"""Cosine of two questions' stems, the rare ones weighing more, from which on they are one."""

_WORD = re.compile(r"[^\W_]+")
_SYLLABIC = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f]")
"""Scripts without spaces between words, or with many forms of each: there two signs in a row do for a stem."""
_SHORTEST = 3
"""Letters that remain of a word whose ending is taken off."""
_ENDINGS = (
    "ungen",
    "ments",
    "ment",
    "ings",
    "ing",
    "ung",
    "ies",
    "ers",
    "ed",
    "es",
    "en",
    "er",
    "s",
    "e",
    "n",
    "t",
    "y",
)
_COMMON = frozenset(
    _WORD.findall(
        "a an and any are as at be by can could did do does for from get has have how i if in is it me my of on or "
        "our shall should so that the there this to us was we what when where which who whose why will with would "
        "you your aber als am an auch auf aus bei das dem den der des die ein eine einen einer es fuer für gibt "
        "haben hat ich ihr im in ist kann man mein mit muss oder sich sie sind uns und unser von wann was welche "
        "wer wie wir wo zu zum zur au aux avec ce ces combien comment dans de des du elle en est et il je la le "
        "les mon nos notre nous ou où par pour quand que quel quelle qui sur un une vous al como con cual cuando "
        "cuanto de del donde el en es esta hay la las los me mi para por que quien se si son su tiene un una y"
    )
)
"""Words that questions are made of and that say nothing of what they are about; some in each of four languages."""


def grouped(texts: Sequence[str], vectors: Sequence[Sequence[float]] | None = None) -> list[tuple[int, ...]]:
    """The texts' indexes in groups; without vectors, one for each text, the words decide.

    Each text joins the group whose first text is nearest to it, or founds one; so the first of a group is its earliest.
    """
    if not texts:
        return []
    rows = _unit(np.asarray(vectors, dtype=np.float64) if vectors is not None else _stem_weights(texts))
    near = NEAR if vectors is not None else SHARED_STEMS
    alike = rows @ rows.T
    groups: dict[int, list[int]] = {}
    for index in range(len(texts)):
        founder = max(groups, key=lambda first: float(alike[index, first]), default=index)
        if founder != index and alike[index, founder] >= near:
            groups[founder].append(index)
        else:
            groups[index] = [index]
    return [tuple(group) for group in groups.values()]


def stems(text: str) -> list[str]:
    """What a text is compared by where nothing knows its meaning: its words without their endings."""
    words = _WORD.findall(unicodedata.normalize("NFKC", text).casefold())
    telling = [word for word in words if word not in _COMMON] or words
    found = [stem for word in telling for stem in _stems(word)]
    return found or [text.strip()]


def _stems(word: str) -> list[str]:
    if _SYLLABIC.search(word):
        return [word[start : start + 2] for start in range(max(1, len(word) - 1))]
    bare = "".join(sign for sign in unicodedata.normalize("NFKD", word) if not unicodedata.combining(sign))
    for ending in _ENDINGS:
        if bare.endswith(ending) and len(bare) - len(ending) >= _SHORTEST:
            return [bare.removesuffix(ending)]
    return [bare]


def _stem_weights(texts: Sequence[str]) -> NDArray[np.float64]:
    """A row for each text: its stems, each the heavier the fewer texts have it."""
    sets = [set(stems(text)) for text in texts]
    spread = Counter(stem for found in sets for stem in found)
    column = {stem: number for number, stem in enumerate(spread)}
    rows = np.zeros((len(texts), len(column)))
    for row, found in zip(rows, sets, strict=True):
        for stem in found:
            row[column[stem]] = math.log(1 + len(texts) / spread[stem])
    return rows


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows of length 1; one that says nothing stays as near to nothing as it is."""
    clean = np.nan_to_num(rows, posinf=0.0, neginf=0.0)
    lengths = np.linalg.norm(clean, axis=1, keepdims=True)
    unit: NDArray[np.float64] = np.divide(clean, lengths, out=np.zeros_like(clean), where=lengths > 0)
    return unit
