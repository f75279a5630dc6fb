"""Opens the records' database and runs transactions: reads at once, writes in groups through one queue.

SQLite in one private file or in memory, or PostgreSQL by URL, in a schema of its own. It holds up no answer: a note
that is not written within 0.2 seconds stays in the queue, and after a failure reads fail at once for a while.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
from collections import deque
from contextlib import asynccontextmanager, closing, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import aiosqlite
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine

from bot.errors import RecordsUnusable
from bot.records.sql import schema
from bot.records.sql.failures import TIMEOUT, Failure, classify

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

IN_MEMORY: Final = "sqlite+aiosqlite:///:memory:"
"""The URL of records that last as long as the process."""

_MEMORY_NAMES: Final = {None, "", ":memory:"}

_WAL: Final = "journal_mode = WAL"
_PRAGMAS: Final = (_WAL, "synchronous = NORMAL", "foreign_keys = ON", "secure_delete = ON")
"""A power cut may cost the latest records, never the file; a killed process costs nothing. Deleted rows are
overwritten."""

_MIGRATION_LOCK_ID: Final = 0x7265636F726473
"""The advisory lock under which PostgreSQL tables are created: "records" in ASCII."""

_MIGRATION_TIMEOUT: Final = 60.0
_POOL_SIZE: Final = 3
_POOL_OVERFLOW: Final = 2
"""PostgreSQL connections per process: one for the queue of writes, the rest for reads."""

_BATCH_SIZE: Final = 100
"""Writes that share one transaction."""
_MAX_QUEUED: Final = 10_000
"""Writes in the queue while the database fails; beyond them the oldest is dropped, with an error in the log."""
_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 30.0
"""Seconds between two attempts after failures; doubled each time."""
_WARNING_INTERVAL: Final = 10.0
"""Seconds between two warnings that answers had to wait."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long an operation may take, in seconds.

    Attributes:
        note: an answer waits this long for its note to be written, then goes on.
        operation: a read, a statement on a server, or a write whose result matters.
        lock: one attempt at SQLite's write lock.
        close: writing what is queued at shutdown.
    """

    note: float = 0.2
    operation: float = 5.0
    lock: float = 2.0
    close: float = 5.0


class _Write(Generic[_T]):
    """A write in the queue. A note is tried again until it succeeds; any other write fails with the first attempt."""

    __slots__ = ("future", "is_note", "work")

    def __init__(self, work: Callable[[AsyncConnection], Awaitable[_T]], *, is_note: bool) -> None:
        self.work = work
        self.is_note = is_note
        self.future: asyncio.Future[_T] = asyncio.get_running_loop().create_future()


class _CircuitBreaker:
    """Is open for a while after a temporary failure, longer each time, until an operation succeeds.

    ``pause`` is how long, in seconds; ``failure`` is the latest one, None after a success.
    """

    def __init__(self) -> None:
        self.failure: Failure | None = None
        self.pause = 0.0
        self._open_until = 0.0

    @property
    def is_open(self) -> bool:
        return self.failure is not None and asyncio.get_running_loop().time() < self._open_until

    def check(self) -> None:
        if self.failure is not None and self.is_open:
            raise self.failure.to_error()

    def record_failure(self, failure: Failure) -> None:
        self.failure = failure
        self.pause = min(max(2 * self.pause, _FIRST_PAUSE), _LONGEST_PAUSE)
        self._open_until = asyncio.get_running_loop().time() + self.pause

    def record_success(self) -> None:
        self.failure = None
        self.pause = 0.0


class Database:
    """An open database. It counts its write ``transactions``, and the notes that no answer waited for: ``delayed``."""

    def __init__(self, engine: AsyncEngine, timeouts: Timeouts) -> None:
        self._engine = engine
        self._timeouts = timeouts
        self.is_sqlite = engine.dialect.name == "sqlite"
        self._error_types = _error_types(engine)
        self._write_lock = asyncio.Lock()
        # In memory all share one connection: a read in the middle of a write's transaction would end it.
        self._read_lock: AbstractAsyncContextManager[object] = (
            self._write_lock if _is_in_memory(engine) else nullcontext()
        )
        self._read_breaker = _CircuitBreaker()
        self._write_breaker = _CircuitBreaker()
        self._reads: set[asyncio.Task[Any]] = set()
        self._queue: deque[_Write[Any]] = deque()
        self._in_flight = 0
        self._wakeup = asyncio.Event()
        self._closing = asyncio.Event()
        self._warned_at = float("-inf")
        self.delayed = 0
        self.transactions = 0
        self._writer = asyncio.create_task(self._write_queued())

    @property
    def backend(self) -> str:
        """Where the data is, as an operator calls it."""
        if not self.is_sqlite:
            return "PostgreSQL"
        return "memory, until the restart" if _is_in_memory(self._engine) else "a SQLite file"

    @property
    def queued(self) -> int:
        """How many writes wait in the queue."""
        return len(self._queue) + self._in_flight

    @property
    def failure(self) -> str:
        """Why the latest attempt to write failed; empty if it succeeded."""
        failure = self._write_breaker.failure
        return "" if failure is None else failure.reason

    async def read(self, work: Callable[[AsyncConnection], Awaitable[_T]]) -> _T:
        """Run reads in one transaction. It is not cancelled with its caller, so that no connection is torn.

        Raises:
            RecordsUnusable: the database fails, or did a moment ago.
        """
        self._read_breaker.check()
        task = asyncio.ensure_future(self._read(work))
        self._reads.add(task)
        task.add_done_callback(self._forget_read)
        done, _ = await asyncio.wait({task}, timeout=self._timeouts.operation)
        if not done:
            self._read_breaker.record_failure(TIMEOUT)
            raise TIMEOUT.to_error()
        return task.result()

    async def write(self, work: Callable[[AsyncConnection], Awaitable[_T]]) -> _T:
        """Run writes in a transaction and wait until it is committed.

        Raises:
            RecordsUnusable: the database fails, or has failed and is yet to recover.
        """
        self._write_breaker.check()
        future = self._enqueue(_Write(work, is_note=False))
        try:
            done, _ = await asyncio.wait({future}, timeout=self._timeouts.operation)
        except asyncio.CancelledError:
            future.cancel()
            raise
        if not done:
            future.cancel()
            raise TIMEOUT.to_error()
        return future.result()

    async def note(
        self,
        work: Callable[[AsyncConnection], Awaitable[object]],
        *,
        when_done: Callable[[asyncio.Future[object]], None] | None = None,
    ) -> None:
        """Queue a write that is tried until it succeeds, and wait a short while for it.

        Args:
            work: what is written.
            when_done: called once it is written or has failed for good, perhaps long after this returned.

        Raises:
            RecordsUnusable: it failed within that time in a way that no later attempt can mend.
        """
        future = self._enqueue(_Write(work, is_note=True))
        if when_done is not None:
            future.add_done_callback(when_done)
        timeout = 0.0 if self._write_breaker.is_open else self._timeouts.note
        done, _ = await asyncio.wait({future}, timeout=timeout)
        if done:
            future.result()
        else:
            self._count_delay()
            future.add_done_callback(_log_late_failure)

    async def truncate_wal(self) -> None:
        """Truncate the write-ahead log, so that deleted rows do not remain in it; no effect while others read."""
        if not self.is_sqlite:
            return
        try:
            async with self._write_lock, self._engine.connect() as connection:
                await connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        except self._error_types as error:
            raise classify(error).to_error(error) from error

    async def close(self) -> None:
        """Write what is queued, within the timeout, and close all connections."""
        self._closing.set()
        self._wakeup.set()
        _, late = await asyncio.wait({self._writer, *self._reads}, timeout=self._timeouts.close)
        if self.queued:
            _log.error("%d writes to the records failed at shutdown: %s", self.queued, self.failure or "timeout")
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=self._timeouts.lock + 1)
        try:
            async with asyncio.timeout(self._timeouts.close):
                await self._engine.dispose()
        except self._error_types as error:
            _log.warning("Closing the records' connections failed: %s", classify(error).reason)

    async def _read(self, work: Callable[[AsyncConnection], Awaitable[_T]]) -> _T:
        try:
            async with self._read_lock, self._engine.connect() as connection:
                result = await work(connection)
        except self._error_types as error:
            failure = classify(error)
            if failure.is_temporary:
                self._read_breaker.record_failure(failure)
            raise failure.to_error(error) from error
        self._read_breaker.record_success()
        return result

    def _forget_read(self, task: asyncio.Task[Any]) -> None:
        self._reads.discard(task)
        if not task.cancelled():
            task.exception()  # marks it as seen, where its reader had left

    def _enqueue(self, write: _Write[_T]) -> asyncio.Future[_T]:
        if self._closing.is_set():
            raise RecordsUnusable("The records are closed.")
        if len(self._queue) >= _MAX_QUEUED:
            dropped = self._queue.popleft()
            if not dropped.future.done():
                dropped.future.set_exception(Failure("queue full", is_temporary=False).to_error())
        self._queue.append(write)
        self._wakeup.set()
        return write.future

    async def _write_queued(self) -> None:
        """Commit what is queued, in groups, until closed; after a temporary failure, again after a pause."""
        breaker = self._write_breaker
        while True:
            await self._wakeup.wait()
            self._wakeup.clear()
            while self._queue:
                batch = [self._queue.popleft() for _ in range(min(len(self._queue), _BATCH_SIZE))]
                self._in_flight = len(batch)
                failure = await self._commit([write for write in batch if not write.future.done()])
                self._in_flight = 0
                if failure is not None:
                    self._keep_notes(batch, failure)
                    await self._pause(breaker.pause)
                    continue
                if breaker.failure is not None:
                    _log.warning("The records can be written again; %d writes are queued", len(self._queue))
                breaker.record_success()
            if self._closing.is_set():
                return

    async def _pause(self, seconds: float) -> None:
        """Wait before the next attempt; at shutdown only shortly."""
        if self._closing.is_set():
            await asyncio.sleep(min(seconds, _FIRST_PAUSE))
            return
        try:
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        except TimeoutError:
            pass

    def _keep_notes(self, batch: Sequence[_Write[Any]], failure: Failure) -> None:
        """Put the notes back into the queue and fail the other writes."""
        for write in reversed(batch):
            if write.future.done():
                continue
            if write.is_note:
                self._queue.appendleft(write)
            else:
                write.future.set_exception(failure.to_error())
        is_news = self._write_breaker.failure != failure
        self._write_breaker.record_failure(failure)
        if is_news:
            _log.warning(
                "Writing the records failed: %s. Answers go on; %d writes are queued, next attempt in %.1f s",
                failure.reason,
                len(self._queue),
                self._write_breaker.pause,
            )

    async def _commit(self, batch: Sequence[_Write[Any]]) -> Failure | None:
        """Run writes in one transaction; if one of them is at fault, each in its own.

        Returns:
            A temporary failure, after which the futures that are not done are still to be served; else None.
        """
        if not batch:
            return None
        try:
            results = await self._run_transaction(batch)
        except Exception as error:  # noqa: BLE001 - a write that is at fault must not end the queue
            is_known = isinstance(error, self._error_types)
            failure = classify(error)
            if is_known and failure.is_temporary:
                return failure
            if len(batch) == 1:
                if not batch[0].future.done():
                    batch[0].future.set_exception(failure.to_error(error) if is_known else error)
                return None
            for write in batch:
                if not write.future.done() and (temporary := await self._commit([write])):
                    return temporary
            return None
        for write, result in zip(batch, results, strict=True):
            if not write.future.done():
                write.future.set_result(result)
        return None

    async def _run_transaction(self, batch: Sequence[_Write[Any]]) -> list[Any]:
        async with self._write_lock, self._engine.connect() as connection:
            if self.is_sqlite:
                await connection.exec_driver_sql("BEGIN IMMEDIATE")
            results = [await write.work(connection) for write in batch]
            await connection.commit()
        self.transactions += 1
        return results

    def _count_delay(self) -> None:
        self.delayed += 1
        now = asyncio.get_running_loop().time()
        if now - self._warned_at >= _WARNING_INTERVAL:
            self._warned_at = now
            _log.warning(
                "Answers do not wait for the records any longer (timeout after %.1f s): %d writes are queued%s",
                self._timeouts.note,
                len(self._queue),
                f", {self.failure}" if self.failure else "",
            )


@asynccontextmanager
async def open_database(url: sa.URL | str, timeouts: Timeouts) -> AsyncGenerator[Database]:
    """Open a database, bring its tables up to date, and close it in the end.

    Raises:
        RecordsUnusable: it cannot be opened, or another version of Docent wrote it.
    """
    engine = _create_engine(url, timeouts)
    try:
        await _create_tables(engine)
        database = Database(engine, timeouts)
        try:
            yield database
        finally:
            await database.close()
    finally:
        await engine.dispose()


async def _create_tables(engine: AsyncEngine) -> None:
    try:
        async with engine.begin() as connection:
            if _is_in_memory(engine):
                await connection.run_sync(schema.metadata.create_all)
                return
            if await connection.run_sync(_load_revision) == schema.REVISION:
                return
        # A migration may take longer than any other statement.
        migrating = _create_engine(engine.url, Timeouts(operation=_MIGRATION_TIMEOUT, lock=_MIGRATION_TIMEOUT))
        try:
            async with migrating.begin() as connection:
                await _migrate(connection)
        finally:
            await migrating.dispose()
    except _error_types(engine) as error:
        raise classify(error).to_error(error) from error


async def _migrate(connection: AsyncConnection) -> None:
    # Heavy, and hardly ever needed.
    from bot.records.sql.upgrade import upgrade  # noqa: PLC0415

    if connection.dialect.name == "sqlite":
        await connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        await connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK_ID})
        await connection.execute(sa.text(f"CREATE SCHEMA IF NOT EXISTS {schema.SCHEMA}"))
    await connection.run_sync(upgrade)


def _create_engine(url: sa.URL | str, timeouts: Timeouts) -> AsyncEngine:
    # hide_parameters: the text of an error must not quote anybody's question.
    try:
        parts = sa.make_url(url)
        if parts.drivername == "sqlite+aiosqlite":
            creator = {"async_creator": _connect_in_memory} if parts.database in _MEMORY_NAMES else {}
            engine = create_async_engine(parts, hide_parameters=True, **creator)
            event.listen(engine.sync_engine, "connect", partial(_prepare_sqlite, timeouts.lock))
            return engine
        if parts.drivername == "postgresql+asyncpg":
            milliseconds = str(int(timeouts.operation * 1_000))
            return create_async_engine(
                parts,
                hide_parameters=True,
                pool_pre_ping=True,
                pool_size=_POOL_SIZE,
                max_overflow=_POOL_OVERFLOW,
                pool_timeout=timeouts.operation,
                connect_args={
                    "timeout": timeouts.operation,
                    "command_timeout": timeouts.operation,
                    "server_settings": {
                        "search_path": schema.SCHEMA,
                        "statement_timeout": milliseconds,
                        "lock_timeout": milliseconds,
                        "idle_in_transaction_session_timeout": milliseconds,
                    },
                },
            )
    except SQLAlchemyError as error:
        raise RecordsUnusable("The address of the records' database cannot be read.") from error
    except ImportError as error:
        raise RecordsUnusable(
            "The records are in a PostgreSQL database, and its driver is not installed: add --extra postgres."
        ) from error
    raise RecordsUnusable("The address of a PostgreSQL database begins with postgresql+asyncpg://.")


def _is_in_memory(engine: AsyncEngine) -> bool:
    return engine.url.drivername == "sqlite+aiosqlite" and engine.url.database in _MEMORY_NAMES


def _error_types(engine: AsyncEngine) -> tuple[type[Exception], ...]:
    if engine.dialect.name == "sqlite":
        return SQLAlchemyError, OSError
    import asyncpg  # noqa: PLC0415  # installed only with the extra

    # The driver's own come from connecting, before SQLAlchemy has a connection whose errors it translates.
    return SQLAlchemyError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError


def _load_revision(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table(schema.revision.name):
        return None
    return connection.scalar(sa.select(schema.revision.c.version_num))


class _InlineQueue:
    """Runs each function that a thread would take from the queue, at once."""

    def put_nowait(self, item: tuple[asyncio.Future[Any] | None, Callable[[], Any]]) -> None:
        future, function = item
        try:
            result = function()
        except Exception as error:  # noqa: BLE001 - as aiosqlite's thread does, for whoever waits
            if future is not None:
                future.set_exception(error)
        else:
            if future is not None:
                future.set_result(result)


class _InMemoryConnection(aiosqlite.Connection):
    """Runs statements in the event loop's thread: in memory they take microseconds, and no clock need be real."""

    def __init__(self) -> None:
        super().__init__(partial(sqlite3.connect, ":memory:"), iter_chunk_size=64)
        self._tx = _InlineQueue()  # type: ignore[assignment]

    def __await__(self) -> Generator[Any, None, aiosqlite.Connection]:
        return self._connect().__await__()


async def _connect_in_memory() -> aiosqlite.Connection:
    return await _InMemoryConnection()


def create_private_file(path: Path) -> None:
    """Create the file before SQLite does, which would let others read it; SQLite's side files get the same mode."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # To open and close an existing file would release the locks that this process's connections hold on it.
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    path.chmod(0o600)


def _prepare_sqlite(lock_timeout: float, connection: DBAPIConnection, _: object) -> None:
    with closing(connection.cursor()) as cursor:
        for pragma in (f"busy_timeout = {int(lock_timeout * 1_000)}", *_PRAGMAS):
            cursor.execute(f"PRAGMA {pragma}")
            if pragma == _WAL and (row := cursor.fetchone()) and row[0] not in {"wal", "memory"}:
                _log.warning("The records' file system does not support SQLite's write-ahead log: mode is %s", row[0])


def _log_late_failure(future: asyncio.Future[object]) -> None:
    """Log that a note failed after its answer had gone on."""
    if not future.cancelled() and (error := future.exception()):
        _log.warning("Saving a record failed: %s", error)
