"""Checks everything that the bot needs, from the outside, and says what to do about each problem.

Each check returns its results; none raises, and none shows a key. ``account`` and ``permissions`` check Discord,
``models`` the model servers, ``machine`` this machine.
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
from bot.doctor.models import check_embeddings, check_model, check_reranker, check_writing
from bot.doctor.permissions import REQUIRED_PERMISSIONS, build_invite_link

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from bot.domain import LibraryState
    from bot.knowledge import EmbeddingChoice, LanguageModelChoice, LocalEmbeddingChoice, RerankChoice
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
    "check_reranker",
    "check_settings",
    "check_writing",
    "run_checks",
]


async def run_checks(  # noqa: PLR0913 - what is checked, each by name
    settings: Settings,
    index: Awaitable[LibraryState | str],
    *,
    language_model: LanguageModelChoice | None,
    embedding_model: EmbeddingChoice | LocalEmbeddingChoice | None,
    reranker: RerankChoice | None = None,
    is_offline: bool = False,
) -> Sequence[CheckResult]:
    """Run every check at the same time.

    ``index`` returns the library's state, or the error message if it cannot be opened. ``language_model`` and
    ``embedding_model`` are the models that the settings choose, ``reranker`` is the rerank server. With ``is_offline``
    neither Discord nor a model's server is asked.
    """
    async with aiohttp.ClientSession(timeout=TIMEOUT) as session:
        account, (writing, embeddings, ranking), machine = await asyncio.gather(
            _skip_discord() if is_offline else check_discord(session, settings),
            asyncio.gather(
                check_writing(session, settings, language_model, is_offline=is_offline),
                check_embeddings(session, settings, embedding_model, is_offline=is_offline),
                check_reranker(reranker, is_offline=is_offline),
            ),
            _check_machine(settings, index),
        )
    return [check_settings(settings), *check_proxies(settings), *account, *writing, embeddings, *ranking, *machine]


async def _check_machine(settings: Settings, index: Awaitable[LibraryState | str]) -> Sequence[CheckResult]:
    documents, collections, index_result, records, disk = await asyncio.gather(
        asyncio.to_thread(check_documents, settings.data_dir),
        asyncio.to_thread(check_collections, settings.data_dir),
        check_index(index),
        check_records(settings),
        asyncio.to_thread(check_disk, settings.state_dir),
    )
    return [documents, *collections, index_result, records, disk]


async def _skip_discord() -> Sequence[CheckResult]:
    return [
        CheckResult("Discord", "note", "not asked: --offline", "Without --offline token and permissions are checked.")
    ]
