"""Checks the bot's account on Discord: its token, its intents and its guilds. HTTP only, never the gateway."""

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
"""Guilds that are checked, with three requests each."""

_SECONDS_PER_GUILD: Final = 0.1
"""Least seconds for a guild: 30 requests a second, of the 50 that the running bot needs as well."""

_LIST_LIMIT: Final = 200  # Discord's page size
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
    """Check the account as far as its token works. discord.py must use the settings' address."""
    token = await check_token(session, settings)
    if token.state == "error" or settings.discord_token is None:
        return [token]
    # As in the bot's own client: discord.py's warnings about voice channels are not needed.
    discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False
    try:
        async with discord.Client(intents=discord.Intents(guilds=True), proxy=settings.discord_proxy) as client:
            async with asyncio.timeout(_LOGIN_TIMEOUT):
                await client.login(settings.discord_token.get_secret_value())
            asked = check_intents(client.application_flags, reads_messages=settings.message_content)
            return [token, asked, *await check_guilds(client)]
    except _DISCORD_ERRORS as error:
        seen = f"the token is accepted, but then a request failed ({_describe_error(error)})"
        return [
            token,
            CheckResult("Servers", "error", seen, "Try again in a minute; discordstatus.com lists outages."),
        ]


async def check_token(session: aiohttp.ClientSession, settings: Settings) -> CheckResult:
    """Check that Discord accepts the token; the result holds the invite link."""
    subject = "Discord"
    if settings.discord_token is None:
        return CheckResult(
            subject, "error", "no token", "Set DISCORD_TOKEN (README, “On a real server”), or try `preview`."
        )
    url = settings.discord_api_url
    headers = {"Authorization": f"Bot {settings.discord_token.get_secret_value()}"}
    status, body = await fetch_json(session, f"{url}/users/@me", headers, proxies=settings.proxies)
    if status is None:
        return CheckResult(subject, "error", f"{host_of(url)} cannot be reached", "Check this machine's network.")
    if status in UNAUTHORISED:
        return CheckResult(
            subject, "error", "the token is not accepted", "Reset it in the developer portal, set DISCORD_TOKEN."
        )
    if "username" not in body:
        return CheckResult(subject, "error", f"{host_of(url)} answered with status {status}", "Try again in a minute.")
    seen = f"{host_of(url)} accepts the token: signed in as {body['username']}"
    return CheckResult(subject, "ok", seen, link=build_invite_link(str(body["id"])))


def check_intents(flags: discord.ApplicationFlags, *, reads_messages: bool) -> CheckResult:
    """Compare the intents that the application has switched on with those that the settings ask for."""
    subject, content = "Intents", "Message Content Intent"
    on = [name for name, bits in _INTENT_FLAGS.items() if any(getattr(flags, bit) for bit in bits)]
    if reads_messages and content not in on:
        seen = f"MESSAGE_CONTENT asks for {content}, which is off: Discord will refuse the connection"
        return CheckResult(subject, "error", seen, f"Switch it on: {_INTENTS_PAGE}. Or set MESSAGE_CONTENT=false.")
    unasked = [name for name in on if not (reads_messages and name == content)]
    if unasked:
        also = " Or set MESSAGE_CONTENT=true, to be answered without a mention too." if content in unasked else ""
        seen = f"switched on, but not asked for: {', '.join(unasked)}"
        return CheckResult(subject, "note", seen, f"Switch off what is not needed: {_INTENTS_PAGE}.{also}")
    if reads_messages:
        return CheckResult(subject, "ok", f"{content} is on, as MESSAGE_CONTENT asks")
    return CheckResult(subject, "ok", f"none is needed: {content} is off, as MESSAGE_CONTENT is")


async def check_guilds(client: discord.Client) -> Sequence[CheckResult]:
    """Check the first guilds, and say how many were not checked."""
    known = [guild async for guild in client.fetch_guilds(limit=_LIST_LIMIT, with_counts=False)]
    if not known:
        return [
            CheckResult("Servers", "note", "it is in none yet", "Open the link that invites it, and choose a server.")
        ]
    end = asyncio.get_running_loop().time() + _GUILDS_TIMEOUT
    results: list[CheckResult] = []
    for guild in known[:MAX_GUILDS]:
        result, _ = await asyncio.gather(_check_guild(client, guild, end), asyncio.sleep(_SECONDS_PER_GUILD))
        results.append(result)
    if len(known) > MAX_GUILDS:
        number = f"at least {_LIST_LIMIT}" if len(known) == _LIST_LIMIT else f"{len(known)}"
        seen = f"it is in {number}; the first {MAX_GUILDS} were checked"
        results.append(CheckResult("Servers", "note", seen, "In the others, try /ask."))
    return results


async def _check_guild(client: discord.Client, listed: discord.Guild, deadline: float) -> CheckResult:
    """Check the bot's permissions in one guild, as discord.py computes them."""
    try:
        async with asyncio.timeout_at(deadline):
            guild = await client.fetch_guild(listed.id, with_counts=False)
            me = await guild.fetch_member(client.user.id if client.user else 0)
            channels = await guild.fetch_channels()
    except _DISCORD_ERRORS as error:
        return CheckResult(
            listed.name, "error", f"checking it failed ({_describe_error(error)})", "Try again in a minute."
        )
    seen = [
        (channel, channel.permissions_for(me)) for channel in channels if isinstance(channel, CHECKED_CHANNEL_TYPES)
    ]
    return check_permissions(guild.name, seen, me.guild_permissions)


def _describe_error(error: Exception) -> str:
    return f"status {error.status}" if isinstance(error, discord.HTTPException) else type(error).__name__
