"""What happens: how much the model says and how fast, to how many at once, under which limits, and what breaks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from math import inf

from benchmarks.streaming.lower_bound import Bucket, compute_paced_delay, compute_shared_delay
from benchmarks.streaming.model import SEARCH_SECONDS, THINKING_SECONDS
from benchmarks.streaming.workloads import Script, add_stall, generate_text, make_script
from bot.simulator.rate_limits import Limits

LATENCY = 0.05
"""One way, in seconds."""

LEAD = SEARCH_SECONDS + THINKING_SECONDS
"""Seconds from the question to the model's first delta."""

STALL_SECONDS = 8.0
"""Seconds of the model's silence, where it stalls."""


class Interruption(Enum):
    """What breaks in the middle of the answer."""

    NONE = "nothing"
    DROP = "the model's connection drops"
    STALL = "the model says nothing for 8 s"
    DELETE = "somebody deletes the message"
    STOP = "somebody stops the answer"


class Contender(Enum):
    """Who plays."""

    DOCENT_INTERACTION = "Docent, interaction"
    EVERY_SECOND_INTERACTION = "each second, interaction"
    DOCENT_CHANNEL = "Docent, channel"
    EVERY_SECOND_CHANNEL = "each second, channel"

    @property
    def is_docent(self) -> bool:
        """Whether it is ours."""
        return self in DOCENT_CONTENDERS

    @property
    def uses_interactions(self) -> bool:
        """Whether it answers a command, in the interaction's own lane; else a mention, in the channel's."""
        return self in {Contender.DOCENT_INTERACTION, Contender.EVERY_SECOND_INTERACTION}


DOCENT_CONTENDERS = (Contender.DOCENT_INTERACTION, Contender.DOCENT_CHANNEL)
MENTION_CONTENDERS = (Contender.DOCENT_CHANNEL,)
ALL_CONTENDERS = tuple(Contender)


@dataclass(frozen=True, slots=True)
class Scenario:
    """``rate`` is in characters a second; ``scale`` multiplies Discord's limits without a word to anybody.

    ``channels``: over how many channels the answers are spread. ``crowd``: with so many answers under way in a channel,
    the next mention's opens a thread; 0 for never, so that what is measured is how answers share one lane.
    """

    name: str
    title: str
    length: int
    rate: float
    is_fenced: bool = False
    answers: int = 1
    channels: int = 1
    crowd: int = 0
    latency: float = LATENCY
    scale: float = 1.0
    interruption: Interruption = Interruption.NONE
    delta_size: int = 4
    contenders: tuple[Contender, ...] = ALL_CONTENDERS
    rounds: int = 1

    @property
    def seconds(self) -> float:
        """How long the model speaks, if nothing breaks."""
        return self.length / self.rate

    @property
    def interrupted_at(self) -> float:
        """Seconds from the first delta to the break."""
        return self.seconds / 2

    @property
    def answers_per_bucket(self) -> int:
        """How many answers share one channel's lane, where they share one."""
        return min(self.answers, self.crowd or self.answers)

    @property
    def limits(self) -> Limits:
        """What the simulator allows."""
        return Limits().scale(self.scale)

    def build_script(self, answer: int) -> Script:
        """What the model says in one of the answers."""
        text = generate_text(answer, self.length, is_fenced=self.is_fenced)
        if self.interruption is Interruption.DROP:
            text = text[: self.length // 2]
        script = make_script(text, self.rate, delta_size=self.delta_size)
        if self.interruption is Interruption.STALL:
            return add_stall(script, self.interrupted_at, STALL_SECONDS)
        return replace(script, is_dropped=self.interruption is Interruption.DROP)

    def bucket(self, contender: Contender) -> Bucket:
        """What a contender's edits are counted in."""
        allowance = self.limits.response_edit if contender.uses_interactions else self.limits.message_edit
        return Bucket(allowance.limit, allowance.window, self.latency)

    def lower_bound(self, contender: Contender) -> float:
        """The least mean delay per character that even pacing can reach."""
        if contender.uses_interactions or self.channels >= self.answers:
            return compute_paced_delay(self.bucket(contender))
        together, alone = self.answers_per_bucket, self.answers - self.answers_per_bucket
        among = compute_shared_delay(self.bucket(contender), self.seconds, together, LEAD)
        return (together * among + alone * compute_paced_delay(self.bucket(contender))) / self.answers


SHORT = Scenario("short", "one answer, 400 characters", 400, 200, rounds=3)
LONG = Scenario("long", "one answer, 6,000 characters with code", 6_000, 150, is_fenced=True)
FAST = Scenario("fast", "one answer, 8,000 characters from a fast model", 8_000, 300, is_fenced=True)
TEN = Scenario("ten", "ten at once in one channel, 1,200 characters each", 1_200, 120, answers=10)
BURST = Scenario("burst", "3,000 deltas in one burst", 6_000, inf, delta_size=2, contenders=DOCENT_CONTENDERS, rounds=3)

SCENARIOS = (
    SHORT,
    LONG,
    FAST,
    TEN,
    Scenario("ten-channels", "ten at once in ten channels", 1_200, 120, answers=10, channels=10),
    Scenario(
        "ten-threads",
        "ten mentions at once in one channel, with threads",
        1_200,
        120,
        answers=10,
        crowd=4,
        contenders=MENTION_CONTENDERS,
    ),
    Scenario(
        "ten-short",
        "ten at once in one channel, 400 characters each",
        400,
        200,
        answers=10,
        contenders=DOCENT_CONTENDERS,
    ),
    Scenario("drop", "the model's connection drops", 3_000, 200, interruption=Interruption.DROP, is_fenced=True),
    Scenario("stall", "the model stalls for 8 s", 3_000, 200, interruption=Interruption.STALL, is_fenced=True),
    Scenario("delete", "the message is deleted", 3_000, 200, interruption=Interruption.DELETE),
    Scenario("stop", "the answer is stopped", 3_000, 200, interruption=Interruption.STOP, contenders=DOCENT_CONTENDERS),
    Scenario("latency", "doubled latency", 3_000, 150, latency=2 * LATENCY),
    Scenario("halved", "halved limits, not told in advance", 3_000, 150, scale=0.5),
    Scenario("doubled", "doubled limits, not told in advance", 3_000, 150, scale=2.0),
    BURST,
)

QUICK_SCENARIOS = ("short", "ten", "drop", "burst")
"""What is played where there is only a minute."""
