"""How a world is furnished: guilds, roles, members and channels, made, changed and taken away."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from bot.simulator.world import World


class AdminActions:
    """Changes guilds, members, roles and channels as an administrator would."""

    def __init__(self, world: World) -> None:
        self._world = world

    # Guilds and members

    def add_guild(self, name: str, *, has_bot: bool = True) -> Guild:
        """A guild of the owner's, with the bot in it unless told otherwise."""
        guild = Guild(self._world.generate_id(), name, self._world.owner.id, {self._world.owner.id: NO_PERMISSIONS})
        self._world.guilds[guild.id] = guild
        if has_bot:
            self.add_bot(guild.id)
        return guild

    def add_bot(self, guild_id: int, permissions: Permission = DEFAULT_PERMISSIONS) -> None:
        """Invite the bot into a guild."""
        guild = self._world.guilds[guild_id]
        guild.members[self._world.bot.id] = permissions
        self._world.emit(GuildJoined(self._world.clock(), guild))

    def remove_bot(self, guild_id: int) -> None:
        """Remove the bot from a guild."""
        guild = self._world.guilds[guild_id]
        del guild.members[self._world.bot.id]
        self._world.commands.pop(guild_id, None)
        self._world.emit(GuildLeft(self._world.clock(), guild))

    def add_member(self, guild_id: int, user_id: int, permissions: Permission = NO_PERMISSIONS) -> None:
        """Let a user into a guild, perhaps with permissions that nobody else has."""
        guild = self._world.guilds[guild_id]
        guild.members[user_id] = permissions
        self._world.emit(MemberJoined(self._world.clock(), guild, user_id))

    def remove_member(self, guild_id: int, user_id: int) -> None:
        """A member leaves a guild, or is made to."""
        guild = self._world.guilds[guild_id]
        del guild.members[user_id]
        guild.member_roles.pop(user_id, None)
        self._world.emit(MemberLeft(self._world.clock(), guild, user_id))

    # Roles

    def add_role(self, guild_id: int, name: str, permissions: Permission = NO_PERMISSIONS) -> Role:
        """A role that nobody wears yet."""
        guild = self._world.guilds[guild_id]
        role = Role(self._world.generate_id(), name, permissions, len(guild.roles) + 1)
        guild.roles[role.id] = role
        self._world.emit(RoleCreated(self._world.clock(), guild, role))
        return role

    def edit_role(self, guild_id: int, role_id: int, permissions: Permission) -> None:
        """Let a role allow exactly this from now on; @everyone has the guild's id, a member's own role has theirs."""
        guild = self._world.guilds[guild_id]
        if role_id == guild_id:
            guild.default_permissions = permissions
        elif role_id in guild.members:
            guild.members[role_id] = permissions
        else:
            guild.roles[role_id] = replace(guild.roles[role_id], permissions=permissions)
        self._world.emit(RoleChanged(self._world.clock(), guild, self._world.find_role(guild, role_id)))

    def delete_role(self, guild_id: int, role_id: int) -> None:
        """Take a role away from everybody who wears it, and from every channel that names it."""
        guild = self._world.guilds[guild_id]
        role = self._world.find_role(guild, role_id)
        if role.is_managed:
            guild.members[role_id] = NO_PERMISSIONS
        else:
            del guild.roles[role_id]
            for channel in self._world.channels.values():
                channel.overwrites.pop(role_id, None)
        for worn in guild.member_roles.values():
            worn.discard(role_id)
        self._world.emit(RoleDeleted(self._world.clock(), guild, role))

    def assign_role(self, guild_id: int, user_id: int, role_id: int) -> None:
        """A member wears a role from now on; ``LookupError`` if there is no such role."""
        guild = self._world.guilds[guild_id]
        guild.member_roles.setdefault(user_id, set()).add(guild.roles[role_id].id)
        self._world.emit(MemberChanged(self._world.clock(), guild, user_id))

    def remove_role(self, guild_id: int, user_id: int, role_id: int) -> None:
        """A member no longer wears a role."""
        guild = self._world.guilds[guild_id]
        guild.member_roles.get(user_id, set()).discard(role_id)
        if role_id == user_id:
            guild.members[user_id] = NO_PERMISSIONS
        self._world.emit(MemberChanged(self._world.clock(), guild, user_id))

    def set_command_permission(self, guild_id: int, name: str, target_id: int, *, is_offered: bool = True) -> None:
        """Let a server's own settings decide who is offered a command, whatever it asks for by default.

        ``target_id`` is the id of a user, of a role or, for everybody, of the guild. Nothing is refused on the way to
        the
        bot: whoever uses a command is heard.
        """
        self._world.command_permissions.setdefault((guild_id, name), {})[target_id] = is_offered
        self._world.emit(CommandPermissionsChanged(self._world.clock(), self._world.guilds[guild_id]))

    # Channels

    def add_channel(
        self, guild_id: int, name: str, *, kind: ChannelKind = ChannelKind.TEXT, slow_mode: int = 0
    ) -> Channel:
        """A channel that every member sees."""
        return self._world.insert_channel(Channel(self._world.generate_id(), name, guild_id, kind, slow_mode=slow_mode))

    def set_overwrite(
        self, channel_id: int, target_id: int, *, allow: Permission = NO_PERMISSIONS, deny: Permission = NO_PERMISSIONS
    ) -> None:
        """Allow and deny exactly this in a channel to a user or a role; the guild's id stands for @everyone."""
        channel = self._world.channels[channel_id]
        channel.overwrites[target_id] = Overwrite(target_id not in self._world.users, allow, deny)
        if not allow and not deny:
            del channel.overwrites[target_id]
        self._world.emit(ChannelChanged(self._world.clock(), channel))

    def deny(self, channel_id: int, target_id: int, permissions: Permission) -> None:
        """Take exactly these permissions from a user or a role in a channel; none at all gives everything back."""
        before = self._world.channels[channel_id].overwrites.get(target_id)
        self.set_overwrite(channel_id, target_id, allow=before.allow if before else NO_PERMISSIONS, deny=permissions)

    def make_private(self, channel_id: int, *allowed_ids: int) -> None:
        """Let only these roles and users see a channel, besides administrators."""
        self.set_overwrite(channel_id, self._world.channels[channel_id].guild_id or 0, deny=Permission.VIEW_CHANNEL)
        for one in allowed_ids:
            self.set_overwrite(channel_id, one, allow=Permission.VIEW_CHANNEL)

    def close_thread(self, channel_id: int, *, is_archived: bool = False, is_locked: bool = False) -> None:
        """Archive or lock a thread; with neither, open it again."""
        thread = self._world.channels[channel_id]
        thread.is_archived, thread.is_locked = is_archived, is_locked
        self._world.emit(ChannelChanged(self._world.clock(), thread))

    def delete_channel(self, channel_id: int) -> None:
        """Delete a channel and everything in it, its threads too."""
        for thread in [channel for channel in self._world.channels.values() if channel.parent_id == channel_id]:
            self.delete_channel(thread.id)
        now = self._world.clock()
        for message in self._world.history(channel_id):
            message.deleted_at = now
        self._world.emit(ChannelDeleted(now, self._world.channels.pop(channel_id)))
