"""What was said and what was seen of it go in; the table's figures come out. All times are seconds on one clock."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from statistics import mean, median
from typing import TYPE_CHECKING

from benchmarks.streaming.visibility import (
    compute_production_times,
    extract_alphanumerics,
    measure_broken_seconds,
    measure_visibility,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.streaming.visibility import State, VisibilityChange

_CURVE_POINTS = 400
"""So many points make a curve."""


@dataclass(frozen=True, slots=True)
class ModelOutput:
    """What the model said: its deltas with the time at which it said them. ``cancelled_at``: when it was cancelled."""

    deltas: tuple[tuple[float, str], ...]
    cancelled_at: float | None = None

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(delta for _, delta in self.deltas)


@dataclass(frozen=True, slots=True)
class Metrics:
    """What readers had of one answer, in seconds unless it says otherwise.

    ``delay``: between a character's production and its being visible, mean over all. ``worst``: the longest of these.
    ``first``: the first character's. ``late``: from the model's last delta to the message's last change. ``freeze``:
    the longest that text had arrived and nothing changed. ``broken``: with a code block left open. ``lost``:
    characters that were said and are not visible in the end.
    """

    delay: float
    worst: float
    first: float
    late: float
    freeze: float
    broken: float
    lost: float


@dataclass(frozen=True, slots=True)
class Cost:
    """What it took.

    ``cpu``: seconds of the bot's thread per answer. ``loop_blocked``: the longest the bot's loop was held.

    ``cancel_seconds``: seconds until the model was hung up on; None where nobody had a reason to.
    """

    requests: float
    rate_limited: float
    cpu: float
    loop_blocked: float
    cancel_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Curve:
    """Characters produced and visible over time, the mean over all answers; times count from the first character."""

    times: tuple[float, ...]
    produced: tuple[float, ...]
    visible: tuple[float, ...]


def compute_metrics(output: ModelOutput, states: Sequence[State]) -> Metrics:
    """Of one answer.

    Raises:
        ValueError: nothing was said.
    """
    whole = extract_alphanumerics(output.text)
    produced = compute_production_times(output.text, output.deltas)
    if not produced:
        raise ValueError("an answer without a word has no figures")
    advances = measure_visibility(whole, states)
    sights = compute_visible_times(len(whole), advances)
    delays = [sight - at for at, sight in zip(produced, sights, strict=False)]
    ended = output.deltas[-1][0]
    last_change = max((state.at for state in states), default=ended)
    return Metrics(
        delay=mean(delays) if delays else float("inf"),
        worst=max(delays, default=float("inf")),
        first=delays[0] if delays else float("inf"),
        late=max(0.0, last_change - ended),
        freeze=_longest_freeze(produced, advances),
        broken=measure_broken_seconds(states, max(ended, last_change)),
        lost=len(whole) - (advances[-1].visible if advances else 0),
    )


def compute_visible_times(length: int, advances: Sequence[VisibilityChange]) -> list[float]:
    """When each character became visible for the first time; those that never did are missing at the end."""
    sights: list[float] = []
    for advance in advances:
        sights += [advance.at] * (min(length, advance.visible) - len(sights))
    return sights


def _longest_freeze(produced: Sequence[float], advances: Sequence[VisibilityChange]) -> float:
    """The longest time in which characters had arrived and no further one became visible."""
    longest, visible, changed = 0.0, 0, produced[0]
    for advance in advances:
        if advance.visible > visible:
            longest = max(longest, advance.at - max(changed, produced[visible]))
            visible, changed = advance.visible, advance.at
    return longest


def combine_answers(answers: Sequence[Metrics]) -> Metrics:
    """Of several answers at once: the mean of their delays, else what befell the worst of them."""
    worst = {field.name: max(getattr(one, field.name) for one in answers) for field in fields(Metrics)}
    return replace(Metrics(**worst), delay=mean(one.delay for one in answers))


def combine_rounds(rounds: Sequence[Metrics]) -> Metrics:
    """Of several rounds of the same scene, each figure's median."""
    return Metrics(**{field.name: median(getattr(one, field.name) for one in rounds) for field in fields(Metrics)})


def combine_costs(rounds: Sequence[Cost]) -> Cost:
    """The same of what it took."""
    cancels = [one.cancel_seconds for one in rounds if one.cancel_seconds is not None]
    return Cost(
        requests=median(one.requests for one in rounds),
        rate_limited=median(one.rate_limited for one in rounds),
        cpu=median(one.cpu for one in rounds),
        loop_blocked=median(one.loop_blocked for one in rounds),
        cancel_seconds=median(cancels) if cancels else None,
    )


def compute_curve(answers: Sequence[tuple[ModelOutput, Sequence[State]]]) -> Curve:
    """Characters produced and visible over time."""
    starts = [said.deltas[0][0] for said, _ in answers]
    produced = [
        [at - start for at in compute_production_times(said.text, said.deltas)]
        for start, (said, _) in zip(starts, answers, strict=True)
    ]
    sights = [
        [
            at - start
            for at in compute_visible_times(
                len(extract_alphanumerics(said.text)), measure_visibility(extract_alphanumerics(said.text), states)
            )
        ]
        for start, (said, states) in zip(starts, answers, strict=True)
    ]
    end = max(times[-1] for times in [*produced, *sights] if times)
    times = [end * number / _CURVE_POINTS for number in range(_CURVE_POINTS + 1)]
    return Curve(tuple(times), _count_by_time(produced, times), _count_by_time(sights, times))


def _count_by_time(series: Sequence[Sequence[float]], times: Sequence[float]) -> tuple[float, ...]:
    return tuple(mean(bisect_right(one, at) for one in series) for at in times)


def compute_change_intervals(advances: Sequence[VisibilityChange]) -> list[float]:
    """Seconds between changes that a reader sees."""
    changes = [advance.at for advance in advances]
    return [later - earlier for earlier, later in pairwise(changes)]
