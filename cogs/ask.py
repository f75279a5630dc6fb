"""/ask: a question comes in from Discord, and its answer streams into the response, or into a thread below it."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import aiohttp
import discord
from discord import app_commands
from discord.ext import commands

from bot.answers.conversation import with_history
from bot.answers.service import record_from_interaction
from bot.discord_adapter import ChannelSurface, InteractionSurface, defer
from bot.discord_adapter.client import send_ephemeral
from bot.discord_adapter.history import MessageHistory, format_thread_name, is_conversation
from bot.discord_adapter.visibility import Visibility, channel_ids_of, role_ids_of
from bot.domain import QUESTION_LIMIT, Scope
from bot.domain.collection_names import format_collection, parse_collection
from bot.text.invisible import strip_invisible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.answers.service import AnswerService
    from bot.domain import Question
    from bot.records import AnswerRecord

_QuestionText = app_commands.Range[str, 1, QUESTION_LIMIT]

NO_THREAD = "No thread was opened: I may not open one here, or not write in it. The answer stands here instead."
NO_THREAD_HERE = "No thread was opened: there are none in this place. The answer stands here instead."
PRIVATE_HERE = "No thread was opened: everybody would see it. Your private answer stands here instead."
ANSWERED_IN_THREAD = "{question}\n-# Answered in <#{thread}>"
NO_DIRECT_MESSAGES = "I do not answer direct messages here. Use /ask in a channel of your server."
NO_COLLECTION = "There is no collection of that name that you may see."
_MAX_SUGGESTIONS = 25
"""Suggestions that Discord shows at most."""
_MAX_QUESTION_SHOWN = 1_500
"""Characters of a question that stand above the way to its thread."""

_REQUEST_ERRORS = (discord.HTTPException, aiohttp.ClientError, OSError)

_log = logging.getLogger(__name__)


class Ask(commands.Cog):
    """The command that asks. ``visibility`` says what may be told to whom."""

    def __init__(
        self, answer_service: AnswerService, visibility: Visibility | None = None, *, in_direct_messages: bool = False
    ) -> None:
        self._answer_service = answer_service
        self._visibility = visibility or Visibility()
        self._in_direct_messages = in_direct_messages
        self.ask.allowed_contexts = app_commands.AppCommandContext(guild=True, dm_channel=in_direct_messages)

    @app_commands.command()
    @app_commands.describe(
        question="What would you like to know?",
        private="Only you see the answer",
        thread="Open a thread here and answer in it",
        collection="Search these documents alone",
        attachment="A document to read with the question; it is not kept",
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
        if not self._answer_service.is_new_event(interaction.id):
            return
        if interaction.guild_id is None and not self._in_direct_messages:  # somebody's list of commands is an old one
            await send_ephemeral(interaction, NO_DIRECT_MESSAGES)
            return
        chosen = await self._answer_service.load_guild_settings(interaction.guild_id)
        is_private = chosen.private if private is None else private
        scope = await self._visibility.scope_for_interaction(interaction, is_private=is_private)
        if collection is not None:
            alone = await self._visibility.scope_for_interaction(interaction, is_private=True)
            name = parse_collection(collection)
            if name not in alone.collections:
                await send_ephemeral(interaction, NO_COLLECTION)
                return
            # What not everybody here may see is told to the asker alone.
            is_private = is_private or name not in scope.collections
            scope = Scope(frozenset({name}))
        wants_thread = chosen.threads and not is_private if thread is None else thread
        record = record_from_interaction(interaction, question, scope)
        if attachment is not None:
            record = replace(record, attached=(attachment.filename,))
        roles, channels = role_ids_of(interaction.user), channel_ids_of(interaction.channel)
        if refusal := await self._answer_service.admit(record, roles=roles, channels=() if is_private else channels):
            await send_ephemeral(interaction, refusal)
            return
        # Nothing that costs money starts before Discord has taken the acknowledgement.
        if await defer(interaction, ephemeral=is_private):
            files = [attachment] if attachment is not None else []
            obstacle = await self._answer(interaction, record, files, wants_thread=wants_thread, is_private=is_private)
            if obstacle and thread:
                # Afterwards: the first thing said after an acknowledgement would take the answer's place.
                await send_ephemeral(interaction, obstacle)

    @ask.autocomplete("collection")
    async def _suggest(self, interaction: discord.Interaction[Any], typed: str) -> list[app_commands.Choice[str]]:
        """The collections that this person may see."""
        scope = await self._visibility.scope_for_interaction(interaction, is_private=True)
        names = sorted(map(format_collection, scope.collections))
        return [app_commands.Choice(name=name, value=name) for name in names if typed.lower() in name.lower()][
            :_MAX_SUGGESTIONS
        ]

    async def _answer(
        self,
        interaction: discord.Interaction[Any],
        record: AnswerRecord,
        files: Sequence[discord.Attachment],
        *,
        wants_thread: bool,
        is_private: bool,
    ) -> str:
        """Answer in a thread of its own if that is wanted and possible, else in the response, and give the reason."""
        obstacle = _find_thread_obstacle(interaction, is_private=is_private) if wants_thread else ""
        if wants_thread and not obstacle:
            opened = await _open_thread(interaction, record.question)
            if opened is not None:
                await self._answer_in_thread(opened, interaction, record, files)
                return ""
            obstacle = NO_THREAD
        await self._answer_in_response(interaction, record, files, is_private=is_private)
        return obstacle

    async def _answer_in_response(
        self,
        interaction: discord.Interaction[Any],
        record: AnswerRecord,
        files: Sequence[discord.Attachment],
        *,
        is_private: bool,
    ) -> None:
        """Answer in the response; in a thread, with what was said there before."""
        is_thread = is_conversation(interaction.channel)

        async def enrich(question: Question) -> Question:
            question = await self._with_files(question, files)
            return await self._with_history(question, interaction, is_private=is_private) if is_thread else question

        await self._answer_service.ask(
            record,
            lambda controls: InteractionSurface(interaction, components=controls),
            enrich=enrich,
            is_thread=is_thread,
        )

    async def _answer_in_thread(
        self,
        thread: discord.Thread,
        interaction: discord.Interaction[Any],
        record: AnswerRecord,
        files: Sequence[discord.Attachment],
    ) -> None:
        """Answer in a thread opened for the question, whose id then is the answer's key: who goes on there finds it."""
        client, key = interaction.client, str(thread.id)
        moved = replace(record, answer_id=key, channel_id=thread.id)
        self._answer_service.rename(record.answer_id, key)
        await self._answer_service.ask(
            moved,
            lambda controls: ChannelSurface(client, thread.id, nonce_seed=key, components=controls),
            enrich=lambda question: self._with_files(question, files),
            is_thread=True,
        )

    async def _with_files(self, question: Question, files: Sequence[discord.Attachment]) -> Question:
        """The question with what came along."""
        return replace(question, attachments=await self._answer_service.read_attachments(files)) if files else question

    async def _with_history(
        self, question: Question, interaction: discord.Interaction[Any], *, is_private: bool
    ) -> Question:
        """The question with what was said before it in its thread, now that it is its turn."""
        channel: Any = interaction.channel
        said = await MessageHistory(interaction.client, self._answer_service.recall).load_channel_history(
            channel, interaction.id
        )
        # Not the question's own scope: one collection that was asked for alone does not make the talk unheard.
        told = await self._visibility.scope_for_interaction(interaction, is_private=is_private)
        return with_history(question, said, told, speaker=interaction.user.display_name, speaker_id=interaction.user.id)


def _find_thread_obstacle(interaction: discord.Interaction[Any], *, is_private: bool) -> str:
    """Why no thread can be opened for a question; empty if one can, as far as is known."""
    if is_private:
        return PRIVATE_HERE
    if not isinstance(interaction.channel, discord.TextChannel):
        return NO_THREAD_HERE
    may = interaction.app_permissions
    is_member = interaction.client.get_guild(interaction.guild_id or 0) is not None
    has_rights = may.view_channel and may.create_public_threads and may.send_messages_in_threads
    return "" if is_member and has_rights else NO_THREAD


async def _open_thread(interaction: discord.Interaction[Any], question: str) -> discord.Thread | None:
    """A thread at the command's response, which shows the question and the way there; None if Discord refuses."""
    channel = interaction.channel
    if not isinstance(channel, discord.TextChannel):
        return None
    try:
        response = await interaction.original_response()
        thread = await channel.get_partial_message(response.id).create_thread(name=format_thread_name(question))
    except _REQUEST_ERRORS as error:
        _log.warning("No thread for interaction %s: %s", interaction.id, type(error).__name__)
        return None
    words = discord.utils.escape_markdown(strip_invisible(question)[:_MAX_QUESTION_SHOWN])[:_MAX_QUESTION_SHOWN]
    try:
        await interaction.edit_original_response(
            content=ANSWERED_IN_THREAD.format(question=words, thread=thread.id),
            allowed_mentions=discord.AllowedMentions.none(),
        )
    except _REQUEST_ERRORS as error:
        _log.warning("Interaction %s does not show its thread: %s", interaction.id, type(error).__name__)
    return thread
