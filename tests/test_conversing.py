"""A conversation with the whole bot: what a follow-up is searched as, and when a model is asked to rewrite it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bot.settings import setting_names
from tests.fakes.deployment import deployed
from tests.fakes.openai_server import spoken

if TYPE_CHECKING:
    from pathlib import Path

    from bot.preview.world import Message
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


def says(bot: Deployment, text: str, *, to: Message | None = None) -> Message:
    world = bot.standin.world
    channel, ada = world.channel_named("general"), world.user_named("Ada")
    return world.say(channel.id, ada.id, text, reply_to=to.id if to else None)


async def reply_to(bot: Deployment, question: Message) -> Message:
    def replies() -> list[Message]:
        return [message for message in bot.shown() if message.reference == question.id]

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
