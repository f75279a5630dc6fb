"""Ends interactions that would be left without an end: whatever failed, nobody sees "thinking…" for ever."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import aiohttp
import discord

from bot.discord_adapter.http import describe_error
from bot.discord_adapter.replies import edit_original_message

if TYPE_CHECKING:
    from collections.abc import Collection

_log = logging.getLogger(__name__)

SUPERVISION_TIMEOUT = 13.5 * 60.0
"""Seconds after which an interaction without an end is ended; its token is accepted for 15 minutes."""

NO_RESPONSE = "Timeout: this command did not finish. Try again; if it happens again, the operator finds it in the log."

_DISCORD_ERRORS = (discord.HTTPException, aiohttp.ClientError, OSError)


class InteractionSupervisor:
    """Looks at each interaction once, shortly before its token expires.

    Args:
        timeout: Seconds after which it looks.
    """

    def __init__(self, timeout: float = SUPERVISION_TIMEOUT) -> None:
        self._timeout = timeout
        self._tasks: set[asyncio.Task[None]] = set()

    def watch(self, interaction: discord.Interaction[Any]) -> None:
        """End this interaction if nothing else has ended it by then."""
        task = asyncio.create_task(self._watch(interaction))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Look at no interaction any more."""
        tasks: Collection[asyncio.Task[None]] = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self, interaction: discord.Interaction[Any]) -> None:
        await asyncio.sleep(self._timeout)
        if interaction.response.type is not discord.InteractionResponseType.deferred_channel_message:
            return
        try:
            response = await interaction.original_response()
            if response.flags.loading:
                _log.warning("Interaction %s: timeout, it was left without a response", interaction.id)
                await edit_original_message(interaction, NO_RESPONSE)
        except _DISCORD_ERRORS as error:
            _log.warning("Interaction %s: ending it failed: %s", interaction.id, describe_error(error))
