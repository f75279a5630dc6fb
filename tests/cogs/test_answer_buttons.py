"""The buttons below an answer, pressed over the wire: by the asker, others and moderators, forged, after a restart."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from bot.answers.service import CUT_OFF, Asking
from bot.discord_adapter.answer_buttons import Deed, custom_id, while_writing
from bot.discord_adapter.client import DocentClient
from bot.discord_adapter.components import FORGED
from bot.domain import Scope
from bot.errors import ModelInterrupted, RecordsUnusable
from bot.records import Fate, MemoryRecords, Record, SqlRecords, Vote
from bot.simulator.message_drafts import Draft
from bot.simulator.server import StandIn
from bot.simulator.world import ORDINARY, InteractionCreated, InteractionKind, MessageFlag, Permission, ResponseKind
from bot.streaming import Driver, Lanes
from cogs import answer_buttons
from cogs.answer_buttons import Answers
from cogs.ask import Ask
from tests.fakes.answerer import HANDBOOK, FakeAnswerer, Pause, Script
from tests.fakes.bot_in_guild import laid, until
from tests.fakes.discord_client import connected

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from bot.simulator.world import Interaction, Message, World
    from tests.fakes.bot_in_guild import Table

TOLD = Script(["Two **weeks** [1]."])
ENDLESS = Script([step for n in range(200) for step in (f"word{n} ", Pause(0.05))])
BROKEN = Script(["Refunds take", ModelInterrupted("The connection to the model was lost.")])


@dataclass(frozen=True, slots=True)
class Scene:
    """An answer of Ada's in #general, and the people around it."""

    world: World
    records: MemoryRecords | SqlRecords
    answerer: FakeAnswerer
    table: Table | None = None

    def answers(self) -> list[Message]:
        """What everybody sees."""
        history = self.world.history(self.world.channel_named("general").id)
        return [message for message in history if message.audience is None]

    @property
    def answer(self) -> Message:
        return self.answers()[0]

    @property
    def key(self) -> str:
        """The key of the first answer."""
        return str(self.answer.interaction_id)

    async def record(self) -> Record:
        record = await self.records.recall(self.key)
        assert record
        return record

    def buttons(self, message: Message | None = None) -> dict[str, str]:
        """What stands on each button below a message, and its custom id."""
        rows = (message or self.answer).now.components
        inner: list[dict[str, Any]] = [button for row in rows for button in row["components"]]
        return {button.get("label") or button["emoji"]["name"]: button["custom_id"] for button in inner}

    def press(self, label: str, who: str = "Ada", message: Message | None = None) -> Interaction:
        message = message or self.answer
        return self.world.press(message.id, self.buttons(message)[label], self.world.user_named(who).id)

    def forge(self, name: str, who: str = "Ada", *, channel: str = "general", on: int | None = None) -> Interaction:
        """A click on a component that is not there."""
        data = {"custom_id": name, "component_type": 2}
        place, user = self.world.channel_named(channel), self.world.user_named(who)
        return self.world._interact(InteractionKind.COMPONENT, place.id, user.id, data, message_id=on or self.answer.id)

    def whispered(self, interaction: Interaction) -> list[Message]:
        """What the one who clicked was told, and nobody else."""
        messages = self.world.messages.values()
        told = [m for m in messages if m.interaction_id == interaction.id and not m.now.is_thinking]
        assert all(message.audience == interaction.user_id for message in told)
        return told

    async def told(self, interaction: Interaction) -> str:
        await until(lambda: bool(self.whispered(interaction)))
        (message,) = self.whispered(interaction)
        assert message.now.flags & MessageFlag.SUPPRESS_EMBEDS
        return message.now.content

    async def acknowledged(self, interaction: Interaction) -> None:
        await until(lambda: interaction.acknowledged_at is not None)


def moderated(world: World) -> None:
    """Mia joins, who may manage messages."""
    guild = next(iter(world.guilds.values()))
    world.add_member(guild.id, world.add_user("Mia").id, ORDINARY | Permission.MANAGE_MESSAGES)


@asynccontextmanager
async def answered(script: Script = TOLD) -> AsyncGenerator[Scene]:
    """After the end of an answer."""
    records = MemoryRecords()
    async with laid(script, records=records) as table:
        moderated(table.standin.world)
        table.ask()
        await table.settled()
        yield Scene(table.standin.world, records, table.answerer, table)


@asynccontextmanager
async def streaming() -> AsyncGenerator[Scene]:
    """In the middle of an answer."""
    records = MemoryRecords()
    async with laid(ENDLESS, records=records) as table:
        moderated(table.standin.world)
        table.ask()
        scene = Scene(table.standin.world, records, table.answerer, table)
        await until(lambda: any("word2" in message.now.content for message in scene.answers()))
        yield scene


@asynccontextmanager
async def serving(
    standin: StandIn, records: MemoryRecords | SqlRecords, answerer: FakeAnswerer
) -> AsyncGenerator[Asking]:
    """A bot that has just been started, on a server that was there before."""
    driver = Driver(Lanes())
    asking = Asking(answerer, driver, records)
    client = DocentClient(cogs=[Ask(asking), Answers(asking, records)], driver=driver)
    client._connection.guild_ready_timeout = 0.05
    async with connected(client, standin):
        await until(lambda: any(standin.world.commands.values()))
        yield asking
        await driver.close()
        await asking.settled()


# Stop


@pytest.mark.parametrize("who", ["Ada", "Mia"])
async def test_the_asker_and_moderators_stop_an_answer_and_what_was_said_stays(who: str) -> None:
    async with streaming() as scene:
        assert list(scene.buttons()) == ["Stop"]
        (answer,) = scene.answerer.answers
        scene.press("Stop", who)
        pressed_at = time.monotonic()
        await until(lambda: answer.is_closed)
        assert time.monotonic() - pressed_at < 0.5
        await until(lambda: "Retry" in scene.buttons())
        content = scene.answer.now.content
        assert content.startswith("word0 word1 word2")
        assert f"-# Stopped by {who}." in content
        assert "▌" not in content
        await until(lambda: not scene.table or not scene.table.driver.open_answers)
        record = await scene.record()
    assert record.fate is Fate.STOPPED
    assert content.startswith(record.text.strip())


async def test_anybody_else_is_refused_politely_and_the_answer_goes_on() -> None:
    async with streaming() as scene:
        assert await scene.told(scene.press("Stop", "Ben")) == answer_buttons.NOT_YOURS
        assert not scene.answerer.answers[0].is_closed


async def test_stopping_what_has_ended_says_so() -> None:
    async with answered() as scene:
        assert await scene.told(scene.forge(custom_id(Deed.STOP, scene.key))) == answer_buttons.ENDED


@pytest.mark.parametrize("deed", [Deed.AGAIN, Deed.SOURCES, Deed.COPY, Deed.UP, Deed.DOWN])
async def test_while_it_is_written_nothing_but_stopping_is_possible(deed: Deed) -> None:
    async with streaming() as scene:
        key = str(scene.answer.interaction_id)
        assert await scene.told(scene.forge(custom_id(deed, key))) == answer_buttons.STILL_WRITING


# What is remembered meanwhile


async def test_a_question_is_remembered_before_its_answer_is() -> None:
    async with streaming() as scene:
        record = await scene.records.recall(scene.key)
        assert record
        assert (record.fate, record.text, record.question) == (Fate.WRITING, "", "How long do refunds take?")


async def test_an_answer_deleted_under_our_hands_is_remembered_as_lost() -> None:
    async with streaming() as scene:
        key = scene.key
        scene.world.delete(scene.answer.id)
        await until(lambda: scene.answerer.answers[0].is_closed)
        await until(lambda: not scene.table or not scene.table.driver.open_answers)
        await asyncio.sleep(0.05)
        record = await scene.records.recall(key)
    assert record
    assert record.fate is Fate.LOST
    assert record.text.startswith("word0 ")


# Regenerate and Retry


@pytest.mark.parametrize("who", ["Ada", "Mia"])
async def test_asking_again_puts_a_new_answer_below_the_old_one(who: str) -> None:
    async with answered() as scene:
        before = scene.answer.now
        scene.press("Regenerate", who)
        await until(lambda: len(scene.answers()) == 2 and "Copy" in scene.buttons(scene.answers()[1]))
        assert scene.answer.now == before
        new = scene.answers()[1]
        assert new.now.content == before.content
        first, second = scene.answerer.asked
        assert second.text == first.text
        assert second.key == str(new.interaction_id) != first.key
        await until(lambda: not scene.table or not scene.table.driver.open_answers)
        record = await scene.records.recall(second.key)
    assert record
    assert record.asker_id == scene.world.user_named(who).id
    assert record.message_ids == (new.id,)


async def test_a_follow_up_is_asked_again_in_words_that_stand_alone() -> None:
    async with answered(replace(TOLD, searched_for="How long do refunds to Norway take?")) as scene:
        scene.press("Regenerate")
        await until(lambda: len(scene.answerer.asked) == 2)
        assert scene.answerer.asked[1].text == "How long do refunds to Norway take?"
        await until(lambda: not scene.table or not scene.table.driver.open_answers)


async def test_nobody_else_may_ask_again_in_the_askers_place() -> None:
    async with answered() as scene:
        assert await scene.told(scene.press("Regenerate", "Ben")) == answer_buttons.NOT_YOURS
        assert len(scene.answerer.asked) == 1


async def test_asking_again_is_begun_once_however_often_it_is_pressed() -> None:
    async with answered(Script(["Two ", Pause(0.5), "weeks [1]."])) as scene:
        scene.press("Regenerate")
        await until(lambda: len(scene.answerer.asked) == 2)
        assert await scene.told(scene.press("Regenerate")) == answer_buttons.AGAIN_ALREADY
        await until(lambda: len(scene.answers()) == 2 and "Regenerate" in scene.buttons(scene.answers()[1]))
        assert len(scene.answerer.asked) == 2


async def test_a_click_that_is_handed_out_twice_is_one_click() -> None:
    async with answered() as scene:
        interaction = scene.press("Regenerate")
        scene.world.tell(InteractionCreated(interaction.created_at, interaction))
        await until(lambda: len(scene.answers()) == 2 and "Copy" in scene.buttons(scene.answers()[1]))
        await asyncio.sleep(0.1)
        assert len(scene.answerer.asked) == 2


async def test_an_interrupted_answer_is_remembered_and_offers_to_try_again() -> None:
    async with answered(BROKEN) as scene:
        record = await scene.record()
        assert (record.text, record.fate) == ("Refunds take", Fate.FAILED)
        assert next(iter(scene.buttons())) == "Retry"
        scene.press("Retry")
        await until(lambda: len(scene.answers()) == 2 and "Retry" in scene.buttons(scene.answers()[1]))


# Sources and Copy


@pytest.mark.parametrize("who", ["Ada", "Ben"])
async def test_the_passages_are_shown_to_the_clicker_alone(who: str) -> None:
    async with answered() as scene:
        said = await scene.told(scene.press("Sources", who))
    assert said == "**[1] Handbook › Refunds**\n> Refunds take 14 days."


async def test_where_nothing_is_cited_all_passages_are_shown() -> None:
    async with answered(Script(["Two weeks."])) as scene:
        said = await scene.told(scene.press("Sources"))
    assert "**[2] Travel, page 3**\n> Trains before planes." in said


async def test_long_passages_come_in_several_messages_and_very_long_ones_as_a_file() -> None:
    sources = [replace(HANDBOOK, number=n, passage=f"Passage {n}. " + "word " * 350) for n in range(1, 9)]
    async with answered(Script(["Two weeks."], sources)) as scene:
        interaction = scene.press("Sources", "Ben")
        await until(lambda: len(scene.whispered(interaction)) == 3)
        *_, last = scene.whispered(interaction)
    (file,) = last.now.attachments
    assert file.filename == "sources.md"
    assert b"Passage 8." in file.content


async def test_the_copy_is_what_the_model_said_to_the_sign() -> None:
    async with answered(Script(["Two **weeks** [1]. See https://else", "where.example"])) as scene:
        said = await scene.told(scene.press("Copy", "Ben"))
    assert said == "```md\nTwo **weeks** [1]. See https://elsewhere.example\n```"


async def test_a_copy_with_a_code_block_in_it_is_a_file() -> None:
    text = "Run:\n```sh\nmake\n```\n[1]"
    async with answered(Script([text])) as scene:
        interaction = scene.press("Copy")
        await scene.told(interaction)
        (file,) = scene.whispered(interaction)[0].now.attachments
    assert (file.filename, file.content.decode()) == ("answer.md", text)


# What people think of it


async def test_a_thumb_up_is_counted_and_thanked_for_quietly() -> None:
    async with answered() as scene:
        assert await scene.told(scene.press("👍", "Ben")) == answer_buttons.THANKS
        (vote,) = await scene.records.votes(scene.key)
    assert (vote.user_id, vote.is_up, vote.words) == (scene.world.user_named("Ben").id, True, None)


async def test_a_thumb_down_is_counted_and_asks_what_was_missing() -> None:
    async with answered() as scene:
        interaction = scene.press("👎", "Ben")
        await scene.acknowledged(interaction)
        assert interaction.response is ResponseKind.MODAL
        (vote,) = await scene.records.votes(scene.key)
        assert not vote.is_up
        submitted = scene.world.submit(interaction.id, {"words": "  The price, @everyone. "})
        assert await scene.told(submitted) == answer_buttons.THANKS
        (vote,) = await scene.records.votes(scene.key)
    assert vote.words == "The price, @everyone."


async def test_words_are_cut_where_the_form_would_have_cut_them() -> None:
    async with answered() as scene:
        interaction = scene.press("👎")
        await scene.acknowledged(interaction)
        await scene.told(scene.world.submit(interaction.id, {"words": "x" * 5_000}))
        (vote,) = await scene.records.votes(scene.key)
    assert vote.words == "x" * 1_000


async def test_a_vote_may_be_changed_and_each_person_has_one() -> None:
    async with answered() as scene:
        await scene.acknowledged(scene.press("👎", "Ben"))
        await scene.told(scene.press("👍", "Ada"))
        await scene.told(scene.press("👍", "Ben"))
        votes = await scene.records.votes(scene.key)
    assert [vote.is_up for vote in votes] == [True, True]


# After a restart


async def test_all_buttons_work_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "records.sqlite"
    answerer = FakeAnswerer(TOLD)
    async with StandIn() as standin:
        world = standin.world
        async with SqlRecords.opened_file(path) as records, serving(standin, records, answerer):
            scene = Scene(world, records, answerer)
            channel, ada = world.channel_named("general"), world.user_named("Ada")
            world.use_command(channel.id, ada.id, "ask", {"question": "How long?"})
            await until(lambda: bool(scene.answers()) and "Copy" in scene.buttons())
        async with SqlRecords.opened_file(path) as records, serving(standin, records, answerer):
            scene = Scene(world, records, answerer)
            assert "Refunds take 14 days." in await scene.told(scene.press("Sources", "Ben"))
            assert "Two **weeks** [1]." in await scene.told(scene.press("Copy", "Ben"))
            assert await scene.told(scene.press("👍", "Ben")) == answer_buttons.THANKS
            form = scene.press("👎", "Ben")
            await scene.acknowledged(form)
        async with SqlRecords.opened_file(path) as records, serving(standin, records, answerer):
            scene = Scene(world, records, answerer)
            assert await scene.told(world.submit(form.id, {"words": "The price."})) == answer_buttons.THANKS
            (vote,) = await records.votes(scene.key)
            assert (vote.is_up, vote.words) == (False, "The price.")
            scene.press("Regenerate", "Ada")
            await until(lambda: len(scene.answers()) == 2 and "Copy" in scene.buttons(scene.answers()[1]))
            assert answerer.asked[-1].text == "How long?"


@asynccontextmanager
async def left_behind(content: str) -> AsyncGenerator[Scene]:
    """After a kill: a message that is half-written, the record of its question, and a bot that was started since."""
    records, answerer = MemoryRecords(), FakeAnswerer(TOLD)
    async with StandIn() as standin:
        world = standin.world
        moderated(world)
        channel, ada = world.channel_named("general"), world.user_named("Ada")
        world.send(channel.id, Draft(content=content, components=tuple(while_writing("12"))))
        await records.remember(Record("12", "How long?", ada.id, channel.guild_id, channel.id, asked_at=1.0))
        async with serving(standin, records, answerer):
            yield Scene(world, records, answerer)


async def test_an_answer_cut_off_by_a_crash_is_closed_and_can_be_asked_again() -> None:
    async with left_behind("Refunds take two ▌") as scene:
        assert await scene.told(scene.press("Stop", "Ben")) == answer_buttons.NOT_YOURS
        await scene.acknowledged(scene.press("Stop"))
        await until(lambda: "Retry" in scene.buttons())
        assert scene.answer.now.content == f"Refunds take two\n\n{CUT_OFF}"
        scene.press("Retry")
        await until(lambda: len(scene.answers()) == 2 and "Copy" in scene.buttons(scene.answers()[1]))
    assert scene.answerer.asked[0].text == "How long?"


@pytest.mark.parametrize(
    ("shown", "ended"),
    [
        ("Searching… 4 s", CUT_OFF),
        ("Refunds\n-# still waiting for the model, 10 s", f"Refunds\n\n{CUT_OFF}"),
        ("😀" * 990 + " ▌", "😀" * 990),
    ],
)
async def test_what_a_crash_cut_off_ends_the_same_whether_it_is_found_or_its_button_is_pressed(
    shown: str, ended: str
) -> None:
    async with left_behind(shown) as scene:
        await scene.acknowledged(scene.press("Stop"))
        await until(lambda: "Retry" in scene.buttons())
        assert scene.answer.now.content == ended


async def test_a_full_page_cut_off_by_a_crash_loses_nothing() -> None:
    text = "x" * 1_990
    async with left_behind(f"{text} ▌") as scene:
        await scene.acknowledged(scene.press("Stop"))
        await until(lambda: "Retry" in scene.buttons())
        assert scene.answer.now.content == text


# Forged, replayed, elsewhere, gone


@pytest.mark.parametrize(
    "name", ["answer:", "answer:stop:", "answer:erase:12", "answer:copy:12 OR 1=1", "answer:up:1:2"]
)
async def test_a_forged_button_is_refused_in_words(name: str) -> None:
    async with answered() as scene:
        assert await scene.told(scene.forge(name)) == FORGED


@pytest.mark.parametrize("deed", Deed)
async def test_an_answer_nobody_remembers_is_said_to_be_forgotten(deed: Deed) -> None:
    async with answered() as scene:
        assert await scene.told(scene.forge(custom_id(deed, "999"))) == answer_buttons.GONE


async def test_an_answer_whose_time_is_up_is_said_to_be_forgotten() -> None:
    async with answered() as scene:
        await scene.records.forget_before(time.time() + 60)
        for label in ("Regenerate", "Sources", "Copy", "👍", "👎"):
            assert await scene.told(scene.press(label)) == answer_buttons.GONE
        assert len(scene.answerer.asked) == 1


@pytest.mark.parametrize("deed", Deed)
async def test_a_button_pressed_in_another_channel_is_refused(deed: Deed) -> None:
    async with answered() as scene:
        forged = scene.forge(custom_id(deed, scene.key), channel="random")
        assert await scene.told(forged) == answer_buttons.ELSEWHERE


async def test_a_button_copied_to_another_message_is_refused() -> None:
    async with answered() as scene:
        other = scene.world.say(scene.answer.channel_id, scene.world.user_named("Ben").id, "Hello")
        assert await scene.told(scene.forge(custom_id(Deed.COPY, scene.key), on=other.id)) == answer_buttons.ELSEWHERE


async def test_other_peoples_components_are_left_to_them() -> None:
    async with answered() as scene:
        forged = scene.forge("library:cancel")
        await asyncio.sleep(0.2)
        assert not scene.whispered(forged)
        assert forged.acknowledged_at is None


@pytest.mark.parametrize("label", ["Sources", "Copy"])
async def test_what_the_clicker_may_not_see_is_not_handed_out(label: str) -> None:
    records, answerer = MemoryRecords(), FakeAnswerer(TOLD)
    async with StandIn() as standin, serving(standin, records, answerer):
        scene = Scene(standin.world, records, answerer)
        channel, ada = scene.world.channel_named("general"), scene.world.user_named("Ada")
        scene.world.use_command(channel.id, ada.id, "ask", {"question": "How long?"})
        await until(lambda: bool(scene.answers()) and "Copy" in scene.buttons())
        await asyncio.sleep(0.1)
        await records.remember(replace(await scene.record(), scope=Scope(frozenset({"", "board"}))))
        assert await scene.told(scene.press(label, "Ben")) == answer_buttons.NOT_FOR_YOU


class Broken(MemoryRecords):
    """Records on a disk that is full."""

    async def remember(self, record: Record) -> None:  # noqa: ARG002
        raise RecordsUnusable("The records cannot be read or written (OperationalError).")

    async def recall(self, key: str) -> Record | None:  # noqa: ARG002
        raise RecordsUnusable("The records cannot be read or written (OperationalError).")

    async def vote(self, vote: Vote) -> bool:  # noqa: ARG002
        raise RecordsUnusable("The records cannot be read or written (OperationalError).")


async def test_without_records_answers_work_and_their_buttons_say_what_is_missing() -> None:
    records = Broken()
    async with laid(TOLD, records=records) as table:
        table.ask()
        await table.settled()
        scene = Scene(table.standin.world, records, table.answerer, table)
        assert scene.answer.now.content.startswith("Two **weeks** ")
        for label in ("Regenerate", "Sources", "Copy", "👍", "👎"):
            assert await scene.told(scene.press(label)) == answer_buttons.GONE


class Faulty(MemoryRecords):
    """Records with a fault nobody foresaw."""

    async def vote(self, vote: Vote) -> bool:  # noqa: ARG002
        raise ZeroDivisionError("sk-secret")


async def test_a_fault_nobody_foresaw_is_told_without_a_word_of_itself(caplog: pytest.LogCaptureFixture) -> None:
    records = Faulty()
    async with laid(TOLD, records=records) as table:
        table.ask()
        await table.settled()
        scene = Scene(table.standin.world, records, table.answerer, table)
        said = await scene.told(scene.press("👍"))
    assert "sk-secret" not in said
    assert "in the log under" in said
    assert "ZeroDivisionError" in caplog.text


async def test_buttons_stand_below_the_last_page_only() -> None:
    async with answered(Script([f"word{n} " for n in range(500)])) as scene:
        *before, last = scene.answers()
        assert before
        assert not any(message.now.components for message in before)
        assert list(scene.buttons(last)) == ["Regenerate", "Sources", "Copy", "👍", "👎"]
        record = await scene.record()
        assert record.message_ids == tuple(message.id for message in scene.answers())
        assert "word499" in await _copied(scene, scene.press("Copy", message=last))


async def _copied(scene: Scene, interaction: Interaction) -> str:
    await scene.told(interaction)
    (file,) = scene.whispered(interaction)[0].now.attachments
    return file.content.decode()
