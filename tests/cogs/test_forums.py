"""New posts where an admin wants them answered: only where the documents speak clearly, and marked as unasked."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from bot.access.scopes import Rule
from bot.answers.status_lines import AUTOMATIC_NOTE
from bot.domain import SHARED
from bot.errors import NothingFound
from bot.records import AnswerStatus
from bot.simulator.world import ChannelKind, World
from cogs.forums import Forums
from tests.fakes.answerer import FakeAnswerer, Pause, Script
from tests.fakes.bot_in_guild import wait_until
from tests.fakes.running_bot import EchoAnswerer, running_bot

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from bot.simulator.world import Channel, Message
    from tests.fakes.running_bot import RunningBot

CLEAR_SCRIPT = Script(["Two weeks [1]."], is_confident=True)
VAGUE_SCRIPT = Script(["Perhaps."], is_confident=False)
POST_TITLE, POST_TEXT = "Refunds", "How long do they take?"


@dataclass(frozen=True, slots=True)
class HelpForums:
    """A forum that is answered, and one that is not."""

    chat: RunningBot
    answered_forum: Channel
    ignored_forum: Channel

    def create_post(self, forum: Channel | None = None, text: str = POST_TEXT) -> Message:
        return self.chat.world.people.create_forum_post(
            (forum or self.answered_forum).id, self.chat.world.find_user("Ben").id, POST_TITLE, text
        )

    def current_replies(self, post: Message) -> list[Message]:
        """What the bot says below a post at this moment."""
        return self.chat.bot_messages(self.chat.world.channels[post.channel_id])

    async def wait_for_answer(self, post: Message) -> Message:
        place = self.chat.world.channels[post.channel_id]
        await wait_until(
            lambda: any(AUTOMATIC_NOTE in message.current_state.content for message in self.chat.bot_messages(place))
        )
        await self.chat.wait_until_idle()
        return self.chat.bot_messages(place)[0]

    async def wait_for_replies(self, post: Message) -> list[Message]:
        await asyncio.sleep(0.3)
        await self.chat.wait_until_idle()
        return self.chat.bot_messages(self.chat.world.channels[post.channel_id])


@asynccontextmanager
async def help_forums(
    script: Script | FakeAnswerer = CLEAR_SCRIPT,
    *,
    reads_messages: bool = True,
    **settings: Any,
) -> AsyncGenerator[HelpForums]:
    world = World.create_default()
    guild_id = world.find_channel("general").guild_id or 0
    chosen = world.admin.add_channel(guild_id, "answered", kind=ChannelKind.FORUM)
    other = world.admin.add_channel(guild_id, "quiet", kind=ChannelKind.FORUM)
    rules = {"team": Rule(guilds=frozenset({guild_id})), "bens": Rule(users=frozenset({world.find_user("Ben").id}))}
    answerer = FakeAnswerer(script) if isinstance(script, Script) else script
    async with running_bot(answerer, reads_messages=reads_messages, world=world, rules=rules, **settings) as chat:
        await chat.admission.guild_settings.set(guild_id, "forums", [str(chosen.id)])
        yield HelpForums(chat, chosen, other)


async def test_a_new_post_is_answered_below_it_and_marked_as_automatic() -> None:
    async with help_forums() as desk:
        post = desk.create_post()
        answer = await desk.wait_for_answer(post)
        (question,) = desk.chat.answerer.questions
        labels = [button.get("label") for button in answer.current_state.components[0]["components"]]
        record = await desk.chat.records.load_answer(str(post.id))
    assert question.text == f"{POST_TITLE}\n{POST_TEXT}"
    assert answer.reference_id == post.id
    assert f"-# {AUTOMATIC_NOTE}" in answer.current_state.content
    assert labels == ["Solved", "Not helpful", "Sources"]
    assert record is not None
    assert record.is_automatic


async def test_forum_post_is_answered_with_everybodys_scope() -> None:
    async with help_forums() as desk:
        await desk.wait_for_answer(desk.create_post())
        assert desk.chat.answerer.questions[0].scope.collections == {SHARED, "team"}


@pytest.mark.parametrize("script", [VAGUE_SCRIPT, Script(refusal=NothingFound("The documents do not speak of it."))])
async def test_forum_post_without_clear_evidence_is_not_answered(script: Script) -> None:
    async with help_forums(script) as desk:
        post = desk.create_post()
        assert not await desk.wait_for_replies(post)
        assert await desk.chat.records.load_answer(str(post.id)) is None


async def test_other_forums_and_later_messages_are_left_alone() -> None:
    async with help_forums() as desk:
        assert not await desk.wait_for_replies(desk.create_post(desk.ignored_forum))
        post = desk.create_post()
        await desk.wait_for_answer(post)
        desk.chat.say("Ben", "Anyone?", channel=desk.chat.world.channels[post.channel_id])
        await desk.chat.wait_until_idle()
        assert len(desk.chat.answerer.questions) == 1


async def test_without_the_intent_a_post_cannot_be_read_and_is_left_alone() -> None:
    async with help_forums(reads_messages=False) as desk:
        assert not await desk.wait_for_replies(desk.create_post())
        assert not desk.chat.answerer.questions


async def test_forum_post_that_mentions_the_bot_is_answered_once_as_a_mention() -> None:
    async with help_forums() as desk:
        post = desk.create_post(text=f"{desk.chat.bot_mention} {POST_TEXT}")
        await wait_until(lambda: bool(desk.chat.bot_messages(desk.chat.world.channels[post.channel_id])))
        assert len(await desk.wait_for_replies(post)) == 1
        assert len(desk.chat.answerer.questions) == 1


async def test_a_help_channels_messages_are_posts_but_replies_are_not() -> None:
    async with help_forums() as desk:
        chat = desk.chat
        await chat.admission.guild_settings.set(chat.general.guild_id or 0, "forums", [str(chat.general.id)])
        first = chat.say("Ben", POST_TEXT)
        answer = await chat.wait_for_answer(first)
        chat.reply_without_ping("Ada", "I think so too", first)
        await chat.wait_until_idle()
        assert AUTOMATIC_NOTE in answer.current_state.content
        assert len(chat.answerer.questions) == 1


async def test_a_post_over_the_budget_is_left_alone() -> None:
    async with help_forums(questions_per_minute=1) as desk:
        await desk.wait_for_answer(desk.create_post())
        assert not await desk.wait_for_replies(desk.create_post())


def create_answerer(**clear: Script) -> EchoAnswerer:
    """Speaks clearly of these posts, by a word of theirs, and vaguely of whatever else."""
    return EchoAnswerer(scripts={f"{POST_TITLE}\n{word}?": script for word, script in clear.items()})


async def test_a_post_edited_soon_is_answered_anew_in_place() -> None:
    async with help_forums(
        create_answerer(Refnuds=CLEAR_SCRIPT, Holidays=Script(["Thirty days [1]."], is_confident=True))
    ) as desk:
        post = desk.create_post(text="Refnuds?")
        answer = await desk.wait_for_answer(post)
        desk.chat.edit_message(post, "Holidays?")
        await wait_until(lambda: "Thirty days" in answer.current_state.content)
        assert await desk.wait_for_replies(post) == [answer]
        record = await desk.chat.records.load_answer(str(post.id))
    assert f"-# {AUTOMATIC_NOTE}" in answer.current_state.content
    assert record is not None
    assert record.question == f"{POST_TITLE}\nHolidays?"


async def test_a_post_edited_while_it_is_answered_is_answered_anew_in_place() -> None:
    endless = Script([step for n in range(200) for step in (f"word{n} ", Pause(0.05))], is_confident=True)
    async with help_forums(create_answerer(Refunds=endless, Holidays=CLEAR_SCRIPT)) as desk:
        post = desk.create_post(text="Refunds?")
        await wait_until(
            lambda: any("word3" in message.current_state.content for message in desk.current_replies(post))
        )
        (answer,) = desk.current_replies(post)
        desk.chat.edit_message(post, "Holidays?")
        await wait_until(lambda: "Two weeks" in answer.current_state.content)
        assert await desk.wait_for_replies(post) == [answer]
        assert desk.chat.answerer.answers[0].is_closed


async def test_answer_is_deleted_if_the_edited_post_has_no_clear_evidence() -> None:
    async with help_forums(create_answerer(Refunds=CLEAR_SCRIPT, Holidays=CLEAR_SCRIPT)) as desk:
        post = desk.create_post(text="Refunds?")
        await desk.wait_for_answer(post)
        desk.chat.edit_message(post, "Something else?")
        await wait_until(lambda: not desk.current_replies(post))
        desk.chat.edit_message(post, "Holidays?")
        assert "Two weeks" in (await desk.wait_for_answer(post)).current_state.content


@pytest.mark.parametrize("text", ["Something?", ""], ids=["unclear at first", "without words at first"])
async def test_post_with_clear_evidence_after_an_edit_is_answered(text: str) -> None:
    async with help_forums(create_answerer(Refunds=CLEAR_SCRIPT)) as desk:
        post = desk.create_post(text=text)
        assert not await desk.wait_for_replies(post)
        desk.chat.edit_message(post, "Refunds?")
        assert "Two weeks" in (await desk.wait_for_answer(post)).current_state.content


@pytest.mark.parametrize("is_late", [False, True], ids=["turned off", "too late"])
async def test_an_edit_that_is_too_late_or_not_followed_leaves_the_answer(*, is_late: bool) -> None:
    async with help_forums(create_answerer(Refunds=CLEAR_SCRIPT), follow_edits=is_late) as desk:
        post = desk.create_post(text="Refunds?")
        answer = await desk.wait_for_answer(post)
        if is_late:
            forums = desk.chat.client.get_cog("Forums")
            assert isinstance(forums, Forums)
            forums._clock = lambda: time.time() + 121
        desk.chat.edit_message(post, "Something else?")
        assert await desk.wait_for_replies(post) == [answer]
        assert len(desk.chat.answerer.questions) == 1


async def test_deleting_a_post_deletes_its_automatic_answer() -> None:
    async with help_forums() as desk:
        post = desk.create_post()
        await desk.wait_for_answer(post)
        desk.chat.world.delete(post.id)
        await wait_until(lambda: not desk.chat.bot_messages(desk.chat.world.channels[post.channel_id]))


async def test_deleting_a_post_while_it_is_answered_removes_the_answer() -> None:
    endless = Script([step for n in range(200) for step in (f"word{n} ", Pause(0.05))], is_confident=True)
    async with help_forums(endless) as desk:
        post = desk.create_post()
        place = desk.chat.world.channels[post.channel_id]
        await wait_until(
            lambda: any("word3" in message.current_state.content for message in desk.chat.bot_messages(place))
        )
        desk.chat.world.delete(post.id)
        await wait_until(lambda: not desk.chat.bot_messages(place))
        await wait_until(lambda: not desk.chat.driver.open_answers)
        assert desk.chat.answerer.answers[0].is_closed


async def test_solved_and_not_helpful_are_votes() -> None:
    async with help_forums() as desk:
        chat = desk.chat
        post = desk.create_post()
        answer = await desk.wait_for_answer(post)
        solved, unhelpful, _ = answer.current_state.components[0]["components"]
        chat.world.people.press(answer.id, solved["custom_id"], chat.world.find_user("Ben").id)
        chat.world.people.press(answer.id, unhelpful["custom_id"], chat.world.find_user("Ada").id)
        await asyncio.sleep(0.3)
        votes = await chat.records.load_votes(str(post.id))
        (gap,) = await chat.records.load_gaps(chat.general.guild_id, 0, 5)
    assert {vote.user_id: vote.is_up for vote in votes} == {
        chat.world.find_user("Ben").id: True,
        chat.world.find_user("Ada").id: False,
    }
    assert gap.status is AnswerStatus.COMPLETE
