"""How a world is furnished: guilds, roles, members and channels, made, changed and taken away."""

from __future__ import annotations

from dataclasses import replace

from bot.simulator.channels import Channel, ChannelKind, Overwrite
from bot.simulator.events import (
    ChannelChanged,
    ChannelDeleted,
    CommandPermissionsChanged,
    GuildJoined,
    GuildLeft,
    MemberChanged,
    MemberJoined,
    MemberLeft,
    RoleChanged,
    RoleCreated,
    RoleDeleted,
)
from bot.simulator.members import DEFAULT_PERMISSIONS, NO_PERMISSIONS, Guild, Permission, Role
from bot.simulator.state import WorldState


class AdminActions(WorldState):
    """What whoever sets the scene may do."""

    # Guilds and members

    def add_guild(self, name: str, *, has_bot: bool = True) -> Guild:
        """A guild of the owner's, with the bot in it unless told otherwise."""
        guild = Guild(self.generate_id(), name, self.owner.id, {self.owner.id: NO_PERMISSIONS})
        self.guilds[guild.id] = guild
        if has_bot:
            self.add_bot(guild.id)
        return guild

    def add_bot(self, guild_id: int, permissions: Permission = DEFAULT_PERMISSIONS) -> None:
        """Invite the bot into a guild."""
        guild = self.guilds[guild_id]
        guild.members[self.bot.id] = permissions
        self.emit(GuildJoined(self.clock(), guild))

    def remove_bot(self, guild_id: int) -> None:
        """Remove the bot from a guild."""
        guild = self.guilds[guild_id]
        del guild.members[self.bot.id]
        self.commands.pop(guild_id, None)
        self.emit(GuildLeft(self.clock(), guild))

    def add_member(self, guild_id: int, user_id: int, permissions: Permission = NO_PERMISSIONS) -> None:
        """Let a user into a guild, perhaps with permissions that nobody else has."""
        guild = self.guilds[guild_id]
        guild.members[user_id] = permissions
        self.emit(MemberJoined(self.clock(), guild, user_id))

    def remove_member(self, guild_id: int, user_id: int) -> None:
        """A member leaves a guild, or is made to."""
        guild = self.guilds[guild_id]
        del guild.members[user_id]
        guild.member_roles.pop(user_id, None)
        self.emit(MemberLeft(self.clock(), guild, user_id))

    # Roles

    def add_role(self, guild_id: int, name: str, permissions: Permission = NO_PERMISSIONS) -> Role:
        """A role that nobody wears yet."""
        guild = self.guilds[guild_id]
        role = Role(self.generate_id(), name, permissions, len(guild.roles) + 1)
        guild.roles[role.id] = role
        self.emit(RoleCreated(self.clock(), guild, role))
        return role

    def edit_role(self, guild_id: int, role_id: int, permissions: Permission) -> None:
        """Let a role allow exactly this from now on; @everyone has the guild's id, a member's own role has theirs."""
        guild = self.guilds[guild_id]
        if role_id == guild_id:
            guild.default_permissions = permissions
        elif role_id in guild.members:
            guild.members[role_id] = permissions
        else:
            guild.roles[role_id] = replace(guild.roles[role_id], permissions=permissions)
        self.emit(RoleChanged(self.clock(), guild, self.find_role(guild, role_id)))

    def delete_role(self, guild_id: int, role_id: int) -> None:
        """Take a role away from everybody who wears it, and from every channel that names it."""
        guild = self.guilds[guild_id]
        role = self.find_role(guild, role_id)
        if role.is_managed:
            guild.members[role_id] = NO_PERMISSIONS
        else:
            del guild.roles[role_id]
            for channel in self.channels.values():
                channel.overwrites.pop(role_id, None)
        for worn in guild.member_roles.values():
            worn.discard(role_id)
        self.emit(RoleDeleted(self.clock(), guild, role))

    def assign_role(self, guild_id: int, user_id: int, role_id: int) -> None:
        """A member wears a role from now on; ``LookupError`` if there is no such role."""
        guild = self.guilds[guild_id]
        guild.member_roles.setdefault(user_id, set()).add(guild.roles[role_id].id)
        self.emit(MemberChanged(self.clock(), guild, user_id))

    def remove_role(self, guild_id: int, user_id: int, role_id: int) -> None:
        """A member no longer wears a role."""
        guild = self.guilds[guild_id]
        guild.member_roles.get(user_id, set()).discard(role_id)
        if role_id == user_id:
            guild.members[user_id] = NO_PERMISSIONS
        self.emit(MemberChanged(self.clock(), guild, user_id))

    def set_command_permission(self, guild_id: int, name: str, target_id: int, *, is_offered: bool = True) -> None:
        """Let a server's own settings decide who is offered a command, whatever it asks for by default.

        ``target_id`` is the id of a user, of a role or, for everybody, of the guild. Nothing is refused on the way to
        the
        bot: whoever uses a command is heard.
        """
        self.command_permissions.setdefault((guild_id, name), {})[target_id] = is_offered
        self.emit(CommandPermissionsChanged(self.clock(), self.guilds[guild_id]))

    # Channels

    def add_channel(
        self, guild_id: int, name: str, *, kind: ChannelKind = ChannelKind.TEXT, slow_mode: int = 0
    ) -> Channel:
        """A channel that every member sees."""
        return self._add_channel(Channel(self.generate_id(), name, guild_id, kind, slow_mode=slow_mode))

    def set_overwrite(
        self, channel_id: int, target_id: int, *, allow: Permission = NO_PERMISSIONS, deny: Permission = NO_PERMISSIONS
    ) -> None:
        """Allow and deny exactly this in a channel to a user or a role; the guild's id stands for @everyone."""
        channel = self.channels[channel_id]
        channel.overwrites[target_id] = Overwrite(target_id not in self.users, allow, deny)
        if not allow and not deny:
            del channel.overwrites[target_id]
        self.emit(ChannelChanged(self.clock(), channel))

    def deny(self, channel_id: int, target_id: int, permissions: Permission) -> None:
        """Take exactly these permissions from a user or a role in a channel; none at all gives everything back."""
        before = self.channels[channel_id].overwrites.get(target_id)
        self.set_overwrite(channel_id, target_id, allow=before.allow if before else NO_PERMISSIONS, deny=permissions)

    def make_private(self, channel_id: int, *allowed_ids: int) -> None:
        """Let only these roles and users see a channel, besides administrators."""
        self.set_overwrite(channel_id, self.channels[channel_id].guild_id or 0, deny=Permission.VIEW_CHANNEL)
        for one in allowed_ids:
            self.set_overwrite(channel_id, one, allow=Permission.VIEW_CHANNEL)

    def close_thread(self, channel_id: int, *, is_archived: bool = False, is_locked: bool = False) -> None:
        """Archive or lock a thread; with neither, open it again."""
        thread = self.channels[channel_id]
        thread.is_archived, thread.is_locked = is_archived, is_locked
        self.emit(ChannelChanged(self.clock(), thread))

    def delete_channel(self, channel_id: int) -> None:
        """Delete a channel and everything in it, its threads too."""
        for thread in [channel for channel in self.channels.values() if channel.parent_id == channel_id]:
            self.delete_channel(thread.id)
        now = self.clock()
        for message in self.history(channel_id):
            message.deleted_at = now
        self.emit(ChannelDeleted(now, self.channels.pop(channel_id)))
