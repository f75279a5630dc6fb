"""[n] marks in an answer and the sources behind them go in; marks that lead somewhere and the lines below come out."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bot.text.invisible import single_line
from bot.text.wording import utf16_length

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from bot.domain import Source

FOOTER_LIMIT = 1_200
"""Longest footer, in UTF-16 code units: it must share a message with the end of the answer."""

_LABEL_LIMIT = 80
_URL_LIMIT = 400
_MAX_LOCATIONS = 3

_SPAN_LIMIT = 1_000
"""Longest inline code and longest opening line of a code block, in characters: what is held back stays bounded."""

_MAX_SPACES = 3
_CITATION_LIMIT = 64
_NUMBER = r"\d{1,3}(?:[ \t]?[,;–-][ \t]?\d{1,3}){0,8}"
# In single or double brackets. A "(" behind it makes a link of it, and at a line's start a ":" a definition.
_CITATION = re.compile(rf"(?P<space>[ \t]*)(?P<open>\[\[?)[ \t]?(?P<numbers>{_NUMBER})[ \t]?(?P<close>\]\]?)")
_MAY_BECOME_CITATION = re.compile(r"[ \t]*\[\[?[ \t\d,;–-]*\]{0,2}\Z")
_TOKEN_START = re.compile(rf"[ \t]{{0,{_MAX_SPACES}}}\[|`+|\n|\\|[ \t]{{1,{_MAX_SPACES}}}\Z")
_FENCE = re.compile(r" {0,3}(?:(?P<ticks>`{3,})[^`\n]*|(?P<tildes>~{3,})[^\n]*)\n")
_MAY_BECOME_FENCE = re.compile(r" {0,3}(?:`{0,2}|~{0,2}|`{3,}[^`\n]*|~{3,}[^\n]*)\Z")
_RANGE = re.compile(r"(\d{1,3})(?:\s?[–-]\s?(\d{1,3}))?")
_MARKDOWN_CHARACTERS = re.compile(r"([\\*_~`|<>\[\]:@])")


def find_cited_sources(text: str, sources: Iterable[Source]) -> list[Source]:
    """The sources whose marks stand in the text, each once, in order of first use; marks in code do not count."""
    by_number = {source.number: source for source in sources}
    numbers = (number for mark in _find_citations(text) for number in _parse_numbers(mark.text))
    found = {number: by_number[number] for number in numbers if number in by_number}
    return list(found.values())


def find_citation_numbers(text: str) -> set[int]:
    """Every number that a mark in the text names, whether or not there is such a source."""
    return {number for mark in _find_citations(text) for number in _parse_numbers(mark.text)}


def find_allowed_urls(sources: Iterable[Source]) -> frozenset[str]:
    """The URLs that may stay live in an answer resting on these sources."""
    return frozenset(url for source in sources if (url := _get_safe_url(source)))


def format_footer(text: str, sources: Sequence[Source]) -> str:
    """What stands under an answer, in Discord's Markdown: the cited sources, or the passages read if none is cited.

    One line per document; empty without sources; never longer than ``FOOTER_LIMIT``.
    """
    used = find_cited_sources(text, sources)
    shown = used or list(sources)
    if not shown:
        return ""
    heading = "-# **Sources**" if used else "-# **Passages read**"
    documents: dict[str, list[Source]] = {}
    for source in shown:
        documents.setdefault(source.document, []).append(source)
    return _fit_entries(heading, [_format_entry(passages) for passages in documents.values()])


def escape_markdown(text: str, limit: int = _LABEL_LIMIT) -> str:
    """Foreign words made harmless for one line of Discord's Markdown: no sign works, no link is live, nobody is named.

    ``limit`` is in characters, before the signs are escaped.
    """
    line = single_line("".join(map(_make_visible, text)))
    if len(line) > limit:
        line = line[: limit - 1].rstrip() + "…"
    return _MARKDOWN_CHARACTERS.sub(r"\\\1", line)


def format_position(source: Source) -> str:
    """Where in its document a passage stands: "Refunds › Late returns, page 3"; empty where nothing is known."""
    return ", ".join(part for part in (escape_markdown(source.section), format_page_or_line(source)) if part)


def format_page_or_line(source: Source) -> str:
    """A passage's page, else its line where no section says where it stands: "page 3", "line 12", or nothing."""
    if source.page is not None:
        return f"page {source.page}"
    return f"line {source.line}" if source.line is not None and not source.section else ""


def format_location(label: str, source: Source) -> str:
    """A document's label and where in it a passage stands: "Handbook › Refunds, page 3"."""
    where = format_position(source)
    separator = " › " if escape_markdown(source.section) else ", " if where else ""
    return f"{label}{separator}{where}"


class CitationLinker:
    """Makes the marks of growing text lead to their sources; fed piece by piece it gives what the whole would give.

    A mark that names no source is taken out, with the spaces before it; any other is spelled one number a bracket, and
    linked where its source has a URL. Code, links and definitions (``[1]: …``) stay as they are.
    """

    def __init__(self, sources: Iterable[Source], *, is_linked: bool = True) -> None:
        """Make it; without ``is_linked`` a mark is never more than its number, for readers without Markdown."""
        self._links = {source.number: _format_citation(source, is_linked=is_linked) for source in sources}
        self._tokenizer = _Tokenizer()

    def feed(self, delta: str) -> str:
        """Take in newly arrived text; give what is decided."""
        return "".join(map(self._render, self._tokenizer.feed(delta)))

    def flush(self) -> str:
        """No more text comes: give the rest."""
        return "".join(map(self._render, self._tokenizer.flush()))

    def _render(self, token: _Token) -> str:
        if not token.is_citation or token.is_link:
            return token.text
        shown = "".join(self._links[number] for number in _parse_numbers(token.text) if number in self._links)
        return token.text[: token.text.index("[")] + shown if shown else ""


@dataclass(frozen=True, slots=True)
class _Token:
    """A part of a text: a mark with the spaces before it, or whatever stands between marks."""

    text: str
    is_citation: bool = False
    is_link: bool = False


class _Tokenizer:
    """Growing text → its marks and what stands between them. Marks in code are not marks."""

    def __init__(self) -> None:
        self._tail = ""
        self._fence = ""
        self._line = ""  # of a code block, as far as it may be the block's end
        self._is_line_start = True

    def feed(self, delta: str, *, is_end: bool = False) -> list[_Token]:
        """Take in text; give what is decided."""
        self._tail += delta
        pieces: list[_Token] = []
        while self._tail and (piece := self._next_token(is_end=is_end)) is not None:
            self._tail = self._tail[len(piece.text) :]
            self._is_line_start = piece.text.endswith("\n")
            pieces.append(piece)
        return pieces

    def flush(self) -> list[_Token]:
        """The rest, decided by the end."""
        return self.feed("", is_end=True)

    def _next_token(self, *, is_end: bool) -> _Token | None:
        if self._fence:
            return self._read_fence_line()
        if self._is_line_start and (opening := _FENCE.match(self._tail, 0, _SPAN_LIMIT)):
            self._fence = opening["ticks"] or opening["tildes"]
            return _Token(opening[0])
        if self._is_line_start and not is_end and len(self._tail) < _SPAN_LIMIT and _MAY_BECOME_FENCE.match(self._tail):
            return None
        return self._read_prose(is_end=is_end)

    def _read_prose(self, *, is_end: bool) -> _Token | None:
        event = _TOKEN_START.search(self._tail)
        if event is None or event.start() > 0:
            return _Token(self._tail[: event.start()] if event else self._tail)
        match event[0][-1]:
            case "`":
                return self._read_code(event[0], is_end=is_end)
            case "[":
                return self._read_citation(event.end(), is_end=is_end)
            case "\n":
                return _Token("\n")
            case "\\":  # with what it makes plain
                return _Token(self._tail[:2]) if is_end or len(self._tail) > 1 else None
            case _:  # the last spaces
                return _Token(self._tail) if is_end else None

    def _read_fence_line(self) -> _Token:
        """The rest of a line of a code block, or as much of it as has come."""
        text = self._tail[: self._tail.find("\n") + 1] or self._tail
        self._line = (self._line + text)[:_SPAN_LIMIT]
        if text.endswith("\n"):
            if re.fullmatch(rf" {{0,3}}{self._fence}{self._fence[0]}*[ \t]*", self._line.rstrip("\n")):
                self._fence = ""
            self._line = ""
        return _Token(text)

    def _read_code(self, run: str, *, is_end: bool) -> _Token | None:
        """Inline code, up to the next run of as many backticks in its line; a run without partner is text."""
        line = self._tail[: self._tail.find("\n") + 1] or self._tail
        window = line[:_SPAN_LIMIT]
        is_decided = is_end or window.endswith("\n") or len(window) == _SPAN_LIMIT
        closing = re.compile(rf"(?<!`){run}(?!`)").search(window, len(run))
        if closing and (closing.end() < len(window) or is_decided):
            return _Token(window[: closing.end()])
        return _Token(run) if is_decided else None

    def _read_citation(self, end: int, *, is_end: bool) -> _Token | None:
        window = self._tail[:_CITATION_LIMIT]
        mark = _CITATION.match(window)
        is_open = not is_end and len(self._tail) < _CITATION_LIMIT
        if is_open and (_MAY_BECOME_CITATION.match(window) or (mark and mark.end() == len(window))):
            return None
        if mark is None or len(mark["open"]) != len(mark["close"]):
            return _Token(self._tail[:end])
        after = self._tail[mark.end() : mark.end() + 1]
        if after == ":" and self._is_line_start:
            return _Token(mark[0] + after)
        return _Token(mark[0], is_citation=True, is_link=after == "(")


def _find_citations(text: str) -> Iterator[_Token]:
    pieces = _Tokenizer()
    return (piece for piece in (*pieces.feed(text), *pieces.flush()) if piece.is_citation)


def _format_citation(source: Source, *, is_linked: bool) -> str:
    url = _get_safe_url(source) if is_linked else None
    return f"[{source.number}]" if url is None else f"[[{source.number}]](<{url}>)"


def _parse_numbers(citation: str) -> Iterator[int]:
    """Every number a mark names, in order; "2-4" names three."""
    for first, last in _RANGE.findall(citation):
        yield from range(int(first), int(last or first) + 1)


def _format_entry(passages: Sequence[Source]) -> str:
    """One document's line: its title once, then each place with the numbers that lead there."""
    places: dict[str, str] = {}
    for source in passages:
        where = format_position(source)
        places[where] = places.get(where, "") + f"[{source.number}]"
    (_, marks), *others = places.items()
    rest = "".join(f" · {marks} {where}".rstrip() for where, marks in others[: _MAX_LOCATIONS - 1])
    hidden = len(others) - _MAX_LOCATIONS + 1
    more = f" · + {hidden} more" if hidden > 0 else ""
    return (
        f"-# {marks} {format_location(_format_title(passages[0]), passages[0])}{rest}{more}{_format_age(passages[0])}"
    )


def _format_age(source: Source) -> str:
    """The document's date, and whether it is another one by now."""
    date = f" · {source.date:%Y-%m-%d}" if source.date else ""
    return f"{date} · changed since it was indexed" if source.is_changed else date


def _format_title(source: Source) -> str:
    """The title, linked where the document says it lives.

    A label that looks like a URL would be shown literally by Discord, so there the link stands beside it.
    """
    label = escape_markdown(source.title) or escape_markdown(source.document) or "untitled"
    url = _get_safe_url(source)
    if url is None:
        return label
    if "://" in source.title or "www." in source.title.lower():
        return f"{label} <{url}>"
    return f"[{label}](<{url}>)"


def _get_safe_url(source: Source) -> str | None:
    """The document's own URL, if it can stand between angle brackets and leads to the web."""
    url = source.url
    if not url or len(url) > _URL_LIMIT or not url.isascii() or not url.isprintable() or re.search(r"[\s<>\\`]", url):
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return url if parts.scheme in {"http", "https"} and parts.hostname else None


def _make_visible(char: str) -> str:
    """The character, or what stands for it: nothing that formats, or cannot be encoded."""
    if char in "\u200c\u200d":  # they join, and part; where they do neither they go with what nobody sees
        return char
    category = unicodedata.category(char)
    if category == "Cs":
        return "\ufffd"
    return " " if char.isspace() or category == "Cc" else "" if category == "Cf" else char


def _fit_entries(heading: str, entries: Sequence[str]) -> str:
    """As many entries as fit, and the number of those that did not."""
    lines = [heading]
    room = FOOTER_LIMIT - utf16_length(heading) - len("\n-# + 999 more")
    for shown, entry in enumerate(entries):
        room -= utf16_length(entry) + 1
        if room < 0:
            return "\n".join([*lines, f"-# + {len(entries) - shown} more"])
        lines.append(entry)
    return "\n".join(lines)
