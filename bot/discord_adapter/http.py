"""Sends messages and edits to Discord: with an interaction's token, or as the bot in a channel.

The requests are our own, over the client's session. discord.py's cannot set a message's flags on an edit, and it sleeps
inside the call after a 5xx, a 429 or a bucket's last token, while the text becomes outdated.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

import aiohttp
import discord
from discord.http import Route, json_or_text
from yarl import URL

from bot.discord_adapter.rate_limit_headers import (
    TOO_MANY_REQUESTS,
    channel_bucket,
    interaction_bucket,
    parse_retry_after,
)
from bot.streaming import ATTACHMENT_NAME, FileRefused, SurfaceBusy, SurfaceGone
from bot.text.live_links import neutralise_links

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

Json = dict[str, Any]
"""An object as it goes over the wire."""

_RETRY_SOON = 1.0
_RETRY_LATER = 5.0
LIST_LIMIT = 100
"""Messages that Discord lists at a time."""
_NONCE_LENGTH = 24
_EPHEMERAL = discord.MessageFlags(ephemeral=True).value

_TOKEN_EXPIRED_CODES = {50027, 10015}
"""Invalid webhook token; unknown webhook: Discord's codes after the token's 15 minutes."""
_EDIT_LIMIT_CODE = 30046
_FILE_REFUSED_STATUSES = {400, 403, 413}
_REFUSED_STATUSES = {400, 403}
_CLIENT_ERROR = 400
_SERVER_ERROR = 500


class SurfaceRefused(SurfaceGone):
    """Discord refuses the message as it is, or the permission is missing; nobody has deleted it."""


@dataclass(frozen=True, slots=True)
class MessagePayload:
    """The text of a message, its components (None: unchanged), and a Markdown file.

    Existing files stay, unless one is attached or ``clears_attachments`` is set.
    """

    text: str
    components: Sequence[Mapping[str, Any]] | None = None
    attachment: str = ""
    clears_attachments: bool = False

    def to_json(self) -> Json:
        """Return it as JSON.

        Link previews and mentions are off every time: Discord reads both anew from each edit. A live link that is not
        marked as ours is inert, wherever the text came from.
        """
        body: Json = {
            "content": neutralise_links(self.text),
            "flags": discord.MessageFlags(suppress_embeds=True).value,
            "allowed_mentions": discord.AllowedMentions.none().to_dict(),
        }
        if self.components is not None:
            body["components"] = list(self.components)
        if self.attachment or self.clears_attachments:
            body["attachments"] = [{"id": 0, "filename": ATTACHMENT_NAME}] if self.attachment else []
        return body


class DiscordHttp:
    """Sends requests to Discord's HTTP API over a client's session, once each, without waiting for rate limits."""

    def __init__(self, client: discord.Client) -> None:
        self._http = client.http
        # An unused webhook: it is the only public way to the client's session.
        self._session = discord.Webhook.partial(0, "", client=client).session

    async def request_json(
        self, method: str, path: str, body: Json | None = None, *, file: str = "", as_bot: bool = False
    ) -> Any:
        """Send a request and return the JSON of the response.

        Raises:
            discord.HTTPException: Discord refused, or the response is not JSON.
            aiohttp.ClientError, OSError: there was no response.
        """
        headers = {"User-Agent": self._http.user_agent}
        if as_bot:
            headers["Authorization"] = f"Bot {self._http.token}"
        async with self._session.request(
            method,
            URL(f"{Route.BASE}{path}", encoded=True),
            json=None if file else body,
            data=_build_form(body, file) if file else None,
            headers=headers,
            proxy=self._http.proxy,
            proxy_auth=self._http.proxy_auth,
        ) as response:
            try:
                data = await json_or_text(response)
            except ValueError as error:
                # Cut short on the way: whether it took effect is unknown, as after a connection reset.
                raise aiohttp.ClientPayloadError("the response is not whole") from error
            if not response.ok or isinstance(data, str):
                raise discord.HTTPException(response, data)
            return data


class MessageEndpoint(Protocol):
    """One of the two ways to send a message to Discord."""

    async def create(self, page: int, payload: MessagePayload) -> Json:
        """Send a page for the first time; return the message as Discord has it."""
        ...

    async def edit(self, message_id: int, payload: MessagePayload) -> None:
        """Edit a message."""
        ...


class InteractionEndpoint:
    """Sends with an interaction's token: the response itself, then follow-ups."""

    def __init__(self, interaction: discord.Interaction[Any]) -> None:
        self.bucket = interaction_bucket(interaction.token)
        self.is_ephemeral = False
        """Whether only the asker sees the response; each follow-up must say so again."""
        self._http = DiscordHttp(interaction.client)
        self._path = f"/webhooks/{interaction.application_id}/{quote(interaction.token, safe='')}"

    async def create(self, page: int, payload: MessagePayload) -> Json:
        """Send a page; the first one edits the deferred response, so sending it twice shows it once."""
        if page == 0:
            return await self._send("PATCH", "/messages/@original", payload)
        return await self._send("POST", "?wait=true", payload, _EPHEMERAL if self.is_ephemeral else 0)

    async def edit(self, message_id: int, payload: MessagePayload) -> None:
        """Edit a message."""
        await self._send("PATCH", f"/messages/{message_id}", payload)

    async def _send(self, method: str, path: str, payload: MessagePayload, flags: int = 0) -> Json:
        body = payload.to_json()
        body["flags"] |= flags
        message: Json = await self._http.request_json(method, self._path + path, body, file=payload.attachment)
        return message


@dataclass(slots=True)
class ChannelEndpoint:
    """Sends as the bot in a channel; ``nonce_seed`` identifies the answer.

    A page is created once: a second attempt has the nonce of the first, and Discord then returns the message that the
    first attempt may have created. If that message may differ, an edit brings it up to date; the edit's headers teach
    the bucket.
    """

    http: DiscordHttp
    channel_id: int
    nonce_seed: str
    reference: discord.MessageReference | None = None
    _attempts: dict[int, list[MessagePayload]] = field(default_factory=dict[int, list[MessagePayload]])

    @property
    def bucket(self) -> str:
        """The channel's bucket, shared by everyone who writes there."""
        return channel_bucket(self.channel_id)

    async def create(self, page: int, payload: MessagePayload) -> Json:
        """Send a message."""
        attempts = self._attempts.setdefault(page, [])
        # Any attempt may have created the message: its content is only known if all attempts were equal.
        may_be_outdated = any(before != payload for before in attempts)
        attempts.append(payload)
        body = payload.to_json() | {"nonce": _make_nonce(self.nonce_seed, page), "enforce_nonce": True}
        if page == 0 and self.reference:
            body["message_reference"] = self.reference.to_message_reference_dict()
        message: Json = await self.http.request_json("POST", self._path, body, file=payload.attachment, as_bot=True)
        if may_be_outdated:
            await self.edit(int(message["id"]), payload)
        return message

    async def edit(self, message_id: int, payload: MessagePayload) -> None:
        """Edit a message."""
        await self.http.request_json(
            "PATCH", f"{self._path}/{message_id}", payload.to_json(), file=payload.attachment, as_bot=True
        )

    async def list_messages_after(self, message_id: int) -> list[Json]:
        """Return the messages after this one, as far as the bot may read them."""
        try:
            found = await self.http.request_json(
                "GET", f"{self._path}?after={message_id}&limit={LIST_LIMIT}", as_bot=True
            )
        except discord.HTTPException as error:
            if error.status == TOO_MANY_REQUESTS or error.status >= _SERVER_ERROR:
                raise
            return []
        return list(found)

    @property
    def _path(self) -> str:
        return f"/channels/{self.channel_id}/messages"


def is_token_expired(error: discord.HTTPException) -> bool:
    """Return whether the interaction's token was refused because it is too old."""
    return error.code in _TOKEN_EXPIRED_CODES


def may_have_happened(error: discord.HTTPException) -> bool:
    """Return whether a failed request may have taken effect."""
    return error.status >= _SERVER_ERROR


def find_created_message(messages: Sequence[Json], last_known_id: int, interaction_id: int) -> int | None:
    """Return the message that a request without a response has created, if it is in the channel.

    It is the first of this interaction's messages after the last known one. None also if the bot may not read the
    channel: then the page is posted again, since a page twice is better than lost text.
    """
    ids = [
        int(message["id"])
        for message in messages
        if str((message.get("interaction_metadata") or {}).get("id")) == str(interaction_id)
    ]
    return min((found for found in ids if found > last_known_id), default=None)


@contextmanager
def map_errors(*, has_file: bool = False) -> Generator[None]:
    """Raise Discord's errors as the driver's."""
    try:
        yield
    except discord.HTTPException as error:
        if has_file and error.status in _FILE_REFUSED_STATUSES:
            raise FileRefused(describe_error(error)) from error
        raise _classify_error(error) from error
    except (aiohttp.ClientError, OSError) as error:
        raise SurfaceBusy(_RETRY_SOON) from error


def describe_error(error: Exception) -> str:
    """Return an error for the log, without its own text, which may hold a URL with a token."""
    if isinstance(error, discord.HTTPException):
        return f"Discord said {error.status}/{error.code}"
    return type(error).__name__


def _classify_error(error: discord.HTTPException) -> SurfaceBusy | SurfaceGone:
    """Return whether trying again can help; a request that Discord calls wrong stays wrong."""
    if error.code == _EDIT_LIMIT_CODE:
        return SurfaceBusy(_RETRY_LATER)
    if error.status == TOO_MANY_REQUESTS:
        try:
            return SurfaceBusy(parse_retry_after(error.response.headers))
        except (KeyError, ValueError):
            return SurfaceBusy(_RETRY_LATER)
    if not _CLIENT_ERROR <= error.status < _SERVER_ERROR:
        return SurfaceBusy(_RETRY_SOON)
    # An error without one of Discord's codes comes from something on the way: nobody has deleted the message.
    if error.status in _REFUSED_STATUSES or not error.code:
        return SurfaceRefused(describe_error(error))
    return SurfaceGone(describe_error(error))


def _build_form(body: Json | None, file: str) -> aiohttp.FormData:
    # Discord does not understand field names whose brackets are escaped.
    form = aiohttp.FormData(quote_fields=False)
    form.add_field("payload_json", json.dumps(body))
    content = file.encode(errors="replace")
    form.add_field("files[0]", content, filename=ATTACHMENT_NAME, content_type="text/markdown; charset=utf-8")
    return form


def _make_nonce(seed: str, page: int) -> str:
    """Return the nonce of a page, the same for every attempt; at most 25 characters."""
    return hashlib.sha256(f"{seed}/{page}".encode()).hexdigest()[:_NONCE_LENGTH]
