"""Documents go in, and what an admin reads of them comes out: a page of a list, one in full, what was added. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.domain.collection_names import shown
from bot.text.citations import escaped
from bot.text.invisible import seen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bot.domain import Shelved

PER_PAGE = 12
"""Documents on one page: so many lines of these lengths fit into a message."""

_NAME = 70
_TITLE = 40
_MESSAGE = 1_900


def paged(documents: Sequence[Shelved], number: int, last: int) -> str:
    """One page of a list; ``number`` and ``last`` count pages from 0."""
    if not documents:
        return "No documents yet. Add some with /docs add, then /reindex."
    lines = [_line(each) for each in documents[number * PER_PAGE : (number + 1) * PER_PAGE]]
    passages = sum(each.passages for each in documents)
    head = f"**{_counted(len(documents), 'document')}, {_counted(passages, 'passage')}**"
    foot = f"-# Page {number + 1} of {last + 1}" if last else ""
    return "\n".join(part for part in (head, *lines, foot) if part)


def described(document: Shelved) -> str:
    """One document in full."""
    lines = [
        f"**{escaped(document.title)}**",
        f"Path: {escaped(document.document)}",
        f"Collection: {escaped(shown(document.collection))}",
        f"Passages: {document.passages:,}",
        *([f"Last changed: <t:{int(document.date.timestamp())}:f>"] if document.date else []),
        *([f"Lives at: `{seen(document.url).replace('`', '')}`"] if document.url else []),
    ]
    return "\n".join(lines)


def taken_in(added: Sequence[str], refused: Mapping[str, str]) -> str:
    """What became of each file that was sent."""
    lines = [f"✓ {escaped(_short(name, _NAME))}" for name in added]
    lines += [f"✗ {escaped(_short(name, _NAME))}: {reason}" for name, reason in refused.items()]
    if added:
        lines.append("-# They are found after the next /reindex.")
    return "\n".join(lines)[:_MESSAGE]


def _line(document: Shelved) -> str:
    date = f" · <t:{int(document.date.timestamp())}:d>" if document.date else ""
    title = escaped(_short(document.title, _TITLE))
    return f"- {escaped(_short(document.document, _NAME))} · {title} · {_counted(document.passages, 'passage')}{date}"


def _short(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
