"""A click comes in: what was clicked and picked comes out, and whoever clicked is never left without a word."""

from __future__ import annotations

import logging
import secrets
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import discord

from bot.answers.session import report_unexpected_error
from bot.discord_adapter.client import send_ephemeral
from bot.errors import DocentError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

_log = logging.getLogger(__name__)

FORGED = "That button is none that I made."
STALE_MODAL = (
    "Docent was restarted while this form was open, and can no longer take it. Open it again and send it once more."
)


class ModalIds:
    """Names for one kind of form that discord.py remembers: a form that a restart left open is known by its name."""

    def __init__(self, kind: str) -> None:
        self._prefix = f"{kind}:"
        self._process_prefix = f"{self._prefix}{secrets.token_hex(8)}:"

    def create(self, interaction: discord.Interaction[Any]) -> str:
        """The custom id of a form that is opened now."""
        return f"{self._process_prefix}{interaction.id}"

    def is_stale(self, custom_id: str) -> bool:
        """Whether a custom id is of such a form that this process knows nothing of."""
        return custom_id.startswith(self._prefix) and not custom_id.startswith(self._process_prefix)


def custom_id_of(interaction: discord.Interaction[Any]) -> str:
    """The custom id of what was clicked; empty for commands."""
    data: Any = interaction.data or {}
    return str(data.get("custom_id", ""))


def selected_values(interaction: discord.Interaction[Any]) -> list[str]:
    """What was picked in a select."""
    data: Any = interaction.data or {}
    values = data.get("values", [])
    return [str(value) for value in values] if isinstance(values, list) else []


@asynccontextmanager
async def error_boundary(interaction: discord.Interaction[Any]) -> AsyncGenerator[None]:
    """The edge around a click: what fails inside is told to the one who clicked, and to nobody else."""
    try:
        yield
    except DocentError as error:
        await send_ephemeral(interaction, error.user_message)
    except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
        _log.warning("Click %s could not be answered: %s", interaction.id, type(error).__name__)
    except Exception as error:  # noqa: BLE001 - the edge: whoever clicked must not be left without a word
        await send_ephemeral(interaction, report_unexpected_error(error, str(interaction.id)))
