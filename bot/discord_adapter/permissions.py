"""Decides from the bot's permissions whether it can write in a channel."""

from __future__ import annotations

import discord


def has_write_permission(permissions: discord.Permissions, *, is_thread: bool) -> bool:
    """Return whether these permissions let an answer appear: the channel is visible, sending is allowed."""
    may_send = permissions.send_messages_in_threads if is_thread else permissions.send_messages
    return permissions.view_channel and may_send


def can_write(channel: discord.abc.GuildChannel | discord.Thread) -> bool:
    """Return whether the bot may write there, as far as the gateway's events say; True if that is not known."""
    me = channel.guild.me
    try:
        permissions = channel.permissions_for(me)
    except discord.ClientException:  # a thread whose channel is unknown
        return True
    if not isinstance(channel, discord.Thread):
        return has_write_permission(permissions, is_thread=False)
    # Discord refuses every edit in an archived thread; in a locked one only those who may manage threads can write.
    is_closed = channel.archived or (channel.locked and not permissions.manage_threads)
    return has_write_permission(permissions, is_thread=True) and not is_closed
