"""Texts go in and their vectors come out; what was embedded before is not embedded again while the process lives."""

from __future__ import annotations

import hashlib
from array import array
from collections import OrderedDict
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST = 1_000
"""Texts whose vectors are kept: a few megabytes."""


class Embedding(Protocol):
    """Gives texts' vectors, or None where none are to be had."""

    async def __call__(self, texts: Sequence[str], /) -> Sequence[Sequence[float]] | None:
        """One vector for each text, in their order."""
        ...


class Vectors:
    """Vectors of the latest texts, ``most`` of them. Of the texts themselves it keeps nothing that could be read."""

    def __init__(self, embedded: Embedding, most: int = MOST) -> None:
        self._embedded = embedded
        self._most = most
        self._known: OrderedDict[bytes, array[float]] = OrderedDict()

    async def of(self, texts: Sequence[str]) -> Sequence[Sequence[float]] | None:
        """One vector for each text, in their order; None where one is not to be had."""
        names = [_name(text) for text in texts]
        missing = {name: text for name, text in zip(names, texts, strict=True) if name not in self._known}
        found = {name: self._known[name] for name in names if name in self._known}
        if missing:
            new = await self._embedded(list(missing.values()))
            if new is None:
                return None
            found |= {name: array("f", vector) for name, vector in zip(missing, new, strict=True)}
        self._keep(found)
        return [found[name] for name in names]

    def _keep(self, found: dict[bytes, array[float]]) -> None:
        for name, vector in found.items():
            self._known[name] = vector
            self._known.move_to_end(name)
        while len(self._known) > self._most:
            self._known.popitem(last=False)


def _name(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()
