"""One scene is played by one contender: its client here, the simulated Discord in a thread of its own."""

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
from benchmarks.streaming.contenders import make_bot
from benchmarks.streaming.metrics import Cost, Curve, Metrics
from benchmarks.streaming.model import Model
from benchmarks.streaming.scenarios import Contender, Interruption, Scenario
from benchmarks.streaming.visibility import State
from benchmarks.streaming.workloads import generate_words
from bot.discord_adapter.client import set_discord_urls
from bot.simulator.server import DiscordSimulator
from bot.simulator.world import Clock, World

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator, Iterator

    import discord

    from benchmarks.streaming.contenders import Bot
    from benchmarks.streaming.metrics import ModelOutput
    from bot.simulator.world import Channel, Message

_T = TypeVar("_T")

_PROBE_INTERVAL = 0.005
"""Seconds between two looks at the loop."""
_TIMEOUT = 120.0
"""How many seconds after the model's last word a contender may still be at it."""
_QUIET_SECONDS = 0.5
"""Seconds without open answers after which a scene is over."""
_TOO_MANY_REQUESTS = 429
_WORD = re.compile(r"[a-z]{6}")


@dataclass(frozen=True, slots=True)
class RunResult:
    """What came of it."""

    scenario: Scenario
    contender: Contender
    metrics: Metrics
    cost: Cost
    curve: Curve


def run_scenario(scenario: Scenario, contender: Contender) -> RunResult:
    """Play it; takes as long as the model speaks and some seconds more. One at a time in a process.

    Raises:
        TimeoutError: the contender did not come to an end.
    """
    return asyncio.run(_run_scenario(scenario, contender))


def disable_logging() -> None:
    """Log nothing in this process: a contender's complaints belong to what is measured, not between the tables."""
    logging.disable(logging.CRITICAL)


async def _run_scenario(scenario: Scenario, contender: Contender) -> RunResult:
    clock = Clock()
    model = Model([scenario.build_script(answer) for answer in range(scenario.answers)], clock)
    with _run_simulator(scenario, clock) as there:
        async with make_bot(contender, model, crowd=scenario.crowd) as bot, _connect(bot.client, there):
            return await _ScenarioRun(scenario, contender, there, model, bot, clock).run()


class _SimulatorThread:
    """The simulator, in a thread with a loop of its own, so that the bot's loop carries the bot alone."""

    def __init__(self, simulator: DiscordSimulator, loop: asyncio.AbstractEventLoop) -> None:
        self.simulator = simulator
        self.loop = loop

    async def run(self, action: Callable[[World], _T]) -> _T:
        """What a deed gives that is done over there."""

        async def do() -> _T:
            return action(self.simulator.world)

        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(do(), self.loop))


@contextmanager
def _run_simulator(scenario: Scenario, clock: Clock) -> Generator[_SimulatorThread]:
    is_up = threading.Event()
    there: list[tuple[_SimulatorThread, asyncio.Event]] = []

    async def serve() -> None:
        async with DiscordSimulator(
            World.create_default(clock=clock), limits=scenario.limits, latency=scenario.latency
        ) as simulator:
            over = asyncio.Event()
            there.append((_SimulatorThread(simulator, asyncio.get_running_loop()), over))
            is_up.set()
            await over.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="simulator")
    thread.start()
    is_up.wait()
    elsewhere, over = there[0]
    try:
        yield elsewhere
    finally:
        elsewhere.loop.call_soon_threadsafe(over.set)
        thread.join()


@asynccontextmanager
async def _connect(client: discord.Client, simulator_thread: _SimulatorThread) -> AsyncGenerator[None]:
    """The client as it serves, its commands published."""
    set_discord_urls(simulator_thread.simulator.api_url, simulator_thread.simulator.gateway_url)
    # Two seconds of waiting for further guilds would be spent before every scene.
    client._connection.guild_ready_timeout = 0.05  # noqa: SLF001
    serving = asyncio.create_task(client.start(simulator_thread.simulator.world.token))
    try:
        async with asyncio.timeout(_TIMEOUT):
            while not any(await simulator_thread.run(lambda world: list(world.commands.values()))):
                if serving.done():
                    serving.result()
                await asyncio.sleep(_PROBE_INTERVAL)
            await client.wait_until_ready()
        # As the composition root does: what was loaded until now is not looked through for garbage again and again.
        gc.collect()
        gc.freeze()
        yield
    finally:
        await client.close()
        await asyncio.gather(serving, return_exceptions=True)


@dataclass(slots=True)
class _LoopProbe:
    """How long the loop was held at most, in seconds: late, and at work rather than waiting for a processor."""

    blocked: float = 0.0

    async def watch(self) -> None:
        while True:
            asleep, worked = time.perf_counter(), time.thread_time()
            await asyncio.sleep(_PROBE_INTERVAL)
            late = time.perf_counter() - asleep - _PROBE_INTERVAL
            self.blocked = max(self.blocked, min(late, time.thread_time() - worked))


@dataclass(slots=True)
class _ScenarioRun:
    """One scene from the first question to the last edit."""

    scenario: Scenario
    contender: Contender
    simulator_thread: _SimulatorThread
    model: Model
    bot: Bot
    clock: Clock
    interrupted_at: float | None = None
    question_ids: list[int] = field(default_factory=list[int])

    async def run(self) -> RunResult:
        loop = _LoopProbe()
        probe = asyncio.create_task(loop.watch())
        requests_before = len(self.simulator_thread.simulator.requests)
        worked = time.thread_time()
        self.question_ids = await self.simulator_thread.run(self._ask)
        await self._interrupt()
        await self._wait_until_done()
        worked = time.thread_time() - worked
        probe.cancel()
        with suppress(asyncio.CancelledError):
            await probe
        answers = await self.simulator_thread.run(self._collect_answers)
        requests = list(self.simulator_thread.simulator.requests)[requests_before:]
        cost = Cost(
            requests=len(requests) / self.scenario.answers,
            rate_limited=sum(request.status == _TOO_MANY_REQUESTS for request in requests),
            cpu=worked / self.scenario.answers,
            loop_blocked=loop.blocked,
            cancel_seconds=self._measure_cancel_seconds(),
        )
        return RunResult(
            self.scenario,
            self.contender,
            metrics.combine_answers([metrics.compute_metrics(said, states) for said, states in answers]),
            cost,
            metrics.compute_curve(answers),
        )

    def _ask(self, world: World) -> list[int]:
        """Somebody asks all questions; gives what each answer belongs to: an interaction or a message."""
        return [
            self._ask_question(world, number, self._choose_channel(world, number))
            for number in range(self.scenario.answers)
        ]

    def _ask_question(self, world: World, number: int, channel: Channel) -> int:
        ada, words = world.find_user("Ada").id, f"question {number}"
        if self.contender.uses_interactions:
            return world.people.use_command(channel.id, ada, "ask", {"question": words}).id
        return world.people.say(channel.id, ada, f"<@{world.bot.id}> {words}").id

    def _choose_channel(self, world: World, number: int) -> Channel:
        if number == 0 or self.scenario.channels == 1:
            return world.find_channel("general")
        return world.admin.add_channel(next(iter(world.guilds)), f"quiet-{number}")

    async def _interrupt(self) -> None:
        if self.scenario.interruption not in {Interruption.DELETE, Interruption.STOP}:
            return
        (speech,) = self.model.runs
        while speech.began_at is None or self.clock() < speech.began_at + self.scenario.interrupted_at:  # noqa: ASYNC110
            await asyncio.sleep(_PROBE_INTERVAL)
        self.interrupted_at = self.clock()
        await self.simulator_thread.run(
            self._press_stop if self.scenario.interruption is Interruption.STOP else self._delete
        )

    def _delete(self, world: World) -> None:
        world.delete(self._collect_messages(world)[0][-1].id)

    def _press_stop(self, world: World) -> None:
        """The asker presses Stop below the page being written."""
        message = self._collect_messages(world)[0][-1]
        buttons = [button for row in message.current_state.components for button in row["components"]]
        stop = next(button["custom_id"] for button in buttons if button.get("label") == "Stop")
        world.people.press(message.id, stop, world.find_user("Ada").id)

    async def _wait_until_done(self) -> None:
        """Wait until everything is said and nobody works on an answer any more."""
        async with asyncio.timeout(self.model.runs[0].script.seconds + _TIMEOUT):
            calm_since = self.clock()
            while self.clock() - calm_since < _QUIET_SECONDS:
                if self.bot.open_answers or not all(speech.is_over for speech in self.model.runs):
                    calm_since = self.clock()
                await asyncio.sleep(_PROBE_INTERVAL)

    def _collect_answers(self, world: World) -> list[tuple[ModelOutput, list[State]]]:
        """What was said in each answer, and every state in which its messages were shown."""
        spoken = [speech.collect_output() for speech in self.model.runs]
        return [
            (said, list(_collect_states(own))) for said, own in zip(spoken, self._collect_messages(world), strict=True)
        ]

    def _collect_messages(self, world: World) -> list[list[Message]]:
        """The bot's messages, answer by answer."""
        answers: list[list[Message]] = [[] for _ in self.question_ids]
        tellers = {
            word: number for number in range(self.scenario.answers) for word in _answer_words(self.scenario, number)
        }
        for message in world.messages.values():
            if message.author_id == world.bot.id:
                belongs = self._find_answer(message, tellers)
                if belongs is not None:
                    answers[belongs].append(message)
        return answers

    def _find_answer(self, message: Message, answer_by_word: dict[str, int]) -> int | None:
        """Which answer a message is part of: by what it replies to, else by its words."""
        for origin in (message.interaction_id, message.reference_id):
            if origin in self.question_ids:
                return self.question_ids.index(origin)
        found = (answer_by_word.get(word) for word in _WORD.findall(message.current_state.content.lower()))
        return next((number for number in found if number is not None), None)

    def _measure_cancel_seconds(self) -> float | None:
        """Seconds from the break to the hanging up; infinite if the model was heard to its end."""
        if self.interrupted_at is None:
            return None
        hung_up_at = self.model.runs[0].cancelled_at
        return float("inf") if hung_up_at is None else max(0.0, hung_up_at - self.interrupted_at)


def _answer_words(scenario: Scenario, number: int) -> Iterator[str]:
    fresh = generate_words(number)
    return (next(fresh) for _ in range(scenario.length // 6))


def _collect_states(messages: list[Message]) -> Iterator[State]:
    for page, message in enumerate(sorted(messages, key=lambda message: message.id)):
        for state in message.states:
            if not state.is_thinking:
                yield State(state.time, page, state.content)
