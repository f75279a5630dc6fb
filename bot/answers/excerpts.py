"""An answer goes in, and what is handed to one person about it comes out: its passages quoted, its text to copy. Pure.

What came from a document or a model is shown so that nothing in it works: no link, no heading, nobody's name.
"""

from __future__ import annotations

import re
import textwrap
import unicodedata
from dataclasses import dataclass
from itertools import accumulate, takewhile, zip_longest
from typing import TYPE_CHECKING

from bot.answers.highlights import cited_spans
from bot.streaming import Table, cells, table
from bot.text.citations import escaped, located
from bot.text.invisible import seen

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bot.domain import Source

MESSAGE_LIMIT = 2_000
"""Longest message in UTF-16 code units."""

_MOST_MESSAGES = 3
_LONGEST_LINE = 600
"""Characters of a passage on one line: escaped, they still fit into a message."""
_LINE_START = re.compile(r"^(\d*)([#+.)-])")
"""What would make a heading, a list or small print of a line."""
_ITEM = re.compile(r"\s*(?:[-*+•]|\d{1,9}[.)])\s+")
_UNSEEN = {"Cc", "Cf", "Co", "Cs"}


@dataclass(frozen=True, slots=True)
class Handout:
    """Messages for one person, in order; with the last one goes a file, where ``file_name`` is not empty."""

    messages: tuple[str, ...]
    file_name: str = ""
    file: bytes = b""


def copied(text: str) -> Handout:
    """An answer's exact Markdown: in a code block, which has a button of its own to copy it, or as a file.

    A file wherever a code block could not hold it as it is: too long, with a fence in it, or with signs nobody sees.
    """
    block = f"```md\n{text}\n```"
    if not _has_unseen(text) and "```" not in text and _width(block) <= MESSAGE_LIMIT:
        return Handout((block,))
    return Handout(("-# The exact text of the answer.",), "answer.md", text.encode("utf-8", "replace"))


def _has_unseen(text: str) -> bool:
    return any(unicodedata.category(sign) in _UNSEEN for sign in text if sign not in "\n\t")


def quoted(sources: Sequence[Source], answer: str = "") -> Handout:
    """The passages an answer rests on, in full, bold where they say what it cites them for.

    Beyond three messages the whole of it is a file at the third.
    """
    messages = _paged([_quotation(source, answer) for source in sources])
    if len(messages) <= _MOST_MESSAGES:
        return Handout(tuple(messages))
    last = f"-# And more: all {len(sources)} passages in full are in the file."
    return Handout((*messages[: _MOST_MESSAGES - 1], last), "sources.md", _written(sources).encode("utf-8", "replace"))


def _quotation(source: Source, answer: str) -> list[str]:
    """A passage as lines of Discord's Markdown: where it stands, then itself as a quotation, then a blank line."""
    title = f"**[{source.number}] {located(_title(source), source)}**"
    passage = seen(source.passage).strip()
    return [title, *_quoted_lines(passage, cited_spans(passage, source.number, answer)), ""]


def _quoted_lines(passage: str, spans: Sequence[tuple[int, int]]) -> Iterator[str]:
    """A passage's lines quoted; a table among them is one, an aligned block that must not be divided."""
    kept = passage.splitlines(keepends=True)
    lines = [line.rstrip("\r\n") for line in kept]
    starts = list(accumulate((len(line) for line in kept), initial=0))
    place = 0
    while place < len(lines):
        begun = table(*lines[place : place + 2]) if place + 1 < len(lines) else None
        if begun is None:
            yield from _quoted_line(lines[place], [(a - starts[place], b - starts[place]) for a, b in spans])
            place += 1
            continue
        rows = list(takewhile(lambda line: "|" in line, lines[place + 2 :]))
        yield from _tabulated(begun, rows)
        place += 2 + len(rows)


def _quoted_line(line: str, spans: Sequence[tuple[int, int]] = ()) -> list[str]:
    """A line quoted, in pieces where it is long; ``spans`` of it are bold where it is not."""
    inside = [(max(a, 0), min(b, len(line))) for a, b in spans if a < len(line) and b > 0]
    if inside and len(line) <= _LONGEST_LINE:
        return [f"> {_with_bold(line, inside)}"]
    pieces = textwrap.wrap(line, _LONGEST_LINE, break_on_hyphens=False) or [""]
    return [f"> {_inert(piece)}".rstrip() for piece in pieces]


def _with_bold(line: str, spans: Sequence[tuple[int, int]]) -> str:
    """A line with parts of it in bold, all of it inert; the sign that begins an item stays outside."""
    mark = _ITEM.match(line)
    parts: list[str] = []
    at = 0
    for start, end in spans:
        begin = max(start, mark.end() if mark else 0)
        parts += [_bare(line[at:begin], is_first=not at), _bold(line[begin:end])]
        at = max(end, begin)
    return "".join((*parts, _bare(line[at:], is_first=not at))).strip()


def _bold(words: str) -> str:
    return f"**{escaped(words, limit=_LONGEST_LINE)}**" if words.strip() else ""


def _bare(words: str, *, is_first: bool) -> str:
    """Words of a line with a blank at either end where there was one."""
    if not words.strip():
        return words[:1]
    inert = _inert(words) if is_first else escaped(words, limit=_LONGEST_LINE)
    return f"{' ' * words[:1].isspace()}{inert}{' ' * words[-1:].isspace()}"


def _tabulated(begun: Table, rows: Sequence[str]) -> Iterator[str]:
    """A table as in an answer: a block of code, or each row's cells by name where that is too wide or too long."""
    text, shown = "", begun
    for row in rows:
        given, shown = shown.with_row(row)
        text += given
    text = (text + shown.ended()).rstrip("\n")
    if text.startswith("```") and _cost(text) <= MESSAGE_LIMIT and not _has_unseen(text):
        yield text
        return
    for named in map(cells, rows) if rows else [()]:
        pairs = zip_longest(begun.header, named, fillvalue="")
        yield from _quoted_line(" · ".join(": ".join(filter(None, pair)) for pair in pairs if any(pair)))


def _inert(piece: str) -> str:
    return _LINE_START.sub(r"\1\\\2", escaped(piece, limit=_LONGEST_LINE))


def _title(source: Source) -> str:
    return escaped(source.title) or escaped(source.document) or "untitled"


def _paged(quotations: Sequence[Sequence[str]]) -> list[str]:
    """Lines as messages that fit; a quotation is divided only if it is longer than a message."""
    pages: list[list[str]] = [[]]
    room = MESSAGE_LIMIT
    for quotation in quotations:
        if sum(map(_cost, quotation)) > room:
            pages.append([])
            room = MESSAGE_LIMIT
        for line in quotation:
            if _cost(line) > room:
                pages.append([])
                room = MESSAGE_LIMIT
            pages[-1].append(line)
            room -= _cost(line)
    return [text for page in pages if (text := "\n".join(page).strip())]


def _cost(line: str) -> int:
    return _width(line) + 1


def _written(sources: Sequence[Source]) -> str:
    """All passages as they stand in the documents, for a file."""
    parts = (
        f"# [{source.number}] {located(_title(source), source)}\n\n{seen(source.passage).strip()}\n"
        for source in sources
    )
    return "\n".join(parts)


def _width(text: str) -> int:
    return len(text) + sum(sign > "\uffff" for sign in text)
