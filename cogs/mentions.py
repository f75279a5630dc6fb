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

from bot.answers.conversation import add_quotation, with_history
from bot.answers.session import report_unexpected_error
from bot.discord_adapter import ChannelSurface
from bot.discord_adapter.history import MessageHistory, format_thread_name, is_conversation
from bot.discord_adapter.tracked_questions import TrackedQuestion, is_in_edit_window, put_bounded
from bot.discord_adapter.visibility import Visibility, channel_ids_of, role_ids_of
from bot.records import AnswerRecord
from bot.streaming import Lost

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.answers.service import AnswerService
    from bot.discord_adapter import Components
    from bot.domain import Question

_log = logging.getLogger(__name__)

# In small print, which is no part of any conversation.
HOW_TO_ASK = (
    "-# Mention me together with a question, or in reply to a message that asks one. "
    "With /ask it works everywhere, in private too."
)
UNREADABLE_REPLY = (
    "-# I cannot read the message you replied to. Open its menu instead: Apps › Ask the docs about this. "
    "Or write the question after my name."
)
NO_DIRECT_MESSAGES = "I do not answer direct messages here. Ask me in a channel of your server, or with /ask."
THREAD_LOCKED = "I cannot answer you in {place}: that thread is locked."
NO_WRITE_PERMISSION = "I cannot answer you in {place}: I may not write there. Try /ask, or ask a moderator to let me."
ANSWER_LOST = "Your question in {place} could not be answered there. Try /ask."

_TYPING_THRESHOLD = 3
"""With so many answers under way in a channel, the next one's first words may have to wait."""
_FAILURE_EMOJI = "❌"
_MESSAGE_TYPES = {discord.MessageType.default, discord.MessageType.reply}
_REQUEST_ERRORS = (discord.HTTPException, aiohttp.ClientError, OSError)


@dataclass(frozen=True, slots=True)
class MentionOptions:
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
        answer_service: AnswerService,
        client: discord.Client,
        options: MentionOptions | None = None,
        *,
        visibility: Visibility | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._answer_service = answer_service
        self._client = client
        self._options = options or MentionOptions()
        self._visibility = visibility or Visibility()
        self._clock = clock
        self._tracked_questions: OrderedDict[int, TrackedQuestion] = OrderedDict()
        self._answer_ids: OrderedDict[int, str] = OrderedDict()
        self._notified_user_ids: OrderedDict[int, bool] = OrderedDict()
        self._open_surfaces: dict[str, ChannelSurface] = {}
        self._history = MessageHistory(client, answer_service.recall, self._find_answer_id)

    @commands.Cog.listener()
    async def on_message(self, message: discord.Message) -> None:
        """Answer what is said to the bot, once."""
        if (
            self._is_ignored(message)
            or not self._history.is_addressed(message)
            or not self._answer_service.is_new_event(message.id)
        ):
            return
        if message.guild is None and not self._options.direct_messages:
            await self._refuse_direct_message(message)
            return
        question = await self._read_question(message)
        exchange = put_bounded(self._tracked_questions, message.id, TrackedQuestion(question, message.channel.id))
        if question:
            await self._answer_in_turn(message, exchange)
            return
        async with exchange.lock:
            await self._explain_usage(message, exchange)

    @commands.Cog.listener()
    async def on_raw_message_edit(self, payload: discord.RawMessageUpdateEvent) -> None:
        """Answer a question anew that was edited soon after it was asked, in place of its answer."""
        exchange = self._tracked_questions.get(payload.message_id)
        if exchange is None or not self._options.follows_edits:
            return
        if not is_in_edit_window(payload.message, self._clock()):
            return
        question = await self._read_question(payload.message)
        if not question or question == exchange.text:
            return
        exchange.text = question
        exchange.revision += 1
        self._answer_service.stop(str(payload.message_id), payload.message.author.display_name)
        await self._answer_in_turn(payload.message, exchange)

    @commands.Cog.listener()
    async def on_raw_message_delete(self, payload: discord.RawMessageDeleteEvent) -> None:
        """Take the answer away with its question."""
        await self._delete_answer(payload.message_id)

    @commands.Cog.listener()
    async def on_raw_bulk_message_delete(self, payload: discord.RawBulkMessageDeleteEvent) -> None:
        """Take the answers away with their questions."""
        for message_id in payload.message_ids:
            await self._delete_answer(message_id)

    def _is_ignored(self, message: discord.Message) -> bool:
        """Whether nobody is to be answered: the bot itself, another bot, or Discord's own notice."""
        if self._history.is_own(message) or message.type not in _MESSAGE_TYPES:
            return True
        is_machine = message.author.bot or message.webhook_id is not None
        return is_machine and message.author.name not in self._options.bots

    async def _read_question(self, message: discord.Message) -> str:
        """What is asked in a message, together with another person's message that it replies to; "" for nothing."""
        question = self._history.read_question(message)
        target = await self._history.fetch_reply_target(message)
        if target is None or self._history.is_own(target):
            return question
        return add_quotation(question, self._history.read_question(target))

    async def _answer_in_turn(self, message: discord.Message, tracked_question: TrackedQuestion) -> None:
        """Answer once what was answered before is over, unless the question has changed again by then."""
        this_round = tracked_question.revision
        try:
            async with tracked_question.lock:
                if tracked_question.revision == this_round:
                    await self._answer(message, tracked_question)
        except Exception as error:  # noqa: BLE001 - the edge: whoever asked must not be left without a word
            await self._notify_author(message, report_unexpected_error(error, str(message.id)))

    async def _answer(self, message: discord.Message, tracked_question: TrackedQuestion) -> None:
        """Answer a message where it stands, in a thread of its own where it is crowded there, or say why not."""
        is_first = not tracked_question.message_ids
        record = await self._build_record(message, tracked_question)
        here = channel_ids_of(message.channel) if message.guild else ()
        if refusal := await self._answer_service.admit(record, roles=role_ids_of(message.author), channels=here):
            await self._notify_author(message, refusal)
            return
        channel = await self._choose_channel(message) if is_first else message.channel
        if refusal := find_obstacle(channel):
            await self._notify_author(message, refusal)
            return
        tracked_question.channel_id = channel.id if is_first else tracked_question.channel_id
        record = replace(record, channel_id=tracked_question.channel_id)
        key = record.answer_id

        def make_surface(components: Components) -> ChannelSurface:
            return self._open_surfaces.setdefault(key, self._make_surface(message, tracked_question, components))

        is_crowded = is_first and self._answer_service.count_running_in(channel.id) >= _TYPING_THRESHOLD
        # Beside the answer, not before it: who comes next must find it counted.
        signs = [asyncio.create_task(self._show_typing(channel))] if is_crowded else []
        try:
            cause = await self._answer_service.ask(
                record,
                make_surface,
                enrich=lambda question: self._enrich(question, message),
                is_thread=is_conversation(channel),
            )
            await asyncio.gather(*signs)
        finally:
            shown = self._open_surfaces.pop(key).message_ids if key in self._open_surfaces else ()
        await self._track_answer(message, tracked_question, shown)
        if isinstance(cause, Lost) and not tracked_question.message_ids:
            await self._notify_author(message, ANSWER_LOST.format(place=_format_channel_mention(channel)))

    async def _track_answer(
        self, message: discord.Message, tracked_question: TrackedQuestion, message_ids: tuple[int, ...]
    ) -> None:
        """Remember which answer its messages show, and remove what an earlier one left below it."""
        for message_id in message_ids:
            put_bounded(self._answer_ids, message_id, str(message.id))
        await tracked_question.replace_messages(self._client, message_ids)

    def _find_answer_id(self, message_id: int) -> str | None:
        """The key of the answer that a message shows, also while its last words are being noted."""
        for key, surface in self._open_surfaces.items():
            if message_id in surface.message_ids:
                return key
        return self._answer_ids.get(message_id)

    def _make_surface(
        self, message: discord.Message, tracked_question: TrackedQuestion, components: Components
    ) -> ChannelSurface:
        is_here = tracked_question.channel_id == message.channel.id
        may_refer = message.guild is None or message.channel.permissions_for(message.guild.me).read_message_history
        return ChannelSurface(
            self._client,
            tracked_question.channel_id,
            # A page that was removed must not be found again by its nonce.
            nonce_seed=f"{message.id}/{tracked_question.revision}",
            reference=message.to_reference(fail_if_not_exists=False) if is_here and may_refer else None,
            components=components,
            reused_message_ids=tracked_question.message_ids,
        )

    async def _build_record(self, message: discord.Message, tracked_question: TrackedQuestion) -> AnswerRecord:
        return AnswerRecord(
            answer_id=str(message.id),
            question=tracked_question.text,
            asker_id=message.author.id,
            guild_id=message.guild.id if message.guild else None,
            channel_id=tracked_question.channel_id,
            asked_at=message.created_at.timestamp(),
            scope=await self._visibility.scope_for_message(self._client, message),
            attached=tuple(file.filename for file in message.attachments),
        )

    async def _enrich(self, question: Question, message: discord.Message) -> Question:
        """The question with what was said before it, now that it is its turn."""
        said = await self._history.load_before(message)
        question = replace(question, attachments=await self._answer_service.read_attachments(message.attachments))
        author = message.author
        return with_history(question, said, question.scope, speaker=author.display_name, speaker_id=author.id)

    async def _choose_channel(self, message: discord.Message) -> discord.abc.MessageableChannel:
        """Where to answer: in the channel, or in a thread of its own where many answers are under way."""
        channel = message.channel
        if (
            not isinstance(channel, discord.TextChannel)
            or self._answer_service.count_running_in(channel.id) < self._options.crowd
        ):
            return channel
        may = channel.permissions_for(channel.guild.me)
        if not (may.create_public_threads and may.send_messages_in_threads):
            return channel
        try:
            return await message.create_thread(name=format_thread_name(self._history.read_question(message)))
        except _REQUEST_ERRORS as error:
            _log.warning("No thread for message %s: %s", message.id, type(error).__name__)
            return channel

    async def _delete_answer(self, message_id: int) -> None:
        if not self._options.follows_deletions:
            return
        key = str(message_id)
        exchange = self._tracked_questions.get(message_id)
        if exchange is not None:
            exchange.revision += 1
        self._answer_service.stop(key, "the asker")
        if exchange is None:
            # Answered unasked, or before a restart: then the records know where.
            await self._answer_service.wait_until_done(key)
            record = await self._answer_service.recall(key)
            if record is None:
                return
            exchange = TrackedQuestion(record.question, record.channel_id, record.message_ids)
        async with exchange.lock:
            await exchange.replace_messages(self._client, ())

    async def _explain_usage(self, message: discord.Message, tracked_question: TrackedQuestion) -> None:
        """Say how to ask: there was no question, or none that can be read. One that is added is answered in place."""
        target = await self._history.fetch_reply_target(message)
        has_hidden = target is not None and not self._history.is_own(target) and not target.content
        if refusal := find_obstacle(message.channel):
            await self._notify_author(message, refusal)
            return
        try:
            told = await message.reply(UNREADABLE_REPLY if has_hidden else HOW_TO_ASK, mention_author=False)
            tracked_question.message_ids = (told.id,)
        except _REQUEST_ERRORS as error:
            _log.warning("Message %s could not be answered: %s", message.id, type(error).__name__)

    async def _refuse_direct_message(self, message: discord.Message) -> None:
        """Say once that direct messages are not answered."""
        if message.author.id in self._notified_user_ids:
            return
        put_bounded(self._notified_user_ids, message.author.id, value=True)
        with suppress(*_REQUEST_ERRORS):
            await message.channel.send(NO_DIRECT_MESSAGES)

    async def _notify_author(self, message: discord.Message, content: str) -> None:
        """Tell the asker alone; a mark at the question has to do where they take no direct messages."""
        try:
            await message.author.send(content)
        except _REQUEST_ERRORS:
            try:
                await message.add_reaction(_FAILURE_EMOJI)
            except _REQUEST_ERRORS as error:
                _log.warning("Message %s: nothing can be said (%s)", message.id, type(error).__name__)

    async def _show_typing(self, channel: discord.abc.MessageableChannel) -> None:
        """Show a sign of life at once: the first words have to wait for their turn in a crowded channel."""
        with suppress(*_REQUEST_ERRORS):
            await channel.typing()


def find_obstacle(channel: discord.abc.MessageableChannel) -> str:
    """Why the bot cannot answer in a channel; empty if it can, as far as it knows."""
    guild = getattr(channel, "guild", None)
    if guild is None or isinstance(channel, discord.PartialMessageable):
        return ""
    may = channel.permissions_for(guild.me)
    if isinstance(channel, discord.Thread):
        if channel.locked and not may.manage_threads:
            return THREAD_LOCKED.format(place=_format_channel_mention(channel))
        return (
            "" if may.send_messages_in_threads else NO_WRITE_PERMISSION.format(place=_format_channel_mention(channel))
        )
    return "" if may.send_messages else NO_WRITE_PERMISSION.format(place=_format_channel_mention(channel))


def _format_channel_mention(channel: discord.abc.MessageableChannel) -> str:
    return f"<#{channel.id}>"
