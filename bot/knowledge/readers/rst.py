"""reStructuredText comes in; Markdown goes out, without what only Sphinx needs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bot.knowledge.readers.page import Page, cleaned, fenced, first_heading, lines_of
from bot.knowledge.readers.text import decoded

if TYPE_CHECKING:
    from collections.abc import Sequence

_ADORNMENT = re.compile(r"^([!-/:-@\[-`{-~])\1{2,}\s*$")
_DIRECTIVE = re.compile(r"^(\s*)\.\. (?:\|[^|]+\| )?([\w:.+-]+?)::(?:\s+(.*?))?\s*$")
_OPTION = re.compile(r"^\s+:[\w-]+:(?:\s|$)")
_TARGET = re.compile(r"^\s*\.\. (?:_[^:]+:|\[[^\]]+\])|^\s*__ ")
_CODE = frozenset({"code-block", "code", "sourcecode", "parsed-literal", "prompt", "literalinclude", "math", "doctest"})
# What stands below these is for Sphinx, or for the eye.
_DROPPED = """
    toctree index contents highlight highlightlang currentmodule module sectionauthor codeauthor image figure raw
    include meta default-role replace unicode sectnum automodule autoclass autofunction tabularcolumns
"""
_DEFINITIONS = """
    function method class data attribute exception option cmdoption envvar describe confval program property
    staticmethod classmethod decorator macro type
"""
_ADMONITIONS = """
    note warning tip hint important attention caution danger error admonition seealso versionadded versionchanged
    deprecated todo
"""


_Pieces = list[tuple[int, str]]
"""Markdown in pieces of a line or more; each with the place of the line that it, or its beginning, was made from."""


def read_rst(content: bytes) -> list[Page]:
    """A reStructuredText file as Markdown."""
    text = decoded(content)
    before = lines_of([(1, text)])
    pieces = _markdown(cleaned(text).expandtabs(4).split("\n"))
    made = "\n".join(piece for _, piece in pieces)
    places = lines_of((place, f"{piece}\n") for place, piece in pieces)
    lines = [before[min(place, len(before) - 1)] for place in places]
    return [Page(made, first_heading(made, is_markdown=True), lines=lines)]


def _markdown(lines: Sequence[str], first: int = 0) -> _Pieces:
    """Headings, code blocks, admonitions and inline marks as Markdown; what is unknown stays as it is.

    ``first`` is the place of the first line in the whole text.
    """
    out: _Pieces = []
    levels: list[str] = []
    place = 0
    while place < len(lines):
        line = lines[place]
        if heading := _heading(lines, place):
            style, words, used = heading
            if style not in levels:
                levels.append(style)
            out.append((first + place + used - 2, f"{'#' * min(levels.index(style) + 1, 6)} {words}"))
            place += used
        elif written := _literal(lines, place) or _directive(lines, place):
            out.extend((first + at, piece) for at, piece in written[0])
            place = written[1]
        else:
            if not _TARGET.match(line):
                out.append((first + place, _inline(line)))
            place += 1
    return out


def _heading(lines: Sequence[str], place: int) -> tuple[str, str, int] | None:
    """The adornment, words and number of lines of a heading that begins on this line."""
    three = [*lines[place : place + 3], "", "", ""][:3]
    is_over = _ADORNMENT.match(three[0]) and three[1].strip() and three[0].strip() == three[2].strip()
    if is_over and len(three[0].strip()) >= len(three[1].strip()):
        return three[0][0] * 2, _inline(three[1].strip()), 3
    is_under = _ADORNMENT.match(three[1]) and three[0].strip() and not three[0].startswith(" ")
    follows_gap = place == 0 or not lines[place - 1].strip() or lines[place - 1].startswith(".. ")
    if is_under and follows_gap and not _ADORNMENT.match(three[0]) and len(three[1].strip()) >= len(three[0].strip()):
        return three[1][0], _inline(three[0].strip()), 2
    return None


def _literal(lines: Sequence[str], place: int) -> tuple[_Pieces, int] | None:
    """A paragraph that ends in ``::``, with the literal text below it as a code block."""
    line = lines[place]
    if not line.rstrip().endswith("::") or line.lstrip().startswith(".."):
        return None
    block, first, end = _indented(lines, place)
    if not block:
        return None
    lead = _inline(re.sub(r"\s*::\s*$", ":", line)) if line.strip() != "::" else ""
    return [(place, lead), (place, ""), *_code(block, first), (end, "")], end


def _code(block: Sequence[str], first: int, language: str = "") -> _Pieces:
    """Lines as a code block, whose opening stands for the first of them."""
    opening, _, code = fenced("\n".join(block), language).partition("\n")
    return [(first, opening), (first, code)]


def _directive(lines: Sequence[str], place: int) -> tuple[_Pieces, int] | None:
    """A directive with what stands indented below it; a comment likewise, which gives nothing."""
    line = lines[place]
    match = _DIRECTIVE.match(line)
    if match is None:
        is_comment = line.strip() == ".." or (line.lstrip().startswith(".. ") and not _TARGET.match(line))
        return ([], _indented(lines, place)[2]) if is_comment else None
    name, argument = match.group(2).lower(), (match.group(3) or "").strip()
    block, first, end = _indented(lines, place)
    while block and _OPTION.match(" " + block[0]):
        block.pop(0)
        first += 1
    block, first = _trimmed(block, first)
    if name in _CODE:
        language = argument if re.fullmatch(r"[\w+#.-]{1,20}", argument) else ""
        return ([*_code(block, first, language), (end, "")] if block else []), end
    if name in _DROPPED.split():
        return [], end
    inner = _markdown(block, first) or [(first, "")] if block else []
    if name in _ADMONITIONS.split():
        head = f"**{_admonition(name)}** {_inline(argument)}".rstrip()
        return [(place, ""), (place, head), *inner, (end, "")], end
    is_definition = name.rpartition(":")[2] in _DEFINITIONS.split() or ":" in name
    head = f"**`{argument}`**" if argument and is_definition else _inline(argument)
    return [(place, ""), (place, head), (place, ""), *inner, (end, "")], end


def _admonition(name: str) -> str:
    words = {
        "seealso": "See also:",
        "versionadded": "New in version",
        "versionchanged": "Changed in version",
        "deprecated": "Deprecated since version",
        "admonition": "Note:",
    }
    return words.get(name, f"{name.capitalize()}:")


def _indented(lines: Sequence[str], place: int) -> tuple[list[str], int, int]:
    """The lines below this one that are indented deeper, without their common margin, their place, and that after."""
    margin = len(lines[place]) - len(lines[place].lstrip())
    end = place + 1
    while end < len(lines) and (not lines[end].strip() or len(lines[end]) - len(lines[end].lstrip()) > margin):
        end += 1
    block, first = _trimmed(lines[place + 1 : end], place + 1)
    inner = min((len(each) - len(each.lstrip()) for each in block if each.strip()), default=0)
    # The blank lines before the next text belong to that, not to the block.
    last = end
    while last > place + 1 and not lines[last - 1].strip():
        last -= 1
    return [each[inner:] for each in block], first, last


def _trimmed(block: Sequence[str], first: int) -> tuple[list[str], int]:
    """Lines without blank ones before and behind them, and the place of the first that is kept."""
    kept = list(block)
    while kept and not kept[-1].strip():
        kept.pop()
    while kept and not kept[0].strip():
        kept.pop(0)
        first += 1
    return kept, first


def _inline(line: str) -> str:
    """Roles, references and doubled backquotes in the way Markdown has them; marks of footnotes are dropped."""
    line = re.sub(r"\s*\[[#*][\w-]*\]_(?!\w)", "", line)
    line = re.sub(r"``(.+?)``", r"`\1`", line)
    line = re.sub(r":[\w:.+-]+:`([^`<]+?)\s*<[^`>]*>`", r"\1", line)
    line = re.sub(r":[\w:.+-]+:`[~!]?([^`]+)`", r"`\1`", line)
    line = re.sub(r"`([^`<]+?)\s*<([^`>]+)>`__?", r"[\1](\2)", line)
    return re.sub(r"(?<!`)`([^`<>]+)`_(?!\w)", r"\1", line)
