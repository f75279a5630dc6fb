"""What stands below a message or in a form: found, pressed and filled in. Pure."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bot.preview.drafts import Json

T = TypeVar("T")


class ComponentKind(IntEnum):
    """Discord's numbers for what stands below a message or in a form."""

    ROW = 1
    BUTTON = 2
    STRING_SELECT = 3
    TEXT_INPUT = 4
    USER_SELECT = 5
    ROLE_SELECT = 6
    MENTIONABLE_SELECT = 7
    CHANNEL_SELECT = 8
    TEXT = 10
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


def walked(rows: Sequence[Json]) -> Iterator[Json]:
    """Every component in rows of them, however deep."""
    for component in rows:
        yield component
        inner: list[Any] = [*component.get("components", []), component.get("component"), component.get("accessory")]
        yield from walked([c for c in inner if c])


def filled(components: Sequence[Json], values: Mapping[str, str]) -> list[Json]:
    """A modal's components as they come back: each text input with what was typed."""
    sent: list[Json] = []
    for component in components:
        back: Json = {"type": component["type"], "id": component.get("id", 0)}
        if "components" in component:
            back["components"] = filled(component["components"], values)
        if "component" in component:
            (back["component"],) = filled([component["component"]], values)
        if "custom_id" in component:
            back |= {"custom_id": component["custom_id"], "value": values.get(component["custom_id"], "")}
        sent.append(back)
    return sent
