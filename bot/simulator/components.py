"""What stands below a message or in a form: found, pressed and filled in. Pure."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bot.simulator.message_drafts import Json

T = TypeVar("T")


class ComponentKind(IntEnum):
    """Discord's numbers for what stands below a message or in a form."""

    ACTION_ROW = 1
    BUTTON = 2
    STRING_SELECT = 3
    TEXT_INPUT = 4
    USER_SELECT = 5
    ROLE_SELECT = 6
    MENTIONABLE_SELECT = 7
    CHANNEL_SELECT = 8
    TEXT_DISPLAY = 10
    LABEL = 18
    FILE_UPLOAD = 19
    RADIO_GROUP = 21
    CHECKBOX_GROUP = 22
    CHECKBOX = 23


def first(items: Iterator[T]) -> T:
    """The first of them; ``LookupError`` if there is none."""
    for item in items:
        return item
    raise LookupError("there is none")


def walk_components(rows: Sequence[Json]) -> Iterator[Json]:
    """Every component in rows of them, however deep."""
    for component in rows:
        yield component
        inner: list[Any] = [*component.get("components", []), component.get("component"), component.get("accessory")]
        yield from walk_components([c for c in inner if c])


MULTI_VALUE_KINDS = {
    ComponentKind.STRING_SELECT,
    ComponentKind.USER_SELECT,
    ComponentKind.ROLE_SELECT,
    ComponentKind.MENTIONABLE_SELECT,
    ComponentKind.CHANNEL_SELECT,
    ComponentKind.FILE_UPLOAD,
    ComponentKind.CHECKBOX_GROUP,
}
"""Of what more than one may be chosen: it is sent back as a list."""


def build_component_data(component: Json, values: Sequence[object]) -> Json:
    """A button pressed, or a select with what was chosen, as an interaction carries it.

    Raises:
        LookupError: a value is not among those to choose from.
        ValueError: too few are chosen, or too many.
    """
    data: Json = {"custom_id": component["custom_id"], "component_type": component["type"]}
    return data | {"values": _validate_values(component, values)} if component["type"] in MULTI_VALUE_KINDS else data


def build_modal_components(components: Sequence[Json], values: Mapping[str, object]) -> list[Json]:
    """A form's components as they come back: each with what was typed, chosen or given, by its custom id.

    Raises:
        LookupError: a value is not among those to choose from.
        ValueError: too few are chosen, or too many.
    """
    sent: list[Json] = []
    for component in components:
        back: Json = {"type": component["type"], "id": component.get("id", 0)}
        if "components" in component:
            back["components"] = build_modal_components(component["components"], values)
        if "component" in component:
            (back["component"],) = build_modal_components([component["component"]], values)
        if "custom_id" in component:
            back |= {"custom_id": component["custom_id"]} | _encode_value(component, values.get(component["custom_id"]))
        sent.append(back)
    return sent


def _encode_value(component: Json, value: object) -> Json:
    kind = ComponentKind(component["type"])
    if value == "" and kind is ComponentKind.RADIO_GROUP:
        return {"value": None}  # required or not: a bot must be ready for a client that lets nothing be chosen
    if kind in MULTI_VALUE_KINDS or kind is ComponentKind.RADIO_GROUP:
        chosen = _validate_values(component, _find_default_values(component) if value is None else _to_list(value))
        return {"values": chosen} if kind in MULTI_VALUE_KINDS else {"value": next(iter(chosen), None)}
    if kind is ComponentKind.CHECKBOX:
        return {"value": bool(component.get("default", False) if value is None else value)}
    return {"value": "" if value is None else str(value)}


def _to_list(value: object) -> list[object]:
    """One value or several as several; no text is none."""
    return ([value] if value != "" else []) if isinstance(value, str | int) else list(cast("Sequence[object]", value))


def _find_default_values(component: Json) -> list[object]:
    """What the bot has chosen already, for a person to leave as it is."""
    given: list[Json] = component.get("default_values") or []
    options: list[Json] = component.get("options") or []
    return [one["id"] for one in given] or [option["value"] for option in options if option.get("default")]


def _validate_values(component: Json, values: Sequence[object]) -> list[str]:
    chosen = [str(value) for value in values]
    options: list[Json] | None = component.get("options")
    if options is not None and not set(chosen) <= {option["value"] for option in options}:
        raise LookupError("that is not one of the options")
    if options is None and not all(value.isascii() and value.isdecimal() for value in chosen):
        raise LookupError("that is not an id")
    is_group = component["type"] == ComponentKind.CHECKBOX_GROUP
    most = component.get("max_values") or (len(options or ()) if is_group else 1)
    least = 1 if component.get("min_values") is None else component["min_values"]
    may_be_left = not chosen and (least == 0 or component.get("required") is False)
    if not may_be_left and not least <= len(chosen) <= most:
        raise ValueError(f"{least} to {most} of them are to be chosen")
    return chosen
