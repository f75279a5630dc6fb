"""/docs over the wire: listed, shown, added and removed, by those who may, in collections that are theirs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bot.access.scopes import Rule
from bot.discord_adapter.components import FORGED, STALE_MODAL
from bot.discord_adapter.replies import ADMINS_ONLY
from bot.domain import DocumentInfo, LibraryState
from bot.simulator.message_drafts import Attachment
from bot.simulator.world import InteractionKind, World
from cogs.docs import NOT_MANAGEABLE, UNKNOWN_DOCUMENT, hash_document
from tests.cogs.test_reindex import world_with_admin
from tests.fakes.answerer import FakeLibrary
from tests.fakes.bot_in_guild import wait_until
from tests.fakes.running_bot import running_bot

if TYPE_CHECKING:
    from bot.simulator.world import Interaction
    from tests.fakes.running_bot import RunningBot

MODIFIED_AT = datetime(2026, 1, 2, 12, tzinfo=UTC)
DOCUMENTS = (
    DocumentInfo("refunds.md", "Refunds", passages=3, date=MODIFIED_AT, url="https://wiki.example/refunds"),
    DocumentInfo("@team/plan.md", "The plan", "team", passages=2),
    DocumentInfo("@pay/list.csv", "Who earns what", "pay", passages=9),
)


def create_library(documents: tuple[DocumentInfo, ...] = DOCUMENTS) -> FakeLibrary:
    return FakeLibrary(LibraryState(len(documents), 10, "none"), documents=documents)


def build_rules(world: World) -> dict[str, Rule]:
    """@team is this guild's, @pay another's."""
    guild_id = world.find_channel("general").guild_id or 0
    return {"team": Rule(guilds=frozenset({guild_id})), "pay": Rule(guilds=frozenset({guild_id + 1}))}


def use_docs(chat: RunningBot, command: str, who: str = "Ada", **options: object) -> Interaction:
    return chat.world.people.use_command(chat.general.id, chat.world.find_user(who).id, f"docs {command}", options)


async def test_document_list_holds_only_what_the_admin_may_see() -> None:
    world = world_with_admin()
    async with running_bot(library=create_library(), world=world, rules=build_rules(world)) as chat:
        use_docs(chat, "list")
        text = (await chat.wait_for_ephemeral()).current_state.content
    assert text.startswith("**2 documents, 5 passages**")
    assert "refunds.md · Refunds · 3 passages · <t:1767355200:d>" in text
    assert "plan.md" in text
    assert "list.csv" not in text


async def test_a_long_list_is_paged_by_buttons_that_outlive_a_restart() -> None:
    library = tuple(DocumentInfo(f"doc{n:02}.md", f"Doc {n}") for n in range(30))
    world = world_with_admin()
    async with running_bot(library=create_library(library), world=world) as chat:
        use_docs(chat, "list", collection="shared")
        message = await chat.wait_for_ephemeral()
    assert "doc00" in message.current_state.content
    assert "Page 1 of 3" in message.current_state.content
    world.commands.clear()
    async with running_bot(library=create_library(library), world=world) as chat:
        chat.world.people.press(message.id, "docs:page:1:shared", world.find_user("Ada").id)
        await wait_until(lambda: "Page 2 of 3" in message.current_state.content)
        assert "doc12" in message.current_state.content


async def test_one_document_is_shown_in_full() -> None:
    world = world_with_admin()
    async with running_bot(library=create_library(), world=world, rules=build_rules(world)) as chat:
        use_docs(chat, "show", document="refunds.md")
        text = (await chat.wait_for_ephemeral()).current_state.content
        assert "Address: `https://wiki.example/refunds`" in text
        use_docs(chat, "show", document="@pay/list.csv")
        assert (await chat.wait_for_ephemeral(2)).current_state.content == UNKNOWN_DOCUMENT


async def test_web_page_is_added_to_the_url_list_of_a_collection() -> None:
    world = world_with_admin()
    async with running_bot(library=create_library(), world=world, rules=build_rules(world)) as chat:
        use_docs(chat, "add", collection="@team", url="https://wiki.example/plan")
        assert "on the list of @team" in (await chat.wait_for_ephemeral()).current_state.content
        assert chat.library.pages == [("team", "https://wiki.example/plan")]
        (act,) = await chat.records.load_audit_log(chat.general.guild_id, 5)
        assert act.name == "docs add"


async def test_add_and_remove_are_refused_for_another_guilds_collection() -> None:
    world = world_with_admin()
    async with running_bot(library=create_library(), world=world, rules=build_rules(world)) as chat:
        use_docs(chat, "add", collection="@pay", url="https://wiki.example/plan")
        assert (await chat.wait_for_ephemeral()).current_state.content == NOT_MANAGEABLE
        use_docs(chat, "remove", document="@pay/list.csv")
        assert (await chat.wait_for_ephemeral(2)).current_state.content == UNKNOWN_DOCUMENT
        assert not chat.library.pages
        assert not chat.library.removed


async def test_document_is_removed_after_confirmation() -> None:
    world = world_with_admin()
    async with running_bot(library=create_library(), world=world, rules=build_rules(world)) as chat:
        use_docs(chat, "remove", document="refunds.md")
        question = await chat.wait_for_ephemeral()
        assert "Remove refunds.md (Refunds) for good?" in question.current_state.content
        assert not chat.library.removed
        chat.world.people.press(question.id, f"docs:remove:{hash_document('refunds.md')}", world.find_user("Ada").id)
        await wait_until(lambda: "deleted from the folder" in question.current_state.content)
        assert chat.library.removed == ["refunds.md"]


async def test_a_forged_button_removes_nothing_that_is_not_the_clickers() -> None:
    world = world_with_admin()
    async with running_bot(library=create_library(), world=world, rules=build_rules(world)) as chat:
        use_docs(chat, "list")
        message = await chat.wait_for_ephemeral()
        for count, (who, document, words) in enumerate(
            [("Ben", "refunds.md", ADMINS_ONLY), ("Ada", "@pay/list.csv", UNKNOWN_DOCUMENT)], start=2
        ):
            data = {"custom_id": f"docs:remove:{hash_document(document)}", "component_type": 2}
            who_id = world.find_user(who).id
            world.people.create_interaction(
                InteractionKind.COMPONENT, chat.general.id, who_id, data, message_id=message.id
            )
            assert (await chat.wait_for_ephemeral(count)).current_state.content == words
        assert not chat.library.removed


async def test_invalid_page_number_is_reported_as_forged() -> None:
    world = world_with_admin()
    async with running_bot(library=create_library(), world=world) as chat:
        use_docs(chat, "list")
        message = await chat.wait_for_ephemeral()
        for count, name in enumerate(["docs:page:", "docs:page:x:", "docs:page:9999999:"], start=2):
            data = {"custom_id": name, "component_type": 2}
            ada = world.find_user("Ada").id
            world.people.create_interaction(
                InteractionKind.COMPONENT, chat.general.id, ada, data, message_id=message.id
            )
            assert (await chat.wait_for_ephemeral(count)).current_state.content == FORGED


async def test_member_without_permission_is_refused_even_if_the_command_is_offered() -> None:
    async with running_bot(library=create_library(), world=world_with_admin()) as chat:
        for command, options in (
            ("list", {}),
            ("show", {"document": "refunds.md"}),
            ("add", {"url": "https://wiki.example"}),
            ("remove", {"document": "refunds.md"}),
        ):
            count = len(chat.ephemeral_messages()) + 1
            use_docs(chat, command, "Ben", **options)
            assert (await chat.wait_for_ephemeral(count)).current_state.content == ADMINS_ONLY
        assert not chat.library.pages


async def test_modal_takes_several_files_and_reports_each_result() -> None:
    world = world_with_admin()
    library = create_library()
    library.unreadable["bad.bin"] = "of no known format"
    async with running_bot(library=library, world=world, rules=build_rules(world)) as chat:
        form = use_docs(chat, "add", collection="@team")
        await wait_until(lambda: form.response is not None)
        world.people.submit_modal(form.id, {"files": [Attachment("new.md", b"# New"), Attachment("bad.bin", b"\0")]})
        text = (await chat.wait_for_ephemeral()).current_state.content
        assert chat.library.added == ["@team/new.md"]
        assert chat.library.files["@team/new.md"] == b"# New"
    assert "✓" in text
    assert "new.md" in text
    assert "✗ bad.bin: of no known format" in text


async def test_modal_left_open_by_a_restart_asks_to_be_opened_again() -> None:
    world = world_with_admin()
    async with running_bot(library=create_library(), world=world) as chat:
        form = use_docs(chat, "add")
        await wait_until(lambda: form.response is not None)
    world.commands.clear()
    async with running_bot(library=create_library(), world=world) as chat:
        world.people.submit_modal(form.id, {"files": [Attachment("new.md", b"# New")]})
        assert (await chat.wait_for_ephemeral()).current_state.content == STALE_MODAL
        assert not chat.library.added


async def test_file_given_to_the_command_is_added_at_once() -> None:
    world = world_with_admin()
    async with running_bot(library=create_library(), world=world) as chat:
        use_docs(chat, "add", file=Attachment("new.md", b"# New"))
        await chat.wait_for_ephemeral()
        assert chat.library.added == ["new.md"]


async def test_document_choices_are_those_the_admin_may_see() -> None:
    world = world_with_admin()
    async with running_bot(library=create_library(), world=world, rules=build_rules(world)) as chat:
        ada = world.find_user("Ada").id
        typing = world.people.autocomplete(chat.general.id, ada, "docs show", {"document": ""}, focused="document")
        assert [choice["value"] for choice in await world.people.wait_for_choices(typing)] == [
            "@team/plan.md",
            "refunds.md",
        ]
        ben = world.find_user("Ben").id
        typing = world.people.autocomplete(chat.general.id, ben, "docs show", {"document": ""}, focused="document")
        assert not await world.people.wait_for_choices(typing)
