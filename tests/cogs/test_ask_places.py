"""/ask in private, in a thread of its own and within one, over the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bot.discord_adapter.answer_buttons import Deed, custom_id
from bot.domain import Turn
from bot.simulator.faults import Fault, Trouble
from bot.simulator.world import Permission
from cogs.ask import NO_DIRECT_MESSAGES, NO_THREAD, NO_THREAD_HERE, PRIVATE_HERE
from cogs.mentions import Manners
from tests.fakes.answerer import Pause, Script
from tests.fakes.bot_in_guild import laid, until
from tests.fakes.running_bot import Parrot, talking

if TYPE_CHECKING:
    from bot.simulator.world import Channel, Interaction, Message
    from tests.fakes.running_bot import Talk

REFUNDS = "How long do refunds take?"
LONG = Script(["word " * 900], sources=())


def asks(talk: Talk, question: str = REFUNDS, *, place: Channel | None = None, **options: bool) -> Interaction:
    """Ada uses /ask, in #general unless told otherwise."""
    ada = talk.world.user_named("Ada").id
    return talk.world.use_command((place or talk.general).id, ada, "ask", {"question": question, **options})


async def ended(talk: Talk, count: int = 1) -> None:
    """Wait until so many answers have been told."""
    await until(lambda: len(talk.answerer.asked) == count)
    await talk.silence()


def seen_by_all(talk: Talk, place: Channel | None = None) -> list[Message]:
    return [message for message in talk.said(place) if message.audience is None]


async def test_every_page_of_a_private_answer_is_the_askers_alone() -> None:
    async with talking(Parrot(taught={"Much?": LONG})) as talk:
        asks(talk, "Much?", private=True)
        await ended(talk)
        pages = talk.said()
        in_channel = talk.calls("POST", "/channels/") + talk.calls("PATCH", "/channels/")
        ada = talk.world.user_named("Ada").id
    assert len(pages) == 3
    assert all(page.audience == ada for page in pages)
    assert "".join(page.now.content for page in pages).count("word") == 900
    assert not in_channel


async def test_a_private_answer_can_be_stopped_and_asked_again_in_private() -> None:
    endless = Script([step for n in range(200) for step in (f"word{n} ", Pause(0.05))], sources=())
    async with laid(endless) as table:
        world, ada = table.standin.world, table.standin.world.user_named("Ada").id
        used = world.use_command(table.channel.id, ada, "ask", {"question": REFUNDS, "private": True})
        await until(lambda: any("word3" in message.now.content for message in table.shown()))
        world.press(table.shown()[0].id, custom_id(Deed.STOP, str(used.id)), ada)
        await table.settled()
        world.press(table.shown()[0].id, custom_id(Deed.AGAIN, str(used.id)), ada)
        await until(lambda: len(table.answerer.asked) == 2)
        await until(lambda: any("word3" in message.now.content for message in table.shown()[1:]))
        assert all(message.audience == ada for message in table.shown())
        assert not table.calls("/channels/", "PATCH")


async def test_a_thread_is_opened_at_the_response_and_the_answer_stands_in_it() -> None:
    async with talking() as talk:
        asks(talk, thread=True)
        await ended(talk)
        (response,) = talk.said()
        thread = talk.world.channels[response.id]
        (answer,) = talk.said(thread)
    assert thread.name == REFUNDS
    assert response.now.content == f"{REFUNDS}\n-# Answered in <#{thread.id}>"
    assert answer.now.content == f"You asked: {REFUNDS}"


async def test_a_threads_name_fits_however_long_the_question_is() -> None:
    async with talking() as talk:
        asks(talk, "refunds " * 200, thread=True)
        await ended(talk)
        thread = talk.world.channels[talk.said()[0].id]
    assert 50 < len(thread.name) <= 100
    assert thread.name.startswith("refunds refunds")


async def test_whoever_goes_on_in_the_opened_thread_is_understood() -> None:
    async with talking() as talk:
        asks(talk, thread=True)
        await ended(talk)
        thread = talk.world.channels[talk.said()[0].id]
        await talk.answered(talk.says("Ben", f"{talk.bot} and on weekends?", place=thread))
        asked = talk.answerer.asked[1]
    assert asked.conversation == (Turn("Ada", REFUNDS), Turn("Docent", f"You asked: {REFUNDS}", is_answer=True))


async def test_without_the_right_to_open_threads_the_answer_stands_in_place_with_a_note() -> None:
    async with talking() as talk:
        talk.world.deny(talk.general.id, talk.world.bot.id, Permission.CREATE_PUBLIC_THREADS)
        asks(talk, thread=True)
        await ended(talk)
        await until(lambda: len(talk.said()) == 2)
        answer, note = talk.said()
    assert answer.now.content == f"You asked: {REFUNDS}"
    assert (note.now.content, note.audience) == (NO_THREAD, talk.world.user_named("Ada").id)


async def test_a_thread_that_discord_refuses_leaves_the_answer_in_place() -> None:
    async with talking() as talk:
        talk.standin.faults.add(Fault(Trouble.STATUS, "POST", "/threads", status=403))
        asks(talk, thread=True)
        await ended(talk)
        await until(lambda: len(talk.said()) == 2)
        assert talk.said()[0].now.content == f"You asked: {REFUNDS}"
        assert talk.said()[1].now.content == NO_THREAD


async def test_where_a_server_wants_threads_a_thread_asks_for_no_other_and_is_told_nothing() -> None:
    async with talking() as talk:
        await talk.admission.house.choose(talk.general.guild_id or 0, "threads", value=True)
        thread = talk.thread()
        asks(talk, place=thread)
        await ended(talk)
        await talk.silence()
        assert [message.now.content for message in talk.said(thread)] == [f"You asked: {REFUNDS}"]


async def test_a_private_answer_opens_no_thread() -> None:
    async with talking() as talk:
        asks(talk, private=True, thread=True)
        await ended(talk)
        await until(lambda: len(talk.said()) == 2)
        assert not talk.calls("POST", "/threads")
        assert not seen_by_all(talk)
        assert talk.said()[1].now.content == PRIVATE_HERE


@pytest.mark.parametrize("reads_messages", [False, True], ids=["without intent", "with intent"])
async def test_in_a_thread_it_knows_what_was_said_there_and_opens_no_other(reads_messages: bool) -> None:
    async with talking(reads_messages=reads_messages) as talk:
        thread = talk.thread()
        await talk.answered(talk.says("Ben", f"{talk.bot} {REFUNDS}", place=thread))
        asks(talk, "and on weekends?", place=thread, thread=True)
        await ended(talk, 2)
        await until(lambda: any(message.now.content == NO_THREAD_HERE for message in talk.said(thread)))
        asked = talk.answerer.asked[1]
    assert asked.speaker == "Ada"
    assert asked.conversation == (Turn("Ben", REFUNDS), Turn("Docent", f"You asked: {REFUNDS}", is_answer=True))


async def test_in_a_channel_it_stands_alone() -> None:
    async with talking(reads_messages=True) as talk:
        await talk.answered(talk.says("Ben", f"{talk.bot} {REFUNDS}"))
        asks(talk, "and on weekends?")
        await ended(talk, 2)
        assert not talk.answerer.asked[1].conversation


async def test_a_private_answer_in_a_thread_stays_out_of_its_conversation() -> None:
    async with talking(reads_messages=True) as talk:
        thread = talk.thread()
        asks(talk, "What does Ben earn?", place=thread, private=True)
        await ended(talk)
        await talk.answered(talk.says("Ben", f"{talk.bot} and on weekends?", place=thread))
        asks(talk, "and at night?", place=thread)
        await ended(talk, 3)
        asked = talk.answerer.asked
    assert asked[1].conversation == ()
    assert all("earn" not in turn.text for turn in asked[2].conversation)


async def test_in_direct_messages_it_is_offered_where_the_operator_allows_them() -> None:
    async with talking(manners=Manners(direct_messages=True)) as talk:
        world, direct, ada = talk.world, talk.direct("Ada"), talk.world.user_named("Ada").id
        await until(lambda: bool(world.commands.get(None)))
        assert "ask" in [command["name"] for command in world.offered(ada, direct.id)]
        asks(talk, place=direct)
        await ended(talk)
        asks(talk, "and on weekends?", place=direct, thread=True)
        await ended(talk, 2)
        assert [message.now.content for message in talk.said(direct)] == [
            f"You asked: {REFUNDS}",
            "You asked: and on weekends?",
            NO_THREAD_HERE,
        ]
    assert [turn.text for turn in talk.answerer.asked[1].conversation] == [REFUNDS, f"You asked: {REFUNDS}"]


async def test_in_direct_messages_it_is_not_offered_elsewhere_and_an_old_offer_is_refused() -> None:
    async with talking() as talk:
        world, direct, ada = talk.world, talk.direct("Ada"), talk.world.user_named("Ada").id
        await until(lambda: bool(world.commands.get(None)))
        assert "ask" not in [command["name"] for command in world.offered(ada, direct.id)]
        world.commands[None].append(world.command(talk.general.id, "ask"))
        asks(talk, place=direct)
        await until(lambda: bool(talk.said(direct)))
        assert [message.now.content for message in talk.said(direct)] == [NO_DIRECT_MESSAGES]
        assert not talk.answerer.asked
