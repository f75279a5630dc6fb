"""Budgets: which questions are admitted, which rejected until when, and what a day has cost."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from bot.access.budgets import DAY, Ledger, Limits, Rejection
from bot.records import UsageRecord

ADA, BEN = 1, 2
GUILD = 10
MORNING = 100 * DAY + 8 * 3600.0
FREE = Limits(per_minute=0, at_once=0)


def make_usage_record(
    answer_id: str, tokens: int = 1_000, *, who: int = ADA, at: float = MORNING, guild: int | None = GUILD
) -> UsageRecord:
    return UsageRecord(answer_id, who, guild, at, tokens)


def test_questions_per_minute_count_per_user_and_the_message_has_the_reset_time() -> None:
    ledger = Ledger()
    limits = Limits(per_minute=2, at_once=0)
    assert ledger.admit(make_usage_record("1"), limits) is None
    assert ledger.admit(make_usage_record("2", at=MORNING + 10), limits) is None
    refused = ledger.admit(make_usage_record("3", at=MORNING + 20), limits)
    assert refused == Rejection("You may ask 2 questions a minute.", MORNING + 60)
    assert refused is not None
    assert f"<t:{int(MORNING) + 61}:R>" in refused.message
    assert ledger.admit(make_usage_record("4", who=BEN, at=MORNING + 20), limits) is None
    assert ledger.admit(make_usage_record("5", at=MORNING + 60), limits) is None


def test_questions_a_minute_may_be_bounded_for_a_guild_and_for_everybody() -> None:
    for limits in (replace(FREE, guild_per_minute=1), replace(FREE, total_per_minute=1)):
        ledger = Ledger()
        assert ledger.admit(make_usage_record("1"), limits) is None
        refused = ledger.admit(make_usage_record("2", who=BEN, at=MORNING + 1), limits)
        assert refused is not None
        assert refused.retry_at == MORNING + 60
        elsewhere = ledger.admit(make_usage_record("3", who=BEN, guild=GUILD + 1, at=MORNING + 2), limits)
        assert (elsewhere is None) == bool(limits.guild_per_minute)


def test_concurrent_answers_per_user_are_bounded() -> None:
    ledger = Ledger()
    limits = Limits(per_minute=0, at_once=1)
    assert ledger.admit(make_usage_record("1"), limits) is None
    assert ledger.admit(make_usage_record("2"), limits) is not None
    ledger.commit("1", 500, MORNING + 5)
    assert ledger.admit(make_usage_record("3", at=MORNING + 5), limits) is None


def test_concurrent_answers_per_guild_are_bounded_but_not_in_direct_messages() -> None:
    ledger = Ledger()
    limits = replace(FREE, guild_at_once=1)
    assert ledger.admit(make_usage_record("1"), limits) is None
    refused = ledger.admit(make_usage_record("2", who=BEN), limits)
    assert refused == Rejection("1 answer in this server is being written; wait for one of them.")
    assert ledger.admit(make_usage_record("3", who=BEN, guild=GUILD + 1), limits) is None
    assert ledger.admit(make_usage_record("4", guild=None), limits) is None
    assert ledger.admit(make_usage_record("5", guild=None), limits) is None
    ledger.commit("1", 500, MORNING + 5)
    assert ledger.admit(make_usage_record("6", who=BEN, at=MORNING + 5), limits) is None


def test_daily_budgets_are_independent_and_reset_at_midnight() -> None:
    for limits, words in (
        (replace(FREE, person_daily=1_000), "Your"),
        (replace(FREE, guild_daily=1_000), "This server's"),
        (replace(FREE, total_daily=1_000), "This bot's"),
    ):
        ledger = Ledger()
        assert ledger.admit(make_usage_record("1"), limits) is None
        refused = ledger.admit(make_usage_record("2"), limits)
        assert refused is not None
        assert refused.reason.startswith(words)
        assert refused.retry_at == 101 * DAY
        assert ledger.admit(make_usage_record("3", at=101.0 * DAY), limits) is None


def test_usage_of_other_users_and_guilds_does_not_count() -> None:
    ledger = Ledger()
    limits = replace(FREE, person_daily=1_000, guild_daily=1_000)
    assert ledger.admit(make_usage_record("1"), limits) is None
    assert ledger.admit(make_usage_record("2", who=BEN, guild=GUILD + 1), limits) is None


def test_committing_less_than_the_estimate_frees_the_rest() -> None:
    ledger = Ledger()
    limits = replace(FREE, total_daily=1_000)
    assert ledger.admit(make_usage_record("1"), limits) is None
    ledger.commit("1", 10, MORNING + 5)
    assert ledger.count_tokens_today(MORNING + 5) == 10
    assert ledger.admit(make_usage_record("2", at=MORNING + 6), limits) is None


def test_ledger_counts_todays_saved_usage_after_a_restart() -> None:
    past = [
        make_usage_record("1", 700),
        make_usage_record("2", 300, who=BEN),
        make_usage_record("3", 9_000, at=MORNING - DAY),
    ]
    ledger = Ledger(past, now=MORNING)
    assert ledger.count_tokens_today(MORNING) == 1_000
    assert ledger.count_tokens_today(MORNING, user_id=BEN) == 300
    assert ledger.count_tokens_today(MORNING, guild_id=GUILD) == 1_000
    assert ledger.admit(make_usage_record("4"), replace(FREE, total_daily=1_000)) is not None


def test_answer_past_midnight_counts_on_the_day_it_ends() -> None:
    ledger = Ledger()
    assert ledger.admit(make_usage_record("1", at=101 * DAY - 1.0), FREE) is None
    ledger.commit("1", 400, 101 * DAY + 1.0)
    assert ledger.count_tokens_today(101 * DAY + 1.0) == 400


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
        if ledger.admit(make_usage_record(key, 1_000, who=who), limits) is None:
            assert paid + 1_000 * len(under_way) < limit
            under_way[key] = price
        if ends and under_way:
            done, cost = under_way.popitem()
            ledger.commit(done, cost, MORNING)
            paid += cost
    assert ledger.count_tokens_today(MORNING) == paid + 1_000 * len(under_way)
