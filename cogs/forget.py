"""/forget: people delete what is stored about them in a server or in direct messages; admins can for members."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands, ui
from discord.ext import commands

from bot.discord_adapter.components import FORGED, CustomId
from bot.discord_adapter.replies import AdminsOnly, edit_original_message, send_ephemeral
from bot.records import AuditEntry
from bot.text.wording import format_count

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.answers.service import AnswerService
    from bot.discord_adapter.visibility import Visibility
    from bot.records import DeletionCount, Records

CONFIRM_OWN = (
    "Forget what you asked {here} with its answers, and how you voted? This cannot be undone. "
    "Messages stay where they are, and what your answers cost counts on."
)
CONFIRM_OTHERS = (
    "Forget what <@{member}> asked {here} with its answers, and how they voted? This cannot be undone. "
    "Messages stay where they are, and what their answers cost counts on."
)
IN_SERVER, IN_DIRECT_MESSAGES = "in this server", "in direct messages with me"
DONE = "Forgotten: {answers} and {votes}."
NOTHING_STORED = "There is nothing more to forget."
STILL_WRITING = "A question of theirs is still being answered. Wait for its end, and press again."

_MAX_ID = 2**63 - 1
"""What a database takes for an id; Discord's are smaller."""
_CONFIRM = "confirm"
_USER_ID = re.compile(r"[0-9]{1,20}")


class Privacy(commands.Cog):
    """The command that deletes a person's data. ``clock`` returns Unix seconds."""

    component_family = "forget"

    def __init__(
        self,
        answer_service: AnswerService,
        records: Records,
        visibility: Visibility,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._answer_service = answer_service
        self._records = records
        self._visibility = visibility
        self._clock = clock

    @app_commands.command()
    @app_commands.allowed_contexts(guilds=True, dms=True)
    @app_commands.describe(member="For admins: whose questions and votes to forget; your own unless given")
    async def forget(self, interaction: discord.Interaction[Any], member: discord.User | None = None) -> None:
        """Remove what is remembered of what you asked here; asks first."""
        whose = interaction.user.id if member is None else member.id
        if not self._can_delete(interaction, whose):
            raise AdminsOnly
        here = IN_DIRECT_MESSAGES if interaction.guild_id is None else IN_SERVER
        text = (CONFIRM_OWN if whose == interaction.user.id else CONFIRM_OTHERS).format(member=whose, here=here)
        await send_ephemeral(interaction, text, view=_build_confirmation(whose))

    async def handle_component(self, interaction: discord.Interaction[Any], custom_id: CustomId) -> None:
        """Delete after the confirmation; the person who presses it is checked again."""
        user_id = _parse_user_id(custom_id)
        if user_id is None:
            await send_ephemeral(interaction, FORGED)
        elif not self._can_delete(interaction, user_id):
            raise AdminsOnly
        elif self._has_open_answers(user_id, interaction.guild_id):
            await send_ephemeral(interaction, STILL_WRITING)
        else:
            await self._delete_person(interaction, user_id, interaction.guild_id)

    def _has_open_answers(self, user_id: int, guild_id: int | None) -> bool:
        counts = self._answer_service.counts((user_id, guild_id))
        return bool(counts.running or counts.waiting)

    def _can_delete(self, interaction: discord.Interaction[Any], user_id: int) -> bool:
        return user_id == interaction.user.id or self._visibility.is_admin(interaction)

    async def _delete_person(self, interaction: discord.Interaction[Any], user_id: int, guild_id: int | None) -> None:
        if user_id != interaction.user.id:  # deleting one's own data is not logged
            act = AuditEntry(self._clock(), guild_id, interaction.user.id, "forget", {"member": str(user_id)})
            await self._records.save_audit_entry(act)
        # To overwrite what goes may take longer than Discord waits.
        await interaction.response.defer()
        deleted = await self._records.delete_person(user_id, guild_id=guild_id, now=self._clock())
        await edit_original_message(interaction, _format_deletion(deleted), components=())


def _parse_user_id(custom_id: CustomId) -> int | None:
    is_ours = custom_id.action == _CONFIRM and _USER_ID.fullmatch(custom_id.argument) is not None
    return int(custom_id.argument) if is_ours and int(custom_id.argument) <= _MAX_ID else None


def _build_confirmation(user_id: int) -> ui.View:
    view = ui.View(timeout=None)
    view.add_item(
        ui.Button(
            style=discord.ButtonStyle.red,
            label="Forget it all",
            custom_id=str(CustomId(Privacy.component_family, _CONFIRM, str(user_id))),
        )
    )
    view.stop()  # discord.py need not remember it: it makes the button anew from its custom id
    return view


def _format_deletion(deleted: DeletionCount) -> str:
    if not deleted.answers and not deleted.votes:
        return NOTHING_STORED
    return DONE.format(answers=format_count(deleted.answers, "question"), votes=format_count(deleted.votes, "vote"))
