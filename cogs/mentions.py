"""Answers messages that address the bot: by mention, by reply or in a direct message."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import aiohttp
import discord
from discord.ext import commands

from bot.answers.conversation import add_quotation
from bot.answers.destination import OpenedSurface
from bot.answers.session import report_unexpected_error
from bot.discord_adapter import ChannelSurface
from bot.discord_adapter.answer_buttons import AnswerComponents
from bot.discord_adapter.destinations import QuestionContext, build_question, is_refused
from bot.discord_adapter.history import MessageHistory, format_thread_name, is_conversation
from bot.discord_adapter.message_content import list_files
from bot.discord_adapter.replies import send_notice
from bot.discord_adapter.reposts import Reposts
from bot.discord_adapter.tracked_questions import TrackedQuestion, is_in_edit_window, put_bounded
from bot.discord_adapter.visibility import channel_ids_of
from bot.errors import QuestionRefused
from bot.streaming import Lost

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.access.admission import GuildSettingsStore
    from bot.answers.destination import OpenAnswer
    from bot.answers.service import AnswerService
    from bot.discord_adapter.attachments import AttachmentReader
    from bot.discord_adapter.client import DocentClient
    from bot.discord_adapter.visibility import Visibility

_log = logging.getLogger(__name__)

# In small text, which is not part of any conversation.
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
"""With this many answers in progress in a channel, the next one's first text may have to wait."""
_HINT_SECONDS, _CHANNEL_HINT_SECONDS, _NOTICE_SECONDS = 60.0, 5.0, 5.0
"""Seconds between two hints to one person, two hints in one channel, and two notices to one person."""
_FAILURE_EMOJI = "❌"
_MESSAGE_TYPES = {discord.MessageType.default, discord.MessageType.reply}
_REQUEST_ERRORS = (discord.HTTPException, aiohttp.ClientError, OSError)


@dataclass(frozen=True, slots=True)
class MentionOptions:
    """What the operator allows.

    ``crowd``: with this many answers in progress in a channel, the next one opens a thread, which has its own
    rate-limit bucket. ``bots`` are the names or ids of other bots and webhooks that are
    answered.
    """

    direct_messages: bool = False
    follows_edits: bool = True
    follows_deletions: bool = True
    crowd: int = 4
    bots: frozenset[str] = frozenset()


class Mentions(commands.Cog):
    """Answers messages that address the bot, with a reply.

    Args:
        answer_service: Answers the question.
        client: The bot itself.
        visibility: Says which collections the author may see where.
        guild_settings: What each guild's admins have set.
        attachment_reader: Reads the files that came with a question.
        options: What the operator allows.
        clock: Returns Unix seconds.
    """

    def __init__(  # noqa: PLR0913 - its collaborators, each by name
        self,
        answer_service: AnswerService,
        client: DocentClient,
        visibility: Visibility,
        guild_settings: GuildSettingsStore,
        attachment_reader: AttachmentReader,
        *,
        options: MentionOptions | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._answer_service = answer_service
        self.client = client
        self._visibility = visibility
        self._guild_settings = guild_settings
        self._attachment_reader = attachment_reader
        self._options = options or MentionOptions()
        self._clock = clock
        self._tracked_questions: OrderedDict[int, TrackedQuestion] = OrderedDict()
        self._answer_ids: OrderedDict[int, str] = OrderedDict()
        self._notified_user_ids: OrderedDict[int, bool] = OrderedDict()
        self._notice_times: OrderedDict[tuple[str, int], float] = OrderedDict()
        self._open_replies: dict[str, _ReplyDestination] = {}
        self._reposts = Reposts(clock, reads_messages=client.intents.message_content)
        self._history = MessageHistory(client, answer_service.recall, self._find_answer_id)

    @commands.Cog.listener()
    async def on_message(self, message: discord.Message) -> None:
        """Answer a message that addresses the bot, once."""
        if not self._history.is_own(message) and (repeated := self._reposts.match(message)) is not None:
            # A proxy posted a question again: from now on it is this message that is edited or deleted.
            put_bounded(self._tracked_questions, message.id, repeated)
            return
        if (
            self._is_ignored(message)
            or not self._history.is_addressed(message)
            or not self.client.events.is_first(message.id)
        ):
            return
        if message.guild is None and not self._options.direct_messages:
            await self._refuse_direct_message(message)
            return
        question, files = await self._read_question(message)
        tracked_question = put_bounded(
            self._tracked_questions,
            message.id,
            TrackedQuestion(question, message.channel.id, answer_id=str(message.id), files=files),
        )
        self._reposts.add_question(message, tracked_question)
        if question:
            await self._answer_in_turn(message, tracked_question)
            return
        async with tracked_question.lock:
            await self._explain_usage(message, tracked_question)

    @commands.Cog.listener()
    async def on_raw_message_edit(self, payload: discord.RawMessageUpdateEvent) -> None:
        """Answer a question again that was edited soon after it was asked, in place of its answer."""
        tracked_question = self._tracked_questions.get(payload.message_id)
        if tracked_question is None or not self._options.follows_edits:
            return
        if not is_in_edit_window(payload.message, self._clock()):
            return
        question, files = await self._read_question(payload.message)
        if not question or question == tracked_question.text:
            return
        tracked_question.text, tracked_question.files = question, files
        tracked_question.revision += 1
        # Of a question that a proxy posted again the asker is who wrote it first.
        original = self._reposts.find_original(tracked_question) if payload.message.webhook_id else None
        message = original or payload.message
        self._answer_service.stop(tracked_question.answer_id, message.author.display_name)
        await self._answer_in_turn(message, tracked_question)

    @commands.Cog.listener()
    async def on_raw_message_delete(self, payload: discord.RawMessageDeleteEvent) -> None:
        """Delete the answer of a deleted question."""
        await self._delete_answer(payload.message_id)

    @commands.Cog.listener()
    async def on_raw_bulk_message_delete(self, payload: discord.RawBulkMessageDeleteEvent) -> None:
        """Delete the answers of questions that were deleted together."""
        for message_id in payload.message_ids:
            await self._delete_answer(message_id)

    def _is_ignored(self, message: discord.Message) -> bool:
        """Return whether a message is not answered: the bot's own, another bot's, or Discord's own notice."""
        if self._history.is_own(message) or message.type not in _MESSAGE_TYPES:
            return True
        is_machine = message.author.bot or message.webhook_id is not None
        return is_machine and self._options.bots.isdisjoint(_names_of(message))

    async def _read_question(self, message: discord.Message) -> tuple[str, tuple[discord.Attachment, ...]]:
        """Return the question in a message and its files, with those of another's message that it replies to.

        The question is "" if there is none.
        """
        question, files = self._history.read_question(message), list_files(message)
        target = await self._history.fetch_reply_target(message)
        if target is None or self._history.is_own(target):
            return question, tuple(files)
        files += list_files(target)
        return add_quotation(question, self._history.read_pointed_message(target)), tuple(files)

    async def _answer_in_turn(self, message: discord.Message, tracked_question: TrackedQuestion) -> None:
        """Answer after the previous answer has ended, unless the question was edited again meanwhile."""
        revision = tracked_question.revision
        try:
            async with tracked_question.lock:
                if tracked_question.revision == revision:
                    await self._answer(message, tracked_question)
        except Exception as error:  # noqa: BLE001 - the edge: the asker must get a reply
            await self._notify_author(message, report_unexpected_error(error, str(message.id)))

    async def _answer(self, message: discord.Message, tracked_question: TrackedQuestion) -> None:
        """Answer a message in its channel, or in a thread of its own where many answers are being written."""
        settings = await self._guild_settings.load(message.guild.id if message.guild else None)
        scope = await self._visibility.scope_for_message(self.client, message)
        files = tracked_question.files
        question = build_question(message, tracked_question.text, scope, settings, files=files)
        context = QuestionContext(self._history, message.author, scope, message, self._attachment_reader, files)
        reply = _ReplyDestination(self, message, tracked_question)
        # Under its own id: when an edit is asked again, the earlier answer may still be storing its end.
        self._open_replies[question.answer_id] = reply
        try:
            end_reason = await self._answer_service.ask(question, reply, settings, enrich=context)
        except QuestionRefused as error:
            await self._notify_author(message, error.user_message)
            return
        finally:
            await asyncio.gather(*reply.typing_tasks)
            del self._open_replies[question.answer_id]
        await self._track_answer(message, tracked_question, reply.message_ids)
        if is_refused(end_reason) or (isinstance(end_reason, Lost) and not tracked_question.message_ids):
            channel_mention = f"<#{tracked_question.channel_id}>"
            await self._notify_author(message, ANSWER_LOST.format(place=channel_mention))

    async def _track_answer(
        self, message: discord.Message, tracked_question: TrackedQuestion, message_ids: tuple[int, ...]
    ) -> None:
        """Note the messages of the answer, and delete what an earlier answer left below it."""
        for message_id in message_ids:
            put_bounded(self._answer_ids, message_id, str(message.id))
        await tracked_question.replace_messages(self.client, message_ids)

    def _find_answer_id(self, message_id: int) -> str | None:
        """Return the id of the answer that a message shows, even while its end is being stored."""
        for answer_id, reply in self._open_replies.items():
            if message_id in reply.message_ids:
                return answer_id
        return self._answer_ids.get(message_id)

    def count_open_replies(self, channel_id: int) -> int:
        """Return how many answers to mentions are open in a channel."""
        return sum(
            reply.surface is not None and reply.question.channel_id == channel_id
            for reply in self._open_replies.values()
        )

    async def choose_channel(self, message: discord.Message) -> discord.abc.MessageableChannel:
        """Return the message's channel, or a new thread where many answers are being written."""
        channel = message.channel
        if not isinstance(channel, discord.TextChannel) or self.count_open_replies(channel.id) < self._options.crowd:
            return channel
        may = channel.permissions_for(channel.guild.me)
        if not (may.create_public_threads and may.send_messages_in_threads):
            return channel
        try:
            return await message.create_thread(name=format_thread_name(self._history.read_question(message)))
        except _REQUEST_ERRORS as error:
            _log.warning("Message %s: opening a thread failed: %s", message.id, type(error).__name__)
            return channel

    async def _delete_answer(self, message_id: int) -> None:
        if not self._options.follows_deletions:
            return
        if await self._reposts.wait_for_repost(message_id):
            return
        answer_id = str(message_id)
        tracked_question = self._tracked_questions.get(message_id)
        if tracked_question is not None:
            tracked_question.revision += 1
            answer_id = tracked_question.answer_id
        self._answer_service.stop(answer_id, "the asker")
        if tracked_question is None:
            # Answered automatically, or before a restart: then the records say where.
            await self._answer_service.wait_until_done(answer_id)
            record = await self._answer_service.recall(answer_id)
            if record is None:
                return
            tracked_question = TrackedQuestion(record.question, record.channel_id, record.message_ids)
        async with tracked_question.lock:
            await tracked_question.replace_messages(self.client, ())

    async def _explain_usage(self, message: discord.Message, tracked_question: TrackedQuestion) -> None:
        """Say how to ask: there was no question, or none that can be read.

        If a question is added later by an edit, it is answered in place of this note.
        """
        if not self._is_paced(("hint", message.author.id), _HINT_SECONDS) or not self._is_paced(
            ("hints", message.channel.id), _CHANNEL_HINT_SECONDS
        ):
            return
        target = await self._history.fetch_reply_target(message)
        has_hidden = (
            target is not None
            and not self._history.is_own(target)
            and not self._history.read_pointed_message(target)
            and not list_files(target)
        )
        if refusal := find_obstacle(message.channel):
            await self._notify_author(message, refusal)
            return
        try:
            hint = UNREADABLE_REPLY if has_hidden else HOW_TO_ASK
            reply = await send_notice(message.channel, hint, reply_to=message)
            tracked_question.message_ids = (reply.id,)
        except _REQUEST_ERRORS as error:
            _log.warning("Message %s: replying failed: %s", message.id, type(error).__name__)

    def _is_paced(self, key: tuple[str, int], seconds: float) -> bool:
        """Return whether the last notice of this kind is old enough, and note this one."""
        now = self._clock()
        if now - self._notice_times.get(key, -seconds) < seconds:
            return False
        put_bounded(self._notice_times, key, now)
        return True

    async def _refuse_direct_message(self, message: discord.Message) -> None:
        """Say once to each person that direct messages are not answered."""
        if message.author.id in self._notified_user_ids:
            return
        put_bounded(self._notified_user_ids, message.author.id, value=True)
        with suppress(*_REQUEST_ERRORS):
            await send_notice(message.channel, NO_DIRECT_MESSAGES)

    async def _notify_author(self, message: discord.Message, content: str) -> None:
        """Send the asker a direct message; if they accept none, react to the question. Rate-limited."""
        if not self._is_paced(("notice", message.author.id), _NOTICE_SECONDS):
            return
        try:
            await send_notice(message.author, content)
        except _REQUEST_ERRORS:
            try:
                await message.add_reaction(_FAILURE_EMOJI)
            except _REQUEST_ERRORS as error:
                _log.warning("Message %s: nothing can be said (%s)", message.id, type(error).__name__)


@dataclass(slots=True)
class _ReplyDestination:
    """A reply to a message, which reuses the messages of an earlier answer."""

    cog: Mentions
    message: discord.Message
    question: TrackedQuestion
    surface: ChannelSurface | None = None
    typing_tasks: list[asyncio.Task[None]] = field(default_factory=list[asyncio.Task[None]])

    @property
    def channel_ids(self) -> frozenset[int]:
        """The channel that will show the answer, and a thread's parent; empty in direct messages."""
        return channel_ids_of(self.message.channel) if self.message.guild else frozenset()

    @property
    def message_ids(self) -> tuple[int, ...]:
        return self.surface.message_ids if self.surface else ()

    async def open(self, answer: OpenAnswer) -> OpenedSurface:
        """Choose the channel or a new thread, and return the surface."""
        message, question = self.message, self.question
        is_first = not question.message_ids
        channel = await self.cog.choose_channel(message) if is_first else message.channel
        if obstacle := find_obstacle(channel):
            raise QuestionRefused(obstacle)
        if is_first:
            question.channel_id = channel.id
            if self.cog.count_open_replies(channel.id) >= _TYPING_THRESHOLD:
                # Beside the answer, not before it: the next message must find this one counted.
                self.typing_tasks.append(asyncio.create_task(_show_typing(channel)))
        is_here = question.channel_id == message.channel.id
        may_refer = message.guild is None or message.channel.permissions_for(message.guild.me).read_message_history
        self.surface = ChannelSurface(
            self.cog.client,
            question.channel_id,
            # A page that was removed must not be found again by its nonce.
            nonce_seed=f"{message.id}/{question.revision}",
            reference=message.to_reference(fail_if_not_exists=False) if is_here and may_refer else None,
            components=AnswerComponents(answer),
            reused_message_ids=question.message_ids,
        )
        return OpenedSurface(self.surface, question.channel_id, is_conversation=is_conversation(channel))


async def _show_typing(channel: discord.abc.MessageableChannel) -> None:
    """Show that an answer is coming: in a busy channel its first text has to wait."""
    with suppress(*_REQUEST_ERRORS):
        await channel.typing()


def _names_of(message: discord.Message) -> frozenset[str]:
    """Return the author's name and ids, by which an operator may allow a bot or a webhook."""
    ids = (message.author.id, message.application_id, message.webhook_id)
    return frozenset({message.author.name, *(str(each) for each in ids if each is not None)})


def find_obstacle(channel: discord.abc.MessageableChannel) -> str:
    """Return why the bot cannot answer in a channel; "" if it can, as far as it knows."""
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
