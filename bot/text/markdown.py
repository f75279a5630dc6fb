"""Reads Markdown once for every reader: blocks while text grows, and the tokens within a block.

Citations, conversion, links and the terminal all use this reader, so there is one answer to "is this code?".
Everything here is linear in its input, and the result does not depend on how the text was cut.
"""

from __future__ import annotations

import copy
import re
from bisect import bisect_right
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from bot.text.citation_marks import match_citation
from bot.text.invisible import INVISIBLE_RANGES

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterator, Sequence

FENCE = "```"

PART_LENGTH = 1_000
"""Longest line that is read as a whole, in characters; a longer one is read in parts of at most this length."""

_CUT_LENGTH = 160
_CUT_STEP = 40
"""From this length on a line is cut behind a word at which no mark is open, and looked at again in such steps."""

_JOIN_LENGTH = 600
"""Longest paragraph part, in characters, that waits for the next line because a mark in it is open."""


class Kind(Enum):
    """What a token within a paragraph is."""

    TEXT = auto()
    ESCAPE = auto()
    CODE = auto()
    TICKS = auto()
    MARK = auto()
    IMAGE = auto()
    OPEN = auto()
    CLOSE = auto()
    TARGET = auto()
    CITATION = auto()
    URL = auto()
    FOREIGN_URL = auto()
    AUTOLINK = auto()
    NAME = auto()
    TAG = auto()
    COMMENT = auto()
    ENTITY = auto()
    FORMULA = auto()
    NEWLINE = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """A part of a paragraph.

    ``value`` is the code without its backticks, the URL of a link, the name of a tag, the body of a formula; for a
    foreign URL its inert form. ``numbers`` are those of a citation.
    """

    kind: Kind
    text: str
    value: str = ""
    numbers: tuple[int, ...] = ()


_TARGET = (
    r"\]\([ \t]*(?:<[^<>\n`]*>|[^\s()<>`]*(?:\([^\s()<>`]*\)[^\s()<>`]*)*)"
    r"(?:[ \t\n]+(?:\"[^\"\n]*\"|'[^'\n]*'))?[ \t]*\)"
)
_EVENT = re.compile(
    r"(?P<escape>\\[!-/:-@\[-`{-~])"
    r"|(?P<ticks>`+)"
    r"|(?P<comment><!--.{0,2000}?-->)"
    r"|(?P<name><(?:@[!&]?\d{1,25}|#\d{1,25}|a?:[A-Za-z0-9_]{1,32}:\d{1,25}|t:-?\d{1,17}(?::[tTdDfFRsS])?"
    r"|/[^\s/:<>`]{1,32}(?:[ ][^\s/:<>`]{1,32}){0,2}:\d{1,25}|id:[a-z\-]{1,20})>)"
    r"|(?P<autolink><[A-Za-z][A-Za-z0-9+.\-]{1,31}:[^\s<>`]*>)"
    r"|(?P<tag></?[A-Za-z][A-Za-z0-9]{0,15}(?:[ \t/][^<>\n`]*)?>)"
    r"|(?P<entity>&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});)"
    r"|(?P<dollar>\${1,2}(?=\S))"
    r"|(?P<image>!\[)"
    r"|(?P<open>[\[【])"
    rf"|(?P<target>{_TARGET})"
    r"|(?P<close>\])"
    rf"|(?P<colon>:(?=[{INVISIBLE_RANGES}]{{0,8}}[/\\]))"
    r"|(?P<mark>\*+|_+|~{2,}|\|{2,})"
    r"|(?P<newline>\n)",
    re.DOTALL,
)
_TARGET_URL = re.compile(r"\]\([ \t]*<?([^\s<>]*?)>?(?:[ \t\n]+(?:\"[^\"\n]*\"|'[^'\n]*'))?[ \t]*\)\Z")
_TICKS = re.compile("`+")
_TAG_NAME = re.compile(r"</?([A-Za-z][A-Za-z0-9]*)")
_SCHEME = re.compile(rf"[A-Za-z][A-Za-z0-9+.\-{INVISIBLE_RANGES}]{{1,40}}\Z")
_HTTP = re.compile(r"https?\Z", re.IGNORECASE)
_INVISIBLE = re.compile(f"[{INVISIBLE_RANGES}]")
_SLASHES = re.compile(rf":[{INVISIBLE_RANGES}]{{0,8}}([/\\]{{1,8}})")
_HOST_ENDS = r"\s/?#\\<>()\[\]{}\"'`|,;"
_HOST = re.compile(rf"(?:[^.:{_HOST_ENDS}]|[.:](?=[^{_HOST_ENDS}]))*")
_AFTER_URL = re.compile(r"[)\]>.,:;!?'\"*_~|”’»]{0,6}(?=[\s<\[]|[^\x00-\x7f]|\Z)")
_FORMULAS = {
    "\\(": re.compile(r"\\\((?P<body>[^\n`]{1,400}?)\\\)"),
    "\\[": re.compile(r"\\\[(?P<body>[^\n`]{1,400}?)\\\]"),
    "$$": re.compile(r"\$\$(?P<body>[^\n`$]{1,400})\$\$"),
    "$": re.compile(r"\$(?P<body>[^\s`$](?:[^\n`$]{0,200}[^\s`$\\])?)\$(?![0-9A-Za-z])"),
}
_TEX = re.compile(r"\\[A-Za-z]|[A-Za-z0-9})][\^_][{\\A-Za-z0-9]")
_OPERATION = re.compile(r"[=^]|\s[+\-*/<>]\s")
_LETTER = re.compile(r"\s*[A-Za-z]'?\s*")

KNOWN_TAGS = frozenset({
    "a", "abbr", "b", "big", "br", "center", "cite", "code", "del", "details", "div", "em", "font", "h1", "h2", "h3",
    "h4", "h5", "h6", "hr", "i", "img", "ins", "kbd", "li", "mark", "ol", "p", "q", "s", "samp", "small", "span",
    "strike", "strong", "sub", "summary", "sup", "tt", "u", "ul", "var",
})  # fmt: skip
"""HTML tags that models write and that Discord would show bare."""


def is_formula(body: str) -> bool:
    """Tell whether the text between two formula marks is a formula, not words between escaped brackets."""
    return bool(_TEX.search(body) or _OPERATION.search(body) or _LETTER.fullmatch(body))


def tokenize(text: str, allowed_urls: Sequence[str] = (), sources: Collection[int] | None = ()) -> list[Token]:
    """Split a paragraph's text into tokens; their texts joined are the text.

    Args:
        text: one block's text without its block marks; it may hold line ends.
        allowed_urls: URLs that are found as ``Kind.URL``, the longest first.
        sources: numbers that a citation may name; None for any.
    """
    return _Tokenizer(text, allowed_urls, sources).read()


class _Tokenizer:
    """Reads one paragraph from left to right."""

    def __init__(self, text: str, allowed_urls: Sequence[str], sources: Collection[int] | None) -> None:
        self._text = text
        self._allowed_urls = allowed_urls
        self._sources = sources
        self._tokens: list[Token] = []
        self._read_to = 0
        self._runs: dict[int, list[int]] = {}
        if "`" in text:
            for run in _TICKS.finditer(text):
                self._runs.setdefault(len(run[0]), []).append(run.start())

    def read(self) -> list[Token]:
        """Return the tokens."""
        position = 0
        while event := _EVENT.search(self._text, position):
            position = max(self._read_event(event), event.start() + 1)
        self._add_text(len(self._text))
        return self._tokens

    def _add_text(self, end: int) -> None:
        if end > self._read_to:
            self._tokens.append(Token(Kind.TEXT, self._text[self._read_to : end]))
            self._read_to = end

    def _add(self, start: int, kind: Kind, text: str, value: str = "", numbers: tuple[int, ...] = ()) -> int:
        self._add_text(start)
        self._tokens.append(Token(kind, text, value, numbers))
        self._read_to = start + len(text)
        return self._read_to

    def _read_event(self, event: re.Match[str]) -> int:  # noqa: PLR0911 - one line for each kind of token
        """Add the token that begins here, and return where to read on; what is no token stays text."""
        start, text = event.start(), event[0]
        match event.lastgroup:
            case "ticks":
                return self._read_ticks(start, text)
            case "escape":
                return self._read_formula(start, text) or self._add(start, Kind.ESCAPE, text)
            case "dollar":
                return self._read_formula(start, text) or event.end()
            case "open":
                return self._read_bracket(start)
            case "target":
                url = _TARGET_URL.match(text)
                return self._add(start, Kind.TARGET, text, url[1] if url else "")
            case "colon":
                return self._read_url(start)
            case "tag":
                name = _TAG_NAME.match(text)
                is_known = name is not None and name[1].lower() in KNOWN_TAGS
                return self._add(start, Kind.TAG, text, name[1].lower()) if name and is_known else start + 1
            case "autolink":
                return self._add(start, Kind.AUTOLINK, text, text[1:-1]) if self._is_allowed(text[1:-1]) else start + 1
            case group:
                return self._add(start, Kind[(group or "text").upper()], text)

    def _is_allowed(self, url: str) -> bool:
        return url in self._allowed_urls

    def _read_ticks(self, start: int, mark: str) -> int:
        """Read code up to the next run of as many backticks; a run without partner is text."""
        runs = self._runs.get(len(mark), [])
        place = bisect_right(runs, start)
        if place == len(runs):
            return self._add(start, Kind.TICKS, mark)
        end = runs[place] + len(mark)
        return self._add(start, Kind.CODE, self._text[start:end], self._text[start + len(mark) : end - len(mark)])

    def _read_formula(self, start: int, mark: str) -> int:
        """Read a formula, or return 0. Behind a word an escaped bracket belongs to it, as in a regular expression."""
        pattern = _FORMULAS.get(mark)
        found = pattern.match(self._text, start) if pattern else None
        if found is None:
            return 0
        body = found["body"]
        is_behind_word = mark[0] == "\\" and start > 0 and not self._text[start - 1].isspace()
        is_tex = bool(_TEX.search(body)) if mark == "$" else is_formula(body)
        if not is_tex or (is_behind_word and not _TEX.search(body)):
            return 0
        return self._add(start, Kind.FORMULA, found[0], body.strip())

    def _read_bracket(self, start: int) -> int:
        citation = match_citation(self._text, start, self._sources)
        if citation is not None:
            return self._add(start, Kind.CITATION, citation[0], numbers=citation[1])
        return self._add(start, Kind.OPEN, "[") if self._text[start] == "[" else start + 1

    def _read_url(self, colon: int) -> int:
        """Read an address around the colon of its scheme: a source's, or the scheme and host of a foreign one."""
        name = _SCHEME.search(self._text, max(self._read_to, colon - 41), colon)
        slashes = _SLASHES.match(self._text, colon)
        if name is None or slashes is None:
            return colon + 1
        http = _HTTP.search(name[0])
        start = name.start() + (http.start() if http else 0)
        for url in self._allowed_urls:
            if self._text.startswith(url, start) and _AFTER_URL.match(self._text, start + len(url)):
                return self._add(start, Kind.URL, url, url)
        plain_name = _INVISIBLE.sub("", name[0])
        plain_http = _HTTP.search(plain_name)
        if plain_http is None and len(slashes[1]) == 1:
            return colon + 1
        host = _HOST.match(self._text, slashes.end())
        end = host.end() if host else slashes.end()
        scheme = f"{plain_name[: plain_http.start()]}hxxp{plain_http[0][4:]}:" if plain_http else f"{plain_name}[:]"
        inert = re.sub(r"([*_~])", r"\\\1", self._text[slashes.end() : end]).replace(".", "[.]")
        if self._text.startswith((":/", ":\\"), end):  # the host's end would be another address's scheme
            inert, end = f"{inert}[:]", end + 1
        value = scheme + slashes[1].replace("\\", "\\\\") + inert
        return self._add(name.start(), Kind.FOREIGN_URL, self._text[name.start() : end], value)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two marks that belong together, by the positions of their tokens. ``mark`` is what both are."""

    start: int
    end: int
    mark: str


_LONGEST_MARK = {"*": 3, "_": 2, "~": 2, "|": 2}
_SHORTEST_MARK = {"*": 1, "_": 1, "~": 2, "|": 2}
_NO_OPENING_BEHIND = frozenset("/\\.@#$%&=^+)]}0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_NO_CLOSING_BEFORE = frozenset("/\\0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_OPENING_BRACKETS = frozenset("([{")
_DUNDER = re.compile(r"__[a-z0-9_]+__")
_MOST_OPEN = 32
"""Marks that are open at once at most: further ones are text, so that the time taken stays bounded."""


def pair_marks(tokens: Sequence[Token]) -> list[Pair]:
    """Find the marks of emphasis that open and close something; all other marks are text."""
    return match_marks(tokens)[0]


def match_marks(tokens: Sequence[Token]) -> tuple[list[Pair], list[tuple[str, int]]]:
    """Find the marks of emphasis that belong together, and those that are open at the end with their positions."""
    pairs: list[Pair] = []
    open_marks: list[tuple[str, int]] = []
    for position, token in enumerate(tokens):
        if token.kind is not Kind.MARK:
            continue
        mark = token.text
        if not _SHORTEST_MARK[mark[0]] <= len(mark) <= _LONGEST_MARK[mark[0]]:
            continue
        before = tokens[position - 1].text[-1] if position else " "
        after = tokens[position + 1].text[0] if position + 1 < len(tokens) else " "
        can_close = not before.isspace() and before not in _OPENING_BRACKETS
        if can_close and _close_mark(mark, position, after, tokens, open_marks, pairs):
            continue
        is_in_word = before in _NO_OPENING_BEHIND or (mark[0] == "_" and (before.isalnum() or before == "_"))
        if not after.isspace() and not is_in_word and len(open_marks) < _MOST_OPEN:
            open_marks.append((mark, position))
    return pairs, open_marks


def _close_mark(  # noqa: PLR0913, PLR0917 - the state of one pass
    mark: str, position: int, after: str, tokens: Sequence[Token], open_marks: list[tuple[str, int]], pairs: list[Pair]
) -> bool:
    """Close what this mark closes, if anything."""
    for depth in range(len(open_marks) - 1, -1, -1):
        other, start = open_marks[depth]
        if other == mark:
            if not _is_pair(mark, start, position, after, tokens):
                return False
            pairs.append(Pair(start, position, mark))
            del open_marks[depth:]
            return True
        if other == "***" and mark in {"*", "**"} and after not in _NO_CLOSING_BEFORE:
            pairs.append(Pair(start, position, mark))
            open_marks[depth:] = [("*" * (3 - len(mark)), start)]
            return True
        if mark == "***" and depth and {other, open_marks[depth - 1][0]} == {"*", "**"}:
            pairs += [Pair(start, position, other), Pair(open_marks[depth - 1][1], position, open_marks[depth - 1][0])]
            del open_marks[depth - 1 :]
            return True
    return False


def _is_pair(mark: str, start: int, end: int, after: str, tokens: Sequence[Token]) -> bool:
    is_short = end - start <= 2  # noqa: PLR2004 - one token between the two
    if mark == "__" and _DUNDER.fullmatch("".join(token.text for token in tokens[start : end + 1][:12])):
        return False
    if mark[0] == "_" and (after.isalnum() or after == "_"):
        return False
    if after in _NO_CLOSING_BEFORE:
        return mark[0] == "*" and is_short and " " not in tokens[start + 1].text
    return end - start > 1


# Blocks.


@dataclass(frozen=True, slots=True)
class Prose:
    """A paragraph's part: one line, or several where a mark reaches over a line's end.

    ``prefix`` holds indentation, list marks and heading marks; ``depth`` counts quotation marks. ``starts_line`` and
    ``ends_line`` are False where a very long line was cut.
    """

    prefix: str
    text: str
    depth: int = 0
    starts_line: bool = True
    ends_line: bool = True


@dataclass(frozen=True, slots=True)
class CodeStart:
    """A block of code begins. ``info`` is what was on the fence's own line; ``prefix`` an item's mark before it."""

    info: str
    depth: int = 0
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class CodeText:
    """A line of code without its margin, or a part of it."""

    text: str
    ends_line: bool = True


@dataclass(frozen=True, slots=True)
class CodeEnd:
    """A block of code ends. ``ends_text``: so does all text."""

    ends_text: bool = False


Block = Prose | CodeStart | CodeText | CodeEnd

_QUOTE_MARK = re.compile(r" {0,3}>(?:[ \t]|(?=>)|\Z)")
_PROMPT = re.compile(r" {0,3}>>>[ \t]")
_FENCE_LINE = re.compile(
    r"(?P<prefix>[ \t]{0,16}(?:(?:[-*+]|\d{1,9}[.)])[ \t]{1,4})*)"
    r"(?:(?P<ticks>`{3,})(?P<info>[^`]*)|(?P<tildes>~{3,})(?P<note>[^~]*))"
)
_LIST_MARK = re.compile(r"[-*+\d]")
_PREFIX = re.compile(
    r"[ \t]{0,40}(?:(?:[-*+]|\d{1,9}[.)])(?:[ \t]{1,8}|\Z)(?:\[[ xX]\](?:[ \t]+|\Z))?){0,4}"
    r"(?:(?:\#{1,6}|-\#)(?:[ \t]+|\Z))?"
)
_BLOCK_LINE = re.compile(
    r"[ \t]*(?:[-*+](?:[ \t]|\Z)|\d{1,9}[.)](?:[ \t]|\Z)|\#{1,6}(?:[ \t]|\Z)|-\#[ \t]|\||:::|=+[ \t]*\Z|-+[ \t]*\Z)"
)
_HEADING_PREFIX = re.compile(r"\#")
_FORMULA_BLOCK = re.compile(r"[ \t]*(?:\\\[(?!.*?\\\])|\$\$(?!.*?\$\$))", re.DOTALL)
_COMMENT_START = re.compile(r"[ \t]*<!--(?!.*?-->)", re.DOTALL)
_KEY_LINE = re.compile(r"[A-Za-z_][\w\-]*:(?: |\Z)")
_INDENTED = re.compile(r"(?: {4}|\t)")
_LAST_BLANK = re.compile(r"\s(?=\S*\Z)")


@dataclass(frozen=True, slots=True)
class Fence:
    """What opened a block of code.

    ``mark`` closes it; an empty one is indented code, which a smaller ``margin`` (in columns) ends. ``info`` is what
    was behind the mark, ``depth`` counts quotation marks before it, and ``prefix`` is an item's mark before it.
    """

    mark: str
    info: str = ""
    depth: int = 0
    margin: int = 0
    prefix: str = ""

    def is_closed_by(self, line: str) -> bool:
        """Tell whether a line, without quotation marks, closes this fence."""
        closing = line.strip(" \t")
        return bool(self.mark) and len(closing) >= len(self.mark) and closing == self.mark[0] * len(closing)


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """A block of code in a text: ``text[start:end]`` with its fences; ``inner`` is where its first line begins.

    What is not closed reaches to the end of the text.
    """

    start: int
    inner: int
    end: int
    fence: Fence
    is_closed: bool


def parse_fence(line: str) -> Fence | None:
    """Return the fence that a line opens a block of code with, None if it opens none."""
    if FENCE not in line and "~~~" not in line:
        return None
    depth, inner = _strip_quote(line)
    found = None if _PROMPT.match(line) else _FENCE_LINE.fullmatch(inner)
    if found is None:
        return None
    prefix = found["prefix"]
    mark, info = (found["ticks"], found["info"]) if found["ticks"] else (found["tildes"], found["note"])
    margin = len(prefix.expandtabs(4))
    return Fence(mark, (info or "").strip(), depth, margin, prefix if _LIST_MARK.search(prefix) else "")


def find_code_blocks(text: str) -> list[CodeBlock]:
    """Find the blocks of code in Discord's Markdown, where each fence is a line of its own."""
    found: list[CodeBlock] = []
    fence: Fence | None = None
    start = inner = 0
    place = text.find(FENCE)
    while place >= 0:
        line_start, end = text.rfind("\n", 0, place) + 1, text.find("\n", place)
        line = text[line_start : end if end >= 0 else len(text)]
        end = line_start + len(line)
        if fence is None:
            fence, start, inner = parse_fence(line), line_start, min(end + 1, len(text))
        elif fence.is_closed_by(_strip_quote(line, fence.depth)[1]):
            found.append(CodeBlock(start, inner, end, fence, is_closed=True))
            fence = None
        place = text.find(FENCE, end)
    if fence is not None:
        found.append(CodeBlock(start, inner, len(text), fence, is_closed=False))
    return found


class MarkdownReader:
    """Splits growing text into blocks. Fed piece by piece it gives what the whole text would give."""

    def __init__(self) -> None:
        self._tail = ""
        self._is_line_start = True
        self._fence: Fence | None = None
        self._held: Prose | None = None
        self._blank_lines = 0
        self._is_first_line = True
        self._is_after_blank = True
        self._is_in_list = False
        self._may_be_front_matter = False

    def copy(self) -> MarkdownReader:
        """Return another reader in the same state, to look ahead with."""
        return copy.copy(self)

    def feed(self, delta: str) -> list[Block]:
        """Take in newly arrived text and return the blocks that are decided."""
        self._tail += delta
        return list(self._read_lines())

    def flush(self) -> list[Block]:
        """Return the rest: no more text comes."""
        blocks = list(self._read_lines())
        if self._tail:
            line, self._tail = self._tail, ""
            blocks += self._read_line(line, is_whole=False)
        blocks += self._release()
        if self._fence is not None:
            self._fence = None
            blocks.append(CodeEnd(ends_text=True))
        return blocks

    def _read_lines(self) -> Iterator[Block]:
        position = 0
        while True:
            end = self._tail.find("\n", position, position + PART_LENGTH)
            cut = self._find_cut(position, end if end >= 0 else min(len(self._tail), position + PART_LENGTH))
            if cut:
                yield from self._read_line(self._tail[position:cut], is_whole=False)
                position = cut
            elif end >= 0:
                yield from self._read_line(self._tail[position:end], is_whole=True)
                position = end + 1
            elif len(self._tail) - position >= PART_LENGTH:
                part = self._tail[position : position + PART_LENGTH]
                blank = None if self._fence else _LAST_BLANK.search(part, PART_LENGTH * 3 // 4)
                length = blank.end() if blank else PART_LENGTH
                yield from self._read_line(part[:length], is_whole=False)
                position += length
            else:
                break
        self._tail = self._tail[position:]

    def _find_cut(self, start: int, stop: int) -> int:
        """Return where a long line of prose can be cut because nothing is open there; 0 for nowhere.

        So the beginning of a long paragraph is decided before its end has come.
        """
        if stop - start <= _CUT_LENGTH or self._fence is not None or self._held is not None:
            return 0
        line = self._tail[start:stop]
        if self._is_line_start and _NEVER_CUT.match(line):
            return 0
        least = _CUT_LENGTH
        while (space := line.find(" ", least)) >= 0:
            if space + 1 < len(line) and not line[space + 1].isspace() and _is_closed(line[:space]):
                return start + space + 1
            least = space + _CUT_STEP
        return 0

    def _read_line(self, line: str, *, is_whole: bool) -> Iterator[Block]:
        starts_line, self._is_line_start = self._is_line_start, is_whole
        if self._fence is not None:
            closed = yield from self._read_code_line(self._fence, line, starts_line=starts_line, is_whole=is_whole)
            if not closed:
                return
        if self._may_be_front_matter:
            self._may_be_front_matter = False
            if starts_line and _KEY_LINE.match(line):
                self._held, self._fence = None, Fence("---")
                yield CodeStart("yaml")
                yield CodeText(line, is_whole)
                return
        yield from self._read_prose_line(line, starts_line=starts_line, is_whole=is_whole)

    def _read_code_line(
        self, fence: Fence, line: str, *, starts_line: bool, is_whole: bool
    ) -> Generator[Block, None, bool]:
        """Read a line of code; return whether it is none, because the block ended before it."""
        if not starts_line:
            yield CodeText(line, is_whole)
            return False
        depth, inner = _strip_quote(line, fence.depth)
        if depth < fence.depth:
            self._fence = None
            yield CodeEnd()
            return True
        if not fence.mark:
            if not inner.strip():
                self._blank_lines += 1
                return False
            if not _INDENTED.match(inner):
                self._fence = None
                yield CodeEnd()
                yield from (Prose("", "", 0) for _ in range(self._blank_lines))
                self._blank_lines = 0
                return True
            yield from (CodeText("") for _ in range(self._blank_lines))
            self._blank_lines = 0
        elif fence.is_closed_by(inner):
            self._fence = None
            self._is_after_blank = True
            yield CodeEnd(ends_text=not is_whole)
            return False
        yield CodeText(_strip_margin(inner, fence.margin), is_whole)
        return False

    def _read_prose_line(self, line: str, *, starts_line: bool, is_whole: bool) -> Iterator[Block]:
        if not starts_line:
            held, self._held = self._held, None
            if held is not None:
                yield held
            yield Prose("", line, 0, starts_line=False, ends_line=is_whole)
            return
        is_first, self._is_first_line = self._is_first_line, False
        depth, inner = (0, line) if _PROMPT.match(line) else _strip_quote(line)
        fence = parse_fence(line)
        if fence is not None and (is_whole or not self._tail):
            yield from self._release()
            self._fence = fence
            yield CodeStart(fence.info, fence.depth, fence.prefix)
            return
        if not inner.strip():
            yield from self._release()
            self._is_after_blank = True
            yield Prose("", inner if is_whole or inner else "", depth, ends_line=is_whole)
            return
        if self._is_indented_code(inner, depth):
            yield from self._release()
            self._fence = Fence("", depth=depth, margin=4)
            yield CodeStart("", depth)
            yield CodeText(_strip_margin(inner, 4), is_whole)
            return
        if is_first and line.rstrip() == "---" and is_whole:
            self._may_be_front_matter = True
            self._held = Prose("", line)
            return
        yield from self._join(inner, depth, is_whole=is_whole)

    def _is_indented_code(self, inner: str, depth: int) -> bool:
        return self._is_after_blank and not self._is_in_list and not depth and bool(_INDENTED.match(inner))

    def _join(self, inner: str, depth: int, *, is_whole: bool) -> Iterator[Block]:
        """Add a line to the paragraph part that waits for it, or begin another."""
        held = self._held
        is_item = _LIST_MARK.match(inner.lstrip()) is not None and _BLOCK_LINE.match(inner) is not None
        if not inner[:1].isspace():
            self._is_in_list = is_item or (self._is_in_list and not self._is_after_blank)
        else:
            self._is_in_list = self._is_in_list or is_item
        self._is_after_blank = False
        if held is not None and held.depth == depth and not _BLOCK_LINE.match(inner):
            part = Prose(held.prefix, f"{held.text}\n{inner.lstrip()}", depth, ends_line=is_whole)
        else:
            yield from self._release()
            prefix = _PREFIX.match(inner)
            end = prefix.end() if prefix else 0
            part = Prose(inner[:end], inner[end:], depth, ends_line=is_whole)
        if is_whole and len(part.text) <= _JOIN_LENGTH and _may_go_on(part):
            self._held = part
        else:
            self._held = None
            yield part

    def _release(self) -> Iterator[Block]:
        held, self._held, self._may_be_front_matter = self._held, None, False
        if held is not None:
            yield held


def _strip_quote(line: str, most: int = 8) -> tuple[int, str]:
    """Return how often a line is quoted, at most so often, and the line without those marks."""
    depth, position = 0, 0
    while depth < most and (mark := _QUOTE_MARK.match(line, position)):
        depth, position = depth + 1, mark.end()
    return depth, line[position:]


def _strip_margin(line: str, width: int) -> str:
    """Return a line of code without the white space that its fence is indented by."""
    if not width or not line[:1].isspace():
        return line
    margin = len(line) - len(line.lstrip(" \t"))
    blank = line[:margin].expandtabs(4)
    return blank[width:] + line[margin:]


def _may_go_on(part: Prose) -> bool:
    """Tell whether a mark in a paragraph part is open that the next line may close."""
    text = part.text
    if _FORMULA_BLOCK.match(text) or _COMMENT_START.match(text):
        return True
    if _HEADING_PREFIX.search(part.prefix) or not _MAY_OPEN.search(text):
        return False
    tokens = tokenize(text)
    brackets = 0
    for token in tokens:
        if token.kind is Kind.TICKS:
            return True
        if token.kind in {Kind.OPEN, Kind.IMAGE}:
            brackets += 1
        elif token.kind in {Kind.CLOSE, Kind.TARGET}:
            brackets = max(0, brackets - 1)
    if brackets:
        return True
    marks = sum(token.kind is Kind.MARK and len(token.text) > 1 for token in tokens)
    return bool(marks) and marks > 2 * sum(len(pair.mark) > 1 for pair in pair_marks(tokens))


_NEVER_CUT = re.compile(r"(?: {4}|\t)|[ \t>]*(?:\||`{3}|~{3}|#|\\\[|\$\$)|[^\n]{0,80}\|")
"""Beginnings of lines that are read as a whole: code, tables, headings, formulas."""


def _is_closed(text: str) -> bool:
    """Tell whether nothing that is open at a text's end could be closed behind it."""
    if not _MAY_OPEN_ANYTHING.search(text):
        return True
    if text.count("<") > text.count(">") or text.count("\\(") > text.count("\\)"):
        return False
    tokens = tokenize(text)
    depth = 0
    tags: list[str] = []
    for token in tokens:
        match token.kind:
            case Kind.TICKS:
                return False
            case Kind.OPEN | Kind.IMAGE:
                depth += 1
            case Kind.CLOSE | Kind.TARGET:
                depth = max(0, depth - 1)
            case Kind.TAG if token.text.startswith("</"):
                tags = [tag for tag in tags if tag != token.value]
            case Kind.TAG:
                tags.append(token.value)
            case _:
                pass
    if depth or any(tag not in _VOID_TAGS for tag in tags):
        return False
    paired = {place for pair in pair_marks(tokens) for place in (pair.start, pair.end)}
    return all(
        token.kind is not Kind.MARK or place in paired or _is_idle(tokens, place) for place, token in enumerate(tokens)
    )


def _is_idle(tokens: Sequence[Token], place: int) -> bool:
    """Tell whether a mark cannot open anything: a blank follows it, or a word goes on over it."""
    before = tokens[place - 1].text[-1] if place else " "
    after = tokens[place + 1].text[0] if place + 1 < len(tokens) else "x"
    return after.isspace() or before in _NO_OPENING_BEHIND or (tokens[place].text[0] == "_" and before.isalnum())


_VOID_TAGS = frozenset({"br", "hr", "img", "p", "li", "div"})
_MAY_OPEN_ANYTHING = re.compile(r"[`\[*_~|<\\]")
_MAY_OPEN = re.compile(r"[`\[]|\*\*|__|~~|\|\|")
