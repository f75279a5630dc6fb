"""What people say of answers, and the gaps it shows, is each guild's own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from bot.domain import Scope
from bot.records import Fate, Feedback, Gap, Vote
from tests.records.samples import ADA, ADMIN, ANSWER, BEN, DOWN, ELSEWHERE, GUILD, QUESTION, UP, question

if TYPE_CHECKING:
    from bot.records import Records


async def test_each_person_has_one_vote_which_they_may_change(records: Records) -> None:
    await records.remember(ANSWER)
    other = replace(UP, user_id=BEN, at=2_000.5)
    for vote in (UP, other, DOWN):
        assert await records.vote(vote)
    assert await records.votes("1") == [other, DOWN]


async def test_words_stay_with_a_thumb_that_is_pressed_again_and_go_when_it_turns(records: Records) -> None:
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


async def test_a_vote_on_an_answer_nobody_remembers_is_not_counted(records: Records) -> None:
    assert not await records.vote(UP)
    assert not await records.votes("1")


async def test_votes_outlive_a_rewritten_answer(records: Records) -> None:
    await records.remember(QUESTION)
    await records.vote(UP)
    await records.remember(ANSWER)
    assert await records.votes("1") == [UP]


# Gaps


async def test_gaps_are_what_was_not_found_or_voted_down_the_latest_first(records: Records) -> None:
    board = Scope(frozenset({"board"}))
    for record in (
        question("not found", "Parking?", asked_at=1_001.0, scope=board),
        question("voted down", "Food?", asked_at=1_002.0, fate=Fate.COMPLETE, searched_for="What food is there?"),
        question("voted up", asked_at=1_003.0, fate=Fate.COMPLETE),
        question("answered", asked_at=1_004.0, fate=Fate.COMPLETE),
        question("failed", asked_at=1_005.0, fate=Fate.FAILED),
        question("too old", asked_at=999.0),
    ):
        await records.remember(record)
    for vote in (
        Vote("voted down", ADA, is_up=False, at=2_003.0, words="Vegan."),
        Vote("voted down", BEN, is_up=False, at=2_001.0, words="Halal."),
        Vote("voted down", 71, is_up=False, at=2_000.0),
        Vote("voted down", 72, is_up=False, at=2_000.5, words=""),
        Vote("voted down", 73, is_up=True, at=2_000.0),
        Vote("voted up", BEN, is_up=True, at=2_000.0),
    ):
        await records.vote(vote)
    food = Gap(
        "voted down", "What food is there?", 1_002.0, ADA, Scope(), Fate.COMPLETE, 4, 1, words=("Halal.", "Vegan.")
    )
    parking = Gap("not found", "Parking?", 1_001.0, ADA, board, Fate.NOT_FOUND)
    assert await records.gaps(GUILD, 1_000.0, 10) == [food, parking]
    assert await records.gaps(GUILD, 1_000.0, 1) == [food]


async def test_a_thumb_that_turns_up_closes_the_gap_it_opened(records: Records) -> None:
    await records.remember(ANSWER)
    await records.vote(DOWN)
    assert [gap.key for gap in await records.gaps(GUILD, 0, 10)] == ["1"]
    await records.vote(UP)
    assert not await records.gaps(GUILD, 0, 10)


PLACES = [GUILD, ELSEWHERE, None]


@pytest.mark.parametrize("place_asked", PLACES)
async def test_gaps_feedback_and_marking_done_stay_inside_their_guild(
    records: Records, place_asked: int | None
) -> None:
    for guild in PLACES:
        await records.remember(question(f"in {guild}", guild_id=guild))
        await records.vote(replace(DOWN, key=f"in {guild}"))
    assert [gap.key for gap in await records.gaps(place_asked, 0, 10)] == [f"in {place_asked}"]
    assert [each.key for each in await records.feedback(place_asked, 0)] == [f"in {place_asked}"]
    assert await records.close_gaps(place_asked, [f"in {guild}" for guild in PLACES], ADMIN, 3_000.0) == 1
    assert not await records.gaps(place_asked, 0, 10)
    assert all([await records.gaps(guild, 0, 10) for guild in PLACES if guild != place_asked])


async def test_a_gap_that_is_done_stays_done_also_when_its_answer_is_written_anew(records: Records) -> None:
    for record in (question("1"), question("2"), question("found", fate=Fate.COMPLETE)):
        await records.remember(record)
    assert await records.close_gaps(GUILD, {"1", "found", "unknown"}, ADMIN, 3_000.0) == 1
    assert await records.close_gaps(GUILD, ["1"], ADMIN, 3_001.0) == 0
    assert await records.close_gaps(GUILD, [], ADMIN, 3_001.0) == 0
    await records.remember(question("1", message_ids=(12,)))
    assert [gap.key for gap in await records.gaps(GUILD, 0, 10)] == ["2"]


# Feedback


async def test_feedback_says_what_each_vote_was_about_the_first_vote_first(records: Records) -> None:
    travel = replace(ANSWER.sources[1], number=3)
    await records.remember(replace(ANSWER, sources=(*ANSWER.sources, travel)))
    await records.remember(question("2", "Parking?"))
    late, early = replace(DOWN, words="The price."), Vote("2", BEN, is_up=False, at=1_990.0)
    for vote in (late, early, Vote("2", 71, is_up=True, at=1_900.0)):
        await records.vote(vote)
    assert await records.feedback(GUILD, 1_950.0) == [
        Feedback("2", "Parking?", Fate.NOT_FOUND, is_up=False, words="", at=1_990.0, user_id=BEN),
        Feedback(
            "1",
            "How long?",
            Fate.COMPLETE,
            is_up=False,
            words="The price.",
            at=2_001.0,
            user_id=ADA,
            documents=("handbook.md", "travel.pdf"),
            scope=ANSWER.scope,
        ),
    ]
