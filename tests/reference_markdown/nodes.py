"""The tree that a shown message is: what stands in it, not where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

LinkKind = Literal["masked", "autolink", "bare", "invite", "email", "phone"]
MentionKind = Literal["user", "role", "channel", "everyone", "here", "command", "navigation"]
MarkName = Literal["bold", "italic", "underline", "strike", "spoiler"]


@dataclass(frozen=True, slots=True)
class Text:
    """Plain words, and the message's own text for them: ``*`` is written ``\\*``."""

    text: str
    source: str = ""

    def followed_by(self, other: Text) -> Text:
        """Both as one."""
        return Text(self.text + other.text, (self.source or self.text) + (other.source or other.text))


@dataclass(frozen=True, slots=True)
class Break:
    """A line's end that was written with spaces."""


@dataclass(frozen=True, slots=True)
class CodeSpan:
    """Code within a line."""

    text: str


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """Code in a block of its own."""

    text: str
    language: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """Words that are bold, italic, underlined, struck through or hidden."""

    name: MarkName
    children: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading."""

    level: int
    children: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Subtext:
    """A small grey line."""

    children: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Quote:
    """Lines behind a bar."""

    children: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph of a list item that has several: only the library's own rules know it."""

    children: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Items:
    """A list; ``start`` is its first number, None for bullets."""

    items: tuple[tuple[Node, ...], ...]
    start: int | None = None


@dataclass(frozen=True, slots=True)
class Anchor:
    """What can be clicked and leads to an address."""

    children: tuple[Node, ...]
    url: str
    kind: LinkKind
    title: str | None = None


@dataclass(frozen=True, slots=True)
class Mention:
    """A name of a user, role, channel or command; ``text`` is its id, or how it is written."""

    kind: MentionKind
    text: str


@dataclass(frozen=True, slots=True)
class Emoji:
    """A server's own emoji."""

    name: str
    number: str
    is_animated: bool = False


@dataclass(frozen=True, slots=True)
class Timestamp:
    """A moment, shown in the reader's own time zone."""

    seconds: int
    style: str = ""


Node = (
    Text
    | Break
    | CodeSpan
    | CodeBlock
    | Mark
    | Heading
    | Subtext
    | Quote
    | Paragraph
    | Items
    | Anchor
    | Mention
    | Emoji
    | Timestamp
)
"""Everything that may stand in a message."""

BLOCKS = (CodeBlock, Heading, Subtext, Quote, Paragraph, Items)
"""What begins and ends a line of its own."""
