"""What a text is made of between two headings: paragraphs, lists, tables and code, and where each may be cut."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate, pairwise

from bot.knowledge.splitting.headings import FENCE, LIST_ITEM, is_indented, is_inside_fence, update_fence

_LONGEST_WORD = 100  # characters; what is longer (base64, minified code, a language without spaces) is cut
_WORD_PIECE = 48  # characters of such a piece: it fits into any passage, however many tokens its letters are

_DELIMITER_ROW = re.compile(r"\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?")
# A full stop that follows a single letter or a usual abbreviation, or precedes a small letter, ends no sentence.
_SENTENCE_END = re.compile(
    r"(?<!\b[^\W\d_]\.)(?<!\be\.g\.)(?<!\bi\.e\.)(?<!\b(?:Mr|Dr|St|No|vs|cf)\.)(?<!\b(?:Mrs|etc|Fig)\.)"
    r"(?<=[.!?…])[\"'”’)\]]*\s+(?![a-z])|(?<=[。！？])"  # noqa: RUF001 - Chinese and Japanese full stops
)


@dataclass(frozen=True, slots=True)
class _Block:
    """A paragraph, list, table or code block, with the blank lines after it."""

    text: str
    is_code: bool = False

    @property
    def first_two_lines(self) -> tuple[str, str]:
        """Its first two lines, found without looking at the others."""
        first = self.text.find("\n")
        if first < 0:
            return self.text, ""
        second = self.text.find("\n", first + 1)
        return self.text[:first], self.text[first + 1 : second if second >= 0 else None]

    @property
    def is_table(self) -> bool:
        return _is_table(*self.first_two_lines)


def _is_table(first: str, second: str) -> bool:
    """Whether a table begins with these two lines."""
    return "|" in first and "|" in second and bool(_DELIMITER_ROW.fullmatch(second.strip()))


def _split_blocks(text: str) -> list[_Block]:
    """Cut text between blocks; the blocks joined are the text.

    Indented paragraphs one after another are one block: code that is not fenced has blank lines too.
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
        # A table may stand right below the line that leads to it.
        is_head = not was_inside and _is_table(line, following) and not (len(lines) > 1 and _is_table(*lines[:2]))
        if lines and (starts or is_head or is_behind_code or (follows_gap and not goes_on)):
            found.append(_Block("".join(lines), is_code))
            lines, is_code = [], False
        is_code = is_code or starts
        lines.append(line)
    return [*found, _Block("".join(lines), is_code)] if lines else found


def _split_items_or_lines(text: str) -> list[str]:
    """Items of a list, rows of a table, lines that are laid out; prose is left whole."""
    lines = text.splitlines(keepends=True)
    if any(LIST_ITEM.match(line) for line in lines):
        starts = [place for place, line in enumerate(lines) if place == 0 or LIST_ITEM.match(line)]
        return ["".join(lines[a:b]) for a, b in zip(starts, [*starts[1:], len(lines)], strict=True)]
    laid_out = sum(line.startswith((" ", "\t", "|", "+")) for line in lines)
    return lines if laid_out * 2 >= len(lines) else [text]


def _split_sentences(text: str) -> list[str]:
    """Sentences with the space after them; an abbreviation now and then ends one too early, which does no harm."""
    ends = [match.end() for match in _SENTENCE_END.finditer(text) if match.end() < len(text)]
    return [text[a:b] for a, b in zip([0, *ends], [*ends, len(text)], strict=True)]


def _split_long_words(text: str) -> list[str]:
    if not re.search(rf"\S{{{_LONGEST_WORD}}}", text):
        return [text]
    return re.findall(rf"\S{{1,{_WORD_PIECE}}}\s*|\s+", text)


def _split_definitions(text: str) -> list[str]:
    """Code between its outermost definitions: where a line without margin follows a blank one."""
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
    """Code or indented text between its blank lines, which stay with what stands above them."""
    ends = [match.end() for match in re.finditer(r"\n(?:[ \t]*\n)+", text) if match.end() < len(text)]
    return [text[a:b] for a, b in zip([0, *ends], [*ends, len(text)], strict=True)]


def split_text(text: str) -> list[str]:
    """The next smaller pieces of a text; joined, they are the text, which comes back alone when it has none."""
    pieces = [block.text for block in _split_blocks(text)]
    if len(pieces) > 1:
        return pieces
    if FENCE.match(text.partition("\n")[0]):
        return split_code(text)
    for cut in (_split_paragraphs, _split_items_or_lines, _split_sentences, _split_long_words):
        if len(pieces := cut(text)) > 1:
            return pieces
    return [text]


def split_code(text: str) -> list[str]:
    """The same for code: definitions, what blank lines divide, lines."""
    for cut in (_split_definitions, _split_paragraphs, _split_lines, _split_long_words):
        if len(pieces := cut(text)) > 1:
            return pieces
    return [text]


class BlockMap:
    """Where the blocks of a body stand, so that a passage cut out of the middle of one can be made whole."""

    def __init__(self, body: str) -> None:
        self._body = body
        self._blocks = _split_blocks(body)
        self._starts = [0, *accumulate(len(block.text) for block in self._blocks)]
        self._ends = [
            start + len(block.text.rstrip()) for start, block in zip(self._starts, self._blocks, strict=False)
        ]

    def is_code_at(self, position: int) -> bool:
        """Whether the text from here on belongs to a code block that is all there is, or that begins before."""
        number = bisect_right(self._starts, position) - 1
        if number >= len(self._blocks) or not self._blocks[number].is_code:
            return False
        return len(self._blocks) == 1 or self._starts[number] < position

    def repair_passage(self, passage: str, start: int) -> str:
        """Give a passage that begins or ends inside a code block its fences, and inside a table its header."""
        opening, closing = self._find_block_around(start), self._find_block_around(start + len(passage))
        margin = self._find_indent(start) if opening and opening.is_code else ""
        return _format_opening(opening) + margin + passage + _format_closing(closing)

    def _find_indent(self, position: int) -> str:
        """The blanks between the line's beginning and this place, if there is nothing else."""
        before = self._body[self._body.rfind("\n", 0, position) + 1 : position] if position > 0 else ""
        return "" if before.strip() else before

    def _find_block_around(self, position: int) -> _Block | None:
        """The block that has text on both sides of this place."""
        number = bisect_right(self._starts, position) - 1
        if number < 0 or number >= len(self._blocks):
            return None
        return self._blocks[number] if self._starts[number] < position < self._ends[number] else None


def _format_opening(block: _Block | None) -> str:
    if block and block.is_code:
        return block.first_two_lines[0].lstrip() + "\n"
    return "\n".join(block.first_two_lines) + "\n" if block and block.is_table else ""


def _format_closing(block: _Block | None) -> str:
    mark = FENCE.match(block.first_two_lines[0]) if block and block.is_code else None
    return "\n" + mark.group(2) if mark else ""
