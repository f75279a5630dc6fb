"""The product's own App with fakes for its documents, its answers and its records."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from bot.app.build import build
from bot.domain import LibraryState
from bot.records import IN_MEMORY, SqlRecords
from bot.settings import load
from tests.fakes.answerer import FakeLibrary

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from bot.access.scopes import Rule
    from bot.app.build import App
    from bot.domain import Answerer
    from bot.records import Records

SETTINGS = {"questions_per_minute": 0, "answers_per_person": 0}
"""Nobody in a test waits for their turn, unless the test says otherwise."""

GUILD_READY_TIMEOUT = 0.05
"""Seconds that discord.py waits for further guilds before it is ready, instead of its own two."""

PROGRESS_INTERVAL = 0.05
"""Seconds between two updates of a re-index run's message."""


@asynccontextmanager
async def build_app(
    answerer: Answerer,
    *,
    library: FakeLibrary | None = None,
    records: Records | None = None,
    rules: Mapping[str, Rule] | None = None,
    **settings: Any,
) -> AsyncGenerator[App]:
    """Build the bot with ``settings`` by their fields' names; no file is read or written."""

    async def load_rules() -> Mapping[str, Rule]:
        return rules or {}

    async with AsyncExitStack() as stack:
        app = await stack.enter_async_context(
            build(
                load(None, **(SETTINGS | settings)),  # pyright: ignore[reportArgumentType] - load checks them
                answerer=answerer,
                library=library or FakeLibrary(LibraryState(0, 0, "none")),
                records=records or await stack.enter_async_context(SqlRecords.open(IN_MEMORY)),
                load_rules=load_rules,
                progress_interval=PROGRESS_INTERVAL,
            )
        )
        app.client._connection.guild_ready_timeout = GUILD_READY_TIMEOUT
        yield app
