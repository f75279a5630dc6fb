"""From performances to the tables and the verdicts."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from benchmarks.streaming.metrics import Cost, Curve, Figures
from benchmarks.streaming.runner import Performance
from benchmarks.streaming.scenarios import LONG, SHORT, TEN, Contender, Scene
from benchmarks.streaming.tables import Target, of_floors, of_scenes, of_targets, rows, targets

GOOD = Figures(delay=0.26, worst=0.5, first=0.1, late=0.1, freeze=0.5, broken=0.0, lost=0)
CHEAP = Cost(requests=10, refusals=0, cpu=0.1, held=0.002)
CURVE = Curve((0.0, 1.0, 2.0), (0.0, 50.0, 100.0), (0.0, 40.0, 100.0))


def performance(scene: Scene, contender: Contender, figures: Figures = GOOD, cost: Cost = CHEAP) -> Performance:
    return Performance(scene, contender, figures, cost, CURVE)


def verdicts(*performances: Performance) -> dict[str, bool]:
    return {target.claim: target.is_met for target in targets(rows(performances))}


def test_rounds_of_one_scene_become_one_row_with_their_median() -> None:
    rounds = [performance(SHORT, Contender.DOCENT_CHANNEL, replace(GOOD, delay=delay)) for delay in (0.9, 0.3, 0.4)]
    (row,) = rows(rounds)
    assert row.figures.delay == 0.4
    assert row.ratio == pytest.approx(0.4 / 0.55)


def test_whoever_reaches_everything_is_told_so() -> None:
    assert all(
        verdicts(performance(LONG, Contender.DOCENT_INTERACTION), performance(TEN, Contender.DOCENT_CHANNEL)).values()
    )


@pytest.mark.parametrize(
    ("figures", "cost", "claim"),
    [
        (replace(GOOD, delay=0.31), CHEAP, "long, interaction: delay in floors"),
        (replace(GOOD, freeze=0.8), CHEAP, "long, interaction: longest freeze"),
        (replace(GOOD, broken=0.1), CHEAP, "code blocks left open, anywhere"),
        (GOOD, replace(CHEAP, refusals=1), "429s, anywhere"),
        (GOOD, replace(CHEAP, held=0.06), "the loop held, anywhere"),
    ],
)
def test_one_figure_too_many_is_a_target_missed(figures: Figures, cost: Cost, claim: str) -> None:
    missed = [
        name
        for name, is_met in verdicts(performance(LONG, Contender.DOCENT_INTERACTION, figures, cost)).items()
        if not is_met
    ]
    assert missed == [claim]


def test_the_baselines_have_nothing_to_reach() -> None:
    assert not any("long" in name for name in verdicts(performance(LONG, Contender.SECOND_CHANNEL)))


def test_a_target_is_met_at_its_limit() -> None:
    assert Target("", 1.0, 1.0).is_met
    assert not Target("", 1.01, 1.0).is_met


def test_the_tables_name_scene_contender_and_verdict() -> None:
    console = Console(width=220, record=True, file=StringIO())
    given = rows([performance(SHORT, contender) for contender in Contender])
    console.print(of_scenes(given), of_floors(), of_targets(given))
    shown = console.export_text()
    assert shown.count(SHORT.title) == 1
    assert all(contender.value in shown for contender in Contender)
    assert "yes" in shown
