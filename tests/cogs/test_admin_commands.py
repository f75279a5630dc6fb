"""/settings, /gaps, /feedback, /forget and /status over the wire: by admins, by others, forged, after a restart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from bot.access.scopes import Admins
from bot.discord_adapter.visibility import FOR_ADMINS
from bot.domain import LibraryState, Scope, Shelved, Usage
from bot.records import Fate, MemoryRecords, Record, Vote
from bot.simulator.world import EVERYTHING, NOTHING, InteractionKind, Permission, World
from cogs.feedback import NOTHING as NO_FEEDBACK
from cogs.forget import NOTHING as NOTHING_LEFT
from cogs.gaps import CHANGED
from tests.cogs.test_reindex import admitted
from tests.fakes.answerer import HANDBOOK, FakeLibrary
from tests.fakes.bot_in_guild import until
from tests.fakes.running_bot import talking

if TYPE_CHECKING:
    from bot.simulator.world import Interaction
    from tests.fakes.running_bot import Talk

NOW = 1_790_000_000.0
PARKING = ("Where can I park?", "Where can I park my car?")


def uses(talk: Talk, command: str, who: str = "Ada", **options: object) -> Interaction:
    return talk.world.use_command(talk.general.id, talk.world.user_named(who).id, command, options)


async def filled(world: World) -> MemoryRecords:
    """Two gaps that mean the same, one that does not, one of another guild, one of a closed collection; votes."""
    records = MemoryRecords()
    guild_id = world.channel_named("general").guild_id or 0
    ada, ben = world.user_named("Ada").id, world.user_named("Ben").id
    at = world.clock() - 100
    rows = [
        ("1", PARKING[0], ada, guild_id, Fate.NOT_FOUND, Scope()),
        ("2", PARKING[1], ben, guild_id, Fate.NOT_FOUND, Scope()),
        ("3", "Who pays for training?", ben, guild_id, Fate.NOT_FOUND, Scope()),
        ("4", "What is secret elsewhere?", ben, guild_id + 1, Fate.NOT_FOUND, Scope()),
        ("5", "What do directors earn?", ben, guild_id, Fate.NOT_FOUND, Scope(frozenset({"", "board"}))),
        ("6", "How long do refunds take?", ben, guild_id, Fate.COMPLETE, Scope()),
    ]
    for key, question, asker, guild, fate, scope in rows:
        await records.remember(
            Record(
                key,
                question,
                asker,
                guild,
                7,
                at + int(key),
                scope=scope,
                fate=fate,
                ended_at=at + 20,
                first_word_at=at + int(key) + 2,
                sources=(HANDBOOK,) if fate is Fate.COMPLETE else (),
                usage=Usage(100, 20),
            )
        )
    await records.vote(Vote("6", ada, is_up=False, at=at, words="=1+1 for gift cards"))
    await records.vote(Vote("4", ada, is_up=True, at=at))
    return records


async def test_a_choice_is_set_shown_noted_and_taken_back() -> None:
    async with talking(world=admitted()) as talk:
        uses(talk, "settings set", name="language", value="German")
        assert "German" in (await talk.whispered()).now.content
        assert (await talk.admission.house.customs(talk.general.guild_id)).language == "German"
        uses(talk, "settings show")
        await until(lambda: any("tokens_per_server" in message.now.content for message in talk.whispers()))
        assert any("German" in message.now.content for message in talk.whispers()[1:])
        count = len(talk.whispers()) + 1
        uses(talk, "settings reset", name="language")
        await talk.whispered(count)
        assert (await talk.admission.house.customs(talk.general.guild_id)).language == ""
        acts = await talk.records.acts(talk.general.guild_id, 5)
    assert [act.name for act in acts] == ["settings reset", "settings set"]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("threads", "perhaps", "Say yes or no."),
        ("channels", "<#123>", "This server has no channel <#123>."),
        ("tokens_by_role", "<@&123> 5", "This server has no role <@&123>."),
    ],
)
async def test_what_cannot_be_chosen_is_said_and_changes_nothing(name: str, value: str, words: str) -> None:
    async with talking(world=admitted()) as talk:
        uses(talk, "settings set", name=name, value=value)
        assert (await talk.whispered()).now.content == words
        assert not await talk.admission.house.kept(talk.general.guild_id or 0)


async def test_forums_are_said_to_be_unreadable_without_the_intent() -> None:
    async with talking(world=admitted()) as talk:
        uses(talk, "settings set", name="forums", value=f"<#{talk.general.id}>")
        assert "MESSAGE_CONTENT is off" in (await talk.whispered()).now.content


async def test_gaps_are_grouped_and_marked_as_done_after_a_restart_too() -> None:
    world = admitted()
    records = await filled(world)
    async with talking(world=world, records=records) as talk:
        uses(talk, "gaps")
        message = await talk.whispered()
        text = message.now.content
    assert PARKING[1] in text
    assert "training" in text
    assert "refunds" in text
    assert "secret elsewhere" not in text
    assert "directors" not in text
    select = next(c for row in message.now.components for c in row["components"] if c["type"] == 3)
    parking = next(option["value"] for option in select["options"] if "park" in option["label"])
    world.commands.clear()
    async with talking(world=world, records=records) as talk:
        world.press(message.id, select["custom_id"], world.user_named("Ada").id, (parking,))
        await until(lambda: "park" not in message.now.content)
        assert "training" in message.now.content
        left = await records.gaps(talk.general.guild_id, 0, 10)
        (act,) = await records.acts(talk.general.guild_id, 5)
    assert {gap.key for gap in left} == {"3", "5", "6"}
    assert act.name == "gaps done"


async def test_a_topic_that_is_not_what_was_shown_is_not_marked() -> None:
    world = admitted()
    records = await filled(world)
    async with talking(world=world, records=records) as talk:
        uses(talk, "gaps")
        message = await talk.whispered()
        select = next(c for row in message.now.components for c in row["components"] if c["type"] == 3)
        for who, words in (("Ben", FOR_ADMINS), ("Ada", CHANGED)):
            data = {"custom_id": select["custom_id"], "component_type": 3, "values": ["0" * 16]}
            count = len(talk.whispers()) + 1
            who_id = world.user_named(who).id
            world._interact(InteractionKind.COMPONENT, talk.general.id, who_id, data, message_id=message.id)
            assert (await talk.whispered(count)).now.content == words
        assert len(await records.gaps(talk.general.guild_id, 0, 10)) == 5


async def test_feedback_is_a_file_in_which_nothing_is_a_formula() -> None:
    world = admitted()
    async with talking(world=world, records=await filled(world)) as talk:
        uses(talk, "feedback export")
        message = await talk.whispered()
        (file,) = message.now.attachments
        text = file.content.decode("utf-8-sig")
    assert file.filename == "feedback.csv"
    assert "How long do refunds take?" in text
    assert "secret elsewhere" not in text
    assert ",=1+1" not in text
    assert "=1+1 for gift cards" in text


async def test_without_feedback_there_is_no_file() -> None:
    async with talking(world=admitted()) as talk:
        uses(talk, "feedback export", days=3)
        assert (await talk.whispered()).now.content == NO_FEEDBACK


async def test_a_member_has_themselves_forgotten_in_this_server_once_they_confirm() -> None:
    world = admitted()
    records = await filled(world)
    async with talking(world=world, records=records) as talk:
        ben = world.user_named("Ben").id
        uses(talk, "forget", "Ben")
        question = await talk.whispered()
        assert await records.recall("2") is not None
        world.press(question.id, f"forget:{ben}", ben)
        await until(lambda: question.now.content.startswith("Forgotten: 4 questions"))
        assert await records.recall("2") is None
        assert await records.recall("1") is not None
        assert await records.recall("4") is not None
        world._interact(
            InteractionKind.COMPONENT,
            talk.general.id,
            ben,
            {"custom_id": f"forget:{ben}", "component_type": 2},
            message_id=question.id,
        )
        await until(lambda: question.now.content == NOTHING_LEFT)


async def test_only_admins_have_others_forgotten_whatever_button_is_forged() -> None:
    world = admitted()
    records = await filled(world)
    async with talking(world=world, records=records) as talk:
        ada, ben = world.user_named("Ada").id, world.user_named("Ben").id
        uses(talk, "forget", "Ben", member=ada)
        message = await talk.whispered()
        assert message.now.content == FOR_ADMINS
        data = {"custom_id": f"forget:{ada}", "component_type": 2}
        world._interact(InteractionKind.COMPONENT, talk.general.id, ben, data, message_id=message.id)
        assert (await talk.whispered(2)).now.content == FOR_ADMINS
        assert await records.recall("1") is not None
        uses(talk, "forget", "Ada", member=ben)
        question = await talk.whispered(3)
        world.press(question.id, f"forget:{ben}", ada)
        await until(lambda: question.now.content.startswith("Forgotten:"))
        (act,) = await records.acts(talk.general.guild_id, 5)
    assert (act.name, act.details) == ("forget", {"member": str(ben)})


async def test_the_status_tells_an_admin_how_the_bot_is_doing() -> None:
    world = admitted()
    library = FakeLibrary(LibraryState(3, 40, "none", generation=7))
    async with talking(world=world, records=await filled(world), library=library) as talk:
        uses(talk, "status")
        text = (await talk.whispered()).now.content
    assert "fake at 127.0.0.1" in text
    assert "generation 7" in text
    assert "3 documents, 40 passages" in text
    assert "first words after 2.0 s" in text


COMMANDS: dict[str, dict[str, object]] = {
    "settings show": {},
    "settings set": {"name": "language", "value": "German"},
    "settings reset": {"name": "language"},
    "gaps": {},
    "feedback export": {},
    "status": {},
    "forget": {"member": "Ada"},
    "docs list": {},
    "docs show": {"document": "refunds.md"},
    "docs add": {"url": "https://wiki.example/new"},
    "docs remove": {"document": "refunds.md"},
    "reindex": {},
}


@dataclass(frozen=True, slots=True)
class Standing:
    """What Ben is in the server, what its own settings offer him, and whom the operator has named."""

    is_offered: bool | None = None
    may_manage: bool = False
    role_is_named: bool = False
    is_named: bool = False
    is_an_admin_elsewhere: bool = False

    def admins(self, world: World, role_id: int) -> Admins:
        named = {world.user_named("Ben").id} if self.is_named else set[int]()
        return Admins(frozenset(named), frozenset({role_id}) if self.role_is_named else frozenset())


@pytest.mark.parametrize(
    ("ben", "may"),
    [
        pytest.param(Standing(), False, id="a member"),
        pytest.param(Standing(is_offered=True), False, id="a member to whom the server's own settings offer it"),
        pytest.param(Standing(is_an_admin_elsewhere=True), False, id="an admin of another server"),
        pytest.param(Standing(may_manage=True), True, id="who may manage the server"),
        pytest.param(Standing(may_manage=True, is_offered=False), True, id="from whom the server's settings hide it"),
        pytest.param(Standing(role_is_named=True), True, id="who has a role that the operator named"),
        pytest.param(Standing(is_named=True), True, id="whom the operator named"),
    ],
)
async def test_who_may_use_the_commands_for_admins_whatever_the_server_shows_them(ben: Standing, may: bool) -> None:
    world = World.populated()
    guild_id, ben_id = world.channel_named("general").guild_id or 0, world.user_named("Ben").id
    role = world.add_role(guild_id, "helpers", Permission.MANAGE_GUILD if ben.may_manage else NOTHING)
    world.give_role(guild_id, ben_id, role.id)
    if ben.is_an_admin_elsewhere:
        world.add_member(world.add_guild("Elsewhere", has_bot=False).id, ben_id, EVERYTHING)
    if ben.is_offered is not None:
        for name in {command.split()[0] for command in COMMANDS}:
            world.offer_command(guild_id, name, ben_id, is_offered=ben.is_offered)
    library = FakeLibrary(LibraryState(1, 2, "none"), shelf=[Shelved("refunds.md", "Refunds")])
    async with talking(world=world, library=library, admins=ben.admins(world, role.id)) as talk:
        for command, options in COMMANDS.items():
            given = {name: world.user_named("Ada").id if name == "member" else value for name, value in options.items()}
            click = uses(talk, command, "Ben", **given)
            told = await told_by(talk, click)
            assert (told == FOR_ADMINS) is not may, (command, told)
        assert bool(await talk.records.acts(guild_id, 20)) is may
        await until(lambda: bool(library.runs) is may)
        assert bool(library.pages) is may


async def told_by(talk: Talk, used: Interaction) -> str:
    """The first words with which a command was answered, to whomever."""

    def said() -> list[str]:
        answers = [m for m in talk.world.messages.values() if m.interaction_id == used.id and m.now.content]
        return [answer.now.content for answer in answers]

    await until(lambda: bool(said()))
    return said()[0]


async def test_in_direct_messages_people_have_forgotten_what_they_asked_there() -> None:
    world = World.populated()
    records = await filled(world)
    ada = world.user_named("Ada").id
    await records.remember(Record("7", "Between us?", ada, None, 7, world.clock(), fate=Fate.COMPLETE))
    async with talking(world=world, records=records) as talk:
        await until(lambda: bool(world.commands.get(None)))
        direct = talk.direct("Ada")
        assert [command["name"] for command in world.offered(ada, direct.id)] == ["forget"]
        assert [c["name"] for c in world.offered(ada, talk.general.id)].count("forget") == 1
        world.use_command(direct.id, ada, "forget")
        await until(lambda: bool(talk.said(direct)))
        (question,) = talk.said(direct)
        assert "in direct messages" in question.now.content
        world.press(question.id, f"forget:{ada}", ada)
        await until(lambda: question.now.content.startswith("Forgotten: 1 question "))
        world.use_command(direct.id, ada, "forget", {"member": world.user_named("Ben").id})
        await until(lambda: talk.said(direct)[-1].now.content == FOR_ADMINS)
    assert await records.recall("7") is None
    assert await records.recall("1") is not None
