"""A message that a killed process left half-written is found by its button for stopping, and is given an end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bot.discord_adapter.http import LIST_LIMIT, ChannelEndpoint, DiscordHttp, MessagePayload, map_errors
from bot.streaming import PAGE_LIMIT, WRITING_CURSOR, strip_cursor, utf16_length

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import discord

    from bot.discord_adapter.http import Json

_MAX_LISTS = 3
"""So many lists of messages are looked through: an answer's last page stands soon after its question."""


@dataclass(frozen=True, slots=True)
class UnfinishedMessage:
    """A page that was being written: its message, and the text it shows."""

    message_id: int
    content: str


class UnfinishedMessages:
    """What a killed process left of one answer in a channel, reached with the bot's own right.

    ``key`` is the answer's: the id of what asked for it, after which its messages stand.
    """

    def __init__(self, client: discord.Client, channel_id: int, *, answer_id: str) -> None:
        self._answer_id = answer_id
        self._endpoint = ChannelEndpoint(DiscordHttp(client), channel_id, answer_id)

    @property
    def bucket(self) -> str:
        """The channel's lane, which ``finish`` spends from."""
        return self._endpoint.bucket

    async def find(self, custom_id: str) -> UnfinishedMessage | None:
        """The message with a button of this name, which only a page being written has.

        None where there is none, or the bot may not look, or only the asker sees it.

        Raises:
            SurfaceBusy, SurfaceGone
        """
        after = int(self._answer_id)
        for _ in range(_MAX_LISTS):
            with map_errors():
                listed = await self._endpoint.list_messages_after(after)
            for message in listed:
                if custom_id in _iter_custom_ids(message):
                    return UnfinishedMessage(int(message["id"]), message["content"])
            if len(listed) < LIST_LIMIT:
                break
            after = max(int(message["id"]) for message in listed)
        return None

    async def finish(self, message: UnfinishedMessage, note: str, components: Sequence[Mapping[str, Any]]) -> None:
        """Put a note below what was said, and these buttons below that.

        Raises:
            SurfaceBusy, SurfaceGone
        """
        with map_errors():
            await self._endpoint.edit(
                message.message_id, MessagePayload(append_note(message.content, note), components)
            )


def append_note(content: str, note: str) -> str:
    """A half-written page with a note below it, or without where there is no room; nothing that was said is lost."""
    said = strip_cursor(content)
    # A page that holds text ends in a mark wherever there is room for one; a status line has none.
    if said == content and utf16_length(content + WRITING_CURSOR) <= PAGE_LIMIT:
        return note
    noted = f"{said.rstrip()}\n\n{note}"
    return noted if utf16_length(noted) <= PAGE_LIMIT else said


def _iter_custom_ids(message: Json) -> Iterator[str]:
    """The names of what can be pressed below a message."""
    return (str(part.get("custom_id")) for row in message.get("components", ()) for part in row.get("components", ()))
