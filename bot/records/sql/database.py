"""One database behind the records: opened, brought up to date, and read and written in transactions that fail in words.

SQLite in one private file, or PostgreSQL by URL, in a schema of its own.
"""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import asynccontextmanager, closing, nullcontext
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects.postgresql import insert as postgres_upsert
from sqlalchemy.dialects.sqlite import insert as sqlite_upsert
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine

from bot.errors import RecordsUnusable
from bot.records.sql import schema
from bot.records.sql.texts import TextRedactor

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping
    from pathlib import Path
    from typing import Self

    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

_CONNECT_TIMEOUT: Final = 10.0
"""Seconds after which an attempt to connect to a server is given up."""

_BUSY_TIMEOUT_MS: Final = 10_000
"""Milliseconds that a write waits for another process's, which may be bringing the file up to date."""

_PRAGMAS: Final = ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON", "secure_delete = ON")
"""A power cut may cost the last answers' records, never the file; a killed process costs nothing. What is deleted is
overwritten."""

_MIGRATION_LOCK_ID: Final = 0x7265636F726473
"""The advisory lock under which a server's tables are made: "records" in ASCII."""


class Database:
    """What every part of the records stands on. Open it with ``open`` or ``open_file``, which close it too."""

    def __init__(self, engine: AsyncEngine, *, keeps_texts: bool, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._is_sqlite = engine.dialect.name == "sqlite"
        # An SQLite file has one writer at a time: in line, ours do not wait for one another by trying again.
        self._write_lock = asyncio.Lock() if self._is_sqlite else nullcontext()
        self._error_types: tuple[type[Exception], ...] = (SQLAlchemyError, OSError)
        if not self._is_sqlite:
            self._error_types += _server_error_types()
        self._text_redactor = TextRedactor(keeps_texts=keeps_texts)
        self._clock = clock

    @classmethod
    @asynccontextmanager
    async def open_file(
        cls, path: Path, *, keeps_texts: bool = True, clock: Callable[[], float] = time.time
    ) -> AsyncGenerator[Self]:
        """Records in a SQLite file that only this user may read, made if there is none; the rest as ``open``.

        Raises:
            RecordsUnusable: it cannot be made or opened, or a newer version of Docent wrote it.
        """
        try:
            await asyncio.to_thread(_create_private_file, path)
        except OSError as error:
            raise RecordsUnusable(f"The records cannot be written ({error.strerror}).") from error
        url = sa.URL.create("sqlite+aiosqlite", database=str(path))
        async with cls.open(url, keeps_texts=keeps_texts, clock=clock) as records:
            yield records

    @classmethod
    @asynccontextmanager
    async def open(
        cls, url: sa.URL | str, *, keeps_texts: bool = True, clock: Callable[[], float] = time.time
    ) -> AsyncGenerator[Self]:
        """Records in the database behind an SQLAlchemy URL: ``sqlite+aiosqlite`` or ``postgresql+asyncpg``.

        With ``keeps_texts`` off, nothing that people wrote or were answered is written into it; what buttons need is
        held in memory, the latest thousand answers'. ``clock`` gives Unix seconds.

        Raises:
            RecordsUnusable: it cannot be opened, or a newer version of Docent wrote it.
        """
        engine = _create_engine(url)
        try:
            records = cls(engine, keeps_texts=keeps_texts, clock=clock)
            await records._upgrade()
            yield records
        finally:
            await engine.dispose()

    async def _upgrade(self) -> None:
        async with self._read_transaction() as connection:
            if await connection.run_sync(_load_revision) == schema.REVISION:
                return
        # Heavy, and hardly ever needed.
        from bot.records.sql.upgrade import upgrade  # noqa: PLC0415

        async with self._write_transaction() as connection:
            if not self._is_sqlite:
                await connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK_ID})
                await connection.execute(sa.text(f"CREATE SCHEMA IF NOT EXISTS {schema.SCHEMA}"))
            await connection.run_sync(upgrade)

    def _upsert(self, table: sa.Table, row: Mapping[str, Any], *, replacing: bool = True) -> sa.Executable:
        """Insert a row; one of the same key has its columns replaced, or stays as it is."""
        keys = [column.name for column in table.primary_key]
        upsert = sqlite_upsert if self._is_sqlite else postgres_upsert
        statement = upsert(table).values(**row)
        if not replacing:
            return statement.on_conflict_do_nothing(index_elements=keys)
        rest = {name: value for name, value in row.items() if name not in keys}
        return statement.on_conflict_do_update(index_elements=keys, set_=rest)

    @asynccontextmanager
    async def _read_transaction(self) -> AsyncGenerator[AsyncConnection]:
        try:
            async with self._engine.begin() as connection:
                yield connection
        except self._error_types as error:
            raise RecordsUnusable(f"The records cannot be read or written ({type(error).__name__}).") from error

    @asynccontextmanager
    async def _write_transaction(self) -> AsyncGenerator[AsyncConnection]:
        """A transaction that holds, from its first statement on, what its reads have seen."""
        async with self._write_lock, self._read_transaction() as connection:
            if self._is_sqlite:
                await connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection

    async def _truncate_wal(self) -> None:
        """Empty the write-ahead log too, where what was deleted may still stand; whoever reads just now keeps it."""
        if self._is_sqlite:
            async with self._write_lock, self._read_transaction() as connection:
                await connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")


def _create_engine(url: sa.URL | str) -> AsyncEngine:
    try:
        parts = sa.make_url(url)
        if parts.drivername == "sqlite+aiosqlite":
            # What an error prints must not hold anybody's question.
            engine = create_async_engine(parts, hide_parameters=True)
            event.listen(engine.sync_engine, "connect", _prepare_sqlite)
            return engine
        if parts.drivername == "postgresql+asyncpg":
            ways = {"timeout": _CONNECT_TIMEOUT, "server_settings": {"search_path": schema.SCHEMA}}
            return create_async_engine(parts, hide_parameters=True, pool_pre_ping=True, connect_args=ways)
    except SQLAlchemyError as error:
        raise RecordsUnusable("The address of the records' database cannot be read.") from error
    except ImportError as error:
        raise RecordsUnusable(
            "The records are in a PostgreSQL database, and what speaks to one is not installed: add --extra postgres."
        ) from error
    raise RecordsUnusable("The address of a PostgreSQL database begins with postgresql+asyncpg://.")


def _server_error_types() -> tuple[type[Exception], ...]:
    """What connecting to a server raises as it is, before SQLAlchemy has a connection whose errors it translates."""
    import asyncpg  # noqa: PLC0415  # there is one only where the driver is installed

    return asyncpg.PostgresError, asyncpg.InterfaceError


def _load_revision(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table(schema.revision.name):
        return None
    return connection.scalar(sa.select(schema.revision.c.version_num))


def _create_private_file(path: Path) -> None:
    """Make the file before SQLite does, which would let others read it; SQLite gives its side files the same mode."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    path.chmod(0o600)


def _prepare_sqlite(connection: DBAPIConnection, _: object) -> None:
    with closing(connection.cursor()) as cursor:
        for pragma in (f"busy_timeout = {_BUSY_TIMEOUT_MS}", *_PRAGMAS):
            cursor.execute(f"PRAGMA {pragma}")
