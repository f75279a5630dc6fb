"""Sends what is no answer: private replies, notices, changed messages; each without previews, mentions, foreign links.

No cog sends or edits a message in any other way, so that this holds for all of them.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import aiohttp
import discord
from discord import app_commands

from bot.answers.session import report_unexpected_error
from bot.discord_adapter.http import InteractionEndpoint, MessagePayload
from bot.errors import DocentError
from bot.text.live_links import neutralise_links

if TYPE_CHECKING:
    from collections.abc import Sequence

    from discord import ui

_log = logging.getLogger(__name__)

ADMINS_ONLY = "You need the permission to manage this server, or a role that the operator has named, to do this."
COMMAND_CHANGED = "This command has changed since Discord last showed it. Reload Discord and try again."
NO_PERMISSION = "You do not have permission to use this command here."
_TIMEOUT = 10.0
ALREADY_ACKNOWLEDGED = 40060
"""Discord's code for a second acknowledgement of one interaction."""
_SAFE: dict[str, Any] = {"suppress_embeds": True, "allowed_mentions": discord.AllowedMentions.none()}
"""No previews of links, and nobody is pinged."""
REQUEST_FAILED = "A request to Discord failed. Try again in a moment."


class AdminsOnly(app_commands.CheckFailure):
    """Somebody who is not an admin used an admin command."""


async def send_ephemeral(
    interaction: discord.Interaction[Any],
    content: str,
    *,
    files: Sequence[discord.File] = (),
    view: ui.View | None = None,
) -> None:
    """Reply to the person who used an interaction, and to nobody else, whether or not it was answered before."""
    options: dict[str, Any] = {
        "files": files,
        "ephemeral": True,
        **_SAFE,
        **({"view": view} if view is not None else {}),
    }
    try:
        async with asyncio.timeout(_TIMEOUT):
            await _send(interaction, neutralise_links(content), options)
    except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
        _log.warning("Interaction %s: sending an ephemeral reply failed: %s", interaction.id, type(error).__name__)


async def edit_clicked_message(interaction: discord.Interaction[Any], content: str, view: ui.View | None) -> None:
    """Answer a click by changing the message that was clicked.

    Raises:
        discord.HTTPException: Discord refused.
        aiohttp.ClientError, OSError: no response came.
    """
    await interaction.response.edit_message(content=neutralise_links(content), view=view, **_SAFE)


async def edit_original_message(
    interaction: discord.Interaction[Any], content: str, *, components: Sequence[dict[str, Any]] | None = None
) -> None:
    """Change the message that an interaction was answered with or comes from; None leaves its components.

    Raises:
        discord.HTTPException: Discord refused.
        aiohttp.ClientError, OSError: no response came.
    """
    await InteractionEndpoint(interaction).create(0, MessagePayload(content, components))


async def send_notice(
    place: discord.abc.Messageable, content: str, *, reply_to: discord.Message | None = None
) -> discord.Message:
    """Write a message of ours that is no answer, in a channel or to a person; nobody is pinged.

    Raises:
        discord.HTTPException: Discord refused.
        aiohttp.ClientError, OSError: no response came.
    """
    options: dict[str, Any] = _SAFE if reply_to is None else {**_SAFE, "reference": reply_to}
    return await place.send(neutralise_links(content), **options)


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
