"""The fault matrix: whatever fails, each answer comes to its end, the log says why, and the next question is served."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from bot.records import SqlRecords
from bot.records.sql.database import Timeouts
from tests.fakes.answerer import FakeAnswerer
from tests.fakes.running_bot import running_bot
from tests.faults import rows
from tests.faults.rows import DISCORD_MOMENTS, GATEWAY_ROWS, RECORDS_ROWS, Row
from tests.faults.scene import SCRIPT, WHOLE, Reader, captured_warnings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bot.simulator.faults import Fault
    from tests.faults.rows import DiscordMoment

Cause = Callable[[], Awaitable[None]]


async def find_end(row: Row, cause: Cause, reader: Reader, way: str) -> tuple[str, str, str]:
    """Ask, let the fault happen, and return its name, what the reader sees, and what was logged.

    The log is the row's own words where they were logged, else everything that was.
    """
    with captured_warnings() as lines:
        if not row.after:
            await cause()
        reader.ask(way)
        if row.after:
            await reader.wait_for(row.after)
            await asyncio.sleep(row.pause)
            await cause()
        await reader.wait_until_settled()
    is_expected = any(row.log in line for line in lines) if row.log else not lines
    return row.fault, reader.describe_end(), row.log if is_expected else str(lines)


def expected_ends(table: Sequence[Row]) -> list[tuple[str, str, str]]:
    return [(row.fault, row.reader, row.log) for row in table]


async def is_next_served(reader: Reader) -> bool:
    reader.ask("command")
    await reader.wait_until_settled()
    return reader.describe_end() == WHOLE


@pytest.mark.parametrize("moment", DISCORD_MOMENTS, ids=str)
async def test_every_fault_of_discords_http_api_ends_in_words(moment: DiscordMoment) -> None:
    async with running_bot(FakeAnswerer(SCRIPT)) as bot:
        reader = Reader(bot)
        ends = []
        for row in moment.rows:
            fault = replace(rows.DISCORD_FAULTS[row.fault], method=moment.method, path=moment.path)

            async def happen(fault: Fault = fault) -> None:
                bot.simulator.faults.add(fault)

            ends.append(await find_end(row, happen, reader, moment.way))
            assert not bot.simulator.faults.pending, f"{row.fault} did not happen"
        assert ends == expected_ends(moment.rows)
        assert await is_next_served(reader)


@pytest.mark.parametrize("way", ["command", "mention"])
async def test_every_fault_of_the_gateway_leaves_the_answer_whole(way: str) -> None:
    async with running_bot(FakeAnswerer(SCRIPT)) as bot:
        reader = Reader(bot)
        ends = []
        for row in GATEWAY_ROWS:

            async def happen(row: Row = row) -> None:
                await rows.GATEWAY_FAULTS[row.fault](bot.simulator.gateway)

            ends.append(await find_end(row, happen, reader, way))
            await bot.simulator.wait_until_ready()
        assert ends == expected_ends(GATEWAY_ROWS)
        assert await is_next_served(reader)


@pytest.mark.parametrize("row", RECORDS_ROWS, ids=lambda row: row.fault)
async def test_every_fault_of_the_records_leaves_the_answer_whole(tmp_path: Path, row: Row) -> None:
    path = tmp_path / "state" / "records.sqlite"
    timeouts = Timeouts(lock=0.05)
    async with (
        SqlRecords.open_file(path, timeouts=timeouts) as records,
        running_bot(FakeAnswerer(SCRIPT), records=records) as bot,
    ):
        with closing(sqlite3.connect(path, isolation_level=None)) as other:

            async def happen() -> None:
                other.execute("BEGIN IMMEDIATE")
                if "gone" in row.fault:
                    other.execute("DROP TABLE answers")
                    other.execute("COMMIT")

            reader = Reader(bot)
            assert await find_end(row, happen, reader, "command") == (row.fault, row.reader, row.log)
            if other.in_transaction:
                other.execute("ROLLBACK")
        assert await is_next_served(reader)
