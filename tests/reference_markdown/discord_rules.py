r"""What Discord's client adds to the library's rules, or puts in their place.

From Discord's documentation where it says something ("Markdown Text 101", "Message Formatting"), else as people who
tried the client report it. Where reports differ there are two rules, and ``dialects`` has a reading with each.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.reference_markdown import library_rules as library
from tests.reference_markdown.library_rules import SPACES, address, marked
from tests.reference_markdown.nodes import (
    Anchor,
    CodeBlock,
    Emoji,
    Heading,
    Mark,
    Mention,
    Quote,
    Subtext,
    Text,
    Timestamp,
)
from tests.reference_markdown.parsing import Match

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.reference_markdown.nodes import MentionKind, Node
    from tests.reference_markdown.parsing import Parser, State

_BLOCK = re.compile(r"```(?:(?P<language>[a-z0-9_+\-.#]+?)\n)?\n*(?P<code>[^\n].*?)\n*```", re.DOTALL | re.IGNORECASE)
_SPOILER = re.compile(r"\|\|(.+?)\|\|", re.DOTALL)
_STRIKE = re.compile(r"~~(.+?)~~(?!_)", re.DOTALL)
_ONE_LINE_HEADING = re.compile(r"(?P<marks>#{1,3}) +(?!#)(?P<words>[^\n]+)\n?")
_GREEDY_HEADING = re.compile(rf"(?P<marks>#{{1,3}})[{SPACES}]+(?!#)(?P<words>[^\n]*)\n?")
_SUBTEXT = re.compile(r"-# +(?!-#)([^\n]+)\n?")
_QUOTE_TO_END = re.compile(r" *>>> (.+)", re.DOTALL)
_QUOTE = re.compile(r"(?: *>(?!>>) [^\n]*(?:\n|\Z))+")
_QUOTE_START = re.compile(r"(?m)^ *> ")
_AT_LINE_START = re.compile(r"(?:\A|\n) *\Z")
_SHRUG = "¯\\_(ツ)_/¯"

_MENTION = re.compile(
    r"<@!?(?P<user>[0-9]+)>|<@&(?P<role>[0-9]+)>|<#(?P<channel>[0-9]+)>|@(?P<everyone>everyone)|@(?P<here>here)"
    r"|</(?P<command>[^\s/:<>]{1,32}(?: [^\s/:<>]{1,32}){0,2}:[0-9]+)>"
    r"|<id:(?P<navigation>customize|browse|guide|home|linked-roles(?::[0-9]+)?)>"
)
_EMOJI = re.compile(r"<(?P<animated>a?):(?P<name>[A-Za-z0-9_]+):(?P<number>[0-9]+)>")
_TIMESTAMP = re.compile(r"<t:(?P<seconds>-?[0-9]{1,17})(?::(?P<style>[tTdDfFRsS]))?>")
_PHONE = re.compile(r"<(?P<number>\+[0-9][0-9 ()\-]*)>|<(?P<url>(?:tel|sms):[^ >]+)>", re.IGNORECASE)
_EMAIL = re.compile(r"<(?:mailto:)?(?P<address>[^\s<>@:]+@[^\s<>@]+)>", re.IGNORECASE)
_URL = re.compile(rf"(?:https?|steam|discord)://[^{SPACES}<]+[^<.,:;\"'\]{SPACES}]", re.IGNORECASE)
_SAFE_URL = re.compile(r"(?:https?|steam|discord|mailto|tel|sms):/*[^/]", re.IGNORECASE)


def code_block(_parser: Parser, ahead: str, state: State) -> Match | None:
    """A fence: anywhere in a line; up to the next three backticks, wherever they stand; never empty."""
    found = _BLOCK.match(ahead)
    if not found or not state.is_inline:
        return None
    return Match(found[0], lambda: [CodeBlock(found["code"], found["language"] or "")])


def spoiler(parser: Parser, ahead: str, state: State) -> Match | None:
    """``||so||``."""
    found = _SPOILER.match(ahead)
    return marked(parser, state, "spoiler", found[0], found[1]) if found else None


def strike(parser: Parser, ahead: str, state: State) -> Match | None:
    """``~~so~~``: spaces beside the marks do not matter."""
    found = _STRIKE.match(ahead)
    return marked(parser, state, "strike", found[0], found[1]) if found else None


def heading(parser: Parser, ahead: str, state: State) -> Match | None:
    """One to three ``#`` and words in the same line, with nothing before them in it."""
    return _heading(parser, ahead, state, _ONE_LINE_HEADING)


def greedy_heading(parser: Parser, ahead: str, state: State) -> Match | None:
    """A heading that takes the next line where its own has no words; none within a list."""
    return None if state.list_level else _heading(parser, ahead, state, _GREEDY_HEADING)


def _heading(parser: Parser, ahead: str, state: State, pattern: re.Pattern[str]) -> Match | None:
    found = pattern.match(ahead) if state.at_line_start() else None
    if not found:
        return None
    words = found["words"].rstrip().rstrip("#").rstrip()
    inside = replace(state)
    return Match(found[0], lambda: [Heading(len(found["marks"]), parser.parse(words, inside))])


def subtext(parser: Parser, ahead: str, state: State) -> Match | None:
    """``-# so``: small words to the line's end."""
    found = _SUBTEXT.match(ahead) if state.at_line_start() else None
    return Match(found[0], lambda: [Subtext(parser.parse(found[1], replace(state)))]) if found else None


def quote(parser: Parser, ahead: str, state: State) -> Match | None:
    """``> so`` for lines, ``>>> so`` for all that follows; a quote holds no quote."""
    if state.is_in_quote or not _AT_LINE_START.search(state.previous):
        return None
    found = _QUOTE_TO_END.match(ahead) or _QUOTE.match(ahead)
    if not found:
        return None
    words = found[1] if found.re is _QUOTE_TO_END else _QUOTE_START.sub("", found[0]).removesuffix("\n")
    inside = replace(state, is_in_quote=True)
    return Match(found[0], lambda: [Quote(parser.parse(words, inside))])


def mention(_parser: Parser, ahead: str, _state: State) -> Match | None:
    """Names of users, roles, channels and commands, and calls to everybody."""
    found = _MENTION.match(ahead)
    if not found:
        return None
    kinds: tuple[MentionKind, ...] = ("user", "role", "channel", "everyone", "here", "command", "navigation")
    return Match(found[0], lambda: [Mention(kind, found[kind]) for kind in kinds if found[kind]])


def emoji(_parser: Parser, ahead: str, _state: State) -> Match | None:
    """``<:name:1>``, and ``<a:name:1>`` for one that moves."""
    found = _EMOJI.match(ahead)
    return Match(found[0], lambda: [Emoji(found["name"], found["number"], bool(found["animated"]))]) if found else None


def timestamp(_parser: Parser, ahead: str, _state: State) -> Match | None:
    """``<t:0>`` and ``<t:0:R>``."""
    found = _TIMESTAMP.match(ahead)
    return Match(found[0], lambda: [Timestamp(int(found["seconds"]), found["style"] or "")]) if found else None


def phone(_parser: Parser, ahead: str, _state: State) -> Match | None:
    """A telephone number between angle brackets."""
    found = _PHONE.match(ahead)
    if not found:
        return None
    url = found["url"] or f"tel:{found['number']}"
    return Match(found[0], lambda: [Anchor((Text(found[0][1:-1]),), url, "phone")])


def shrug(_parser: Parser, ahead: str, _state: State) -> Match | None:
    r"""The one face whose backslash stays: ¯\_(ツ)_/¯."""
    return Match(_SHRUG, lambda: [Text(_SHRUG)]) if ahead.startswith(_SHRUG) else None


def email(_parser: Parser, ahead: str, _state: State) -> Match | None:
    """An e-mail address between angle brackets."""
    found = _EMAIL.match(ahead)
    if not found:
        return None
    return Match(found[0], lambda: [Anchor((Text(found[0][1:-1]),), f"mailto:{found['address']}", "email")])


def autolink(parser: Parser, ahead: str, state: State) -> Match | None:
    """``<address>``: one that the client does not open is shown without its brackets."""
    match = library.autolink(parser, ahead, state)
    if match is None or _SAFE_URL.match(ahead, 1):
        return match
    words = match.source[1:-1]
    return Match(match.source, lambda: [Text(words, match.source)])


def careful_autolink(parser: Parser, ahead: str, state: State) -> Match | None:
    """``<address>`` that the client opens; any other is no autolink, and what is in it is read by itself."""
    return library.autolink(parser, ahead, state) if _SAFE_URL.match(ahead, 1) else None


def bare_url(_parser: Parser, ahead: str, _state: State) -> Match | None:
    """An address by itself; of brackets at its end one too many is the sentence's."""
    found = _URL.match(ahead)
    if not found:
        return None
    url = found[0]
    if len(url) - len(url.rstrip(")")) > url.count("("):
        url = url[:-1]
    return address(url, url, "bare")


def link(parser: Parser, ahead: str, state: State) -> Match | None:
    """A masked link as the library has it, if its label pretends nothing and the client opens its address."""
    return _honest(library.masked_link(parser, ahead, state, library.published_label_ends))


def careful_link(parser: Parser, ahead: str, state: State) -> Match | None:
    """A masked link whose label holds only pairs of brackets, and of code nothing or the whole."""
    return _honest(library.masked_link(parser, ahead, state, _label_end))


def _honest(match: Match | None) -> Match | None:
    if match is None:
        return None
    (node,) = match.build()
    is_kept = isinstance(node, Anchor) and _SAFE_URL.match(node.url) and _is_label(node.children)
    return Match(match.source, lambda: [node]) if is_kept else None


def _is_label(nodes: tuple[Node, ...]) -> bool:
    """Whether words may stand for a link: no address, no mention, no emoji and no block of code; not only spaces."""
    if any(isinstance(node, Anchor | Mention | Emoji | CodeBlock) for node in _all(nodes)):
        return False
    return any(not isinstance(node, Text) or node.text.strip() for node in nodes)


def _all(nodes: tuple[Node, ...]) -> Iterator[Node]:
    for node in nodes:
        yield node
        if isinstance(node, Mark | Heading | Subtext | Quote):
            yield from _all(node.children)


_LABEL_STEP = re.compile(r"\\.|```.+?```|(?P<ticks>`+).*?[^`](?P=ticks)(?!`)|[^\[\]]", re.DOTALL)


def _label_end(ahead: str) -> Iterator[int]:
    depth, place = 0, 0
    while place < len(ahead):
        step = _LABEL_STEP.match(ahead, place)
        if step:
            place = step.end()
        else:
            depth += 1 if ahead[place] == "[" else -1
            if depth == 0:
                break
            place += 1
        if depth == 0:
            return
    yield place


_BULLET = r"(?:[*-]|[0-9]+\.)"
_LIST = re.compile(rf"( *)({_BULLET}) .+?(?:\n(?! )(?!\1{_BULLET} )\n*|[{SPACES}]*\Z)", re.DOTALL)
_TIGHT_LIST = re.compile(rf"( *)({_BULLET}) +[^\n ][^\n]*(?:\n(?: *{_BULLET} +[^\n ]| +[^\n ])[^\n]*)*(?:\n|\Z)")
_DEEPEST = 11


def items_to_blank_line(parser: Parser, ahead: str, state: State) -> Match | None:
    """A list as far as the library sees one, its items always read as lines."""
    return library.list_match(parser, ahead, state, library.LIST, blocks=False)


def items(parser: Parser, ahead: str, state: State) -> Match | None:
    """A list that ends with its line, unless an indented line or an item follows; at most eleven in one another.

    An item without words takes the next line, whatever it is: of a fence it takes the first line away.
    """
    if state.list_level >= _DEEPEST:
        return None
    return library.list_match(parser, ahead, state, _LIST, blocks=False, is_exact=True)


def tight_items(parser: Parser, ahead: str, state: State) -> Match | None:
    """A list of items that all have words, as a person would expect it."""
    if state.list_level >= _DEEPEST:
        return None
    return library.list_match(parser, ahead, state, _TIGHT_LIST, blocks=False, is_exact=True)


_IDLE = "A-Za-z\u00c0-\uffff.,;=!\"'%&/{}$^?)\\]"
_SIGN = re.compile(rf"(?P<unseen> +(?=\n))|[{_IDLE}][{_IDLE}0-9]*+(?!:)|.", re.DOTALL)


def sign(_parser: Parser, ahead: str, _state: State) -> Match | None:
    """Whatever nothing else is: signs that begin nothing and are no scheme, else one. No spaces at a line's end."""
    found = _SIGN.match(ahead)
    if not found:
        return None
    return Match(found[0], lambda: [Text("" if found["unseen"] else found[0], found[0])])
