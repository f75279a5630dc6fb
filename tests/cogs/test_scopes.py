"""Who is told what, where, by whichever way they ask: over the wire, with roles and channels that shut people out."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from bot.access.scopes import Rule
from bot.discord_adapter.answer_buttons import ButtonAction, format_custom_id
from bot.domain import SHARED
from bot.simulator.world import Channel, ChannelKind, World
from cogs.answer_buttons import NO_ACCESS
from tests.fakes.answerer import Script
from tests.fakes.bot_in_guild import wait_until
from tests.fakes.running_bot import EchoAnswerer, running_bot

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tests.fakes.running_bot import RunningBot

QUESTION = "Who is paid what?"
ANSWER_SCRIPT = Script(["As the list says [1]."])


@dataclass(frozen=True, slots=True)
class ScopedGuild:
    """Ada is on the staff, Ben is not; #general is everybody's, #back-room the staff's, #lobby has its own."""

    chat: RunningBot
    back_room: Channel
    lobby: Channel
    rules: dict[str, Rule]

    async def wait_for_scope(self, count: int = 1) -> frozenset[str]:
        """The scope of the last of so many questions, once it is answered."""
        await wait_until(lambda: len(self.chat.answerer.questions) == count)
        await self.chat.wait_until_idle()
        return self.chat.answerer.questions[-1].scope.collections

    def find_channel(self, name: str) -> Channel:
        return {"general": self.chat.general, "back-room": self.back_room, "lobby": self.lobby}[name]


@asynccontextmanager
async def scoped_guild(*, direct_messages: bool = False, script: Script = ANSWER_SCRIPT) -> AsyncGenerator[ScopedGuild]:
    world = World.create_default()
    general = world.find_channel("general")
    guild_id = general.guild_id or 0
    staff = world.admin.add_role(guild_id, "staff")
    world.admin.assign_role(guild_id, world.find_user("Ada").id, staff.id)
    back_room, lobby = world.admin.add_channel(guild_id, "back-room"), world.admin.add_channel(guild_id, "lobby")
    world.admin.make_private(back_room.id, staff.id, world.bot.id)
    here = frozenset({guild_id})
    rules = {
        "team": Rule(guilds=here),
        "pay": Rule(guilds=here, roles=frozenset({staff.id})),
        "lobby": Rule(guilds=here, channels=frozenset({lobby.id})),
        "other": Rule(guilds=frozenset({guild_id + 1})),
        "shut": Rule(),
    }
    parrot = EchoAnswerer(scripts={QUESTION: script})
    async with running_bot(parrot, direct_messages=direct_messages, world=world, rules=rules) as chat:
        yield ScopedGuild(chat, back_room, lobby, rules)


PUBLIC_COLLECTIONS = {SHARED, "team"}
MATRIX = [
    ("Ada", "general", False, PUBLIC_COLLECTIONS),
    ("Ada", "general", True, PUBLIC_COLLECTIONS | {"pay"}),
    ("Ada", "back-room", False, PUBLIC_COLLECTIONS | {"pay"}),
    ("Ada", "back-room", True, PUBLIC_COLLECTIONS | {"pay"}),
    ("Ada", "lobby", False, PUBLIC_COLLECTIONS | {"lobby"}),
    ("Ben", "general", False, PUBLIC_COLLECTIONS),
    ("Ben", "general", True, PUBLIC_COLLECTIONS),
    ("Ben", "lobby", False, PUBLIC_COLLECTIONS | {"lobby"}),
    ("Ben", "lobby", True, PUBLIC_COLLECTIONS | {"lobby"}),
]


@pytest.mark.parametrize(("who", "where", "private", "seen"), MATRIX)
async def test_a_command_is_answered_from_what_the_asker_and_all_readers_may_see(
    who: str, where: str, private: bool, seen: set[str]
) -> None:
    async with scoped_guild() as here:
        world = here.chat.world
        options = {"question": QUESTION, "private": private}
        world.people.use_command(here.find_channel(where).id, world.find_user(who).id, "ask", options)
        assert await here.wait_for_scope() == seen


@pytest.mark.parametrize(
    ("who", "where", "seen"), [(who, where, seen) for who, where, alone, seen in MATRIX if not alone]
)
async def test_mention_and_reply_are_answered_from_the_common_scope(who: str, where: str, seen: set[str]) -> None:
    async with scoped_guild() as here:
        chat, place = here.chat, here.find_channel(where)
        answer = await chat.wait_for_answer(
            chat.say(who, f"{chat.bot_mention} {QUESTION}", channel=place), channel=place
        )
        assert await here.wait_for_scope() == seen
        await chat.wait_for_answer(chat.say(who, "and on weekends?", to=answer), channel=place)
        assert await here.wait_for_scope(2) <= seen


async def test_follow_up_scope_never_exceeds_the_scope_of_the_answer_before() -> None:
    async with scoped_guild() as here:
        chat = here.chat
        answer = await chat.wait_for_answer(chat.say("Ben", f"{chat.bot_mention} {QUESTION}"))
        await here.wait_for_scope()
        await chat.wait_for_answer(chat.say("Ada", "and on weekends?", to=answer))
        assert await here.wait_for_scope(2) == PUBLIC_COLLECTIONS


async def test_regenerated_follow_up_keeps_the_narrower_scope() -> None:
    async with scoped_guild() as here:
        chat, world = here.chat, here.chat.world
        ada = world.find_user("Ada").id
        thread = chat.open_thread()
        world.people.use_command(thread.id, ada, "ask", {"question": QUESTION})
        await here.wait_for_scope()
        world.people.use_command(thread.id, ada, "ask", {"question": "and on weekends?", "private": True})
        assert await here.wait_for_scope(2) == PUBLIC_COLLECTIONS
        *_, answer = chat.bot_messages(thread)
        world.people.press(answer.id, format_custom_id(ButtonAction.REGENERATE, str(answer.interaction_id)), ada)
        assert await here.wait_for_scope(3) == PUBLIC_COLLECTIONS


async def test_chosen_collection_outside_the_history_is_searched_without_history() -> None:
    async with scoped_guild() as here:
        chat, world = here.chat, here.chat.world
        thread = chat.open_thread()
        await chat.wait_for_answer(chat.say("Ben", f"{chat.bot_mention} {QUESTION}", channel=thread))
        await here.wait_for_scope()
        ada = world.find_user("Ada").id
        world.people.use_command(thread.id, ada, "ask", {"question": "and on weekends?", "collection": "@pay"})
        assert await here.wait_for_scope(2) == {"pay"}
        assert chat.answerer.questions[1].conversation == ()


@pytest.mark.parametrize(
    ("audience", "seen"), [("private", PUBLIC_COLLECTIONS | {"pay"}), ("public", PUBLIC_COLLECTIONS)]
)
async def test_context_menu_question_is_answered_from_the_common_scope(audience: str, seen: set[str]) -> None:
    async with scoped_guild() as here:
        chat = here.chat
        message = chat.say("Ben", QUESTION)
        form = chat.use_menu("Ada", message)
        await wait_until(lambda: form.response is not None)
        chat.world.people.submit_modal(form.id, {"question": QUESTION, "audience": audience})
        assert await here.wait_for_scope() == seen


async def test_a_direct_message_is_answered_from_what_its_author_may_see() -> None:
    async with scoped_guild(direct_messages=True) as here:
        chat = here.chat
        for number, (who, seen) in enumerate(
            [("Ada", PUBLIC_COLLECTIONS | {"pay"}), ("Ben", PUBLIC_COLLECTIONS)], start=1
        ):
            place = chat.open_direct_message(who)
            await chat.wait_for_answer(chat.say(who, QUESTION, channel=place), channel=place)
            assert await here.wait_for_scope(number) == seen


async def test_a_collection_not_everybody_here_may_see_is_answered_to_the_asker_alone() -> None:
    async with scoped_guild() as here:
        world = here.chat.world
        ada, ben = world.find_user("Ada").id, world.find_user("Ben").id
        world.people.use_command(here.chat.general.id, ada, "ask", {"question": QUESTION, "collection": "@pay"})
        assert await here.wait_for_scope() == {"pay"}
        assert all(message.visible_to_user_id == ada for message in here.chat.bot_messages())
        world.people.use_command(here.chat.general.id, ben, "ask", {"question": QUESTION, "collection": "@pay"})
        await wait_until(
            lambda: any(
                "no collection of that name" in message.current_state.content for message in here.chat.bot_messages()
            )
        )
        assert len(here.chat.answerer.questions) == 1


async def test_regenerate_uses_the_scope_of_the_clicker() -> None:
    async with scoped_guild() as here:
        chat, world = here.chat, here.chat.world
        ada = world.find_user("Ada").id
        asked = world.people.use_command(here.back_room.id, ada, "ask", {"question": QUESTION})
        assert await here.wait_for_scope() == PUBLIC_COLLECTIONS | {"pay"}
        (answer,) = chat.bot_messages(here.back_room)
        world.admin.remove_role(here.back_room.guild_id or 0, ada, next(iter(here.rules["pay"].roles)))
        await chat.wait_until_idle()
        world.people.press(answer.id, format_custom_id(ButtonAction.REGENERATE, str(asked.id)), ada)
        assert await here.wait_for_scope(2) == PUBLIC_COLLECTIONS


async def test_follow_up_regenerated_with_a_smaller_scope_uses_its_own_text() -> None:
    told = Script(["Yes."], sources=(), searched_for="Is Ada, who earns 3,000, paid on weekends?")
    async with scoped_guild(script=told) as here:
        chat, world = here.chat, here.chat.world
        ada = world.find_user("Ada").id
        asked = world.people.use_command(here.back_room.id, ada, "ask", {"question": QUESTION})
        await here.wait_for_scope()
        (answer,) = chat.bot_messages(here.back_room)
        here.rules["pay"] = Rule()
        world.people.press(answer.id, format_custom_id(ButtonAction.REGENERATE, str(asked.id)), ada)
        await here.wait_for_scope(2)
        assert chat.answerer.questions[-1].text == QUESTION


async def test_answer_outside_the_askers_current_scope_is_not_in_the_history() -> None:
    async with scoped_guild() as here:
        chat, place = here.chat, here.back_room
        thread = chat.world.insert_channel(
            Channel(chat.world.generate_id(), "t", place.guild_id, ChannelKind.THREAD, place.id)
        )
        ada = chat.world.find_user("Ada").id
        await chat.wait_for_answer(chat.say("Ada", f"{chat.bot_mention} {QUESTION}", channel=thread), channel=thread)
        for count, is_heard in ((2, True), (3, False)):
            chat.world.people.use_command(
                thread.id, ada, "ask", {"question": "and on weekends?", "collection": "@team"}
            )
            await here.wait_for_scope(count)
            turns = chat.answerer.questions[-1].conversation
            assert any("As the list says" in turn.text for turn in turns) == is_heard
            here.rules["pay"] = Rule()
        await chat.wait_for_answer(chat.say("Ada", f"{chat.bot_mention} and at night?", channel=thread), channel=thread)
        assert all("As the list says" not in turn.text for turn in chat.answerer.questions[-1].conversation)


async def test_sources_and_copy_need_a_scope_that_still_covers_them() -> None:
    async with scoped_guild() as here:
        chat, world = here.chat, here.chat.world
        ada = world.find_user("Ada").id
        asked = world.people.use_command(here.chat.general.id, ada, "ask", {"question": QUESTION, "collection": "@pay"})
        await here.wait_for_scope()
        (answer,) = chat.bot_messages()
        world.admin.remove_role(here.back_room.guild_id or 0, ada, next(iter(here.rules["pay"].roles)))
        await chat.wait_until_idle()
        for action in (ButtonAction.SOURCES, ButtonAction.COPY):
            count = len(chat.ephemeral_messages()) + 1
            world.people.press(answer.id, format_custom_id(action, str(asked.id)), ada)
            assert (await chat.wait_for_ephemeral(count)).current_state.content == NO_ACCESS
