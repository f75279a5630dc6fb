"""One answer's messages: each page is one, with buttons below the page being written, and others below the last.

Which buttons, the controls say; when and where they stand is decided here.
"""

from __future__ import annotations

import logging
import time
from asyncio import timeout
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import aiohttp
import discord

from bot.discord_adapter.http import (
    InChannel,
    Look,
    Requests,
    Responses,
    is_token_dead,
    made_meanwhile,
    may_have_happened,
    named,
    translated,
)
from bot.discord_adapter.permissions import is_open, may_write

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from bot.discord_adapter.http import Door, Json
    from bot.streaming import Edit, Post

_T = TypeVar("_T")

_log = logging.getLogger(__name__)

TOKEN_LIFE = 14 * 60.0
"""Seconds an interaction's token is relied on; Discord lets it die after 15 minutes."""

_DEFER_PATIENCE = 10.0
_EPHEMERAL = discord.MessageFlags(ephemeral=True).value


@dataclass(frozen=True, slots=True)
class Place:
    """Where a finished answer stands: Discord's ids, the pages' in order. ``guild_id`` is None in a direct message."""

    guild_id: int | None
    channel_id: int | None
    message_ids: tuple[int, ...]


class Controls(Protocol):
    """What can be pressed below one answer. Components are Discord's own JSON: action rows with buttons in them."""

    def while_writing(self) -> Sequence[Mapping[str, Any]]:
        """What stands below the page being written; it goes when the page is sealed."""
        ...

    def afterwards(self, message_ids: Sequence[int]) -> Sequence[Mapping[str, Any]]:
        """What stands below the last page once all is visible; the ids are of the pages that are posted already."""
        ...

    async def finished(self, place: Place) -> None:
        """Everything is visible, there; told once."""
        ...


class _Messages:
    """What the two surfaces have in common: pages become messages, and controls come and go with them."""

    def __init__(self, channel: object, channel_id: int | None, controls: Controls | None) -> None:
        guild = getattr(channel, "guild", None)
        self._guild_id: int | None = getattr(guild, "id", None)
        self._channel_id = channel_id
        self._parent_id = channel.parent_id if isinstance(channel, discord.Thread) else None
        self._controls = controls
        self._messages: list[int] = []
        self._is_told = False

    @property
    def message_ids(self) -> tuple[int, ...]:
        """The pages that are posted, by their messages' ids."""
        return tuple(self._messages)

    def has_message(self, message: int) -> bool:
        """Whether this id is one of the answer's messages."""
        return message in self._messages

    def is_in(self, place: int) -> bool:
        """Whether this id is of the channel, thread or guild that the answer stands in."""
        return place in {self._guild_id, self._channel_id, self._parent_id}

    async def post(self, action: Post) -> None:
        """Show the next page.

        Raises:
            SurfaceGone, SurfaceBusy, FileRefused
        """
        with translated(has_file=bool(action.attached)):
            message = await self._create(len(self._messages), self._look(action))
        self._messages.append(int(message["id"]))
        await self._tell(action)

    async def edit(self, action: Edit) -> None:
        """Show another text on a page.

        Raises:
            SurfaceGone, SurfaceBusy, FileRefused
        """
        with translated(has_file=bool(action.attached)):
            await self._change(self._messages[action.page], self._look(action))
        await self._tell(action)

    def _look(self, action: Post | Edit) -> Look:
        return Look(action.text, self._components(action), action.attached)

    def _components(self, action: Post | Edit) -> Sequence[Mapping[str, Any]] | None:
        """What can be pressed below a page; None where nothing ever can. Text never goes without for its sake."""
        if self._controls is None:
            return None
        try:
            if action.is_last:
                return self._controls.afterwards(tuple(self._messages))
            return () if action.is_sealed else self._controls.while_writing()
        except Exception:  # noqa: BLE001 - told in the log
            _log.exception("An answer is shown without its buttons")
            return ()

    async def _tell(self, action: Post | Edit) -> None:
        """Let the controls know that all is visible. What fails there takes nothing away from what is shown."""
        if not action.is_last or self._is_told or self._controls is None:
            return
        self._is_told = True
        try:
            await self._controls.finished(Place(self._guild_id, self._channel_id, tuple(self._messages)))
        except Exception:  # noqa: BLE001 - it is told in the log; the answer itself is as it should be
            _log.exception("The answer is visible, but what comes after it failed")

    async def _create(self, page: int, look: Look) -> Json:
        raise NotImplementedError

    async def _change(self, message: int, look: Look) -> None:
        raise NotImplementedError


class InteractionSurface(_Messages):
    """The response to an interaction and the messages that follow it, on the interaction's own lane.

    Shortly before the interaction's token dies it moves to the channel's lane and goes on editing the same messages
    with the bot's own right. Where the bot has none, or only the asker sees them, it ends with the token. ``life`` is
    in seconds; ``clock`` must be the one the driver reads.
    """

    def __init__(
        self,
        interaction: discord.Interaction[Any],
        *,
        controls: Controls | None = None,
        life: float = TOKEN_LIFE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(interaction.channel, interaction.channel_id, controls)
        self._guild_id = interaction.guild_id
        self._interaction_id = interaction.id
        self._client = interaction.client
        self._responses = Responses(interaction)
        self._channel = _channel_behind(interaction)
        self._moves_at = clock() + life
        self._clock = clock
        self._is_unsure = False

    @property
    def lane(self) -> str:
        """The lane the next call will use."""
        return self._channel.lane if self._channel and self._is_in_channel else self._responses.lane

    @property
    def lasts_until(self) -> float | None:
        """When the token ends, where it is all there is: a right that was withdrawn is not waited for until then."""
        return None if self._channel and self._may_move else self._moves_at

    @property
    def rests_on(self) -> int | None:
        """The channel, once the token is not used any more: until then it needs no right of the bot's."""
        return self._channel.channel_id if self._channel and self._has_moved else None

    @property
    def _has_moved(self) -> bool:
        return self._clock() >= self._moves_at

    @property
    def _may_move(self) -> bool:
        """Whether the bot's own right would do now, as far as the gateway has told."""
        channel = self._client.get_channel(self._channel_id or 0)
        return is_open(channel) if isinstance(channel, discord.abc.GuildChannel | discord.Thread) else True

    @property
    def _is_in_channel(self) -> bool:
        """Whether the next call takes the bot's own right; without it the token is tried until Discord lets it die."""
        return self._has_moved and self._may_move

    async def _create(self, page: int, look: Look) -> Json:
        """Make a page's message, once: a follow-up knows no nonce, so after a reply that was lost we look for it."""
        if page and self._is_unsure and (made := await self._made_meanwhile()):
            await self._change(made, look)
            return {"id": made}
        self._is_unsure = True
        try:
            message = await self._through(lambda door: door.create(page, look))
        except discord.HTTPException as error:
            self._is_unsure = may_have_happened(error)
            raise
        self._is_unsure = False
        if int(message.get("flags", 0)) & _EPHEMERAL:
            self._channel = None  # the token alone reaches what only the asker sees
            self._responses.is_private = True
        return message

    async def _change(self, message: int, look: Look) -> None:
        await self._through(lambda door: door.edit(message, look))

    async def _made_meanwhile(self) -> int | None:
        if not self._channel:
            return None
        last_known = self._messages[-1]
        return made_meanwhile(await self._channel.since(last_known), last_known, self._interaction_id)

    async def _through(self, call: Callable[[Door], Awaitable[_T]]) -> _T:
        """Make a call with the interaction's token, or with the bot's own right once the token is dead."""
        if not self._channel:
            return await call(self._responses)
        if not self._is_in_channel:
            try:
                return await call(self._responses)
            except discord.HTTPException as error:
                if not is_token_dead(error):
                    raise
                self._moves_at = self._clock()
        return await call(self._channel)


class ChannelSurface(_Messages):
    """Ordinary messages in a channel, the first one a reply where ``reference`` names a message.

    ``key`` is the answer's: no page of it is created twice. The pages go onto the messages ``onto`` first, which are
    an earlier answer's; those of them that stay unused are for the caller to remove.
    """

    def __init__(  # noqa: PLR0913 - a place, an answer's name and what belongs to it
        self,
        client: discord.Client,
        channel_id: int,
        *,
        key: str,
        reference: discord.MessageReference | None = None,
        controls: Controls | None = None,
        onto: Sequence[int] = (),
    ) -> None:
        super().__init__(client.get_channel(channel_id), channel_id, controls)
        self._onto = tuple(onto)
        self._channel = InChannel(Requests(client), channel_id, key, reference)

    @property
    def lane(self) -> str:
        """The channel's lane, shared by everyone who writes there."""
        return self._channel.lane

    @property
    def lasts_until(self) -> None:
        """A channel has no end that is known."""

    @property
    def rests_on(self) -> int | None:
        """The channel."""
        return self._channel.channel_id

    async def _create(self, page: int, look: Look) -> Json:
        if page < len(self._onto):
            # What an earlier answer had attached there goes with its text.
            await self._channel.edit(self._onto[page], replace(look, drops_files=True))
            return {"id": self._onto[page]}
        return await self._channel.create(page, look)

    async def _change(self, message: int, look: Look) -> None:
        await self._channel.edit(message, look)


async def deferred(interaction: discord.Interaction[Any], *, ephemeral: bool = False) -> bool:
    """Acknowledge a command; False if that came too late or did not get through, and nothing more can be said."""
    try:
        async with timeout(_DEFER_PATIENCE):
            await interaction.response.defer(thinking=True, ephemeral=ephemeral)
    except (discord.HTTPException, discord.InteractionResponded, aiohttp.ClientError, OSError) as error:
        _log.warning("Interaction %s could not be acknowledged: %s", interaction.id, named(error))
        return False
    return True


def _channel_behind(interaction: discord.Interaction[Any]) -> InChannel | None:
    """The channel of an interaction, if the bot itself is in it and may write there."""
    if interaction.channel_id is None:
        return None
    if interaction.guild_id is None:
        is_present = interaction.context.dm_channel
    else:
        is_thread = isinstance(interaction.channel, discord.Thread)
        is_member = interaction.client.get_guild(interaction.guild_id) is not None
        is_present = is_member and may_write(interaction.app_permissions, is_thread=is_thread)
    if not is_present:
        return None
    return InChannel(Requests(interaction.client), interaction.channel_id, str(interaction.id))
