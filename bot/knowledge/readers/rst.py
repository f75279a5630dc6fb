"""reStructuredText comes in; Markdown goes out, without what only Sphinx needs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bot.knowledge.readers.page import Page, clean_text, first_heading, format_code_block, map_line_numbers
from bot.knowledge.readers.text import decode_text

if TYPE_CHECKING:
    from collections.abc import Sequence

_ADORNMENT = re.compile(r"^([!-/:-@\[-`{-~])\1{2,}\s*$")
_DIRECTIVE = re.compile(r"^(\s*)\.\. (?:\|[^|]+\| )?([\w:.+-]+?)::(?:\s+(.*?))?\s*$")
_OPTION = re.compile(r"^\s+:[\w-]+:(?:\s|$)")
_TARGET = re.compile(r"^\s*\.\. (?:_[^:]+:|\[[^\]]+\])|^\s*__ ")
_CODE_DIRECTIVES = frozenset(
    {"code-block", "code", "sourcecode", "parsed-literal", "prompt", "literalinclude", "math", "doctest"}
)
# What stands below these is for Sphinx, or for the eye.
_IGNORED_DIRECTIVES = """
    toctree index contents highlight highlightlang currentmodule module sectionauthor codeauthor image figure raw
    include meta default-role replace unicode sectnum automodule autoclass autofunction tabularcolumns
"""
_DEFINITION_DIRECTIVES = """
    function method class data attribute exception option cmdoption envvar describe confval program property
    staticmethod classmethod decorator macro type
"""
_ADMONITION_DIRECTIVES = """
    note warning tip hint important attention caution danger error admonition seealso versionadded versionchanged
    deprecated todo
"""


_Pieces = list[tuple[int, str]]
"""Markdown in pieces of a line or more; each with the place of the line that it, or its beginning, was made from."""


def read_rst(content: bytes) -> list[Page]:
    """A reStructuredText file as Markdown."""
    text = decode_text(content)
    before = map_line_numbers([(1, text)])
    pieces = _convert_to_markdown(clean_text(text).expandtabs(4).split("\n"))
    made = "\n".join(piece for _, piece in pieces)
    places = map_line_numbers((place, f"{piece}\n") for place, piece in pieces)
    lines = [before[min(place, len(before) - 1)] for place in places]
    return [Page(made, first_heading(made, is_markdown=True), line_numbers=lines)]


def _convert_to_markdown(lines: Sequence[str], first_position: int = 0) -> _Pieces:
    """Headings, code blocks, admonitions and inline marks as Markdown; what is unknown stays as it is.

    ``first_position`` is the place of the first line in the whole text.
    """
    out: _Pieces = []
    levels: list[str] = []
    place = 0
    while place < len(lines):
        line = lines[place]
        if heading := _parse_heading(lines, place):
            style, words, used = heading
            if style not in levels:
                levels.append(style)
            out.append((first_position + place + used - 2, f"{'#' * min(levels.index(style) + 1, 6)} {words}"))
            place += used
        elif written := _parse_literal_block(lines, place) or _parse_directive(lines, place):
            out.extend((first_position + at, piece) for at, piece in written[0])
            place = written[1]
        else:
            if not _TARGET.match(line):
                out.append((first_position + place, _convert_inline(line)))
            place += 1
    return out


def _parse_heading(lines: Sequence[str], position: int) -> tuple[str, str, int] | None:
    """The adornment, words and number of lines of a heading that begins on this line."""
    three = [*lines[position : position + 3], "", "", ""][:3]
    is_over = _ADORNMENT.match(three[0]) and three[1].strip() and three[0].strip() == three[2].strip()
    if is_over and len(three[0].strip()) >= len(three[1].strip()):
        return three[0][0] * 2, _convert_inline(three[1].strip()), 3
    is_under = _ADORNMENT.match(three[1]) and three[0].strip() and not three[0].startswith(" ")
    follows_gap = position == 0 or not lines[position - 1].strip() or lines[position - 1].startswith(".. ")
    if is_under and follows_gap and not _ADORNMENT.match(three[0]) and len(three[1].strip()) >= len(three[0].strip()):
        return three[1][0], _convert_inline(three[0].strip()), 2
    return None


def _parse_literal_block(lines: Sequence[str], position: int) -> tuple[_Pieces, int] | None:
    """A paragraph that ends in ``::``, with the literal text below it as a code block."""
    line = lines[position]
    if not line.rstrip().endswith("::") or line.lstrip().startswith(".."):
        return None
    block, first, end = _find_indented_block(lines, position)
    if not block:
        return None
    lead = _convert_inline(re.sub(r"\s*::\s*$", ":", line)) if line.strip() != "::" else ""
    return [(position, lead), (position, ""), *_format_code(block, first), (end, "")], end


def _format_code(block: Sequence[str], position: int, language: str = "") -> _Pieces:
    """Lines as a code block, whose opening stands for the first of them."""
    opening, _, code = format_code_block("\n".join(block), language).partition("\n")
    return [(position, opening), (position, code)]


def _parse_directive(lines: Sequence[str], position: int) -> tuple[_Pieces, int] | None:
    """A directive with what stands indented below it; a comment likewise, which gives nothing."""
    line = lines[position]
    match = _DIRECTIVE.match(line)
    if match is None:
        is_comment = line.strip() == ".." or (line.lstrip().startswith(".. ") and not _TARGET.match(line))
        return ([], _find_indented_block(lines, position)[2]) if is_comment else None
    name, argument = match.group(2).lower(), (match.group(3) or "").strip()
    block, first, end = _find_indented_block(lines, position)
    while block and _OPTION.match(" " + block[0]):
        block.pop(0)
        first += 1
    block, first = _trim_blank_lines(block, first)
    if name in _CODE_DIRECTIVES:
        language = argument if re.fullmatch(r"[\w+#.-]{1,20}", argument) else ""
        return ([*_format_code(block, first, language), (end, "")] if block else []), end
    if name in _IGNORED_DIRECTIVES.split():
        return [], end
    inner = _convert_to_markdown(block, first) or [(first, "")] if block else []
    if name in _ADMONITION_DIRECTIVES.split():
        head = f"**{_format_admonition(name)}** {_convert_inline(argument)}".rstrip()
        return [(position, ""), (position, head), *inner, (end, "")], end
    is_definition = name.rpartition(":")[2] in _DEFINITION_DIRECTIVES.split() or ":" in name
    head = f"**`{argument}`**" if argument and is_definition else _convert_inline(argument)
    return [(position, ""), (position, head), (position, ""), *inner, (end, "")], end


def _format_admonition(name: str) -> str:
    words = {
        "seealso": "See also:",
        "versionadded": "New in version",
        "versionchanged": "Changed in version",
        "deprecated": "Deprecated since version",
        "admonition": "Note:",
    }
    return words.get(name, f"{name.capitalize()}:")


def _find_indented_block(lines: Sequence[str], position: int) -> tuple[list[str], int, int]:
    """The lines below this one that are indented deeper, without their common margin, their place, and that after."""
    margin = len(lines[position]) - len(lines[position].lstrip())
    end = position + 1
    while end < len(lines) and (not lines[end].strip() or len(lines[end]) - len(lines[end].lstrip()) > margin):
        end += 1
    block, first = _trim_blank_lines(lines[position + 1 : end], position + 1)
    inner = min((len(each) - len(each.lstrip()) for each in block if each.strip()), default=0)
    # The blank lines before the next text belong to that, not to the block.
    last = end
    while last > position + 1 and not lines[last - 1].strip():
        last -= 1
    return [each[inner:] for each in block], first, last


def _trim_blank_lines(block: Sequence[str], first_position: int) -> tuple[list[str], int]:
    """Lines without blank ones before and behind them, and the place of the first that is kept."""
    kept = list(block)
    while kept and not kept[-1].strip():
        kept.pop()
    while kept and not kept[0].strip():
        kept.pop(0)
        first_position += 1
    return kept, first_position


def _convert_inline(line: str) -> str:
    """Roles, references and doubled backquotes in the way Markdown has them; marks of footnotes are dropped."""
    line = re.sub(r"\s*\[[#*][\w-]*\]_(?!\w)", "", line)
    line = re.sub(r"``(.+?)``", r"`\1`", line)
    line = re.sub(r":[\w:.+-]+:`([^`<]+?)\s*<[^`>]*>`", r"\1", line)
    line = re.sub(r":[\w:.+-]+:`[~!]?([^`]+)`", r"`\1`", line)
    line = re.sub(r"`([^`<]+?)\s*<([^`>]+)>`__?", r"[\1](\2)", line)
    return re.sub(r"(?<!`)`([^`<>]+)`_(?!\w)", r"\1", line)
