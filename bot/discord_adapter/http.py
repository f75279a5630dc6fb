"""The two doors a message goes through to Discord: an interaction's token, and the bot's own right in a channel.

The requests are our own, over the client's session. discord.py's cannot set a message's flags on an edit, and it sleeps
inside the call, after a 5xx, a 429 or a window's last token, while the text it holds grows old.
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

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

Json = dict[str, Any]
"""An object as it goes over the wire."""

_RETRY_SOON = 1.0
_RETRY_LATER = 5.0
LIST_LIMIT = 100
"""So many messages Discord lists at a time."""
_NONCE_LENGTH = 24
_EPHEMERAL = discord.MessageFlags(ephemeral=True).value

_TOKEN_EXPIRED_CODES = {50027, 10015}
"""Invalid webhook token; unknown webhook: how Discord says that the 15 minutes are over."""
_EDIT_LIMIT_CODE = 30046
_FILE_REFUSED_STATUSES = {400, 403, 413}
_REFUSED_STATUSES = {400, 403}
_CLIENT_ERROR = 400
_SERVER_ERROR = 500


class SurfaceRefused(SurfaceGone):
    """Discord refuses the message as it is, or the permission for it; nobody has deleted it."""


@dataclass(frozen=True, slots=True)
class MessagePayload:
    """How a message is to look: its text, its components (None: as they are), and a file in Markdown.

    Files that it has already stay, unless one is attached or ``clears_attachments`` says otherwise.
    """

    text: str
    components: Sequence[Mapping[str, Any]] | None = None
    attachment: str = ""
    clears_attachments: bool = False

    def to_json(self) -> Json:
        """As JSON. Link previews and mentions are off every time: Discord reads both anew from each edit."""
        body: Json = {
            "content": self.text,
            "flags": discord.MessageFlags(suppress_embeds=True).value,
            "allowed_mentions": discord.AllowedMentions.none().to_dict(),
        }
        if self.components is not None:
            body["components"] = list(self.components)
        if self.attachment or self.clears_attachments:
            body["attachments"] = [{"id": 0, "filename": ATTACHMENT_NAME}] if self.attachment else []
        return body


class DiscordHttp:
    """Requests to Discord's HTTP API over a client's session, each tried once and never slept on."""

    def __init__(self, client: discord.Client) -> None:
        self._http = client.http
        # A webhook that is not used: it is handed the client's session, which has no public name of its own.
        self._session = discord.Webhook.partial(0, "", client=client).session

    async def request_json(
        self, method: str, path: str, body: Json | None = None, *, file: str = "", as_bot: bool = False
    ) -> Any:
        """Ask, and give the JSON that comes back.

        Raises:
            discord.HTTPException: Discord refused, or answered with something else.
            aiohttp.ClientError, OSError: nothing came back.
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
                # Cut short on the way: whether it took effect is not known, as with a reset.
                raise aiohttp.ClientPayloadError("the response is not whole") from error
            if not response.ok or isinstance(data, str):
                raise discord.HTTPException(response, data)
            return data


class MessageEndpoint(Protocol):
    """One of the two ways a message reaches Discord."""

    async def create(self, page: int, payload: MessagePayload) -> Json:
        """Show a page for the first time; the message as Discord has it."""
        ...

    async def edit(self, message_id: int, payload: MessagePayload) -> None:
        """Change a message's look."""
        ...


class InteractionEndpoint:
    """With an interaction's token: the response itself, then follow-ups."""

    def __init__(self, interaction: discord.Interaction[Any]) -> None:
        self.bucket = interaction_bucket(interaction.token)
        self.is_ephemeral = False
        """Whether only the asker sees the response: a follow-up does not inherit that, it has to be said each time."""
        self._http = DiscordHttp(interaction.client)
        self._path = f"/webhooks/{interaction.application_id}/{quote(interaction.token, safe='')}"

    async def create(self, page: int, payload: MessagePayload) -> Json:
        """The first page is an edit of the deferred response: sending it twice shows it once."""
        if page == 0:
            return await self._send("PATCH", "/messages/@original", payload)
        return await self._send("POST", "?wait=true", payload, _EPHEMERAL if self.is_ephemeral else 0)

    async def edit(self, message_id: int, payload: MessagePayload) -> None:
        """Change a message's look."""
        await self._send("PATCH", f"/messages/{message_id}", payload)

    async def _send(self, method: str, path: str, payload: MessagePayload, flags: int = 0) -> Json:
        body = payload.to_json()
        body["flags"] |= flags
        message: Json = await self._http.request_json(method, self._path + path, body, file=payload.attachment)
        return message


@dataclass(slots=True)
class ChannelEndpoint:
    """With the bot's own right in a channel; ``nonce_seed`` is the answer's.

    A page is created once: a second try carries the first one's nonce, for which Discord returns the message that the
    first may have made. If that was to look otherwise, an edit brings it up to date; the edit's headers tell the lane.
    """

    http: DiscordHttp
    channel_id: int
    nonce_seed: str
    reference: discord.MessageReference | None = None
    _attempts: dict[int, list[MessagePayload]] = field(default_factory=dict[int, list[MessagePayload]])

    @property
    def bucket(self) -> str:
        """The channel's lane, shared by everyone who writes there."""
        return channel_bucket(self.channel_id)

    async def create(self, page: int, payload: MessagePayload) -> Json:
        """Send a message."""
        tried = self._attempts.setdefault(page, [])
        # Any of them may have made the message: only a look that every try had is certain to be the one it has.
        may_be_outdated = any(before != payload for before in tried)
        tried.append(payload)
        body = payload.to_json() | {"nonce": _make_nonce(self.nonce_seed, page), "enforce_nonce": True}
        if page == 0 and self.reference:
            body["message_reference"] = self.reference.to_message_reference_dict()
        message: Json = await self.http.request_json("POST", self._path, body, file=payload.attachment, as_bot=True)
        if may_be_outdated:
            await self.edit(int(message["id"]), payload)
        return message

    async def edit(self, message_id: int, payload: MessagePayload) -> None:
        """Change a message's look."""
        await self.http.request_json(
            "PATCH", f"{self._path}/{message_id}", payload.to_json(), file=payload.attachment, as_bot=True
        )

    async def list_messages_after(self, message_id: int) -> list[Json]:
        """The messages after this one, as far as the bot may read them."""
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
    """Whether the interaction's token was refused because its time is over."""
    return error.code in _TOKEN_EXPIRED_CODES


def may_have_happened(error: discord.HTTPException) -> bool:
    """Whether a request that failed so may have taken effect all the same."""
    return error.status >= _SERVER_ERROR


def find_created_message(messages: Sequence[Json], last_known_id: int, interaction_id: int) -> int | None:
    """The message that a request without a reply has made, if it stands in the channel.

    It is the first of this interaction's after the last one known. None also where the bot may not look: then the page
    is posted again, since a page twice is better than text lost.
    """
    ids = [
        int(message["id"])
        for message in messages
        if str((message.get("interaction_metadata") or {}).get("id")) == str(interaction_id)
    ]
    return min((found for found in ids if found > last_known_id), default=None)


@contextmanager
def map_errors(*, has_file: bool = False) -> Generator[None]:
    """Discord's errors as the driver's words."""
    try:
        yield
    except discord.HTTPException as error:
        if has_file and error.status in _FILE_REFUSED_STATUSES:
            raise FileRefused(describe_error(error)) from error
        raise _classify_error(error) from error
    except (aiohttp.ClientError, OSError) as error:
        raise SurfaceBusy(_RETRY_SOON) from error


def describe_error(error: Exception) -> str:
    """An error for the log, without its own words: they may hold a URL with a token."""
    if isinstance(error, discord.HTTPException):
        return f"Discord said {error.status}/{error.code}"
    return type(error).__name__


def _classify_error(error: discord.HTTPException) -> SurfaceBusy | SurfaceGone:
    """Whether it is worth trying again. A request Discord calls wrong will be no better the second time."""
    if error.code == _EDIT_LIMIT_CODE:
        return SurfaceBusy(_RETRY_LATER)
    if error.status == TOO_MANY_REQUESTS:
        try:
            return SurfaceBusy(parse_retry_after(error.response.headers))
        except (KeyError, ValueError):
            return SurfaceBusy(_RETRY_LATER)
    if error.status in _REFUSED_STATUSES:
        return SurfaceRefused(describe_error(error))
    if _CLIENT_ERROR <= error.status < _SERVER_ERROR:
        return SurfaceGone(describe_error(error))
    return SurfaceBusy(_RETRY_SOON)


def _build_form(body: Json | None, file: str) -> aiohttp.FormData:
    # Discord does not understand field names whose brackets are escaped.
    form = aiohttp.FormData(quote_fields=False)
    form.add_field("payload_json", json.dumps(body))
    content = file.encode(errors="replace")
    form.add_field("files[0]", content, filename=ATTACHMENT_NAME, content_type="text/markdown; charset=utf-8")
    return form


def _make_nonce(seed: str, page: int) -> str:
    """The same for every try to create one page; at most 25 characters."""
    return hashlib.sha256(f"{seed}/{page}".encode()).hexdigest()[:_NONCE_LENGTH]
