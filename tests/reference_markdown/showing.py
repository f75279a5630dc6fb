"""What is live, what is code and what a reader sees in a message."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tests.reference_markdown.dialects import READINGS
from tests.reference_markdown.nodes import (
    BLOCKS,
    Anchor,
    Break,
    CodeBlock,
    CodeSpan,
    Emoji,
    Items,
    Mention,
    Node,
    Text,
    Timestamp,
)
from tests.reference_markdown.parsing import State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.reference_markdown.nodes import LinkKind

ReadingName = Literal["published", "client", "careful"]


@dataclass(frozen=True, slots=True)
class Link:
    """What can be followed: its words, where it leads, and how it came about."""

    label: str
    url: str
    kind: LinkKind


_OPENS = re.compile(r"[\x00-\x20]*(?:[A-Za-z][A-Za-z0-9+.\-]*:|[/\\]{2})")
"""How an address begins that leads anywhere: one without scheme or host does not."""

_INVITE = re.compile(
    r"(?<![A-Za-z0-9])(?:discord\.(?:gg|new|gift)"
    r"|discord(?:app)?\.com/(?:invite|gifts?|template|events|channels|activities|application-directory|oauth2))"
    r"/[^\s/<>]+",
    re.IGNORECASE,
)
"""What the client looks up in a message's words by itself, with a scheme or without."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A message as one plausible client shows it."""

    name: ReadingName
    nodes: tuple[Node, ...]

    @property
    def live_links(self) -> list[Link]:
        """Everything that can be followed, in the order in which it begins."""
        return list(_links(self.nodes))

    @property
    def code_blocks(self) -> list[CodeBlock]:
        """Code in blocks: what is copied from them, and the language."""
        return [node for node in _walk(self.nodes) if isinstance(node, CodeBlock)]

    @property
    def code_spans(self) -> list[str]:
        """Code in lines."""
        return [node.text for node in _walk(self.nodes) if isinstance(node, CodeSpan)]

    @property
    def code(self) -> list[str]:
        """All code, in blocks or in lines."""
        return [node.text for node in _walk(self.nodes) if isinstance(node, CodeSpan | CodeBlock)]

    @property
    def mentions(self) -> list[Mention]:
        """Names of users, roles, channels and commands, and calls to everybody."""
        return [node for node in _walk(self.nodes) if isinstance(node, Mention)]

    @property
    def shown_text(self) -> str:
        """What a reader sees, without formatting: the blocks on lines of their own."""
        return _shown(self.nodes).strip("\n")


def render(text: str, reading: ReadingName = "client") -> tuple[Node, ...]:
    """Read a message as it was sent; Discord takes off the space around it."""
    return READINGS[reading].read(text.replace("\r\n", "\n").replace("\r", "\n").strip(), State())


def readings(text: str) -> list[Reading]:
    """Give the message in every plausible reading."""
    names: tuple[ReadingName, ...] = ("published", "client", "careful")
    return [Reading(name, render(text, name)) for name in names]


def live_links(text: str, reading: ReadingName = "client") -> list[Link]:
    """Everything in a message that can be followed."""
    return Reading(reading, render(text, reading)).live_links


def code_blocks(text: str, reading: ReadingName = "client") -> list[CodeBlock]:
    """The blocks of code in a message."""
    return Reading(reading, render(text, reading)).code_blocks


def code_spans(text: str, reading: ReadingName = "client") -> list[str]:
    """The code within lines of a message."""
    return Reading(reading, render(text, reading)).code_spans


def mentions(text: str, reading: ReadingName = "client") -> list[Mention]:
    """The names that a message shows as such."""
    return Reading(reading, render(text, reading)).mentions


def shown_text(text: str, reading: ReadingName = "client") -> str:
    """What a reader sees of a message, without formatting."""
    return Reading(reading, render(text, reading)).shown_text


def possible_links(text: str) -> set[Link]:
    """What can be followed in at least one reading: the measure of what is safe."""
    return {link for reading in readings(text) for link in reading.live_links}


def certain_code(text: str) -> Counter[str]:
    """The code that every reading shows as code, with how often: the measure of what is exact."""
    first, *others = (Counter(reading.code) for reading in readings(text))
    for other in others:
        first &= other
    return first


def _walk(nodes: tuple[Node, ...]) -> Iterator[Node]:
    for node in nodes:
        yield node
        for children in _children(node):
            yield from _walk(children)


def _children(node: Node) -> tuple[tuple[Node, ...], ...]:
    if isinstance(node, Items):
        return node.items
    if isinstance(node, Text | Break | CodeSpan | CodeBlock | Mention | Emoji | Timestamp):
        return ()
    return (node.children,)


def _links(nodes: tuple[Node, ...]) -> Iterator[Link]:
    for node in _walk(nodes):
        if isinstance(node, Anchor) and _OPENS.match(node.url):
            yield Link(_shown(node.children), node.url, node.kind)
        if isinstance(node, Text):
            written = dict.fromkeys(found[0] for words in (node.source, node.text) for found in _INVITE.finditer(words))
            yield from (Link(invite, invite, "invite") for invite in written)


def _shown(nodes: tuple[Node, ...]) -> str:
    shown, is_behind_block = "", False
    for node in nodes:
        words = _words(node)
        if isinstance(node, BLOCKS) and shown and not shown.endswith("\n"):
            shown += "\n"
        shown += words.removeprefix("\n") if is_behind_block else words
        is_behind_block = isinstance(node, CodeBlock)
    return shown


def _words(node: Node) -> str:
    match node:
        case Text(words) | CodeSpan(words):
            pass
        case CodeBlock(words):
            words = f"{words}\n"
        case Items():
            words = "".join(f"{bullet} {_shown(item)}".rstrip("\n") + "\n" for bullet, item in _numbered(node))
        case Break():
            words = "\n"
        case Mention(kind, name):
            words = {"channel": "#", "command": "/"}.get(kind, "@") + name
        case Emoji(name):
            words = f":{name}:"
        case Timestamp(seconds):
            words = f"<t:{seconds}>"
        case _:
            words = _shown(node.children)
            words = words.rstrip("\n") + "\n" if isinstance(node, BLOCKS) else words
    return words


def _numbered(items: Items) -> Iterator[tuple[str, tuple[Node, ...]]]:
    for place, item in enumerate(items.items):
        yield ("•" if items.start is None else f"{items.start + place}."), item
