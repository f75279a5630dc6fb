"""Clicks on what the bot never made, from where it does not stand, by whom it is not for, or twice: nothing is done."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pytest

from bot.admin import gaps, reindex_runs
from bot.discord_adapter.answer_buttons import Deed, custom_id
from bot.records import SqlRecords
from bot.settings import setting_names
from bot.simulator.world import EVERYTHING, InteractionCreated, InteractionKind
from cogs.docs import digest
from tests.fakes.deployment import deployed
from tests.fakes.openai_server import spoken

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from pathlib import Path

    from bot.simulator.world import Channel, Interaction, Message
    from tests.fakes.deployment import Deployment

UNKNOWN_KEY: Final = "12345678901234567890"
MALFORMED: Final = [
    *("answer:", "answer:stop", "answer:stop:", "answer:erase:1", "answer:stop:1:2", "answer:stop:-1", "answer:STOP:1"),
    *("answer:stop:1\n", "answer:sources:٣", "answer:copy:1 OR 1=1", f"answer:again:{UNKNOWN_KEY}1", "answer::"),
    *(
        "reindex:cancel:",
        "reindex:cancel:x",
        "reindex:failures:",
        "reindex:failures:../x",
        "reindex:cancel:" + UNKNOWN_KEY,
    ),
    *("docs:page:", "docs:page:x:", "docs:page:-:", "docs:page:٣:shared"),
    *("docs:remove:", "docs:remove:x", "docs:remove:../../records.sqlite", "docs:remove:" + "0" * 24),
    *("gaps:", "gaps:done", "gaps:erase:30:0", "gaps:done:0:0", "gaps:page:366:0", "gaps:page:30:-1", "gaps:page:30:x"),
    *("forget:", "forget:x", "forget:-1", "forget:1:2", "forget:٣", "forget:1\n"),
]
BEGINNINGS: Final = ["answer:stop:", "reindex:cancel:", "docs:page:", "docs:remove:", "gaps:done:30:", "forget:"]
OVERLONG: Final = [
    f"{beginning}{sign * 5_000}" for beginning in BEGINNINGS for sign in ("9", "x", ":", "\N{GRINNING FACE}")
]


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in setting_names():
        monkeypatch.delenv(name, raising=False)


@dataclass(frozen=True, slots=True)
class Scene:
    """An answer of Ada's, and what was logged. Mia is an admin; ``elsewhere`` is another guild, where Ben is one."""

    bot: Deployment
    answer: Message
    elsewhere: Channel
    caplog: pytest.LogCaptureFixture

    @property
    def key(self) -> str:
        return str(self.answer.interaction_id)

    def forge(self, name: str, who: str, place: Channel | None = None, *, on: int | None = None) -> Interaction:
        """A click on a component that is not there."""
        world = self.bot.standin.world
        place, message_id = place or world.channel_named("general"), on or self.answer.id
        data = {"custom_id": name, "component_type": 2}
        user = world.user_named(who)
        return world._interact(InteractionKind.COMPONENT, place.id, user.id, data, message_id=message_id)

    def replay(self, interaction: Interaction) -> None:
        """The gateway hands the same event out again."""
        world = self.bot.standin.world
        world.tell(InteractionCreated(world.clock(), interaction))

    async def done(self, clicks: Sequence[Interaction]) -> None:
        """Wait until each was answered, or for as long as the bot would take."""
        try:
            async with asyncio.timeout(3):
                while not all(click.acknowledged_at for click in clicks):  # noqa: ASYNC110 - the far side of a socket
                    await asyncio.sleep(0.02)
        except TimeoutError:
            pass
        await asyncio.sleep(0.3)

    def told(self, click: Interaction) -> list[Message]:
        return [m for m in self.bot.standin.world.messages.values() if m.interaction_id == click.id]

    async def state(self) -> tuple[object, ...]:
        """All that a click could change."""
        async with SqlRecords.opened_file(self.bot.settings.state_dir / "records.sqlite") as records:
            guild_id = self.bot.standin.world.channel_named("general").guild_id
            return (
                await records.recall(self.key),
                await records.votes(self.key),
                await records.acts(guild_id, 100),
                await records.acts(self.elsewhere.guild_id, 100),
                await records.unfinished_runs(),
                sorted(path.name for path in self.bot.settings.data_dir.rglob("*")),
                [list(message.states) for message in self.bot.shown() if message.audience is None],
                len(self.bot.model.requests),
            )

    def complaints(self) -> list[str]:
        """Lines in the log that name a fault of ours."""
        return [line.getMessage() for line in self.caplog.records if line.exc_info or line.levelno >= logging.ERROR]


@asynccontextmanager
async def scene(folder: Path, caplog: pytest.LogCaptureFixture) -> AsyncGenerator[Scene]:
    async with deployed(folder, spoken("Five days [1]."), embed_model="none") as bot:
        world = bot.standin.world
        other = world.add_guild("Elsewhere")
        elsewhere = world.add_channel(other.id, "elsewhere")
        for name in ("Ada", "Ben", "Mia"):
            world.add_member(other.id, world.user_named(name).id, EVERYTHING if name == "Ben" else 0)  # type: ignore[arg-type]
        await bot.answered()
        caplog.clear()
        yield Scene(bot, bot.shown()[0], elsewhere, caplog)


async def refused(here: Scene, clicks: Sequence[Interaction]) -> None:
    """Each was answered with a sentence that its sender alone sees, or not at all, and there are no complaints."""
    await here.done(clicks)
    told = [message for click in clicks for message in here.told(click)]
    names = {click.name[:40] for click in clicks for message in here.told(click) if "went wrong" in message.now.content}
    assert names == set()
    assert all(message.audience is not None and message.now.content.endswith(".") for message in told)
    assert here.complaints() == []


@pytest.mark.parametrize("who", ["Ada", "Mia"])
@pytest.mark.parametrize("names", [MALFORMED, OVERLONG], ids=["malformed", "overlong"])
async def test_what_was_never_made_is_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, who: str, names: list[str]
) -> None:
    async with scene(tmp_path, caplog) as here:
        before = await here.state()
        clicks = [here.forge(name, who) for name in names]
        await refused(here, clicks)
        assert await here.state() == before


@pytest.mark.parametrize(
    "name",
    [
        "docs:page:--5:",
        f"docs:page:{'9' * 5_000}:",
        "forget:99999999999999999999",
        "gaps:page:30:999",
    ],
    ids=lambda name: name[:24],
)
async def test_a_number_that_is_none_or_too_large_is_no_fault_of_ours(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    async with scene(tmp_path, caplog) as here:
        click = here.forge(name, "Mia")
        await here.done([click])
        assert [message.now.content for message in here.told(click) if "went wrong" in message.now.content] == []
        assert here.complaints() == []


ELSEWHERE = [Deed.STOP, Deed.AGAIN, Deed.SOURCES, Deed.COPY, Deed.UP, Deed.DOWN, Deed.MISSING]


@pytest.mark.parametrize("who", ["Ada", "Ben"])
async def test_what_stands_in_another_guild_or_channel_is_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, who: str
) -> None:
    async with scene(tmp_path, caplog) as here:
        world = here.bot.standin.world
        other = world.say(world.channel_named("general").id, world.user_named("Ada").id, "Never mind.")
        before = await here.state()
        names = [custom_id(deed, here.key) for deed in ELSEWHERE]
        ways = [
            *(here.forge(name, who, here.elsewhere) for name in names),
            *(here.forge(name, who, world.channel_named("random")) for name in names),
            *(here.forge(name, who, on=other.id) for name in names),
            here.forge(f"docs:remove:{digest('refunds.md')}", who, here.elsewhere),
            here.forge(f"{reindex_runs.CANCEL}{here.key}", who, here.elsewhere),
            here.forge(f"{reindex_runs.FAILURES}{here.key}", who, here.elsewhere),
        ]
        await refused(here, ways)
        assert all(here.told(click) for click in ways)
        assert await here.state() == before


async def test_what_is_anothers_is_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with scene(tmp_path, caplog) as here:
        before = await here.state()
        ada = here.bot.standin.world.user_named("Ada").id
        ways = [
            here.forge(custom_id(Deed.STOP, here.key), "Ben"),
            here.forge(custom_id(Deed.AGAIN, here.key), "Ben"),
            here.forge(f"forget:{ada}", "Ben"),
            here.forge(f"docs:remove:{digest('refunds.md')}", "Ben"),
            here.forge(f"docs:remove:{digest('refunds.md')}", "Mia"),  # two guilds share the documents
            here.forge("docs:page:0:", "Ben"),
            here.forge(gaps.custom_id(gaps.Deed.PAGE, 30, 0), "Ben"),
            here.forge(gaps.custom_id(gaps.Deed.DONE, 30, 0), "Ben"),
            here.forge(f"{reindex_runs.CANCEL}{here.key}", "Ben"),
            here.forge(f"{reindex_runs.FAILURES}{here.key}", "Ben"),
        ]
        await refused(here, ways)
        assert all(here.told(click) for click in ways)
        assert await here.state() == before


async def test_the_right_of_somebody_elsewhere_does_not_reach_what_was_asked_here(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with scene(tmp_path, caplog) as here:
        before = await here.state()
        ada = here.bot.standin.world.user_named("Ada").id
        click = here.forge(f"forget:{ada}", "Ben", here.elsewhere)  # Ben is an admin there
        await here.done([click])
        after = await here.state()
    assert after[0] == before[0] is not None
    assert here.complaints() == []


async def test_what_comes_twice_is_done_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with scene(tmp_path, caplog) as here:
        ada = here.bot.standin.world.user_named("Ada").id
        names = [custom_id(deed, here.key) for deed in (Deed.AGAIN, Deed.SOURCES, Deed.COPY, Deed.UP)]
        clicks = [here.forge(name, "Ada") for name in names]
        clicks += [here.forge(f"docs:remove:{digest('kitchen.md')}", "Ada"), here.forge("docs:page:0:", "Mia")]
        clicks += [
            here.forge(gaps.custom_id(gaps.Deed.PAGE, 30, 0), "Mia"),
            here.forge(f"{reindex_runs.CANCEL}1", "Mia"),
        ]
        for click in clicks:
            here.replay(click)
        await here.done(clicks)
        await here.bot.until(lambda: len(here.bot.model.chats) == 2)
        forgetting = here.forge(f"forget:{ada}", "Ada")
        here.replay(forgetting)
        await here.done([forgetting])
        for click in (*clicks, forgetting):
            here.replay(click)
        await asyncio.sleep(0.5)
        callbacks = [request for request in here.bot.standin.requests if "/interactions/" in request.path]
        statuses = {request.status for request in here.bot.standin.requests}
    assert len(here.bot.model.chats) == 2
    assert len(callbacks) == len({request.path for request in callbacks})
    assert all(status < 300 for status in statuses)
    assert here.complaints() == []
