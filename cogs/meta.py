"""/about: what Docent is and which documents it knows at this moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.surfaces import deferred

if TYPE_CHECKING:
    from bot.answering import Library, LibraryState, Progress


class Meta(commands.Cog):
    """What the bot says about itself."""

    def __init__(self, library: Library) -> None:
        self._library = library

    @app_commands.command()
    async def about(self, interaction: discord.Interaction[Any]) -> None:
        """What Docent is and which documents it knows."""
        # While the bot starts, the library may not be open within the three seconds Discord waits.
        if not await deferred(interaction, ephemeral=True):
            return
        await interaction.followup.send(
            described(await self._library.state()),
            ephemeral=True,
            suppress_embeds=True,
            allowed_mentions=discord.AllowedMentions.none(),
        )


def described(state: LibraryState) -> str:
    """The bot and its library in a few lines of Discord's Markdown."""
    search = "keywords only" if state.embedding == "none" else f"keywords and `{state.embedding.replace('`', '')}`"
    lines = [
        "**Docent** answers questions from this team's own documents and names its sources. Try `/ask`.",
        f"-# {_counted(state.documents, 'document')}, {_counted(state.nodes, 'passage')} · searched by {search}",
    ]
    if state.running:
        lines.append(_underway(state.running))
    return "\n".join(lines)


def _underway(progress: Progress) -> str:
    # Not the file's name: the one who asks may not be allowed to see it.
    files = f"{progress.files_done} of {_counted(progress.files_total, 'file')}"
    return f"-# Reading documents now: {files}, {_counted(progress.nodes_done, 'passage')} so far"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
