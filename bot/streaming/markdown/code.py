"""Text goes in; out comes where Discord will see code in it, and whether a line leaves a mark hanging.

Discord reads fences its own way: three backticks anywhere open a block, the next three anywhere close it, ``~~~`` means
nothing, and what is never closed is no code at all. That reading is the one used here. It differs from CommonMark in
odd places only; where readings can differ, :class:`CodeReader` calls nothing code.
"""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.streaming.markdown.open_marks import DEFAULT_PAGE_LENGTH, MARKS_LIMIT, MarkTracker

if TYPE_CHECKING:
    from collections.abc import Iterable

FENCE = "```"
INFO_LIMIT = 24
"""Longest language name that is carried over to the next page, in characters."""

SPAN_LIMIT = 240
"""Longest code in a line that :class:`CodeReader` waits for, in characters with its marks."""

_LINE_LIMIT = 2_000
"""Longest line that it keeps in mind, in characters: each code in it is weighed against all that stands before."""

_RUN = re.compile("`+")
_RUN_OR_LINE_END = re.compile("`+|\n")
_MAY_OPEN = re.compile(r"[ \t]{0,16}(?:`|\Z)")
_OPENING = re.compile(r"([ \t]{0,16})```([A-Za-z0-9_+\-.#]{0,32})[ \t]{0,8}\n")
_MAY_BECOME_OPENING = re.compile(r"[ \t]{0,16}(?:`{0,2}|```[A-Za-z0-9_+\-.#]{0,32}[ \t]{0,8})\Z")
_CLOSING = re.compile(r"[ \t]{0,64}```[ \t]{0,8}\n")
_MAY_BECOME_CLOSING = re.compile(r"[ \t]{0,64}(?:`{0,2}|```[ \t]{0,8})\Z")
_INFO = re.compile(r"([A-Za-z0-9_+\-.#]*)\n")
_WIDE_MARK = re.compile(r"\*{2,}|_{2,}|~{2,}|\|{2,}")
_BLANK_LINE = re.compile(r"\n[ \t]*\n")
_CODE_PLACEHOLDER = "."
"""What stands for a character of code where only the words around it matter: no letter, no blank, no mark."""
_UNCLEAR_IN_CODE = re.compile(r"[*_~|\[\]<>\\]")


@dataclass(frozen=True, slots=True)
class CodeSpan:
    """One piece of code: ``text[start:end]`` with its marks, ``text[inner:]`` from its first character on.

    ``info`` is the language of a fence. What is not closed reaches to the end of the text.
    """

    start: int
    inner: int
    end: int
    mark: str
    info: str = ""
    is_closed: bool = True

    @property
    def is_fence(self) -> bool:
        """Whether it is a block, not code within a line."""
        return self.mark == FENCE


def find_code_spans(text: str) -> list[CodeSpan]:
    """Every piece of code in one message, from left to right. Backticks in a line that find no partner are no code."""
    found: list[CodeSpan] = []
    position = 0
    while run := _RUN.search(text, position):
        code = _parse_fence(text, run.start()) if len(run[0]) >= len(FENCE) else _parse_inline(text, run)
        if code is not None:
            found.append(code)
        position = run.end() if code is None else code.end
    return found


def _parse_fence(text: str, start: int) -> CodeSpan:
    after = start + len(FENCE)
    info = _INFO.match(text, after)
    end = text.find(FENCE, after)
    is_closed = end >= 0
    inner = info.end() if info and (not is_closed or info.end() <= end) else after
    return CodeSpan(
        start, inner, end + len(FENCE) if is_closed else len(text), FENCE, info[1] if info else "", is_closed
    )


def _parse_inline(text: str, run: re.Match[str]) -> CodeSpan | None:
    partner = find_inline_end(text, run[0], run.end(), find_line_end(text, run.end()))
    return None if partner is None else CodeSpan(run.start(), run.end(), partner, run[0])


def find_inline_end(text: str, mark: str, start: int, stop: int) -> int | None:
    """Where inline code that begins at ``start`` ends, its closing mark included; None if not before ``stop``."""
    for run in _RUN.finditer(text, start, stop):
        if run[0] == mark:
            return run.end()
    return None


def find_line_end(text: str, position: int) -> int:
    """Where the line that ``position`` is on ends, before its line feed."""
    end = text.find("\n", position)
    return len(text) if end < 0 else end


def find_open_fence(text: str) -> CodeSpan | None:
    """The fence that a message with this text would leave open."""
    found = find_code_spans(text)
    return found[-1] if found and not found[-1].is_closed else None


def find_open_marks(text: str) -> tuple[str, ...]:
    """The marks that the text's last line leaves open, in their order, backticks among them; more than fit are none."""
    line = text.rpartition("\n")[2]
    words = mask_code(line, find_code_spans(line))
    tick = _RUN.search(words)
    read = MarkTracker(DEFAULT_PAGE_LENGTH)
    read.read_text(words[: tick.start()] if tick else words, tick[0][0] if tick else "")
    return _limit_marks([*read.open_marks, tick[0]] if tick and len(tick[0]) < len(FENCE) else read.open_marks)


def find_open_wide_marks(text: str) -> tuple[str, ...]:
    """The marks that the text's last paragraph leaves open and that are meant to reach over a line's end.

    A single asterisk or underscore seldom is, nor is a mark that a blank follows.
    """
    found: list[str] = []
    paragraph = text[_find_paragraph_start(text) :]
    for line in mask_code(paragraph, find_code_spans(paragraph)).split("\n"):
        _update_open_marks(line, found)
    return _limit_marks(found)


def _update_open_marks(line: str, marks: list[str]) -> None:
    """Change the marks found open before into those open at the line's end."""
    for mark in _WIDE_MARK.finditer(line):
        if mark[0] in marks:
            marks.remove(mark[0])
        elif line[mark.end() : mark.end() + 1].strip():
            marks.append(mark[0])


def mask_code(text: str, code_spans: Iterable[CodeSpan]) -> str:
    """The text with a point for each character of the code found in it."""
    pieces: list[str] = []
    place = 0
    for code in code_spans:
        pieces += [text[place : code.start], _CODE_PLACEHOLDER * (code.end - code.start)]
        place = code.end
    return "".join(pieces) + text[place:]


def _limit_marks(marks: list[str]) -> tuple[str, ...]:
    return tuple(marks) if sum(map(len, marks)) <= MARKS_LIMIT else ()


def _find_paragraph_start(text: str) -> int:
    return max((blank.end() for blank in _BLANK_LINE.finditer(text)), default=0)


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of text that is certainly code (``is_code``), or may not be."""

    text: str
    is_code: bool


class CodeReader:
    """Growing text → segments. What it calls code is code in every reading, whatever comes later.

    The first thing that can be read in two ways (a backtick without partner, a fence in mid-line, a bold mark left
    hanging, no place for long where a ``page`` may be broken) ends its confidence: from there on nothing is code.
    It
    holds back an undecided tail of bounded length.
    """

    def __init__(self, page_length: int = DEFAULT_PAGE_LENGTH) -> None:
        self._page_length = page_length
        self._tail = ""
        self._line = MarkTracker(page_length)
        self._unread_text = ""
        self._line_length = 0
        self._is_line_start = True
        self._is_sure = True
        self._fence: _OpenFence | None = None

    def copy(self) -> CodeReader:
        """Another that has read the same, to look ahead with."""
        other = copy.copy(self)
        other._line = self._line.copy()  # noqa: SLF001 - another of ours
        return other

    def feed(self, delta: str) -> list[Segment]:
        """Take in newly arrived text; give what is decided."""
        self._tail += delta
        segments: list[Segment] = []
        while self._tail and (segment := self._next_segment()) is not None:
            segments.append(segment)
        return segments

    def flush(self) -> list[Segment]:
        """No more text comes: the end decides like a line's end."""
        *segments, last = self.feed("\n")
        return [*segments, Segment(last.text[:-1], last.is_code)]

    @property
    def pending(self) -> str:
        """What is held back."""
        return self._tail

    def _next_segment(self) -> Segment | None:
        if not self._is_sure:
            return self._take(len(self._tail), is_code=False)
        return self._read_prose() if self._fence is None else self._read_fence(self._fence)

    def _give_up(self) -> Segment:
        self._is_sure = False
        return self._take(len(self._tail), is_code=False)

    def _take(self, count: int, *, is_code: bool) -> Segment:
        taken, self._tail = self._tail[:count], self._tail[count:]
        self._is_line_start = taken.endswith("\n")
        return Segment(taken, is_code)

    def _read_prose(self) -> Segment | None:
        if self._is_line_start and _MAY_OPEN.match(self._tail):
            return self._read_opening()
        found = _RUN_OR_LINE_END.search(self._tail)
        if found is None or found.start() > 0:
            return self._read_text(found.start() if found else len(self._tail))
        if found[0] == "\n":
            return self._read_line_end()
        return self._read_inline_code(found[0])

    def _read_opening(self) -> Segment | None:
        opening = _OPENING.match(self._tail)
        if opening is not None:
            self._fence = _OpenFence(is_indented=bool(opening[1]))
            return self._take(opening.end(), is_code=True)
        return None if _MAY_BECOME_OPENING.match(self._tail) else self._read_line_start()

    def _read_line_start(self) -> Segment | None:
        blank = len(self._tail) - len(self._tail.lstrip(" \t"))
        if self._tail.startswith(FENCE, blank):
            return self._give_up()
        self._is_line_start = False
        return self._read_text(blank) if blank else self._read_prose()

    def _read_text(self, count: int) -> Segment:
        self._line_length += count
        if self._line_length > _LINE_LIMIT:
            return self._give_up()
        self._unread_text += self._tail[:count]
        return self._take(count, is_code=False)

    def _read_up_to(self, after: str) -> MarkTracker:
        """The line with all words before this character read."""
        self._line.read_text(self._unread_text, after)
        self._unread_text = ""
        return self._line

    def _read_line_end(self) -> Segment:
        if not self._read_up_to("\n").is_safe_to_break:
            self._is_sure = False
        self._line, self._line_length = MarkTracker(self._page_length), 0
        return self._take(1, is_code=False)

    def _read_inline_code(self, mark: str) -> Segment | None:
        if len(mark) >= len(FENCE) or self._unread_text.endswith("\\"):
            return self._give_up()
        window = self._tail[:SPAN_LIMIT]
        stop = find_line_end(window, 0)
        end = find_inline_end(window, mark, len(mark), stop)
        is_decided = stop < len(window) or len(window) == SPAN_LIMIT
        if end is None or end == len(window):
            return self._give_up() if is_decided else None
        return self._read_closed_code(self._read_up_to("`"), self._tail[len(mark) : end - len(mark)], end)

    def _read_closed_code(self, line: MarkTracker, code: str, end: int) -> Segment:
        """A piece of code whose both marks are there. Where a mark is open before it, one in it may be its partner."""
        if FENCE in code or (not line.is_balanced and _UNCLEAR_IN_CODE.search(code)):
            return self._give_up()
        self._line_length += 1
        line.skip_code(end)
        return self._take(end, is_code=line.is_safe_to_break)

    def _read_fence(self, fence: _OpenFence) -> Segment | None:
        if self._is_line_start:
            closing = _CLOSING.match(self._tail)
            if closing is not None:
                return self._read_closing(fence, closing.end())
            if _MAY_BECOME_CLOSING.match(self._tail):
                return None
            if fence.is_indented and self._tail[0] not in " \n":
                return self._give_up()
        found = _RUN_OR_LINE_END.search(self._tail)
        if found is not None and found.start() == 0:
            return self._read_mark_in_fence(found[0])
        return self._read_fence_text(fence, found.start() if found else len(self._tail))

    def _read_mark_in_fence(self, mark: str) -> Segment | None:
        if len(mark) >= len(FENCE):
            return self._give_up()
        is_arriving = mark == self._tail and mark != "\n"
        return None if is_arriving else self._take(len(mark), is_code=True)

    def _read_fence_text(self, fence: _OpenFence, count: int) -> Segment:
        if not self._tail[:count].isspace():
            self._fence = _OpenFence(is_indented=fence.is_indented, has_content=True)
        return self._take(count, is_code=True)

    def _read_closing(self, fence: _OpenFence, end: int) -> Segment:
        self._fence = None
        return self._take(end, is_code=True) if fence.has_content else self._give_up()


@dataclass(frozen=True, slots=True)
class _OpenFence:
    """What must be known of a fence while it is read: Discord ends an indented one with its list item."""

    is_indented: bool
    has_content: bool = False
