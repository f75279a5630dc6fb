"""The world as the page is told it: plain JSON values, with each state of each message rendered and timed. Pure."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from bot.preview.answer_metrics import measure_answer
from bot.preview.command_views import list_context_menus, serialize_commands
from bot.preview.component_views import ComponentSerializer
from bot.simulator.command_options import OptionKind, flatten_options
from bot.simulator.world import ChannelKind, InteractionKind, Permission, ResponseKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bot.preview.rendering import DiscordMarkdown
    from bot.simulator.message_drafts import Json
    from bot.simulator.world import Channel, Guild, Interaction, Message, MessageState, User, World


class Views:
    """Shows a world to one of its members."""

    def __init__(self, world: World, markdown: DiscordMarkdown, viewer: User) -> None:
        self._world = world
        self._markdown = markdown
        self._viewer = viewer
        self._fields = ComponentSerializer(world, viewer)

    # Places

    def serialize_guild(self) -> Json:
        """Where the viewer is: the guild, its channels and people, and what is offered there."""
        guild = next(iter(self._world.guilds.values()), None)
        return {
            "guild": guild.name if guild else "Direct messages",
            "bot": self._serialize_user(self._world.bot.id),
            "viewer": self._serialize_user(self._viewer.id),
            "people": self._serialize_members(guild),
            "roles": self._serialize_roles(guild),
            "channels": [
                self.serialize_channel(channel) for channel in self._world.channels.values() if self.can_see(channel.id)
            ],
            **self.serialize_available_commands(),
        }

    def serialize_channel(self, channel: Channel) -> Json:
        """One line of the channel list."""
        may = self._world.permissions_for(self._viewer.id, channel)
        is_thread = channel.kind is ChannelKind.THREAD
        writing = Permission.SEND_MESSAGES_IN_THREADS if is_thread else Permission.SEND_MESSAGES
        return {
            "id": str(channel.id),
            "name": self._world.bot.name if channel.kind is ChannelKind.DIRECT else channel.name,
            "kind": channel.kind.name.lower(),
            "parent": str(channel.parent_id or ""),
            "is_writable": writing in may and not channel.is_locked,
            "takes_files": Permission.ATTACH_FILES in may,
            "is_shut": self._is_private(channel),
            "slow_mode": channel.slow_mode,
        }

    def _is_private(self, channel: Channel) -> bool:
        """Whether not everybody in the guild sees it."""
        given = channel.overwrites.get(channel.guild_id or 0)
        return given is not None and Permission.VIEW_CHANNEL in given.deny

    def _serialize_members(self, guild: Guild | None) -> list[Json]:
        """Whom the person at the browser may be: the members that are no bots, with their roles' names."""
        if guild is None:
            return [self._serialize_user(self._viewer.id) | {"roles": []}]
        members = [user_id for user_id in guild.members if not self._world.users[user_id].is_bot]
        worn = {user_id: guild.member_roles.get(user_id, set()) for user_id in members}
        return [
            self._serialize_user(one) | {"roles": [guild.roles[role].name for role in worn[one]]} for one in members
        ]

    def _serialize_roles(self, guild: Guild | None) -> list[Json]:
        return [{"id": str(role.id), "name": role.name} for role in guild.roles.values()] if guild else []

    def serialize_available_commands(self) -> Json:
        """What the viewer is offered in the channels they see; in a forum commands are used in its posts alone."""
        channels = [channel for channel in self._world.channels.values() if channel.kind is not ChannelKind.FORUM]
        seen = [channel.id for channel in channels if self.can_see(channel.id)]
        offered = {channel_id: self._world.list_offered_commands(self._viewer.id, channel_id) for channel_id in seen}
        return {"commands": serialize_commands(offered), "menus": list_context_menus(offered)}

    def is_visible(self, message: Message) -> bool:
        """Whether the viewer sees this message at all."""
        return message.visible_to_user_id in {None, self._viewer.id} and self.can_see(message.channel_id)

    def can_see(self, channel_id: int) -> bool:
        """Whether the viewer sees this channel."""
        return self._world.can_see(self._viewer.id, channel_id)

    def is_own(self, interaction: Interaction) -> bool:
        """Whether the viewer did this and waits for it: nobody else is shown a command on its way."""
        return interaction.user_id == self._viewer.id and interaction.kind is not InteractionKind.AUTOCOMPLETE

    def _serialize_user(self, user_id: int) -> Json:
        user = self._world.users[user_id]
        initials = "".join(word[0] for word in user.name.split()[:2]).upper()
        return {"id": str(user.id), "name": user.name, "initials": initials, "is_bot": user.is_bot}

    def _collect_names(self) -> Mapping[str, str]:
        people = {str(user.id): user.name for user in self._world.users.values()}
        roles = {str(role.id): role.name for guild in self._world.guilds.values() for role in guild.roles.values()}
        seen = [channel for channel in self._world.channels.values() if self.can_see(channel.id)]
        return people | roles | {str(channel.id): channel.name for channel in seen}

    # Messages

    def serialize_message(self, message: Message, *, since: int = 0) -> Json:
        """A message with its states from number ``since`` on."""
        begun = self.find_question_time(message)
        interaction = self._world.interactions.get(message.interaction_id or 0)
        is_pressed = interaction is not None and interaction.kind is not InteractionKind.COMMAND
        return {
            "id": str(message.id),
            "channel": str(message.channel_id),
            "author": self._serialize_user(message.author_id),
            "at": message.created_at,
            "answers": str(message.interaction_id or ""),
            "used": None if interaction is None or is_pressed else self._serialize_command_use(interaction),
            "reply": self._serialize_reply(message),
            "is_private": message.visible_to_user_id is not None,
            "is_edited": message.edited_at is not None,
            "is_deleted": message.deleted_at is not None,
            "since": since,
            "states": self._serialize_states(message, begun, since),
            "reactions": {emoji: len(users) for emoji, users in message.reactions.items()},
        }

    def find_question_time(self, message: Message) -> float:
        """When what this message answers was said, in Unix seconds; its own first moment if it answers nothing."""
        if interaction := self._world.interactions.get(message.interaction_id or 0):
            return interaction.created_at
        if question := self._world.messages.get(message.reference_id or 0):
            return question.created_at
        return message.created_at

    def _serialize_states(self, message: Message, asked_at: float, since: int) -> list[Json]:
        if message.channel_id not in self._world.channels:
            return []
        return [self._serialize_state(state, asked_at, message.channel_id) for state in message.states[since:]]

    def _serialize_state(self, state: MessageState, asked_at: float, channel_id: int) -> Json:
        return {
            "after": state.time - asked_at,
            "is_thinking": state.is_thinking,
            "html": self._render_html(state.content, state.time),
            "embeds": [self._serialize_embed(embed, state.time) for embed in state.embeds],
            "buttons": list(self._fields.serialize_buttons(state.components)),
            "selects": list(self._fields.serialize_selects(state.components, channel_id)),
            "files": [
                {"id": str(file.id), "name": file.filename, "size": len(file.content)} for file in state.attachments
            ],
        }

    def _serialize_embed(self, embed: Json, now: float) -> Json:
        fields: list[Json] = embed.get("fields") or []
        footer: Json = embed.get("footer") or {}
        return {
            "title": str(embed.get("title") or ""),
            "html": self._render_html(str(embed.get("description") or ""), now),
            "fields": [{"name": str(f["name"]), "html": self._render_html(str(f["value"]), now)} for f in fields],
            "footer": str(footer.get("text") or ""),
        }

    def _render_html(self, text: str, now: float) -> str:
        return self._markdown.render(text, names=self._collect_names(), now=now)

    def _serialize_reply(self, message: Message) -> Json | None:
        target = self._world.messages.get(message.reference_id or 0)
        if target is None:
            return None
        return {
            "author": self._serialize_user(target.author_id),
            "html": self._render_html(target.current_state.content, target.current_state.time),
        }

    def _serialize_command_use(self, interaction: Interaction) -> Json:
        text = " ".join(self._format_option_value(option) for option in flatten_options(interaction.data))
        return {"user": self._serialize_user(interaction.user_id), "command": interaction.path, "text": text}

    def _format_option_value(self, option: Json) -> str:
        """An option's value as people read it: a name instead of an id."""
        value = str(option["value"])
        if option["type"] == OptionKind.ATTACHMENT and int(value) in self._world.uploads:
            return self._world.uploads[int(value)].filename
        return self._collect_names().get(value, value) if option["type"] > OptionKind.BOOLEAN else value

    # Interactions

    def serialize_interaction(self, interaction: Interaction) -> Json:
        """A command or click on its way: waiting, settled or failed; with the form that answered it, if one did."""
        return {
            "id": str(interaction.id),
            "channel": str(interaction.channel_id),
            "at": interaction.created_at,
            "is_command": interaction.kind is InteractionKind.COMMAND,
            "used": self._serialize_command_use(interaction),
            "author": self._serialize_user(self._world.bot.id),
            "is_settled": interaction.acknowledged_at is not None,
            "has_failed": interaction.has_failed,
            "form": self._serialize_modal(interaction),
        }

    def _serialize_modal(self, interaction: Interaction) -> Json | None:
        is_ours = interaction.user_id == self._viewer.id
        if interaction.response is not ResponseKind.MODAL or interaction.response_data is None or not is_ours:
            return None
        data = interaction.response_data
        fields = self._fields.serialize_modal(data["components"], interaction.channel_id)
        return {"title": str(data.get("title", "")), "fields": list(fields)}

    # Figures

    def serialize_metrics(self, rate_limited_at: Sequence[float]) -> Json:
        """The figures of the bot's latest answer: all messages that answer the same thing are its pages."""
        spoken = [m for m in self._world.messages.values() if m.author_id == self._world.bot.id and self.is_visible(m)]
        pages = [m for m in spoken if _find_answered_id(m) == _find_answered_id(spoken[-1])]
        return asdict(measure_answer(pages, self.find_question_time(pages[0]) if pages else 0.0, rate_limited_at))


def _find_answered_id(message: Message) -> int:
    """What a message answers, by id: an interaction, another message, or nothing but itself."""
    return message.interaction_id or message.reference_id or message.id
