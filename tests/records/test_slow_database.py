"""A database that is slow, locked or gone holds up no answer, loses no note and no shutdown."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bot.errors import RecordsUnusable
from bot.records import UsageRecord
from bot.records.sql.database import _FIRST_PAUSE, Timeouts
from tests.records.samples import ADA, ANSWER, GUILD, QUESTION, UP

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from tests.records.conftest import RecordsBackend

IMPATIENT = Timeouts(note=0.05, operation=1.0, lock=0.1, close=1.0)


async def _wait_until(condition: Callable[[], bool]) -> None:
    """Wait for the log of a thread."""
    while not condition():  # noqa: ASYNC110 - a log line sets no event
        await asyncio.sleep(0.01)


@pytest.fixture
def lock(file_backend: RecordsBackend) -> Generator[sqlite3.Connection]:
    """A connection of another program, which may hold the write lock."""
    assert isinstance(file_backend.location, Path)
    file_backend.location.parent.mkdir()
    with closing(sqlite3.connect(file_backend.location, isolation_level=None)) as other:
        yield other


async def test_note_on_a_locked_file_is_written_once_the_lock_is_gone(
    file_backend: RecordsBackend, lock: sqlite3.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    async with file_backend.open(timeouts=IMPATIENT) as records:
        lock.execute("BEGIN IMMEDIATE")
        await records.save_answer(QUESTION)
        await records.add_usage(UsageRecord("1", ADA, GUILD, 1_000.0, 30))
        await records.save_answer(ANSWER)
        assert await records.load_answer("1") == ANSWER
        assert "Answers do not wait for the records any longer (timeout after 0.1 s)" in caplog.text
        await _wait_until(lambda: "Writing the records failed" in caplog.text)
        assert "timeout: the file is locked by another program" in caplog.text
        lock.execute("COMMIT")
        await _wait_until(lambda: "The records can be written again" in caplog.text)
    assert await file_backend.query_async("SELECT status FROM answers") == [("complete",)]


async def test_vote_on_a_locked_file_fails_with_the_reason(
    file_backend: RecordsBackend, lock: sqlite3.Connection
) -> None:
    async with file_backend.open(timeouts=IMPATIENT) as records:
        await records.save_answer(ANSWER)
        lock.execute("BEGIN IMMEDIATE")
        with pytest.raises(RecordsUnusable, match="timeout"):
            await records.save_vote(UP)
        assert await records.load_answer("1") == ANSWER
        lock.execute("COMMIT")
        await asyncio.sleep(_FIRST_PAUSE)  # the circuit breaker's, on the clock of the real event loop
        assert await records.save_vote(UP)


async def test_closing_with_a_locked_file_ends_in_time_and_says_what_was_lost(
    file_backend: RecordsBackend, lock: sqlite3.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    async with asyncio.timeout(20), file_backend.open(timeouts=IMPATIENT) as records:
        lock.execute("BEGIN IMMEDIATE")
        await records.save_answer(ANSWER)
    assert "1 writes to the records failed at shutdown" in caplog.text


async def test_closing_writes_what_is_queued(file_backend: RecordsBackend, lock: sqlite3.Connection) -> None:
    async with file_backend.open(timeouts=replace(IMPATIENT, close=30.0)) as records:
        lock.execute("BEGIN IMMEDIATE")
        await records.save_answer(ANSWER)
        asyncio.get_running_loop().call_later(0.1, lock.execute, "COMMIT")
    assert await file_backend.query_async("SELECT answer_id FROM answers") == [("1",)]


async def test_one_faulty_write_does_not_prevent_the_others_of_its_transaction(
    file_backend: RecordsBackend,
) -> None:
    async with file_backend.open() as records:
        answers = [replace(ANSWER, answer_id=str(n)) for n in range(5)]
        broken = replace(ANSWER, answer_id="broken", asker_id=2**70)
        results = await asyncio.gather(*map(records.save_answer, [*answers, broken]), return_exceptions=True)
        assert [type(result) for result in results] == [type(None)] * 5 + [OverflowError]
        assert len(await file_backend.query_async("SELECT answer_id FROM answers")) == 5


async def test_hundred_answers_at_once_share_few_transactions(file_backend: RecordsBackend) -> None:
    async with file_backend.open() as records:
        await asyncio.gather(*(records.save_answer(replace(ANSWER, answer_id=str(n))) for n in range(100)))
        assert records._database.transactions < 10
    assert len(await file_backend.query_async("SELECT answer_id FROM answers")) == 100
