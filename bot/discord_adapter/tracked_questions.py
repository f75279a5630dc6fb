"""A question by message, and where its answer stands, so that an edit soon after is answered anew in its place."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import aiohttp
import discord

if TYPE_CHECKING:
    from collections import OrderedDict
    from collections.abc import Iterable

K = TypeVar("K")
T = TypeVar("T")

EDIT_WINDOW = 120.0
"""Seconds in which a question that is edited is answered anew."""

_MAX_TRACKED = 1_000
_DISCORD_ERRORS = (discord.HTTPException, aiohttp.ClientError, OSError)


@dataclass(slots=True)
class TrackedQuestion:
    """One question by message, and where its answer stands. ``revision`` counts how often the question has changed."""

    text: str
    channel_id: int
    message_ids: tuple[int, ...] = ()
    revision: int = 0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def replace_messages(self, client: discord.Client, message_ids: tuple[int, ...]) -> None:
        """Remember where the answer stands now, and remove what an earlier one left below it."""
        spare = self.message_ids[len(message_ids) :]
        self.message_ids = message_ids
        await delete_messages(client, self.channel_id, spare)


def is_in_edit_window(message: discord.Message, now: float) -> bool:
    """Whether an edit comes soon enough, and can be read."""
    return bool(message.content) and now - message.created_at.timestamp() <= EDIT_WINDOW


async def delete_messages(client: discord.Client, channel_id: int, message_ids: Iterable[int]) -> None:
    """Delete messages of the bot's; one that is gone already is no matter."""
    channel = client.get_partial_messageable(channel_id)
    for message_id in message_ids:
        with suppress(*_DISCORD_ERRORS):
            await channel.get_partial_message(message_id).delete()


def put_bounded(cache: OrderedDict[K, T], key: K, value: T) -> T:
    """Remember something, and forget the oldest beyond a thousand."""
    cache[key] = value
    if len(cache) > _MAX_TRACKED:
        cache.popitem(last=False)
    return value
