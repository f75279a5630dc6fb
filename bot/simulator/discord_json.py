"""The world as JSON: how Discord would write each thing for a bot, over HTTP and over the gateway. Pure."""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bot.simulator.world import Channel, ChannelKind, Guild, Message, MessageState, Overwrite, Role, User, World

if TYPE_CHECKING:
    from bot.simulator.message_drafts import Attachment, Json
    from bot.simulator.messages import Poll

MENTION = re.compile(r"<@!?(\d+)>")
ROLE_MENTION = re.compile(r"<@&(\d+)>")
EVERYONE = re.compile(r"@(?:everyone|here)\b")
UNSAFE_IN_URL = re.compile(r"[^A-Za-z0-9._-]")
CHANNEL_EXTRAS: dict[ChannelKind, Json] = {
    ChannelKind.VOICE: {"bitrate": 64_000, "user_limit": 0, "rtc_region": None, "video_quality_mode": 1},
    ChannelKind.FORUM: {
        "available_tags": [],
        "default_reaction_emoji": None,
        "default_sort_order": None,
        "default_forum_layout": 0,
        "default_auto_archive_duration": 1440,
    },
}
"""What some kinds of channel have besides."""

LOCALE = "en-GB"
ATTACHMENT_SIZE_LIMIT = 10 * 1024 * 1024
_FORWARD = 1  # the type of a reference that forwards
_POLL_SECONDS = 24 * 3600.0
"""Largest file at a message, in bytes."""


class Intent:
    """The gateway intents that decide what a bot hears, with Discord's own bits."""

    GUILDS = 1 << 0
    GUILD_MEMBERS = 1 << 1
    GUILD_PRESENCES = 1 << 8
    GUILD_MESSAGES = 1 << 9
    GUILD_REACTIONS = 1 << 10
    GUILD_TYPING = 1 << 11
    DIRECT_MESSAGES = 1 << 12
    DIRECT_REACTIONS = 1 << 13
    DIRECT_TYPING = 1 << 14
    MESSAGE_CONTENT = 1 << 15
    PRIVILEGED = GUILD_MEMBERS | GUILD_PRESENCES | MESSAGE_CONTENT


INTENT_FLAGS = {Intent.GUILD_PRESENCES: 1 << 13, Intent.GUILD_MEMBERS: 1 << 15, Intent.MESSAGE_CONTENT: 1 << 19}
"""The flag of an application for each privileged intent that is switched on, as a bot in few guilds has it."""


def format_timestamp(seconds: float) -> str:
    """Unix seconds as Discord writes a time."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def find_mentioned_users(state: MessageState) -> set[int]:
    """The users whom a state's text may ping, by id."""
    named = {int(user_id) for user_id in MENTION.findall(state.content)}
    allowed = state.allowed_mentions
    if allowed is None or "users" in allowed.get("parse", []):
        return named
    return named & {int(user_id) for user_id in allowed.get("users", [])}


def find_mentioned_roles(state: MessageState) -> set[int]:
    """The roles that a state's text may ping, by id."""
    named = {int(role_id) for role_id in ROLE_MENTION.findall(state.content)}
    allowed = state.allowed_mentions
    if allowed is None or "roles" in allowed.get("parse", []):
        return named
    return named & {int(role_id) for role_id in allowed.get("roles", [])}


def _mentions_everyone(state: MessageState) -> bool:
    allowed = state.allowed_mentions
    is_allowed = allowed is None or "everyone" in allowed.get("parse", [])
    return is_allowed and EVERYONE.search(state.content) is not None


@dataclass(frozen=True, slots=True)
class DiscordSerializer:
    """Writes what ``world`` holds; ``base_url`` is where its files are served from, without a slash at the end."""

    world: World
    base_url: str

    def serialize_user(self, user: User) -> Json:
        """A user."""
        return {
            "id": str(user.id),
            "username": user.name,
            "global_name": None if user.is_bot else user.name,
            "discriminator": "0000" if user.is_bot else "0",
            "avatar": None,
            "bot": user.is_bot,
        }

    def serialize_member(self, guild: Guild, user_id: int) -> Json:
        """A member of a guild with the ids of their roles."""
        return {
            "user": self.serialize_user(self.world.users[user_id]),
            "nick": None,
            "avatar": None,
            "roles": [str(role_id) for role_id in sorted(guild.get_role_ids(user_id))],
            "joined_at": format_timestamp(self.world.clock()),
            "premium_since": None,
            "communication_disabled_until": None,
            "pending": False,
            "deaf": False,
            "mute": False,
            "flags": 0,
        }

    def serialize_guild(self, guild: Guild, intents: int) -> Json:
        """A guild as GUILD_CREATE carries it; its members only for a bot that may know them, else the bot alone."""
        channels = [channel for channel in self.world.channels.values() if channel.guild_id == guild.id]
        knows_members = intents & (Intent.GUILD_MEMBERS | Intent.GUILD_PRESENCES)
        known = guild.members if knows_members else [self.world.bot.id]
        return {
            "id": str(guild.id),
            "name": guild.name,
            "owner_id": str(guild.owner_id),
            "preferred_locale": LOCALE,
            "features": [],
            "emojis": [],
            "stickers": [],
            "roles": [serialize_role(role) for role in self._list_roles(guild)],
            "members": [self.serialize_member(guild, user_id) for user_id in known],
            "member_count": len(guild.members),
            "large": False,
            "voice_states": [],
            "presences": [],
            "channels": [
                self.serialize_channel(channel) for channel in channels if channel.kind is not ChannelKind.THREAD
            ],
            "threads": [self.serialize_channel(channel) for channel in channels if self._is_thread_for_bot(channel)],
        }

    def serialize_guild_for_http(self, guild: Guild) -> Json:
        """A guild as it is given over HTTP: without what the gateway adds."""
        added = {"members", "member_count", "large", "voice_states", "presences", "channels", "threads"}
        return {key: value for key, value in self.serialize_guild(guild, 0).items() if key not in added}

    def serialize_partial_guild(self, guild: Guild) -> Json:
        """A guild in the list of the bot's own."""
        return {
            "id": str(guild.id),
            "name": guild.name,
            "icon": None,
            "owner": False,
            "permissions": str(int(guild.compute_base_permissions(self.world.bot.id))),
            "features": [],
        }

    def _list_roles(self, guild: Guild) -> list[Role]:
        """@everyone, the roles there are, and those that carry what a member was given alone."""
        own = [guild.build_managed_role(self.world.users[user_id]) for user_id, given in guild.members.items() if given]
        return [guild.default_role, *guild.roles.values(), *own]

    def _is_thread_for_bot(self, channel: Channel) -> bool:
        is_open = channel.kind is ChannelKind.THREAD and not channel.is_archived
        return is_open and self.world.can_see(self.world.bot.id, channel.id)

    def serialize_channel(self, channel: Channel) -> Json:
        """A channel, thread or direct message."""
        common: Json = {"id": str(channel.id), "type": int(channel.kind), "flags": 0, "last_message_id": None}
        if channel.kind is ChannelKind.DIRECT:
            return common | {
                "recipients": [self.serialize_user(self.world.users[user_id]) for user_id in channel.recipients]
            }
        common |= {"name": channel.name, "guild_id": str(channel.guild_id), "rate_limit_per_user": channel.slow_mode}
        if channel.kind is ChannelKind.THREAD:
            return common | self._serialize_thread_fields(channel)
        return (
            common
            | CHANNEL_EXTRAS.get(channel.kind, {})
            | {
                "position": 0,
                "nsfw": False,
                "topic": None,
                "parent_id": None,
                "permission_overwrites": [
                    _serialize_overwrite(whom, given) for whom, given in channel.overwrites.items()
                ],
            }
        )

    def _serialize_thread_fields(self, thread: Channel) -> Json:
        return {
            "parent_id": str(thread.parent_id),
            "owner_id": str(thread.owner_id or self.world.bot.id),
            "message_count": len(self.world.history(thread.id)),
            "member_count": 1,
            "thread_metadata": {
                "archived": thread.is_archived,
                "locked": thread.is_locked,
                "auto_archive_duration": 1440,
                "archive_timestamp": format_timestamp(self.world.clock()),
            },
        }

    def serialize_message(self, message: Message, *, has_content: bool = True) -> Json:
        """A message as it is now; without ``has_content`` only what a bot sees that lacks the content intent."""
        state = message.current_state
        written = {
            "id": str(message.id),
            "channel_id": str(message.channel_id),
            "type": self._find_message_type(message),
            "author": self.serialize_user(self.world.users[message.author_id]),
            "timestamp": format_timestamp(message.created_at),
            "edited_timestamp": None if message.edited_at is None else format_timestamp(message.edited_at),
            "tts": False,
            "pinned": False,
            "flags": int(state.flags),
            "mention_everyone": _mentions_everyone(state),
            "mentions": [
                self.serialize_user(self.world.users[user_id]) for user_id in sorted(self._find_pinged_users(message))
            ],
            "mention_roles": [str(role_id) for role_id in sorted(self._find_pinged_roles(message))],
            "reactions": self._serialize_reactions(message),
            "content": state.content,
            "embeds": list(state.embeds),
            "components": list(state.components),
            "attachments": [self.serialize_attachment(file) for file in state.attachments],
            "sticker_items": _serialize_stickers(state),
        }
        if state.poll is not None:
            written["poll"] = self._serialize_poll(message, state.poll)
        if not (has_content or self._is_for_bot(message)):
            written |= {"content": "", "embeds": [], "components": [], "attachments": []}
            written.pop("poll", None)
        return (
            written
            | self._serialize_guild_fields(message)
            | self._serialize_reference_fields(message, has_content=has_content)
            | self._serialize_forwarded(state, has_content=has_content or self._is_for_bot(message))
        )

    def _serialize_poll(self, message: Message, poll: Poll) -> Json:
        return {
            "question": {"text": poll.question},
            "answers": [
                {"answer_id": number, "poll_media": {"text": text}} for number, text in enumerate(poll.answers, start=1)
            ],
            "expiry": format_timestamp(message.created_at + _POLL_SECONDS),
            "allow_multiselect": False,
            "layout_type": 1,
        }

    def _serialize_forwarded(self, state: MessageState, *, has_content: bool) -> Json:
        """The snapshots of a forwarded message, and the reference to where it is."""
        if not state.forwarded:
            return {}
        first = state.forwarded[0]
        reference = {"type": _FORWARD, "channel_id": str(first.channel_id), "message_id": str(first.message_id)}
        snapshots = [
            {
                "message": {
                    "type": 0,
                    "content": forward.state.content if has_content else "",
                    "embeds": list(forward.state.embeds) if has_content else [],
                    "attachments": [self.serialize_attachment(file) for file in forward.state.attachments]
                    if has_content
                    else [],
                    "timestamp": format_timestamp(forward.state.time),
                    "edited_timestamp": None,
                    "flags": 0,
                    "mentions": [],
                    "mention_roles": [],
                    "sticker_items": _serialize_stickers(forward.state),
                }
            }
            for forward in state.forwarded
        ]
        return {"message_reference": reference, "message_snapshots": snapshots}

    def _find_message_type(self, message: Message) -> int:
        if message.reference_id is not None:
            return 19
        return 20 if message.interaction_id is not None else 0

    def _serialize_guild_fields(self, message: Message) -> Json:
        channel = self.world.channels.get(message.channel_id)
        if channel is None or channel.guild_id is None:
            return {}
        guild = self.world.guilds[channel.guild_id]
        place: Json = {"guild_id": str(guild.id)}
        if message.author_id in guild.members:
            member = self.serialize_member(guild, message.author_id)
            place["member"] = {key: value for key, value in member.items() if key != "user"}
        return place

    def _serialize_reference_fields(self, message: Message, *, has_content: bool) -> Json:
        """What it answers: an interaction, or another message. A reference that is null makes discord.py stumble."""
        origin: Json = {} if message.nonce is None else {"nonce": message.nonce}
        if message.webhook_id is not None:
            origin["webhook_id"] = str(message.webhook_id)
        interaction = self.world.interactions.get(message.interaction_id or 0)
        if interaction is not None:
            origin |= {"application_id": str(self.world.application_id), "webhook_id": str(self.world.application_id)}
            origin["interaction_metadata"] = {
                "id": str(interaction.id),
                "type": int(interaction.kind),
                "user": self.serialize_user(self.world.users[interaction.user_id]),
                "authorizing_integration_owners": {},
            }
        if message.reference_id is not None:
            place = {"channel_id": str(message.channel_id), "message_id": str(message.reference_id)}
            origin["message_reference"] = place
            target = self.world.messages[message.reference_id]
            is_there = target.deleted_at is None
            origin["referenced_message"] = (
                self._serialize_referenced(target, has_content=has_content) if is_there else None
            )
        return origin

    def _serialize_referenced(self, target: Message, *, has_content: bool) -> Json:
        written = self.serialize_message(target, has_content=has_content)
        return {key: value for key, value in written.items() if key not in {"message_reference", "referenced_message"}}

    def _find_pinged_users(self, message: Message) -> set[int]:
        pinged = find_mentioned_users(message.current_state) & self.world.users.keys()
        target = self.world.messages.get(message.reference_id or 0)
        allowed = message.current_state.allowed_mentions
        if target is not None and (allowed is None or allowed.get("replied_user", False)):
            pinged.add(target.author_id)
        return pinged

    def _find_pinged_roles(self, message: Message) -> set[int]:
        channel = self.world.channels.get(message.channel_id)
        guild = self.world.guilds.get(channel.guild_id or 0) if channel else None
        return (
            find_mentioned_roles(message.current_state) & {role.id for role in self._list_roles(guild)}
            if guild
            else set()
        )

    def _is_for_bot(self, message: Message) -> bool:
        """Whether the bot sees the content without the intent: its own, to it alone, or pinging it."""
        is_own = message.author_id == self.world.bot.id
        is_direct = self.world.channels[message.channel_id].kind is ChannelKind.DIRECT
        return is_own or is_direct or self.world.bot.id in self._find_pinged_users(message)

    def _serialize_reactions(self, message: Message) -> list[Json]:
        return [
            {"emoji": serialize_emoji(emoji), "count": len(users), "me": self.world.bot.id in users}
            for emoji, users in message.reactions.items()
        ]

    def serialize_attachment(self, file: Attachment) -> Json:
        """A file."""
        name = UNSAFE_IN_URL.sub("_", file.filename).lstrip(".") or "file"
        url = f"{self.base_url}/attachments/{file.id}/{name}?hm={sign_file(self.world.token, file.id)}"
        return {
            "id": str(file.id),
            "filename": file.filename,
            "size": len(file.content),
            "content_type": file.media_type,
            "url": url,
            "proxy_url": url,
        }

    def serialize_application(self) -> Json:
        """The application with its owner."""
        return {
            "id": str(self.world.application_id),
            "name": self.world.bot.name,
            "description": "",
            "icon": None,
            "bot_public": False,
            "bot_require_code_grant": False,
            "verify_key": "",
            "flags": sum(flag for intent, flag in INTENT_FLAGS.items() if self.world.enabled_intents & intent),
            "owner": self.serialize_user(self.world.owner),
            "team": None,
        }


def _serialize_stickers(state: MessageState) -> list[Json]:
    return [{"id": str(number), "name": name, "format_type": 1} for number, name in enumerate(state.stickers, start=1)]


def _serialize_overwrite(target_id: int, overwrite: Overwrite) -> Json:
    kind = 0 if overwrite.is_role else 1
    return {"id": str(target_id), "type": kind, "allow": str(int(overwrite.allow)), "deny": str(int(overwrite.deny))}


def serialize_role(role: Role) -> Json:
    """A role."""
    tags = {"tags": {"bot_id": str(role.id)}} if role.is_managed else {}
    return tags | {
        "id": str(role.id),
        "name": role.name,
        "permissions": str(int(role.permissions)),
        "position": role.position,
        "color": 0,
        "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
        "hoist": False,
        "managed": role.is_managed,
        "mentionable": False,
        "flags": 0,
    }


def serialize_emoji(emoji: str) -> Json:
    """A standard emoji."""
    return {"id": None, "name": emoji}


def sign_file(token: str, file_id: int) -> str:
    """Return the signature in a file's address, without which the file is not served: as on Discord."""
    return hmac.new(token.encode(), str(file_id).encode(), "sha256").hexdigest()
