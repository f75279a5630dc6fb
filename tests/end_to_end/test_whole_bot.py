"""From a question on Discord to an exact, sourced answer: the whole bot, a simulated Discord, a scripted model."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bot.errors import SettingsInvalid
from bot.knowledge.models.local import load_local_embedding
from bot.settings import list_setting_names, load
from bot.simulator.faults import FailureKind, Fault
from bot.simulator.server import DiscordSimulator
from tests.fakes.deployment import (
    TIMEOUT,
    Deployment,
    build_environment,
    deploy,
    has_commands,
    ingest_documents,
    write_documents,
)
from tests.fakes.openai_server import (
    Completion,
    OpenAIServer,
    StreamEnd,
    make_completion,
    make_invalid_key_error,
    make_quota_error,
    make_rate_limit_error,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from bot.simulator.world import Message

MARK = "[[1]](<https://wiki.example/refunds>)"
FOOTER = "-# **Sources**\n-# [1] [Refunds](<https://wiki.example/refunds>) › Deadlines · 2026-01-02"

FENCED = (
    "Here is the script:\n\n```python\n"
    + "".join(f"print({n:04})  # line {n}\n" for n in range(270))
    + "```\n\nThat is all [1]."
)


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list_setting_names():
        monkeypatch.delenv(name, raising=False)


def link_citations(text: str) -> str:
    """What the model said, as it is shown: its marks lead to the document."""
    return text.replace("[1]", MARK)


async def test_a_question_becomes_a_streamed_sourced_exact_answer(tmp_path: Path) -> None:
    words = "A refund is paid within five working days [1]. " * 6
    async with deploy(tmp_path, make_completion(words.strip(), first_delay=1.5, delta_delay=0.03)) as bot:
        content = await bot.ask_and_wait()
        states = [state.content for state in bot.channel_messages()[0].states]
        (chat,) = bot.model.chat_requests
        wire = [request for request in bot.simulator.requests if "/webhooks/" in request.path]
    assert content == f"{link_citations(words.strip())}\n\n{FOOTER}"
    assert len(states) > 4
    assert any("Reading Refunds" in state for state in states)
    assert "five working days" in chat.prompt
    assert all(request.body["flags"] == 4 and request.body["allowed_mentions"]["parse"] == [] for request in wire)
    assert all(request.status < 300 for request in bot.simulator.requests)


async def test_an_answer_of_6000_characters_with_a_fence_goes_on_in_further_messages(tmp_path: Path) -> None:
    async with deploy(tmp_path, make_completion(FENCED, delta_delay=0.002)) as bot:
        await bot.ask_and_wait()
        pages = [message.current_state.content for message in bot.channel_messages()]
        states = [state.content for message in bot.channel_messages() for state in message.states]
    assert len(FENCED) > 6_000
    assert len(pages) >= 4
    assert all(len(state) <= 2_000 for state in states)
    assert all(len(re.findall(r"^```", state, re.MULTILINE)) % 2 == 0 for state in states)
    lines = [line for page in pages for line in page.splitlines() if line.startswith("print(")]
    assert lines == [line for line in FENCED.splitlines() if line.startswith("print(")]
    assert pages[-1].endswith(f"That is all {MARK}.\n\n{FOOTER}")


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (make_invalid_key_error(), "key"),
        (make_quota_error(), "quota|credit"),
        (make_rate_limit_error(12), "12 s"),
        (Completion([]), "without|no answer"),
    ],
)
async def test_empty_model_output_is_explained(tmp_path: Path, script: Completion, words: str) -> None:
    async with deploy(tmp_path, script) as bot:
        content = await bot.ask_and_wait()
    assert re.search(words, content, re.IGNORECASE)
    assert "sk-" not in content
    assert "http" not in content.replace("https://wiki.example/refunds", "")


@pytest.mark.parametrize("close", [StreamEnd.RESET, StreamEnd.ERROR_EVENT, StreamEnd.CLOSED, StreamEnd.BROKEN_JSON])
async def test_text_stays_when_the_model_connection_breaks(tmp_path: Path, close: StreamEnd) -> None:
    async with deploy(tmp_path, make_completion("A refund is paid within", delta_delay=0.05, end=close)) as bot:
        content = await bot.ask_and_wait()
    assert content.startswith("A refund is paid within")
    assert "-# Interrupted" in content


async def test_a_model_cut_off_at_its_length_limit_says_so(tmp_path: Path) -> None:
    async with deploy(tmp_path, Completion(["A refund [1]"], finish_reason="length")) as bot:
        content = await bot.ask_and_wait()
    assert content.startswith(f"A refund {MARK}")
    assert "length limit" in content


async def test_only_links_of_sources_are_live_in_every_state(tmp_path: Path) -> None:
    said = "See https://evil.example/?q=secret and [here](https://evil.example) or https://wiki.example/refunds [1]."
    async with deploy(tmp_path, Completion(list(said), delta_delay=0.03)) as bot:
        content = await bot.ask_and_wait()
        states = [state.content for message in bot.channel_messages() for state in message.states]
    assert not [state for state in states if re.search(r"https?://(?!wiki\.example/refunds)\w", state)]
    assert "https://wiki.example/refunds" in content


async def test_transient_discord_failures_are_invisible_to_the_reader(tmp_path: Path) -> None:
    words = "A refund is paid within five working days. " * 20 + "[1]"
    async with deploy(tmp_path, make_completion(words, delta_delay=0.01)) as bot:
        for trouble in (FailureKind.RESET, FailureKind.RATE_LIMITED, FailureKind.HTML_PAGE):
            bot.simulator.faults.add(Fault(trouble, "PATCH", "/webhooks/", status=503, retry_after=0.4))
        content = await bot.ask_and_wait()
        assert not bot.simulator.faults.pending
    assert content == f"{link_citations(words)}\n\n{FOOTER}"


async def test_a_gateway_lost_in_mid_answer_is_not_noticed_by_the_reader(tmp_path: Path) -> None:
    words = "A refund is paid within five working days [1]. " * 8
    async with deploy(tmp_path, make_completion(words.strip(), delta_delay=0.04)) as bot:
        bot.ask()
        await bot.wait_until(
            lambda: (
                bool(bot.channel_messages()) and bot.channel_messages()[0].current_state.content.startswith("A refund")
            )
        )
        bot.simulator.gateway.drop_connections()
        await bot.wait_until(lambda: bot.channel_messages()[0].current_state.content.endswith(FOOTER))
        async with asyncio.timeout(20):
            await bot.simulator.wait_until_ready()
        assert await bot.ask_and_wait() == f"{link_citations(words.strip())}\n\n{FOOTER}"
        assert [message.current_state.content for message in bot.channel_messages()] == [
            f"{link_citations(words.strip())}\n\n{FOOTER}"
        ] * 2


async def test_unmatched_question_is_reported_without_calling_the_model(tmp_path: Path) -> None:
    async with deploy(tmp_path, make_completion("Nonsense."), embed_model="none") as bot:
        content = await bot.ask_and_wait("xylophone zeppelin quasar")
        assert bot.model.chat_requests == []
    assert "do not mention" in content


async def test_without_a_model_the_documents_are_quoted(tmp_path: Path) -> None:
    async with deploy(
        tmp_path, make_completion(""), embed_model="none", openai_base_url=None, openai_api_key=None
    ) as bot:
        content = await bot.ask_and_wait("When does the dishwasher run?")
        assert bot.model.requests == []
    assert content.startswith("**No model is set: quoting your documents**")
    assert "The dishwasher runs at six in the evening." in content
    assert "Kitchen" in content


@pytest.mark.skipif(load_local_embedding() is None, reason="the extra 'local' is not installed (Python 3.14 and newer)")
@pytest.mark.real_time("waits for a process that measures processor time")
@pytest.mark.timeout(300)  # a process of its own that loads everything
async def test_questions_never_block_the_event_loop_for_long(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.fakes.held_loop", str(tmp_path)),
        cwd=Path(__file__).parents[2],
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(240):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    held: dict[str, float] = dict(json.loads(line) for line in output.splitlines() if line.startswith(b"["))
    assert process.returncode == 0
    assert len(held) == 3
    assert max(held.values()) < 10, held  # units of a hundredth of a second on an idle core


async def test_ten_people_at_once_are_each_answered_exactly_without_a_429(tmp_path: Path) -> None:
    words = "A refund is paid within five working days [1]. " * 10
    async with deploy(tmp_path, make_completion(words.strip(), delta_delay=0.02)) as bot:
        for _ in range(10):
            bot.ask()
        await bot.wait_until(
            lambda: sum(m.current_state.content.endswith(FOOTER) for m in bot.channel_messages()) == 10
        )
        assert all(
            message.current_state.content == f"{link_citations(words.strip())}\n\n{FOOTER}"
            for message in bot.channel_messages()
        )
        assert all(request.status < 300 for request in bot.simulator.requests)


async def test_ten_who_mention_it_in_the_same_moment_are_each_answered_to_within_a_second(tmp_path: Path) -> None:
    answer = make_completion("A refund is paid within five working days [1].", first_delay=0.5)
    async with deploy(tmp_path, answer) as bot:
        world = bot.simulator.world
        channel = world.find_channel("general")
        people = [world.add_user(f"Person {number}") for number in range(10)]
        for person in people:
            world.admin.add_member(channel.guild_id or 0, person.id)
        asked = [
            world.people.say(channel.id, person.id, f"<@{world.bot.id}> How long is a refund?") for person in people
        ]

        def answers(question: Message) -> list[Message]:
            thread = world.channels.get(question.id)
            place = bot.channel_messages() if thread is None else world.history(thread.id)
            return [m for m in place if m.author_id == world.bot.id and (thread or m.reference_id == question.id)]

        await bot.wait_until(
            lambda: all(shown and shown[0].current_state.content.endswith(FOOTER) for shown in map(answers, asked))
        )
        waited = [answers(question)[0].created_at - question.created_at for question in asked]
        threads = [question for question in asked if question.id in world.channels]
        assert len(threads) == 10 - bot.settings.crowded_channel
        assert max(waited) < 1
        assert all(request.status < 300 for request in bot.simulator.requests)


async def test_an_empty_index_is_filled_at_start_while_questions_are_answered_honestly(tmp_path: Path) -> None:
    async with deploy(tmp_path, make_completion("Five days [1]."), is_indexed=False) as bot:
        async with asyncio.timeout(30):
            while not (content := await bot.ask_and_wait()).startswith(f"Five days {MARK}."):
                assert re.search("being read for the first time|no documents", content)


async def test_a_token_discord_refuses_is_one_sentence_about_the_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="DISCORD_TOKEN is not accepted by Discord"):
        async with deploy(tmp_path, make_completion(""), discord_token="wrong"):
            raise AssertionError("it must not get here")


@asynccontextmanager
async def running_process(
    simulator: DiscordSimulator, model: OpenAIServer, folder: Path
) -> AsyncGenerator[asyncio.subprocess.Process]:
    """The real command in a process of its own, connected and with its commands published; ``folder / "log"`` grows."""
    is_first = not (folder / "documents").exists()
    variables = build_environment(simulator, model, write_documents(folder) if is_first else folder)
    await ingest_documents(load(None, **{name.lower(): value for name, value in variables.items()}))
    with (folder / "log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bot"),
            env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "LOG_LEVEL": "DEBUG", **variables},
            stdout=log,
            stderr=log,
        )
    try:
        async with asyncio.timeout(TIMEOUT):
            while not has_commands(simulator):  # noqa: ASYNC110  # another process: no event tells of it
                await asyncio.sleep(0.05)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_answer_of_a_killed_process_is_finished_at_the_next_start(tmp_path: Path) -> None:
    speech = make_completion("A refund is paid within five working days. " * 50, delta_delay=0.1)
    async with DiscordSimulator() as simulator, OpenAIServer(speech) as model:
        bot = Deployment(simulator, model, None, asyncio.Event())  # type: ignore[arg-type]  # the process has its own
        async with running_process(simulator, model, tmp_path) as process:
            bot.ask()
            await bot.wait_until(
                lambda: (
                    bool(bot.channel_messages())
                    and bot.channel_messages()[0].current_state.content.startswith("A refund is paid")
                )
            )
            process.kill()
            await process.wait()
        assert bot.channel_messages()[0].current_state.content.endswith("▌")
        async with running_process(simulator, model, tmp_path):
            await bot.wait_until(lambda: not bot.channel_messages()[0].current_state.content.endswith("▌"))
        content = bot.channel_messages()[0].current_state.content
        buttons = [
            button["label"]
            for row in bot.channel_messages()[0].current_state.components
            for button in row["components"]
        ]
    assert content.startswith("A refund is paid")
    assert content.endswith("\n\n-# Interrupted. Docent was restarted: ask again.")
    assert buttons == ["Retry"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_finishes_open_answers_as_interrupted_and_exits_with_0(
    tmp_path: Path, number: signal.Signals
) -> None:
    speech = make_completion("A refund is paid within five working days. " * 50, delta_delay=0.1)
    async with (
        DiscordSimulator() as simulator,
        OpenAIServer(speech) as model,
        running_process(simulator, model, tmp_path) as process,
    ):
        bot = Deployment(simulator, model, None, asyncio.Event())  # type: ignore[arg-type]  # the process has its own
        bot.ask()
        await bot.wait_until(
            lambda: (
                bool(bot.channel_messages())
                and bot.channel_messages()[0].current_state.content.startswith("A refund is paid")
            )
        )
        process.send_signal(number)
        async with asyncio.timeout(TIMEOUT):
            await process.wait()
        output = (tmp_path / "log").read_bytes()
        content = bot.channel_messages()[0].current_state.content
        assert process.returncode == 0
        assert content.startswith("A refund is paid")
        assert "-# Interrupted" in content
        assert "restarting" in content
        assert model.disconnects == 1
        assert b"sk-planted-key" not in output
        assert simulator.world.token.encode() not in output
        assert b"Traceback" not in output
