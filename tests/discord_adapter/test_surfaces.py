"""Where an answer appears: Discord's refusals become two words, and its headers reach the right lane."""

from __future__ import annotations

import asyncio
import hashlib
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import aiohttp
import discord
import pytest

from bot.discord_adapter import (
    ChannelSurface,
    InteractionSurface,
    Place,
    channel_lane,
    interaction_lane,
    lane_of,
    rate_limit_trace,
)
from bot.discord_adapter.http import made_meanwhile
from bot.simulator.faults import Fault, Trouble
from bot.simulator.rate_limits import Counters
from bot.simulator.server import StandIn
from bot.simulator.world import Clock, MessageFlag, Permission
from bot.streaming import (
    Deadlines,
    Driver,
    Edit,
    Ended,
    FileRefused,
    Lanes,
    Post,
    SurfaceBusy,
    SurfaceGone,
    Urgency,
    posting,
)
from tests.fakes.discord_client import connected
from tests.fakes.scripted_source import ScriptedTelling

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from bot.simulator.rate_limits import Bucket, Verdict
    from bot.simulator.world import Channel, Message


class Taker(discord.Client):
    """A client that takes an interaction, acknowledges it and leaves the rest to the test."""

    def __init__(self, lanes: Lanes, *, is_ephemeral: bool) -> None:
        super().__init__(
            intents=discord.Intents.default(), http_trace=rate_limit_trace(lanes), guild_ready_timeout=0.05
        )
        self.is_ephemeral = is_ephemeral
        self.taken: asyncio.Queue[discord.Interaction[Any]] = asyncio.Queue()

    async def on_interaction(self, interaction: discord.Interaction[Any]) -> None:
        await interaction.response.defer(thinking=True, ephemeral=self.is_ephemeral)
        self.taken.put_nowait(interaction)


@dataclass(frozen=True, slots=True)
class Scene:
    """A question asked in #general and acknowledged."""

    standin: StandIn
    client: Taker
    clock: Clock
    lanes: Lanes
    interaction: discord.Interaction[Any]

    @property
    def channel(self) -> Channel:
        return self.standin.world.channel_named("general")

    def shown(self) -> list[Message]:
        return self.standin.world.history(self.channel.id)

    def contents(self) -> list[str]:
        return [message.now.content for message in self.shown()]

    def routes(self) -> list[str]:
        calls = [call for call in self.standin.requests if call.body and "content" in call.body]
        return [f"{call.method} {call.path.split('/')[1]}" for call in calls]

    def reply(self) -> ChannelSurface:
        return ChannelSurface(self.client, self.channel.id, key="answer 1")


def row(custom_id: str) -> dict[str, Any]:
    button = {"type": 2, "style": 2, "label": custom_id.title(), "custom_id": custom_id}
    return {"type": 1, "components": [button]}


class Buttons:
    """Stop while the answer is written, Copy afterwards."""

    def __init__(self) -> None:
        self.told: list[Place] = []
        self.seen: list[tuple[int, ...]] = []

    def while_writing(self) -> list[dict[str, Any]]:
        return [row("stop")]

    def afterwards(self, message_ids: Sequence[int]) -> list[dict[str, Any]]:
        self.seen.append(tuple(message_ids))
        return [row("copy")]

    async def finished(self, place: Place) -> None:
        self.told.append(place)


class OneBudget(Counters):
    """Counts posts and edits in the bucket that Discord names for both."""

    def take(self, bucket: Bucket | None, now: float, *, counts_overall: bool) -> Verdict | None:
        shared = replace(bucket, lane=bucket.hash) if bucket else None
        return super().take(shared, now, counts_overall=counts_overall)


class BrokenButtons(Buttons):
    """Nothing of it works."""

    def while_writing(self) -> list[dict[str, Any]]:
        raise KeyError("while writing")

    async def finished(self, place: Place) -> None:
        raise OSError(place.channel_id)


def pressable(message: Message) -> list[str]:
    return [button["custom_id"] for line in message.now.components for button in line["components"]]


@asynccontextmanager
async def asked(*, is_ephemeral: bool = False) -> AsyncGenerator[Scene]:
    clock, lanes = Clock(), Lanes()
    client = Taker(lanes, is_ephemeral=is_ephemeral)
    async with StandIn(clock=clock) as standin, connected(client, standin):
        world = standin.world
        channel = world.channel_named("general")
        world.register(channel.guild_id, [{"name": "ask", "description": "Ask"}])
        world.use_command(channel.id, world.user_named("Ada").id, "ask")
        async with asyncio.timeout(5):
            interaction = await client.taken.get()
        yield Scene(standin, client, clock, lanes, interaction)


@pytest.mark.parametrize(
    ("method", "path", "lane"),
    [
        ("PATCH", "/api/v10/webhooks/1/tok.en/messages/@original", interaction_lane("tok.en")),
        ("PATCH", "/api/v10/webhooks/1/tok.en/messages/77", interaction_lane("tok.en")),
        ("POST", "/api/v10/webhooks/1/tok.en", posting(interaction_lane("tok.en"))),
        ("POST", "/api/v10/channels/42/messages", posting(channel_lane(42))),
        ("PATCH", "/api/v10/channels/42/messages/77", channel_lane(42)),
        ("GET", "/api/v10/channels/42/messages", None),
        ("DELETE", "/api/v10/channels/42/messages/77", None),
        ("POST", "/api/v10/channels/42/typing", None),
        ("POST", "/api/v10/interactions/1/tok.en/callback", None),
        ("GET", "/api/v10/users/@me", None),
    ],
)
def test_a_request_spends_from_the_lane_of_its_message(method: str, path: str, lane: str | None) -> None:
    assert lane_of(method, path) == lane


def test_a_lane_never_holds_the_token() -> None:
    token = "aW50ZXJhY3Rpb246c2VjcmV0"
    assert interaction_lane(token) == f"interaction:{hashlib.sha256(token.encode()).hexdigest()[:16]}"


async def test_an_interactions_first_page_is_its_response_and_the_others_follow() -> None:
    async with asked() as scene:
        surface = InteractionSurface(scene.interaction)
        await surface.post(Post("Searching…"))
        await surface.post(Post("second page"))
        await surface.edit(Edit(0, "first page"))
        await surface.edit(Edit(1, "second page, longer"))
        assert scene.contents() == ["first page", "second page, longer"]
        assert scene.routes() == ["PATCH webhooks", "POST webhooks", "PATCH webhooks", "PATCH webhooks"]


async def test_posting_the_first_page_twice_shows_it_once() -> None:
    async with asked() as scene:
        scene.standin.faults.add(Fault(Trouble.RESET, "PATCH", is_applied=True))
        surface = InteractionSurface(scene.interaction)
        with pytest.raises(SurfaceBusy):
            await surface.post(Post("Searching…"))
        await surface.post(Post("Reading…"))
        assert scene.contents() == ["Reading…"]


async def test_before_its_token_dies_an_interaction_goes_on_in_the_channels_lane() -> None:
    now = 0.0
    async with asked() as scene:
        surface = InteractionSurface(scene.interaction, life=840.0, clock=lambda: now)
        await surface.post(Post("page"))
        assert surface.lane == interaction_lane(scene.interaction.token)
        now = 840.0
        assert surface.lane == channel_lane(scene.channel.id)
        await surface.edit(Edit(0, "the same page"))
        await surface.post(Post("another"))
        assert scene.contents() == ["the same page", "another"]
        assert scene.routes() == ["PATCH webhooks", "PATCH channels", "POST channels"]


async def test_a_token_that_dies_early_costs_nothing_visible() -> None:
    async with asked() as scene:
        surface = InteractionSurface(scene.interaction)
        await surface.post(Post("page"))
        scene.clock.advance(16 * 60)
        await surface.edit(Edit(0, "the same page"))
        assert scene.contents() == ["the same page"]
        assert surface.lane == channel_lane(scene.channel.id)


async def test_where_the_bot_is_no_member_a_dead_token_is_the_end() -> None:
    async with asked() as scene:
        scene.client._connection._guilds.clear()
        surface = InteractionSurface(scene.interaction)
        await surface.post(Post("page"))
        scene.clock.advance(16 * 60)
        with pytest.raises(SurfaceGone):
            await surface.edit(Edit(0, "never seen"))


async def test_an_interactions_answer_lasts_beyond_its_token_where_the_bot_may_go_on_writing() -> None:
    async with asked() as scene:
        surface = InteractionSurface(scene.interaction, life=840.0, clock=lambda: 100.0)
        await surface.post(Post("page"))
        assert surface.lasts_until is None
        assert surface.rests_on is None
        assert scene.reply().lasts_until is None
        assert scene.reply().rests_on == scene.channel.id


async def test_once_its_token_is_not_used_any_more_an_answer_rests_on_the_bots_right() -> None:
    now = 0.0
    async with asked() as scene:
        surface = InteractionSurface(scene.interaction, life=840.0, clock=lambda: now)
        now = 840.0
        assert surface.rests_on == scene.channel.id


async def test_a_right_withdrawn_before_the_token_dies_ends_the_answer_while_it_can_still_be_told() -> None:
    now = 0.0
    async with asked() as scene:
        surface = InteractionSurface(scene.interaction, life=840.0, clock=lambda: now)
        await surface.post(Post("page"))
        world = scene.standin.world
        world.deny(scene.channel.id, world.bot.id, Permission.VIEW_CHANNEL)
        async with asyncio.timeout(5):
            while surface.lasts_until is None:  # noqa: ASYNC110 - no event tells
                await asyncio.sleep(0.01)
        assert surface.lasts_until == 840.0
        now = 841.0
        await surface.edit(Edit(0, "the closing words", is_last=True))
        assert scene.contents() == ["the closing words"]
        assert surface.lane == interaction_lane(scene.interaction.token)


async def test_what_only_the_asker_sees_ends_with_the_token() -> None:
    async with asked(is_ephemeral=True) as scene:
        surface = InteractionSurface(scene.interaction, life=840.0, clock=lambda: 100.0)
        await surface.post(Post("page"))
        assert surface.lasts_until == 940.0


async def test_where_the_bot_is_no_member_an_answer_ends_with_the_token() -> None:
    async with asked() as scene:
        scene.client._connection._guilds.clear()
        assert InteractionSurface(scene.interaction, life=840.0, clock=lambda: 100.0).lasts_until == 940.0


async def test_where_the_bot_may_not_write_an_answer_ends_with_the_token() -> None:
    async with asked() as scene:
        scene.interaction._app_permissions = discord.Permissions(view_channel=True).value
        assert InteractionSurface(scene.interaction, life=840.0, clock=lambda: 100.0).lasts_until == 940.0


async def test_a_deleted_response_is_gone() -> None:
    async with asked() as scene:
        surface = InteractionSurface(scene.interaction)
        await surface.post(Post("page"))
        scene.standin.world.delete(scene.shown()[0].id)
        with pytest.raises(SurfaceGone):
            await surface.edit(Edit(0, "never seen"))


async def test_a_channel_surface_replies_once_and_suppresses_embeds_on_sends_and_edits() -> None:
    async with asked() as scene:
        question = scene.standin.world.say(scene.channel.id, scene.standin.world.user_named("Ada").id, "Refunds?")
        reference = discord.MessageReference(message_id=question.id, channel_id=scene.channel.id)
        surface = ChannelSurface(scene.client, scene.channel.id, key="1", reference=reference)
        await surface.post(Post("Searching…"))
        await surface.post(Post("second page"))
        await surface.edit(Edit(0, "first page"))
        first, second = scene.shown()[-2:]
        bodies = [call.body for call in scene.standin.requests if "/messages" in call.path]
    assert (first.now.content, first.reference) == ("first page", question.id)
    assert (second.now.content, second.reference) == ("second page", None)
    assert first.now.flags & second.now.flags & MessageFlag.SUPPRESS_EMBEDS
    assert all(body["flags"] == 4 and not body["allowed_mentions"]["parse"] for body in bodies)
    assert all(body["enforce_nonce"] and len(body["nonce"]) <= 25 for body in bodies if "nonce" in body)


async def test_a_page_whose_reply_was_lost_is_not_created_twice_and_shows_the_newest_text() -> None:
    async with asked() as scene:
        surface = scene.reply()
        scene.standin.faults.add(Fault(Trouble.RESET, "POST", "/messages", is_applied=True))
        with pytest.raises(SurfaceBusy):
            await surface.post(Post("old"))
        await surface.post(Post("new"))
        assert [content for content in scene.contents() if content] == ["new"]


async def test_a_page_that_is_created_again_as_it_was_needs_no_edit_that_no_lane_has_counted() -> None:
    async with asked() as scene:
        surface = scene.reply()
        scene.standin.faults.add(Fault(Trouble.RESET, "POST", "/messages", is_applied=True))
        with pytest.raises(SurfaceBusy):
            await surface.post(Post("page"))
        await surface.post(Post("page"))
        assert [content for content in scene.contents() if content] == ["page"]
        assert scene.routes() == ["POST channels", "POST channels"]


async def test_pages_put_onto_an_earlier_answers_messages_leave_none_of_its_files_there() -> None:
    async with asked() as scene:
        earlier = scene.reply()
        await earlier.post(Post("the end", is_sealed=True, is_last=True, attached="the whole of it"))
        later = ChannelSurface(scene.client, scene.channel.id, key="answer 2", onto=earlier.message_ids)
        await later.post(Post("another", is_sealed=True, is_last=True))
        (message,) = [shown for shown in scene.shown() if shown.id in later.message_ids]
        assert (message.now.content, list(message.now.attachments)) == ("another", [])


async def test_should_posts_and_edits_be_one_budget_nothing_of_an_answer_is_lost() -> None:
    words = [f"word{number} " for number in range(900)]
    async with asked() as scene:
        scene.standin.counters = OneBudget()
        telling = ScriptedTelling([(0.005, word) for word in words])
        answer = Driver(scene.lanes).run(telling, scene.reply(), key="1")
        async with asyncio.timeout(60):
            assert await answer == Ended()
        shown = "\n".join(content for content in scene.contents() if content)
    assert all(word.strip() in shown.split() for word in words)
    assert shown.endswith(telling.footer)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault(Trouble.STATUS, status=503), SurfaceBusy),
        (Fault(Trouble.RESET), SurfaceBusy),
        (Fault(Trouble.PAGE, status=429), SurfaceBusy),
        (Fault(Trouble.STATUS, status=404), SurfaceGone),
        (Fault(Trouble.STATUS, status=403), SurfaceGone),
        (Fault(Trouble.STATUS, status=400), SurfaceGone),
    ],
)
async def test_only_what_may_pass_is_worth_another_try(fault: Fault, expected: type[Exception]) -> None:
    async with asked() as scene:
        surface = scene.reply()
        await surface.post(Post("page"))
        scene.standin.faults.add(fault)
        with pytest.raises(expected):
            await surface.edit(Edit(0, "another text"))


@pytest.mark.parametrize(
    ("fault", "retry_after"),
    [
        (Fault(Trouble.STATUS, status=503), 1.0),
        (Fault(Trouble.STATUS, status=500), 1.0),
        (Fault(Trouble.PAGE, status=502), 1.0),
        (Fault(Trouble.PAGE, status=200), 1.0),
        (Fault(Trouble.LIMITED, retry_after=3.0, scope="user"), 3.0),
        (Fault(Trouble.LIMITED, retry_after=2.5, scope="shared"), 3.0),
    ],
)
async def test_a_response_that_cannot_be_edited_now_is_never_slept_on(fault: Fault, retry_after: float) -> None:
    async with asked() as scene:
        surface = InteractionSurface(scene.interaction)
        await surface.post(Post("page"))
        scene.standin.faults.add(fault)
        async with asyncio.timeout(0.5):
            with pytest.raises(SurfaceBusy) as caught:
                await surface.edit(Edit(0, "newer"))
            await surface.edit(Edit(0, "newest"))
    assert caught.value.retry_after == pytest.approx(retry_after, abs=0.1)


async def test_spending_the_last_token_of_a_window_does_not_wait_for_the_next() -> None:
    async with asked() as scene:
        surface = InteractionSurface(scene.interaction)
        async with asyncio.timeout(0.5):
            await surface.post(Post("page"))
            for n in range(4):
                await surface.edit(Edit(0, f"text {n}"))
            with pytest.raises(SurfaceBusy):
                await surface.edit(Edit(0, "one too many"))


async def test_a_permission_taken_away_is_gone() -> None:
    async with asked() as scene:
        scene.standin.world.deny(scene.channel.id, scene.standin.world.bot.id, Permission.SEND_MESSAGES)
        with pytest.raises(SurfaceGone):
            await scene.reply().post(Post("never seen"))


async def test_lanes_learn_from_the_headers_of_every_answer() -> None:
    async with asked() as scene:
        surface = scene.reply()
        await surface.post(Post("page"))
        for n in range(4):
            await surface.edit(Edit(0, f"text {n}"))
        now = time.monotonic()
        assert scene.lanes.wait(surface.lane, Urgency.TEXT, now) > 1.0
        assert scene.lanes.wait("channel:another", Urgency.TEXT, now) == 0.0


@pytest.mark.parametrize(
    ("path", "waits"),
    [("users/@me", True), ("channels/7/typing", True), ("webhooks/1/token/messages/@original", False)],
)
async def test_requests_beside_the_lanes_count_in_what_the_bot_as_a_whole_may_do(path: str, waits: bool) -> None:
    lanes = Lanes()
    trace = rate_limit_trace(lanes, clock=lambda: 0.0)
    async with StandIn() as standin, aiohttp.ClientSession(trace_configs=[trace]) as session:
        for _ in range(40):
            await session.get(f"{standin.api_url}/{path}")
    assert (lanes.wait(channel_lane(1), Urgency.FINAL, 0.0) > 0) is waits


async def test_a_429_keeps_its_lane_shut_for_as_long_as_it_says() -> None:
    lanes = Lanes()
    async with StandIn() as standin, aiohttp.ClientSession(trace_configs=[rate_limit_trace(lanes)]) as session:
        standin.faults.add(Fault(Trouble.LIMITED, retry_after=7.0))
        async with session.patch(f"{standin.api_url}/webhooks/1/token/messages/@original") as response:
            assert response.status == 429
    wait = lanes.wait(interaction_lane("token"), Urgency.FINAL, time.monotonic())
    assert wait == pytest.approx(7.0, abs=0.5)


async def test_an_answer_without_headers_teaches_nothing() -> None:
    lanes = Lanes()
    async with StandIn() as standin, aiohttp.ClientSession(trace_configs=[rate_limit_trace(lanes)]) as session:
        standin.faults.add(Fault(Trouble.PAGE, status=429))
        async with session.patch(f"{standin.api_url}/webhooks/1/token/messages/@original") as response:
            assert response.status == 429
    assert lanes.wait(interaction_lane("token"), Urgency.FINAL, time.monotonic()) == 0.0


@pytest.mark.parametrize("is_interaction", [True, False])
async def test_stop_stands_below_the_page_being_written_and_what_comes_afterwards_below_the_last(
    is_interaction: bool,
) -> None:
    async with asked() as scene:
        buttons = Buttons()
        surface = (
            InteractionSurface(scene.interaction, controls=buttons)
            if is_interaction
            else ChannelSurface(scene.client, scene.channel.id, key="1", controls=buttons)
        )
        await surface.post(Post("Searching…"))
        first = scene.shown()[-1]
        assert pressable(first) == ["stop"]
        await surface.edit(Edit(0, "first page", is_sealed=True))
        assert pressable(first) == []
        await surface.post(Post("second"))
        second = scene.shown()[-1]
        assert pressable(second) == ["stop"]
        assert buttons.told == []
        await surface.edit(Edit(1, "second page", is_sealed=True, is_last=True))
        assert [pressable(first), pressable(second)] == [[], ["copy"]]
        assert buttons.seen == [(first.id, second.id)]
        assert buttons.told == [Place(scene.channel.guild_id, scene.channel.id, (first.id, second.id))]


async def test_a_page_that_is_posted_as_the_last_one_has_its_buttons_and_is_told_once() -> None:
    async with asked() as scene:
        buttons = Buttons()
        surface = InteractionSurface(scene.interaction, controls=buttons)
        scene.standin.faults.add(Fault(Trouble.RESET, "PATCH", is_applied=True))
        last = Post("No answer.", is_sealed=True, is_last=True)
        with pytest.raises(SurfaceBusy):
            await surface.post(last)
        await surface.post(last)
        (message,) = scene.shown()
        assert pressable(message) == ["copy"]
        assert [place.message_ids for place in buttons.told] == [(message.id,)]


async def test_controls_that_fail_take_no_text_away() -> None:
    async with asked() as scene:
        surface = InteractionSurface(scene.interaction, controls=BrokenButtons())
        await surface.post(Post("Searching…"))
        await surface.edit(Edit(0, "All of it.", is_sealed=True, is_last=True))
        assert scene.contents() == ["All of it."]


async def test_without_controls_components_are_left_alone() -> None:
    async with asked() as scene:
        await InteractionSurface(scene.interaction).post(Post("page"))
        assert all("components" not in (call.body or {}) for call in scene.standin.requests if "/messages" in call.path)


@pytest.mark.parametrize("is_interaction", [True, False])
async def test_the_whole_answer_comes_as_a_file(is_interaction: bool) -> None:
    async with asked() as scene:
        surface = InteractionSurface(scene.interaction) if is_interaction else scene.reply()
        await surface.post(Post("Searching…"))
        action = Edit(0, "The end.", is_sealed=True, is_last=True, attached="# All of it — \ud800\n")
        await surface.edit(action)
        await surface.edit(action)
        (file,) = scene.shown()[-1].now.attachments
        assert (file.filename, file.content.decode()) == ("answer.md", "# All of it — ?\n")
        assert scene.shown()[-1].now.content == "The end."
        assert scene.shown()[-1].now.flags & MessageFlag.SUPPRESS_EMBEDS


async def test_where_files_are_not_allowed_that_is_said_before_all_is_given_up() -> None:
    async with asked() as scene:
        scene.standin.world.deny(scene.channel.id, scene.standin.world.bot.id, Permission.ATTACH_FILES)
        surface = scene.reply()
        with pytest.raises(FileRefused):
            await surface.post(Post("The end.", is_sealed=True, is_last=True, attached="all of it"))
        await surface.post(Post("The end.", is_sealed=True, is_last=True))
        assert scene.contents()[-1] == "The end."


@pytest.mark.parametrize(
    "fault", [Fault(Trouble.RESET, "POST", is_applied=True), Fault(Trouble.STATUS, "POST", status=503, is_applied=True)]
)
async def test_a_follow_up_whose_reply_was_lost_is_found_and_not_posted_twice(fault: Fault) -> None:
    async with asked() as scene:
        surface = InteractionSurface(scene.interaction)
        await surface.post(Post("first page"))
        scene.standin.faults.add(fault)
        with pytest.raises(SurfaceBusy):
            await surface.post(Post("old"))
        await surface.post(Post("new"))
        await surface.post(Post("third page"))
        await surface.edit(Edit(1, "newest"))
        assert scene.contents() == ["first page", "newest", "third page"]


@pytest.mark.parametrize(
    "fault",
    [
        Fault(Trouble.RESET, "POST"),
        Fault(Trouble.STATUS, "POST", status=503),
        Fault(Trouble.LIMITED, "POST", retry_after=0.1),
    ],
)
async def test_a_follow_up_that_was_not_made_is_posted_the_next_time(fault: Fault) -> None:
    async with asked() as scene:
        surface = InteractionSurface(scene.interaction)
        await surface.post(Post("first page"))
        scene.standin.faults.add(fault)
        with pytest.raises(SurfaceBusy):
            await surface.post(Post("old"))
        await surface.post(Post("new"))
        assert scene.contents() == ["first page", "new"]


async def test_where_the_bot_may_not_look_a_page_is_rather_posted_twice_than_lost() -> None:
    async with asked() as scene:
        surface = InteractionSurface(scene.interaction)
        await surface.post(Post("first page"))
        scene.standin.world.deny(scene.channel.id, scene.standin.world.bot.id, Permission.VIEW_CHANNEL)
        scene.standin.faults.add(Fault(Trouble.RESET, "POST"))
        with pytest.raises(SurfaceBusy):
            await surface.post(Post("old"))
        await surface.post(Post("new"))
        assert scene.contents() == ["first page", "new"]


@pytest.mark.parametrize(
    ("listed", "made"),
    [
        ([], None),
        ([(4, 77)], None),
        ([(5, 77)], None),
        ([(9, 77), (7, 77), (6, 78), (8, None)], 7),
        ([(6, 78), (8, None)], None),
    ],
)
def test_only_this_interactions_later_messages_are_the_one_that_was_made(
    listed: list[tuple[int, int | None]], made: int | None
) -> None:
    messages: list[dict[str, Any]] = [
        {"id": str(number)} | ({} if origin is None else {"interaction_metadata": {"id": str(origin)}})
        for number, origin in listed
    ]
    assert made_meanwhile(messages, 5, 77) == made


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_a_message_in_a_channel_that_cannot_be_sent_now_is_never_slept_on(status: int) -> None:
    async with asked() as scene:
        surface = scene.reply()
        scene.standin.faults.add(Fault(Trouble.STATUS, "POST", status=status))
        async with asyncio.timeout(0.5):
            with pytest.raises(SurfaceBusy):
                await surface.post(Post("page"))
            await surface.post(Post("page"))
            scene.standin.faults.add(Fault(Trouble.STATUS, "PATCH", status=status))
            with pytest.raises(SurfaceBusy):
                await surface.edit(Edit(0, "newer"))
            await surface.edit(Edit(0, "newest"))
        assert scene.contents()[-1] == "newest"


async def test_spending_the_last_token_of_a_channels_window_does_not_wait_either() -> None:
    async with asked() as scene:
        surface = scene.reply()
        async with asyncio.timeout(0.5):
            await surface.post(Post("page"))
            for n in range(5):
                await surface.edit(Edit(0, f"text {n}"))
            with pytest.raises(SurfaceBusy) as caught:
                await surface.edit(Edit(0, "one too many"))
    assert 3.0 < caught.value.retry_after <= 5.0


async def test_what_only_the_asker_sees_is_never_tried_in_the_channel() -> None:
    async with asked(is_ephemeral=True) as scene:
        surface = InteractionSurface(scene.interaction, life=0.2)
        await surface.post(Post("page"))
        await asyncio.sleep(0.2)
        await surface.edit(Edit(0, "the same page"))
        assert scene.contents() == ["the same page"]
        assert surface.lane == interaction_lane(scene.interaction.token)


async def test_an_answer_has_its_messages_and_is_in_its_channel_and_its_guild() -> None:
    async with asked() as scene:
        for surface in (InteractionSurface(scene.interaction), scene.reply()):
            await surface.post(Post("page"))
            message, places = scene.shown()[-1].id, [scene.channel.id, scene.channel.guild_id or 0]
            assert surface.has_message(message)
            assert all(map(surface.is_in, places))
            assert not surface.is_in(message)
            assert not any(map(surface.has_message, places))
            assert not surface.is_in(scene.standin.world.channel_named("random").id)


@pytest.mark.parametrize(("scope", "elsewhere"), [("global", 7.0), ("shared", 0.0), ("user", 0.0)])
async def test_a_429_for_the_whole_bot_shuts_every_lane_and_any_other_only_its_own(
    scope: str, elsewhere: float
) -> None:
    async with asked() as scene:
        scene.standin.faults.add(Fault(Trouble.LIMITED, "PATCH", retry_after=7.0, scope=scope))
        surface = scene.reply()
        await surface.post(Post("page"))
        with pytest.raises(SurfaceBusy):
            await surface.edit(Edit(0, "too much"))
        now = time.monotonic()
        assert scene.lanes.wait(surface.lane, Urgency.FINAL, now) == pytest.approx(7.0, abs=0.5)
        other = scene.lanes.wait(channel_lane(1), Urgency.FINAL, now)
        assert other == pytest.approx(elsewhere, abs=0.5)


async def test_a_429_for_the_whole_bot_counts_on_any_route() -> None:
    async with asked() as scene:
        scene.standin.faults.add(Fault(Trouble.LIMITED, "GET", retry_after=1.0, scope="global"))
        reading = asyncio.create_task(scene.client.fetch_channel(scene.channel.id))
        async with asyncio.timeout(5):
            while not scene.lanes.wait("interaction:1", Urgency.FINAL, time.monotonic()):  # noqa: ASYNC110 - no event tells
                await asyncio.sleep(0.01)
            await reading


async def test_an_answer_that_outlives_its_token_goes_on_in_the_channel_to_its_last_button() -> None:
    words = [f"word{n} " for n in range(420)]
    async with asked() as scene:
        buttons = Buttons()
        surface = InteractionSurface(scene.interaction, controls=buttons, clock=scene.clock)
        telling = ScriptedTelling([(0.01, word) for word in words])
        driver = Driver(scene.lanes, deadlines=Deadlines(total=3_600.0))
        answer = asyncio.create_task(driver.run(telling, surface, key="1"))
        await asyncio.sleep(1.5)
        scene.clock.advance(16 * 60)
        assert await answer == Ended()
        first, second = scene.shown()
        calls = scene.standin.requests
    assert second.now.content.endswith(f"{words[-1].strip()}\n\n{telling.footer}")
    assert f"{first.now.content} {second.now.content}".startswith("".join(words).strip())
    assert [pressable(first), pressable(second)] == [[], ["copy"]]
    assert [place.message_ids for place in buttons.told] == [(first.id, second.id)]
    assert not [call for call in calls if call.status in {401, 429}]
    changes = [state.time for message in (first, second) for state in message.states]
    gaps = [later - earlier for earlier, later in pairwise(sorted(changes))]
    assert max(gap for gap in gaps if gap < 60) < 2.5
