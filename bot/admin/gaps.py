"""Groups the questions that the documents do not answer, and lists them for admins. Pure.

Questions that mean the same form a cluster. A cluster's id is made from the questions in it, so that exactly those are
marked as done that were shown; nothing is kept in memory, and it works after a restart.
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
"""Most clusters on one page; fewer if their text needs more room."""
_PAGE_LENGTH = 1_800
"""UTF-16 code units for the clusters of a page; the lines around them fit into a message as well."""
MAX_DAYS = 365

_QUESTION_LENGTH = 60
_EXCERPT_LENGTH = 40
"""Characters of a cluster's question, and of each excerpt below it, before Markdown is escaped."""
_LABEL_LENGTH = 100
"""Characters of an option in a select."""
COMPONENT_FAMILY = "gaps"
_ARGUMENT = re.compile(r"(?P<days>[0-9]{1,3}):(?P<page>[0-9]{1,3})")


class ButtonAction(Enum):
    """What a component below the list does: show another page, or mark clusters as done."""

    PAGE = "page"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class ButtonId:
    """A component that was used: its action, the days that the list covers, and the page."""

    action: ButtonAction
    days: int
    page: int


@dataclass(frozen=True, slots=True)
class QuestionCluster:
    """Questions that mean the same, the latest first."""

    gaps: tuple[Gap, ...]

    @property
    def question(self) -> str:
        """The latest question; it stands for all of them."""
        return self.gaps[0].question

    @property
    def answer_ids(self) -> tuple[str, ...]:
        """The ids of their answers."""
        return tuple(gap.answer_id for gap in self.gaps)

    @property
    def asker_count(self) -> int:
        """How many people asked."""
        return len({gap.asker_id for gap in self.gaps})

    @property
    def cluster_id(self) -> str:
        """The value of its option in a select; the same as long as the same questions are in it."""
        return hashlib.sha256(" ".join(sorted(self.answer_ids)).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Page:
    """Clusters that are shown together; ``number`` and ``last`` count pages from 0, ``first`` clusters from 1."""

    clusters: tuple[QuestionCluster, ...]
    number: int
    last: int
    first: int
    gap_count: int
    """Questions on all pages."""
    cluster_count: int
    """Clusters on all pages."""


def filter_by_scope(gaps: Iterable[Gap], scope: Scope) -> list[Gap]:
    """Return the gaps whose whole scope may be seen: a question tells about the documents it was put to."""
    return [gap for gap in gaps if gap.scope.collections <= scope.collections]


def cluster_gaps(gaps: Sequence[Gap], vectors: Sequence[Sequence[float]] | None) -> list[QuestionCluster]:
    """Group the gaps (the latest first) by meaning; return the most frequent clusters first."""
    found = [
        QuestionCluster(tuple(gaps[index] for index in group))
        for group in cluster_texts([g.question for g in gaps], vectors)
    ]
    return sorted(found, key=lambda cluster: (-len(cluster.gaps), -cluster.gaps[0].asked_at, cluster.gaps[0].answer_id))


def build_page(clusters: Sequence[QuestionCluster], number: int) -> Page:
    """Return the page with this number, or the nearest one that exists."""
    pages = _split_into_pages(clusters)
    number = max(0, min(number, len(pages) - 1))
    first = 1 + sum(len(page) for page in pages[:number])
    gaps = sum(len(cluster.gaps) for cluster in clusters)
    return Page(tuple(pages[number]), number, len(pages) - 1, first, gaps, len(clusters))


def format_page(page: Page, days: int, *, is_truncated: bool = False) -> str:
    """Return a page in Discord's Markdown. ``is_truncated``: older gaps were left out."""
    within_days = f"in the last {format_count(days, 'day')}"
    if not page.clusters:
        return f"No question asked {within_days} is without an answer in the documents."
    questions, topics = format_count(page.gap_count, "question"), format_count(page.cluster_count, "topic")
    head = f"**{questions} without a good answer {within_days}, {topics}**"
    entries = [_format_entry(page.first + index, cluster) for index, cluster in enumerate(page.clusters)]
    feet = [f"page {page.number + 1} of {page.last + 1}"] if page.last else []
    feet += ["older questions are left out"] if is_truncated else []
    return "\n".join([head, *entries, *([f"-# {' · '.join(feet)}"] if feet else [])])


def format_label(number: int, cluster: QuestionCluster) -> str:
    """Return a cluster's label in a select, where Discord reads no Markdown."""
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
    """Divide the clusters into pages that fit into a message; at least one page."""
    pages: list[list[QuestionCluster]] = [[]]
    room = _PAGE_LENGTH
    for number, cluster in enumerate(clusters, start=1):
        width = utf16_length(_format_entry(number, cluster)) + 1
        if width > room or len(pages[-1]) == PER_PAGE:
            pages.append([])
            room = _PAGE_LENGTH
        pages[-1].append(cluster)
        room -= width
    return pages


def _format_entry(number: int, cluster: QuestionCluster) -> str:
    count = len(cluster.gaps)
    people = f" by {format_count(cluster.asker_count, 'person', 'people')}" if count > 1 else ""
    facts = [f"{format_count(count, 'time')}{people}", f"last <t:{int(cluster.gaps[0].asked_at)}:R>"]
    if other := _find_other_wording(cluster):
        facts.append(f"also “{escape_markdown(other, _EXCERPT_LENGTH)}”")
    if missed := [comment for gap in cluster.gaps for comment in gap.comments]:
        more = f" and {len(missed) - 1} more" if len(missed) > 1 else ""
        facts.append(f"missed: “{escape_markdown(missed[0], _EXCERPT_LENGTH)}”{more}")
    return f"{number}\\. **{escape_markdown(cluster.question, _QUESTION_LENGTH)}**\n-# {' · '.join(facts)}"


def _find_other_wording(cluster: QuestionCluster) -> str:
    """Return another wording of the same question; "" if all used the same."""
    return next((gap.question for gap in cluster.gaps if gap.question.casefold() != cluster.question.casefold()), "")
