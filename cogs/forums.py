"""Answers new posts in forums and help channels that admins chose, but only where the answer is clear."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import discord
from discord.ext import commands

from bot.answers.automatic import find_automatic_answer
from bot.answers.destination import OpenedSurface
from bot.discord_adapter import ChannelSurface, can_write
from bot.discord_adapter.answer_buttons import AnswerComponents
from bot.discord_adapter.destinations import build_question
from bot.discord_adapter.tracked_questions import TrackedQuestion, is_in_edit_window, put_bounded
from bot.discord_adapter.visibility import channel_ids_of
from bot.domain import QUESTION_LIMIT
from bot.errors import QuestionRefused

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.access.admission import GuildSettingsStore
    from bot.answers.destination import OpenAnswer
    from bot.answers.service import AnswerService
    from bot.discord_adapter.client import DocentClient
    from bot.discord_adapter.visibility import Visibility
    from bot.domain import Answerer

_log = logging.getLogger(__name__)


class Forums(commands.Cog):
    """Answers new posts in the channels that admins chose, where the documents answer them clearly.

    Args:
        answer_service: Answers the question.
        client: The bot itself.
        visibility: Says which collections a channel's readers may see.
        guild_settings: What each guild's admins have set.
        answerer: Finds out whether the documents answer a post.
        follows_edits: A post that is edited soon is answered again.
        clock: Returns Unix seconds.
    """

    def __init__(  # noqa: PLR0913 - its collaborators, each by name
        self,
        answer_service: AnswerService,
        client: DocentClient,
        visibility: Visibility,
        guild_settings: GuildSettingsStore,
        answerer: Answerer,
        *,
        follows_edits: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._answer_service = answer_service
        self._client = client
        self._visibility = visibility
        self._guild_settings = guild_settings
        self._answerer = answerer
        self._follows_edits = follows_edits
        self._clock = clock
        self._posts: OrderedDict[int, TrackedQuestion] = OrderedDict()

    @commands.Cog.listener()
    async def on_message(self, message: discord.Message) -> None:
        """Answer a new post; messages that address the bot are answered by another cog."""
        if message.guild is None or message.author.bot or message.webhook_id or not is_post(message):
            return
        if self._client.user in message.mentions:
            return
        settings = await self._guild_settings.load(message.guild.id)
        if settings.forums.isdisjoint(channel_ids_of(message.channel)) or not self._client.events.is_first(message.id):
            return
        question = extract_post_question(message)
        post = put_bounded(self._posts, message.id, TrackedQuestion(question, message.channel.id))
        if not question:
            _log.info("A post in channel %s was not read: MESSAGE_CONTENT is off", message.channel.id)
            return
        await self._answer_in_turn(message, post, message.guild)

    @commands.Cog.listener()
    async def on_raw_message_edit(self, payload: discord.RawMessageUpdateEvent) -> None:
        """Answer a post again that was edited soon after it was posted."""
        message, post = payload.message, self._posts.get(payload.message_id)
        if (
            post is None
            or message.guild is None
            or not self._follows_edits
            or not is_in_edit_window(message, self._clock())
        ):
            return
        question = extract_post_question(message)
        if question == post.text:
            return
        post.text = question
        post.revision += 1
        self._answer_service.stop(str(message.id), message.author.display_name)
        await self._answer_in_turn(message, post, message.guild)

    @commands.Cog.listener()
    async def on_raw_message_delete(self, payload: discord.RawMessageDeleteEvent) -> None:
        """Stop answering a deleted post; a posted answer is deleted as with any question."""
        if post := self._posts.pop(payload.message_id, None):
            post.revision += 1

    async def _answer_in_turn(self, message: discord.Message, post: TrackedQuestion, guild: discord.Guild) -> None:
        """Answer the post after its previous answer has ended, unless it was edited again meanwhile."""
        revision = post.revision
        async with post.lock:
            if post.revision == revision:
                await post.replace_messages(self._client, await self._answer(message, post, guild))

    async def _answer(self, message: discord.Message, post: TrackedQuestion, guild: discord.Guild) -> tuple[int, ...]:
        """Answer the post, replacing an earlier answer; return the ids of the bot's messages, empty if none."""
        revision = post.revision
        channel = message.channel
        if isinstance(channel, discord.abc.GuildChannel | discord.Thread) and not can_write(channel):
            return post.message_ids
        settings = await self._guild_settings.load(guild.id)
        # Not what the author may see: nobody asked, so everybody who reads the channel must be allowed to see it.
        scope = await self._visibility.scope_for_channel(guild.id, channel)
        question = replace(build_question(message, post.text, scope, settings), is_automatic=True)
        answer = await find_automatic_answer(self._answerer, question)
        if post.revision != revision:
            return post.message_ids
        if answer is None:
            return ()
        destination = _PostDestination(self._client, message, post)
        try:
            await self._answer_service.ask(question, destination, settings, answer=answer)
        except QuestionRefused as error:
            _log.info("Post %s is not answered: %s", message.id, error.user_message)
        return destination.message_ids


@dataclass(slots=True)
class _PostDestination:
    """A reply to a post, which reuses the messages of an earlier answer."""

    client: discord.Client
    message: discord.Message
    post: TrackedQuestion
    surface: ChannelSurface | None = None

    @property
    def channel_ids(self) -> frozenset[int]:
        """As ``Destination.channel_ids``: admins have chosen this channel, whatever else they allow."""
        return frozenset()

    @property
    def message_ids(self) -> tuple[int, ...]:
        return self.surface.message_ids if self.surface else ()

    async def open(self, answer: OpenAnswer) -> OpenedSurface:
        """As ``Destination.open``."""
        channel = self.message.channel
        self.surface = ChannelSurface(
            self.client,
            channel.id,
            # A page that was removed must not be found again by its nonce.
            nonce_seed=f"{answer.answer_id}/{self.post.revision}",
            reference=self.message.to_reference(fail_if_not_exists=False),
            components=AnswerComponents(answer),
            reused_message_ids=self.post.message_ids,
        )
        return OpenedSurface(self.surface, channel.id, is_conversation=isinstance(channel, discord.Thread))


def is_post(message: discord.Message) -> bool:
    """Return whether a message begins a topic: a forum's post, or a message that replies to nothing."""
    if isinstance(message.channel, discord.Thread):
        return message.id == message.channel.id
    return message.type is discord.MessageType.default


def extract_post_question(message: discord.Message) -> str:
    """Return a post's question: its title and text; "" if its text cannot be read."""
    text = message.clean_content.strip()
    if not text:
        return ""
    title = message.channel.name if isinstance(message.channel, discord.Thread) else ""
    return f"{title}\n{text}".strip()[:QUESTION_LIMIT]
