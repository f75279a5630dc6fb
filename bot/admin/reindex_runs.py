"""A run of ingestion begun from chat: planned, carried out, and told in one message, until its end or a restart."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from bot.admin import reindex_report
from bot.discord_adapter import ChannelSurface
from bot.errors import DocentError, IngestionRefused, RecordsUnusable
from bot.streaming import Edit, Post, SurfaceBusy, SurfaceGone

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import discord

    from bot.discord_adapter import Controls, Place
    from bot.domain import IngestionReport, Library, Progress
    from bot.records import Records, Run
    from bot.streaming import Driver, Surface

_log = logging.getLogger(__name__)

INTERVAL = 2.0
"""Seconds between two looks at how far a run is."""

CANCEL = "reindex:cancel:"
FAILURES = "reindex:failures:"
"""What the two buttons below the message are called; a run's id follows."""

RESTARTING = "Docent is restarting; this run goes on afterwards, and what it has embedded is kept."
RESUMED = "-# Resumed after a restart."
_TRIES = 5
_LATEST = 20
"""Runs whose lists of failures are kept."""
_ROW, _BUTTON, _GREY, _RED = 1, 2, 2, 4


class Reindexing:
    """Where runs from chat come together: one at a time. ``clock`` gives Unix seconds, ``interval`` is in seconds."""

    def __init__(
        self,
        library: Library,
        driver: Driver,
        records: Records,
        *,
        interval: float = INTERVAL,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._library = library
        self._turns = driver
        self._records = records
        self._interval = interval
        self._clock = clock
        self._telling: _Telling | None = None
        self._failed: dict[str, Mapping[str, str]] = {}
        self._is_leaving = False

    @property
    def current(self) -> Run | None:
        """The run that is going on, with its message's id once that is there."""
        return self._telling.run if self._telling else None

    async def carry_out(
        self, run: Run, surface: Callable[[Controls], Surface], *, dry_run: bool = False, is_resumed: bool = False
    ) -> None:
        """Plan a run and carry it out, or with ``dry_run`` only plan it, and say in a message how far it is.

        Whatever becomes of the message, the run goes on to its end.

        Raises:
            IngestionRefused: another run from chat is going on.
        """
        if self._telling is not None:
            raise IngestionRefused("A run is going on already.")
        telling = self._telling = _Telling(run, self._turns, heading=RESUMED if is_resumed else "")
        telling.surface = surface(telling)
        try:
            await telling.say(f"Comparing {reindex_report.scope_of_run(run.collection, full=run.full)} with the index…")
            telling.run = replace(run, message_id=telling.message_id)
            if not dry_run:
                await self._note(telling.run)
            ending = await self._run(telling, dry_run=dry_run)
            if ending is not None and not dry_run:
                await self._note(replace(telling.run, ended_at=self._clock()))
            await telling.say(ending or RESTARTING, is_last=ending is not None)
        finally:
            self._telling = None
            telling.is_over.set()

    def cancel(self, run_id: str, by: str) -> bool:
        """End a run in the name of ``by``; False if it is not going on."""
        if self._telling is None or self._telling.run.id != run_id:
            return False
        self._telling.cancelled_by = by
        return self._library.cancel()

    def failures(self, run_id: str) -> Mapping[str, str] | None:
        """What a run could not read, with the reasons; None if that is no longer known."""
        return self._failed.get(run_id)

    async def resume(self, client: discord.Client) -> None:
        """Carry on with the runs that a restart has cut off, in their messages."""
        try:
            cut_off = await self._records.unfinished_runs()
        except RecordsUnusable as error:
            _log.warning("Runs that were cut off cannot be looked for: %s", error.words)
            return
        for run in cut_off:
            while self._telling is not None or (await self._library.state()).running is not None:  # noqa: ASYNC110 - no event tells
                await asyncio.sleep(self._interval)
            _log.info("Run %s was cut off and is resumed", run.id)
            await self.carry_out(run, _again(client, run), is_resumed=True)

    async def leave(self) -> None:
        """End a run that is going on so that the next start resumes it, and say so in its message."""
        self._is_leaving = True
        if (telling := self._telling) is not None:
            self._library.cancel()
            await telling.is_over.wait()

    async def _run(self, telling: _Telling, *, dry_run: bool) -> str | None:
        """How a run ended, in words; None if it is to be resumed."""
        run = telling.run
        try:
            plan = await self._watched(telling, dry_run=True)
            if dry_run:
                self._keep(run.id, plan)
                return reindex_report.would_change(plan)
            telling.plan = reindex_report.planned(plan)
            begun = self._clock()
            report = await self._watched(telling, dry_run=False)
            self._keep(run.id, report)
            telling.has_failures = bool(report.failed)
            return reindex_report.done(report, self._clock() - begun)
        except IngestionRefused as error:
            if self._is_leaving:
                return None
            if telling.cancelled_by:
                return f"**Cancelled by {telling.cancelled_by}.** The old index serves; what was embedded is kept."
            return f"**Not carried out.** {error.words}"
        except DocentError as error:
            _log.warning("Run %s failed: %s", run.id, error.words)
            return f"**Failed.** {error.words} The old index serves; what was embedded is kept."

    async def _watched(self, telling: _Telling, *, dry_run: bool) -> IngestionReport:
        """One pass of the library, its progress shown as it goes."""
        run, begun = telling.run, self._clock()
        if telling.cancelled_by or self._is_leaving:  # between two passes there is nothing the library could cancel
            raise IngestionRefused("The run was ended before it began.")

        def note(progress: Progress) -> None:
            telling.progress = progress

        telling.progress = None
        ticking = asyncio.create_task(self._tick(telling, begun))
        try:
            return await self._library.reindex(
                collection=run.collection, full=run.full, force=run.force, dry_run=dry_run, on_progress=note
            )
        finally:
            ticking.cancel()
            with suppress(asyncio.CancelledError):
                await ticking

    async def _tick(self, telling: _Telling, begun: float) -> None:
        while True:
            await asyncio.sleep(self._interval)
            if telling.progress is not None:
                await telling.say(reindex_report.under_way(telling.progress, self._clock() - begun))

    def _keep(self, run_id: str, report: IngestionReport) -> None:
        self._failed[run_id] = dict(report.failed)
        while len(self._failed) > _LATEST:
            del self._failed[next(iter(self._failed))]

    async def _note(self, run: Run) -> None:
        try:
            await self._records.note_run(run)
        except RecordsUnusable as error:
            _log.warning("Run %s is not written down and would not be resumed: %s", run.id, error.words)


@dataclass(slots=True)
class _Telling:
    """One run's message, and the controls below it."""

    run: Run
    turns: Driver
    heading: str = ""
    surface: Any = None
    plan: str = ""
    progress: Progress | None = None
    cancelled_by: str = ""
    has_failures: bool = False
    is_over: asyncio.Event = field(default_factory=asyncio.Event)
    _said: str = ""
    _is_gone: bool = False
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def message_id(self) -> int | None:
        """The message's id, once it is there."""
        return next(iter(self.surface.message_ids), None)

    async def say(self, words: str, *, is_last: bool = False) -> None:
        """Show how the run stands, when it is this message's turn; what cannot be shown is left out."""
        text = "\n".join(part for part in (self.heading, self.plan, words) if part)
        async with self._lock:
            for _ in range(_TRIES if is_last or not self._said else 1):
                if self._is_gone or (text == self._said and not is_last):
                    return
                try:
                    await self._show(text, is_last=is_last)
                except SurfaceBusy as error:
                    await asyncio.sleep(error.retry_after)
                except SurfaceGone as error:
                    self._is_gone = True
                    _log.info("Run %s has lost its message: %s", self.run.id, error)
                else:
                    self._said = text
                    return

    async def _show(self, text: str, *, is_last: bool) -> None:
        await self.turns.turn(self.surface.lane)
        if self.surface.message_ids:
            await self.surface.edit(Edit(0, text, is_last=is_last))
        else:
            await self.surface.post(Post(text, is_last=is_last))

    def while_writing(self) -> Sequence[dict[str, Any]]:
        """As ``Controls.while_writing``."""
        return [_row(CANCEL + self.run.id, "Cancel", _RED)]

    def afterwards(self, message_ids: Sequence[int]) -> Sequence[dict[str, Any]]:  # noqa: ARG002 - as the protocol has it
        """As ``Controls.afterwards``."""
        return [_row(FAILURES + self.run.id, "What could not be read", _GREY)] if self.has_failures else []

    async def finished(self, place: Place) -> None:
        """As ``Controls.finished``."""


def _again(client: discord.Client, run: Run) -> Callable[[Controls], Surface]:
    """The surface of a run that is resumed: its old message, or a new one where that had not come to be."""
    onto = () if run.message_id is None else (run.message_id,)
    return lambda controls: ChannelSurface(client, run.channel_id, key=run.id, controls=controls, onto=onto)


def _row(custom_id: str, label: str, style: int) -> dict[str, Any]:
    button = {"type": _BUTTON, "style": style, "custom_id": custom_id, "label": label}
    return {"type": _ROW, "components": [button]}
