"""A slash command's options: what was typed or chosen, as an interaction carries it. Pure."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from bot.simulator.components import first

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bot.simulator.message_drafts import Json


class OptionKind(IntEnum):
    """Discord's numbers for what an option takes."""

    SUB_COMMAND = 1
    GROUP = 2
    STRING = 3
    INTEGER = 4
    BOOLEAN = 5
    USER = 6
    CHANNEL = 7
    ROLE = 8
    MENTIONABLE = 9
    NUMBER = 10
    ATTACHMENT = 11


NESTING = {OptionKind.SUB_COMMAND, OptionKind.GROUP}
NUMERIC: dict[OptionKind, Callable[[str], float]] = {OptionKind.INTEGER: int, OptionKind.NUMBER: float}


def option_values(
    command: Json, path: Sequence[str], options: Mapping[str, object], *, focused: str | None = None
) -> list[Json]:
    """The options as an interaction carries them: those of a sub-command inside it.

    With ``focused``, that option is being typed: its value is taken as it stands, and none needs to be there yet.

    Raises:
        LookupError: there is no such sub-command or option.
        ValueError: Discord would not let this be sent.
    """
    declared: list[Json] = command.get("options") or []
    if path:
        inner = first(o for o in declared if o["name"] == path[0] and o["type"] in NESTING)
        inside = option_values(inner, path[1:], options, focused=focused)
        return [{"name": path[0], "type": inner["type"], "options": inside}]
    if any(option["type"] in NESTING for option in declared):
        raise LookupError(f"/{command['name']} wants one of its sub-commands")
    known = {option["name"]: option for option in declared}
    if strange := options.keys() - known.keys():
        raise LookupError(f"there is no option {strange.pop()!r}")
    if focused is not None:
        return [_being_typed(known[name], value, is_focused=name == focused) for name, value in options.items()]
    if missing := [name for name, option in known.items() if option.get("required") and name not in options]:
        raise ValueError(f"{missing[0]} is required")
    return [{"name": n, "type": known[n]["type"], "value": given(known[n], value)} for n, value in options.items()]


def _being_typed(option: Json, value: object, *, is_focused: bool) -> Json:
    about = {"name": option["name"], "type": option["type"]}
    if not is_focused:
        return about | {"value": given(option, value)}
    if not option.get("autocomplete"):
        raise LookupError(f"{option['name']} offers nothing while it is typed")
    return about | {"value": str(value), "focused": True}


def given(option: Json, value: object) -> object:
    """A value as the wire carries it: text, a number, a boolean, or the id of what was chosen.

    Raises:
        ValueError: the option does not take this.
    """
    match OptionKind(option["type"]):
        case OptionKind.STRING:
            taken: object = _within(option, str(value), len(str(value)), "length")
        case OptionKind.INTEGER | OptionKind.NUMBER as kind:
            number = _number(kind, option["name"], value)
            taken = _within(option, number, number, "value")
        case OptionKind.BOOLEAN:
            if value not in {True, False}:
                raise ValueError(f"{option['name']} is true or false")
            return bool(value)
        case _:
            return str(int(_number(OptionKind.INTEGER, option["name"], value)))
    choices: list[Json] = option.get("choices") or []
    if choices and taken not in [choice["value"] for choice in choices]:
        raise ValueError(f"{option['name']} is one of {', '.join(choice['name'] for choice in choices)}")
    return taken


def _number(kind: OptionKind, name: str, value: object) -> float:
    try:
        return NUMERIC[kind](str(value))
    except ValueError as error:
        raise ValueError(f"{name} is not {value!r}") from error


def _within(option: Json, value: object, size: float, what: str) -> object:
    lowest, highest = option.get(f"min_{what}"), option.get(f"max_{what}")
    if (lowest is not None and size < lowest) or (highest is not None and size > highest):
        raise ValueError(f"{option['name']} has a {what} of {lowest or 0} to {highest}")
    return value


def path_of(data: Json) -> str:
    """What was used, by its whole name: "docs add"."""
    nested = next((option for option in data.get("options") or [] if option["type"] in NESTING), None)
    return f"{data['name']} {path_of(nested)}" if nested else str(data["name"])


def values_of(data: Json) -> list[Json]:
    """The options that hold a value, be they in a sub-command or not."""
    inside: list[Json] = data.get("options") or []
    return [value for option in inside for value in (values_of(option) if option["type"] in NESTING else [option])]
