"""What happens in a world, each thing as whoever watches is told of it. Pure values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bot.simulator.channels import Channel
    from bot.simulator.interactions import Interaction
    from bot.simulator.members import Guild, Role
    from bot.simulator.messages import Message


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened at ``time`` (Unix seconds)."""

    time: float


@dataclass(frozen=True, slots=True)
class MessageCreated(Event):
    """A message appeared."""

    message: Message


@dataclass(frozen=True, slots=True)
class MessageEdited(Event):
    """A message has a new state."""

    message: Message


@dataclass(frozen=True, slots=True)
class MessageDeleted(Event):
    """A message is gone; it keeps its states for whoever looks back."""

    message: Message


@dataclass(frozen=True, slots=True)
class ReactionAdded(Event):
    """Somebody reacted to a message."""

    message: Message
    emoji: str
    user_id: int


@dataclass(frozen=True, slots=True)
class InteractionCreated(Event):
    """A person used a command, pressed a button or sent a modal."""

    interaction: Interaction


@dataclass(frozen=True, slots=True)
class InteractionAcknowledged(Event):
    """The bot gave its first answer in time."""

    interaction: Interaction


@dataclass(frozen=True, slots=True)
class InteractionFailed(Event):
    """No first answer came in time: people read "The application did not respond"."""

    interaction: Interaction


@dataclass(frozen=True, slots=True)
class Typing(Event):
    """Somebody is typing."""

    channel_id: int
    user_id: int


@dataclass(frozen=True, slots=True)
class ChannelCreated(Event):
    """A channel, thread or direct message was opened."""

    channel: Channel


@dataclass(frozen=True, slots=True)
class ChannelChanged(Event):
    """Who may do what in a channel changed, or a thread was closed or opened."""

    channel: Channel


@dataclass(frozen=True, slots=True)
class ChannelDeleted(Event):
    """A channel is gone with all its messages."""

    channel: Channel


@dataclass(frozen=True, slots=True)
class GuildJoined(Event):
    """The bot was added to a guild."""

    guild: Guild


@dataclass(frozen=True, slots=True)
class GuildLeft(Event):
    """The bot was removed from a guild."""

    guild: Guild


@dataclass(frozen=True, slots=True)
class RoleCreated(Event):
    """A guild has a new role."""

    guild: Guild
    role: Role


@dataclass(frozen=True, slots=True)
class RoleChanged(Event):
    """A role allows something else than before; @everyone is the role that has the guild's id."""

    guild: Guild
    role: Role


@dataclass(frozen=True, slots=True)
class RoleDeleted(Event):
    """A role is gone, and nobody wears it any more."""

    guild: Guild
    role: Role


@dataclass(frozen=True, slots=True)
class MemberJoined(Event):
    """Somebody became a member of a guild."""

    guild: Guild
    user_id: int


@dataclass(frozen=True, slots=True)
class MemberChanged(Event):
    """A member was given a role, or lost one."""

    guild: Guild
    user_id: int


@dataclass(frozen=True, slots=True)
class MemberLeft(Event):
    """Somebody is no longer a member of a guild."""

    guild: Guild
    user_id: int


@dataclass(frozen=True, slots=True)
class CommandPermissionsChanged(Event):
    """A server decided anew who is offered a command."""

    guild: Guild


@dataclass(frozen=True, slots=True)
class RequestAnswered(Event):
    """The bot asked something over HTTP; ``route`` is the path's pattern, without ids and tokens."""

    method: str
    route: str
    status: int
