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

from bot.streaming.markdown.code import FENCE, find_code_spans
from bot.streaming.markdown.inline import InlineConverter, convert_inline, looks_like_formula, strip_arriving_tag
from bot.streaming.markdown.links import LinkGuard
from bot.streaming.markdown.open_marks import DEFAULT_PAGE_LENGTH
from bot.streaming.markdown.tables import Table, parse_table_header

if TYPE_CHECKING:
    from collections.abc import Collection

HORIZONTAL_RULE = "─" * 12
"""What stands for a horizontal rule."""

UNFINISHED_REASONING_NOTE = "-# (the model's unfinished reasoning is not shown)"
"""What stands where an answer broke off in the middle of a thought."""

_BLOCK_LENGTH = 400
"""How much is looked at in one go, in characters: the time taken grows with the text, not with its square."""

_MAX_SHORT_LINE = 80
"""Longest line that is held back because the next may underline it, in characters; a row's first bar comes within."""

_MAX_LINE_LENGTH = 1_000
"""Longest line that is read as a row, a heading or a line of marks, in characters."""

_FORMULA_LIMIT = 1_200
"""Longest formula on lines of its own, in characters."""

_FENCE = re.compile(r"(?P<indent>[ \t]{0,16})(?:(?P<ticks>`{3,})(?P<info>[^`]*)|(?P<tildes>~{3,})(?P<note>.*))")
_LANGUAGE = re.compile(r"[ \t]*([A-Za-z0-9_+\-.#]{0,32})")
_RULE_LINE = re.compile(r"[ ]{0,3}([-*_])(?:[ \t]*\1){2,}[ \t]*")
_DEEP_HEADING = re.compile(r"[ ]{0,3}#{4,6}[ \t]+(?P<title>.*?)(?:[ \t]+#+)?[ \t]*")
_UNDERLINE = re.compile(r"[ ]{0,3}(?P<sign>=|-)(?P=sign)+[ \t]*")
_MAY_BE_BELOW = re.compile(r"(?:[ ]{0,3}=*[ \t]*|[|:\- \t]*)\Z")
_ITEM = re.compile(
    r"(?P<indent>[ \t]{0,40})(?:(?P<bullet>[-*+])|(?P<number>\d{1,9})[.)])(?P<blank>[ \t]{1,8})"
    r"(?P<task>\[[ xX]\][ \t])?"
)
_BLOCK_PREFIX = re.compile(r"[ \t]{0,40}(?:#{1,3}[ \t]|>|-#[ \t])")
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

_REASONING_START = re.compile(r"(?P<blank>[ \t]{0,40})<think(?:ing)?>", re.IGNORECASE)
_REASONING_END = re.compile(r"</think(?:ing)?>", re.IGNORECASE)
_REASONING_END_LENGTH = len("</thinking>")


@dataclass(frozen=True, slots=True)
class _Fence:
    """A fence being read. ``end`` matches the line that closes it."""

    end: re.Pattern[str]
    indent: str


@dataclass(frozen=True, slots=True)
class _Reasoning:
    """What the model thinks to itself. Begun in mid-line it may be none: the words may speak of the tag."""

    pieces: list[str]
    is_certain: bool


class MarkdownRewriter:
    """Rewrites while text grows. Fed piece by piece it gives what the whole text would give."""

    def __init__(self) -> None:
        self._tail = ""
        self._inline = InlineConverter()
        self._is_line_start = True
        self._is_line_blank = True
        self._is_paragraph_start = True
        self._is_ended = False
        self._is_lookahead = False
        self._fence: _Fence | None = None
        self._backtick_count = 0  # so many backticks in a row stand at the end of what was given of a fence's line
        self._is_code_line_start = True
        self._table: Table | None = None
        self._reasoning: _Reasoning | None = None
        self._hides_reasoning = True
        self._hidden_reasoning = ""
        self._has_output = False

    def feed(self, delta: str) -> str:
        """Take in newly arrived text; give what is decided of it and will not change."""
        blocks = (delta[start : start + _BLOCK_LENGTH] for start in range(0, len(delta), _BLOCK_LENGTH))
        return "".join(self._process(block) for block in blocks)

    def flush(self) -> str:
        """No more text comes: give the rest. An answer that was nothing but thoughts is shown after all."""
        shown = self._finish()
        if self._reasoning is None:
            return shown if self._has_output else shown + self._render_reasoning(self._hidden_reasoning)
        thinking = "".join(self._reasoning.pieces)
        if not self._has_output:
            return shown + self._render_reasoning(self._hidden_reasoning + thinking)
        if self._reasoning.is_certain:
            return f"{shown}{UNFINISHED_REASONING_NOTE}"
        return shown + self._render_reasoning(thinking)

    @property
    def pending(self) -> str:
        """What is still held back, as it may be shown meanwhile after all that was given."""
        if self._reasoning is not None:
            return ""
        ahead = MarkdownRewriter()
        vars(ahead).update(vars(self))
        ahead._inline = copy.copy(self._inline)
        ahead._is_lookahead = True
        if ahead._fence is None:
            ahead._tail = strip_arriving_tag(ahead._tail)
        return ahead._finish()

    def _finish(self) -> str:
        self._is_ended = True
        shown = self._process("")
        if self._table is not None:
            shown += self._table.finish()
            self._table = None
            self._has_output = True
        return shown + self._inline.end_line()

    def _render_reasoning(self, reasoning: str) -> str:
        again = MarkdownRewriter()
        again._hides_reasoning = False
        return again.feed(reasoning) + again._finish()

    def _process(self, text: str) -> str:
        self._tail += text
        given: list[str] = []
        while self._tail and (piece := self._next_piece()) is not None:
            given.append(piece)
            self._has_output = self._has_output or bool(piece.strip())
        return "".join(given)

    def _next_piece(self) -> str | None:
        """One decided piece, perhaps an empty one; None if more text must come first."""
        if self._reasoning is not None:
            return self._skip_reasoning(self._reasoning)
        if self._fence is not None:
            return self._convert_code(self._fence)
        return self._convert_line() if self._is_line_start else self._convert_text()

    def _drop(self, count: int) -> None:
        self._tail = self._tail[count:]

    def _find_line(self, start: int = 0) -> tuple[str, bool]:
        """The line that begins at a place, and whether all of it is there."""
        end = self._tail.find("\n", start)
        return (self._tail[start:], self._is_ended) if end < 0 else (self._tail[start:end], True)

    def _replace_line(self, line: str, replacement: str) -> str:
        """Take the whole line with its line feed, if it has one; give what stands for it."""
        has_end = len(line) < len(self._tail)
        self._drop(len(line) + 1)
        return f"{replacement}\n" if has_end else replacement

    # Within a line.

    def _convert_text(self) -> str | None:
        if self._tail[0] == "\n" and not self._inline.is_in_fence:
            self._drop(1)
            self._is_line_start = True
            return self._inline.end_line() + "\n"
        if self._enter_reasoning():
            return ""
        piece = self._inline.convert_next(self._tail, is_line_start=self._is_line_blank, is_ended=self._is_ended)
        if piece is None:
            return None
        count, shown = piece
        self._drop(count)
        self._is_line_blank = self._is_line_blank and not shown.strip()
        return shown

    def _enter_reasoning(self) -> bool:
        is_exact = self._inline.is_verbatim or self._inline.is_in_fence
        found = _REASONING_START.match(self._tail) if self._hides_reasoning and not is_exact else None
        if found is None or (found["blank"] and not self._is_line_start):
            return False
        is_certain = self._is_line_start or self._is_line_blank
        self._reasoning = _Reasoning([] if is_certain else [found[0]], is_certain)
        self._drop(found.end())
        return True

    def _skip_reasoning(self, reasoning: _Reasoning) -> str | None:
        end = _REASONING_END.search(self._tail)
        if end is None:
            count = len(self._tail) if self._is_ended else len(self._tail) - _REASONING_END_LENGTH
            if count <= 0:
                return None
            reasoning.pieces.append(self._tail[:count])
            self._drop(count)
            return ""
        if not self._has_output:
            self._hidden_reasoning += "".join(reasoning.pieces) + self._tail[: end.start()]
        self._reasoning = None
        self._drop(end.end())
        return ""

    # At a line's start.

    def _convert_line(self) -> str | None:
        line, is_whole = self._find_line()
        if self._table is not None:
            return self._convert_row(self._table, line, is_whole=is_whole)
        if self._enter_reasoning():
            return ""
        if not is_whole and len(line) <= _MAX_LINE_LENGTH and _UNDECIDED.match(line):
            return None
        return self._convert_line_start(line, is_whole=is_whole)

    def _convert_line_start(self, line: str, *, is_whole: bool) -> str | None:
        """What the line's beginning stands for, once that is certain."""
        if is_whole and len(line) <= _MAX_LINE_LENGTH and (shown := self._convert_block(line)) is not None:
            return shown
        if item := _ITEM.match(line):
            return self._convert_item(item)
        if _BLOCK_PREFIX.match(line):
            self._inline.end_paragraph()
            return self._enter_prose()
        if self._inline.is_verbatim:
            return self._enter_prose()
        return self._convert_formula() if _FORMULA.match(line) else self._convert_paragraph(line, is_whole=is_whole)

    def _enter_prose(self) -> str:
        """From here on the line is read sign by sign."""
        self._is_line_start = self._is_paragraph_start = False
        self._is_line_blank = True
        return ""

    def _convert_block(self, line: str) -> str | None:
        """What stands for a line that is a block by itself, or begins a fence."""
        if len(line) <= _MAX_SHORT_LINE and not line.strip():
            shown = line
        elif fence := _FENCE.fullmatch(line):
            shown = self._open_fence(fence)
        elif _RULE_LINE.fullmatch(line):
            shown = HORIZONTAL_RULE
        elif heading := _DEEP_HEADING.fullmatch(line):
            shown = _format_bold_heading(heading["title"])
        else:
            return None
        self._inline.end_paragraph()
        self._is_paragraph_start = True
        return self._replace_line(line, shown)

    def _open_fence(self, fence: re.Match[str]) -> str:
        mark = fence["ticks"] or fence["tildes"]
        end = re.compile(rf"[ \t]{{0,64}}{mark[0]}{{{len(mark)},{len(mark) + _MAX_SHORT_LINE}}}[ \t]{{0,64}}")
        self._fence = _Fence(end, fence["indent"])
        self._backtick_count, self._is_code_line_start = 0, True
        language = _LANGUAGE.match(fence["info"] or fence["note"] or "")
        return f"{fence['indent']}{FENCE}{language[1] if language else ''}"

    def _convert_item(self, item: re.Match[str]) -> str:
        """A list's item as Discord knows it: it has neither ``+`` nor ``1)`` nor boxes."""
        self._inline.end_paragraph()
        mark = f"{item['number']}." if item["number"] else item["bullet"].replace("+", "-")
        box = "" if item["task"] is None else "☐ " if item["task"][1] == " " else "☑ "
        self._drop(item.end())
        return self._enter_prose() + f"{item['indent']}{mark}{item['blank']}{box}"

    def _convert_formula(self) -> str | None:
        """A formula on lines of its own becomes a block of code; anything else is read sign by sign."""
        start = _FORMULA.match(self._tail)
        mark = start["mark"] if start else ""
        opened = start.end() if start else 0
        end = _FORMULA_END[mark].search(self._tail, opened)
        if end is None or end.end() > _FORMULA_LIMIT:
            return self._enter_prose() if self._is_ended or len(self._tail) >= _FORMULA_LIMIT else None
        body = self._tail[opened : end.start()]
        if not end["end"] or FENCE in body or not looks_like_formula(body):
            return self._enter_prose()
        rest, is_whole = self._find_line(end.end())
        after = _AFTER_FORMULA.match(rest)
        stop = after[0] if after else ""
        if len(stop) < len(rest):
            return self._enter_prose()
        if not is_whole:
            return None
        self._is_paragraph_start = True
        taken = self._tail[: end.end() + len(rest)]
        return self._replace_line(taken, f"{FENCE}tex\n{body.strip()}{stop.strip()}\n{FENCE}")

    def _convert_paragraph(self, line: str, *, is_whole: bool) -> str | None:
        """A line of words. The next one may make it a heading, or a table's header."""
        has_bar = "|" in line[: _MAX_SHORT_LINE + 1]
        if len(line) > (_MAX_LINE_LENGTH if has_bar else _MAX_SHORT_LINE) or (
            is_whole and len(line) == len(self._tail)
        ):
            return self._enter_prose()
        return self._convert_line_above(line, *self._find_line(len(line) + 1)) if is_whole else None

    def _convert_line_above(self, line: str, below: str, is_below_whole: bool) -> str | None:  # noqa: FBT001 - a line as it is given
        """The line, once it is certain what the one below it makes of it."""
        may_underline = len(below) <= _MAX_LINE_LENGTH and _MAY_BE_BELOW.match(below) is not None
        is_arriving = len(line) + 1 + len(below) == len(self._tail)
        if may_underline and is_arriving and self._is_lookahead:
            self._tail = f"{line}\n"  # what is just arriving is not shown, so that it does not flicker
            return self._enter_prose()
        if may_underline and is_below_whole:
            return self._convert_underlined(line, below)
        return None if may_underline else self._enter_prose()

    def _convert_underlined(self, line: str, below: str) -> str:
        begun = parse_table_header(line, below)
        if begun is not None:
            self._table = begun
            self._replace_line(f"{line}\n{below}", "")
            self._is_paragraph_start = True
            return ""
        underline = _UNDERLINE.fullmatch(below)
        is_heading = underline is not None and self._is_paragraph_start and len(line) <= _MAX_SHORT_LINE
        if underline is None or not is_heading or (underline["sign"] == "-" and _SENTENCE_END.search(line)):
            return self._enter_prose()
        sign = "#" if underline["sign"] == "=" else "##"
        return self._replace_line(f"{line}\n{below}", f"{sign} {convert_inline(line.strip())}")

    def _convert_row(self, current: Table, line: str, *, is_whole: bool) -> str | None:
        begins_with_bar = line[:40].lstrip(" \t").startswith("|")
        if len(line) > (_MAX_LINE_LENGTH if "|" in line[: _MAX_SHORT_LINE + 1] else _MAX_SHORT_LINE):
            return self._end_table(current)
        if not is_whole:
            return None
        is_another_block = any(block.match(line) for block in (_ITEM, _BLOCK_PREFIX)) or _FENCE.fullmatch(line)
        if "|" not in line or (is_another_block and not begins_with_bar):
            return self._end_table(current)
        self._replace_line(line, "")
        shown, self._table = current.with_row(line)
        return shown

    def _end_table(self, current: Table) -> str:
        self._table = None
        return current.finish()

    # Within a fence.

    def _convert_code(self, fence: _Fence) -> str | None:
        line, is_whole = self._find_line()
        if self._is_code_line_start and len(line) <= _MAX_LINE_LENGTH:
            if not is_whole and not line.strip(" \t`~"):
                return None
            if is_whole and fence.end.fullmatch(line):
                self._fence = None
                return self._replace_line(line, fence.indent + FENCE)
        self._is_code_line_start = False
        if line:
            self._drop(len(line))
            return self._break_up_fences(line)
        self._drop(1)
        self._backtick_count, self._is_code_line_start = 0, True
        return "\n"

    def _break_up_fences(self, code: str) -> str:
        """The code with a space before each third backtick in a row: Discord would end the block there.

        A space can be seen, and taken out again after copying; a sign that only looks like a backtick, or that cannot
        be seen, would be copied unnoticed.
        """
        shown: list[str] = []
        for char in code:
            self._backtick_count = self._backtick_count + 1 if char == "`" else 0
            if self._backtick_count > 1 and self._backtick_count % 2:
                shown.append(" ")
            shown.append(char)
        return "".join(shown)


def rewrite_markdown(text: str) -> str:
    """The whole text as it is shown."""
    rewriter = MarkdownRewriter()
    return rewriter.feed(text) + rewriter.flush()


class DiscordMarkdownConverter:
    """From the model's growing text to what may be shown on Discord: rewritten, and every foreign link inert.

    Fed piece by piece it gives what the whole text would give.
    """

    def __init__(self, allowed_urls: Collection[str] = (), page_length: int = DEFAULT_PAGE_LENGTH) -> None:
        self._rewriter = MarkdownRewriter()
        self._guard = LinkGuard(allowed_urls, page_length)

    def feed(self, delta: str) -> str:
        """Take in newly arrived text; give what is safe to show and will not change."""
        return self._guard.feed(self._rewriter.feed(delta))

    def flush(self) -> str:
        """No more text comes: give the rest."""
        return self._guard.feed(self._rewriter.flush()) + self._guard.flush()

    @property
    def pending(self) -> str:
        """What is still held back, as it may be shown meanwhile after all that was given."""
        return self._guard.look_ahead(self._rewriter.pending)


def _format_bold_heading(title: str) -> str:
    """A heading in one line of bold; bold marks within it would end it."""
    shown, bold, at = convert_inline(title), "", 0
    for code in find_code_spans(shown):
        bold += shown[at : code.start].replace("**", "") + shown[code.start : code.end]
        at = code.end
    bold += shown[at:].replace("**", "")
    return f"**{bold.strip()}**" if bold.strip() else ""
