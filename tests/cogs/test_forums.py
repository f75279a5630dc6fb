"""New posts where an admin wants them answered: only where the documents speak clearly, and marked as unasked."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from bot.access.budgets import Limits
from bot.access.scopes import Rule
from bot.answers.session import AUTOMATIC
from bot.domain import SHARED
from bot.errors import NothingFound
from bot.records import Fate
from bot.simulator.world import ChannelKind, World
from cogs.forums import Forums
from cogs.mentions import Manners
from tests.fakes.answerer import FakeAnswerer, Pause, Script
from tests.fakes.bot_in_guild import until
from tests.fakes.running_bot import Parrot, talking

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from bot.simulator.world import Channel, Message
    from tests.fakes.running_bot import Talk

CLEAR = Script(["Two weeks [1]."], is_confident=True)
VAGUE = Script(["Perhaps."], is_confident=False)
TITLE, WORDS = "Refunds", "How long do they take?"


@dataclass(frozen=True, slots=True)
class Help:
    """A forum that is answered, and one that is not."""

    talk: Talk
    chosen: Channel
    other: Channel

    def posts(self, forum: Channel | None = None, text: str = WORDS) -> Message:
        return self.talk.world.post((forum or self.chosen).id, self.talk.world.user_named("Ben").id, TITLE, text)

    def here(self, post: Message) -> list[Message]:
        """What the bot says below a post at this moment."""
        return self.talk.said(self.talk.world.channels[post.channel_id])

    async def answered(self, post: Message) -> Message:
        place = self.talk.world.channels[post.channel_id]
        await until(lambda: any(AUTOMATIC in message.now.content for message in self.talk.said(place)))
        await self.talk.silence()
        return self.talk.said(place)[0]

    async def said_to(self, post: Message) -> list[Message]:
        await asyncio.sleep(0.3)
        await self.talk.silence()
        return self.talk.said(self.talk.world.channels[post.channel_id])


@asynccontextmanager
async def helping(
    script: Script | FakeAnswerer = CLEAR,
    *,
    reads_messages: bool = True,
    limits: Limits | None = None,
    manners: Manners | None = None,
) -> AsyncGenerator[Help]:
    world = World.populated()
    guild_id = world.channel_named("general").guild_id or 0
    chosen = world.add_channel(guild_id, "answered", kind=ChannelKind.FORUM)
    other = world.add_channel(guild_id, "quiet", kind=ChannelKind.FORUM)
    rules = {"team": Rule(guilds=frozenset({guild_id})), "bens": Rule(users=frozenset({world.user_named("Ben").id}))}
    answerer = FakeAnswerer(script) if isinstance(script, Script) else script
    async with talking(
        answerer, manners, reads_messages=reads_messages, world=world, rules=rules, limits=limits
    ) as talk:
        await talk.admission.house.choose(guild_id, "forums", [str(chosen.id)])
        yield Help(talk, chosen, other)


async def test_a_new_post_is_answered_below_it_and_marked_as_automatic() -> None:
    async with helping() as desk:
        post = desk.posts()
        answer = await desk.answered(post)
        (question,) = desk.talk.answerer.asked
        labels = [button.get("label") for button in answer.now.components[0]["components"]]
        record = await desk.talk.records.recall(str(post.id))
    assert question.text == f"{TITLE}\n{WORDS}"
    assert answer.reference == post.id
    assert f"-# {AUTOMATIC}" in answer.now.content
    assert labels == ["Solved", "Not helpful", "Sources"]
    assert record is not None
    assert record.is_automatic


async def test_a_post_sees_what_everybody_may_see_whoever_wrote_it() -> None:
    async with helping() as desk:
        await desk.answered(desk.posts())
        assert desk.talk.answerer.asked[0].scope.collections == {SHARED, "team"}


@pytest.mark.parametrize("script", [VAGUE, Script(refusal=NothingFound("The documents do not speak of it."))])
async def test_the_bot_stays_quiet_where_the_documents_do_not_speak_clearly(script: Script) -> None:
    async with helping(script) as desk:
        post = desk.posts()
        assert not await desk.said_to(post)
        assert await desk.talk.records.recall(str(post.id)) is None


async def test_other_forums_and_later_messages_are_left_alone() -> None:
    async with helping() as desk:
        assert not await desk.said_to(desk.posts(desk.other))
        post = desk.posts()
        await desk.answered(post)
        desk.talk.says("Ben", "Anyone?", place=desk.talk.world.channels[post.channel_id])
        await desk.talk.silence()
        assert len(desk.talk.answerer.asked) == 1


async def test_without_the_intent_a_post_cannot_be_read_and_is_left_alone() -> None:
    async with helping(reads_messages=False) as desk:
        assert not await desk.said_to(desk.posts())
        assert not desk.talk.answerer.asked


async def test_a_post_that_names_the_bot_is_answered_once_as_a_mention() -> None:
    async with helping() as desk:
        post = desk.posts(text=f"{desk.talk.bot} {WORDS}")
        await until(lambda: bool(desk.talk.said(desk.talk.world.channels[post.channel_id])))
        assert len(await desk.said_to(post)) == 1
        assert len(desk.talk.answerer.asked) == 1


async def test_a_help_channels_messages_are_posts_but_replies_are_not() -> None:
    async with helping() as desk:
        talk = desk.talk
        await talk.admission.house.choose(talk.general.guild_id or 0, "forums", [str(talk.general.id)])
        first = talk.says("Ben", WORDS)
        answer = await talk.answered(first)
        talk.says_quietly("Ada", "I think so too", first)
        await talk.silence()
        assert AUTOMATIC in answer.now.content
        assert len(talk.answerer.asked) == 1


async def test_a_post_over_the_budget_is_left_alone() -> None:
    async with helping(limits=Limits(per_minute=1, at_once=0)) as desk:
        await desk.answered(desk.posts())
        assert not await desk.said_to(desk.posts())


def knowing(**clear: Script) -> Parrot:
    """Speaks clearly of these posts, by a word of theirs, and vaguely of whatever else."""
    return Parrot(taught={f"{TITLE}\n{word}?": script for word, script in clear.items()})


async def test_a_post_edited_soon_is_answered_anew_in_place() -> None:
    async with helping(knowing(Refnuds=CLEAR, Holidays=Script(["Thirty days [1]."], is_confident=True))) as desk:
        post = desk.posts(text="Refnuds?")
        answer = await desk.answered(post)
        desk.talk.rewrites(post, "Holidays?")
        await until(lambda: "Thirty days" in answer.now.content)
        assert await desk.said_to(post) == [answer]
        record = await desk.talk.records.recall(str(post.id))
    assert f"-# {AUTOMATIC}" in answer.now.content
    assert record is not None
    assert record.question == f"{TITLE}\nHolidays?"


async def test_a_post_edited_while_it_is_answered_is_answered_anew_in_place() -> None:
    endless = Script([step for n in range(200) for step in (f"word{n} ", Pause(0.05))], is_confident=True)
    async with helping(knowing(Refunds=endless, Holidays=CLEAR)) as desk:
        post = desk.posts(text="Refunds?")
        await until(lambda: any("word3" in message.now.content for message in desk.here(post)))
        (answer,) = desk.here(post)
        desk.talk.rewrites(post, "Holidays?")
        await until(lambda: "Two weeks" in answer.now.content)
        assert await desk.said_to(post) == [answer]
        assert desk.talk.answerer.answers[0].is_closed


async def test_what_was_answered_goes_where_the_documents_do_not_speak_clearly_of_the_edited_post() -> None:
    async with helping(knowing(Refunds=CLEAR, Holidays=CLEAR)) as desk:
        post = desk.posts(text="Refunds?")
        await desk.answered(post)
        desk.talk.rewrites(post, "Something else?")
        await until(lambda: not desk.here(post))
        desk.talk.rewrites(post, "Holidays?")
        assert "Two weeks" in (await desk.answered(post)).now.content


@pytest.mark.parametrize("text", ["Something?", ""], ids=["unclear at first", "without words at first"])
async def test_a_post_that_becomes_clear_with_an_edit_is_answered(text: str) -> None:
    async with helping(knowing(Refunds=CLEAR)) as desk:
        post = desk.posts(text=text)
        assert not await desk.said_to(post)
        desk.talk.rewrites(post, "Refunds?")
        assert "Two weeks" in (await desk.answered(post)).now.content


@pytest.mark.parametrize("is_late", [False, True], ids=["turned off", "too late"])
async def test_an_edit_that_is_too_late_or_not_followed_leaves_the_answer(*, is_late: bool) -> None:
    async with helping(knowing(Refunds=CLEAR), manners=Manners(follows_edits=is_late)) as desk:
        post = desk.posts(text="Refunds?")
        answer = await desk.answered(post)
        if is_late:
            forums = desk.talk.client.get_cog("Forums")
            assert isinstance(forums, Forums)
            forums._clock = lambda: time.time() + 121
        desk.talk.rewrites(post, "Something else?")
        assert await desk.said_to(post) == [answer]
        assert len(desk.talk.answerer.asked) == 1


async def test_deleting_a_post_removes_what_was_answered_unasked() -> None:
    async with helping() as desk:
        post = desk.posts()
        await desk.answered(post)
        desk.talk.world.delete(post.id)
        await until(lambda: not desk.talk.said(desk.talk.world.channels[post.channel_id]))


async def test_deleting_a_post_while_it_is_answered_removes_the_answer() -> None:
    endless = Script([step for n in range(200) for step in (f"word{n} ", Pause(0.05))], is_confident=True)
    async with helping(endless) as desk:
        post = desk.posts()
        place = desk.talk.world.channels[post.channel_id]
        await until(lambda: any("word3" in message.now.content for message in desk.talk.said(place)))
        desk.talk.world.delete(post.id)
        await until(lambda: not desk.talk.said(place))
        await until(lambda: not desk.talk.driver.open_answers)
        assert desk.talk.answerer.answers[0].is_closed


async def test_solved_and_not_helpful_are_votes() -> None:
    async with helping() as desk:
        talk = desk.talk
        post = desk.posts()
        answer = await desk.answered(post)
        solved, unhelpful, _ = answer.now.components[0]["components"]
        talk.world.press(answer.id, solved["custom_id"], talk.world.user_named("Ben").id)
        talk.world.press(answer.id, unhelpful["custom_id"], talk.world.user_named("Ada").id)
        await asyncio.sleep(0.3)
        votes = await talk.records.votes(str(post.id))
        (gap,) = await talk.records.gaps(talk.general.guild_id, 0, 5)
    assert {vote.user_id: vote.is_up for vote in votes} == {
        talk.world.user_named("Ben").id: True,
        talk.world.user_named("Ada").id: False,
    }
    assert gap.fate is Fate.COMPLETE
