"""The model's Markdown goes in as it grows; the same words come out in the Markdown that Discord shows.

Tables become aligned blocks, or lists; what the model thinks to itself is left out; headings, rules, fences and
formulas that Discord would show as bare signs get a form it knows. What is given never changes, code is exact, and what
is not certain stays as the model wrote it.
"""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.streaming.markdown.code import FENCE, codes
from bot.streaming.markdown.inline import Inline, inlined, looks_like_formula, without_arriving_tag
from bot.streaming.markdown.links import LinkGuard
from bot.streaming.markdown.open_marks import PAGE
from bot.streaming.markdown.tables import Table, table

if TYPE_CHECKING:
    from collections.abc import Collection

RULE = "─" * 12
"""What stands for a horizontal rule."""

UNFINISHED = "-# (the model's unfinished reasoning is not shown)"
"""What stands where an answer broke off in the middle of a thought."""

_BLOCK = 400
"""How much is looked at in one go, in characters: the time taken grows with the text, not with its square."""

_SHORT = 80
"""Longest line that is held back because the next may underline it, in characters; a row's first bar comes within."""

_LONGEST = 1_000
"""Longest line that is read as a row, a heading or a line of marks, in characters."""

_FORMULA_LIMIT = 1_200
"""Longest formula on lines of its own, in characters."""

_FENCE = re.compile(r"(?P<indent>[ \t]{0,16})(?:(?P<ticks>`{3,})(?P<info>[^`]*)|(?P<tildes>~{3,})(?P<note>.*))")
_LANGUAGE = re.compile(r"[ \t]*([A-Za-z0-9_+\-.#]{0,32})")
_ACROSS = re.compile(r"[ ]{0,3}([-*_])(?:[ \t]*\1){2,}[ \t]*")
_DEEP_HEADING = re.compile(r"[ ]{0,3}#{4,6}[ \t]+(?P<title>.*?)(?:[ \t]+#+)?[ \t]*")
_UNDERLINE = re.compile(r"[ ]{0,3}(?P<sign>=|-)(?P=sign)+[ \t]*")
_MAY_BE_BELOW = re.compile(r"(?:[ ]{0,3}=*[ \t]*|[|:\- \t]*)\Z")
_ITEM = re.compile(
    r"(?P<indent>[ \t]{0,40})(?:(?P<bullet>[-*+])|(?P<number>\d{1,9})[.)])(?P<blank>[ \t]{1,8})"
    r"(?P<task>\[[ xX]\][ \t])?"
)
_PREFIX = re.compile(r"[ \t]{0,40}(?:#{1,3}[ \t]|>|-#[ \t])")
_UNDECIDED = re.compile(
    r"[ \t]{0,16}(?:`{0,2}|`{3,}[^`]*|~{1,2}|~{3,}.*)\Z"
    r"|[ ]{0,3}(?:([-*_])(?:[ \t]*\1)*[ \t]*)?\Z"
    r"|[ ]{0,3}#{1,6}\Z|[ ]{0,3}#{4,6}[ \t]"
    r"|[ \t]{0,40}(?:(?:[-*+]|\d{1,9}[.)]?)(?:[ \t]{1,8}(?:\[(?:[ xX]\]?)?)?)?)?\Z"
    r"|[ \t]{0,40}[\\$]\Z"
)
"""A line's beginning that may yet become the beginning of a block."""

_FORMULA = re.compile(r"(?P<indent>[ \t]{0,40})(?P<mark>\\\[|\$\$)")
_FORMULA_END = {
    "\\[": re.compile(r"(?P<end>\\\])|\n[ \t]*\n"),
    "$$": re.compile(r"(?P<end>\$\$)|\n[ \t]*\n"),
}
_AFTER_FORMULA = re.compile(r"[ \t]{0,8}[.,;]?[ \t]{0,8}")
_SENTENCE_END = re.compile(r"[.:;,!?…]\s*\Z")

_THOUGHT = re.compile(r"(?P<blank>[ \t]{0,40})<think(?:ing)?>", re.IGNORECASE)
_THOUGHT_END = re.compile(r"</think(?:ing)?>", re.IGNORECASE)
_THOUGHT_END_LENGTH = len("</thinking>")


@dataclass(frozen=True, slots=True)
class _Fence:
    """A fence being read. ``end`` matches the line that closes it."""

    end: re.Pattern[str]
    indent: str


@dataclass(frozen=True, slots=True)
class _Thought:
    """What the model thinks to itself. Begun in mid-line it may be none: the words may speak of the tag."""

    pieces: list[str]
    is_certain: bool


class Rewriter:
    """Rewrites while text grows. Fed piece by piece it gives what the whole text would give."""

    def __init__(self) -> None:
        self._tail = ""
        self._inline = Inline()
        self._is_line_start = True
        self._is_line_blank = True
        self._is_paragraph_start = True
        self._is_ended = False
        self._is_ahead = False
        self._fence: _Fence | None = None
        self._ticks = 0  # so many backticks in a row stand at the end of what was given of a fence's line
        self._is_code_line_start = True
        self._table: Table | None = None
        self._thought: _Thought | None = None
        self._hides_thoughts = True
        self._unsaid = ""
        self._has_spoken = False

    def feed(self, delta: str) -> str:
        """Take in newly arrived text; give what is decided of it and will not change."""
        blocks = (delta[start : start + _BLOCK] for start in range(0, len(delta), _BLOCK))
        return "".join(self._taken(block) for block in blocks)

    def flush(self) -> str:
        """No more text comes: give the rest. An answer that was nothing but thoughts is shown after all."""
        shown = self._ended()
        if self._thought is None:
            return shown if self._has_spoken else shown + self._restored(self._unsaid)
        thinking = "".join(self._thought.pieces)
        if not self._has_spoken:
            return shown + self._restored(self._unsaid + thinking)
        if self._thought.is_certain:
            return f"{shown}{UNFINISHED}"
        return shown + self._restored(thinking)

    @property
    def pending(self) -> str:
        """What is still held back, as it may be shown meanwhile after all that was given."""
        if self._thought is not None:
            return ""
        ahead = Rewriter()
        vars(ahead).update(vars(self))
        ahead._inline = copy.copy(self._inline)
        ahead._is_ahead = True
        if ahead._fence is None:
            ahead._tail = without_arriving_tag(ahead._tail)
        return ahead._ended()

    def _ended(self) -> str:
        self._is_ended = True
        shown = self._taken("")
        if self._table is not None:
            shown += self._table.ended()
            self._table = None
            self._has_spoken = True
        return shown + self._inline.line_ended()

    def _restored(self, thinking: str) -> str:
        again = Rewriter()
        again._hides_thoughts = False
        return again.feed(thinking) + again._ended()

    def _taken(self, text: str) -> str:
        self._tail += text
        given: list[str] = []
        while self._tail and (piece := self._next()) is not None:
            given.append(piece)
            self._has_spoken = self._has_spoken or bool(piece.strip())
        return "".join(given)

    def _next(self) -> str | None:
        """One decided piece, perhaps an empty one; None if more text must come first."""
        if self._thought is not None:
            return self._thinking(self._thought)
        if self._fence is not None:
            return self._code(self._fence)
        return self._line() if self._is_line_start else self._words()

    def _drop(self, count: int) -> None:
        self._tail = self._tail[count:]

    def _first_line(self, start: int = 0) -> tuple[str, bool]:
        """The line that begins at a place, and whether all of it is there."""
        end = self._tail.find("\n", start)
        return (self._tail[start:], self._is_ended) if end < 0 else (self._tail[start:end], True)

    def _replaced(self, line: str, shown: str) -> str:
        """Take the whole line with its line feed, if it has one; give what stands for it."""
        has_end = len(line) < len(self._tail)
        self._drop(len(line) + 1)
        return f"{shown}\n" if has_end else shown

    # Within a line.

    def _words(self) -> str | None:
        if self._tail[0] == "\n" and not self._inline.is_in_fence:
            self._drop(1)
            self._is_line_start = True
            return self._inline.line_ended() + "\n"
        if self._begins_thought():
            return ""
        piece = self._inline.next(self._tail, is_line_start=self._is_line_blank, is_ended=self._is_ended)
        if piece is None:
            return None
        count, shown = piece
        self._drop(count)
        self._is_line_blank = self._is_line_blank and not shown.strip()
        return shown

    def _begins_thought(self) -> bool:
        is_exact = self._inline.is_exact or self._inline.is_in_fence
        found = _THOUGHT.match(self._tail) if self._hides_thoughts and not is_exact else None
        if found is None or (found["blank"] and not self._is_line_start):
            return False
        is_certain = self._is_line_start or self._is_line_blank
        self._thought = _Thought([] if is_certain else [found[0]], is_certain)
        self._drop(found.end())
        return True

    def _thinking(self, thought: _Thought) -> str | None:
        end = _THOUGHT_END.search(self._tail)
        if end is None:
            count = len(self._tail) if self._is_ended else len(self._tail) - _THOUGHT_END_LENGTH
            if count <= 0:
                return None
            thought.pieces.append(self._tail[:count])
            self._drop(count)
            return ""
        if not self._has_spoken:
            self._unsaid += "".join(thought.pieces) + self._tail[: end.start()]
        self._thought = None
        self._drop(end.end())
        return ""

    # At a line's start.

    def _line(self) -> str | None:
        line, is_whole = self._first_line()
        if self._table is not None:
            return self._row(self._table, line, is_whole=is_whole)
        if self._begins_thought():
            return ""
        if not is_whole and len(line) <= _LONGEST and _UNDECIDED.match(line):
            return None
        return self._begun(line, is_whole=is_whole)

    def _begun(self, line: str, *, is_whole: bool) -> str | None:
        """What the line's beginning stands for, once that is certain."""
        if is_whole and len(line) <= _LONGEST and (shown := self._block(line)) is not None:
            return shown
        if item := _ITEM.match(line):
            return self._item(item)
        if _PREFIX.match(line):
            self._inline.paragraph_ended()
            return self._prose()
        if self._inline.is_exact:
            return self._prose()
        return self._formula() if _FORMULA.match(line) else self._paragraph(line, is_whole=is_whole)

    def _prose(self) -> str:
        """From here on the line is read sign by sign."""
        self._is_line_start = self._is_paragraph_start = False
        self._is_line_blank = True
        return ""

    def _block(self, line: str) -> str | None:
        """What stands for a line that is a block by itself, or begins a fence."""
        if len(line) <= _SHORT and not line.strip():
            shown = line
        elif fence := _FENCE.fullmatch(line):
            shown = self._opened(fence)
        elif _ACROSS.fullmatch(line):
            shown = RULE
        elif heading := _DEEP_HEADING.fullmatch(line):
            shown = _bold(heading["title"])
        else:
            return None
        self._inline.paragraph_ended()
        self._is_paragraph_start = True
        return self._replaced(line, shown)

    def _opened(self, fence: re.Match[str]) -> str:
        mark = fence["ticks"] or fence["tildes"]
        end = re.compile(rf"[ \t]{{0,64}}{mark[0]}{{{len(mark)},{len(mark) + _SHORT}}}[ \t]{{0,64}}")
        self._fence = _Fence(end, fence["indent"])
        self._ticks, self._is_code_line_start = 0, True
        language = _LANGUAGE.match(fence["info"] or fence["note"] or "")
        return f"{fence['indent']}{FENCE}{language[1] if language else ''}"

    def _item(self, item: re.Match[str]) -> str:
        """A list's item as Discord knows it: it has neither ``+`` nor ``1)`` nor boxes."""
        self._inline.paragraph_ended()
        mark = f"{item['number']}." if item["number"] else item["bullet"].replace("+", "-")
        box = "" if item["task"] is None else "☐ " if item["task"][1] == " " else "☑ "
        self._drop(item.end())
        return self._prose() + f"{item['indent']}{mark}{item['blank']}{box}"

    def _formula(self) -> str | None:
        """A formula on lines of its own becomes a block of code; anything else is read sign by sign."""
        start = _FORMULA.match(self._tail)
        mark = start["mark"] if start else ""
        opened = start.end() if start else 0
        end = _FORMULA_END[mark].search(self._tail, opened)
        if end is None or end.end() > _FORMULA_LIMIT:
            return self._prose() if self._is_ended or len(self._tail) >= _FORMULA_LIMIT else None
        body = self._tail[opened : end.start()]
        if not end["end"] or FENCE in body or not looks_like_formula(body):
            return self._prose()
        rest, is_whole = self._first_line(end.end())
        after = _AFTER_FORMULA.match(rest)
        stop = after[0] if after else ""
        if len(stop) < len(rest):
            return self._prose()
        if not is_whole:
            return None
        self._is_paragraph_start = True
        taken = self._tail[: end.end() + len(rest)]
        return self._replaced(taken, f"{FENCE}tex\n{body.strip()}{stop.strip()}\n{FENCE}")

    def _paragraph(self, line: str, *, is_whole: bool) -> str | None:
        """A line of words. The next one may make it a heading, or a table's header."""
        has_bar = "|" in line[: _SHORT + 1]
        if len(line) > (_LONGEST if has_bar else _SHORT) or (is_whole and len(line) == len(self._tail)):
            return self._prose()
        return self._above(line, *self._first_line(len(line) + 1)) if is_whole else None

    def _above(self, line: str, below: str, is_below_whole: bool) -> str | None:  # noqa: FBT001 - a line as it is given
        """The line, once it is certain what the one below it makes of it."""
        may_underline = len(below) <= _LONGEST and _MAY_BE_BELOW.match(below) is not None
        is_arriving = len(line) + 1 + len(below) == len(self._tail)
        if may_underline and is_arriving and self._is_ahead:
            self._tail = f"{line}\n"  # what is just arriving is not shown, so that it does not flicker
            return self._prose()
        if may_underline and is_below_whole:
            return self._underlined(line, below)
        return None if may_underline else self._prose()

    def _underlined(self, line: str, below: str) -> str:
        begun = table(line, below)
        if begun is not None:
            self._table = begun
            self._replaced(f"{line}\n{below}", "")
            self._is_paragraph_start = True
            return ""
        underline = _UNDERLINE.fullmatch(below)
        is_heading = underline is not None and self._is_paragraph_start and len(line) <= _SHORT
        if underline is None or not is_heading or (underline["sign"] == "-" and _SENTENCE_END.search(line)):
            return self._prose()
        sign = "#" if underline["sign"] == "=" else "##"
        return self._replaced(f"{line}\n{below}", f"{sign} {inlined(line.strip())}")

    def _row(self, current: Table, line: str, *, is_whole: bool) -> str | None:
        begins_with_bar = line[:40].lstrip(" \t").startswith("|")
        if len(line) > (_LONGEST if "|" in line[: _SHORT + 1] else _SHORT):
            return self._left(current)
        if not is_whole:
            return None
        is_another_block = any(block.match(line) for block in (_ITEM, _PREFIX)) or _FENCE.fullmatch(line)
        if "|" not in line or (is_another_block and not begins_with_bar):
            return self._left(current)
        self._replaced(line, "")
        shown, self._table = current.with_row(line)
        return shown

    def _left(self, current: Table) -> str:
        self._table = None
        return current.ended()

    # Within a fence.

    def _code(self, fence: _Fence) -> str | None:
        line, is_whole = self._first_line()
        if self._is_code_line_start and len(line) <= _LONGEST:
            if not is_whole and not line.strip(" \t`~"):
                return None
            if is_whole and fence.end.fullmatch(line):
                self._fence = None
                return self._replaced(line, fence.indent + FENCE)
        self._is_code_line_start = False
        if line:
            self._drop(len(line))
            return self._fence_free(line)
        self._drop(1)
        self._ticks, self._is_code_line_start = 0, True
        return "\n"

    def _fence_free(self, code: str) -> str:
        """The code with a space before each third backtick in a row: Discord would end the block there.

        A space can be seen, and taken out again after copying; a sign that only looks like a backtick, or that cannot
        be seen, would be copied unnoticed.
        """
        shown: list[str] = []
        for char in code:
            self._ticks = self._ticks + 1 if char == "`" else 0
            if self._ticks > 1 and self._ticks % 2:
                shown.append(" ")
            shown.append(char)
        return "".join(shown)


def rewritten(text: str) -> str:
    """The whole text as it is shown."""
    rewriter = Rewriter()
    return rewriter.feed(text) + rewriter.flush()


class Dialect:
    """From the model's growing text to what may be shown on Discord: rewritten, and every foreign link inert.

    Fed piece by piece it gives what the whole text would give.
    """

    def __init__(self, allowed_links: Collection[str] = (), page: int = PAGE) -> None:
        self._rewriter = Rewriter()
        self._guard = LinkGuard(allowed_links, page)

    def feed(self, delta: str) -> str:
        """Take in newly arrived text; give what is safe to show and will not change."""
        return self._guard.feed(self._rewriter.feed(delta))

    def flush(self) -> str:
        """No more text comes: give the rest."""
        return self._guard.feed(self._rewriter.flush()) + self._guard.flush()

    @property
    def pending(self) -> str:
        """What is still held back, as it may be shown meanwhile after all that was given."""
        return self._guard.ahead(self._rewriter.pending)


def _bold(title: str) -> str:
    """A heading in one line of bold; bold marks within it would end it."""
    shown, bold, at = inlined(title), "", 0
    for code in codes(shown):
        bold += shown[at : code.start].replace("**", "") + shown[code.start : code.end]
        at = code.end
    bold += shown[at:].replace("**", "")
    return f"**{bold.strip()}**" if bold.strip() else ""
