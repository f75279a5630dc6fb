"""Answers in a SQL database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from bot.domain import AnswerStatus
from bot.records.protocol import AUDIT_RETENTION, BUDGET_WINDOW, USAGE_RETENTION
from bot.records.sql.database import Database
from bot.records.sql.rows import record_from_row, record_to_row
from bot.records.sql.schema import answers, audit_log, match_guild, runs, usage_records, votes
from bot.records.values import ANONYMOUS, DeletionCount, Statistics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from bot.records.values import AnswerRecord


class SqlAnswers(Database):
    """The part of the records that is ``Answers``."""

    async def save_answer(self, record: AnswerRecord) -> None:
        """As ``Answers.save_answer``."""
        row = record_to_row(self._text_redactor.redact_record(record))
        async with self._write_transaction() as connection:
            await connection.execute(self._upsert(answers, row))

    async def load_answer(self, answer_id: str) -> AnswerRecord | None:
        """As ``Answers.load_answer``."""
        async with self._read_transaction() as connection:
            row = (await connection.execute(sa.select(answers).where(answers.c.key == answer_id))).one_or_none()
        return None if row is None else self._text_redactor.restore_record(record_from_row(row._asdict()))

    async def unfinished_answers(self, since: float, limit: int) -> Sequence[AnswerRecord]:
        """As ``Answers.unfinished_answers``."""
        wanted = (
            sa.select(answers)
            .where(answers.c.ended_at.is_(None), answers.c.asked_at >= since)
            .order_by(answers.c.asked_at.desc())
            .limit(limit)
        )
        async with self._read_transaction() as connection:
            return [
                self._text_redactor.restore_record(record_from_row(row._asdict()))
                for row in await connection.execute(wanted)
            ]

    async def load_statistics(self, guild_id: int | None, since: float) -> Statistics:
        """As ``Answers.load_statistics``."""
        meant = answers.c.asked_at >= since
        if guild_id is not None:
            meant &= answers.c.guild_id == guild_id
        tokens = sa.func.sum(answers.c.prompt_tokens + answers.c.completion_tokens)
        fates = sa.select(answers.c.fate, sa.func.count(), tokens).where(meant).group_by(answers.c.fate)
        thumbs = sa.select(votes.c.is_up, sa.func.count()).join(answers).where(meant).group_by(votes.c.is_up)
        async with self._read_transaction() as connection:
            of_fates = (await connection.execute(fates)).all()
            of_thumbs: dict[bool, int] = dict((await connection.execute(thumbs)).tuples().all())
            return Statistics(
                answers=sum(count for _, count, _ in of_fates),
                by_status={AnswerStatus(fate): count for fate, count, _ in of_fates},
                median_first_word=await _load_median_first_word(connection, meant),
                tokens=int(sum(tokens for _, _, tokens in of_fates)),
                ups=of_thumbs.get(True, 0),
                downs=of_thumbs.get(False, 0),
            )

    async def delete_before(self, time: float) -> int:
        """As ``Answers.delete_before``."""
        now = self._clock()
        async with self._write_transaction() as connection:
            keys = await connection.scalars(
                sa.delete(answers).where(answers.c.asked_at < time).returning(answers.c.key)
            )
            gone = keys.all()
            await connection.execute(sa.delete(usage_records).where(usage_records.c.at < now - USAGE_RETENTION))
            await connection.execute(sa.delete(runs).where(runs.c.ended_at < now - USAGE_RETENTION))
            await connection.execute(sa.delete(audit_log).where(audit_log.c.at < now - AUDIT_RETENTION))
        self._text_redactor.delete(gone)
        await self._truncate_wal()
        return len(gone)

    async def delete_person(
        self, user_id: int, *, guild_id: int | None = None, everywhere: bool = False
    ) -> DeletionCount:
        """As ``Answers.delete_person``."""
        there = sa.true() if everywhere else match_guild(answers.c.guild_id, guild_id)
        spent_there = sa.true() if everywhere else match_guild(usage_records.c.guild_id, guild_id)
        touched = (answers.c.asker_id == user_id) | answers.c.key.in_(
            sa.select(votes.c.key).where(votes.c.user_id == user_id)
        )
        given = sa.delete(votes).where(
            votes.c.user_id == user_id, votes.c.key.in_(sa.select(answers.c.key).where(there))
        )
        asked = sa.delete(answers).where(answers.c.asker_id == user_id, there).returning(answers.c.key)
        is_closed = (usage_records.c.user_id == user_id) & (usage_records.c.at < self._clock() - BUDGET_WINDOW)
        async with self._write_transaction() as connection:
            # Answers before votes, as whoever votes does: otherwise the two might wait for each other.
            await connection.execute(sa.select(answers.c.key).where(there, touched).with_for_update())
            thumbs = (await connection.execute(given)).rowcount
            gone = (await connection.scalars(asked)).all()
            await connection.execute(sa.update(usage_records).where(is_closed, spent_there).values(user_id=ANONYMOUS))
        self._text_redactor.delete(gone)
        await self._truncate_wal()
        return DeletionCount(len(gone), thumbs)


async def _load_median_first_word(connection: AsyncConnection, condition: sa.ColumnElement[bool]) -> float | None:
    wait = answers.c.first_word_at - answers.c.asked_at
    seen = condition & answers.c.first_word_at.is_not(None)
    count = await connection.scalar(sa.select(sa.func.count()).select_from(answers).where(seen)) or 0
    middle = sa.select(wait).where(seen).order_by(wait).offset(max(count - 1, 0) // 2).limit(2 - count % 2)
    waits = (await connection.scalars(middle)).all()
    return sum(waits) / len(waits) if waits else None
