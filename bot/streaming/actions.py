"""The actions that a reply asks for, their urgency, and what a reply is given beside its text."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

WRITING_CURSOR = " ▌"
"""Our mark that more is coming; it stands at the end of the page being written and is gone in the final text."""
ATTACHMENT_NAME = "answer.md"
"""What the file with the whole answer is called."""
EMPTY_ANSWER = "-# (no answer)"
"""What stands where an answer ended without text and without closing words: a message cannot be empty."""


@dataclass(frozen=True, slots=True)
class Post:
    """A new message: the next page.

    ``is_sealed``: the page stays as it is from now on. ``is_last``: with this action the whole answer is visible,
    closing words included. ``attachment_text``: the whole answer's exact Markdown, to be attached as a file.
    """

    text: str
    is_sealed: bool = False
    is_last: bool = False
    attachment_text: str = ""


@dataclass(frozen=True, slots=True)
class Edit:
    """New text for a page that is already posted, counted from 0; the rest as for ``Post``."""

    page: int
    text: str
    is_sealed: bool = False
    is_last: bool = False
    attachment_text: str = ""


@dataclass(frozen=True, slots=True)
class Closing:
    """Holds what is below the finished text, in Markdown: a note ("-# interrupted: …") and the sources."""

    note: str = ""
    footer: str = ""


class TextFilter(Protocol):
    """Changes growing text; fed piece by piece it returns what the whole text would give."""

    def feed(self, delta: str) -> str:
        """Take in newly arrived text and return what is decided."""
        ...

    def flush(self) -> str:
        """Return the rest: no more text comes."""
        ...


class Urgency(IntEnum):
    """Orders actions where several answers share a bucket; the smaller goes first."""

    FINAL = 0
    FIRST_WORDS = 1
    TEXT = 2
    STATUS = 3
