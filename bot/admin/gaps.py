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

from bot.admin.clustering import cluster_texts
from bot.discord_adapter.components import CustomId
from bot.text.citations import escape_markdown
from bot.text.invisible import single_line
from bot.text.wording import format_count, truncate, utf16_length

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bot.domain import Scope
    from bot.records import Gap

PER_PAGE = 8
"""Topics on one page at most; fewer where their words need more room."""
_PAGE_LENGTH = 1_800
"""UTF-16 code units for the topics of a page; what stands around them fits into a message with them."""
MAX_DAYS = 365

_QUESTION_LENGTH = 60
_EXCERPT_LENGTH = 40
"""Characters of the question that stands for a topic, and of each line of words below it, before signs are escaped."""
_LABEL_LENGTH = 100
"""Characters of an option in a select."""
COMPONENT_FAMILY = "gaps"
_ARGUMENT = re.compile(r"(?P<days>[0-9]{1,3}):(?P<page>[0-9]{1,3})")


class ButtonAction(Enum):
    """What the controls below a list do: turn to a page, or mark topics as done."""

    PAGE = "page"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class ButtonId:
    """A control of ours that was used: what it does, over how many days the list goes, and which page is meant."""

    action: ButtonAction
    days: int
    page: int


@dataclass(frozen=True, slots=True)
class QuestionCluster:
    """Questions that mean the same, the latest first."""

    gaps: tuple[Gap, ...]

    @property
    def question(self) -> str:
        """The question that stands for all of them."""
        return self.gaps[0].question

    @property
    def answer_ids(self) -> tuple[str, ...]:
        """The keys of their answers."""
        return tuple(gap.answer_id for gap in self.gaps)

    @property
    def asker_count(self) -> int:
        """How many people asked."""
        return len({gap.asker_id for gap in self.gaps})

    @property
    def cluster_id(self) -> str:
        """What it is called in a select: the same as long as the same questions are in it."""
        return hashlib.sha256(" ".join(sorted(self.answer_ids)).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Page:
    """Topics that are shown together; ``number`` and ``last`` count pages from 0, ``first`` topics from 1."""

    clusters: tuple[QuestionCluster, ...]
    number: int
    last: int
    first: int
    gap_count: int
    """How many questions there are on all pages."""
    cluster_count: int
    """How many topics there are on all pages."""


def filter_by_scope(gaps: Iterable[Gap], scope: Scope) -> list[Gap]:
    """The gaps whose whole scope somebody may see: a question tells of the documents it was put to."""
    return [gap for gap in gaps if gap.scope.collections <= scope.collections]


def cluster_gaps(gaps: Sequence[Gap], vectors: Sequence[Sequence[float]] | None) -> list[QuestionCluster]:
    """The gaps, which come the latest first, by what they mean; those most often asked first."""
    found = [
        QuestionCluster(tuple(gaps[index] for index in group))
        for group in cluster_texts([g.question for g in gaps], vectors)
    ]
    return sorted(found, key=lambda topic: (-len(topic.gaps), -topic.gaps[0].asked_at, topic.gaps[0].answer_id))


def build_page(clusters: Sequence[QuestionCluster], number: int) -> Page:
    """One page of them, the nearest there is."""
    pages = _split_into_pages(clusters)
    number = max(0, min(number, len(pages) - 1))
    first = 1 + sum(len(page) for page in pages[:number])
    gaps = sum(len(topic.gaps) for topic in clusters)
    return Page(tuple(pages[number]), number, len(pages) - 1, first, gaps, len(clusters))


def format_page(page: Page, days: int, *, is_truncated: bool = False) -> str:
    """A page in Discord's Markdown. ``is_truncated``: there are more gaps than were looked at."""
    within_days = f"in the last {format_count(days, 'day')}"
    if not page.clusters:
        return f"No question asked {within_days} waits for an answer in the documents."
    questions, topics = format_count(page.gap_count, "question"), format_count(page.cluster_count, "topic")
    head = f"**{questions} without a good answer {within_days}, {topics}**"
    entries = [_format_entry(page.first + place, topic) for place, topic in enumerate(page.clusters)]
    feet = [f"page {page.number + 1} of {page.last + 1}"] if page.last else []
    feet += ["only the latest questions were looked at"] if is_truncated else []
    return "\n".join([head, *entries, *([f"-# {' · '.join(feet)}"] if feet else [])])


def format_label(number: int, cluster: QuestionCluster) -> str:
    """A topic as an option: Discord shows it as it is."""
    line = single_line(cluster.question).encode("utf-8", "ignore").decode()
    return truncate(f"{number}. {line}", _LABEL_LENGTH)


def format_custom_id(action: ButtonAction, days: int, page: int) -> str:
    """Return the custom id of a component below a list, as ``parse_custom_id`` reads it."""
    return str(CustomId(COMPONENT_FAMILY, action.value, f"{days}:{page}"))


def parse_custom_id(custom_id: CustomId) -> ButtonId | None:
    """Return what a component of this family does; None if it is not one of ours."""
    match = _ARGUMENT.fullmatch(custom_id.argument)
    actions = {action.value for action in ButtonAction}
    if match is None or custom_id.action not in actions or not 1 <= int(match["days"]) <= MAX_DAYS:
        return None
    return ButtonId(ButtonAction(custom_id.action), int(match["days"]), int(match["page"]))


def _split_into_pages(clusters: Sequence[QuestionCluster]) -> list[list[QuestionCluster]]:
    """Pages that fit; at least one."""
    pages: list[list[QuestionCluster]] = [[]]
    room = _PAGE_LENGTH
    for number, topic in enumerate(clusters, start=1):
        width = utf16_length(_format_entry(number, topic)) + 1
        if width > room or len(pages[-1]) == PER_PAGE:
            pages.append([])
            room = _PAGE_LENGTH
        pages[-1].append(topic)
        room -= width
    return pages


def _format_entry(number: int, cluster: QuestionCluster) -> str:
    count = len(cluster.gaps)
    people = f" by {format_count(cluster.asker_count, 'person', 'people')}" if count > 1 else ""
    facts = [f"{format_count(count, 'time')}{people}", f"last <t:{int(cluster.gaps[0].asked_at)}:R>"]
    if other := _find_other_wording(cluster):
        facts.append(f"also “{escape_markdown(other, _EXCERPT_LENGTH)}”")
    if missed := [words for gap in cluster.gaps for words in gap.comments]:
        more = f" and {len(missed) - 1} more" if len(missed) > 1 else ""
        facts.append(f"missed: “{escape_markdown(missed[0], _EXCERPT_LENGTH)}”{more}")
    return f"{number}\\. **{escape_markdown(cluster.question, _QUESTION_LENGTH)}**\n-# {' · '.join(facts)}"


def _find_other_wording(cluster: QuestionCluster) -> str:
    """Other words in which the same was asked; empty where all used the same."""
    return next((gap.question for gap in cluster.gaps if gap.question.casefold() != cluster.question.casefold()), "")
