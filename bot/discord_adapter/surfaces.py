"""Shows one answer as messages: one per page, with buttons below the page being written, others below the last.

The component provider says which buttons; this module decides when and where they appear.
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
from bot.streaming import WRITING_CURSOR, SurfaceBusy, SurfaceGone

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from bot.discord_adapter.http import Json, MessageEndpoint
    from bot.streaming import Edit, Post

_T = TypeVar("_T")

_log = logging.getLogger(__name__)

TOKEN_LIFETIME = 14 * 60.0
"""Seconds for which an interaction's token is used; Discord refuses it after 15 minutes."""

_DEFER_TIMEOUT = 10.0
_DEFER_RETRY_SECONDS = 2.5
_FIRST_DEFER_DELAY = 0.1
_EPHEMERAL = discord.MessageFlags(ephemeral=True).value


@dataclass(frozen=True, slots=True)
class MessageLocation:
    """Where a finished answer is: Discord's ids, the pages' in order. ``guild_id`` is None in a direct message."""

    guild_id: int | None
    channel_id: int | None
    message_ids: tuple[int, ...]


class Components(Protocol):
    """Provides the components below one answer, as Discord's JSON: action rows with buttons in them."""

    def streaming(self) -> Sequence[Mapping[str, Any]]:
        """Return what is below the page being written; it is removed when the page is sealed."""
        ...

    def final(self, message_ids: Sequence[int]) -> Sequence[Mapping[str, Any]]:
        """Return what is below the last page; ``message_ids`` are the pages posted so far."""
        ...

    async def on_complete(self, location: MessageLocation) -> None:
        """Note that the whole answer is visible; called once."""
        ...


class _BaseSurface:
    """What both surfaces share: pages become messages, and their components change with them."""

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
        """The ids of the messages that show the pages posted so far."""
        return tuple(self._message_ids)

    def has_message(self, message_id: int) -> bool:
        """Return whether this is the id of one of the answer's messages."""
        return message_id in self._message_ids

    def is_in(self, channel_or_guild_id: int) -> bool:
        """Return whether this is the id of the answer's channel, thread or guild."""
        return channel_or_guild_id in {self._guild_id, self._channel_id, self._parent_id}

    async def post(self, action: Post) -> None:
        """Post the next page.

        Raises:
            SurfaceGone, SurfaceBusy, FileRefused
        """
        payload = self._build_payload(action)
        try:
            with map_errors(has_file=bool(action.attachment_text)):
                message = await self._create(len(self._message_ids), payload)
        except SurfaceRefused as error:
            _log.warning("Discord refused a message of an answer: %s", error)
            if self._message_ids:
                await self._close_refused_page(self._message_ids[-1], is_sealed=True)
            raise
        self._message_ids.append(int(message["id"]))
        self._shown[self._message_ids[-1]] = payload
        await self._notify_complete(action)

    async def edit(self, action: Edit) -> None:
        """Change the text of a page.

        Raises:
            SurfaceGone, SurfaceBusy, FileRefused
        """
        message_id = self._message_ids[action.page]
        payload = self._build_payload(action)
        try:
            with map_errors(has_file=bool(action.attachment_text)):
                await self._edit(message_id, payload)
        except SurfaceRefused as error:
            _log.warning("Discord refused an edit of an answer: %s", error)
            await self._close_refused_page(message_id)
            raise
        except (asyncio.CancelledError, SurfaceBusy) as error:
            # Without a response Discord may still apply it later, over newer text.
            if not isinstance(error.__cause__, discord.HTTPException):
                self._uncertain_ids.add(message_id)
            raise
        self._shown[message_id] = payload
        if action.is_last and self._uncertain_ids:
            self._repaint_task = asyncio.create_task(self._repaint())
        await self._notify_complete(action)

    async def _repaint(self) -> None:
        """Show the finished pages again, after edits without a response can no longer take effect."""
        await asyncio.sleep(self.repaint_delay)
        for message_id in self._uncertain_ids:
            shown = self._shown[message_id]
            try:
                with map_errors():
                    await self._edit(message_id, MessagePayload(shown.text, shown.components))
            except (SurfaceGone, SurfaceBusy) as error:
                _log.warning("Showing a finished message once more failed: %s", error)

    async def _close_refused_page(self, message_id: int, *, is_sealed: bool = False) -> None:
        """Put a note below the text that Discord did take, without the Stop button; that may be refused as well."""
        shown = self._shown[message_id].text
        # Without the cursor the text would be taken for a status line, which the note replaces.
        text = append_note(shown + WRITING_CURSOR if is_sealed else shown, REFUSED_NOTE)
        try:
            with map_errors():
                await self._edit(message_id, MessagePayload(text, components=()))
        except (SurfaceGone, SurfaceBusy) as error:
            _log.warning("Closing a refused message failed: %s", error)

    def _build_payload(self, action: Post | Edit) -> MessagePayload:
        return MessagePayload(action.text, self._build_components(action), action.attachment_text)

    def _build_components(self, action: Post | Edit) -> Sequence[Mapping[str, Any]] | None:
        """Return the components below a page; None if it never has any. A failure shows the text without them."""
        if self._component_provider is None:
            return None
        try:
            if action.is_last:
                return self._component_provider.final(tuple(self._message_ids))
            return () if action.is_sealed else self._component_provider.streaming()
        except Exception:  # noqa: BLE001 - it is logged
            _log.exception("Building the buttons of an answer failed; it is shown without them")
            return ()

    async def _notify_complete(self, action: Post | Edit) -> None:
        """Tell the component provider that all is visible; a failure there does not change the answer."""
        if not action.is_last or self._has_notified or self._component_provider is None:
            return
        self._has_notified = True
        try:
            await self._component_provider.on_complete(
                MessageLocation(self._guild_id, self._channel_id, tuple(self._message_ids))
            )
        except Exception:  # noqa: BLE001 - it is logged; the answer itself is complete
            _log.exception("An answer is visible, but noting its messages failed")

    async def _create(self, page: int, payload: MessagePayload) -> Json:
        raise NotImplementedError

    async def _edit(self, message_id: int, payload: MessagePayload) -> None:
        raise NotImplementedError


class InteractionSurface(_BaseSurface):
    """Shows an answer as an interaction's response and follow-ups, in the interaction's own bucket.

    Shortly before the interaction's token expires it changes to the channel's bucket and edits the same messages as the
    bot. If the bot may not, or only the asker sees them, it ends with the token. ``lifetime`` is in seconds; ``clock``
    must be the driver's, by default the event loop's.
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
        """The rate-limit bucket of the next request."""
        return (
            self._channel_endpoint.bucket
            if self._channel_endpoint and self._uses_channel
            else self._interaction_endpoint.bucket
        )

    @property
    def lasts_until(self) -> float | None:
        """When the token expires, if nothing else can be used; None if the channel can."""
        return None if self._channel_endpoint and self._can_use_channel else self._token_expires_at

    @property
    def required_channel_id(self) -> int | None:
        """The channel once the token has expired; before that no permission there is needed."""
        return self._channel_endpoint.channel_id if self._channel_endpoint and self._is_token_expired else None

    @property
    def _is_token_expired(self) -> bool:
        return self._clock() >= self._token_expires_at

    @property
    def _can_use_channel(self) -> bool:
        """Whether the bot may write in the channel now, as far as the gateway's events say."""
        channel = self._client.get_channel(self._channel_id or 0)
        return can_write(channel) if isinstance(channel, discord.abc.GuildChannel | discord.Thread) else True

    @property
    def _uses_channel(self) -> bool:
        """Whether the next request is sent as the bot; without permission the token is used until refused."""
        return self._is_token_expired and self._can_use_channel

    async def _create(self, page: int, payload: MessagePayload) -> Json:
        """Create a page's message once: a follow-up has no nonce, so after a lost response it is looked for."""
        if page and self._may_have_created and (created := await self._find_created_message()):
            await self._edit(created, payload)
            return {"id": created}
        self._may_have_created = True
        try:
            message = await self._call_endpoint(lambda endpoint: endpoint.create(page, payload))
        except discord.HTTPException as error:
            self._may_have_created = may_have_happened(error)
            raise
        self._may_have_created = False
        if int(message.get("flags", 0)) & _EPHEMERAL:
            self._channel_endpoint = None  # only the token can edit an ephemeral message
            self._interaction_endpoint.is_ephemeral = True
        return message

    async def _edit(self, message_id: int, payload: MessagePayload) -> None:
        await self._call_endpoint(lambda endpoint: endpoint.edit(message_id, payload))

    async def _find_created_message(self) -> int | None:
        if not self._channel_endpoint:
            return None
        last_known = self._message_ids[-1]
        return find_created_message(
            await self._channel_endpoint.list_messages_after(last_known), last_known, self._interaction_id
        )

    async def _call_endpoint(self, call: Callable[[MessageEndpoint], Awaitable[_T]]) -> _T:
        """Send with the interaction's token, or as the bot once the token has expired."""
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
    """Shows an answer as ordinary messages in a channel, the first one a reply if ``reference`` is given.

    No page is created twice: ``nonce_seed`` identifies the answer. The pages replace ``reused_message_ids`` first,
    which showed an earlier answer; unused ones are for the caller to delete.
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
        """The channel's rate-limit bucket, shared by everyone who writes there."""
        return self._channel_endpoint.bucket

    @property
    def lasts_until(self) -> None:
        """None: a channel has no known end."""

    @property
    def required_channel_id(self) -> int | None:
        """The channel that the bot must be allowed to write in."""
        return self._channel_endpoint.channel_id

    async def _create(self, page: int, payload: MessagePayload) -> Json:
        if page < len(self._reused_message_ids):
            # Files of the earlier answer are removed with its text.
            await self._channel_endpoint.edit(self._reused_message_ids[page], replace(payload, clears_attachments=True))
            return {"id": self._reused_message_ids[page]}
        return await self._channel_endpoint.create(page, payload)

    async def _edit(self, message_id: int, payload: MessagePayload) -> None:
        await self._channel_endpoint.edit(message_id, payload)


async def defer(interaction: discord.Interaction[Any], *, ephemeral: bool = False) -> bool:
    """Acknowledge a command; return False if that failed, and no answer can be shown.

    A broken connection is tried again for 2.5 s: Discord waits 3 s for an acknowledgement. If it had accepted the first
    one, it calls the second one a repetition, which is success.
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
                # If Discord has accepted an acknowledgement, this ends its "thinking…".
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
    """Return the channel of an interaction if the bot is in it and may write there."""
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
