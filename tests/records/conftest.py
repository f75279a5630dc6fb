"""Opens empty records in every backend for the contract tests; PostgreSQL is a real server."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from benchmarks.knowledge import server
from bot.records import IN_MEMORY, SqlRecords
from bot.records.sql.database import Timeouts
from bot.records.sql.schema import SCHEMA

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from bot.records import Records


PATIENT = Timeouts(note=30.0, operation=30.0, lock=30.0)
"""For tests of what is stored: however busy the machine, a write is waited for."""


@dataclass(slots=True)
class RecordsBackend:
    """A place for one test's records: a file, or the URL of a server's database or of memory."""

    location: Path | str

    @asynccontextmanager
    async def open(self, *, keeps_texts: bool = True, timeouts: Timeouts = PATIENT) -> AsyncGenerator[SqlRecords]:
        """Open the records as a new process does."""
        opening = SqlRecords.open_file if isinstance(self.location, Path) else SqlRecords.open
        async with opening(self.location, keeps_texts=keeps_texts, timeouts=timeouts) as records:  # type: ignore[arg-type]
            yield records

    def query(self, statement: str) -> list[tuple[object, ...]]:
        """Run a statement on a connection of its own and return its rows."""
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
            return RecordsBackend(IN_MEMORY)
        case "file":
            return RecordsBackend(folder / "state" / "records.sqlite")
        case _:
            backend = RecordsBackend(request.getfixturevalue("server_url"))
            backend.query(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
            return backend


@pytest.fixture(params=["memory", "file", "postgres"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> RecordsBackend:
    """Every backend."""
    return _create_backend(request, tmp_path)


@pytest.fixture(params=["file", "postgres"])
def persistent_backend(request: pytest.FixtureRequest, tmp_path: Path) -> RecordsBackend:
    """The backends that survive a restart."""
    return _create_backend(request, tmp_path)


@pytest.fixture
def file_backend(tmp_path: Path) -> RecordsBackend:
    """A SQLite file."""
    return RecordsBackend(tmp_path / "state" / "records.sqlite")


@pytest.fixture
async def records(backend: RecordsBackend) -> AsyncGenerator[Records]:
    """Records in every backend."""
    async with backend.open() as records:
        yield records
