"""What an admin chose and what may be spent, as people meet it: over the wire, by every way in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cogs.ask import PRIVATE_HERE
from tests.cogs.test_reindex import ephemeral_texts
from tests.fakes.answerer import Script
from tests.fakes.bot_in_guild import wait_until
from tests.fakes.running_bot import EchoAnswerer, running_bot

if TYPE_CHECKING:
    from tests.fakes.running_bot import RunningBot

QUESTION = "How long do refunds take?"


def use_ask(talk: RunningBot, who: str = "Ada", **options: object) -> None:
    talk.world.people.use_command(
        talk.general.id, talk.world.find_user(who).id, "ask", {"question": QUESTION, **options}
    )


async def test_command_over_its_budget_gets_an_ephemeral_reset_time_and_costs_nothing() -> None:
    async with running_bot(questions_per_minute=1) as talk:
        use_ask(talk)
        await wait_until(lambda: len(talk.answerer.questions) == 1)
        use_ask(talk)
        await wait_until(lambda: any("You may ask 1 question a minute." in words for words in ephemeral_texts(talk)))
        assert "You can ask again <t:" in ephemeral_texts(talk)[-1]
        use_ask(talk, "Ben")
        await wait_until(lambda: len(talk.answerer.questions) == 2)
        await talk.wait_until_idle()
        assert len(talk.answerer.questions) == 2


async def test_mention_over_its_budget_gets_the_reset_time_too() -> None:
    async with running_bot(questions_per_minute=1) as talk:
        await talk.wait_for_answer(talk.say("Ada", f"{talk.bot_mention} {QUESTION}"))
        talk.say("Ada", f"{talk.bot_mention} and now?")
        direct = talk.open_direct_message("Ada")
        await wait_until(
            lambda: any(
                "You may ask 1 question a minute." in m.current_state.content for m in talk.bot_messages(direct)
            )
        )
        assert len(talk.answerer.questions) == 1


async def test_allowed_channels_bind_public_answers_but_not_ephemeral_ones() -> None:
    async with running_bot() as talk:
        guild_id = talk.general.guild_id or 0
        other = talk.world.admin.add_channel(guild_id, "answers-here")
        await talk.admission.guild_settings.set(guild_id, "channels", [str(other.id)])
        use_ask(talk)
        await wait_until(lambda: any(f"I answer in <#{other.id}>" in words for words in ephemeral_texts(talk)))
        assert not talk.answerer.questions
        use_ask(talk, private=True)
        await wait_until(lambda: len(talk.answerer.questions) == 1)
        await talk.wait_for_answer(talk.say("Ada", f"{talk.bot_mention} {QUESTION}", channel=other), channel=other)


async def test_guild_language_and_tone_are_passed_with_each_question() -> None:
    async with running_bot() as talk:
        guild_id = talk.general.guild_id or 0
        await talk.admission.guild_settings.set(guild_id, "language", "German")
        await talk.admission.guild_settings.set(guild_id, "tone", "Short.")
        use_ask(talk)
        await wait_until(lambda: len(talk.answerer.questions) == 1)
        assert (talk.answerer.questions[0].style.language, talk.answerer.questions[0].style.tone) == (
            "German",
            "Short.",
        )


async def test_guild_defaults_for_private_and_thread_yield_to_the_command() -> None:
    async with running_bot() as talk:
        house, guild_id = talk.admission.guild_settings, talk.general.guild_id or 0
        await house.set(guild_id, "private", True)
        use_ask(talk)
        await wait_until(lambda: len(talk.answerer.questions) == 1)
        await talk.wait_until_idle()
        assert all(message.visible_to_user_id is not None for message in talk.bot_messages())
        await house.set(guild_id, "threads", True)
        use_ask(talk)
        await wait_until(lambda: len(talk.answerer.questions) == 2)
        await talk.wait_until_idle()
        assert PRIVATE_HERE not in ephemeral_texts(talk)
        use_ask(talk, private=False)
        await wait_until(lambda: len(talk.answerer.questions) == 3)
        await talk.wait_until_idle()
        assert any(channel.parent_id == talk.general.id for channel in talk.world.channels.values())


async def test_answer_record_holds_timing_and_usage() -> None:
    async with running_bot(EchoAnswerer(scripts={QUESTION: Script(["Two weeks."], sources=())})) as talk:
        use_ask(talk)
        await wait_until(lambda: len(talk.answerer.questions) == 1)
        await talk.wait_until_idle()
        record = await talk.records.load_answer(talk.answerer.questions[0].answer_id)
    assert record is not None
    assert record.first_word_at is not None
    assert record.first_word_at >= record.asked_at
    assert record.usage == talk.answerer.answers[0].usage
