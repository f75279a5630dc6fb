"""A message's menu over the wire: a form with its words, and an answer to one person or to all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.access.scopes import Rule
from bot.discord_adapter.components import STALE_MODAL
from bot.domain import QUESTION_LIMIT, Turn
from bot.simulator.world import InteractionCreated, ResponseKind
from cogs.context_menus import AUDIENCE, PRIVATE, PUBLIC, QUESTION, truncate_question
from tests.fakes.bot_in_guild import wait_until
from tests.fakes.running_bot import running_bot

if TYPE_CHECKING:
    from typing import Any, Never

    from bot.domain import Question
    from bot.simulator.world import Interaction, Message
    from tests.fakes.running_bot import RunningBot

both_intents = pytest.mark.parametrize("reads_messages", [False, True], ids=["without intent", "with intent"])


async def open_modal(chat: RunningBot, message: Message) -> Interaction:
    """Ada opens the form on a message."""
    interaction = chat.use_menu("Ada", message)
    await wait_until(lambda: interaction.response is ResponseKind.MODAL)
    return interaction


def find_fields(interaction: Interaction) -> dict[str, Any]:
    """The form's components by their custom ids."""
    data = interaction.response_data or {}
    return {label["component"]["custom_id"]: label["component"] for label in data["components"]}


@both_intents
async def test_modal_shows_the_message_text_without_the_content_intent(reads_messages: bool) -> None:
    async with running_bot(reads_messages=reads_messages) as chat:
        message = chat.say("Ben", "How long do refunds take?")
        interaction = await open_modal(chat, message)
        shown = find_fields(interaction)
    assert shown[QUESTION]["value"] == "How long do refunds take?"
    assert shown[QUESTION]["max_length"] == QUESTION_LIMIT
    assert [option["value"] for option in shown[AUDIENCE]["options"] if option.get("default")] == [PRIVATE]


@both_intents
@pytest.mark.parametrize("audience", [PRIVATE, PUBLIC, ""])
async def test_the_edited_question_is_answered_to_the_audience_chosen(audience: str, reads_messages: bool) -> None:
    async with running_bot(reads_messages=reads_messages) as chat:
        message = chat.say("Ben", "refunds")
        interaction = await open_modal(chat, message)
        chat.world.people.submit_modal(interaction.id, {QUESTION: "How long do refunds take?", AUDIENCE: audience})
        await wait_until(lambda: bool(chat.answerer.questions))
        await chat.wait_until_idle()
        (answer,) = chat.bot_messages()
    assert answer.current_state.content == "You asked: How long do refunds take?"
    assert answer.visible_to_user_id == (None if audience == PUBLIC else chat.world.find_user("Ada").id)


@both_intents
async def test_context_menu_question_has_the_history_of_the_answer_replied_to(reads_messages: bool) -> None:
    async with running_bot(reads_messages=reads_messages) as chat:
        first = await chat.wait_for_answer(chat.say("Ada", f"{chat.bot_mention} How long do refunds take?"))
        asked = await ask_by_menu(chat, chat.reply_without_ping("Ben", "and on weekends?", first))
    assert asked.text == "and on weekends?"
    assert asked.speaker == "Ada"
    assert asked.conversation == (
        Turn("Ada", "How long do refunds take?"),
        Turn("Docent", "You asked: How long do refunds take?", is_answer=True),
    )


@both_intents
async def test_context_menu_question_in_a_thread_has_its_history(reads_messages: bool) -> None:
    async with running_bot(reads_messages=reads_messages) as chat:
        thread = chat.open_thread()
        await chat.wait_for_answer(chat.say("Ada", f"{chat.bot_mention} How long do refunds take?", channel=thread))
        message = chat.say("Ben", "and on weekends?", channel=thread)
        chat.say("Ben", f"{chat.bot_mention}, is there a form?", channel=thread)
        await chat.wait_until_idle()
        asked = await ask_by_menu(chat, message, count=3)
    assert [turn.text for turn in asked.conversation] == [
        "How long do refunds take?",
        "You asked: How long do refunds take?",
    ]


async def ask_by_menu(chat: RunningBot, message: Message, *, count: int = 2) -> Question:
    """What Ada asks with the form on a message, which she hands in as it is."""
    interaction = await open_modal(chat, message)
    chat.world.people.submit_modal(
        interaction.id, {QUESTION: find_fields(interaction)[QUESTION]["value"], AUDIENCE: PRIVATE}
    )
    await wait_until(lambda: len(chat.answerer.questions) == count)
    await chat.wait_until_idle()
    return chat.answerer.questions[-1]


class BrokenRules(dict[str, Rule]):
    """Rules that fail with an unexpected error."""

    def items(self) -> Never:
        raise ZeroDivisionError


async def test_error_after_the_modal_is_reported_to_its_sender() -> None:
    async with running_bot(rules=BrokenRules(team=Rule())) as chat:
        interaction = await open_modal(chat, chat.say("Ben", "refunds"))
        chat.world.people.submit_modal(interaction.id, {QUESTION: "refunds?", AUDIENCE: PRIVATE})
        assert "An unexpected error occurred" in (await chat.wait_for_ephemeral()).current_state.content


async def test_message_without_text_opens_an_empty_modal() -> None:
    async with running_bot() as chat:
        interaction = await open_modal(chat, chat.say("Ben", ""))
        assert not find_fields(interaction)[QUESTION].get("value")


async def test_modal_shows_mentions_as_names_without_the_bots_own() -> None:
    async with running_bot() as chat:
        message = chat.say("Ben", f"{chat.bot_mention}, does <@{chat.world.find_user('Ada').id}> sign?")
        interaction = await open_modal(chat, message)
        assert find_fields(interaction)[QUESTION]["value"] == "does @Ada sign?"


async def test_modal_submitted_twice_is_answered_once() -> None:
    async with running_bot() as chat:
        interaction = await open_modal(chat, chat.say("Ben", "refunds"))
        sent = chat.world.people.submit_modal(interaction.id, {QUESTION: "refunds?", AUDIENCE: PRIVATE})
        chat.world.emit(InteractionCreated(sent.created_at, sent))
        await wait_until(lambda: bool(chat.answerer.questions))
        await chat.wait_until_idle()
        assert len(chat.answerer.questions) == 1


async def test_modal_left_open_by_a_restart_asks_to_be_opened_again() -> None:
    async with running_bot() as chat:
        interaction = await open_modal(chat, chat.say("Ben", "refunds"))
        world = chat.world
    world.commands.clear()
    async with running_bot(world=world) as chat:
        sent = world.people.submit_modal(interaction.id, {QUESTION: "refunds?", AUDIENCE: PUBLIC})
        world.emit(InteractionCreated(sent.created_at, sent))
        assert (await chat.wait_for_ephemeral()).current_state.content == STALE_MODAL
        await chat.wait_until_idle()
        assert len(chat.bot_messages()) == 1
        again = await open_modal(chat, chat.say("Ben", "refunds"))
        world.people.submit_modal(again.id, {QUESTION: "refunds?", AUDIENCE: PUBLIC})
        await wait_until(lambda: chat.bot_messages()[-1].current_state.content == "You asked: refunds?")


@given(st.text(max_size=5_000))
def test_modal_prefill_fits_and_is_the_beginning_of_the_message(text: str) -> None:
    words = truncate_question(text)
    assert len(words) <= QUESTION_LIMIT
    assert text.strip().startswith(words)
