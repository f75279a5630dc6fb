"""/ask over the wire: a real client, a real HTTP and gateway, a scripted answerer."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from bot.errors import ModelInterrupted, NothingFound
from bot.simulator.faults import Fault, Trouble
from bot.simulator.world import InteractionCreated
from tests.fakes.answerer import HANDBOOK, Pause, Script
from tests.fakes.bot_in_guild import laid, until

if TYPE_CHECKING:
    import pytest

MARK = "[[1]](<https://team.example/h>)"
FOOTER = "-# **Sources**\n-# [1] [Handbook](<https://team.example/h>) › Refunds"


async def test_an_answer_streams_into_the_response_and_ends_exactly_with_its_sources() -> None:
    words = [f"word{n} " for n in range(20)]
    script = Script([step for word in words for step in (word, Pause(0.05))] + ["end [1]."])
    async with laid(script) as table:
        table.ask()
        await table.settled()
        (message,) = table.shown()
        states = [state.content for state in message.states]
    assert states[-1] == "".join(words) + f"end {MARK}.\n\n{FOOTER}"
    assert len(states) > 4
    assert any(state.startswith("Searching") or "Reading Handbook" in state for state in states)


async def test_the_question_reaches_the_answerer_once_under_the_interactions_id() -> None:
    async with laid(Script(["Two weeks [1]."])) as table:
        interaction = table.ask("How long?")
        await table.settled()
        (question,) = table.answerer.asked
    assert question.text == "How long?"
    assert question.key == str(interaction.id)


async def test_every_message_and_edit_suppresses_embeds_and_mentions_nobody() -> None:
    text = "@everyone <@1> https://evil.example/x " * 120 + "[1]"
    async with laid(Script([text[at : at + 90] for at in range(0, len(text), 90)])) as table:
        table.ask()
        await table.settled()
        bodies = [call.body for call in table.calls("/webhooks/")]
    assert len(table.shown()) > 1
    assert bodies
    assert all(body["flags"] == 4 for body in bodies)
    assert all(not body["allowed_mentions"]["parse"] for body in bodies)
    assert all("https://evil" not in body["content"] for body in bodies)


async def test_a_failure_before_any_text_is_the_whole_message() -> None:
    async with laid(Script(refusal=NothingFound("The documents do not speak of it."))) as table:
        table.ask()
        await table.settled()
        assert table.shown()[0].now.content == "The documents do not speak of it."


async def test_an_answer_that_breaks_off_keeps_what_was_said_and_says_why() -> None:
    lost = ModelInterrupted("The connection to the model was lost.")
    async with laid(Script(["Refunds take", Pause(0.3), lost])) as table:
        table.ask()
        await table.settled()
        content = table.shown()[0].now.content
    assert content.startswith("Refunds take")
    assert "-# Interrupted. The connection to the model was lost." in content
    assert HANDBOOK.title in content


async def test_an_unforeseen_failure_shows_no_word_of_itself(caplog: pytest.LogCaptureFixture) -> None:
    async with laid(Script(refusal=ZeroDivisionError("sk-secret"))) as table:
        table.ask()
        await table.settled()
        content = table.shown()[0].now.content
    assert "sk-secret" not in content
    assert "in the log under" in content
    assert "ZeroDivisionError" in caplog.text


async def test_nothing_is_searched_unless_the_acknowledgement_was_taken(caplog: pytest.LogCaptureFixture) -> None:
    async with laid(Script(["Two weeks"])) as table:
        table.standin.faults.add(Fault(Trouble.STATUS, "POST", "/callback", status=404))
        interaction = table.ask()
        await table.settled()
        assert not table.answerer.asked
        assert not table.shown()
    (line,) = [record.getMessage() for record in caplog.records if record.name.startswith("bot.discord_adapter")]
    assert str(interaction.id) in line
    assert interaction.token not in caplog.text


async def test_an_interaction_handed_out_twice_is_answered_once() -> None:
    async with laid(Script(["Two weeks [1]."])) as table:
        interaction = table.ask()
        await table.settled()
        table.standin.world.tell(InteractionCreated(interaction.created_at, interaction))
        await asyncio.sleep(0.2)
        assert len(table.calls("/callback")) == 1
        assert len(table.answerer.asked) == 1


async def test_a_message_deleted_under_the_answer_hangs_up_on_the_model(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "bot.answers.service")
    steps = [step for n in range(100) for step in (f"word{n} ", Pause(0.05))]
    async with laid(Script(steps)) as table:
        table.ask()
        await until(lambda: any("word3" in message.now.content for message in table.shown()))
        table.standin.world.delete(table.shown()[0].id)
        before = time.monotonic()
        await until(lambda: table.answerer.answers[0].is_closed)
        assert time.monotonic() - before < 1.0
        await table.settled()
        calls = len(table.calls("/webhooks/"))
        await asyncio.sleep(0.5)
        assert len(table.calls("/webhooks/")) == calls
    (line,) = [record.getMessage() for record in caplog.records if record.name == "bot.answers.service"]
    assert ": lost, " in line


async def test_ten_questions_at_once_are_all_answered_without_a_429() -> None:
    async with laid(Script(["Two ", Pause(0.3), "weeks ", Pause(0.3), "[1]."])) as table:
        for _ in range(10):
            table.ask()
        await table.settled()
        contents = [message.now.content for message in table.shown()]
        assert all(request.status != 429 for request in table.standin.requests)
    assert len(contents) == 10
    assert all(content.startswith(f"Two weeks {MARK}.") and content.endswith(FOOTER) for content in contents)
