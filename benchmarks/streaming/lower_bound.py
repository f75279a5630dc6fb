"""The best that a lane allows, computed: no bot that spaces its edits evenly can show a text sooner.

A lane lets ``limit`` edits through in ``period`` seconds, so that a text which flows on can change every
``period / limit`` seconds. A character waits for the next edit, half that distance on average as it may come at any
moment between two, and then travels for one ``latency``. Somebody who knew beforehand where the text ends could spend a
whole window on it and do better: that is ``compute_optimal_delay``, which no bot can count on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bucket:
    """``limit`` edits in ``period`` seconds, each of which takes ``latency`` seconds to be seen."""

    limit: int
    period: float
    latency: float

    @property
    def interval(self) -> float:
        """Seconds between two edits that are evenly spaced and spend everything."""
        return self.period / self.limit


def compute_paced_delay(bucket: Bucket) -> float:
    """The mean delay per character, in seconds, of an answer that has the lane to itself."""
    return bucket.interval / 2 + bucket.latency


def compute_optimal_delay(bucket: Bucket, seconds: float) -> float:
    """The mean delay per character if it were known that the text takes so many seconds: windows spent to the last."""
    edits = bucket.limit * math.ceil(max(seconds, bucket.interval) / bucket.period)
    return seconds / edits / 2 + bucket.latency


def compute_shared_delay(bucket: Bucket, seconds: float, answers: int, lead: float) -> float:
    """The mean delay per character when so many answers share the lane, whose texts begin and end at the same times.

    The questions come ``lead`` seconds before the first character. Each answer's message is created as soon as the
    channel lets it (new messages are counted as edits are, but apart) and shows at once what there is by then. While
    the texts flow, an edit goes each ``interval`` to the answer whose text waits longest; after their end whatever the
    windows hold is spent at once, because nothing comes that it should be kept for.
    """
    posts = [(number // bucket.limit * bucket.period - lead, number) for number in range(answers)]
    edits = [
        (at, answers) for at in (*_compute_edit_times(bucket, seconds), *compute_final_times(bucket, seconds, answers))
    ]
    seen = [-1.0] * answers
    delay = 0.0
    for at, post in sorted(posts + edits):
        shown = max(0.0, min(at, seconds))
        created = [number for number in range(answers) if 0 <= seen[number] < seconds]
        if post == answers and not created:
            continue
        turn = post if post < answers else min(created, key=lambda number: seen[number])
        before = max(0.0, seen[turn])
        delay += (shown - before) * (at - (shown + before) / 2 + bucket.latency)
        seen[turn] = shown
    return delay / (seconds * answers)


def compute_final_times(bucket: Bucket, seconds: float, answers: int) -> list[float]:
    """When the finals of so many answers can go that end together, after edits that were evenly spaced until then."""
    spent = len(_compute_edit_times(bucket, seconds))
    full = max(0, spent - 1) // bucket.limit
    opened = (full * bucket.limit + 1) * bucket.interval if spent else seconds
    left = bucket.limit * (full + 1) - spent
    later = (opened + (1 + number // bucket.limit) * bucket.period for number in range(answers))
    return [max(at, seconds) for at in [*[seconds] * left, *later][:answers]]


def _compute_edit_times(bucket: Bucket, seconds: float) -> list[float]:
    return [number * bucket.interval for number in range(1, math.ceil(seconds / bucket.interval))]
