"""/ask: answers a question in the command's response, or in a thread below it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp
import discord
from discord import app_commands
from discord.ext import commands

from bot.answers.destination import OpenedSurface
from bot.discord_adapter import ChannelSurface, InteractionSurface, defer
from bot.discord_adapter.answer_buttons import AnswerComponents
from bot.discord_adapter.destinations import QuestionContext, ResponseDestination, build_question, report_end
from bot.discord_adapter.history import MessageHistory, format_thread_name, is_conversation
from bot.discord_adapter.replies import edit_original_message, send_ephemeral
from bot.discord_adapter.visibility import channel_ids_of
from bot.domain import QUESTION_LIMIT, Scope
from bot.domain.collection_names import format_collection, parse_collection
from bot.errors import QuestionRefused
from bot.text.citations import escape_markdown

if TYPE_CHECKING:
    from bot.access.admission import GuildSettingsStore
    from bot.answers.destination import OpenAnswer
    from bot.answers.service import AnswerService
    from bot.discord_adapter.attachments import AttachmentReader
    from bot.discord_adapter.visibility import Visibility

_QuestionText = app_commands.Range[str, 1, QUESTION_LIMIT]

NO_THREAD = (
    "No thread was opened: I need the permissions to create public threads here and to send messages in them. "
    "The answer is here instead."
)
NO_THREAD_HERE = "No thread was opened: this channel has no threads. The answer is here instead."
PRIVATE_HERE = "No thread was opened: everybody could read it. Your private answer is here instead."
ANSWERED_IN_THREAD = "{question}\n-# Answered in <#{thread}>"
NO_DIRECT_MESSAGES = "I do not answer direct messages here. Use /ask in a channel of your server."
NO_COLLECTION = "There is no collection of that name, or you may not see it."
_MAX_SUGGESTIONS = 25
"""Suggestions that Discord shows at most."""
_MAX_QUESTION_SHOWN = 900
"""Characters of a question that are shown above the link to its thread: escaped, they are twice as many at most."""

_REQUEST_ERRORS = (discord.HTTPException, aiohttp.ClientError, OSError)

_log = logging.getLogger(__name__)


class Ask(commands.Cog):
    """The /ask command.

    Args:
        answer_service: Answers the question.
        visibility: Says which collections the asker may see where.
        guild_settings: What each guild's admins have set.
        attachment_reader: Reads the file that came with a question.
        in_direct_messages: Whether direct messages are answered.
    """

    def __init__(
        self,
        answer_service: AnswerService,
        visibility: Visibility,
        guild_settings: GuildSettingsStore,
        attachment_reader: AttachmentReader,
        *,
        in_direct_messages: bool = False,
    ) -> None:
        self._answer_service = answer_service
        self._visibility = visibility
        self._guild_settings = guild_settings
        self._attachment_reader = attachment_reader
        self._in_direct_messages = in_direct_messages
        self.ask.allowed_contexts = app_commands.AppCommandContext(guild=True, dm_channel=in_direct_messages)

    @app_commands.command()
    @app_commands.describe(
        question="What would you like to know?",
        private="Only you see the answer",
        thread="Open a thread here and answer in it",
        collection="Search only these documents",
        attachment="A document to read with the question; it is not stored",
    )
    async def ask(  # noqa: PLR0913, PLR0917 - Discord's own form of options
        self,
        interaction: discord.Interaction[Any],
        question: _QuestionText,
        private: bool | None = None,  # noqa: FBT001
        thread: bool | None = None,  # noqa: FBT001
        collection: str | None = None,
        attachment: discord.Attachment | None = None,
    ) -> None:
        """Ask the team's documents a question."""
        if interaction.guild_id is None and not self._in_direct_messages:  # an old list of commands offers it there
            raise QuestionRefused(NO_DIRECT_MESSAGES)
        settings = await self._guild_settings.load(interaction.guild_id)
        is_private = settings.private if private is None else private
        scope = visible_scope = await self._visibility.scope_for_interaction(interaction, is_private=is_private)
        if collection is not None:
            own_scope = await self._visibility.scope_for_interaction(interaction, is_private=True)
            name = parse_collection(collection)
            if name not in own_scope.collections:
                raise QuestionRefused(NO_COLLECTION)
            if name not in visible_scope.collections:  # not everybody here may see it, so the answer is private
                is_private, visible_scope = True, own_scope
            scope = Scope(frozenset({name}))
        wants_thread = settings.threads and not is_private if thread is None else thread
        files = [attachment] if attachment is not None else []
        destination = _AskDestination(interaction, question, is_private=is_private, wants_thread=wants_thread)
        context = QuestionContext(
            MessageHistory(interaction.client, self._answer_service.recall),
            interaction.user,
            # Not the question's own scope: choosing one collection does not hide the conversation.
            visible_scope,
            asked_with=interaction if is_conversation(interaction.channel) else None,
            attachment_reader=self._attachment_reader,
            files=files,
        )
        end_reason = await self._answer_service.ask(
            build_question(interaction, question, scope, settings, files=files), destination, settings, enrich=context
        )
        await report_end(interaction, end_reason)
        if destination.obstacle and thread:
            # Afterwards: the first message after an acknowledgement would take the answer's place.
            await send_ephemeral(interaction, destination.obstacle)

    @ask.autocomplete("collection")
    async def _suggest(self, interaction: discord.Interaction[Any], typed: str) -> list[app_commands.Choice[str]]:
        """Suggest the collections that this person may see."""
        scope = await self._visibility.scope_for_interaction(interaction, is_private=True)
        names = sorted(map(format_collection, scope.collections))
        return [app_commands.Choice(name=name, value=name) for name in names if typed.lower() in name.lower()][
            :_MAX_SUGGESTIONS
        ]


@dataclass(slots=True)
class _AskDestination:
    """A new thread if that is wanted and possible, else the response; ``obstacle`` says why it is no thread."""

    interaction: discord.Interaction[Any]
    question: str
    is_private: bool
    wants_thread: bool
    obstacle: str = ""

    @property
    def channel_ids(self) -> frozenset[int]:
        """The channel that will show the answer, and a thread's parent."""
        return frozenset() if self.is_private else channel_ids_of(self.interaction.channel)

    async def open(self, answer: OpenAnswer) -> OpenedSurface | None:
        """Acknowledge the command and return the surface: the thread, or the response."""
        interaction = self.interaction
        if not self.wants_thread:
            return await ResponseDestination(interaction, self.is_private).open(answer)
        if not await defer(interaction, ephemeral=self.is_private):
            return None
        components = AnswerComponents(answer)
        self.obstacle = _find_thread_obstacle(interaction, is_private=self.is_private)
        thread = None if self.obstacle else await _open_thread(interaction, self.question)
        if thread is not None:
            surface = ChannelSurface(interaction.client, thread.id, nonce_seed=answer.answer_id, components=components)
            return OpenedSurface(surface, thread.id, is_conversation=True)
        self.obstacle = self.obstacle or NO_THREAD
        return OpenedSurface(
            InteractionSurface(interaction, components=components),
            interaction.channel_id or 0,
            is_conversation=is_conversation(interaction.channel),
        )


def _find_thread_obstacle(interaction: discord.Interaction[Any], *, is_private: bool) -> str:
    """Return why no thread can be opened for a question; "" if one can, as far as is known."""
    if is_private:
        return PRIVATE_HERE
    if not isinstance(interaction.channel, discord.TextChannel):
        return NO_THREAD_HERE
    may = interaction.app_permissions
    is_member = interaction.client.get_guild(interaction.guild_id or 0) is not None
    has_rights = may.view_channel and may.create_public_threads and may.send_messages_in_threads
    return "" if is_member and has_rights else NO_THREAD


async def _open_thread(interaction: discord.Interaction[Any], question: str) -> discord.Thread | None:
    """Open a thread at the command's response, which then shows the question and a link; None if Discord refuses."""
    channel = interaction.channel
    if not isinstance(channel, discord.TextChannel):
        return None
    try:
        response = await interaction.original_response()
        thread = await channel.get_partial_message(response.id).create_thread(name=format_thread_name(question))
    except _REQUEST_ERRORS as error:
        _log.warning("Interaction %s: opening a thread failed: %s", interaction.id, type(error).__name__)
        return None
    shown = escape_markdown(question, _MAX_QUESTION_SHOWN)
    try:
        await edit_original_message(interaction, ANSWERED_IN_THREAD.format(question=shown, thread=thread.id))
    except _REQUEST_ERRORS as error:
        _log.warning("Interaction %s: showing the link to its thread failed: %s", interaction.id, type(error).__name__)
    return thread
