"""Embeds texts, and keeps the vectors of the latest ones in memory."""

from __future__ import annotations

import hashlib
from array import array
from collections import OrderedDict
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_TEXTS = 1_000
"""Texts whose vectors are kept: a few megabytes."""


class Embedder(Protocol):
    """Returns the vectors of texts, or None if there are none."""

    async def __call__(self, texts: Sequence[str], /) -> Sequence[Sequence[float]] | None:
        """Return one vector for each text, in their order."""
        ...


class EmbeddingCache:
    """Keeps the vectors of the latest ``max_texts`` texts, by a hash: the texts themselves are not kept."""

    def __init__(self, embed: Embedder, max_texts: int = MAX_TEXTS) -> None:
        self._embed = embed
        self._max_texts = max_texts
        self._cache: OrderedDict[bytes, array[float]] = OrderedDict()

    async def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]] | None:
        """Return one vector for each text, in their order; None if they cannot be embedded."""
        names = [_hash_text(text) for text in texts]
        missing = {name: text for name, text in zip(names, texts, strict=True) if name not in self._cache}
        found = {name: self._cache[name] for name in names if name in self._cache}
        if missing:
            new = await self._embed(list(missing.values()))
            if new is None:
                return None
            found |= {name: array("f", vector) for name, vector in zip(missing, new, strict=True)}
        self._store(found)
        return [found[name] for name in names]

    def _store(self, found: dict[bytes, array[float]]) -> None:
        for name, vector in found.items():
            self._cache[name] = vector
            self._cache.move_to_end(name)
        while len(self._cache) > self._max_texts:
            self._cache.popitem(last=False)


def _hash_text(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()
