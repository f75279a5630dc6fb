"""Splits a passage into units that can be quoted: sentences, list items, definitions, table rows, code blocks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bot.text.sentences import split_sentences

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True, slots=True)
class QuotableUnit:
    """A piece that can be quoted; ``lead_in`` is the line before it, its term, its table's head, or nothing."""

    text: str
    lead_in: str = ""
    is_block: bool = False

    @property
    def full_text(self) -> str:
        """What is read to judge it."""
        return f"{self.lead_in} {self.text}" if self.lead_in else self.text


_BLOCKQUOTE: Final = re.compile(r"\s*>\s?")
_FENCE: Final = re.compile(r"^ {0,3}(`{3,}|~{3,})")
_LIST_ITEM: Final = re.compile(r"^\s*(?:[-*+•]|\d{1,9}[.)])\s+")
_DEFINITION: Final = re.compile(r"^\s*:\s+(?=\S)")
_TABLE_ROW: Final = re.compile(r"^\s*\|.*\|\s*$")
_DELIMITER_ROW: Final = re.compile(r"^\s*\|?\s*:?-{1,}:?\s*(?:\|\s*:?-{1,}:?\s*)*\|?\s*$")
_HEADING: Final = re.compile(r"^ {0,3}#{1,6}\s")


def split_units(passage: str) -> list[QuotableUnit]:
    """Return the passage's units, in order. Lines wrapped by an editor are joined; code and tables keep their lines.

    What the passage itself quotes loses its marks.
    """
    found: list[QuotableUnit] = []
    before = ""
    for block in _split_blocks(passage.splitlines()):
        made = list(_split_block(block, before))
        found += made
        if not _LIST_ITEM.match(block[0]):  # what leads in a list leads in all of its items
            before = made[-1].text if made and not made[-1].is_block else ""
    return [unit for unit in found if re.search(r"\w", unit.text)]


def _split_blocks(lines: Sequence[str]) -> Iterator[list[str]]:
    """Yield runs of lines that belong together: a code block, a table, a list item, a heading, a paragraph.

    None reaches from one depth of quotation into another; code that is cut off there or at the end is closed.
    """
    block: list[str] = []
    fence, depth = "", 0
    for marked in lines:
        line, own = _strip_blockquote(marked, depth if fence else len(marked))
        if own != depth and block:
            yield _close_fence(block, fence)
            block, fence = [], ""
        depth = own
        if fence:
            block.append(line)
            if line.strip().startswith(fence):
                yield block
                block, fence = [], ""
            continue
        opening = _FENCE.match(line)
        if block and (opening or not line.strip() or _is_block_start(line, block)):
            yield block
            block = []
        if opening:
            fence = opening.group(1)
        if line.strip():
            block.append(line)
    if block:
        yield _close_fence(block, fence)


def _strip_blockquote(line: str, max_depth: int) -> tuple[str, int]:
    """Return the line without its quotation marks (``max_depth`` at most), and how many they were."""
    depth = 0
    while depth < max_depth and (mark := _BLOCKQUOTE.match(line)):
        line, depth = line[mark.end() :], depth + 1
    return line, depth


def _close_fence(block: list[str], fence: str) -> list[str]:
    return [*block, fence] if fence else block


def _is_block_start(line: str, block: Sequence[str]) -> bool:
    if bool(_TABLE_ROW.match(line)) != bool(_TABLE_ROW.match(block[-1])):
        return True
    is_further_definition = _DEFINITION.match(line) and any(map(_DEFINITION.match, block))
    return bool(is_further_definition or _LIST_ITEM.match(line) or _HEADING.match(line) or _HEADING.match(block[-1]))


def _split_block(block: Sequence[str], lead_in: str) -> Iterator[QuotableUnit]:
    if _FENCE.match(block[0]):
        yield QuotableUnit("\n".join(block), lead_in, is_block=True)
    elif _TABLE_ROW.match(block[0]):
        yield from _split_table(block)
    elif _HEADING.match(block[0]):
        return
    elif any(map(_DEFINITION.match, block)):
        yield from _split_definition(block)
    elif _LIST_ITEM.match(block[0]):
        item = " ".join(line.strip() for line in block)
        yield QuotableUnit(item, lead_in if lead_in.endswith(":") else "")
    else:
        yield from map(QuotableUnit, _split_sentences(" ".join(line.strip() for line in block)))


def _split_definition(block: Sequence[str]) -> Iterator[QuotableUnit]:
    """Yield the sentences of a definition, each with its term; of "term / : definition" the last line before it."""
    start = next(number for number, line in enumerate(block) if _DEFINITION.match(line))
    before = " ".join(line.strip() for line in block[: max(start - 1, 0)])
    yield from map(QuotableUnit, _split_sentences(before))
    term = block[start - 1].strip() if start else ""
    definition = " ".join([_DEFINITION.sub("", block[start]).strip(), *(line.strip() for line in block[start + 1 :])])
    for sentence in _split_sentences(definition):
        yield QuotableUnit(sentence, term)


def _split_table(block: Sequence[str]) -> Iterator[QuotableUnit]:
    has_head = len(block) > 1 and _DELIMITER_ROW.match(block[1])
    head = "\n".join(line.strip() for line in block[:2]) if has_head else ""
    for row in block[2:] if has_head else block:
        yield QuotableUnit(row.strip(), head, is_block=True)


def _split_sentences(paragraph: str) -> list[str]:
    """Cut a paragraph behind its sentences; joined by spaces they are the paragraph."""
    return [sentence.strip() for sentence in split_sentences(paragraph) if sentence.strip()]
