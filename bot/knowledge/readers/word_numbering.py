"""Counts Word's automatic numbers: what stands before a heading or a clause and is not in its text."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, Final

_W: Final = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_ROMAN: Final = ((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"),
                 (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"))  # fmt: skip
_MAX_ROMAN: Final = 4_000
_STYLE_DEPTH: Final = 20
# A list that Markdown can number: its items stay a list.
_PLAIN_LIST: Final = re.compile(r"%\d[.)]")


@dataclass(frozen=True, slots=True)
class _Level:
    """One level of a numbering: its first number, its kind of digits, and its text, such as ``%1.%2``."""

    start: int = 1
    kind: str = "decimal"
    text: str = ""


@dataclass(slots=True)
class Numbering:
    """Gives each numbered paragraph its label, in the document's order."""

    levels: dict[str, dict[int, _Level]] = field(default_factory=dict[str, dict[int, _Level]])
    lists: dict[str, str] = field(default_factory=dict[str, str])
    styles: dict[str, tuple[str, int, bool]] = field(default_factory=dict[str, tuple[str, int, bool]])
    _counts: defaultdict[str, dict[int, int]] = field(default_factory=lambda: defaultdict(dict))

    def next_label(self, paragraph: Any) -> str:
        """Return a paragraph's label; "" where it has none or where Markdown numbers it.

        A label that is returned is no longer counted by others: the paragraph's own numbering is taken off.
        """
        properties = paragraph.find(f"{_W}pPr")
        style = "" if properties is None else _get_value(properties.find(f"{_W}pStyle"))
        number, level, is_heading = self.styles.get(style, ("", 0, False))
        own = None if properties is None else properties.find(f"{_W}numPr")
        if own is not None:
            number = _get_value(own.find(f"{_W}numId")) or number
            given = _get_value(own.find(f"{_W}ilvl"))
            level = int(given) if given.isdecimal() else level
        is_heading = is_heading or (properties is not None and properties.find(f"{_W}outlineLvl") is not None)
        kind = self.levels.get(self.lists.get(number, ""), {})
        if number in {"", "0"} or level not in kind:
            return ""
        label = self._count(self.lists[number], kind, level)
        if kind[level].kind in {"bullet", "none"} or (not is_heading and _PLAIN_LIST.fullmatch(kind[level].text)):
            return ""
        if own is not None and properties is not None:
            properties.remove(own)
        return label

    def _count(self, name: str, kind: dict[int, _Level], level: int) -> str:
        counts = self._counts[name]
        counts[level] = counts.get(level, kind[level].start - 1) + 1
        for deeper in [each for each in counts if each > level]:
            del counts[deeper]
        shown = {each: counts.get(each, kind[each].start) for each in kind}

        def write(match: re.Match[str]) -> str:
            wanted = int(match[1]) - 1
            return _format_number(shown.get(wanted, 1), kind.get(wanted, _Level()).kind)

        return re.sub(r"%(\d)", write, kind[level].text).strip()


def read_numbering(numbering: Any, styles: Any) -> Numbering:
    """Read the parts in which Word keeps lists and styles; None where a document has no such part."""
    made = Numbering()
    if numbering is not None:
        for each in numbering.iter(f"{_W}abstractNum"):
            made.levels[str(each.get(f"{_W}abstractNumId"))] = _read_levels(each)
        for each in numbering.iter(f"{_W}num"):
            made.lists[str(each.get(f"{_W}numId"))] = _get_value(each.find(f"{_W}abstractNumId"))
    if styles is not None:
        known = {str(each.get(f"{_W}styleId")): each for each in styles.iter(f"{_W}style")}
        made.styles = {name: _read_style(each, known) for name, each in known.items()}
    return made


def _read_levels(element: Any) -> dict[int, _Level]:
    levels: dict[int, _Level] = {}
    for each in element.iter(f"{_W}lvl"):
        place, start = str(each.get(f"{_W}ilvl") or ""), _get_value(each.find(f"{_W}start"))
        if place.isdecimal():
            kind, text = _get_value(each.find(f"{_W}numFmt")) or "decimal", _get_value(each.find(f"{_W}lvlText"))
            levels[int(place)] = _Level(int(start) if start.isdecimal() else 1, kind, text)
    return levels


def _read_style(style: Any, known: dict[str, Any]) -> tuple[str, int, bool]:
    """Return the list and level that a style or those it is based on name, and whether it is a heading's."""
    number, level, is_heading = "", "", False
    for _ in range(_STYLE_DEPTH):
        name = _get_value(style.find(f"{_W}name")).lower()
        found = style.find(f"{_W}pPr/{_W}numPr")
        number = number or ("" if found is None else _get_value(found.find(f"{_W}numId")))
        level = level or ("" if found is None else _get_value(found.find(f"{_W}ilvl")))
        is_heading = is_heading or name.startswith("heading") or style.find(f"{_W}pPr/{_W}outlineLvl") is not None
        base = known.get(_get_value(style.find(f"{_W}basedOn")))
        if base is None:
            break
        style = base
    return number, int(level) if level.isdecimal() else 0, is_heading


def _get_value(element: Any) -> str:
    return "" if element is None else str(element.get(f"{_W}val") or "")


def _format_number(number: int, kind: str) -> str:
    if kind in {"lowerLetter", "upperLetter"} and number > 0:
        letters = chr(97 + (number - 1) % 26) * ((number - 1) // 26 + 1)
        return letters.upper() if kind == "upperLetter" else letters
    if kind in {"lowerRoman", "upperRoman"} and 0 < number < _MAX_ROMAN:
        written = ""
        for value, sign in _ROMAN:
            count, number = divmod(number, value)
            written += sign * count
        return written.upper() if kind == "upperRoman" else written
    return f"{number:02}" if kind == "decimalZero" else str(number)
