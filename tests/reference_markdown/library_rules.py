r"""The rules that simple-markdown publishes, as far as Discord's client uses them.

simple-markdown (Khan Academy, on npm) documents each rule by a regular expression of JavaScript. Here they are written
anew for Python: ``\s`` and ``\w`` mean other characters in JavaScript, and where a pattern could take for ever the same
is done step by step.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from tests.reference_markdown.nodes import Anchor, Break, CodeSpan, Items, Mark, Paragraph, Text
from tests.reference_markdown.parsing import Match

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tests.reference_markdown.nodes import LinkKind, MarkName, Node
    from tests.reference_markdown.parsing import Parser, State

SPACES = r" \t\n\v\f\r\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
"""What JavaScript calls white space."""

PLAIN = rf"0-9A-Za-z{SPACES}"
"""What cannot be escaped."""

WORD_ENDS = "(?![0-9A-Za-z_])"
"""A word's end behind an underscore: ``\\b`` of JavaScript."""

_ESCAPE = re.compile(rf"\\([^{PLAIN}])")
_AUTOLINK = re.compile(r"<([^: >]+:/[^ >]+)>")
_EMAIL = re.compile(r"<([^ >]+@[^ >]+)>")
_URL = re.compile(rf"https?://[^{SPACES}<]+[^<.,:;\"')\]{SPACES}]")
_ITALIC = re.compile(
    rf"""
    _ (?P<low> (?: __ | \\. | [^\\_] )+? ) _ {WORD_ENDS}    # between underscores, of which two are others' affair
  | \* (?= [^{SPACES}] )
    (?P<star> (?: \*\* | \\. | [{SPACES}]+ (?: \\. | [^{SPACES}*\\] | \*\* ) | [^{SPACES}*\\] )+? )
    \* (?! \* )
    """,
    re.VERBOSE | re.DOTALL,
)
_BOLD = re.compile(r"\*\*((?:\\.|[^\\])+?)\*\*(?!\*)", re.DOTALL)
_UNDERLINE = re.compile(r"__((?:\\.|[^\\])+?)__(?!_)", re.DOTALL)
_STRIKE = re.compile(rf"~~(?=[^{SPACES}])((?:\\.|~(?!~)|[^{SPACES}~\\]|[{SPACES}](?!~~))+?)~~", re.DOTALL)
_CODE = re.compile(r"(?P<ticks>`+)(?P<code>.*?[^`])(?P=ticks)(?!`)", re.DOTALL)
_BREAK = re.compile(r" {2,}\n")
_TEXT = re.compile(rf".+?(?=[^{PLAIN}\u00c0-\uffff]|\n\n| {{2,}}\n|[0-9A-Za-z_]+:[^{SPACES}]|\Z)", re.DOTALL)
_BLANK_LINES = re.compile(r"(?:\n *)*\n")
_PARAGRAPH = re.compile(r"((?:[^\n]|\n(?! *\n))+)(?:\n *)+\n")
_LINE_START = re.compile(r"(?:\A|\n)( *)\Z")


def text(_parser: Parser, ahead: str, _state: State) -> Match | None:
    """Whatever nothing else is, up to the next place where something may begin."""
    found = _TEXT.match(ahead)
    return _plain(found[0], found[0]) if found else None


def escape(_parser: Parser, ahead: str, state: State) -> Match | None:
    r"""A sign behind a backslash: itself."""
    found = _ESCAPE.match(ahead)
    return _plain(found[1], found[0]) if found and state.is_inline else None


def line_break(_parser: Parser, ahead: str, _state: State) -> Match | None:
    """Spaces at a line's end."""
    found = _BREAK.match(ahead)
    return Match(found[0], lambda: [Break()]) if found else None


def code_span(_parser: Parser, ahead: str, state: State) -> Match | None:
    """Code between equally many backticks; one space beside a backtick is the mark's."""
    found = _CODE.match(ahead)
    if not found or not state.is_inline:
        return None
    code = re.sub(r"\A (?= *`)|(` *) \Z", r"\1", found["code"])
    return Match(found[0], lambda: [CodeSpan(code)])


def autolink(_parser: Parser, ahead: str, state: State) -> Match | None:
    """An address between angle brackets; one slash is enough, and a line may end in it."""
    found = _AUTOLINK.match(ahead)
    return address(found[0], found[1], "autolink") if found and state.is_inline else None


def email(_parser: Parser, ahead: str, state: State) -> Match | None:
    """An e-mail address between angle brackets."""
    found = _EMAIL.match(ahead)
    if not found or not state.is_inline:
        return None
    written = found[1]
    url = written if "mailto:" in written.lower() else f"mailto:{written}"
    return Match(found[0], lambda: [Anchor((Text(written),), url, "email")])


def bare_url(_parser: Parser, ahead: str, state: State) -> Match | None:
    """An address by itself, without the sentence's stop behind it."""
    found = _URL.match(ahead)
    return address(found[0], found[0], "bare") if found and state.is_inline else None


def link(parser: Parser, ahead: str, state: State) -> Match | None:
    """``[label](address)``: the label may reach over lines and code, and hold a ``]`` that another follows."""
    return masked_link(parser, ahead, state, published_label_ends) if state.is_inline else None


def masked_link(parser: Parser, ahead: str, state: State, ends: Callable[[str], Iterable[int]]) -> Match | None:
    """``[label](address "title")``, where ``ends`` gives the places that a label may end at, best first."""
    for end in ends(ahead) if ahead.startswith("[") else ():
        target = link_target(ahead, end + 2) if ahead.startswith("](", end) else None
        if target:
            return Match(ahead[: target.end], partial(_masked, parser, ahead[1:end], replace(state), target))
    return None


def _masked(parser: Parser, label: str, state: State, target: Target) -> list[Node]:
    url = re.sub(rf"\\([^{PLAIN}])", r"\1", target.url)
    return [Anchor(parser.parse(label, state), url, "masked", target.title)]


def published_label_ends(ahead: str) -> Iterator[int]:
    """Places where the label of a link may end, the furthest first, by the library's rule."""
    ends, place = [1], 1
    while place < len(ahead):
        closing, opening = ahead.find("]", place + 1), ahead.find("[", place + 1)
        if ahead[place] == "[":
            place = closing + 1
        elif ahead[place] != "]" or (closing >= 0 and not 0 <= opening < closing):
            place += 1
        else:
            break
        if place == 0:
            break
        ends.append(place)
    yield from reversed(ends)


_ANY_SPACES = re.compile(rf"[{SPACES}]*")
_TARGET_END = re.compile(rf">?(?:[{SPACES}]+['\"](.*?)['\"])?[{SPACES}]*\)", re.DOTALL)
_TARGET_STEP = re.compile(rf"\\[^\n\r\u2028\u2029]|[^{SPACES}\\]")
_TARGET_GROUP = re.compile(r"\([^)]*\)")


@dataclass(frozen=True, slots=True)
class Target:
    """What stands in a link's round brackets, and where they end."""

    end: int
    url: str
    title: str | None


def link_target(ahead: str, start: int) -> Target | None:
    """Read the address of a link, from behind its opening bracket."""
    spaces = _ANY_SPACES.match(ahead, start)
    for space_end in range(spaces.end() if spaces else start, start - 1, -1):
        for begin in [space_end + 1, space_end] if ahead.startswith("<", space_end) else [space_end]:
            target = _target_from(ahead, begin)
            if target:
                return target
    return None


def _target_from(ahead: str, begin: int) -> Target | None:
    """The shortest address first; a group in brackets before its single signs. What failed once fails again."""
    waiting, failed = [begin], set[int]()
    while waiting:
        place = waiting.pop()
        if place in failed:
            continue
        failed.add(place)
        if end := _TARGET_END.match(ahead, place):
            return Target(end.end(), ahead[begin:place], end[1])
        steps = (pattern.match(ahead, place) for pattern in (_TARGET_STEP, _TARGET_GROUP))
        waiting += [step.end() for step in steps if step]
    return None


def italic(parser: Parser, ahead: str, state: State) -> Match | None:
    """``*so*`` or ``_so_``."""
    found = _ITALIC.match(ahead)
    return marked(parser, state, "italic", found[0], found["star"] or found["low"]) if found else None


def bold(parser: Parser, ahead: str, state: State) -> Match | None:
    """``**so**``."""
    found = _BOLD.match(ahead)
    return marked(parser, state, "bold", found[0], found[1]) if found else None


def underline(parser: Parser, ahead: str, state: State) -> Match | None:
    """``__so__``."""
    found = _UNDERLINE.match(ahead)
    return marked(parser, state, "underline", found[0], found[1]) if found else None


def strike(parser: Parser, ahead: str, state: State) -> Match | None:
    """``~~so~~``."""
    found = _STRIKE.match(ahead)
    return marked(parser, state, "strike", found[0], found[1]) if found else None


def blank_lines(_parser: Parser, ahead: str, state: State) -> Match | None:
    """Empty lines between paragraphs of a list item."""
    found = None if state.is_inline else _BLANK_LINES.match(ahead)
    return Match(found[0], lambda: [Text("\n")]) if found else None


def paragraph(parser: Parser, ahead: str, state: State) -> Match | None:
    """A paragraph of a list item."""
    found = None if state.is_inline else _PARAGRAPH.match(ahead)
    if not found:
        return None
    inside = replace(state, is_inline=True)
    return Match(found[0], lambda: [Paragraph(parser.parse(found[1], inside))])


_BULLET = r"(?:[*+-]|[0-9]+\.)"
LIST = re.compile(rf"( *)({_BULLET}) .+?(?:\n{{2,}}(?! )(?!\1{_BULLET} )\n*|[{SPACES}]*\Z)", re.DOTALL)
"""A list: up to an empty line."""

_ITEM = re.compile(rf"( *)({_BULLET}) +[^\n]*(?:\n(?!\1{_BULLET} )[^\n]*)*(?:\n|\Z)")
_MOST_DIGITS = 300
_ITEM_START = re.compile(rf"\A *{_BULLET} +")


def items(parser: Parser, ahead: str, state: State) -> Match | None:
    """A list: up to an empty line that neither an indented line nor an item follows."""
    if state.is_inline and not state.list_level:
        return None
    return list_match(parser, ahead, state, LIST, blocks=True)


def list_match(
    parser: Parser, ahead: str, state: State, pattern: re.Pattern[str], *, blocks: bool, is_exact: bool = False
) -> Match | None:
    """A list of this extent.

    With ``blocks`` an item with an empty line in it is read as paragraphs. The library has two slips that ``is_exact``
    mends: it takes as many signs too many as the list is indented by, and sees no list at the start of a later item.
    """
    start = _LINE_START.search(state.previous)
    found = pattern.match(start[1] + ahead) if start else None
    if start is None or found is None:
        return None
    number = int(found[2][:-1][:_MOST_DIGITS]) if len(found[2]) > 1 else None
    source = found[0]
    fresh = "" if is_exact else None
    return Match(
        source[len(start[1]) :] if is_exact else source,
        lambda: [Items(tuple(_items(parser, source, state, blocks=blocks, fresh=fresh)), number)],
    )


def _items(parser: Parser, source: str, state: State, *, blocks: bool, fresh: str | None) -> Iterator[tuple[Node, ...]]:
    written = [item[0] for item in _ITEM.finditer(re.sub(r"\n{2,}\Z", "\n", source))]
    inside = replace(state, list_level=state.list_level + 1)
    was_paragraph = False
    for number, item in enumerate(written, 1):
        content = item_content(item)
        is_paragraph = "\n\n" in content or (number == len(written) and was_paragraph)
        was_paragraph = is_paragraph
        inside.previous = inside.previous if fresh is None else fresh
        inside.is_inline = not (blocks and is_paragraph)
        end = "" if inside.is_inline else "\n\n"
        yield parser.parse(re.sub(r" *\n+\Z", end, content, count=1), inside)


def item_content(item: str) -> str:
    """An item's text without its bullet and its indentation."""
    start = _ITEM_START.match(item)
    width = start.end() if start else 0
    content = re.sub(rf"(?m)^ {{1,{width}}}", "", item) if width else item
    return _ITEM_START.sub("", content)


def address(source: str, url: str, kind: LinkKind) -> Match:
    """An address that is shown as it is."""
    return Match(source, lambda: [Anchor((Text(url),), url, kind)])


def marked(parser: Parser, state: State, name: MarkName, source: str, inner: str) -> Match | None:
    """Words between marks, read with what stands before the marks."""
    inside = replace(state)
    return Match(source, lambda: [Mark(name, parser.parse(inner, inside))]) if state.is_inline else None


def _plain(shown: str, source: str) -> Match:
    return Match(source, lambda: [Text(shown, source)])
