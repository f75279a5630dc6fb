"""Writes a paragraph's tokens in Discord's Markdown: every client shows the same, and no foreign link works.

Each line that comes out is complete in itself: what opens in it closes in it, and a stray mark is escaped.
So code stays exact wherever it is, and nothing before it can reach into it.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bot.text.invisible import INVISIBLE_RANGES
from bot.text.markdown import FENCE, Kind, Pair, Token, pair_marks, tokenize

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_MARKS_BY_TAG = {
    **dict.fromkeys(("b", "strong", "summary", "mark", "h1", "h2", "h3", "h4", "h5", "h6"), "**"),
    **dict.fromkeys(("i", "em", "var", "cite"), "*"),
    **dict.fromkeys(("s", "del", "strike"), "~~"),
    **dict.fromkeys(("u", "ins"), "__"),
}
_CODE_TAGS = frozenset({"code", "kbd", "samp", "tt"})
_SCRIPTS = {
    "sup": dict(zip("0123456789+-=()ni", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱ", strict=True)),
    "sub": dict(zip("0123456789+-=()aeox", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₒₓ", strict=True)),
}
_PAIRED_TAGS = frozenset({*_MARKS_BY_TAG, *_CODE_TAGS, *_SCRIPTS, "a"})
_PLAIN_TAGS = frozenset({"span", "small", "font", "big", "abbr", "q"})
"""Tags of which only the words between them are shown."""
_BREAK = Token(Kind.NEWLINE, "\n", "break")
_HREF = re.compile(r"\bhref=[\"']?([^\"'\s<>]+)", re.IGNORECASE)
_SRC = re.compile(r"\bsrc=[\"']?([^\"'\s<>]+)", re.IGNORECASE)
_ALT = re.compile(r"\balt=[\"']([^\"']*)[\"']", re.IGNORECASE)
_INVITE = re.compile(
    rf"(discord(?:[a-z]|[{INVISIBLE_RANGES}]){{0,16}})\\?\.(?=(?:[a-z]|[{INVISIBLE_RANGES}]){{2,12}}\\?/)",
    re.IGNORECASE,
)
_ANGLE = re.compile(r"<(?=\+\d|[^ >]*(?:[@:]|\Z))")
_BACKSLASH = re.compile(r"\\(?![0-9A-Za-z\s])")
_HARD_BREAK = re.compile(r"(?:[ \t]+|\\)\Z")
_LINE_START = re.compile(r"[ \t]*(?:(\d{1,9})([.)])(?=\s|\Z)|(#{1,6}|-#|>|[-*+])(?=[\s#>]|\Z))")
_LIVE_TARGET = re.compile(r"\]\((?=\s*<?\s*(?:[A-Za-z][A-Za-z0-9+.\-]*:|[/\\]{2}))")
_ADDRESS = re.compile(r"\s*<?https?:", re.IGNORECASE)
_BRACKETS = re.compile(r"[\[\]]")
_WIDE = ("**", "***")
_HARMLESS = frozenset("&'\"();,.!?%={}$^>")
"""Punctuation that begins nothing within a line."""
_LABEL_KINDS = frozenset({Kind.TEXT, Kind.ESCAPE, Kind.CODE, Kind.OPEN, Kind.CLOSE})
"""What is kept of a label that cannot be one."""


@dataclass(slots=True)
class LabelState:
    """What the label of a link could reach to, had the client begun one at any bracket before.

    The client's rule for a label looks at brackets alone, and tries a link before code. ``is_open``: a bracket is open;
    ``may_extend``: a label has passed a closing bracket, and goes on if the next bracket closes too.
    """

    is_open: bool = False
    is_in_group: bool = False
    may_extend: bool = False

    def copy(self) -> LabelState:
        """Return the same state, to look ahead with."""
        return LabelState(self.is_open, self.is_in_group, self.may_extend)

    def read(self, text: str, *, can_start: bool = True) -> None:
        """Take note of the brackets of a text; ``can_start``: a label may begin in it."""
        if "[" in text or "]" in text:
            for bracket in _BRACKETS.finditer(text):
                self._read_bracket(bracket[0], can_start=can_start)

    def _read_bracket(self, bracket: str, *, can_start: bool) -> None:
        if bracket == "[":
            self.is_in_group = self.is_in_group or self.is_open
            self.is_open, self.may_extend = can_start, False
        else:
            self.may_extend = self.is_open or self.may_extend
            self.is_open, self.is_in_group = self.is_in_group, False

    def secure_code(self, code: str) -> str:
        """Return code that no label before it can end in: a space parts ``](`` where one could."""
        if not (self.is_open or self.is_in_group or self.may_extend) or "](" not in code:
            self.read(code, can_start=False)
            return code
        pieces: list[str] = []
        place = 0
        for target in _LIVE_TARGET.finditer(code):
            self.read(code[place : target.start()], can_start=False)
            could_end = self.is_open or self.may_extend
            pieces += [code[place : target.start()], "] (" if could_end else "]("]
            self.read("]", can_start=False)
            place = target.end()
        self.read(code[place:], can_start=False)
        return "".join(pieces) + code[place:]


@dataclass(frozen=True, slots=True)
class Links:
    """What may be live: URLs, the longest first, and for each source's number its URL, empty if it has none."""

    allowed_urls: tuple[str, ...] = ()
    citations: Mapping[int, str] = field(default_factory=dict[int, str])


@dataclass(frozen=True, slots=True)
class _Span:
    """A range of tokens with what it is: a link to ``url``, or marked by ``mark``, by none where no mark works."""

    start: int
    end: int
    mark: str = ""
    url: str = ""
    is_image: bool = False
    is_mark: bool = False
    is_in_label: bool = False


def write_inline(
    text: str,
    links: Links,
    label_state: LabelState,
    *,
    line_prefix: str = "",
    is_bold: bool = False,
) -> str:
    """Return a paragraph's text in Discord's Markdown.

    Args:
        text: the paragraph in the model's Markdown.
        links: what may be live.
        label_state: the brackets before; it is brought up to date.
        line_prefix: what each further line begins with.
        is_bold: the whole is put between bold marks, so that there are none in it.
    """
    tokens = _resolve_tags(tokenize(text, links.allowed_urls, links.citations))
    tokens, spans, literal_opens = _find_links(tokens, links)
    spans += _find_marks(tokens, spans, is_bold=is_bold)
    return _Writer(tokens, _keep_nested(spans), literal_opens, links, label_state, line_prefix).write()


# HTML.


def _resolve_tags(tokens: list[Token]) -> list[Token]:
    """Turn HTML, comments, entities and formulas into the tokens that they mean."""
    found: list[Token] = []
    starts: dict[str, list[int]] = {}
    for position, token in enumerate(tokens):
        match token.kind:
            case Kind.TAG:
                is_line_end = position + 1 == len(tokens) or tokens[position + 1].kind in {Kind.NEWLINE, Kind.TAG}
                _resolve_tag(token, found, starts, is_line_end=is_line_end)
            case Kind.ENTITY:
                found.append(_decode_entity(token))
            case Kind.FORMULA:
                found.append(_make_code(token.value))
            case Kind.COMMENT:
                pass
            case Kind.NEWLINE if found and found[-1] == _BREAK:
                pass
            case _:
                found.append(token)
    if found and found[-1] == _BREAK:
        found.pop()
    return [token for token in found if token.text]


def _resolve_tag(token: Token, found: list[Token], starts: dict[str, list[int]], *, is_line_end: bool) -> None:
    name = token.value
    is_closing = token.text.startswith("</")
    is_line_start = not found or found[-1].kind is Kind.NEWLINE or not "".join(each.text for each in found[-2:]).strip()
    if name in {"br", "hr"}:
        found.append(_BREAK)
    elif name == "img":
        found += _make_image(token.text)
    elif name == "li" and not is_closing:
        found += [*([] if is_line_start else [_BREAK]), Token(Kind.TEXT, "• ")]
    elif name in _PAIRED_TAGS:
        if not is_closing:
            starts.setdefault(name, []).append(len(found))
            found.append(token)
        elif starts.get(name):
            _close_tag(name, starts[name].pop(), found)
        else:
            found.append(Token(Kind.TEXT, token.text))
    elif not (is_line_start or is_line_end or is_closing or name in _PLAIN_TAGS):
        found.append(Token(Kind.TEXT, token.text))


def _close_tag(name: str, start: int, found: list[Token]) -> None:
    """Replace what is between an opening tag at a place and the closing one that comes now."""
    inner = found[start + 1 :]
    text = "".join(token.text for token in inner)
    if name in _CODE_TAGS:
        is_code = bool(text.strip()) and "`" not in text and "\n" not in text
        found[start:] = [_make_code(html.unescape(text.strip()))] if is_code else inner
    elif name in _SCRIPTS:
        found[start:] = (
            [Token(Kind.TEXT, _raise_or_lower(name, text))] if all(t.kind is Kind.TEXT for t in inner) else inner
        )
    elif name == "a":
        url = _HREF.search(found[start].text)
        target = html.unescape(url[1]) if url else ""
        found[start:] = (
            [Token(Kind.OPEN, "["), *inner, Token(Kind.TARGET, f"]({target})", target)]
            if target and text.strip()
            else inner
        )
    else:
        mark = _MARKS_BY_TAG[name]
        is_marked = text.strip() == text != ""
        found[start:] = [Token(Kind.TAG, mark, "open"), *inner, Token(Kind.TAG, mark, "close")] if is_marked else inner


def _raise_or_lower(name: str, text: str) -> str:
    characters = _SCRIPTS[name]
    if text and all(char in characters for char in text):
        return "".join(characters[char] for char in text)
    sign = "^" if name == "sup" else "_"
    return f"{sign}({text})" if len(text) > 1 else f"{sign}{text}"


def _make_code(code: str) -> Token:
    code = " ".join(code.split("\n"))
    return (
        Token(Kind.CODE, f"`{code}`" if "`" not in code else f"`` {code} ``", code)
        if code.strip()
        else Token(Kind.TEXT, "")
    )


def _make_image(tag: str) -> list[Token]:
    url, alt = _SRC.search(tag), _ALT.search(tag)
    label = [Token(Kind.TEXT, html.unescape(alt[1]))] if alt and alt[1].strip() else []
    if url is None:
        return label
    return [Token(Kind.IMAGE, "!["), *label, Token(Kind.TARGET, f"]({url[1]})", html.unescape(url[1]))]


def _decode_entity(token: Token) -> Token:
    char = html.unescape(token.text)
    if char == token.text or len(char) != 1 or (not char.isprintable() and char != "\u00a0"):
        return Token(Kind.TEXT, token.text)
    if char.isspace():
        return Token(Kind.TEXT, " ")
    is_plain = char.isalnum() or not char.isascii() or char in _HARMLESS
    return Token(Kind.TEXT, char) if is_plain else Token(Kind.ESCAPE, f"\\{char}")


# Links.


def _find_links(tokens: list[Token], links: Links) -> tuple[list[Token], list[_Span], set[int]]:
    """Find the links to sources; all other targets are spelled out.

    Returns:
        The tokens anew, the links among them, and the positions of brackets that nothing closes.
    """
    found: list[Token] = []
    spans: list[_Span] = []
    opened: list[int] = []
    literal_opens: set[int] = set()
    for token in tokens:
        if token.kind in {Kind.OPEN, Kind.IMAGE}:
            opened.append(len(found))
        elif token.kind is Kind.CLOSE and opened:
            opened.pop()
        elif token.kind is Kind.TARGET:
            start = opened.pop() if opened else None
            is_image = start is not None and found[start].kind is Kind.IMAGE
            if start is not None and token.value in links.allowed_urls and not _holds_link(start, spans):
                spans = [span for span in spans if span.start < start]
                spans.append(_Span(start, len(found), url=token.value, is_image=is_image))
            elif is_image and opened and start is not None:  # a picture in a link's label
                spans.append(_Span(start, len(found), is_image=True, is_in_label=True))
                found.append(Token(Kind.CLOSE, "]"))
                continue
            else:
                if is_image and start is not None:
                    spans.append(_Span(start, len(found), url="", is_image=True))
                found.append(Token(Kind.CLOSE, "]"))
                found.append(Token(Kind.ESCAPE, "\\("))
                found += _spell_out(token, links)
                continue
        found.append(token)
    literal_opens.update(opened)
    return found, spans, literal_opens


def _holds_link(start: int, spans: Sequence[_Span]) -> bool:
    return any(span.start > start and span.url and not span.is_image for span in spans)


def _spell_out(target: Token, links: Links) -> list[Token]:
    return [
        token
        if token.kind in {Kind.TEXT, Kind.FOREIGN_URL, Kind.URL, Kind.ESCAPE}
        else Token(Kind.ESCAPE, _escape_all(token.text))
        for token in tokenize(target.text[2:], links.allowed_urls)
    ]


def _escape_all(text: str) -> str:
    return re.sub(r"([\\`*_~|<\[\]])", r"\\\1", text)


# Emphasis.


def _find_marks(tokens: Sequence[Token], link_spans: Sequence[_Span], *, is_bold: bool) -> list[_Span]:
    pairs = pair_marks(tokens)
    opened: list[tuple[int, str]] = []
    for position, token in enumerate(tokens):
        if token.kind is Kind.TAG and token.value == "open":
            opened.append((position, token.text))
        elif token.kind is Kind.TAG and token.value == "close":
            start, mark = opened.pop()
            pairs.append(Pair(start, position, mark))
    return [
        _Span(
            pair.start,
            pair.end,
            mark="" if is_bold and pair.mark in _WIDE else _choose_mark(pair, tokens),
            is_mark=True,
        )
        for pair in pairs
        if not any(link.start < pair.start < link.end < pair.end for link in link_spans)
        and not any(pair.start < link.start < pair.end < link.end for link in link_spans)
    ]


def _choose_mark(pair: Pair, tokens: Sequence[Token]) -> str:
    """Return the mark to write: another where the code between holds it, nothing where no mark works."""
    inside = "".join(
        token.value or token.text
        for token in tokens[pair.start + 1 : pair.end]
        if token.kind in {Kind.CODE, Kind.URL, Kind.AUTOLINK, Kind.TARGET, Kind.NAME, Kind.FOREIGN_URL}
    )
    candidates = {"*": ("*", "_"), "_": ("_", "*")}.get(pair.mark, (pair.mark,))
    edges = (
        tokens[pair.start - 1].text[-1:] if pair.start else "",
        tokens[pair.end + 1].text[:1] if pair.end + 1 < len(tokens) else "",
    )
    for mark in candidates:
        is_free = mark[0] not in inside if len(mark) != 2 else mark not in inside  # noqa: PLR2004 - wide marks are two
        if is_free and not (mark == "_" != pair.mark and any(edge.isalnum() for edge in edges)):
            return mark
    return ""


def _keep_nested(spans: list[_Span]) -> list[_Span]:
    """Return the spans that lie in one another or apart, the outer before the inner."""
    kept: list[_Span] = []
    around: list[_Span] = []
    for span in sorted(spans, key=lambda each: (each.start, -each.end)):
        while around and around[-1].end < span.start:
            around.pop()
        if around and around[-1].end < span.end:
            continue
        if span.mark and any(other.mark == span.mark for other in around):
            continue
        kept.append(span)
        around.append(span)
    return kept


class _Writer:
    """Writes tokens one by one; what is open is closed at a line's end and opened again."""

    def __init__(  # noqa: PLR0913, PLR0917 - made in one place
        self,
        tokens: Sequence[Token],
        spans: Sequence[_Span],
        literal_opens: set[int],
        links: Links,
        label_state: LabelState,
        line_prefix: str,
    ) -> None:
        self._tokens = tokens
        self._starts: dict[int, list[_Span]] = {}
        self._ends: dict[int, list[_Span]] = {}
        for span in spans:
            self._starts.setdefault(span.start, []).append(span)
            if span.is_mark or span.url:
                self._ends.setdefault(span.end, []).insert(0, span)
        self._literal_opens = literal_opens
        self._links = links
        self._label_state = label_state
        self._line_prefix = line_prefix
        self._open: list[str] = []
        self._pieces: list[tuple[str, bool]] = []
        self._is_line_start = False
        self._is_in_label = False

    def write(self) -> str:
        """Return all of it."""
        position = 0
        while position < len(self._tokens):
            starts = self._starts.get(position, [])
            link = next((span for span in starts if not span.is_mark), None)
            if link is not None and not self._can_be_link(link):
                position = self._write_beside(link, position)
                continue
            if position in self._starts or position in self._ends:
                self._write_edge(position, starts, self._ends.get(position, []))
            else:
                self._write_token(position, self._tokens[position])
            position += 1
        return self._join()

    def _can_be_link(self, link: _Span) -> bool:
        """Tell whether the client would show a link with this label as one."""
        label = self._tokens[link.start + 1 : link.end]
        kinds = {token.kind for token in label}
        if (
            link.is_image
            or not kinds
            or not kinds.isdisjoint({Kind.URL, Kind.AUTOLINK, Kind.NAME, Kind.FOREIGN_URL, Kind.IMAGE})
        ):
            return False
        text = "".join(token.text for token in label)
        is_balanced = text.count("[") == text.count("]") == 0 or _is_balanced(text)
        return bool(text.strip()) and is_balanced and not self._label_state.is_open

    def _write_beside(self, link: _Span, position: int) -> int:
        """Write an image, or a link whose label cannot carry it; return where to read on."""
        label = [token for token in self._tokens[position + 1 : link.end] if token.kind in _LABEL_KINDS]
        words = re.sub(r"[\[\]`<>]", "", "".join(token.text for token in label)).strip()
        if _ADDRESS.match("".join(token.text for token in self._tokens[position + 1 : link.end])):
            words = ""
        is_image = link.is_image or any(token.kind is Kind.IMAGE for token in self._tokens[position + 1 : link.end])
        if is_image:
            words = f"{words} (image)" if words else "image"
        plain = _escape_prose(_escape_all(words))
        if link.is_in_label:
            self._put(plain, is_prose=True)
            return link.end + 1
        if not link.url:
            self._put(f"[{plain}", is_prose=True)
            return link.end
        if is_image and not self._label_state.is_open:
            self._put("[", is_prose=False)
            self._put(plain, is_prose=True)
            self._put(f"](<{link.url}>)", is_prose=False)
        else:
            self._put(f"{plain} " if plain else "", is_prose=True)
            self._put(f"<{link.url}>", is_prose=False)
        return link.end + 1

    def _write_edge(self, position: int, starts: Sequence[_Span], ends: Sequence[_Span]) -> None:
        for span in ends:
            if span.is_mark:
                self._put(span.mark, is_prose=True)
                if span.mark:
                    self._open.remove(span.mark)
            else:
                self._put(f"](<{span.url}>)", is_prose=False)
                self._is_in_label = False
        for span in starts:
            if span.is_mark:
                self._put(span.mark, is_prose=True)
                self._open += [span.mark] if span.mark else []
            else:
                self._put("[", is_prose=False)
                self._is_in_label = True
        token = self._tokens[position]
        covered = sum(_count_marks(span, token) for span in (*starts, *ends))
        if token.kind is Kind.MARK and covered < len(token.text):
            self._put("".join(f"\\{char}" for char in token.text[covered:]), is_prose=True)

    def _write_token(self, position: int, token: Token) -> None:  # noqa: C901 - one case for each kind
        match token.kind:
            case Kind.TEXT:
                self._write_text(position, token.text)
            case Kind.CODE:
                self._write_code(token)
            case Kind.NEWLINE:
                self._write_newline()
            case Kind.CITATION:
                self._write_citation(token)
            case Kind.URL | Kind.AUTOLINK:
                self._put(f"<{token.value}>", is_prose=False)
            case Kind.NAME:
                self._put(token.text, is_prose=False)
            case Kind.FOREIGN_URL:
                self._put(token.value, is_prose=True)
            case Kind.MARK:
                is_alone = token.text == "*" and not self._open and self._is_between_spaces(position)
                self._put(token.text if is_alone else "".join(f"\\{char}" for char in token.text), is_prose=True)
            case Kind.OPEN | Kind.IMAGE:
                opening = token.text.replace("[", "\\[") if position in self._literal_opens else token.text
                self._put(opening, is_prose=True, can_start=position not in self._literal_opens)
            case Kind.TICKS:
                self._put("".join(f"\\{char}" for char in token.text), is_prose=True)
            case Kind.TARGET | Kind.TAG:
                self._put(_escape_all(token.text), is_prose=True, can_start=False)
            case _:
                self._put(token.text, is_prose=True)

    def _is_between_spaces(self, position: int) -> bool:
        before = self._tokens[position - 1].text[-1] if position else " "
        after = self._tokens[position + 1].text[0] if position + 1 < len(self._tokens) else " "
        return before.isspace() and after.isspace()

    def _write_text(self, position: int, text: str) -> None:
        if position + 1 < len(self._tokens) and self._tokens[position + 1].kind is Kind.NEWLINE:
            text = _HARD_BREAK.sub("", text)
        escaped = _escape_prose(text)
        if self._is_line_start and (start := _LINE_START.match(escaped)):
            escaped = _escape_line_start(start) + escaped[start.end() :]
        self._put(escaped, is_prose=True)

    def _write_code(self, token: Token) -> None:
        code = token.value
        mark = token.text[: (len(token.text) - len(code)) // 2]
        if len(mark) >= len(FENCE) or "\n" in code:
            code = code.replace("\n", " ").strip() or " "
            runs = {len(run) for run in re.findall("`+", code)}
            mark = "`" if 1 not in runs else "``"
            if {1, 2} <= runs:
                code = re.sub(r"(?<!`)``(?!`)", "` `", code)
            code = f" {code} " if code[0] == "`" or code[-1] == "`" else code
        self._put(mark + self._label_state.secure_code(code) + mark, is_prose=False, is_read=True)

    def _write_newline(self) -> None:
        if self._is_in_label:
            self._put(" ", is_prose=True)
            return
        closing = "".join(reversed(self._open))
        if closing:
            self._strip_blank_end()
        self._put(f"{closing}\n{self._line_prefix}{''.join(self._open)}", is_prose=True)
        self._is_line_start = True

    def _strip_blank_end(self) -> None:
        text, is_prose = self._pieces[-1]
        if is_prose:
            self._pieces[-1] = text.rstrip(" \t"), True

    def _write_citation(self, token: Token) -> None:
        for number in token.numbers:
            url = self._links.citations.get(number, "")
            self._put(f"[[{number}]](<{url}>)" if url else f"[{number}]", is_prose=False)

    def _put(self, text: str, *, is_prose: bool, can_start: bool = True, is_read: bool = False) -> None:
        if not text:
            return
        if is_prose and text[0] == "(" and self._pieces and self._pieces[-1][0][-1] == "]":
            text = f"\\{text}"  # what is in brackets would be a link's label
        if text[0] == "`" and not is_prose and self._pieces and self._pieces[-1][0][-1] == "`":
            text = f" {text}"  # two runs of backticks would be one
        if not is_read:
            self._label_state.read(text, can_start=can_start)
        self._pieces.append((text, is_prose))
        self._is_line_start = False

    def _join(self) -> str:
        whole = "".join(text for text, _ in self._pieces)
        if "discord" not in whole.lower():
            return whole
        joined: list[str] = []
        run = ""
        for text, is_prose in self._pieces:
            if is_prose:
                run += text
            else:
                joined += [_INVITE.sub(r"\1\[.]", run), text]
                run = ""
        return "".join(joined) + _INVITE.sub(r"\1\[.]", run)


def _count_marks(span: _Span, token: Token) -> int:
    return len(span.mark) if span.mark else len(token.text)


def _is_balanced(text: str) -> bool:
    depth = 0
    for bracket in _BRACKETS.findall(text):
        depth += 1 if bracket == "[" else -1
        if depth < 0:
            return False
    return depth == 0


def _escape_line_start(found: re.Match[str]) -> str:
    if found[1]:
        return f"{found[0][:-1]}\\{found[2]}"
    mark = found[3]
    return f"{found[0][: -len(mark)]}\\{mark}"


def _escape_prose(text: str) -> str:
    """Return plain words with what could begin something escaped."""
    if "\\" in text:
        text = _BACKSLASH.sub(r"\\\\", text)
    return _ANGLE.sub(r"\\<", text) if "<" in text else text
