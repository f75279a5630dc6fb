"""How a world is furnished: guilds, members and channels, made, changed and taken away."""

from __future__ import annotations

from bot.preview.channels import Channel
from bot.preview.events import ChannelChanged, ChannelDeleted, GuildJoined, GuildLeft
from bot.preview.ground import Ground
from bot.preview.people import EVERYTHING, ORDINARY, Guild, Permission


class Furnishing(Ground):
    """What whoever sets the scene may do."""

    def add_guild(self, name: str, *, has_bot: bool = True) -> Guild:
        """A guild of the owner's, with the bot in it unless told otherwise."""
        guild = Guild(self.new_id(), name, self.owner.id, {self.owner.id: EVERYTHING})
        self.guilds[guild.id] = guild
        if has_bot:
            self.admit_bot(guild.id)
        return guild

    def admit_bot(self, guild_id: int) -> None:
        """Invite the bot into a guild."""
        guild = self.guilds[guild_id]
        guild.members[self.bot.id] = ORDINARY
        self.tell(GuildJoined(self.clock(), guild))

    def expel_bot(self, guild_id: int) -> None:
        """Remove the bot from a guild."""
        guild = self.guilds[guild_id]
        del guild.members[self.bot.id]
        self.commands.pop(guild_id, None)
        self.tell(GuildLeft(self.clock(), guild))

    def add_member(self, guild_id: int, user_id: int, permissions: Permission = ORDINARY) -> None:
        """Let a user into a guild."""
        self.guilds[guild_id].members[user_id] = permissions

    def add_channel(self, guild_id: int, name: str) -> Channel:
        """A text channel that every member sees."""
        return self._open(Channel(self.new_id(), name, guild_id))

    def deny(self, channel_id: int, user_id: int, permissions: Permission) -> None:
        """Take exactly these permissions from a user in a channel; none at all gives everything back."""
        channel = self.channels[channel_id]
        channel.denied[user_id] = permissions
        self.tell(ChannelChanged(self.clock(), channel))

    def close_thread(self, channel_id: int, *, is_archived: bool = False, is_locked: bool = False) -> None:
        """Archive or lock a thread; with neither, open it again."""
        thread = self.channels[channel_id]
        thread.is_archived, thread.is_locked = is_archived, is_locked
        self.tell(ChannelChanged(self.clock(), thread))

    def delete_channel(self, channel_id: int) -> None:
        """Delete a channel and everything in it, its threads too."""
        for thread in [channel for channel in self.channels.values() if channel.parent_id == channel_id]:
            self.delete_channel(thread.id)
        now = self.clock()
        for message in self.history(channel_id):
            message.deleted_at = now
        self.tell(ChannelDeleted(now, self.channels.pop(channel_id)))
