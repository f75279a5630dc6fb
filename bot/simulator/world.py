"""A chat server held in memory: its people, its channels, and every state in which each message was ever shown.

Pure: no network, no tasks; the time comes from the clock it is given. What the bot asks of Discord over the wire ends
here, and is done or raised as a :class:`Refusal`; what people do starts here, and is told to whoever watches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.simulator.admin_actions import AdminActions
from bot.simulator.channels import Channel, ChannelKind, Overwrite
from bot.simulator.clock import Clock
from bot.simulator.events import (
    ChannelChanged,
    ChannelCreated,
    ChannelDeleted,
    CommandPermissionsChanged,
    Event,
    GuildJoined,
    GuildLeft,
    InteractionAcknowledged,
    InteractionCreated,
    InteractionFailed,
    MemberChanged,
    MemberJoined,
    MemberLeft,
    MessageCreated,
    MessageDeleted,
    MessageEdited,
    ReactionAdded,
    RequestAnswered,
    RoleChanged,
    RoleCreated,
    RoleDeleted,
    Typing,
)
from bot.simulator.interaction_api import InteractionResponses
from bot.simulator.interactions import ACKNOWLEDGE_TIMEOUT, TOKEN_LIFETIME, Interaction, InteractionKind, ResponseKind
from bot.simulator.members import ALL_PERMISSIONS, DEFAULT_PERMISSIONS, NO_PERMISSIONS, Guild, Permission, Role, User
from bot.simulator.messages import Message, MessageFlag, MessageState
from bot.simulator.state import MESSAGE_CONTENT_INTENT
from bot.simulator.user_actions import UserActions

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "ACKNOWLEDGE_TIMEOUT",
    "ALL_PERMISSIONS",
    "DEFAULT_PERMISSIONS",
    "MESSAGE_CONTENT_INTENT",
    "NO_PERMISSIONS",
    "TOKEN_LIFETIME",
    "Channel",
    "ChannelChanged",
    "ChannelCreated",
    "ChannelDeleted",
    "ChannelKind",
    "Clock",
    "CommandPermissionsChanged",
    "Event",
    "Guild",
    "GuildJoined",
    "GuildLeft",
    "Interaction",
    "InteractionAcknowledged",
    "InteractionCreated",
    "InteractionFailed",
    "InteractionKind",
    "MemberChanged",
    "MemberJoined",
    "MemberLeft",
    "Message",
    "MessageCreated",
    "MessageDeleted",
    "MessageEdited",
    "MessageFlag",
    "MessageState",
    "Overwrite",
    "Permission",
    "ReactionAdded",
    "RequestAnswered",
    "ResponseKind",
    "Role",
    "RoleChanged",
    "RoleCreated",
    "RoleDeleted",
    "Typing",
    "User",
    "World",
]


MODERATOR_PERMISSIONS = (
    Permission.MANAGE_GUILD | Permission.MANAGE_CHANNELS | Permission.MANAGE_MESSAGES | Permission.MANAGE_THREADS
)
"""What Mia may do besides."""


class World(AdminActions, UserActions, InteractionResponses):
    """Everything the stand-in knows, and everything that can be done to it."""

    @classmethod
    def create_default(cls, *, clock: Callable[[], float] | None = None) -> World:
        """A world to start from: the guild "Harbour" with its channels and people.

        Ada and Ben are members, Mia looks after the server, and Lea is of the People team, whose channel only that
        team sees, and the bot.
        """
        world = cls(clock=clock)
        guild = world.add_guild("Harbour")
        people = [world.add_user(name) for name in ("Ada", "Ben", "Mia", "Lea")]
        for user in people:
            world.add_member(guild.id, user.id)
        admins = world.add_role(guild.id, "Admins", MODERATOR_PERMISSIONS)
        team = world.add_role(guild.id, "People team")
        world.assign_role(guild.id, people[2].id, admins.id)
        world.assign_role(guild.id, people[3].id, team.id)
        for name in ("general", "random"):
            world.add_channel(guild.id, name)
        world.add_channel(guild.id, "help", kind=ChannelKind.FORUM)
        world.make_private(world.add_channel(guild.id, "people-team").id, team.id, world.bot.id)
        return world
