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


def use_ask(chat: RunningBot, who: str = "Ada", **options: object) -> None:
    chat.world.people.use_command(
        chat.general.id, chat.world.find_user(who).id, "ask", {"question": QUESTION, **options}
    )


async def test_command_over_its_budget_gets_an_ephemeral_reset_time_and_costs_nothing() -> None:
    async with running_bot(questions_per_minute=1) as chat:
        use_ask(chat)
        await wait_until(lambda: len(chat.answerer.questions) == 1)
        use_ask(chat)
        await wait_until(lambda: any("You may ask 1 question a minute." in words for words in ephemeral_texts(chat)))
        assert "You can ask again <t:" in ephemeral_texts(chat)[-1]
        use_ask(chat, "Ben")
        await wait_until(lambda: len(chat.answerer.questions) == 2)
        await chat.wait_until_idle()
        assert len(chat.answerer.questions) == 2


async def test_mention_over_its_budget_gets_the_reset_time_too() -> None:
    async with running_bot(questions_per_minute=1) as chat:
        await chat.wait_for_answer(chat.say("Ada", f"{chat.bot_mention} {QUESTION}"))
        chat.say("Ada", f"{chat.bot_mention} and now?")
        direct = chat.open_direct_message("Ada")
        await wait_until(
            lambda: any(
                "You may ask 1 question a minute." in m.current_state.content for m in chat.bot_messages(direct)
            )
        )
        assert len(chat.answerer.questions) == 1


async def test_allowed_channels_bind_public_answers_but_not_ephemeral_ones() -> None:
    async with running_bot() as chat:
        guild_id = chat.general.guild_id or 0
        other = chat.world.admin.add_channel(guild_id, "answers-here")
        await chat.admission.guild_settings.set(guild_id, "channels", [str(other.id)])
        use_ask(chat)
        await wait_until(lambda: any(f"I answer in <#{other.id}>" in words for words in ephemeral_texts(chat)))
        assert not chat.answerer.questions
        use_ask(chat, private=True)
        await wait_until(lambda: len(chat.answerer.questions) == 1)
        await chat.wait_for_answer(chat.say("Ada", f"{chat.bot_mention} {QUESTION}", channel=other), channel=other)


async def test_guild_language_and_tone_are_passed_with_each_question() -> None:
    async with running_bot() as chat:
        guild_id = chat.general.guild_id or 0
        await chat.admission.guild_settings.set(guild_id, "language", "German")
        await chat.admission.guild_settings.set(guild_id, "tone", "Short.")
        use_ask(chat)
        await wait_until(lambda: len(chat.answerer.questions) == 1)
        assert (chat.answerer.questions[0].style.language, chat.answerer.questions[0].style.tone) == (
            "German",
            "Short.",
        )


async def test_guild_defaults_for_private_and_thread_yield_to_the_command() -> None:
    async with running_bot() as chat:
        store, guild_id = chat.admission.guild_settings, chat.general.guild_id or 0
        await store.set(guild_id, "private", True)
        use_ask(chat)
        await wait_until(lambda: len(chat.answerer.questions) == 1)
        await chat.wait_until_idle()
        assert all(message.visible_to_user_id is not None for message in chat.bot_messages())
        await store.set(guild_id, "threads", True)
        use_ask(chat)
        await wait_until(lambda: len(chat.answerer.questions) == 2)
        await chat.wait_until_idle()
        assert PRIVATE_HERE not in ephemeral_texts(chat)
        use_ask(chat, private=False)
        await wait_until(lambda: len(chat.answerer.questions) == 3)
        await chat.wait_until_idle()
        assert any(channel.parent_id == chat.general.id for channel in chat.world.channels.values())


async def test_answer_record_holds_timing_and_usage() -> None:
    async with running_bot(EchoAnswerer(scripts={QUESTION: Script(["Two weeks."], sources=())})) as chat:
        use_ask(chat)
        await wait_until(lambda: len(chat.answerer.questions) == 1)
        await chat.wait_until_idle()
        record = await chat.records.load_answer(chat.answerer.questions[0].answer_id)
    assert record is not None
    assert record.first_word_at is not None
    assert record.first_word_at >= record.asked_at
    assert record.usage == chat.answerer.answers[0].usage
