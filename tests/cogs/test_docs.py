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


def use_docs(talk: RunningBot, command: str, who: str = "Ada", **options: object) -> Interaction:
    return talk.world.people.use_command(talk.general.id, talk.world.find_user(who).id, f"docs {command}", options)


async def test_document_list_holds_only_what_the_admin_may_see() -> None:
    world = world_with_admin()
    async with running_bot(library=create_library(), world=world, rules=build_rules(world)) as talk:
        use_docs(talk, "list")
        text = (await talk.wait_for_ephemeral()).current_state.content
    assert text.startswith("**2 documents, 5 passages**")
    assert "refunds.md · Refunds · 3 passages · <t:1767355200:d>" in text
    assert "plan.md" in text
    assert "list.csv" not in text


async def test_a_long_list_is_paged_by_buttons_that_outlive_a_restart() -> None:
    shelf = tuple(DocumentInfo(f"doc{n:02}.md", f"Doc {n}") for n in range(30))
    world = world_with_admin()
    async with running_bot(library=create_library(shelf), world=world) as talk:
        use_docs(talk, "list", collection="shared")
        message = await talk.wait_for_ephemeral()
    assert "doc00" in message.current_state.content
    assert "Page 1 of 3" in message.current_state.content
    world.commands.clear()
    async with running_bot(library=create_library(shelf), world=world) as talk:
        talk.world.people.press(message.id, "docs:page:1:shared", world.find_user("Ada").id)
        await wait_until(lambda: "Page 2 of 3" in message.current_state.content)
        assert "doc12" in message.current_state.content


async def test_one_document_is_shown_in_full() -> None:
    world = world_with_admin()
    async with running_bot(library=create_library(), world=world, rules=build_rules(world)) as talk:
        use_docs(talk, "show", document="refunds.md")
        text = (await talk.wait_for_ephemeral()).current_state.content
        assert "Lives at: `https://wiki.example/refunds`" in text
        use_docs(talk, "show", document="@pay/list.csv")
        assert (await talk.wait_for_ephemeral(2)).current_state.content == UNKNOWN_DOCUMENT


async def test_web_page_is_added_to_the_url_list_of_a_collection() -> None:
    world = world_with_admin()
    async with running_bot(library=create_library(), world=world, rules=build_rules(world)) as talk:
        use_docs(talk, "add", collection="@team", url="https://wiki.example/plan")
        assert "on the list of @team" in (await talk.wait_for_ephemeral()).current_state.content
        assert talk.library.pages == [("team", "https://wiki.example/plan")]
        (act,) = await talk.records.load_audit_log(talk.general.guild_id, 5)
        assert act.name == "docs add"


async def test_add_and_remove_are_refused_for_another_guilds_collection() -> None:
    world = world_with_admin()
    async with running_bot(library=create_library(), world=world, rules=build_rules(world)) as talk:
        use_docs(talk, "add", collection="@pay", url="https://wiki.example/plan")
        assert (await talk.wait_for_ephemeral()).current_state.content == NOT_MANAGEABLE
        use_docs(talk, "remove", document="@pay/list.csv")
        assert (await talk.wait_for_ephemeral(2)).current_state.content == UNKNOWN_DOCUMENT
        assert not talk.library.pages
        assert not talk.library.removed


async def test_document_is_removed_after_confirmation() -> None:
    world = world_with_admin()
    async with running_bot(library=create_library(), world=world, rules=build_rules(world)) as talk:
        use_docs(talk, "remove", document="refunds.md")
        question = await talk.wait_for_ephemeral()
        assert "Remove refunds.md (Refunds) for good?" in question.current_state.content
        assert not talk.library.removed
        talk.world.people.press(question.id, f"docs:remove:{hash_document('refunds.md')}", world.find_user("Ada").id)
        await wait_until(lambda: "no longer in the folder" in question.current_state.content)
        assert talk.library.removed == ["refunds.md"]


async def test_a_forged_button_removes_nothing_that_is_not_the_clickers() -> None:
    world = world_with_admin()
    async with running_bot(library=create_library(), world=world, rules=build_rules(world)) as talk:
        use_docs(talk, "list")
        message = await talk.wait_for_ephemeral()
        for count, (who, document, words) in enumerate(
            [("Ben", "refunds.md", ADMINS_ONLY), ("Ada", "@pay/list.csv", UNKNOWN_DOCUMENT)], start=2
        ):
            data = {"custom_id": f"docs:remove:{hash_document(document)}", "component_type": 2}
            who_id = world.find_user(who).id
            world.people.create_interaction(
                InteractionKind.COMPONENT, talk.general.id, who_id, data, message_id=message.id
            )
            assert (await talk.wait_for_ephemeral(count)).current_state.content == words
        assert not talk.library.removed


async def test_invalid_page_number_is_reported_as_forged() -> None:
    world = world_with_admin()
    async with running_bot(library=create_library(), world=world) as talk:
        use_docs(talk, "list")
        message = await talk.wait_for_ephemeral()
        for count, name in enumerate(["docs:page:", "docs:page:x:", "docs:page:9999999:"], start=2):
            data = {"custom_id": name, "component_type": 2}
            ada = world.find_user("Ada").id
            world.people.create_interaction(
                InteractionKind.COMPONENT, talk.general.id, ada, data, message_id=message.id
            )
            assert (await talk.wait_for_ephemeral(count)).current_state.content == FORGED


async def test_member_without_permission_is_refused_even_if_the_command_is_offered() -> None:
    async with running_bot(library=create_library(), world=world_with_admin()) as talk:
        for command, options in (
            ("list", {}),
            ("show", {"document": "refunds.md"}),
            ("add", {"url": "https://wiki.example"}),
            ("remove", {"document": "refunds.md"}),
        ):
            count = len(talk.ephemeral_messages()) + 1
            use_docs(talk, command, "Ben", **options)
            assert (await talk.wait_for_ephemeral(count)).current_state.content == ADMINS_ONLY
        assert not talk.library.pages


async def test_modal_takes_several_files_and_reports_each_result() -> None:
    world = world_with_admin()
    shelf = create_library()
    shelf.unreadable["bad.bin"] = "of no known format"
    async with running_bot(library=shelf, world=world, rules=build_rules(world)) as talk:
        form = use_docs(talk, "add", collection="@team")
        await wait_until(lambda: form.response is not None)
        world.people.submit_modal(form.id, {"files": [Attachment("new.md", b"# New"), Attachment("bad.bin", b"\0")]})
        text = (await talk.wait_for_ephemeral()).current_state.content
        assert talk.library.added == ["@team/new.md"]
        assert talk.library.files["@team/new.md"] == b"# New"
    assert "✓" in text
    assert "new.md" in text
    assert "✗ bad.bin: of no known format" in text


async def test_modal_left_open_by_a_restart_asks_to_be_opened_again() -> None:
    world = world_with_admin()
    async with running_bot(library=create_library(), world=world) as talk:
        form = use_docs(talk, "add")
        await wait_until(lambda: form.response is not None)
    world.commands.clear()
    async with running_bot(library=create_library(), world=world) as talk:
        world.people.submit_modal(form.id, {"files": [Attachment("new.md", b"# New")]})
        assert (await talk.wait_for_ephemeral()).current_state.content == STALE_MODAL
        assert not talk.library.added


async def test_file_given_to_the_command_is_added_at_once() -> None:
    world = world_with_admin()
    async with running_bot(library=create_library(), world=world) as talk:
        use_docs(talk, "add", file=Attachment("new.md", b"# New"))
        await talk.wait_for_ephemeral()
        assert talk.library.added == ["new.md"]


async def test_document_choices_are_those_the_admin_may_see() -> None:
    world = world_with_admin()
    async with running_bot(library=create_library(), world=world, rules=build_rules(world)) as talk:
        ada = world.find_user("Ada").id
        typing = world.people.autocomplete(talk.general.id, ada, "docs show", {"document": ""}, focused="document")
        assert [choice["value"] for choice in await world.people.wait_for_choices(typing)] == [
            "@team/plan.md",
            "refunds.md",
        ]
        ben = world.find_user("Ben").id
        typing = world.people.autocomplete(talk.general.id, ben, "docs show", {"document": ""}, focused="document")
        assert not await world.people.wait_for_choices(typing)
