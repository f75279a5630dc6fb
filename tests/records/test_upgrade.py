"""Migrations create the current tables; records of other versions are refused and left untouched."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy.ext.asyncio import create_async_engine

from bot.errors import RecordsUnusable
from bot.records.sql import schema
from tests.records.conftest import RecordsBackend
from tests.records.samples import ANSWER

if TYPE_CHECKING:
    from sqlalchemy import Connection

ROOT = Path(__file__).parents[2]

# Waits for a line, so that several of them begin at the same moment.
SAVE_ANSWER_SCRIPT = """
import asyncio, sys
from dataclasses import replace
from pathlib import Path
from bot.records import SqlRecords
from tests.records.samples import ANSWER

async def main():
    async with SqlRecords.open_file(Path(sys.argv[1])) as records:
        await records.save_answer(replace(ANSWER, answer_id=sys.argv[2]))

print("ready", flush=True)
sys.stdin.readline()
asyncio.run(main())
"""
OPEN_SCRIPT = """
import asyncio, sys
from pathlib import Path
from bot.records import SqlRecords

async def main():
    async with SqlRecords.open_file(Path(sys.argv[1])):
        pass

asyncio.run(main())
print("alembic" in sys.modules)
"""


async def find_schema_differences(backend: RecordsBackend) -> list[object]:
    """Where the tables are not what ``schema`` says they are."""
    is_file = isinstance(backend.location, Path)
    url = f"sqlite+aiosqlite:///{backend.location}" if is_file else str(backend.location)
    ways = {} if is_file else {"server_settings": {"search_path": schema.SCHEMA}}
    engine = create_async_engine(url, connect_args=ways)

    def compare(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"version_table": schema.revision.name})
        return list(compare_metadata(context, schema.metadata))

    try:
        async with engine.connect() as connection:
            return await connection.run_sync(compare)
    finally:
        await engine.dispose()


def dump_database(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


async def test_migrations_lead_to_the_current_schema(persistent_backend: RecordsBackend) -> None:
    async with persistent_backend.open():
        pass
    assert await persistent_backend.query_async("SELECT version_num FROM records_revision") == [(schema.REVISION,)]
    assert not await find_schema_differences(persistent_backend)


DEVELOPMENT_TABLES = (
    "CREATE TABLE records_revision (version_num VARCHAR(32) NOT NULL)",
    "INSERT INTO records_revision VALUES ('0002')",
    "CREATE TABLE answers (key TEXT NOT NULL)",
    "INSERT INTO answers VALUES ('1')",
)


@pytest.mark.parametrize("has_revision", [True, False])
async def test_records_of_a_development_version_are_refused_and_untouched(
    file_backend: RecordsBackend, *, has_revision: bool
) -> None:
    assert isinstance(file_backend.location, Path)
    file_backend.location.parent.mkdir()
    for statement in DEVELOPMENT_TABLES if has_revision else DEVELOPMENT_TABLES[2:]:
        await file_backend.query_async(statement)
    before = dump_database(file_backend.location)
    with pytest.raises(RecordsUnusable, match=r"development version .* Move records\.sqlite"):
        async with file_backend.open():
            pass
    assert dump_database(file_backend.location) == before


async def test_server_records_of_a_development_version_are_refused(server_url: str) -> None:
    backend = RecordsBackend(server_url)
    for statement in (f"DROP SCHEMA IF EXISTS {schema.SCHEMA} CASCADE", f"CREATE SCHEMA {schema.SCHEMA}"):
        await backend.query_async(statement)
    for statement in DEVELOPMENT_TABLES:
        await backend.query_async(statement)
    with pytest.raises(RecordsUnusable, match="drop the schema docent_records"):
        async with backend.open():
            pass


async def test_records_of_a_newer_version_are_refused_and_untouched(persistent_backend: RecordsBackend) -> None:
    async with persistent_backend.open() as records:
        await records.save_answer(ANSWER)
    await persistent_backend.query_async("UPDATE records_revision SET version_num = '9999'")
    with pytest.raises(RecordsUnusable, match="written by a newer version"):
        async with persistent_backend.open():
            pass
    assert await persistent_backend.query_async("SELECT answer_id FROM answers") == [(ANSWER.answer_id,)]


async def test_migration_that_fails_half_way_leaves_nothing_behind(file_backend: RecordsBackend) -> None:
    assert isinstance(file_backend.location, Path)
    file_backend.location.parent.mkdir()
    await file_backend.query_async("CREATE TABLE runs (id TEXT)")  # the last table that the migration creates
    before = dump_database(file_backend.location)
    with pytest.raises(RecordsUnusable, match="cannot be read or written"):
        async with file_backend.open():
            pass
    assert dump_database(file_backend.location) == before
    await file_backend.query_async("DROP TABLE runs")
    async with file_backend.open() as records:
        await records.save_answer(ANSWER)
    assert not await find_schema_differences(file_backend)


def test_several_processes_may_open_the_same_file_at_once(file_backend: RecordsBackend) -> None:
    processes = [
        subprocess.Popen(  # noqa: S603 - ours
            [sys.executable, "-c", SAVE_ANSWER_SCRIPT, str(file_backend.location), str(n)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for n in range(4)
    ]
    for process in processes:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
    for process in processes:
        process.communicate(b"\n")
    assert [process.returncode for process in processes] == [0] * 4
    assert {key for (key,) in file_backend.query("SELECT answer_id FROM answers")} == {"0", "1", "2", "3"}


async def test_several_may_open_the_same_empty_database_at_once(persistent_backend: RecordsBackend) -> None:
    async def open_it() -> None:
        async with persistent_backend.open() as records:
            assert await records.load_answer("1") is None

    await asyncio.gather(*(open_it() for _ in range(6)))
    assert not await find_schema_differences(persistent_backend)


def test_current_schema_is_opened_without_loading_migrations(file_backend: RecordsBackend) -> None:
    def open_in_process() -> str:
        command = [sys.executable, "-c", OPEN_SCRIPT, str(file_backend.location)]
        return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603 - ours

    assert open_in_process() == "True"
    assert open_in_process() == "False"


async def test_migrating_leaves_logging_unchanged(file_backend: RecordsBackend) -> None:
    def state() -> object:
        names = sorted(logging.root.manager.loggerDict)
        loggers = [logging.root, *(logging.getLogger(name) for name in names if not name.startswith("alembic"))]
        return [(each.name, each.level, each.disabled, tuple(each.handlers)) for each in loggers]

    logging.getLogger("bot.somewhere")
    before = state()
    async with file_backend.open():
        pass
    assert state() == before
