"""What answers cost is right after a crash, and no forgetting makes it less."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bot.records import Spending
from tests.records.samples import ADA, ANSWER, BEN, GUILD

if TYPE_CHECKING:
    from bot.records import Records
    from tests.records.conftest import Place

ESTIMATE = Spending("1", ADA, GUILD, at=1_000.25, tokens=3_000)
SETTLED = replace(ESTIMATE, tokens=940, is_settled=True)


async def test_an_estimate_stands_until_the_real_figure_takes_its_place(records: Records) -> None:
    await records.begin_spending(ESTIMATE)
    assert await records.spendings(0) == [ESTIMATE]
    await records.settle(replace(ESTIMATE, tokens=940))
    assert await records.spendings(0) == [SETTLED]


async def test_an_estimate_that_comes_late_does_not_undo_the_real_figure(records: Records) -> None:
    await records.settle(SETTLED)
    await records.begin_spending(ESTIMATE)
    assert await records.spendings(0) == [SETTLED]


async def test_a_question_that_is_answered_again_under_its_key_is_paid_for_twice(records: Records) -> None:
    again = replace(ESTIMATE, at=1_060.0)
    await records.settle(SETTLED)
    await records.begin_spending(again)
    assert await records.spendings(0) == [SETTLED, again]


async def test_a_ledger_starts_with_what_was_spent_since_the_first_first(records: Records) -> None:
    direct, late, old = (
        replace(ESTIMATE, key="2", user_id=BEN, guild_id=None, at=1_000.5),
        replace(ESTIMATE, key="3", at=1_002.0),
        replace(ESTIMATE, key="4", at=999.0),
    )
    for spending in (late, old, direct, ESTIMATE):
        await records.begin_spending(spending)
    assert await records.spendings(1_000.25) == [ESTIMATE, direct, late]


async def test_forgetting_an_answer_leaves_it_spent(records: Records) -> None:
    await records.remember(ANSWER)
    await records.begin_spending(ESTIMATE)
    assert await records.forget_before(9_999.0) == 1
    assert await records.spendings(0) == [ESTIMATE]


async def test_an_estimate_outlives_the_process_that_did_not_come_to_settle_it(lasting: Place) -> None:
    async with lasting.opened() as records:
        await records.begin_spending(ESTIMATE)
    async with lasting.opened() as records:
        assert await records.spendings(0) == [ESTIMATE]
