"""Where an answer appears: Discord's refusals become two words, and its headers reach the right bucket."""

from __future__ import annotations

import asyncio
import hashlib
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
    MessageLocation,
    bucket_of,
    channel_bucket,
    create_rate_limit_trace,
    interaction_bucket,
)
from bot.discord_adapter.http import find_created_message
from bot.simulator.faults import FailureKind, Fault
from bot.simulator.rate_limits import RateLimitCounters
from bot.simulator.server import DiscordSimulator
from bot.simulator.world import Clock, MessageFlag, Permission
from bot.streaming import (
    Deadlines,
    Driver,
    Edit,
    Ended,
    FileRefused,
    Post,
    RateLimiter,
    SurfaceBusy,
    SurfaceGone,
    Urgency,
    bucket_for_posts,
)
from tests.fakes.discord_client import connect_client
from tests.fakes.scripted_source import ScriptedSource

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from bot.simulator.rate_limits import Bucket, RateLimitResult
    from bot.simulator.world import Channel, Message


class InteractionClient(discord.Client):
    """A client that takes an interaction, acknowledges it and leaves the rest to the test."""

    def __init__(self, rate_limiter: RateLimiter, *, is_ephemeral: bool) -> None:
        super().__init__(
            intents=discord.Intents.default(),
            http_trace=create_rate_limit_trace(rate_limiter),
            guild_ready_timeout=0.05,
        )
        self.is_ephemeral = is_ephemeral
        self.interactions: asyncio.Queue[discord.Interaction[Any]] = asyncio.Queue()

    async def on_interaction(self, interaction: discord.Interaction[Any]) -> None:
        await interaction.response.defer(thinking=True, ephemeral=self.is_ephemeral)
        self.interactions.put_nowait(interaction)


@dataclass(frozen=True, slots=True)
class Scene:
    """A question asked in #general and acknowledged."""

    simulator: DiscordSimulator
    client: InteractionClient
    clock: Clock
    rate_limiter: RateLimiter
    interaction: discord.Interaction[Any]

    @property
    def channel(self) -> Channel:
        return self.simulator.world.find_channel("general")

    def channel_messages(self) -> list[Message]:
        return self.simulator.world.history(self.channel.id)

    def message_contents(self) -> list[str]:
        return [message.current_state.content for message in self.channel_messages()]

    def list_routes(self) -> list[str]:
        calls = [call for call in self.simulator.requests if call.body and "content" in call.body]
        return [f"{call.method} {call.path.split('/')[1]}" for call in calls]

    def create_channel_surface(self) -> ChannelSurface:
        return ChannelSurface(self.client, self.channel.id, nonce_seed="answer 1")


def action_row(custom_id: str) -> dict[str, Any]:
    button = {"type": 2, "style": 2, "label": custom_id.title(), "custom_id": custom_id}
    return {"type": 1, "components": [button]}


class FakeComponents:
    """Stop while the answer is written, Copy afterwards."""

    def __init__(self) -> None:
        self.locations: list[MessageLocation] = []
        self.final_calls: list[tuple[int, ...]] = []

    def streaming(self) -> list[dict[str, Any]]:
        return [action_row("stop")]

    def final(self, message_ids: Sequence[int]) -> list[dict[str, Any]]:
        self.final_calls.append(tuple(message_ids))
        return [action_row("copy")]

    async def on_complete(self, location: MessageLocation) -> None:
        self.locations.append(location)


class SharedBucketCounters(RateLimitCounters):
    """Counts posts and edits in the bucket that Discord names for both."""

    def take(self, bucket: Bucket | None, now: float, *, counts_globally: bool) -> RateLimitResult | None:
        shared = replace(bucket, name=bucket.hash) if bucket else None
        return super().take(shared, now, counts_globally=counts_globally)


class BrokenComponents(FakeComponents):
    """Nothing of it works."""

    def streaming(self) -> list[dict[str, Any]]:
        raise KeyError("while writing")

    async def on_complete(self, location: MessageLocation) -> None:
        raise OSError(location.channel_id)


def find_custom_ids(message: Message) -> list[str]:
    return [button["custom_id"] for line in message.current_state.components for button in line["components"]]


@asynccontextmanager
async def acknowledged_interaction(*, is_ephemeral: bool = False) -> AsyncGenerator[Scene]:
    clock, buckets = Clock(), RateLimiter()
    client = InteractionClient(buckets, is_ephemeral=is_ephemeral)
    async with DiscordSimulator(clock=clock) as simulator, connect_client(client, simulator):
        world = simulator.world
        channel = world.find_channel("general")
        world.bot_api.register_commands(channel.guild_id, [{"name": "ask", "description": "Ask"}])
        world.people.use_command(channel.id, world.find_user("Ada").id, "ask")
        async with asyncio.timeout(5):
            interaction = await client.interactions.get()
        yield Scene(simulator, client, clock, buckets, interaction)


@pytest.mark.parametrize(
    ("method", "path", "bucket"),
    [
        ("PATCH", "/api/v10/webhooks/1/tok.en/messages/@original", interaction_bucket("tok.en")),
        ("PATCH", "/api/v10/webhooks/1/tok.en/messages/77", interaction_bucket("tok.en")),
        ("POST", "/api/v10/webhooks/1/tok.en", bucket_for_posts(interaction_bucket("tok.en"))),
        ("POST", "/api/v10/channels/42/messages", bucket_for_posts(channel_bucket(42))),
        ("PATCH", "/api/v10/channels/42/messages/77", channel_bucket(42)),
        ("GET", "/api/v10/channels/42/messages", None),
        ("DELETE", "/api/v10/channels/42/messages/77", None),
        ("POST", "/api/v10/channels/42/typing", None),
        ("POST", "/api/v10/interactions/1/tok.en/callback", None),
        ("GET", "/api/v10/users/@me", None),
    ],
)
def test_request_counts_in_the_bucket_of_its_message(method: str, path: str, bucket: str | None) -> None:
    assert bucket_of(method, path) == bucket


def test_bucket_id_never_contains_the_token() -> None:
    token = "aW50ZXJhY3Rpb246c2VjcmV0"
    assert interaction_bucket(token) == f"interaction:{hashlib.sha256(token.encode()).hexdigest()[:16]}"


async def test_an_interactions_first_page_is_its_response_and_the_others_follow() -> None:
    async with acknowledged_interaction() as scene:
        surface = InteractionSurface(scene.interaction)
        await surface.post(Post("Searching…"))
        await surface.post(Post("second page"))
        await surface.edit(Edit(0, "first page"))
        await surface.edit(Edit(1, "second page, longer"))
        assert scene.message_contents() == ["first page", "second page, longer"]
        assert scene.list_routes() == ["PATCH webhooks", "POST webhooks", "PATCH webhooks", "PATCH webhooks"]


async def test_posting_the_first_page_twice_shows_it_once() -> None:
    async with acknowledged_interaction() as scene:
        scene.simulator.faults.add(Fault(FailureKind.RESET, "PATCH", is_applied=True))
        surface = InteractionSurface(scene.interaction)
        with pytest.raises(SurfaceBusy):
            await surface.post(Post("Searching…"))
        await surface.post(Post("Reading…"))
        assert scene.message_contents() == ["Reading…"]


async def test_interaction_moves_to_the_channel_bucket_before_its_token_expires() -> None:
    now = 0.0
    async with acknowledged_interaction() as scene:
        surface = InteractionSurface(scene.interaction, lifetime=840.0, clock=lambda: now)
        await surface.post(Post("page"))
        assert surface.bucket == interaction_bucket(scene.interaction.token)
        now = 840.0
        assert surface.bucket == channel_bucket(scene.channel.id)
        await surface.edit(Edit(0, "the same page"))
        await surface.post(Post("another"))
        assert scene.message_contents() == ["the same page", "another"]
        assert scene.list_routes() == ["PATCH webhooks", "PATCH channels", "POST channels"]


async def test_token_that_expires_early_is_invisible_to_the_reader() -> None:
    async with acknowledged_interaction() as scene:
        surface = InteractionSurface(scene.interaction)
        await surface.post(Post("page"))
        scene.clock.advance(16 * 60)
        await surface.edit(Edit(0, "the same page"))
        assert scene.message_contents() == ["the same page"]
        assert surface.bucket == channel_bucket(scene.channel.id)


async def test_expired_token_ends_the_answer_if_the_bot_is_no_member() -> None:
    async with acknowledged_interaction() as scene:
        scene.client._connection._guilds.clear()
        surface = InteractionSurface(scene.interaction)
        await surface.post(Post("page"))
        scene.clock.advance(16 * 60)
        with pytest.raises(SurfaceGone):
            await surface.edit(Edit(0, "never seen"))


async def test_answer_outlives_its_token_if_the_bot_may_write_in_the_channel() -> None:
    async with acknowledged_interaction() as scene:
        surface = InteractionSurface(scene.interaction, lifetime=840.0, clock=lambda: 100.0)
        await surface.post(Post("page"))
        assert surface.lasts_until is None
        assert surface.required_channel_id is None
        assert scene.create_channel_surface().lasts_until is None
        assert scene.create_channel_surface().required_channel_id == scene.channel.id


async def test_answer_depends_on_bot_permissions_once_its_token_is_unused() -> None:
    now = 0.0
    async with acknowledged_interaction() as scene:
        surface = InteractionSurface(scene.interaction, lifetime=840.0, clock=lambda: now)
        now = 840.0
        assert surface.required_channel_id == scene.channel.id


async def test_permission_revoked_before_token_expiry_ends_the_answer_in_time() -> None:
    now = 0.0
    async with acknowledged_interaction() as scene:
        surface = InteractionSurface(scene.interaction, lifetime=840.0, clock=lambda: now)
        await surface.post(Post("page"))
        world = scene.simulator.world
        world.admin.deny(scene.channel.id, world.bot.id, Permission.VIEW_CHANNEL)
        async with asyncio.timeout(5):
            while surface.lasts_until is None:  # noqa: ASYNC110 - no event tells
                await asyncio.sleep(0.01)
        assert surface.lasts_until == 840.0
        now = 841.0
        await surface.edit(Edit(0, "the closing words", is_last=True))
        assert scene.message_contents() == ["the closing words"]
        assert surface.bucket == interaction_bucket(scene.interaction.token)


async def test_ephemeral_answer_ends_with_its_token() -> None:
    async with acknowledged_interaction(is_ephemeral=True) as scene:
        surface = InteractionSurface(scene.interaction, lifetime=840.0, clock=lambda: 100.0)
        await surface.post(Post("page"))
        assert surface.lasts_until == 940.0


async def test_answer_ends_with_its_token_if_the_bot_is_no_member() -> None:
    async with acknowledged_interaction() as scene:
        scene.client._connection._guilds.clear()
        assert InteractionSurface(scene.interaction, lifetime=840.0, clock=lambda: 100.0).lasts_until == 940.0


async def test_answer_ends_with_its_token_if_the_bot_may_not_write() -> None:
    async with acknowledged_interaction() as scene:
        scene.interaction._app_permissions = discord.Permissions(view_channel=True).value
        assert InteractionSurface(scene.interaction, lifetime=840.0, clock=lambda: 100.0).lasts_until == 940.0


async def test_edit_of_a_deleted_response_raises_gone() -> None:
    async with acknowledged_interaction() as scene:
        surface = InteractionSurface(scene.interaction)
        await surface.post(Post("page"))
        scene.simulator.world.delete(scene.channel_messages()[0].id)
        with pytest.raises(SurfaceGone):
            await surface.edit(Edit(0, "never seen"))


async def test_a_channel_surface_replies_once_and_suppresses_embeds_on_sends_and_edits() -> None:
    async with acknowledged_interaction() as scene:
        question = scene.simulator.world.people.say(
            scene.channel.id, scene.simulator.world.find_user("Ada").id, "Refunds?"
        )
        reference = discord.MessageReference(message_id=question.id, channel_id=scene.channel.id)
        surface = ChannelSurface(scene.client, scene.channel.id, nonce_seed="1", reference=reference)
        await surface.post(Post("Searching…"))
        await surface.post(Post("second page"))
        await surface.edit(Edit(0, "first page"))
        first, second = scene.channel_messages()[-2:]
        bodies = [call.body for call in scene.simulator.requests if "/messages" in call.path]
    assert (first.current_state.content, first.reference_id) == ("first page", question.id)
    assert (second.current_state.content, second.reference_id) == ("second page", None)
    assert first.current_state.flags & second.current_state.flags & MessageFlag.SUPPRESS_EMBEDS
    assert all(body["flags"] == 4 and not body["allowed_mentions"]["parse"] for body in bodies)
    assert all(body["enforce_nonce"] and len(body["nonce"]) <= 25 for body in bodies if "nonce" in body)


async def test_a_page_whose_reply_was_lost_is_not_created_twice_and_shows_the_newest_text() -> None:
    async with acknowledged_interaction() as scene:
        surface = scene.create_channel_surface()
        scene.simulator.faults.add(Fault(FailureKind.RESET, "POST", "/messages", is_applied=True))
        with pytest.raises(SurfaceBusy):
            await surface.post(Post("old"))
        await surface.post(Post("new"))
        assert [content for content in scene.message_contents() if content] == ["new"]


async def test_page_created_again_unchanged_needs_no_uncounted_edit() -> None:
    async with acknowledged_interaction() as scene:
        surface = scene.create_channel_surface()
        scene.simulator.faults.add(Fault(FailureKind.RESET, "POST", "/messages", is_applied=True))
        with pytest.raises(SurfaceBusy):
            await surface.post(Post("page"))
        await surface.post(Post("page"))
        assert [content for content in scene.message_contents() if content] == ["page"]
        assert scene.list_routes() == ["POST channels", "POST channels"]


async def test_pages_put_onto_an_earlier_answers_messages_leave_none_of_its_files_there() -> None:
    async with acknowledged_interaction() as scene:
        earlier = scene.create_channel_surface()
        await earlier.post(Post("the end", is_sealed=True, is_last=True, attachment_text="the whole of it"))
        later = ChannelSurface(
            scene.client, scene.channel.id, nonce_seed="answer 2", reused_message_ids=earlier.message_ids
        )
        await later.post(Post("another", is_sealed=True, is_last=True))
        (message,) = [shown for shown in scene.channel_messages() if shown.id in later.message_ids]
        assert (message.current_state.content, list(message.current_state.attachments)) == ("another", [])


async def test_answer_is_complete_even_if_posts_and_edits_share_a_bucket() -> None:
    words = [f"word{number} " for number in range(900)]
    async with acknowledged_interaction() as scene:
        scene.simulator.counters = SharedBucketCounters()
        telling = ScriptedSource([(0.005, word) for word in words])
        answer = Driver(scene.rate_limiter).run(telling, scene.create_channel_surface(), answer_id="1")
        async with asyncio.timeout(60):
            assert await answer == Ended()
        shown = "\n".join(content for content in scene.message_contents() if content)
    assert all(word.strip() in shown.split() for word in words)
    assert shown.endswith(telling.footer)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault(FailureKind.STATUS, status=503), SurfaceBusy),
        (Fault(FailureKind.RESET), SurfaceBusy),
        (Fault(FailureKind.HTML_PAGE, status=429), SurfaceBusy),
        (Fault(FailureKind.STATUS, status=404), SurfaceGone),
        (Fault(FailureKind.STATUS, status=403), SurfaceGone),
        (Fault(FailureKind.STATUS, status=400), SurfaceGone),
    ],
)
async def test_only_transient_errors_are_retried(fault: Fault, expected: type[Exception]) -> None:
    async with acknowledged_interaction() as scene:
        surface = scene.create_channel_surface()
        await surface.post(Post("page"))
        scene.simulator.faults.add(fault)
        with pytest.raises(expected):
            await surface.edit(Edit(0, "another text"))


@pytest.mark.parametrize(
    ("fault", "retry_after"),
    [
        (Fault(FailureKind.STATUS, status=503), 1.0),
        (Fault(FailureKind.STATUS, status=500), 1.0),
        (Fault(FailureKind.HTML_PAGE, status=502), 1.0),
        (Fault(FailureKind.HTML_PAGE, status=200), 1.0),
        (Fault(FailureKind.RATE_LIMITED, retry_after=3.0, scope="user"), 3.0),
        (Fault(FailureKind.RATE_LIMITED, retry_after=2.5, scope="shared"), 3.0),
    ],
)
async def test_rate_limited_response_edit_raises_instead_of_sleeping(fault: Fault, retry_after: float) -> None:
    async with acknowledged_interaction() as scene:
        surface = InteractionSurface(scene.interaction)
        await surface.post(Post("page"))
        scene.simulator.faults.add(fault)
        async with asyncio.timeout(0.5):
            with pytest.raises(SurfaceBusy) as caught:
                await surface.edit(Edit(0, "newer"))
            await surface.edit(Edit(0, "newest"))
    assert caught.value.retry_after == pytest.approx(retry_after, abs=0.1)


async def test_last_request_of_a_window_does_not_wait_for_the_next_window() -> None:
    async with acknowledged_interaction() as scene:
        surface = InteractionSurface(scene.interaction)
        async with asyncio.timeout(0.5):
            await surface.post(Post("page"))
            for n in range(4):
                await surface.edit(Edit(0, f"text {n}"))
            with pytest.raises(SurfaceBusy):
                await surface.edit(Edit(0, "one too many"))


async def test_revoked_permission_raises_gone() -> None:
    async with acknowledged_interaction() as scene:
        scene.simulator.world.admin.deny(scene.channel.id, scene.simulator.world.bot.id, Permission.SEND_MESSAGES)
        with pytest.raises(SurfaceGone):
            await scene.create_channel_surface().post(Post("never seen"))


async def test_buckets_learn_from_the_headers_of_every_response() -> None:
    async with acknowledged_interaction() as scene:
        surface = scene.create_channel_surface()
        await surface.post(Post("page"))
        for n in range(4):
            await surface.edit(Edit(0, f"text {n}"))
        now = asyncio.get_running_loop().time()
        assert scene.rate_limiter.seconds_to_wait(surface.bucket, Urgency.TEXT, now) > 1.0
        assert scene.rate_limiter.seconds_to_wait("channel:another", Urgency.TEXT, now) == 0.0


@pytest.mark.parametrize(
    ("path", "waits"),
    [("users/@me", True), ("channels/7/typing", True), ("webhooks/1/token/messages/@original", False)],
)
async def test_requests_without_a_bucket_count_in_the_global_limit(path: str, waits: bool) -> None:
    buckets = RateLimiter()
    trace = create_rate_limit_trace(buckets, clock=lambda: 0.0)
    async with DiscordSimulator() as simulator, aiohttp.ClientSession(trace_configs=[trace]) as session:
        for _ in range(40):
            await session.get(f"{simulator.api_url}/{path}")
    assert (buckets.seconds_to_wait(channel_bucket(1), Urgency.FINAL, 0.0) > 0) is waits


async def test_a_429_blocks_its_bucket_for_retry_after() -> None:
    buckets = RateLimiter()
    async with (
        DiscordSimulator() as simulator,
        aiohttp.ClientSession(trace_configs=[create_rate_limit_trace(buckets)]) as session,
    ):
        simulator.faults.add(Fault(FailureKind.RATE_LIMITED, retry_after=7.0))
        async with session.patch(f"{simulator.api_url}/webhooks/1/token/messages/@original") as response:
            assert response.status == 429
    wait = buckets.seconds_to_wait(interaction_bucket("token"), Urgency.FINAL, asyncio.get_running_loop().time())
    assert wait == pytest.approx(7.0, abs=0.5)


async def test_response_without_headers_changes_no_bucket() -> None:
    buckets = RateLimiter()
    async with (
        DiscordSimulator() as simulator,
        aiohttp.ClientSession(trace_configs=[create_rate_limit_trace(buckets)]) as session,
    ):
        simulator.faults.add(Fault(FailureKind.HTML_PAGE, status=429))
        async with session.patch(f"{simulator.api_url}/webhooks/1/token/messages/@original") as response:
            assert response.status == 429
    assert buckets.seconds_to_wait(interaction_bucket("token"), Urgency.FINAL, asyncio.get_running_loop().time()) == 0.0


@pytest.mark.parametrize("is_interaction", [True, False])
async def test_stop_button_is_on_the_open_page_and_final_buttons_on_the_last(
    is_interaction: bool,
) -> None:
    async with acknowledged_interaction() as scene:
        buttons = FakeComponents()
        surface = (
            InteractionSurface(scene.interaction, components=buttons)
            if is_interaction
            else ChannelSurface(scene.client, scene.channel.id, nonce_seed="1", components=buttons)
        )
        await surface.post(Post("Searching…"))
        first = scene.channel_messages()[-1]
        assert find_custom_ids(first) == ["stop"]
        await surface.edit(Edit(0, "first page", is_sealed=True))
        assert find_custom_ids(first) == []
        await surface.post(Post("second"))
        second = scene.channel_messages()[-1]
        assert find_custom_ids(second) == ["stop"]
        assert buttons.locations == []
        await surface.edit(Edit(1, "second page", is_sealed=True, is_last=True))
        assert [find_custom_ids(first), find_custom_ids(second)] == [[], ["copy"]]
        assert buttons.final_calls == [(first.id, second.id)]
        assert buttons.locations == [MessageLocation(scene.channel.guild_id, scene.channel.id, (first.id, second.id))]


async def test_page_posted_as_the_last_has_its_buttons_and_completes_once() -> None:
    async with acknowledged_interaction() as scene:
        buttons = FakeComponents()
        surface = InteractionSurface(scene.interaction, components=buttons)
        scene.simulator.faults.add(Fault(FailureKind.RESET, "PATCH", is_applied=True))
        last = Post("No answer.", is_sealed=True, is_last=True)
        with pytest.raises(SurfaceBusy):
            await surface.post(last)
        await surface.post(last)
        (message,) = scene.channel_messages()
        assert find_custom_ids(message) == ["copy"]
        assert [place.message_ids for place in buttons.locations] == [(message.id,)]


async def test_failing_components_do_not_lose_text() -> None:
    async with acknowledged_interaction() as scene:
        surface = InteractionSurface(scene.interaction, components=BrokenComponents())
        await surface.post(Post("Searching…"))
        await surface.edit(Edit(0, "All of it.", is_sealed=True, is_last=True))
        assert scene.message_contents() == ["All of it."]


async def test_surface_without_components_leaves_them_unchanged() -> None:
    async with acknowledged_interaction() as scene:
        await InteractionSurface(scene.interaction).post(Post("page"))
        assert all(
            "components" not in (call.body or {}) for call in scene.simulator.requests if "/messages" in call.path
        )


@pytest.mark.parametrize("is_interaction", [True, False])
async def test_the_whole_answer_comes_as_a_file(is_interaction: bool) -> None:
    async with acknowledged_interaction() as scene:
        surface = InteractionSurface(scene.interaction) if is_interaction else scene.create_channel_surface()
        await surface.post(Post("Searching…"))
        action = Edit(0, "The end.", is_sealed=True, is_last=True, attachment_text="# All of it — \ud800\n")
        await surface.edit(action)
        await surface.edit(action)
        (file,) = scene.channel_messages()[-1].current_state.attachments
        assert (file.filename, file.content.decode()) == ("answer.md", "# All of it — ?\n")
        assert scene.channel_messages()[-1].current_state.content == "The end."
        assert scene.channel_messages()[-1].current_state.flags & MessageFlag.SUPPRESS_EMBEDS


async def test_missing_attach_files_is_raised_before_giving_up() -> None:
    async with acknowledged_interaction() as scene:
        scene.simulator.world.admin.deny(scene.channel.id, scene.simulator.world.bot.id, Permission.ATTACH_FILES)
        surface = scene.create_channel_surface()
        with pytest.raises(FileRefused):
            await surface.post(Post("The end.", is_sealed=True, is_last=True, attachment_text="all of it"))
        await surface.post(Post("The end.", is_sealed=True, is_last=True))
        assert scene.message_contents()[-1] == "The end."


@pytest.mark.parametrize(
    "fault",
    [Fault(FailureKind.RESET, "POST", is_applied=True), Fault(FailureKind.STATUS, "POST", status=503, is_applied=True)],
)
async def test_a_follow_up_whose_reply_was_lost_is_found_and_not_posted_twice(fault: Fault) -> None:
    async with acknowledged_interaction() as scene:
        surface = InteractionSurface(scene.interaction)
        await surface.post(Post("first page"))
        scene.simulator.faults.add(fault)
        with pytest.raises(SurfaceBusy):
            await surface.post(Post("old"))
        await surface.post(Post("new"))
        await surface.post(Post("third page"))
        await surface.edit(Edit(1, "newest"))
        assert scene.message_contents() == ["first page", "newest", "third page"]


@pytest.mark.parametrize(
    "fault",
    [
        Fault(FailureKind.RESET, "POST"),
        Fault(FailureKind.STATUS, "POST", status=503),
        Fault(FailureKind.RATE_LIMITED, "POST", retry_after=0.1),
    ],
)
async def test_a_follow_up_that_was_not_made_is_posted_the_next_time(fault: Fault) -> None:
    async with acknowledged_interaction() as scene:
        surface = InteractionSurface(scene.interaction)
        await surface.post(Post("first page"))
        scene.simulator.faults.add(fault)
        with pytest.raises(SurfaceBusy):
            await surface.post(Post("old"))
        await surface.post(Post("new"))
        assert scene.message_contents() == ["first page", "new"]


async def test_page_is_posted_twice_rather_than_lost_without_history_access() -> None:
    async with acknowledged_interaction() as scene:
        surface = InteractionSurface(scene.interaction)
        await surface.post(Post("first page"))
        scene.simulator.world.admin.deny(scene.channel.id, scene.simulator.world.bot.id, Permission.VIEW_CHANNEL)
        scene.simulator.faults.add(Fault(FailureKind.RESET, "POST"))
        with pytest.raises(SurfaceBusy):
            await surface.post(Post("old"))
        await surface.post(Post("new"))
        assert scene.message_contents() == ["first page", "new"]


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
    assert find_created_message(messages, 5, 77) == made


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_rate_limited_channel_message_raises_instead_of_sleeping(status: int) -> None:
    async with acknowledged_interaction() as scene:
        surface = scene.create_channel_surface()
        scene.simulator.faults.add(Fault(FailureKind.STATUS, "POST", status=status))
        async with asyncio.timeout(0.5):
            with pytest.raises(SurfaceBusy):
                await surface.post(Post("page"))
            await surface.post(Post("page"))
            scene.simulator.faults.add(Fault(FailureKind.STATUS, "PATCH", status=status))
            with pytest.raises(SurfaceBusy):
                await surface.edit(Edit(0, "newer"))
            await surface.edit(Edit(0, "newest"))
        assert scene.message_contents()[-1] == "newest"


async def test_last_request_of_a_channel_window_does_not_wait() -> None:
    async with acknowledged_interaction() as scene:
        surface = scene.create_channel_surface()
        async with asyncio.timeout(0.5):
            await surface.post(Post("page"))
            for n in range(5):
                await surface.edit(Edit(0, f"text {n}"))
            with pytest.raises(SurfaceBusy) as caught:
                await surface.edit(Edit(0, "one too many"))
    assert 3.0 < caught.value.retry_after <= 5.0


async def test_ephemeral_answer_is_never_posted_in_the_channel() -> None:
    async with acknowledged_interaction(is_ephemeral=True) as scene:
        surface = InteractionSurface(scene.interaction, lifetime=0.2)
        await surface.post(Post("page"))
        await asyncio.sleep(0.2)
        await surface.edit(Edit(0, "the same page"))
        assert scene.message_contents() == ["the same page"]
        assert surface.bucket == interaction_bucket(scene.interaction.token)


async def test_surface_knows_its_messages_channel_and_guild() -> None:
    async with acknowledged_interaction() as scene:
        for surface in (InteractionSurface(scene.interaction), scene.create_channel_surface()):
            await surface.post(Post("page"))
            message, places = scene.channel_messages()[-1].id, [scene.channel.id, scene.channel.guild_id or 0]
            assert surface.has_message(message)
            assert all(map(surface.is_in, places))
            assert not surface.is_in(message)
            assert not any(map(surface.has_message, places))
            assert not surface.is_in(scene.simulator.world.find_channel("random").id)


@pytest.mark.parametrize(("scope", "elsewhere"), [("global", 7.0), ("shared", 0.0), ("user", 0.0)])
async def test_global_429_blocks_every_bucket_and_any_other_only_its_own(scope: str, elsewhere: float) -> None:
    async with acknowledged_interaction() as scene:
        scene.simulator.faults.add(Fault(FailureKind.RATE_LIMITED, "PATCH", retry_after=7.0, scope=scope))
        surface = scene.create_channel_surface()
        await surface.post(Post("page"))
        with pytest.raises(SurfaceBusy):
            await surface.edit(Edit(0, "too much"))
        now = asyncio.get_running_loop().time()
        assert scene.rate_limiter.seconds_to_wait(surface.bucket, Urgency.FINAL, now) == pytest.approx(7.0, abs=0.5)
        other = scene.rate_limiter.seconds_to_wait(channel_bucket(1), Urgency.FINAL, now)
        assert other == pytest.approx(elsewhere, abs=0.5)


async def test_global_429_counts_on_any_route() -> None:
    async with acknowledged_interaction() as scene:
        scene.simulator.faults.add(Fault(FailureKind.RATE_LIMITED, "GET", retry_after=1.0, scope="global"))
        reading = asyncio.create_task(scene.client.fetch_channel(scene.channel.id))
        async with asyncio.timeout(5):
            now = asyncio.get_running_loop().time
            while not scene.rate_limiter.seconds_to_wait("interaction:1", Urgency.FINAL, now()):  # noqa: ASYNC110 - no event tells
                await asyncio.sleep(0.01)
            await reading


async def test_an_answer_that_outlives_its_token_goes_on_in_the_channel_to_its_last_button() -> None:
    words = [f"word{n} " for n in range(420)]
    async with acknowledged_interaction() as scene:
        buttons = FakeComponents()
        surface = InteractionSurface(scene.interaction, components=buttons, clock=scene.clock)
        telling = ScriptedSource([(0.01, word) for word in words])
        driver = Driver(scene.rate_limiter, deadlines=Deadlines(total=3_600.0))
        answer = asyncio.create_task(driver.run(telling, surface, answer_id="1"))
        await asyncio.sleep(1.5)
        scene.clock.advance(16 * 60)
        assert await answer == Ended()
        first, second = scene.channel_messages()
        calls = scene.simulator.requests
    assert second.current_state.content.endswith(f"{words[-1].strip()}\n\n{telling.footer}")
    assert f"{first.current_state.content} {second.current_state.content}".startswith("".join(words).strip())
    assert [find_custom_ids(first), find_custom_ids(second)] == [[], ["copy"]]
    assert [place.message_ids for place in buttons.locations] == [(first.id, second.id)]
    assert not [call for call in calls if call.status in {401, 429}]
    changes = [state.time for message in (first, second) for state in message.states]
    gaps = [later - earlier for earlier, later in pairwise(sorted(changes))]
    assert max(gap for gap in gaps if gap < 60) < 2.5
