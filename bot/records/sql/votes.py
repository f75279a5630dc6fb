"""What people said of answers, and what the documents lack, in a SQL database."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from bot.records.sql.database import Database
from bot.records.sql.rows import scope_of, sources_of, storable
from bot.records.sql.schema import answers, of_guild, votes
from bot.records.values import Fate, Feedback, Gap, Vote

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


class SqlVotes(Database):
    """The part of the records that is ``Votes``."""

    async def vote(self, vote: Vote) -> bool:
        """As ``Votes.vote``."""
        known = sa.select(answers.c.key).where(answers.c.key == vote.key).with_for_update()
        mine = (votes.c.key == vote.key) & (votes.c.user_id == vote.user_id)
        async with self._writing() as connection:
            # The answer is locked, so that a person's thumb and words, sent together, do not overlook each other.
            if (await connection.execute(known)).first() is None:
                return False
            row = (await connection.execute(sa.select(votes).where(mine))).one_or_none()
            merged = vote.after(None if row is None else Vote(**row._asdict()))
            await connection.execute(self._upsert(votes, asdict(self._storable(merged))))
        return True

    async def votes(self, key: str) -> Sequence[Vote]:
        """As ``Votes.votes``."""
        async with self._reading() as connection:
            found = await connection.execute(sa.select(votes).where(votes.c.key == key).order_by(votes.c.at))
            return [Vote(**row._asdict()) for row in found]

    async def feedback(self, guild_id: int | None, since: float) -> Sequence[Feedback]:
        """As ``Votes.feedback``."""
        wanted = (
            sa.select(votes, answers.c.question, answers.c.fate, answers.c.sources, answers.c.collections)
            .join(answers)
            .where(of_guild(answers.c.guild_id, guild_id), votes.c.at >= since)
            .order_by(votes.c.at)
        )
        async with self._reading() as connection:
            return [_feedback(row._asdict()) for row in await connection.execute(wanted)]

    async def gaps(self, guild_id: int | None, since: float, limit: int) -> Sequence[Gap]:
        """As ``Votes.gaps``."""
        wanted = (
            sa.select(answers)
            .where(_is_gap(guild_id), answers.c.asked_at >= since, answers.c.question != "")
            .order_by(answers.c.asked_at.desc(), answers.c.key)
            .limit(limit)
        )
        async with self._reading() as connection:
            rows = (await connection.execute(wanted)).all()
            keys = [row.key for row in rows]
            said = await connection.execute(sa.select(votes).where(votes.c.key.in_(keys)).order_by(votes.c.at))
            thumbs = defaultdict[str, list[Vote]](list)
            for row in said:
                thumbs[row.key].append(Vote(**row._asdict()))
        return [_gap(row._asdict(), thumbs[row.key]) for row in rows]

    async def close_gaps(self, guild_id: int | None, keys: Collection[str], by: int, at: float) -> int:
        """As ``Votes.close_gaps``."""
        meant = _is_gap(guild_id) & answers.c.key.in_(list(keys))
        async with self._writing() as connection:
            closed = await connection.execute(sa.update(answers).where(meant).values(done_at=at, done_by=by))
        return closed.rowcount

    def _storable(self, vote: Vote) -> Vote:
        bare = self._texts.wordless(vote)
        return bare if bare.words is None else replace(bare, words=storable(bare.words))


def _is_gap(guild_id: int | None) -> sa.ColumnElement[bool]:
    voted_down = sa.exists().where(votes.c.key == answers.c.key, votes.c.is_up.is_(False))
    is_wanting = (answers.c.fate == Fate.NOT_FOUND.value) | voted_down
    return of_guild(answers.c.guild_id, guild_id) & answers.c.done_at.is_(None) & is_wanting


def _gap(row: dict[str, Any], thumbs: Sequence[Vote]) -> Gap:
    downs = [vote for vote in thumbs if not vote.is_up]
    return Gap(
        row["key"],
        row["searched_for"] or row["question"],
        row["asked_at"],
        row["asker_id"],
        scope_of(row["collections"]),
        Fate(row["fate"]),
        downs=len(downs),
        ups=len(thumbs) - len(downs),
        words=tuple(vote.words for vote in downs if vote.words),
    )


def _feedback(row: dict[str, Any]) -> Feedback:
    return Feedback(
        row["key"],
        row["question"],
        Fate(row["fate"]),
        row["is_up"],
        row["words"] or "",
        row["at"],
        row["user_id"],
        tuple(dict.fromkeys(source.document for source in sources_of(row["sources"]))),
        scope_of(row["collections"]),
    )
