"""A click comes in: what was clicked and picked comes out, and whoever clicked is never left without a word."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import discord

from bot.client import whisper
from bot.errors import DocentError
from bot.telling import unexpected

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

_log = logging.getLogger(__name__)

FORGED = "That button is none that I made."


def clicked(interaction: discord.Interaction[Any]) -> str:
    """The custom id of what was clicked; empty for commands."""
    data: Any = interaction.data or {}
    return str(data.get("custom_id", ""))


def picked(interaction: discord.Interaction[Any]) -> list[str]:
    """What was picked in a select."""
    data: Any = interaction.data or {}
    values = data.get("values", [])
    return [str(value) for value in values] if isinstance(values, list) else []


@asynccontextmanager
async def answering(interaction: discord.Interaction[Any]) -> AsyncGenerator[None]:
    """The edge around a click: what fails inside is told to the one who clicked, and to nobody else."""
    try:
        yield
    except DocentError as error:
        await whisper(interaction, error.words)
    except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
        _log.warning("Click %s could not be answered: %s", interaction.id, type(error).__name__)
    except Exception as error:  # noqa: BLE001 - the edge: whoever clicked must not be left without a word
        await whisper(interaction, unexpected(error, str(interaction.id)))
