"""What was said and what was seen of it go in; the table's figures come out. All times are seconds on one clock."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from statistics import mean, median
from typing import TYPE_CHECKING

from benchmarks.streaming.visibility import arrivals, broken_seconds, comparable, seen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.streaming.visibility import Advance, State

_PLOTTED = 400
"""So many points make a curve."""


@dataclass(frozen=True, slots=True)
class Said:
    """What the model said: its deltas with the time at which it said them. ``hung_up_at``: when it was cancelled."""

    deltas: tuple[tuple[float, str], ...]
    hung_up_at: float | None = None

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(delta for _, delta in self.deltas)


@dataclass(frozen=True, slots=True)
class Figures:
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
    """What it took. ``cpu``: seconds of the bot's thread per answer. ``held``: the longest the bot's loop was held.

    ``cancel``: seconds until the model was hung up on; None where nobody had a reason to.
    """

    requests: float
    refusals: float
    cpu: float
    held: float
    cancel: float | None = None


@dataclass(frozen=True, slots=True)
class Curve:
    """Characters produced and visible over time, the mean over all answers; times count from the first character."""

    times: tuple[float, ...]
    produced: tuple[float, ...]
    visible: tuple[float, ...]


def figures(said: Said, states: Sequence[State]) -> Figures:
    """Of one answer.

    Raises:
        ValueError: nothing was said.
    """
    whole = comparable(said.text)
    produced = arrivals(said.text, said.deltas)
    if not produced:
        raise ValueError("an answer without a word has no figures")
    advances = seen(whole, states)
    sights = first_sights(len(whole), advances)
    delays = [sight - at for at, sight in zip(produced, sights, strict=False)]
    ended = said.deltas[-1][0]
    last_change = max((state.at for state in states), default=ended)
    return Figures(
        delay=mean(delays) if delays else float("inf"),
        worst=max(delays, default=float("inf")),
        first=delays[0] if delays else float("inf"),
        late=max(0.0, last_change - ended),
        freeze=_longest_freeze(produced, advances),
        broken=broken_seconds(states, max(ended, last_change)),
        lost=len(whole) - (advances[-1].visible if advances else 0),
    )


def first_sights(length: int, advances: Sequence[Advance]) -> list[float]:
    """When each character became visible for the first time; those that never did are missing at the end."""
    sights: list[float] = []
    for advance in advances:
        sights += [advance.at] * (min(length, advance.visible) - len(sights))
    return sights


def _longest_freeze(produced: Sequence[float], advances: Sequence[Advance]) -> float:
    """The longest time in which characters had arrived and no further one became visible."""
    longest, visible, changed = 0.0, 0, produced[0]
    for advance in advances:
        if advance.visible > visible:
            longest = max(longest, advance.at - max(changed, produced[visible]))
            visible, changed = advance.visible, advance.at
    return longest


def worst_of(several: Sequence[Figures]) -> Figures:
    """Of several answers at once: the mean of their delays, else what befell the worst of them."""
    worst = {field.name: max(getattr(one, field.name) for one in several) for field in fields(Figures)}
    return replace(Figures(**worst), delay=mean(one.delay for one in several))


def median_of(rounds: Sequence[Figures]) -> Figures:
    """Of several rounds of the same scene, each figure's median."""
    return Figures(**{field.name: median(getattr(one, field.name) for one in rounds) for field in fields(Figures)})


def median_cost(rounds: Sequence[Cost]) -> Cost:
    """The same of what it took."""
    cancels = [one.cancel for one in rounds if one.cancel is not None]
    return Cost(
        requests=median(one.requests for one in rounds),
        refusals=median(one.refusals for one in rounds),
        cpu=median(one.cpu for one in rounds),
        held=median(one.held for one in rounds),
        cancel=median(cancels) if cancels else None,
    )


def curve(answers: Sequence[tuple[Said, Sequence[State]]]) -> Curve:
    """Characters produced and visible over time."""
    starts = [said.deltas[0][0] for said, _ in answers]
    produced = [
        [at - start for at in arrivals(said.text, said.deltas)]
        for start, (said, _) in zip(starts, answers, strict=True)
    ]
    sights = [
        [at - start for at in first_sights(len(comparable(said.text)), seen(comparable(said.text), states))]
        for start, (said, states) in zip(starts, answers, strict=True)
    ]
    end = max(times[-1] for times in [*produced, *sights] if times)
    times = [end * number / _PLOTTED for number in range(_PLOTTED + 1)]
    return Curve(tuple(times), _counted(produced, times), _counted(sights, times))


def _counted(series: Sequence[Sequence[float]], times: Sequence[float]) -> tuple[float, ...]:
    return tuple(mean(bisect_right(one, at) for one in series) for at in times)


def gaps(advances: Sequence[Advance]) -> list[float]:
    """Seconds between changes that a reader sees."""
    changes = [advance.at for advance in advances]
    return [later - earlier for earlier, later in pairwise(changes)]
