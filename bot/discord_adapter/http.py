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

from bot.discord_adapter.rate_limit_headers import TOO_MANY, channel_lane, interaction_lane, retry_after
from bot.streaming import ATTACHMENT, FileRefused, SurfaceBusy, SurfaceGone

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

Json = dict[str, Any]
"""An object as it goes over the wire."""

_RETRY_SOON = 1.0
_RETRY_LATER = 5.0
LISTED = 100
"""So many messages Discord lists at a time."""
_NONCE_LENGTH = 24
_EPHEMERAL = discord.MessageFlags(ephemeral=True).value

_TOKEN_DEAD = {50027, 10015}
"""Invalid webhook token; unknown webhook: how Discord says that the 15 minutes are over."""
_EDITED_TOO_OFTEN = 30046
_FILE_REFUSED = {400, 403, 413}
_REFUSED = 400
_SERVER_FAULT = 500


@dataclass(frozen=True, slots=True)
class Look:
    """How a message is to look: its text, its components (None: as they are), and a file in Markdown.

    Files that it has already stay, unless one is attached or ``drops_files`` says otherwise.
    """

    text: str
    components: Sequence[Mapping[str, Any]] | None = None
    attached: str = ""
    drops_files: bool = False

    def body(self) -> Json:
        """As JSON. Link previews and mentions are off every time: Discord reads both anew from each edit."""
        body: Json = {
            "content": self.text,
            "flags": discord.MessageFlags(suppress_embeds=True).value,
            "allowed_mentions": discord.AllowedMentions.none().to_dict(),
        }
        if self.components is not None:
            body["components"] = list(self.components)
        if self.attached or self.drops_files:
            body["attachments"] = [{"id": 0, "filename": ATTACHMENT}] if self.attached else []
        return body


class Requests:
    """Requests to Discord's HTTP API over a client's session, each tried once and never slept on."""

    def __init__(self, client: discord.Client) -> None:
        self._http = client.http
        # A webhook that is not used: it is handed the client's session, which has no public name of its own.
        self._session = discord.Webhook.partial(0, "", client=client).session

    async def json(
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
            data=_form(body, file) if file else None,
            headers=headers,
            proxy=self._http.proxy,
            proxy_auth=self._http.proxy_auth,
        ) as response:
            data = await json_or_text(response)
            if not response.ok or isinstance(data, str):
                raise discord.HTTPException(response, data)
            return data


class Door(Protocol):
    """One of the two ways a message reaches Discord."""

    async def create(self, page: int, look: Look) -> Json:
        """Show a page for the first time; the message as Discord has it."""
        ...

    async def edit(self, message: int, look: Look) -> None:
        """Change a message's look."""
        ...


class Responses:
    """With an interaction's token: the response itself, then follow-ups."""

    def __init__(self, interaction: discord.Interaction[Any]) -> None:
        self.lane = interaction_lane(interaction.token)
        self.is_private = False
        """Whether only the asker sees the response: a follow-up does not inherit that, it has to be said each time."""
        self._requests = Requests(interaction.client)
        self._path = f"/webhooks/{interaction.application_id}/{quote(interaction.token, safe='')}"

    async def create(self, page: int, look: Look) -> Json:
        """The first page is an edit of the deferred response: sending it twice shows it once."""
        if page == 0:
            return await self._ask("PATCH", "/messages/@original", look)
        return await self._ask("POST", "?wait=true", look, _EPHEMERAL if self.is_private else 0)

    async def edit(self, message: int, look: Look) -> None:
        """Change a message's look."""
        await self._ask("PATCH", f"/messages/{message}", look)

    async def _ask(self, method: str, path: str, look: Look, flags: int = 0) -> Json:
        body = look.body()
        body["flags"] |= flags
        message: Json = await self._requests.json(method, self._path + path, body, file=look.attached)
        return message


@dataclass(slots=True)
class InChannel:
    """With the bot's own right in a channel; ``key`` is the answer's.

    A page is created once: a second try carries the first one's nonce, for which Discord returns the message that the
    first may have made. If that was to look otherwise, an edit brings it up to date; the edit's headers tell the lane.
    """

    requests: Requests
    channel_id: int
    key: str
    reference: discord.MessageReference | None = None
    _tried: dict[int, list[Look]] = field(default_factory=dict[int, list[Look]])

    @property
    def lane(self) -> str:
        """The channel's lane, shared by everyone who writes there."""
        return channel_lane(self.channel_id)

    async def create(self, page: int, look: Look) -> Json:
        """Send a message."""
        tried = self._tried.setdefault(page, [])
        # Any of them may have made the message: only a look that every try had is certain to be the one it has.
        may_be_outdated = any(before != look for before in tried)
        tried.append(look)
        body = look.body() | {"nonce": _nonce(self.key, page), "enforce_nonce": True}
        if page == 0 and self.reference:
            body["message_reference"] = self.reference.to_message_reference_dict()
        message: Json = await self.requests.json("POST", self._path, body, file=look.attached, as_bot=True)
        if may_be_outdated:
            await self.edit(int(message["id"]), look)
        return message

    async def edit(self, message: int, look: Look) -> None:
        """Change a message's look."""
        await self.requests.json("PATCH", f"{self._path}/{message}", look.body(), file=look.attached, as_bot=True)

    async def since(self, message: int) -> list[Json]:
        """The messages after this one, as far as the bot may read them."""
        try:
            found = await self.requests.json("GET", f"{self._path}?after={message}&limit={LISTED}", as_bot=True)
        except discord.HTTPException as error:
            if error.status == TOO_MANY or error.status >= _SERVER_FAULT:
                raise
            return []
        return list(found)

    @property
    def _path(self) -> str:
        return f"/channels/{self.channel_id}/messages"


def is_token_dead(error: discord.HTTPException) -> bool:
    """Whether the interaction's token was refused because its time is over."""
    return error.code in _TOKEN_DEAD


def may_have_happened(error: discord.HTTPException) -> bool:
    """Whether a request that failed so may have taken effect all the same."""
    return error.status >= _SERVER_FAULT


def made_meanwhile(listed: Sequence[Json], last_known: int, interaction_id: int) -> int | None:
    """The message that a request without a reply has made, if it stands in the channel.

    It is the first of this interaction's after the last one known. None also where the bot may not look: then the page
    is posted again, since a page twice is better than text lost.
    """
    ids = [
        int(message["id"])
        for message in listed
        if str((message.get("interaction_metadata") or {}).get("id")) == str(interaction_id)
    ]
    return min((found for found in ids if found > last_known), default=None)


@contextmanager
def translated(*, has_file: bool = False) -> Generator[None]:
    """Discord's errors as the driver's words."""
    try:
        yield
    except discord.HTTPException as error:
        if has_file and error.status in _FILE_REFUSED:
            raise FileRefused(named(error)) from error
        raise _verdict(error) from error
    except (aiohttp.ClientError, OSError) as error:
        raise SurfaceBusy(_RETRY_SOON) from error


def named(error: Exception) -> str:
    """An error for the log, without its own words: they may hold a URL with a token."""
    if isinstance(error, discord.HTTPException):
        return f"Discord said {error.status}/{error.code}"
    return type(error).__name__


def _verdict(error: discord.HTTPException) -> SurfaceBusy | SurfaceGone:
    """Whether it is worth trying again. A request Discord calls wrong will be no better the second time."""
    if error.code == _EDITED_TOO_OFTEN:
        return SurfaceBusy(_RETRY_LATER)
    if error.status == TOO_MANY:
        try:
            return SurfaceBusy(retry_after(error.response.headers))
        except (KeyError, ValueError):
            return SurfaceBusy(_RETRY_LATER)
    if _REFUSED <= error.status < _SERVER_FAULT:
        return SurfaceGone(named(error))
    return SurfaceBusy(_RETRY_SOON)


def _form(body: Json | None, file: str) -> aiohttp.FormData:
    # Discord does not understand field names whose brackets are escaped.
    form = aiohttp.FormData(quote_fields=False)
    form.add_field("payload_json", json.dumps(body))
    content = file.encode(errors="replace")
    form.add_field("files[0]", content, filename=ATTACHMENT, content_type="text/markdown; charset=utf-8")
    return form


def _nonce(key: str, page: int) -> str:
    """The same for every try to create one page; at most 25 characters."""
    return hashlib.sha256(f"{key}/{page}".encode()).hexdigest()[:_NONCE_LENGTH]
