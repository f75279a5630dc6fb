"""Where an operator wants no texts on disk there are none, and the buttons work until the restart all the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bot.domain import Source
from bot.records import AnswerStatus, DeletionCount, Feedback, Statistics
from bot.records.sql.texts import MEMORY_LIMIT
from tests.records.samples import ADA, ADMIN, ANSWER, DOWN, GUILD, QUESTION

if TYPE_CHECKING:
    from tests.records.conftest import RecordsBackend

PLANTED_ANSWER = replace(
    QUESTION,
    question="planted-question",
    searched_for="planted-search",
    text="planted-answer",
    sources=(Source(1, "handbook.md", "Handbook", "planted-passage", section="Refunds", page=3),),
    attached=("planted-name.pdf",),
    status=AnswerStatus.NOT_FOUND,
    ended_at=1_004.5,
)
PLANTED_VOTE = replace(DOWN, comment="planted-words")


async def read_disk(backend: RecordsBackend) -> bytes:
    """All that is written, whatever the table."""
    if isinstance(backend.location, Path):
        return b"".join(file.read_bytes() for file in backend.location.parent.iterdir())
    tables = await backend.query_async("SELECT tablename FROM pg_tables WHERE schemaname = 'docent_records'")
    return repr([await backend.query_async(f"SELECT * FROM {name}") for (name,) in tables]).encode()  # noqa: S608 - ours


async def test_texts_kept_in_memory_never_reach_the_disk_and_serve_until_the_restart(
    persistent_backend: RecordsBackend,
) -> None:
    async with persistent_backend.open(keeps_texts=False) as records:
        await records.save_answer(PLANTED_ANSWER)
        await records.save_vote(PLANTED_VOTE)
        assert await records.load_answer("1") == PLANTED_ANSWER
        assert b"planted" not in await read_disk(persistent_backend)
    assert b"planted" not in await read_disk(persistent_backend)
    async with persistent_backend.open(keeps_texts=False) as records:
        after = await records.load_answer("1")
    bare = Source(1, "handbook.md", "Handbook", "", section="Refunds", page=3)
    assert after == replace(PLANTED_ANSWER, question="", searched_for="", text="", sources=(bare,), attached=())


async def test_stored_texts_are_found_in_the_file(persistent_backend: RecordsBackend) -> None:
    async with persistent_backend.open() as records:
        await records.save_answer(PLANTED_ANSWER)
        await records.save_vote(PLANTED_VOTE)
        written = await read_disk(persistent_backend)
    for planted in ("question", "search", "answer", "passage", "name", "words"):
        assert f"planted-{planted}".encode() in written


async def test_without_texts_answers_are_still_found_half_written_and_counted(file_backend: RecordsBackend) -> None:
    async with file_backend.open(keeps_texts=False) as records:
        await records.save_answer(replace(PLANTED_ANSWER, ended_at=None))
        await records.save_vote(PLANTED_VOTE)
        assert await records.unfinished_answers(0, 9) == [replace(PLANTED_ANSWER, ended_at=None)]
        assert await records.load_statistics(GUILD, 0) == Statistics(1, {AnswerStatus.NOT_FOUND: 1}, downs=1)
        assert await records.load_feedback(GUILD, 0) == [
            Feedback(
                "1",
                "",
                AnswerStatus.NOT_FOUND,
                is_up=False,
                comment="",
                at=DOWN.at,
                user_id=ADA,
                documents=("handbook.md",),
            )
        ]


async def test_gap_without_a_stored_text_is_not_listed(file_backend: RecordsBackend) -> None:
    async with file_backend.open() as records:
        await records.save_answer(replace(PLANTED_ANSWER, answer_id="before"))
    async with file_backend.open(keeps_texts=False) as records:
        await records.save_answer(PLANTED_ANSWER)
        assert [gap.answer_id for gap in await records.load_gaps(GUILD, 0, 9)] == ["before"]
        assert await records.close_gaps(GUILD, ["before"], ADMIN, 1.0) == 1


async def test_the_latest_thousand_answers_have_their_texts(file_backend: RecordsBackend) -> None:
    async with file_backend.open(keeps_texts=False) as records:
        await records.save_answer(replace(PLANTED_ANSWER, answer_id="first"))
        await records.save_answer(replace(PLANTED_ANSWER, answer_id="second"))
        await records.save_answer(replace(PLANTED_ANSWER, answer_id="first"))
        for n in range(MEMORY_LIMIT - 1):
            records._text_redactor.redact_record(replace(PLANTED_ANSWER, answer_id=str(n)))
        first, second = await records.load_answer("first"), await records.load_answer("second")
    assert first
    assert first.text == PLANTED_ANSWER.text
    assert second
    assert not second.text


async def test_deleted_user_data_is_deleted_from_memory_too(file_backend: RecordsBackend) -> None:
    async with file_backend.open(keeps_texts=False) as records:
        for key in ("1", "2"):
            await records.save_answer(replace(PLANTED_ANSWER, answer_id=key, asked_at=float(key)))
        assert await records.delete_expired(2.0, now=3_000.0) == 1
        assert await records.delete_person(ADA, guild_id=GUILD, now=3_000.0) == DeletionCount(answers=1)
        assert await records.load_answer("1") is None
        assert not records._text_redactor._in_memory


async def test_deleted_texts_are_wiped_from_the_file(file_backend: RecordsBackend) -> None:
    async with file_backend.open() as records:
        for n in range(50):
            await records.save_answer(replace(ANSWER, answer_id=f"other {n}", asker_id=1, text="word " * n * 50))
            await records.save_answer(replace(PLANTED_ANSWER, answer_id=str(n), text="planted " * n * 20))
        await records.save_vote(PLANTED_VOTE)
        await records.delete_person(ADA, guild_id=GUILD, now=3_000.0)
        assert b"planted" not in await read_disk(file_backend)
        await records.save_answer(PLANTED_ANSWER)
        await records.delete_expired(9_999.0, now=9_999.0)
        assert b"planted" not in await read_disk(file_backend)
