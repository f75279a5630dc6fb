"""Builds a question from an interaction or a message, and the destination of its answer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import discord

from bot.answers.conversation import with_history
from bot.answers.destination import OpenedSurface
from bot.discord_adapter.answer_buttons import AnswerComponents
from bot.discord_adapter.history import is_conversation
from bot.discord_adapter.http import SurfaceRefused
from bot.discord_adapter.replies import send_ephemeral
from bot.discord_adapter.surfaces import InteractionSurface, defer
from bot.discord_adapter.visibility import channel_ids_of, role_ids_of
from bot.domain import Question
from bot.streaming import Lost

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.access.guild_settings import GuildSettings
    from bot.answers.destination import OpenAnswer
    from bot.discord_adapter.attachments import AttachmentReader
    from bot.discord_adapter.history import MessageHistory
    from bot.domain import Scope
    from bot.streaming import EndReason


def build_question(
    asked_with: discord.Interaction[Any] | discord.Message,
    text: str,
    scope: Scope,
    settings: GuildSettings,
    *,
    files: Sequence[discord.Attachment] = (),
) -> Question:
    """Return the question that an interaction or a message asks.

    Args:
        asked_with: Its id names the answer.
        text: The question in the asker's words.
        scope: The collections the asker may see there.
        settings: The guild's.
        files: What came with the question; read when its turn comes.
    """
    if isinstance(asked_with, discord.Interaction):
        asker, guild_id, channel_id = asked_with.user, asked_with.guild_id, asked_with.channel_id or 0
    else:
        asker, channel_id = asked_with.author, asked_with.channel.id
        guild_id = asked_with.guild.id if asked_with.guild else None
    return Question(
        text,
        answer_id=str(asked_with.id),
        scope=scope,
        style=settings.style,
        asker_id=asker.id,
        asker_role_ids=role_ids_of(asker),
        guild_id=guild_id,
        channel_id=channel_id,
        asked_at=asked_with.created_at.timestamp(),
        attachment_names=tuple(file.filename for file in files),
    )


ANSWER_REFUSED = (
    "Your answer could not be shown completely: Discord refused the message (permission or format). "
    "Ask again with /ask, or ask an admin to check the bot's permissions."
)


def is_refused(end_reason: EndReason) -> bool:
    """Return whether an answer ended because Discord refused its message, so that its asker needs a private notice."""
    return isinstance(end_reason, Lost) and isinstance(end_reason.error, SurfaceRefused)


async def report_end(interaction: discord.Interaction[Any], end_reason: EndReason) -> None:
    """Tell the asker in private if Discord refused the answer's message; every other end is visible in it."""
    if is_refused(end_reason):
        await send_ephemeral(interaction, ANSWER_REFUSED)


@dataclass(frozen=True, slots=True)
class ResponseDestination:
    """The response to an interaction, visible only to the asker if ``is_private``."""

    interaction: discord.Interaction[Any]
    is_private: bool

    @property
    def channel_ids(self) -> frozenset[int]:
        """As ``Destination.channel_ids``."""
        return frozenset() if self.is_private else channel_ids_of(self.interaction.channel)

    async def open(self, answer: OpenAnswer) -> OpenedSurface | None:
        """Defer the response: nothing that costs money starts before Discord has accepted that."""
        if not await defer(self.interaction, ephemeral=self.is_private):
            return None
        return OpenedSurface(
            InteractionSurface(self.interaction, components=AnswerComponents(answer)),
            self.interaction.channel_id or 0,
            is_conversation=is_conversation(self.interaction.channel),
        )


@dataclass(frozen=True, slots=True)
class QuestionContext:
    """Completes a question when its turn comes, with the messages before it and the files that came with it.

    Args:
        history: Reads the messages.
        asker: Whose name the conversation gives to the question.
        visible_scope: Answers drawn from other collections are left out of the conversation.
        asked_with: The messages before it are read; None where there are none, as in a new thread.
        attachment_reader: Reads the files.
        files: What came with the question.
    """

    history: MessageHistory
    asker: discord.abc.User
    visible_scope: Scope
    asked_with: discord.Message | discord.Interaction[Any] | None
    attachment_reader: AttachmentReader | None = None
    files: Sequence[discord.Attachment] = ()

    async def __call__(self, question: Question, /) -> Question:
        """Return the question with its files and its conversation."""
        if self.files and self.attachment_reader is not None:
            read = await self.attachment_reader.read(question, self.files)
            question = replace(question, attachments=read.attachments, images=read.images, notes=read.notes)
        if self.asked_with is None:
            return question
        messages = await self.history.load_before(self.asked_with)
        return with_history(
            question, messages, self.visible_scope, speaker=self.asker.display_name, speaker_id=self.asker.id
        )
