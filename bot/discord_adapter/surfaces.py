"""One answer's messages: each page is one, with buttons below the page being written, and others below the last.

Which buttons, the controls say; when and where they stand is decided here.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import aiohttp
import discord

from bot.answers.status_lines import REFUSED_NOTE, append_note
from bot.discord_adapter.http import (
    ChannelEndpoint,
    DiscordHttp,
    InteractionEndpoint,
    MessagePayload,
    SurfaceRefused,
    describe_error,
    find_created_message,
    is_token_expired,
    map_errors,
    may_have_happened,
)
from bot.discord_adapter.permissions import can_write, has_write_permission
from bot.discord_adapter.replies import ALREADY_ACKNOWLEDGED, REQUEST_FAILED, send_ephemeral
from bot.streaming import SurfaceBusy, SurfaceGone

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from bot.discord_adapter.http import Json, MessageEndpoint
    from bot.streaming import Edit, Post

_T = TypeVar("_T")

_log = logging.getLogger(__name__)

TOKEN_LIFETIME = 14 * 60.0
"""Seconds an interaction's token is relied on; Discord lets it die after 15 minutes."""

_DEFER_TIMEOUT = 10.0
_DEFER_RETRY_SECONDS = 2.5
_FIRST_DEFER_DELAY = 0.1
_EPHEMERAL = discord.MessageFlags(ephemeral=True).value


@dataclass(frozen=True, slots=True)
class MessageLocation:
    """Where a finished answer stands: Discord's ids, the pages' in order. ``guild_id`` is None in a direct message."""

    guild_id: int | None
    channel_id: int | None
    message_ids: tuple[int, ...]


class Components(Protocol):
    """What can be pressed below one answer. Components are Discord's own JSON: action rows with buttons in them."""

    def streaming(self) -> Sequence[Mapping[str, Any]]:
        """What stands below the page being written; it goes when the page is sealed."""
        ...

    def final(self, message_ids: Sequence[int]) -> Sequence[Mapping[str, Any]]:
        """What stands below the last page once all is visible; the ids are of the pages that are posted already."""
        ...

    async def on_complete(self, location: MessageLocation) -> None:
        """Everything is visible, there; told once."""
        ...


class _BaseSurface:
    """What the two surfaces have in common: pages become messages, and components come and go with them."""

    repaint_delay = 25.0
    """Seconds after which a finished answer is shown once more, if an edit of it got no response."""

    def __init__(self, channel: object, channel_id: int | None, components: Components | None) -> None:
        guild = getattr(channel, "guild", None)
        self._guild_id: int | None = getattr(guild, "id", None)
        self._channel_id = channel_id
        self._parent_id = channel.parent_id if isinstance(channel, discord.Thread) else None
        self._component_provider = components
        self._message_ids: list[int] = []
        self._shown: dict[int, MessagePayload] = {}
        self._uncertain_ids: set[int] = set()
        self._repaint_task: asyncio.Task[None] | None = None
        self._has_notified = False

    @property
    def message_ids(self) -> tuple[int, ...]:
        """The pages that are posted, by their messages' ids."""
        return tuple(self._message_ids)

    def has_message(self, message_id: int) -> bool:
        """Whether this id is one of the answer's messages."""
        return message_id in self._message_ids

    def is_in(self, channel_or_guild_id: int) -> bool:
        """Whether this id is of the channel, thread or guild that the answer stands in."""
        return channel_or_guild_id in {self._guild_id, self._channel_id, self._parent_id}

    async def post(self, action: Post) -> None:
        """Show the next page.

        Raises:
            SurfaceGone, SurfaceBusy, FileRefused
        """
        payload = self._build_payload(action)
        with map_errors(has_file=bool(action.attachment_text)):
            message = await self._create(len(self._message_ids), payload)
        self._message_ids.append(int(message["id"]))
        self._shown[self._message_ids[-1]] = payload
        await self._notify_complete(action)

    async def edit(self, action: Edit) -> None:
        """Show another text on a page.

        Raises:
            SurfaceGone, SurfaceBusy, FileRefused
        """
        message_id = self._message_ids[action.page]
        payload = self._build_payload(action)
        try:
            with map_errors(has_file=bool(action.attachment_text)):
                await self._edit(message_id, payload)
        except SurfaceRefused:
            await self._close_refused_page(message_id)
            raise
        except (asyncio.CancelledError, SurfaceBusy) as error:
            # Without a response Discord may still serve it later, over what comes in between.
            if not isinstance(error.__cause__, discord.HTTPException):
                self._uncertain_ids.add(message_id)
            raise
        self._shown[message_id] = payload
        if action.is_last and self._uncertain_ids:
            self._repaint_task = asyncio.create_task(self._repaint())
        await self._notify_complete(action)

    async def _repaint(self) -> None:
        """Show the finished pages once more, after edits that got no response can no longer be served."""
        await asyncio.sleep(self.repaint_delay)
        for message_id in self._uncertain_ids:
            shown = self._shown[message_id]
            try:
                with map_errors():
                    await self._edit(message_id, MessagePayload(shown.text, shown.components))
            except (SurfaceGone, SurfaceBusy) as error:
                _log.warning("Showing a finished message once more failed: %s", error)

    async def _close_refused_page(self, message_id: int) -> None:
        """Put a note below the text that Discord did take, without the Stop button; that may be refused as well."""
        text = append_note(self._shown[message_id].text, REFUSED_NOTE)
        try:
            with map_errors():
                await self._edit(message_id, MessagePayload(text, components=()))
        except (SurfaceGone, SurfaceBusy) as error:
            _log.warning("Closing a refused message failed: %s", error)

    def _build_payload(self, action: Post | Edit) -> MessagePayload:
        return MessagePayload(action.text, self._build_components(action), action.attachment_text)

    def _build_components(self, action: Post | Edit) -> Sequence[Mapping[str, Any]] | None:
        """What can be pressed below a page; None where nothing ever can. Text never goes without for its sake."""
        if self._component_provider is None:
            return None
        try:
            if action.is_last:
                return self._component_provider.final(tuple(self._message_ids))
            return () if action.is_sealed else self._component_provider.streaming()
        except Exception:  # noqa: BLE001 - told in the log
            _log.exception("An answer is shown without its buttons")
            return ()

    async def _notify_complete(self, action: Post | Edit) -> None:
        """Let the controls know that all is visible. What fails there takes nothing away from what is shown."""
        if not action.is_last or self._has_notified or self._component_provider is None:
            return
        self._has_notified = True
        try:
            await self._component_provider.on_complete(
                MessageLocation(self._guild_id, self._channel_id, tuple(self._message_ids))
            )
        except Exception:  # noqa: BLE001 - it is told in the log; the answer itself is as it should be
            _log.exception("The answer is visible, but what comes after it failed")

    async def _create(self, page: int, payload: MessagePayload) -> Json:
        raise NotImplementedError

    async def _edit(self, message_id: int, payload: MessagePayload) -> None:
        raise NotImplementedError


class InteractionSurface(_BaseSurface):
    """The response to an interaction and the messages that follow it, on the interaction's own lane.

    Shortly before the interaction's token dies it moves to the channel's lane and goes on editing the same messages
    with the bot's own right. Where the bot has none, or only the asker sees them, it ends with the token. ``life`` is
    in seconds; ``clock`` must be the one the driver reads, by default the event loop's.
    """

    def __init__(
        self,
        interaction: discord.Interaction[Any],
        *,
        components: Components | None = None,
        lifetime: float = TOKEN_LIFETIME,
        clock: Callable[[], float] | None = None,
    ) -> None:
        super().__init__(interaction.channel, interaction.channel_id, components)
        self._guild_id = interaction.guild_id
        self._interaction_id = interaction.id
        self._client = interaction.client
        self._interaction_endpoint = InteractionEndpoint(interaction)
        self._channel_endpoint = _create_channel_endpoint(interaction)
        self._clock = clock or asyncio.get_running_loop().time
        self._token_expires_at = self._clock() + lifetime
        self._may_have_created = False

    @property
    def bucket(self) -> str:
        """The lane the next call will use."""
        return (
            self._channel_endpoint.bucket
            if self._channel_endpoint and self._uses_channel
            else self._interaction_endpoint.bucket
        )

    @property
    def lasts_until(self) -> float | None:
        """When the token ends, where it is all there is: a right that was withdrawn is not waited for until then."""
        return None if self._channel_endpoint and self._can_use_channel else self._token_expires_at

    @property
    def required_channel_id(self) -> int | None:
        """The channel, once the token is not used any more: until then it needs no right of the bot's."""
        return self._channel_endpoint.channel_id if self._channel_endpoint and self._is_token_expired else None

    @property
    def _is_token_expired(self) -> bool:
        return self._clock() >= self._token_expires_at

    @property
    def _can_use_channel(self) -> bool:
        """Whether the bot's own right would do now, as far as the gateway has told."""
        channel = self._client.get_channel(self._channel_id or 0)
        return can_write(channel) if isinstance(channel, discord.abc.GuildChannel | discord.Thread) else True

    @property
    def _uses_channel(self) -> bool:
        """Whether the next call takes the bot's own right; without it the token is tried until Discord lets it die."""
        return self._is_token_expired and self._can_use_channel

    async def _create(self, page: int, payload: MessagePayload) -> Json:
        """Make a page's message, once: a follow-up knows no nonce, so after a reply that was lost we look for it."""
        if page and self._may_have_created and (made := await self._find_created_message()):
            await self._edit(made, payload)
            return {"id": made}
        self._may_have_created = True
        try:
            message = await self._call_endpoint(lambda door: door.create(page, payload))
        except discord.HTTPException as error:
            self._may_have_created = may_have_happened(error)
            raise
        self._may_have_created = False
        if int(message.get("flags", 0)) & _EPHEMERAL:
            self._channel_endpoint = None  # the token alone reaches what only the asker sees
            self._interaction_endpoint.is_ephemeral = True
        return message

    async def _edit(self, message_id: int, payload: MessagePayload) -> None:
        await self._call_endpoint(lambda door: door.edit(message_id, payload))

    async def _find_created_message(self) -> int | None:
        if not self._channel_endpoint:
            return None
        last_known = self._message_ids[-1]
        return find_created_message(
            await self._channel_endpoint.list_messages_after(last_known), last_known, self._interaction_id
        )

    async def _call_endpoint(self, call: Callable[[MessageEndpoint], Awaitable[_T]]) -> _T:
        """Make a call with the interaction's token, or with the bot's own right once the token is dead."""
        if not self._channel_endpoint:
            return await call(self._interaction_endpoint)
        if not self._uses_channel:
            try:
                return await call(self._interaction_endpoint)
            except discord.HTTPException as error:
                if not is_token_expired(error):
                    raise
                self._token_expires_at = self._clock()
        return await call(self._channel_endpoint)


class ChannelSurface(_BaseSurface):
    """Ordinary messages in a channel, the first one a reply where ``reference`` names a message.

    ``key`` is the answer's: no page of it is created twice. The pages go onto the messages ``onto`` first, which are
    an earlier answer's; those of them that stay unused are for the caller to remove.
    """

    def __init__(  # noqa: PLR0913 - a place, an answer's name and what belongs to it
        self,
        client: discord.Client,
        channel_id: int,
        *,
        nonce_seed: str,
        reference: discord.MessageReference | None = None,
        components: Components | None = None,
        reused_message_ids: Sequence[int] = (),
    ) -> None:
        super().__init__(client.get_channel(channel_id), channel_id, components)
        self._reused_message_ids = tuple(reused_message_ids)
        self._channel_endpoint = ChannelEndpoint(DiscordHttp(client), channel_id, nonce_seed, reference)

    @property
    def bucket(self) -> str:
        """The channel's lane, shared by everyone who writes there."""
        return self._channel_endpoint.bucket

    @property
    def lasts_until(self) -> None:
        """A channel has no end that is known."""

    @property
    def required_channel_id(self) -> int | None:
        """The channel."""
        return self._channel_endpoint.channel_id

    async def _create(self, page: int, payload: MessagePayload) -> Json:
        if page < len(self._reused_message_ids):
            # What an earlier answer had attached there goes with its text.
            await self._channel_endpoint.edit(self._reused_message_ids[page], replace(payload, clears_attachments=True))
            return {"id": self._reused_message_ids[page]}
        return await self._channel_endpoint.create(page, payload)

    async def _edit(self, message_id: int, payload: MessagePayload) -> None:
        await self._channel_endpoint.edit(message_id, payload)


async def defer(interaction: discord.Interaction[Any], *, ephemeral: bool = False) -> bool:
    """Acknowledge a command; return False if that failed, and no answer can be shown.

    A connection that broke off is tried again for 2.5 s: Discord waits 3 s for an acknowledgement. If it had taken the
    first one, it calls a second one a repetition, which is success.
    """
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + _DEFER_RETRY_SECONDS
    delay = _FIRST_DEFER_DELAY
    is_repeated = False
    while True:
        try:
            async with asyncio.timeout(_DEFER_TIMEOUT):
                await interaction.response.defer(thinking=True, ephemeral=ephemeral)
        except (aiohttp.ClientError, OSError) as error:
            if loop.time() + delay > give_up_at:
                _log.warning("Interaction %s: acknowledging failed: %s", interaction.id, describe_error(error))
                # If Discord had taken an acknowledgement, its "thinking" ends with this.
                await send_ephemeral(interaction, REQUEST_FAILED)
                return False
        except (discord.HTTPException, discord.InteractionResponded) as error:
            if is_repeated and isinstance(error, discord.HTTPException) and error.code == ALREADY_ACKNOWLEDGED:
                return True
            _log.warning("Interaction %s: acknowledging failed: %s", interaction.id, describe_error(error))
            return False
        else:
            return True
        await asyncio.sleep(delay)
        delay *= 2
        is_repeated = True


def _create_channel_endpoint(interaction: discord.Interaction[Any]) -> ChannelEndpoint | None:
    """The channel of an interaction, if the bot itself is in it and may write there."""
    if interaction.channel_id is None:
        return None
    if interaction.guild_id is None:
        is_present = interaction.context.dm_channel
    else:
        is_thread = isinstance(interaction.channel, discord.Thread)
        is_member = interaction.client.get_guild(interaction.guild_id) is not None
        is_present = is_member and has_write_permission(interaction.app_permissions, is_thread=is_thread)
    if not is_present:
        return None
    return ChannelEndpoint(DiscordHttp(interaction.client), interaction.channel_id, str(interaction.id))
