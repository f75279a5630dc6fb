"""A click comes in: what was clicked and picked comes out, and whoever clicked is never left without a word."""

from __future__ import annotations

import logging
import secrets
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import discord

from bot.answers.session import unexpected
from bot.discord_adapter.client import whisper
from bot.errors import DocentError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

_log = logging.getLogger(__name__)

FORGED = "That button is none that I made."
LEFT_OPEN = (
    "Docent was restarted while this form was open, and can no longer take it. Open it again and send it once more."
)


class Forms:
    """Names for one kind of form that discord.py remembers: a form that a restart left open is known by its name."""

    def __init__(self, kind: str) -> None:
        self._kind = f"{kind}:"
        self._of_this_process = f"{self._kind}{secrets.token_hex(8)}:"

    def named(self, interaction: discord.Interaction[Any]) -> str:
        """The custom id of a form that is opened now."""
        return f"{self._of_this_process}{interaction.id}"

    def is_left_open(self, name: str) -> bool:
        """Whether a custom id is of such a form that this process knows nothing of."""
        return name.startswith(self._kind) and not name.startswith(self._of_this_process)


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
