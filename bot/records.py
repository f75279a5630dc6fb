"""Answers, and what people said of them, go into one database and come out again by the answer's key.

SQLite in one private file by default. The tables are made when it is opened, and a row names their version; there are
no migrations yet: a file with another version is left alone and not used.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections import OrderedDict
from contextlib import asynccontextmanager, closing
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects.postgresql import insert as postgres_upsert
from sqlalchemy.dialects.sqlite import insert as sqlite_upsert
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine

from bot.answering import Scope, Source
from bot.errors import RecordsUnusable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence
    from pathlib import Path

    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

_VERSION = 1
_MEMORY_LIMIT = 1_000
_BUSY_MILLISECONDS = 2_000
"""How long a write waits for another process's."""

_PRAGMAS = ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON")
"""A power cut may cost the last answers' records, never the file; a killed process costs nothing."""


class Fate(Enum):
    """What became of an answer.

    ``WRITING`` in the records is an answer that is under way, or was when the bot died. ``NOT_FOUND`` is a gap: a
    question the documents hold no answer to.
    """

    WRITING = "writing"
    COMPLETE = "complete"
    CUT_AT_LENGTH = "cut at length"
    FILTERED = "filtered"
    NOT_FOUND = "not found"
    FAILED = "failed"
    STOPPED = "stopped"
    RESTARTING = "restarting"
    STALLED = "stalled"
    OUT_OF_TIME = "out of time"
    LOST = "lost"

    @property
    def is_interrupted(self) -> bool:
        """Whether the model was kept from its end, so that asking again may bring more."""
        return self not in {Fate.COMPLETE, Fate.CUT_AT_LENGTH, Fate.FILTERED, Fate.NOT_FOUND}


@dataclass(frozen=True, slots=True)
class Record:
    """One answer as it is remembered. Ids are Discord's; times are Unix seconds.

    ``guild_id`` is None in direct messages. ``searched_for`` is the question in words that stand alone, where it was a
    follow-up that did not. ``text`` is exactly what the model said. ``message_ids`` are the answer's pages, empty until
    all of it is shown. ``ended_at`` is None while it is being written.
    """

    key: str
    question: str
    asker_id: int
    guild_id: int | None
    channel_id: int
    asked_at: float
    scope: Scope = field(default_factory=Scope)
    message_ids: tuple[int, ...] = ()
    searched_for: str = ""
    text: str = ""
    sources: tuple[Source, ...] = ()
    fate: Fate = Fate.WRITING
    ended_at: float | None = None


@dataclass(frozen=True, slots=True)
class Vote:
    """What one person thinks of one answer; a later vote of theirs takes its place. ``at`` is in Unix seconds.

    ``words`` is what they missed; None leaves what they said before, if the thumb still points the same way.
    """

    key: str
    user_id: int
    is_up: bool
    at: float
    words: str | None = None


class Records(Protocol):
    """What is remembered of answers. Every method raises RecordsUnusable where it cannot be read or written."""

    async def remember(self, record: Record) -> None:
        """Write a record; one of the same key is replaced, its votes stay."""
        ...

    async def recall(self, key: str) -> Record | None:
        """The record of that key, None where there is none any more."""
        ...

    async def unfinished(self, since: float, limit: int) -> Sequence[Record]:
        """The answers asked for since this Unix time that have no end, the latest first, at most so many."""
        ...

    async def vote(self, vote: Vote) -> bool:
        """Count a vote; False if the answer is no longer remembered."""
        ...

    async def votes(self, key: str) -> Sequence[Vote]:
        """What people said of an answer, the first voter first."""
        ...

    async def forget_before(self, time: float) -> int:
        """Forget every answer asked for before this Unix time, with its votes; gives how many."""
        ...


class MemoryRecords:
    """Records that last as long as the process, the latest thousand: for tests, and where nothing can be written."""

    def __init__(self) -> None:
        self._answers: OrderedDict[str, Record] = OrderedDict()
        self._votes: dict[str, dict[int, Vote]] = {}

    async def remember(self, record: Record) -> None:
        """As ``Records.remember``; beyond a thousand the oldest is forgotten."""
        self._answers[record.key] = record
        if len(self._answers) > _MEMORY_LIMIT:
            self._forget(next(iter(self._answers)))

    async def recall(self, key: str) -> Record | None:
        """As ``Records.recall``."""
        return self._answers.get(key)

    async def unfinished(self, since: float, limit: int) -> Sequence[Record]:
        """As ``Records.unfinished``."""
        found = [record for record in self._answers.values() if record.ended_at is None and record.asked_at >= since]
        return sorted(found, key=lambda record: -record.asked_at)[:limit]

    async def vote(self, vote: Vote) -> bool:
        """As ``Records.vote``."""
        if vote.key not in self._answers:
            return False
        votes = self._votes.setdefault(vote.key, {})
        votes[vote.user_id] = _merged(votes.get(vote.user_id), vote)
        return True

    async def votes(self, key: str) -> Sequence[Vote]:
        """As ``Records.votes``."""
        return list(self._votes.get(key, {}).values())

    async def forget_before(self, time: float) -> int:
        """As ``Records.forget_before``."""
        old = [key for key, record in self._answers.items() if record.asked_at < time]
        for key in old:
            self._forget(key)
        return len(old)

    def _forget(self, key: str) -> None:
        del self._answers[key]
        self._votes.pop(key, None)


_METADATA = sa.MetaData()

_SCHEMA = sa.Table("records_schema", _METADATA, sa.Column("version", sa.Integer, primary_key=True))

_ANSWERS = sa.Table(
    "answers",
    _METADATA,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("question", sa.Text, nullable=False),
    sa.Column("asker_id", sa.BigInteger, nullable=False),
    sa.Column("guild_id", sa.BigInteger),
    sa.Column("channel_id", sa.BigInteger, nullable=False),
    sa.Column("asked_at", sa.Double, nullable=False, index=True),
    sa.Column("collections", sa.JSON, nullable=False),
    sa.Column("message_ids", sa.JSON, nullable=False),
    sa.Column("searched_for", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("sources", sa.Text, nullable=False),
    sa.Column("fate", sa.Text, nullable=False),
    sa.Column("ended_at", sa.Double),
)

_VOTES = sa.Table(
    "votes",
    _METADATA,
    sa.Column("key", sa.Text, sa.ForeignKey("answers.key", ondelete="CASCADE"), primary_key=True),
    sa.Column("user_id", sa.BigInteger, primary_key=True),
    sa.Column("is_up", sa.Boolean, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("words", sa.Text),
)

_SOURCE_FIELDS = frozenset(each.name for each in fields(Source))


class SqlRecords:
    """Records in a SQL database. Open it with ``opened`` or ``opened_file``, which close it too."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @classmethod
    @asynccontextmanager
    async def opened_file(cls, path: Path) -> AsyncGenerator[SqlRecords]:
        """Records in a SQLite file that only this user may read, made if there is none.

        Raises:
            RecordsUnusable: it cannot be made or opened, or another version of Docent wrote it.
        """
        try:
            await asyncio.to_thread(_make_private, path)
        except OSError as error:
            raise RecordsUnusable(f"The records cannot be written ({error.strerror}).") from error
        async with cls.opened(sa.URL.create("sqlite+aiosqlite", database=str(path))) as records:
            yield records

    @classmethod
    @asynccontextmanager
    async def opened(cls, url: sa.URL | str) -> AsyncGenerator[SqlRecords]:
        """Records in the database behind an SQLAlchemy URL with an async driver.

        Raises:
            RecordsUnusable: it cannot be opened, or another version of Docent wrote it.
        """
        # What an error prints must not hold anybody's question.
        engine = create_async_engine(url, hide_parameters=True)
        if engine.dialect.name == "sqlite":
            event.listen(engine.sync_engine, "connect", _prepare_sqlite)
        try:
            records = cls(engine)
            await records._make_tables()
            yield records
        finally:
            await engine.dispose()

    async def remember(self, record: Record) -> None:
        """As ``Records.remember``."""
        row = _row(record)
        async with self._transaction() as connection:
            await connection.execute(self._upsert(_ANSWERS, row))

    async def recall(self, key: str) -> Record | None:
        """As ``Records.recall``."""
        async with self._transaction() as connection:
            found = await connection.execute(sa.select(_ANSWERS).where(_ANSWERS.c.key == key))
            row = found.one_or_none()
        return None if row is None else _record(row._asdict())

    async def unfinished(self, since: float, limit: int) -> Sequence[Record]:
        """As ``Records.unfinished``."""
        wanted = (
            sa.select(_ANSWERS)
            .where(_ANSWERS.c.ended_at.is_(None), _ANSWERS.c.asked_at >= since)
            .order_by(_ANSWERS.c.asked_at.desc())
            .limit(limit)
        )
        async with self._transaction() as connection:
            return [_record(row._asdict()) for row in await connection.execute(wanted)]

    async def vote(self, vote: Vote) -> bool:
        """As ``Records.vote``."""
        mine = (_VOTES.c.key == vote.key) & (_VOTES.c.user_id == vote.user_id)
        async with self._transaction() as connection:
            if (await connection.execute(sa.select(_ANSWERS.c.key).where(_ANSWERS.c.key == vote.key))).first() is None:
                return False
            row = (await connection.execute(sa.select(_VOTES).where(mine))).one_or_none()
            merged = _merged(None if row is None else Vote(**row._asdict()), vote)
            await connection.execute(self._upsert(_VOTES, asdict(merged)))
        return True

    async def votes(self, key: str) -> Sequence[Vote]:
        """As ``Records.votes``."""
        async with self._transaction() as connection:
            found = await connection.execute(sa.select(_VOTES).where(_VOTES.c.key == key).order_by(_VOTES.c.at))
            return [Vote(**row._asdict()) for row in found]

    async def forget_before(self, time: float) -> int:
        """As ``Records.forget_before``."""
        async with self._transaction() as connection:
            gone = await connection.execute(sa.delete(_ANSWERS).where(_ANSWERS.c.asked_at < time))
        return gone.rowcount

    async def _make_tables(self) -> None:
        async with self._transaction() as connection:
            await connection.run_sync(_METADATA.create_all)
            versions = set((await connection.execute(sa.select(_SCHEMA.c.version))).scalars())
            if not versions:
                await connection.execute(self._upsert(_SCHEMA, {"version": _VERSION}))
            elif versions != {_VERSION}:
                raise RecordsUnusable("The records were written by another version of Docent.")

    def _upsert(self, table: sa.Table, row: Mapping[str, Any]) -> sa.Executable:
        keys = [column.name for column in table.primary_key]
        rest = {name: value for name, value in row.items() if name not in keys}
        upsert = sqlite_upsert if self._engine.dialect.name == "sqlite" else postgres_upsert
        statement = upsert(table).values(**row)
        if not rest:
            return statement.on_conflict_do_nothing(index_elements=keys)
        return statement.on_conflict_do_update(index_elements=keys, set_=rest)

    @asynccontextmanager
    async def _transaction(self) -> AsyncGenerator[AsyncConnection]:
        try:
            async with self._engine.begin() as connection:
                yield connection
        except (SQLAlchemyError, OSError) as error:
            raise RecordsUnusable(f"The records cannot be read or written ({type(error).__name__}).") from error


def _merged(before: Vote | None, vote: Vote) -> Vote:
    """A vote with the words said before, where it brings none and means the same."""
    if vote.words is None and before is not None and before.is_up == vote.is_up:
        return replace(vote, words=before.words)
    return vote


def _row(record: Record) -> dict[str, Any]:
    return {
        "key": record.key,
        "question": _storable(record.question),
        "asker_id": record.asker_id,
        "guild_id": record.guild_id,
        "channel_id": record.channel_id,
        "asked_at": record.asked_at,
        "collections": sorted(record.scope.collections),
        "message_ids": list(record.message_ids),
        "searched_for": _storable(record.searched_for),
        "text": _storable(record.text),
        "sources": json.dumps([asdict(source) for source in record.sources], default=datetime.isoformat),
        "fate": record.fate.value,
        "ended_at": record.ended_at,
    }


def _record(values: dict[str, Any]) -> Record:
    return Record(
        scope=Scope(frozenset(values.pop("collections"))),
        message_ids=tuple(values.pop("message_ids")),
        sources=tuple(_source(source) for source in json.loads(values.pop("sources"))),
        fate=Fate(values.pop("fate")),
        **values,
    )


def _source(values: dict[str, Any]) -> Source:
    """A source as it was written: fields it did not have then have their defaults, those it has no more are dropped."""
    known = {name: value for name, value in values.items() if name in _SOURCE_FIELDS}
    if known.get("date"):
        known["date"] = datetime.fromisoformat(known["date"])
    return Source(**known)


def _storable(text: str) -> str:
    """The text without what UTF-8 cannot hold: halves of a surrogate pair, which a broken stream may leave."""
    return text.encode("utf-8", "replace").decode()


def _make_private(path: Path) -> None:
    """Make the file before SQLite does, which would let others read it; SQLite gives its side files the same mode."""
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    path.chmod(0o600)


def _prepare_sqlite(connection: DBAPIConnection, _: object) -> None:
    with closing(connection.cursor()) as cursor:
        for pragma in (f"busy_timeout = {_BUSY_MILLISECONDS}", *_PRAGMAS):
            cursor.execute(f"PRAGMA {pragma}")
