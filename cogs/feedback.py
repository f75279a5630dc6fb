"""/feedback export: the votes and comments of this server, as a CSV file."""

from __future__ import annotations

import io
import time
from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.admin.feedback_export import export_feedback
from bot.discord_adapter import defer
from bot.discord_adapter.components import AdminOnly
from bot.discord_adapter.replies import send_ephemeral
from bot.records import AuditEntry
from bot.text.wording import format_count

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.discord_adapter.visibility import Visibility
    from bot.records import Records

DEFAULT_DAYS = 30
MAX_DAYS = 365
FILE_NAME = "feedback.csv"

NO_FEEDBACK = "Nobody has said anything of an answer in that time that you may see."
EXPORT_SUMMARY = "-# {votes} of the last {days}."
LEFT_OUT = " The earliest {count:,} had no room in the file: ask for fewer days."

_DAY = 24 * 3600.0


@app_commands.guild_only()
@app_commands.default_permissions(manage_guild=True)
class Feedback(AdminOnly, commands.GroupCog, group_name="feedback", group_description="What people said of answers"):
    """The command that exports votes. ``clock`` returns Unix seconds."""

    def __init__(
        self,
        records: Records,
        visibility: Visibility,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__()
        self._records = records
        self._visibility = visibility
        self._clock = clock

    @app_commands.command()
    @app_commands.describe(days=f"How far to look back; {DEFAULT_DAYS} days unless given")
    async def export(
        self, interaction: discord.Interaction[Any], days: app_commands.Range[int, 1, MAX_DAYS] = DEFAULT_DAYS
    ) -> None:
        """Export all votes with their answers and comments as a CSV file."""
        if await defer(interaction, ephemeral=True):
            await self._send_export(interaction, days)

    async def _send_export(self, interaction: discord.Interaction[Any], days: int) -> None:
        now, guild_id = self._clock(), interaction.guild_id
        own = await self._visibility.scope_for_interaction(interaction, is_private=True)
        given = await self._records.load_feedback(guild_id, now - days * _DAY)
        # A question tells about its documents: it is shown only to those who may see all of them.
        file = export_feedback([each for each in given if each.scope.collections <= own.collections])
        if not file.votes:
            await send_ephemeral(interaction, NO_FEEDBACK)
            return
        details = {"days": days, "votes": file.votes}
        await self._records.save_audit_entry(AuditEntry(now, guild_id, interaction.user.id, "feedback export", details))
        text = EXPORT_SUMMARY.format(votes=format_count(file.votes, "vote"), days=format_count(days, "day"))
        text += LEFT_OUT.format(count=file.omitted) if file.omitted else ""
        await send_ephemeral(interaction, text, files=[discord.File(io.BytesIO(file.content), FILE_NAME)])
