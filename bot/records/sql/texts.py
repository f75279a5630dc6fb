"""Keeps texts in the database, or only in memory when ``REMEMBER_QUESTIONS=false``."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bot.records.values import AnswerRecord, Vote

MEMORY_LIMIT: Final = 1_000
"""Answers whose texts are kept in memory for their buttons; beyond them the oldest are dropped."""


class TextRedactor:
    """Removes texts from what is written and restores them in what is read, unless ``keeps_texts``."""

    def __init__(self, *, keeps_texts: bool) -> None:
        self._keeps_texts = keeps_texts
        self._in_memory: OrderedDict[str, AnswerRecord] = OrderedDict()

    def redact_record(self, record: AnswerRecord) -> AnswerRecord:
        """Return the record as it may be written; its texts stay in memory."""
        if self._keeps_texts:
            return record
        self._in_memory[record.answer_id] = record
        self._in_memory.move_to_end(record.answer_id)
        if len(self._in_memory) > MEMORY_LIMIT:
            self._in_memory.popitem(last=False)
        bare = tuple(replace(source, passage="") for source in record.sources)
        return replace(record, question="", searched_for="", text="", sources=bare, attached=())

    def redact_vote(self, vote: Vote) -> Vote:
        """Return the vote as it may be written. No button needs its comment, so it is not kept in memory."""
        return vote if self._keeps_texts else replace(vote, comment=None)

    def restore_record(self, record: AnswerRecord) -> AnswerRecord:
        """Return the record with the texts that are still in memory."""
        known = self._in_memory.get(record.answer_id)
        if known is None:
            return record
        return replace(
            record,
            question=known.question,
            searched_for=known.searched_for,
            text=known.text,
            sources=known.sources,
            attached=known.attached,
        )

    def delete(self, answer_ids: Iterable[str]) -> None:
        """Drop the texts of these answers."""
        for answer_id in answer_ids:
            self._in_memory.pop(answer_id, None)
