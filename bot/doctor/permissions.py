"""Compares the bot's permissions in a guild's channels with what it needs. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import discord

from bot.discord_adapter import has_write_permission
from bot.doctor.check_result import CheckResult, format_names
from bot.text.wording import format_count

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Channel = discord.TextChannel | discord.ForumChannel | discord.VoiceChannel

REQUIRED_PERMISSIONS = 0x400 | 0x800 | 0x8000 | 0x10000 | 0x800000000 | 0x4000000000
"""View Channel, Send Messages, Attach Files, Read Message History, Create Public Threads, Send Messages in Threads: the
least that works."""

CHECKED_CHANNEL_TYPES: Final = (discord.TextChannel, discord.ForumChannel, discord.VoiceChannel)
"""The kinds of channel in which the bot can be asked something."""


@dataclass(frozen=True, slots=True)
class PermissionUse:
    """A permission by discord.py's and Discord's name, what is lost without it, and where it applies."""

    flag: str
    name: str
    consequence: str
    applies_in_forums: bool = True
    applies_in_voice: bool = True

    def applies_in(self, channel: Channel) -> bool:
        """Return whether the bot uses this permission in a channel of this kind."""
        if isinstance(channel, discord.ForumChannel):
            return self.applies_in_forums
        return self.applies_in_voice or not isinstance(channel, discord.VoiceChannel)


PERMISSION_USES: Final = (
    PermissionUse("read_messages", "View Channel", "it sees no question there"),
    PermissionUse("send_messages", "Send Messages", "no mention is answered there", applies_in_forums=False),
    PermissionUse(
        *("send_messages_in_threads", "Send Messages in Threads", "nothing is answered in threads and forum posts"),
        applies_in_voice=False,
    ),
    PermissionUse(
        *("create_public_threads", "Create Public Threads", "answers open no threads"),
        applies_in_forums=False,
        applies_in_voice=False,
    ),
    PermissionUse("attach_files", "Attach Files", "long answers come without the file that holds all of them"),
    PermissionUse(
        "read_message_history", "Read Message History", "it does not see what was said before, and replies to nothing"
    ),
    PermissionUse("add_reactions", "Add Reactions", "it cannot mark what it must not answer"),
)
"""What each permission is for.

Of these, those in ``REQUIRED_PERMISSIONS`` are asked for, and missed where they lack.
"""

_PERMISSION_NAMES: Final = {"manage_guild": "Manage Server", "moderate_members": "Time Out Members"}


def build_invite_link(application_id: str) -> str:
    """Return the link with which an admin adds the bot to a server, with the fewest permissions."""
    scopes = "bot%20applications.commands"
    return f"https://discord.com/oauth2/authorize?client_id={application_id}&scope={scopes}&permissions={REQUIRED_PERMISSIONS}"


def check_permissions(
    guild: str, channels: Sequence[tuple[Channel, discord.Permissions]], guild_permissions: discord.Permissions
) -> CheckResult:
    """Return one guild's result, from the bot's permissions in each channel and in the whole guild."""
    if not channels:
        return CheckResult(guild, "note", "there is no channel to answer in", "Make a text channel.")
    open_ones = [channel for channel, may in channels if can_answer(channel, may)]
    lacks = list(_find_missing_permissions(channels))
    excess = find_excess_permissions(guild_permissions)
    seen = [f"it can answer in {len(open_ones)} of {format_count(len(channels), 'channel')}", *lacks]
    remedies: list[str] = []
    if lacks:
        remedies.append("Allow its role what lacks: Server Settings › Roles, or the channel's own permissions.")
    if excess:
        seen.append(f"it has more than it needs: {', '.join(excess)}")
        remedies.append(f"Take {'that' if len(excess) == 1 else 'those'} from its role.")
    if not open_ones:
        return CheckResult(guild, "error", "; ".join(seen), " ".join(remedies))
    return CheckResult(guild, "note" if remedies else "ok", "; ".join(seen), " ".join(remedies))


def can_answer(channel: Channel, permissions: discord.Permissions) -> bool:
    """Return whether these permissions let an answer appear in a channel, or in a forum's posts."""
    return has_write_permission(permissions, is_thread=isinstance(channel, discord.ForumChannel))


def find_excess_permissions(permissions: discord.Permissions) -> list[str]:
    """Return harmful permissions that the bot has and does not need, by Discord's names.

    An administrator has every permission, so only that is named.
    """
    if permissions.administrator:
        return ["Administrator"]
    harmful = discord.Permissions.elevated().value | discord.Permissions(mention_everyone=True).value
    return [
        _format_permission(flag)
        for flag, has in discord.Permissions(permissions.value & harmful & ~REQUIRED_PERMISSIONS)
        if has
    ]


def _find_missing_permissions(channels: Sequence[tuple[Channel, discord.Permissions]]) -> Iterator[str]:
    needed = discord.Permissions(REQUIRED_PERMISSIONS)
    for use in PERMISSION_USES:
        if not getattr(needed, use.flag):
            continue
        concerned = [(channel, may) for channel, may in channels if use.applies_in(channel)]
        names = [f"#{channel.name}" for channel, may in concerned if _is_missing(use, may)]
        if names:
            where = "anywhere" if len(names) == len(concerned) > 1 else f"in {format_names(names)}"
            yield f"no {use.name} {where}: {use.consequence}"


def _is_missing(use: PermissionUse, permissions: discord.Permissions) -> bool:
    """Return whether a permission is missing by itself.

    Without View Channel or Send Messages other permissions are lost too, by Discord's rules; those are not named a
    second time.
    """
    if getattr(permissions, use.flag):
        return False
    if use.flag == "read_messages":
        return True
    return permissions.read_messages and (use.flag != "attach_files" or permissions.send_messages)


def _format_permission(flag: str) -> str:
    return _PERMISSION_NAMES.get(flag, flag.replace("_", " ").title())
