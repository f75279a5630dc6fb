"""Files that come with a question, and the collection it is put to, over the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.access.scopes import Rule
from bot.discord_adapter.answer_buttons import Deed, custom_id
from bot.discord_adapter.attachments import LARGEST
from bot.domain import Attached, LibraryState
from bot.simulator.message_drafts import Attachment
from bot.simulator.world import World
from cogs.answer_buttons import ATTACH_AGAIN
from tests.fakes.answerer import FakeLibrary, Script
from tests.fakes.bot_in_guild import until
from tests.fakes.running_bot import Parrot, talking

if TYPE_CHECKING:
    from bot.simulator.world import Interaction
    from tests.fakes.running_bot import Talk

QUESTION = "Does this keep to our rules?"
CONTRACT = Attachment("contract.txt", b"Paid within 90 days.", "text/plain")
SAID = Script(["No [1]."])


def asks(talk: Talk, **options: object) -> Interaction:
    ada = talk.world.user_named("Ada").id
    return talk.world.use_command(talk.general.id, ada, "ask", {"question": QUESTION, **options})


async def test_a_file_given_to_a_command_is_read_as_part_of_the_question() -> None:
    async with talking() as talk:
        asks(talk, attachment=CONTRACT)
        await until(lambda: len(talk.answerer.asked) == 1)
        await talk.silence()
        assert talk.answerer.asked[0].attached == (Attached("contract.txt", "Paid within 90 days."),)
        assert not talk.library.added


async def test_files_at_a_mention_too() -> None:
    async with talking() as talk:
        ada = talk.world.user_named("Ada").id
        message = talk.world.say(talk.general.id, ada, f"{talk.bot} {QUESTION}", files=[CONTRACT, CONTRACT])
        await talk.answered(message)
        assert [each.name for each in talk.answerer.asked[0].attached] == ["contract.txt"] * 2


async def test_a_file_that_cannot_be_read_is_said_and_nothing_is_asked() -> None:
    library = FakeLibrary(LibraryState(0, 0, "none"))
    library.unreadable["contract.txt"] = "binary content"
    async with talking(library=library) as talk:
        asks(talk, attachment=CONTRACT)
        await until(lambda: any("contract.txt was not read: binary content." in m.now.content for m in talk.said()))
        assert not talk.answerer.asked


async def test_a_file_that_is_gone_or_too_large_is_said() -> None:
    async with talking() as talk:
        ada = talk.world.user_named("Ada").id
        large = Attachment("large.txt", b"x" * (LARGEST + 1), "text/plain")
        talk.world.say(talk.general.id, ada, f"{talk.bot} {QUESTION}", files=[large])
        await until(
            lambda: any("large.txt was not read: it is larger than 10 MB." in m.now.content for m in talk.said())
        )
        talk.world.say(talk.general.id, ada, f"{talk.bot} {QUESTION}", files=[CONTRACT] * 4)
        await until(lambda: any("At most 3 files are read" in m.now.content for m in talk.said()))
        assert not talk.answerer.asked


async def test_what_came_along_is_not_kept_so_asking_again_says_to_attach_it_once_more() -> None:
    async with talking(Parrot(taught={QUESTION: SAID})) as talk:
        asked = asks(talk, attachment=CONTRACT)
        await until(lambda: len(talk.answerer.asked) == 1)
        await talk.silence()
        (answer,) = talk.said()
        talk.world.press(answer.id, custom_id(Deed.AGAIN, str(asked.id)), talk.world.user_named("Ada").id)
        assert (await talk.whispered()).now.content == ATTACH_AGAIN


async def test_the_collections_that_are_offered_are_those_the_asker_may_see() -> None:
    world = World.populated()
    guild_id = world.channel_named("general").guild_id or 0
    ben = world.user_named("Ben").id
    rules = {"team": Rule(guilds=frozenset({guild_id})), "bens": Rule(users=frozenset({ben})), "shut": Rule()}
    async with talking(world=world, rules=rules) as talk:
        for who, typed, names in (
            ("Ada", "", ["@team", "shared"]),
            ("Ben", "", ["@bens", "@team", "shared"]),
            ("Ben", "TE", ["@team"]),
        ):
            who_id = world.user_named(who).id
            options = {"question": QUESTION, "collection": typed}
            typing = world.complete(talk.general.id, who_id, "ask", options, focused="collection")
            assert [choice["value"] for choice in await world.suggested(typing)] == names
