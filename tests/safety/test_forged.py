"""Clicks on what the bot never made, from where it does not stand, by whom it is not for, or twice: nothing is done."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pytest

from bot.admin import gaps
from bot.discord_adapter.answer_buttons import ButtonAction, format_custom_id
from bot.records import SqlRecords
from bot.settings import list_setting_names
from bot.simulator.world import ALL_PERMISSIONS, InteractionCreated, InteractionKind
from cogs.docs import hash_document
from tests.fakes.deployment import deploy
from tests.fakes.openai_server import make_completion

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from pathlib import Path

    from bot.simulator.world import Channel, Interaction, Message
    from tests.fakes.deployment import Deployment

UNKNOWN_ANSWER_ID: Final = "12345678901234567890"
MALFORMED: Final = [
    *("answer:", "answer:stop", "answer:stop:", "answer:erase:1", "answer:stop:1:2", "answer:stop:-1", "answer:STOP:1"),
    *("answer:stop:1\n", "answer:sources:٣", "answer:copy:1 OR 1=1", f"answer:again:{UNKNOWN_ANSWER_ID}1", "answer::"),
    *(
        "reindex:cancel:",
        "reindex:cancel:x",
        "reindex:failures:",
        "reindex:failures:../x",
        "reindex:cancel:" + UNKNOWN_ANSWER_ID,
    ),
    *("docs:page:", "docs:page:x:", "docs:page:-:", "docs:page:٣:shared"),
    *("docs:remove:", "docs:remove:x", "docs:remove:../../records.sqlite", "docs:remove:" + "0" * 24),
    *("gaps:", "gaps:done", "gaps:erase:30:0", "gaps:done:0:0", "gaps:page:366:0", "gaps:page:30:-1", "gaps:page:30:x"),
    *("forget:", "forget:x", "forget:-1", "forget:1:2", "forget:٣", "forget:1\n"),
]
PREFIXES: Final = ["answer:stop:", "reindex:cancel:", "docs:page:", "docs:remove:", "gaps:done:30:", "forget:confirm:"]
OVERLONG: Final = [
    f"{beginning}{sign * 5_000}" for beginning in PREFIXES for sign in ("9", "x", ":", "\N{GRINNING FACE}")
]


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list_setting_names():
        monkeypatch.delenv(name, raising=False)


@dataclass(frozen=True, slots=True)
class Scene:
    """An answer of Ada's, and what was logged. Mia is an admin; ``elsewhere`` is another guild, where Ben is one."""

    bot: Deployment
    answer: Message
    elsewhere: Channel
    caplog: pytest.LogCaptureFixture

    @property
    def answer_id(self) -> str:
        return str(self.answer.interaction_id)

    def forge(self, custom_id: str, who: str, channel: Channel | None = None, *, on: int | None = None) -> Interaction:
        """A click on a component that is not there."""
        world = self.bot.simulator.world
        channel, message_id = channel or world.find_channel("general"), on or self.answer.id
        data = {"custom_id": custom_id, "component_type": 2}
        user = world.find_user(who)
        return world.people.create_interaction(
            InteractionKind.COMPONENT, channel.id, user.id, data, message_id=message_id
        )

    def replay(self, interaction: Interaction) -> None:
        """The gateway hands the same event out again."""
        world = self.bot.simulator.world
        world.emit(InteractionCreated(world.clock(), interaction))

    async def wait_until_answered(self, clicks: Sequence[Interaction]) -> None:
        """Wait until each was answered, or for as long as the bot would take."""
        try:
            async with asyncio.timeout(3):
                while not all(click.acknowledged_at for click in clicks):  # noqa: ASYNC110 - the far side of a socket
                    await asyncio.sleep(0.02)
        except TimeoutError:
            pass
        await asyncio.sleep(0.3)

    def responses_to(self, click: Interaction) -> list[Message]:
        return [m for m in self.bot.simulator.world.messages.values() if m.interaction_id == click.id]

    async def snapshot(self) -> tuple[object, ...]:
        """All that a click could change."""
        async with SqlRecords.open_file(self.bot.settings.state_dir / "records.sqlite") as records:
            guild_id = self.bot.simulator.world.find_channel("general").guild_id
            return (
                await records.load_answer(self.answer_id),
                await records.load_votes(self.answer_id),
                await records.load_audit_log(guild_id, 100),
                await records.load_audit_log(self.elsewhere.guild_id, 100),
                await records.unfinished_runs(),
                sorted(path.name for path in self.bot.settings.data_dir.rglob("*")),
                [list(message.states) for message in self.bot.channel_messages() if message.visible_to_user_id is None],
                len(self.bot.model.requests),
            )

    def error_messages(self) -> list[str]:
        """Lines in the log that name a fault of ours."""
        return [line.getMessage() for line in self.caplog.records if line.exc_info or line.levelno >= logging.ERROR]


@asynccontextmanager
async def answered_scene(folder: Path, caplog: pytest.LogCaptureFixture) -> AsyncGenerator[Scene]:
    async with deploy(folder, make_completion("Five days [1]."), embed_model="none") as bot:
        world = bot.simulator.world
        other = world.admin.add_guild("Elsewhere")
        elsewhere = world.admin.add_channel(other.id, "elsewhere")
        for name in ("Ada", "Ben", "Mia"):
            world.admin.add_member(other.id, world.find_user(name).id, ALL_PERMISSIONS if name == "Ben" else 0)  # type: ignore[arg-type]
        await bot.ask_and_wait()
        caplog.clear()
        yield Scene(bot, bot.channel_messages()[0], elsewhere, caplog)


async def assert_refused(scene: Scene, clicks: Sequence[Interaction]) -> None:
    """Each was answered with a sentence that its sender alone sees, or not at all, and there are no complaints."""
    await scene.wait_until_answered(clicks)
    told = [message for click in clicks for message in scene.responses_to(click)]
    names = {
        click.name[:40]
        for click in clicks
        for message in scene.responses_to(click)
        if "went wrong" in message.current_state.content
    }
    assert names == set()
    assert all(
        message.visible_to_user_id is not None and message.current_state.content.endswith(".") for message in told
    )
    assert scene.error_messages() == []


@pytest.mark.parametrize("who", ["Ada", "Mia"])
@pytest.mark.parametrize("names", [MALFORMED, OVERLONG], ids=["malformed", "overlong"])
async def test_invented_custom_ids_are_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, who: str, names: list[str]
) -> None:
    async with answered_scene(tmp_path, caplog) as here:
        before = await here.snapshot()
        clicks = [here.forge(name, who) for name in names]
        await assert_refused(here, clicks)
        assert await here.snapshot() == before


@pytest.mark.parametrize(
    "name",
    [
        "docs:page:--5:",
        f"docs:page:{'9' * 5_000}:",
        "forget:confirm:99999999999999999999",
        "gaps:page:30:999",
    ],
    ids=lambda name: name[:24],
)
async def test_invalid_numbers_in_custom_ids_cause_no_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    async with answered_scene(tmp_path, caplog) as here:
        click = here.forge(name, "Mia")
        await here.wait_until_answered([click])
        assert [
            message.current_state.content
            for message in here.responses_to(click)
            if "went wrong" in message.current_state.content
        ] == []
        assert here.error_messages() == []


ACTIONS_ELSEWHERE = [
    ButtonAction.STOP,
    ButtonAction.REGENERATE,
    ButtonAction.SOURCES,
    ButtonAction.COPY,
    ButtonAction.THUMBS_UP,
    ButtonAction.THUMBS_DOWN,
    ButtonAction.FEEDBACK_MODAL,
]


@pytest.mark.parametrize("who", ["Ada", "Ben"])
async def test_custom_ids_from_another_guild_or_channel_are_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, who: str
) -> None:
    async with answered_scene(tmp_path, caplog) as here:
        world = here.bot.simulator.world
        other = world.people.say(world.find_channel("general").id, world.find_user("Ada").id, "Never mind.")
        before = await here.snapshot()
        names = [format_custom_id(action, here.answer_id) for action in ACTIONS_ELSEWHERE]
        ways = [
            *(here.forge(name, who, here.elsewhere) for name in names),
            *(here.forge(name, who, world.find_channel("random")) for name in names),
            *(here.forge(name, who, on=other.id) for name in names),
            here.forge(f"docs:remove:{hash_document('refunds.md')}", who, here.elsewhere),
            here.forge(f"reindex:cancel:{here.answer_id}", who, here.elsewhere),
            here.forge(f"reindex:failures:{here.answer_id}", who, here.elsewhere),
        ]
        await assert_refused(here, ways)
        assert all(here.responses_to(click) for click in ways)
        assert await here.snapshot() == before


async def test_buttons_of_another_member_are_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with answered_scene(tmp_path, caplog) as here:
        before = await here.snapshot()
        ada = here.bot.simulator.world.find_user("Ada").id
        ways = [
            here.forge(format_custom_id(ButtonAction.STOP, here.answer_id), "Ben"),
            here.forge(format_custom_id(ButtonAction.REGENERATE, here.answer_id), "Ben"),
            here.forge(f"forget:confirm:{ada}", "Ben"),
            here.forge(f"docs:remove:{hash_document('refunds.md')}", "Ben"),
            here.forge(f"docs:remove:{hash_document('refunds.md')}", "Mia"),  # two guilds share the documents
            here.forge("docs:page:0:", "Ben"),
            here.forge(gaps.format_custom_id(gaps.ButtonAction.PAGE, 30, 0), "Ben"),
            here.forge(gaps.format_custom_id(gaps.ButtonAction.DONE, 30, 0), "Ben"),
            here.forge(f"reindex:cancel:{here.answer_id}", "Ben"),
            here.forge(f"reindex:failures:{here.answer_id}", "Ben"),
        ]
        await assert_refused(here, ways)
        assert all(here.responses_to(click) for click in ways)
        assert await here.snapshot() == before


async def test_permissions_in_another_guild_do_not_apply_here(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with answered_scene(tmp_path, caplog) as here:
        before = await here.snapshot()
        ada = here.bot.simulator.world.find_user("Ada").id
        click = here.forge(f"forget:confirm:{ada}", "Ben", here.elsewhere)  # Ben is an admin there
        await here.wait_until_answered([click])
        after = await here.snapshot()
    assert after[0] == before[0] is not None
    assert here.error_messages() == []


async def test_repeated_interactions_are_handled_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with answered_scene(tmp_path, caplog) as here:
        ada = here.bot.simulator.world.find_user("Ada").id
        names = [
            format_custom_id(action, here.answer_id)
            for action in (ButtonAction.REGENERATE, ButtonAction.SOURCES, ButtonAction.COPY, ButtonAction.THUMBS_UP)
        ]
        clicks = [here.forge(name, "Ada") for name in names]
        clicks += [here.forge(f"docs:remove:{hash_document('kitchen.md')}", "Ada"), here.forge("docs:page:0:", "Mia")]
        clicks += [
            here.forge(gaps.format_custom_id(gaps.ButtonAction.PAGE, 30, 0), "Mia"),
            here.forge("reindex:cancel:1", "Mia"),
        ]
        for click in clicks:
            here.replay(click)
        await here.wait_until_answered(clicks)
        await here.bot.wait_until(lambda: len(here.bot.model.chat_requests) == 2)
        forgetting = here.forge(f"forget:confirm:{ada}", "Ada")
        here.replay(forgetting)
        await here.wait_until_answered([forgetting])
        for click in (*clicks, forgetting):
            here.replay(click)
        await asyncio.sleep(0.5)
        callbacks = [request for request in here.bot.simulator.requests if "/interactions/" in request.path]
        statuses = {request.status for request in here.bot.simulator.requests}
    assert len(here.bot.model.chat_requests) == 2
    assert len(callbacks) == len({request.path for request in callbacks})
    assert all(status < 300 for status in statuses)
    assert here.error_messages() == []
