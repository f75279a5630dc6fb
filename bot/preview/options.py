"""A slash command's options: what was typed, as an interaction carries it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.preview.components import first

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bot.preview.drafts import Json


def option_values(command: Json, path: Sequence[str], options: Mapping[str, object]) -> list[Json]:
    """The options as an interaction carries them: those of a sub-command inside it."""
    declared: list[Json] = command.get("options", [])
    if path:
        inner = first(option for option in declared if option["name"] == path[0])
        return [{"name": path[0], "type": inner["type"], "options": option_values(inner, path[1:], options)}]
    kinds = {option["name"]: option["type"] for option in declared}
    return [{"name": name, "type": kinds[name], "value": value} for name, value in options.items()]
