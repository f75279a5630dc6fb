"""All that is remembered, in dictionaries and lists."""

from __future__ import annotations

import time
from collections import OrderedDict, defaultdict, deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bot.records.values import AnswerRecord, AuditEntry, Json, Run, UsageRecord, Vote

ANSWERS_LIMIT: Final = 1_000
_AUDIT_LIMIT: Final = 1_000


class State:
    """What every part of the records stands on. ``clock`` gives Unix seconds."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._answers: OrderedDict[str, AnswerRecord] = OrderedDict()
        self._votes: dict[str, dict[int, Vote]] = {}
        self._closed_gaps: set[str] = set()
        self._usage_records: dict[tuple[str, float], UsageRecord] = {}
        self._settings: defaultdict[int, dict[str, Json]] = defaultdict(dict)
        self._audit_log: deque[AuditEntry] = deque(maxlen=_AUDIT_LIMIT)
        self._runs: dict[str, Run] = {}

    def _delete(self, answer_ids: Iterable[str]) -> None:
        """Let go of answers, their votes, and that they were gaps."""
        for key in answer_ids:
            del self._answers[key]
            self._votes.pop(key, None)
            self._closed_gaps.discard(key)
