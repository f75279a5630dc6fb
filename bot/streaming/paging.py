"""Splits growing text into pages that each fit into one message; a sealed page never changes.

The text is Discord's Markdown as ``markdown.convert`` writes it: a fence is a line of its own, and every mark closes in
the line in which it opens. A page's text is ``opening + body + closing``: the body is the fed text, the rest closes and
reopens what a break is inside of: a fence, a table with its head, bold and other marks, the list that an indented item
belongs to. Between two bodies is a gap that is not shown: what Discord trims at a message's edges, and at most the
closing fence that the page before has already. All gaps and bodies together are the text.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.streaming.markdown.tables import find_table_head
from bot.text.invisible import INVISIBLE_RANGES
from bot.text.markdown import FENCE, CodeBlock, Kind, find_code_blocks, match_marks, tokenize
from bot.text.wording import utf16_length

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

PAGE_LIMIT = 2_000
"""Longest page in UTF-16 code units: safe whether Discord counts those or characters."""

MIN_PAGE_LIMIT = 16
"""The least a page must hold: two fences in a quote, their lines, and some text."""

QUOTE = "> "
_LONGEST_CLOSING_FENCE = f"\n{QUOTE}{FENCE}"
_CLOSING_AT_START = {
    False: re.compile(rf"\s*{FENCE}(?=\n|\Z)"),
    True: re.compile(rf"\s*(?:{QUOTE})?{FENCE}(?=\n|\Z)"),
}
_ROOMY_LIMIT = 64
"""From this limit on a page keeps room for every closing, and may repeat what an item belongs to."""

_MAX_MARKS_LENGTH = 8
"""Longest marks, in characters, that a break in a line closes and reopens."""

_MAX_LANGUAGE_LENGTH = 24
"""Longest language name that is repeated on the next page, in characters."""

_MAX_UNBROKEN_CODE = 240
"""Longest code in a line that is never broken, in characters with its marks."""

_MARK_CHARACTERS = frozenset("*_~|`\\")
"""What a mark put beside it would be read together with."""

_SURROGATE = re.compile("[\ud800-\udfff]")
_BLANK = re.compile(rf"[\s{INVISIBLE_RANGES}]*")
_ITEM_LINE = re.compile(r"^(?P<indent>[ \t]*)(?P<mark>[-*+]|\d{1,9}[.)])[ \t]", re.MULTILINE)
_ITEM_OR_OTHER = re.compile(rf"{_ITEM_LINE.pattern}|^\S", re.MULTILINE)
_MAY_BE_ITEM = re.compile(r"(?:[-*+]|\d{1,9}[.)]?)?\Z")

_PARAGRAPH = re.compile(r"\n[ \t]*\n")
_ITEM = re.compile(r"\n(?=[ \t]*(?:[-*+]|\d+[.)])[ \t])")
_LINE = re.compile(r"(?<!\n)\n")
_SENTENCE = re.compile(r"(?<=[.!?…])[\"'”’)\]]*(?=\s)|(?<=[。\uff01\uff1f])")
_WORD = re.compile(r"\s+")
_HEADING = re.compile(r"#{1,6}\s")
_ARRIVING_ADDRESS = re.compile(r"(?<!\\)<[^\s<>]{0,600}\Z")
_ADDRESS_END = re.compile(r"[^\s<>()\[\]`]*")
_ANGLE_END = re.compile(r"[^\s<>]*>?")

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
        self._reserved = _MAX_MARKS_LENGTH if limit >= _ROOMY_LIMIT else len(_LONGEST_CLOSING_FENCE)
        self._gap = ""
        self._opening = ""
        self._marks_before: tuple[str, ...] = ()
        self._items_before: tuple[tuple[str, str], ...] = ()
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
        if delta:
            self._fed.append(delta)
            self._append(delta)

    def flush(self) -> None:
        """Note that no more text comes, so that a block of code without code is shown. May be called again."""
        self._is_flushed = True

    @property
    def sealed(self) -> Sequence[str]:
        """The finished pages as shown."""
        return tuple(self._sealed)

    @property
    def pages(self) -> Sequence[Page]:
        """The sealed pages with their structure, and the open one if it shows anything."""
        page = self._build_open_page(self._open_text)
        return (*self._pages, page) if page.body else tuple(self._pages)

    @property
    def open_page(self) -> str:
        """The page being written as shown right now, its fences closed; empty if there is none."""
        page = self._build_open_page(self._open_text)
        return page.rendered if page.body else ""

    @property
    def text(self) -> str:
        """Everything fed, exact."""
        self._fed = ["".join(self._fed)]
        return self._fed[0]

    def open_page_with(self, tail: str) -> str:
        """Return the open page as it would be shown with some more text; what does not fit on it is left out."""
        if self._is_start_decided and self._open_text_length + utf16_length(tail) <= self._available_length:
            page = self._build_open_page(self._open_text + tail)
            return page.rendered if page.body else ""
        ahead = Pager(self._limit)
        ahead._opening, ahead._open_text, ahead._open_text_length = (
            self._opening,
            self._open_text,
            self._open_text_length,
        )
        ahead._marks_before, ahead._items_before, ahead._gap = self._marks_before, self._items_before, self._gap
        ahead._append(tail)
        return ahead._sealed[0] if ahead._sealed else ahead.open_page

    @property
    def _is_start_decided(self) -> bool:
        """Whether more text cannot change how the open page begins."""
        is_known = not self._marks_before and not self._items_before
        return is_known and ("\n" in self._open_text or (bool(self._open_text) and not self._opening))

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
        """How long the body may be, in code units: a closing always has its room."""
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
            if quote and self._open_text and "\n" not in self._gap and not self._opening.endswith(quote):
                self._opening += quote
        elif not self._opening:
            unseen = _BLANK.match(self._open_text)
            self._drop(unseen.end() if unseen else 0)
            if self._marks_before and self._open_text:
                self._opening, self._marks_before = "" if "\n" in self._gap else "".join(self._marks_before), ()
            if self._items_before and self._open_text and not _MAY_BE_ITEM.match(self._open_text):
                self._opening, self._items_before = self._build_items_opening(), ()

    def _build_items_opening(self) -> str:
        """Return the lists that an item at the page's start is in; nothing where there is no room or no such item."""
        _, line_end, indent = self._gap.rpartition("\n")
        if not line_end or indent.strip(" \t") or not _ITEM_LINE.match(self._open_text):
            return ""
        outer = "".join(f"{blank}{mark} …\n" for blank, mark in self._items_before if len(blank) < len(indent))
        return outer + indent if outer and len(outer) + len(indent) <= self._limit // 8 else ""

    def _drop(self, count: int) -> None:
        if count:
            self._gap += self._open_text[:count]
            self._set_open_text(self._open_text[count:])

    def _set_open_text(self, text: str) -> None:
        self._open_text, self._open_text_length = text, utf16_length(text)

    def _seal_page(self) -> None:
        overfull, _ = _split_at_length(self._open_text, self._available_length)
        if overfull[:-1].isspace():
            self._drop(len(overfull) - 1)
            return
        finder = _BreakFinder(self._opening, overfull)
        body = overfull[: finder.find_break()].rstrip()
        text = self._opening + body
        block = _find_open_block(text)
        marks = () if block else finder.find_marks(len(body), self._reserved)
        closing = _close_block(block) if block else "".join(reversed(marks))
        page = Page(self._gap, self._opening, body, closing)
        self._pages.append(page)
        self._sealed.append(page.rendered)
        self._marks_before = marks
        self._items_before = () if block or marks else _find_open_items(text)
        self._opening = self._build_block_opening(text, block) if block else ""
        self._gap = ""
        self._set_open_text(self._open_text[len(body) :])
        self._start_page()

    def _build_block_opening(self, text: str, block: CodeBlock) -> str:
        info = block.fence.info
        language = info if len(info) <= min(_MAX_LANGUAGE_LENGTH, self._limit // 4) else ""
        table_head = find_table_head(text[block.inner :])
        repeated = table_head if utf16_length(table_head) <= self._limit // 4 else ""
        return f"{_quote_of(block)}{FENCE}{language}\n{repeated}"

    def _build_open_page(self, text: str) -> Page:
        body = text.rstrip()
        block = _find_open_block(self._opening + body)
        start = block.start - len(self._opening) if block else 0
        if block and not self._is_flushed and start >= 0 and not text[block.inner - len(self._opening) :].strip():
            body, block = body[:start].rstrip(), None
        if not body:
            return Page(self._gap, "", "", "")
        return Page(self._gap, self._opening, body, _close_block(block) if block else "")


def paginate(text: str, limit: int = PAGE_LIMIT) -> list[str]:
    """Return the pages of a whole text: what a pager shows that was fed it and flushed."""
    pager = Pager(limit)
    pager.feed(text)
    pager.flush()
    return [page.rendered for page in pager.pages]


def _find_open_block(text: str) -> CodeBlock | None:
    """Return the block of code that a message with this text would leave open."""
    blocks = find_code_blocks(text)
    return blocks[-1] if blocks and not blocks[-1].is_closed else None


def _quote_of(block: CodeBlock) -> str:
    """Return the quotation mark that each line of a block begins with; nothing if it is in no quote."""
    return QUOTE if block.fence.depth else ""


def _close_block(block: CodeBlock) -> str:
    return f"\n{_quote_of(block)}{FENCE}"


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _split_at_length(text: str, max_length: int) -> tuple[str, str]:
    """Return the shortest beginning that is longer than ``max_length`` code units, and the rest."""
    count = min(len(text), max_length + 1)
    units = utf16_length(text[:count])
    while count and units - utf16_length(text[count - 1]) > max_length:
        count -= 1
        units -= utf16_length(text[count])
    return text[:count], text[count:]


def _find_open_items(text: str) -> tuple[tuple[str, str], ...]:
    """Return the list items that the text's end is in, the outermost first: their indentation and their mark."""
    found: list[tuple[str, str]] = []
    for line in _ITEM_OR_OTHER.finditer(text):
        while found and (line["mark"] is None or len(found[-1][0]) >= len(line["indent"])):
            found.pop()
        if line["mark"]:
            found.append((line["indent"], line["mark"]))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Span:
    """A part of a line that a break is better not inside of; where it must, a ``mark`` is closed and reopened.

    One that is not ``is_breakable`` has no break inside as long as there is any other place.
    """

    start: int
    end: int
    mark: str = ""
    is_breakable: bool = False


class _BreakFinder:
    """The places in one overfull page where it may be broken: ``rest[:-1]`` fits, its last character does not.

    All positions are counted from the beginning of ``rest``.
    """

    def __init__(self, opening: str, rest: str) -> None:
        self._text = opening + rest
        self._rest = rest
        self._offset = len(opening)
        self.last = len(rest) - 1
        self._first = len(rest) - len(rest.lstrip()) + 1
        self._blocks = find_code_blocks(self._text)
        self._spans: dict[int, list[_Span]] = {}

    def find_break(self) -> int:
        """Return where to break: the best place in the page's later part, else any that splits no character."""
        return (
            self._find_latest(_PARAGRAPH, 0.6, self._is_between_blocks)
            or self._find_latest(_ITEM, 0.6, self._is_between_blocks)
            or self._find_latest(_LINE, 0.6, self._is_between_blocks)
            or self._find_latest(_LINE, 0.6, self._is_within_block)
            or self._find_latest(_SENTENCE, 0.6, self._is_outside_spans)
            or self._find_latest(_WORD, 0.5, self._is_outside_spans)
            or self._find_latest(_WORD, 0.25, self._is_acceptable)
            or next(self._find_character_breaks(), self.last)
        )

    def find_marks(self, position: int, room: int) -> tuple[str, ...]:
        """Return the marks that a break there is between, the outermost first, in so many characters at most.

        Code must stay code. Other marks are given up where there is no room, or where a mark beside them would be read
        with them.
        """
        after = self._rest[position:]
        if "\n" in after[: len(after) - len(after.lstrip())]:
            return ()
        marks = tuple(span.mark for span in self._find_spans(position) if span.mark)
        if self._allows_marks(position) and sum(map(len, marks)) <= room:
            return marks
        return marks[-1:] if marks and marks[-1][0] == "`" else ()

    def _find_latest(self, pattern: re.Pattern[str], min_fill: float, is_good: Callable[[int], bool]) -> int | None:
        """Return the last match that leaves at least ``min_fill`` of the page filled, as the place to break before."""
        floor = max(self._first, int(min_fill * self.last))
        places = [found.start() if found[0].isspace() else found.end() for found in pattern.finditer(self._rest)]
        return next((place for place in reversed(places) if floor <= place <= self.last and is_good(place)), None)

    def _is_between_blocks(self, position: int) -> bool:
        """Tell whether a place is not within a block of code, nor between a heading and its text."""
        line_start = self._rest.rfind("\n", 0, position) + 1
        return self._find_block(position) is None and not _HEADING.match(self._rest, line_start)

    def _is_within_block(self, position: int) -> bool:
        """Tell whether a place is in a block of code, behind some of its code."""
        block = self._find_block(position)
        return block is not None and bool(self._text[block.inner : position + self._offset].strip())

    def _is_outside_spans(self, position: int) -> bool:
        return self._find_block(position) is None and not self._find_spans(position)

    def _is_acceptable(self, position: int) -> bool:
        """Tell whether a break splits nothing that must be whole."""
        if self._find_block(position) is not None:
            return self._is_within_block(position)
        has_marks = any(span.mark for span in self._find_spans(position))
        return self._is_between_unbreakables(position) and (not has_marks or self._allows_marks(position))

    def _is_between_unbreakables(self, position: int) -> bool:
        spans = self._find_spans(position)
        is_in_code = bool(spans) and spans[-1].mark[:1] == "`"
        return all(span.is_breakable for span in spans) and not (is_in_code and "`" in self._get_neighbours(position))

    def _find_character_breaks(self) -> Iterator[int]:
        """Yield places from the last on, best first: those that split no character as seen, nor a link, nor code."""
        places = range(self.last, self._first - 1, -1)
        seen = [place for place in places if not _is_joined(self._rest, place)]
        yield from (place for place in seen if self._is_acceptable(place))
        yield from (place for place in places if self._is_acceptable(place))
        yield from (place for place in seen if self._is_between_unbreakables(place))

    def _allows_marks(self, position: int) -> bool:
        """Tell whether no mark is at the break: one put there to close or reopen another would be read with it."""
        return _MARK_CHARACTERS.isdisjoint(self._get_neighbours(position))

    def _get_neighbours(self, position: int) -> tuple[str, str]:
        """Return what is seen to the left of a break and to the right of it."""
        return self._rest[:position].rstrip()[-1:], self._rest[position:].lstrip()[:1]

    def _find_block(self, position: int) -> CodeBlock | None:
        place = position + self._offset
        return next((block for block in self._blocks if block.start < place < block.end), None)

    def _find_spans(self, position: int) -> list[_Span]:
        """Return what a place in a line of prose is inside of, the outermost first."""
        place = position + self._offset
        start = self._text.rfind("\n", 0, place) + 1
        if start not in self._spans:
            end = self._text.find("\n", start)
            self._spans[start] = _read_spans(
                self._text[start : end if end >= 0 else len(self._text)], min(_MAX_UNBROKEN_CODE, self.last // 4)
            )
        return [span for span in self._spans[start] if span.start < place - start < span.end]


def _read_spans(line: str, max_unbroken_code: int) -> list[_Span]:
    """Return what a line's breaks should not be inside of; what is open at its end goes on."""
    tokens = tokenize(line)
    starts = [0]
    for token in tokens:
        starts.append(starts[-1] + len(token.text))
    pairs, opened = match_marks(tokens)
    spans = [_Span(starts[pair.start], starts[pair.end + 1], pair.mark, is_breakable=True) for pair in pairs]
    spans += [_Span(starts[place], len(line) + 1, mark, is_breakable=True) for mark, place in opened]
    brackets: list[int] = []
    for token, start, end in zip(tokens, starts, starts[1:], strict=False):
        match token.kind:
            case Kind.TEXT | Kind.MARK | Kind.NEWLINE:
                pass
            case Kind.CODE | Kind.TICKS:
                is_open = token.kind is Kind.TICKS
                mark = token.text if is_open else token.text[: (len(token.text) - len(token.value)) // 2]
                stop = len(line) + 1 if is_open else end
                spans.append(_Span(start, stop, mark, is_breakable=stop - start > max_unbroken_code))
                if is_open:
                    break
            case Kind.OPEN | Kind.IMAGE:
                brackets.append(start)
            case Kind.URL | Kind.FOREIGN_URL | Kind.AUTOLINK:
                is_in_angles = line.startswith("<", start - 1)
                around = (_ANGLE_END if is_in_angles else _ADDRESS_END).match(line, end)
                spans.append(_Span(start - is_in_angles, around.end() if around else end))
            case Kind.CLOSE | Kind.TARGET if brackets:
                is_arriving = token.kind is Kind.CLOSE and (end == len(line) or line[end] == "(")
                is_link = is_arriving or token.kind is Kind.TARGET
                spans.append(_Span(brackets.pop(), len(line) + 1 if is_arriving else end, is_breakable=not is_link))
            case _:
                spans.append(_Span(start, end))
    spans += [_Span(start, len(line) + 1, is_breakable=True) for start in brackets]
    if arriving := _ARRIVING_ADDRESS.search(line):
        spans.append(_Span(arriving.start(), len(line) + 1))
    return sorted(spans, key=lambda span: (span.start, -span.end))


def _is_joined(text: str, position: int) -> bool:
    """Tell whether the characters on both sides of a place are seen as one, or are one run of backticks."""
    before, after = text[position - 1], text[position]
    return (
        before == after == "`"
        or before in "\u200d\r"
        or after in _JOINERS
        or unicodedata.category(after) in {"Mn", "Me", "Mc"}
        or ("\ud800" <= before <= "\udbff" and "\udc00" <= after <= "\udfff")
    )
