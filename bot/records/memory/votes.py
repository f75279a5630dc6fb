"""What people said of answers, and what the documents lack, in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.domain import AnswerStatus
from bot.records.memory.state import State
from bot.records.values import Feedback, Gap

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from bot.records.values import AnswerRecord, Vote


class MemoryVotes(State):
    """The part of the records that is ``Votes``."""

    async def save_vote(self, vote: Vote) -> bool:
        """As ``Votes.save_vote``."""
        if vote.answer_id not in self._answers:
            return False
        votes = self._votes.setdefault(vote.answer_id, {})
        votes[vote.user_id] = vote.merge(votes.get(vote.user_id))
        return True

    async def load_votes(self, answer_id: str) -> Sequence[Vote]:
        """As ``Votes.load_votes``."""
        return self._sorted_votes(answer_id)

    async def load_feedback(self, guild_id: int | None, since: float) -> Sequence[Feedback]:
        """As ``Votes.load_feedback``."""
        meant = [
            (record, vote)
            for record in self._answers.values()
            for vote in self._sorted_votes(record.answer_id)
            if record.guild_id == guild_id and vote.at >= since
        ]
        return [_build_feedback(record, vote) for record, vote in sorted(meant, key=lambda pair: pair[1].at)]

    async def load_gaps(self, guild_id: int | None, since: float, limit: int) -> Sequence[Gap]:
        """As ``Votes.load_gaps``."""
        meant = [record for record in self._answers.values() if self._is_gap(record, guild_id)]
        listed = [record for record in meant if record.asked_at >= since and record.question]
        listed.sort(key=lambda record: (-record.asked_at, record.answer_id))
        return [_build_gap(record, self._sorted_votes(record.answer_id)) for record in listed[:limit]]

    async def close_gaps(self, guild_id: int | None, answer_ids: Collection[str], by: int, at: float) -> int:  # noqa: ARG002 - who and when is written down where it lasts
        """As ``Votes.close_gaps``."""
        meant = [
            record for key, record in self._answers.items() if key in answer_ids and self._is_gap(record, guild_id)
        ]
        self._closed_gaps.update(record.answer_id for record in meant)
        return len(meant)

    def _sorted_votes(self, answer_id: str) -> list[Vote]:
        return sorted(self._votes.get(answer_id, {}).values(), key=lambda vote: vote.at)

    def _is_gap(self, record: AnswerRecord, guild_id: int | None) -> bool:
        voted_down = any(not vote.is_up for vote in self._sorted_votes(record.answer_id))
        is_wanting = record.status is AnswerStatus.NOT_FOUND or voted_down
        return record.guild_id == guild_id and record.answer_id not in self._closed_gaps and is_wanting


def _build_gap(record: AnswerRecord, votes: Sequence[Vote]) -> Gap:
    downs = [vote for vote in votes if not vote.is_up]
    return Gap(
        record.answer_id,
        record.searched_for or record.question,
        record.asked_at,
        record.asker_id,
        record.scope,
        record.status,
        downs=len(downs),
        ups=len(votes) - len(downs),
        comment=tuple(vote.comment for vote in downs if vote.comment),
    )


def _build_feedback(record: AnswerRecord, vote: Vote) -> Feedback:
    return Feedback(
        record.answer_id,
        record.question,
        record.status,
        vote.is_up,
        vote.comment or "",
        vote.at,
        vote.user_id,
        tuple(dict.fromkeys(source.document for source in record.sources)),
        record.scope,
    )
