"""The commands for admins over the wire: by admins, by others, forged, after a restart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from bot.access.guild_settings import GuildSettings
from bot.admin.audit_list import PER_PAGE
from bot.discord_adapter.replies import ADMINS_ONLY
from bot.domain import DocumentInfo, LibraryState, Scope, Usage
from bot.records import AnswerRecord, AnswerStatus, AuditEntry, SqlRecords, Vote
from bot.simulator.world import ALL_PERMISSIONS, NO_PERMISSIONS, InteractionKind, Permission, World
from cogs.feedback import NO_FEEDBACK
from cogs.forget import NOTHING_STORED as NOTHING_LEFT
from cogs.gaps import SELECTION_CHANGED
from tests.cogs.test_reindex import world_with_admin
from tests.fakes.answerer import HANDBOOK, FakeLibrary
from tests.fakes.bot_in_guild import wait_until
from tests.fakes.running_bot import running_bot

if TYPE_CHECKING:
    from pathlib import Path

    from bot.simulator.world import Interaction
    from tests.fakes.running_bot import RunningBot

NOW = 1_790_000_000.0
PARKING = ("Where can I park?", "Where can I park my car?")


def use_command(chat: RunningBot, command: str, who: str = "Ada", **options: object) -> Interaction:
    return chat.world.people.use_command(chat.general.id, chat.world.find_user(who).id, command, options)


async def fill_records(records: SqlRecords, world: World) -> SqlRecords:
    """Two gaps that mean the same, one that does not, one of another guild, one of a closed collection; votes."""
    guild_id = world.find_channel("general").guild_id or 0
    ada, ben = world.find_user("Ada").id, world.find_user("Ben").id
    at = world.clock() - 100
    rows = [
        ("1", PARKING[0], ada, guild_id, AnswerStatus.NOT_FOUND, Scope()),
        ("2", PARKING[1], ben, guild_id, AnswerStatus.NOT_FOUND, Scope()),
        ("3", "Who pays for training?", ben, guild_id, AnswerStatus.NOT_FOUND, Scope()),
        ("4", "What is secret elsewhere?", ben, guild_id + 1, AnswerStatus.NOT_FOUND, Scope()),
        ("5", "What do directors earn?", ben, guild_id, AnswerStatus.NOT_FOUND, Scope(frozenset({"", "board"}))),
        ("6", "How long do refunds take?", ben, guild_id, AnswerStatus.COMPLETE, Scope()),
    ]
    for key, question, asker, guild, status, scope in rows:
        await records.save_answer(
            AnswerRecord(
                key,
                question,
                asker,
                guild,
                7,
                at + int(key),
                scope=scope,
                status=status,
                ended_at=at + 20,
                first_word_at=at + int(key) + 2,
                sources=(HANDBOOK,) if status is AnswerStatus.COMPLETE else (),
                usage=Usage(100, 20),
            )
        )
    await records.save_vote(Vote("6", ada, is_up=False, at=at, comment="=1+1 for gift cards"))
    await records.save_vote(Vote("4", ada, is_up=True, at=at))
    return records


async def test_setting_is_set_shown_audited_and_reset() -> None:
    async with running_bot(world=world_with_admin()) as chat:
        use_command(chat, "settings set", name="language", value="German")
        assert "German" in (await chat.wait_for_ephemeral()).current_state.content
        assert (await chat.admission.guild_settings.load(chat.general.guild_id)).language == "German"
        use_command(chat, "settings show")
        await wait_until(
            lambda: any("tokens_per_server" in message.current_state.content for message in chat.ephemeral_messages())
        )
        assert any("German" in message.current_state.content for message in chat.ephemeral_messages()[1:])
        count = len(chat.ephemeral_messages()) + 1
        use_command(chat, "settings reset", name="language")
        await chat.wait_for_ephemeral(count)
        assert (await chat.admission.guild_settings.load(chat.general.guild_id)).language == ""
        acts = await chat.records.load_audit_log(chat.general.guild_id, 5)
    assert [act.name for act in acts] == ["settings reset", "settings set"]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("threads", "perhaps", "Write yes or no."),
        ("channels", "<#123>", "This server has no channel <#123>."),
        ("tokens_by_role", "<@&123> 5", "This server has no role <@&123>."),
    ],
)
async def test_invalid_setting_value_is_reported_and_changes_nothing(name: str, value: str, words: str) -> None:
    async with running_bot(world=world_with_admin()) as chat:
        use_command(chat, "settings set", name=name, value=value)
        assert (await chat.wait_for_ephemeral()).current_state.content == words
        assert await chat.admission.guild_settings.load(chat.general.guild_id) == GuildSettings()


async def test_audit_log_is_paged_for_admins_and_refused_to_others() -> None:
    async with running_bot(world=world_with_admin()) as chat:
        guild_id, ada = chat.general.guild_id or 0, chat.world.find_user("Ada").id
        for number in range(PER_PAGE + 1):
            await chat.records.save_audit_entry(AuditEntry(1_000.0 + number, guild_id, ada, f"command {number}"))
        await chat.records.save_audit_entry(AuditEntry(2_000.0, guild_id + 1, ada, "elsewhere"))
        use_command(chat, "audit")
        message = await chat.wait_for_ephemeral()
        assert f"`command {PER_PAGE}`" in message.current_state.content
        assert "`command 0`" not in message.current_state.content
        chat.world.people.press(message.id, "audit:page:1", ada)
        await wait_until(lambda: "`command 0`" in message.current_state.content)
        assert all("elsewhere" not in state.content for state in message.states)
        use_command(chat, "audit", who="Ben")
        assert (await chat.wait_for_ephemeral(2)).current_state.content == ADMINS_ONLY


async def test_forum_setting_warns_without_the_message_content_intent() -> None:
    async with running_bot(world=world_with_admin()) as chat:
        use_command(chat, "settings set", name="forums", value=f"<#{chat.general.id}>")
        assert "MESSAGE_CONTENT is off" in (await chat.wait_for_ephemeral()).current_state.content


async def test_gaps_are_grouped_and_marked_as_done_after_a_restart_too(memory_records: SqlRecords) -> None:
    world = world_with_admin()
    records = await fill_records(memory_records, world)
    async with running_bot(world=world, records=records) as chat:
        use_command(chat, "gaps")
        message = await chat.wait_for_ephemeral()
        text = message.current_state.content
    assert PARKING[1] in text
    assert "training" in text
    assert "refunds" in text
    assert "secret elsewhere" not in text
    assert "directors" not in text
    select = next(c for row in message.current_state.components for c in row["components"] if c["type"] == 3)
    parking = next(option["value"] for option in select["options"] if "park" in option["label"])
    world.commands.clear()
    async with running_bot(world=world, records=records) as chat:
        world.people.press(message.id, select["custom_id"], world.find_user("Ada").id, (parking,))
        await wait_until(lambda: "park" not in message.current_state.content)
        assert "training" in message.current_state.content
        left = await records.load_gaps(chat.general.guild_id, 0, 10)
        (act,) = await records.load_audit_log(chat.general.guild_id, 5)
    assert {gap.answer_id for gap in left} == {"3", "5", "6"}
    assert act.name == "gaps done"


async def test_question_cluster_that_changed_is_not_marked_as_done(memory_records: SqlRecords) -> None:
    world = world_with_admin()
    records = await fill_records(memory_records, world)
    async with running_bot(world=world, records=records) as chat:
        use_command(chat, "gaps")
        message = await chat.wait_for_ephemeral()
        select = next(c for row in message.current_state.components for c in row["components"] if c["type"] == 3)
        for who, words in (("Ben", ADMINS_ONLY), ("Ada", SELECTION_CHANGED)):
            data = {"custom_id": select["custom_id"], "component_type": 3, "values": ["0" * 16]}
            count = len(chat.ephemeral_messages()) + 1
            who_id = world.find_user(who).id
            world.people.create_interaction(
                InteractionKind.COMPONENT, chat.general.id, who_id, data, message_id=message.id
            )
            assert (await chat.wait_for_ephemeral(count)).current_state.content == words
        assert len(await records.load_gaps(chat.general.guild_id, 0, 10)) == 5


async def test_feedback_export_contains_no_formula(memory_records: SqlRecords) -> None:
    world = world_with_admin()
    async with running_bot(world=world, records=await fill_records(memory_records, world)) as chat:
        use_command(chat, "feedback export")
        message = await chat.wait_for_ephemeral()
        (file,) = message.current_state.attachments
        text = file.content.decode("utf-8-sig")
    assert file.filename == "feedback.csv"
    assert "How long do refunds take?" in text
    assert "secret elsewhere" not in text
    assert ",=1+1" not in text
    assert "=1+1 for gift cards" in text


async def test_feedback_export_without_votes_sends_no_file() -> None:
    async with running_bot(world=world_with_admin()) as chat:
        use_command(chat, "feedback export", days=3)
        assert (await chat.wait_for_ephemeral()).current_state.content == NO_FEEDBACK


async def test_forget_deletes_the_members_data_in_this_guild_after_confirmation(memory_records: SqlRecords) -> None:
    world = world_with_admin()
    records = await fill_records(memory_records, world)
    async with running_bot(world=world, records=records) as chat:
        ben = world.find_user("Ben").id
        use_command(chat, "forget", "Ben")
        question = await chat.wait_for_ephemeral()
        assert await records.load_answer("2") is not None
        world.people.press(question.id, f"forget:confirm:{ben}", ben)
        await wait_until(lambda: question.current_state.content.startswith("Forgotten: 4 questions"))
        assert await records.load_answer("2") is None
        assert await records.load_answer("1") is not None
        assert await records.load_answer("4") is not None
        world.people.create_interaction(
            InteractionKind.COMPONENT,
            chat.general.id,
            ben,
            {"custom_id": f"forget:confirm:{ben}", "component_type": 2},
            message_id=question.id,
        )
        await wait_until(lambda: question.current_state.content == NOTHING_LEFT)


async def test_forget_for_others_is_for_admins_even_with_a_forged_button(memory_records: SqlRecords) -> None:
    world = world_with_admin()
    records = await fill_records(memory_records, world)
    async with running_bot(world=world, records=records) as chat:
        ada, ben = world.find_user("Ada").id, world.find_user("Ben").id
        use_command(chat, "forget", "Ben", member=ada)
        message = await chat.wait_for_ephemeral()
        assert message.current_state.content == ADMINS_ONLY
        data = {"custom_id": f"forget:confirm:{ada}", "component_type": 2}
        world.people.create_interaction(InteractionKind.COMPONENT, chat.general.id, ben, data, message_id=message.id)
        assert (await chat.wait_for_ephemeral(2)).current_state.content == ADMINS_ONLY
        assert await records.load_answer("1") is not None
        use_command(chat, "forget", "Ada", member=ben)
        question = await chat.wait_for_ephemeral(3)
        world.people.press(question.id, f"forget:confirm:{ben}", ada)
        await wait_until(lambda: question.current_state.content.startswith("Forgotten:"))
        (act,) = await records.load_audit_log(chat.general.guild_id, 5)
    assert (act.name, act.details) == ("forget", {"member": str(ben)})


async def test_status_shows_the_admin_the_state_of_the_bot(memory_records: SqlRecords) -> None:
    world = world_with_admin()
    library = FakeLibrary(LibraryState(3, 40, "none", generation=7))
    model: dict[str, Any] = {"openai_base_url": "http://127.0.0.1/v1", "llm_model": "fake"}
    async with running_bot(
        world=world, records=await fill_records(memory_records, world), library=library, **model
    ) as chat:
        use_command(chat, "status")
        text = (await chat.wait_for_ephemeral()).current_state.content
    assert "fake at 127.0.0.1" in text
    assert "generation 7" in text
    assert "3 documents, 40 passages" in text
    assert "first words after 2.0 s" in text


@pytest.mark.parametrize("guild_count", [1, 2])
async def test_status_names_broken_rule_files_unless_they_may_be_of_another_server(
    tmp_path: Path, guild_count: int
) -> None:
    (tmp_path / "@board.toml").write_text("roles = []")
    world = world_with_admin()
    if guild_count == 2:
        world.admin.add_guild("Elsewhere")
    async with running_bot(world=world, data_dir=tmp_path) as chat:
        use_command(chat, "status")
        text = (await chat.wait_for_ephemeral()).current_state.content
    assert "Broken rule files: nobody sees their collections" in text
    assert ("board.toml\\: roles is an empty list" in text) == (guild_count == 1)
    assert ("- 1 file" in text) == (guild_count == 2)


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
class AdminRights:
    """What Ben is in the server, what its own settings offer him, and whom the operator has named."""

    is_offered: bool | None = None
    may_manage: bool = False
    role_is_named: bool = False
    is_named: bool = False
    is_an_admin_elsewhere: bool = False

    def build_settings(self, world: World, role_id: int) -> dict[str, Any]:
        return {
            "admin_users": str(world.find_user("Ben").id) if self.is_named else "",
            "admin_roles": str(role_id) if self.role_is_named else "",
        }


@pytest.mark.parametrize(
    ("ben", "may"),
    [
        pytest.param(AdminRights(), False, id="a member"),
        pytest.param(AdminRights(is_offered=True), False, id="a member to whom the server's own settings offer it"),
        pytest.param(AdminRights(is_an_admin_elsewhere=True), False, id="an admin of another server"),
        pytest.param(AdminRights(may_manage=True), True, id="who may manage the server"),
        pytest.param(
            AdminRights(may_manage=True, is_offered=False), True, id="from whom the server's settings hide it"
        ),
        pytest.param(AdminRights(role_is_named=True), True, id="who has a role that the operator named"),
        pytest.param(AdminRights(is_named=True), True, id="whom the operator named"),
    ],
)
async def test_admin_commands_check_permissions_even_if_they_are_offered(ben: AdminRights, may: bool) -> None:
    world = World.create_default()
    guild_id, ben_id = world.find_channel("general").guild_id or 0, world.find_user("Ben").id
    role = world.admin.add_role(guild_id, "helpers", Permission.MANAGE_GUILD if ben.may_manage else NO_PERMISSIONS)
    world.admin.assign_role(guild_id, ben_id, role.id)
    if ben.is_an_admin_elsewhere:
        world.admin.add_member(world.admin.add_guild("Elsewhere", has_bot=False).id, ben_id, ALL_PERMISSIONS)
    if ben.is_offered is not None:
        for name in {command.split()[0] for command in COMMANDS}:
            world.admin.set_command_permission(guild_id, name, ben_id, is_offered=ben.is_offered)
    library = FakeLibrary(LibraryState(1, 2, "none"), documents=[DocumentInfo("refunds.md", "Refunds")])
    async with running_bot(world=world, library=library, **ben.build_settings(world, role.id)) as chat:
        for command, options in COMMANDS.items():
            given = {name: world.find_user("Ada").id if name == "member" else value for name, value in options.items()}
            click = use_command(chat, command, "Ben", **given)
            told = await wait_for_response(chat, click)
            assert (told == ADMINS_ONLY) is not may, (command, told)
        assert bool(await chat.records.load_audit_log(guild_id, 20)) is may
        await wait_until(lambda: bool(library.runs) is may)
        assert bool(library.pages) is may


async def wait_for_response(chat: RunningBot, interaction: Interaction) -> str:
    """The first words with which a command was answered, to whomever."""

    def find_responses() -> list[str]:
        answers = [
            m for m in chat.world.messages.values() if m.interaction_id == interaction.id and m.current_state.content
        ]
        return [answer.current_state.content for answer in answers]

    await wait_until(lambda: bool(find_responses()))
    return find_responses()[0]


async def test_forget_in_direct_messages_deletes_the_data_of_that_channel(memory_records: SqlRecords) -> None:
    world = World.create_default()
    records = await fill_records(memory_records, world)
    ada = world.find_user("Ada").id
    await records.save_answer(
        AnswerRecord("7", "Between us?", ada, None, 7, world.clock(), status=AnswerStatus.COMPLETE)
    )
    async with running_bot(world=world, records=records) as chat:
        await wait_until(lambda: bool(world.commands.get(None)))
        direct = chat.open_direct_message("Ada")
        assert [command["name"] for command in world.list_offered_commands(ada, direct.id)] == ["forget"]
        assert [c["name"] for c in world.list_offered_commands(ada, chat.general.id)].count("forget") == 1
        world.people.use_command(direct.id, ada, "forget")
        await wait_until(lambda: bool(chat.bot_messages(direct)))
        (question,) = chat.bot_messages(direct)
        assert "in direct messages" in question.current_state.content
        world.people.press(question.id, f"forget:confirm:{ada}", ada)
        await wait_until(lambda: question.current_state.content.startswith("Forgotten: 1 question "))
        world.people.use_command(direct.id, ada, "forget", {"member": world.find_user("Ben").id})
        await wait_until(lambda: chat.bot_messages(direct)[-1].current_state.content == ADMINS_ONLY)
    assert await records.load_answer("7") is None
    assert await records.load_answer("1") is not None
