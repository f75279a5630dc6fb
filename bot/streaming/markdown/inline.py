"""The signs within a line of the model's Markdown go in; what Discord shows in their sense comes out.

Images become links, formulas become code, the HTML that models write becomes Markdown. What is code stays exact, what
is not certain stays as it is, and nothing reaches over a line's end.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.streaming.markdown.code import FENCE, find_inline_end, find_line_end

if TYPE_CHECKING:
    from collections.abc import Callable

_SPAN_LIMIT = 240
"""Longest code, formula or pair of tags that is waited for, in characters with its marks."""

_LINK_LIMIT = 800
"""Longest image or HTML link that is waited for, in characters."""

_URL = r"<?(?P<url>[^\s()<>]*(?:\([^\s()<>]*\)[^\s()<>]*)*)>?(?:[ \t]+(?:\"[^\"\n]*\"|'[^'\n]*'))?[ \t]*"
_IMAGE = re.compile(rf"!\[(?P<alt>[^\[\]\n]*)\]\([ \t]*{_URL}\)")
_LINKED_IMAGE = re.compile(rf"\[!\[(?P<alt>[^\[\]\n]*)\]\([^()\n]*\)\]\([ \t]*{_URL}\)")
_FORMULA_ROUND = re.compile(r"\\\((?P<body>[^\n`]+?)\\\)")
_FORMULA_SQUARE = re.compile(r"\\\[(?P<body>[^\n`]+?)\\\]")
_FORMULA_DOLLARS = re.compile(r"\$\$(?P<body>[^\n`$]+)\$\$")
_LETTER = re.compile(r"\s*[A-Za-z]'?\s*\Z")
_OPERATION = re.compile(r"\\[A-Za-z]|[=^_+{}<>*/]|\d\s*-")

_PLAIN = re.compile(r"[^`<!\[\\$\n]+")
_BLANK = re.compile(r"[ \t]{0,8}")
_TAG_NAME = re.compile(r"<(?P<slash>/?)(?P<name>[A-Za-z][A-Za-z0-9]*)?")
_TAG = re.compile(r"<(?P<slash>/?)(?P<name>[A-Za-z][A-Za-z0-9]*)(?P<rest>(?:[ \t/][^<>\n]*)?)>")
_CODE_TAG = re.compile(r"<(?P<name>code|kbd|samp|tt)>(?P<body>[^`<\n]*[^`<\n\s][^`<\n]*)</(?P=name)>", re.IGNORECASE)
_LINK_TAG = re.compile(
    r"<a[ \t][^<>\n]*?href=[\"'](?P<url>[^\"'\s<>()]+)[\"'][^<>\n]*>(?P<label>[^\[\]<>\n]+)</a>", re.IGNORECASE
)
_SRC_ATTRIBUTE = re.compile(r"\bsrc=[\"'](?P<url>[^\"'\s<>()]+)[\"']", re.IGNORECASE)
_ALT_ATTRIBUTE = re.compile(r"\balt=[\"'](?P<alt>[^\"'\[\]]*)[\"']", re.IGNORECASE)

_MARKS_BY_TAG = {
    **dict.fromkeys(("b", "strong", "summary", "mark", "h1", "h2", "h3", "h4", "h5", "h6"), "**"),
    **dict.fromkeys(("i", "em", "var", "cite"), "*"),
    **dict.fromkeys(("s", "del", "strike"), "~~"),
    **dict.fromkeys(("u", "ins"), "__"),
}
"""What stands for a pair of tags."""

_CODE_TAGS = {"code", "kbd", "samp", "tt"}
_BLOCK_TAGS = {"details", "p", "div", "ul", "ol", "li", "center", "br"}
"""Tags that stand for a block: nothing is shown for them where they begin or end a line."""

_REASONING_TAGS = {"think", "thinking"}
_KNOWN_TAGS = sorted({*_MARKS_BY_TAG, *_CODE_TAGS, *_BLOCK_TAGS, *_REASONING_TAGS, "a", "img"})

Replacement = tuple[int, str]
"""So many characters, and the text that stands for them."""


@dataclass(frozen=True, slots=True)
class _Construct:
    """A sign that is rewritten as a whole: how it begins, all of it, how long at most, and into what."""

    opening: str
    pattern: re.Pattern[str]
    limit: int
    rewrite: Callable[[re.Match[str]], str | None]


class InlineConverter:
    """What is open within the current line; copies of it can be taken with ``copy.copy``."""

    def __init__(self) -> None:
        self._open_tags: tuple[str, ...] = ()
        self.is_verbatim = False
        self.is_in_fence = False

    def end_paragraph(self) -> None:
        """A blank line: what could not be read before it is over."""
        self.is_verbatim = False

    def end_line(self) -> str:
        """The line is over: the marks for tags that it leaves open."""
        marks = "".join(_MARKS_BY_TAG[name] for name in reversed(self._open_tags))
        self._open_tags = ()
        return marks

    def convert_next(self, tail: str, *, is_line_start: bool, is_ended: bool) -> Replacement | None:
        """The first decided piece of a line's rest, which is not empty; outside a fence it begins with no line feed.

        ``is_line_start``: nothing of the line was shown before. ``is_ended``: no more text comes.
        """
        if self.is_in_fence:
            return self._convert_fence(tail, is_ended=is_ended)
        if self.is_verbatim:
            end = find_line_end(tail, 0)
            return end, tail[:end]
        if words := _PLAIN.match(tail):
            return words.end(), words[0]
        if tail[0] == "`":
            return self._convert_code(tail, is_ended=is_ended)
        if tail[0] == "<":
            return self._convert_tag(tail, is_line_start=is_line_start, is_ended=is_ended)
        return _convert_construct(tail, is_ended=is_ended)

    def _convert_code(self, tail: str, *, is_ended: bool) -> Replacement | None:
        """Code in a line. A mark without partner may have one further down: up to the paragraph's end all is exact."""
        mark = tail[: len(tail) - len(tail.lstrip("`"))]
        window = tail[:_SPAN_LIMIT]
        stop = find_line_end(window, 0)
        end = find_inline_end(window, mark, len(mark), stop)
        is_decided = is_ended or stop < len(window) or len(window) == _SPAN_LIMIT
        if end is not None and (end < len(window) or (is_ended and len(window) == len(tail))):
            return end, tail[:end]
        if not is_decided:
            return None
        self.is_verbatim = len(mark) < len(FENCE)
        self.is_in_fence = not self.is_verbatim
        return len(mark), mark

    def _convert_fence(self, tail: str, *, is_ended: bool) -> Replacement | None:
        """A block of code that begins within a line, as Discord reads it: up to the next three backticks anywhere."""
        end = tail.find(FENCE)
        if end >= 0:
            self.is_in_fence = False
            return end + len(FENCE), tail[: end + len(FENCE)]
        count = len(tail) if is_ended else len(tail.rstrip("`"))
        return (count, tail[:count]) if count else None

    def _convert_tag(self, tail: str, *, is_line_start: bool, is_ended: bool) -> Replacement | None:
        begun = _TAG_NAME.match(tail)
        name = (begun["name"] or "").lower() if begun else ""
        if begun and begun.end() == len(tail) and not is_ended and any(known.startswith(name) for known in _KNOWN_TAGS):
            return None
        if name not in _KNOWN_TAGS:
            return 1, "<"
        found = _TAG.match(tail)
        if found is None or found.end() > _LINK_LIMIT:
            return (1, "<") if _is_over(tail, _LINK_LIMIT, is_ended=is_ended) else None
        return self._convert_known_tag(tail, found, name, is_line_start=is_line_start, is_ended=is_ended)

    def _convert_known_tag(
        self, tail: str, found: re.Match[str], name: str, *, is_line_start: bool, is_ended: bool
    ) -> Replacement | None:
        if name in _BLOCK_TAGS:
            return _convert_block_tag(tail, found, name, is_line_start=is_line_start, is_ended=is_ended)
        if name in _MARKS_BY_TAG:
            return self._convert_mark_tag(tail, found, name, is_ended=is_ended)
        if name in _REASONING_TAGS:
            return (found.end(), "") if found["slash"] else (1, "<")
        if name == "img":
            url, alt = _SRC_ATTRIBUTE.search(found["rest"]), _ALT_ATTRIBUTE.search(found["rest"])
            return (found.end(), _format_image_link(alt["alt"] if alt else "", url["url"])) if url else (1, "<")
        construct = _LINK if name == "a" else _CODE
        return _match_construct(construct, tail, is_ended=is_ended) if not found["slash"] else (1, "<")

    def _convert_mark_tag(self, tail: str, found: re.Match[str], name: str, *, is_ended: bool) -> Replacement | None:
        if found["slash"]:
            if name not in self._open_tags:
                return 1, "<"
            inner = self._open_tags[self._open_tags.index(name) :]
            self._open_tags = self._open_tags[: self._open_tags.index(name)]
            return found.end(), "".join(_MARKS_BY_TAG[tag] for tag in reversed(inner))
        window = tail[found.end() : found.end() + _SPAN_LIMIT]
        line = window[: find_line_end(window, 0)]
        closing = f"</{name}>"
        partner = line.lower().find(closing)
        if partner < 0:
            return (1, "<") if is_ended or len(line) < len(window) or len(window) == _SPAN_LIMIT else None
        if not line[:partner].strip() or line[:partner] != line[:partner].strip() or name in self._open_tags:
            return 1, "<"
        self._open_tags = (*self._open_tags, name)
        return found.end(), _MARKS_BY_TAG[name]


def convert_inline(line: str) -> str:
    """A whole line as it is shown."""
    inline, shown, at = InlineConverter(), "", 0
    while at < len(line):
        piece = (1, "\n") if line[at] == "\n" else inline.convert_next(line[at:], is_line_start=at == 0, is_ended=True)
        if piece is None:  # nothing is undecided at the end
            break
        at += piece[0]
        shown += piece[1]
    return shown + inline.end_line()


def looks_like_formula(body: str) -> bool:
    """Whether what stands between a formula's marks is one, not words between escaped brackets."""
    return bool(body.strip()) and bool(_LETTER.match(body) or _OPERATION.search(body))


def strip_arriving_tag(text: str) -> str:
    """The text without a tag that is just arriving at its end, so that it does not flicker."""
    found = re.search(r"</?([A-Za-z]{0,9})\Z", text)
    is_known = found is not None and any(name.startswith(found[1].lower()) for name in _KNOWN_TAGS)
    return text[: found.start()] if found is not None and is_known else text


def _is_over(tail: str, limit: int, *, is_ended: bool) -> bool:
    return is_ended or len(tail) >= limit or "\n" in tail


def _convert_construct(tail: str, *, is_ended: bool) -> Replacement | None:
    for construct in _CONSTRUCTS:
        if tail.startswith(construct.opening):
            return _match_construct(construct, tail, is_ended=is_ended)
        if not is_ended and construct.opening.startswith(tail):
            return None
    return None if tail == "\\" and not is_ended else _take_literal(tail)


def _match_construct(construct: _Construct, tail: str, *, is_ended: bool) -> Replacement | None:
    found = construct.pattern.match(tail)
    if found is not None and found.end() <= construct.limit:
        text = construct.rewrite(found)
        return _take_literal(tail) if text is None else (found.end(), text)
    return _take_literal(tail) if _is_over(tail, construct.limit, is_ended=is_ended) else None


def _take_literal(tail: str) -> Replacement:
    """The sign as it stands, an escaped one with what it escapes."""
    count = 2 if tail[0] == "\\" and tail[1:2] not in {"\n", ""} else 1
    return count, tail[:count]


def _convert_block_tag(
    tail: str, found: re.Match[str], name: str, *, is_line_start: bool, is_ended: bool
) -> Replacement | None:
    after = _BLANK.match(tail, found.end())
    end = after.end() if after else found.end()
    if end == len(tail) and not is_ended:
        return None
    ends_line = end == len(tail) or tail[end] == "\n"
    if name == "br":
        return end, "" if ends_line else "\n"
    if name == "li" and not found["slash"] and is_line_start:
        return end, "- "
    return (found.end(), "") if is_line_start or ends_line else (1, "<")


def _format_image_link(alt: str, url: str) -> str:
    label = f"{alt.strip()} (image)" if alt.strip() else "image"
    return f"[{label}]({url})"


def _format_formula(found: re.Match[str]) -> str | None:
    return f"`{found['body'].strip()}`" if looks_like_formula(found["body"]) else None


_CONSTRUCTS = (
    _Construct("![", _IMAGE, _LINK_LIMIT, lambda found: _format_image_link(found["alt"], found["url"])),
    _Construct("[![", _LINKED_IMAGE, _LINK_LIMIT, lambda found: _format_image_link(found["alt"], found["url"])),
    _Construct("\\(", _FORMULA_ROUND, _SPAN_LIMIT, _format_formula),
    _Construct("\\[", _FORMULA_SQUARE, _SPAN_LIMIT, _format_formula),
    _Construct("$$", _FORMULA_DOLLARS, _SPAN_LIMIT, _format_formula),
)
_CODE = _Construct("<", _CODE_TAG, _SPAN_LIMIT, lambda found: f"`{found['body'].strip()}`")
_LINK = _Construct("<", _LINK_TAG, _LINK_LIMIT, lambda found: f"[{found['label'].strip()}]({found['url']})")


_CODE_SPAN = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)")
_LABELLED = re.compile(r"!?\[([^\[\]]*)\]\([^()\s]*(?:\([^()\s]*\)[^()\s]*)*(?:\s+[\"'][^\"']*[\"'])?\)")
_BR_TAG = re.compile(r"[ \t]*<br[ \t]*/?>[ \t]*", re.IGNORECASE)
_ANY_TAG = re.compile(rf"</?(?:{'|'.join(_KNOWN_TAGS)})(?:[ \t/][^<>]*)?>", re.IGNORECASE)
_ESCAPED = re.compile(r"\\([\\`*_{}\[\]()#+\-.!|~<>])")
_BOLD = re.compile(r"(\*\*\*|\*\*|__|~~|\|\|)(?=\S)(.+?)(?<=\S)\1")
_ITALIC = re.compile(r"(?<![\w*])([*_])(?=[^\s*_])(.+?)(?<=[^\s*_])\1(?![\w*])")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]+")


def strip_markdown(line: str) -> str:
    """The words of a line without its marks, for a place where no mark works. Never three backticks in a row."""
    words, at = "", 0
    for code in _CODE_SPAN.finditer(line):
        words += _strip_marks(line[at : code.start()]) + code[2].strip()
        at = code.end()
    return break_up_fences(_UNPRINTABLE.sub(" ", words + _strip_marks(line[at:])))


def _strip_marks(text: str) -> str:
    text = _LABELLED.sub(r"\1", text)
    text = _ANY_TAG.sub("", _BR_TAG.sub(" / ", text))
    for formula in (_FORMULA_ROUND, _FORMULA_SQUARE, _FORMULA_DOLLARS):
        text = formula.sub(lambda found: found["body"].strip(), text)
    for marked in (_BOLD, _BOLD, _ITALIC):
        text = marked.sub(r"\2", text)
    return _ESCAPED.sub(r"\1", text)


def break_up_fences(code: str) -> str:
    """The code with a space after each second of three or more backticks.

    Discord ends a block at the next three, wherever they stand. A space can be seen, and taken out again after copying;
    a sign that looks like a backtick or that cannot be seen would be copied unnoticed.
    """
    return re.sub(r"`{3,}", lambda run: " ".join(run[0][at : at + 2] for at in range(0, len(run[0]), 2)), code)
