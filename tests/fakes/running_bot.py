"""People talking in channels, threads and direct messages of the stand-in, and the bot among them."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.access.admission import Admission
from bot.admin.reindex_runs import Reindexing
from bot.admin.status import Parts
from bot.answers.service import Asking
from bot.discord_adapter import rate_limit_trace
from bot.discord_adapter.client import DocentClient
from bot.discord_adapter.visibility import Visibility
from bot.domain import LibraryState
from bot.records import MemoryRecords
from bot.simulator.server import StandIn
from bot.simulator.world import MESSAGE_CONTENT_INTENT, Channel, ChannelKind, Message, MessageEdited, MessageState
from bot.streaming import Driver, Lanes
from cogs.answer_buttons import Answers
from cogs.ask import Ask
from cogs.context_menus import Menus
from cogs.docs import Docs
from cogs.feedback import Feedback
from cogs.forget import Privacy
from cogs.forums import Forums
from cogs.gaps import Gaps
from cogs.mentions import Manners, Mentions
from cogs.reindex import Reindex
from cogs.settings import House
from cogs.status import Status
from tests.fakes.answerer import FakeAnswer, FakeAnswerer, FakeLibrary, Pause, Script
from tests.fakes.bot_in_guild import until
from tests.fakes.discord_client import connected

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence

    from bot.access.budgets import Limits
    from bot.access.scopes import Admins, Rule
    from bot.domain import Question
    from bot.records import Records
    from bot.simulator.server import Request
    from bot.simulator.world import Interaction, World


class Parrot(FakeAnswerer):
    """Answers with the question itself, a word at a time, ``between`` seconds apart, or with what it was taught."""

    def __init__(self, between: float = 0.01, taught: Mapping[str, Script] | None = None) -> None:
        super().__init__(Script())
        self._between = between
        self._taught = dict(taught or {})

    async def answer(self, question: Question) -> FakeAnswer:
        self.asked.append(question)
        self.answers.append(FakeAnswer(self._taught.get(question.text) or self._echo(question.text)))
        return self.answers[-1]

    def _echo(self, text: str) -> Script:
        steps: Sequence[str | Pause] = [
            step for word in f"You asked: {text}".split(" ") for step in (f"{word} ", Pause(self._between))
        ]
        return Script(steps, sources=())


@dataclass(frozen=True, slots=True)
class Talk:
    """Who talks, and what was said."""

    standin: StandIn
    client: DocentClient
    driver: Driver
    answerer: FakeAnswerer
    records: Records
    library: FakeLibrary
    admission: Admission
    reindexing: Reindexing

    @property
    def world(self) -> World:
        return self.standin.world

    @property
    def bot(self) -> str:
        """How the bot is mentioned."""
        return f"<@{self.world.bot.id}>"

    @property
    def general(self) -> Channel:
        return self.world.channel_named("general")

    def says(self, who: str, text: str, *, to: Message | None = None, place: Channel | None = None) -> Message:
        """Somebody writes a message, in #general unless told otherwise; ``to`` is what it replies to."""
        place = place or (self.world.channels[to.channel_id] if to else self.general)
        return self.world.say(place.id, self.world.user_named(who).id, text, reply_to=to.id if to else None)

    def says_quietly(self, who: str, text: str, to: Message) -> Message:
        """A reply that pings nobody."""
        state = MessageState(self.world.clock(), text, allowed_mentions={"parse": [], "replied_user": False})
        who_id = self.world.user_named(who).id
        return self.world._appear(Message(self.world.new_id(), to.channel_id, who_id, [state], reference=to.id))

    def rewrites(self, message: Message, text: str) -> None:
        """Somebody edits their message."""
        message.states.append(MessageState(self.world.clock(), text))
        self.world.tell(MessageEdited(message.now.time, message))

    def thread(self, name: str = "a thread") -> Channel:
        """A thread below #general."""
        world = self.world
        channel = Channel(world.new_id(), name, self.general.guild_id, ChannelKind.THREAD, self.general.id)
        return world._open(channel)

    def direct(self, who: str) -> Channel:
        return self.world.open_direct(self.world.user_named(who).id)

    def said(self, place: Channel | None = None) -> list[Message]:
        """What the bot wrote in a channel, oldest first."""
        return [m for m in self.world.history((place or self.general).id) if m.author_id == self.world.bot.id]

    def whispers(self) -> list[Message]:
        """What the bot told one person alone in #general, oldest first."""
        return [message for message in self.said() if message.audience is not None and message.now.content]

    async def whispered(self, count: int = 1) -> Message:
        """The last of at least so many messages that only one person sees."""
        await until(lambda: len(self.whispers()) >= count)
        return self.whispers()[-1]

    def calls(self, method: str, path: str) -> list[Request]:
        return [call for call in self.standin.requests if path in call.path and method == call.method]

    async def answered(self, message: Message, *, place: Channel | None = None) -> Message:
        """The bot's reply to a message, once it has come to its end."""
        place = place or self.world.channels[message.channel_id]
        await until(lambda: any(reply.reference == message.id for reply in self.said(place)))
        await self.silence()
        return next(reply for reply in self.said(place) if reply.reference == message.id)

    async def silence(self) -> None:
        """Wait until nothing is going on any more."""
        await asyncio.sleep(0.15)
        await until(lambda: not self.driver.open_answers)
        await asyncio.sleep(0.05)

    def use_menu(self, who: str, message: Message) -> Interaction:
        return self.world.use_menu(self.world.user_named(who).id, "Ask the docs about this", message.id)


PARTS = Parts(version="1.2", writes="fake at 127.0.0.1", embeds="nothing", index="a file", records="memory")


async def _no_vectors(_: Sequence[str]) -> None:
    """Texts are grouped by their words."""


@asynccontextmanager
async def talking(
    answerer: FakeAnswerer | None = None,
    manners: Manners | None = None,
    *,
    reads_messages: bool = False,
    limit: int = 8,
    world: World | None = None,
    records: Records | None = None,
    rules: Mapping[str, Rule] | None = None,
    admins: Admins | None = None,
    library: FakeLibrary | None = None,
    limits: Limits | None = None,
    estimate: int = 0,
) -> AsyncGenerator[Talk]:
    """Ada and Ben, in a guild with the bot, which is connected; with or without Discord's message-content intent."""
    answerer = answerer or Parrot()
    records = records or MemoryRecords()
    library = library or FakeLibrary(LibraryState(0, 0, "none"))
    lanes = Lanes()
    driver = Driver(lanes)

    async def current() -> Mapping[str, Rule]:
        return rules or {}

    visibility = Visibility(current, admins)
    admission = Admission(records, limits=limits, estimate=estimate)
    await admission.open()
    asking = Asking(answerer, driver, records, library=library, limit=limit, admission=admission)
    reindexing = Reindexing(library, driver, records, interval=0.05)
    client = DocentClient(
        cogs=[
            Ask(asking, visibility, in_direct_messages=manners is not None and manners.direct_messages),
            Answers(asking, records, visibility),
            Menus(asking, visibility),
            lambda client: Mentions(asking, client, manners, visibility=visibility),
            lambda client: Forums(asking, client, visibility, follows_edits=manners.follows_edits if manners else True),
            Reindex(asking, reindexing, records, visibility),
            Docs(asking, library, records, visibility),
            House(asking, admission, records, visibility, reads_messages=reads_messages),
            Gaps(asking, records, visibility, _no_vectors),
            Feedback(asking, records, visibility),
            Privacy(asking, records, visibility),
            Status(PARTS, library, asking, admission=admission, records=records, visibility=visibility),
        ],
        driver=driver,
        http_trace=rate_limit_trace(lanes),
        reads_messages=reads_messages,
        once_ready=reindexing.resume,
    )
    client._connection.guild_ready_timeout = 0.05
    standin = StandIn(world)
    if reads_messages:
        standin.world.enabled_intents = MESSAGE_CONTENT_INTENT
    async with standin, connected(client, standin):
        await until(lambda: any(standin.world.commands.values()))
        yield Talk(standin, client, driver, answerer, records, library, admission, reindexing)
        await asking.settled()
