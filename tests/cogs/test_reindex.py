"""/reindex over the wire: its plan, its progress, its end, who may, and what a restart leaves of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bot.access.scopes import Rule
from bot.discord_adapter.replies import ADMINS_ONLY
from bot.domain import IngestionReport, LibraryState, Progress, ReindexRequest
from bot.simulator.world import InteractionKind, Permission, World
from cogs.reindex import ALREADY_ENDED, LIST_EXPIRED, NOT_MANAGEABLE
from tests.fakes.answerer import FakeLibrary
from tests.fakes.bot_in_guild import wait_until
from tests.fakes.running_bot import running_bot

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.records import SqlRecords
    from bot.simulator.world import Interaction, Message
    from tests.fakes.running_bot import RunningBot

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


def create_library(files: int = 3, pace: float = 0.02) -> FakeLibrary:
    return FakeLibrary(LibraryState(files, 10, "none"), REPORT, seconds_per_file=pace)


def world_with_admin(world: World | None = None) -> World:
    """Ada manages the server, Ben does not."""
    world = world or World.create_default()
    guild_id = world.find_channel("general").guild_id or 0
    role = world.admin.add_role(guild_id, "managers", Permission.MANAGE_GUILD)
    world.admin.assign_role(guild_id, world.find_user("Ada").id, role.id)
    return world


def use_reindex(chat: RunningBot, who: str = "Ada", **options: object) -> Interaction:
    return chat.world.people.use_command(chat.general.id, chat.world.find_user(who).id, "reindex", options)


def public_messages(chat: RunningBot) -> list[Message]:
    return [message for message in chat.bot_messages() if message.visible_to_user_id is None]


def ephemeral_texts(chat: RunningBot) -> list[str]:
    return [message.current_state.content for message in chat.bot_messages() if message.visible_to_user_id is not None]


def is_done(chat: RunningBot) -> bool:
    return any("**Done" in message.current_state.content for message in public_messages(chat))


async def test_run_shows_its_plan_its_progress_and_its_failures() -> None:
    async with running_bot(library=create_library(files=8, pace=0.05), world=world_with_admin()) as chat:
        run = use_reindex(chat)
        await wait_until(lambda: is_done(chat))
        (message,) = public_messages(chat)
        states = [state.content for state in message.states]
        chat.world.people.press(message.id, f"reindex:failures:{run.id}", chat.world.find_user("Ada").id)
        await wait_until(
            lambda: any(each.current_state.attachments for each in chat.bot_messages() if each.visible_to_user_id)
        )
        file = next(each.current_state.attachments[0] for each in chat.bot_messages() if each.visible_to_user_id)
    assert states[-1].startswith(
        "**Plan:** 2 new, 1 changed, 1 removed, 40 unchanged\n-# 12 passages to embed: 2,400 tokens, about 0.0001 $"
    )
    assert "**Done in 0:0" in states[-1]
    assert "12 of 30 passages embedded" in states[-1]
    assert "2 files could not be read" in states[-1]
    assert any("▰" in state and "of 8 files" in state for state in states)
    assert "pay.pdf" not in "".join(states)
    assert file.content.decode() == "e.pdf: password-protected\n"
    assert [(run.dry_run, run.full) for run in chat.library.runs] == [(True, False), (False, False)]


async def test_dry_run_only_reports_what_would_change() -> None:
    async with running_bot(library=create_library(), world=world_with_admin()) as chat:
        use_reindex(chat, dry_run=True, full=True)
        await wait_until(
            lambda: any("Nothing was changed" in message.current_state.content for message in public_messages(chat))
        )
        assert [(run.dry_run, run.full) for run in chat.library.runs] == [(True, True)]
        assert not await chat.records.unfinished_runs()


async def test_a_run_is_cancelled_by_an_admin_and_by_nobody_else() -> None:
    async with running_bot(library=create_library(files=400, pace=0.05), world=world_with_admin()) as chat:
        run = use_reindex(chat)
        await wait_until(
            lambda: bool(public_messages(chat)) and "of 400 files" in public_messages(chat)[0].current_state.content
        )
        (message,) = public_messages(chat)
        chat.world.people.press(message.id, f"reindex:cancel:{run.id}", chat.world.find_user("Ben").id)
        await wait_until(lambda: ADMINS_ONLY in ephemeral_texts(chat))
        assert chat.library.cancel_count == 0
        chat.world.people.press(message.id, f"reindex:cancel:{run.id}", chat.world.find_user("Ada").id)
        await wait_until(lambda: "**Cancelled by Ada.**" in message.current_state.content)
        assert not await chat.records.unfinished_runs()
        assert not message.current_state.components
        assert [act.name for act in await chat.records.load_audit_log(chat.general.guild_id, 5)] == [
            "reindex cancel",
            "reindex",
        ]


class HookedLibrary(FakeLibrary):
    """Lets something happen once it has told its plan."""

    def __init__(self) -> None:
        super().__init__(LibraryState(3, 10, "none"), REPORT)
        self.after_reindex: Callable[[], object] = dict

    async def reindex(
        self, request: ReindexRequest | None = None, *, on_progress: Callable[[Progress], None] | None = None
    ) -> IngestionReport:
        report = await super().reindex(request, on_progress=on_progress)
        self.after_reindex()
        return report


async def test_a_cancel_that_comes_between_the_plan_and_the_run_ends_it_all_the_same() -> None:
    library = HookedLibrary()
    async with running_bot(library=library, world=world_with_admin()) as chat:
        library.after_reindex = lambda: (
            chat.reindex_runs.cancel(chat.reindex_runs.current.id, "Ada") if chat.reindex_runs.current else 0
        )
        use_reindex(chat)
        await wait_until(
            lambda: (
                bool(public_messages(chat))
                and "**Cancelled by Ada.**" in public_messages(chat)[0].current_state.content
            )
        )
        assert [run.dry_run for run in library.runs] == [True]


async def test_a_second_caller_is_shown_the_first_run() -> None:
    async with running_bot(library=create_library(files=400, pace=0.02), world=world_with_admin()) as chat:
        run = use_reindex(chat)
        await wait_until(
            lambda: bool(public_messages(chat)) and "of 400 files" in public_messages(chat)[0].current_state.content
        )
        use_reindex(chat)
        link = f"https://discord.com/channels/{chat.general.guild_id}/{chat.general.id}/{public_messages(chat)[0].id}"
        await wait_until(lambda: any(link in words for words in ephemeral_texts(chat)))
        chat.reindex_runs.cancel(str(run.id), "Ada")
        await wait_until(lambda: chat.reindex_runs.current is None)


async def test_reindex_without_manage_server_is_refused_even_if_offered() -> None:
    async with running_bot(library=create_library(), world=world_with_admin()) as chat:
        use_reindex(chat, "Ben")
        await wait_until(lambda: ADMINS_ONLY in ephemeral_texts(chat))
        assert not chat.library.runs


async def test_users_named_by_the_operator_may_reindex_in_every_guild() -> None:
    world = world_with_admin()
    async with running_bot(library=create_library(), world=world, admin_users=str(world.find_user("Ben").id)) as chat:
        use_reindex(chat, "Ben")
        await wait_until(lambda: is_done(chat))


async def test_admin_reindexes_only_collections_of_their_guild_among_several() -> None:
    world = world_with_admin()
    guild_id = world.find_channel("general").guild_id or 0
    world.admin.add_guild("Another")
    rules = {"team": Rule(guilds=frozenset({guild_id})), "theirs": Rule(guilds=frozenset({guild_id + 1}))}
    async with running_bot(library=create_library(), world=world, rules=rules) as chat:
        for collection in (None, "shared", "@theirs", "@unheard"):
            count = len(chat.ephemeral_messages()) + 1
            use_reindex(chat, **({"collection": collection} if collection else {}))
            assert (await chat.wait_for_ephemeral(count)).current_state.content == NOT_MANAGEABLE
        use_reindex(chat, collection="@team")
        await wait_until(lambda: is_done(chat))
        assert {run.collection for run in chat.library.runs} == {"team"}


async def test_run_continues_after_its_message_is_deleted() -> None:
    async with running_bot(library=create_library(files=40, pace=0.02), world=world_with_admin()) as chat:
        use_reindex(chat)
        await wait_until(
            lambda: bool(public_messages(chat)) and "of 40 files" in public_messages(chat)[0].current_state.content
        )
        chat.world.delete(public_messages(chat)[0].id)
        await wait_until(lambda: len(chat.library.runs) == 2 and chat.reindex_runs.current is None)
        assert not await chat.records.unfinished_runs()


async def test_a_run_that_a_restart_cuts_off_goes_on_afterwards_in_the_same_message(memory_records: SqlRecords) -> None:
    world = world_with_admin()
    async with running_bot(library=create_library(files=60, pace=0.05), world=world, records=memory_records) as chat:
        run = use_reindex(chat, full=True)
        await wait_until(
            lambda: len(chat.library.runs) == 2 and "of 60 files" in public_messages(chat)[0].current_state.content
        )
        async with asyncio.timeout(5):
            await chat.reindex_runs.suspend()
        (message,) = public_messages(chat)
        assert "Docent is restarting. This run continues afterwards" in message.current_state.content
    world.commands.clear()
    async with running_bot(library=create_library(), world=world, records=memory_records) as chat:
        await wait_until(lambda: "**Done" in message.current_state.content)
        assert message.current_state.content.startswith("-# Resumed after a restart.")
        assert all(each.full for each in chat.library.runs)
        assert public_messages(chat) == [message]
        assert not await memory_records.unfinished_runs()
        chat.world.people.press(message.id, f"reindex:failures:{run.id}", world.find_user("Ada").id)
        await wait_until(
            lambda: any(each.current_state.attachments for each in chat.bot_messages() if each.visible_to_user_id)
        )


async def test_buttons_of_finished_or_unknown_runs_report_it() -> None:
    async with running_bot(library=create_library(), world=world_with_admin()) as chat:
        run = use_reindex(chat)
        await wait_until(lambda: is_done(chat))
        (message,) = public_messages(chat)
        ada = chat.world.find_user("Ada").id
        buttons = (
            (f"reindex:cancel:{run.id}", ALREADY_ENDED),
            ("reindex:failures:77", LIST_EXPIRED),
        )
        for count, (name, words) in enumerate(buttons, start=1):
            data = {"custom_id": name, "component_type": 2}
            chat.world.people.create_interaction(
                InteractionKind.COMPONENT, chat.general.id, ada, data, message_id=message.id
            )
            assert (await chat.wait_for_ephemeral(count)).current_state.content == words


async def test_reindex_writes_an_audit_entry() -> None:
    async with running_bot(library=create_library(), world=world_with_admin()) as chat:
        use_reindex(chat, full=True)
        await wait_until(lambda: is_done(chat))
        (act,) = await chat.records.load_audit_log(chat.general.guild_id, 5)
    assert (act.name, act.details["full"]) == ("reindex", True)
