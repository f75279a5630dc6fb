"""A conversation with the whole bot: what a follow-up is searched as, and when a model is asked to rewrite it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bot.settings import list_setting_names
from tests.fakes.deployment import deploy
from tests.fakes.openai_server import make_completion

if TYPE_CHECKING:
    from pathlib import Path

    from bot.simulator.world import Message
    from tests.fakes.deployment import Deployment
    from tests.fakes.openai_server import Completion, Request


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list_setting_names():
        monkeypatch.delenv(name, raising=False)


def respond(request: Request) -> Completion:
    if "now asks:" in request.prompt:
        return make_completion("Which refunds want the signature of Lotte?")
    return make_completion("A refund is paid within five working days [1].", first_delay=4.0)


def send_message(bot: Deployment, text: str, *, to: Message | None = None, who: str = "Ada") -> Message:
    world = bot.simulator.world
    channel, speaker = world.find_channel("general"), world.find_user(who)
    return world.people.say(channel.id, speaker.id, text, reply_to=to.id if to else None)


async def wait_for_reply(bot: Deployment, question: Message) -> Message:
    world = bot.simulator.world

    def replies() -> list[Message]:
        return [message for message in world.history(question.channel_id) if message.reference_id == question.id]

    await bot.wait_until(lambda: bool(replies()) and "Sources" in replies()[0].current_state.content)
    return replies()[0]


async def test_follow_up_is_searched_and_shown_as_a_standalone_question(tmp_path: Path) -> None:
    async with deploy(tmp_path, respond) as bot:
        first = await wait_for_reply(
            bot, send_message(bot, f"<@{bot.simulator.world.bot.id}> How long does a refund take?")
        )
        assert len(bot.model.chat_requests) == 1
        second = await wait_for_reply(bot, send_message(bot, "and who signs large ones?", to=first))
        states = [state.content for state in second.states]
        rewriting, answering = bot.model.chat_requests[1:]
    assert "Ada: How long does a refund take?" in rewriting.prompt
    assert "A refund is paid within five working days" in rewriting.prompt
    assert "Which refunds want the signature of Lotte?" in answering.prompt
    assert any(state.startswith("“Which refunds want the signature of Lotte?”") for state in states)
    assert "“" not in second.current_state.content


async def test_follow_up_without_a_model_searches_with_the_previous_question(tmp_path: Path) -> None:
    async with deploy(
        tmp_path, make_completion(""), embed_model="none", openai_base_url=None, openai_api_key=None
    ) as bot:
        first = await wait_for_reply(
            bot, send_message(bot, f"<@{bot.simulator.world.bot.id}> Who signs refunds of more than 1,000 euros?")
        )
        second = await wait_for_reply(bot, send_message(bot, "and above 2,000?", to=first))
    assert "want the signature of Lotte" in second.current_state.content


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


def rewrite_and_answer(request: Request) -> Completion:
    """Rewrites what the conversation it is given makes clear, and answers a question by its own words alone."""
    before, is_rewriting, asked = request.prompt.rpartition("now asks: ")
    for question, meant, answer in SIX_TURNS:
        if is_rewriting and question in asked:
            clear = "dishwasher" if "dishwasher" in meant else "refund"
            return make_completion(meant if clear in before.partition("----- conversation")[2] else question)
        if not is_rewriting and request.prompt.endswith(meant or question):
            return make_completion(answer)
    return make_completion("The documents do not say so.")


@pytest.mark.parametrize("reads_messages", ["false", "true"], ids=["without intent", "with intent"])
async def test_six_turns_whose_third_depends_on_the_first_are_answered(tmp_path: Path, reads_messages: str) -> None:
    async with deploy(tmp_path, rewrite_and_answer, message_content=reads_messages) as bot:
        answers: list[Message] = []
        for question, _, answer in SIX_TURNS:
            text = question if answers else f"<@{bot.simulator.world.bot.id}> {question}"
            answers.append(await wait_for_reply(bot, send_message(bot, text, to=answers[-1] if answers else None)))
            assert answers[-1].current_state.content.startswith(answer.removesuffix("[1]."))
        rewritings = [request.prompt for request in bot.model.chat_requests if "now asks:" in request.prompt]
        assert len(rewritings) == sum(bool(meant) for _, meant, _ in SIX_TURNS)
        assert all(question in rewritings[-1] for question, _, _ in SIX_TURNS)


def answer_by_speaker(request: Request) -> Completion:
    """Understands each speaker by that speaker's own questions."""
    if "Ada now asks: and above 1,000 euros?" in request.prompt and "Ada: Who signs refunds?" in request.prompt:
        return make_completion("Who signs refunds above 1,000 euros?")
    if "Ben now asks: and who switches it on?" in request.prompt and "Ben: When does the dish" in request.prompt:
        return make_completion("Who switches the dishwasher on?")
    return make_completion(
        f"{'Lotte' if 'refunds' in request.prompt.rpartition('Question')[2] else 'Whoever is last'} [1]."
    )


@pytest.mark.parametrize("reads_messages", ["false", "true"], ids=["without intent", "with intent"])
async def test_two_members_in_one_thread_each_follow_up_on_their_own_question(
    tmp_path: Path, reads_messages: str
) -> None:
    turns = [
        ("Ada", "Who signs refunds?", ""),
        ("Ben", "When does the dishwasher run?", ""),
        ("Ada", "and above 1,000 euros?", "Who signs refunds above 1,000 euros?"),
        ("Ben", "and who switches it on?", "Who switches the dishwasher on?"),
    ]
    async with deploy(tmp_path, answer_by_speaker, message_content=reads_messages) as bot:
        world = bot.simulator.world
        thread = world.bot_api.create_thread(world.find_channel("general").id, "a thread")
        for who, question, meant in turns:
            asked = world.people.say(thread.id, world.find_user(who).id, f"<@{world.bot.id}> {question}")
            await wait_for_reply(bot, asked)
            assert bot.model.chat_requests[-1].prompt.endswith(meant or question)


async def test_two_members_without_a_model_each_follow_up_on_their_own_question(tmp_path: Path) -> None:
    async with deploy(
        tmp_path, make_completion(""), embed_model="none", openai_base_url=None, openai_api_key=None
    ) as bot:
        world = bot.simulator.world
        thread = world.bot_api.create_thread(world.find_channel("general").id, "a thread")
        answers = [
            await wait_for_reply(
                bot, world.people.say(thread.id, world.find_user(who).id, f"<@{world.bot.id}> {question}")
            )
            for who, question in [
                ("Ada", "Who signs refunds of more than 1,000 euros?"),
                ("Ben", "When does the dishwasher run?"),
                ("Ada", "and above 2,000?"),
                ("Ben", "and who switches it on?"),
            ]
        ]
    assert "want the signature of Lotte" in answers[2].current_state.content
    assert "The dishwasher runs at six" in answers[3].current_state.content
