"""Sends ephemeral replies to interactions, and turns errors into messages for the person who waits."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import aiohttp
import discord
from discord import app_commands

from bot.answers.session import report_unexpected_error
from bot.errors import DocentError

if TYPE_CHECKING:
    from collections.abc import Sequence

_log = logging.getLogger(__name__)

ADMINS_ONLY = "You need the permission to manage this server, or a role that the operator has named, to do this."
COMMAND_CHANGED = "This command has changed since Discord last showed it. Reload Discord and try again."
NO_PERMISSION = "You do not have permission to use this command here."
_TIMEOUT = 10.0
ALREADY_ACKNOWLEDGED = 40060
"""Discord's code for a second acknowledgement of one interaction."""
REQUEST_FAILED = "A request to Discord failed. Try again in a moment."


class AdminsOnly(app_commands.CheckFailure):
    """Somebody who is not an admin used an admin command."""


async def send_ephemeral(
    interaction: discord.Interaction[Any], content: str, *, files: Sequence[discord.File] = ()
) -> None:
    """Reply to the person who used an interaction, and to nobody else, whether or not it was answered before."""
    options: dict[str, Any] = {
        "files": files,
        "ephemeral": True,
        "suppress_embeds": True,
        "allowed_mentions": discord.AllowedMentions.none(),
    }
    try:
        async with asyncio.timeout(_TIMEOUT):
            await _send(interaction, content, options)
    except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
        _log.warning("Interaction %s: sending an ephemeral reply failed: %s", interaction.id, type(error).__name__)


async def _send(interaction: discord.Interaction[Any], content: str, options: dict[str, Any]) -> None:
    if not interaction.response.is_done():
        try:
            await interaction.response.send_message(content, **options)
        except discord.HTTPException as error:
            if error.code != ALREADY_ACKNOWLEDGED:
                raise
        except (aiohttp.ClientError, OSError) as error:
            _log.warning("Interaction %s: the first reply failed: %s", interaction.id, type(error).__name__)
        else:
            return
    # Also if Discord has accepted an acknowledgement whose response was lost.
    await interaction.followup.send(content, **options)


async def report_error(interaction: discord.Interaction[Any], error: BaseException) -> None:
    """Tell the person who used an interaction, in private, why it failed and what to do."""
    await send_ephemeral(interaction, _describe(interaction, error))


def _describe(interaction: discord.Interaction[Any], error: BaseException) -> str:
    if isinstance(error, app_commands.CommandInvokeError):
        error = error.original
    match error:
        case DocentError():
            return error.user_message
        case AdminsOnly():
            return ADMINS_ONLY
        case app_commands.CommandNotFound() | app_commands.CommandSignatureMismatch():
            return COMMAND_CHANGED
        case app_commands.CheckFailure():
            return NO_PERMISSION
        case discord.HTTPException() | aiohttp.ClientError() | OSError():
            _log.warning("Interaction %s: a request to Discord failed: %s", interaction.id, type(error).__name__)
            return REQUEST_FAILED
        case _:
            return report_unexpected_error(error, str(interaction.id))
