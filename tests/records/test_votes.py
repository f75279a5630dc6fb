"""What people say of answers, and the gaps it shows, is each guild's own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from bot.domain import Scope
from bot.records import AnswerStatus, Feedback, Gap, Vote
from tests.records.samples import ADA, ADMIN, ANSWER, BEN, DOWN, ELSEWHERE, GUILD, QUESTION, UP, make_question

if TYPE_CHECKING:
    from bot.records import Records


async def test_each_person_has_one_vote_which_they_may_change(records: Records) -> None:
    await records.save_answer(ANSWER)
    other = replace(UP, user_id=BEN, at=2_000.5)
    for vote in (UP, other, DOWN):
        assert await records.save_vote(vote)
    assert await records.load_votes("1") == [other, DOWN]


async def test_comment_stays_with_a_repeated_vote_and_goes_when_it_changes(records: Records) -> None:
    await records.save_answer(ANSWER)
    for vote, words_after in (
        (replace(DOWN, comment="The price."), "The price."),
        (DOWN, "The price."),
        (replace(DOWN, comment=""), ""),
        (replace(DOWN, comment="The date."), "The date."),
        (UP, None),
        (DOWN, None),
    ):
        await records.save_vote(vote)
        assert [vote.comment for vote in await records.load_votes("1")] == [words_after]


async def test_vote_on_an_unknown_answer_is_not_saved(records: Records) -> None:
    assert not await records.save_vote(UP)
    assert not await records.load_votes("1")


async def test_votes_outlive_a_rewritten_answer(records: Records) -> None:
    await records.save_answer(QUESTION)
    await records.save_vote(UP)
    await records.save_answer(ANSWER)
    assert await records.load_votes("1") == [UP]


# Gaps


async def test_gaps_are_what_was_not_found_or_voted_down_the_latest_first(records: Records) -> None:
    board = Scope(frozenset({"board"}))
    for record in (
        make_question("not found", "Parking?", asked_at=1_001.0, scope=board),
        make_question(
            "voted down", "Food?", asked_at=1_002.0, status=AnswerStatus.COMPLETE, searched_for="What food is there?"
        ),
        make_question("voted up", asked_at=1_003.0, status=AnswerStatus.COMPLETE),
        make_question("answered", asked_at=1_004.0, status=AnswerStatus.COMPLETE),
        make_question("failed", asked_at=1_005.0, status=AnswerStatus.FAILED),
        make_question("too old", asked_at=999.0),
    ):
        await records.save_answer(record)
    for vote in (
        Vote("voted down", ADA, is_up=False, at=2_003.0, comment="Vegan."),
        Vote("voted down", BEN, is_up=False, at=2_001.0, comment="Halal."),
        Vote("voted down", 71, is_up=False, at=2_000.0),
        Vote("voted down", 72, is_up=False, at=2_000.5, comment=""),
        Vote("voted down", 73, is_up=True, at=2_000.0),
        Vote("voted up", BEN, is_up=True, at=2_000.0),
    ):
        await records.save_vote(vote)
    food = Gap(
        "voted down",
        "What food is there?",
        1_002.0,
        ADA,
        Scope(),
        AnswerStatus.COMPLETE,
        4,
        1,
        comments=("Halal.", "Vegan."),
    )
    parking = Gap("not found", "Parking?", 1_001.0, ADA, board, AnswerStatus.NOT_FOUND)
    assert await records.load_gaps(GUILD, 1_000.0, 10) == [food, parking]
    assert await records.load_gaps(GUILD, 1_000.0, 1) == [food]


async def test_vote_changed_to_helpful_closes_its_gap(records: Records) -> None:
    await records.save_answer(ANSWER)
    await records.save_vote(DOWN)
    assert [gap.answer_id for gap in await records.load_gaps(GUILD, 0, 10)] == ["1"]
    await records.save_vote(UP)
    assert not await records.load_gaps(GUILD, 0, 10)


PLACES = [GUILD, ELSEWHERE, None]


@pytest.mark.parametrize("place_asked", PLACES)
async def test_gaps_feedback_and_marking_done_stay_inside_their_guild(
    records: Records, place_asked: int | None
) -> None:
    for guild in PLACES:
        await records.save_answer(make_question(f"in {guild}", guild_id=guild))
        await records.save_vote(replace(DOWN, answer_id=f"in {guild}"))
    assert [gap.answer_id for gap in await records.load_gaps(place_asked, 0, 10)] == [f"in {place_asked}"]
    assert [each.answer_id for each in await records.load_feedback(place_asked, 0)] == [f"in {place_asked}"]
    assert await records.close_gaps(place_asked, [f"in {guild}" for guild in PLACES], ADMIN, 3_000.0) == 1
    assert not await records.load_gaps(place_asked, 0, 10)
    assert all([await records.load_gaps(guild, 0, 10) for guild in PLACES if guild != place_asked])


async def test_gap_marked_done_stays_done_after_its_answer_is_saved_again(records: Records) -> None:
    for record in (make_question("1"), make_question("2"), make_question("found", status=AnswerStatus.COMPLETE)):
        await records.save_answer(record)
    assert await records.close_gaps(GUILD, {"1", "found", "unknown"}, ADMIN, 3_000.0) == 1
    assert await records.close_gaps(GUILD, ["1"], ADMIN, 3_001.0) == 0
    assert await records.close_gaps(GUILD, [], ADMIN, 3_001.0) == 0
    await records.save_answer(make_question("1", message_ids=(12,)))
    assert [gap.answer_id for gap in await records.load_gaps(GUILD, 0, 10)] == ["2"]


# Feedback


async def test_feedback_lists_votes_with_their_answers_oldest_first(records: Records) -> None:
    travel = replace(ANSWER.sources[1], number=3)
    await records.save_answer(replace(ANSWER, sources=(*ANSWER.sources, travel)))
    await records.save_answer(make_question("2", "Parking?"))
    late, early = replace(DOWN, comment="The price."), Vote("2", BEN, is_up=False, at=1_990.0)
    for vote in (late, early, Vote("2", 71, is_up=True, at=1_900.0)):
        await records.save_vote(vote)
    assert await records.load_feedback(GUILD, 1_950.0) == [
        Feedback("2", "Parking?", AnswerStatus.NOT_FOUND, is_up=False, comment="", at=1_990.0, user_id=BEN),
        Feedback(
            "1",
            "How long?",
            AnswerStatus.COMPLETE,
            is_up=False,
            comment="The price.",
            at=2_001.0,
            user_id=ADA,
            documents=("handbook.md", "travel.pdf"),
            scope=ANSWER.scope,
        ),
    ]
