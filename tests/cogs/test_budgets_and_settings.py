"""What an admin chose and what may be spent, as people meet it: over the wire, by every way in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.access.budgets import Limits
from cogs.ask import PRIVATE_HERE
from tests.cogs.test_reindex import whispered
from tests.fakes.answerer import Script
from tests.fakes.bot_in_guild import until
from tests.fakes.running_bot import Parrot, talking

if TYPE_CHECKING:
    from tests.fakes.running_bot import Talk

ONE_A_MINUTE = Limits(per_minute=1, at_once=0)
QUESTION = "How long do refunds take?"


def asks(talk: Talk, who: str = "Ada", **options: object) -> None:
    talk.world.use_command(talk.general.id, talk.world.user_named(who).id, "ask", {"question": QUESTION, **options})


async def test_a_command_over_the_limit_is_told_in_private_when_it_opens_again_and_costs_nothing() -> None:
    async with talking(limits=ONE_A_MINUTE) as talk:
        asks(talk)
        await until(lambda: len(talk.answerer.asked) == 1)
        asks(talk)
        await until(lambda: any("You may ask 1 question a minute." in words for words in whispered(talk)))
        assert "You can ask again <t:" in whispered(talk)[-1]
        asks(talk, "Ben")
        await until(lambda: len(talk.answerer.asked) == 2)
        await talk.silence()
        assert len(talk.answerer.asked) == 2


async def test_a_mention_over_the_limit_too() -> None:
    async with talking(limits=ONE_A_MINUTE) as talk:
        await talk.answered(talk.says("Ada", f"{talk.bot} {QUESTION}"))
        talk.says("Ada", f"{talk.bot} and now?")
        direct = talk.direct("Ada")
        await until(lambda: any("You may ask 1 question a minute." in m.now.content for m in talk.said(direct)))
        assert len(talk.answerer.asked) == 1


async def test_answers_are_written_only_where_an_admin_lets_them_but_to_one_person_everywhere() -> None:
    async with talking() as talk:
        guild_id = talk.general.guild_id or 0
        other = talk.world.add_channel(guild_id, "answers-here")
        await talk.admission.house.choose(guild_id, "channels", [str(other.id)])
        asks(talk)
        await until(lambda: any(f"I answer in <#{other.id}>" in words for words in whispered(talk)))
        assert not talk.answerer.asked
        asks(talk, private=True)
        await until(lambda: len(talk.answerer.asked) == 1)
        await talk.answered(talk.says("Ada", f"{talk.bot} {QUESTION}", place=other), place=other)


async def test_a_guilds_language_and_tone_come_with_each_question() -> None:
    async with talking() as talk:
        guild_id = talk.general.guild_id or 0
        await talk.admission.house.choose(guild_id, "language", "German")
        await talk.admission.house.choose(guild_id, "tone", "Short.")
        asks(talk)
        await until(lambda: len(talk.answerer.asked) == 1)
        assert (talk.answerer.asked[0].manner.language, talk.answerer.asked[0].manner.tone) == ("German", "Short.")


async def test_a_guild_may_have_answers_private_or_in_threads_unless_asked_otherwise() -> None:
    async with talking() as talk:
        house, guild_id = talk.admission.house, talk.general.guild_id or 0
        await house.choose(guild_id, "private", True)
        asks(talk)
        await until(lambda: len(talk.answerer.asked) == 1)
        await talk.silence()
        assert all(message.audience is not None for message in talk.said())
        await house.choose(guild_id, "threads", True)
        asks(talk)
        await until(lambda: len(talk.answerer.asked) == 2)
        await talk.silence()
        assert PRIVATE_HERE not in whispered(talk)
        asks(talk, private=False)
        await until(lambda: len(talk.answerer.asked) == 3)
        await talk.silence()
        assert any(channel.parent_id == talk.general.id for channel in talk.world.channels.values())


async def test_what_an_answer_cost_is_remembered_with_it() -> None:
    async with talking(Parrot(taught={QUESTION: Script(["Two weeks."], sources=())})) as talk:
        asks(talk)
        await until(lambda: len(talk.answerer.asked) == 1)
        await talk.silence()
        record = await talk.records.recall(talk.answerer.asked[0].key)
    assert record is not None
    assert record.first_word_at is not None
    assert record.first_word_at >= record.asked_at
    assert record.usage == talk.answerer.answers[0].usage
