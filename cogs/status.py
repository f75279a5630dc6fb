"""/about: what Docent is and which documents it knows; /status: how it is doing, for admins."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.access.budgets import DAY
from bot.admin.status import Budget, StatusReport, format_progress, format_status
from bot.discord_adapter import defer
from bot.discord_adapter.components import AdminOnly
from bot.discord_adapter.replies import send_ephemeral
from bot.discord_adapter.visibility import count_guilds
from bot.errors import DocentError, RecordsUnusable
from bot.text.wording import format_count

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from bot.access.admission import Admission
    from bot.admin.status import BuildInfo
    from bot.answers.service import AnswerService
    from bot.discord_adapter.visibility import Visibility
    from bot.domain import Library, LibraryState
    from bot.records import Records, Statistics


class Meta(commands.Cog):
    """The /about command."""

    def __init__(self, library: Library) -> None:
        self._library = library

    @app_commands.command()
    async def about(self, interaction: discord.Interaction[Any]) -> None:
        """Show what Docent is and which documents it knows."""
        # While the bot starts, the library may not be open within the three seconds Discord waits.
        if not await defer(interaction, ephemeral=True):
            return
        await send_ephemeral(interaction, format_about(await self._library.state()))


class Status(AdminOnly, commands.Cog):
    """The /status command. ``build_info`` names the models and stores; ``clock`` returns Unix seconds."""

    def __init__(  # noqa: PLR0913 - what it looks at, each by name
        self,
        build_info: BuildInfo,
        library: Library,
        answer_service: AnswerService,
        *,
        admission: Admission,
        records: Records,
        visibility: Visibility,
        find_rule_faults: Callable[[], Awaitable[Collection[str]]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._build_info = build_info
        self._library = library
        self._answer_service = answer_service
        self._admission = admission
        self._records = records
        self._visibility = visibility
        self._find_rule_faults = find_rule_faults
        self._clock = clock

    @app_commands.command()
    @app_commands.guild_only()
    @app_commands.default_permissions(manage_guild=True)
    async def status(self, interaction: discord.Interaction[Any]) -> None:
        """Show models, index, answers and budgets as they are now."""
        if interaction.guild_id is not None and await defer(interaction, ephemeral=True):
            await send_ephemeral(
                interaction, format_status(await self._collect_status(interaction, interaction.guild_id))
            )

    async def _collect_status(self, interaction: discord.Interaction[Any], guild_id: int) -> StatusReport:
        limits = await self._admission.limits_for(guild_id)
        counts = self._answer_service.counts()
        # What other servers spend is for those who run the bot, unless there is no other.
        is_told_all = (
            self._visibility.person_for_interaction(interaction).is_operator or count_guilds(interaction.client) <= 1
        )
        faults = sorted(await self._find_rule_faults())
        whole = Budget(self._admission.count_tokens_today(), limits.total_daily) if is_told_all else None
        return StatusReport(
            self._build_info,
            await self._load_state_or_error(),
            counts.running,
            counts.waiting,
            await self._load_statistics_or_error(guild_id),
            Budget(self._admission.count_tokens_today(guild_id=guild_id), limits.guild_daily),
            whole,
            # They name collections, which may be another server's.
            rule_faults=faults if is_told_all else (),
            hidden_rule_faults=0 if is_told_all else len(faults),
        )

    async def _load_state_or_error(self) -> LibraryState | str:
        try:
            return await self._library.state()
        except DocentError as error:
            return error.user_message

    async def _load_statistics_or_error(self, guild_id: int) -> Statistics | str:
        now = self._clock()
        try:
            return await self._records.load_statistics(guild_id, now - now % DAY)
        except RecordsUnusable as error:
            return error.user_message


def format_about(state: LibraryState) -> str:
    """Return a description of the bot and its library in a few lines of Discord's Markdown."""
    search = "keywords only" if state.embedding == "none" else f"keywords and `{state.embedding.replace('`', '')}`"
    lines = [
        "**Docent** answers questions from this team's own documents and names its sources. Try `/ask`.",
        (
            f"-# {format_count(state.documents, 'document')}, {format_count(state.nodes, 'passage')} "
            f"· searched by {search}"
        ),
    ]
    if state.running:
        lines.append(format_progress(state.running))
    return "\n".join(lines)
