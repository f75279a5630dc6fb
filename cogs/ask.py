"""/ask: a question comes in from Discord, and its answer streams into the response, or into a thread below it."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import aiohttp
import discord
from discord import app_commands
from discord.ext import commands

from bot.answering import QUESTION_LIMIT, Scope
from bot.asking import asked
from bot.client import whisper
from bot.conversation import narrowed, remembered
from bot.hearing import Hearing, is_conversation, thread_name
from bot.surfaces import ChannelSurface, InteractionSurface, deferred

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.answering import Question
    from bot.asking import Asking
    from bot.records import Record

_QuestionText = app_commands.Range[str, 1, QUESTION_LIMIT]

NO_THREAD = "No thread was opened: I may not open one here, or not write in it. The answer stands here instead."
NO_THREAD_HERE = "No thread was opened: there are none in this place. The answer stands here instead."
PRIVATE_HERE = "No thread was opened: everybody would see it. Your private answer stands here instead."
ASKED = "{question}\n-# Answered in <#{thread}>"
_SHOWN = 1_500
"""Characters of a question that stand above the way to its thread."""

_FAILED = (discord.HTTPException, aiohttp.ClientError, OSError)

_log = logging.getLogger(__name__)


class Ask(commands.Cog):
    """The command that asks. ``scope_of`` says what the one who asks may see."""

    def __init__(
        self, asking: Asking, *, scope_of: Callable[[discord.Interaction[Any]], Scope] = lambda _: Scope()
    ) -> None:
        self._asking = asking
        self._scope_of = scope_of

    @app_commands.command()
    @app_commands.describe(
        question="What would you like to know?",
        private="Only you see the answer",
        thread="Open a thread here and answer in it",
    )
    async def ask(
        self,
        interaction: discord.Interaction[Any],
        question: _QuestionText,
        private: bool = False,  # noqa: FBT001, FBT002 - Discord's own form of an option
        thread: bool = False,  # noqa: FBT001, FBT002
    ) -> None:
        """Ask the team's documents a question."""
        # Nothing that costs money starts before Discord has taken the acknowledgement.
        if not self._asking.is_new(interaction.id) or not await deferred(interaction, ephemeral=private):
            return
        record = asked(interaction, question, self._scope_of(interaction))
        obstacle = _obstacle(interaction, is_private=private) if thread else ""
        if thread and not obstacle:
            opened = await _opened(interaction, question)
            if opened is not None:
                await self._answer_in(opened, interaction, record)
                return
            obstacle = NO_THREAD
        await self._answer_here(interaction, record)
        if obstacle:
            # Afterwards: the first thing said after an acknowledgement would take the answer's place.
            await whisper(interaction, obstacle)

    async def _answer_here(self, interaction: discord.Interaction[Any], record: Record) -> None:
        """Answer in the response; in a thread, with what was said there before."""
        is_thread = is_conversation(interaction.channel)
        await self._asking.ask(
            record,
            lambda controls: InteractionSurface(interaction, controls=controls),
            prepare=(lambda question: self._prepared(question, interaction)) if is_thread else None,
            is_thread=is_thread,
        )

    async def _answer_in(self, thread: discord.Thread, interaction: discord.Interaction[Any], record: Record) -> None:
        """Answer in a thread opened for the question, whose id then is the answer's key: who goes on there finds it."""
        client, key = interaction.client, str(thread.id)
        await self._asking.ask(
            replace(record, key=key, channel_id=thread.id),
            lambda controls: ChannelSurface(client, thread.id, key=key, controls=controls),
            is_thread=True,
        )

    async def _prepared(self, question: Question, interaction: discord.Interaction[Any]) -> Question:
        """The question with what was said before it in its thread, now that it is its turn."""
        channel: Any = interaction.channel
        said = await Hearing(interaction.client, self._asking.recall).before_in(channel, interaction.id)
        return replace(
            question,
            conversation=remembered(said, in_private=interaction.guild_id is None),
            speaker=interaction.user.display_name,
            scope=narrowed(question.scope, said),
        )


def _obstacle(interaction: discord.Interaction[Any], *, is_private: bool) -> str:
    """Why no thread can be opened for a question; empty if one can, as far as is known."""
    if is_private:
        return PRIVATE_HERE
    if not isinstance(interaction.channel, discord.TextChannel):
        return NO_THREAD_HERE
    may = interaction.app_permissions
    is_member = interaction.client.get_guild(interaction.guild_id or 0) is not None
    has_rights = may.view_channel and may.create_public_threads and may.send_messages_in_threads
    return "" if is_member and has_rights else NO_THREAD


async def _opened(interaction: discord.Interaction[Any], question: str) -> discord.Thread | None:
    """A thread at the command's response, which shows the question and the way there; None if Discord refuses."""
    channel = interaction.channel
    if not isinstance(channel, discord.TextChannel):
        return None
    try:
        response = await interaction.original_response()
        thread = await channel.get_partial_message(response.id).create_thread(name=thread_name(question))
    except _FAILED as error:
        _log.warning("No thread for interaction %s: %s", interaction.id, type(error).__name__)
        return None
    shown = discord.utils.escape_markdown(question[:_SHOWN])[:_SHOWN]
    try:
        await interaction.edit_original_response(
            content=ASKED.format(question=shown, thread=thread.id), allowed_mentions=discord.AllowedMentions.none()
        )
    except _FAILED as error:
        _log.warning("Interaction %s does not show its thread: %s", interaction.id, type(error).__name__)
    return thread
