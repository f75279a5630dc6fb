"""The account on Discord: token, intents and guilds, through a real client that never sees the gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp
import pytest

from bot.doctor import CheckResult, check_discord
from bot.doctor.account import MAX_GUILDS
from bot.settings import list_setting_names, load
from bot.simulator.discord_json import Intent
from bot.simulator.faults import FailureKind, Fault
from bot.simulator.server import DiscordSimulator
from bot.simulator.world import DEFAULT_PERMISSIONS, MESSAGE_CONTENT_INTENT, NO_PERMISSIONS, Permission, World
from tests.fakes.discord_client import override_discord_urls

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list_setting_names():
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def simulator() -> AsyncIterator[DiscordSimulator]:
    async with DiscordSimulator() as simulator:
        with override_discord_urls(simulator):
            yield simulator


def guild_of(world: World) -> int:
    return next(iter(world.guilds))


async def run_discord_check(
    simulator: DiscordSimulator, token: str | None = None, **chosen: bool
) -> dict[str, CheckResult]:
    """The findings by their subjects."""
    settings = load(
        None, discord_token=token or simulator.world.token, discord_api_url=simulator.api_url, required=(), **chosen
    )
    async with aiohttp.ClientSession() as session:
        return {finding.subject: finding for finding in await check_discord(session, settings)}


# The token


async def test_a_good_token_gives_the_account_and_the_invite_link(simulator: DiscordSimulator) -> None:
    found = (await run_discord_check(simulator))["Discord"]
    assert found.state == "ok"
    assert found.detail.endswith("accepts the token: signed in as Docent")
    assert f"client_id={simulator.world.bot.id}&scope=bot%20applications.commands" in found.link


async def test_refused_token_is_an_error_without_showing_it_and_ends_the_checks(simulator: DiscordSimulator) -> None:
    found = await run_discord_check(simulator, token="planted")
    assert list(found) == ["Discord"]
    assert (found["Discord"].state, found["Discord"].detail) == ("error", "the token is not accepted")
    assert "DISCORD_TOKEN" in found["Discord"].remedy
    assert "planted" not in repr(found)


async def test_missing_token_is_an_error_that_points_at_the_preview() -> None:
    async with aiohttp.ClientSession() as session:
        (found,) = await check_discord(session, load(None))
    assert found.state == "error"
    assert "preview" in found.remedy


async def test_unreachable_discord_host_is_an_error() -> None:
    settings = load(None, discord_token="t", discord_api_url="http://127.0.0.1:9/api/v10")
    async with aiohttp.ClientSession() as session:
        (found,) = await check_discord(session, settings)
    assert (found.state, found.detail) == ("error", "127.0.0.1:9 cannot be reached")


async def test_discord_failure_after_the_token_check_is_an_error(simulator: DiscordSimulator) -> None:
    simulator.faults.add(Fault(FailureKind.STATUS, "GET", "/oauth2/applications/@me", status=400))
    found = await run_discord_check(simulator)
    assert found["Discord"].state == "ok"
    assert found["Servers"].state == "error"
    assert "status 400" in found["Servers"].detail
    assert found["Servers"].remedy


async def test_account_checks_send_only_get_requests_and_open_no_gateway(simulator: DiscordSimulator) -> None:
    await run_discord_check(simulator)
    assert {request.method for request in simulator.requests} == {"GET"}
    assert not any("gateway" in request.path for request in simulator.requests)


# Intents


async def test_intent_neither_required_nor_enabled_is_ok(simulator: DiscordSimulator) -> None:
    assert (await run_discord_check(simulator))["Intents"].state == "ok"


async def test_message_content_required_but_disabled_is_an_error_with_a_remedy(simulator: DiscordSimulator) -> None:
    found = (await run_discord_check(simulator, message_content=True))["Intents"]
    assert found.state == "error"
    assert "is off" in found.detail
    assert "Privileged Gateway Intents" in found.remedy
    assert "MESSAGE_CONTENT=false" in found.remedy


async def test_message_content_required_and_enabled_is_ok(simulator: DiscordSimulator) -> None:
    simulator.world.enabled_intents = MESSAGE_CONTENT_INTENT
    assert (await run_discord_check(simulator, message_content=True))["Intents"].state == "ok"


async def test_intents_enabled_but_not_required_are_noted(simulator: DiscordSimulator) -> None:
    simulator.world.enabled_intents = MESSAGE_CONTENT_INTENT | Intent.GUILD_MEMBERS
    found = (await run_discord_check(simulator))["Intents"]
    assert found.state == "note"
    assert "Server Members Intent, Message Content Intent" in found.detail
    assert "MESSAGE_CONTENT=true" in found.remedy
    found = (await run_discord_check(simulator, message_content=True))["Intents"]
    assert found.detail == "switched on, but not asked for: Server Members Intent"
    assert "MESSAGE_CONTENT" not in found.remedy


# Guilds


async def test_guild_with_all_permissions_is_ok(simulator: DiscordSimulator) -> None:
    found = (await run_discord_check(simulator))["Harbour"]
    assert (found.state, found.detail) == ("ok", "it can answer in 4 of 4 channels")


async def test_account_without_a_guild_is_noted(simulator: DiscordSimulator) -> None:
    simulator.world.admin.remove_bot(guild_of(simulator.world))
    found = await run_discord_check(simulator)
    assert found["Servers"].state == "note"
    assert "link" in found["Servers"].remedy
    assert found["Discord"].link


async def test_permissions_denied_by_a_channel_are_listed_with_their_effect(simulator: DiscordSimulator) -> None:
    world = simulator.world
    for name, denied in (
        ("general", Permission.ATTACH_FILES | Permission.READ_MESSAGE_HISTORY),
        ("random", Permission.SEND_MESSAGES),
        ("help", Permission.SEND_MESSAGES_IN_THREADS),
        ("people-team", Permission.VIEW_CHANNEL),
    ):
        world.admin.set_overwrite(world.find_channel(name).id, world.bot.id, deny=denied)
    found = (await run_discord_check(simulator))["Harbour"]
    assert found.state == "note"
    assert "in 1 of 4 channels" in found.detail
    assert "no View Channel in #people-team: it sees no question there" in found.detail
    assert "no Send Messages in #random: " in found.detail
    assert "no Send Messages in Threads in #help: " in found.detail
    assert "no Attach Files in #general: " in found.detail
    assert "no Read Message History in #general: " in found.detail
    assert "Server Settings" in found.remedy


async def test_many_channels_are_listed_in_part_and_the_rest_counted(simulator: DiscordSimulator) -> None:
    for number in range(9):
        channel = simulator.world.admin.add_channel(guild_of(simulator.world), f"c{number}")
        simulator.world.admin.set_overwrite(channel.id, simulator.world.bot.id, deny=Permission.ATTACH_FILES)
    assert "no Attach Files in #c0, #c1, #c2 and 6 more" in (await run_discord_check(simulator))["Harbour"].detail


async def test_guild_without_permissions_is_an_error(simulator: DiscordSimulator) -> None:
    world, guild = simulator.world, guild_of(simulator.world)
    world.admin.edit_role(guild, guild, NO_PERMISSIONS)
    world.admin.edit_role(guild, world.bot.id, NO_PERMISSIONS)
    for channel in world.channels.values():
        channel.overwrites.clear()
    found = (await run_discord_check(simulator))["Harbour"]
    assert found.state == "error"
    assert "in 0 of 4 channels" in found.detail
    assert "no View Channel anywhere" in found.detail
    assert found.remedy


@pytest.mark.parametrize(
    ("granted", "named"),
    [
        (Permission.ADMINISTRATOR, "more than it needs: Administrator"),
        (Permission.MANAGE_GUILD | Permission.MANAGE_MESSAGES, "more than it needs: Manage Server, Manage Messages"),
        (Permission.MENTION_EVERYONE, "more than it needs: Mention Everyone"),
    ],
)
async def test_permissions_beyond_those_needed_are_a_warning(
    simulator: DiscordSimulator, granted: Permission, named: str
) -> None:
    simulator.world.admin.edit_role(guild_of(simulator.world), simulator.world.bot.id, DEFAULT_PERMISSIONS | granted)
    found = (await run_discord_check(simulator))["Harbour"]
    assert found.state == "note"
    assert named in found.detail
    assert "from its role" in found.remedy


async def test_guild_that_cannot_be_read_is_an_error_and_the_others_are_checked(simulator: DiscordSimulator) -> None:
    other = simulator.world.admin.add_guild("Lighthouse")
    simulator.world.admin.add_channel(other.id, "lamp")
    simulator.faults.add(Fault(FailureKind.STATUS, "GET", f"/guilds/{guild_of(simulator.world)}/channels", status=403))
    found = await run_discord_check(simulator)
    assert found["Harbour"].state == "error"
    assert "status 403" in found["Harbour"].detail
    assert found["Lighthouse"].state == "ok"


async def test_a_guild_without_channels_is_noted(simulator: DiscordSimulator) -> None:
    simulator.world.admin.add_guild("Empty")
    assert (await run_discord_check(simulator))["Empty"].state == "note"


async def test_only_the_first_of_many_guilds_are_checked_and_that_is_reported(simulator: DiscordSimulator) -> None:
    for number in range(MAX_GUILDS):
        simulator.world.admin.add_guild(f"Guild {number}")
    found = await run_discord_check(simulator)
    assert f"it is in {MAX_GUILDS + 1}; the first {MAX_GUILDS} were checked" in found["Servers"].detail
    assert sum(request.path.endswith("/channels") for request in simulator.requests) == MAX_GUILDS
    assert not any(request.status == 429 for request in simulator.requests)
