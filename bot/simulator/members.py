"""Who is there and what each may do: people, guilds, roles, permissions with Discord's own bits. Pure values."""

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
    MENTION_EVERYONE = 1 << 17
    CONNECT = 1 << 20
    MANAGE_ROLES = 1 << 28
    USE_APPLICATION_COMMANDS = 1 << 31
    MANAGE_THREADS = 1 << 34
    CREATE_PUBLIC_THREADS = 1 << 35
    SEND_MESSAGES_IN_THREADS = 1 << 38


NO_PERMISSIONS = Permission(0)
ALL_PERMISSIONS = Permission(sum(Permission))
DEFAULT_PERMISSIONS = ALL_PERMISSIONS & ~(
    Permission.ADMINISTRATOR
    | Permission.MANAGE_CHANNELS
    | Permission.MANAGE_GUILD
    | Permission.MANAGE_MESSAGES
    | Permission.MENTION_EVERYONE
    | Permission.MANAGE_ROLES
    | Permission.MANAGE_THREADS
)
"""What a member may do without being given more."""


@dataclass(frozen=True, slots=True)
class User:
    """Somebody: a person or the bot."""

    id: int
    name: str
    is_bot: bool = False


@dataclass(frozen=True, slots=True)
class Role:
    """What its wearers may do in a guild. A managed one belongs to one member alone, as a bot's own does."""

    id: int
    name: str
    permissions: Permission = NO_PERMISSIONS
    position: int = 1
    """Higher is above; @everyone alone is at 0."""
    is_managed: bool = False


@dataclass(slots=True)
class Guild:
    """One server. The bot is in it while it is among the members."""

    id: int
    name: str
    owner_id: int
    members: dict[int, Permission] = field(default_factory=dict[int, Permission])
    """What each member was given alone, by user id: it travels as a managed role with their id."""
    default_permissions: Permission = DEFAULT_PERMISSIONS
    """What every member may do: the permissions of @everyone, the role that has the guild's id."""
    roles: dict[int, Role] = field(default_factory=dict[int, Role])
    member_roles: dict[int, set[int]] = field(default_factory=dict[int, set[int]])
    """The ids of the roles each member was given, by user id."""

    def get_role_ids(self, user_id: int) -> set[int]:
        """The ids of a member's roles, without @everyone."""
        own = {user_id} if self.members.get(user_id) else set[int]()
        return own | self.member_roles.get(user_id, set())

    @property
    def default_role(self) -> Role:
        """@everyone."""
        return Role(self.id, "@everyone", self.default_permissions, position=0)

    def build_managed_role(self, user: User) -> Role:
        """The role that carries what a member was given alone."""
        return Role(user.id, user.name, self.members[user.id], is_managed=True)

    def compute_base_permissions(self, user_id: int) -> Permission:
        """What a user may do in this guild, before any channel has its say."""
        if user_id not in self.members:
            return NO_PERMISSIONS
        may = self.default_permissions | self.members[user_id]
        for role_id in self.member_roles.get(user_id, ()):
            may |= self.roles[role_id].permissions
        return ALL_PERMISSIONS if user_id == self.owner_id or Permission.ADMINISTRATOR in may else may
