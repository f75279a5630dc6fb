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
class Place:
    """Where one test's records are: a file, the URL of a server's database, or this process. ``now`` is its time."""

    where: Path | str | None
    now: float = 3_000.0
    _memory: MemoryRecords = field(init=False)

    def __post_init__(self) -> None:
        self._memory = MemoryRecords(clock=lambda: self.now)

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[Records]:
        """The records, as a process finds them that begins now."""
        if self.where is None:
            yield self._memory
        else:
            async with self.opened_sql() as records:
                yield records

    @asynccontextmanager
    async def opened_sql(self, *, keeps_texts: bool = True) -> AsyncGenerator[SqlRecords]:
        assert self.where is not None
        if isinstance(self.where, Path):
            opening = SqlRecords.opened_file(self.where, keeps_texts=keeps_texts, clock=lambda: self.now)
        else:
            opening = SqlRecords.opened(self.where, keeps_texts=keeps_texts, clock=lambda: self.now)
        async with opening as records:
            yield records

    def rows(self, statement: str) -> list[tuple[object, ...]]:
        """What a statement gives or does, on a connection that knows nothing of the records."""
        return asyncio.run(self.rows_soon(statement))

    async def rows_soon(self, statement: str) -> list[tuple[object, ...]]:
        is_file = isinstance(self.where, Path)
        url = f"sqlite+aiosqlite:///{self.where}" if is_file else str(self.where)
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
    if server.missing():
        pytest.skip(f"no PostgreSQL to try: {', '.join(server.missing())} not installed")
    with server.running() as url:
        yield url


def _placed(request: pytest.FixtureRequest, folder: Path) -> Place:
    match request.param:
        case "memory":
            return Place(None)
        case "file":
            return Place(folder / "state" / "records.sqlite")
        case _:
            place = Place(request.getfixturevalue("server_url"))
            place.rows(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
            return place


@pytest.fixture(params=["memory", "file", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Every kind of place."""
    return _placed(request, tmp_path)


@pytest.fixture(params=["file", "postgres"])
def lasting(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Those that outlive a process."""
    return _placed(request, tmp_path)


@pytest.fixture
def file(tmp_path: Path) -> Place:
    """A file alone."""
    return Place(tmp_path / "state" / "records.sqlite")


@pytest.fixture
async def records(place: Place) -> AsyncGenerator[Records]:
    """Records in every kind of place."""
    async with place.opened() as records:
        yield records
