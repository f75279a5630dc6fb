"""Budgets with numbers for time: what is let in, what is refused and until when, and what a day has cost."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from bot.access.budgets import DAY, UNCLAIMED_FOR, Ledger, Limits, Refused
from bot.records import Spending

ADA, BEN = 1, 2
GUILD = 10
MORNING = 100 * DAY + 8 * 3600.0
FREE = Limits(per_minute=0, at_once=0)


def spent(key: str, tokens: int = 1_000, *, who: int = ADA, at: float = MORNING, guild: int | None = GUILD) -> Spending:
    return Spending(key, who, guild, at, tokens)


def test_questions_a_minute_are_counted_for_each_person_and_the_words_say_when_it_opens_again() -> None:
    ledger = Ledger()
    limits = Limits(per_minute=2, at_once=0)
    assert ledger.admit(spent("1"), limits) is None
    assert ledger.admit(spent("2", at=MORNING + 10), limits) is None
    refused = ledger.admit(spent("3", at=MORNING + 20), limits)
    assert refused == Refused("You may ask 2 questions a minute.", MORNING + 60)
    assert refused is not None
    assert f"<t:{int(MORNING) + 61}:R>" in refused.told
    assert ledger.admit(spent("4", who=BEN, at=MORNING + 20), limits) is None
    assert ledger.admit(spent("5", at=MORNING + 60), limits) is None


def test_questions_a_minute_may_be_bounded_for_a_guild_and_for_everybody() -> None:
    for limits in (replace(FREE, guild_per_minute=1), replace(FREE, total_per_minute=1)):
        ledger = Ledger()
        assert ledger.admit(spent("1"), limits) is None
        refused = ledger.admit(spent("2", who=BEN, at=MORNING + 1), limits)
        assert refused is not None
        assert refused.opens_at == MORNING + 60
        elsewhere = ledger.admit(spent("3", who=BEN, guild=GUILD + 1, at=MORNING + 2), limits)
        assert (elsewhere is None) == bool(limits.guild_per_minute)


def test_answers_of_one_person_at_a_time_are_bounded() -> None:
    ledger = Ledger()
    limits = Limits(per_minute=0, at_once=1)
    assert ledger.admit(spent("1"), limits) is None
    assert ledger.admit(spent("2"), limits) is not None
    ledger.settle("1", 500, MORNING + 5)
    assert ledger.admit(spent("3", at=MORNING + 5), limits) is None


def test_answers_in_one_guild_at_a_time_are_bounded_and_direct_messages_are_no_guild() -> None:
    ledger = Ledger()
    limits = replace(FREE, guild_at_once=1)
    assert ledger.admit(spent("1"), limits) is None
    refused = ledger.admit(spent("2", who=BEN), limits)
    assert refused == Refused("1 answer in this server is being written; wait for one of them.")
    assert ledger.admit(spent("3", who=BEN, guild=GUILD + 1), limits) is None
    assert ledger.admit(spent("4", guild=None), limits) is None
    assert ledger.admit(spent("5", guild=None), limits) is None
    ledger.settle("1", 500, MORNING + 5)
    assert ledger.admit(spent("6", who=BEN, at=MORNING + 5), limits) is None


def test_each_budget_of_the_day_is_its_own_and_opens_at_midnight() -> None:
    for limits, words in (
        (replace(FREE, person_daily=1_000), "Your"),
        (replace(FREE, guild_daily=1_000), "This server's"),
        (replace(FREE, total_daily=1_000), "This bot's"),
    ):
        ledger = Ledger()
        assert ledger.admit(spent("1"), limits) is None
        refused = ledger.admit(spent("2"), limits)
        assert refused is not None
        assert refused.words.startswith(words)
        assert refused.opens_at == 101 * DAY
        assert ledger.admit(spent("3", at=101.0 * DAY), limits) is None


def test_another_persons_and_another_guilds_spending_takes_nothing_from_ones_own() -> None:
    ledger = Ledger()
    limits = replace(FREE, person_daily=1_000, guild_daily=1_000)
    assert ledger.admit(spent("1"), limits) is None
    assert ledger.admit(spent("2", who=BEN, guild=GUILD + 1), limits) is None


def test_an_answer_that_was_cheaper_than_it_seemed_leaves_the_rest_to_others() -> None:
    ledger = Ledger()
    limits = replace(FREE, total_daily=1_000)
    assert ledger.admit(spent("1"), limits) is None
    ledger.claim("1")
    ledger.settle("1", 10, MORNING + 5)
    assert ledger.spent_today(MORNING + 5) == 10
    assert ledger.admit(spent("2", at=MORNING + 6), limits) is None


def test_what_the_records_know_of_today_counts_after_a_restart() -> None:
    past = [spent("1", 700), spent("2", 300, who=BEN), spent("3", 9_000, at=MORNING - DAY)]
    ledger = Ledger(past, now=MORNING)
    assert ledger.spent_today(MORNING) == 1_000
    assert ledger.spent_today(MORNING, user_id=BEN) == 300
    assert ledger.spent_today(MORNING, guild_id=GUILD) == 1_000
    assert ledger.admit(spent("4"), replace(FREE, total_daily=1_000)) is not None


def test_what_was_reserved_for_a_question_that_was_never_acknowledged_is_given_back() -> None:
    ledger = Ledger()
    limits = replace(FREE, at_once=1, total_daily=1_000)
    assert ledger.admit(spent("1"), limits) is None
    later = MORNING + UNCLAIMED_FOR + 1
    assert ledger.admit(spent("2", at=later), limits) is None
    assert ledger.claim("1") is None
    assert ledger.claim("2") is not None
    assert ledger.admit(spent("3", at=later + UNCLAIMED_FOR + 1), limits) is not None


def test_an_answer_that_runs_past_midnight_is_paid_for_on_the_day_it_ends() -> None:
    ledger = Ledger()
    assert ledger.admit(spent("1", at=101 * DAY - 1.0), FREE) is None
    ledger.claim("1")
    ledger.settle("1", 400, 101 * DAY + 1.0)
    assert ledger.spent_today(101 * DAY + 1.0) == 400


@given(
    st.lists(st.tuples(st.integers(1, 4), st.integers(0, 3_000), st.booleans()), max_size=60),
    st.integers(1, 20_000),
)
def test_a_budget_is_exceeded_by_no_more_than_the_answers_under_way(
    questions: list[tuple[int, int, bool]], limit: int
) -> None:
    ledger = Ledger()
    limits = replace(FREE, total_daily=limit)
    under_way: dict[str, int] = {}
    paid = 0
    for number, (who, price, ends) in enumerate(questions):
        key = str(number)
        if ledger.admit(spent(key, 1_000, who=who), limits) is None:
            assert paid + 1_000 * len(under_way) < limit
            ledger.claim(key)
            under_way[key] = price
        if ends and under_way:
            done, cost = under_way.popitem()
            ledger.settle(done, cost, MORNING)
            paid += cost
    assert ledger.spent_today(MORNING) == paid + 1_000 * len(under_way)
