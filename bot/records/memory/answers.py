"""Answers in memory."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING

from bot.records.memory.state import ANSWERS_LIMIT, State
from bot.records.protocol import AUDIT_RETENTION, BUDGET_WINDOW, USAGE_RETENTION
from bot.records.values import ANONYMOUS, DeletionCount, Statistics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.records.values import AnswerRecord


class MemoryAnswers(State):
    """The part of the records that is ``Answers``."""

    async def save_answer(self, record: AnswerRecord) -> None:
        """As ``Answers.save_answer``; beyond a thousand the oldest is forgotten."""
        self._answers[record.answer_id] = record
        if len(self._answers) > ANSWERS_LIMIT:
            self._delete([next(iter(self._answers))])

    async def load_answer(self, answer_id: str) -> AnswerRecord | None:
        """As ``Answers.load_answer``."""
        return self._answers.get(answer_id)

    async def unfinished_answers(self, since: float, limit: int) -> Sequence[AnswerRecord]:
        """As ``Answers.unfinished_answers``."""
        found = [record for record in self._answers.values() if record.ended_at is None and record.asked_at >= since]
        return sorted(found, key=lambda record: -record.asked_at)[:limit]

    async def load_statistics(self, guild_id: int | None, since: float) -> Statistics:
        """As ``Answers.load_statistics``."""
        meant = [
            record
            for record in self._answers.values()
            if record.asked_at >= since and guild_id in {None, record.guild_id}
        ]
        waits = [record.first_word_at - record.asked_at for record in meant if record.first_word_at is not None]
        thumbs = Counter(vote.is_up for record in meant for vote in self._votes.get(record.answer_id, {}).values())
        return Statistics(
            answers=len(meant),
            by_status=dict(Counter(record.status for record in meant)),
            median_first_word=median(waits) if waits else None,
            tokens=sum(record.usage.total for record in meant),
            ups=thumbs[True],
            downs=thumbs[False],
        )

    async def delete_before(self, time: float) -> int:
        """As ``Answers.delete_before``."""
        now = self._clock()
        old = [key for key, record in self._answers.items() if record.asked_at < time]
        self._delete(old)
        oldest = now - USAGE_RETENTION
        self._usage_records = {name: each for name, each in self._usage_records.items() if each.at >= oldest}
        self._runs = {name: run for name, run in self._runs.items() if run.ended_at is None or run.ended_at >= oldest}
        self._audit_log = deque(
            (act for act in self._audit_log if act.at >= now - AUDIT_RETENTION), self._audit_log.maxlen
        )
        return len(old)

    async def delete_person(
        self, user_id: int, *, guild_id: int | None = None, everywhere: bool = False
    ) -> DeletionCount:
        """As ``Answers.delete_person``."""
        there = [record for record in self._answers.values() if everywhere or record.guild_id == guild_id]
        given = [
            self._votes[record.answer_id].pop(user_id, None) for record in there if record.answer_id in self._votes
        ]
        asked = [record.answer_id for record in there if record.asker_id == user_id]
        self._delete(asked)
        settled = self._clock() - BUDGET_WINDOW
        for name, each in self._usage_records.items():
            if each.user_id == user_id and each.at < settled and (everywhere or each.guild_id == guild_id):
                self._usage_records[name] = replace(each, user_id=ANONYMOUS)
        return DeletionCount(len(asked), len(given) - given.count(None))
