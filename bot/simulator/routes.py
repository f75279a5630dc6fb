"""Discord's HTTP API, as far as a bot that answers questions uses it: what each route does and is counted in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bot.simulator.bot_api import unknown
from bot.simulator.interaction_json import Envelopes
from bot.simulator.message_drafts import Attachment, Draft, Json, Refusal
from bot.simulator.rate_limits import Bucket, Limits
from bot.simulator.world import ChannelKind, ResponseKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bot.simulator.discord_json import Wire
    from bot.simulator.world import Guild

Reply = Json | list[Json] | None
"""What is sent back; None is 204."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request, read: the names in its path, its query, its JSON and its files."""

    names: Mapping[str, str]
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    body: Any = None
    files: tuple[Attachment, ...] = ()

    def id(self, name: str) -> int:
        """An id in the path; what is none is the id of nothing."""
        value = self.names[name]
        return int(value) if value.isdecimal() else 0

    @property
    def guild(self) -> int | None:
        """The guild in the path, None on a global route."""
        return self.id("guild") if "guild" in self.names else None

    @property
    def message(self) -> int | None:
        """The message in the path of a webhook route, None for ``@original``."""
        return None if self.names["message"] == "@original" else self.id("message")

    def draft(self) -> Draft:
        """The body as a message."""
        return Draft.read(self.body or {}, self.files)


@dataclass(frozen=True, slots=True)
class Route:
    """One row of the table. ``bucket`` says what a call is counted in, None where no limit is kept."""

    method: str
    path: str
    perform: Callable[[Call], Reply]
    bucket: Callable[[Call, Limits], Bucket] | None = None
    needs_token: bool = True
    status: int = 200


def creating(call: Call, limits: Limits) -> Bucket:
    """Messages created in a channel."""
    return Bucket(f"create:{call.names['channel']}", "5e1f0a7b3c9d2468", limits.message_create)


def editing(call: Call, limits: Limits) -> Bucket:
    """Messages edited in a channel: Discord gives it the hash of creating, but counts apart."""
    return Bucket(f"edit:{call.names['channel']}", "5e1f0a7b3c9d2468", limits.message_edit)


def responding(call: Call, limits: Limits) -> Bucket:
    """Follow-ups sent with an interaction's token."""
    return Bucket(f"respond:{call.names['token']}", "b7d40c1e9a3f5528", limits.response_create)


def revising(call: Call, limits: Limits) -> Bucket:
    """Messages edited with an interaction's token."""
    return Bucket(f"revise:{call.names['token']}", "80c17f6e2b5da934", limits.response_edit)


class Routes:
    """What each route does to the world behind ``wire``."""

    def __init__(self, wire: Wire, gateway_url: str) -> None:
        self._wire = wire
        self._world = wire.world
        self._gateway_url = gateway_url

    def table(self) -> list[Route]:
        """Every route there is."""
        return [*self._account(), *self._registered(), *self._channels(), *self._interactions()]

    def _account(self) -> list[Route]:
        return [
            Route("GET", "/gateway", lambda _: {"url": self._gateway_url}, needs_token=False),
            Route("GET", "/gateway/bot", lambda _: self.gateway()),
            Route("GET", "/users/@me", lambda _: self._wire.user(self._world.bot)),
            Route("GET", "/oauth2/applications/@me", lambda _: self._wire.application()),
            Route("GET", "/applications/@me", lambda _: self._wire.application()),
            Route("POST", "/users/@me/channels", self.open_direct),
            Route("GET", "/users/@me/guilds", self.guilds),
            Route("GET", "/guilds/{guild}", lambda call: self._wire.guild_alone(self._guild(call))),
            Route("GET", "/guilds/{guild}/channels", self.guild_channels),
            Route("GET", "/guilds/{guild}/members/{user}", self.member),
        ]

    def _registered(self) -> list[Route]:
        rows: list[Route] = []
        for place in ("/applications/{app}", "/applications/{app}/guilds/{guild}"):
            rows += [
                Route("GET", f"{place}/commands", lambda call: self._world.commands.get(call.guild, [])),
                Route("PUT", f"{place}/commands", lambda call: self._world.register(call.guild, call.body)),
                Route("POST", f"{place}/commands", self.add_command, status=201),
                Route("DELETE", f"{place}/commands/{{command}}", self.remove_command),
            ]
        return rows

    def _channels(self) -> list[Route]:
        place = "/channels/{channel}"
        message = f"{place}/messages/{{message}}"
        return [
            Route("GET", place, lambda call: self._wire.channel(self._world.channel_for_bot(call.id("channel")))),
            Route("POST", f"{place}/typing", self.type),
            Route("POST", f"{place}/threads", self.open_thread, status=201),
            Route("GET", f"{place}/messages", self.history),
            Route("POST", f"{place}/messages", self.send, creating),
            Route("GET", message, self.read),
            Route("PATCH", message, self.edit, editing),
            Route("DELETE", message, self.remove),
            Route("POST", f"{message}/threads", self.open_thread, status=201),
            Route("PUT", f"{message}/reactions/{{emoji}}/@me", self.react),
        ]

    def _interactions(self) -> list[Route]:
        place = "/webhooks/{app}/{token}"
        message = f"{place}/messages/{{message}}"
        callback = "/interactions/{interaction}/{token}/callback"
        return [
            Route("POST", callback, self.acknowledge, needs_token=False),
            Route("POST", place, self.follow_up, responding, needs_token=False),
            Route("GET", message, self.read_response, needs_token=False),
            Route("PATCH", message, self.edit_response, revising, needs_token=False),
            Route("DELETE", message, self.remove_response, needs_token=False),
        ]

    # The account

    def gateway(self) -> Reply:
        """Where the gateway is, and how often one may identify oneself."""
        starts = {"total": 1000, "remaining": 1000, "reset_after": 0, "max_concurrency": 1}
        return {"url": self._gateway_url, "shards": 1, "session_start_limit": starts}

    def member(self, call: Call) -> Reply:
        """GET /guilds/{guild}/members/{user}: somebody in a guild that the bot is in."""
        guild = self._guild(call)
        if call.id("user") not in guild.members:
            raise unknown("Member", 10007)
        return self._wire.member(guild, call.id("user"))

    def guilds(self, call: Call) -> Reply:
        """GET /users/@me/guilds: the guilds the bot is in, the oldest first, 200 on a page."""
        after, limit = int(call.query.get("after", "0")), int(call.query.get("limit", "200"))
        own = [guild for guild in self._world.guilds.values() if self._world.bot.id in guild.members]
        return [self._wire.guild_listed(guild) for guild in own if guild.id > after][:limit]

    def guild_channels(self, call: Call) -> Reply:
        """GET /guilds/{guild}/channels: all of a guild's channels, seen by the bot or not, but no threads."""
        guild = self._guild(call)
        own = [channel for channel in self._world.channels.values() if channel.guild_id == guild.id]
        return [self._wire.channel(channel) for channel in own if channel.kind is not ChannelKind.THREAD]

    def _guild(self, call: Call) -> Guild:
        """The guild in the path, if the bot is in it."""
        guild = self._world.guilds.get(call.id("guild"))
        if guild is None or self._world.bot.id not in guild.members:
            raise unknown("Guild", 10004)
        return guild

    def open_direct(self, call: Call) -> Reply:
        """Open the direct messages with a user."""
        return self._wire.channel(self._world.open_direct(int(call.body["recipient_id"])))

    # Commands

    def add_command(self, call: Call) -> Reply:
        """Register one command; one of the same name and kind is replaced."""
        name = call.body["name"], call.body.get("type", 1)
        others = [c for c in self._world.commands.get(call.guild, []) if (c["name"], c["type"]) != name]
        return self._world.register(call.guild, [*others, call.body])[-1]

    def remove_command(self, call: Call) -> Reply:
        """Take one command away."""
        registered = self._world.commands.get(call.guild, [])
        kept = [command for command in registered if command["id"] != call.names["command"]]
        if len(kept) == len(registered):
            raise Refusal(404, 10063, "Unknown application command")
        self._world.commands[call.guild] = kept
        return None

    # Channels

    def type(self, call: Call) -> Reply:
        """Show that the bot is typing."""
        channel = self._world.channel_for_bot(call.id("channel"))
        self._world.type(channel.id, self._world.bot.id)
        return None

    def open_thread(self, call: Call) -> Reply:
        """Start a thread, at a message or without one."""
        start = call.id("message") if "message" in call.names else None
        return self._wire.channel(self._world.open_thread(call.id("channel"), str(call.body["name"]), start))

    def history(self, call: Call) -> Reply:
        """The channel's last messages, or the first after one, newest first."""
        channel = self._world.channel_for_bot(call.id("channel"))
        seen = [message for message in self._world.history(channel.id) if message.audience is None]
        before = int(call.query.get("before", "0")) or None
        after = int(call.query.get("after", "0"))
        seen = [message for message in seen if message.id > after and (before is None or message.id < before)]
        limit = int(call.query.get("limit", "50"))
        return [self._message(message.id) for message in reversed(seen[:limit] if after else seen[-limit:])]

    def send(self, call: Call) -> Reply:
        """Write a message."""
        return self._message(self._world.send(call.id("channel"), call.draft()).id)

    def read(self, call: Call) -> Reply:
        """One message."""
        return self._message(self._world.message_for_bot(call.id("channel"), call.id("message")).id)

    def edit(self, call: Call) -> Reply:
        """Edit the bot's own message."""
        return self._message(self._world.edit(call.id("channel"), call.id("message"), call.draft()).id)

    def remove(self, call: Call) -> Reply:
        """Delete a message."""
        self._world.remove(call.id("channel"), call.id("message"))
        return None

    def react(self, call: Call) -> Reply:
        """Add a reaction."""
        self._world.react(call.id("channel"), call.id("message"), call.names["emoji"])
        return None

    def _message(self, message_id: int) -> Json:
        """A message as the bot may see it over HTTP, where the content intent counts too."""
        return self._wire.message(self._world.messages[message_id], has_content=self._world.shows_content)

    # Interactions

    def acknowledge(self, call: Call) -> Reply:
        """Give an interaction its first answer."""
        kind = ResponseKind(call.body["type"])
        data: Json = call.body.get("data") or {}
        is_message = kind in {ResponseKind.MESSAGE, ResponseKind.DEFERRED_MESSAGE, ResponseKind.UPDATE}
        draft = Draft.read(data, call.files) if is_message else Draft()
        interaction = self._world.acknowledge(call.id("interaction"), call.names["token"], kind, data, draft)
        wants_response = call.query.get("with_response", "").lower() in {"1", "true"}
        return Envelopes(self._wire).acknowledgement(interaction) if wants_response else None

    def follow_up(self, call: Call) -> Reply:
        """Send one more message for an interaction."""
        return self._wire.message(self._world.follow_up(call.names["token"], call.draft()))

    def read_response(self, call: Call) -> Reply:
        """The original response, or a follow-up."""
        return self._wire.message(self._world.message_of(call.names["token"], call.message))

    def edit_response(self, call: Call) -> Reply:
        """Edit the original response, or a follow-up."""
        return self._wire.message(self._world.edit_response(call.names["token"], call.message, call.draft()))

    def remove_response(self, call: Call) -> Reply:
        """Delete the original response, or a follow-up."""
        self._world.remove_response(call.names["token"], call.message)
        return None
