"""The bot's Discord client: connects, publishes commands, reports failures, and shuts down in order."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

import aiohttp
import discord
import yarl
from discord import app_commands
from discord.ext import commands
from discord.gateway import DiscordWebSocket
from discord.http import Route

from bot.discord_adapter import can_write
from bot.discord_adapter.components import ComponentHandler, ComponentRouter, PersistentComponent
from bot.discord_adapter.deduplication import EventDeduplicator
from bot.discord_adapter.replies import report_error, send_ephemeral
from bot.discord_adapter.supervision import InteractionSupervisor
from bot.errors import Problem, SettingsInvalid

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence

    from bot.streaming import Driver

_log = logging.getLogger(__name__)

GRACE = 5.0
"""Seconds that open answers have to say that they were interrupted."""

_LONGEST_DELAY = 60.0

_BAD_TOKEN = 4004
_BAD_INTENTS = {4013, 4014}

_BOT_DM_CONTEXT = 1
"""Discord's number for direct messages with the bot, as a place for commands."""

_COMPARED_FIELDS = (
    *("name", "description", "type", "options", "choices", "value"),
    *("required", "autocomplete", "min_length", "max_length", "min_value", "max_value", "channel_types"),
    *("nsfw", "default_member_permissions"),
)
"""What makes a guild's command what it is; the rest is Discord's own bookkeeping."""


class DocentClient(commands.AutoShardedBot):
    """A discord.py client with the given cogs, which never mentions anybody.

    Args:
        cogs: Creates the cogs for this client; their ``context_menus`` join the command tree.
        driver: Runs the cogs' answers; it is closed before the connection is.
        http_trace: Learns the rate limits from Discord's headers.
        reads_messages: Asks for the privileged message-content intent.
        once_ready: Called when Discord is reached for the first time.
        before_close: Called before the connection is closed, for at most ``GRACE`` seconds.
        proxy: URL of the HTTP proxy for Discord; None for none.
        shard_count: Number of shards of all processes; None for as many as Discord recommends.
        shard_ids: The shards of this process, counted from 0; None for all.
    """

    def __init__(  # noqa: PLR0913 - what it is made of, each by name
        self,
        *,
        cogs: Callable[[DocentClient], Sequence[commands.Cog]],
        driver: Driver,
        http_trace: aiohttp.TraceConfig | None = None,
        reads_messages: bool = False,
        once_ready: Callable[[DocentClient], Coroutine[Any, Any, None]] | None = None,
        before_close: Callable[[], Coroutine[Any, Any, None]] | None = None,
        proxy: str | None = None,
        shard_count: int | None = None,
        shard_ids: Sequence[int] | None = None,
    ) -> None:
        # It never joins a voice channel: discord.py's warnings about that are not needed.
        discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False
        intents = discord.Intents.default()
        intents.message_content = reads_messages
        super().__init__(
            command_prefix=commands.when_mentioned,
            help_command=None,
            tree_cls=_Tree,
            intents=intents,
            allowed_mentions=discord.AllowedMentions.none(),
            activity=discord.CustomActivity("/ask"),
            max_messages=None,
            http_trace=http_trace or aiohttp.TraceConfig(),
            proxy=proxy,
            shard_count=shard_count,
            shard_ids=cast("list[int]", None if shard_ids is None else list(shard_ids)),  # None is allowed
        )
        self._create_cogs = cogs
        self._driver = driver
        self._synced_guild_ids: set[int] = set()
        self._has_synced_dm_commands = False
        self._once_ready = once_ready
        self._before_close = before_close
        self._first_ready_task: asyncio.Task[None] | None = None
        self._first_ready = asyncio.Event()
        self.is_shutting_down = False
        self.events = EventDeduplicator()
        self.supervisor = InteractionSupervisor()
        self.components = ComponentRouter(self.events, self.supervisor)

    async def setup_hook(self) -> None:
        """Add the cogs, their components and their context menus."""
        self.add_dynamic_items(PersistentComponent)
        for cog in self._create_cogs(self):
            await self.add_cog(cog)
            if isinstance(cog, ComponentHandler):
                self.components.add(cog)
            for menu in getattr(cog, "context_menus", ()):
                self.tree.add_command(menu)

    async def run_until(self, stop: asyncio.Event, token: str) -> None:
        """Stay connected until ``stop`` is set; then finish open answers for at most ``GRACE`` seconds, and close.

        Raises:
            SettingsInvalid: Discord does not accept the token, or not these intents.
        """
        async with self:
            serving = asyncio.create_task(self._serve(token))
            stopping = asyncio.create_task(stop.wait())
            try:
                await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
                if serving.done():
                    serving.result()
            finally:
                self.is_shutting_down = True
                await asyncio.gather(self._driver.close(GRACE), self._run_before_close(), self.supervisor.close())
                await self.close()
                ending: list[asyncio.Task[Any]] = [task for task in (serving, stopping, self._first_ready_task) if task]
                for task in ending:
                    task.cancel()
                await asyncio.gather(*ending, return_exceptions=True)

    async def _run_before_close(self) -> None:
        if self._before_close is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(GRACE):
                    await self._before_close()

    async def on_ready(self) -> None:
        """Publish the commands in each guild where they differ; Discord sends this event after every new session."""
        for guild in self.guilds:
            await self._sync_guild_commands(guild)
        await self._sync_dm_commands()
        self._first_ready.set()
        if self._once_ready and not self._first_ready_task:
            self._first_ready_task = asyncio.create_task(self._once_ready(self))

    @property
    def is_connected(self) -> bool:
        """Return whether the gateway's connection is open and its first events have arrived."""
        is_open = bool(self.shards) and not any(shard.is_closed() for shard in self.shards.values())
        return self.is_ready() and not self.is_closed() and is_open

    def serves(self, guild_id: int | None) -> bool:
        """Return whether a guild's events come to this process; direct messages (None) come to shard 0."""
        if self.shard_ids is None:
            return True
        return (0 if guild_id is None else (guild_id >> 22) % self.shard_count) in self.shard_ids

    @property
    def serves_all_guilds(self) -> bool:
        """Whether no other process has shards: only then ``guilds`` is all that the bot is in."""
        return self.shard_ids is None or len(self.shard_ids) == self.shard_count

    async def wait_until_connected(self) -> None:
        """Wait until the gateway is ready, also before the client has logged in."""
        await self._first_ready.wait()

    async def on_guild_join(self, guild: discord.Guild) -> None:
        """Publish the commands in a guild that the bot has just joined."""
        await self._sync_guild_commands(guild)

    async def on_guild_remove(self, guild: discord.Guild) -> None:
        """Forget a guild that the bot has left, and end the answers in it."""
        self._synced_guild_ids.discard(guild.id)
        self._driver.on_channel_deleted(guild.id)

    async def on_guild_channel_delete(self, channel: discord.abc.GuildChannel) -> None:
        """End the answers in a channel that was deleted."""
        self._driver.on_channel_deleted(channel.id)

    async def on_raw_thread_delete(self, payload: discord.RawThreadDeleteEvent) -> None:
        """End the answers in a thread that was deleted."""
        self._driver.on_channel_deleted(payload.thread_id)

    async def on_raw_message_delete(self, payload: discord.RawMessageDeleteEvent) -> None:
        """End the answer whose message was deleted."""
        self._driver.on_message_deleted(payload.message_id)

    async def on_raw_bulk_message_delete(self, payload: discord.RawBulkMessageDeleteEvent) -> None:
        """End the answers whose messages were deleted together."""
        for message_id in payload.message_ids:
            self._driver.on_message_deleted(message_id)

    # The bot's right to write withdrawn. An answer that still has its interaction's token needs none, and goes on.

    async def on_guild_channel_update(self, _: discord.abc.GuildChannel, channel: discord.abc.GuildChannel) -> None:
        """End the answers that a channel's new permissions no longer allow, in its threads too."""
        self._check_permissions(channel.guild)

    async def on_guild_role_update(self, _: discord.Role, role: discord.Role) -> None:
        """End the answers that a role's new permissions no longer allow."""
        self._check_permissions(role.guild)

    async def on_guild_role_delete(self, role: discord.Role) -> None:
        """End the answers that needed a permission of a deleted role."""
        self._check_permissions(role.guild)

    async def on_member_update(self, _: discord.Member, member: discord.Member) -> None:
        """End the answers that the bot's own new roles, or its time-out, no longer allow."""
        if member == member.guild.me:
            self._check_permissions(member.guild)

    async def on_thread_update(self, _: discord.Thread, thread: discord.Thread) -> None:
        """End the answers in a thread that was archived or locked."""
        if not can_write(thread):
            self._driver.on_permission_revoked(thread.id)

    def _check_permissions(self, guild: discord.Guild) -> None:
        for channel_id in self._driver.required_channel_ids:
            channel = guild.get_channel_or_thread(channel_id)
            if channel is not None and not can_write(channel):
                self._driver.on_permission_revoked(channel_id)

    async def on_interaction(self, interaction: discord.Interaction[Any]) -> None:
        """Handle the components and modals that discord.py would drop without a reply."""
        is_command = interaction.type not in {
            discord.InteractionType.component,
            discord.InteractionType.modal_submit,
        }
        if not is_command and not self.components.is_dispatched_by_library(interaction):
            await self.components.dispatch(interaction)

    async def on_message(self, message: discord.Message, /) -> None:
        """Do nothing: this bot has no text commands."""

    async def _serve(self, token: str) -> None:
        try:
            await self._log_in(token)
            await self._stay_connected()
        except (discord.LoginFailure, discord.PrivilegedIntentsRequired, discord.ConnectionClosed) as error:
            raise _to_settings_error(error, reads_messages=self.intents.message_content) from error

    async def _log_in(self, token: str) -> None:
        """Log in, and try again for as long as Discord cannot be reached."""
        for delay in _iter_retry_delays():
            try:
                return await self.login(token)
            except (aiohttp.ClientError, OSError, discord.HTTPException) as error:
                # Also a rate limit or a proxy's web page: only a refused token (LoginFailure) is final.
                status = f" with status {error.status}" if isinstance(error, discord.HTTPException) else ""
                _log.warning("Login failed%s (%s); next try in %.0f s", status, type(error).__name__, delay)
            except (TypeError, KeyError):
                # discord.py takes any response with status 200 for the JSON of the bot's account.
                _log.warning("Login failed: Discord did not answer with JSON; next try in %.0f s", delay)
            await self.http.close()
            self.http.connector = discord.utils.MISSING  # closed with its session; discord.py creates another
            await asyncio.sleep(delay)
        return None

    async def _stay_connected(self) -> None:
        """Connect every shard of this process to the gateway; discord.py keeps them connected."""
        known = cast("int | None", self.shard_count)  # discord.py's types do not say that it may be None
        self.shard_count = await self._fetch_recommended_shards() if known is None else known
        await self.connect()

    async def launch_shard(self, gateway: yarl.URL, shard_id: int, *, initial: bool = False) -> None:  # noqa: ARG002 - as inherited
        """Connect a shard at the address that is set now; discord.py tries again every five seconds."""
        await super().launch_shard(DiscordWebSocket.DEFAULT_GATEWAY, shard_id, initial=initial)

    async def _fetch_recommended_shards(self) -> int:
        """Return how many shards Discord recommends, however long it cannot be reached."""
        for delay in _iter_retry_delays():
            try:
                count, _, starts = await self.http.get_bot_gateway()
            except (discord.GatewayNotFound, aiohttp.ClientError, OSError, TypeError, KeyError):
                _log.warning("Discord does not say how many shards to use; next try in %.0f s", delay)
                await asyncio.sleep(delay)
                continue
            if starts["remaining"] < count:
                pause = starts["reset_after"] / 1000
                _log.warning("Discord allows no more connections for now (session start limit): waiting %.0f s", pause)
                await asyncio.sleep(pause)
            return count
        raise AssertionError("delays never end")

    async def _sync_guild_commands(self, guild: discord.Guild) -> None:
        """Publish the command tree in a guild, without a request to write if it is published already."""
        if guild.id in self._synced_guild_ids or self.application_id is None:
            return
        self._synced_guild_ids.add(guild.id)
        wanted = [command.to_dict(self.tree) for command in self.tree.get_commands()]
        try:
            present = await self.http.get_guild_commands(self.application_id, guild.id)
            if not are_commands_synced(wanted, present):
                await self.http.bulk_upsert_guild_commands(self.application_id, guild.id, payload=wanted)
                _log.info("Commands published in guild %s", guild.id)
        except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
            self._synced_guild_ids.discard(guild.id)
            _log.warning("Publishing the commands in guild %s failed: %s", guild.id, error)

    async def _sync_dm_commands(self) -> None:
        """Publish the commands that work in direct messages, where guild commands are not offered."""
        if self._has_synced_dm_commands or self.application_id is None:
            return
        offered = [command.to_dict(self.tree) for command in self.tree.get_commands() if is_allowed_in_dms(command)]
        wanted = [{**command, "contexts": [_BOT_DM_CONTEXT]} for command in offered]
        try:
            present = await self.http.get_global_commands(self.application_id)
            if not are_commands_synced(wanted, present):
                await self.http.bulk_upsert_global_commands(self.application_id, payload=wanted)
                _log.info("Commands published for direct messages")
        except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
            _log.warning("Publishing the commands for direct messages failed: %s", error)
        else:
            self._has_synced_dm_commands = True


class _Tree(app_commands.CommandTree[DocentClient]):
    """The command tree, with the checks before and the errors after each command."""

    async def interaction_check(self, interaction: discord.Interaction[DocentClient], /) -> bool:
        """Ignore repeated events, and refuse new commands while the bot is shutting down."""
        if interaction.type is discord.InteractionType.autocomplete:
            return True
        if not interaction.client.events.is_first(interaction.id):
            return False
        if interaction.client.is_shutting_down:
            await send_ephemeral(interaction, "Docent is restarting. Ask again in a moment.")
            return False
        interaction.client.supervisor.watch(interaction)
        return True

    async def on_error(
        self, interaction: discord.Interaction[DocentClient], error: app_commands.AppCommandError, /
    ) -> None:
        await report_error(interaction, error)


def set_discord_urls(api_url: str, gateway_url: str) -> None:
    """Send every later client of this process to another host than Discord's: a proxy, or a simulator.

    ``api_url`` ends with the version ("…/api/v10"), without a slash behind it.
    """
    Route.BASE = api_url.rstrip("/")
    DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway_url)


def is_allowed_in_dms(
    command: app_commands.Command[Any, ..., Any] | app_commands.Group | app_commands.ContextMenu,
) -> bool:
    """Return whether a command may be used in direct messages."""
    return command.allowed_contexts is not None and command.allowed_contexts.dm_channel is True


def are_commands_synced(wanted: Sequence[Mapping[str, Any]], present: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether a guild has exactly the wanted commands, as far as people can tell."""
    return _index_by_name(wanted) == _index_by_name(present)


def _index_by_name(payloads: Sequence[Mapping[str, Any]]) -> dict[tuple[Any, Any], Any]:
    return {(payload.get("type", 1), payload["name"]): _normalize_command(payload) for payload in payloads}


def _normalize_command(value: Any) -> Any:
    """Return the parts of a command that are compared, without empty values and with bits as text."""
    if isinstance(value, dict):
        known = {key: _normalize_command(value[key]) for key in _COMPARED_FIELDS if key in value}
        if "default_member_permissions" in known and known["default_member_permissions"] is not None:
            known["default_member_permissions"] = str(known["default_member_permissions"])
        return {key: inner for key, inner in known.items() if inner not in (None, False, [], {}, "")}
    return [_normalize_command(item) for item in value] if isinstance(value, list) else value


def _iter_retry_delays() -> Iterator[float]:
    """Yield the seconds to wait between attempts: 1, 2, 4 and so on, at most 60."""
    delay = 1.0
    while True:
        yield delay
        delay = min(delay * 2, _LONGEST_DELAY)


def _to_settings_error(error: Exception, *, reads_messages: bool) -> Exception:
    """Return a refusal by Discord as the setting to correct; any other error unchanged."""
    code = error.code if isinstance(error, discord.ConnectionClosed) else None
    if isinstance(error, discord.LoginFailure) or code == _BAD_TOKEN:
        return SettingsInvalid(
            [
                Problem(
                    "DISCORD_TOKEN",
                    "is not accepted by Discord",
                    "It is the bot's token: Discord's Developer Portal, your application, Bot, Reset Token.",
                )
            ]
        )
    if isinstance(error, discord.PrivilegedIntentsRequired) or code in _BAD_INTENTS:
        return SettingsInvalid([_describe_missing_intent(reads_messages=reads_messages)])
    return error


def _describe_missing_intent(*, reads_messages: bool) -> Problem:
    """Return what to correct if Discord refuses the intents: only the one for message content must be on."""
    where = "Discord's Developer Portal, your application, Bot, Privileged Gateway Intents"
    if reads_messages:
        return Problem(
            "MESSAGE_CONTENT",
            "lets the bot read messages that do not mention it, which Discord does not allow its application",
            f"Switch on Message Content Intent: {where}. Or set MESSAGE_CONTENT=false.",
        )
    return Problem(
        "DISCORD_TOKEN",
        "belongs to an application that may not use the intents the bot asks for",
        f"Switch them on: {where}.",
    )
