"""Where people talk: text channels, threads, direct messages, and who may do what there. Pure values."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

from bot.simulator.members import NO_PERMISSIONS, Permission

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.simulator.members import Guild


class ChannelKind(IntEnum):
    """Discord's numbers for the kinds of channel."""

    TEXT = 0
    DIRECT = 1
    VOICE = 2
    THREAD = 11
    FORUM = 15


@dataclass(frozen=True, slots=True)
class Overwrite:
    """What a channel allows or denies a role or a user, whatever the guild says."""

    is_role: bool
    allow: Permission = NO_PERMISSIONS
    deny: Permission = NO_PERMISSIONS


@dataclass(slots=True)
class Channel:
    """A channel of a guild, a thread in one (``parent_id``), or direct messages (no guild; two members).

    A post in a forum is a thread that has the id of its first message; a voice channel has a text chat too.
    """

    id: int
    name: str
    guild_id: int | None = None
    kind: ChannelKind = ChannelKind.TEXT
    parent_id: int | None = None
    recipients: tuple[int, ...] = ()
    overwrites: dict[int, Overwrite] = field(default_factory=dict[int, Overwrite])
    """By the id of a role or a user; the guild's id stands for @everyone."""
    is_locked: bool = False
    is_archived: bool = False
    slow_mode: int = 0
    """Seconds between two messages of one person; bots are exempt."""
    owner_id: int | None = None
    """Who opened a thread."""


PERMISSIONS_THAT_NEED_SENDING = Permission.MENTION_EVERYONE | Permission.EMBED_LINKS | Permission.ATTACH_FILES
"""What nobody may do where they may not write."""


def compute_permissions(guild: Guild, channel: Channel, user_id: int, parent: Channel | None = None) -> Permission:
    """What a user may do in a channel of a guild, in Discord's order: @everyone, all roles together, the user.

    A thread has the rules of its ``parent``.
    """
    may = guild.compute_base_permissions(user_id)
    if Permission.ADMINISTRATOR in may:
        return may
    rules = (parent or channel).overwrites
    roles = [rules[role_id] for role_id in guild.get_role_ids(user_id) if role_id in rules and rules[role_id].is_role]
    for step in ([rules.get(guild.id)], roles, [rules.get(user_id)]):
        may = _apply_overwrites(may, [overwrite for overwrite in step if overwrite])
    if channel.kind is not ChannelKind.THREAD and Permission.SEND_MESSAGES not in may:
        may &= ~PERMISSIONS_THAT_NEED_SENDING
    return may if Permission.VIEW_CHANNEL in may else NO_PERMISSIONS


def _apply_overwrites(permissions: Permission, overwrites: Sequence[Overwrite]) -> Permission:
    for overwrite in overwrites:
        permissions &= ~overwrite.deny
    for overwrite in overwrites:
        permissions |= overwrite.allow
    return permissions
