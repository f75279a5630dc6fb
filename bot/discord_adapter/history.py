"""Reads the messages before a question from Discord: its chain of replies, or its thread.

Answers are taken from the records, which hold their exact text; else they are parsed from what people see.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING, Any

import aiohttp
import discord

from bot.answers.conversation import HistoryMessage, extract_question
from bot.answers.status_lines import parse_answer_message
from bot.discord_adapter.answer_buttons import parse_button_id
from bot.discord_adapter.components import parse_custom_id
from bot.discord_adapter.message_content import describe_forwarded, describe_message
from bot.domain import AnswerStatus, Turn
from bot.text.invisible import single_line

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bot.domain import Scope
    from bot.records import AnswerRecord

_log = logging.getLogger(__name__)

MAX_CHAIN_LENGTH = 12
"""Messages that are followed back along replies."""

MAX_THREAD_MESSAGES = 30
"""Messages that are read back from a thread."""

_LAST_PAGE_SEARCH_LIMIT = 50
"""Messages among which an answer's last page is looked for; others may have written in between."""

_THREAD_NAME_LIMIT = 90
_READ_ERRORS = (discord.HTTPException, aiohttp.ClientError, OSError)


class MessageHistory:
    """Reads earlier messages.

    ``recall`` finds an answer's record by its id, ``find_answer_id`` an answer's id by one of its messages.
    """

    def __init__(
        self,
        client: discord.Client,
        recall: Callable[[str], Awaitable[AnswerRecord | None]],
        find_answer_id: Callable[[int], str | None] = lambda _: None,
    ) -> None:
        self._client = client
        self._recall = recall
        self._find_answer_id = find_answer_id

    async def load_before(self, asked_with: discord.Message | discord.Interaction[Any]) -> list[HistoryMessage]:
        """Return the messages before a question, oldest first; none where the bot may not read them.

        In a thread or a direct message these are the channel's; elsewhere a message's chain of replies.
        """
        channel: Any = asked_with.channel
        if is_conversation(channel):
            return await self._load_channel_history(channel, asked_with.id)
        return await self._load_reply_chain(asked_with) if isinstance(asked_with, discord.Message) else []

    async def _load_channel_history(
        self, channel: discord.abc.MessageableChannel, question_id: int
    ) -> list[HistoryMessage]:
        """Return the messages of a thread or direct message before a question, which is a message or a command."""
        history: deque[HistoryMessage] = deque()
        try:
            # Not only what is above the question: while it waited, an earlier one was answered below it.
            async for other in channel.history(limit=MAX_THREAD_MESSAGES):
                await self._add_thread_message(history, other, question_id)
        except _READ_ERRORS as error:
            _log.debug("Reading the messages of channel %s failed: %s", channel.id, type(error).__name__)
        if isinstance(channel, discord.Thread) and isinstance(channel.parent, discord.TextChannel):
            starter = await self._fetch_message(channel.parent, channel.id)
            if starter and len(history) < MAX_THREAD_MESSAGES:
                self._prepend(history, await self._load_thread_starter(starter))
        return list(history)

    async def fetch_reply_target(self, message: discord.Message) -> discord.Message | None:
        """Return the message that this one replies to; None if there is none, or it cannot be read."""
        reference = await self._fetch_reference(message)
        if reference is None or reference.message_id is None or reference.type is discord.MessageReferenceType.forward:
            return None
        if isinstance(reference.resolved, discord.Message):
            return reference.resolved
        if isinstance(reference.resolved, discord.DeletedReferencedMessage):
            return None
        return await self._fetch_message(message.channel, reference.message_id)

    async def find_record(self, answer: discord.Message) -> AnswerRecord | None:
        """Return the record of the answer that one of the bot's own messages shows."""
        answer_ids = [self._find_answer_id(answer.id), *_find_answer_ids(answer)]
        if answer.interaction_metadata:
            answer_ids.append(str(answer.interaction_metadata.id))
        if not any(answer_ids) and (reference := await self._fetch_reference(answer)):
            answer_ids.append(str(reference.message_id))
        # A thread has the id of the message it was opened from; it may be this answer's or its thread's.
        answer_ids.append(str(answer.id))
        if isinstance(answer.channel, discord.Thread):
            answer_ids.append(str(answer.channel.id))
        for answer_id in filter(None, answer_ids):
            record = await self._recall(answer_id)
            if record and (answer.id in record.message_ids or answer_id != str(answer.channel.id)):
                return record
        return None

    async def _find_record_around(self, page: discord.Message) -> AnswerRecord | None:
        """Return the record of a long answer from an inner page: the buttons are below its last page."""
        if page.interaction_metadata or _shows_answer(page):
            return None
        try:
            async for later in page.channel.history(limit=_LAST_PAGE_SEARCH_LIMIT, after=page):
                for answer_id in _find_answer_ids(later) if self.is_own(later) else ():
                    record = await self._recall(answer_id)
                    if record and page.id in record.message_ids:
                        return record
        except _READ_ERRORS as error:
            _log.debug("Reading the messages after %s failed: %s", page.id, type(error).__name__)
        return None

    def is_own(self, message: discord.Message) -> bool:
        """Return whether the bot itself wrote the message."""
        return self._client.user is not None and message.author.id == self._client.user.id

    def is_addressed(self, message: discord.Message) -> bool:
        """Return whether a message is meant for the bot: a mention, a reply to it, or a direct message.

        A reply that does not ping has no content without the message-content intent; it is then ignored.
        """
        if isinstance(message.channel, discord.DMChannel) or self._client.user in message.mentions:
            return True
        if message.guild and message.guild.self_role in message.role_mentions:
            return True
        target = message.reference.resolved if message.reference else None
        return isinstance(target, discord.Message) and self.is_own(target) and bool(message.content)

    def read_question(self, message: discord.Message) -> str:
        """Return the question in a message, without the bot's mention and with other mentions as names."""
        names = {f"<@{user.id}>": f"@{user.display_name}" for user in message.mentions}
        names |= {f"<@!{user.id}>": f"@{user.display_name}" for user in message.mentions}
        names |= {f"<#{channel.id}>": f"#{channel.name}" for channel in message.channel_mentions}
        names |= {f"<@&{role.id}>": f"@{role.name}" for role in message.role_mentions}
        # A forward has no text of its own: in a direct message it is the question.
        return extract_question(message.content, self.get_bot_mentions(message), names) or describe_forwarded(message)

    def read_pointed_message(self, message: discord.Message) -> str:
        """Return everything that a message says which somebody replies to, or chooses by its menu."""
        text = "" if message.message_snapshots else self.read_question(message)
        return describe_message(message, text)

    def get_bot_mentions(self, message: discord.Message) -> frozenset[str]:
        """Return the mentions that address the bot: its user, or its own role in this guild."""
        bot_id = self._client.user.id if self._client.user else 0
        role = message.guild.self_role if message.guild else None
        return frozenset({f"<@{bot_id}>", f"<@!{bot_id}>", *([f"<@&{role.id}>"] if role else [])})

    async def _load_reply_chain(self, message: discord.Message) -> list[HistoryMessage]:
        history: deque[HistoryMessage] = deque()
        at = message
        for _ in range(MAX_CHAIN_LENGTH):
            earlier = await self.fetch_reply_target(at)
            if earlier is None:
                break
            if not self.is_own(earlier):
                self._prepend(history, self._parse_user_message(earlier))
            elif record := await self.find_record(earlier) or await self._find_record_around(earlier):
                history.appendleft(self._message_from_record(record))
                question = await self._fetch_question_message(earlier, record)
                if question is None:
                    history.appendleft(_question_from_record(record, _get_asker_name(earlier)))
                    break
                self._prepend(history, self._parse_user_message(question))
                at = question
                continue
            else:
                self._prepend(history, self._parse_answer_message(earlier))
            at = earlier
        return list(history)

    async def _load_thread_starter(self, starter: discord.Message) -> HistoryMessage | None:
        """Return the question of the message that a thread was opened from, typed or asked with a command."""
        if not self.is_own(starter) or not starter.interaction_metadata:
            return self._parse_user_message(starter)
        record = await self._recall(str(starter.interaction_metadata.id))
        return _question_from_record(record, _get_asker_name(starter)) if record else None

    async def _add_thread_message(
        self, history: deque[HistoryMessage], message: discord.Message, question_id: int
    ) -> None:
        """Prepend one message of a thread to the history, if it belongs before the question."""
        is_above = message.id < question_id
        if not self.is_own(message):
            self._prepend(history, self._parse_user_message(message) if is_above else None)
            return
        record = await self.find_record(message)
        if record is None:
            self._prepend(history, self._parse_answer_message(message) if is_above else None)
        elif int(record.answer_id) < question_id and message.id == min(record.message_ids, default=message.id):
            history.appendleft(self._message_from_record(record))
            if message.interaction_metadata:
                history.appendleft(_question_from_record(record, _get_asker_name(message)))

    async def _fetch_question_message(self, answer: discord.Message, record: AnswerRecord) -> discord.Message | None:
        """Return the message that an answer answers; None if it was a command, or is deleted."""
        if answer.interaction_metadata:
            return None
        question = await self.fetch_reply_target(answer)
        if question is None and record.answer_id.isdecimal():
            question = await self._fetch_message(answer.channel, int(record.answer_id))
        return question if question and question.content else None

    async def _fetch_reference(self, message: discord.Message) -> discord.MessageReference | None:
        if message.reference is None and message.type is discord.MessageType.reply:
            # Discord may leave out the reference of a message that is itself sent as a reference.
            whole = await self._fetch_message(message.channel, message.id)
            return whole.reference if whole else None
        return message.reference

    async def _fetch_message(self, channel: discord.abc.MessageableChannel, message_id: int) -> discord.Message | None:
        try:
            return await channel.fetch_message(message_id)
        except _READ_ERRORS as error:
            _log.debug("Reading message %s failed: %s", message_id, type(error).__name__)
            return None

    def _parse_user_message(self, message: discord.Message) -> HistoryMessage | None:
        """Return what a person wrote; None if there is nothing to read, or another bot wrote it."""
        text = self.read_pointed_message(message)
        if not text or message.author.bot:
            return None
        return HistoryMessage(Turn(message.author.display_name, text), message.author.id)

    def _parse_answer_message(self, answer: discord.Message) -> HistoryMessage | None:
        """Return an answer that has no record; None for anything else the bot wrote."""
        text, is_finished = parse_answer_message(answer.content) if _shows_answer(answer) else ("", False)
        return self._make_own_message(text, is_finished=is_finished) if text else None

    def _message_from_record(self, record: AnswerRecord) -> HistoryMessage:
        is_finished = record.status is not AnswerStatus.WRITING and not record.status.is_interrupted
        return self._make_own_message(record.text.strip(), is_finished=is_finished, scope=record.scope)

    def _make_own_message(self, text: str, *, is_finished: bool, scope: Scope | None = None) -> HistoryMessage:
        name, own_id = (self._client.user.display_name, self._client.user.id) if self._client.user else ("", 0)
        return HistoryMessage(Turn(name, text, is_answer=True), own_id, is_finished, scope)

    @staticmethod
    def _prepend(history: deque[HistoryMessage], message: HistoryMessage | None) -> None:
        if message:
            history.appendleft(message)


def is_conversation(channel: object) -> bool:
    """Return whether the messages of a channel belong together: in a thread or a direct message."""
    return isinstance(channel, discord.Thread | discord.DMChannel)


def format_thread_name(question: str) -> str:
    """Return a thread's name: the first words of its question."""
    text = single_line(question)
    return text if len(text) <= _THREAD_NAME_LIMIT else f"{text[:_THREAD_NAME_LIMIT].rsplit(' ', 1)[0]}…"


def _question_from_record(record: AnswerRecord, name: str) -> HistoryMessage:
    return HistoryMessage(Turn(name, record.question), record.asker_id)


def _find_answer_ids(answer: discord.Message) -> list[str]:
    """Return the answer's id from the buttons below its last page; nothing for its earlier pages."""
    rows = [row for row in answer.components if isinstance(row, discord.ActionRow)]
    button_ids = [parse_button_id(parse_custom_id(button.custom_id or "")) for row in rows for button in row.children]
    return [button_id.answer_id for button_id in button_ids[:1] if button_id]


def _shows_answer(message: discord.Message) -> bool:
    """Return whether one of the bot's messages is an answer's first or last page, judged by itself.

    The last page has an answer's buttons. The first is a reply to its question; a note that is a reply is in small
    text.
    """
    is_reply = message.type is discord.MessageType.reply and not message.interaction_metadata
    return is_reply or bool(_find_answer_ids(message))


def _get_asker_name(answer: discord.Message) -> str:
    return answer.interaction_metadata.user.display_name if answer.interaction_metadata else "somebody"
