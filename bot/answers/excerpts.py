"""Builds what is shown to one person about an answer: its sources quoted, its text to copy. Pure.

Text from a document or a model is shown so that no link, heading or mention in it works.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from itertools import accumulate, takewhile, zip_longest
from typing import TYPE_CHECKING

from bot.answers.highlights import find_cited_spans
from bot.streaming import Table, parse_table_header, split_cells
from bot.text.citations import escape_markdown, format_location
from bot.text.invisible import has_invisible, strip_invisible
from bot.text.wording import utf16_length

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bot.domain import Source

MESSAGE_LIMIT = 2_000
"""Longest message in UTF-16 code units."""

_MAX_MESSAGES = 3
_MAX_LINE_LENGTH = 600
"""Characters of a passage on one line; even escaped they fit into a message."""
_LINE_START = re.compile(r"^(\d*)([#+.)-])")
"""What would turn a line into a heading, a list item or small text."""
_ITEM = re.compile(r"\s*(?:[-*+•]|\d{1,9}[.)])\s+")


@dataclass(frozen=True, slots=True)
class EphemeralContent:
    """Messages for one person, in order; the last one carries a file if ``file_name`` is set."""

    messages: tuple[str, ...]
    file_name: str = ""
    file: bytes = b""


def copy_text(text: str) -> EphemeralContent:
    """Return an answer's exact Markdown in a code block, which has a copy button, or as a file.

    A file if a code block cannot hold it unchanged: too long, with a fence or with invisible characters in it.
    """
    block = f"```md\n{text}\n```"
    if not has_invisible(text) and "```" not in text and utf16_length(block) <= MESSAGE_LIMIT:
        return EphemeralContent((block,))
    return EphemeralContent(("-# The exact text of the answer.",), "answer.md", text.encode("utf-8", "replace"))


def format_sources(sources: Sequence[Source], answer: str = "") -> EphemeralContent:
    """Return the full passages of an answer's sources, with the cited sentences in bold.

    If they need more than three messages, the third carries all of them as a file.
    """
    messages = _paginate([_format_quotation(source, answer) for source in sources])
    if len(messages) <= _MAX_MESSAGES:
        return EphemeralContent(tuple(messages))
    last = f"-# And more: all {len(sources)} passages in full are in the file."
    return EphemeralContent(
        (*messages[: _MAX_MESSAGES - 1], last), "sources.md", _format_file(sources).encode("utf-8", "replace")
    )


def _format_quotation(source: Source, answer: str) -> list[str]:
    """Return a passage as lines of Discord's Markdown: its location, the quotation, and an empty line."""
    title = f"**[{source.number}] {format_location(_format_title(source), source)}**"
    passage = strip_invisible(source.passage).strip()
    return [title, *_quote_lines(passage, find_cited_spans(passage, source.number, answer)), ""]


def _quote_lines(passage: str, spans: Sequence[tuple[int, int]]) -> Iterator[str]:
    """Yield a passage's lines as a quotation; a table in it becomes one aligned block that is not divided."""
    kept = passage.splitlines(keepends=True)
    lines = [line.rstrip("\r\n") for line in kept]
    starts = list(accumulate((len(line) for line in kept), initial=0))
    place = 0
    while place < len(lines):
        begun = parse_table_header(lines[place], lines[place + 1]) if place + 1 < len(lines) else None
        if begun is None:
            yield from _quote_line(lines[place], [(a - starts[place], b - starts[place]) for a, b in spans])
            place += 1
            continue
        rows = list(takewhile(lambda line: "|" in line, lines[place + 2 :]))
        yield from _format_table(begun, rows)
        place += 2 + len(rows)


def _quote_line(line: str, spans: Sequence[tuple[int, int]] = ()) -> list[str]:
    """Return one line as a quotation, in pieces if it is long; ``spans`` of a short one are bold."""
    inside = [(max(a, 0), min(b, len(line))) for a, b in spans if a < len(line) and b > 0]
    if inside and len(line) <= _MAX_LINE_LENGTH:
        return [f"> {_embolden_spans(line, inside)}"]
    pieces = textwrap.wrap(line, _MAX_LINE_LENGTH, break_on_hyphens=False) or [""]
    return [f"> {_escape_line(piece)}".rstrip() for piece in pieces]


def _embolden_spans(line: str, spans: Sequence[tuple[int, int]]) -> str:
    """Return a line with parts of it in bold and without working Markdown; a list sign stays outside."""
    mark = _ITEM.match(line)
    parts: list[str] = []
    at = 0
    for start, end in spans:
        begin = max(start, mark.end() if mark else 0)
        parts += [_format_plain(line[at:begin], is_first=not at), _format_bold(line[begin:end])]
        at = max(end, begin)
    return "".join((*parts, _format_plain(line[at:], is_first=not at))).strip()


def _format_bold(text: str) -> str:
    return f"**{escape_markdown(text, limit=_MAX_LINE_LENGTH)}**" if text.strip() else ""


def _format_plain(text: str, *, is_first: bool) -> str:
    """Return escaped text with one space at each end where there was one."""
    if not text.strip():
        return text[:1]
    inert = _escape_line(text) if is_first else escape_markdown(text, limit=_MAX_LINE_LENGTH)
    return f"{' ' * text[:1].isspace()}{inert}{' ' * text[-1:].isspace()}"


def _format_table(empty_table: Table, rows: Sequence[str]) -> Iterator[str]:
    """Yield a table as in an answer: a code block, or each row's named cells if it is too wide or too long."""
    text, shown = "", empty_table
    for row in rows:
        given, shown = shown.with_row(row)
        text += given
    text = (text + shown.finish()).rstrip("\n")
    if text.startswith("```") and _measure_line(text) <= MESSAGE_LIMIT and not has_invisible(text):
        yield text
        return
    for named in map(split_cells, rows) if rows else [()]:
        pairs = zip_longest(empty_table.header, named, fillvalue="")
        yield from _quote_line(" · ".join(": ".join(filter(None, pair)) for pair in pairs if any(pair)))


def _escape_line(piece: str) -> str:
    return _LINE_START.sub(r"\1\\\2", escape_markdown(piece, limit=_MAX_LINE_LENGTH))


def _format_title(source: Source) -> str:
    return escape_markdown(source.title) or escape_markdown(source.document) or "untitled"


def _paginate(quotations: Sequence[Sequence[str]]) -> list[str]:
    """Return lines as messages that fit; a quotation is divided only if it is longer than a message."""
    pages: list[list[str]] = [[]]
    room = MESSAGE_LIMIT
    for quotation in quotations:
        if sum(map(_measure_line, quotation)) > room:
            pages.append([])
            room = MESSAGE_LIMIT
        for line in quotation:
            if _measure_line(line) > room:
                pages.append([])
                room = MESSAGE_LIMIT
            pages[-1].append(line)
            room -= _measure_line(line)
    return [text for page in pages if (text := "\n".join(page).strip())]


def _measure_line(line: str) -> int:
    return utf16_length(line) + 1


def _format_file(sources: Sequence[Source]) -> str:
    """Return all passages unchanged, as the text of a file."""
    parts = (
        f"# [{source.number}] {format_location(_format_title(source), source)}\n\n"
        f"{strip_invisible(source.passage).strip()}\n"
        for source in sources
    )
    return "\n".join(parts)
