"""What people do: they write, use commands and menus, press buttons and fill in forms."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from bot.simulator.channels import Channel, ChannelKind
from bot.simulator.command_options import encode_options
from bot.simulator.components import build_component_data, build_modal_components, first, walk_components
from bot.simulator.events import InteractionCreated, MessageEdited, Typing
from bot.simulator.interactions import Interaction, InteractionKind, ResponseKind
from bot.simulator.message_drafts import Attachment, Json
from bot.simulator.messages import Forward, Message, MessageState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bot.simulator.messages import Poll
    from bot.simulator.world import World


class UserActions:
    """Does what people do in Discord: write, use commands, press buttons, submit modals."""

    def __init__(self, world: World) -> None:
        self._world = world

    def say(  # noqa: PLR0913 - what a message may hold, each by name
        self,
        channel_id: int,
        user_id: int,
        text: str,
        *,
        reply_to: int | None = None,
        files: Sequence[Attachment] = (),
        stickers: Sequence[str] = (),
        poll: Poll | None = None,
    ) -> Message:
        """A person writes a message, perhaps in reply to another (which pings its author), perhaps with files."""
        state = MessageState(
            self._world.clock(), text, attachments=self._assign_ids(files), stickers=tuple(stickers), poll=poll
        )
        message = Message(self._world.generate_id(), channel_id, user_id, [state], reference_id=reply_to)
        return self._world.insert_message(message)

    def forward(self, channel_id: int, user_id: int, message_id: int) -> Message:
        """A person forwards a message to a channel: Discord copies it as it is now."""
        original = self._world.messages[message_id]
        forwarded = Forward(original.channel_id, original.id, original.current_state)
        state = MessageState(self._world.clock(), forwarded=(forwarded,))
        return self._world.insert_message(Message(self._world.generate_id(), channel_id, user_id, [state]))

    def send_by_webhook(
        self, channel_id: int, name: str, text: str, *, embeds: Sequence[Json] = (), files: Sequence[Attachment] = ()
    ) -> Message:
        """A webhook writes a message under a name of its choice."""
        user = next((each for each in self._world.users.values() if each.name == name and each.is_bot), None)
        user = user or self._world.add_user(name, is_bot=True)
        state = MessageState(self._world.clock(), text, embeds=tuple(embeds), attachments=self._assign_ids(files))
        return self._world.insert_message(
            Message(self._world.generate_id(), channel_id, user.id, [state], webhook_id=user.id)
        )

    def _assign_ids(self, files: Sequence[Attachment]) -> tuple[Attachment, ...]:
        return tuple(replace(file, id=self._world.generate_id()) for file in files)

    def upload(self, file: Attachment) -> Attachment:
        """A person gives a file to a command or a form; it can be fetched until it is thrown away."""
        (file,) = self._assign_ids([file])
        self._world.uploads[file.id] = file
        return file

    def expire_upload(self, file_id: int) -> None:
        """Discord keeps what was given to a command or a form for a while only."""
        del self._world.uploads[file_id]

    def _store_uploads(self, value: object) -> object:
        """What a person gave, with each file taken in and named by its id."""
        if isinstance(value, Attachment):
            return str(self.upload(value).id)
        if isinstance(value, list | tuple):
            return [self._store_uploads(one) for one in cast("Sequence[object]", value)]
        return value

    def create_forum_post(
        self, forum_id: int, user_id: int, title: str, text: str, files: Sequence[Attachment] = ()
    ) -> Message:
        """A person opens a post in a forum: a thread, and in it the message that has its id."""
        forum = self._world.channels[forum_id]
        if forum.kind is not ChannelKind.FORUM:
            raise LookupError("posts stand in forums alone")
        post = Channel(self._world.generate_id(), title, forum.guild_id, ChannelKind.THREAD, forum.id, owner_id=user_id)
        state = MessageState(self._world.clock(), text, attachments=self._assign_ids(files))
        self._world.insert_channel(post)
        return self._world.insert_message(Message(post.id, post.id, user_id, [state]))

    def edit_user_message(self, message_id: int, text: str) -> None:
        """A person edits their message."""
        message = self._world.messages[message_id]
        message.states.append(replace(message.current_state, time=self._world.clock(), content=text))
        self._world.emit(MessageEdited(message.current_state.time, message))

    def start_typing(self, channel_id: int, user_id: int) -> None:
        """Somebody is seen typing."""
        self._world.emit(Typing(self._world.clock(), channel_id, user_id))

    def use_command(
        self, channel_id: int, user_id: int, name: str, options: Mapping[str, object] | None = None
    ) -> Interaction:
        """A person uses a slash command, whether it is offered to them or not; ``name`` may be "command sub-command".

        An option takes text, a number, a boolean, a file, or the id of a user, channel or role.

        Raises:
            LookupError: no such command is registered here, or it has no such option.
            ValueError: an option does not take that value, or one that is required is missing.
        """
        command, *path = name.split()
        registered = self.find_command(channel_id, command)
        given = {option: self._store_uploads(value) for option, value in (options or {}).items()}
        values = encode_options(registered, path, given)
        data = {"id": registered["id"], "name": command, "type": 1, "options": values}
        return self.create_interaction(InteractionKind.COMMAND, channel_id, user_id, data)

    def autocomplete(
        self, channel_id: int, user_id: int, name: str, options: Mapping[str, object], *, focused: str
    ) -> Interaction:
        """A person is typing the option ``focused`` of a slash command and waits for what the bot suggests.

        Raises:
            LookupError: no such command is registered here, or the option is not one that the bot suggests for.
        """
        command, *path = name.split()
        registered = self.find_command(channel_id, command)
        values = encode_options(registered, path, {focused: ""} | dict(options), focused=focused)
        data = {"id": registered["id"], "name": command, "type": 1, "options": values}
        return self.create_interaction(InteractionKind.AUTOCOMPLETE, channel_id, user_id, data)

    async def wait_for_choices(self, interaction: Interaction) -> list[Json]:
        """What the bot suggests, once it has; each a name and a value.

        Raises:
            TimeoutError: it did not answer within three seconds.
        """
        with self._world.subscribe() as events:
            while interaction.choices is None:
                if interaction.has_failed:
                    raise TimeoutError("the bot suggested nothing in time")
                await events.get()
        return interaction.choices

    def use_context_menu(self, user_id: int, name: str, message_id: int) -> Interaction:
        """A person picks a command from a message's menu.

        Raises:
            LookupError: no such command is registered here.
        """
        message = self._world.messages[message_id]
        command = self.find_command(message.channel_id, name, kind=3)
        data = {"id": command["id"], "name": name, "type": 3, "target_id": str(message_id)}
        return self.create_interaction(InteractionKind.COMMAND, message.channel_id, user_id, data)

    def press(self, message_id: int, custom_id: str, user_id: int, values: Sequence[object] = ()) -> Interaction:
        """A person presses a button, or chooses ``values`` in a select: texts, or ids of users, roles or channels.

        Raises:
            LookupError: the message shows no such button or option, or it is disabled.
            ValueError: too few are chosen, or too many.
        """
        message = self._world.messages[message_id]
        shown = (c for c in walk_components(message.current_state.components) if c.get("custom_id") == custom_id)
        data = build_component_data(first(component for component in shown if not component.get("disabled")), values)
        return self.create_interaction(
            InteractionKind.COMPONENT, message.channel_id, user_id, data, message_id=message_id
        )

    def submit_modal(self, interaction_id: int, values: Mapping[str, object]) -> Interaction:
        """A person fills in the modal that an interaction was answered with, by the custom ids of its components.

        A value is text, a boolean, or what was chosen: one text, id or file, or several of them. What is left out
        comes back as the bot had chosen it; a text input comes back empty.

        Raises:
            LookupError: that interaction showed no modal, or there is no such option in it.
            ValueError: too few are chosen, or too many.
        """
        shown = self._world.interactions[interaction_id]
        if shown.response is not ResponseKind.MODAL or shown.response_data is None:
            raise LookupError("no modal was shown")
        modal = shown.response_data
        given = {custom_id: self._store_uploads(value) for custom_id, value in values.items()}
        data = {"custom_id": modal["custom_id"], "components": build_modal_components(modal["components"], given)}
        return self.create_interaction(
            InteractionKind.MODAL, shown.channel_id, shown.user_id, data, message_id=shown.message_id
        )

    def find_command(self, channel_id: int, name: str, *, kind: int = 1) -> Json:
        """The command of that name that is registered for a channel, the guild's own before a global one."""
        guild_id = self._world.channels[channel_id].guild_id
        registered = [*self._world.commands.get(guild_id, []), *self._world.commands.get(None, [])]
        return first(c for c in registered if c["name"] == name and c.get("type", 1) == kind)

    def create_interaction(
        self, kind: InteractionKind, channel_id: int, user_id: int, data: Json, *, message_id: int | None = None
    ) -> Interaction:
        """Send the bot an interaction, however unlikely: forged ones too."""
        now = self._world.clock()
        interaction = Interaction(
            self._world.generate_id(), secrets.token_urlsafe(48), kind, channel_id, user_id, now, data, message_id
        )
        self._world.interactions[interaction.id] = self._world.interactions_by_token[interaction.token] = interaction
        self._world.emit(InteractionCreated(now, interaction))
        return interaction
