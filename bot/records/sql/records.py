"""Implements the records on one SQL database."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from bot.domain import AnswerStatus
from bot.errors import RecordsUnusable
from bot.records.protocol import AUDIT_RETENTION, BUDGET_WINDOW, USAGE_RETENTION
from bot.records.sql import budgets
from bot.records.sql.database import Timeouts, create_private_file, open_database
from bot.records.sql.rows import answer_from_row, answer_to_row, feedback_from_row, gap_from_row, vote_to_row
from bot.records.sql.schema import (
    answers,
    audit_log,
    budget_counters,
    guild_settings,
    match_guild,
    runs,
    usage_records,
    votes,
)
from bot.records.sql.texts import TextRedactor
from bot.records.values import (
    ANONYMOUS,
    AnswerRecord,
    AuditEntry,
    DeletionCount,
    Run,
    Statistics,
    UsageRecord,
    Vote,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
    from pathlib import Path
    from typing import Self

    from sqlalchemy.ext.asyncio import AsyncConnection

    from bot.records.sql.database import Database
    from bot.records.values import Feedback, Gap, Json, UsageLimits, UsageReservation

_DEFAULT_TIMEOUTS = Timeouts()
_DAY = 24 * 3600
_DELETION_BATCH = 1_000
"""Answers that are deleted in one transaction, so that other writes have their turn."""


class SqlRecords:
    """The records in a SQL database. Open them with ``open`` or ``open_file``, which close them too."""

    def __init__(self, database: Database, *, keeps_texts: bool = True) -> None:
        self._database = database
        self._text_redactor = TextRedactor(keeps_texts=keeps_texts)
        self._unsaved: dict[str, AnswerRecord] = {}

    @classmethod
    @asynccontextmanager
    async def open_file(
        cls, path: Path, *, keeps_texts: bool = True, timeouts: Timeouts = _DEFAULT_TIMEOUTS
    ) -> AsyncGenerator[Self]:
        """Open a SQLite file that only this user may read; create it if there is none.

        Raises:
            RecordsUnusable: as ``open``, or the file cannot be created.
        """
        try:
            await asyncio.to_thread(create_private_file, path)
        except OSError as error:
            raise RecordsUnusable(f"The records cannot be written ({error.strerror}).") from error
        url = sa.URL.create("sqlite+aiosqlite", database=str(path))
        async with cls.open(url, keeps_texts=keeps_texts, timeouts=timeouts) as records:
            yield records

    @classmethod
    @asynccontextmanager
    async def open(
        cls, url: sa.URL | str, *, keeps_texts: bool = True, timeouts: Timeouts = _DEFAULT_TIMEOUTS
    ) -> AsyncGenerator[Self]:
        """Open the database behind a URL: ``sqlite+aiosqlite``, ``postgresql+asyncpg`` or ``IN_MEMORY``.

        Args:
            url: what SQLAlchemy takes.
            keeps_texts: whether questions, answers and comments are written into it. If not, the texts of the latest
                thousand answers are kept in memory, for their buttons.
            timeouts: how long an operation may take.

        Raises:
            RecordsUnusable: it cannot be opened, or another version of Docent wrote it.
        """
        async with open_database(url, timeouts) as database:
            yield cls(database, keeps_texts=keeps_texts)

    @property
    def backend(self) -> str:
        """See ``Records.backend``."""
        return self._database.backend

    async def save_answer(self, record: AnswerRecord) -> None:
        """Queue the answer and wait at most 0.2 seconds until it is written; loading it finds it at once."""
        row = answer_to_row(self._text_redactor.redact_record(record))
        self._unsaved[record.answer_id] = record

        async def work(connection: AsyncConnection) -> None:
            await connection.execute(self._upsert(answers, row))

        def forget(_: asyncio.Future[object]) -> None:
            if self._unsaved.get(record.answer_id) is record:
                del self._unsaved[record.answer_id]

        await self._database.note(work, when_done=forget)

    async def load_answer(self, answer_id: str) -> AnswerRecord | None:
        """See ``Records.load_answer``."""
        if unsaved := self._unsaved.get(answer_id):
            return unsaved
        rows = await self._select(sa.select(answers).where(answers.c.answer_id == answer_id))
        return self._text_redactor.restore_record(answer_from_row(rows[0])) if rows else None

    async def unfinished_answers(self, since: float, limit: int) -> Sequence[AnswerRecord]:
        """See ``Records.unfinished_answers``."""
        rows = await self._select(
            sa.select(answers)
            .where(answers.c.ended_at.is_(None), answers.c.asked_at >= since)
            .order_by(answers.c.asked_at.desc())
            .limit(limit)
        )
        return [self._text_redactor.restore_record(answer_from_row(row)) for row in rows]

    async def load_statistics(self, guild_id: int | None, since: float) -> Statistics:
        """See ``Records.load_statistics``."""
        matches = answers.c.asked_at >= since
        if guild_id is not None:
            matches &= answers.c.guild_id == guild_id
        tokens = sa.func.sum(answers.c.prompt_tokens + answers.c.completion_tokens)
        by_status = sa.select(answers.c.status, sa.func.count(), tokens).where(matches).group_by(answers.c.status)
        by_vote = sa.select(votes.c.is_up, sa.func.count()).join(answers).where(matches).group_by(votes.c.is_up)

        async def work(connection: AsyncConnection) -> Statistics:
            statuses = (await connection.execute(by_status)).all()
            thumbs = {bool(is_up): int(count) for is_up, count in await connection.execute(by_vote)}
            return Statistics(
                answers=sum(count for _, count, _ in statuses),
                by_status={AnswerStatus(status): count for status, count, _ in statuses},
                median_first_word=await _load_median_first_word(connection, matches),
                tokens=int(sum(tokens for _, _, tokens in statuses)),
                ups=thumbs.get(True, 0),
                downs=thumbs.get(False, 0),
            )

        return await self._database.read(work)

    async def delete_expired(self, before: float, *, now: float) -> int:
        """See ``Records.delete_expired``."""
        oldest = sa.select(answers.c.answer_id).where(answers.c.asked_at < before).limit(_DELETION_BATCH)

        async def work(connection: AsyncConnection) -> Sequence[str]:
            deleted = await connection.scalars(
                sa.delete(answers).where(answers.c.answer_id.in_(oldest)).returning(answers.c.answer_id)
            )
            return deleted.all()

        count = 0
        while answer_ids := await self._database.write(work):
            self._text_redactor.delete(answer_ids)
            count += len(answer_ids)
        await self._execute(sa.delete(usage_records).where(usage_records.c.at < now - USAGE_RETENTION))
        await self._execute(sa.delete(budget_counters).where(budget_counters.c.day < _first_counted_day(now)))
        await self._execute(sa.delete(runs).where(runs.c.ended_at < now - USAGE_RETENTION))
        await self._execute(sa.delete(audit_log).where(audit_log.c.at < now - AUDIT_RETENTION))
        await self._database.truncate_wal()
        return count

    async def delete_person(self, user_id: int, *, guild_id: int | None, now: float) -> DeletionCount:
        """See ``Records.delete_person``."""
        is_here = match_guild(answers.c.guild_id, guild_id)
        voted_on = sa.select(votes.c.answer_id).where(votes.c.user_id == user_id)
        concerned = is_here & ((answers.c.asker_id == user_id) | answers.c.answer_id.in_(voted_on))
        is_old = match_guild(usage_records.c.guild_id, guild_id) & (usage_records.c.at < now - BUDGET_WINDOW)

        async def work(connection: AsyncConnection) -> tuple[Sequence[str], int]:
            # Answers are locked before votes, as ``save_vote`` does: otherwise the two could deadlock.
            await connection.execute(sa.select(answers.c.answer_id).where(concerned).with_for_update())
            here = sa.select(answers.c.answer_id).where(is_here)
            given = await connection.execute(
                sa.delete(votes).where(votes.c.user_id == user_id, votes.c.answer_id.in_(here))
            )
            asked = await connection.scalars(
                sa.delete(answers).where(answers.c.asker_id == user_id, is_here).returning(answers.c.answer_id)
            )
            answer_ids = asked.all()
            await connection.execute(
                sa.update(usage_records).where(usage_records.c.user_id == user_id, is_old).values(user_id=ANONYMOUS)
            )
            await connection.execute(
                sa.delete(budget_counters).where(
                    budget_counters.c.kind == "person",
                    budget_counters.c.subject_id == user_id,
                    budget_counters.c.day < _first_counted_day(now),
                )
            )
            return answer_ids, given.rowcount

        answer_ids, vote_count = await self._database.write(work)
        self._text_redactor.delete(answer_ids)
        await self._database.truncate_wal()
        return DeletionCount(len(answer_ids), vote_count)

    async def save_vote(self, vote: Vote) -> bool:
        """See ``Records.save_vote``."""
        is_known = sa.select(answers.c.answer_id).where(answers.c.answer_id == vote.answer_id).with_for_update()
        is_own = (votes.c.answer_id == vote.answer_id) & (votes.c.user_id == vote.user_id)

        async def work(connection: AsyncConnection) -> bool:
            # The answer is locked, so that a person's vote and comment, sent together, see each other.
            if (await connection.execute(is_known)).first() is None:
                return False
            row = (await connection.execute(sa.select(votes).where(is_own))).one_or_none()
            merged = vote.merge(None if row is None else Vote(**row._asdict()))
            await connection.execute(self._upsert(votes, vote_to_row(self._text_redactor.redact_vote(merged))))
            return True

        return await self._database.write(work)

    async def load_votes(self, answer_id: str) -> Sequence[Vote]:
        """See ``Records.load_votes``."""
        rows = await self._select(sa.select(votes).where(votes.c.answer_id == answer_id).order_by(votes.c.at))
        return [Vote(**row._asdict()) for row in rows]

    async def load_feedback(self, guild_id: int | None, since: float) -> Sequence[Feedback]:
        """See ``Records.load_feedback``."""
        rows = await self._select(
            sa.select(votes, answers.c.question, answers.c.status, answers.c.sources, answers.c.collections)
            .join(answers)
            .where(match_guild(answers.c.guild_id, guild_id), votes.c.at >= since)
            .order_by(votes.c.at)
        )
        return [feedback_from_row(row) for row in rows]

    async def load_gaps(self, guild_id: int | None, since: float, limit: int) -> Sequence[Gap]:
        """See ``Records.load_gaps``."""
        wanted = (
            sa.select(answers)
            .where(_is_gap(guild_id), answers.c.asked_at >= since, answers.c.question != "")
            .order_by(answers.c.asked_at.desc(), answers.c.answer_id)
            .limit(limit)
        )

        async def work(connection: AsyncConnection) -> Sequence[Gap]:
            rows = (await connection.execute(wanted)).all()
            answer_ids = [row.answer_id for row in rows]
            given = sa.select(votes).where(votes.c.answer_id.in_(answer_ids)).order_by(votes.c.at)
            by_answer = defaultdict[str, list[Vote]](list)
            for row in await connection.execute(given):
                by_answer[row.answer_id].append(Vote(**row._asdict()))
            return [gap_from_row(row, by_answer[row.answer_id]) for row in rows]

        return await self._database.read(work)

    async def close_gaps(self, guild_id: int | None, answer_ids: Collection[str], by: int, at: float) -> int:
        """See ``Records.close_gaps``."""
        matches = _is_gap(guild_id) & answers.c.answer_id.in_(list(answer_ids))
        return await self._execute(sa.update(answers).where(matches).values(closed_at=at, closed_by=by))

    @property
    def is_shared(self) -> bool:
        """See ``Records.is_shared``."""
        return not self._database.is_sqlite

    async def reserve_usage(self, usage: UsageRecord, limits: UsageLimits) -> UsageReservation:
        """See ``Records.reserve_usage``."""
        return await self._database.write(lambda connection: budgets.reserve(connection, usage, limits))

    async def add_usage(self, usage: UsageRecord) -> None:
        """Queue the estimate and wait at most 0.2 seconds until it is written."""
        await self._database.note(lambda connection: budgets.store(connection, usage))

    async def commit_usage(self, usage: UsageRecord) -> None:
        """Queue the real number and wait at most 0.2 seconds until it is written."""
        settled = replace(usage, is_settled=True)
        await self._database.note(lambda connection: budgets.store(connection, settled))

    async def load_usage(self, since: float) -> Sequence[UsageRecord]:
        """See ``Records.load_usage``."""
        rows = await self._select(
            sa.select(usage_records)
            .where(usage_records.c.at >= since)
            .order_by(usage_records.c.at, usage_records.c.answer_id)
        )
        return [UsageRecord(**row._asdict()) for row in rows]

    async def load_guild_settings(self, guild_id: int) -> Mapping[str, Json]:
        """See ``Records.load_guild_settings``."""
        s = guild_settings.c
        rows = await self._select(sa.select(s.name, s.value).where(s.guild_id == guild_id).order_by(s.name))  # pyright: ignore[reportArgumentType] - any row shape
        return {row.name: row.value for row in rows}

    async def save_guild_setting(self, guild_id: int, name: str, value: Json) -> None:
        """See ``Records.save_guild_setting``."""
        s = guild_settings.c
        row = {"guild_id": guild_id, "name": name, "value": value}
        reset = sa.delete(guild_settings).where(s.guild_id == guild_id, s.name == name)
        await self._execute(reset if value is None else self._upsert(guild_settings, row))

    async def save_audit_entry(self, entry: AuditEntry) -> None:
        """See ``Records.save_audit_entry``."""
        await self._execute(sa.insert(audit_log).values(**(asdict(entry) | {"details": dict(entry.details)})))

    async def load_audit_log(self, guild_id: int | None, limit: int) -> Sequence[AuditEntry]:
        """See ``Records.load_audit_log``."""
        a = audit_log.c
        rows = await self._select(
            sa.select(a.at, a.guild_id, a.user_id, a.name, a.details)  # pyright: ignore[reportArgumentType] - any row shape
            .where(match_guild(a.guild_id, guild_id))
            .order_by(a.at.desc(), a.id.desc())
            .limit(limit)
        )
        return [AuditEntry(**row._asdict()) for row in rows]

    async def save_run(self, run: Run) -> None:
        """See ``Records.save_run``."""
        await self._execute(self._upsert(runs, asdict(run)))

    async def unfinished_runs(self) -> Sequence[Run]:
        """See ``Records.unfinished_runs``."""
        rows = await self._select(
            sa.select(runs).where(runs.c.ended_at.is_(None)).order_by(runs.c.started_at, runs.c.id)
        )
        return [Run(**row._asdict()) for row in rows]

    async def _select(self, statement: sa.Select[Any]) -> Sequence[sa.Row[Any]]:
        async def work(connection: AsyncConnection) -> Sequence[sa.Row[Any]]:
            rows: Sequence[sa.Row[Any]] = (await connection.execute(statement)).all()
            return rows

        return await self._database.read(work)

    async def _execute(self, statement: sa.Executable) -> int:
        """Run one write and return how many rows it matched."""

        async def work(connection: AsyncConnection) -> int:
            result = await connection.execute(statement)
            return int(result.rowcount)

        return await self._database.write(work)

    def _upsert(self, table: sa.Table, row: Mapping[str, Any], *, replaces: bool = True) -> sa.Executable:
        """Insert a row; one with the same primary key is replaced, or stays unless ``replaces``."""
        keys = [column.name for column in table.primary_key]
        insert = sqlite_insert if self._database.is_sqlite else postgres_insert
        statement = insert(table).values(**row)
        if not replaces:
            return statement.on_conflict_do_nothing(index_elements=keys)
        rest = {name: value for name, value in row.items() if name not in keys}
        return statement.on_conflict_do_update(index_elements=keys, set_=rest)


def _first_counted_day(now: float) -> int:
    return int((now - BUDGET_WINDOW) // _DAY)


def _is_gap(guild_id: int | None) -> sa.ColumnElement[bool]:
    voted_down = sa.exists().where(votes.c.answer_id == answers.c.answer_id, votes.c.is_up.is_(False))
    is_unanswered = (answers.c.status == AnswerStatus.NOT_FOUND.value) | voted_down
    return match_guild(answers.c.guild_id, guild_id) & answers.c.closed_at.is_(None) & is_unanswered


async def _load_median_first_word(connection: AsyncConnection, matches: sa.ColumnElement[bool]) -> float | None:
    wait = answers.c.first_word_at - answers.c.asked_at
    is_seen = matches & answers.c.first_word_at.is_not(None)
    count = await connection.scalar(sa.select(sa.func.count()).select_from(answers).where(is_seen)) or 0
    middle = sa.select(wait).where(is_seen).order_by(wait).offset(max(count - 1, 0) // 2).limit(2 - count % 2)
    waits = (await connection.scalars(middle)).all()
    return sum(waits) / len(waits) if waits else None
