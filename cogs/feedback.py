"""/feedback export: what people said of answers in this server, as a file for a spreadsheet."""

from __future__ import annotations

import io
import time
from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.admin.feedback_export import exported
from bot.discord_adapter import deferred
from bot.discord_adapter.client import whisper
from bot.discord_adapter.visibility import FOR_ADMINS
from bot.records import Act

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.answers.service import Asking
    from bot.discord_adapter.visibility import Visibility
    from bot.records import Records

DAYS = 30
MOST_DAYS = 365
NAME = "feedback.csv"

NOTHING = "Nobody has said anything of an answer in that time that you may see."
HERE = "-# {votes} of the last {days}."
LEFT_OUT = " The earliest {count:,} had no room in the file: ask for fewer days."

_DAY = 24 * 3600.0


@app_commands.guild_only()
@app_commands.default_permissions(manage_guild=True)
class Feedback(commands.GroupCog, group_name="feedback", group_description="What people said of answers"):
    """What is said of answers. ``clock`` gives Unix seconds."""

    def __init__(
        self, asking: Asking, records: Records, visibility: Visibility, *, clock: Callable[[], float] = time.time
    ) -> None:
        super().__init__()
        self._asking = asking
        self._records = records
        self._visibility = visibility
        self._clock = clock

    @app_commands.command()
    @app_commands.describe(days=f"How far to look back; {DAYS} days unless given")
    async def export(
        self, interaction: discord.Interaction[Any], days: app_commands.Range[int, 1, MOST_DAYS] = DAYS
    ) -> None:
        """All votes with what they were about and what people missed, as a CSV file."""
        if not self._asking.is_new(interaction.id):
            return
        if not self._visibility.is_admin(interaction):
            await whisper(interaction, FOR_ADMINS)
        elif await deferred(interaction, ephemeral=True):
            await self._hand_out(interaction, days)

    async def _hand_out(self, interaction: discord.Interaction[Any], days: int) -> None:
        now, guild_id = self._clock(), interaction.guild_id
        own = await self._visibility.told(interaction, is_private=True)
        given = await self._records.feedback(guild_id, now - days * _DAY)
        # A question tells of the documents it was put to: whoever may not see all of these is not told it.
        file = exported([each for each in given if each.scope.collections <= own.collections])
        if not file.votes:
            await whisper(interaction, NOTHING)
            return
        details = {"days": days, "votes": file.votes}
        await self._records.audit(Act(now, guild_id, interaction.user.id, "feedback export", details))
        words = HERE.format(votes=_counted(file.votes, "vote"), days=_counted(days, "day"))
        words += LEFT_OUT.format(count=file.left_out) if file.left_out else ""
        await whisper(interaction, words, files=[discord.File(io.BytesIO(file.content), NAME)])


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
