"""A chat server held in memory: its people, its channels, and every state in which each message was ever shown.

Pure: no network, no tasks; the time comes from the clock it is given. What the bot asks of Discord over the wire ends
here, and is done or raised as a :class:`Refusal`; what people do starts here, and is told to whoever watches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.preview.channels import Channel, ChannelKind
from bot.preview.clock import Clock
from bot.preview.deeds import Deeds
from bot.preview.events import (
    ChannelChanged,
    ChannelCreated,
    ChannelDeleted,
    Event,
    GuildJoined,
    GuildLeft,
    InteractionAcknowledged,
    InteractionCreated,
    InteractionFailed,
    MessageCreated,
    MessageDeleted,
    MessageEdited,
    ReactionAdded,
    RequestAnswered,
    Typing,
)
from bot.preview.furnishing import Furnishing
from bot.preview.ground import MESSAGE_CONTENT_INTENT
from bot.preview.interactions import ACKNOWLEDGE_WITHIN, TOKEN_LIFETIME, Interaction, InteractionKind, ResponseKind
from bot.preview.messages import Message, MessageFlag, MessageState
from bot.preview.people import EVERYTHING, ORDINARY, Guild, Permission, User
from bot.preview.responses import Responses

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "ACKNOWLEDGE_WITHIN",
    "EVERYTHING",
    "MESSAGE_CONTENT_INTENT",
    "ORDINARY",
    "TOKEN_LIFETIME",
    "Channel",
    "ChannelChanged",
    "ChannelCreated",
    "ChannelDeleted",
    "ChannelKind",
    "Clock",
    "Event",
    "Guild",
    "GuildJoined",
    "GuildLeft",
    "Interaction",
    "InteractionAcknowledged",
    "InteractionCreated",
    "InteractionFailed",
    "InteractionKind",
    "Message",
    "MessageCreated",
    "MessageDeleted",
    "MessageEdited",
    "MessageFlag",
    "MessageState",
    "Permission",
    "ReactionAdded",
    "RequestAnswered",
    "ResponseKind",
    "Typing",
    "User",
    "World",
]


class World(Furnishing, Deeds, Responses):
    """Everything the stand-in knows, and everything that can be done to it."""

    @classmethod
    def populated(cls, *, clock: Callable[[], float] | None = None) -> World:
        """A world to start from: the guild "Harbour" with #general and #random, its owner, and Ada and Ben."""
        world = cls(clock=clock)
        guild = world.add_guild("Harbour")
        for name in ("general", "random"):
            world.add_channel(guild.id, name)
        for name in ("Ada", "Ben"):
            world.add_member(guild.id, world.add_user(name).id)
        return world
