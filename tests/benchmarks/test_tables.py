"""From performances to the tables and the verdicts."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from benchmarks.streaming.metrics import Cost, Curve, Metrics
from benchmarks.streaming.runner import RunResult
from benchmarks.streaming.scenarios import LONG, SHORT, TEN, Contender, Scenario
from benchmarks.streaming.tables import (
    Target,
    build_lower_bounds_table,
    build_results_table,
    build_rows,
    build_targets,
    build_targets_table,
)

GOOD_METRICS = Metrics(delay=0.26, worst=0.5, first=0.1, late=0.1, freeze=0.5, broken=0.0, lost=0)
LOW_COST = Cost(requests=10, rate_limited=0, cpu=0.1, loop_blocked=0.002)
CURVE = Curve((0.0, 1.0, 2.0), (0.0, 50.0, 100.0), (0.0, 40.0, 100.0))


def make_result(
    scenario: Scenario, contender: Contender, metrics: Metrics = GOOD_METRICS, cost: Cost = LOW_COST
) -> RunResult:
    return RunResult(scenario, contender, metrics, cost, CURVE)


def evaluate_targets(*results: RunResult) -> dict[str, bool]:
    return {target.label: target.is_met for target in build_targets(build_rows(results))}


def test_rounds_of_one_scene_become_one_row_with_their_median() -> None:
    rounds = [
        make_result(SHORT, Contender.DOCENT_CHANNEL, replace(GOOD_METRICS, delay=delay)) for delay in (0.9, 0.3, 0.4)
    ]
    (row,) = build_rows(rounds)
    assert row.metrics.delay == 0.4
    assert row.ratio == pytest.approx(0.4 / 0.55)


def test_contender_that_meets_all_targets_passes() -> None:
    assert all(
        evaluate_targets(
            make_result(LONG, Contender.DOCENT_INTERACTION), make_result(TEN, Contender.DOCENT_CHANNEL)
        ).values()
    )


@pytest.mark.parametrize(
    ("figures", "cost", "claim"),
    [
        (replace(GOOD_METRICS, delay=0.31), LOW_COST, "long, interaction: delay in floors"),
        (replace(GOOD_METRICS, freeze=0.8), LOW_COST, "long, interaction: longest freeze"),
        (replace(GOOD_METRICS, broken=0.1), LOW_COST, "code blocks left open, anywhere"),
        (GOOD_METRICS, replace(LOW_COST, rate_limited=1), "429s, anywhere"),
        (GOOD_METRICS, replace(LOW_COST, loop_blocked=0.06), "the loop held, anywhere"),
    ],
)
def test_one_figure_over_its_limit_is_a_missed_target(figures: Metrics, cost: Cost, claim: str) -> None:
    missed = [
        name
        for name, is_met in evaluate_targets(make_result(LONG, Contender.DOCENT_INTERACTION, figures, cost)).items()
        if not is_met
    ]
    assert missed == [claim]


def test_baselines_have_no_targets() -> None:
    assert not any("long" in name for name in evaluate_targets(make_result(LONG, Contender.EVERY_SECOND_CHANNEL)))


def test_a_target_is_met_at_its_limit() -> None:
    assert Target("", 1.0, 1.0).is_met
    assert not Target("", 1.01, 1.0).is_met


def test_tables_name_scenario_contender_and_verdict() -> None:
    console = Console(width=220, record=True, file=StringIO())
    given = build_rows([make_result(SHORT, contender) for contender in Contender])
    console.print(build_results_table(given), build_lower_bounds_table(), build_targets_table(given))
    shown = console.export_text()
    assert shown.count(SHORT.title) == 1
    assert all(contender.value in shown for contender in Contender)
    assert "yes" in shown
