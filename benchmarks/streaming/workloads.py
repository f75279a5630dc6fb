"""What a model will say and when: sentences, code blocks and a clock, of words that are found in no other answer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import count, islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# No "r" and no "s": no word begins like "Reading" or "Searching", so that a status line is never taken for text.
_SYLLABLES = [consonant + vowel for consonant in "bdfgklmnptvz" for vowel in "aeiou"]
_WORDS_PER_ANSWER = 4_000
_WORDS_PER_SENTENCE = 9
_SENTENCES_PER_PARAGRAPH = 4
_CODE_LINES = 12
_CHARS_PER_CODE_BLOCK = 900
"""So many characters of prose and code come before the next code block."""


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of text, and how many seconds after its first delta the model says it."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Script:
    """Everything one answer will say. With ``is_dropped`` the connection breaks after the last delta."""

    deltas: tuple[Delta, ...]
    is_dropped: bool = False

    @property
    def text(self) -> str:
        """What is said in all."""
        return "".join(delta.text for delta in self.deltas)

    @property
    def seconds(self) -> float:
        """From the first delta to the last."""
        return self.deltas[-1].at


def generate_words(answer: int) -> Iterator[str]:
    """The words of one answer, six letters each; no two answers share one."""
    for number in count(answer * _WORDS_PER_ANSWER):
        rest, third = divmod(number, len(_SYLLABLES))
        first, second = divmod(rest, len(_SYLLABLES))
        yield _SYLLABLES[first % len(_SYLLABLES)] + _SYLLABLES[second] + _SYLLABLES[third]


def generate_text(answer: int, length: int, *, is_fenced: bool = False) -> str:
    """A text of exactly so many characters, with a code block every now and then if ``is_fenced``."""
    fresh = generate_words(answer)
    text = ""
    while is_fenced and length - len(text) > 2 * _CHARS_PER_CODE_BLOCK:
        end = len(text) + _CHARS_PER_CODE_BLOCK
        while len(text) < end - _CHARS_PER_CODE_BLOCK // 3:
            text += _generate_paragraph(fresh)
        text += _generate_code(fresh)
    while len(text) < length:
        text += _generate_paragraph(fresh)
    return text[:length]


def make_script(text: str, rate: float, *, delta_size: int = 4) -> Script:
    """The text in deltas of ``delta_size`` characters.

    ``rate`` characters a second; ``inf`` says everything at once.
    """
    starts = range(0, len(text), delta_size)
    return Script(tuple(Delta(start / rate, text[start : start + delta_size]) for start in starts))


def add_stall(script: Script, at: float, seconds: float) -> Script:
    """The same with a silence of so many seconds from ``at`` on."""
    deltas = [replace(delta, at=delta.at + seconds) if delta.at >= at else delta for delta in script.deltas]
    return replace(script, deltas=tuple(deltas))


def _generate_paragraph(fresh: Iterator[str]) -> str:
    sentences = [
        " ".join(islice(fresh, _WORDS_PER_SENTENCE)).capitalize() + "." for _ in range(_SENTENCES_PER_PARAGRAPH)
    ]
    return " ".join(sentences) + "\n\n"


def _generate_code(fresh: Iterator[str]) -> str:
    lines = [f"{next(fresh)} = {next(fresh)}({next(fresh)})" for _ in range(_CODE_LINES)]
    return "```python\n" + "\n".join(lines) + "\n```\n\n"
