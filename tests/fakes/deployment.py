"""The whole product on loopback: a fake for Discord, a scripted model, documents, and the bot between them."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.app.library import open_knowledge_base
from bot.app.serve import serve
from bot.settings import load
from bot.simulator.server import DiscordSimulator
from bot.simulator.world import MESSAGE_CONTENT_INTENT
from tests.fakes.discord_client import override_discord_urls
from tests.fakes.openai_server import OpenAIServer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path

    from bot.settings import Settings
    from bot.simulator.world import Interaction, Message
    from tests.fakes.openai_server import Script

DOCUMENTS_MODIFIED_AT = 1_767_355_200.0
"""When the documents were last changed, in Unix seconds: noon on 2026-01-02."""

TIMEOUT = 120.0
"""Seconds within which anything here happens, or something is wrong: on a busy machine a process starts slowly."""

IDLE_SECONDS = 1.2
"""Seconds without an edit after which an answer is over: longer than any pause between two pages."""

REFUNDS = """---
title: Refunds
url: https://wiki.example/refunds
---
# Refunds

## Deadlines

A refund is paid within five working days. The customer needs to name the order.

## Limits

Refunds of more than 1,000 euros want the signature of Lotte.
"""

KITCHEN = "# Kitchen\n\nThe dishwasher runs at six in the evening. Whoever is last switches it on.\n"


@dataclass(frozen=True, slots=True)
class Deployment:
    """A running bot and the two ends it speaks with."""

    simulator: DiscordSimulator
    model: OpenAIServer
    settings: Settings
    stop: asyncio.Event

    def ask(self, question: str = "How long does a refund take?") -> Interaction:
        """Ada uses /ask in #general."""
        world = self.simulator.world
        return world.people.use_command(
            world.find_channel("general").id, world.find_user("Ada").id, "ask", {"question": question}
        )

    def channel_messages(self) -> list[Message]:
        """The messages in #general, oldest first."""
        return self.simulator.world.history(self.simulator.world.find_channel("general").id)

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait for something to become true."""
        async with asyncio.timeout(TIMEOUT):
            while not condition():  # noqa: ASYNC110  # it happens on the far side of a socket, no event tells of it
                await asyncio.sleep(0.02)

    async def ask_and_wait(self, question: str = "How long does a refund take?") -> str:
        """Ask, wait for the end, and give what the asker then sees, all pages joined by blank lines."""
        before = len(self.channel_messages())
        self.ask(question)
        await self.wait_until(lambda: len(self.channel_messages()) > before and self._is_idle())
        return "\n\n".join(message.current_state.content for message in self.channel_messages()[before:])

    def _is_idle(self) -> bool:
        """Whether the last answer has come to its end: nothing says that more is coming, and for a while none did."""
        last = self.channel_messages()[-1]
        return not _is_in_progress(last) and self.simulator.world.clock() - last.current_state.time > IDLE_SECONDS


def build_environment(simulator: DiscordSimulator, model: OpenAIServer, folder: Path) -> dict[str, str]:
    """The settings of a bot that stands between the two, as variables."""
    return {
        "DISCORD_TOKEN": simulator.world.token,
        "DISCORD_API_URL": simulator.api_url,
        "DISCORD_GATEWAY_URL": simulator.gateway_url,
        "OPENAI_API_KEY": "sk-planted-key",
        "OPENAI_BASE_URL": model.url,
        "LLM_MODEL": "fake",
        "EMBED_MODEL": "fake-embedding",
        "QUESTIONS_PER_MINUTE": "0",
        "ANSWERS_PER_PERSON": "0",
        "DATA_DIR": str(folder / "documents"),
        "STATE_DIR": str(folder / "state"),
        "WATCH": "false",
    }


def write_documents(folder: Path) -> Path:
    """Two documents under ``folder``, which is returned."""
    (folder / "documents").mkdir()
    (folder / "documents" / "refunds.md").write_text(REFUNDS, encoding="utf-8")
    (folder / "documents" / "kitchen.md").write_text(KITCHEN, encoding="utf-8")
    for document in (folder / "documents").iterdir():
        os.utime(document, (DOCUMENTS_MODIFIED_AT, DOCUMENTS_MODIFIED_AT))
    return folder


@asynccontextmanager
async def deploy(
    folder: Path, script: Script, *, is_indexed: bool = True, **overrides: str | None
) -> AsyncGenerator[Deployment]:
    """A bot that has published its commands, and has read its documents beforehand if ``is_indexed``."""
    async with DiscordSimulator() as simulator, OpenAIServer(script) as model:
        values = {
            name.lower(): value for name, value in build_environment(simulator, model, write_documents(folder)).items()
        }
        settings = load(None, required=("discord_token",), **(values | overrides))
        if settings.message_content:
            simulator.world.enabled_intents = MESSAGE_CONTENT_INTENT
        if is_indexed:
            await ingest_documents(settings)
        stop = asyncio.Event()
        with override_discord_urls(simulator):
            serving = asyncio.create_task(serve(settings, stop=stop))
            deployment = Deployment(simulator, model, settings, stop)
            try:
                await deployment.wait_until(lambda: serving.done() or has_commands(simulator))
                if serving.done():
                    serving.result()
                yield deployment
            finally:
                stop.set()
                async with asyncio.timeout(TIMEOUT):
                    await asyncio.gather(serving)


async def ingest_documents(settings: Settings) -> None:
    """Read the documents, as ``python -m bot reindex`` does."""
    knowledge = await asyncio.to_thread(open_knowledge_base, settings)
    await knowledge.reindex()
    await knowledge.close()


def has_commands(simulator: DiscordSimulator) -> bool:
    """Whether the bot has published its commands in the fake's guild."""
    return any(request.method == "PUT" and request.status < 300 for request in simulator.requests)


def _is_in_progress(message: Message) -> bool:
    content = message.current_state.content
    return (
        message.current_state.is_thinking
        or content.endswith("▌")
        or content.startswith(("Searching", "Reading", "-# still"))
    )
