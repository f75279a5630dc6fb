"""Answers are the same from memory, a file and a server, gone when their time is up or their asker wants it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bot.domain import Usage
from bot.records import NOBODY, Act, Fate, Forgotten, MemoryRecords, Run, Spending, Statistics
from tests.records.samples import ADA, ADMIN, ANSWER, BEN, DAY, ELSEWHERE, GUILD, QUESTION, UP, question

if TYPE_CHECKING:
    from bot.records import Records
    from tests.records.conftest import Place


async def test_an_answer_comes_back_as_it_was_remembered(records: Records) -> None:
    await records.remember(QUESTION)
    assert await records.recall("1") == QUESTION
    await records.remember(ANSWER)
    assert await records.recall("1") == ANSWER
    assert await records.recall("2") is None


async def test_what_has_no_end_is_given_back_the_latest_first(records: Records) -> None:
    await records.remember(ANSWER)
    open_ones = [replace(QUESTION, key=str(n), asked_at=1_000.0 + n) for n in range(2, 6)]
    for record in open_ones:
        await records.remember(record)
    assert await records.unfinished(1_003.0, 10) == [open_ones[3], open_ones[2], open_ones[1]]
    assert await records.unfinished(0.0, 2) == [open_ones[3], open_ones[2]]


async def test_what_is_older_than_its_time_is_forgotten_with_its_votes(records: Records) -> None:
    young = replace(ANSWER, key="2", asked_at=1_500.0)
    for record in (ANSWER, young):
        await records.remember(record)
        await records.vote(replace(UP, key=record.key))
    assert await records.forget_before(1_500.0) == 1
    assert await records.recall("1") is None
    assert not await records.votes("1")
    assert await records.recall("2") == young
    assert await records.votes("2")


async def test_spendings_and_ended_runs_are_forgotten_after_forty_days_and_acts_after_a_year(place: Place) -> None:
    place.now = 1_000 * DAY
    async with place.opened() as records:
        for days in (1, 39, 41, 300, 370):
            then = place.now - days * DAY
            await records.settle(Spending(str(days), ADA, GUILD, then, 10))
            await records.note_run(Run(f"ended {days}", GUILD, 9, ADMIN, then - DAY, ended_at=then))
            await records.note_run(Run(f"open {days}", GUILD, 9, ADMIN, then))
            await records.audit(Act(then, GUILD, ADMIN, f"{days} days ago"))
        assert await records.forget_before(place.now - DAY) == 0
        assert [each.key for each in await records.spendings(0)] == ["39", "1"]
        assert [act.name for act in await records.acts(GUILD, 9)] == [f"{days} days ago" for days in (1, 39, 41, 300)]
        assert {run.id for run in await records.unfinished_runs()} == {f"open {n}" for n in (1, 39, 41, 300, 370)}
    if place.where:
        assert set(await place.rows_soon("SELECT id FROM runs WHERE ended_at IS NOT NULL")) == {
            ("ended 1",),
            ("ended 39",),
        }


async def test_memory_keeps_the_latest_thousand() -> None:
    records = MemoryRecords()
    for n in range(1_001):
        await records.remember(replace(ANSWER, key=str(n)))
    assert await records.recall("0") is None
    assert await records.recall("1")
    assert await records.recall("1000")


# One person is forgotten


async def two_people_in_two_guilds(records: Records) -> None:
    for key, asker, guild in (
        ("ada here", ADA, GUILD),
        ("ada there", ADA, ELSEWHERE),
        ("ada direct", ADA, None),
        ("ben here", BEN, GUILD),
        ("ben there", BEN, ELSEWHERE),
    ):
        await records.remember(replace(ANSWER, key=key, asker_id=asker, guild_id=guild))
        for voter in (ADA, BEN):
            await records.vote(replace(UP, key=key, user_id=voter))


KEYS = ("ada here", "ada there", "ada direct", "ben here", "ben there")


async def left(records: Records) -> dict[str, set[int]]:
    """Whose votes stand under which answers."""
    known = [key for key in KEYS if await records.recall(key)]
    return {key: {vote.user_id for vote in await records.votes(key)} for key in known}


async def test_a_person_is_forgotten_in_one_guild_and_nowhere_else(records: Records) -> None:
    await two_people_in_two_guilds(records)
    assert await records.forget_person(ADA, guild_id=GUILD) == Forgotten(answers=1, votes=2)
    assert await left(records) == {
        "ada there": {ADA, BEN},
        "ada direct": {ADA, BEN},
        "ben here": {BEN},
        "ben there": {ADA, BEN},
    }


async def test_a_person_is_forgotten_in_direct_messages_alone(records: Records) -> None:
    await two_people_in_two_guilds(records)
    assert await records.forget_person(ADA) == Forgotten(answers=1, votes=1)
    assert set(await left(records)) == {"ada here", "ada there", "ben here", "ben there"}


async def test_a_person_is_forgotten_everywhere(records: Records) -> None:
    await two_people_in_two_guilds(records)
    assert await records.forget_person(ADA, everywhere=True) == Forgotten(answers=3, votes=5)
    assert await left(records) == {"ben here": {BEN}, "ben there": {BEN}}
    assert await records.forget_person(ADA, everywhere=True) == Forgotten()


async def test_who_is_forgotten_has_no_new_budget_and_leaves_their_name_nowhere_else(place: Place) -> None:
    place.now = 10 * DAY
    today, before = (Spending("1", ADA, GUILD, at, 500, is_settled=True) for at in (9.5 * DAY, 7 * DAY))
    others = replace(before, key="2", user_id=BEN), replace(before, key="3", guild_id=ELSEWHERE)
    async with place.opened() as records:
        for spending in (today, before, *others):
            await records.settle(spending)
        await records.forget_person(ADA, guild_id=GUILD)
        assert await records.spendings(0) == [replace(before, user_id=NOBODY), *others, today]
        await records.forget_person(ADA, everywhere=True)
        assert sum(each.tokens for each in await records.spendings(0)) == 2_000
        assert [each.user_id for each in await records.spendings(0)] == [NOBODY, BEN, NOBODY, ADA]


# In numbers


async def test_answers_are_counted_by_their_fate_with_what_they_took_and_how_soon_they_came(records: Records) -> None:
    for n, (guild, fate, wait) in enumerate(
        (
            (GUILD, Fate.COMPLETE, 1.0),
            (GUILD, Fate.COMPLETE, 9.0),
            (GUILD, Fate.COMPLETE, 2.0),
            (GUILD, Fate.NOT_FOUND, None),
            (ELSEWHERE, Fate.FAILED, 3.0),
            (None, Fate.WRITING, None),
        )
    ):
        seen_at = None if wait is None else 1_000.0 + wait
        usage = Usage(prompt=10, completion=n)
        await records.remember(question(str(n), guild_id=guild, fate=fate, first_word_at=seen_at, usage=usage))
    await records.remember(question("old", asked_at=999.0))
    for vote in (UP, replace(UP, user_id=BEN), replace(UP, key="4", is_up=False), replace(UP, key="old")):
        await records.vote(vote)
    assert await records.statistics(GUILD, 1_000.0) == Statistics(
        4, {Fate.COMPLETE: 3, Fate.NOT_FOUND: 1}, median_first_word=2.0, tokens=46, ups=2
    )
    assert await records.statistics(None, 1_000.0) == Statistics(
        6,
        {Fate.COMPLETE: 3, Fate.NOT_FOUND: 1, Fate.FAILED: 1, Fate.WRITING: 1},
        median_first_word=2.5,
        tokens=75,
        ups=2,
        downs=1,
    )
    assert await records.statistics(999_999, 0.0) == Statistics()
