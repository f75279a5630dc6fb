"""People talking in channels, threads and direct messages of the fake, and the bot among them."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bot.domain import LibraryState
from bot.simulator.server import DiscordSimulator
from bot.simulator.world import MESSAGE_CONTENT_INTENT, Channel, ChannelKind, Message, MessageEdited, MessageState
from tests.fakes.answerer import FakeAnswer, FakeAnswerer, FakeLibrary, Pause, Script
from tests.fakes.app import build_app
from tests.fakes.bot_in_guild import wait_until
from tests.fakes.discord_client import connect_client
from tests.fakes.sent_messages import find_unsafe_messages

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence

    from bot.access.admission import Admission
    from bot.access.scopes import Rule
    from bot.admin.reindex_runs import ReindexRuns
    from bot.answers.service import AnswerService
    from bot.discord_adapter.client import DocentClient
    from bot.domain import Question
    from bot.records import Records
    from bot.simulator.server import RecordedRequest
    from bot.simulator.world import Interaction, World
    from bot.streaming import Driver


class EchoAnswerer(FakeAnswerer):
    """Answers with the question itself, a word at a time, ``between`` seconds apart, or with what it was taught."""

    def __init__(self, delay: float = 0.01, scripts: Mapping[str, Script] | None = None) -> None:
        super().__init__(Script())
        self._delay = delay
        self._scripts = dict(scripts or {})

    async def answer(self, question: Question) -> FakeAnswer:
        self.questions.append(question)
        self.answers.append(FakeAnswer(self._scripts.get(question.text) or self._create_echo_script(question.text)))
        return self.answers[-1]

    def _create_echo_script(self, text: str) -> Script:
        steps: Sequence[str | Pause] = [
            step for word in f"You asked: {text}".split(" ") for step in (f"{word} ", Pause(self._delay))
        ]
        return Script(steps, sources=())


@dataclass(frozen=True, slots=True)
class RunningBot:
    """Who talks, and what was said."""

    simulator: DiscordSimulator
    client: DocentClient
    driver: Driver
    answer_service: AnswerService
    answerer: FakeAnswerer
    records: Records
    library: FakeLibrary
    admission: Admission
    reindex_runs: ReindexRuns

    @property
    def world(self) -> World:
        return self.simulator.world

    @property
    def bot_mention(self) -> str:
        """How the bot is mentioned."""
        return f"<@{self.world.bot.id}>"

    @property
    def general(self) -> Channel:
        return self.world.find_channel("general")

    def say(self, who: str, text: str, *, to: Message | None = None, channel: Channel | None = None) -> Message:
        """Somebody writes a message, in #general unless told otherwise; ``to`` is what it replies to."""
        channel = channel or (self.world.channels[to.channel_id] if to else self.general)
        return self.world.people.say(channel.id, self.world.find_user(who).id, text, reply_to=to.id if to else None)

    def reply_without_ping(self, who: str, text: str, to: Message) -> Message:
        """A reply that pings nobody."""
        state = MessageState(self.world.clock(), text, allowed_mentions={"parse": [], "replied_user": False})
        who_id = self.world.find_user(who).id
        return self.world.insert_message(
            Message(self.world.generate_id(), to.channel_id, who_id, [state], reference_id=to.id)
        )

    def edit_message(self, message: Message, text: str) -> None:
        """Somebody edits their message."""
        message.states.append(MessageState(self.world.clock(), text))
        self.world.emit(MessageEdited(message.current_state.time, message))

    def open_thread(self, name: str = "a thread") -> Channel:
        """A thread below #general."""
        world = self.world
        channel = Channel(world.generate_id(), name, self.general.guild_id, ChannelKind.THREAD, self.general.id)
        return world.insert_channel(channel)

    def open_direct_message(self, who: str) -> Channel:
        return self.world.bot_api.create_dm(self.world.find_user(who).id)

    def bot_messages(self, channel: Channel | None = None) -> list[Message]:
        """What the bot wrote in a channel, oldest first."""
        return [m for m in self.world.history((channel or self.general).id) if m.author_id == self.world.bot.id]

    def ephemeral_messages(self) -> list[Message]:
        """What the bot told one person alone in #general, oldest first."""
        return [
            message
            for message in self.bot_messages()
            if message.visible_to_user_id is not None and message.current_state.content
        ]

    async def wait_for_ephemeral(self, count: int = 1) -> Message:
        """The last of at least so many messages that only one person sees."""
        await wait_until(lambda: len(self.ephemeral_messages()) >= count)
        return self.ephemeral_messages()[-1]

    def find_requests(self, method: str, path: str) -> list[RecordedRequest]:
        return [call for call in self.simulator.requests if path in call.path and method == call.method]

    async def wait_for_answer(self, message: Message, *, channel: Channel | None = None) -> Message:
        """The bot's reply to a message, once it has come to its end."""
        channel = channel or self.world.channels[message.channel_id]
        await wait_until(lambda: any(reply.reference_id == message.id for reply in self.bot_messages(channel)))
        await self.wait_until_idle()
        return next(reply for reply in self.bot_messages(channel) if reply.reference_id == message.id)

    async def wait_until_idle(self) -> None:
        """Wait until nothing is going on any more."""
        await asyncio.sleep(0.15)
        await wait_until(lambda: not self.driver.open_answers)
        await self.answer_service.wait_until_done()
        await asyncio.sleep(0.05)

    def use_menu(self, who: str, message: Message) -> Interaction:
        return self.world.people.use_context_menu(self.world.find_user(who).id, "Ask the docs about this", message.id)


@asynccontextmanager
async def running_bot(
    answerer: FakeAnswerer | None = None,
    *,
    reads_messages: bool = False,
    world: World | None = None,
    records: Records | None = None,
    rules: Mapping[str, Rule] | None = None,
    library: FakeLibrary | None = None,
    **settings: Any,
) -> AsyncGenerator[RunningBot]:
    """Connect the bot to a guild with Ada and Ben; ``reads_messages`` is Discord's message-content intent.

    All that it sent must be safe at the end.
    """
    answerer = answerer or EchoAnswerer()
    library = library or FakeLibrary(LibraryState(0, 0, "none"))
    app = build_app(answerer, library=library, records=records, rules=rules, message_content=reads_messages, **settings)
    async with app as bot, DiscordSimulator(world) as simulator:
        if reads_messages:
            simulator.world.enabled_intents = MESSAGE_CONTENT_INTENT
        async with connect_client(bot.client, simulator):
            await wait_until(lambda: any(simulator.world.commands.values()))
            yield RunningBot(
                simulator,
                bot.client,
                bot.driver,
                bot.answer_service,
                answerer,
                bot.records,
                library,
                bot.admission,
                bot.reindex_runs,
            )
            await bot.answer_service.wait_until_done()
        assert find_unsafe_messages(simulator.world) == []
