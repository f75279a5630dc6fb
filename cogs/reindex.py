"""/reindex: an admin updates the index from chat, watches the run, and may cancel it."""

from __future__ import annotations

import io
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.admin import reindex_report
from bot.admin.reindex_runs import CANCEL, COMPONENT_FAMILY, FAILURES
from bot.discord_adapter import InteractionSurface, defer
from bot.discord_adapter.components import FORGED, AdminOnly
from bot.discord_adapter.replies import send_ephemeral
from bot.domain import SHARED
from bot.domain.collection_names import format_collection, parse_collection
from bot.errors import RecordsUnusable
from bot.records import AuditEntry, Run
from bot.text.citations import escape_markdown

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.admin.reindex_runs import ReindexRuns
    from bot.discord_adapter.components import CustomId
    from bot.discord_adapter.visibility import Visibility
    from bot.records import Records

NOT_MANAGEABLE = "You may bring up to date only collections that are this server's alone. Name one of them."
ALREADY_RUNNING = "A run is in progress already: {link}"
ALREADY_ENDED = "That run has ended already."
LIST_EXPIRED = "That list was lost with a restart. Use /reindex again: it names them anew."
NO_MANAGEABLE_FAILURES = "None of the unreadable files is in a collection that you may change."


class Reindex(AdminOnly, commands.Cog):
    """The command that re-indexes, and the buttons below its message. ``clock`` returns Unix seconds."""

    component_family = COMPONENT_FAMILY

    def __init__(
        self,
        reindex_runs: ReindexRuns,
        records: Records,
        visibility: Visibility,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._reindex_runs = reindex_runs
        self._records = records
        self._visibility = visibility
        self._clock = clock

    @app_commands.command()
    @app_commands.default_permissions(manage_guild=True)
    @app_commands.describe(
        collection="Look at these documents alone",
        dry_run="Only say what would change, and what it would take",
        full="Read every file anew, changed or not",
        force="Continue although most files are gone from the folder",
    )
    async def reindex(
        self,
        interaction: discord.Interaction[Any],
        collection: str | None = None,
        dry_run: bool = False,  # noqa: FBT001, FBT002
        full: bool = False,  # noqa: FBT001, FBT002
        force: bool = False,  # noqa: FBT001, FBT002
    ) -> None:
        """Bring the index up to date with the documents."""
        wanted = None if collection is None else parse_collection(collection)
        if refusal := await self._find_refusal(interaction, wanted):
            await send_ephemeral(interaction, refusal)
            return
        if running := self._reindex_runs.current:
            await send_ephemeral(interaction, ALREADY_RUNNING.format(link=_format_link(running)))
            return
        if not await defer(interaction):
            return
        run = Run(
            id=str(interaction.id),
            guild_id=interaction.guild_id,
            channel_id=interaction.channel_id or 0,
            user_id=interaction.user.id,
            started_at=self._clock(),
            collection=wanted,
            full=full,
            force=force,
        )
        if not dry_run:
            await self._audit(interaction, "reindex", {"collection": wanted, "full": full, "force": force})
        await self._reindex_runs.run(
            run, lambda controls: InteractionSurface(interaction, components=controls), dry_run=dry_run
        )

    @reindex.autocomplete("collection")
    async def _suggest(self, interaction: discord.Interaction[Any], typed: str) -> list[app_commands.Choice[str]]:
        """Suggest the collections that this admin may change."""
        names = [format_collection(name) for name in await self._visibility.manageable_collections(interaction)]
        return [app_commands.Choice(name=name, value=name) for name in names if typed.lower() in name.lower()][:25]

    async def handle_component(self, interaction: discord.Interaction[Any], custom_id: CustomId) -> None:
        """Cancel a run, or list what it could not read."""
        if custom_id.action == CANCEL:
            await self._cancel(interaction, custom_id.argument)
        elif custom_id.action == FAILURES:
            await self._send_failures(interaction, custom_id.argument)
        else:
            await send_ephemeral(interaction, FORGED)

    async def _find_refusal(self, interaction: discord.Interaction[Any], collection: str | None) -> str:
        # All of them together are whose the shared ones are.
        may_change = await self._visibility.can_manage(interaction, SHARED if collection is None else collection)
        return "" if may_change else NOT_MANAGEABLE

    async def _cancel(self, interaction: discord.Interaction[Any], run_id: str) -> None:
        running = self._reindex_runs.current
        if running is None or running.id != run_id:
            await send_ephemeral(interaction, ALREADY_ENDED)
        elif refusal := await self._find_refusal(interaction, running.collection):
            await send_ephemeral(interaction, refusal)
        else:
            self._reindex_runs.cancel(run_id, escape_markdown(interaction.user.display_name))
            await interaction.response.defer()
            await self._audit(interaction, "reindex cancel", {"run": run_id})

    async def _send_failures(self, interaction: discord.Interaction[Any], run_id: str) -> None:
        failed = self._reindex_runs.failures(run_id)
        if failed is None:
            await send_ephemeral(interaction, LIST_EXPIRED)
            return
        own = await self._visibility.manageable_collections(interaction)
        text = reindex_report.format_failures(failed, lambda collection: collection in own)
        if not text:
            await send_ephemeral(interaction, NO_MANAGEABLE_FAILURES)
            return
        file = discord.File(io.BytesIO(text.encode("utf-8", "replace")), "not-read.txt")
        await send_ephemeral(interaction, "-# What could not be read, and why.", files=[file])

    async def _audit(self, interaction: discord.Interaction[Any], action: str, details: dict[str, Any]) -> None:
        act = AuditEntry(self._clock(), interaction.guild_id, interaction.user.id, action, details)
        with suppress(RecordsUnusable):  # the run itself says in the log that nothing can be written down
            await self._records.save_audit_entry(act)


def _format_link(run: Run) -> str:
    """Return a link to a run's message, or to the channel if the message is not posted yet."""
    message = f"/{run.message_id}" if run.message_id else ""
    return f"<https://discord.com/channels/{run.guild_id or '@me'}/{run.channel_id}{message}>"
