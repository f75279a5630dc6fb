"""The file is private and outlives its process, however that ends; every fault is told in words that quote nobody."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.domain import Scope, Source, Usage
from bot.errors import RecordsUnusable
from bot.records import Fate, Record, Spending, SqlRecords
from tests.fakes.answerer import HANDBOOK
from tests.records.samples import ADA, ANSWER, DOWN, GUILD

if TYPE_CHECKING:
    from tests.records.conftest import Place

ROOT = Path(__file__).parents[2]

# Says each key once its answer is remembered, until somebody kills it.
REMEMBERS_ON = """
import asyncio, itertools, sys
from dataclasses import replace
from pathlib import Path
from bot.records import SqlRecords
from tests.records.samples import ANSWER

async def main():
    async with SqlRecords.opened_file(Path(sys.argv[1])) as records:
        for n in itertools.count():
            await records.remember(replace(ANSWER, key=str(n), text="word " * 2_000))
            print(n, flush=True)

asyncio.run(main())
"""

words = st.text(st.characters(codec="utf-8", exclude_characters="\x00"))
sources = st.builds(
    Source,
    number=st.integers(1, 99),
    document=words,
    title=words,
    passage=words,
    section=words,
    page=st.none() | st.integers(1, 9_999),
    line=st.none() | st.integers(1, 99_999),
    url=st.none() | words,
    date=st.none() | st.datetimes(timezones=st.just(UTC)),
    is_changed=st.booleans(),
)
ids = st.integers(0, 2**63 - 1)
tokens = st.integers(0, 2**40)
times = st.floats(0, 1e10)
any_records = st.builds(
    Record,
    key=st.from_regex(r"[0-9]{1,20}", fullmatch=True),
    question=words,
    asker_id=ids,
    guild_id=st.none() | ids,
    channel_id=ids,
    asked_at=times,
    scope=st.builds(Scope, st.frozensets(words, max_size=3)),
    message_ids=st.lists(ids, max_size=5).map(tuple),
    searched_for=words,
    text=words,
    sources=st.lists(sources, max_size=3).map(tuple),
    fate=st.sampled_from(Fate),
    ended_at=st.none() | times,
    usage=st.builds(Usage, prompt=tokens, completion=tokens),
    first_word_at=st.none() | times,
    is_automatic=st.booleans(),
    attached=st.lists(words, max_size=3).map(tuple),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(record=any_records)
async def test_whatever_an_answer_holds_comes_back_the_same(lasting: Place, record: Record) -> None:
    async with lasting.opened() as records:
        await records.remember(record)
        assert await records.recall(record.key) == record


async def test_signs_no_database_takes_do_not_keep_anything_from_being_remembered(lasting: Place) -> None:
    passage = replace(HANDBOOK, passage="\ud83d\x00")
    broken = replace(ANSWER, text="half \ud83d", question="\udc00?\x00", sources=(passage,), attached=("\ud83d\x00",))
    async with lasting.opened() as records:
        await records.remember(broken)
        await records.vote(replace(DOWN, words="\ud83d\x00!"))
        record, votes = await records.recall("1"), await records.votes("1")
    assert record
    assert (record.text, record.question) == ("half ?", "??\ufffd")
    assert (record.sources, record.attached) == (broken.sources, broken.attached)
    assert [vote.words for vote in votes] == ["?\ufffd!"]


async def test_a_restart_forgets_nothing(lasting: Place) -> None:
    async with lasting.opened() as records:
        await records.remember(ANSWER)
        await records.vote(DOWN)
    async with lasting.opened() as records:
        assert await records.recall("1") == ANSWER
        assert await records.votes("1") == [DOWN]


async def test_a_passage_written_by_another_release_is_read_as_far_as_it_is_known(lasting: Place) -> None:
    written = '[{"number"\\: 1, "document"\\: "a.md", "title"\\: "A", "passage"\\: "Words.", "mood"\\: "blue"}]'
    async with lasting.opened() as records:
        await records.remember(ANSWER)
        await lasting.rows_soon(f"UPDATE answers SET sources = '{written}'")  # noqa: S608 - the test's own
        record = await records.recall("1")
    assert record
    assert record.sources == (Source(1, "a.md", "A", "Words."),)


async def test_nobody_else_on_the_machine_may_read_the_file(file: Place) -> None:
    assert isinstance(file.where, Path)
    file.where.parent.mkdir()
    file.where.touch(0o644)
    async with file.opened() as records:
        await records.remember(ANSWER)
        modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in file.where.parent.iterdir()}
    assert len(modes) > 1, "the write-ahead log is there while it is open"
    assert set(modes.values()) == {0o600}


# Several at once, and sudden ends


def test_what_was_remembered_is_there_after_the_process_is_killed(file: Place) -> None:
    command = [sys.executable, "-c", REMEMBERS_ON, str(file.where)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:  # noqa: S603 - ours
        assert process.stdout
        said = [process.stdout.readline() for _ in range(20)]
        process.kill()
        said += process.stdout.readlines()
    promised = {line.decode().strip() for line in said if line.endswith(b"\n")}
    assert len(promised) >= 20
    assert promised <= {key for (key,) in file.rows("SELECT key FROM answers")}
    assert file.rows("PRAGMA integrity_check") == [("ok",)]


async def test_two_processes_see_what_the_other_wrote(lasting: Place) -> None:
    async with lasting.opened() as one, lasting.opened() as other:
        for n in range(20):
            await asyncio.gather(
                *(each.remember(replace(ANSWER, key=f"{n} {name}")) for name, each in (("a", one), ("b", other)))
            )
            assert await one.recall(f"{n} b")
            assert await other.recall(f"{n} a")


async def test_words_and_thumb_that_come_at_the_same_moment_are_both_kept(lasting: Place) -> None:
    async with lasting.opened() as records:
        await records.remember(ANSWER)
        with_words = replace(DOWN, words="Why?")
        await asyncio.gather(*(records.vote(vote) for vote in (DOWN, with_words, *[DOWN] * 20)))
        assert [vote.words for vote in await records.votes("1")] == ["Why?"]


async def test_two_hundred_at_once_are_all_remembered_while_the_loop_runs_on(lasting: Place) -> None:
    async with lasting.opened() as records:
        answers = [replace(ANSWER, key=str(n), text="word " * 2_000) for n in range(200)]
        beats: list[float] = []

        async def beat() -> None:
            while True:
                beats.append(time.monotonic())
                await asyncio.sleep(0)

        beating = asyncio.create_task(beat())
        spent = [Spending(answer.key, ADA, GUILD, 1_000.0, 10) for answer in answers]
        await asyncio.gather(*map(records.remember, answers), *map(records.begin_spending, spent))
        beating.cancel()
        assert all([await records.recall(answer.key) == answer for answer in answers])
        assert len(await records.spendings(0)) == len(answers)
        assert len(beats) > len(answers), "other tasks had their turn between the writes"


async def test_a_write_that_is_cancelled_keeps_no_other_from_its_turn(file: Place) -> None:
    async with file.opened() as records:
        for n in range(30):
            writing = asyncio.create_task(records.remember(replace(ANSWER, key=str(n))))
            for _ in range(n):
                await asyncio.sleep(0)
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
        await asyncio.wait_for(records.remember(ANSWER), 30)
        assert await records.recall("1") == ANSWER


# Faults


async def test_a_folder_that_cannot_be_written_is_said_in_words(file: Place) -> None:
    assert isinstance(file.where, Path)
    file.where.parent.write_text("a file where the folder should be")
    with pytest.raises(RecordsUnusable, match="cannot be written"):
        async with file.opened():
            pass


async def test_a_file_that_is_no_database_is_said_in_words_and_left_alone(file: Place) -> None:
    assert isinstance(file.where, Path)
    file.where.parent.mkdir()
    file.where.write_bytes(b"not a database at all" * 100)
    with pytest.raises(RecordsUnusable):
        async with file.opened():
            pass
    assert file.where.read_bytes() == b"not a database at all" * 100


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("postgresql+asyncpg://docent:planted@127.0.0.1:1/docent", "cannot be read or written"),
        ("no address at all: planted", "cannot be read"),
        ("postgresql://docent:planted@127.0.0.1/docent", r"begins with postgresql\+asyncpg://"),
        ("mysql+aiomysql://docent:planted@127.0.0.1/docent", r"begins with postgresql\+asyncpg://"),
    ],
)
async def test_an_address_that_leads_nowhere_is_said_in_words_that_do_not_repeat_it(url: str, complaint: str) -> None:
    pytest.importorskip("asyncpg")
    with pytest.raises(RecordsUnusable, match=complaint) as raised:
        async with SqlRecords.opened(url):
            pass
    assert "planted" not in raised.value.words


async def test_a_database_that_is_not_there_is_said_in_words(server_url: str) -> None:
    with pytest.raises(RecordsUnusable, match="cannot be read or written"):
        async with SqlRecords.opened(server_url.replace("/postgres", "/nowhere", 1)):
            pass


async def test_a_failure_while_it_runs_repeats_nobodys_question(lasting: Place) -> None:
    async with lasting.opened() as records:
        await lasting.rows_soon("DROP TABLE votes")
        await lasting.rows_soon("DROP TABLE answers")
        with pytest.raises(RecordsUnusable) as raised:
            await records.remember(ANSWER)
        assert ANSWER.question not in str(raised.value)
        assert ANSWER.question not in str(raised.value.__cause__)
        with pytest.raises(RecordsUnusable):
            await records.recall("1")


async def test_a_file_that_another_process_holds_on_to_is_waited_for(file: Place) -> None:
    assert isinstance(file.where, Path)
    async with file.opened() as records:
        with closing(sqlite3.connect(file.where, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            remembering = asyncio.create_task(records.remember(ANSWER))
            await asyncio.sleep(0.3)
            assert not remembering.done()
            assert await records.recall("1") is None, "reading waits for nobody"
            other.execute("COMMIT")
        await remembering
        assert await records.recall("1") == ANSWER


async def test_a_server_is_not_spoken_to_without_what_speaks_to_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    with pytest.raises(RecordsUnusable, match="add --extra postgres"):
        async with SqlRecords.opened("postgresql+asyncpg://127.0.0.1/docent"):
            pass
