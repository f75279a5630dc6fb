"""A working fake for where an answer appears."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.answers.destination import OpenedSurface

if TYPE_CHECKING:
    from collections.abc import Collection

    from bot.answers.destination import OpenAnswer
    from bot.streaming import Surface


@dataclass(slots=True)
class FakeDestination:
    """Opens a given surface, or nothing; ``opened`` counts how often it was asked to."""

    surface: Surface | None
    channel_id: int = 9
    channel_ids: Collection[int] = ()
    is_conversation: bool = False
    opened: int = 0

    async def open(self, answer: OpenAnswer) -> OpenedSurface | None:  # noqa: ARG002 - as the protocol has it
        self.opened += 1
        return OpenedSurface(self.surface, self.channel_id, self.is_conversation) if self.surface else None
