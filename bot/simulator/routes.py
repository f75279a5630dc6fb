"""Discord's HTTP API, as far as a bot that answers questions uses it: what each route does and is counted in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bot.simulator.bot_api import not_found
from bot.simulator.interaction_json import InteractionSerializer
from bot.simulator.message_drafts import ApiError, Attachment, Draft, Json
from bot.simulator.rate_limits import Bucket, Limits
from bot.simulator.world import ChannelKind, ResponseKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bot.simulator.discord_json import DiscordSerializer
    from bot.simulator.gateway import IdentifyLimits
    from bot.simulator.world import Guild

ResponseBody = Json | list[Json] | None
"""What is sent back; None is 204."""


@dataclass(frozen=True, slots=True)
class ParsedRequest:
    """One request, read: the names in its path, its query, its JSON and its files."""

    path_params: Mapping[str, str]
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    body: Any = None
    files: tuple[Attachment, ...] = ()

    def get_id(self, name: str) -> int:
        """An id in the path; what is none is the id of nothing."""
        value = self.path_params[name]
        return int(value) if value.isdecimal() else 0

    @property
    def guild_id(self) -> int | None:
        """The guild in the path, None on a global route."""
        return self.get_id("guild") if "guild" in self.path_params else None

    @property
    def message_id(self) -> int | None:
        """The message in the path of a webhook route, None for ``@original``."""
        return None if self.path_params["message"] == "@original" else self.get_id("message")

    def parse_draft(self) -> Draft:
        """The body as a message."""
        return Draft.parse(self.body or {}, self.files)


@dataclass(frozen=True, slots=True)
class Route:
    """One row of the table. ``bucket`` says what a call is counted in, None where no limit is kept."""

    method: str
    path: str
    perform: Callable[[ParsedRequest], ResponseBody]
    bucket: Callable[[ParsedRequest, Limits], Bucket] | None = None
    needs_token: bool = True
    status: int = 200


def message_create_bucket(call: ParsedRequest, limits: Limits) -> Bucket:
    """Messages created in a channel."""
    return Bucket(f"create:{call.path_params['channel']}", "5e1f0a7b3c9d2468", limits.message_create)


def message_edit_bucket(call: ParsedRequest, limits: Limits) -> Bucket:
    """Messages edited in a channel: Discord gives it the hash of creating, but counts apart."""
    return Bucket(f"edit:{call.path_params['channel']}", "5e1f0a7b3c9d2468", limits.message_edit)


def follow_up_bucket(call: ParsedRequest, limits: Limits) -> Bucket:
    """Follow-ups sent with an interaction's token."""
    return Bucket(f"respond:{call.path_params['token']}", "b7d40c1e9a3f5528", limits.response_create)


def response_edit_bucket(call: ParsedRequest, limits: Limits) -> Bucket:
    """Messages edited with an interaction's token."""
    return Bucket(f"revise:{call.path_params['token']}", "80c17f6e2b5da934", limits.response_edit)


class Routes:
    """What each route does to the world behind ``wire``."""

    def __init__(self, serializer: DiscordSerializer, gateway_url: str, limits: IdentifyLimits) -> None:
        self._serializer = serializer
        self._world = serializer.world
        self._gateway_url = gateway_url
        self._limits = limits

    def build_table(self) -> list[Route]:
        """Every route there is."""
        return [*self._account_routes(), *self._command_routes(), *self._channel_routes(), *self._interaction_routes()]

    def _account_routes(self) -> list[Route]:
        return [
            Route("GET", "/gateway", lambda _: {"url": self._gateway_url}, needs_token=False),
            Route("GET", "/gateway/bot", lambda _: self.get_gateway()),
            Route("GET", "/users/@me", lambda _: self._serializer.serialize_user(self._world.bot)),
            Route("GET", "/oauth2/applications/@me", lambda _: self._serializer.serialize_application()),
            Route("GET", "/applications/@me", lambda _: self._serializer.serialize_application()),
            Route("POST", "/users/@me/channels", self.create_dm),
            Route("GET", "/users/@me/guilds", self.list_guilds),
            Route(
                "GET", "/guilds/{guild}", lambda call: self._serializer.serialize_guild_for_http(self._find_guild(call))
            ),
            Route("GET", "/guilds/{guild}/channels", self.list_guild_channels),
            Route("GET", "/guilds/{guild}/members/{user}", self.get_member),
        ]

    def _command_routes(self) -> list[Route]:
        rows: list[Route] = []
        for place in ("/applications/{app}", "/applications/{app}/guilds/{guild}"):
            rows += [
                Route("GET", f"{place}/commands", lambda call: self._world.commands.get(call.guild_id, [])),
                Route(
                    "PUT",
                    f"{place}/commands",
                    lambda call: self._world.bot_api.register_commands(call.guild_id, call.body),
                ),
                Route("POST", f"{place}/commands", self.add_command, status=201),
                Route("DELETE", f"{place}/commands/{{command}}", self.remove_command),
            ]
        return rows

    def _channel_routes(self) -> list[Route]:
        place = "/channels/{channel}"
        message = f"{place}/messages/{{message}}"
        return [
            Route(
                "GET",
                place,
                lambda call: self._serializer.serialize_channel(
                    self._world.bot_api.find_channel_for_bot(call.get_id("channel"))
                ),
            ),
            Route("POST", f"{place}/typing", self.start_typing),
            Route("POST", f"{place}/threads", self.create_thread, status=201),
            Route("GET", f"{place}/messages", self.list_messages),
            Route("POST", f"{place}/messages", self.send, message_create_bucket),
            Route("GET", message, self.read),
            Route("PATCH", message, self.edit, message_edit_bucket),
            Route("DELETE", message, self.remove),
            Route("POST", f"{message}/threads", self.create_thread, status=201),
            Route("PUT", f"{message}/reactions/{{emoji}}/@me", self.react),
        ]

    def _interaction_routes(self) -> list[Route]:
        place = "/webhooks/{app}/{token}"
        message = f"{place}/messages/{{message}}"
        callback = "/interactions/{interaction}/{token}/callback"
        return [
            Route("POST", callback, self.acknowledge, needs_token=False),
            Route("POST", place, self.send_follow_up, follow_up_bucket, needs_token=False),
            Route("GET", message, self.read_response, needs_token=False),
            Route("PATCH", message, self.edit_response, response_edit_bucket, needs_token=False),
            Route("DELETE", message, self.remove_response, needs_token=False),
        ]

    # The account

    def get_gateway(self) -> ResponseBody:
        """Where the gateway is, and how often one may identify oneself."""
        limits = self._limits
        starts = {
            "total": 1000,
            "remaining": limits.remaining,
            "reset_after": 0,
            "max_concurrency": limits.max_concurrency,
        }
        return {"url": self._gateway_url, "shards": limits.shards, "session_start_limit": starts}

    def get_member(self, call: ParsedRequest) -> ResponseBody:
        """GET /guilds/{guild}/members/{user}: somebody in a guild that the bot is in."""
        guild = self._find_guild(call)
        if call.get_id("user") not in guild.members:
            raise not_found("Member", 10007)
        return self._serializer.serialize_member(guild, call.get_id("user"))

    def list_guilds(self, call: ParsedRequest) -> ResponseBody:
        """GET /users/@me/guilds: the guilds the bot is in, the oldest first, 200 on a page."""
        after, limit = int(call.query.get("after", "0")), int(call.query.get("limit", "200"))
        own = [guild for guild in self._world.guilds.values() if self._world.bot.id in guild.members]
        return [self._serializer.serialize_partial_guild(guild) for guild in own if guild.id > after][:limit]

    def list_guild_channels(self, call: ParsedRequest) -> ResponseBody:
        """GET /guilds/{guild}/channels: all of a guild's channels, seen by the bot or not, but no threads."""
        guild = self._find_guild(call)
        own = [channel for channel in self._world.channels.values() if channel.guild_id == guild.id]
        return [
            self._serializer.serialize_channel(channel) for channel in own if channel.kind is not ChannelKind.THREAD
        ]

    def _find_guild(self, call: ParsedRequest) -> Guild:
        """The guild in the path, if the bot is in it."""
        guild = self._world.guilds.get(call.get_id("guild"))
        if guild is None or self._world.bot.id not in guild.members:
            raise not_found("Guild", 10004)
        return guild

    def create_dm(self, call: ParsedRequest) -> ResponseBody:
        """Open the direct messages with a user."""
        return self._serializer.serialize_channel(self._world.bot_api.create_dm(int(call.body["recipient_id"])))

    # Commands

    def add_command(self, call: ParsedRequest) -> ResponseBody:
        """Register one command; one of the same name and kind is replaced."""
        name = call.body["name"], call.body.get("type", 1)
        others = [c for c in self._world.commands.get(call.guild_id, []) if (c["name"], c["type"]) != name]
        return self._world.bot_api.register_commands(call.guild_id, [*others, call.body])[-1]

    def remove_command(self, call: ParsedRequest) -> ResponseBody:
        """Take one command away."""
        registered = self._world.commands.get(call.guild_id, [])
        kept = [command for command in registered if command["id"] != call.path_params["command"]]
        if len(kept) == len(registered):
            raise ApiError(404, 10063, "Unknown application command")
        self._world.commands[call.guild_id] = kept
        return None

    # Channels

    def start_typing(self, call: ParsedRequest) -> ResponseBody:
        """Show that the bot is typing."""
        channel = self._world.bot_api.find_channel_for_bot(call.get_id("channel"))
        self._world.people.start_typing(channel.id, self._world.bot.id)
        return None

    def create_thread(self, call: ParsedRequest) -> ResponseBody:
        """Start a thread, at a message or without one."""
        start = call.get_id("message") if "message" in call.path_params else None
        return self._serializer.serialize_channel(
            self._world.bot_api.create_thread(call.get_id("channel"), str(call.body["name"]), start)
        )

    def list_messages(self, call: ParsedRequest) -> ResponseBody:
        """The channel's last messages, or the first after one, newest first."""
        channel = self._world.bot_api.find_channel_for_bot(call.get_id("channel"))
        seen = [message for message in self._world.history(channel.id) if message.visible_to_user_id is None]
        before = int(call.query.get("before", "0")) or None
        after = int(call.query.get("after", "0"))
        seen = [message for message in seen if message.id > after and (before is None or message.id < before)]
        limit = int(call.query.get("limit", "50"))
        return [self._serialize_message(message.id) for message in reversed(seen[:limit] if after else seen[-limit:])]

    def send(self, call: ParsedRequest) -> ResponseBody:
        """Write a message."""
        return self._serialize_message(self._world.bot_api.send(call.get_id("channel"), call.parse_draft()).id)

    def read(self, call: ParsedRequest) -> ResponseBody:
        """One message."""
        return self._serialize_message(
            self._world.bot_api.find_message_for_bot(call.get_id("channel"), call.get_id("message")).id
        )

    def edit(self, call: ParsedRequest) -> ResponseBody:
        """Edit the bot's own message."""
        return self._serialize_message(
            self._world.bot_api.edit(call.get_id("channel"), call.get_id("message"), call.parse_draft()).id
        )

    def remove(self, call: ParsedRequest) -> ResponseBody:
        """Delete a message."""
        self._world.bot_api.remove(call.get_id("channel"), call.get_id("message"))
        return None

    def react(self, call: ParsedRequest) -> ResponseBody:
        """Add a reaction."""
        self._world.bot_api.react(call.get_id("channel"), call.get_id("message"), call.path_params["emoji"])
        return None

    def _serialize_message(self, message_id: int) -> Json:
        """A message as the bot may see it over HTTP, where the content intent counts too."""
        return self._serializer.serialize_message(
            self._world.messages[message_id], has_content=self._world.has_message_content_intent
        )

    # Interactions

    def acknowledge(self, call: ParsedRequest) -> ResponseBody:
        """Give an interaction its first answer."""
        kind = ResponseKind(call.body["type"])
        data: Json = call.body.get("data") or {}
        is_message = kind in {ResponseKind.MESSAGE, ResponseKind.DEFERRED_MESSAGE, ResponseKind.UPDATE}
        draft = Draft.parse(data, call.files) if is_message else Draft()
        interaction = self._world.interaction_api.acknowledge(
            call.get_id("interaction"), call.path_params["token"], kind, data, draft
        )
        wants_response = call.query.get("with_response", "").lower() in {"1", "true"}
        return (
            InteractionSerializer(self._serializer).serialize_callback_response(interaction) if wants_response else None
        )

    def send_follow_up(self, call: ParsedRequest) -> ResponseBody:
        """Send one more message for an interaction."""
        return self._serializer.serialize_message(
            self._world.interaction_api.send_follow_up(call.path_params["token"], call.parse_draft())
        )

    def read_response(self, call: ParsedRequest) -> ResponseBody:
        """The original response, or a follow-up."""
        return self._serializer.serialize_message(
            self._world.interaction_api.find_response(call.path_params["token"], call.message_id)
        )

    def edit_response(self, call: ParsedRequest) -> ResponseBody:
        """Edit the original response, or a follow-up."""
        return self._serializer.serialize_message(
            self._world.interaction_api.edit_response(call.path_params["token"], call.message_id, call.parse_draft())
        )

    def remove_response(self, call: ParsedRequest) -> ResponseBody:
        """Delete the original response, or a follow-up."""
        self._world.interaction_api.remove_response(call.path_params["token"], call.message_id)
        return None
