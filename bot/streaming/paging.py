"""Splits growing text into pages that each fit into one message; a sealed page never changes.

A page's text is ``opening + body + closing``: the body is the fed text, the rest closes and reopens what a break fell
into: a fence, a table with its head, bold and other marks, the list that an indented item belongs to. Between two
bodies lies a gap that is not shown: what Discord trims at a message's edges, and at most the fence mark whose part the
closing before it plays. All gaps and bodies together are the text.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bot.streaming.markdown.code import (
    INFO_LIMIT,
    SPAN_LIMIT,
    CodeSpan,
    find_code_spans,
    find_line_end,
    find_open_fence,
    find_open_marks,
    find_open_wide_marks,
    mask_code,
)
from bot.streaming.markdown.open_marks import DEFAULT_PAGE_LENGTH, MARK_CHARACTERS, MARKS_LIMIT, find_balance_changes
from bot.streaming.markdown.tables import find_table_head
from bot.text.markdown import FENCE
from bot.text.wording import utf16_length

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

PAGE_LIMIT = DEFAULT_PAGE_LENGTH
"""Longest page in UTF-16 code units: safe whether Discord counts those or characters."""

MIN_PAGE_LIMIT = 16
"""The least a page must hold: two fence marks, their lines, and some text."""

QUOTE = "> "
_CLOSING_FENCE = "\n" + FENCE
_CLOSING_AT_START = {False: re.compile(rf"\s*{FENCE}"), True: re.compile(rf"\s*(?:{QUOTE})?{FENCE}")}
_ROOMY_LIMIT = 64
"""From this limit on a page keeps room for every closing, and may repeat what an item belongs to."""

_SURROGATE = re.compile("[\ud800-\udfff]")
_ARRIVING_INFO = re.compile(r"`{3,}[A-Za-z0-9_+\-.#]*\s*\Z")
_ARRIVING_RUN = re.compile(r"(?:^|\n)[ \t]*`{1,2}\Z")
_ARRIVING_MARK = re.compile(r"(?:\*+|_+|~+|\|+)\Z")

_INVISIBLE = "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200d\u2060-\u2064\ufeff"
_BLANK = re.compile(rf"[\s{_INVISIBLE}]*")
_ITEM_LINE = re.compile(r"^(?P<indent>[ \t]*)(?P<mark>[-*+]|\d{1,9}[.)])[ \t]", re.MULTILINE)
_ITEM_OR_OTHER = re.compile(rf"{_ITEM_LINE.pattern}|^\S", re.MULTILINE)
_BLOCK_START = re.compile(r"#{1,3}[ \t]|-#[ \t]|>|```")
_MAY_BE_BLOCK_START = re.compile(r"(?:#{1,3}|-#?|[*+]|\d{1,9}[.)]?|`{1,2})?\Z")

_PARAGRAPH = re.compile(r"\n[ \t]*\n")
_ITEM = re.compile(r"\n(?=[ \t]*(?:[-*+]|\d+[.)])[ \t])")
_LINE = re.compile(r"(?<!\n)\n")
_SENTENCE = re.compile(r"(?<=[.!?…])[\"'”’)\]]*(?=\s)|(?<=[。\uff01\uff1f])")
_WORD = re.compile(r"\s+")
_HEADING = re.compile(r"#{1,6}\s")

_LINK = re.compile(r"https?://[^\s<>`]*", re.IGNORECASE)

_JOINERS = "\u200d\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff"


@dataclass(frozen=True, slots=True)
class Page:
    """One page: what was left out before it, and what it shows. ``gap`` and ``body`` are the fed text, exact."""

    gap: str
    opening: str
    body: str
    closing: str

    @property
    def rendered(self) -> str:
        """The message's text. Lone surrogates cannot be sent as UTF-8: each is shown as U+FFFD."""
        text = self.opening + self.body + self.closing
        return text if _is_encodable(text) else _SURROGATE.sub("\ufffd", text)


@dataclass(frozen=True, slots=True)
class _Continuation:
    """What goes on after a break, as far as it can be said before the next page's first line is known.

    ``marks`` are reopened if the break fell in mid-line or that line is words, ``items`` (indentation and mark, from
    the outside in) are named again if it is an indented item.
    """

    marks: str = ""
    items: tuple[tuple[str, str], ...] = ()


class Pager:
    """Growing text → pages. Fed piece by piece it gives what the whole text would give.

    Raises:
        ValueError: the limit is below ``MIN_PAGE_LIMIT``.
    """

    def __init__(self, limit: int = PAGE_LIMIT) -> None:
        if limit < MIN_PAGE_LIMIT:
            raise ValueError(f"a page needs at least {MIN_PAGE_LIMIT} code units, not {limit}")
        self._limit = limit
        self._fed: list[str] = []
        self._pages: list[Page] = []
        self._sealed: list[str] = []
        self._reserved = MARKS_LIMIT if limit >= _ROOMY_LIMIT else len(_CLOSING_FENCE)
        self._gap = ""
        self._opening = ""
        self._continuation: _Continuation | None = None
        self._open_text = ""
        self._open_text_length = 0
        self._is_flushed = False

    def feed(self, delta: str) -> None:
        """Take in newly arrived text.

        Raises:
            RuntimeError: the pager was flushed.
        """
        if self._is_flushed:
            raise RuntimeError("a flushed pager takes no more text")
        self._fed.append(delta)
        self._append(delta)

    def flush(self) -> None:
        """No more text comes: what was held back as undecided is shown. May be called again."""
        self._is_flushed = True

    @property
    def sealed(self) -> Sequence[str]:
        """The finished pages as shown."""
        return tuple(self._sealed)

    @property
    def pages(self) -> Sequence[Page]:
        """The sealed pages with their structure, and the open one if it shows anything."""
        page = self._build_open_page()
        return (*self._pages, page) if page.body else tuple(self._pages)

    @property
    def open_page(self) -> str:
        """The page being written as shown right now, its fences closed; empty if there is none."""
        page = self._build_open_page()
        return page.rendered if page.body else ""

    @property
    def text(self) -> str:
        """Everything fed, exact."""
        self._fed = ["".join(self._fed)]
        return self._fed[0]

    def open_page_with(self, tail: str) -> str:
        """The open page as it would be shown with some more text; what does not fit on it is left out."""
        ahead = Pager(self._limit)
        ahead._opening, ahead._open_text, ahead._open_text_length = (
            self._opening,
            self._open_text,
            self._open_text_length,
        )
        ahead._continuation, ahead._gap = self._continuation, self._gap
        ahead._append(tail)
        return ahead._sealed[0] if ahead._sealed else ahead.open_page

    def _append(self, delta: str) -> None:
        while delta:
            taken, delta = _split_at_length(delta, self._available_length - self._open_text_length)
            self._open_text += taken
            self._open_text_length += utf16_length(taken)
            self._start_page()
            while self._open_text_length > self._available_length:
                self._seal_page()

    @property
    def _available_length(self) -> int:
        """How wide the body may be, in code units: a closing always has its place."""
        return self._limit - utf16_length(self._opening) - self._reserved

    def _start_page(self) -> None:
        """Move what is not shown at a page's start into the gap, and open what goes on there once that is known."""
        quote = QUOTE if self._opening.startswith(QUOTE + FENCE) else ""
        is_code = self._opening.startswith(quote + FENCE)
        if is_code and (closing := _CLOSING_AT_START[bool(quote)].match(self._open_text)):
            self._drop(closing.end())
            self._opening, is_code = "", False
        if is_code:
            blank = len(self._open_text) - len(self._open_text.lstrip())
            self._drop(self._open_text.rfind("\n", 0, blank) + 1)
            if quote and self._open_text and not self._continues_on_new_line and not self._opening.endswith(quote):
                self._opening += quote
        elif not self._opening:
            unseen = _BLANK.match(self._open_text)
            self._drop(unseen.end() if unseen else 0)
            if self._continuation is not None and self._open_text and self._is_continuation_known:
                self._opening, self._continuation = self._build_continuation_opening(self._continuation), None

    @property
    def _is_continuation_known(self) -> bool:
        """Whether it is certain what the rest goes on with. In mid-line no block begins, whatever it looks like."""
        return not self._continues_on_new_line or not _MAY_BE_BLOCK_START.match(self._open_text)

    @property
    def _continues_on_new_line(self) -> bool:
        return "\n" in self._gap

    def _build_continuation_opening(self, continuation: _Continuation) -> str:
        if not self._continues_on_new_line:
            return continuation.marks
        if not _ITEM_LINE.match(self._open_text):
            return "" if _BLOCK_START.match(self._open_text) else continuation.marks
        indent = self._gap.rpartition("\n")[2]
        outer = "".join(f"{blank}{mark} …\n" for blank, mark in continuation.items if len(blank) < len(indent))
        return (
            outer + indent if outer and not indent.strip(" \t") and len(outer) + len(indent) <= self._limit // 8 else ""
        )

    def _drop(self, count: int) -> None:
        self._gap += self._open_text[:count]
        self._set_open_text(self._open_text[count:])

    def _set_open_text(self, text: str) -> None:
        self._open_text, self._open_text_length = text, utf16_length(text)

    def _seal_page(self) -> None:
        overfull, _ = _split_at_length(self._open_text, self._available_length)
        if overfull[:-1].isspace():
            self._drop(len(overfull) - 1)
            return
        end = _find_break(self._opening, overfull)
        body = self._open_text[:end].rstrip()
        fence = find_open_fence(self._opening + body)
        marks = () if fence else self._find_open_marks(body, overfull[len(body) :])
        closing = _close_fence(self._opening + body, fence) if fence else "".join(reversed(marks))
        page = Page(self._gap, self._opening, body, closing)
        self._pages.append(page)
        self._sealed.append(page.rendered)
        self._continuation = (
            _Continuation("".join(marks), _find_open_items(self._opening + body)) if fence is None else None
        )
        self._opening = self._build_fence_opening(self._opening + body, fence)
        self._gap = ""
        self._set_open_text(self._open_text[len(body) :])
        self._start_page()

    def _find_open_marks(self, body: str, after: str) -> tuple[str, ...]:
        """The marks that a break between these two falls between."""
        gap = after[: len(after) - len(after.lstrip())]
        is_beside_sign = body[-1:] in MARK_CHARACTERS or after[len(gap) :][:1] in MARK_CHARACTERS
        if _PARAGRAPH.match(gap) or is_beside_sign:
            return ()
        marks = (find_open_wide_marks if "\n" in gap else find_open_marks)(self._opening + body)
        return marks if sum(map(len, marks)) <= self._reserved else ()

    def _build_fence_opening(self, text: str, fence: CodeSpan | None) -> str:
        if fence is None:
            return ""
        carried = fence.info if len(fence.info) <= min(INFO_LIMIT, self._limit // 4) else ""
        table_head = find_table_head(text[fence.inner :])
        repeated = table_head if utf16_length(table_head) <= self._limit // 4 else ""
        return f"{_find_quote(text, fence)}{FENCE}{carried}\n{repeated}"

    def _build_open_page(self) -> Page:
        body = self._open_text.rstrip()
        if not self._is_flushed:
            body = _strip_arriving_mark(self._opening, body)
        if not body:
            return Page(self._gap, "", "", "")
        fence = find_open_fence(self._opening + body)
        closing = _close_fence(self._opening + body, fence) if fence else self._close_open_marks(body)
        return Page(self._gap, self._opening, body, closing)

    def _close_open_marks(self, body: str) -> str:
        """What closes the marks of which the other half has not arrived."""
        marks = () if self._is_flushed else find_open_wide_marks(self._opening + body)
        return "".join(reversed(marks)) if sum(map(len, marks)) <= self._reserved else ""


def paginate(text: str, limit: int = PAGE_LIMIT) -> list[str]:
    """The pages of a whole text: what a pager shows that was fed it and flushed."""
    pager = Pager(limit)
    pager.feed(text)
    pager.flush()
    return [page.rendered for page in pager.pages]


def _find_quote(text: str, fence: CodeSpan) -> str:
    """Return the quotation mark before a fence, which each of its lines begins with; nothing if it is in no quote."""
    return QUOTE if text.startswith(QUOTE, text.rfind("\n", 0, fence.start) + 1) else ""


def _close_fence(text: str, fence: CodeSpan) -> str:
    return f"\n{_find_quote(text, fence)}{FENCE}"


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _split_at_length(text: str, max_length: int) -> tuple[str, str]:
    """The shortest beginning that is wider than ``max_length`` code units, and the rest."""
    count = min(len(text), max_length + 1)
    units = utf16_length(text[:count])
    while count and units - utf16_length(text[count - 1]) > max_length:
        count -= 1
        units -= utf16_length(text[count])
    return text[:count], text[count:]


def _strip_arriving_mark(opening: str, body: str) -> str:
    """The body without a fence mark at its end of which more may come, so that nothing flickers."""
    body = _ARRIVING_RUN.sub("", body).rstrip()
    fence = find_open_fence(opening + body)
    if fence is not None and fence.start >= len(opening):
        start = fence.start - len(opening)
        if _ARRIVING_INFO.match(body, start):
            return body[:start].rstrip()
    return body if fence is not None else _ARRIVING_MARK.sub("", body).rstrip()


def _find_open_items(text: str) -> tuple[tuple[str, str], ...]:
    """The list items that the text's end stands in, from the outermost in: their indentation and their mark."""
    found: list[tuple[str, str]] = []
    for line in _ITEM_OR_OTHER.finditer(text):
        while found and (line["mark"] is None or len(found[-1][0]) >= len(line["indent"])):
            found.pop()
        if line["mark"]:
            found.append((line["indent"], line["mark"]))
    return tuple(found)


class _BreakFinder:
    """The places in one overfull page where it may be broken: ``rest[:-1]`` fits, its last character does not."""

    def __init__(self, opening: str, rest: str) -> None:
        self._rest = rest
        self.last = len(rest) - 1
        self._first = len(rest) - len(rest.lstrip()) + 1
        self._offset = shift = len(opening)
        found = find_code_spans(opening + rest)
        self._code_spans = [
            replace(code, start=code.start - shift, inner=code.inner - shift, end=code.end - shift) for code in found
        ]
        self._masked_text = mask_code(opening + rest, found)
        last_line = self._masked_text.rfind("\n") + 1
        self._unpaired_backtick = (
            self._masked_text.find("`", max(last_line, len(self._masked_text) - SPAN_LIMIT)) - shift
        )
        self._balance_changes: dict[int, list[tuple[int, bool]]] = {}

    def find_latest(self, pattern: re.Pattern[str], min_fill: float, is_good: Callable[[int], bool]) -> int | None:
        """The last match that leaves at least ``min_fill`` of the page filled, as the place to break before."""
        floor = max(self._first, int(min_fill * self.last))
        places = [found.start() if found[0].isspace() else found.end() for found in pattern.finditer(self._rest)]
        return next((place for place in reversed(places) if floor <= place <= self.last and is_good(place)), None)

    def is_outside_code(self, position: int) -> bool:
        """Not within code, nor between a heading and its text."""
        return self._find_code(position) is None and not _HEADING.match(self._rest, self._find_line_start(position))

    def is_safe_break(self, position: int) -> bool:
        """Not within code, nor between a mark and its partner."""
        if self._find_code(position) is not None:
            return False
        end = position + self._offset
        start = self._masked_text.rfind("\n", 0, end) + 1
        if self._masked_text.find("`", start, end) >= 0:
            return False
        if start not in self._balance_changes:
            self._balance_changes[start] = find_balance_changes(
                self._masked_text[start : find_line_end(self._masked_text, start)]
            )
        return self._balance_changes[start][bisect_right(self._balance_changes[start], (end - start, True)) - 1][1]

    def is_acceptable_break(self, position: int) -> bool:
        """Not straight after the opening of a fence, and not within code in a line."""
        code = self._find_code(position)
        if code is None:
            return self._allows_marks(position) and not self._is_in_short_code(position)
        return code.is_fence and not self._rest[max(code.inner, 0) : position].isspace()

    def find_grapheme_breaks(self) -> Iterator[int]:
        """Places from the last on, best first: those that split no character as seen, nor a link, nor short code.

        Rather than short code a character is split: links in such code are left as they are, and a page that shows
        half of it shows them outside code.
        """
        links = [link.span() for link in _LINK.finditer(self._rest)]
        places = [
            place
            for place in range(self.last, max(self.last // 2, self._first - 1), -1)
            if not any(start < place < end for start, end in links)
        ]
        seen = [place for place in places if not _is_joined(self._rest, place)]
        yield from (place for place in seen if self._is_clean_break(place))
        yield from (place for place in places if self._is_clean_break(place))
        yield from (place for place in seen if self._allows_marks(place))

    def _is_clean_break(self, position: int) -> bool:
        """Whether what goes on after the break is read as it would have been without."""
        if self._is_in_short_code(position):
            return False
        return self._allows_marks(position) or self._is_between_code_spans(position)

    def _allows_marks(self, position: int) -> bool:
        """Whether no mark stands at the break: one put there to close or reopen another would melt with it."""
        return not any(side in MARK_CHARACTERS for side in self._get_neighbours(position))

    def _is_between_code_spans(self, position: int) -> bool:
        """Whether code is the only mark at the break, and nothing need be closed or reopened there."""
        return all(
            side not in MARK_CHARACTERS or side == "`" for side in self._get_neighbours(position)
        ) and self.is_safe_break(position)

    def _get_neighbours(self, position: int) -> tuple[str, str]:
        """What is seen to the left of a break and to the right of it."""
        return self._rest[:position].rstrip()[-1:], self._rest[position:].lstrip()[:1]

    def _is_in_short_code(self, position: int) -> bool:
        """Whether a place is within code in a line, or behind a backtick whose partner may be on the next page."""
        if 0 <= self._unpaired_backtick < position:
            return True
        code = self._find_code(position)
        return code is not None and not code.is_fence and code.end - code.start <= SPAN_LIMIT

    def _find_code(self, position: int) -> CodeSpan | None:
        return next((code for code in self._code_spans if code.start < position < code.end), None)

    def _find_line_start(self, position: int) -> int:
        return self._rest.rfind("\n", 0, position) + 1


def _find_break(opening: str, rest: str) -> int:
    """Where to break: the kindest place in the page's later part, else any that does not split a character."""
    at = _BreakFinder(opening, rest)
    return (
        at.find_latest(_PARAGRAPH, 0.6, at.is_outside_code)
        or at.find_latest(_ITEM, 0.6, at.is_outside_code)
        or at.find_latest(_LINE, 0.6, at.is_outside_code)
        or at.find_latest(_LINE, 0.6, at.is_acceptable_break)
        or at.find_latest(_SENTENCE, 0.6, at.is_safe_break)
        or at.find_latest(_WORD, 0.5, at.is_safe_break)
        or at.find_latest(_WORD, 0.25, at.is_acceptable_break)
        or next(at.find_grapheme_breaks(), at.last)
    )


def _is_joined(text: str, position: int) -> bool:
    """Whether the characters on both sides of a place are seen as one, or are one run of backticks."""
    before, after = text[position - 1], text[position]
    return (
        before == after == "`"
        or before in "\u200d\r"
        or after in _JOINERS
        or unicodedata.category(after) in {"Mn", "Me", "Mc"}
        or ("\ud800" <= before <= "\udbff" and "\udc00" <= after <= "\udfff")
    )
