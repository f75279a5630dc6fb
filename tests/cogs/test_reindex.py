"""/reindex over the wire: its plan, its progress, its end, who may, and what a restart leaves of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from bot.access.scopes import Admins, Rule
from bot.admin.reindex_runs import CANCEL, FAILURES
from bot.discord_adapter.visibility import FOR_ADMINS
from bot.domain import IngestionReport, LibraryState
from bot.records import MemoryRecords
from bot.simulator.world import InteractionKind, Permission, World
from cogs.reindex import ENDED, FORGOTTEN, NOT_YOURS
from tests.fakes.answerer import FakeLibrary
from tests.fakes.bot_in_guild import until
from tests.fakes.running_bot import talking

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.simulator.world import Interaction, Message
    from tests.fakes.running_bot import Talk

REPORT = IngestionReport(
    new=("a.md", "b.md"),
    changed=("c.md",),
    removed=("d.md",),
    unchanged=40,
    failed={"@hr/pay.pdf": "damaged", "e.pdf": "password-protected"},
    nodes=30,
    embedded=12,
    tokens=2_400,
    dollars=0.0001,
)


def library(files: int = 3, pace: float = 0.02) -> FakeLibrary:
    return FakeLibrary(LibraryState(files, 10, "none"), REPORT, pace=pace)


def admitted(world: World | None = None) -> World:
    """Ada manages the server, Ben does not."""
    world = world or World.populated()
    guild_id = world.channel_named("general").guild_id or 0
    role = world.add_role(guild_id, "managers", Permission.MANAGE_GUILD)
    world.give_role(guild_id, world.user_named("Ada").id, role.id)
    return world


def runs(talk: Talk, who: str = "Ada", **options: object) -> Interaction:
    return talk.world.use_command(talk.general.id, talk.world.user_named(who).id, "reindex", options)


def messages(talk: Talk) -> list[Message]:
    return [message for message in talk.said() if message.audience is None]


def whispered(talk: Talk) -> list[str]:
    return [message.now.content for message in talk.said() if message.audience is not None]


def ended(talk: Talk) -> bool:
    return any("**Done" in message.now.content for message in messages(talk))


async def test_a_run_is_planned_shown_as_it_goes_and_told_with_its_failures() -> None:
    async with talking(library=library(files=8, pace=0.05), world=admitted()) as talk:
        run = runs(talk)
        await until(lambda: ended(talk))
        (message,) = messages(talk)
        states = [state.content for state in message.states]
        talk.world.press(message.id, f"{FAILURES}{run.id}", talk.world.user_named("Ada").id)
        await until(lambda: any(each.now.attachments for each in talk.said() if each.audience))
        file = next(each.now.attachments[0] for each in talk.said() if each.audience)
    assert states[-1].startswith(
        "**Plan:** 2 new, 1 changed, 1 removed, 40 unchanged\n-# 12 passages to embed: 2,400 tokens, about 0.0001 $"
    )
    assert "**Done in 0:0" in states[-1]
    assert "12 of 30 passages embedded" in states[-1]
    assert "2 files could not be read" in states[-1]
    assert any("▰" in state and "of 8 files" in state for state in states)
    assert "pay.pdf" not in "".join(states)
    assert file.content.decode() == "e.pdf: password-protected\n"
    assert [(run.dry_run, run.full) for run in talk.library.runs] == [(True, False), (False, False)]


async def test_a_dry_run_only_says_what_would_change() -> None:
    async with talking(library=library(), world=admitted()) as talk:
        runs(talk, dry_run=True, full=True)
        await until(lambda: any("Nothing was changed" in message.now.content for message in messages(talk)))
        assert [(run.dry_run, run.full) for run in talk.library.runs] == [(True, True)]
        assert not await talk.records.unfinished_runs()


async def test_a_run_is_cancelled_by_an_admin_and_by_nobody_else() -> None:
    async with talking(library=library(files=400, pace=0.05), world=admitted()) as talk:
        run = runs(talk)
        await until(lambda: bool(messages(talk)) and "of 400 files" in messages(talk)[0].now.content)
        (message,) = messages(talk)
        talk.world.press(message.id, f"{CANCEL}{run.id}", talk.world.user_named("Ben").id)
        await until(lambda: FOR_ADMINS in whispered(talk))
        assert talk.library.cancelled == 0
        talk.world.press(message.id, f"{CANCEL}{run.id}", talk.world.user_named("Ada").id)
        await until(lambda: "**Cancelled by Ada.**" in message.now.content)
        assert not await talk.records.unfinished_runs()
        assert not message.now.components
        assert [act.name for act in await talk.records.acts(talk.general.guild_id, 5)] == ["reindex cancel", "reindex"]


class Planned(FakeLibrary):
    """Lets something happen once it has told its plan."""

    def __init__(self) -> None:
        super().__init__(LibraryState(3, 10, "none"), REPORT)
        self.then: Callable[[], object] = dict

    async def reindex(self, **wanted: Any) -> IngestionReport:
        report = await super().reindex(**wanted)
        self.then()
        return report


async def test_a_cancel_that_comes_between_the_plan_and_the_run_ends_it_all_the_same() -> None:
    shelf = Planned()
    async with talking(library=shelf, world=admitted()) as talk:
        shelf.then = lambda: talk.reindexing.cancel(talk.reindexing.current.id, "Ada") if talk.reindexing.current else 0
        runs(talk)
        await until(lambda: bool(messages(talk)) and "**Cancelled by Ada.**" in messages(talk)[0].now.content)
        assert [run.dry_run for run in shelf.runs] == [True]


async def test_a_second_caller_is_shown_the_first_run() -> None:
    async with talking(library=library(files=400, pace=0.02), world=admitted()) as talk:
        run = runs(talk)
        await until(lambda: bool(messages(talk)) and "of 400 files" in messages(talk)[0].now.content)
        runs(talk)
        link = f"https://discord.com/channels/{talk.general.guild_id}/{talk.general.id}/{messages(talk)[0].id}"
        await until(lambda: any(link in words for words in whispered(talk)))
        talk.reindexing.cancel(str(run.id), "Ada")
        await until(lambda: talk.reindexing.current is None)


async def test_whoever_may_not_manage_the_server_is_refused_whatever_the_server_shows_them() -> None:
    async with talking(library=library(), world=admitted()) as talk:
        runs(talk, "Ben")
        await until(lambda: FOR_ADMINS in whispered(talk))
        assert not talk.library.runs


async def test_the_operators_people_may_everywhere() -> None:
    world = admitted()
    async with talking(library=library(), world=world, admins=Admins(frozenset({world.user_named("Ben").id}))) as talk:
        runs(talk, "Ben")
        await until(lambda: ended(talk))


async def test_where_several_guilds_are_served_an_admin_brings_up_to_date_what_is_theirs_alone() -> None:
    world = admitted()
    guild_id = world.channel_named("general").guild_id or 0
    world.add_guild("Another")
    rules = {"team": Rule(guilds=frozenset({guild_id})), "theirs": Rule(guilds=frozenset({guild_id + 1}))}
    async with talking(library=library(), world=world, rules=rules) as talk:
        for collection in (None, "shared", "@theirs", "@unheard"):
            count = len(talk.whispers()) + 1
            runs(talk, **({"collection": collection} if collection else {}))
            assert (await talk.whispered(count)).now.content == NOT_YOURS
        runs(talk, collection="@team")
        await until(lambda: ended(talk))
        assert {run.collection for run in talk.library.runs} == {"team"}


async def test_a_run_goes_on_whatever_becomes_of_its_message() -> None:
    async with talking(library=library(files=40, pace=0.02), world=admitted()) as talk:
        runs(talk)
        await until(lambda: bool(messages(talk)) and "of 40 files" in messages(talk)[0].now.content)
        talk.world.delete(messages(talk)[0].id)
        await until(lambda: len(talk.library.runs) == 2 and talk.reindexing.current is None)
        assert not await talk.records.unfinished_runs()


async def test_a_run_that_a_restart_cuts_off_goes_on_afterwards_in_the_same_message() -> None:
    records = MemoryRecords()
    world = admitted()
    async with talking(library=library(files=60, pace=0.05), world=world, records=records) as talk:
        run = runs(talk, full=True)
        await until(lambda: len(talk.library.runs) == 2 and "of 60 files" in messages(talk)[0].now.content)
        async with asyncio.timeout(5):
            await talk.reindexing.leave()
        (message,) = messages(talk)
        assert "Docent is restarting; this run goes on afterwards" in message.now.content
    world.commands.clear()
    async with talking(library=library(), world=world, records=records) as talk:
        await until(lambda: "**Done" in message.now.content)
        assert message.now.content.startswith("-# Resumed after a restart.")
        assert all(each.full for each in talk.library.runs)
        assert messages(talk) == [message]
        assert not await records.unfinished_runs()
        talk.world.press(message.id, f"{FAILURES}{run.id}", world.user_named("Ada").id)
        await until(lambda: any(each.now.attachments for each in talk.said() if each.audience))


async def test_buttons_of_runs_that_are_over_or_forgotten_say_so() -> None:
    async with talking(library=library(), world=admitted()) as talk:
        run = runs(talk)
        await until(lambda: ended(talk))
        (message,) = messages(talk)
        ada = talk.world.user_named("Ada").id
        buttons = ((f"{CANCEL}{run.id}", ENDED), (f"{FAILURES}77", FORGOTTEN))
        for count, (name, words) in enumerate(buttons, start=1):
            data = {"custom_id": name, "component_type": 2}
            talk.world._interact(InteractionKind.COMPONENT, talk.general.id, ada, data, message_id=message.id)
            assert (await talk.whispered(count)).now.content == words


async def test_what_an_admin_did_is_noted() -> None:
    async with talking(library=library(), world=admitted()) as talk:
        runs(talk, full=True)
        await until(lambda: ended(talk))
        (act,) = await talk.records.acts(talk.general.guild_id, 5)
    assert (act.name, act.details["full"]) == ("reindex", True)
