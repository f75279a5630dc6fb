"""The engine: at each place the first rule that matches wins, and what it matched is read again inside.

This is simple-markdown's way. Rules of one tier compete: the longest match wins, the earlier rule wins a tie.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import TYPE_CHECKING, TypeAlias, TypeVar, cast

from tests.reference_markdown.nodes import Node, Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


_DEEPEST = 20_000
"""Python's own limit is too low for a message of 2,000 characters in which nine hundred lists lie in one another."""


@dataclass(slots=True)
class State:
    """What a rule may know beside the text ahead of it.

    ``previous`` is the last match, or all of the line so far where a dialect remembers lines. A nested reading begins
    with what stood before its parent. ``known`` is what was read before: labels within labels are asked for often.
    """

    is_inline: bool = True
    is_in_quote: bool = False
    list_level: int = 0
    previous: str = ""
    known: dict[tuple[object, ...], tuple[tuple[Node, ...], str]] = field(default_factory=dict)

    def at_line_start(self) -> bool:
        """Whether nothing stands before in this line, not even a space."""
        return not self.previous or self.previous.endswith("\n")


@dataclass(frozen=True, slots=True)
class Match:
    """What a rule matched, and how its nodes are made should it win.

    ``source`` may be longer than what is ahead: the library counts a list's indentation twice.
    """

    source: str
    build: Callable[[], Iterable[Node]]


Rule: TypeAlias = "Callable[[Parser, str, State], Match | None]"
"""Looks at the text ahead and gives what it makes of its beginning."""


@dataclass(frozen=True, slots=True)
class Tier:
    """Rules that compete, and the signs that they may begin with, none for any: that saves time and changes nothing."""

    openers: str
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Parser:
    """Reads text by tiers of rules, of which the last always matches."""

    tiers: tuple[Tier, ...]
    remembers_line: bool = False

    def read(self, text: str, state: State) -> tuple[Node, ...]:
        """Read a whole text, however deep things lie in one another."""
        sys.setrecursionlimit(max(sys.getrecursionlimit(), _DEEPEST))
        return tuple(map(_joined, self.parse(_units(text), state)))

    def parse(self, source: str, state: State) -> tuple[Node, ...]:
        """Read text that was cut into UTF-16 units to its end; the state goes along."""
        key = (source, state.is_inline, state.is_in_quote, state.list_level, state.previous)
        if key not in state.known:
            state.known[key] = (self._parse(source, state), state.previous)
        nodes, state.previous = state.known[key]
        return nodes

    def _parse(self, source: str, state: State) -> tuple[Node, ...]:
        nodes: list[Node] = []
        while source:
            match = self._best(source, state)
            for node in match.build():
                _append(nodes, node)
            used = source[: len(match.source)]
            state.previous = _line_end(state.previous + used) if self.remembers_line else match.source
            source = source[len(match.source) :]
        return tuple(nodes)

    def _best(self, source: str, state: State) -> Match:
        for tier in self.tiers:
            if tier.openers and source[0] not in tier.openers:
                continue
            best = None
            for rule in tier.rules:
                match = rule(self, source, state)
                if match and (best is None or len(match.source) > len(best.source)):
                    best = match
            if best:
                return best
        raise AssertionError(source)


def _units(text: str) -> str:
    """The text as JavaScript sees it: what is beyond U+FFFF as two signs."""
    data = text.encode("utf-16-le", "surrogatepass")
    return "".join(map(chr, memoryview(data).cast("H")))


_T = TypeVar("_T")


def _joined(value: _T) -> _T:
    """A node with its signs put together again."""
    if isinstance(value, str):
        return cast("_T", value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace"))
    if isinstance(value, tuple):
        return cast("_T", tuple(map(_joined, cast("tuple[object, ...]", value))))
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{each.name: _joined(getattr(value, each.name)) for each in fields(value)})
    return value


def _append(nodes: list[Node], node: Node) -> None:
    last = nodes[-1] if nodes else None
    if isinstance(node, Text) and isinstance(last, Text):
        nodes[-1] = last.followed_by(node)
    else:
        nodes.append(node)


def _line_end(text: str) -> str:
    return text[max(text.rfind("\n"), 0) :]
