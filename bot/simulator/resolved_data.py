"""Whom and what an interaction's data names by id: users, roles, channels, files, messages. Pure."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from bot.simulator.command_options import OptionKind, flatten_options
from bot.simulator.components import ComponentKind, walk_components

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bot.simulator.message_drafts import Json

_RESOLVED_BY_OPTION = {
    OptionKind.USER: "users",
    OptionKind.CHANNEL: "channels",
    OptionKind.ROLE: "roles",
    OptionKind.MENTIONABLE: "mentionables",
    OptionKind.ATTACHMENT: "attachments",
}
_RESOLVED_BY_COMPONENT = {
    ComponentKind.USER_SELECT: "users",
    ComponentKind.ROLE_SELECT: "roles",
    ComponentKind.MENTIONABLE_SELECT: "mentionables",
    ComponentKind.CHANNEL_SELECT: "channels",
    ComponentKind.FILE_UPLOAD: "attachments",
}


def collect_resolved_ids(data: Json) -> Mapping[str, list[int]]:
    """The ids in an interaction's data, by what they are of; a mentionable is a user or a role."""
    found: dict[str, list[int]] = defaultdict(list)
    for what, value in _iter_resolved_ids(data):
        found[what].append(int(value))
    return found


def _iter_resolved_ids(data: Json) -> Iterator[tuple[str, str]]:
    if "target_id" in data:
        yield "messages", data["target_id"]
    for option in flatten_options(data):
        if what := _RESOLVED_BY_OPTION.get(option["type"]):
            yield what, option["value"]
    chosen: list[Json] = [{"type": data.get("component_type"), "values": data.get("values")}]
    for component in [*chosen, *walk_components(data.get("components") or [])]:
        if what := _RESOLVED_BY_COMPONENT.get(component["type"]):
            yield from ((what, value) for value in component.get("values") or [])
