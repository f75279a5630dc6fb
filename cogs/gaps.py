"""/gaps: what people asked and the documents did not answer, by what it means, until an admin marks it as done."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands, ui
from discord.ext import commands

from bot.admin.embedding_cache import Vectors
from bot.admin.gaps import MOST_DAYS, Deed, custom_id, described, is_ours, labelled, paged, pressed, topics, within
from bot.discord_adapter import deferred
from bot.discord_adapter.client import whisper
from bot.discord_adapter.components import FORGED, answering, clicked, picked
from bot.discord_adapter.visibility import FOR_ADMINS
from bot.errors import DocentError
from bot.records import Act

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bot.admin.embedding_cache import Embedding
    from bot.admin.gaps import Page, Press, Topic
    from bot.answers.service import Asking
    from bot.discord_adapter.visibility import Visibility
    from bot.records import Gap, Records

_log = logging.getLogger(__name__)

DAYS = 30
MOST = 300
"""Gaps that are looked at, the latest: embedding them all for the first time takes a local model two seconds."""

CHANGED = "Something has come to or gone from what you picked; nothing of it is marked. The list shows it as it is now."
NOT_KEPT = "The words of questions are not kept here (REMEMBER_QUESTIONS=false), so there is no list of them."

_DAY = 24 * 3600.0


class Gaps(commands.Cog):
    """What the documents lack. ``embedded`` gives texts' vectors, or None where none are to be had.

    ``keeps_questions``: questions are remembered in words. ``clock`` gives Unix seconds.
    """

    def __init__(  # noqa: PLR0913 - what it joins, each by name
        self,
        asking: Asking,
        records: Records,
        visibility: Visibility,
        embedded: Embedding,
        *,
        keeps_questions: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._asking = asking
        self._records = records
        self._visibility = visibility
        self._vectors = Vectors(embedded)
        self._keeps_questions = keeps_questions
        self._clock = clock

    @app_commands.command()
    @app_commands.guild_only()
    @app_commands.default_permissions(manage_guild=True)
    @app_commands.describe(days=f"How far to look back; {DAYS} days unless given")
    async def gaps(
        self, interaction: discord.Interaction[Any], days: app_commands.Range[int, 1, MOST_DAYS] = DAYS
    ) -> None:
        """Questions that nobody's documents answered."""
        if not self._asking.is_new(interaction.id):
            return
        if not self._visibility.is_admin(interaction):
            await whisper(interaction, FOR_ADMINS)
        elif not self._keeps_questions:
            await whisper(interaction, NOT_KEPT)
        elif await deferred(interaction, ephemeral=True):
            text, view = await self._shown(interaction, days, 0)
            await interaction.followup.send(
                text,
                view=view,
                ephemeral=True,
                suppress_embeds=True,
                allowed_mentions=discord.AllowedMentions.none(),
            )

    @commands.Cog.listener()
    async def on_interaction(self, interaction: discord.Interaction[Any]) -> None:
        """Take the controls below a list; each click is judged anew."""
        name = clicked(interaction)
        if not is_ours(name) or not self._asking.is_new(interaction.id):
            return
        async with answering(interaction):
            press = pressed(name)
            if not self._visibility.is_admin(interaction):
                await whisper(interaction, FOR_ADMINS)
            elif press is None:
                await whisper(interaction, FORGED)
            else:
                await self._answer_click(interaction, press)

    async def _answer_click(self, interaction: discord.Interaction[Any], press: Press) -> None:
        # Embedding anew may take longer than Discord waits.
        await interaction.response.defer()
        is_done = press.deed is not Deed.DONE or await self._mark_done(interaction, press.days, picked(interaction))
        text, view = await self._shown(interaction, press.days, press.page)
        await interaction.edit_original_response(
            content=text, view=view, allowed_mentions=discord.AllowedMentions.none()
        )
        if not is_done:
            await whisper(interaction, CHANGED)

    async def _mark_done(self, interaction: discord.Interaction[Any], days: int, names: Sequence[str]) -> bool:
        """Close the gaps of what was picked; False if not all of it is as it was shown."""
        shown, _ = await self._topics(interaction, days)
        found = [topic for topic in shown if topic.name in names]
        keys = [key for topic in found for key in topic.keys]
        if keys:
            now, user_id = self._clock(), interaction.user.id
            await self._records.audit(Act(now, interaction.guild_id, user_id, "gaps done", {"answers": list(keys)}))
            await self._records.close_gaps(interaction.guild_id, keys, user_id, now)
        return bool(found) and len(found) == len(set(names))

    async def _shown(self, interaction: discord.Interaction[Any], days: int, number: int) -> tuple[str, ui.View]:
        """One page as this admin may see it, with its controls."""
        found, is_cut = await self._topics(interaction, days)
        page = paged(found, number)
        return described(page, days, is_cut=is_cut), _controls(page, days)

    async def _topics(self, interaction: discord.Interaction[Any], days: int) -> tuple[list[Topic], bool]:
        """What of this guild's gaps this admin may see; and whether there are more than were looked at."""
        gaps = await self._records.gaps(interaction.guild_id, self._clock() - days * _DAY, MOST)
        seen = within(gaps, await self._visibility.told(interaction, is_private=True))
        return topics(seen, await self._vectors_of(seen)), len(gaps) >= MOST

    async def _vectors_of(self, gaps: Sequence[Gap]) -> Sequence[Sequence[float]] | None:
        if len(gaps) <= 1:
            return None
        try:
            return await self._vectors.of([gap.question for gap in gaps])
        except DocentError as error:
            _log.warning("Gaps are grouped by their words alone: %s", error.words)
            return None


def _controls(page: Page, days: int) -> ui.View:
    """What marks the topics of a page as done, and what leads to the pages beside it."""
    view = ui.View(timeout=None)
    if page.topics:
        view.add_item(_marking(page.topics, page.first, custom_id(Deed.DONE, days, page.number)))
    for label, to in (("Back", page.number - 1), ("Next", page.number + 1)):
        if 0 <= to <= page.last:
            view.add_item(ui.Button(label=label, custom_id=custom_id(Deed.PAGE, days, to)))
    view.stop()  # discord.py need not remember it: its clicks come to ``on_interaction``
    return view


def _marking(shown: Sequence[Topic], first: int, name: str) -> ui.Select[ui.View]:
    options = [
        discord.SelectOption(label=labelled(number, topic), value=topic.name)
        for number, topic in enumerate(shown, start=first)
    ]
    return ui.Select(custom_id=name, placeholder="Mark done…", max_values=len(options), options=options)
