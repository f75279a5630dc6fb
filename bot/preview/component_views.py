"""What can be pressed, chosen and filled in, as the page is told it: below a message and in a form. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.simulator.channels import ChannelKind
from bot.simulator.components import MULTI_VALUE_KINDS, ComponentKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bot.simulator.members import User
    from bot.simulator.message_drafts import Json
    from bot.simulator.world import World

_LINK_STYLE = 5
_BUTTON_STYLES = {1: "primary", 2: "secondary", 3: "success", 4: "danger", _LINK_STYLE: "link"}
_PARAGRAPH_STYLE = 2
_INPUT_LENGTH_LIMIT = 4_000
"""Characters that a form's text field takes where the bot does not say."""

_INPUT_KINDS = {
    ComponentKind.TEXT_INPUT: "text",
    ComponentKind.FILE_UPLOAD: "files",
    ComponentKind.CHECKBOX: "checkbox",
}
"""What is not chosen from a list."""

_CHOICE_KINDS = MULTI_VALUE_KINDS - {ComponentKind.FILE_UPLOAD} | {ComponentKind.RADIO_GROUP}
_SELECT_KINDS = _CHOICE_KINDS - {ComponentKind.RADIO_GROUP, ComponentKind.CHECKBOX_GROUP}


class ComponentSerializer:
    """Shows the components of a world's messages and forms to one of its members."""

    def __init__(self, world: World, viewer: User) -> None:
        self._world = world
        self._viewer = viewer

    def serialize_buttons(self, rows: Sequence[Json]) -> Iterator[Json]:
        """The buttons below a message."""
        yield from (
            _serialize_button(component)
            for component in _iter_row_components(rows)
            if component["type"] == ComponentKind.BUTTON
        )

    def serialize_selects(self, rows: Sequence[Json], channel_id: int) -> Iterator[Json]:
        """The selects below a message."""
        for component in _iter_row_components(rows):
            if component["type"] in _SELECT_KINDS:
                label = str(component.get("placeholder") or "Choose")
                is_disabled = bool(component.get("disabled", False))
                yield self._serialize_field(component, label, "", channel_id) | {"is_disabled": is_disabled}

    def serialize_modal(self, components: Sequence[Json], channel_id: int, label: Json | None = None) -> Iterator[Json]:
        """A form's fields, whether in rows (the label is the input's) or in labels (theirs, with a description)."""
        for component in components:
            above = label or component
            if component["type"] in {*_INPUT_KINDS, *_CHOICE_KINDS}:
                words = str(above.get("label") or ""), str(above.get("description") or "")
                yield self._serialize_field(component, *words, channel_id)
            inner: list[Json] = component.get("components") or []
            yield from self.serialize_modal(inner, channel_id)
            if single := component.get("component"):
                yield from self.serialize_modal([single], channel_id, component)

    def _serialize_field(self, component: Json, label: str, hint: str, channel_id: int) -> Json:
        kind = ComponentKind(component["type"])
        is_group = kind is ComponentKind.CHECKBOX_GROUP
        choices = list(self._list_choices(component, channel_id))
        return {
            "id": str(component["custom_id"]),
            "kind": _INPUT_KINDS.get(kind, "choice"),
            "label": label,
            "hint": hint,
            "is_long": component.get("style") == _PARAGRAPH_STYLE,
            "is_required": bool(component.get("required", True)),
            "placeholder": str(component.get("placeholder") or ""),
            "value": str(component.get("value") or ""),
            "longest": int(component.get("max_length") or _INPUT_LENGTH_LIMIT),
            "most": int(component.get("max_values") or (len(choices) if is_group else 1)),
            "is_checked": bool(component.get("default", False)),
            "choices": choices,
        }

    def _list_choices(self, component: Json, channel_id: int) -> Iterator[Json]:
        """What there is to choose from: the options the bot named, or the people, roles and channels of the guild."""
        for option in component.get("options") or []:
            hint, is_chosen = str(option.get("description") or ""), bool(option.get("default", False))
            yield _serialize_choice(option["value"], option["label"], hint, is_chosen=is_chosen)
        chosen = {int(given["id"]) for given in component.get("default_values") or []}
        for some_id, name in self._list_selectable(ComponentKind(component["type"]), component, channel_id):
            yield _serialize_choice(some_id, name, is_chosen=some_id in chosen)

    def _list_selectable(self, kind: ComponentKind, component: Json, channel_id: int) -> Iterator[tuple[int, str]]:
        guild = self._world.guilds.get(self._world.channels[channel_id].guild_id or 0)
        if guild is None:
            return
        if kind in {ComponentKind.USER_SELECT, ComponentKind.MENTIONABLE_SELECT}:
            yield from ((user_id, self._world.users[user_id].name) for user_id in guild.members)
        if kind in {ComponentKind.ROLE_SELECT, ComponentKind.MENTIONABLE_SELECT}:
            yield from ((role.id, f"@{role.name}") for role in guild.roles.values())
        if kind is ComponentKind.CHANNEL_SELECT:
            wanted = {ChannelKind(k) for k in component.get("channel_types") or () if k in set(ChannelKind)}
            for channel in self._world.channels.values():
                is_seen = channel.guild_id == guild.id and self._world.can_see(self._viewer.id, channel.id)
                if is_seen and channel.kind in (wanted or set(ChannelKind)):
                    yield channel.id, f"#{channel.name}"


def _serialize_choice(value: object, label: object, hint: str = "", *, is_chosen: bool) -> Json:
    return {"value": str(value), "label": str(label), "hint": hint, "is_chosen": is_chosen}


def _iter_row_components(rows: Sequence[Json]) -> Iterator[Json]:
    for row in rows:
        yield from row.get("components") or []


def _serialize_button(component: Json) -> Json:
    emoji: Json = component.get("emoji") or {}
    url = str(component.get("url") or "")
    return {
        "id": str(component.get("custom_id") or ""),
        "label": f"{emoji.get('name') or ''} {component.get('label') or ''}".strip(),
        "style": _BUTTON_STYLES.get(component.get("style", 2), "secondary"),
        "url": url if url.startswith(("https://", "http://")) else "",
        "is_disabled": bool(component.get("disabled", False)),
    }
