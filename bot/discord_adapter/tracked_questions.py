"""Remembers questions asked by message and the messages of their answers, for edits and deletions."""

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
    """A question asked by message, and where its answer is.

    ``revision`` counts how often it was edited; ``answer_id`` is the id of the message that was answered, also after a
    proxy has posted that message again under another id. ``files`` are what came with it.
    """

    text: str
    channel_id: int
    message_ids: tuple[int, ...] = ()
    revision: int = 0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    answer_id: str = ""
    files: tuple[discord.Attachment, ...] = ()

    async def replace_messages(self, client: discord.Client, message_ids: tuple[int, ...]) -> None:
        """Set the messages of the answer, and delete those an earlier answer left below it."""
        spare = self.message_ids[len(message_ids) :]
        self.message_ids = message_ids
        await delete_messages(client, self.channel_id, spare)


def is_in_edit_window(message: discord.Message, now: float) -> bool:
    """Return whether an edit came soon enough, and has content that can be read."""
    return bool(message.content) and now - message.created_at.timestamp() <= EDIT_WINDOW


async def delete_messages(client: discord.Client, channel_id: int, message_ids: Iterable[int]) -> None:
    """Delete messages of the bot; those that are already deleted are ignored."""
    channel = client.get_partial_messageable(channel_id)
    for message_id in message_ids:
        with suppress(*_DISCORD_ERRORS):
            await channel.get_partial_message(message_id).delete()


def put_bounded(cache: OrderedDict[K, T], key: K, value: T) -> T:
    """Put a value into a cache, and remove the oldest beyond a thousand; return the value."""
    cache[key] = value
    if len(cache) > _MAX_TRACKED:
        cache.popitem(last=False)
    return value
