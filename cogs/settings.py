"""/settings: what the admins of a server choose for it, shown with what bounds it, changed and reset."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.access import guild_settings
from bot.admin.guild_settings_text import described, mentioned, told
from bot.discord_adapter import deferred
from bot.discord_adapter.client import whisper
from bot.discord_adapter.visibility import FOR_ADMINS
from bot.errors import CustomInvalid
from bot.records import Act

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.access.admission import Admission
    from bot.answers.service import Asking
    from bot.discord_adapter.visibility import Visibility
    from bot.records import Records

LONGEST = 2_000
"""Characters of the longest value that is looked at."""

NAMES = [app_commands.Choice(name=name, value=name) for name in guild_settings.CHOICES]
NO_SUCH = "There is no setting of that name."
UNKNOWN = "This server has no {what}."
RESET = "`{name}` is as if nobody had chosen it."


@app_commands.guild_only()
@app_commands.default_permissions(manage_guild=True)
class House(commands.GroupCog, group_name="settings", group_description="What is chosen for this server"):
    """What admins choose. ``reads_messages``: the bot may read what does not mention it; ``clock``: Unix seconds."""

    def __init__(  # noqa: PLR0913 - what it joins, each by name
        self,
        asking: Asking,
        admission: Admission,
        records: Records,
        visibility: Visibility,
        *,
        reads_messages: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__()
        self._asking = asking
        self._admission = admission
        self._records = records
        self._visibility = visibility
        self._reads_messages = reads_messages
        self._clock = clock

    @app_commands.command()
    async def show(self, interaction: discord.Interaction[Any]) -> None:
        """Everything that can be chosen, what is chosen, and what the operator allows."""
        guild_id = await self._begun(interaction)
        if guild_id is None:
            return
        kept = await self._admission.house.kept(guild_id)
        operators = await self._admission.limits(None)
        for message in described(kept, operators, reads_messages=self._reads_messages):
            await whisper(interaction, message)

    @app_commands.command(name="set")
    @app_commands.describe(name="What to choose", value="Words, a number, yes or no, #channels, @roles with numbers")
    @app_commands.choices(name=NAMES)
    async def choose(
        self, interaction: discord.Interaction[Any], name: str, value: app_commands.Range[str, 1, LONGEST]
    ) -> None:
        """Choose something for this server."""
        guild_id = await self._begun(interaction)
        if guild_id is None:
            return
        read = guild_settings.read(name, value)
        _refuse_foreign(interaction.guild, name, read)
        await self._keep(interaction, guild_id, name, read)
        operators = await self._admission.limits(None)
        await whisper(interaction, told(name, read, operators, reads_messages=self._reads_messages))

    @app_commands.command()
    @app_commands.describe(name="What to take back")
    @app_commands.choices(name=NAMES)
    async def reset(self, interaction: discord.Interaction[Any], name: str) -> None:
        """Take a choice back."""
        guild_id = await self._begun(interaction)
        if guild_id is None:
            return
        if name not in guild_settings.CHOICES:
            raise CustomInvalid(NO_SUCH)
        await self._keep(interaction, guild_id, name, None)
        await whisper(interaction, RESET.format(name=name))

    async def _begun(self, interaction: discord.Interaction[Any]) -> int | None:
        """The guild of a new command of one of its admins, acknowledged to them alone; else None."""
        if not self._asking.is_new(interaction.id):
            return None
        if not self._visibility.is_admin(interaction):
            await whisper(interaction, FOR_ADMINS)
            return None
        return interaction.guild_id if await deferred(interaction, ephemeral=True) else None

    async def _keep(
        self, interaction: discord.Interaction[Any], guild_id: int, name: str, value: guild_settings.Json
    ) -> None:
        """Note who changes what, then change it: nothing changes that nobody answers for.

        Raises:
            RecordsUnusable: it cannot be written; then nothing has changed.
        """
        details = {"name": name} if value is None else {"name": name, "value": value}
        command = "settings reset" if value is None else "settings set"
        await self._records.audit(Act(self._clock(), guild_id, interaction.user.id, command, details))
        await self._admission.house.choose(guild_id, name, value)


def _refuse_foreign(guild: discord.Guild | None, name: str, value: guild_settings.Json) -> None:
    """See that what a value names is in this server.

    Raises:
        CustomInvalid: something is not.
    """
    if guild is None:
        return
    channels, roles = mentioned(name, value)
    unknown = [f"channel <#{number}>" for number in channels if guild.get_channel_or_thread(number) is None]
    unknown += [f"role <@&{number}>" for number in roles if guild.get_role(number) is None]
    if unknown:
        raise CustomInvalid(UNKNOWN.format(what=min(unknown)))
