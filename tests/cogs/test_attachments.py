"""Files that come with a question, and the collection it is put to, over the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.access.scopes import Rule
from bot.discord_adapter.answer_buttons import ButtonAction, format_custom_id
from bot.discord_adapter.attachments import MAX_FILE_BYTES
from bot.domain import Attachment, LibraryState
from bot.simulator.message_drafts import Attachment as MessageAttachment
from bot.simulator.world import World
from cogs.answer_buttons import ATTACH_AGAIN
from tests.fakes.answerer import FakeLibrary, Script
from tests.fakes.bot_in_guild import wait_until
from tests.fakes.running_bot import EchoAnswerer, running_bot

if TYPE_CHECKING:
    from bot.simulator.world import Interaction
    from tests.fakes.running_bot import RunningBot

QUESTION = "Does this keep to our rules?"
CONTRACT = MessageAttachment("contract.txt", b"Paid within 90 days.", "text/plain")
ANSWER_SCRIPT = Script(["No [1]."])


def use_ask(chat: RunningBot, **options: object) -> Interaction:
    ada = chat.world.find_user("Ada").id
    return chat.world.people.use_command(chat.general.id, ada, "ask", {"question": QUESTION, **options})


async def test_a_file_given_to_a_command_is_read_as_part_of_the_question() -> None:
    async with running_bot() as chat:
        use_ask(chat, attachment=CONTRACT)
        await wait_until(lambda: len(chat.answerer.questions) == 1)
        await chat.wait_until_idle()
        assert chat.answerer.questions[0].attachments == (Attachment("contract.txt", "Paid within 90 days."),)
        assert not chat.library.added


async def test_attachments_of_a_mention_are_read_too() -> None:
    async with running_bot() as chat:
        ada = chat.world.find_user("Ada").id
        message = chat.world.people.say(
            chat.general.id, ada, f"{chat.bot_mention} {QUESTION}", files=[CONTRACT, CONTRACT]
        )
        await chat.wait_for_answer(message)
        assert [each.name for each in chat.answerer.questions[0].attachments] == ["contract.txt"] * 2


async def test_unreadable_attachment_is_named_below_an_answer_from_the_question_alone() -> None:
    library = FakeLibrary(LibraryState(0, 0, "none"))
    library.unreadable["contract.txt"] = "binary content"
    async with running_bot(library=library) as chat:
        use_ask(chat, attachment=CONTRACT)
        await wait_until(
            lambda: any(
                "contract.txt was not read: binary content." in m.current_state.content for m in chat.bot_messages()
            )
        )
        assert [question.attachments for question in chat.answerer.questions] == [()]


async def test_too_large_or_too_many_attachments_are_named_below_the_answer() -> None:
    async with running_bot() as chat:
        ada = chat.world.find_user("Ada").id
        large = MessageAttachment("large.txt", b"x" * (MAX_FILE_BYTES + 1), "text/plain")
        chat.world.people.say(chat.general.id, ada, f"{chat.bot_mention} {QUESTION}", files=[large])
        await wait_until(
            lambda: any(
                "large.txt was not read: it is larger than 10 MB." in m.current_state.content
                for m in chat.bot_messages()
            )
        )
        chat.world.people.say(chat.general.id, ada, f"{chat.bot_mention} {QUESTION}", files=[CONTRACT] * 4)
        await wait_until(
            lambda: any("At most 3 files are read" in m.current_state.content for m in chat.bot_messages())
        )
        assert [len(question.attachments) for question in chat.answerer.questions] == [0, 3]


async def test_regenerate_asks_to_attach_the_file_again() -> None:
    async with running_bot(EchoAnswerer(scripts={QUESTION: ANSWER_SCRIPT})) as chat:
        asked = use_ask(chat, attachment=CONTRACT)
        await wait_until(lambda: len(chat.answerer.questions) == 1)
        await chat.wait_until_idle()
        (answer,) = chat.bot_messages()
        chat.world.people.press(
            answer.id, format_custom_id(ButtonAction.REGENERATE, str(asked.id)), chat.world.find_user("Ada").id
        )
        assert (await chat.wait_for_ephemeral()).current_state.content == ATTACH_AGAIN


async def test_collection_choices_are_those_the_asker_may_see() -> None:
    world = World.create_default()
    guild_id = world.find_channel("general").guild_id or 0
    ben = world.find_user("Ben").id
    rules = {"team": Rule(guilds=frozenset({guild_id})), "bens": Rule(users=frozenset({ben})), "shut": Rule()}
    async with running_bot(world=world, rules=rules) as chat:
        for who, typed, names in (
            ("Ada", "", ["@team", "shared"]),
            ("Ben", "", ["@bens", "@team", "shared"]),
            ("Ben", "TE", ["@team"]),
        ):
            who_id = world.find_user(who).id
            options = {"question": QUESTION, "collection": typed}
            typing = world.people.autocomplete(chat.general.id, who_id, "ask", options, focused="collection")
            assert [choice["value"] for choice in await world.people.wait_for_choices(typing)] == names
