"""A conversation with the whole bot: what a follow-up is searched as, and when a model is asked to rewrite it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bot.settings import setting_names
from tests.fakes.deployment import deployed
from tests.fakes.openai_server import spoken

if TYPE_CHECKING:
    from pathlib import Path

    from bot.simulator.world import Message
    from tests.fakes.deployment import Deployment
    from tests.fakes.openai_server import Request, Speech


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in setting_names():
        monkeypatch.delenv(name, raising=False)


def scripted(request: Request) -> Speech:
    if "now asks:" in request.prompt:
        return spoken("Which refunds want the signature of Lotte?")
    return spoken("A refund is paid within five working days [1].", before=4.0)


def says(bot: Deployment, text: str, *, to: Message | None = None, who: str = "Ada") -> Message:
    world = bot.standin.world
    channel, speaker = world.channel_named("general"), world.user_named(who)
    return world.say(channel.id, speaker.id, text, reply_to=to.id if to else None)


async def reply_to(bot: Deployment, question: Message) -> Message:
    world = bot.standin.world

    def replies() -> list[Message]:
        return [message for message in world.history(question.channel_id) if message.reference == question.id]

    await bot.until(lambda: bool(replies()) and "Sources" in replies()[0].now.content)
    return replies()[0]


async def test_a_follow_up_is_searched_as_a_question_that_stands_alone_and_the_reader_sees_it(tmp_path: Path) -> None:
    async with deployed(tmp_path, scripted) as bot:
        first = await reply_to(bot, says(bot, f"<@{bot.standin.world.bot.id}> How long does a refund take?"))
        assert len(bot.model.chats) == 1
        second = await reply_to(bot, says(bot, "and who signs large ones?", to=first))
        states = [state.content for state in second.states]
        rewriting, answering = bot.model.chats[1:]
    assert "Ada: How long does a refund take?" in rewriting.prompt
    assert "A refund is paid within five working days" in rewriting.prompt
    assert "Which refunds want the signature of Lotte?" in answering.prompt
    assert any(state.startswith("“Which refunds want the signature of Lotte?”") for state in states)
    assert "“" not in second.now.content


async def test_without_a_model_a_follow_up_finds_what_the_question_before_it_spoke_of(tmp_path: Path) -> None:
    async with deployed(tmp_path, spoken(""), embed_model="none", openai_base_url=None, openai_api_key=None) as bot:
        first = await reply_to(
            bot, says(bot, f"<@{bot.standin.world.bot.id}> Who signs refunds of more than 1,000 euros?")
        )
        second = await reply_to(bot, says(bot, "and above 2,000?", to=first))
    assert "want the signature of Lotte" in second.now.content


DEADLINE = "A refund is paid within five working days [1]."
FORM = "The customer needs to name the order [1]."
LIMIT = "Refunds of more than 1,000 euros want the signature of Lotte [1]."
DISHES = "The dishwasher runs at six in the evening [1]."
LAST = "Whoever is last switches it on [1]."

SIX_TURNS = [
    ("How long does a refund take?", "", DEADLINE),
    ("When does the dishwasher run?", "", DISHES),
    # Nothing but the first question says what is signed.
    ("and who signs them above 1,000 euros?", "Who signs refunds above 1,000 euros?", LIMIT),
    ("and who switches it on?", "Who switches the dishwasher on?", LAST),
    ("What does the customer need to name for a refund?", "", FORM),
    ("and until when is that paid?", "Until when is a refund paid?", DEADLINE),
]


def conversing(request: Request) -> Speech:
    """Rewrites what the conversation it is given makes clear, and answers a question by its own words alone."""
    before, is_rewriting, asked = request.prompt.rpartition("now asks: ")
    for question, meant, answer in SIX_TURNS:
        if is_rewriting and question in asked:
            clear = "dishwasher" if "dishwasher" in meant else "refund"
            return spoken(meant if clear in before.partition("----- conversation")[2] else question)
        if not is_rewriting and request.prompt.endswith(meant or question):
            return spoken(answer)
    return spoken("The documents do not say so.")


@pytest.mark.parametrize("reads_messages", ["false", "true"], ids=["without intent", "with intent"])
async def test_six_turns_of_which_the_third_makes_sense_only_with_the_first(
    tmp_path: Path, reads_messages: str
) -> None:
    async with deployed(tmp_path, conversing, message_content=reads_messages) as bot:
        answers: list[Message] = []
        for question, _, answer in SIX_TURNS:
            text = question if answers else f"<@{bot.standin.world.bot.id}> {question}"
            answers.append(await reply_to(bot, says(bot, text, to=answers[-1] if answers else None)))
            assert answers[-1].now.content.startswith(answer.removesuffix("[1]."))
        rewritings = [request.prompt for request in bot.model.chats if "now asks:" in request.prompt]
        assert len(rewritings) == sum(bool(meant) for _, meant, _ in SIX_TURNS)
        assert all(question in rewritings[-1] for question, _, _ in SIX_TURNS)


def speaking(request: Request) -> Speech:
    """Understands each speaker by that speaker's own questions."""
    if "Ada now asks: and above 1,000 euros?" in request.prompt and "Ada: Who signs refunds?" in request.prompt:
        return spoken("Who signs refunds above 1,000 euros?")
    if "Ben now asks: and who switches it on?" in request.prompt and "Ben: When does the dish" in request.prompt:
        return spoken("Who switches the dishwasher on?")
    return spoken(f"{'Lotte' if 'refunds' in request.prompt.rpartition('Question')[2] else 'Whoever is last'} [1].")


@pytest.mark.parametrize("reads_messages", ["false", "true"], ids=["without intent", "with intent"])
async def test_two_people_who_take_turns_in_a_thread_are_each_understood_by_what_they_asked(
    tmp_path: Path, reads_messages: str
) -> None:
    turns = [
        ("Ada", "Who signs refunds?", ""),
        ("Ben", "When does the dishwasher run?", ""),
        ("Ada", "and above 1,000 euros?", "Who signs refunds above 1,000 euros?"),
        ("Ben", "and who switches it on?", "Who switches the dishwasher on?"),
    ]
    async with deployed(tmp_path, speaking, message_content=reads_messages) as bot:
        world = bot.standin.world
        thread = world.open_thread(world.channel_named("general").id, "a thread")
        for who, question, meant in turns:
            asked = world.say(thread.id, world.user_named(who).id, f"<@{world.bot.id}> {question}")
            await reply_to(bot, asked)
            assert bot.model.chats[-1].prompt.endswith(meant or question)


async def test_without_a_model_too_each_is_understood_by_their_own_last_question(tmp_path: Path) -> None:
    async with deployed(tmp_path, spoken(""), embed_model="none", openai_base_url=None, openai_api_key=None) as bot:
        world = bot.standin.world
        thread = world.open_thread(world.channel_named("general").id, "a thread")
        answers = [
            await reply_to(bot, world.say(thread.id, world.user_named(who).id, f"<@{world.bot.id}> {question}"))
            for who, question in [
                ("Ada", "Who signs refunds of more than 1,000 euros?"),
                ("Ben", "When does the dishwasher run?"),
                ("Ada", "and above 2,000?"),
                ("Ben", "and who switches it on?"),
            ]
        ]
    assert "want the signature of Lotte" in answers[2].now.content
    assert "The dishwasher runs at six" in answers[3].now.content
