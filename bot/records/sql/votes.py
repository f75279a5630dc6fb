"""What people said of answers, and what the documents lack, in a SQL database."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from bot.domain import AnswerStatus
from bot.records.sql.database import Database
from bot.records.sql.rows import parse_sources, replace_unstorable, scope_from_json, vote_from_row, vote_to_row
from bot.records.sql.schema import answers, match_guild, votes
from bot.records.values import Feedback, Gap, Vote

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


class SqlVotes(Database):
    """The part of the records that is ``Votes``."""

    async def save_vote(self, vote: Vote) -> bool:
        """As ``Votes.save_vote``."""
        known = sa.select(answers.c.key).where(answers.c.key == vote.answer_id).with_for_update()
        mine = (votes.c.key == vote.answer_id) & (votes.c.user_id == vote.user_id)
        async with self._write_transaction() as connection:
            # The answer is locked, so that a person's thumb and words, sent together, do not overlook each other.
            if (await connection.execute(known)).first() is None:
                return False
            row = (await connection.execute(sa.select(votes).where(mine))).one_or_none()
            merged = vote.merge(None if row is None else vote_from_row(row))
            await connection.execute(self._upsert(votes, vote_to_row(self._prepare_vote(merged))))
        return True

    async def load_votes(self, answer_id: str) -> Sequence[Vote]:
        """As ``Votes.load_votes``."""
        async with self._read_transaction() as connection:
            found = await connection.execute(sa.select(votes).where(votes.c.key == answer_id).order_by(votes.c.at))
            return [vote_from_row(row) for row in found]

    async def load_feedback(self, guild_id: int | None, since: float) -> Sequence[Feedback]:
        """As ``Votes.load_feedback``."""
        wanted = (
            sa.select(votes, answers.c.question, answers.c.fate, answers.c.sources, answers.c.collections)
            .join(answers)
            .where(match_guild(answers.c.guild_id, guild_id), votes.c.at >= since)
            .order_by(votes.c.at)
        )
        async with self._read_transaction() as connection:
            return [_build_feedback(row._asdict()) for row in await connection.execute(wanted)]

    async def load_gaps(self, guild_id: int | None, since: float, limit: int) -> Sequence[Gap]:
        """As ``Votes.load_gaps``."""
        wanted = (
            sa.select(answers)
            .where(_is_gap(guild_id), answers.c.asked_at >= since, answers.c.question != "")
            .order_by(answers.c.asked_at.desc(), answers.c.key)
            .limit(limit)
        )
        async with self._read_transaction() as connection:
            rows = (await connection.execute(wanted)).all()
            keys = [row.key for row in rows]
            said = await connection.execute(sa.select(votes).where(votes.c.key.in_(keys)).order_by(votes.c.at))
            thumbs = defaultdict[str, list[Vote]](list)
            for row in said:
                thumbs[row.key].append(vote_from_row(row))
        return [_build_gap(row._asdict(), thumbs[row.key]) for row in rows]

    async def close_gaps(self, guild_id: int | None, answer_ids: Collection[str], by: int, at: float) -> int:
        """As ``Votes.close_gaps``."""
        meant = _is_gap(guild_id) & answers.c.key.in_(list(answer_ids))
        async with self._write_transaction() as connection:
            closed = await connection.execute(sa.update(answers).where(meant).values(done_at=at, done_by=by))
        return closed.rowcount

    def _prepare_vote(self, vote: Vote) -> Vote:
        bare = self._text_redactor.redact_vote(vote)
        return bare if bare.comment is None else replace(bare, comment=replace_unstorable(bare.comment))


def _is_gap(guild_id: int | None) -> sa.ColumnElement[bool]:
    voted_down = sa.exists().where(votes.c.key == answers.c.key, votes.c.is_up.is_(False))
    is_wanting = (answers.c.fate == AnswerStatus.NOT_FOUND.value) | voted_down
    return match_guild(answers.c.guild_id, guild_id) & answers.c.done_at.is_(None) & is_wanting


def _build_gap(row: dict[str, Any], answer_votes: Sequence[Vote]) -> Gap:
    downs = [vote for vote in answer_votes if not vote.is_up]
    return Gap(
        row["key"],
        row["searched_for"] or row["question"],
        row["asked_at"],
        row["asker_id"],
        scope_from_json(row["collections"]),
        AnswerStatus(row["fate"]),
        downs=len(downs),
        ups=len(answer_votes) - len(downs),
        comment=tuple(vote.comment for vote in downs if vote.comment),
    )


def _build_feedback(row: dict[str, Any]) -> Feedback:
    return Feedback(
        row["key"],
        row["question"],
        AnswerStatus(row["fate"]),
        row["is_up"],
        row["words"] or "",
        row["at"],
        row["user_id"],
        tuple(dict.fromkeys(source.document for source in parse_sources(row["sources"]))),
        scope_from_json(row["collections"]),
    )
