"""A message's menu over the wire: a form with its words, and an answer to one person or to all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.access.scopes import Rule
from bot.discord_adapter.components import LEFT_OPEN
from bot.domain import QUESTION_LIMIT, Turn
from bot.simulator.world import InteractionCreated, ResponseKind
from cogs.context_menus import AUDIENCE, PRIVATE, PUBLIC, QUESTION, prefilled
from tests.fakes.bot_in_guild import until
from tests.fakes.running_bot import talking

if TYPE_CHECKING:
    from typing import Any, Never

    from bot.domain import Question
    from bot.simulator.world import Interaction, Message
    from tests.fakes.running_bot import Talk

both_intents = pytest.mark.parametrize("reads_messages", [False, True], ids=["without intent", "with intent"])


async def opened(talk: Talk, message: Message) -> Interaction:
    """Ada opens the form on a message."""
    interaction = talk.use_menu("Ada", message)
    await until(lambda: interaction.response is ResponseKind.MODAL)
    return interaction


def fields(interaction: Interaction) -> dict[str, Any]:
    """The form's components by their custom ids."""
    data = interaction.response_data or {}
    return {label["component"]["custom_id"]: label["component"] for label in data["components"]}


@both_intents
async def test_the_form_shows_the_messages_words_whatever_the_intents(reads_messages: bool) -> None:
    async with talking(reads_messages=reads_messages) as talk:
        message = talk.says("Ben", "How long do refunds take?")
        interaction = await opened(talk, message)
        shown = fields(interaction)
    assert shown[QUESTION]["value"] == "How long do refunds take?"
    assert shown[QUESTION]["max_length"] == QUESTION_LIMIT
    assert [option["value"] for option in shown[AUDIENCE]["options"] if option.get("default")] == [PRIVATE]


@both_intents
@pytest.mark.parametrize("audience", [PRIVATE, PUBLIC, ""])
async def test_the_edited_question_is_answered_to_the_audience_chosen(audience: str, reads_messages: bool) -> None:
    async with talking(reads_messages=reads_messages) as talk:
        message = talk.says("Ben", "refunds")
        interaction = await opened(talk, message)
        talk.world.submit(interaction.id, {QUESTION: "How long do refunds take?", AUDIENCE: audience})
        await until(lambda: bool(talk.answerer.asked))
        await talk.silence()
        (answer,) = talk.said()
    assert answer.now.content == "You asked: How long do refunds take?"
    assert answer.audience == (None if audience == PUBLIC else talk.world.user_named("Ada").id)


@both_intents
async def test_a_message_is_understood_by_the_answer_it_replies_to(reads_messages: bool) -> None:
    async with talking(reads_messages=reads_messages) as talk:
        first = await talk.answered(talk.says("Ada", f"{talk.bot} How long do refunds take?"))
        asked = await asked_by_menu(talk, talk.says_quietly("Ben", "and on weekends?", first))
    assert asked.text == "and on weekends?"
    assert asked.speaker == "Ada"
    assert asked.conversation == (
        Turn("Ada", "How long do refunds take?"),
        Turn("Docent", "You asked: How long do refunds take?", is_answer=True),
    )


@both_intents
async def test_a_message_in_a_thread_is_understood_by_what_was_said_above_it(reads_messages: bool) -> None:
    async with talking(reads_messages=reads_messages) as talk:
        thread = talk.thread()
        await talk.answered(talk.says("Ada", f"{talk.bot} How long do refunds take?", place=thread))
        message = talk.says("Ben", "and on weekends?", place=thread)
        talk.says("Ben", f"{talk.bot}, is there a form?", place=thread)
        await talk.silence()
        asked = await asked_by_menu(talk, message, count=3)
    assert [turn.text for turn in asked.conversation] == [
        "How long do refunds take?",
        "You asked: How long do refunds take?",
    ]


async def asked_by_menu(talk: Talk, message: Message, *, count: int = 2) -> Question:
    """What Ada asks with the form on a message, which she hands in as it is."""
    interaction = await opened(talk, message)
    talk.world.submit(interaction.id, {QUESTION: fields(interaction)[QUESTION]["value"], AUDIENCE: PRIVATE})
    await until(lambda: len(talk.answerer.asked) == count)
    await talk.silence()
    return talk.answerer.asked[-1]


class Broken(dict[str, Rule]):
    """Rules with a fault nobody foresaw."""

    def items(self) -> Never:
        raise ZeroDivisionError


async def test_what_fails_after_the_form_is_told_to_its_sender() -> None:
    async with talking(rules=Broken(team=Rule())) as talk:
        interaction = await opened(talk, talk.says("Ben", "refunds"))
        talk.world.submit(interaction.id, {QUESTION: "refunds?", AUDIENCE: PRIVATE})
        assert "Something went wrong that nobody foresaw" in (await talk.whispered()).now.content


async def test_a_message_without_words_opens_an_empty_form() -> None:
    async with talking() as talk:
        interaction = await opened(talk, talk.says("Ben", ""))
        assert not fields(interaction)[QUESTION].get("value")


async def test_marks_are_shown_as_names_but_the_bots_own_is_left_out() -> None:
    async with talking() as talk:
        message = talk.says("Ben", f"{talk.bot}, does <@{talk.world.user_named('Ada').id}> sign?")
        interaction = await opened(talk, message)
        assert fields(interaction)[QUESTION]["value"] == "does @Ada sign?"


async def test_a_form_handed_in_twice_is_answered_once() -> None:
    async with talking() as talk:
        interaction = await opened(talk, talk.says("Ben", "refunds"))
        sent = talk.world.submit(interaction.id, {QUESTION: "refunds?", AUDIENCE: PRIVATE})
        talk.world.tell(InteractionCreated(sent.created_at, sent))
        await until(lambda: bool(talk.answerer.asked))
        await talk.silence()
        assert len(talk.answerer.asked) == 1


async def test_a_form_that_a_restart_left_open_is_told_to_be_opened_again() -> None:
    async with talking() as talk:
        interaction = await opened(talk, talk.says("Ben", "refunds"))
        world = talk.world
    world.commands.clear()
    async with talking(world=world) as talk:
        sent = world.submit(interaction.id, {QUESTION: "refunds?", AUDIENCE: PUBLIC})
        world.tell(InteractionCreated(sent.created_at, sent))
        assert (await talk.whispered()).now.content == LEFT_OPEN
        await talk.silence()
        assert len(talk.said()) == 1
        again = await opened(talk, talk.says("Ben", "refunds"))
        world.submit(again.id, {QUESTION: "refunds?", AUDIENCE: PUBLIC})
        await until(lambda: talk.said()[-1].now.content == "You asked: refunds?")


@given(st.text(max_size=5_000))
def test_what_is_filled_in_fits_and_is_the_messages_own_beginning(text: str) -> None:
    words = prefilled(text)
    assert len(words) <= QUESTION_LIMIT
    assert text.strip().startswith(words)
