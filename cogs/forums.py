"""A new post in a forum or help channel that an admin has chosen: answered unasked, but only where it is clear."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import discord
from discord.ext import commands

from bot.answering import QUESTION_LIMIT
from bot.policy.visibility import Visibility, channels_of, roles_of
from bot.records import Record
from bot.surfaces import ChannelSurface, is_open

if TYPE_CHECKING:
    from bot.asking import Asking

_log = logging.getLogger(__name__)


class Forums(commands.Cog):
    """Whoever posts where help is given is helped, if the documents speak clearly of it; else the bot stays quiet."""

    def __init__(self, asking: Asking, client: discord.Client, visibility: Visibility | None = None) -> None:
        self._asking = asking
        self._client = client
        self._visibility = visibility or Visibility()

    @commands.Cog.listener()
    async def on_message(self, message: discord.Message) -> None:
        """Look at what may be a new post; whoever addresses the bot is answered elsewhere."""
        if message.guild is None or message.author.bot or message.webhook_id or not is_post(message):
            return
        if self._client.user in message.mentions:
            return
        chosen = await self._asking.customs(message.guild.id)
        if chosen.forums.isdisjoint(channels_of(message.channel)) or not self._asking.is_new(message.id):
            return
        question = posted(message)
        if not question:
            _log.info("A post in channel %s has no words that can be read: MESSAGE_CONTENT is off", message.channel.id)
            return
        await self._answer(message, question, message.guild)

    async def _answer(self, message: discord.Message, question: str, guild: discord.Guild) -> None:
        channel = message.channel
        if isinstance(channel, discord.abc.GuildChannel | discord.Thread) and not is_open(channel):
            return
        record = Record(
            key=str(message.id),
            question=question,
            asker_id=message.author.id,
            guild_id=guild.id,
            channel_id=channel.id,
            asked_at=message.created_at.timestamp(),
            # Not what the one who posts may see: nobody asked for it, so it is everybody's or nobody's.
            scope=await self._visibility.told_all(guild.id, channel),
            is_automatic=True,
        )
        foreseen = await self._asking.foreseen(record)
        if foreseen is None:
            return
        if refusal := await self._asking.admit(record, roles=roles_of(message.author)):
            _log.info("Post %s is not answered: %s", message.id, refusal)
            return
        reference = message.to_reference(fail_if_not_exists=False)
        await self._asking.ask(
            record,
            lambda controls: ChannelSurface(
                self._client, channel.id, key=record.key, reference=reference, controls=controls
            ),
            foreseen=foreseen,
            is_thread=isinstance(channel, discord.Thread),
        )


def is_post(message: discord.Message) -> bool:
    """Whether a message begins something: a forum's post, or a message in a channel that replies to nothing."""
    if isinstance(message.channel, discord.Thread):
        return message.id == message.channel.id
    return message.type is discord.MessageType.default


def posted(message: discord.Message) -> str:
    """A post's question: its title and its words; empty where its words cannot be read."""
    words = message.clean_content.strip()
    if not words:
        return ""
    title = message.channel.name if isinstance(message.channel, discord.Thread) else ""
    return f"{title}\n{words}".strip()[:QUESTION_LIMIT]
