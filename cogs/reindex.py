"""/reindex: an admin brings the index up to date from chat, watches it, and may end it."""

from __future__ import annotations

import io
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.admin import reindex_report
from bot.admin.reindex_runs import CANCEL, FAILURES
from bot.discord_adapter import InteractionSurface, deferred
from bot.discord_adapter.client import whisper
from bot.discord_adapter.components import answering, clicked
from bot.discord_adapter.visibility import FOR_ADMINS
from bot.domain import SHARED
from bot.domain.collection_names import named, shown
from bot.errors import RecordsUnusable
from bot.records import Act, Run
from bot.text.citations import escaped

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.admin.reindex_runs import Reindexing
    from bot.answers.service import Asking
    from bot.discord_adapter.visibility import Visibility
    from bot.records import Records

NOT_YOURS = "You may bring up to date only collections that are this server's alone. Name one of them."
GOING_ON = "A run is going on already: {link}"
ENDED = "That run has come to its end already."
FORGOTTEN = "That list was lost with a restart. Use /reindex again: it names them anew."
NONE_OF_YOURS = "None of the files that could not be read is in a collection you look after."


class Reindex(commands.Cog):
    """The command that re-indexes, and the buttons below its message. ``clock`` gives Unix seconds."""

    def __init__(
        self,
        asking: Asking,
        reindexing: Reindexing,
        records: Records,
        visibility: Visibility,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._asking = asking
        self._reindexing = reindexing
        self._records = records
        self._visibility = visibility
        self._clock = clock

    @app_commands.command()
    @app_commands.default_permissions(manage_guild=True)
    @app_commands.describe(
        collection="Look at these documents alone",
        dry_run="Only say what would change, and what it would take",
        full="Read every file anew, changed or not",
        force="Go on though most files are gone from the folder",
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
        if not self._asking.is_new(interaction.id):
            return
        wanted = None if collection is None else named(collection)
        if refusal := await self._refusal(interaction, wanted):
            await whisper(interaction, refusal)
            return
        if running := self._reindexing.current:
            await whisper(interaction, GOING_ON.format(link=_link(running)))
            return
        if not await deferred(interaction):
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
        await self._reindexing.carry_out(
            run, lambda controls: InteractionSurface(interaction, controls=controls), dry_run=dry_run
        )

    @reindex.autocomplete("collection")
    async def _suggest(self, interaction: discord.Interaction[Any], typed: str) -> list[app_commands.Choice[str]]:
        """The collections that this admin looks after."""
        names = [shown(name) for name in await self._visibility.changeable(interaction)]
        return [app_commands.Choice(name=name, value=name) for name in names if typed.lower() in name.lower()][:25]

    @commands.Cog.listener()
    async def on_interaction(self, interaction: discord.Interaction[Any]) -> None:
        """Take the buttons below a run's message; each click is judged anew."""
        name = clicked(interaction)
        if not name.startswith((CANCEL, FAILURES)) or not self._asking.is_new(interaction.id):
            return
        async with answering(interaction):
            if not self._visibility.is_admin(interaction):
                await whisper(interaction, FOR_ADMINS)
            elif name.startswith(CANCEL):
                await self._cancel(interaction, name.removeprefix(CANCEL))
            else:
                await self._hand_out(interaction, name.removeprefix(FAILURES))

    async def _refusal(self, interaction: discord.Interaction[Any], collection: str | None) -> str:
        if not self._visibility.is_admin(interaction):
            return FOR_ADMINS
        # All of them together are whose the shared ones are.
        may_change = await self._visibility.may_change(interaction, SHARED if collection is None else collection)
        return "" if may_change else NOT_YOURS

    async def _cancel(self, interaction: discord.Interaction[Any], run_id: str) -> None:
        running = self._reindexing.current
        if running is None or running.id != run_id:
            await whisper(interaction, ENDED)
        elif refusal := await self._refusal(interaction, running.collection):
            await whisper(interaction, refusal)
        else:
            self._reindexing.cancel(run_id, escaped(interaction.user.display_name))
            await interaction.response.defer()
            await self._audit(interaction, "reindex cancel", {"run": run_id})

    async def _hand_out(self, interaction: discord.Interaction[Any], run_id: str) -> None:
        failed = self._reindexing.failures(run_id)
        if failed is None:
            await whisper(interaction, FORGOTTEN)
            return
        own = await self._visibility.changeable(interaction)
        text = reindex_report.failures(failed, lambda collection: collection in own)
        if not text:
            await whisper(interaction, NONE_OF_YOURS)
            return
        file = discord.File(io.BytesIO(text.encode("utf-8", "replace")), "not-read.txt")
        await whisper(interaction, "-# What could not be read, and why.", files=[file])

    async def _audit(self, interaction: discord.Interaction[Any], name: str, details: dict[str, Any]) -> None:
        act = Act(self._clock(), interaction.guild_id, interaction.user.id, name, details)
        with suppress(RecordsUnusable):  # the run itself says in the log that nothing can be written down
            await self._records.audit(act)


def _link(run: Run) -> str:
    """Where a run's message is; the channel, as long as there is none."""
    message = f"/{run.message_id}" if run.message_id else ""
    return f"https://discord.com/channels/{run.guild_id or '@me'}/{run.channel_id}{message}"
