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
            shown = words
        case Break():
            shown = "<br>"
        case CodeSpan(code):
            shown = f"<code>{code}</code>"
        case CodeBlock(code, language):
            shown = _tag("pre", code, language)
        case Items(items, start):
            shown = _tag("ul" if start is None else "ol", "".join(_tag("li", outline(item)) for item in items), start)
        case Anchor(children, url):
            shown = _tag("a", outline(children), url)
        case Mention(kind, name):
            shown = f"<{kind} {name}>"
        case Emoji(name, number):
            shown = f"<emoji {name} {number}>"
        case Timestamp(seconds, style):
            shown = f"<time {seconds} {style}>"
        case Mark() | Heading() | Subtext() | Quote() | Paragraph():
            shown = _tag(_name(node), outline(node.children))
    return shown


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
