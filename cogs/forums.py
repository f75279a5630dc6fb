"""A new post in a forum or help channel that an admin has chosen: answered unasked, but only where it is clear."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from typing import TYPE_CHECKING

import discord
from discord.ext import commands

from bot.discord_adapter import ChannelSurface, can_write
from bot.discord_adapter.tracked_questions import TrackedQuestion, is_in_edit_window, put_bounded
from bot.discord_adapter.visibility import Visibility, channel_ids_of, role_ids_of
from bot.domain import QUESTION_LIMIT
from bot.records import AnswerRecord

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.answers.service import AnswerService
    from bot.discord_adapter import Components

_log = logging.getLogger(__name__)


class Forums(commands.Cog):
    """Whoever posts where help is given is helped, if the documents speak clearly of it; else the bot stays quiet.

    ``follows_edits``: a post that is edited soon is looked at anew. ``clock`` gives Unix seconds.
    """

    def __init__(
        self,
        answer_service: AnswerService,
        client: discord.Client,
        visibility: Visibility | None = None,
        *,
        follows_edits: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._answer_service = answer_service
        self._client = client
        self._visibility = visibility or Visibility()
        self._follows_edits = follows_edits
        self._clock = clock
        self._posts: OrderedDict[int, TrackedQuestion] = OrderedDict()

    @commands.Cog.listener()
    async def on_message(self, message: discord.Message) -> None:
        """Look at what may be a new post; whoever addresses the bot is answered elsewhere."""
        if message.guild is None or message.author.bot or message.webhook_id or not is_post(message):
            return
        if self._client.user in message.mentions:
            return
        chosen = await self._answer_service.load_guild_settings(message.guild.id)
        if chosen.forums.isdisjoint(channel_ids_of(message.channel)) or not self._answer_service.is_new_event(
            message.id
        ):
            return
        question = extract_post_question(message)
        post = put_bounded(self._posts, message.id, TrackedQuestion(question, message.channel.id))
        if not question:
            _log.info("A post in channel %s has no words that can be read: MESSAGE_CONTENT is off", message.channel.id)
            return
        await self._answer_in_turn(message, post, message.guild)

    @commands.Cog.listener()
    async def on_raw_message_edit(self, payload: discord.RawMessageUpdateEvent) -> None:
        """Look anew at a post that was edited soon: its answer is another one, goes, or comes."""
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
        """Answer a post no more that is gone; an answer that stands already goes as any deleted question's."""
        if post := self._posts.pop(payload.message_id, None):
            post.revision += 1

    async def _answer_in_turn(self, message: discord.Message, post: TrackedQuestion, guild: discord.Guild) -> None:
        """Answer once what was answered before is over, unless the post has changed again by then."""
        this_round = post.revision
        async with post.lock:
            if post.revision == this_round:
                await post.replace_messages(self._client, await self._answer(message, post, guild))

    async def _answer(self, message: discord.Message, post: TrackedQuestion, guild: discord.Guild) -> tuple[int, ...]:
        """Answer a post in place of what was answered before; gives the messages that stand then, none if quiet."""
        this_round = post.revision
        channel = message.channel
        if isinstance(channel, discord.abc.GuildChannel | discord.Thread) and not can_write(channel):
            return post.message_ids
        record = AnswerRecord(
            answer_id=str(message.id),
            question=post.text,
            asker_id=message.author.id,
            guild_id=guild.id,
            channel_id=channel.id,
            asked_at=message.created_at.timestamp(),
            # Not what the one who posts may see: nobody asked for it, so it is everybody's or nobody's.
            scope=await self._visibility.scope_for_channel(guild.id, channel),
            is_automatic=True,
        )
        foreseen = await self._answer_service.find_automatic_answer(record)
        if post.revision != this_round:
            return post.message_ids
        if foreseen is None:
            return ()
        if refusal := await self._answer_service.admit(record, roles=role_ids_of(message.author)):
            _log.info("Post %s is not answered: %s", message.id, refusal)
            return ()
        surfaces: list[ChannelSurface] = []

        def make_surface(components: Components) -> ChannelSurface:
            made = ChannelSurface(
                self._client,
                channel.id,
                # A page that was removed must not be found again by its nonce.
                nonce_seed=f"{record.answer_id}/{post.revision}",
                reference=message.to_reference(fail_if_not_exists=False),
                components=components,
                reused_message_ids=post.message_ids,
            )
            surfaces.append(made)
            return made

        is_thread = isinstance(channel, discord.Thread)
        await self._answer_service.ask(record, make_surface, automatic_answer=foreseen, is_thread=is_thread)
        return surfaces[0].message_ids


def is_post(message: discord.Message) -> bool:
    """Whether a message begins something: a forum's post, or a message in a channel that replies to nothing."""
    if isinstance(message.channel, discord.Thread):
        return message.id == message.channel.id
    return message.type is discord.MessageType.default


def extract_post_question(message: discord.Message) -> str:
    """A post's question: its title and its words; empty where its words cannot be read."""
    words = message.clean_content.strip()
    if not words:
        return ""
    title = message.channel.name if isinstance(message.channel, discord.Thread) else ""
    return f"{title}\n{words}".strip()[:QUESTION_LIMIT]
