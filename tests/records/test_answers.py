"""Answers are the same in every backend, and deleted when they expire or their asker wants it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bot.domain import Usage
from bot.records import ANONYMOUS, IN_MEMORY, AnswerStatus, AuditEntry, DeletionCount, Run, Statistics, UsageRecord
from tests.records.samples import ADA, ADMIN, ANSWER, BEN, DAY, ELSEWHERE, GUILD, QUESTION, UP, make_question

if TYPE_CHECKING:
    from bot.records import Records
    from tests.records.conftest import RecordsBackend


async def test_saved_answer_is_loaded_unchanged(records: Records) -> None:
    await records.save_answer(QUESTION)
    assert await records.load_answer("1") == QUESTION
    await records.save_answer(ANSWER)
    assert await records.load_answer("1") == ANSWER
    assert await records.load_answer("2") is None


async def test_unfinished_answers_are_listed_latest_first(records: Records) -> None:
    await records.save_answer(ANSWER)
    open_ones = [replace(QUESTION, answer_id=str(n), asked_at=1_000.0 + n) for n in range(2, 6)]
    for record in open_ones:
        await records.save_answer(record)
    assert await records.unfinished_answers(1_003.0, 10) == [open_ones[3], open_ones[2], open_ones[1]]
    assert await records.unfinished_answers(0.0, 2) == [open_ones[3], open_ones[2]]


async def test_expired_answers_are_deleted_with_their_votes(records: Records) -> None:
    young = replace(ANSWER, answer_id="2", asked_at=1_500.0)
    for record in (ANSWER, young):
        await records.save_answer(record)
        await records.save_vote(replace(UP, answer_id=record.answer_id))
    assert await records.delete_expired(1_500.0, now=3_000.0) == 1
    assert await records.load_answer("1") is None
    assert not await records.load_votes("1")
    assert await records.load_answer("2") == young
    assert await records.load_votes("2")


async def test_usage_and_ended_runs_expire_after_40_days_and_the_audit_log_after_a_year(
    backend: RecordsBackend,
) -> None:
    now = 1_000 * DAY
    async with backend.open() as records:
        for days in (1, 39, 41, 300, 370):
            then = now - days * DAY
            await records.commit_usage(UsageRecord(str(days), ADA, GUILD, then, 10))
            await records.save_run(Run(f"ended {days}", GUILD, 9, ADMIN, then - DAY, ended_at=then))
            await records.save_run(Run(f"open {days}", GUILD, 9, ADMIN, then))
            await records.save_audit_entry(AuditEntry(then, GUILD, ADMIN, f"{days} days ago"))
        assert await records.delete_expired(now - DAY, now=now) == 0
        assert [each.answer_id for each in await records.load_usage(0)] == ["39", "1"]
        assert [act.name for act in await records.load_audit_log(GUILD, 9)] == [
            f"{days} days ago" for days in (1, 39, 41, 300)
        ]
        assert {run.id for run in await records.unfinished_runs()} == {f"open {n}" for n in (1, 39, 41, 300, 370)}
    if backend.location != IN_MEMORY:
        assert set(await backend.query_async("SELECT id FROM runs WHERE ended_at IS NOT NULL")) == {
            ("ended 1",),
            ("ended 39",),
        }


# Deleting one person's data


async def save_answers_in_two_guilds(records: Records) -> None:
    for key, asker, guild in (
        ("ada here", ADA, GUILD),
        ("ada there", ADA, ELSEWHERE),
        ("ada direct", ADA, None),
        ("ben here", BEN, GUILD),
        ("ben there", BEN, ELSEWHERE),
    ):
        await records.save_answer(replace(ANSWER, answer_id=key, asker_id=asker, guild_id=guild))
        for voter in (ADA, BEN):
            await records.save_vote(replace(UP, answer_id=key, user_id=voter))


ANSWER_IDS = ("ada here", "ada there", "ada direct", "ben here", "ben there")


async def load_remaining_votes(records: Records) -> dict[str, set[int]]:
    """Whose votes stand under which answers."""
    known = [key for key in ANSWER_IDS if await records.load_answer(key)]
    return {key: {vote.user_id for vote in await records.load_votes(key)} for key in known}


async def test_user_data_is_deleted_in_one_guild_only(records: Records) -> None:
    await save_answers_in_two_guilds(records)
    assert await records.delete_person(ADA, guild_id=GUILD, now=3_000.0) == DeletionCount(answers=1, votes=2)
    assert await load_remaining_votes(records) == {
        "ada there": {ADA, BEN},
        "ada direct": {ADA, BEN},
        "ben here": {BEN},
        "ben there": {ADA, BEN},
    }


async def test_user_data_is_deleted_in_direct_messages_only(records: Records) -> None:
    await save_answers_in_two_guilds(records)
    assert await records.delete_person(ADA, guild_id=None, now=3_000.0) == DeletionCount(answers=1, votes=1)
    assert set(await load_remaining_votes(records)) == {"ada here", "ada there", "ben here", "ben there"}


async def test_usage_of_a_deleted_user_becomes_anonymous_after_two_days(records: Records) -> None:
    now = 10 * DAY
    today, before = (UsageRecord("1", ADA, GUILD, at, 500, is_settled=True) for at in (9.5 * DAY, 7 * DAY))
    others = replace(before, answer_id="2", user_id=BEN), replace(before, answer_id="3", guild_id=ELSEWHERE)
    for usage in (today, before, *others):
        await records.commit_usage(usage)
    await records.delete_person(ADA, guild_id=GUILD, now=now)
    assert await records.load_usage(0) == [replace(before, user_id=ANONYMOUS), *others, today]
    await records.delete_person(ADA, guild_id=ELSEWHERE, now=now)
    assert sum(each.tokens for each in await records.load_usage(0)) == 2_000
    assert [each.user_id for each in await records.load_usage(0)] == [ANONYMOUS, BEN, ANONYMOUS, ADA]


# In numbers


async def test_statistics_count_answers_by_status_with_tokens_and_latency(records: Records) -> None:
    for n, (guild, status, wait) in enumerate(
        (
            (GUILD, AnswerStatus.COMPLETE, 1.0),
            (GUILD, AnswerStatus.COMPLETE, 9.0),
            (GUILD, AnswerStatus.COMPLETE, 2.0),
            (GUILD, AnswerStatus.NOT_FOUND, None),
            (ELSEWHERE, AnswerStatus.FAILED, 3.0),
            (None, AnswerStatus.WRITING, None),
        )
    ):
        seen_at = None if wait is None else 1_000.0 + wait
        usage = Usage(prompt=10, completion=n)
        await records.save_answer(
            make_question(str(n), guild_id=guild, status=status, first_word_at=seen_at, usage=usage)
        )
    await records.save_answer(make_question("old", asked_at=999.0))
    for vote in (UP, replace(UP, user_id=BEN), replace(UP, answer_id="4", is_up=False), replace(UP, answer_id="old")):
        await records.save_vote(vote)
    assert await records.load_statistics(GUILD, 1_000.0) == Statistics(
        4, {AnswerStatus.COMPLETE: 3, AnswerStatus.NOT_FOUND: 1}, median_first_word=2.0, tokens=46, ups=2
    )
    assert await records.load_statistics(None, 1_000.0) == Statistics(
        6,
        {AnswerStatus.COMPLETE: 3, AnswerStatus.NOT_FOUND: 1, AnswerStatus.FAILED: 1, AnswerStatus.WRITING: 1},
        median_first_word=2.5,
        tokens=75,
        ups=2,
        downs=1,
    )
    assert await records.load_statistics(999_999, 0.0) == Statistics()
