"""What people wrote and read: on disk, or, where an operator wants none of it there, in memory for a while."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bot.domain import Source
    from bot.records.values import Record, Vote

MEMORY_LIMIT: Final = 1_000
"""So many answers' texts are held for their buttons; then the oldest goes."""


@dataclass(frozen=True, slots=True)
class _Texts:
    question: str
    searched_for: str
    text: str
    sources: tuple[Source, ...]
    attached: tuple[str, ...]


class Texts:
    """Takes the texts out of what is written and puts them back into what is read, unless they may be on disk."""

    def __init__(self, *, are_written: bool) -> None:
        self._are_written = are_written
        self._held: OrderedDict[str, _Texts] = OrderedDict()

    def taken_from(self, record: Record) -> Record:
        """The record as it may be written; what is left out is held."""
        if self._are_written:
            return record
        self._held[record.key] = _Texts(
            record.question, record.searched_for, record.text, record.sources, record.attached
        )
        self._held.move_to_end(record.key)
        if len(self._held) > MEMORY_LIMIT:
            self._held.popitem(last=False)
        bare = tuple(replace(source, passage="") for source in record.sources)
        return replace(record, question="", searched_for="", text="", sources=bare, attached=())

    def wordless(self, vote: Vote) -> Vote:
        """The vote as it may be written. Its words are in no button's need, and are not held."""
        return vote if self._are_written else replace(vote, words=None)

    def put_back(self, record: Record) -> Record:
        """The record as it was remembered, as far as its texts are on disk or still held."""
        if (held := self._held.get(record.key)) is None:
            return record
        return replace(
            record,
            question=held.question,
            searched_for=held.searched_for,
            text=held.text,
            sources=held.sources,
            attached=held.attached,
        )

    def forget(self, keys: Iterable[str]) -> None:
        """Let go of these answers' texts."""
        for key in keys:
            self._held.pop(key, None)
