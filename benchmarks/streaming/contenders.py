"""The bots that are compared: Docent as it is, and the bot that everybody writes, which edits each second."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import discord
from discord import app_commands

from benchmarks.streaming.model import SEARCH_SECONDS
from tests.fakes.app import build_app

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from benchmarks.streaming.model import Model
    from benchmarks.streaming.scenarios import Contender
    from bot.streaming import Driver

_EDIT_INTERVAL = 1.0
_MESSAGE_LIMIT = 2_000
_NEVER_CROWDED = 200


class Bot(Protocol):
    """One contender, ready to connect."""

    @property
    def client(self) -> discord.Client:
        """Its connection."""
        ...

    @property
    def open_answers(self) -> int:
        """How many answers it still works on."""
        ...


@asynccontextmanager
async def make_bot(contender: Contender, model: Model, *, crowd: int = 0) -> AsyncGenerator[Bot]:
    """Build the contender, which asks ``model``; ``crowd`` as in ``Scenario``."""
    if not contender.is_docent:
        yield EverySecondBot(model)
        return
    async with build_app(model, crowded_channel=crowd or _NEVER_CROWDED) as app:
        yield Docent(app.client, app.driver)


@dataclass(frozen=True, slots=True)
class Docent:
    """The product as its composition root joins it."""

    client: discord.Client
    driver: Driver

    @property
    def open_answers(self) -> int:
        """Return the number of unfinished answers."""
        return self.driver.open_answers


class EverySecondBot(discord.Client):
    """Takes a delta, and if a second has passed since the last edit, edits; cuts at 2,000 characters. No more.

    This is the loop of most bots that stream: it edits while the model speaks and looks at the model again afterwards.
    """

    def __init__(self, model: Model) -> None:
        super().__init__(intents=discord.Intents.default(), guild_ready_timeout=0.05)
        self._model = model
        self._tree = app_commands.CommandTree(self)
        self.open_answers = 0

    @property
    def client(self) -> discord.Client:
        """Itself."""
        return self

    async def setup_hook(self) -> None:
        """Publish /ask."""

        @self._tree.command(name="ask", description="Ask a question.")
        async def ask(interaction: discord.Interaction[Any], question: str) -> None:
            await self._answer_command(interaction, question)

        await self._tree.sync()

    async def on_message(self, message: discord.Message) -> None:
        """Answer whoever names the bot."""
        if message.author.bot or self.user not in message.mentions:
            return
        first = await message.reply("Searching…")
        await self._stream_answer(message.content, _Messages(first.edit, message.channel.send, first))

    async def _answer_command(self, interaction: discord.Interaction[Any], question: str) -> None:
        await interaction.response.defer(thinking=True)

        async def follow_up(*, content: str) -> discord.WebhookMessage:
            return await interaction.followup.send(content, wait=True)

        await self._stream_answer(question, _Messages(interaction.edit_original_response, follow_up))

    async def _stream_answer(self, question: str, messages: _Messages) -> None:
        self.open_answers += 1
        try:
            await asyncio.sleep(SEARCH_SECONDS)
            text, edited_at = "", time.monotonic()
            async for delta in self._model.deltas(question):
                text += delta
                if time.monotonic() - edited_at >= _EDIT_INTERVAL:
                    await messages.show(text)
                    edited_at = time.monotonic()
            await messages.show(text)
        finally:
            self.open_answers -= 1


class _Messages:
    """A growing text cut into messages of 2,000 characters."""

    def __init__(
        self, edit_first: Callable[..., Awaitable[Any]], send: Callable[..., Awaitable[Any]], first: Any = None
    ) -> None:
        self._edits: list[Callable[..., Awaitable[Any]]] = [edit_first]
        self._send = send
        self._contents: list[str] = ["" if first is None else first.content]

    async def show(self, text: str) -> None:
        """Bring every message that has changed up to date."""
        pieces = [text[start : start + _MESSAGE_LIMIT] for start in range(0, len(text), _MESSAGE_LIMIT)]
        for page, piece in enumerate(pieces):
            if page == len(self._edits):
                message = await self._send(content=piece)
                self._edits.append(message.edit)
                self._contents.append(piece)
            elif piece != self._contents[page]:
                await self._edits[page](content=piece)
                self._contents[page] = piece
