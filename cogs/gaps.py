"""/gaps: the questions that the documents do not answer, grouped by meaning, until an admin marks them as done."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands, ui
from discord.ext import commands

from bot.admin.embedding_cache import EmbeddingCache
from bot.admin.gaps import (
    COMPONENT_FAMILY,
    MAX_DAYS,
    ButtonAction,
    build_page,
    cluster_gaps,
    filter_by_scope,
    format_custom_id,
    format_label,
    format_page,
    parse_custom_id,
)
from bot.discord_adapter import defer
from bot.discord_adapter.components import FORGED, AdminOnly, selected_values
from bot.discord_adapter.replies import edit_original_message, send_ephemeral
from bot.errors import DocentError
from bot.records import AuditEntry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bot.admin.embedding_cache import Embedder
    from bot.admin.gaps import ButtonId, Page, QuestionCluster
    from bot.discord_adapter.components import CustomId
    from bot.discord_adapter.visibility import Visibility
    from bot.records import Gap, Records

_log = logging.getLogger(__name__)

DEFAULT_DAYS = 30
MAX_GAPS = 300
"""Most gaps that are grouped, the latest ones: embedding them takes a local model two seconds."""

SELECTION_CHANGED = "What you selected has changed meanwhile, so it was not marked. The list is up to date now."
QUESTIONS_NOT_STORED = (
    "The text of questions is not stored here (REMEMBER_QUESTIONS=false), so there is no list of them."
)

_DAY = 24 * 3600.0


class Gaps(AdminOnly, commands.Cog):
    """The command that lists gaps. ``embed`` returns vectors of texts, or None.

    ``keeps_questions``: the text of questions is stored. ``clock`` returns Unix seconds.
    """

    component_family = COMPONENT_FAMILY

    def __init__(
        self,
        records: Records,
        visibility: Visibility,
        embed: Embedder,
        *,
        keeps_questions: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._records = records
        self._visibility = visibility
        self._vectors = EmbeddingCache(embed)
        self._keeps_questions = keeps_questions
        self._clock = clock

    @app_commands.command()
    @app_commands.guild_only()
    @app_commands.default_permissions(manage_guild=True)
    @app_commands.describe(days=f"How far to look back; {DEFAULT_DAYS} days unless given")
    async def gaps(
        self, interaction: discord.Interaction[Any], days: app_commands.Range[int, 1, MAX_DAYS] = DEFAULT_DAYS
    ) -> None:
        """List the questions that the documents did not answer."""
        if not self._keeps_questions:
            await send_ephemeral(interaction, QUESTIONS_NOT_STORED)
        elif await defer(interaction, ephemeral=True):
            text, view = await self._build_page(interaction, days, 0)
            await send_ephemeral(interaction, text, view=view)

    async def handle_component(self, interaction: discord.Interaction[Any], custom_id: CustomId) -> None:
        """Show another page, or mark clusters as done."""
        button_id = parse_custom_id(custom_id)
        if button_id is None:
            await send_ephemeral(interaction, FORGED)
        else:
            await self._handle_click(interaction, button_id)

    async def _handle_click(self, interaction: discord.Interaction[Any], button_id: ButtonId) -> None:
        # Embedding anew may take longer than Discord waits.
        await interaction.response.defer()
        is_done = button_id.action is not ButtonAction.DONE or await self._mark_done(
            interaction, button_id.days, selected_values(interaction)
        )
        text, view = await self._build_page(interaction, button_id.days, button_id.page)
        await edit_original_message(interaction, text, components=view.to_components())
        if not is_done:
            await send_ephemeral(interaction, SELECTION_CHANGED)

    async def _mark_done(self, interaction: discord.Interaction[Any], days: int, cluster_ids: Sequence[str]) -> bool:
        """Close the gaps of the selected clusters; return False if one has changed since it was shown."""
        clusters, _ = await self._load_clusters(interaction, days)
        selected = [cluster for cluster in clusters if cluster.cluster_id in cluster_ids]
        answer_ids = [answer_id for cluster in selected for answer_id in cluster.answer_ids]
        if answer_ids:
            now, user_id = self._clock(), interaction.user.id
            await self._records.save_audit_entry(
                AuditEntry(now, interaction.guild_id, user_id, "gaps done", {"answers": list(answer_ids)})
            )
            await self._records.close_gaps(interaction.guild_id, answer_ids, user_id, now)
        return bool(selected) and len(selected) == len(set(cluster_ids))

    async def _build_page(
        self, interaction: discord.Interaction[Any], days: int, page_number: int
    ) -> tuple[str, ui.View]:
        """Return one page as this admin may see it, with its components."""
        found, is_cut = await self._load_clusters(interaction, days)
        page = build_page(found, page_number)
        return format_page(page, days, is_truncated=is_cut), _build_view(page, days)

    async def _load_clusters(
        self, interaction: discord.Interaction[Any], days: int
    ) -> tuple[list[QuestionCluster], bool]:
        """Return the clusters that this admin may see, and whether older gaps were left out."""
        gaps = await self._records.load_gaps(interaction.guild_id, self._clock() - days * _DAY, MAX_GAPS)
        seen = filter_by_scope(gaps, await self._visibility.scope_for_interaction(interaction, is_private=True))
        return cluster_gaps(seen, await self._embed_questions(seen)), len(gaps) >= MAX_GAPS

    async def _embed_questions(self, gaps: Sequence[Gap]) -> Sequence[Sequence[float]] | None:
        if len(gaps) <= 1:
            return None
        try:
            return await self._vectors.embed([gap.question for gap in gaps])
        except DocentError as error:
            _log.warning("Embedding the gaps failed, they are grouped by their words: %s", error.user_message)
            return None


def _build_view(page: Page, days: int) -> ui.View:
    """Return the select that marks clusters as done, and the buttons to other pages."""
    view = ui.View(timeout=None)
    if page.clusters:
        view.add_item(_build_select(page.clusters, page.first, format_custom_id(ButtonAction.DONE, days, page.number)))
    for label, to in (("Back", page.number - 1), ("Next", page.number + 1)):
        if 0 <= to <= page.last:
            view.add_item(ui.Button(label=label, custom_id=format_custom_id(ButtonAction.PAGE, days, to)))
    view.stop()  # discord.py need not store it: its clicks come to ``on_interaction``
    return view


def _build_select(clusters: Sequence[QuestionCluster], first: int, select_id: str) -> ui.Select[ui.View]:
    options = [
        discord.SelectOption(label=format_label(number, cluster), value=cluster.cluster_id)
        for number, cluster in enumerate(clusters, start=first)
    ]
    return ui.Select(custom_id=select_id, placeholder="Mark done…", max_values=len(options), options=options)
