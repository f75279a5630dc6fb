"""The account on Discord: token, intents and guilds, through a real client that never sees the gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp
import pytest

from bot.doctor import Finding, on_discord
from bot.doctor.account import MOST_GUILDS
from bot.settings import load, setting_names
from bot.simulator.discord_json import Intent
from bot.simulator.faults import Fault, Trouble
from bot.simulator.server import StandIn
from bot.simulator.world import MESSAGE_CONTENT_INTENT, NOTHING, ORDINARY, Permission, World
from tests.fakes.discord_client import pointed_at

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in setting_names():
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def standin() -> AsyncIterator[StandIn]:
    async with StandIn() as standin:
        with pointed_at(standin):
            yield standin


def guild_of(world: World) -> int:
    return next(iter(world.guilds))


async def looked(standin: StandIn, token: str | None = None, **chosen: bool) -> dict[str, Finding]:
    """The findings by their subjects."""
    settings = load(
        None, discord_token=token or standin.world.token, discord_api_url=standin.api_url, required=(), **chosen
    )
    async with aiohttp.ClientSession() as session:
        return {finding.subject: finding for finding in await on_discord(session, settings)}


# The token


async def test_a_good_token_gives_the_account_and_the_invite_link(standin: StandIn) -> None:
    found = (await looked(standin))["Discord"]
    assert found.state == "well"
    assert found.seen.endswith("knows the token: signed in as Docent")
    assert f"client_id={standin.world.bot.id}&scope=bot%20applications.commands" in found.link


async def test_a_refused_token_is_said_without_showing_it_and_nothing_more_is_looked_at(standin: StandIn) -> None:
    found = await looked(standin, token="planted")
    assert list(found) == ["Discord"]
    assert (found["Discord"].state, found["Discord"].seen) == ("ill", "the token is not accepted")
    assert "DISCORD_TOKEN" in found["Discord"].remedy
    assert "planted" not in repr(found)


async def test_no_token_points_at_the_preview() -> None:
    async with aiohttp.ClientSession() as session:
        (found,) = await on_discord(session, load(None))
    assert found.state == "ill"
    assert "preview" in found.remedy


async def test_a_host_nobody_answers_at_is_said() -> None:
    settings = load(None, discord_token="t", discord_api_url="http://127.0.0.1:9/api/v10")
    async with aiohttp.ClientSession() as session:
        (found,) = await on_discord(session, settings)
    assert (found.state, found.seen) == ("ill", "127.0.0.1:9 cannot be reached")


async def test_a_discord_that_fails_after_the_token_is_said(standin: StandIn) -> None:
    standin.faults.add(Fault(Trouble.STATUS, "GET", "/oauth2/applications/@me", status=400))
    found = await looked(standin)
    assert found["Discord"].state == "well"
    assert found["Servers"].state == "ill"
    assert "status 400" in found["Servers"].seen
    assert found["Servers"].remedy


async def test_nobody_is_told_anything_and_no_gateway_is_used(standin: StandIn) -> None:
    await looked(standin)
    assert {request.method for request in standin.requests} == {"GET"}
    assert not any("gateway" in request.path for request in standin.requests)


# Intents


async def test_an_intent_neither_asked_for_nor_on_is_well(standin: StandIn) -> None:
    assert (await looked(standin))["Intents"].state == "well"


async def test_message_content_asked_for_but_off_is_ill_with_where_to_switch_it_on(standin: StandIn) -> None:
    found = (await looked(standin, message_content=True))["Intents"]
    assert found.state == "ill"
    assert "is off" in found.seen
    assert "Privileged Gateway Intents" in found.remedy
    assert "MESSAGE_CONTENT=false" in found.remedy


async def test_message_content_asked_for_and_on_is_well(standin: StandIn) -> None:
    standin.world.enabled_intents = MESSAGE_CONTENT_INTENT
    assert (await looked(standin, message_content=True))["Intents"].state == "well"


async def test_intents_on_but_not_asked_for_are_noted(standin: StandIn) -> None:
    standin.world.enabled_intents = MESSAGE_CONTENT_INTENT | Intent.GUILD_MEMBERS
    found = (await looked(standin))["Intents"]
    assert found.state == "note"
    assert "Server Members Intent, Message Content Intent" in found.seen
    assert "MESSAGE_CONTENT=true" in found.remedy
    found = (await looked(standin, message_content=True))["Intents"]
    assert found.seen == "switched on, but not asked for: Server Members Intent"
    assert "MESSAGE_CONTENT" not in found.remedy


# Guilds


async def test_a_guild_where_all_is_allowed_is_well(standin: StandIn) -> None:
    found = (await looked(standin))["Harbour"]
    assert (found.state, found.seen) == ("well", "it can answer in 4 of 4 channels")


async def test_no_guild_yet_is_noted(standin: StandIn) -> None:
    standin.world.expel_bot(guild_of(standin.world))
    found = await looked(standin)
    assert found["Servers"].state == "note"
    assert "link" in found["Servers"].remedy
    assert found["Discord"].link


async def test_what_a_channel_takes_away_is_named_with_what_it_costs(standin: StandIn) -> None:
    world = standin.world
    for name, denied in (
        ("general", Permission.ATTACH_FILES | Permission.READ_MESSAGE_HISTORY),
        ("random", Permission.SEND_MESSAGES),
        ("help", Permission.SEND_MESSAGES_IN_THREADS),
        ("people-team", Permission.VIEW_CHANNEL),
    ):
        world.overwrite(world.channel_named(name).id, world.bot.id, deny=denied)
    found = (await looked(standin))["Harbour"]
    assert found.state == "note"
    assert "in 1 of 4 channels" in found.seen
    assert "no View Channel in #people-team: it sees no question there" in found.seen
    assert "no Send Messages in #random: " in found.seen
    assert "no Send Messages in Threads in #help: " in found.seen
    assert "no Attach Files in #general: " in found.seen
    assert "no Read Message History in #general: " in found.seen
    assert "Server Settings" in found.remedy


async def test_of_many_channels_some_are_named_and_the_rest_counted(standin: StandIn) -> None:
    for number in range(9):
        channel = standin.world.add_channel(guild_of(standin.world), f"c{number}")
        standin.world.overwrite(channel.id, standin.world.bot.id, deny=Permission.ATTACH_FILES)
    assert "no Attach Files in #c0, #c1, #c2 and 6 more" in (await looked(standin))["Harbour"].seen


async def test_a_guild_that_allows_nothing_is_ill(standin: StandIn) -> None:
    world, guild = standin.world, guild_of(standin.world)
    world.change_role(guild, guild, NOTHING)
    world.change_role(guild, world.bot.id, NOTHING)
    for channel in world.channels.values():
        channel.overwrites.clear()
    found = (await looked(standin))["Harbour"]
    assert found.state == "ill"
    assert "in 0 of 4 channels" in found.seen
    assert "no View Channel anywhere" in found.seen
    assert found.remedy


@pytest.mark.parametrize(
    ("granted", "named"),
    [
        (Permission.ADMINISTRATOR, "more than it needs: Administrator"),
        (Permission.MANAGE_GUILD | Permission.MANAGE_MESSAGES, "more than it needs: Manage Server, Manage Messages"),
        (Permission.MENTION_EVERYONE, "more than it needs: Mention Everyone"),
    ],
)
async def test_more_than_it_needs_is_a_warning(standin: StandIn, granted: Permission, named: str) -> None:
    standin.world.change_role(guild_of(standin.world), standin.world.bot.id, ORDINARY | granted)
    found = (await looked(standin))["Harbour"]
    assert found.state == "note"
    assert named in found.seen
    assert "from its role" in found.remedy


async def test_a_guild_that_cannot_be_looked_at_is_ill_and_the_others_are_looked_at(standin: StandIn) -> None:
    other = standin.world.add_guild("Lighthouse")
    standin.world.add_channel(other.id, "lamp")
    standin.faults.add(Fault(Trouble.STATUS, "GET", f"/guilds/{guild_of(standin.world)}/channels", status=403))
    found = await looked(standin)
    assert found["Harbour"].state == "ill"
    assert "status 403" in found["Harbour"].seen
    assert found["Lighthouse"].state == "well"


async def test_a_guild_without_channels_is_noted(standin: StandIn) -> None:
    standin.world.add_guild("Empty")
    assert (await looked(standin))["Empty"].state == "note"


async def test_of_many_guilds_the_first_are_looked_at_and_it_is_said(standin: StandIn) -> None:
    for number in range(MOST_GUILDS):
        standin.world.add_guild(f"Guild {number}")
    found = await looked(standin)
    assert f"it is in {MOST_GUILDS + 1}; the first {MOST_GUILDS} were looked at" in found["Servers"].seen
    assert sum(request.path.endswith("/channels") for request in standin.requests) == MOST_GUILDS
    assert not any(request.status == 429 for request in standin.requests)
