"""Records of an older release are brought up to date in place and lose nothing; those of a newer one are left alone."""

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
from bot.records import AnswerStatus
from bot.records.sql import schema
from tests.records import first_release
from tests.records.samples import ADMIN, ANSWER, GUILD

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from tests.records.conftest import RecordsBackend

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


async def test_records_of_the_first_release_are_kept_and_writable(file_backend: RecordsBackend) -> None:
    assert isinstance(file_backend.location, Path)
    keys = [str(n) for n in range(500)]
    first_release.create_file(file_backend.location)
    first_release.write_answers(file_backend.location, *keys)
    async with file_backend.open() as records:
        assert [await records.load_answer(key) for key in keys] == [first_release.expected_answer(key) for key in keys]
        assert [list(await records.load_votes(key)) for key in keys] == [
            [first_release.expected_vote(key)] for key in keys
        ]
        assert len(await records.load_gaps(GUILD, 0, 1_000)) == len(keys)
        assert await records.close_gaps(GUILD, keys, ADMIN, 3_000.0) == len(keys)
        await records.save_answer(ANSWER)
        assert await records.load_answer(ANSWER.answer_id) == ANSWER
    assert not await find_schema_differences(file_backend)


@pytest.mark.parametrize(("version", "with_votes"), [(None, True), (None, False)])
async def test_incomplete_file_of_the_first_release_is_completed(
    file_backend: RecordsBackend, version: int | None, *, with_votes: bool
) -> None:
    assert isinstance(file_backend.location, Path)
    first_release.create_file(file_backend.location, version=version, with_votes=with_votes)
    async with file_backend.open() as records:
        await records.save_answer(ANSWER)
    assert not await find_schema_differences(file_backend)


async def test_first_release_can_still_write_to_a_migrated_file(file_backend: RecordsBackend) -> None:
    assert isinstance(file_backend.location, Path)
    async with file_backend.open():
        pass
    first_release.write_answers(file_backend.location, "1")
    async with file_backend.open() as records:
        assert await records.load_answer("1") == first_release.expected_answer("1")
        assert (await records.load_statistics(None, 0)).by_status == {AnswerStatus.COMPLETE: 1}


@pytest.mark.parametrize("newer", ["UPDATE records_revision SET version_num = '9999'", ""])
async def test_records_of_a_newer_version_are_not_touched(file_backend: RecordsBackend, newer: str) -> None:
    assert isinstance(file_backend.location, Path)
    if newer:
        async with file_backend.open() as records:
            await records.save_answer(ANSWER)
        await file_backend.query_async(newer)
    else:
        first_release.create_file(file_backend.location, version=99)
    before = dump_database(file_backend.location)
    with pytest.raises(RecordsUnusable, match="written by a newer version"):
        async with file_backend.open():
            pass
    assert dump_database(file_backend.location) == before


async def test_a_newer_version_is_noticed_on_a_server_too(persistent_backend: RecordsBackend) -> None:
    async with persistent_backend.open():
        pass
    await persistent_backend.query_async("UPDATE records_revision SET version_num = '9999'")
    with pytest.raises(RecordsUnusable, match="written by a newer version"):
        async with persistent_backend.open():
            pass


async def test_an_upgrade_that_fails_half_way_leaves_everything_as_it_was(file_backend: RecordsBackend) -> None:
    assert isinstance(file_backend.location, Path)
    first_release.create_file(file_backend.location)
    first_release.write_answers(file_backend.location, "1")
    await file_backend.query_async("CREATE TABLE runs (id TEXT)")  # the last of the tables that the upgrade makes
    before = dump_database(file_backend.location)
    with pytest.raises(RecordsUnusable, match="cannot be read or written"):
        async with file_backend.open():
            pass
    assert dump_database(file_backend.location) == before
    await file_backend.query_async("DROP TABLE runs")
    async with file_backend.open() as records:
        assert await records.load_answer("1") == first_release.expected_answer("1")


@pytest.mark.parametrize("is_there", [False, True])
def test_several_processes_may_open_the_same_file_at_once(file_backend: RecordsBackend, *, is_there: bool) -> None:
    assert isinstance(file_backend.location, Path)
    if is_there:
        first_release.create_file(file_backend.location)
        first_release.write_answers(file_backend.location, "old")
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
    keys = {key for (key,) in file_backend.query("SELECT key FROM answers")}
    assert keys == {"0", "1", "2", "3"} | ({"old"} if is_there else set())


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
