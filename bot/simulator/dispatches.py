"""What happens in the world as the dispatches a bot hears: what its intents and its permissions let through. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.simulator import world as happened
from bot.simulator.discord_json import Intent, Wire, emoji_json, role_json
from bot.simulator.interaction_json import Envelopes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bot.simulator.message_drafts import Json

MessageEvent = happened.MessageCreated | happened.MessageEdited | happened.MessageDeleted
ChannelEvent = happened.ChannelCreated | happened.ChannelChanged | happened.ChannelDeleted
RoleEvent = happened.RoleCreated | happened.RoleChanged | happened.RoleDeleted
MemberEvent = happened.MemberJoined | happened.MemberChanged | happened.MemberLeft

NAMES: dict[type[happened.Event], str] = {
    happened.MessageCreated: "MESSAGE_CREATE",
    happened.MessageEdited: "MESSAGE_UPDATE",
    happened.MessageDeleted: "MESSAGE_DELETE",
    happened.ChannelCreated: "CREATE",
    happened.ChannelChanged: "UPDATE",
    happened.ChannelDeleted: "DELETE",
    happened.RoleCreated: "GUILD_ROLE_CREATE",
    happened.RoleChanged: "GUILD_ROLE_UPDATE",
    happened.RoleDeleted: "GUILD_ROLE_DELETE",
    happened.MemberJoined: "GUILD_MEMBER_ADD",
    happened.MemberChanged: "GUILD_MEMBER_UPDATE",
    happened.MemberLeft: "GUILD_MEMBER_REMOVE",
}

Dispatch = tuple[str, "Json"]


@dataclass(frozen=True, slots=True)
class Dispatches:
    """Writes each event for a bot with certain intents."""

    wire: Wire

    @property
    def _world(self) -> happened.World:
        return self.wire.world

    def of(self, event: happened.Event, intents: int) -> Iterator[Dispatch]:
        """The dispatches that an event becomes for a bot with these intents: one or none."""
        match event:
            case happened.InteractionCreated(interaction=interaction):
                yield "INTERACTION_CREATE", Envelopes(self.wire).interaction(interaction)
            case happened.ReactionAdded() | happened.Typing():
                yield from self._of_sign(event, intents)
            case happened.GuildJoined(guild=guild):
                yield "GUILD_CREATE", self.wire.guild(guild, intents)
            case happened.GuildLeft(guild=guild):
                yield "GUILD_DELETE", {"id": str(guild.id)}
            case _:
                yield from self._of_change(event, intents)

    def _of_change(self, event: happened.Event, intents: int) -> Iterator[Dispatch]:
        if isinstance(event, MessageEvent):
            yield from self._of_message(event, intents)
        elif isinstance(event, ChannelEvent):
            yield from self._of_channel(event, intents)
        elif isinstance(event, RoleEvent):
            yield from self._of_role(event, intents)
        elif isinstance(event, MemberEvent):
            yield from self._of_member(event, intents)

    def _of_sign(self, event: happened.ReactionAdded | happened.Typing, intents: int) -> Iterator[Dispatch]:
        if isinstance(event, happened.Typing):
            if self._is_heard(event.channel_id, intents, Intent.GUILD_TYPING, Intent.DIRECT_TYPING):
                about = {"user_id": str(event.user_id), "timestamp": int(event.time)}
                yield "TYPING_START", self._place(event.channel_id) | about
            return
        channel_id = event.message.channel_id
        if self._is_heard(channel_id, intents, Intent.GUILD_REACTIONS, Intent.DIRECT_REACTIONS):
            about = {"message_id": str(event.message.id), "user_id": str(event.user_id), "type": 0}
            yield "MESSAGE_REACTION_ADD", self._place(channel_id) | about | {"emoji": emoji_json(event.emoji)}

    def _of_message(self, event: MessageEvent, intents: int) -> Iterator[Dispatch]:
        message = event.message
        wanted = Intent.GUILD_MESSAGES, Intent.DIRECT_MESSAGES
        if message.audience is not None or not self._is_heard(message.channel_id, intents, *wanted):
            return
        if isinstance(event, happened.MessageDeleted):
            yield NAMES[type(event)], self._place(message.channel_id) | {"id": str(message.id)}
        else:
            has_content = bool(intents & Intent.MESSAGE_CONTENT)
            yield NAMES[type(event)], self.wire.message(message, has_content=has_content)

    def _of_channel(self, event: ChannelEvent, intents: int) -> Iterator[Dispatch]:
        """A bot hears of every channel of its guilds, but of those threads alone that it sees."""
        channel, bot = event.channel, self._world.bot.id
        guild = self._world.guilds.get(channel.guild_id or 0)
        if guild is None or bot not in guild.members or not intents & Intent.GUILDS:
            return
        if channel.kind is not happened.ChannelKind.THREAD:
            yield f"CHANNEL_{NAMES[type(event)]}", self.wire.channel(channel)
        elif happened.Permission.VIEW_CHANNEL in self._world.permissions(bot, channel):
            new = {"newly_created": True} if isinstance(event, happened.ChannelCreated) else {}
            yield f"THREAD_{NAMES[type(event)]}", self.wire.channel(channel) | new

    def _of_role(self, event: RoleEvent, intents: int) -> Iterator[Dispatch]:
        if not intents & Intent.GUILDS or self._world.bot.id not in event.guild.members:
            return
        is_gone = isinstance(event, happened.RoleDeleted)
        about = {"role_id": str(event.role.id)} if is_gone else {"role": role_json(event.role)}
        yield NAMES[type(event)], {"guild_id": str(event.guild.id)} | about

    def _of_member(self, event: MemberEvent, intents: int) -> Iterator[Dispatch]:
        """A bot without the members intent hears only of what changes about itself."""
        is_itself = isinstance(event, happened.MemberChanged) and event.user_id == self._world.bot.id
        if self._world.bot.id not in event.guild.members or not (is_itself or intents & Intent.GUILD_MEMBERS):
            return
        is_gone = isinstance(event, happened.MemberLeft)
        gone = {"user": self.wire.user(self._world.users[event.user_id])}
        about = gone if is_gone else self.wire.member(event.guild, event.user_id)
        yield NAMES[type(event)], {"guild_id": str(event.guild.id)} | about

    def _place(self, channel_id: int) -> Json:
        guild_id = self._world.channels[channel_id].guild_id
        return {"channel_id": str(channel_id)} | ({} if guild_id is None else {"guild_id": str(guild_id)})

    def _is_heard(self, channel_id: int, intents: int, in_guild: int, in_direct: int) -> bool:
        """Whether a bot with these intents hears of what happens in a channel: it must see it, too."""
        channel = self._world.channels.get(channel_id)
        if channel is None or not intents & (in_direct if channel.guild_id is None else in_guild):
            return False
        return self._world.sees(self._world.bot.id, channel_id)
