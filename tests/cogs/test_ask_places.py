"""/ask in private, in a thread of its own and within one, over the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bot.discord_adapter.answer_buttons import ButtonAction, format_custom_id
from bot.domain import Turn
from bot.simulator.faults import FailureKind, Fault
from bot.simulator.world import Permission
from cogs.ask import NO_DIRECT_MESSAGES, NO_THREAD, NO_THREAD_HERE, PRIVATE_HERE
from tests.fakes.answerer import Pause, Script
from tests.fakes.bot_in_guild import bot_in_guild, wait_until
from tests.fakes.running_bot import EchoAnswerer, running_bot

if TYPE_CHECKING:
    from bot.simulator.world import Channel, Interaction, Message
    from tests.fakes.running_bot import RunningBot

REFUNDS = "How long do refunds take?"
LONG_SCRIPT = Script(["word " * 900], sources=())


def use_ask(
    talk: RunningBot, question: str = REFUNDS, *, channel: Channel | None = None, **options: bool
) -> Interaction:
    """Ada uses /ask, in #general unless told otherwise."""
    ada = talk.world.find_user("Ada").id
    return talk.world.people.use_command((channel or talk.general).id, ada, "ask", {"question": question, **options})


async def wait_for_answers(talk: RunningBot, count: int = 1) -> None:
    """Wait until so many answers have been told."""
    await wait_until(lambda: len(talk.answerer.questions) == count)
    await talk.wait_until_idle()


def public_messages(talk: RunningBot, channel: Channel | None = None) -> list[Message]:
    return [message for message in talk.bot_messages(channel) if message.visible_to_user_id is None]


async def test_every_page_of_a_private_answer_is_the_askers_alone() -> None:
    async with running_bot(EchoAnswerer(scripts={"Much?": LONG_SCRIPT})) as talk:
        use_ask(talk, "Much?", private=True)
        await wait_for_answers(talk)
        pages = talk.bot_messages()
        in_channel = talk.find_requests("POST", "/channels/") + talk.find_requests("PATCH", "/channels/")
        ada = talk.world.find_user("Ada").id
    assert len(pages) == 3
    assert all(page.visible_to_user_id == ada for page in pages)
    assert "".join(page.current_state.content for page in pages).count("word") == 900
    assert not in_channel


async def test_a_private_answer_can_be_stopped_and_asked_again_in_private() -> None:
    endless = Script([step for n in range(200) for step in (f"word{n} ", Pause(0.05))], sources=())
    async with bot_in_guild(endless) as table:
        world, ada = table.simulator.world, table.simulator.world.find_user("Ada").id
        used = world.people.use_command(table.channel.id, ada, "ask", {"question": REFUNDS, "private": True})
        await wait_until(lambda: any("word3" in message.current_state.content for message in table.channel_messages()))
        world.people.press(table.channel_messages()[0].id, format_custom_id(ButtonAction.STOP, str(used.id)), ada)
        await table.wait_until_done()
        world.people.press(table.channel_messages()[0].id, format_custom_id(ButtonAction.REGENERATE, str(used.id)), ada)
        await wait_until(lambda: len(table.answerer.questions) == 2)
        await wait_until(
            lambda: any("word3" in message.current_state.content for message in table.channel_messages()[1:])
        )
        assert all(message.visible_to_user_id == ada for message in table.channel_messages())
        assert not table.find_requests("/channels/", "PATCH")


async def test_thread_is_created_at_the_response_and_holds_the_answer() -> None:
    async with running_bot() as talk:
        use_ask(talk, thread=True)
        await wait_for_answers(talk)
        (response,) = talk.bot_messages()
        thread = talk.world.channels[response.id]
        (answer,) = talk.bot_messages(thread)
    assert thread.name == REFUNDS
    assert response.current_state.content == f"{REFUNDS}\n-# Answered in <#{thread.id}>"
    assert answer.current_state.content == f"You asked: {REFUNDS}"


async def test_a_threads_name_fits_however_long_the_question_is() -> None:
    async with running_bot() as talk:
        use_ask(talk, "refunds " * 200, thread=True)
        await wait_for_answers(talk)
        thread = talk.world.channels[talk.bot_messages()[0].id]
    assert 50 < len(thread.name) <= 100
    assert thread.name.startswith("refunds refunds")


async def test_follow_up_in_the_created_thread_knows_the_conversation() -> None:
    async with running_bot() as talk:
        use_ask(talk, thread=True)
        await wait_for_answers(talk)
        thread = talk.world.channels[talk.bot_messages()[0].id]
        await talk.wait_for_answer(talk.say("Ben", f"{talk.bot_mention} and on weekends?", channel=thread))
        asked = talk.answerer.questions[1]
    assert asked.conversation == (Turn("Ada", REFUNDS), Turn("Docent", f"You asked: {REFUNDS}", is_answer=True))


async def test_missing_thread_permission_leaves_the_answer_in_the_channel_with_a_note() -> None:
    async with running_bot() as talk:
        talk.world.admin.deny(talk.general.id, talk.world.bot.id, Permission.CREATE_PUBLIC_THREADS)
        use_ask(talk, thread=True)
        await wait_for_answers(talk)
        await wait_until(lambda: len(talk.bot_messages()) == 2)
        answer, note = talk.bot_messages()
    assert answer.current_state.content == f"You asked: {REFUNDS}"
    assert (note.current_state.content, note.visible_to_user_id) == (NO_THREAD, talk.world.find_user("Ada").id)


async def test_refused_thread_leaves_the_answer_in_the_channel() -> None:
    async with running_bot() as talk:
        talk.simulator.faults.add(Fault(FailureKind.STATUS, "POST", "/threads", status=403))
        use_ask(talk, thread=True)
        await wait_for_answers(talk)
        await wait_until(lambda: len(talk.bot_messages()) == 2)
        assert talk.bot_messages()[0].current_state.content == f"You asked: {REFUNDS}"
        assert talk.bot_messages()[1].current_state.content == NO_THREAD


async def test_thread_setting_creates_no_thread_inside_a_thread() -> None:
    async with running_bot() as talk:
        await talk.admission.guild_settings.set(talk.general.guild_id or 0, "threads", value=True)
        thread = talk.open_thread()
        use_ask(talk, channel=thread)
        await wait_for_answers(talk)
        await talk.wait_until_idle()
        assert [message.current_state.content for message in talk.bot_messages(thread)] == [f"You asked: {REFUNDS}"]


async def test_a_private_answer_opens_no_thread() -> None:
    async with running_bot() as talk:
        use_ask(talk, private=True, thread=True)
        await wait_for_answers(talk)
        await wait_until(lambda: len(talk.bot_messages()) == 2)
        assert not talk.find_requests("POST", "/threads")
        assert not public_messages(talk)
        assert talk.bot_messages()[1].current_state.content == PRIVATE_HERE


@pytest.mark.parametrize("reads_messages", [False, True], ids=["without intent", "with intent"])
async def test_ask_in_a_thread_knows_its_history_and_creates_no_thread(reads_messages: bool) -> None:
    async with running_bot(reads_messages=reads_messages) as talk:
        thread = talk.open_thread()
        await talk.wait_for_answer(talk.say("Ben", f"{talk.bot_mention} {REFUNDS}", channel=thread))
        use_ask(talk, "and on weekends?", channel=thread, thread=True)
        await wait_for_answers(talk, 2)
        await wait_until(
            lambda: any(message.current_state.content == NO_THREAD_HERE for message in talk.bot_messages(thread))
        )
        asked = talk.answerer.questions[1]
    assert asked.speaker == "Ada"
    assert asked.conversation == (Turn("Ben", REFUNDS), Turn("Docent", f"You asked: {REFUNDS}", is_answer=True))


async def test_ask_in_a_channel_has_no_history() -> None:
    async with running_bot(reads_messages=True) as talk:
        await talk.wait_for_answer(talk.say("Ben", f"{talk.bot_mention} {REFUNDS}"))
        use_ask(talk, "and on weekends?")
        await wait_for_answers(talk, 2)
        assert not talk.answerer.questions[1].conversation


async def test_a_private_answer_in_a_thread_stays_out_of_its_conversation() -> None:
    async with running_bot(reads_messages=True) as talk:
        thread = talk.open_thread()
        use_ask(talk, "What does Ben earn?", channel=thread, private=True)
        await wait_for_answers(talk)
        await talk.wait_for_answer(talk.say("Ben", f"{talk.bot_mention} and on weekends?", channel=thread))
        use_ask(talk, "and at night?", channel=thread)
        await wait_for_answers(talk, 3)
        asked = talk.answerer.questions
    assert asked[1].conversation == ()
    assert all("earn" not in turn.text for turn in asked[2].conversation)


async def test_ask_is_offered_in_direct_messages_if_allowed() -> None:
    async with running_bot(direct_messages=True) as talk:
        world, direct, ada = talk.world, talk.open_direct_message("Ada"), talk.world.find_user("Ada").id
        await wait_until(lambda: bool(world.commands.get(None)))
        assert "ask" in [command["name"] for command in world.list_offered_commands(ada, direct.id)]
        use_ask(talk, channel=direct)
        await wait_for_answers(talk)
        use_ask(talk, "and on weekends?", channel=direct, thread=True)
        await wait_for_answers(talk, 2)
        assert [message.current_state.content for message in talk.bot_messages(direct)] == [
            f"You asked: {REFUNDS}",
            "You asked: and on weekends?",
            NO_THREAD_HERE,
        ]
    assert [turn.text for turn in talk.answerer.questions[1].conversation] == [REFUNDS, f"You asked: {REFUNDS}"]


async def test_ask_in_direct_messages_is_neither_offered_nor_answered_if_disabled() -> None:
    async with running_bot() as talk:
        world, direct, ada = talk.world, talk.open_direct_message("Ada"), talk.world.find_user("Ada").id
        await wait_until(lambda: bool(world.commands.get(None)))
        assert "ask" not in [command["name"] for command in world.list_offered_commands(ada, direct.id)]
        world.commands[None].append(world.people.find_command(talk.general.id, "ask"))
        use_ask(talk, channel=direct)
        await wait_until(lambda: bool(talk.bot_messages(direct)))
        assert [message.current_state.content for message in talk.bot_messages(direct)] == [NO_DIRECT_MESSAGES]
        assert not talk.answerer.questions
