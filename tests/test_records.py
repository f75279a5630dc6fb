"""What is remembered of answers: the same from memory and from a file, across a restart, gone when its time is up."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
import time
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from datetime import UTC
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.answering import Scope, Source
from bot.errors import RecordsUnusable
from bot.records import Fate, MemoryRecords, Record, SqlRecords, Vote
from tests.fakes.answerer import HANDBOOK, TRAVEL

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from bot.records import Records

QUESTION = Record("1", "How long?", asker_id=7, guild_id=8, channel_id=9, asked_at=1_000.0)
ANSWER = replace(
    QUESTION,
    scope=Scope(frozenset({"", "board"})),
    message_ids=(2**63 - 1, 12),
    searched_for="How long do refunds take?",
    text="Two **weeks** [1].\n",
    sources=(HANDBOOK, TRAVEL),
    fate=Fate.COMPLETE,
    ended_at=1_004.5,
)
UP = Vote("1", user_id=7, is_up=True, at=2_000.0)
DOWN = Vote("1", user_id=7, is_up=False, at=2_001.0)

words = st.text(st.characters(codec="utf-8"))
sources = st.builds(
    Source,
    number=st.integers(1, 99),
    document=words,
    title=words,
    passage=words,
    section=words,
    page=st.none() | st.integers(1, 9_999),
    url=st.none() | words,
    date=st.none() | st.datetimes(timezones=st.just(UTC)),
    is_changed=st.booleans(),
)
ids = st.integers(0, 2**63 - 1)
records = st.builds(
    Record,
    key=st.from_regex(r"[0-9]{1,20}", fullmatch=True),
    question=words,
    asker_id=ids,
    guild_id=st.none() | ids,
    channel_id=ids,
    asked_at=st.floats(0, 1e10),
    scope=st.builds(Scope, st.frozensets(words, max_size=3)),
    message_ids=st.lists(ids, max_size=5).map(tuple),
    searched_for=words,
    text=words,
    sources=st.lists(sources, max_size=3).map(tuple),
    fate=st.sampled_from(Fate),
    ended_at=st.none() | st.floats(0, 1e10),
)


@asynccontextmanager
async def kept(kind: str, folder: Path) -> AsyncGenerator[Records]:
    if kind == "memory":
        yield MemoryRecords()
        return
    async with SqlRecords.opened_file(folder / "state" / "records.sqlite") as records:
        yield records


either = pytest.mark.parametrize("kind", ["memory", "file"])


@either
async def test_an_answer_comes_back_as_it_was_remembered(kind: str, tmp_path: Path) -> None:
    async with kept(kind, tmp_path) as records:
        await records.remember(QUESTION)
        assert await records.recall("1") == QUESTION
        await records.remember(ANSWER)
        assert await records.recall("1") == ANSWER
        assert await records.recall("2") is None


@either
async def test_what_has_no_end_is_given_back_the_latest_first(kind: str, tmp_path: Path) -> None:
    async with kept(kind, tmp_path) as records:
        await records.remember(ANSWER)
        open_ones = [replace(QUESTION, key=str(n), asked_at=1_000.0 + n) for n in range(2, 6)]
        for record in open_ones:
            await records.remember(record)
        assert await records.unfinished(1_003.0, 10) == [open_ones[3], open_ones[2], open_ones[1]]
        assert await records.unfinished(0.0, 2) == [open_ones[3], open_ones[2]]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(record=records)
async def test_whatever_an_answer_holds_comes_back_the_same(tmp_path: Path, record: Record) -> None:
    async with kept("file", tmp_path) as kept_records:
        await kept_records.remember(record)
        assert await kept_records.recall(record.key) == record


async def test_halves_of_a_sign_do_not_keep_an_answer_from_being_remembered(tmp_path: Path) -> None:
    broken = replace(ANSWER, text="half \ud83d", question="\udc00?", sources=(replace(HANDBOOK, passage="\ud83d"),))
    async with kept("file", tmp_path) as records:
        await records.remember(broken)
        record = await records.recall("1")
    assert record
    assert record.text == "half ?"
    assert record.sources == broken.sources


@either
async def test_each_person_has_one_vote_which_they_may_change(kind: str, tmp_path: Path) -> None:
    async with kept(kind, tmp_path) as records:
        await records.remember(ANSWER)
        other = replace(UP, user_id=8, at=2_000.5)
        for vote in (UP, other, DOWN):
            assert await records.vote(vote)
        assert set(await records.votes("1")) == {DOWN, other}


@either
async def test_words_stay_with_a_thumb_that_is_pressed_again_and_go_when_it_turns(kind: str, tmp_path: Path) -> None:
    async with kept(kind, tmp_path) as records:
        await records.remember(ANSWER)
        for vote, words_after in (
            (replace(DOWN, words="The price."), "The price."),
            (DOWN, "The price."),
            (replace(DOWN, words=""), ""),
            (replace(DOWN, words="The date."), "The date."),
            (UP, None),
            (DOWN, None),
        ):
            await records.vote(vote)
            assert [vote.words for vote in await records.votes("1")] == [words_after]


@either
async def test_a_vote_on_an_answer_nobody_remembers_is_not_counted(kind: str, tmp_path: Path) -> None:
    async with kept(kind, tmp_path) as records:
        assert not await records.vote(UP)
        assert not await records.votes("1")


@either
async def test_votes_outlive_a_rewritten_answer(kind: str, tmp_path: Path) -> None:
    async with kept(kind, tmp_path) as records:
        await records.remember(QUESTION)
        await records.vote(UP)
        await records.remember(ANSWER)
        assert await records.votes("1") == [UP]


@either
async def test_what_is_older_than_its_time_is_forgotten_with_its_votes(kind: str, tmp_path: Path) -> None:
    young = replace(ANSWER, key="2", asked_at=1_500.0)
    async with kept(kind, tmp_path) as records:
        for record in (ANSWER, young):
            await records.remember(record)
            await records.vote(replace(UP, key=record.key))
        assert await records.forget_before(1_500.0) == 1
        assert await records.recall("1") is None
        assert not await records.votes("1")
        assert await records.recall("2") == young
        assert await records.votes("2")


async def test_memory_keeps_the_latest_thousand() -> None:
    records = MemoryRecords()
    for n in range(1_001):
        await records.remember(replace(ANSWER, key=str(n)))
    assert await records.recall("0") is None
    assert await records.recall("1")
    assert await records.recall("1000")


async def test_a_restart_forgets_nothing(tmp_path: Path) -> None:
    async with kept("file", tmp_path) as records:
        await records.remember(ANSWER)
        await records.vote(DOWN)
    async with kept("file", tmp_path) as records:
        assert await records.recall("1") == ANSWER
        assert await records.votes("1") == [DOWN]


async def test_a_passage_written_by_another_release_is_read_as_far_as_it_is_known(tmp_path: Path) -> None:
    written = '[{"number": 1, "document": "a.md", "title": "A", "passage": "Words.", "mood": "blue"}]'
    async with kept("file", tmp_path) as records:
        await records.remember(ANSWER)
        with closing(sqlite3.connect(tmp_path / "state" / "records.sqlite")) as connection, connection:
            connection.execute("UPDATE answers SET sources = ?", (written,))
        record = await records.recall("1")
    assert record
    assert record.sources == (Source(1, "a.md", "A", "Words."),)


async def test_nobody_else_on_the_machine_may_read_the_file(tmp_path: Path) -> None:
    path = tmp_path / "state" / "records.sqlite"
    path.parent.mkdir()
    path.touch(0o644)
    async with kept("file", tmp_path) as records:
        await records.remember(ANSWER)
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert len(modes) > 1, "the write-ahead log is there while it is open"
    assert set(modes.values()) == {0o600}


async def test_a_folder_that_cannot_be_written_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    with pytest.raises(RecordsUnusable, match="cannot be written"):
        async with kept("file", tmp_path):
            pass


async def test_a_file_that_is_no_database_is_said_in_words_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "state" / "records.sqlite"
    path.parent.mkdir()
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(RecordsUnusable):
        async with kept("file", tmp_path):
            pass
    assert path.read_bytes() == b"not a database at all" * 100


async def test_a_file_of_another_version_is_not_touched(tmp_path: Path) -> None:
    async with kept("file", tmp_path) as records:
        await records.remember(ANSWER)
    path = tmp_path / "state" / "records.sqlite"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE records_schema SET version = 99")
    with pytest.raises(RecordsUnusable, match="another version"):
        async with kept("file", tmp_path):
            pass


async def test_a_failure_while_it_runs_repeats_nobodys_question(tmp_path: Path) -> None:
    async with kept("file", tmp_path) as records:
        path = tmp_path / "state" / "records.sqlite"
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("DROP TABLE votes")
            connection.execute("DROP TABLE answers")
        with pytest.raises(RecordsUnusable) as raised:
            await records.remember(ANSWER)
        assert ANSWER.question not in str(raised.value)
        assert ANSWER.question not in str(raised.value.__cause__)
        with pytest.raises(RecordsUnusable):
            await records.recall("1")


async def test_fifty_at_once_are_all_remembered_while_the_loop_runs_on(tmp_path: Path) -> None:
    async with kept("file", tmp_path) as records:
        answers = [replace(ANSWER, key=str(n), text="word " * 2_000) for n in range(50)]
        beats: list[float] = []

        async def beat() -> None:
            while True:
                beats.append(time.monotonic())
                await asyncio.sleep(0)

        beating = asyncio.create_task(beat())
        await asyncio.gather(*(records.remember(answer) for answer in answers))
        beating.cancel()
        assert all([await records.recall(answer.key) == answer for answer in answers])
        assert len(beats) > len(answers), "other tasks had their turn between the writes"
