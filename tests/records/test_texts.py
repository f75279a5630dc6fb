"""Where an operator wants no texts on disk there are none, and the buttons work until the restart all the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bot.domain import Source
from bot.records import Fate, Feedback, Forgotten, Statistics
from bot.records.sql.texts import MEMORY_LIMIT
from tests.records.samples import ADA, ADMIN, ANSWER, DOWN, GUILD, QUESTION

if TYPE_CHECKING:
    from tests.records.conftest import Place

TOLD = replace(
    QUESTION,
    question="planted-question",
    searched_for="planted-search",
    text="planted-answer",
    sources=(Source(1, "handbook.md", "Handbook", "planted-passage", section="Refunds", page=3),),
    attached=("planted-name.pdf",),
    fate=Fate.NOT_FOUND,
    ended_at=1_004.5,
)
COMPLAINT = replace(DOWN, words="planted-words")


async def on_disk(place: Place) -> bytes:
    """All that is written, whatever the table."""
    if isinstance(place.where, Path):
        return b"".join(file.read_bytes() for file in place.where.parent.iterdir())
    tables = await place.rows_soon("SELECT tablename FROM pg_tables WHERE schemaname = 'docent_records'")
    return repr([await place.rows_soon(f"SELECT * FROM {name}") for (name,) in tables]).encode()  # noqa: S608 - ours


async def test_nothing_people_wrote_or_read_is_on_disk_and_buttons_work_until_the_restart(lasting: Place) -> None:
    async with lasting.opened_sql(keeps_texts=False) as records:
        await records.remember(TOLD)
        await records.vote(COMPLAINT)
        assert await records.recall("1") == TOLD
        assert b"planted" not in await on_disk(lasting)
    assert b"planted" not in await on_disk(lasting)
    async with lasting.opened_sql(keeps_texts=False) as records:
        after = await records.recall("1")
    bare = Source(1, "handbook.md", "Handbook", "", section="Refunds", page=3)
    assert after == replace(TOLD, question="", searched_for="", text="", sources=(bare,), attached=())


async def test_with_texts_they_are_where_the_other_test_looks(lasting: Place) -> None:
    async with lasting.opened_sql() as records:
        await records.remember(TOLD)
        await records.vote(COMPLAINT)
        written = await on_disk(lasting)
    for planted in ("question", "search", "answer", "passage", "name", "words"):
        assert f"planted-{planted}".encode() in written


async def test_without_texts_answers_are_still_found_half_written_and_counted(file: Place) -> None:
    async with file.opened_sql(keeps_texts=False) as records:
        await records.remember(replace(TOLD, ended_at=None))
        await records.vote(COMPLAINT)
        assert await records.unfinished(0, 9) == [replace(TOLD, ended_at=None)]
        assert await records.statistics(GUILD, 0) == Statistics(1, {Fate.NOT_FOUND: 1}, downs=1)
        assert await records.feedback(GUILD, 0) == [
            Feedback(
                "1", "", Fate.NOT_FOUND, is_up=False, words="", at=DOWN.at, user_id=ADA, documents=("handbook.md",)
            )
        ]


async def test_a_gap_without_a_text_is_not_listed_one_from_before_still_is(file: Place) -> None:
    async with file.opened_sql() as records:
        await records.remember(replace(TOLD, key="before"))
    async with file.opened_sql(keeps_texts=False) as records:
        await records.remember(TOLD)
        assert [gap.key for gap in await records.gaps(GUILD, 0, 9)] == ["before"]
        assert await records.close_gaps(GUILD, ["before"], ADMIN, 1.0) == 1


async def test_the_latest_thousand_answers_have_their_texts(file: Place) -> None:
    async with file.opened_sql(keeps_texts=False) as records:
        await records.remember(replace(TOLD, key="first"))
        await records.remember(replace(TOLD, key="second"))
        await records.remember(replace(TOLD, key="first"))
        for n in range(MEMORY_LIMIT - 1):
            records._texts.taken_from(replace(TOLD, key=str(n)))
        first, second = await records.recall("first"), await records.recall("second")
    assert first
    assert first.text == TOLD.text
    assert second
    assert not second.text


async def test_who_is_forgotten_is_forgotten_by_memory_too(file: Place) -> None:
    async with file.opened_sql(keeps_texts=False) as records:
        for key in ("1", "2"):
            await records.remember(replace(TOLD, key=key, asked_at=float(key)))
        assert await records.forget_before(2.0) == 1
        assert await records.forget_person(ADA, everywhere=True) == Forgotten(answers=1)
        assert await records.recall("1") is None
        assert not records._texts._held


async def test_what_is_forgotten_is_not_left_in_the_bytes_of_the_file(file: Place) -> None:
    async with file.opened_sql() as records:
        for n in range(50):
            await records.remember(replace(ANSWER, key=f"other {n}", asker_id=1, text="word " * n * 50))
            await records.remember(replace(TOLD, key=str(n), text="planted " * n * 20))
        await records.vote(COMPLAINT)
        await records.forget_person(ADA, everywhere=True)
        assert b"planted" not in await on_disk(file)
        await records.remember(TOLD)
        await records.forget_before(9_999.0)
        assert b"planted" not in await on_disk(file)
