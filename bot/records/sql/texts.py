"""What people wrote and read: on disk, or, where an operator wants none of it there, in memory for a while."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bot.domain import Source
    from bot.records.values import AnswerRecord, Vote

MEMORY_LIMIT: Final = 1_000
"""So many answers' texts are held for their buttons; then the oldest goes."""


@dataclass(frozen=True, slots=True)
class _AnswerTexts:
    question: str
    searched_for: str
    text: str
    sources: tuple[Source, ...]
    attached: tuple[str, ...]


class TextRedactor:
    """Takes the texts out of what is written and puts them back into what is read, unless they may be on disk."""

    def __init__(self, *, keeps_texts: bool) -> None:
        self._keeps_texts = keeps_texts
        self._texts_in_memory: OrderedDict[str, _AnswerTexts] = OrderedDict()

    def redact_record(self, record: AnswerRecord) -> AnswerRecord:
        """The record as it may be written; what is left out is held."""
        if self._keeps_texts:
            return record
        self._texts_in_memory[record.answer_id] = _AnswerTexts(
            record.question, record.searched_for, record.text, record.sources, record.attached
        )
        self._texts_in_memory.move_to_end(record.answer_id)
        if len(self._texts_in_memory) > MEMORY_LIMIT:
            self._texts_in_memory.popitem(last=False)
        bare = tuple(replace(source, passage="") for source in record.sources)
        return replace(record, question="", searched_for="", text="", sources=bare, attached=())

    def redact_vote(self, vote: Vote) -> Vote:
        """The vote as it may be written. Its words are in no button's need, and are not held."""
        return vote if self._keeps_texts else replace(vote, comment=None)

    def restore_record(self, record: AnswerRecord) -> AnswerRecord:
        """The record as it was remembered, as far as its texts are on disk or still held."""
        if (held := self._texts_in_memory.get(record.answer_id)) is None:
            return record
        return replace(
            record,
            question=held.question,
            searched_for=held.searched_for,
            text=held.text,
            sources=held.sources,
            attached=held.attached,
        )

    def delete(self, answer_ids: Iterable[str]) -> None:
        """Let go of these answers' texts."""
        for key in answer_ids:
            self._texts_in_memory.pop(key, None)
