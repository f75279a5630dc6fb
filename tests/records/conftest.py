"""Every place where records can be, empty, for the contract that all of them keep; PostgreSQL is a real server."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from benchmarks.knowledge import server
from bot.records import MemoryRecords, SqlRecords
from bot.records.sql.schema import SCHEMA

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from bot.records import Records


@dataclass(slots=True)
class RecordsBackend:
    """Where one test's records are: a file, the URL of a server's database, or this process. ``now`` is its time."""

    location: Path | str | None
    now: float = 3_000.0
    _memory: MemoryRecords = field(init=False)

    def __post_init__(self) -> None:
        self._memory = MemoryRecords(clock=lambda: self.now)

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Records]:
        """The records, as a process finds them that begins now."""
        if self.location is None:
            yield self._memory
        else:
            async with self.open_sql() as records:
                yield records

    @asynccontextmanager
    async def open_sql(self, *, keeps_texts: bool = True) -> AsyncGenerator[SqlRecords]:
        assert self.location is not None
        if isinstance(self.location, Path):
            opening = SqlRecords.open_file(self.location, keeps_texts=keeps_texts, clock=lambda: self.now)
        else:
            opening = SqlRecords.open(self.location, keeps_texts=keeps_texts, clock=lambda: self.now)
        async with opening as records:
            yield records

    def query(self, statement: str) -> list[tuple[object, ...]]:
        """What a statement gives or does, on a connection that knows nothing of the records."""
        return asyncio.run(self.query_async(statement))

    async def query_async(self, statement: str) -> list[tuple[object, ...]]:
        is_file = isinstance(self.location, Path)
        url = f"sqlite+aiosqlite:///{self.location}" if is_file else str(self.location)
        ways = {} if is_file else {"server_settings": {"search_path": SCHEMA}}
        engine = create_async_engine(url, poolclass=NullPool, connect_args=ways)
        try:
            async with engine.begin() as connection:
                result = await connection.execute(sa.text(statement))
                return [tuple(row) for row in result] if result.returns_rows else []
        finally:
            await engine.dispose()


@pytest.fixture(scope="session")
def server_url() -> Generator[str]:
    if server.missing_packages():
        pytest.skip(f"no PostgreSQL to try: {', '.join(server.missing_packages())} not installed")
    with server.run_server() as url:
        yield url


def _create_backend(request: pytest.FixtureRequest, folder: Path) -> RecordsBackend:
    match request.param:
        case "memory":
            return RecordsBackend(None)
        case "file":
            return RecordsBackend(folder / "state" / "records.sqlite")
        case _:
            place = RecordsBackend(request.getfixturevalue("server_url"))
            place.query(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
            return place


@pytest.fixture(params=["memory", "file", "postgres"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> RecordsBackend:
    """Every kind of place."""
    return _create_backend(request, tmp_path)


@pytest.fixture(params=["file", "postgres"])
def persistent_backend(request: pytest.FixtureRequest, tmp_path: Path) -> RecordsBackend:
    """Those that outlive a process."""
    return _create_backend(request, tmp_path)


@pytest.fixture
def file_backend(tmp_path: Path) -> RecordsBackend:
    """A file alone."""
    return RecordsBackend(tmp_path / "state" / "records.sqlite")


@pytest.fixture
async def records(backend: RecordsBackend) -> AsyncGenerator[Records]:
    """Records in every kind of place."""
    async with backend.open() as records:
        yield records
