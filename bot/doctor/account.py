"""The bot's own account on Discord: its token, its intents, the guilds it is in. Over HTTP alone, never the gateway."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import aiohttp
import discord

from bot.doctor.check_result import CheckResult
from bot.doctor.discord_api import UNAUTHORISED, fetch_json, host_of
from bot.doctor.permissions import CHECKED_CHANNEL_TYPES, build_invite_link, check_permissions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.settings import Settings

MAX_GUILDS: Final = 20
"""Guilds that are looked at, three requests each; of more it is said that there are more."""

_SECONDS_PER_GUILD: Final = 0.1
"""Seconds that a guild takes at least: thirty requests a second, of the fifty that Discord allows a bot at work too."""

_LIST_LIMIT: Final = 200  # what Discord tells in one answer
_LOGIN_TIMEOUT: Final = 20.0
_GUILDS_TIMEOUT: Final = 60.0  # seconds for all guilds together, whatever Discord does
_DISCORD_ERRORS: Final = (discord.DiscordException, aiohttp.ClientError, OSError, TimeoutError)
_INTENTS_PAGE: Final = "discord.com/developers/applications › your application › Bot › Privileged Gateway Intents"
_INTENT_FLAGS: Final = {
    "Presence Intent": ("gateway_presence", "gateway_presence_limited"),
    "Server Members Intent": ("gateway_guild_members", "gateway_guild_members_limited"),
    "Message Content Intent": ("gateway_message_content", "gateway_message_content_limited"),
}
"""The privileged intents by their switches in the portal, and the application's flags for each."""


async def check_discord(session: aiohttp.ClientSession, settings: Settings) -> Sequence[CheckResult]:
    """Everything about the account, as far as its token leads. discord.py must point at the settings' address."""
    token = await check_token(session, settings)
    if token.state == "error" or settings.discord_token is None:
        return [token]
    # As in the bot's own client: nobody needs to read that it could not join a voice channel.
    discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False
    try:
        async with discord.Client(intents=discord.Intents(guilds=True), proxy=settings.discord_proxy) as client:
            async with asyncio.timeout(_LOGIN_TIMEOUT):
                await client.login(settings.discord_token.get_secret_value())
            asked = check_intents(client.application_flags, reads_messages=settings.message_content)
            return [token, asked, *await check_guilds(client)]
    except _DISCORD_ERRORS as error:
        seen = f"it knows the token, then failed ({_describe_error(error)})"
        return [
            token,
            CheckResult("Servers", "error", seen, "Try again in a minute; discordstatus.com tells of outages."),
        ]


async def check_token(session: aiohttp.ClientSession, settings: Settings) -> CheckResult:
    """Whether Discord knows the token, and the link that invites the bot."""
    subject = "Discord"
    if settings.discord_token is None:
        return CheckResult(
            subject, "error", "no token", "Set DISCORD_TOKEN (README, “On a real server”), or try `preview`."
        )
    url = settings.discord_api_url
    headers = {"Authorization": f"Bot {settings.discord_token.get_secret_value()}"}
    status, body = await fetch_json(session, f"{url}/users/@me", headers, proxies=settings.proxies)
    if status is None:
        return CheckResult(subject, "error", f"{host_of(url)} cannot be reached", "Look at this machine's network.")
    if status in UNAUTHORISED:
        return CheckResult(
            subject, "error", "the token is not accepted", "Reset it in the developer portal, set DISCORD_TOKEN."
        )
    if "username" not in body:
        return CheckResult(subject, "error", f"{host_of(url)} answered with status {status}", "Try again in a minute.")
    seen = f"{host_of(url)} knows the token: signed in as {body['username']}"
    return CheckResult(subject, "ok", seen, link=build_invite_link(str(body["id"])))


def check_intents(flags: discord.ApplicationFlags, *, reads_messages: bool) -> CheckResult:
    """Whether the intents that are switched on for the application are those that the settings ask for."""
    subject, content = "Intents", "Message Content Intent"
    on = [name for name, bits in _INTENT_FLAGS.items() if any(getattr(flags, bit) for bit in bits)]
    if reads_messages and content not in on:
        seen = f"MESSAGE_CONTENT asks for {content}, which is off: Discord will refuse the connection"
        return CheckResult(subject, "error", seen, f"Switch it on: {_INTENTS_PAGE}. Or set MESSAGE_CONTENT=false.")
    unasked = [name for name in on if not (reads_messages and name == content)]
    if unasked:
        also = " Or set MESSAGE_CONTENT=true, to be heard without a mention too." if content in unasked else ""
        seen = f"switched on, but not asked for: {', '.join(unasked)}"
        return CheckResult(subject, "note", seen, f"Switch off what is not needed: {_INTENTS_PAGE}.{also}")
    if reads_messages:
        return CheckResult(subject, "ok", f"{content} is on, as MESSAGE_CONTENT asks")
    return CheckResult(subject, "ok", f"none is needed: {content} is off, as MESSAGE_CONTENT is")


async def check_guilds(client: discord.Client) -> Sequence[CheckResult]:
    """A finding for each of the first guilds, and one for those that were not looked at."""
    known = [guild async for guild in client.fetch_guilds(limit=_LIST_LIMIT, with_counts=False)]
    if not known:
        return [
            CheckResult("Servers", "note", "it is in none yet", "Open the link that invites it, and choose a server.")
        ]
    end = asyncio.get_running_loop().time() + _GUILDS_TIMEOUT
    found: list[CheckResult] = []
    for guild in known[:MAX_GUILDS]:
        finding, _ = await asyncio.gather(_check_guild(client, guild, end), asyncio.sleep(_SECONDS_PER_GUILD))
        found.append(finding)
    if len(known) > MAX_GUILDS:
        number = f"at least {_LIST_LIMIT}" if len(known) == _LIST_LIMIT else f"{len(known)}"
        seen = f"it is in {number}; the first {MAX_GUILDS} were looked at"
        found.append(CheckResult("Servers", "note", seen, "Whether it answers in the others, /ask tells there."))
    return found


async def _check_guild(client: discord.Client, listed: discord.Guild, deadline: float) -> CheckResult:
    """One guild, by the rights that discord.py itself works out.

    ``deadline`` is when to give up, by the loop's clock.
    """
    try:
        async with asyncio.timeout_at(deadline):
            guild = await client.fetch_guild(listed.id, with_counts=False)
            me = await guild.fetch_member(client.user.id if client.user else 0)
            channels = await guild.fetch_channels()
    except _DISCORD_ERRORS as error:
        return CheckResult(
            listed.name, "error", f"it cannot be looked at ({_describe_error(error)})", "Try again in a minute."
        )
    seen = [
        (channel, channel.permissions_for(me)) for channel in channels if isinstance(channel, CHECKED_CHANNEL_TYPES)
    ]
    return check_permissions(guild.name, seen, me.guild_permissions)


def _describe_error(error: Exception) -> str:
    return f"status {error.status}" if isinstance(error, discord.HTTPException) else type(error).__name__
