"""Reads what Office files draw: charts' figures, the text of diagrams, and formulas in one line."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from bot.knowledge.readers.page import format_row
from bot.knowledge.readers.zip_guard import parse_xml

if TYPE_CHECKING:
    from collections.abc import Iterator

_MATH_DEPTH: Final = 60
_MATH_FORMS: Final = {
    "f": "({num})/({den})",
    "sSup": "{e}^({sup})",
    "sSub": "{e}_({sub})",
    "sSubSup": "{e}_({sub})^({sup})",
    "rad": "{deg}√({e})",
    "nary": "{sign}_({sub})^({sup}) {e}",
    "func": "{fName}({e})",
}
_MATH_LISTS: Final = {"d": ("(", ")"), "mr": ("[", "]")}
_SKIPPED_MATH: Final = frozenset({"rPr", "ctrlPr", "fPr", "sSupPr", "sSubPr", "radPr", "naryPr", "dPr", "funcPr"})


def read_chart(content: bytes) -> str:
    """Return a chart's title and figures, one line for each category, whatever its kind."""
    tree = parse_xml(content, "chart")
    if tree is None:
        return ""
    title = next((" ".join(_join_texts(each).split()) for each in tree.iter("{*}title")), "")
    series = [_read_series(each) for each in tree.iter("{*}ser")]
    lines = [title] if title else []
    places = sorted({place for _, categories, values in series for place in (*categories, *values)})
    for place in places:
        category = next((categories[place] for _, categories, _ in series if place in categories), str(place + 1))
        names = [name for name, _, _ in series]
        lines.append(f"- {category}: {format_row(names, [values.get(place, '') for _, _, values in series])}")
    return "\n".join(lines)


def _read_series(element: Any) -> tuple[str, dict[int, str], dict[int, str]]:
    """Return a series' name, its categories and its values, by their place."""
    name = next((" ".join(_join_values(each)) for each in element.iterchildren("{*}tx")), "")
    categories = next((_read_points(each) for each in element.iterchildren("{*}cat", "{*}xVal")), {})
    values = next((_read_points(each) for each in element.iterchildren("{*}val", "{*}yVal")), {})
    return name, categories, {place: _format_figure(value) for place, value in values.items()}


def _read_points(element: Any) -> dict[int, str]:
    points: dict[int, str] = {}
    for point in element.iter("{*}pt"):
        index = str(point.get("idx") or "")
        value = str(point.findtext("{*}v") or "").strip()
        if index.isdecimal() and value:
            place = int(index)
            points[place] = f"{value} {points[place]}" if place in points else value  # several levels, outermost last
    return points


def _join_values(element: Any) -> list[str]:
    return [str(each.text).strip() for each in element.iter("{*}v") if each.text]


def _format_figure(value: str) -> str:
    try:
        return f"{float(value):g}"
    except ValueError:
        return value


def read_diagram(content: bytes) -> str:
    """Return the text of a diagram's points, one line each (SmartArt)."""
    tree = parse_xml(content, "diagram")
    if tree is None:
        return ""
    texts = (" ".join(_join_texts(point).split()) for point in tree.iter("{*}pt"))
    return "\n".join(f"- {text}" for text in texts if text)


def _join_texts(element: Any) -> str:
    return " ".join(str(each.text) for each in element.iter("{*}t") if each.text)


def read_math(element: Any) -> str:
    """Return a formula of Office as text in one line: ``(a+b)/(2)``, ``x^(2)``, ``√(x)``."""
    return " ".join("".join(_iterate_math(element, 0)).split())


def _iterate_math(element: Any, depth: int) -> Iterator[str]:
    name = str(element.tag).rpartition("}")[2]
    if depth > _MATH_DEPTH or name in _SKIPPED_MATH:
        return
    if name == "t":
        yield element.text or ""
        return
    parts = [
        (str(child.tag).rpartition("}")[2], "".join(_iterate_math(child, depth + 1)))
        for child in element
        if isinstance(child.tag, str)
    ]
    if name in _MATH_LISTS:
        opening, closing = _MATH_LISTS[name]
        yield opening + ", ".join(text for part, text in parts if part == "e") + closing
    elif name in _MATH_FORMS:
        inner = defaultdict(str, parts)
        sign = next((value for each in element.iter("{*}chr") for value in each.values()), "∫")
        yield _MATH_FORMS[name].format_map(defaultdict(str, {**inner, "sign": sign}))
    else:
        yield "".join(text for _, text in parts)
