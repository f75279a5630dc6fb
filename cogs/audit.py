"""/audit: what admins have changed on this server, the latest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands, ui
from discord.ext import commands

from bot.admin.audit_list import MAX_ENTRIES, build_page
from bot.discord_adapter import defer
from bot.discord_adapter.components import FORGED, AdminOnly, CustomId
from bot.discord_adapter.replies import edit_original_message, send_ephemeral

if TYPE_CHECKING:
    from bot.discord_adapter.visibility import Visibility
    from bot.records import Records

_PAGE = "page"
_MAX_DIGITS = 4


class Audit(AdminOnly, commands.Cog):
    """The command that shows the audit log."""

    component_family = "audit"

    def __init__(self, records: Records, visibility: Visibility) -> None:
        self._records = records
        self._visibility = visibility

    @app_commands.command()
    @app_commands.guild_only()
    @app_commands.default_permissions(manage_guild=True)
    async def audit(self, interaction: discord.Interaction[Any]) -> None:
        """Show what admins have changed on this server."""
        if await defer(interaction, ephemeral=True):
            text, view = await self._build_page(interaction, 0)
            await send_ephemeral(interaction, text, view=view)

    async def handle_component(self, interaction: discord.Interaction[Any], custom_id: CustomId) -> None:
        """Show another page."""
        number = custom_id.argument
        if custom_id.action != _PAGE or not (number.isascii() and number.isdecimal()) or len(number) > _MAX_DIGITS:
            await send_ephemeral(interaction, FORGED)
            return
        await interaction.response.defer()
        text, view = await self._build_page(interaction, int(number))
        await edit_original_message(interaction, text, components=view.to_components())

    async def _build_page(self, interaction: discord.Interaction[Any], number: int) -> tuple[str, ui.View]:
        """Return one page as this admin may see it, with the buttons to other pages."""
        entries = await self._records.load_audit_log(interaction.guild_id, MAX_ENTRIES)
        own = await self._visibility.scope_for_interaction(interaction, is_private=True)
        manageable = await self._visibility.manageable_collections(interaction)
        page = build_page(entries, number, own.collections | frozenset(manageable))
        view = ui.View(timeout=None)
        for label, to in (("Back", page.number - 1), ("Next", page.number + 1)):
            if 0 <= to <= page.last:
                view.add_item(ui.Button(label=label, custom_id=str(CustomId(self.component_family, _PAGE, str(to)))))
        view.stop()  # discord.py need not store it: its clicks come to ``on_interaction``
        return page.text, view
