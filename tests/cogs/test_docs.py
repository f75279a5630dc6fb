"""/docs over the wire: listed, shown, added and removed, by those who may, in collections that are theirs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bot.access.scopes import Rule
from bot.discord_adapter.components import FORGED, LEFT_OPEN
from bot.discord_adapter.visibility import FOR_ADMINS
from bot.domain import LibraryState, Shelved
from bot.simulator.message_drafts import Attachment
from bot.simulator.world import InteractionKind, World
from cogs.docs import NOT_YOURS, UNKNOWN, digest
from tests.cogs.test_reindex import admitted
from tests.fakes.answerer import FakeLibrary
from tests.fakes.bot_in_guild import until
from tests.fakes.running_bot import talking

if TYPE_CHECKING:
    from bot.simulator.world import Interaction
    from tests.fakes.running_bot import Talk

DATED = datetime(2026, 1, 2, 12, tzinfo=UTC)
SHELF = (
    Shelved("refunds.md", "Refunds", passages=3, date=DATED, url="https://wiki.example/refunds"),
    Shelved("@team/plan.md", "The plan", "team", passages=2),
    Shelved("@pay/list.csv", "Who earns what", "pay", passages=9),
)


def library(shelf: tuple[Shelved, ...] = SHELF) -> FakeLibrary:
    return FakeLibrary(LibraryState(len(shelf), 10, "none"), shelf=shelf)


def rules(world: World) -> dict[str, Rule]:
    """@team is this guild's, @pay another's."""
    guild_id = world.channel_named("general").guild_id or 0
    return {"team": Rule(guilds=frozenset({guild_id})), "pay": Rule(guilds=frozenset({guild_id + 1}))}


def uses(talk: Talk, command: str, who: str = "Ada", **options: object) -> Interaction:
    return talk.world.use_command(talk.general.id, talk.world.user_named(who).id, f"docs {command}", options)


async def test_the_list_holds_what_an_admin_may_see_and_nothing_else() -> None:
    world = admitted()
    async with talking(library=library(), world=world, rules=rules(world)) as talk:
        uses(talk, "list")
        text = (await talk.whispered()).now.content
    assert text.startswith("**2 documents, 5 passages**")
    assert "refunds.md · Refunds · 3 passages · <t:1767355200:d>" in text
    assert "plan.md" in text
    assert "list.csv" not in text


async def test_a_long_list_is_paged_by_buttons_that_outlive_a_restart() -> None:
    shelf = tuple(Shelved(f"doc{n:02}.md", f"Doc {n}") for n in range(30))
    world = admitted()
    async with talking(library=library(shelf), world=world) as talk:
        uses(talk, "list", collection="shared")
        message = await talk.whispered()
    assert "doc00" in message.now.content
    assert "Page 1 of 3" in message.now.content
    world.commands.clear()
    async with talking(library=library(shelf), world=world) as talk:
        talk.world.press(message.id, "docs:page:1:shared", world.user_named("Ada").id)
        await until(lambda: "Page 2 of 3" in message.now.content)
        assert "doc12" in message.now.content


async def test_one_document_is_shown_in_full() -> None:
    world = admitted()
    async with talking(library=library(), world=world, rules=rules(world)) as talk:
        uses(talk, "show", document="refunds.md")
        text = (await talk.whispered()).now.content
        assert "Lives at: `https://wiki.example/refunds`" in text
        uses(talk, "show", document="@pay/list.csv")
        assert (await talk.whispered(2)).now.content == UNKNOWN


async def test_a_page_is_put_on_the_list_of_a_collection() -> None:
    world = admitted()
    async with talking(library=library(), world=world, rules=rules(world)) as talk:
        uses(talk, "add", collection="@team", url="https://wiki.example/plan")
        assert "on the list of @team" in (await talk.whispered()).now.content
        assert talk.library.pages == [("team", "https://wiki.example/plan")]
        (act,) = await talk.records.acts(talk.general.guild_id, 5)
        assert act.name == "docs add"


async def test_nothing_is_added_to_another_guilds_collection() -> None:
    world = admitted()
    async with talking(library=library(), world=world, rules=rules(world)) as talk:
        uses(talk, "add", collection="@pay", url="https://wiki.example/plan")
        assert (await talk.whispered()).now.content == NOT_YOURS
        uses(talk, "remove", document="@pay/list.csv")
        assert (await talk.whispered(2)).now.content == UNKNOWN
        assert not talk.library.pages
        assert not talk.library.removed


async def test_a_document_is_removed_once_that_was_confirmed() -> None:
    world = admitted()
    async with talking(library=library(), world=world, rules=rules(world)) as talk:
        uses(talk, "remove", document="refunds.md")
        question = await talk.whispered()
        assert "Remove refunds.md (Refunds) for good?" in question.now.content
        assert not talk.library.removed
        talk.world.press(question.id, f"docs:remove:{digest('refunds.md')}", world.user_named("Ada").id)
        await until(lambda: "no longer in the folder" in question.now.content)
        assert talk.library.removed == ["refunds.md"]


async def test_a_forged_button_removes_nothing_that_is_not_the_clickers() -> None:
    world = admitted()
    async with talking(library=library(), world=world, rules=rules(world)) as talk:
        uses(talk, "list")
        message = await talk.whispered()
        for count, (who, document, words) in enumerate(
            [("Ben", "refunds.md", FOR_ADMINS), ("Ada", "@pay/list.csv", UNKNOWN)], start=2
        ):
            data = {"custom_id": f"docs:remove:{digest(document)}", "component_type": 2}
            who_id = world.user_named(who).id
            world._interact(InteractionKind.COMPONENT, talk.general.id, who_id, data, message_id=message.id)
            assert (await talk.whispered(count)).now.content == words
        assert not talk.library.removed


async def test_a_page_that_is_none_is_said_to_be_forged() -> None:
    world = admitted()
    async with talking(library=library(), world=world) as talk:
        uses(talk, "list")
        message = await talk.whispered()
        for count, name in enumerate(["docs:page:", "docs:page:x:", "docs:page:9999999:"], start=2):
            data = {"custom_id": name, "component_type": 2}
            ada = world.user_named("Ada").id
            world._interact(InteractionKind.COMPONENT, talk.general.id, ada, data, message_id=message.id)
            assert (await talk.whispered(count)).now.content == FORGED


async def test_a_member_is_refused_whatever_the_server_shows_them() -> None:
    async with talking(library=library(), world=admitted()) as talk:
        for command, options in (
            ("list", {}),
            ("show", {"document": "refunds.md"}),
            ("add", {"url": "https://wiki.example"}),
            ("remove", {"document": "refunds.md"}),
        ):
            count = len(talk.whispers()) + 1
            uses(talk, command, "Ben", **options)
            assert (await talk.whispered(count)).now.content == FOR_ADMINS
        assert not talk.library.pages


async def test_a_form_takes_several_files_and_says_what_became_of_each() -> None:
    world = admitted()
    shelf = library()
    shelf.unreadable["bad.bin"] = "of no known format"
    async with talking(library=shelf, world=world, rules=rules(world)) as talk:
        form = uses(talk, "add", collection="@team")
        await until(lambda: form.response is not None)
        world.submit(form.id, {"files": [Attachment("new.md", b"# New"), Attachment("bad.bin", b"\0")]})
        text = (await talk.whispered()).now.content
        assert talk.library.added == ["@team/new.md"]
        assert talk.library.files["@team/new.md"] == b"# New"
    assert "✓" in text
    assert "new.md" in text
    assert "✗ bad.bin: of no known format" in text


async def test_a_form_that_a_restart_left_open_is_told_to_be_opened_again() -> None:
    world = admitted()
    async with talking(library=library(), world=world) as talk:
        form = uses(talk, "add")
        await until(lambda: form.response is not None)
    world.commands.clear()
    async with talking(library=library(), world=world) as talk:
        world.submit(form.id, {"files": [Attachment("new.md", b"# New")]})
        assert (await talk.whispered()).now.content == LEFT_OPEN
        assert not talk.library.added


async def test_a_file_given_to_the_command_is_taken_in_at_once() -> None:
    world = admitted()
    async with talking(library=library(), world=world) as talk:
        uses(talk, "add", file=Attachment("new.md", b"# New"))
        await talk.whispered()
        assert talk.library.added == ["new.md"]


async def test_the_documents_that_are_offered_are_those_an_admin_may_see() -> None:
    world = admitted()
    async with talking(library=library(), world=world, rules=rules(world)) as talk:
        ada = world.user_named("Ada").id
        typing = world.complete(talk.general.id, ada, "docs show", {"document": ""}, focused="document")
        assert [choice["value"] for choice in await world.suggested(typing)] == ["@team/plan.md", "refunds.md"]
        ben = world.user_named("Ben").id
        typing = world.complete(talk.general.id, ben, "docs show", {"document": ""}, focused="document")
        assert not await world.suggested(typing)
