"""Who is told what, where, by whichever way they ask: over the wire, with roles and channels that shut people out."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from bot.access.scopes import Rule
from bot.discord_adapter.answer_buttons import Deed, custom_id
from bot.domain import SHARED
from bot.simulator.world import Channel, ChannelKind, World
from cogs.answer_buttons import NOT_FOR_YOU
from cogs.mentions import Manners
from tests.fakes.answerer import Script
from tests.fakes.bot_in_guild import until
from tests.fakes.running_bot import Parrot, talking

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tests.fakes.running_bot import Talk

QUESTION = "Who is paid what?"
AS_THE_LIST_SAYS = Script(["As the list says [1]."])


@dataclass(frozen=True, slots=True)
class Town:
    """Ada is on the staff, Ben is not; #general is everybody's, #back-room the staff's, #lobby has its own."""

    talk: Talk
    back_room: Channel
    lobby: Channel
    rules: dict[str, Rule]

    async def asked(self, count: int = 1) -> frozenset[str]:
        """The scope of the last of so many questions, once it is answered."""
        await until(lambda: len(self.talk.answerer.asked) == count)
        await self.talk.silence()
        return self.talk.answerer.asked[-1].scope.collections

    def place(self, name: str) -> Channel:
        return {"general": self.talk.general, "back-room": self.back_room, "lobby": self.lobby}[name]


@asynccontextmanager
async def town(*, direct_messages: bool = False, script: Script = AS_THE_LIST_SAYS) -> AsyncGenerator[Town]:
    world = World.populated()
    general = world.channel_named("general")
    guild_id = general.guild_id or 0
    staff = world.add_role(guild_id, "staff")
    world.give_role(guild_id, world.user_named("Ada").id, staff.id)
    back_room, lobby = world.add_channel(guild_id, "back-room"), world.add_channel(guild_id, "lobby")
    world.shut(back_room.id, staff.id, world.bot.id)
    here = frozenset({guild_id})
    rules = {
        "team": Rule(guilds=here),
        "pay": Rule(guilds=here, roles=frozenset({staff.id})),
        "lobby": Rule(guilds=here, channels=frozenset({lobby.id})),
        "other": Rule(guilds=frozenset({guild_id + 1})),
        "shut": Rule(),
    }
    parrot = Parrot(taught={QUESTION: script})
    async with talking(parrot, Manners(direct_messages=direct_messages), world=world, rules=rules) as talk:
        yield Town(talk, back_room, lobby, rules)


EVERYBODYS = {SHARED, "team"}
MATRIX = [
    ("Ada", "general", False, EVERYBODYS),
    ("Ada", "general", True, EVERYBODYS | {"pay"}),
    ("Ada", "back-room", False, EVERYBODYS | {"pay"}),
    ("Ada", "back-room", True, EVERYBODYS | {"pay"}),
    ("Ada", "lobby", False, EVERYBODYS | {"lobby"}),
    ("Ben", "general", False, EVERYBODYS),
    ("Ben", "general", True, EVERYBODYS),
    ("Ben", "lobby", False, EVERYBODYS | {"lobby"}),
    ("Ben", "lobby", True, EVERYBODYS | {"lobby"}),
]


@pytest.mark.parametrize(("who", "where", "private", "seen"), MATRIX)
async def test_a_command_is_answered_from_what_the_asker_and_all_readers_may_see(
    who: str, where: str, private: bool, seen: set[str]
) -> None:
    async with town() as here:
        world = here.talk.world
        options = {"question": QUESTION, "private": private}
        world.use_command(here.place(where).id, world.user_named(who).id, "ask", options)
        assert await here.asked() == seen


@pytest.mark.parametrize(
    ("who", "where", "seen"), [(who, where, seen) for who, where, alone, seen in MATRIX if not alone]
)
async def test_a_mention_and_a_reply_to_its_answer_too(who: str, where: str, seen: set[str]) -> None:
    async with town() as here:
        talk, place = here.talk, here.place(where)
        answer = await talk.answered(talk.says(who, f"{talk.bot} {QUESTION}", place=place), place=place)
        assert await here.asked() == seen
        await talk.answered(talk.says(who, "and on weekends?", to=answer), place=place)
        assert await here.asked(2) <= seen


async def test_a_follow_up_by_somebody_who_may_see_more_sees_no_more_than_the_answer_before() -> None:
    async with town() as here:
        talk = here.talk
        answer = await talk.answered(talk.says("Ben", f"{talk.bot} {QUESTION}"))
        await here.asked()
        await talk.answered(talk.says("Ada", "and on weekends?", to=answer))
        assert await here.asked(2) == EVERYBODYS


async def test_what_followed_a_narrower_answer_stays_as_narrow_when_it_is_asked_again() -> None:
    async with town() as here:
        talk, world = here.talk, here.talk.world
        ada = world.user_named("Ada").id
        thread = talk.thread()
        world.use_command(thread.id, ada, "ask", {"question": QUESTION})
        await here.asked()
        world.use_command(thread.id, ada, "ask", {"question": "and on weekends?", "private": True})
        assert await here.asked(2) == EVERYBODYS
        *_, answer = talk.said(thread)
        world.press(answer.id, custom_id(Deed.AGAIN, str(answer.interaction_id)), ada)
        assert await here.asked(3) == EVERYBODYS


async def test_a_collection_that_was_no_part_of_the_talk_before_is_searched_by_itself() -> None:
    async with town() as here:
        talk, world = here.talk, here.talk.world
        thread = talk.thread()
        await talk.answered(talk.says("Ben", f"{talk.bot} {QUESTION}", place=thread))
        await here.asked()
        ada = world.user_named("Ada").id
        world.use_command(thread.id, ada, "ask", {"question": "and on weekends?", "collection": "@pay"})
        assert await here.asked(2) == {"pay"}
        assert talk.answerer.asked[1].conversation == ()


@pytest.mark.parametrize(("audience", "seen"), [("private", EVERYBODYS | {"pay"}), ("public", EVERYBODYS)])
async def test_a_messages_menu_too(audience: str, seen: set[str]) -> None:
    async with town() as here:
        talk = here.talk
        message = talk.says("Ben", QUESTION)
        form = talk.use_menu("Ada", message)
        await until(lambda: form.response is not None)
        talk.world.submit(form.id, {"question": QUESTION, "audience": audience})
        assert await here.asked() == seen


async def test_a_direct_message_is_answered_from_what_its_author_may_see() -> None:
    async with town(direct_messages=True) as here:
        talk = here.talk
        for number, (who, seen) in enumerate([("Ada", EVERYBODYS | {"pay"}), ("Ben", EVERYBODYS)], start=1):
            place = talk.direct(who)
            await talk.answered(talk.says(who, QUESTION, place=place), place=place)
            assert await here.asked(number) == seen


async def test_a_collection_not_everybody_here_may_see_is_answered_to_the_asker_alone() -> None:
    async with town() as here:
        world = here.talk.world
        ada, ben = world.user_named("Ada").id, world.user_named("Ben").id
        world.use_command(here.talk.general.id, ada, "ask", {"question": QUESTION, "collection": "@pay"})
        assert await here.asked() == {"pay"}
        assert all(message.audience == ada for message in here.talk.said())
        world.use_command(here.talk.general.id, ben, "ask", {"question": QUESTION, "collection": "@pay"})
        await until(lambda: any("no collection of that name" in message.now.content for message in here.talk.said()))
        assert len(here.talk.answerer.asked) == 1


async def test_asking_again_is_answered_from_what_the_one_who_clicks_may_see() -> None:
    async with town() as here:
        talk, world = here.talk, here.talk.world
        ada = world.user_named("Ada").id
        asked = world.use_command(here.back_room.id, ada, "ask", {"question": QUESTION})
        assert await here.asked() == EVERYBODYS | {"pay"}
        (answer,) = talk.said(here.back_room)
        world.take_role(here.back_room.guild_id or 0, ada, next(iter(here.rules["pay"].roles)))
        await talk.silence()
        world.press(answer.id, custom_id(Deed.AGAIN, str(asked.id)), ada)
        assert await here.asked(2) == EVERYBODYS


async def test_a_follow_up_asked_again_by_who_may_see_less_is_asked_in_its_own_words() -> None:
    told = Script(["Yes."], sources=(), searched_for="Is Ada, who earns 3,000, paid on weekends?")
    async with town(script=told) as here:
        talk, world = here.talk, here.talk.world
        ada = world.user_named("Ada").id
        asked = world.use_command(here.back_room.id, ada, "ask", {"question": QUESTION})
        await here.asked()
        (answer,) = talk.said(here.back_room)
        here.rules["pay"] = Rule()
        world.press(answer.id, custom_id(Deed.AGAIN, str(asked.id)), ada)
        await here.asked(2)
        assert talk.answerer.asked[-1].text == QUESTION


async def test_an_answer_drawn_from_what_the_asker_may_no_longer_see_is_no_part_of_the_talk_before() -> None:
    async with town() as here:
        talk, place = here.talk, here.back_room
        thread = talk.world._open(Channel(talk.world.new_id(), "t", place.guild_id, ChannelKind.THREAD, place.id))
        ada = talk.world.user_named("Ada").id
        await talk.answered(talk.says("Ada", f"{talk.bot} {QUESTION}", place=thread), place=thread)
        for count, is_heard in ((2, True), (3, False)):
            talk.world.use_command(thread.id, ada, "ask", {"question": "and on weekends?", "collection": "@team"})
            await here.asked(count)
            turns = talk.answerer.asked[-1].conversation
            assert any("As the list says" in turn.text for turn in turns) == is_heard
            here.rules["pay"] = Rule()
        await talk.answered(talk.says("Ada", f"{talk.bot} and at night?", place=thread), place=thread)
        assert all("As the list says" not in turn.text for turn in talk.answerer.asked[-1].conversation)


async def test_passages_and_text_are_handed_only_to_those_who_may_see_them_still() -> None:
    async with town() as here:
        talk, world = here.talk, here.talk.world
        ada = world.user_named("Ada").id
        asked = world.use_command(here.talk.general.id, ada, "ask", {"question": QUESTION, "collection": "@pay"})
        await here.asked()
        (answer,) = talk.said()
        world.take_role(here.back_room.guild_id or 0, ada, next(iter(here.rules["pay"].roles)))
        await talk.silence()
        for deed in (Deed.SOURCES, Deed.COPY):
            count = len(talk.whispers()) + 1
            world.press(answer.id, custom_id(deed, str(asked.id)), ada)
            assert (await talk.whispered(count)).now.content == NOT_FOR_YOU
