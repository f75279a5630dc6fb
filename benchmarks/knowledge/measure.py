"""One store, one size: built in a process of its own, opened and asked in another, and both say what it cost."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import resource
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from benchmarks.knowledge.contenders import Contender, DocentStore, SimpleStore
from benchmarks.knowledge.corpus import Corpus, SampleQuestion
from bot.app.serve import SWITCH_INTERVAL

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from multiprocessing.connection import Connection

_T = TypeVar("_T")

QUESTION_COUNT = 60
CONCURRENCY = 16
_PROBE_INTERVAL = 0.001  # seconds between two looks at how late the event loop is


@dataclass(frozen=True, slots=True)
class Spec:
    """What is measured. ``location`` is a path, or a database's address."""

    store: str
    location: str
    passages: int
    dimension: int

    def open(self) -> Contender:
        """The contender, with what it holds by now."""
        corpus = Corpus(self.passages, self.dimension)
        if self.store == "SimpleVectorStore":
            return SimpleStore(Path(self.location), corpus)
        return DocentStore(self.location if "://" in self.location else Path(self.location), corpus)


@dataclass(frozen=True, slots=True)
class Metrics:
    """Seconds, except for the sizes, which are bytes; the loop's delays are the worst seen.

    ``loop_idle`` is what this machine does to a loop with nothing to do, for as long as one question at a time took.
    """

    first: float
    unchanged: float
    one_percent: float
    opening: float
    p50: float
    p99: float
    p50_at_once: float
    p99_at_once: float
    loop_idle: float
    loop: float
    loop_at_once: float
    memory: int
    disk: int


def measure(spec: Spec, disk: Callable[[], int]) -> Metrics:
    """Build, then open and ask, each in a fresh process; ``disk`` says how much is in use by then."""
    first, nothing, one_percent = _run_in_process(_measure_build, spec)
    used = disk()
    return Metrics(first, nothing, one_percent, *_run_in_process(_measure_questions, spec), disk=used)


def _run_in_process(work: Callable[[Spec], _T], spec: Spec) -> _T:
    """What the work gives, done in a fresh process, which ends with this call even where that is interrupted.

    Raises:
        RuntimeError: the process ended before the work did.
    """
    context = multiprocessing.get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_send_result, args=(sending, work, spec), daemon=True)
    process.start()
    sending.close()
    try:
        return cast("_T", receiving.recv())
    except EOFError as error:
        raise RuntimeError(f"{spec.store} could not be measured with {spec.passages:,} passages") from error
    finally:
        process.terminate()
        process.join()


def _send_result(sending: Connection, work: Callable[[Spec], object], spec: Spec) -> None:
    sending.send(work(spec))


def _measure_build(spec: Spec) -> tuple[float, float, float]:
    contender = spec.open()
    first = _measure_seconds(lambda: contender.fill(lambda _: None))
    nothing = _measure_seconds(lambda: contender.change(0))
    one_percent = _measure_seconds(lambda: contender.change(max(spec.passages // 100, 1)))
    contender.close()
    return first, nothing, one_percent


def _measure_questions(spec: Spec) -> tuple[float, float, float, float, float, float, float, float, int]:
    began = time.perf_counter()
    contender = spec.open()
    opening = time.perf_counter() - began
    # As the bot does: what stays is not searched for garbage again, and the event loop waits less for other threads.
    gc.freeze()
    sys.setswitchinterval(SWITCH_INTERVAL)
    corpus = Corpus(spec.passages, spec.dimension)
    questions = [corpus.make_question(10**9 + seed) for seed in range(QUESTION_COUNT)]
    alone, loop = asyncio.run(_time_questions(contender, questions, 1))
    at_once, loop_at_once = asyncio.run(_time_questions(contender, questions, CONCURRENCY))
    loop_idle = asyncio.run(_measure_loop_delay(asyncio.sleep(sum(alone))))
    contender.close()
    return (
        opening,
        *_compute_percentiles(alone),
        *_compute_percentiles(at_once),
        loop_idle,
        loop,
        loop_at_once,
        _measure_peak_memory(),
    )


async def _time_questions(
    contender: Contender, questions: list[SampleQuestion], at_once: int
) -> tuple[list[float], float]:
    """How long each question took, so many at a time, and how late the loop was at worst."""
    await contender.ask(questions[0])
    times: list[float] = []

    async def ask(some: list[SampleQuestion]) -> None:
        for question in some:
            before = time.perf_counter()
            await contender.ask(question)
            times.append(time.perf_counter() - before)

    async def ask_all() -> None:
        async with asyncio.TaskGroup() as asking:
            for start in range(at_once):
                asking.create_task(ask(questions[start::at_once]))
                await asyncio.sleep(0)  # each comes with an event of its own

    return times, await _measure_loop_delay(ask_all())


async def _measure_loop_delay(work: Coroutine[object, object, None]) -> float:
    """How late the loop was at worst until the work, begun after the watch, was done."""
    late: list[float] = []

    async def watch() -> None:
        while True:
            before = time.perf_counter()
            try:
                await asyncio.sleep(_PROBE_INTERVAL)
            finally:  # also where it is ended before it could look once, because the loop never turned
                late.append(time.perf_counter() - before - _PROBE_INTERVAL)

    watching = asyncio.create_task(watch())
    await asyncio.sleep(0)
    await work
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    return max(late)


def _compute_percentiles(times: list[float]) -> tuple[float, float]:
    return statistics.median(times), statistics.quantiles(times, n=100, method="inclusive")[-1]


def _measure_seconds(work: Callable[[], None]) -> float:
    before = time.perf_counter()
    work()
    return time.perf_counter() - before


def _measure_peak_memory() -> int:
    """The most this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
