"""One scene is played by one contender: its client here, the stand-in for Discord in a thread of its own."""

from __future__ import annotations

import asyncio
import gc
import logging
import re
import threading
import time
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from benchmarks.streaming import metrics
from benchmarks.streaming.contenders import made
from benchmarks.streaming.metrics import Cost, Curve, Figures
from benchmarks.streaming.model import Model
from benchmarks.streaming.scenarios import Break, Contender, Scene
from benchmarks.streaming.visibility import State
from benchmarks.streaming.workloads import words
from bot.discord_adapter.client import point_at
from bot.simulator.server import StandIn
from bot.simulator.world import Clock, World

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator, Iterator

    import discord

    from benchmarks.streaming.contenders import Bot
    from benchmarks.streaming.metrics import Said
    from bot.simulator.world import Channel, Message

_T = TypeVar("_T")

_PROBE = 0.005
"""Seconds between two looks at the loop."""
_PATIENCE = 120.0
"""How many seconds after the model's last word a contender may still be at it."""
_CALM = 0.5
"""Seconds without open answers after which a scene is over."""
_TOO_MANY = 429
_WORD = re.compile(r"[a-z]{6}")


@dataclass(frozen=True, slots=True)
class Performance:
    """What came of it."""

    scene: Scene
    contender: Contender
    figures: Figures
    cost: Cost
    curve: Curve


def performed(scene: Scene, contender: Contender) -> Performance:
    """Play it; takes as long as the model speaks and some seconds more. One at a time in a process.

    Raises:
        TimeoutError: the contender did not come to an end.
    """
    return asyncio.run(_performed(scene, contender))


def silence() -> None:
    """Log nothing in this process: a contender's complaints belong to what is measured, not between the tables."""
    logging.disable(logging.CRITICAL)


async def _performed(scene: Scene, contender: Contender) -> Performance:
    clock = Clock()
    model = Model([scene.script(answer) for answer in range(scene.answers)], clock)
    with _elsewhere(scene, clock) as there:
        bot = made(contender, model, crowd=scene.crowd)
        async with _connected(bot.client, there):
            return await _Play(scene, contender, there, model, bot, clock).performed()


class _Elsewhere:
    """The stand-in, in a thread with a loop of its own, so that the bot's loop carries the bot alone."""

    def __init__(self, standin: StandIn, loop: asyncio.AbstractEventLoop) -> None:
        self.standin = standin
        self.loop = loop

    async def done(self, deed: Callable[[World], _T]) -> _T:
        """What a deed gives that is done over there."""

        async def do() -> _T:
            return deed(self.standin.world)

        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(do(), self.loop))


@contextmanager
def _elsewhere(scene: Scene, clock: Clock) -> Generator[_Elsewhere]:
    is_up = threading.Event()
    there: list[tuple[_Elsewhere, asyncio.Event]] = []

    async def serve() -> None:
        async with StandIn(World.populated(clock=clock), limits=scene.limits, latency=scene.latency) as standin:
            over = asyncio.Event()
            there.append((_Elsewhere(standin, asyncio.get_running_loop()), over))
            is_up.set()
            await over.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="stand-in")
    thread.start()
    is_up.wait()
    elsewhere, over = there[0]
    try:
        yield elsewhere
    finally:
        elsewhere.loop.call_soon_threadsafe(over.set)
        thread.join()


@asynccontextmanager
async def _connected(client: discord.Client, there: _Elsewhere) -> AsyncGenerator[None]:
    """The client as it serves, its commands published."""
    point_at(there.standin.api_url, there.standin.gateway_url)
    # Two seconds of waiting for further guilds would be spent before every scene.
    client._connection.guild_ready_timeout = 0.05  # noqa: SLF001
    serving = asyncio.create_task(client.start(there.standin.world.token))
    try:
        async with asyncio.timeout(_PATIENCE):
            while not any(await there.done(lambda world: list(world.commands.values()))):
                if serving.done():
                    serving.result()
                await asyncio.sleep(_PROBE)
            await client.wait_until_ready()
        # As the composition root does: what was loaded until now is not looked through for garbage again and again.
        gc.collect()
        gc.freeze()
        yield
    finally:
        await client.close()
        await asyncio.gather(serving, return_exceptions=True)


@dataclass(slots=True)
class _Loop:
    """How long the loop was held at most, in seconds: late, and at work rather than waiting for a processor."""

    held: float = 0.0

    async def watch(self) -> None:
        while True:
            asleep, worked = time.perf_counter(), time.thread_time()
            await asyncio.sleep(_PROBE)
            late = time.perf_counter() - asleep - _PROBE
            self.held = max(self.held, min(late, time.thread_time() - worked))


@dataclass(slots=True)
class _Play:
    """One scene from the first question to the last edit."""

    scene: Scene
    contender: Contender
    there: _Elsewhere
    model: Model
    bot: Bot
    clock: Clock
    broken_at: float | None = None
    questions: list[int] = field(default_factory=list[int])

    async def performed(self) -> Performance:
        loop = _Loop()
        probe = asyncio.create_task(loop.watch())
        requests_before = len(self.there.standin.requests)
        worked = time.thread_time()
        self.questions = await self.there.done(self._ask)
        await self._break()
        await self._end()
        worked = time.thread_time() - worked
        probe.cancel()
        with suppress(asyncio.CancelledError):
            await probe
        answers = await self.there.done(self._answers)
        requests = list(self.there.standin.requests)[requests_before:]
        cost = Cost(
            requests=len(requests) / self.scene.answers,
            refusals=sum(request.status == _TOO_MANY for request in requests),
            cpu=worked / self.scene.answers,
            held=loop.held,
            cancel=self._cancelled_after(),
        )
        return Performance(
            self.scene,
            self.contender,
            metrics.worst_of([metrics.figures(said, states) for said, states in answers]),
            cost,
            metrics.curve(answers),
        )

    def _ask(self, world: World) -> list[int]:
        """Somebody asks all questions; gives what each answer belongs to: an interaction or a message."""
        return [self._asked(world, number, self._channel(world, number)) for number in range(self.scene.answers)]

    def _asked(self, world: World, number: int, channel: Channel) -> int:
        ada, words = world.user_named("Ada").id, f"question {number}"
        if self.contender.uses_interactions:
            return world.use_command(channel.id, ada, "ask", {"question": words}).id
        return world.say(channel.id, ada, f"<@{world.bot.id}> {words}").id

    def _channel(self, world: World, number: int) -> Channel:
        if number == 0 or self.scene.channels == 1:
            return world.channel_named("general")
        return world.add_channel(next(iter(world.guilds)), f"quiet-{number}")

    async def _break(self) -> None:
        if self.scene.breaks not in {Break.DELETE, Break.STOP}:
            return
        (speech,) = self.model.speeches
        while speech.began_at is None or self.clock() < speech.began_at + self.scene.breaks_at:  # noqa: ASYNC110
            await asyncio.sleep(_PROBE)
        self.broken_at = self.clock()
        await self.there.done(self._press_stop if self.scene.breaks is Break.STOP else self._delete)

    def _delete(self, world: World) -> None:
        world.delete(self._messages(world)[0][-1].id)

    def _press_stop(self, world: World) -> None:
        """The asker presses Stop below the page being written."""
        message = self._messages(world)[0][-1]
        buttons = [button for row in message.now.components for button in row["components"]]
        stop = next(button["custom_id"] for button in buttons if button.get("label") == "Stop")
        world.press(message.id, stop, world.user_named("Ada").id)

    async def _end(self) -> None:
        """Wait until everything is said and nobody works on an answer any more."""
        async with asyncio.timeout(self.model.speeches[0].script.seconds + _PATIENCE):
            calm_since = self.clock()
            while self.clock() - calm_since < _CALM:
                if self.bot.open_answers or not all(speech.is_over for speech in self.model.speeches):
                    calm_since = self.clock()
                await asyncio.sleep(_PROBE)

    def _answers(self, world: World) -> list[tuple[Said, list[State]]]:
        """What was said in each answer, and every state in which its messages were shown."""
        spoken = [speech.said() for speech in self.model.speeches]
        return [(said, list(_states(own))) for said, own in zip(spoken, self._messages(world), strict=True)]

    def _messages(self, world: World) -> list[list[Message]]:
        """The bot's messages, answer by answer."""
        answers: list[list[Message]] = [[] for _ in self.questions]
        tellers = {word: number for number in range(self.scene.answers) for word in _vocabulary(self.scene, number)}
        for message in world.messages.values():
            if message.author_id == world.bot.id:
                belongs = self._belongs(message, tellers)
                if belongs is not None:
                    answers[belongs].append(message)
        return answers

    def _belongs(self, message: Message, tellers: dict[str, int]) -> int | None:
        """Which answer a message is part of: by what it replies to, else by its words."""
        for origin in (message.interaction_id, message.reference):
            if origin in self.questions:
                return self.questions.index(origin)
        found = (tellers.get(word) for word in _WORD.findall(message.now.content.lower()))
        return next((number for number in found if number is not None), None)

    def _cancelled_after(self) -> float | None:
        """Seconds from the break to the hanging up; infinite if the model was heard to its end."""
        if self.broken_at is None:
            return None
        hung_up_at = self.model.speeches[0].hung_up_at
        return float("inf") if hung_up_at is None else max(0.0, hung_up_at - self.broken_at)


def _vocabulary(scene: Scene, number: int) -> Iterator[str]:
    fresh = words(number)
    return (next(fresh) for _ in range(scene.length // 6))


def _states(messages: list[Message]) -> Iterator[State]:
    for page, message in enumerate(sorted(messages, key=lambda message: message.id)):
        for state in message.states:
            if not state.is_thinking:
                yield State(state.time, page, state.content)
