"""A chat server held in memory: its people, its channels, and every state in which each message was ever shown.

Pure: no network, no tasks; the time comes from the clock it is given. What the bot asks of Discord over the wire ends
here, and is done or raised as a :class:`Refusal`; what people do starts here, and is told to whoever watches.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import IntEnum, IntFlag
from typing import TYPE_CHECKING, Any, TypeVar

from bot.preview.drafts import Attachment, Draft, Json, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

ACKNOWLEDGE_WITHIN = 3.0
"""Seconds in which an interaction must be answered for the first time."""

TOKEN_LIFETIME = 15 * 60.0
"""Seconds for which an interaction's token is good."""

NONCE_MEMORY = 5 * 60.0
"""Seconds for which a channel remembers a nonce."""

MESSAGE_CONTENT_INTENT = 1 << 15

EPOCH = 1_420_070_400.0
"""The first second of 2015, from which Discord's ids count, in Unix seconds."""


class Clock:
    """Unix seconds that never run backwards and that a test may push forward."""

    def __init__(self) -> None:
        self._base = time.time() - time.monotonic()

    def __call__(self) -> float:
        """The time now, in Unix seconds."""
        return self._base + time.monotonic()

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass at once."""
        self._base += seconds


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
    USE_APPLICATION_COMMANDS = 1 << 31
    MANAGE_THREADS = 1 << 34
    CREATE_PUBLIC_THREADS = 1 << 35
    SEND_MESSAGES_IN_THREADS = 1 << 38


EVERYTHING = Permission(sum(Permission))
ORDINARY = EVERYTHING & ~(
    Permission.ADMINISTRATOR
    | Permission.MANAGE_CHANNELS
    | Permission.MANAGE_GUILD
    | Permission.MANAGE_MESSAGES
    | Permission.MANAGE_THREADS
)
"""What a member may do without being given more."""


class MessageFlag(IntFlag):
    """The message flags that mean something here, with Discord's own bits."""

    SUPPRESS_EMBEDS = 1 << 2
    EPHEMERAL = 1 << 6
    LOADING = 1 << 7
    SUPPRESS_NOTIFICATIONS = 1 << 12


PLAIN = MessageFlag(0)
SETTABLE = MessageFlag.SUPPRESS_EMBEDS | MessageFlag.SUPPRESS_NOTIFICATIONS


class ChannelKind(IntEnum):
    """Discord's numbers for the kinds of channel."""

    TEXT = 0
    DIRECT = 1
    THREAD = 11
    FORUM = 15


class InteractionKind(IntEnum):
    """Discord's numbers for what a person did."""

    COMMAND = 2
    COMPONENT = 3
    MODAL = 5


class ResponseKind(IntEnum):
    """Discord's numbers for how a bot first answers an interaction."""

    MESSAGE = 4
    DEFERRED_MESSAGE = 5
    DEFERRED_UPDATE = 6
    UPDATE = 7
    CHOICES = 8
    MODAL = 9


@dataclass(frozen=True, slots=True)
class User:
    """Somebody: a person or the bot."""

    id: int
    name: str
    is_bot: bool = False


@dataclass(slots=True)
class Guild:
    """One server: what each member may do, by user id. The bot is in it while it is among the members."""

    id: int
    name: str
    owner_id: int
    members: dict[int, Permission] = field(default_factory=dict[int, Permission])


@dataclass(slots=True)
class Channel:
    """A text channel, a thread (``parent_id`` names its channel) or a direct message (no guild; two members)."""

    id: int
    name: str
    guild_id: int | None = None
    kind: ChannelKind = ChannelKind.TEXT
    parent_id: int | None = None
    recipients: tuple[int, ...] = ()
    denied: dict[int, Permission] = field(default_factory=dict[int, Permission])
    """What a user may not do here, whatever the guild says."""
    is_locked: bool = False
    is_archived: bool = False
    slow_mode: int = 0
    """Seconds between two messages of one person; bots are exempt."""


@dataclass(frozen=True, slots=True)
class MessageState:
    """What a reader saw of a message from ``time`` (Unix seconds) until its next state.

    ``allowed_mentions`` and ``sent_flags`` are what the bot sent with exactly this state; None where it sent none.
    """

    time: float
    content: str = ""
    embeds: tuple[Json, ...] = ()
    components: tuple[Json, ...] = ()
    flags: MessageFlag = PLAIN
    attachments: tuple[Attachment, ...] = ()
    allowed_mentions: Json | None = None
    sent_flags: int | None = None

    @property
    def is_thinking(self) -> bool:
        """Whether only "… is thinking" was shown."""
        return MessageFlag.LOADING in self.flags

    @property
    def is_blank(self) -> bool:
        """Whether there is nothing to show, which Discord refuses."""
        return not (self.content or self.embeds or self.components or self.attachments)


@dataclass(slots=True)
class Message:
    """One message with all its states, oldest first. ``audience`` is the only user who sees an ephemeral one."""

    id: int
    channel_id: int
    author_id: int
    states: list[MessageState]
    interaction_id: int | None = None
    reference: int | None = None
    audience: int | None = None
    nonce: str | None = None
    deleted_at: float | None = None
    reactions: dict[str, set[int]] = field(default_factory=dict[str, set[int]])

    @property
    def now(self) -> MessageState:
        """The state shown last."""
        return self.states[-1]

    @property
    def created_at(self) -> float:
        """When it first appeared, in Unix seconds."""
        return self.states[0].time

    @property
    def edited_at(self) -> float | None:
        """When it was last changed, None if never: the words that replace "… is thinking" are not an edit."""
        spoken = [state for state in self.states if not state.is_thinking]
        return spoken[-1].time if len(spoken) > 1 else None


@dataclass(slots=True)
class Interaction:
    """Something a person did with the bot, and what became of it. Times are Unix seconds."""

    id: int
    token: str = field(repr=False)
    kind: InteractionKind
    channel_id: int
    user_id: int
    created_at: float
    data: Json
    message_id: int | None = None
    acknowledged_at: float | None = None
    response: ResponseKind | None = None
    response_data: Json | None = None
    original_id: int | None = None
    has_failed: bool = False

    @property
    def name(self) -> str:
        """What was used: the command's name, or the component's custom id."""
        return str(self.data.get("name", self.data.get("custom_id", "")))

    def is_overdue(self, now: float) -> bool:
        """Whether the deadline for the first answer has passed without one."""
        return self.acknowledged_at is None and now - self.created_at > ACKNOWLEDGE_WITHIN


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
    """A channel's permissions changed."""

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
class RequestAnswered(Event):
    """The bot asked something over HTTP; ``route`` is the path's pattern, without ids and tokens."""

    method: str
    route: str
    status: int


T = TypeVar("T")


def unknown(what: str, code: int) -> Refusal:
    """A 404 of Discord's kind."""
    return Refusal(404, code, f"Unknown {what}")


class World:
    """Everything the stand-in knows, and everything that can be done to it."""

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
        self.interactions: dict[int, Interaction] = {}
        self._by_token: dict[str, Interaction] = {}
        self.commands: dict[int | None, list[Json]] = {}
        """Registered commands: of a guild by its id, global ones by None."""
        self._watchers: list[Callable[[Event], None]] = []
        self._last_id = 0
        self.owner = self.add_user("Owner")
        self.bot = self.add_user(bot_name, is_bot=True)

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

    # What is there

    @property
    def application_id(self) -> int:
        """The application's id, which is its bot's."""
        return self.bot.id

    @property
    def shows_content(self) -> bool:
        """Whether the message-content intent is switched on, without which the bot sees few messages' content."""
        return bool(self.enabled_intents & MESSAGE_CONTENT_INTENT)

    def user_named(self, name: str) -> User:
        """The first user of that name; ``LookupError`` if there is none."""
        return _first(user for user in self.users.values() if user.name == name)

    def channel_named(self, name: str) -> Channel:
        """The first channel of that name; ``LookupError`` if there is none."""
        return _first(channel for channel in self.channels.values() if channel.name == name)

    def history(self, channel_id: int) -> list[Message]:
        """The messages that stand in a channel, oldest first, ephemeral ones too."""
        return [m for m in self.messages.values() if m.channel_id == channel_id and m.deleted_at is None]

    def permissions(self, user_id: int, channel: Channel) -> Permission:
        """What a user may do in a channel; a thread has its parent's rules."""
        if channel.kind is ChannelKind.DIRECT:
            return ORDINARY if user_id in channel.recipients or user_id == self.bot.id else Permission(0)
        guild = self.guilds[channel.guild_id or 0]
        granted = guild.members.get(user_id, Permission(0))
        if granted and (user_id == guild.owner_id or Permission.ADMINISTRATOR in granted):
            return EVERYTHING
        parent = self.channels.get(channel.parent_id or 0)
        denied = channel.denied.get(user_id, Permission(0))
        return granted & ~denied & ~(parent.denied.get(user_id, Permission(0)) if parent else Permission(0))

    # Who watches

    def watch(self, watcher: Callable[[Event], None]) -> Callable[[], None]:
        """Call ``watcher`` with each event, in order, as it happens; call what is returned to stop that."""
        self._watchers.append(watcher)
        return lambda: self._watchers.remove(watcher)

    @contextmanager
    def subscribed(self) -> Generator[asyncio.Queue[Event]]:
        """A queue that fills with every event from here on."""
        queue: asyncio.Queue[Event] = asyncio.Queue()
        stop = self.watch(queue.put_nowait)
        try:
            yield queue
        finally:
            stop()

    def tell(self, event: Event) -> None:
        """Let everybody who watches know."""
        for watcher in tuple(self._watchers):
            watcher(event)

    # How it is furnished

    def new_id(self) -> int:
        """An id as Discord makes them: it holds the time, and no two are alike."""
        self._last_id = max(self._last_id + 1, int((self.clock() - EPOCH) * 1000) << 22)
        return self._last_id

    def add_user(self, name: str, *, is_bot: bool = False) -> User:
        """Somebody new."""
        user = User(self.new_id(), name, is_bot)
        self.users[user.id] = user
        return user

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

    def _open(self, channel: Channel) -> Channel:
        self.channels[channel.id] = channel
        self.tell(ChannelCreated(self.clock(), channel))
        return channel

    # What people do

    def say(self, channel_id: int, user_id: int, text: str, *, reply_to: int | None = None) -> Message:
        """A person writes a message, perhaps in reply to another (which pings its author)."""
        state = MessageState(self.clock(), text)
        message = Message(self.new_id(), channel_id, user_id, [state], reference=reply_to)
        return self._appear(message)

    def type(self, channel_id: int, user_id: int) -> None:
        """Somebody is seen typing."""
        self.tell(Typing(self.clock(), channel_id, user_id))

    def use_command(
        self, channel_id: int, user_id: int, name: str, options: Mapping[str, object] | None = None
    ) -> Interaction:
        """A person uses a slash command; ``name`` may be "group command".

        Raises:
            LookupError: no such command is registered here.
        """
        first, *rest = name.split()
        command = self.command(channel_id, first, kind=1)
        values = _option_values(command, rest, options or {})
        data = {"id": command["id"], "name": first, "type": 1, "options": values}
        return self._interact(InteractionKind.COMMAND, channel_id, user_id, data)

    def use_menu(self, user_id: int, name: str, message_id: int) -> Interaction:
        """A person picks a command from a message's menu.

        Raises:
            LookupError: no such command is registered here.
        """
        message = self.messages[message_id]
        command = self.command(message.channel_id, name, kind=3)
        data = {"id": command["id"], "name": name, "type": 3, "target_id": str(message_id)}
        return self._interact(InteractionKind.COMMAND, message.channel_id, user_id, data)

    def press(self, message_id: int, custom_id: str, user_id: int) -> Interaction:
        """A person presses a button.

        Raises:
            LookupError: the message shows no such button, or it is disabled.
        """
        message = self.messages[message_id]
        _first(
            c for c in _components(message.now.components) if c.get("custom_id") == custom_id and not c.get("disabled")
        )
        data = {"custom_id": custom_id, "component_type": 2}
        return self._interact(InteractionKind.COMPONENT, message.channel_id, user_id, data, message_id=message_id)

    def submit(self, interaction_id: int, values: Mapping[str, str]) -> Interaction:
        """A person fills in the modal that an interaction was answered with, by the custom ids of its text inputs.

        Raises:
            LookupError: that interaction showed no modal.
        """
        shown = self.interactions[interaction_id]
        if shown.response is not ResponseKind.MODAL or shown.response_data is None:
            raise LookupError("no modal was shown")
        modal = shown.response_data
        data = {"custom_id": modal["custom_id"], "components": _filled(modal["components"], values)}
        return self._interact(InteractionKind.MODAL, shown.channel_id, shown.user_id, data, message_id=shown.message_id)

    def command(self, channel_id: int, name: str, *, kind: int = 1) -> Json:
        """The command of that name that people see in a channel, the guild's own before a global one."""
        guild_id = self.channels[channel_id].guild_id
        registered = [*self.commands.get(guild_id, []), *self.commands.get(None, [])]
        return _first(c for c in registered if c["name"] == name and c.get("type", 1) == kind)

    def delete(self, message_id: int) -> None:
        """Somebody deletes a message."""
        message = self.messages[message_id]
        message.deleted_at = self.clock()
        self.tell(MessageDeleted(message.deleted_at, message))

    def sweep(self) -> None:
        """Declare failed what has waited too long for its first answer."""
        now = self.clock()
        for interaction in self.interactions.values():
            if interaction.is_overdue(now) and not interaction.has_failed:
                interaction.has_failed = True
                self.tell(InteractionFailed(now, interaction))

    def _interact(
        self, kind: InteractionKind, channel_id: int, user_id: int, data: Json, *, message_id: int | None = None
    ) -> Interaction:
        now = self.clock()
        interaction = Interaction(
            self.new_id(), secrets.token_urlsafe(48), kind, channel_id, user_id, now, data, message_id
        )
        self.interactions[interaction.id] = self._by_token[interaction.token] = interaction
        self.tell(InteractionCreated(now, interaction))
        return interaction

    def _appear(self, message: Message) -> Message:
        self.messages[message.id] = message
        self.tell(MessageCreated(message.created_at, message))
        return message

    # What the bot does with its own token

    def channel_for_bot(self, channel_id: int) -> Channel:
        """A channel, if the bot may see it; raises Refusal 10003 or 50001."""
        channel = self.channels.get(channel_id)
        if channel is None:
            raise unknown("Channel", 10003)
        if Permission.VIEW_CHANNEL not in self.permissions(self.bot.id, channel):
            raise Refusal(403, 50001, "Missing Access")
        return channel

    def message_for_bot(self, channel_id: int, message_id: int) -> Message:
        """A message, if the bot may see it; raises Refusal 10003, 50001 or 10008."""
        self.channel_for_bot(channel_id)
        message = self.messages.get(message_id)
        if message is None or message.channel_id != channel_id or message.deleted_at or message.audience:
            raise unknown("Message", 10008)
        return message

    def require(self, channel: Channel, permission: Permission) -> None:
        """Raise Refusal 50013 unless the bot has this permission here."""
        if permission not in self.permissions(self.bot.id, channel):
            raise Refusal(403, 50013, "Missing Permissions")

    def send(self, channel_id: int, draft: Draft) -> Message:
        """The bot writes a message; the same nonce twice, where it is enforced, gives the first message back."""
        channel = self.channel_for_bot(channel_id)
        in_thread = channel.kind is ChannelKind.THREAD
        self.require(channel, Permission.SEND_MESSAGES_IN_THREADS if in_thread else Permission.SEND_MESSAGES)
        if channel.is_locked and Permission.MANAGE_THREADS not in self.permissions(self.bot.id, channel):
            raise Refusal(403, 50013, "Missing Permissions")
        if draft.files:
            self.require(channel, Permission.ATTACH_FILES)
        if draft.enforce_nonce and (earlier := self._with_nonce(channel_id, draft.nonce)):
            return earlier
        self._check_reference(channel, draft)
        message = Message(self.new_id(), channel_id, self.bot.id, [self._first_state(draft)], nonce=draft.nonce)
        message.reference = draft.reference if draft.reference in self.messages else None
        return self._appear(message)

    def edit(self, channel_id: int, message_id: int, draft: Draft) -> Message:
        """The bot edits its own message."""
        message = self.message_for_bot(channel_id, message_id)
        if message.author_id != self.bot.id:
            raise Refusal(403, 50005, "Cannot edit a message authored by another user")
        if self.channels[channel_id].is_archived:
            raise Refusal(400, 50083, "Thread is archived")
        return self._change(message, draft)

    def remove(self, channel_id: int, message_id: int) -> None:
        """The bot deletes a message: its own, or another's where it may."""
        message = self.message_for_bot(channel_id, message_id)
        if message.author_id != self.bot.id:
            self.require(self.channels[channel_id], Permission.MANAGE_MESSAGES)
        self.delete(message_id)

    def react(self, channel_id: int, message_id: int, emoji: str) -> None:
        """The bot adds a reaction."""
        message = self.message_for_bot(channel_id, message_id)
        self.require(self.channels[channel_id], Permission.ADD_REACTIONS)
        message.reactions.setdefault(emoji, set()).add(self.bot.id)
        self.tell(ReactionAdded(self.clock(), message, emoji, self.bot.id))

    def open_thread(self, channel_id: int, name: str, message_id: int | None = None) -> Channel:
        """The bot starts a thread; one that starts at a message has its id."""
        channel = self.channel_for_bot(channel_id)
        self.require(channel, Permission.CREATE_PUBLIC_THREADS)
        if message_id is not None:
            self.message_for_bot(channel_id, message_id)
            if message_id in self.channels:
                raise Refusal(400, 160004, "A thread has already been created for this message")
        thread = Channel(message_id or self.new_id(), name, channel.guild_id, ChannelKind.THREAD, channel.id)
        return self._open(thread)

    def open_direct(self, user_id: int) -> Channel:
        """The direct messages between the bot and a user, opened if they are not yet."""
        if user_id not in self.users:
            raise Refusal(400, 50033, "Invalid Recipient(s)")
        for channel in self.channels.values():
            if channel.kind is ChannelKind.DIRECT and channel.recipients == (user_id,):
                return channel
        name = self.users[user_id].name
        return self._open(Channel(self.new_id(), name, None, ChannelKind.DIRECT, recipients=(user_id,)))

    def register(self, guild_id: int | None, commands: Sequence[Json]) -> list[Json]:
        """Replace a guild's commands, or the global ones; a command that keeps its name keeps its id."""
        if guild_id is not None and self.bot.id not in self.guilds.get(guild_id, Guild(0, "", 0)).members:
            raise Refusal(403, 50001, "Missing Access")
        known = {(c["name"], c.get("type", 1)): c["id"] for c in self.commands.get(guild_id, [])}
        self.commands[guild_id] = [
            self._registered(guild_id, c, known.get((c["name"], c.get("type", 1)))) for c in commands
        ]
        return self.commands[guild_id]

    def _registered(self, guild_id: int | None, command: Json, known_id: str | None) -> Json:
        place: Json = {} if guild_id is None else {"guild_id": str(guild_id)}
        given: Json = {"id": known_id or str(self.new_id()), "application_id": str(self.application_id)}
        defaults: Json = {"type": 1, "description": "", "default_member_permissions": None, "nsfw": False}
        return defaults | command | given | place | {"version": str(self.new_id())}

    def _with_nonce(self, channel_id: int, nonce: str | None) -> Message | None:
        """The bot's message of the last minutes that was sent with this nonce."""
        since = self.clock() - NONCE_MEMORY
        for message in reversed(self.messages.values()):
            if message.created_at < since or nonce is None:
                return None
            if message.nonce == nonce and message.channel_id == channel_id:
                return message
        return None

    def _check_reference(self, channel: Channel, draft: Draft) -> None:
        if draft.reference is None:
            return
        if Permission.READ_MESSAGE_HISTORY not in self.permissions(self.bot.id, channel):
            raise Refusal(403, 160002, "Cannot reply without permission to read message history")
        target = self.messages.get(draft.reference)
        is_there = target is not None and target.channel_id == channel.id and target.deleted_at is None
        if not is_there and draft.must_reference_exist:
            raise Refusal.of_field("message_reference", "REPLIES_UNKNOWN_MESSAGE", "Unknown message")

    def _first_state(self, draft: Draft, flags: MessageFlag = PLAIN) -> MessageState:
        return self._after(MessageState(self.clock(), flags=flags), draft)

    def _after(self, before: MessageState, draft: Draft) -> MessageState:
        """The state that a draft makes of another; what it does not name stays. Raises Refusal 50006 if blank."""
        kept = [a for a in before.attachments if draft.kept_files is None or a.id in draft.kept_files]
        new = [replace(file, id=self.new_id()) for file in draft.files]
        flags = before.flags & ~MessageFlag.LOADING
        if draft.flags is not None:
            flags = (flags & ~SETTABLE) | (MessageFlag(draft.flags) & SETTABLE)
        after = MessageState(
            time=self.clock(),
            content=before.content if draft.content is None else draft.content,
            embeds=before.embeds if draft.embeds is None else draft.embeds,
            components=before.components if draft.components is None else draft.components,
            flags=flags,
            attachments=(*kept, *new),
            allowed_mentions=draft.allowed_mentions,
            sent_flags=draft.flags,
        )
        if after.is_blank:
            raise Refusal(400, 50006, "Cannot send an empty message")
        return after

    def _change(self, message: Message, draft: Draft) -> Message:
        message.states.append(self._after(message.now, draft))
        self.tell(MessageEdited(message.now.time, message))
        return message

    # What the bot does with an interaction's token

    def acknowledge(
        self, interaction_id: int, token: str, kind: ResponseKind, data: Json | None, draft: Draft
    ) -> Interaction:
        """The bot's first answer to an interaction; ``draft`` is the message in it, where there is one.

        Raises:
            Refusal: 10062 when it is unknown or too late, 40060 when it was answered before.
        """
        self.sweep()
        interaction = self.interactions.get(interaction_id)
        if interaction is None or interaction.token != token or interaction.has_failed:
            raise unknown("interaction", 10062)
        if interaction.acknowledged_at is not None:
            raise Refusal(400, 40060, "Interaction has already been acknowledged.")
        self._respond(interaction, kind, draft)
        interaction.acknowledged_at = self.clock()
        interaction.response, interaction.response_data = kind, data
        self.tell(InteractionAcknowledged(interaction.acknowledged_at, interaction))
        return interaction

    def _respond(self, interaction: Interaction, kind: ResponseKind, draft: Draft) -> None:
        ephemeral = MessageFlag(draft.flags or 0) & MessageFlag.EPHEMERAL
        if kind is ResponseKind.DEFERRED_MESSAGE:
            thinking = MessageState(self.clock(), flags=ephemeral | MessageFlag.LOADING)
            interaction.original_id = self._answer(interaction, thinking).id
        elif kind is ResponseKind.MESSAGE:
            interaction.original_id = self._answer(interaction, self._first_state(draft, ephemeral)).id
        elif kind in {ResponseKind.DEFERRED_UPDATE, ResponseKind.UPDATE}:
            interaction.original_id = interaction.message_id
            if kind is ResponseKind.UPDATE and interaction.message_id is not None:
                self._change(self.messages[interaction.message_id], draft)

    def _answer(self, interaction: Interaction, state: MessageState) -> Message:
        if interaction.channel_id not in self.channels:
            raise unknown("Channel", 10003)
        audience = interaction.user_id if MessageFlag.EPHEMERAL in state.flags else None
        return self._appear(
            Message(self.new_id(), interaction.channel_id, self.bot.id, [state], interaction.id, audience=audience)
        )

    def interaction_of(self, token: str) -> Interaction:
        """The interaction whose token this is.

        Raises:
            Refusal: 10015 when there is none or it was not acknowledged, 50027 when the token's 15 minutes are over.
        """
        interaction = self._by_token.get(token)
        if interaction is None:
            raise unknown("Webhook", 10015)
        if self.clock() - interaction.created_at > TOKEN_LIFETIME:
            raise Refusal(401, 50027, "Invalid Webhook Token")
        if interaction.acknowledged_at is None:
            raise unknown("Webhook", 10015)
        return interaction

    def message_of(self, token: str, message_id: int | None) -> Message:
        """The original response (None), or a follow-up; raises Refusal 10008 and those of ``interaction_of``."""
        interaction = self.interaction_of(token)
        message = self.messages.get(message_id or interaction.original_id or 0)
        belongs = message is not None and (
            message.interaction_id == interaction.id or message.id == interaction.original_id
        )
        if message is None or not belongs or message.deleted_at is not None:
            raise unknown("Message", 10008)
        return message

    def edit_response(self, token: str, message_id: int | None, draft: Draft) -> Message:
        """The bot edits the original response (None), or a follow-up."""
        return self._change(self.message_of(token, message_id), draft)

    def remove_response(self, token: str, message_id: int | None) -> None:
        """The bot deletes the original response (None), or a follow-up."""
        self.delete(self.message_of(token, message_id).id)

    def follow_up(self, token: str, draft: Draft) -> Message:
        """One more message from the bot; the first after a deferred answer takes that answer's place."""
        interaction = self.interaction_of(token)
        original = self.messages.get(interaction.original_id or 0)
        if original is not None and original.deleted_at is None and original.now.is_thinking:
            return self._change(original, draft)
        ephemeral = MessageFlag(draft.flags or 0) & MessageFlag.EPHEMERAL
        return self._answer(interaction, self._first_state(draft, ephemeral))


def _first(items: Iterator[T]) -> T:
    for item in items:
        return item
    raise LookupError("there is none")


def _components(rows: Sequence[Json]) -> Iterator[Json]:
    """Every component in rows of them, however deep."""
    for component in rows:
        yield component
        inner: list[Any] = [*component.get("components", []), component.get("component"), component.get("accessory")]
        yield from _components([c for c in inner if c])


def _option_values(command: Json, path: Sequence[str], options: Mapping[str, object]) -> list[Json]:
    """The options as an interaction carries them: those of a sub-command inside it."""
    declared: list[Json] = command.get("options", [])
    if path:
        inner = _first(option for option in declared if option["name"] == path[0])
        return [{"name": path[0], "type": inner["type"], "options": _option_values(inner, path[1:], options)}]
    kinds = {option["name"]: option["type"] for option in declared}
    return [{"name": name, "type": kinds[name], "value": value} for name, value in options.items()]


def _filled(components: Sequence[Json], values: Mapping[str, str]) -> list[Json]:
    """A modal's components as they come back: each text input with what was typed."""
    filled: list[Json] = []
    for component in components:
        back: Json = {"type": component["type"], "id": component.get("id", 0)}
        if "components" in component:
            back["components"] = _filled(component["components"], values)
        if "component" in component:
            (back["component"],) = _filled([component["component"]], values)
        if "custom_id" in component:
            back |= {"custom_id": component["custom_id"], "value": values.get(component["custom_id"], "")}
        filled.append(back)
    return filled
