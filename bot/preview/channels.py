"""Where people talk: text channels, threads, direct messages, and who may do what there. Pure values."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from bot.preview.people import Permission


class ChannelKind(IntEnum):
    """Discord's numbers for the kinds of channel."""

    TEXT = 0
    DIRECT = 1
    THREAD = 11
    FORUM = 15


@dataclass(slots=True)
class Channel:
    """A text channel, a thread (``parent_id`` names its channel) or a direct message (no guild; two members)."""

    id: int
    name: str
    guild_id: int | None = None
    kind: ChannelKind = ChannelKind.TEXT
    parent_id: int | None = None
    recipients: tuple[int, ...] = ()
    denied: dict[int, Permission] = field(default_factory=dict[int, Permission])
    """What a user may not do here, whatever the guild says."""
    is_locked: bool = False
    is_archived: bool = False
    slow_mode: int = 0
    """Seconds between two messages of one person; bots are exempt."""
