"""A chat server held in memory: its people, its channels, and every state in which each message was ever shown.

Pure: no network, no tasks; the time comes from the clock it is given. What the bot asks of Discord over the wire ends
here, and is done or raised as a :class:`Refusal`; what people do starts here, and is told to whoever watches.
"""

from __future__ import annotations

import asyncio
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bot.simulator.admin_actions import AdminActions
from bot.simulator.bot_api import BotApi
from bot.simulator.channels import Channel, ChannelKind, Overwrite, compute_permissions
from bot.simulator.clock import Clock
from bot.simulator.command_permissions import is_offered, is_offered_in_dm
from bot.simulator.components import first
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
from bot.simulator.interaction_api import InteractionApi
from bot.simulator.interactions import ACKNOWLEDGE_TIMEOUT, TOKEN_LIFETIME, Interaction, InteractionKind, ResponseKind
from bot.simulator.members import ALL_PERMISSIONS, DEFAULT_PERMISSIONS, NO_PERMISSIONS, Guild, Permission, Role, User
from bot.simulator.messages import Forward, Message, MessageFlag, MessageState, Poll
from bot.simulator.user_actions import UserActions

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from bot.simulator.message_drafts import Attachment, Json

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
    "Forward",
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
    "Poll",
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


MESSAGE_CONTENT_INTENT = 1 << 15

DISCORD_EPOCH = 1_420_070_400.0
"""The first second of 2015, from which Discord's ids count, in Unix seconds."""

MODERATOR_PERMISSIONS = (
    Permission.MANAGE_GUILD | Permission.MANAGE_CHANNELS | Permission.MANAGE_MESSAGES | Permission.MANAGE_THREADS
)
"""What Mia may do besides."""


class World:
    """Everything in a simulated Discord, and who watches it.

    What is done to it has a subject: ``admin`` sets up guilds, ``people`` are the users, ``bot_api`` is what a bot
    does with its token and ``interaction_api`` what it does with an interaction's.
    """

    def __init__(self, *, clock: Callable[[], float] | None = None, bot_name: str = "Docent") -> None:
        self.clock = clock or Clock()
        self.token = secrets.token_urlsafe(24)
        """The bot's token; anything else is refused."""
        self.enabled_intents = 0
        """The privileged intents that are switched on for the application (bits)."""
        self.users: dict[int, User] = {}
        self.guilds: dict[int, Guild] = {}
        self.channels: dict[int, Channel] = {}
        self.messages: dict[int, Message] = {}
        self.uploads: dict[int, Attachment] = {}
        """The files people gave to commands and forms."""
        self.interactions: dict[int, Interaction] = {}
        self.interactions_by_token: dict[str, Interaction] = {}
        self.commands: dict[int | None, list[Json]] = {}
        """Registered commands: of a guild by its id, global ones by None."""
        self.command_permissions: dict[tuple[int, str], dict[int, bool]] = {}
        """What servers set themselves, by guild and command: who is offered it, by user, role or guild id."""
        self._watchers: list[Callable[[Event], None]] = []
        self._last_id = 0
        self.admin = AdminActions(self)
        self.people = UserActions(self)
        self.bot_api = BotApi(self)
        self.interaction_api = InteractionApi(self)
        self.owner = self.add_user("Owner")
        self.bot = self.add_user(bot_name, is_bot=True)

    # What is there

    @property
    def application_id(self) -> int:
        """The application's id, which is its bot's."""
        return self.bot.id

    @property
    def has_message_content_intent(self) -> bool:
        """Whether the message-content intent is switched on, without which the bot sees few messages' content."""
        return bool(self.enabled_intents & MESSAGE_CONTENT_INTENT)

    def find_user(self, name: str) -> User:
        """The first user of that name; ``LookupError`` if there is none."""
        return first(user for user in self.users.values() if user.name == name)

    def find_channel(self, name: str) -> Channel:
        """The first channel of that name; ``LookupError`` if there is none."""
        return first(channel for channel in self.channels.values() if channel.name == name)

    def history(self, channel_id: int) -> list[Message]:
        """The messages that stand in a channel, oldest first, ephemeral ones too."""
        return [m for m in self.messages.values() if m.channel_id == channel_id and m.deleted_at is None]

    def permissions_for(self, user_id: int, channel: Channel) -> Permission:
        """What a user may do in a channel; a thread has its parent's rules."""
        if channel.kind is ChannelKind.DIRECT:
            return DEFAULT_PERMISSIONS if user_id in channel.recipients or user_id == self.bot.id else NO_PERMISSIONS
        return compute_permissions(
            self.guilds[channel.guild_id or 0], channel, user_id, self.channels.get(channel.parent_id or 0)
        )

    def find_role(self, guild: Guild, role_id: int) -> Role:
        """A role: @everyone by the guild's id, a member's own by theirs; ``LookupError`` if there is none."""
        if role_id == guild.id:
            return guild.default_role
        return guild.build_managed_role(self.users[role_id]) if role_id in guild.members else guild.roles[role_id]

    def can_see(self, user_id: int, channel_id: int) -> bool:
        """Whether a user sees a channel at all; nobody sees one that is gone."""
        channel = self.channels.get(channel_id)
        return channel is not None and Permission.VIEW_CHANNEL in self.permissions_for(user_id, channel)

    def list_offered_commands(self, user_id: int, channel_id: int) -> list[Json]:
        """The commands and menus that a user is offered in a channel, the guild's own before global ones."""
        channel = self.channels[channel_id]
        guild = self.guilds.get(channel.guild_id or 0)
        everywhere = self.commands.get(None, [])
        if guild is None:
            return [command for command in everywhere if is_offered_in_dm(command)]
        may = self.permissions_for(user_id, channel)
        return [
            command
            for command in [*self.commands.get(guild.id, []), *everywhere]
            if is_offered(command, guild, user_id, may, self.command_permissions.get((guild.id, command["name"]), {}))
        ]

    def find_file(self, file_id: int) -> Attachment:
        """A file that can still be fetched: at a message as it stands, or given to a command or a form.

        Raises:
            LookupError: it is gone, or never was.
        """
        return self.uploads[file_id] if file_id in self.uploads else self.find_message_of_file(file_id)[1]

    def find_message_of_file(self, file_id: int) -> tuple[Message, Attachment]:
        """The message at which a file stands, and the file; ``LookupError`` if there is none."""
        standing = (message for message in self.messages.values() if message.deleted_at is None)
        return first((m, file) for m in standing for file in m.current_state.files if file.id == file_id)

    # Who watches

    def watch(self, watcher: Callable[[Event], None]) -> Callable[[], None]:
        """Call ``watcher`` with each event, in order, as it happens; call what is returned to stop that."""
        self._watchers.append(watcher)
        return lambda: self._watchers.remove(watcher)

    @contextmanager
    def subscribe(self) -> Generator[asyncio.Queue[Event]]:
        """A queue that fills with every event from here on."""
        queue: asyncio.Queue[Event] = asyncio.Queue()
        stop = self.watch(queue.put_nowait)
        try:
            yield queue
        finally:
            stop()

    def emit(self, event: Event) -> None:
        """Let everybody who watches know."""
        for watcher in tuple(self._watchers):
            watcher(event)

    # What happens, whoever does it

    def generate_id(self) -> int:
        """An id as Discord makes them: it holds the time, and no two are alike."""
        self._last_id = max(self._last_id + 1, int((self.clock() - DISCORD_EPOCH) * 1000) << 22)
        return self._last_id

    def add_user(self, name: str, *, is_bot: bool = False) -> User:
        """Somebody new."""
        user = User(self.generate_id(), name, is_bot)
        self.users[user.id] = user
        return user

    def insert_channel(self, channel: Channel) -> Channel:
        """Add a channel as it is."""
        self.channels[channel.id] = channel
        self.emit(ChannelCreated(self.clock(), channel))
        return channel

    def insert_message(self, message: Message) -> Message:
        """Add a message as it is."""
        self.messages[message.id] = message
        self.emit(MessageCreated(message.created_at, message))
        return message

    def delete(self, message_id: int) -> None:
        """Somebody deletes a message."""
        message = self.messages[message_id]
        message.deleted_at = self.clock()
        self.emit(MessageDeleted(message.deleted_at, message))

    def fail_overdue_interactions(self) -> None:
        """Declare failed what has waited too long for its first answer."""
        now = self.clock()
        for interaction in self.interactions.values():
            if interaction.is_overdue(now) and not interaction.has_failed:
                interaction.has_failed = True
                self.emit(InteractionFailed(now, interaction))

    # A world to start from

    @classmethod
    def create_default(cls, *, clock: Callable[[], float] | None = None) -> World:
        """A world to start from: the guild "Harbour" with its channels and people.

        Ada and Ben are members, Mia looks after the server, and Lea is of the People team, whose channel only that
        team sees, and the bot.
        """
        world = cls(clock=clock)
        guild = world.admin.add_guild("Harbour")
        people = [world.add_user(name) for name in ("Ada", "Ben", "Mia", "Lea")]
        for user in people:
            world.admin.add_member(guild.id, user.id)
        admins = world.admin.add_role(guild.id, "Admins", MODERATOR_PERMISSIONS)
        team = world.admin.add_role(guild.id, "People team")
        world.admin.assign_role(guild.id, people[2].id, admins.id)
        world.admin.assign_role(guild.id, people[3].id, team.id)
        for name in ("general", "random"):
            world.admin.add_channel(guild.id, name)
        world.admin.add_channel(guild.id, "help", kind=ChannelKind.FORUM)
        world.admin.make_private(world.admin.add_channel(guild.id, "people-team").id, team.id, world.bot.id)
        return world
