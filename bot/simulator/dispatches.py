"""What happens in the world as the dispatches a bot hears: what its intents and its permissions let through. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.simulator import world as happened
from bot.simulator.discord_json import DiscordSerializer, Intent, serialize_emoji, serialize_role
from bot.simulator.interaction_json import InteractionSerializer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bot.simulator.message_drafts import Json

MessageEvent = happened.MessageCreated | happened.MessageEdited | happened.MessageDeleted
ChannelEvent = happened.ChannelCreated | happened.ChannelChanged | happened.ChannelDeleted
RoleEvent = happened.RoleCreated | happened.RoleChanged | happened.RoleDeleted
MemberEvent = happened.MemberJoined | happened.MemberChanged | happened.MemberLeft

EVENT_NAMES: dict[type[happened.Event], str] = {
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
class DispatchSerializer:
    """Writes each event for a bot with certain intents."""

    serializer: DiscordSerializer

    @property
    def _world(self) -> happened.World:
        return self.serializer.world

    def serialize(self, event: happened.Event, intents: int) -> Iterator[Dispatch]:
        """The dispatches that an event becomes for a bot with these intents: one or none."""
        match event:
            case happened.InteractionCreated(interaction=interaction):
                yield "INTERACTION_CREATE", InteractionSerializer(self.serializer).serialize_interaction(interaction)
            case happened.ReactionAdded() | happened.Typing():
                yield from self._serialize_reaction_or_typing(event, intents)
            case happened.GuildJoined(guild=guild):
                yield "GUILD_CREATE", self.serializer.serialize_guild(guild, intents)
            case happened.GuildLeft(guild=guild):
                yield "GUILD_DELETE", {"id": str(guild.id)}
            case _:
                yield from self._serialize_change(event, intents)

    def _serialize_change(self, event: happened.Event, intents: int) -> Iterator[Dispatch]:
        if isinstance(event, MessageEvent):
            yield from self._serialize_message(event, intents)
        elif isinstance(event, ChannelEvent):
            yield from self._serialize_channel(event, intents)
        elif isinstance(event, RoleEvent):
            yield from self._serialize_role(event, intents)
        elif isinstance(event, MemberEvent):
            yield from self._serialize_member(event, intents)

    def _serialize_reaction_or_typing(
        self, event: happened.ReactionAdded | happened.Typing, intents: int
    ) -> Iterator[Dispatch]:
        if isinstance(event, happened.Typing):
            if self._can_receive(event.channel_id, intents, Intent.GUILD_TYPING, Intent.DIRECT_TYPING):
                about = {"user_id": str(event.user_id), "timestamp": int(event.time)}
                yield "TYPING_START", self._location_fields(event.channel_id) | about
            return
        channel_id = event.message.channel_id
        if self._can_receive(channel_id, intents, Intent.GUILD_REACTIONS, Intent.DIRECT_REACTIONS):
            about = {"message_id": str(event.message.id), "user_id": str(event.user_id), "type": 0}
            yield (
                "MESSAGE_REACTION_ADD",
                self._location_fields(channel_id) | about | {"emoji": serialize_emoji(event.emoji)},
            )

    def _serialize_message(self, event: MessageEvent, intents: int) -> Iterator[Dispatch]:
        message = event.message
        wanted = Intent.GUILD_MESSAGES, Intent.DIRECT_MESSAGES
        if message.visible_to_user_id is not None or not self._can_receive(message.channel_id, intents, *wanted):
            return
        if isinstance(event, happened.MessageDeleted):
            yield EVENT_NAMES[type(event)], self._location_fields(message.channel_id) | {"id": str(message.id)}
        else:
            has_content = bool(intents & Intent.MESSAGE_CONTENT)
            yield EVENT_NAMES[type(event)], self.serializer.serialize_message(message, has_content=has_content)

    def _serialize_channel(self, event: ChannelEvent, intents: int) -> Iterator[Dispatch]:
        """A bot hears of every channel of its guilds, but of those threads alone that it sees."""
        channel, bot = event.channel, self._world.bot.id
        guild = self._world.guilds.get(channel.guild_id or 0)
        if guild is None or bot not in guild.members or not intents & Intent.GUILDS:
            return
        if channel.kind is not happened.ChannelKind.THREAD:
            yield f"CHANNEL_{EVENT_NAMES[type(event)]}", self.serializer.serialize_channel(channel)
        elif happened.Permission.VIEW_CHANNEL in self._world.permissions_for(bot, channel):
            new = {"newly_created": True} if isinstance(event, happened.ChannelCreated) else {}
            yield f"THREAD_{EVENT_NAMES[type(event)]}", self.serializer.serialize_channel(channel) | new

    def _serialize_role(self, event: RoleEvent, intents: int) -> Iterator[Dispatch]:
        if not intents & Intent.GUILDS or self._world.bot.id not in event.guild.members:
            return
        is_gone = isinstance(event, happened.RoleDeleted)
        about = {"role_id": str(event.role.id)} if is_gone else {"role": serialize_role(event.role)}
        yield EVENT_NAMES[type(event)], {"guild_id": str(event.guild.id)} | about

    def _serialize_member(self, event: MemberEvent, intents: int) -> Iterator[Dispatch]:
        """A bot without the members intent hears only of what changes about itself."""
        is_itself = isinstance(event, happened.MemberChanged) and event.user_id == self._world.bot.id
        if self._world.bot.id not in event.guild.members or not (is_itself or intents & Intent.GUILD_MEMBERS):
            return
        is_gone = isinstance(event, happened.MemberLeft)
        gone = {"user": self.serializer.serialize_user(self._world.users[event.user_id])}
        about = gone if is_gone else self.serializer.serialize_member(event.guild, event.user_id)
        yield EVENT_NAMES[type(event)], {"guild_id": str(event.guild.id)} | about

    def _location_fields(self, channel_id: int) -> Json:
        guild_id = self._world.channels[channel_id].guild_id
        return {"channel_id": str(channel_id)} | ({} if guild_id is None else {"guild_id": str(guild_id)})

    def _can_receive(self, channel_id: int, intents: int, guild_intent: int, dm_intent: int) -> bool:
        """Whether a bot with these intents hears of what happens in a channel: it must see it, too."""
        channel = self._world.channels.get(channel_id)
        if channel is None or not intents & (dm_intent if channel.guild_id is None else guild_intent):
            return False
        return self._world.can_see(self._world.bot.id, channel_id)
