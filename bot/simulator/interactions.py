"""Something a person did with the bot, and what became of it. Pure values."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

from bot.simulator.command_options import format_command_path

if TYPE_CHECKING:
    from bot.simulator.message_drafts import Json


ACKNOWLEDGE_TIMEOUT = 3.0
"""Seconds in which an interaction must be answered for the first time."""

TOKEN_LIFETIME = 15 * 60.0
"""Seconds for which an interaction's token is good."""


class InteractionKind(IntEnum):
    """Discord's numbers for what a person did."""

    COMMAND = 2
    COMPONENT = 3
    AUTOCOMPLETE = 4
    MODAL = 5


class ResponseKind(IntEnum):
    """Discord's numbers for how a bot first answers an interaction."""

    MESSAGE = 4
    DEFERRED_MESSAGE = 5
    DEFERRED_UPDATE = 6
    UPDATE = 7
    CHOICES = 8
    MODAL = 9


@dataclass(slots=True)
class Interaction:
    """Something a person did with the bot, and what became of it. Times are Unix seconds."""

    id: int
    token: str = field(repr=False)
    kind: InteractionKind
    channel_id: int
    user_id: int
    created_at: float
    data: Json
    message_id: int | None = None
    acknowledged_at: float | None = None
    response: ResponseKind | None = None
    response_data: Json | None = None
    original_response_id: int | None = None
    has_failed: bool = False

    @property
    def name(self) -> str:
        """What was used: the command's name, or the component's custom id."""
        return str(self.data.get("name", self.data.get("custom_id", "")))

    @property
    def path(self) -> str:
        """What was used by its whole name, sub-commands included."""
        return format_command_path(self.data) if "name" in self.data else self.name

    @property
    def choices(self) -> list[Json] | None:
        """What the bot suggested for an option being typed; None while it has not answered."""
        return (self.response_data or {}).get("choices", []) if self.response is ResponseKind.CHOICES else None

    def is_overdue(self, now: float) -> bool:
        """Whether the deadline for the first answer has passed without one."""
        return self.acknowledged_at is None and now - self.created_at > ACKNOWLEDGE_TIMEOUT
