"""Recognises events that Discord delivers twice, as after a resumed connection."""

from __future__ import annotations

from collections import OrderedDict

_MAX_REMEMBERED = 1_000


class EventDeduplicator:
    """Remembers the ids of the latest 1,000 events."""

    def __init__(self) -> None:
        self._seen: OrderedDict[int, None] = OrderedDict()

    def is_first(self, event_id: int) -> bool:
        """Return whether this interaction or message comes for the first time, and remember it."""
        if event_id in self._seen:
            return False
        self._seen[event_id] = None
        if len(self._seen) > _MAX_REMEMBERED:
            self._seen.popitem(last=False)
        return True
