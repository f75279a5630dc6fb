"""A line is read from left to right; at each place it is known which marks stand open, and whether that is certain.

Certain is what Discord makes of the line in every reading: marks that pair as in a box in a box, no bracket left open,
and never far from one place to the next where a page may be broken without harm.
"""

from __future__ import annotations

import copy
import re

MARKS_LIMIT = 8
"""So many characters of different marks may be open in one line; a break in it closes and reopens them."""

DEFAULT_PAGE_LENGTH = 2_000
"""So many characters a page holds where nothing else is said."""

MARK_CHARACTERS = frozenset("*_~|`\\")
"""What a mark put beside it would melt with."""

_MAX_UNBROKEN_SHARE = 0.35
"""From one place where a page may be broken to the next it is at most this share of a page."""

_TOKEN = re.compile(r"\\[^0-9A-Za-z\s]|\\|\*+|_+|~+|\|+|[\[\]<>]")
_TOKEN_OR_BLANK = re.compile(rf"{_TOKEN.pattern}|\s+")
_BULLET = re.compile(r"\s*[*+-]\s")
_LAST_WORD = re.compile(r"\S*\Z")
_MAX_MARK_LENGTH = {"*": 3, "_": 2, "~": 2, "|": 2}
_IGNORED_SINGLES = {"~", "|"}
_NEVER_WITHIN = {"**": {"*"}, "__": {"_"}, "~~": {"_", "__"}}
"""Marks that cannot be closed and reopened together in this order: the two would be read as others."""


class MarkTracker:
    """One line as far as it has been read. Code in it is told apart, and never looked into.

    ``page`` is how many characters a page holds.
    """

    def __init__(self, page_length: int) -> None:
        self._max_unbroken = _MAX_UNBROKEN_SHARE * page_length
        self.open_marks: list[str] = []
        self.is_unambiguous = True
        self._depth = 0
        self._in_angle = False
        self._in_link = False
        self._before = ""
        self._unbroken = 0
        self._has_long_unbroken_run = False

    def copy(self) -> MarkTracker:
        """Another that has read the same."""
        other = copy.copy(self)
        other.open_marks = list(self.open_marks)
        return other

    @property
    def is_balanced(self) -> bool:
        """Whether every mark and bracket opened so far is closed, as far as that can be said."""
        return self.is_unambiguous and not self.open_marks and not self._depth and not self._in_angle

    @property
    def is_safe_to_break(self) -> bool:
        """Whether it is settled, wherever in it a page may be broken."""
        return self.is_balanced and not self._has_long_unbroken_run

    def read_text(self, text: str, after: str = "") -> None:
        """Read on; ``after`` is the character that comes next, empty at the line's end or if it is not known."""
        bullet = None if self._before else _BULLET.match(text)
        whole = self._before + text + after
        start = place = len(self._before) + (bullet.end() if bullet else 0)
        stop = len(self._before) + len(text)
        for token in _TOKEN.finditer(whole, start, stop):
            self._read_plain(whole[place : token.start()])
            self._read_token(token[0], whole[: token.start()][-1:], whole[token.end() : token.end() + 1])
            place = token.end()
        self._read_plain(whole[place:stop])
        self._before = whole[:stop][-1:]

    def skip_code(self, length: int) -> None:
        """Go past a piece of code."""
        if self.is_balanced and (self._before == "`" or self._before not in MARK_CHARACTERS):
            self._unbroken = 0
        self._advance(length)
        self._before, self._in_link = "`", False

    def _advance(self, count: int) -> None:
        self._unbroken += count
        self._has_long_unbroken_run = self._has_long_unbroken_run or self._unbroken > self._max_unbroken

    def _read_plain(self, text: str) -> None:
        """Words without signs: between two letters, or at a blank with nothing open, a page may be broken."""
        word = _LAST_WORD.search(text)
        start = word.start() if word else len(text)
        ends_word = start > 0
        if ends_word:
            self._in_angle = False
            if self.is_balanced or " " in text.strip():
                self._unbroken = 0
        self._in_link = "://" in text[start:] or (self._in_link and not ends_word)
        if not self._in_link and len(text) - start > 1:
            self._unbroken = 0
        self._advance(len(text) - start if ends_word else len(text))

    def _read_token(self, piece: str, before: str, after: str) -> None:
        self._advance(len(piece))
        if piece[0] == "\\":
            self.is_unambiguous = self.is_unambiguous and not (self.open_marks and piece[1:] in MARK_CHARACTERS)
        elif piece in {"[", "]"}:
            self._depth += 1 if piece == "[" else -1
            self.is_unambiguous = self.is_unambiguous and self._depth >= 0
        elif piece in {"<", ">"}:
            self._in_angle = piece == "<"
        elif piece not in _IGNORED_SINGLES:
            self._read_mark(piece, before, after)

    def _read_mark(self, mark: str, before: str, after: str) -> None:
        can_open, can_close, is_sure = _find_roles(mark, before, after)
        self.is_unambiguous = self.is_unambiguous and is_sure and len(mark) <= _MAX_MARK_LENGTH[mark[0]]
        if mark in self.open_marks:
            is_innermost = self.open_marks[-1] == mark
            self.is_unambiguous = (
                self.is_unambiguous and can_close and is_innermost and not (mark == "~~" and after == "_")
            )
            if can_close:
                self.open_marks.remove(mark)
        elif can_open:
            self.is_unambiguous = self.is_unambiguous and not self._conflicts_with_open_marks(mark)
            self.open_marks.append(mark)
            self.is_unambiguous = self.is_unambiguous and sum(map(len, self.open_marks)) <= MARKS_LIMIT

    def _conflicts_with_open_marks(self, mark: str) -> bool:
        stars = [other for other in self.open_marks if other[0] == "*"]
        if mark[0] == "*" and ("***" in stars or (mark == "***" and stars)):
            return True
        return not _NEVER_WITHIN.get(mark, set[str]()).isdisjoint(self.open_marks)


def _find_roles(mark: str, before: str, after: str) -> tuple[bool, bool, bool]:
    """Whether a mark can open and close at its place, and whether every reading agrees."""
    if mark == "*":
        return not after.isspace(), bool(before.strip()), True
    if mark == "_":
        can_open, can_close = not _is_letter(before), not _is_letter(after)
        return can_open, can_close, (before + after).isascii() or (can_open and can_close)
    return True, True, True


def _is_letter(char: str) -> bool:
    return char.isalnum() or char == "_"


def is_balanced(line: str) -> bool:
    """Whether a line without code closes every mark it opens: bold, italic, strike, spoiler, brackets.

    Discord looks for the other half of a mark on later lines too, and inside code. When in doubt the answer is no.
    """
    read = MarkTracker(DEFAULT_PAGE_LENGTH)
    read.read_text(line)
    return read.is_balanced


def find_balance_changes(line: str) -> list[tuple[int, bool]]:
    """From which places on a line without code is settled, and from which it is not."""
    read = MarkTracker(DEFAULT_PAGE_LENGTH)
    found = [(0, True)]
    place = 0
    for token in _TOKEN_OR_BLANK.finditer(line):
        read.read_text(line[place : token.end()], line[token.end() : token.end() + 1])
        place = token.end()
        found.append((place, read.is_balanced))
    return found
