"""A message's tree on one line, as HTML would say it: what tests compare."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.reference_markdown.nodes import (
    Anchor,
    Break,
    CodeBlock,
    CodeSpan,
    Emoji,
    Heading,
    Items,
    Mark,
    Mention,
    Paragraph,
    Quote,
    Subtext,
    Text,
    Timestamp,
)

if TYPE_CHECKING:
    from tests.reference_markdown.nodes import Node

_TAGS = {"bold": "b", "italic": "i", "underline": "u", "strike": "s", "spoiler": "spoiler"}


def outline(nodes: tuple[Node, ...]) -> str:
    """The tree in one line: nothing in it is escaped, for it is only read by people and compared."""
    return "".join(map(_outlined, nodes))


def _outlined(node: Node) -> str:
    match node:
        case Text(words):
            return words
        case Items(items, start):
            return _tag("ul" if start is None else "ol", "".join(_tag("li", outline(item)) for item in items), start)
        case Anchor(children, url):
            return _tag("a", outline(children), url)
        case Mark() | Heading() | Subtext() | Quote() | Paragraph():
            return _tag(_name(node), outline(node.children))
        case _:
            return _sign(node)


def _sign(node: Break | CodeSpan | CodeBlock | Mention | Emoji | Timestamp) -> str:
    match node:
        case Break():
            return "<br>"
        case CodeSpan(code):
            return f"<code>{code}</code>"
        case CodeBlock(code, language):
            return _tag("pre", code, language)
        case Mention(kind, name):
            return f"<{kind} {name}>"
        case Emoji(name, number):
            return f"<emoji {name} {number}>"
        case Timestamp(seconds, style):
            return f"<time {seconds} {style}>"


def _name(node: Mark | Heading | Subtext | Quote | Paragraph) -> str:
    match node:
        case Mark(name):
            return _TAGS[name]
        case Heading(level):
            return f"h{level}"
        case Subtext():
            return "small"
        case Quote():
            return "quote"
        case Paragraph():
            return "p"


def _tag(name: str, inner: str, attribute: str | int | None = None) -> str:
    opening = f"{name} {attribute}" if attribute not in {None, ""} else name
    return f"<{opening}>{inner}</{name}>"
