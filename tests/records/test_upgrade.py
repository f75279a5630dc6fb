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
from bot.records import Fate
from bot.records.sql import schema
from tests.records import first_release
from tests.records.samples import ADMIN, ANSWER, GUILD

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from tests.records.conftest import Place

ROOT = Path(__file__).parents[2]

# Waits for a line, so that several of them begin at the same moment.
REMEMBERS = """
import asyncio, sys
from dataclasses import replace
from pathlib import Path
from bot.records import SqlRecords
from tests.records.samples import ANSWER

async def main():
    async with SqlRecords.opened_file(Path(sys.argv[1])) as records:
        await records.remember(replace(ANSWER, key=sys.argv[2]))

print("ready", flush=True)
sys.stdin.readline()
asyncio.run(main())
"""
OPENS = """
import asyncio, sys
from pathlib import Path
from bot.records import SqlRecords

async def main():
    async with SqlRecords.opened_file(Path(sys.argv[1])):
        pass

asyncio.run(main())
print("alembic" in sys.modules)
"""


async def differences(place: Place) -> list[object]:
    """Where the tables are not what ``schema`` says they are."""
    is_file = isinstance(place.where, Path)
    url = f"sqlite+aiosqlite:///{place.where}" if is_file else str(place.where)
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


def content(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


async def test_the_steps_lead_to_the_tables_that_are_read_and_written(lasting: Place) -> None:
    async with lasting.opened():
        pass
    assert await lasting.rows_soon("SELECT version_num FROM records_revision") == [(schema.REVISION,)]
    assert not await differences(lasting)


async def test_what_the_first_release_wrote_is_all_there_and_can_be_written_on(file: Place) -> None:
    assert isinstance(file.where, Path)
    keys = [str(n) for n in range(500)]
    first_release.make(file.where)
    first_release.write(file.where, *keys)
    async with file.opened() as records:
        assert [await records.recall(key) for key in keys] == [first_release.answer(key) for key in keys]
        assert [list(await records.votes(key)) for key in keys] == [[first_release.vote(key)] for key in keys]
        assert len(await records.gaps(GUILD, 0, 1_000)) == len(keys)
        assert await records.close_gaps(GUILD, keys, ADMIN, 3_000.0) == len(keys)
        await records.remember(ANSWER)
        assert await records.recall(ANSWER.key) == ANSWER
    assert not await differences(file)


@pytest.mark.parametrize(("version", "with_votes"), [(None, True), (None, False)])
async def test_a_file_the_first_release_did_not_finish_making_is_made_good(
    file: Place, version: int | None, *, with_votes: bool
) -> None:
    assert isinstance(file.where, Path)
    first_release.make(file.where, version=version, with_votes=with_votes)
    async with file.opened() as records:
        await records.remember(ANSWER)
    assert not await differences(file)


async def test_the_first_release_can_still_write_to_what_was_brought_up_to_date(file: Place) -> None:
    assert isinstance(file.where, Path)
    async with file.opened():
        pass
    first_release.write(file.where, "1")
    async with file.opened() as records:
        assert await records.recall("1") == first_release.answer("1")
        assert (await records.statistics(None, 0)).by_fate == {Fate.COMPLETE: 1}


@pytest.mark.parametrize("newer", ["UPDATE records_revision SET version_num = '9999'", ""])
async def test_what_a_newer_version_wrote_is_not_touched(file: Place, newer: str) -> None:
    assert isinstance(file.where, Path)
    if newer:
        async with file.opened() as records:
            await records.remember(ANSWER)
        await file.rows_soon(newer)
    else:
        first_release.make(file.where, version=99)
    before = content(file.where)
    with pytest.raises(RecordsUnusable, match="written by a newer version"):
        async with file.opened():
            pass
    assert content(file.where) == before


async def test_a_newer_version_is_noticed_on_a_server_too(lasting: Place) -> None:
    async with lasting.opened():
        pass
    await lasting.rows_soon("UPDATE records_revision SET version_num = '9999'")
    with pytest.raises(RecordsUnusable, match="written by a newer version"):
        async with lasting.opened():
            pass


async def test_an_upgrade_that_fails_half_way_leaves_everything_as_it_was(file: Place) -> None:
    assert isinstance(file.where, Path)
    first_release.make(file.where)
    first_release.write(file.where, "1")
    await file.rows_soon("CREATE TABLE runs (id TEXT)")  # the last of the tables that the upgrade makes
    before = content(file.where)
    with pytest.raises(RecordsUnusable, match="cannot be read or written"):
        async with file.opened():
            pass
    assert content(file.where) == before
    await file.rows_soon("DROP TABLE runs")
    async with file.opened() as records:
        assert await records.recall("1") == first_release.answer("1")


@pytest.mark.parametrize("is_there", [False, True])
def test_several_processes_may_open_the_same_file_at_once(file: Place, *, is_there: bool) -> None:
    assert isinstance(file.where, Path)
    if is_there:
        first_release.make(file.where)
        first_release.write(file.where, "old")
    processes = [
        subprocess.Popen(  # noqa: S603 - ours
            [sys.executable, "-c", REMEMBERS, str(file.where), str(n)],
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
    keys = {key for (key,) in file.rows("SELECT key FROM answers")}
    assert keys == {"0", "1", "2", "3"} | ({"old"} if is_there else set())


async def test_several_may_open_the_same_empty_database_at_once(lasting: Place) -> None:
    async def open_it() -> None:
        async with lasting.opened() as records:
            assert await records.recall("1") is None

    await asyncio.gather(*(open_it() for _ in range(6)))
    assert not await differences(lasting)


def test_what_is_up_to_date_is_opened_without_looking_for_steps(file: Place) -> None:
    def opened() -> str:
        command = [sys.executable, "-c", OPENS, str(file.where)]
        return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603 - ours

    assert opened() == "True"
    assert opened() == "False"


async def test_bringing_records_up_to_date_leaves_logging_as_it_was_set_up(file: Place) -> None:
    def state() -> object:
        names = sorted(logging.root.manager.loggerDict)
        loggers = [logging.root, *(logging.getLogger(name) for name in names if not name.startswith("alembic"))]
        return [(each.name, each.level, each.disabled, tuple(each.handlers)) for each in loggers]

    logging.getLogger("bot.somewhere")
    before = state()
    async with file.opened():
        pass
    assert state() == before
