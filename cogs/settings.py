"""/settings: admins show, change and reset the settings of their server."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.access import guild_settings
from bot.admin.guild_settings_text import find_mentions, format_change, format_settings
from bot.discord_adapter import defer
from bot.discord_adapter.components import AdminOnly
from bot.discord_adapter.replies import send_ephemeral
from bot.errors import GuildSettingInvalid
from bot.records import AuditEntry

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.access.admission import Admission
    from bot.discord_adapter.visibility import Visibility
    from bot.records import Json, Records

MAX_VALUE_LENGTH = 2_000
"""Characters of the longest value that is accepted."""

SETTING_NAME_CHOICES = [app_commands.Choice(name=name, value=name) for name in guild_settings.SETTING_PURPOSES]
UNKNOWN_SETTING = "There is no setting of that name."
NOT_IN_SERVER = "This server has no {what}."
RESET = "`{name}` has its default again."


@app_commands.guild_only()
@app_commands.default_permissions(manage_guild=True)
class GuildSettingsCog(
    AdminOnly, commands.GroupCog, group_name="settings", group_description="The settings of this server"
):
    """The commands for a server's settings.

    ``reads_messages``: the bot may read messages that do not mention it; ``clock`` returns Unix seconds.
    """

    def __init__(
        self,
        admission: Admission,
        records: Records,
        visibility: Visibility,
        *,
        reads_messages: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__()
        self._admission = admission
        self._records = records
        self._visibility = visibility
        self._reads_messages = reads_messages
        self._clock = clock

    @app_commands.command()
    async def show(self, interaction: discord.Interaction[Any]) -> None:
        """Show all settings of this server, and the operator's limits."""
        guild_id = await self._begin(interaction)
        if guild_id is None:
            return
        chosen = await self._admission.guild_settings.load(guild_id)
        operators = await self._admission.limits_for(None)
        for message in format_settings(chosen, operators, reads_messages=self._reads_messages):
            await send_ephemeral(interaction, message)

    @app_commands.command(name="set")
    @app_commands.describe(name="Which setting", value="Text, a number, yes or no, #channels, @roles with numbers")
    @app_commands.choices(name=SETTING_NAME_CHOICES)
    async def set_value(
        self, interaction: discord.Interaction[Any], name: str, value: app_commands.Range[str, 1, MAX_VALUE_LENGTH]
    ) -> None:
        """Change one setting of this server."""
        guild_id = await self._begin(interaction)
        if guild_id is None:
            return
        read = guild_settings.parse_setting(name, value)
        _ensure_in_guild(interaction.guild, name, read)
        await self._save_setting(interaction, guild_id, name, read.dump(name))
        operators = await self._admission.limits_for(None)
        await send_ephemeral(interaction, format_change(read, name, operators, reads_messages=self._reads_messages))

    @app_commands.command()
    @app_commands.describe(name="Which setting")
    @app_commands.choices(name=SETTING_NAME_CHOICES)
    async def reset(self, interaction: discord.Interaction[Any], name: str) -> None:
        """Reset one setting to its default."""
        guild_id = await self._begin(interaction)
        if guild_id is None:
            return
        if name not in guild_settings.SETTING_PURPOSES:
            raise GuildSettingInvalid(UNKNOWN_SETTING)
        await self._save_setting(interaction, guild_id, name, None)
        await send_ephemeral(interaction, RESET.format(name=name))

    async def _begin(self, interaction: discord.Interaction[Any]) -> int | None:
        """Acknowledge a command to its admin alone and return the guild; None if that failed."""
        return interaction.guild_id if await defer(interaction, ephemeral=True) else None

    async def _save_setting(self, interaction: discord.Interaction[Any], guild_id: int, name: str, value: Json) -> None:
        """Write the audit log entry, then the setting: no change is made without an entry.

        Raises:
            RecordsUnusable: it cannot be written; then nothing has changed.
        """
        details = {"name": name} if value is None else {"name": name, "value": value}
        command = "settings reset" if value is None else "settings set"
        await self._records.save_audit_entry(AuditEntry(self._clock(), guild_id, interaction.user.id, command, details))
        await self._admission.guild_settings.set(guild_id, name, value)


def _ensure_in_guild(guild: discord.Guild | None, name: str, settings: guild_settings.GuildSettings) -> None:
    """Check that the channels and roles that a value names are in this server.

    Raises:
        GuildSettingInvalid: something is not.
    """
    if guild is None:
        return
    channels, roles = find_mentions(settings, name)
    unknown = [f"channel <#{number}>" for number in channels if guild.get_channel_or_thread(number) is None]
    unknown += [f"role <@&{number}>" for number in roles if guild.get_role(number) is None]
    if unknown:
        raise GuildSettingInvalid(NOT_IN_SERVER.format(what=min(unknown)))
