"""Dispatches buttons, selects and modals that work after a restart: one format of custom ids, one handler per cog.

A custom id is ``family:action:argument``; the family names the cog. Nothing else is stored anywhere, so a component
works after a restart, and each click is checked again: who, and where.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import discord
from discord import ui

from bot.discord_adapter.replies import AdminsOnly, report_error, send_ephemeral

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from bot.discord_adapter.deduplication import EventDeduplicator
    from bot.discord_adapter.supervision import InteractionSupervisor
    from bot.discord_adapter.visibility import Visibility

FORGED = "This button is not from this bot."
STALE_MODAL = "Docent was restarted while this form was open, so it was not sent. Open the form again."

_GRAMMAR = r"(?P<family>[a-z]{1,20}):(?P<action>[a-z]{1,20}):(?P<argument>(?s:.{0,90}))"
_CUSTOM_ID = re.compile(_GRAMMAR)
_MODAL_ACTION = "modal"


@dataclass(frozen=True, slots=True)
class CustomId:
    """The id of a component: its cog's family, its action, and what the action is for."""

    family: str
    action: str
    argument: str = ""

    def __str__(self) -> str:
        """Return it as Discord has it; at most 100 characters."""
        return f"{self.family}:{self.action}:{self.argument}"


def parse_custom_id(custom_id: str) -> CustomId | None:
    """Return the parts of a custom id; None if it was never one of ours."""
    match = _CUSTOM_ID.fullmatch(custom_id)
    return CustomId(match["family"], match["action"], match["argument"]) if match else None


def custom_id_of(interaction: discord.Interaction[Any]) -> str:
    """Return the custom id of the component or modal that was used; "" for commands."""
    data: Any = interaction.data or {}
    return str(data.get("custom_id", ""))


def selected_values(interaction: discord.Interaction[Any]) -> list[str]:
    """Return what was picked in a select."""
    data: Any = interaction.data or {}
    values = data.get("values", [])
    return [str(value) for value in values] if isinstance(values, list) else []


@runtime_checkable
class ComponentHandler(Protocol):
    """A cog that handles the components of its family."""

    component_family: str

    def interaction_check(self, interaction: discord.Interaction[Any], /) -> bool | Awaitable[bool]:
        """Return whether the person may use it; may raise ``AdminsOnly``."""
        ...

    async def handle_component(self, interaction: discord.Interaction[Any], custom_id: CustomId) -> None:
        """Do what the component is for. Whatever is raised is reported to the person who used it."""
        ...


class AdminOnly:
    """A cog whose commands and components are for admins only, whatever the server's settings allow."""

    _visibility: Visibility

    async def interaction_check(self, interaction: discord.Interaction[Any], /) -> bool:
        """Admit admins.

        Raises:
            AdminsOnly: it is somebody else.
        """
        if not self._visibility.is_admin(interaction):
            raise AdminsOnly
        return True


class ComponentRouter:
    """Passes each component to the cog of its family, once."""

    def __init__(self, events: EventDeduplicator, supervisor: InteractionSupervisor) -> None:
        self._events = events
        self._supervisor = supervisor
        self._handlers: dict[str, ComponentHandler] = {}
        self._process_token = secrets.token_hex(4)

    def add(self, handler: ComponentHandler) -> None:
        """Hand components of this handler's family to it from now on."""
        self._handlers[handler.component_family] = handler

    def create_modal_id(self, family: str, interaction: discord.Interaction[Any]) -> str:
        """Return the custom id of a modal that discord.py remembers until the process ends."""
        return str(CustomId(family, _MODAL_ACTION, f"{self._process_token}.{interaction.id}"))

    def is_dispatched_by_library(self, interaction: discord.Interaction[Any]) -> bool:
        """Return whether discord.py itself dispatches it: a component of its message, or a modal of this process.

        It drops the others without a reply: forged clicks, and modals that a restart left open.
        """
        custom_id = custom_id_of(interaction)
        if interaction.type is discord.InteractionType.modal_submit:
            parsed = parse_custom_id(custom_id)
            return (
                parsed is not None
                and parsed.action == _MODAL_ACTION
                and parsed.argument.startswith(f"{self._process_token}.")
            )
        if interaction.message is None or parse_custom_id(custom_id) is None:
            return False
        return any(
            getattr(item, "custom_id", None) == custom_id
            for item in ui.View.from_message(interaction.message).walk_children()
        )

    async def dispatch(self, interaction: discord.Interaction[Any]) -> None:
        """Have a component or modal handled; whatever fails is reported to the person who used it."""
        if not self._events.is_first(interaction.id):
            return
        self._supervisor.watch(interaction)
        custom_id = parse_custom_id(custom_id_of(interaction))
        handler = self._handlers.get(custom_id.family) if custom_id else None
        try:
            if custom_id is None or handler is None:
                await send_ephemeral(interaction, FORGED)
            elif custom_id.action == _MODAL_ACTION:
                await send_ephemeral(interaction, STALE_MODAL)
            elif await discord.utils.maybe_coroutine(handler.interaction_check, interaction):
                await handler.handle_component(interaction, custom_id)
        except Exception as error:  # noqa: BLE001 - the edge: whoever clicked must get a reply
            await report_error(interaction, error)


class PersistentComponent(ui.DynamicItem[ui.Item[Any]], template=_GRAMMAR):
    """Any button or select of this bot, however old: discord.py creates it again from its custom id."""

    @classmethod
    async def from_custom_id(
        cls,
        interaction: discord.Interaction[Any],  # noqa: ARG003 - as discord.py calls it
        item: ui.Item[Any],
        match: re.Match[str],  # noqa: ARG003 - as discord.py calls it
        /,
    ) -> PersistentComponent:
        """Wrap the component that was used."""
        return cls(item)

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Pass the component to its cog."""
        await interaction.client.components.dispatch(interaction)


class Modal(ui.Modal):
    """A modal that is handled once, and whose errors are reported to the person who sent it."""

    async def interaction_check(self, interaction: discord.Interaction[Any], /) -> bool:
        """Ignore what was delivered before."""
        is_first = bool(interaction.client.events.is_first(interaction.id))
        if is_first:
            interaction.client.supervisor.watch(interaction)
        return is_first

    async def on_submit(self, interaction: discord.Interaction[Any], /) -> None:
        """Do what the modal is for; report what fails."""
        try:
            await self.submit(interaction)
        except Exception as error:  # noqa: BLE001 - the edge: whoever sent it must get a reply
            await report_error(interaction, error)

    async def submit(self, interaction: discord.Interaction[Any]) -> None:
        """Do what the modal is for."""
        raise NotImplementedError
