"""What happens: how much the model says and how fast, to how many at once, under which limits, and what breaks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from math import inf

from benchmarks.streaming.lower_bound import Lane, paced, shared
from benchmarks.streaming.model import SEARCH, THINKING
from benchmarks.streaming.workloads import Script, spoken, stalled, written
from bot.simulator.rate_limits import Limits

LATENCY = 0.05
"""One way, in seconds."""

LEAD = SEARCH + THINKING
"""Seconds from the question to the model's first delta."""

STALL = 8.0
"""Seconds of the model's silence, where it stalls."""


class Break(Enum):
    """What breaks in the middle of the answer."""

    NOTHING = "nothing"
    DROP = "the model's connection drops"
    STALL = "the model says nothing for 8 s"
    DELETE = "somebody deletes the message"
    STOP = "somebody stops the answer"


class Contender(Enum):
    """Who plays."""

    DOCENT_INTERACTION = "Docent, interaction"
    SECOND_INTERACTION = "each second, interaction"
    DOCENT_CHANNEL = "Docent, channel"
    SECOND_CHANNEL = "each second, channel"

    @property
    def is_docent(self) -> bool:
        """Whether it is ours."""
        return self in OURS

    @property
    def uses_interactions(self) -> bool:
        """Whether it answers a command, in the interaction's own lane; else a mention, in the channel's."""
        return self in {Contender.DOCENT_INTERACTION, Contender.SECOND_INTERACTION}


OURS = (Contender.DOCENT_INTERACTION, Contender.DOCENT_CHANNEL)
MENTIONED = (Contender.DOCENT_CHANNEL,)
EVERYBODY = tuple(Contender)


@dataclass(frozen=True, slots=True)
class Scene:
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
    breaks: Break = Break.NOTHING
    size: int = 4
    players: tuple[Contender, ...] = EVERYBODY
    rounds: int = 1

    @property
    def seconds(self) -> float:
        """How long the model speaks, if nothing breaks."""
        return self.length / self.rate

    @property
    def breaks_at(self) -> float:
        """Seconds from the first delta to the break."""
        return self.seconds / 2

    @property
    def sharing(self) -> int:
        """How many answers share one channel's lane, where they share one."""
        return min(self.answers, self.crowd or self.answers)

    @property
    def limits(self) -> Limits:
        """What the stand-in allows."""
        return Limits().scaled(self.scale)

    def script(self, answer: int) -> Script:
        """What the model says in one of the answers."""
        text = written(answer, self.length, is_fenced=self.is_fenced)
        if self.breaks is Break.DROP:
            text = text[: self.length // 2]
        script = spoken(text, self.rate, size=self.size)
        if self.breaks is Break.STALL:
            return stalled(script, self.breaks_at, STALL)
        return replace(script, is_dropped=self.breaks is Break.DROP)

    def lane(self, contender: Contender) -> Lane:
        """What a contender's edits are counted in."""
        allowance = self.limits.response_edit if contender.uses_interactions else self.limits.message_edit
        return Lane(allowance.limit, allowance.window, self.latency)

    def floor(self, contender: Contender) -> float:
        """The least mean delay per character that even pacing can reach."""
        if contender.uses_interactions or self.channels >= self.answers:
            return paced(self.lane(contender))
        together, alone = self.sharing, self.answers - self.sharing
        among = shared(self.lane(contender), self.seconds, together, LEAD)
        return (together * among + alone * paced(self.lane(contender))) / self.answers


SHORT = Scene("short", "one answer, 400 characters", 400, 200, rounds=3)
LONG = Scene("long", "one answer, 6,000 characters with code", 6_000, 150, is_fenced=True)
FAST = Scene("fast", "one answer, 8,000 characters from a fast model", 8_000, 300, is_fenced=True)
TEN = Scene("ten", "ten at once in one channel, 1,200 characters each", 1_200, 120, answers=10)
BURST = Scene("burst", "3,000 deltas in one burst", 6_000, inf, size=2, players=OURS, rounds=3)

SCENES = (
    SHORT,
    LONG,
    FAST,
    TEN,
    Scene("ten-channels", "ten at once in ten channels", 1_200, 120, answers=10, channels=10),
    Scene(
        "ten-threads",
        "ten mentions at once in one channel, with threads",
        1_200,
        120,
        answers=10,
        crowd=4,
        players=MENTIONED,
    ),
    Scene("ten-short", "ten at once in one channel, 400 characters each", 400, 200, answers=10, players=OURS),
    Scene("drop", "the model's connection drops", 3_000, 200, breaks=Break.DROP, is_fenced=True),
    Scene("stall", "the model stalls for 8 s", 3_000, 200, breaks=Break.STALL, is_fenced=True),
    Scene("delete", "the message is deleted", 3_000, 200, breaks=Break.DELETE),
    Scene("stop", "the answer is stopped", 3_000, 200, breaks=Break.STOP, players=OURS),
    Scene("latency", "doubled latency", 3_000, 150, latency=2 * LATENCY),
    Scene("halved", "halved limits, not told in advance", 3_000, 150, scale=0.5),
    Scene("doubled", "doubled limits, not told in advance", 3_000, 150, scale=2.0),
    BURST,
)

QUICK = ("short", "ten", "drop", "burst")
"""What is played where there is only a minute."""
