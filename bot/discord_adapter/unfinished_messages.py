"""A message that a killed process left half-written is found by its button for stopping, and is given an end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bot.discord_adapter.http import LISTED, InChannel, Look, Requests, translated
from bot.streaming import PAGE_LIMIT, WRITING, unmarked, width

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import discord

    from bot.discord_adapter.http import Json

_LISTS = 3
"""So many lists of messages are looked through: an answer's last page stands soon after its question."""


@dataclass(frozen=True, slots=True)
class Leftover:
    """A page that was being written: its message, and the text it shows."""

    message_id: int
    shown: str


class Leftovers:
    """What a killed process left of one answer in a channel, reached with the bot's own right.

    ``key`` is the answer's: the id of what asked for it, after which its messages stand.
    """

    def __init__(self, client: discord.Client, channel_id: int, *, key: str) -> None:
        self._key = key
        self._door = InChannel(Requests(client), channel_id, key)

    @property
    def lane(self) -> str:
        """The channel's lane, which ``end`` spends from."""
        return self._door.lane

    async def found(self, button: str) -> Leftover | None:
        """The message with a button of this name, which only a page being written has.

        None where there is none, or the bot may not look, or only the asker sees it.

        Raises:
            SurfaceBusy, SurfaceGone
        """
        after = int(self._key)
        for _ in range(_LISTS):
            with translated():
                listed = await self._door.since(after)
            for message in listed:
                if button in _buttons(message):
                    return Leftover(int(message["id"]), message["content"])
            if len(listed) < LISTED:
                break
            after = max(int(message["id"]) for message in listed)
        return None

    async def end(self, leftover: Leftover, note: str, components: Sequence[Mapping[str, Any]]) -> None:
        """Put a note below what was said, and these buttons below that.

        Raises:
            SurfaceBusy, SurfaceGone
        """
        with translated():
            await self._door.edit(leftover.message_id, Look(ended(leftover.shown, note), components))


def ended(shown: str, note: str) -> str:
    """A half-written page with a note below it, or without where there is no room; nothing that was said is lost."""
    said = unmarked(shown)
    # A page that holds text ends in a mark wherever there is room for one; a status line has none.
    if said == shown and width(shown + WRITING) <= PAGE_LIMIT:
        return note
    noted = f"{said.rstrip()}\n\n{note}"
    return noted if width(noted) <= PAGE_LIMIT else said


def _buttons(message: Json) -> Iterator[str]:
    """The names of what can be pressed below a message."""
    return (str(part.get("custom_id")) for row in message.get("components", ()) for part in row.get("components", ()))
