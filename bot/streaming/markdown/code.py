"""Finds code and unclosed formatting in text that is Discord's Markdown already, for the pager.

Discord reads fences its own way: three backticks anywhere open a block, the next three anywhere close it, ``~~~`` means
nothing, and what is never closed is no code at all.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.streaming.markdown.open_marks import DEFAULT_PAGE_LENGTH, MARKS_LIMIT, MarkTracker
from bot.text.markdown import FENCE

if TYPE_CHECKING:
    from collections.abc import Iterable

INFO_LIMIT = 24
"""Longest language name that is carried over to the next page, in characters."""

SPAN_LIMIT = 240
"""Longest code in a line that is never broken, in characters with its marks."""

_RUN = re.compile("`+")
_INFO = re.compile(r"([A-Za-z0-9_+\-.#]*)\n")
_WIDE_MARK = re.compile(r"\*{2,}|_{2,}|~{2,}|\|{2,}")
_BLANK_LINE = re.compile(r"\n[ \t]*\n")
_CODE_PLACEHOLDER = "."
"""What stands for a character of code where only the words around it matter: no letter, no blank, no mark."""


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
