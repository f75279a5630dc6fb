"""The figures of an answer, as the page shows them: what it cost on the wire, and when it came. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.simulator.messages import Message, MessageState

_COMMON_PREFIX = 4
"""Characters that two states must have in common at their start to be one text that grew."""


@dataclass(frozen=True, slots=True)
class AnswerMetrics:
    """What one answer cost and when it came. Times are seconds; None where there is nothing to measure yet."""

    edits: int = 0
    throttled: int = 0
    mean_gap: float | None = None
    longest_gap: float | None = None
    first_sign: float | None = None
    first_words: float | None = None
    took: float | None = None


def measure_answer(pages: Sequence[Message], asked_at: float, rate_limited_at: Sequence[float]) -> AnswerMetrics:
    """The figures of one answer.

    Args:
        pages: its messages, oldest first.
        asked_at: when it was asked for, in Unix seconds.
        rate_limited_at: when requests were answered with 429, in Unix seconds; those from ``asked_at`` on are counted.
    """
    if not pages:
        return AnswerMetrics()
    spoken = sorted(state.time for page in pages for state in page.states if not state.is_thinking)
    gaps = [later - earlier for earlier, later in pairwise(spoken)]
    return AnswerMetrics(
        edits=sum(len(page.states) - 1 for page in pages),
        throttled=sum(at >= asked_at for at in rate_limited_at),
        mean_gap=sum(gaps) / len(gaps) if gaps else None,
        longest_gap=max(gaps, default=None),
        first_sign=pages[0].created_at - asked_at,
        first_words=_time_to_first_words(pages[0], asked_at),
        took=max(page.states[-1].time for page in pages) - asked_at,
    )


def _time_to_first_words(page: Message, asked_at: float) -> float | None:
    """When the page first began as it does now: a status line that was replaced is not the answer's words."""
    last = _strip_small_print(page.current_state)[:_COMMON_PREFIX]
    times = [state.time for state in page.states if last and _strip_small_print(state).startswith(last)]
    return times[0] - asked_at if times else None


def _strip_small_print(state: MessageState) -> str:
    """A state's text without its small print."""
    return "\n".join(line for line in state.content.splitlines() if not line.startswith("-# ")).strip()
