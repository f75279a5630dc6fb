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
    SUB_COMMAND_GROUP = 2
    STRING = 3
    INTEGER = 4
    BOOLEAN = 5
    USER = 6
    CHANNEL = 7
    ROLE = 8
    MENTIONABLE = 9
    NUMBER = 10
    ATTACHMENT = 11


SUB_COMMAND_KINDS = {OptionKind.SUB_COMMAND, OptionKind.SUB_COMMAND_GROUP}
NUMBER_PARSERS: dict[OptionKind, Callable[[str], float]] = {OptionKind.INTEGER: int, OptionKind.NUMBER: float}


def encode_options(
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
        inner = first(o for o in declared if o["name"] == path[0] and o["type"] in SUB_COMMAND_KINDS)
        inside = encode_options(inner, path[1:], options, focused=focused)
        return [{"name": path[0], "type": inner["type"], "options": inside}]
    if any(option["type"] in SUB_COMMAND_KINDS for option in declared):
        raise LookupError(f"/{command['name']} wants one of its sub-commands")
    known = {option["name"]: option for option in declared}
    if strange := options.keys() - known.keys():
        raise LookupError(f"there is no option {strange.pop()!r}")
    if focused is not None:
        return [
            _encode_partial_option(known[name], value, is_focused=name == focused) for name, value in options.items()
        ]
    if missing := [name for name, option in known.items() if option.get("required") and name not in options]:
        raise ValueError(f"{missing[0]} is required")
    return [
        {"name": n, "type": known[n]["type"], "value": encode_value(known[n], value)} for n, value in options.items()
    ]


def _encode_partial_option(option: Json, value: object, *, is_focused: bool) -> Json:
    about = {"name": option["name"], "type": option["type"]}
    if not is_focused:
        return about | {"value": encode_value(option, value)}
    if not option.get("autocomplete"):
        raise LookupError(f"{option['name']} offers nothing while it is typed")
    return about | {"value": str(value), "focused": True}


def encode_value(option: Json, value: object) -> object:
    """A value as the wire carries it: text, a number, a boolean, or the id of what was chosen.

    Raises:
        ValueError: the option does not take this.
    """
    match OptionKind(option["type"]):
        case OptionKind.STRING:
            taken: object = _check_range(option, str(value), len(str(value)), "length")
        case OptionKind.INTEGER | OptionKind.NUMBER as kind:
            number = _parse_number(kind, option["name"], value)
            taken = _check_range(option, number, number, "value")
        case OptionKind.BOOLEAN:
            if value not in {True, False}:
                raise ValueError(f"{option['name']} is true or false")
            return bool(value)
        case _:
            return str(int(_parse_number(OptionKind.INTEGER, option["name"], value)))
    choices: list[Json] = option.get("choices") or []
    if choices and taken not in [choice["value"] for choice in choices]:
        raise ValueError(f"{option['name']} is one of {', '.join(choice['name'] for choice in choices)}")
    return taken


def _parse_number(kind: OptionKind, name: str, value: object) -> float:
    try:
        return NUMBER_PARSERS[kind](str(value))
    except ValueError as error:
        raise ValueError(f"{name} is not {value!r}") from error


def _check_range(option: Json, value: object, size: float, what: str) -> object:
    lowest, highest = option.get(f"min_{what}"), option.get(f"max_{what}")
    if (lowest is not None and size < lowest) or (highest is not None and size > highest):
        raise ValueError(f"{option['name']} has a {what} of {lowest or 0} to {highest}")
    return value


def format_command_path(data: Json) -> str:
    """What was used, by its whole name: "docs add"."""
    nested = next((option for option in data.get("options") or [] if option["type"] in SUB_COMMAND_KINDS), None)
    return f"{data['name']} {format_command_path(nested)}" if nested else str(data["name"])


def flatten_options(data: Json) -> list[Json]:
    """The options that hold a value, be they in a sub-command or not."""
    inside: list[Json] = data.get("options") or []
    return [
        value
        for option in inside
        for value in (flatten_options(option) if option["type"] in SUB_COMMAND_KINDS else [option])
    ]
