"""What a viewer is offered, as the page is told it: slash commands with their options, and message menus. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.simulator.command_options import SUB_COMMAND_KINDS, OptionKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bot.simulator.message_drafts import Json

_SLASH_COMMAND = 1
_MESSAGE_COMMAND = 3


def serialize_commands(offered: Mapping[int, Sequence[Json]]) -> list[Json]:
    """The slash commands, by name, a sub-command with that of its command; from what each channel offers."""
    known: dict[str, Json] = {}
    for channel_id, registered in offered.items():
        for command in registered:
            for name, used in _iter_usable_commands(command) if command.get("type", 1) == _SLASH_COMMAND else ():
                shown = known.setdefault(name, _serialize_command(name, used) | {"channels": []})
                shown["channels"].append(str(channel_id))
    return sorted(known.values(), key=lambda command: str(command["name"]))


def list_context_menus(offered: Mapping[int, Sequence[Json]]) -> list[str]:
    """What can be picked from a message's menu, by name."""
    registered = [command for commands in offered.values() for command in commands]
    return sorted({str(command["name"]) for command in registered if command.get("type", 1) == _MESSAGE_COMMAND})


def _iter_usable_commands(command: Json) -> Iterator[tuple[str, Json]]:
    """A command by its whole name, or each of its sub-commands by theirs."""
    nested = [option for option in command.get("options") or [] if option["type"] in SUB_COMMAND_KINDS]
    if not nested:
        yield command["name"], command
    for option in nested:
        yield from ((f"{command['name']} {name}", used) for name, used in _iter_usable_commands(option))


def _serialize_command(name: str, command: Json) -> Json:
    options: list[Json] = command.get("options") or []
    return {
        "name": name,
        "description": command.get("description", ""),
        "options": [_serialize_option(o) for o in options],
    }


def _serialize_option(option: Json) -> Json:
    choices: list[Json] = option.get("choices") or []
    return {
        "name": option["name"],
        "kind": OptionKind(option["type"]).name.lower(),
        "description": str(option.get("description") or ""),
        "is_required": bool(option.get("required", False)),
        "choices": [{"name": str(c["name"]), "value": c["value"]} for c in choices],
        "suggests": bool(option.get("autocomplete", False)),
    }
