"""Asks while something fails, and says in words how the answer ended for the reader."""

from __future__ import annotations

import asyncio
import logging
import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from bot.streaming import WRITING_CURSOR
from tests.fakes.answerer import HANDBOOK, Pause, Script

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from bot.simulator.world import Message
    from tests.fakes.running_bot import RunningBot

QUESTION: Final = "How long does a refund take?"
WORDS: Final = [
    f"Sentence {number} says how long a refund takes {'and who signs it and where it is noted ' * 4}in case {number}. "
    for number in range(12)
]
LAST_WORDS: Final = "That is all [1]."
ANSWER: Final = "".join(WORDS) + LAST_WORDS
"""Longer than one message."""
SCRIPT: Final = Script(
    [Pause(1.0), *(step for words in WORDS for step in (words, Pause(0.5))), Pause(3.0), LAST_WORDS],
    sources=[HANDBOOK],
)
WHOLE: Final = "the whole answer"
NOTHING: Final = "nothing"


@dataclass(slots=True)
class Reader:
    """Somebody who asks and then reads what the bot wrote; another person for each question.

    ``text`` is the answer when nothing fails. ``settle_seconds`` is longer than it takes until a finished answer is
    shown once more, after a call without response.
    """

    bot: RunningBot
    text: str = ANSWER
    settle_seconds: float = 40.0
    question: str = QUESTION
    is_alone: bool = True
    """Whether whatever the bot writes is for this reader."""
    _origin_id: int = 0
    _seen: set[int] = field(default_factory=set[int])

    def ask(self, way: str) -> None:
        """Ask by ``/ask`` or by a mention."""
        bot, world = self.bot, self.bot.world
        self._seen = set(world.messages)
        person = world.add_user(f"Reader {len(world.users)}")
        world.admin.add_member(bot.general.guild_id or 0, person.id)
        if way == "command":
            used = world.people.use_command(bot.general.id, person.id, "ask", {"question": self.question})
            self._origin_id = used.id
        else:
            said = bot.say(person.name, f"{bot.bot_mention} {self.question}")
            self._origin_id = said.id

    def messages(self) -> list[Message]:
        """Return what the bot wrote since the question, in any channel, oldest first."""
        world = self.bot.world
        return sorted(
            (
                message
                for key, message in world.messages.items()
                if key not in self._seen
                and message.author_id == world.bot.id
                and (self.is_alone or self._origin_id in {message.interaction_id, message.reference_id})
            ),
            key=lambda message: message.id,
        )

    async def wait_for(self, words: str) -> None:
        """Wait until the words are shown."""
        async with asyncio.timeout(30):
            while not any(words in message.current_state.content for message in self.messages()):  # noqa: ASYNC110
                await asyncio.sleep(0.1)  # Discord is another process, whose messages no event announces

    async def wait_until_settled(self) -> None:
        """Wait until no answer is written any more and nothing is repaired any more."""
        await asyncio.sleep(1.0)
        await self.bot.answer_service.wait_until_done()
        await asyncio.sleep(self.settle_seconds)

    def describe_end(self) -> str:
        """Return in words what the reader sees."""
        answer, alone, direct = list[str](), list[str](), list[str]()
        for message in self.messages():
            is_direct = message.channel_id != self.bot.general.id
            group = direct if is_direct else answer if message.visible_to_user_id is None else alone
            group.append(message.current_state.content)
        ends = [
            *([describe_pages(answer, self.text)] if answer else []),
            *(f"to the asker alone: “{_first_sentence(content)}”" for content in alone),
            *(f"in a direct message: “{_first_sentence(content)}”" for content in direct),
        ]
        states = [message.current_state for message in self.messages()]
        problems = [
            *("“thinking…” for ever" for state in states if state.is_thinking),
            *("the cursor stays" for state in states if WRITING_CURSOR.strip() in state.content),
            *("Stop stays" for state in states if "Stop" in str(state.components)),
        ]
        return "; ".join([*problems, *ends]) or NOTHING


def describe_pages(pages: Sequence[str], text: str) -> str:
    """Return what the pages of an answer show: all of ``text``, a part, or other words."""
    shown = "\n".join(pages)
    said = _normalize("\n".join(line for line in shown.splitlines() if not line.startswith("-# ")))
    notes = re.findall(r"^-# (?!\*\*Sources|\[\d|\d+ passages)(.+)$", shown, re.MULTILINE)
    wanted = _normalize(text)
    if not said:
        return f"“{_first_sentence(notes[-1])}”" if notes else "an empty message"
    if said == wanted:
        return WHOLE + ("" if "-# **Sources**" in shown else " without its sources") + _format_note(notes)
    if said == f"{wanted} {wanted}":
        return f"{WHOLE} twice"
    if wanted.startswith(said.removesuffix(WRITING_CURSOR.strip()).rstrip()):
        return "a part of the answer" + _format_note(notes)
    return f"“{_first_sentence(said)}”"


def _format_note(notes: Sequence[str]) -> str:
    return f", closed with “{notes[-1]}”" if notes else ""


def _normalize(text: str) -> str:
    """Return the text without the links behind citations and with single blanks."""
    return " ".join(re.sub(r"\[(\[\d+\])\]\(<[^>]*>\)", r"\1", text).split())


def _first_sentence(text: str) -> str:
    return re.split(r"(?<=[.!?…])\s", re.sub(r"<#\d+>", "a channel", " ".join(text.split())))[0]


@contextmanager
def captured_warnings() -> Generator[list[str]]:
    """Collect what the bot logs at WARNING and above."""
    lines: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    collector = Collector(logging.WARNING)
    logging.getLogger().addHandler(collector)
    try:
        yield lines
    finally:
        logging.getLogger().removeHandler(collector)
