"""The buttons below an answer, pressed over the wire: by the asker, others and moderators, forged, after a restart."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from bot.answers.status_lines import INTERRUPTED_NOTE
from bot.discord_adapter.answer_buttons import ButtonAction, build_streaming_buttons, format_custom_id
from bot.discord_adapter.components import FORGED
from bot.domain import Scope
from bot.errors import ModelInterrupted, RecordsUnusable
from bot.records import IN_MEMORY, AnswerRecord, AnswerStatus, SqlRecords, Vote
from bot.simulator.message_drafts import Draft
from bot.simulator.server import DiscordSimulator
from bot.simulator.world import (
    DEFAULT_PERMISSIONS,
    InteractionCreated,
    InteractionKind,
    MessageFlag,
    Permission,
    ResponseKind,
)
from cogs import answer_buttons
from tests.fakes.answerer import HANDBOOK, FakeAnswerer, Pause, Script
from tests.fakes.app import build_app
from tests.fakes.bot_in_guild import bot_in_guild, wait_until
from tests.fakes.discord_client import connect_client

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from bot.answers.service import AnswerService
    from bot.simulator.world import Interaction, Message, World
    from tests.fakes.bot_in_guild import BotInGuild

ANSWER_SCRIPT = Script(["Two **weeks** [1]."])
ENDLESS_SCRIPT = Script([step for n in range(200) for step in (f"word{n} ", Pause(0.05))])
BROKEN_SCRIPT = Script(["Refunds take", ModelInterrupted("The connection to the model was lost.")])


@dataclass(frozen=True, slots=True)
class Scene:
    """An answer of Ada's in #general, and the people around it."""

    world: World
    records: SqlRecords
    answerer: FakeAnswerer
    bot: BotInGuild | None = None

    def public_messages(self) -> list[Message]:
        """What everybody sees."""
        history = self.world.history(self.world.find_channel("general").id)
        return [message for message in history if message.visible_to_user_id is None]

    @property
    def answer(self) -> Message:
        return self.public_messages()[0]

    @property
    def answer_id(self) -> str:
        """The key of the first answer."""
        return str(self.answer.interaction_id)

    async def load_record(self) -> AnswerRecord:
        record = await self.records.load_answer(self.answer_id)
        assert record
        return record

    def find_buttons(self, message: Message | None = None) -> dict[str, str]:
        """What stands on each button below a message, and its custom id."""
        rows = (message or self.answer).current_state.components
        inner: list[dict[str, Any]] = [button for row in rows for button in row["components"]]
        return {button.get("label") or button["emoji"]["name"]: button["custom_id"] for button in inner}

    def press(self, label: str, who: str = "Ada", message: Message | None = None) -> Interaction:
        message = message or self.answer
        return self.world.people.press(message.id, self.find_buttons(message)[label], self.world.find_user(who).id)

    def forge(
        self, custom_id: str, who: str = "Ada", *, channel: str = "general", on: int | None = None
    ) -> Interaction:
        """A click on a component that is not there."""
        data = {"custom_id": custom_id, "component_type": 2}
        place, user = self.world.find_channel(channel), self.world.find_user(who)
        return self.world.people.create_interaction(
            InteractionKind.COMPONENT, place.id, user.id, data, message_id=on or self.answer.id
        )

    def ephemeral_messages(self, interaction: Interaction) -> list[Message]:
        """What the one who clicked was told, and nobody else."""
        messages = self.world.messages.values()
        told = [m for m in messages if m.interaction_id == interaction.id and not m.current_state.is_thinking]
        assert all(message.visible_to_user_id == interaction.user_id for message in told)
        return told

    async def wait_for_reply(self, interaction: Interaction) -> str:
        await wait_until(lambda: bool(self.ephemeral_messages(interaction)))
        (message,) = self.ephemeral_messages(interaction)
        assert message.current_state.flags & MessageFlag.SUPPRESS_EMBEDS
        return message.current_state.content

    async def wait_until_saved(self) -> None:
        assert self.bot
        await self.bot.wait_until_saved()

    async def wait_until_acknowledged(self, interaction: Interaction) -> None:
        await wait_until(lambda: interaction.acknowledged_at is not None)


def add_moderator(world: World) -> None:
    """Mia joins, who may manage messages."""
    guild = next(iter(world.guilds.values()))
    world.admin.add_member(guild.id, world.add_user("Mia").id, DEFAULT_PERMISSIONS | Permission.MANAGE_MESSAGES)


@asynccontextmanager
async def finished_answer(script: Script = ANSWER_SCRIPT) -> AsyncGenerator[Scene]:
    """After the end of an answer."""
    async with SqlRecords.open(IN_MEMORY) as records, bot_in_guild(script, records=records) as setup:
        add_moderator(setup.simulator.world)
        setup.ask()
        await setup.wait_until_done()
        yield Scene(setup.simulator.world, records, setup.answerer, setup)


@asynccontextmanager
async def answer_in_progress() -> AsyncGenerator[Scene]:
    """In the middle of an answer."""
    async with SqlRecords.open(IN_MEMORY) as records, bot_in_guild(ENDLESS_SCRIPT, records=records) as setup:
        add_moderator(setup.simulator.world)
        setup.ask()
        scene = Scene(setup.simulator.world, records, setup.answerer, setup)
        await wait_until(lambda: any("word2" in message.current_state.content for message in scene.public_messages()))
        yield scene


@asynccontextmanager
async def started_bot(
    simulator: DiscordSimulator, records: SqlRecords, answerer: FakeAnswerer
) -> AsyncGenerator[AnswerService]:
    """A bot that has just been started, on a server that was there before."""
    async with build_app(answerer, records=records) as app, connect_client(app.client, simulator):
        await wait_until(lambda: any(simulator.world.commands.values()))
        yield app.answer_service
        await app.driver.close()
        await app.answer_service.wait_until_done()


# Stop


@pytest.mark.parametrize("who", ["Ada", "Mia"])
async def test_asker_and_moderators_can_stop_an_answer_and_its_text_stays(who: str) -> None:
    async with answer_in_progress() as scene:
        assert list(scene.find_buttons()) == ["Stop"]
        (answer,) = scene.answerer.answers
        scene.press("Stop", who)
        pressed_at = asyncio.get_running_loop().time()
        await wait_until(lambda: answer.is_closed)
        assert asyncio.get_running_loop().time() - pressed_at < 0.5
        await wait_until(lambda: "Retry" in scene.find_buttons())
        content = scene.answer.current_state.content
        assert content.startswith("word0 word1 word2")
        assert f"-# Stopped by {who}." in content
        assert "▌" not in content
        await scene.wait_until_saved()
        record = await scene.load_record()
    assert record.status is AnswerStatus.STOPPED
    assert content.startswith(record.text.strip())


async def test_stop_by_another_member_is_refused_and_the_answer_goes_on() -> None:
    async with answer_in_progress() as scene:
        assert await scene.wait_for_reply(scene.press("Stop", "Ben")) == answer_buttons.ASKER_ONLY
        assert not scene.answerer.answers[0].is_closed


async def test_stop_on_an_ended_answer_is_reported() -> None:
    async with finished_answer() as scene:
        assert (
            await scene.wait_for_reply(scene.forge(format_custom_id(ButtonAction.STOP, scene.answer_id)))
            == answer_buttons.ALREADY_ENDED
        )


async def test_stop_left_on_an_ended_answer_shows_it_again_from_its_record() -> None:
    async with answer_in_progress() as scene:
        old_state = scene.answer.current_state
        scene.press("Stop")
        await wait_until(lambda: "Retry" in scene.find_buttons())
        await scene.wait_until_saved()
        ended_state, buttons = scene.answer.current_state, scene.find_buttons()
        # Discord applies an edit of before, late: half the text, and the Stop button.
        scene.answer.states.append(old_state)
        assert "Stop" in scene.find_buttons()
        scene.press("Stop")
        await wait_until(lambda: "Retry" in scene.find_buttons())
        text, _, note = scene.answer.current_state.content.partition("\n\n-# ")
        assert text == ended_state.content.partition("\n\n-# ")[0]
        assert note.splitlines()[0] == "Stopped."
        assert scene.find_buttons() == buttons


@pytest.mark.parametrize(
    "action",
    [
        ButtonAction.REGENERATE,
        ButtonAction.SOURCES,
        ButtonAction.COPY,
        ButtonAction.THUMBS_UP,
        ButtonAction.THUMBS_DOWN,
    ],
)
async def test_streaming_answer_has_only_the_stop_button(action: ButtonAction) -> None:
    async with answer_in_progress() as scene:
        key = str(scene.answer.interaction_id)
        assert await scene.wait_for_reply(scene.forge(format_custom_id(action, key))) == answer_buttons.STILL_WRITING


# What is remembered meanwhile


async def test_question_is_saved_before_its_answer() -> None:
    async with answer_in_progress() as scene:
        record = await scene.records.load_answer(scene.answer_id)
        assert record
        assert (record.status, record.text, record.question) == (AnswerStatus.WRITING, "", "How long do refunds take?")


async def test_answer_deleted_while_streaming_is_saved_as_lost() -> None:
    async with answer_in_progress() as scene:
        key = scene.answer_id
        scene.world.delete(scene.answer.id)
        await wait_until(lambda: scene.answerer.answers[0].is_closed)
        await scene.wait_until_saved()
        await asyncio.sleep(0.05)
        record = await scene.records.load_answer(key)
    assert record
    assert record.status is AnswerStatus.LOST
    assert record.text.startswith("word0 ")


# Regenerate and Retry


@pytest.mark.parametrize("who", ["Ada", "Mia"])
async def test_regenerate_posts_a_new_answer_below_the_old_one(who: str) -> None:
    async with finished_answer() as scene:
        before = scene.answer.current_state
        scene.press("Regenerate", who)
        await wait_until(
            lambda: len(scene.public_messages()) == 2 and "Copy" in scene.find_buttons(scene.public_messages()[1])
        )
        assert scene.answer.current_state == before
        new = scene.public_messages()[1]
        assert new.current_state.content == before.content
        first, second = scene.answerer.questions
        assert second.text == first.text
        assert second.answer_id == str(new.interaction_id) != first.answer_id
        await scene.wait_until_saved()
        record = await scene.records.load_answer(second.answer_id)
    assert record
    assert record.asker_id == scene.world.find_user(who).id
    assert record.message_ids == (new.id,)


async def test_regenerated_follow_up_uses_its_condensed_question() -> None:
    async with finished_answer(replace(ANSWER_SCRIPT, searched_for="How long do refunds to Norway take?")) as scene:
        scene.press("Regenerate")
        await wait_until(lambda: len(scene.answerer.questions) == 2)
        assert scene.answerer.questions[1].text == "How long do refunds to Norway take?"
        await scene.wait_until_saved()


async def test_regenerate_by_another_member_is_refused() -> None:
    async with finished_answer() as scene:
        assert await scene.wait_for_reply(scene.press("Regenerate", "Ben")) == answer_buttons.ASKER_ONLY
        assert len(scene.answerer.questions) == 1


async def test_regenerate_runs_once_however_often_it_is_pressed() -> None:
    async with finished_answer(Script(["Two ", Pause(0.5), "weeks [1]."])) as scene:
        scene.press("Regenerate")
        await wait_until(lambda: len(scene.answerer.questions) == 2)
        assert await scene.wait_for_reply(scene.press("Regenerate")) == answer_buttons.ALREADY_REGENERATING
        await wait_until(
            lambda: len(scene.public_messages()) == 2 and "Regenerate" in scene.find_buttons(scene.public_messages()[1])
        )
        assert len(scene.answerer.questions) == 2


async def test_click_delivered_twice_is_handled_once() -> None:
    async with finished_answer() as scene:
        interaction = scene.press("Regenerate")
        scene.world.emit(InteractionCreated(interaction.created_at, interaction))
        await wait_until(
            lambda: len(scene.public_messages()) == 2 and "Copy" in scene.find_buttons(scene.public_messages()[1])
        )
        await asyncio.sleep(0.1)
        assert len(scene.answerer.questions) == 2


async def test_interrupted_answer_is_saved_and_offers_retry() -> None:
    async with finished_answer(BROKEN_SCRIPT) as scene:
        record = await scene.load_record()
        assert (record.text, record.status) == ("Refunds take", AnswerStatus.FAILED)
        assert next(iter(scene.find_buttons())) == "Retry"
        scene.press("Retry")
        await wait_until(
            lambda: len(scene.public_messages()) == 2 and "Retry" in scene.find_buttons(scene.public_messages()[1])
        )


# Sources and Copy


@pytest.mark.parametrize("who", ["Ada", "Ben"])
async def test_sources_are_shown_to_the_clicker_only(who: str) -> None:
    async with finished_answer() as scene:
        said = await scene.wait_for_reply(scene.press("Sources", who))
    assert said == "**[1] Handbook › Refunds**\n> Refunds take 14 days."


async def test_sources_of_an_answer_without_citations_are_all_passages() -> None:
    async with finished_answer(Script(["Two weeks."])) as scene:
        said = await scene.wait_for_reply(scene.press("Sources"))
    assert "**[2] Travel, page 3**\n> Trains before planes." in said


async def test_long_sources_become_several_messages_or_a_file() -> None:
    sources = [replace(HANDBOOK, number=n, passage=f"Passage {n}. " + "word " * 350) for n in range(1, 9)]
    async with finished_answer(Script(["Two weeks."], sources)) as scene:
        interaction = scene.press("Sources", "Ben")
        await wait_until(lambda: len(scene.ephemeral_messages(interaction)) == 3)
        *_, last = scene.ephemeral_messages(interaction)
    (file,) = last.current_state.attachments
    assert file.filename == "sources.md"
    assert b"Passage 8." in file.content


async def test_copy_is_the_exact_text_of_the_model() -> None:
    async with finished_answer(Script(["Two **weeks** [1]. See https://else", "where.example"])) as scene:
        said = await scene.wait_for_reply(scene.press("Copy", "Ben"))
    assert said == "```md\nTwo **weeks** [1]. See https://elsewhere.example\n```"


async def test_copy_that_contains_a_code_block_is_a_file() -> None:
    text = "Run:\n```sh\nmake\n```\n[1]"
    async with finished_answer(Script([text])) as scene:
        interaction = scene.press("Copy")
        await scene.wait_for_reply(interaction)
        (file,) = scene.ephemeral_messages(interaction)[0].current_state.attachments
    assert (file.filename, file.content.decode()) == ("answer.md", text)


# What people think of it


async def test_helpful_vote_is_saved_and_thanked_for_ephemerally() -> None:
    async with finished_answer() as scene:
        assert await scene.wait_for_reply(scene.press("👍", "Ben")) == answer_buttons.THANKS
        (vote,) = await scene.records.load_votes(scene.answer_id)
    assert (vote.user_id, vote.is_up, vote.comment) == (scene.world.find_user("Ben").id, True, None)


async def test_not_helpful_vote_is_saved_and_opens_the_feedback_modal() -> None:
    async with finished_answer() as scene:
        interaction = scene.press("👎", "Ben")
        await scene.wait_until_acknowledged(interaction)
        assert interaction.response is ResponseKind.MODAL
        (vote,) = await scene.records.load_votes(scene.answer_id)
        assert not vote.is_up
        submitted = scene.world.people.submit_modal(interaction.id, {"comment": "  The price, @everyone. "})
        assert await scene.wait_for_reply(submitted) == answer_buttons.THANKS
        (vote,) = await scene.records.load_votes(scene.answer_id)
    assert vote.comment == "The price, @everyone."


async def test_feedback_comment_is_truncated_at_the_modals_limit() -> None:
    async with finished_answer() as scene:
        interaction = scene.press("👎")
        await scene.wait_until_acknowledged(interaction)
        await scene.wait_for_reply(scene.world.people.submit_modal(interaction.id, {"comment": "x" * 5_000}))
        (vote,) = await scene.records.load_votes(scene.answer_id)
    assert vote.comment == "x" * 1_000


async def test_a_vote_may_be_changed_and_each_person_has_one() -> None:
    async with finished_answer() as scene:
        await scene.wait_until_acknowledged(scene.press("👎", "Ben"))
        await scene.wait_for_reply(scene.press("👍", "Ada"))
        await scene.wait_for_reply(scene.press("👍", "Ben"))
        votes = await scene.records.load_votes(scene.answer_id)
    assert [vote.is_up for vote in votes] == [True, True]


# After a restart


async def test_all_buttons_work_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "records.sqlite"
    answerer = FakeAnswerer(ANSWER_SCRIPT)
    async with DiscordSimulator() as simulator:
        world = simulator.world
        async with SqlRecords.open_file(path) as records, started_bot(simulator, records, answerer):
            scene = Scene(world, records, answerer)
            channel, ada = world.find_channel("general"), world.find_user("Ada")
            world.people.use_command(channel.id, ada.id, "ask", {"question": "How long?"})
            await wait_until(lambda: bool(scene.public_messages()) and "Copy" in scene.find_buttons())
        async with SqlRecords.open_file(path) as records, started_bot(simulator, records, answerer):
            scene = Scene(world, records, answerer)
            assert "Refunds take 14 days." in await scene.wait_for_reply(scene.press("Sources", "Ben"))
            assert "Two **weeks** [1]." in await scene.wait_for_reply(scene.press("Copy", "Ben"))
            assert await scene.wait_for_reply(scene.press("👍", "Ben")) == answer_buttons.THANKS
            form = scene.press("👎", "Ben")
            await scene.wait_until_acknowledged(form)
        async with SqlRecords.open_file(path) as records, started_bot(simulator, records, answerer):
            scene = Scene(world, records, answerer)
            assert (
                await scene.wait_for_reply(world.people.submit_modal(form.id, {"comment": "The price."}))
                == answer_buttons.THANKS
            )
            (vote,) = await records.load_votes(scene.answer_id)
            assert (vote.is_up, vote.comment) == (False, "The price.")
            scene.press("Regenerate", "Ada")
            await wait_until(
                lambda: len(scene.public_messages()) == 2 and "Copy" in scene.find_buttons(scene.public_messages()[1])
            )
            assert answerer.questions[-1].text == "How long?"


@asynccontextmanager
async def interrupted_answer(content: str) -> AsyncGenerator[Scene]:
    """After a kill: a message that is half-written, the record of its question, and a bot that was started since."""
    answerer = FakeAnswerer(ANSWER_SCRIPT)
    async with SqlRecords.open(IN_MEMORY) as records, DiscordSimulator() as simulator:
        world = simulator.world
        add_moderator(world)
        channel, ada = world.find_channel("general"), world.find_user("Ada")
        world.bot_api.send(channel.id, Draft(content=content, components=tuple(build_streaming_buttons("12"))))
        await records.save_answer(AnswerRecord("12", "How long?", ada.id, channel.guild_id, channel.id, asked_at=1.0))
        async with started_bot(simulator, records, answerer):
            yield Scene(world, records, answerer)


async def test_an_answer_cut_off_by_a_crash_is_closed_and_can_be_asked_again() -> None:
    async with interrupted_answer("Refunds take two ▌") as scene:
        assert await scene.wait_for_reply(scene.press("Stop", "Ben")) == answer_buttons.ASKER_ONLY
        await scene.wait_until_acknowledged(scene.press("Stop"))
        await wait_until(lambda: "Retry" in scene.find_buttons())
        assert scene.answer.current_state.content == f"Refunds take two\n\n{INTERRUPTED_NOTE}"
        scene.press("Retry")
        await wait_until(
            lambda: len(scene.public_messages()) == 2 and "Copy" in scene.find_buttons(scene.public_messages()[1])
        )
    assert scene.answerer.questions[0].text == "How long?"


@pytest.mark.parametrize(
    ("shown", "ended"),
    [
        ("Searching… 4 s", INTERRUPTED_NOTE),
        ("Refunds\n-# still waiting for the model, 10 s", f"Refunds\n\n{INTERRUPTED_NOTE}"),
        ("😀" * 990 + " ▌", "😀" * 990),
    ],
)
async def test_unfinished_answer_ends_the_same_by_recovery_and_by_its_button(shown: str, ended: str) -> None:
    async with interrupted_answer(shown) as scene:
        await scene.wait_until_acknowledged(scene.press("Stop"))
        await wait_until(lambda: "Retry" in scene.find_buttons())
        assert scene.answer.current_state.content == ended


async def test_full_page_left_by_a_crash_loses_no_text() -> None:
    text = "x" * 1_990
    async with interrupted_answer(f"{text} ▌") as scene:
        await scene.wait_until_acknowledged(scene.press("Stop"))
        await wait_until(lambda: "Retry" in scene.find_buttons())
        assert scene.answer.current_state.content == text


# Forged, replayed, elsewhere, gone


@pytest.mark.parametrize(
    "name", ["answer:", "answer:stop:", "answer:erase:12", "answer:copy:12 OR 1=1", "answer:up:1:2"]
)
async def test_forged_button_is_refused_with_a_message(name: str) -> None:
    async with finished_answer() as scene:
        assert await scene.wait_for_reply(scene.forge(name)) == FORGED


@pytest.mark.parametrize("action", ButtonAction)
async def test_button_of_an_unknown_answer_reports_it_as_gone(action: ButtonAction) -> None:
    async with finished_answer() as scene:
        assert await scene.wait_for_reply(scene.forge(format_custom_id(action, "999"))) == answer_buttons.NO_RECORD


async def test_button_of_an_expired_answer_reports_it_as_gone() -> None:
    async with finished_answer() as scene:
        await scene.records.delete_expired(time.time() + 60, now=time.time())
        for label in ("Regenerate", "Sources", "Copy", "👍", "👎"):
            assert await scene.wait_for_reply(scene.press(label)) == answer_buttons.NO_RECORD
        assert len(scene.answerer.questions) == 1


@pytest.mark.parametrize("action", ButtonAction)
async def test_a_button_pressed_in_another_channel_is_refused(action: ButtonAction) -> None:
    async with finished_answer() as scene:
        forged = scene.forge(format_custom_id(action, scene.answer_id), channel="random")
        assert await scene.wait_for_reply(forged) == answer_buttons.WRONG_CHANNEL


async def test_a_button_copied_to_another_message_is_refused() -> None:
    async with finished_answer() as scene:
        other = scene.world.people.say(scene.answer.channel_id, scene.world.find_user("Ben").id, "Hello")
        assert (
            await scene.wait_for_reply(scene.forge(format_custom_id(ButtonAction.COPY, scene.answer_id), on=other.id))
            == answer_buttons.WRONG_CHANNEL
        )


async def test_component_that_no_cog_knows_is_refused_with_a_message() -> None:
    async with finished_answer() as scene:
        assert await scene.wait_for_reply(scene.forge("library:cancel:1")) == FORGED


@pytest.mark.parametrize("label", ["Sources", "Copy"])
async def test_sources_and_copy_are_refused_outside_the_clickers_scope(memory_records: SqlRecords, label: str) -> None:
    answerer = FakeAnswerer(ANSWER_SCRIPT)
    async with DiscordSimulator() as simulator, started_bot(simulator, memory_records, answerer):
        scene = Scene(simulator.world, memory_records, answerer)
        channel, ada = scene.world.find_channel("general"), scene.world.find_user("Ada")
        scene.world.people.use_command(channel.id, ada.id, "ask", {"question": "How long?"})
        await wait_until(lambda: bool(scene.public_messages()) and "Copy" in scene.find_buttons())
        await asyncio.sleep(0.1)
        await memory_records.save_answer(replace(await scene.load_record(), scope=Scope(frozenset({"", "board"}))))
        assert await scene.wait_for_reply(scene.press(label, "Ben")) == answer_buttons.NO_ACCESS


class UnusableRecords(SqlRecords):
    """Records on a disk that is full."""

    async def save_answer(self, record: AnswerRecord) -> None:  # noqa: ARG002
        raise RecordsUnusable("The records cannot be read or written (OperationalError).")

    async def load_answer(self, answer_id: str) -> AnswerRecord | None:  # noqa: ARG002
        raise RecordsUnusable("The records cannot be read or written (OperationalError).")

    async def save_vote(self, vote: Vote) -> bool:  # noqa: ARG002
        raise RecordsUnusable("The records cannot be read or written (OperationalError).")


async def test_answers_work_without_records_and_buttons_report_it() -> None:
    async with UnusableRecords.open(IN_MEMORY) as records, bot_in_guild(ANSWER_SCRIPT, records=records) as setup:
        setup.ask()
        await setup.wait_until_done()
        scene = Scene(setup.simulator.world, records, setup.answerer, setup)
        assert scene.answer.current_state.content.startswith("Two **weeks** ")
        for label in ("Regenerate", "Sources", "Copy", "👍", "👎"):
            assert await scene.wait_for_reply(scene.press(label)) == answer_buttons.NO_RECORD


class FaultyRecords(SqlRecords):
    """Records that fail with an unexpected error."""

    async def save_vote(self, vote: Vote) -> bool:  # noqa: ARG002
        raise ZeroDivisionError("sk-secret")


async def test_unexpected_error_is_reported_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    async with FaultyRecords.open(IN_MEMORY) as records, bot_in_guild(ANSWER_SCRIPT, records=records) as setup:
        setup.ask()
        await setup.wait_until_done()
        scene = Scene(setup.simulator.world, records, setup.answerer, setup)
        said = await scene.wait_for_reply(scene.press("👍"))
    assert "sk-secret" not in said
    assert "in the log under" in said
    assert "ZeroDivisionError" in caplog.text


async def test_buttons_are_on_the_last_page_only() -> None:
    async with finished_answer(Script([f"word{n} " for n in range(500)])) as scene:
        *before, last = scene.public_messages()
        assert before
        assert not any(message.current_state.components for message in before)
        assert list(scene.find_buttons(last)) == ["Regenerate", "Sources", "Copy", "👍", "👎"]
        record = await scene.load_record()
        assert record.message_ids == tuple(message.id for message in scene.public_messages())
        assert "word499" in await _copy_answer(scene, scene.press("Copy", message=last))


async def _copy_answer(scene: Scene, interaction: Interaction) -> str:
    await scene.wait_for_reply(interaction)
    (file,) = scene.ephemeral_messages(interaction)[0].current_state.attachments
    return file.content.decode()
