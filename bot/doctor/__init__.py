"""A look at everything the bot needs, from the outside: what was seen, and what to do where it is not well.

Each check performs one look and returns its findings; none raises, and none shows a key. ``account`` and
``permissions`` look at Discord, ``models`` at the models' hosts, ``machine`` at what is here.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp

from bot.doctor.account import intents, on_discord
from bot.doctor.check_result import Finding
from bot.doctor.discord_api import PATIENCE
from bot.doctor.machine import chosen, collections, disk, documents, records, searchable
from bot.doctor.models import embeddings, model
from bot.doctor.permissions import PERMISSIONS, invite_link

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from bot.domain import LibraryState
    from bot.knowledge import EmbeddingChoice, LanguageModelChoice, Local
    from bot.settings import Settings

__all__ = [
    "PERMISSIONS",
    "Finding",
    "chosen",
    "collections",
    "disk",
    "documents",
    "embeddings",
    "examined",
    "intents",
    "invite_link",
    "model",
    "on_discord",
    "records",
    "searchable",
]


async def examined(
    settings: Settings,
    index: Awaitable[LibraryState | str],
    *,
    writes: LanguageModelChoice | None,
    embeds: EmbeddingChoice | Local | None,
    is_offline: bool = False,
) -> Sequence[Finding]:
    """Every check, side by side.

    ``index`` gives the library's state, or the words of why it cannot be opened. ``writes`` and ``embeds`` are the
    models that the settings choose. With ``is_offline`` nothing is asked of Discord, nor of a model's server.
    """
    async with aiohttp.ClientSession(timeout=PATIENCE) as session:
        account, models, here = await asyncio.gather(
            _unasked() if is_offline else on_discord(session, settings),
            asyncio.gather(
                model(session, settings, writes, is_offline=is_offline),
                embeddings(session, settings, embeds, is_offline=is_offline),
            ),
            _here(settings, index),
        )
    return [chosen(settings), *account, *models, *here]


async def _here(settings: Settings, index: Awaitable[LibraryState | str]) -> Sequence[Finding]:
    files, shut, searched, remembered, room = await asyncio.gather(
        asyncio.to_thread(documents, settings.data_dir),
        asyncio.to_thread(collections, settings.data_dir),
        searchable(index),
        records(settings),
        asyncio.to_thread(disk, settings.state_dir),
    )
    return [files, *shut, searched, remembered, room]


async def _unasked() -> Sequence[Finding]:
    return [Finding("Discord", "note", "not asked: --offline", "Without --offline token and permissions are checked.")]
