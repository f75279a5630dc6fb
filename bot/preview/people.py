"""Who is there and what each may do: people, guilds, permissions with Discord's own bits. Pure values."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntFlag


class Permission(IntFlag):
    """The permissions this server knows, with Discord's own bits."""

    ADMINISTRATOR = 1 << 3
    MANAGE_CHANNELS = 1 << 4
    MANAGE_GUILD = 1 << 5
    ADD_REACTIONS = 1 << 6
    VIEW_CHANNEL = 1 << 10
    SEND_MESSAGES = 1 << 11
    MANAGE_MESSAGES = 1 << 13
    EMBED_LINKS = 1 << 14
    ATTACH_FILES = 1 << 15
    READ_MESSAGE_HISTORY = 1 << 16
    USE_APPLICATION_COMMANDS = 1 << 31
    MANAGE_THREADS = 1 << 34
    CREATE_PUBLIC_THREADS = 1 << 35
    SEND_MESSAGES_IN_THREADS = 1 << 38


EVERYTHING = Permission(sum(Permission))
ORDINARY = EVERYTHING & ~(
    Permission.ADMINISTRATOR
    | Permission.MANAGE_CHANNELS
    | Permission.MANAGE_GUILD
    | Permission.MANAGE_MESSAGES
    | Permission.MANAGE_THREADS
)
"""What a member may do without being given more."""


@dataclass(frozen=True, slots=True)
class User:
    """Somebody: a person or the bot."""

    id: int
    name: str
    is_bot: bool = False


@dataclass(slots=True)
class Guild:
    """One server: what each member may do, by user id. The bot is in it while it is among the members."""

    id: int
    name: str
    owner_id: int
    members: dict[int, Permission] = field(default_factory=dict[int, Permission])
