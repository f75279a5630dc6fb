"""Questions that wait for an answer in the documents go in, and what an admin sees and does about them comes out. Pure.

Questions that mean the same are one topic. A topic's name holds whatever is in it, so that what is marked as done is
what was shown, and nothing that came since; it needs no memory, and works after a restart.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from bot.admin.clustering import grouped
from bot.text.citations import escaped
from bot.text.invisible import on_one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bot.domain import Scope
    from bot.records import Gap

PER_PAGE = 8
"""Topics on one page at most; fewer where their words need more room."""
_ROOM = 1_800
"""UTF-16 code units for the topics of a page; what stands around them fits into a message with them."""
MOST_DAYS = 365

_QUESTION = 60
_LINE = 40
"""Characters of the question that stands for a topic, and of each line of words below it, before signs are escaped."""
_LABEL = 100
"""Characters of an option in a select."""
_CUSTOM_ID = re.compile(r"gaps:(?P<deed>page|done):(?P<days>[0-9]{1,3}):(?P<page>[0-9]{1,3})")
_OURS = "gaps:"


class Deed(Enum):
    """What the controls below a list do: turn to a page, or mark topics as done."""

    PAGE = "page"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Press:
    """A control of ours that was used: what it does, over how many days the list goes, and which page is meant."""

    deed: Deed
    days: int
    page: int


@dataclass(frozen=True, slots=True)
class Topic:
    """Questions that mean the same, the latest first."""

    gaps: tuple[Gap, ...]

    @property
    def question(self) -> str:
        """The question that stands for all of them."""
        return self.gaps[0].question

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of their answers."""
        return tuple(gap.key for gap in self.gaps)

    @property
    def people(self) -> int:
        """How many people asked."""
        return len({gap.asker_id for gap in self.gaps})

    @property
    def name(self) -> str:
        """What it is called in a select: the same as long as the same questions are in it."""
        return hashlib.sha256(" ".join(sorted(self.keys)).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Page:
    """Topics that are shown together; ``number`` and ``last`` count pages from 0, ``first`` topics from 1."""

    topics: tuple[Topic, ...]
    number: int
    last: int
    first: int
    gaps: int
    """How many questions there are on all pages."""
    total: int
    """How many topics there are on all pages."""


def within(gaps: Iterable[Gap], scope: Scope) -> list[Gap]:
    """The gaps whose whole scope somebody may see: a question tells of the documents it was put to."""
    return [gap for gap in gaps if gap.scope.collections <= scope.collections]


def topics(gaps: Sequence[Gap], vectors: Sequence[Sequence[float]] | None) -> list[Topic]:
    """The gaps, which come the latest first, by what they mean; those most often asked first."""
    found = [Topic(tuple(gaps[index] for index in group)) for group in grouped([g.question for g in gaps], vectors)]
    return sorted(found, key=lambda topic: (-len(topic.gaps), -topic.gaps[0].asked_at, topic.gaps[0].key))


def paged(found: Sequence[Topic], number: int) -> Page:
    """One page of them, the nearest there is."""
    pages = _divided(found)
    number = max(0, min(number, len(pages) - 1))
    first = 1 + sum(len(page) for page in pages[:number])
    gaps = sum(len(topic.gaps) for topic in found)
    return Page(tuple(pages[number]), number, len(pages) - 1, first, gaps, len(found))


def described(page: Page, days: int, *, is_cut: bool = False) -> str:
    """A page in Discord's Markdown. ``is_cut``: there are more gaps than were looked at."""
    within_days = f"in the last {_counted(days, 'day')}"
    if not page.topics:
        return f"No question asked {within_days} waits for an answer in the documents."
    head = f"**{_counted(page.gaps, 'question')} without a good answer {within_days}, {_counted(page.total, 'topic')}**"
    entries = [_entry(page.first + place, topic) for place, topic in enumerate(page.topics)]
    feet = [f"page {page.number + 1} of {page.last + 1}"] if page.last else []
    feet += ["only the latest questions were looked at"] if is_cut else []
    return "\n".join([head, *entries, *([f"-# {' · '.join(feet)}"] if feet else [])])


def labelled(number: int, topic: Topic) -> str:
    """A topic as an option: Discord shows it as it is."""
    line = on_one_line(topic.question).encode("utf-8", "ignore").decode()
    return _short(f"{number}. {line}", _LABEL)


def custom_id(deed: Deed, days: int, page: int) -> str:
    """What a control is called, by which ``pressed`` knows it again."""
    return f"{_OURS}{deed.value}:{days}:{page}"


def is_ours(name: str) -> bool:
    """Whether a component of that name claims to be one of these controls."""
    return name.startswith(_OURS)


def pressed(name: str) -> Press | None:
    """What a component's name means; None if it was never one of ours."""
    match = _CUSTOM_ID.fullmatch(name)
    if match is None or not 1 <= int(match["days"]) <= MOST_DAYS:
        return None
    return Press(Deed(match["deed"]), int(match["days"]), int(match["page"]))


def _divided(found: Sequence[Topic]) -> list[list[Topic]]:
    """Pages that fit; at least one."""
    pages: list[list[Topic]] = [[]]
    room = _ROOM
    for number, topic in enumerate(found, start=1):
        width = len(_entry(number, topic).encode("utf-16-le", "replace")) // 2 + 1
        if width > room or len(pages[-1]) == PER_PAGE:
            pages.append([])
            room = _ROOM
        pages[-1].append(topic)
        room -= width
    return pages


def _entry(number: int, topic: Topic) -> str:
    count = len(topic.gaps)
    people = f" by {_counted(topic.people, 'person', 'people')}" if count > 1 else ""
    facts = [f"{_counted(count, 'time')}{people}", f"last <t:{int(topic.gaps[0].asked_at)}:R>"]
    if other := _another(topic):
        facts.append(f"also “{escaped(other, _LINE)}”")
    if missed := [words for gap in topic.gaps for words in gap.words]:
        more = f" and {len(missed) - 1} more" if len(missed) > 1 else ""
        facts.append(f"missed: “{escaped(missed[0], _LINE)}”{more}")
    return f"{number}\\. **{escaped(topic.question, _QUESTION)}**\n-# {' · '.join(facts)}"


def _another(topic: Topic) -> str:
    """Other words in which the same was asked; empty where all used the same."""
    return next((gap.question for gap in topic.gaps if gap.question.casefold() != topic.question.casefold()), "")


def _short(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _counted(number: int, noun: str, plural: str = "") -> str:
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"
