"""A look at everything the bot needs, from the outside: what was seen, and what to do where it is not well.

Each check performs one look and returns its findings; none raises, and none shows a key. ``account`` and
``permissions`` look at Discord, ``models`` at the models' hosts, ``machine`` at what is here.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp

from bot.doctor.account import check_discord, check_intents
from bot.doctor.check_result import CheckResult
from bot.doctor.discord_api import TIMEOUT
from bot.doctor.machine import (
    check_collections,
    check_disk,
    check_documents,
    check_index,
    check_proxies,
    check_records,
    check_settings,
)
from bot.doctor.models import check_embeddings, check_model
from bot.doctor.permissions import REQUIRED_PERMISSIONS, build_invite_link

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from bot.domain import LibraryState
    from bot.knowledge import EmbeddingChoice, LanguageModelChoice, LocalEmbeddingChoice
    from bot.settings import Settings

__all__ = [
    "REQUIRED_PERMISSIONS",
    "CheckResult",
    "build_invite_link",
    "check_collections",
    "check_discord",
    "check_disk",
    "check_documents",
    "check_embeddings",
    "check_index",
    "check_intents",
    "check_model",
    "check_records",
    "check_settings",
    "run_checks",
]


async def run_checks(
    settings: Settings,
    index: Awaitable[LibraryState | str],
    *,
    language_model: LanguageModelChoice | None,
    embedding_model: EmbeddingChoice | LocalEmbeddingChoice | None,
    is_offline: bool = False,
) -> Sequence[CheckResult]:
    """Every check, side by side.

    ``index`` gives the library's state, or the words of why it cannot be opened. ``language_model`` and
    ``embedding_model`` are the
    models that the settings choose. With ``is_offline`` nothing is asked of Discord, nor of a model's server.
    """
    async with aiohttp.ClientSession(timeout=TIMEOUT) as session:
        account, models, here = await asyncio.gather(
            _skip_discord() if is_offline else check_discord(session, settings),
            asyncio.gather(
                check_model(session, settings, language_model, is_offline=is_offline),
                check_embeddings(session, settings, embedding_model, is_offline=is_offline),
            ),
            _check_machine(settings, index),
        )
    return [check_settings(settings), *check_proxies(settings), *account, *models, *here]


async def _check_machine(settings: Settings, index: Awaitable[LibraryState | str]) -> Sequence[CheckResult]:
    files, shut, searched, remembered, room = await asyncio.gather(
        asyncio.to_thread(check_documents, settings.data_dir),
        asyncio.to_thread(check_collections, settings.data_dir),
        check_index(index),
        check_records(settings),
        asyncio.to_thread(check_disk, settings.state_dir),
    )
    return [files, *shut, searched, remembered, room]


async def _skip_discord() -> Sequence[CheckResult]:
    return [
        CheckResult("Discord", "note", "not asked: --offline", "Without --offline token and permissions are checked.")
    ]
