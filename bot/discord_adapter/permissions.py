"""What the bot is allowed in a channel goes in; whether an answer may go on there comes out."""

from __future__ import annotations

import discord


def has_write_permission(permissions: discord.Permissions, *, is_thread: bool) -> bool:
    """Whether these permissions let an answer appear: its channel seen, its messages sent."""
    may_send = permissions.send_messages_in_threads if is_thread else permissions.send_messages
    return permissions.view_channel and may_send


def can_write(channel: discord.abc.GuildChannel | discord.Thread) -> bool:
    """Whether the bot may write there, as far as the gateway has told. What it cannot know, it does not deny."""
    me = channel.guild.me
    try:
        permissions = channel.permissions_for(me)
    except discord.ClientException:  # a thread whose channel was never told of
        return True
    if not isinstance(channel, discord.Thread):
        return has_write_permission(permissions, is_thread=False)
    # Discord refuses every edit in an archived thread; a locked one is left to those who look after threads.
    is_closed = channel.archived or (channel.locked and not permissions.manage_threads)
    return has_write_permission(permissions, is_thread=True) and not is_closed
