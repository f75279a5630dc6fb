"""Every kind of store, empty, for the contract that all of them keep; PostgreSQL is a real server on a socket."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from benchmarks.knowledge import server
from bot.knowledge.stores import open_store

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from bot.knowledge.stores.store import Store


class IndexLocation:
    """Where one test's index is, and whoever has opened it."""

    def __init__(self, path_or_url: Path | str) -> None:
        self.path_or_url = path_or_url
        self._open_stores = ExitStack()

    def open(self, embed_name: str = "model") -> Store:
        """One more view of the same index, as another process would have it."""
        store = open_store(self.path_or_url, embed_name)
        self._open_stores.callback(store.close)
        return store

    def close(self) -> None:
        self._open_stores.close()


@contextmanager
def running_server() -> Generator[str]:
    """The URL of a PostgreSQL server with pgvector that lives as long as the block."""
    if server.missing_packages():
        pytest.skip(f"no PostgreSQL to try: {', '.join(server.missing_packages())} not installed")
    with server.run_server() as url:
        yield url


@pytest.fixture(scope="session")
def server_url() -> Generator[str]:
    with running_server() as url:
        yield url


def drop_schema(url: str) -> str:
    """The same URL, nothing of ours in its database any more."""
    from sqlalchemy import text  # noqa: PLC0415  # not there without the group tests are run with
    from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415
    from sqlalchemy.pool import NullPool  # noqa: PLC0415

    async def drop() -> None:
        engine = create_async_engine(url, poolclass=NullPool)
        async with engine.begin() as connection:
            await connection.execute(text("DROP SCHEMA IF EXISTS docent CASCADE"))
        await engine.dispose()

    asyncio.run(drop())
    return url


@pytest.fixture(params=["sqlite", "postgres"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[IndexLocation]:
    where: Path | str = tmp_path / "state" / "index.sqlite"
    if request.param == "postgres":
        where = drop_schema(request.getfixturevalue("server_url"))
    place = IndexLocation(where)
    yield place
    place.close()


@pytest.fixture
def database(server_url: str) -> Generator[IndexLocation]:
    """PostgreSQL alone."""
    place = IndexLocation(drop_schema(server_url))
    yield place
    place.close()
