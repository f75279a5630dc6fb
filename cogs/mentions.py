"""A question in the middle of talk: the bot is mentioned, replied to or written to, and its answer is a reply."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import aiohttp
import discord
from discord.ext import commands

from bot.answers.conversation import about, following
from bot.answers.session import unexpected
from bot.discord_adapter import ChannelSurface
from bot.discord_adapter.history import Hearing, is_conversation, thread_name
from bot.discord_adapter.tracked_questions import Exchange, is_followed, put
from bot.discord_adapter.visibility import Visibility, channels_of, roles_of
from bot.records import Record
from bot.streaming import Lost

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.answers.service import Asking
    from bot.discord_adapter import Controls
    from bot.domain import Question

_log = logging.getLogger(__name__)

# In small print, which is no part of any conversation.
HOW_TO_ASK = (
    "-# Mention me together with a question, or in reply to a message that asks one. "
    "With /ask it works everywhere, in private too."
)
UNREADABLE = (
    "-# I cannot read the message you replied to. Open its menu instead: Apps › Ask the docs about this. "
    "Or write the question after my name."
)
NO_DIRECT_MESSAGES = "I do not answer direct messages here. Ask me in a channel of your server, or with /ask."
LOCKED = "I cannot answer you in {place}: that thread is locked."
SILENCED = "I cannot answer you in {place}: I may not write there. Try /ask, or ask a moderator to let me."
SPOILT = "Your question in {place} could not be answered there. Try /ask."

_TYPES_FROM = 3
"""With so many answers under way in a channel, the next one's first words may have to wait."""
_NO = "❌"
_TALK = {discord.MessageType.default, discord.MessageType.reply}
_FAILED = (discord.HTTPException, aiohttp.ClientError, OSError)


@dataclass(frozen=True, slots=True)
class Manners:
    """What an operator allows.

    ``crowd``: with so many answers under way in one channel, the next one opens a thread, which has a lane of its own.
    ``bots`` are the names of other bots and webhooks that are answered.
    """

    direct_messages: bool = False
    follows_edits: bool = True
    follows_deletions: bool = True
    crowd: int = 4
    bots: frozenset[str] = frozenset()


class Mentions(commands.Cog):
    """Who speaks to the bot is answered where they spoke.

    ``visibility`` says what may be told, and where; ``clock`` gives Unix seconds.
    """

    def __init__(
        self,
        asking: Asking,
        client: discord.Client,
        manners: Manners | None = None,
        *,
        visibility: Visibility | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._asking = asking
        self._client = client
        self._manners = manners or Manners()
        self._visibility = visibility or Visibility()
        self._clock = clock
        self._exchanges: OrderedDict[int, Exchange] = OrderedDict()
        self._keys: OrderedDict[int, str] = OrderedDict()
        self._sent_away: OrderedDict[int, bool] = OrderedDict()
        self._open: dict[str, ChannelSurface] = {}
        self._hearing = Hearing(client, asking.recall, self._key_of)

    @commands.Cog.listener()
    async def on_message(self, message: discord.Message) -> None:
        """Answer what is said to the bot, once."""
        if self._is_ignored(message) or not self._hearing.is_addressed(message) or not self._asking.is_new(message.id):
            return
        if message.guild is None and not self._manners.direct_messages:
            await self._send_away(message)
            return
        question = await self._question(message)
        exchange = put(self._exchanges, message.id, Exchange(question, message.channel.id))
        if question:
            await self._answer_in_turn(message, exchange)
            return
        async with exchange.lock:
            await self._explain(message, exchange)

    @commands.Cog.listener()
    async def on_raw_message_edit(self, payload: discord.RawMessageUpdateEvent) -> None:
        """Answer a question anew that was edited soon after it was asked, in place of its answer."""
        exchange = self._exchanges.get(payload.message_id)
        if exchange is None or not self._manners.follows_edits:
            return
        if not is_followed(payload.message, self._clock()):
            return
        question = await self._question(payload.message)
        if not question or question == exchange.text:
            return
        exchange.text = question
        exchange.rounds += 1
        self._asking.stop(str(payload.message_id), payload.message.author.display_name)
        await self._answer_in_turn(payload.message, exchange)

    @commands.Cog.listener()
    async def on_raw_message_delete(self, payload: discord.RawMessageDeleteEvent) -> None:
        """Take the answer away with its question."""
        await self._withdraw(payload.message_id)

    @commands.Cog.listener()
    async def on_raw_bulk_message_delete(self, payload: discord.RawBulkMessageDeleteEvent) -> None:
        """Take the answers away with their questions."""
        for message_id in payload.message_ids:
            await self._withdraw(message_id)

    def _is_ignored(self, message: discord.Message) -> bool:
        """Whether nobody is to be answered: the bot itself, another bot, or Discord's own notice."""
        if self._hearing.is_own(message) or message.type not in _TALK:
            return True
        is_machine = message.author.bot or message.webhook_id is not None
        return is_machine and message.author.name not in self._manners.bots

    async def _question(self, message: discord.Message) -> str:
        """What is asked in a message, together with another person's message that it replies to; "" for nothing."""
        question = self._hearing.question_in(message)
        target = await self._hearing.target(message)
        if target is None or self._hearing.is_own(target):
            return question
        return about(question, self._hearing.question_in(target))

    async def _answer_in_turn(self, message: discord.Message, exchange: Exchange) -> None:
        """Answer once what was answered before is over, unless the question has changed again by then."""
        this_round = exchange.rounds
        try:
            async with exchange.lock:
                if exchange.rounds == this_round:
                    await self._answer(message, exchange)
        except Exception as error:  # noqa: BLE001 - the edge: whoever asked must not be left without a word
            await self._tell_privately(message, unexpected(error, str(message.id)))

    async def _answer(self, message: discord.Message, exchange: Exchange) -> None:
        """Answer a message where it stands, in a thread of its own where it is crowded there, or say why not."""
        is_first = not exchange.message_ids
        record = await self._record(message, exchange)
        here = channels_of(message.channel) if message.guild else ()
        if refusal := await self._asking.admit(record, roles=roles_of(message.author), channels=here):
            await self._tell_privately(message, refusal)
            return
        channel = await self._place(message) if is_first else message.channel
        if refusal := obstacle(channel):
            await self._tell_privately(message, refusal)
            return
        exchange.channel_id = channel.id if is_first else exchange.channel_id
        record = replace(record, channel_id=exchange.channel_id)
        key = record.key

        def surface(controls: Controls) -> ChannelSurface:
            return self._open.setdefault(key, self._surface(message, exchange, controls))

        is_crowded = is_first and self._asking.running_in(channel.id) >= _TYPES_FROM
        # Beside the answer, not before it: who comes next must find it counted.
        signs = [asyncio.create_task(self._type(channel))] if is_crowded else []
        try:
            cause = await self._asking.ask(
                record,
                surface,
                prepare=lambda question: self._prepared(question, message),
                is_thread=is_conversation(channel),
            )
            await asyncio.gather(*signs)
        finally:
            shown = self._open.pop(key).message_ids if key in self._open else ()
        await self._settle(message, exchange, shown)
        if isinstance(cause, Lost) and not exchange.message_ids:
            await self._tell_privately(message, SPOILT.format(place=_named(channel)))

    async def _settle(self, message: discord.Message, exchange: Exchange, shown: tuple[int, ...]) -> None:
        """Remember which answer its messages show, and remove what an earlier one left below it."""
        for message_id in shown:
            put(self._keys, message_id, str(message.id))
        await exchange.settle(self._client, shown)

    def _key_of(self, message_id: int) -> str | None:
        """The key of the answer that a message shows, also while its last words are being noted."""
        for key, surface in self._open.items():
            if message_id in surface.message_ids:
                return key
        return self._keys.get(message_id)

    def _surface(self, message: discord.Message, exchange: Exchange, controls: Controls) -> ChannelSurface:
        is_here = exchange.channel_id == message.channel.id
        may_refer = message.guild is None or message.channel.permissions_for(message.guild.me).read_message_history
        return ChannelSurface(
            self._client,
            exchange.channel_id,
            # A page that was removed must not be found again by its nonce.
            key=f"{message.id}/{exchange.rounds}",
            reference=message.to_reference(fail_if_not_exists=False) if is_here and may_refer else None,
            controls=controls,
            onto=exchange.message_ids,
        )

    async def _record(self, message: discord.Message, exchange: Exchange) -> Record:
        return Record(
            key=str(message.id),
            question=exchange.text,
            asker_id=message.author.id,
            guild_id=message.guild.id if message.guild else None,
            channel_id=exchange.channel_id,
            asked_at=message.created_at.timestamp(),
            scope=await self._visibility.told_in_reply(self._client, message),
            attached=tuple(file.filename for file in message.attachments),
        )

    async def _prepared(self, question: Question, message: discord.Message) -> Question:
        """The question with what was said before it, now that it is its turn."""
        said = await self._hearing.before(message)
        question = replace(question, attached=await self._asking.read(message.attachments))
        author = message.author
        return following(question, said, question.scope, speaker=author.display_name, speaker_id=author.id)

    async def _place(self, message: discord.Message) -> discord.abc.MessageableChannel:
        """Where to answer: in the channel, or in a thread of its own where many answers are under way."""
        channel = message.channel
        if not isinstance(channel, discord.TextChannel) or self._asking.running_in(channel.id) < self._manners.crowd:
            return channel
        may = channel.permissions_for(channel.guild.me)
        if not (may.create_public_threads and may.send_messages_in_threads):
            return channel
        try:
            return await message.create_thread(name=thread_name(self._hearing.question_in(message)))
        except _FAILED as error:
            _log.warning("No thread for message %s: %s", message.id, type(error).__name__)
            return channel

    async def _withdraw(self, message_id: int) -> None:
        if not self._manners.follows_deletions:
            return
        key = str(message_id)
        exchange = self._exchanges.get(message_id)
        if exchange is not None:
            exchange.rounds += 1
        self._asking.stop(key, "the asker")
        if exchange is None:
            # Answered unasked, or before a restart: then the records know where.
            await self._asking.over(key)
            record = await self._asking.recall(key)
            if record is None:
                return
            exchange = Exchange(record.question, record.channel_id, record.message_ids)
        async with exchange.lock:
            await exchange.settle(self._client, ())

    async def _explain(self, message: discord.Message, exchange: Exchange) -> None:
        """Say how to ask: there was no question, or none that can be read. One that is added is answered in place."""
        target = await self._hearing.target(message)
        has_hidden = target is not None and not self._hearing.is_own(target) and not target.content
        if refusal := obstacle(message.channel):
            await self._tell_privately(message, refusal)
            return
        try:
            told = await message.reply(UNREADABLE if has_hidden else HOW_TO_ASK, mention_author=False)
            exchange.message_ids = (told.id,)
        except _FAILED as error:
            _log.warning("Message %s could not be answered: %s", message.id, type(error).__name__)

    async def _send_away(self, message: discord.Message) -> None:
        """Say once that direct messages are not answered."""
        if message.author.id in self._sent_away:
            return
        put(self._sent_away, message.author.id, value=True)
        with suppress(*_FAILED):
            await message.channel.send(NO_DIRECT_MESSAGES)

    async def _tell_privately(self, message: discord.Message, words: str) -> None:
        """Tell the asker alone; a mark at the question has to do where they take no direct messages."""
        try:
            await message.author.send(words)
        except _FAILED:
            try:
                await message.add_reaction(_NO)
            except _FAILED as error:
                _log.warning("Message %s: nothing can be said (%s)", message.id, type(error).__name__)

    async def _type(self, channel: discord.abc.MessageableChannel) -> None:
        """Show a sign of life at once: the first words have to wait for their turn in a crowded channel."""
        with suppress(*_FAILED):
            await channel.typing()


def obstacle(channel: discord.abc.MessageableChannel) -> str:
    """Why the bot cannot answer in a channel; empty if it can, as far as it knows."""
    guild = getattr(channel, "guild", None)
    if guild is None or isinstance(channel, discord.PartialMessageable):
        return ""
    may = channel.permissions_for(guild.me)
    if isinstance(channel, discord.Thread):
        if channel.locked and not may.manage_threads:
            return LOCKED.format(place=_named(channel))
        return "" if may.send_messages_in_threads else SILENCED.format(place=_named(channel))
    return "" if may.send_messages else SILENCED.format(place=_named(channel))


def _named(channel: discord.abc.MessageableChannel) -> str:
    return f"<#{channel.id}>"
