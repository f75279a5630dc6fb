"""/ask over the wire: a real client, a real HTTP and gateway, a scripted answerer."""

from __future__ import annotations

import asyncio
import logging

import pytest

from bot.answers.status_lines import REFUSED_NOTE
from bot.discord_adapter import InteractionSurface
from bot.discord_adapter.destinations import ANSWER_REFUSED
from bot.errors import ModelInterrupted, NothingFound
from bot.simulator.faults import FailureKind, Fault
from bot.simulator.world import InteractionCreated
from tests.fakes.answerer import HANDBOOK, Pause, Script
from tests.fakes.bot_in_guild import bot_in_guild, wait_until

MARK = "[[1]](<https://team.example/h>)"
FOOTER = "-# **Sources**\n-# [1] [Handbook](<https://team.example/h>) › Refunds"


async def test_an_answer_streams_into_the_response_and_ends_exactly_with_its_sources() -> None:
    words = [f"word{n} " for n in range(20)]
    script = Script([step for word in words for step in (word, Pause(0.05))] + ["end [1]."])
    async with bot_in_guild(script) as setup:
        setup.ask()
        await setup.wait_until_done()
        (message,) = setup.channel_messages()
        states = [state.content for state in message.states]
    assert states[-1] == "".join(words) + f"end {MARK}.\n\n{FOOTER}"
    assert len(states) > 4
    assert any(state.startswith("Searching") or "Reading Handbook" in state for state in states)


async def test_the_question_reaches_the_answerer_once_under_the_interactions_id() -> None:
    async with bot_in_guild(Script(["Two weeks [1]."])) as setup:
        interaction = setup.ask("How long?")
        await setup.wait_until_done()
        (question,) = setup.answerer.questions
    assert question.text == "How long?"
    assert question.answer_id == str(interaction.id)


async def test_every_message_and_edit_suppresses_embeds_and_mentions_nobody() -> None:
    text = "@everyone <@1> https://evil.example/x " * 120 + "[1]"
    async with bot_in_guild(Script([text[at : at + 90] for at in range(0, len(text), 90)])) as setup:
        setup.ask()
        await setup.wait_until_done()
        bodies = [call.body for call in setup.find_requests("/webhooks/")]
    assert len(setup.channel_messages()) > 1
    assert bodies
    assert all(body["flags"] == 4 for body in bodies)
    assert all(not body["allowed_mentions"]["parse"] for body in bodies)
    assert all("https://evil" not in body["content"] for body in bodies)


async def test_a_failure_before_any_text_is_the_whole_message() -> None:
    async with bot_in_guild(Script(refusal=NothingFound("The documents do not speak of it."))) as setup:
        setup.ask()
        await setup.wait_until_done()
        assert setup.channel_messages()[0].current_state.content == "The documents do not speak of it."


async def test_interrupted_answer_keeps_its_text_and_gives_the_reason() -> None:
    lost = ModelInterrupted("The connection to the model was lost.")
    async with bot_in_guild(Script(["Refunds take", Pause(0.3), lost])) as setup:
        setup.ask()
        await setup.wait_until_done()
        content = setup.channel_messages()[0].current_state.content
    assert content.startswith("Refunds take")
    assert "-# Interrupted. The connection to the model was lost." in content
    assert HANDBOOK.title in content


async def test_unexpected_error_does_not_show_its_text(caplog: pytest.LogCaptureFixture) -> None:
    async with bot_in_guild(Script(refusal=ZeroDivisionError("sk-secret"))) as setup:
        setup.ask()
        await setup.wait_until_done()
        content = setup.channel_messages()[0].current_state.content
    assert "sk-secret" not in content
    assert "in the log under" in content
    assert "ZeroDivisionError" in caplog.text


async def test_failed_acknowledgement_starts_no_search(caplog: pytest.LogCaptureFixture) -> None:
    async with bot_in_guild(Script(["Two weeks"])) as setup:
        setup.simulator.faults.add(Fault(FailureKind.STATUS, "POST", "/callback", status=404))
        interaction = setup.ask()
        await setup.wait_until_done()
        assert not setup.answerer.questions
        assert not setup.channel_messages()
    (line,) = [record.getMessage() for record in caplog.records if record.name == "bot.discord_adapter.surfaces"]
    assert str(interaction.id) in line
    assert interaction.token not in caplog.text


@pytest.mark.parametrize("is_applied", [False, True])
async def test_acknowledgement_is_tried_again_after_a_reset(*, is_applied: bool) -> None:
    async with bot_in_guild(Script(["Two weeks [1]."])) as setup:
        setup.simulator.faults.add(Fault(FailureKind.RESET, "POST", "/callback", times=2, is_applied=is_applied))
        setup.ask()
        await wait_until(lambda: any(m.current_state.content.startswith("Two weeks") for m in setup.channel_messages()))
        assert len(setup.channel_messages()) == 1


async def test_acknowledgement_that_never_gets_through_costs_no_search() -> None:
    async with bot_in_guild(Script(["Two weeks [1]."])) as setup:
        setup.simulator.faults.add(Fault(FailureKind.RESET, "POST", "/callback", times=9, is_applied=True))
        setup.ask()
        # Discord had taken the first one: what it shows as "thinking" ends with a message.
        await wait_until(lambda: any("failed" in m.current_state.content for m in setup.channel_messages()))
        assert not setup.answerer.questions


@pytest.mark.parametrize("status", [400, 403])
async def test_edit_that_discord_refuses_closes_the_message_and_is_told_to_the_asker(status: int) -> None:
    async with bot_in_guild(Script(["Two weeks ", Pause(2.0), "and a day."])) as setup:
        setup.ask()
        await wait_until(lambda: any(m.current_state.content.startswith("Two weeks") for m in setup.channel_messages()))
        setup.simulator.faults.add(Fault(FailureKind.STATUS, "PATCH", status=status))
        await wait_until(lambda: any(m.current_state.content == ANSWER_REFUSED for m in setup.channel_messages()))
        answer = setup.channel_messages()[0]
        assert answer.current_state.content.startswith("Two weeks")
        assert answer.current_state.content.endswith(REFUSED_NOTE)
        assert not answer.current_state.components


async def test_finished_answer_is_shown_once_more_after_an_edit_without_response(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(InteractionSurface, "repaint_delay", 0.1)
    async with bot_in_guild(Script(["Two weeks ", Pause(1.0), "and ", Pause(1.0), "a day."])) as setup:
        setup.ask()
        await wait_until(lambda: any(m.current_state.content.startswith("Two weeks") for m in setup.channel_messages()))
        setup.simulator.faults.add(Fault(FailureKind.RESET, "PATCH"))
        message = setup.channel_messages()[0]
        await wait_until(lambda: message.current_state.content.startswith("Two weeks and a day."))
        finished = len(message.states)
        await wait_until(lambda: len(message.states) > finished)
        assert message.current_state.content == message.states[finished - 1].content
        assert message.current_state.components == message.states[finished - 1].components


async def test_interaction_delivered_twice_is_answered_once() -> None:
    async with bot_in_guild(Script(["Two weeks [1]."])) as setup:
        interaction = setup.ask()
        await setup.wait_until_done()
        setup.simulator.world.emit(InteractionCreated(interaction.created_at, interaction))
        await asyncio.sleep(0.2)
        assert len(setup.find_requests("/callback")) == 1
        assert len(setup.answerer.questions) == 1


async def test_deleting_the_answer_message_closes_the_model_connection(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "bot.answers.service")
    steps = [step for n in range(100) for step in (f"word{n} ", Pause(0.05))]
    async with bot_in_guild(Script(steps)) as setup:
        setup.ask()
        await wait_until(lambda: any("word3" in message.current_state.content for message in setup.channel_messages()))
        setup.simulator.world.delete(setup.channel_messages()[0].id)
        before = asyncio.get_running_loop().time()
        await wait_until(lambda: setup.answerer.answers[0].is_closed)
        assert asyncio.get_running_loop().time() - before < 1.0
        await setup.wait_until_done()
        calls = len(setup.find_requests("/webhooks/"))
        await asyncio.sleep(0.5)
        assert len(setup.find_requests("/webhooks/")) == calls
    (line,) = [record.getMessage() for record in caplog.records if record.name == "bot.answers.service"]
    assert ": lost, " in line


async def test_ten_questions_at_once_are_all_answered_without_a_429() -> None:
    async with bot_in_guild(Script(["Two ", Pause(0.3), "weeks ", Pause(0.3), "[1]."])) as setup:
        for _ in range(10):
            setup.ask()
        await setup.wait_until_done()
        contents = [message.current_state.content for message in setup.channel_messages()]
        assert all(request.status != 429 for request in setup.simulator.requests)
    assert len(contents) == 10
    assert all(content.startswith(f"Two weeks {MARK}.") and content.endswith(FOOTER) for content in contents)
