"""What the bot does with its own token: done, or raised as a Refusal with Discord's own code."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bot.simulator.channels import Channel, ChannelKind
from bot.simulator.events import MessageEdited, ReactionAdded
from bot.simulator.members import Guild, Permission
from bot.simulator.message_drafts import ApiError, Draft, Json
from bot.simulator.messages import NO_FLAGS, SETTABLE_FLAGS, Message, MessageFlag, MessageState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.simulator.world import World

THREAD_PARENT_KINDS = {ChannelKind.TEXT}
"""Where the bot may start a thread: its posts in forums are not known here."""

NONCE_LIFETIME = 5 * 60.0
"""Seconds for which a channel remembers a nonce."""


def not_found(resource: str, code: int) -> ApiError:
    """A 404 of Discord's kind."""
    return ApiError(404, code, f"Unknown {resource}")


class BotApi:
    """Does what a bot may do with its token."""

    def __init__(self, world: World) -> None:
        self._world = world

    def find_channel_for_bot(self, channel_id: int) -> Channel:
        """A channel, if the bot may see it; raises Refusal 10003 or 50001."""
        channel = self._world.channels.get(channel_id)
        if channel is None:
            raise not_found("Channel", 10003)
        if Permission.VIEW_CHANNEL not in self._world.permissions_for(self._world.bot.id, channel):
            raise ApiError(403, 50001, "Missing Access")
        return channel

    def find_message_for_bot(self, channel_id: int, message_id: int) -> Message:
        """A message, if the bot may see it; raises Refusal 10003, 50001 or 10008."""
        self.find_channel_for_bot(channel_id)
        message = self._world.messages.get(message_id)
        if message is None or message.channel_id != channel_id or message.deleted_at or message.visible_to_user_id:
            raise not_found("Message", 10008)
        return message

    def require_permission(self, channel: Channel, permission: Permission) -> None:
        """Raise Refusal 50013 unless the bot has this permission here."""
        if permission not in self._world.permissions_for(self._world.bot.id, channel):
            raise ApiError(403, 50013, "Missing Permissions")

    def send(self, channel_id: int, draft: Draft) -> Message:
        """The bot writes a message; the same nonce twice, where it is enforced, gives the first message back."""
        channel = self.find_channel_for_bot(channel_id)
        if channel.kind is ChannelKind.FORUM:
            raise ApiError(400, 50008, "Cannot send messages in a non-text channel")
        in_thread = channel.kind is ChannelKind.THREAD
        self.require_permission(channel, Permission.SEND_MESSAGES_IN_THREADS if in_thread else Permission.SEND_MESSAGES)
        if channel.is_locked and Permission.MANAGE_THREADS not in self._world.permissions_for(
            self._world.bot.id, channel
        ):
            raise ApiError(403, 50013, "Missing Permissions")
        if draft.files:
            self.require_permission(channel, Permission.ATTACH_FILES)
        if draft.enforce_nonce and (earlier := self._find_by_nonce(channel_id, draft.nonce)):
            return earlier
        self._check_reference(channel, draft)
        message = Message(
            self._world.generate_id(),
            channel_id,
            self._world.bot.id,
            [self.build_first_state(draft)],
            nonce=draft.nonce,
        )
        message.reference_id = draft.reference_id if draft.reference_id in self._world.messages else None
        return self._world.insert_message(message)

    def edit(self, channel_id: int, message_id: int, draft: Draft) -> Message:
        """The bot edits its own message."""
        message = self.find_message_for_bot(channel_id, message_id)
        if message.author_id != self._world.bot.id:
            raise ApiError(403, 50005, "Cannot edit a message authored by another user")
        if self._world.channels[channel_id].is_archived:
            raise ApiError(400, 50083, "Thread is archived")
        return self.edit_any_message(message, draft)

    def remove(self, channel_id: int, message_id: int) -> None:
        """The bot deletes a message: its own, or another's where it may."""
        message = self.find_message_for_bot(channel_id, message_id)
        if message.author_id != self._world.bot.id:
            self.require_permission(self._world.channels[channel_id], Permission.MANAGE_MESSAGES)
        self._world.delete(message_id)

    def react(self, channel_id: int, message_id: int, emoji: str) -> None:
        """The bot adds a reaction."""
        message = self.find_message_for_bot(channel_id, message_id)
        self.require_permission(self._world.channels[channel_id], Permission.ADD_REACTIONS)
        message.reactions.setdefault(emoji, set()).add(self._world.bot.id)
        self._world.emit(ReactionAdded(self._world.clock(), message, emoji, self._world.bot.id))

    def create_thread(self, channel_id: int, name: str, message_id: int | None = None) -> Channel:
        """The bot starts a thread; one that starts at a message has its id."""
        channel = self.find_channel_for_bot(channel_id)
        if channel.kind not in THREAD_PARENT_KINDS:
            raise ApiError(400, 50024, "Cannot execute action on this channel type")
        self.require_permission(channel, Permission.CREATE_PUBLIC_THREADS)
        if message_id is not None:
            self.find_message_for_bot(channel_id, message_id)
            if message_id in self._world.channels:
                raise ApiError(400, 160004, "A thread has already been created for this message")
        thread = Channel(
            message_id or self._world.generate_id(), name, channel.guild_id, ChannelKind.THREAD, channel.id
        )
        thread.owner_id = self._world.bot.id
        return self._world.insert_channel(thread)

    def create_dm(self, user_id: int) -> Channel:
        """The direct messages between the bot and a user, opened if they are not yet."""
        if user_id not in self._world.users:
            raise ApiError(400, 50033, "Invalid Recipient(s)")
        for channel in self._world.channels.values():
            if channel.kind is ChannelKind.DIRECT and channel.recipients == (user_id,):
                return channel
        name = self._world.users[user_id].name
        return self._world.insert_channel(
            Channel(self._world.generate_id(), name, None, ChannelKind.DIRECT, recipients=(user_id,))
        )

    def register_commands(self, guild_id: int | None, commands: Sequence[Json]) -> list[Json]:
        """Replace a guild's commands, or the global ones; a command that keeps its name keeps its id."""
        if guild_id is not None and self._world.bot.id not in self._world.guilds.get(guild_id, Guild(0, "", 0)).members:
            raise ApiError(403, 50001, "Missing Access")
        known = {(c["name"], c.get("type", 1)): c["id"] for c in self._world.commands.get(guild_id, [])}
        self._world.commands[guild_id] = [
            self._build_command(guild_id, c, known.get((c["name"], c.get("type", 1)))) for c in commands
        ]
        return self._world.commands[guild_id]

    def _build_command(self, guild_id: int | None, command: Json, known_id: str | None) -> Json:
        place: Json = {} if guild_id is None else {"guild_id": str(guild_id)}
        given: Json = {
            "id": known_id or str(self._world.generate_id()),
            "application_id": str(self._world.application_id),
        }
        defaults: Json = {"type": 1, "description": "", "default_member_permissions": None, "nsfw": False}
        return defaults | command | given | place | {"version": str(self._world.generate_id())}

    def _find_by_nonce(self, channel_id: int, nonce: str | None) -> Message | None:
        """The bot's message of the last minutes that was sent with this nonce."""
        since = self._world.clock() - NONCE_LIFETIME
        for message in reversed(self._world.messages.values()):
            if message.created_at < since or nonce is None:
                return None
            if message.nonce == nonce and message.channel_id == channel_id:
                return message
        return None

    def _check_reference(self, channel: Channel, draft: Draft) -> None:
        if draft.reference_id is None:
            return
        if Permission.READ_MESSAGE_HISTORY not in self._world.permissions_for(self._world.bot.id, channel):
            raise ApiError(403, 160002, "Cannot reply without permission to read message history")
        target = self._world.messages.get(draft.reference_id)
        is_there = target is not None and target.channel_id == channel.id and target.deleted_at is None
        if not is_there and draft.must_reference_exist:
            raise ApiError.for_field("message_reference", "REPLIES_UNKNOWN_MESSAGE", "Unknown message")

    def build_first_state(self, draft: Draft, flags: MessageFlag = NO_FLAGS) -> MessageState:
        """Build the first state of a new message; raises ApiError 50006 if it is blank."""
        return self._apply_draft(MessageState(self._world.clock(), flags=flags), draft)

    def _apply_draft(self, before: MessageState, draft: Draft) -> MessageState:
        """The state that a draft makes of another; what it does not name stays. Raises Refusal 50006 if blank."""
        kept = [a for a in before.attachments if draft.kept_file_ids is None or a.id in draft.kept_file_ids]
        new = [replace(file, id=self._world.generate_id()) for file in draft.files]
        flags = before.flags & ~MessageFlag.LOADING
        if draft.flags is not None:
            flags = (flags & ~SETTABLE_FLAGS) | (MessageFlag(draft.flags) & SETTABLE_FLAGS)
        after = MessageState(
            time=self._world.clock(),
            content=before.content if draft.content is None else draft.content,
            embeds=before.embeds if draft.embeds is None else draft.embeds,
            components=before.components if draft.components is None else draft.components,
            flags=flags,
            attachments=(*kept, *new),
            allowed_mentions=draft.allowed_mentions,
            sent_flags=draft.flags,
        )
        if after.is_blank:
            raise ApiError(400, 50006, "Cannot send an empty message")
        return after

    def edit_any_message(self, message: Message, draft: Draft) -> Message:
        """Edit a message without checking who wrote it; raises ApiError 50006 if it becomes blank."""
        message.states.append(self._apply_draft(message.current_state, draft))
        self._world.emit(MessageEdited(message.current_state.time, message))
        return message
