"""The file is private and outlives its process, however that ends; every fault is told in words that quote nobody."""

from __future__ import annotations

import asyncio
import stat
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.domain import Scope, Source, Usage
from bot.errors import RecordsUnusable
from bot.records import AnswerRecord, AnswerStatus, SqlRecords, UsageRecord
from tests.fakes.answerer import HANDBOOK
from tests.records.samples import ADA, ANSWER, DOWN, GUILD

if TYPE_CHECKING:
    from tests.records.conftest import RecordsBackend

ROOT = Path(__file__).parents[2]

# Says each key once its answer is remembered, until somebody kills it.
SAVE_UNTIL_KILLED_SCRIPT = """
import asyncio, itertools, sys
from dataclasses import replace
from pathlib import Path
from bot.records import SqlRecords
from tests.records.samples import ANSWER

async def main():
    async with SqlRecords.open_file(Path(sys.argv[1])) as records:
        for n in itertools.count():
            await records.save_answer(replace(ANSWER, answer_id=str(n), text="word " * 2_000))
            print(n, flush=True)

asyncio.run(main())
"""

texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"))
sources = st.builds(
    Source,
    number=st.integers(1, 99),
    document=texts,
    title=texts,
    passage=texts,
    section=texts,
    page=st.none() | st.integers(1, 9_999),
    line=st.none() | st.integers(1, 99_999),
    url=st.none() | texts,
    date=st.none() | st.datetimes(timezones=st.just(UTC)),
    is_changed=st.booleans(),
)
ids = st.integers(0, 2**63 - 1)
tokens = st.integers(0, 2**40)
times = st.floats(0, 1e10)
any_records = st.builds(
    AnswerRecord,
    answer_id=st.from_regex(r"[0-9]{1,20}", fullmatch=True),
    question=texts,
    asker_id=ids,
    guild_id=st.none() | ids,
    channel_id=ids,
    asked_at=times,
    scope=st.builds(Scope, st.frozensets(texts, max_size=3)),
    message_ids=st.lists(ids, max_size=5).map(tuple),
    searched_for=texts,
    text=texts,
    sources=st.lists(sources, max_size=3).map(tuple),
    status=st.sampled_from(AnswerStatus),
    ended_at=st.none() | times,
    usage=st.builds(Usage, prompt=tokens, completion=tokens),
    first_word_at=st.none() | times,
    is_automatic=st.booleans(),
    attached=st.lists(texts, max_size=3).map(tuple),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(record=any_records)
async def test_any_answer_record_round_trips(persistent_backend: RecordsBackend, record: AnswerRecord) -> None:
    async with persistent_backend.open() as records:
        await records.save_answer(record)
        assert await records.load_answer(record.answer_id) == record


async def test_characters_no_database_takes_do_not_prevent_saving(persistent_backend: RecordsBackend) -> None:
    passage = replace(HANDBOOK, passage="\ud83d\x00")
    broken = replace(ANSWER, text="half \ud83d", question="\udc00?\x00", sources=(passage,), attached=("\ud83d\x00",))
    async with persistent_backend.open() as records:
        await records.save_answer(broken)
        await records.save_vote(replace(DOWN, comment="\ud83d\x00!"))
        record, votes = await records.load_answer("1"), await records.load_votes("1")
    assert record
    assert (record.text, record.question) == ("half ?", "??\ufffd")
    assert (record.sources, record.attached) == (broken.sources, broken.attached)
    assert [vote.comment for vote in votes] == ["?\ufffd!"]


async def test_records_survive_a_restart(persistent_backend: RecordsBackend) -> None:
    async with persistent_backend.open() as records:
        await records.save_answer(ANSWER)
        await records.save_vote(DOWN)
    async with persistent_backend.open() as records:
        assert await records.load_answer("1") == ANSWER
        assert await records.load_votes("1") == [DOWN]


async def test_a_passage_written_by_another_release_is_read_as_far_as_it_is_known(
    persistent_backend: RecordsBackend,
) -> None:
    written = '[{"number"\\: 1, "document"\\: "a.md", "title"\\: "A", "passage"\\: "Words.", "mood"\\: "blue"}]'
    async with persistent_backend.open() as records:
        await records.save_answer(ANSWER)
        await persistent_backend.query_async(f"UPDATE answers SET sources = '{written}'")  # noqa: S608 - the test's own
        record = await records.load_answer("1")
    assert record
    assert record.sources == (Source(1, "a.md", "A", "Words."),)


async def test_database_file_is_private_to_its_owner(file_backend: RecordsBackend) -> None:
    assert isinstance(file_backend.location, Path)
    file_backend.location.parent.mkdir()
    file_backend.location.touch(0o644)
    async with file_backend.open() as records:
        await records.save_answer(ANSWER)
        modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in file_backend.location.parent.iterdir()}
    assert len(modes) > 1, "the write-ahead log is there while it is open"
    assert set(modes.values()) == {0o600}


# Several at once, and sudden ends


def test_saved_answers_survive_a_killed_process(file_backend: RecordsBackend) -> None:
    command = [sys.executable, "-c", SAVE_UNTIL_KILLED_SCRIPT, str(file_backend.location)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:  # noqa: S603 - ours
        assert process.stdout
        said = [process.stdout.readline() for _ in range(20)]
        process.kill()
        said += process.stdout.readlines()
    promised = {line.decode().strip() for line in said if line.endswith(b"\n")}
    assert len(promised) >= 20
    assert promised <= {key for (key,) in file_backend.query("SELECT answer_id FROM answers")}
    assert file_backend.query("PRAGMA integrity_check") == [("ok",)]


async def test_two_processes_see_what_the_other_wrote(persistent_backend: RecordsBackend) -> None:
    async with persistent_backend.open() as one, persistent_backend.open() as other:
        for n in range(20):
            await asyncio.gather(
                *(
                    each.save_answer(replace(ANSWER, answer_id=f"{n} {name}"))
                    for name, each in (("a", one), ("b", other))
                )
            )
            assert await one.load_answer(f"{n} b")
            assert await other.load_answer(f"{n} a")


async def test_concurrent_comment_and_vote_are_both_saved(persistent_backend: RecordsBackend) -> None:
    async with persistent_backend.open() as records:
        await records.save_answer(ANSWER)
        with_words = replace(DOWN, comment="Why?")
        await asyncio.gather(*(records.save_vote(vote) for vote in (DOWN, with_words, *[DOWN] * 20)))
        assert [vote.comment for vote in await records.load_votes("1")] == ["Why?"]


async def test_two_hundred_concurrent_saves_do_not_block_the_event_loop(persistent_backend: RecordsBackend) -> None:
    async with persistent_backend.open() as records:
        answers = [replace(ANSWER, answer_id=str(n), text="word " * 2_000) for n in range(200)]
        beats: list[float] = []

        async def beat() -> None:
            while True:
                beats.append(time.monotonic())
                await asyncio.sleep(0)

        beating = asyncio.create_task(beat())
        spent = [UsageRecord(answer.answer_id, ADA, GUILD, 1_000.0, 10) for answer in answers]
        await asyncio.gather(*map(records.save_answer, answers), *map(records.add_usage, spent))
        beating.cancel()
        assert all([await records.load_answer(answer.answer_id) == answer for answer in answers])
        assert len(await records.load_usage(0)) == len(answers)
        assert len(beats) > len(answers), "other tasks had their turn between the writes"


async def test_cancelled_write_does_not_block_others(file_backend: RecordsBackend) -> None:
    async with file_backend.open() as records:
        for n in range(30):
            writing = asyncio.create_task(records.save_answer(replace(ANSWER, answer_id=str(n))))
            for _ in range(n):
                await asyncio.sleep(0)
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
        await asyncio.wait_for(records.save_answer(ANSWER), 30)
        assert await records.load_answer("1") == ANSWER


# Faults


async def test_unwritable_folder_is_reported(file_backend: RecordsBackend) -> None:
    assert isinstance(file_backend.location, Path)
    file_backend.location.parent.write_text("a file where the folder should be")
    with pytest.raises(RecordsUnusable, match="cannot be written"):
        async with file_backend.open():
            pass


async def test_file_that_is_no_database_is_reported_and_untouched(file_backend: RecordsBackend) -> None:
    assert isinstance(file_backend.location, Path)
    file_backend.location.parent.mkdir()
    file_backend.location.write_bytes(b"not a database at all" * 100)
    with pytest.raises(RecordsUnusable):
        async with file_backend.open():
            pass
    assert file_backend.location.read_bytes() == b"not a database at all" * 100


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("postgresql+asyncpg://docent:planted@127.0.0.1:1/docent", "cannot be read or written"),
        ("no address at all: planted", "cannot be read"),
        ("postgresql://docent:planted@127.0.0.1/docent", r"begins with postgresql\+asyncpg://"),
        ("mysql+aiomysql://docent:planted@127.0.0.1/docent", r"begins with postgresql\+asyncpg://"),
    ],
)
async def test_unusable_address_is_reported_without_repeating_it(url: str, complaint: str) -> None:
    pytest.importorskip("asyncpg")
    with pytest.raises(RecordsUnusable, match=complaint) as raised:
        async with SqlRecords.open(url):
            pass
    assert "planted" not in raised.value.user_message


async def test_missing_database_is_reported(server_url: str) -> None:
    with pytest.raises(RecordsUnusable, match="cannot be read or written"):
        async with SqlRecords.open(server_url.replace("/postgres", "/nowhere", 1)):
            pass


async def test_runtime_failure_message_contains_no_question(persistent_backend: RecordsBackend) -> None:
    async with persistent_backend.open() as records:
        await persistent_backend.query_async("DROP TABLE votes")
        await persistent_backend.query_async("DROP TABLE answers")
        with pytest.raises(RecordsUnusable) as raised:
            await records.save_answer(ANSWER)
        assert ANSWER.question not in str(raised.value)
        assert ANSWER.question not in str(raised.value.__cause__)
        with pytest.raises(RecordsUnusable):
            await records.load_answer("1")


async def test_missing_database_driver_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    with pytest.raises(RecordsUnusable, match="add --extra postgres"):
        async with SqlRecords.open("postgresql+asyncpg://127.0.0.1/docent"):
            pass
