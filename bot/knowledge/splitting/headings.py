"""Cuts a text into sections at its headings; each section knows the path of headings above it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HEADING_SEPARATOR: Final = " › "

_ATX = re.compile(r"^ {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*$")
_SETEXT = re.compile(r"^ {0,3}(=+|-{2,})[ \t]*$")
# A longer run of tildes is an underline of reStructuredText far more often than a fence.
FENCE: Final = re.compile(r"^([ \t]*(?:(?:[-*+•:]|\d{1,9}[.)])[ \t]+)*)(`{3,}|~{3,5}(?!~))(.*)$")
"""A line that opens or closes a code block: what is before its fence (blanks, or the mark of a list item or definition
that begins with code), the fence, and what follows it."""
_LETTER = re.compile(r"[^\W_]")
LIST_ITEM: Final = re.compile(r"^\s*(?:[-*+•]|\d{1,9}[.)])\s")
"""The first line of a list item."""


@dataclass(frozen=True, slots=True)
class Section:
    """The text between one heading and the next.

    Attributes:
        path: The headings above it, from the outermost in.
        body: The text. Headings that have no text of their own are its last paragraphs.
        lines: For each line of the body, which line of the whole text it is, counted from 0.
        heading_count: How many paragraphs at the body's end are such headings.
    """

    path: tuple[str, ...]
    body: str
    lines: Sequence[int]
    heading_count: int = 0


def split_sections(text: str, *, is_markdown: bool = True) -> list[Section]:
    """Cut a text at its headings, except those inside code blocks; plain text has underlined headings only.

    A heading without text becomes a paragraph of a neighbouring section, so that it can still be found.
    """
    cut: list[tuple[int, Section]] = []
    stack: list[tuple[int, str]] = []
    for heading, start, body in _split_at_headings(text.splitlines(), is_markdown=is_markdown):
        while stack and stack[-1][0] >= heading.level:
            stack.pop()
        if heading.text:
            stack.append((heading.level, heading.text))
        written = "\n".join(body)
        first = start + len(written) - len(written.lstrip("\n"))
        written = written.strip("\n")
        lines = range(first, first + written.count("\n") + 1)
        cut.append((heading.line, Section(tuple(name for _, name in stack), written, lines)))
    return _merge_empty_sections(cut)


@dataclass(frozen=True, slots=True)
class _Heading:
    """A heading: its level, its words and its line number."""

    level: int
    text: str
    line: int


def _split_at_headings(lines: Sequence[str], *, is_markdown: bool) -> Iterator[tuple[_Heading, int, list[str]]]:
    """Yield each heading, the number of the first line below it, and the lines below it.

    Text above the first heading comes with a heading of level 0.
    """
    heading, start, fence = _Heading(0, "", 0), 0, ""
    body: list[str] = []
    for place, line in enumerate(lines):
        was_inside = is_inside_fence(fence, line)
        fence = update_fence(fence, line) if is_markdown else ""
        above = len(body)
        found = None if was_inside or fence else _parse_heading(line, body, is_markdown=is_markdown)
        if found is None:
            body.append(line)
            continue
        yield heading, start, body
        heading = _Heading(*found, place - (above - len(body)))
        start, body = place + 1, []
    yield heading, start, body


def is_indented(line: str) -> bool:
    """Whether a line is indented as an indented code block is, or the text of a list item."""
    return line.startswith(("    ", "\t"))


def is_inside_fence(fence: str, line: str) -> bool:
    """Whether a line belongs to the open code block; one that is indented in a list ends with it at the latest."""
    return bool(fence) and not (is_indented(fence) and line[:1].strip())


def update_fence(fence: str, line: str) -> str:
    """Return the fence that is open after a line, with blanks before it as wide as its margin; "" for none."""
    if not is_inside_fence(fence, line):
        fence = ""
    mark = FENCE.match(line)
    if mark is None:
        return fence
    margin, run, rest = mark.groups()
    if not fence:
        return "" if run[0] == "`" and "`" in rest else re.sub(r"\S", " ", margin) + run
    if margin.strip():  # an item's mark opens a block, and cannot close one
        return fence
    opening = fence.lstrip()
    can_close = is_indented(fence) or not is_indented(line)
    closes = can_close and run[0] == opening[0] and len(run) >= len(opening) and not rest.strip()
    return "" if closes else fence


def has_words(passage: str) -> bool:
    """Whether a passage holds a letter or a digit outside of the lines that open code blocks."""
    marks = ((line, FENCE.match(line)) for line in passage.splitlines())
    return any(_LETTER.search(line) for line, mark in marks if mark is None or "`" in mark.group(3))


def _parse_heading(line: str, above: list[str], *, is_markdown: bool) -> tuple[int, str] | None:
    """Return the level and words of a heading that ends on this line; remove an underlined one from the lines above."""
    if is_markdown and (atx := _ATX.match(line)) and (words := strip_heading_markup(atx.group(2) or "")):
        return len(atx.group(1)), words
    underline = _SETEXT.match(line)
    if underline is None or not _can_be_underlined(above):
        return None
    if not (words := strip_heading_markup(above[-1])):
        return None
    above.pop()
    return (1 if underline.group(1).startswith("=") else 2), words


def _can_be_underlined(above: Sequence[str]) -> bool:
    """Whether the last line above is a paragraph of one line: no list item, table row, quotation or wrapped text."""
    if not above or not above[-1].strip() or (len(above) > 1 and above[-2].strip()):
        return False
    return not (LIST_ITEM.match(above[-1]) or above[-1].startswith((" ", "\t", "|", ">", "+")))


def strip_heading_markup(text: str) -> str:
    """Return a heading's words without links, emphasis, anchors and permalink signs."""
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"\s*\{#[^}]*\}\s*$", "", text)
    text = re.sub(r"(\*\*|__|`+)(.+?)\1", r"\2", text)
    text = re.sub(r"<[^>]{1,80}>", "", text).rstrip("¶ ")
    return " ".join(text.split())


def _merge_empty_sections(numbered_sections: Sequence[tuple[int, Section]]) -> list[Section]:
    """Move a heading without text to its parent's text, else to the last text before it, else to the first text.

    Each section comes with the line number of its heading.
    """
    worded = [has_words(section.body) for _, section in numbered_sections]
    bodies = [
        [section.body] if has_text else [] for (_, section), has_text in zip(numbered_sections, worded, strict=True)
    ]
    lines = [
        list(section.lines) if has_text else []
        for (_, section), has_text in zip(numbered_sections, worded, strict=True)
    ]
    before = next((place for place, body in enumerate(bodies) if body), 0)
    texts = [section.path for (_, section), has_text in zip(numbered_sections, worded, strict=True) if has_text]
    named = {path[:depth] for path in texts for depth in range(len(path) + 1)}
    named.add(())
    filled: dict[tuple[str, ...], int] = {}
    for place, (line, section) in enumerate(numbered_sections):
        if worded[place]:
            filled[section.path] = before = place
        elif section.path not in named:
            home = filled.get(section.path[:-1], before)
            lines[home] += [line, line] if bodies[home] else [line]
            bodies[home].append(section.path[-1])
    return [
        replace(section, body="\n\n".join(body), lines=numbers, heading_count=len(body) - has_text)
        for (_, section), body, numbers, has_text in zip(numbered_sections, bodies, lines, worded, strict=True)
        if body
    ]
