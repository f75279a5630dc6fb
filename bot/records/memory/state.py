"""All that is remembered, in dictionaries and lists."""

from __future__ import annotations

import time
from collections import OrderedDict, defaultdict, deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bot.records.values import Act, Json, Record, Run, Spending, Vote

ANSWERS_LIMIT: Final = 1_000
_ACTS_LIMIT: Final = 1_000


class State:
    """What every part of the records stands on. ``clock`` gives Unix seconds."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._answers: OrderedDict[str, Record] = OrderedDict()
        self._votes: dict[str, dict[int, Vote]] = {}
        self._done: set[str] = set()
        self._spendings: dict[tuple[str, float], Spending] = {}
        self._settings: defaultdict[int, dict[str, Json]] = defaultdict(dict)
        self._acts: deque[Act] = deque(maxlen=_ACTS_LIMIT)
        self._runs: dict[str, Run] = {}

    def _forget(self, keys: Iterable[str]) -> None:
        """Let go of answers, their votes, and that they were gaps."""
        for key in keys:
            del self._answers[key]
            self._votes.pop(key, None)
            self._done.discard(key)
