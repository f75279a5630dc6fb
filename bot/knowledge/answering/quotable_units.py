"""A passage falls apart into units that can be quoted alone: sentences, list items, table rows, whole code blocks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True, slots=True)
class Unit:
    """A piece that can be quoted alone. ``lead`` is the line that introduces it, a table's head, or nothing."""

    text: str
    lead: str = ""
    is_block: bool = False

    @property
    def whole(self) -> str:
        """What is read to judge it."""
        return f"{self.lead} {self.text}" if self.lead else self.text


_QUOTATION: Final = re.compile(r"\s*>\s?")
_FENCE: Final = re.compile(r"^ {0,3}(`{3,}|~{3,})")
_ITEM: Final = re.compile(r"^\s*(?:[-*+•]|\d{1,9}[.)])\s+")
_ROW: Final = re.compile(r"^\s*\|.*\|\s*$")
_RULE: Final = re.compile(r"^\s*\|?\s*:?-{1,}:?\s*(?:\|\s*:?-{1,}:?\s*)*\|?\s*$")
_HEADING: Final = re.compile(r"^ {0,3}#{1,6}\s")
_SENTENCE_END: Final = re.compile(r"(?<=[.!?])[\"'”’)\]*_]*\s+(?=[\"'“‘(\[*_]*[^\Wa-z_])|(?<=[。！？])")  # noqa: RUF001
_ABBREVIATION: Final = re.compile(
    r"(?:\b(?:e\.g|i\.e|etc|cf|vs|approx|no|nr|dr|mr|mrs|ms|st|fig|z\.B|bzw)|\b\w)\.$", re.IGNORECASE
)


def units(passage: str) -> list[Unit]:
    """The passage's units, in order. Lines wrapped by an editor are joined; code and tables keep their lines.

    What the passage itself quotes loses its marks.
    """
    found: list[Unit] = []
    before = ""
    for block in _blocks(passage.splitlines()):
        made = list(_block_units(block, before))
        found += made
        if not _ITEM.match(block[0]):  # what leads in a list leads in all of its items
            before = made[-1].text if made and not made[-1].is_block else ""
    return [unit for unit in found if re.search(r"\w", unit.text)]


def _blocks(lines: Sequence[str]) -> Iterator[list[str]]:
    """Runs of lines that belong together: a code block, a table, a list item, a heading, a paragraph.

    None reaches from one depth of quotation into another; code that is cut off there or at the end is closed.
    """
    block: list[str] = []
    fence, depth = "", 0
    for marked in lines:
        line, own = _unquoted(marked, depth if fence else len(marked))
        if own != depth and block:
            yield _closed(block, fence)
            block, fence = [], ""
        depth = own
        if fence:
            block.append(line)
            if line.strip().startswith(fence):
                yield block
                block, fence = [], ""
            continue
        opening = _FENCE.match(line)
        if block and (opening or not line.strip() or _begins_block(line, block)):
            yield block
            block = []
        if opening:
            fence = opening.group(1)
        if line.strip():
            block.append(line)
    if block:
        yield _closed(block, fence)


def _unquoted(line: str, most: int) -> tuple[str, int]:
    """The line without its marks of quotation, so many at most, and how many they were."""
    depth = 0
    while depth < most and (mark := _QUOTATION.match(line)):
        line, depth = line[mark.end() :], depth + 1
    return line, depth


def _closed(block: list[str], fence: str) -> list[str]:
    return [*block, fence] if fence else block


def _begins_block(line: str, block: Sequence[str]) -> bool:
    if bool(_ROW.match(line)) != bool(_ROW.match(block[-1])):
        return True
    return bool(_ITEM.match(line) or _HEADING.match(line) or _HEADING.match(block[-1]))


def _block_units(block: Sequence[str], lead: str) -> Iterator[Unit]:
    if _FENCE.match(block[0]):
        yield Unit("\n".join(block), lead, is_block=True)
    elif _ROW.match(block[0]):
        yield from _row_units(block)
    elif _HEADING.match(block[0]):
        return
    elif _ITEM.match(block[0]):
        item = " ".join(line.strip() for line in block)
        yield Unit(item, lead if lead.endswith(":") else "")
    else:
        yield from map(Unit, _sentences(" ".join(line.strip() for line in block)))


def _row_units(block: Sequence[str]) -> Iterator[Unit]:
    has_head = len(block) > 1 and _RULE.match(block[1])
    head = "\n".join(line.strip() for line in block[:2]) if has_head else ""
    for row in block[2:] if has_head else block:
        yield Unit(row.strip(), head, is_block=True)


def _sentences(paragraph: str) -> list[str]:
    """The paragraph cut behind its sentences; joined by spaces they are the paragraph."""
    sentences: list[str] = []
    start = 0
    for end in _SENTENCE_END.finditer(paragraph):
        sentence = paragraph[start : end.end()].strip()
        if _ABBREVIATION.search(sentence):
            continue
        sentences.append(sentence)
        start = end.end()
    sentences.append(paragraph[start:].strip())
    return [sentence for sentence in sentences if sentence]
