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
    chat: RunningBot, question: str = REFUNDS, *, channel: Channel | None = None, **options: bool
) -> Interaction:
    """Ada uses /ask, in #general unless told otherwise."""
    ada = chat.world.find_user("Ada").id
    return chat.world.people.use_command((channel or chat.general).id, ada, "ask", {"question": question, **options})


async def wait_for_answers(chat: RunningBot, count: int = 1) -> None:
    """Wait until so many answers have been told."""
    await wait_until(lambda: len(chat.answerer.questions) == count)
    await chat.wait_until_idle()


def public_messages(chat: RunningBot, channel: Channel | None = None) -> list[Message]:
    return [message for message in chat.bot_messages(channel) if message.visible_to_user_id is None]


async def test_every_page_of_a_private_answer_is_the_askers_alone() -> None:
    async with running_bot(EchoAnswerer(scripts={"Much?": LONG_SCRIPT})) as chat:
        use_ask(chat, "Much?", private=True)
        await wait_for_answers(chat)
        pages = chat.bot_messages()
        in_channel = chat.find_requests("POST", "/channels/") + chat.find_requests("PATCH", "/channels/")
        ada = chat.world.find_user("Ada").id
    assert len(pages) == 3
    assert all(page.visible_to_user_id == ada for page in pages)
    assert "".join(page.current_state.content for page in pages).count("word") == 900
    assert not in_channel


async def test_a_private_answer_can_be_stopped_and_asked_again_in_private() -> None:
    endless = Script([step for n in range(200) for step in (f"word{n} ", Pause(0.05))], sources=())
    async with bot_in_guild(endless) as setup:
        world, ada = setup.simulator.world, setup.simulator.world.find_user("Ada").id
        used = world.people.use_command(setup.channel.id, ada, "ask", {"question": REFUNDS, "private": True})
        await wait_until(lambda: any("word3" in message.current_state.content for message in setup.channel_messages()))
        world.people.press(setup.channel_messages()[0].id, format_custom_id(ButtonAction.STOP, str(used.id)), ada)
        await setup.wait_until_done()
        world.people.press(setup.channel_messages()[0].id, format_custom_id(ButtonAction.REGENERATE, str(used.id)), ada)
        await wait_until(lambda: len(setup.answerer.questions) == 2)
        await wait_until(
            lambda: any("word3" in message.current_state.content for message in setup.channel_messages()[1:])
        )
        assert all(message.visible_to_user_id == ada for message in setup.channel_messages())
        assert not setup.find_requests("/channels/", "PATCH")


async def test_thread_is_created_at_the_response_and_holds_the_answer() -> None:
    async with running_bot() as chat:
        use_ask(chat, thread=True)
        await wait_for_answers(chat)
        (response,) = chat.bot_messages()
        thread = chat.world.channels[response.id]
        (answer,) = chat.bot_messages(thread)
    assert thread.name == REFUNDS
    assert response.current_state.content == f"{REFUNDS}\n-# Answered in <#{thread.id}>"
    assert answer.current_state.content == f"You asked: {REFUNDS}"


async def test_a_threads_name_fits_however_long_the_question_is() -> None:
    async with running_bot() as chat:
        use_ask(chat, "refunds " * 200, thread=True)
        await wait_for_answers(chat)
        thread = chat.world.channels[chat.bot_messages()[0].id]
    assert 50 < len(thread.name) <= 100
    assert thread.name.startswith("refunds refunds")


async def test_follow_up_in_the_created_thread_knows_the_conversation() -> None:
    async with running_bot() as chat:
        use_ask(chat, thread=True)
        await wait_for_answers(chat)
        thread = chat.world.channels[chat.bot_messages()[0].id]
        await chat.wait_for_answer(chat.say("Ben", f"{chat.bot_mention} and on weekends?", channel=thread))
        asked = chat.answerer.questions[1]
    assert asked.conversation == (Turn("Ada", REFUNDS), Turn("Docent", f"You asked: {REFUNDS}", is_answer=True))


async def test_missing_thread_permission_leaves_the_answer_in_the_channel_with_a_note() -> None:
    async with running_bot() as chat:
        chat.world.admin.deny(chat.general.id, chat.world.bot.id, Permission.CREATE_PUBLIC_THREADS)
        use_ask(chat, thread=True)
        await wait_for_answers(chat)
        await wait_until(lambda: len(chat.bot_messages()) == 2)
        answer, note = chat.bot_messages()
    assert answer.current_state.content == f"You asked: {REFUNDS}"
    assert (note.current_state.content, note.visible_to_user_id) == (NO_THREAD, chat.world.find_user("Ada").id)


async def test_refused_thread_leaves_the_answer_in_the_channel() -> None:
    async with running_bot() as chat:
        chat.simulator.faults.add(Fault(FailureKind.STATUS, "POST", "/threads", status=403))
        use_ask(chat, thread=True)
        await wait_for_answers(chat)
        await wait_until(lambda: len(chat.bot_messages()) == 2)
        assert chat.bot_messages()[0].current_state.content == f"You asked: {REFUNDS}"
        assert chat.bot_messages()[1].current_state.content == NO_THREAD


async def test_thread_setting_creates_no_thread_inside_a_thread() -> None:
    async with running_bot() as chat:
        await chat.admission.guild_settings.set(chat.general.guild_id or 0, "threads", value=True)
        thread = chat.open_thread()
        use_ask(chat, channel=thread)
        await wait_for_answers(chat)
        await chat.wait_until_idle()
        assert [message.current_state.content for message in chat.bot_messages(thread)] == [f"You asked: {REFUNDS}"]


async def test_a_private_answer_opens_no_thread() -> None:
    async with running_bot() as chat:
        use_ask(chat, private=True, thread=True)
        await wait_for_answers(chat)
        await wait_until(lambda: len(chat.bot_messages()) == 2)
        assert not chat.find_requests("POST", "/threads")
        assert not public_messages(chat)
        assert chat.bot_messages()[1].current_state.content == PRIVATE_HERE


@pytest.mark.parametrize("reads_messages", [False, True], ids=["without intent", "with intent"])
async def test_ask_in_a_thread_knows_its_history_and_creates_no_thread(reads_messages: bool) -> None:
    async with running_bot(reads_messages=reads_messages) as chat:
        thread = chat.open_thread()
        await chat.wait_for_answer(chat.say("Ben", f"{chat.bot_mention} {REFUNDS}", channel=thread))
        use_ask(chat, "and on weekends?", channel=thread, thread=True)
        await wait_for_answers(chat, 2)
        await wait_until(
            lambda: any(message.current_state.content == NO_THREAD_HERE for message in chat.bot_messages(thread))
        )
        asked = chat.answerer.questions[1]
    assert asked.speaker == "Ada"
    assert asked.conversation == (Turn("Ben", REFUNDS), Turn("Docent", f"You asked: {REFUNDS}", is_answer=True))


async def test_ask_in_a_channel_has_no_history() -> None:
    async with running_bot(reads_messages=True) as chat:
        await chat.wait_for_answer(chat.say("Ben", f"{chat.bot_mention} {REFUNDS}"))
        use_ask(chat, "and on weekends?")
        await wait_for_answers(chat, 2)
        assert not chat.answerer.questions[1].conversation


async def test_a_private_answer_in_a_thread_stays_out_of_its_conversation() -> None:
    async with running_bot(reads_messages=True) as chat:
        thread = chat.open_thread()
        use_ask(chat, "What does Ben earn?", channel=thread, private=True)
        await wait_for_answers(chat)
        await chat.wait_for_answer(chat.say("Ben", f"{chat.bot_mention} and on weekends?", channel=thread))
        use_ask(chat, "and at night?", channel=thread)
        await wait_for_answers(chat, 3)
        asked = chat.answerer.questions
    assert asked[1].conversation == ()
    assert all("earn" not in turn.text for turn in asked[2].conversation)


async def test_ask_is_offered_in_direct_messages_if_allowed() -> None:
    async with running_bot(direct_messages=True) as chat:
        world, direct, ada = chat.world, chat.open_direct_message("Ada"), chat.world.find_user("Ada").id
        await wait_until(lambda: bool(world.commands.get(None)))
        assert "ask" in [command["name"] for command in world.list_offered_commands(ada, direct.id)]
        use_ask(chat, channel=direct)
        await wait_for_answers(chat)
        use_ask(chat, "and on weekends?", channel=direct, thread=True)
        await wait_for_answers(chat, 2)
        assert [message.current_state.content for message in chat.bot_messages(direct)] == [
            f"You asked: {REFUNDS}",
            "You asked: and on weekends?",
            NO_THREAD_HERE,
        ]
    assert [turn.text for turn in chat.answerer.questions[1].conversation] == [REFUNDS, f"You asked: {REFUNDS}"]


async def test_ask_in_direct_messages_is_neither_offered_nor_answered_if_disabled() -> None:
    async with running_bot() as chat:
        world, direct, ada = chat.world, chat.open_direct_message("Ada"), chat.world.find_user("Ada").id
        await wait_until(lambda: bool(world.commands.get(None)))
        assert "ask" not in [command["name"] for command in world.list_offered_commands(ada, direct.id)]
        world.commands[None].append(world.people.find_command(chat.general.id, "ask"))
        use_ask(chat, channel=direct)
        await wait_until(lambda: bool(chat.bot_messages(direct)))
        assert [message.current_state.content for message in chat.bot_messages(direct)] == [NO_DIRECT_MESSAGES]
        assert not chat.answerer.questions
