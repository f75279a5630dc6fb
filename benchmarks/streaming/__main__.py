"""The command line: scenes are played, several at a time, and become tables and a plot."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from benchmarks.streaming.plot import draw
from benchmarks.streaming.runner import RunResult, disable_logging, run_scenario
from benchmarks.streaming.scenarios import QUICK_SCENARIOS, SCENARIOS, Scenario
from benchmarks.streaming.tables import build_lower_bounds_table, build_results_table, build_rows, build_targets_table

_PLOTTED_SCENARIOS = ("short", "long", "fast", "ten")
_MIN_WIDTH = 200


def main(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="A few scenes, one round each: under a minute.")] = False,
    only: Annotated[list[str] | None, typer.Option(help="Only these scenes; may be given several times.")] = None,
    jobs: Annotated[
        int, typer.Option(min=1, help="Scenes at a time. They mostly wait; too many disturb each other.")
    ] = 5,
    plot: Annotated[Path, typer.Option(help="Where the plot goes.")] = Path("streaming.png"),
) -> None:
    """Measure how soon readers see what the model says, for Docent and for two bots that edit each second.

    Each scene is played on a simulated Discord: real HTTP and gateway on loopback, real rate limits (5 edits per 5 s in
    a channel, 5 per 2 s for an interaction), 50 ms each way, a real discord.py client, a model that speaks by a script.

    delay: mean over all characters, from the model's saying it to its being visible. floor: the same for a bot that
    spaces its edits evenly and spends the whole budget. first: the first character's. worst: the longest of any.
    freeze: text had come and nothing moved. late: the message's last change after the model's last word. broken: with a
    code block left open. loop held: the longest that the bot's event loop was at work in one go.

    Everything takes less than ten minutes. Scenes: short, long, fast, ten, ten-channels, ten-threads, ten-short,
    drop, stall, delete, stop, latency, halved, doubled, burst.
    """
    console = Console()
    console = console if console.width >= _MIN_WIDTH or console.is_terminal else Console(width=_MIN_WIDTH)
    performances = _run_scenarios(_select_scenarios(only, is_quick=quick), jobs, console, is_quick=quick)
    reached = build_rows(performances)
    console.print(build_results_table(reached), build_lower_bounds_table(), build_targets_table(reached), sep="\n")
    draw([row for row in reached if row.scenario.name in _PLOTTED_SCENARIOS] or reached, plot)
    console.print(f"The plot is in {plot}.")


def _select_scenarios(only: list[str] | None, *, is_quick: bool) -> list[Scenario]:
    names = only or (QUICK_SCENARIOS if is_quick else [scene.name for scene in SCENARIOS])
    unknown = set(names) - {scene.name for scene in SCENARIOS}
    if unknown:
        raise typer.BadParameter(f"no scene is called {', '.join(sorted(unknown))}")
    return [scene for scene in SCENARIOS if scene.name in names]


def _run_scenarios(scenarios: list[Scenario], jobs: int, console: Console, *, is_quick: bool) -> list[RunResult]:
    """Every scene by every contender, each in a new process; the longest begin first. In the scenes' order."""
    plays = [
        (scene, contender)
        for scene in scenarios
        for contender in scene.contenders
        for _ in range(1 if is_quick else scene.rounds)
    ]
    by_length = sorted(plays, key=lambda play: play[0].seconds, reverse=True)
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), disable_logging, max_tasks_per_child=1)
    with Progress(console=console, transient=True) as progress, pool:
        task = progress.add_task("Playing", total=len(plays))
        playing = [pool.submit(run_scenario, *play) for play in by_length]
        for _ in as_completed(playing):
            progress.advance(task)
    played = [future.result() for future in playing]
    order = {scene.name: number for number, scene in enumerate(scenarios)}
    return sorted(
        played, key=lambda one: (order[one.scenario.name], list(one.scenario.contenders).index(one.contender))
    )


if __name__ == "__main__":
    typer.run(main)
