"""/forget: people remove what is remembered of them in a server, or in direct messages; admins can for anyone there."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands, ui
from discord.ext import commands

from bot.discord_adapter.client import whisper
from bot.discord_adapter.components import FORGED, answering, clicked
from bot.discord_adapter.visibility import FOR_ADMINS
from bot.records import Act

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.answers.service import Asking
    from bot.discord_adapter.visibility import Visibility
    from bot.records import Forgotten, Records

ASK_OWN = (
    "Forget what you asked {here} with its answers, and how you voted? This cannot be undone. "
    "Messages stay where they are, and what your answers cost counts on."
)
ASK_OTHERS = (
    "Forget what <@{member}> asked {here} with its answers, and how they voted? This cannot be undone. "
    "Messages stay where they are, and what their answers cost counts on."
)
IN_SERVER, IN_DIRECT_MESSAGES = "in this server", "in direct messages with me"
DONE = "Forgotten: {answers} and {votes}."
NOTHING = "There is nothing more to forget."
STILL_WRITING = "A question of theirs is still being answered. Wait for its end, and press again."

_LARGEST_ID = 2**63 - 1
"""What a database takes for an id; Discord's are smaller."""
_OURS = "forget:"
_CUSTOM_ID = re.compile(r"forget:(?P<member>[0-9]{1,20})")


class Privacy(commands.Cog):
    """What becomes of what is remembered of people. ``clock`` gives Unix seconds."""

    def __init__(
        self, asking: Asking, records: Records, visibility: Visibility, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._asking = asking
        self._records = records
        self._visibility = visibility
        self._clock = clock

    @app_commands.command()
    @app_commands.allowed_contexts(guilds=True, dms=True)
    @app_commands.describe(member="For admins: whose questions and votes to forget; your own unless given")
    async def forget(self, interaction: discord.Interaction[Any], member: discord.User | None = None) -> None:
        """Remove what is remembered of what you asked here; asks first."""
        if not self._asking.is_new(interaction.id):
            return
        whose = interaction.user.id if member is None else member.id
        if not self._may(interaction, whose):
            await whisper(interaction, FOR_ADMINS)
            return
        here = IN_DIRECT_MESSAGES if interaction.guild_id is None else IN_SERVER
        words = (ASK_OWN if whose == interaction.user.id else ASK_OTHERS).format(member=whose, here=here)
        await interaction.response.send_message(
            words,
            view=_question(whose),
            ephemeral=True,
            suppress_embeds=True,
            allowed_mentions=discord.AllowedMentions.none(),
        )

    @commands.Cog.listener()
    async def on_interaction(self, interaction: discord.Interaction[Any]) -> None:
        """Take the button that confirms; who presses it is judged anew."""
        name = clicked(interaction)
        if not name.startswith(_OURS) or not self._asking.is_new(interaction.id):
            return
        async with answering(interaction):
            match = _CUSTOM_ID.fullmatch(name)
            if match is None or int(match["member"]) > _LARGEST_ID:
                await whisper(interaction, FORGED)
            elif not self._may(interaction, int(match["member"])):
                await whisper(interaction, FOR_ADMINS)
            elif self._asking.is_answering(int(match["member"]), interaction.guild_id):
                await whisper(interaction, STILL_WRITING)
            else:
                await self._forget(interaction, int(match["member"]), interaction.guild_id)

    def _may(self, interaction: discord.Interaction[Any], whose: int) -> bool:
        return whose == interaction.user.id or self._visibility.is_admin(interaction)

    async def _forget(self, interaction: discord.Interaction[Any], whose: int, guild_id: int | None) -> None:
        if whose != interaction.user.id:  # what people do about themselves is nobody else's business
            act = Act(self._clock(), guild_id, interaction.user.id, "forget", {"member": str(whose)})
            await self._records.audit(act)
        # To overwrite what goes may take longer than Discord waits.
        await interaction.response.defer()
        gone = await self._records.forget_person(whose, guild_id=guild_id)
        await interaction.edit_original_response(content=_told(gone), view=None)


def _question(whose: int) -> ui.View:
    view = ui.View(timeout=None)
    view.add_item(ui.Button(style=discord.ButtonStyle.red, label="Forget it all", custom_id=f"{_OURS}{whose}"))
    view.stop()  # discord.py need not remember it: its click comes to ``on_interaction``
    return view


def _told(gone: Forgotten) -> str:
    if not gone.answers and not gone.votes:
        return NOTHING
    return DONE.format(answers=_counted(gone.answers, "question"), votes=_counted(gone.votes, "vote"))


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
