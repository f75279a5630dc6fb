"""Divides a section's text into paragraphs, lists, definitions, tables and code, and cuts each where it may be cut."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from bot.knowledge.splitting.headings import FENCE, LIST_ITEM, is_indented, is_inside_fence, update_fence
from bot.text.sentences import split_sentences

if TYPE_CHECKING:
    from collections.abc import Iterator

_LONGEST_WORD = 100  # characters; what is longer (base64, minified code, a language without spaces) is cut
_WORD_PIECE = 48  # characters of such a piece: it fits into any passage, however many tokens its letters are

_DELIMITER_ROW = re.compile(r"\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?")
_DEFINITION = re.compile(r"([ \t]*):[ \t]+(?=\S)")
_TERM_CHARS = 100  # longest term repeated above a passage that continues its definition
_TERMS = 2  # terms of definitions inside one another that are repeated, the innermost last
_LONGEST_BODY = 200_000  # characters; in a longer section no terms are looked for


@dataclass(frozen=True, slots=True)
class _Block:
    """A paragraph, list, table or code block, with the blank lines after it."""

    text: str
    is_code: bool = False

    @property
    def first_two_lines(self) -> tuple[str, str]:
        """The first two lines; "" in place of a missing one."""
        first = self.text.find("\n")
        if first < 0:
            return self.text, ""
        second = self.text.find("\n", first + 1)
        return self.text[:first], self.text[first + 1 : second if second >= 0 else None]

    @property
    def is_table(self) -> bool:
        return _is_table(*self.first_two_lines)


def _is_table(first: str, second: str) -> bool:
    """Whether these two lines are the beginning of a table."""
    return "|" in first and "|" in second and bool(_DELIMITER_ROW.fullmatch(second.strip()))


def _split_blocks(text: str) -> list[_Block]:
    """Cut text between blocks; the blocks joined are the text.

    Neighbouring indented paragraphs are one block, because code without a fence has blank lines too.
    """
    found: list[_Block] = []
    lines: list[str] = []
    fence, is_code = "", False
    for line, following in pairwise([*text.splitlines(keepends=True), ""]):
        was_inside = is_inside_fence(fence, line)
        fence = update_fence(fence, line.rstrip("\n"))
        starts = bool(fence) and not was_inside
        follows_gap = bool(lines) and not lines[-1].strip() and bool(line.strip()) and not was_inside
        goes_on = follows_gap and not is_code and is_indented(lines[0]) and is_indented(line)
        is_behind_code = is_code and not was_inside and bool(line.strip())
        # A table may follow the line that introduces it without a blank line.
        is_head = not was_inside and _is_table(line, following) and not (len(lines) > 1 and _is_table(*lines[:2]))
        if lines and (starts or is_head or is_behind_code or (follows_gap and not goes_on)):
            found.append(_Block("".join(lines), is_code))
            lines, is_code = [], False
        is_code = is_code or starts
        lines.append(line)
    return [*found, _Block("".join(lines), is_code)] if lines else found


def _split_items_or_lines(text: str) -> list[str]:
    """Cut a list into items, and a table or other laid-out text into lines; return prose whole."""
    lines = text.splitlines(keepends=True)
    if any(LIST_ITEM.match(line) for line in lines):
        starts = [place for place, line in enumerate(lines) if place == 0 or LIST_ITEM.match(line)]
        return ["".join(lines[a:b]) for a, b in zip(starts, [*starts[1:], len(lines)], strict=True)]
    laid_out = sum(line.startswith((" ", "\t", "|", "+")) for line in lines)
    return lines if laid_out * 2 >= len(lines) else [text]


def _split_long_words(text: str) -> list[str]:
    if not re.search(rf"\S{{{_LONGEST_WORD}}}", text):
        return [text]
    return re.findall(rf"\S{{1,{_WORD_PIECE}}}\s*|\s+", text)


def _split_definitions(text: str) -> list[str]:
    """Cut code between its outermost definitions: where an unindented line follows a blank one."""
    lines = text.splitlines(keepends=True)
    starts = [
        place
        for place, line in enumerate(lines)
        if place and not lines[place - 1].strip() and not line[:1].isspace() and not line.startswith((")", "]", "}"))
    ]
    return ["".join(lines[a:b]) for a, b in zip([0, *starts], [*starts, len(lines)], strict=True)]


def _split_lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def _split_paragraphs(text: str) -> list[str]:
    """Cut code or indented text behind its blank lines."""
    ends = [match.end() for match in re.finditer(r"\n(?:[ \t]*\n)+", text) if match.end() < len(text)]
    return [text[a:b] for a, b in zip([0, *ends], [*ends, len(text)], strict=True)]


def split_text(text: str) -> list[str]:
    """Cut a text into the next smaller pieces; joined they are the text. What cannot be cut comes back as one piece."""
    pieces = [block.text for block in _split_blocks(text)]
    if len(pieces) > 1:
        return pieces
    if FENCE.match(text.partition("\n")[0]):
        return split_code(text)
    for cut in (_split_paragraphs, _split_items_or_lines, split_sentences, _split_long_words):
        if len(pieces := cut(text)) > 1:
            return pieces
    return [text]


def split_code(text: str) -> list[str]:
    """Do the same with code: cut it between definitions, else at blank lines, else between lines."""
    for cut in (_split_definitions, _split_paragraphs, _split_lines, _split_long_words):
        if len(pieces := cut(text)) > 1:
            return pieces
    return [text]


class BlockMap:
    """The blocks and definitions of a section, to repair a passage that was cut out of the middle of one."""

    def __init__(self, body: str) -> None:
        self._body = body
        self._blocks = _split_blocks(body)
        self._starts = [0, *accumulate(len(block.text) for block in self._blocks)]
        placed = list(zip(self._starts, self._blocks, strict=False))
        self._first_words = [start + len(block.text) - len(block.text.lstrip()) for start, block in placed]
        self._ends = [start + len(block.text.rstrip()) for start, block in placed]
        changes = list(_find_terms(body)) if len(body) <= _LONGEST_BODY else []
        self._term_positions = [position for position, _ in changes]
        self._terms = [terms for _, terms in changes]

    def is_code_at(self, position: int) -> bool:
        """Whether the text from this position on continues a code block, or is nothing but one."""
        number = bisect_right(self._starts, position) - 1
        if number >= len(self._blocks) or not self._blocks[number].is_code:
            return False
        return len(self._blocks) == 1 or self._starts[number] < position

    def repair_passage(self, passage: str, start: int) -> str:
        """Complete a passage: fences around a piece of code, the header above table rows, the term of a definition."""
        opening, closing = self._find_block_around(start), self._find_block_around(start + len(passage))
        margin = self._find_indent(start) if opening and opening.is_code else ""
        term = self._format_terms(start, opening)
        return term + _format_opening(opening) + margin + passage + _format_closing(closing)

    def _format_terms(self, position: int, opening: _Block | None) -> str:
        """Return the terms whose definitions this position is inside of, in the form of a term above a definition."""
        number = bisect_right(self._term_positions, position) - 1
        terms = self._terms[number][-_TERMS:] if number >= 0 else ()
        if not terms:
            return ""
        is_block = opening is not None and (opening.is_code or opening.is_table)
        is_marked = _DEFINITION.match(self._body, position) is not None
        return " › ".join(terms) + ("\n\n" if is_block else "\n" if is_marked else "\n:   ")

    def _find_indent(self, position: int) -> str:
        """Return the blanks between the line's beginning and this position; "" if there is anything else."""
        before = self._body[self._body.rfind("\n", 0, position) + 1 : position] if position > 0 else ""
        return "" if before.strip() else before

    def _find_block_around(self, position: int) -> _Block | None:
        """Return the block that has text on both sides of this position."""
        number = bisect_right(self._starts, position) - 1
        if number < 0 or number >= len(self._blocks):
            return None
        return self._blocks[number] if self._first_words[number] < position < self._ends[number] else None


def _find_terms(body: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield where in a section the enclosing terms change, and the terms from there on, the outermost first.

    A definition is ``term``, and on the next line ``:   text``; what belongs to it is indented by four more blanks.
    """
    if "\n:" not in body and " :" not in body:
        return
    stack: list[tuple[int, str]] = []
    known: tuple[str, ...] = ()
    position, fence, above = 0, "", ""
    for line in body.splitlines(keepends=True):
        was_inside = is_inside_fence(fence, line)
        fence = update_fence(fence, line.rstrip("\n"))
        definition = None if was_inside else _DEFINITION.match(line)
        indent = len(line) - len(line.lstrip())
        if line.strip() and not was_inside:
            while stack and stack[-1][0] > indent:
                stack.pop()
        if definition is not None and above.strip() and not _DEFINITION.match(above):
            term = " ".join(above.split())
            stack.append((indent + 2, term if len(term) <= _TERM_CHARS else f"{term[:_TERM_CHARS]}…"))
        terms = tuple(term for _, term in stack)
        if terms != known:
            yield position, terms
            known = terms
        position += len(line)
        above = line


def _format_opening(block: _Block | None) -> str:
    if block and block.is_code and (mark := FENCE.match(block.first_two_lines[0])):
        return mark.group(2) + mark.group(3) + "\n"
    return "\n".join(block.first_two_lines) + "\n" if block and block.is_table else ""


def _format_closing(block: _Block | None) -> str:
    mark = FENCE.match(block.first_two_lines[0]) if block and block.is_code else None
    return "\n" + mark.group(2) if mark else ""
