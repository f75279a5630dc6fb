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
from bot.discord_adapter.components import CustomId
from bot.domain import ReindexRequest
from bot.errors import DocentError, IngestionRefused, RecordsUnusable
from bot.streaming import Edit, Post, SurfaceBusy, SurfaceGone
from bot.text.citations import escape_markdown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import discord

    from bot.discord_adapter import Components, MessageLocation
    from bot.domain import IngestionReport, Library, Progress
    from bot.records import Records, Run
    from bot.streaming import Driver, Surface

_log = logging.getLogger(__name__)

PROGRESS_INTERVAL = 2.0
"""Seconds between two looks at how far a run is."""

COMPONENT_FAMILY, CANCEL, FAILURES = "reindex", "cancel", "failures"
"""Family and actions of the buttons below a run's message; their argument is the run's id."""

RESTARTING_MESSAGE = "Docent is restarting; this run goes on afterwards, and what it has embedded is kept."
RESUMED_HEADING = "-# Resumed after a restart."
_MAX_TRIES = 5
_MAX_REASON_LENGTH = 1_000  # characters of a refusal that are shown
_MAX_FAILURE_LISTS = 20
"""Runs whose lists of failures are kept."""
_ACTION_ROW, _BUTTON, _SECONDARY, _DANGER = 1, 2, 2, 4


class ReindexRuns:
    """Where runs from chat come together: one at a time.

    ``clock`` gives Unix seconds, ``interval`` is in seconds.
    """

    def __init__(
        self,
        library: Library,
        driver: Driver,
        records: Records,
        *,
        interval: float = PROGRESS_INTERVAL,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._library = library
        self._driver = driver
        self._records = records
        self._interval = interval
        self._clock = clock
        self._message: _RunMessage | None = None
        self._failures_by_run: dict[str, Mapping[str, str]] = {}
        self._is_suspending = False

    @property
    def current(self) -> Run | None:
        """The run that is going on, with its message's id once that is there."""
        return self._message.run if self._message else None

    async def run(
        self, run: Run, surface: Callable[[Components], Surface], *, dry_run: bool = False, is_resumed: bool = False
    ) -> None:
        """Plan a run and carry it out, or with ``dry_run`` only plan it, and say in a message how far it is.

        Whatever becomes of the message, the run goes on to its end.

        Raises:
            IngestionRefused: another run from chat is going on.
        """
        if self._message is not None:
            raise IngestionRefused("A run is going on already.")
        telling = self._message = _RunMessage(run, self._driver, heading=RESUMED_HEADING if is_resumed else "")
        telling.surface = surface(telling)
        try:
            await telling.update(
                f"Comparing {reindex_report.format_run_scope(run.collection, full=run.full)} with the index…"
            )
            telling.run = replace(run, message_id=telling.message_id)
            if not dry_run:
                await self._save_run(telling.run)
            ending = await self._execute(telling, dry_run=dry_run)
            if ending is not None and not dry_run:
                await self._save_run(replace(telling.run, ended_at=self._clock()))
            await telling.update(ending or RESTARTING_MESSAGE, is_last=ending is not None)
        finally:
            self._message = None
            telling.done_event.set()

    def cancel(self, run_id: str, by: str) -> bool:
        """End a run in the name of ``by``; False if it is not going on."""
        if self._message is None or self._message.run.id != run_id:
            return False
        self._message.cancelled_by = by
        return self._library.cancel()

    def failures(self, run_id: str) -> Mapping[str, str] | None:
        """What a run could not read, with the reasons; None if that is no longer known."""
        return self._failures_by_run.get(run_id)

    async def resume(self, client: discord.Client) -> None:
        """Carry on with the runs that a restart has cut off, in their messages."""
        try:
            cut_off = await self._records.unfinished_runs()
        except RecordsUnusable as error:
            _log.warning("Runs that were cut off cannot be looked for: %s", error.user_message)
            return
        for run in cut_off:
            while self._message is not None or (await self._library.state()).running is not None:  # noqa: ASYNC110 - no event tells
                await asyncio.sleep(self._interval)
            _log.info("Run %s was cut off and is resumed", run.id)
            await self.run(run, _resumed_surface(client, run), is_resumed=True)

    async def suspend(self) -> None:
        """End a run that is going on so that the next start resumes it, and say so in its message."""
        self._is_suspending = True
        if (telling := self._message) is not None:
            self._library.cancel()
            await telling.done_event.wait()

    async def _execute(self, message: _RunMessage, *, dry_run: bool) -> str | None:
        """How a run ended, in words; None if it is to be resumed."""
        run = message.run
        try:
            plan = await self._reindex_with_progress(message, dry_run=True)
            if dry_run:
                self._save_failures(run.id, plan)
                return reindex_report.format_dry_run(plan)
            message.plan = reindex_report.format_plan(plan)
            begun = self._clock()
            report = await self._reindex_with_progress(message, dry_run=False)
            self._save_failures(run.id, report)
            message.has_failures = bool(report.failed)
            return reindex_report.format_result(report, self._clock() - begun)
        except IngestionRefused as error:
            if self._is_suspending:
                return None
            if message.cancelled_by:
                return f"**Cancelled by {message.cancelled_by}.** The old index serves; what was embedded is kept."
            return f"**Not carried out.** {escape_markdown(error.user_message, _MAX_REASON_LENGTH)}"
        except DocentError as error:
            _log.warning("Run %s failed: %s", run.id, error.user_message)
            return f"**Failed.** {error.user_message} The old index serves; what was embedded is kept."

    async def _reindex_with_progress(self, message: _RunMessage, *, dry_run: bool) -> IngestionReport:
        """One pass of the library, its progress shown as it goes."""
        run, begun = message.run, self._clock()
        if message.cancelled_by or self._is_suspending:  # between two passes there is nothing the library could cancel
            raise IngestionRefused("The run was ended before it began.")

        def note(progress: Progress) -> None:
            message.progress = progress

        message.progress = None
        ticking = asyncio.create_task(self._show_progress(message, begun))
        try:
            return await self._library.reindex(
                ReindexRequest(run.collection, full=run.full, dry_run=dry_run, force=run.force), on_progress=note
            )
        finally:
            ticking.cancel()
            with suppress(asyncio.CancelledError):
                await ticking

    async def _show_progress(self, message: _RunMessage, started_at: float) -> None:
        while True:
            await asyncio.sleep(self._interval)
            if message.progress is not None:
                await message.update(reindex_report.format_progress(message.progress, self._clock() - started_at))

    def _save_failures(self, run_id: str, report: IngestionReport) -> None:
        self._failures_by_run[run_id] = dict(report.failed)
        while len(self._failures_by_run) > _MAX_FAILURE_LISTS:
            del self._failures_by_run[next(iter(self._failures_by_run))]

    async def _save_run(self, run: Run) -> None:
        try:
            await self._records.save_run(run)
        except RecordsUnusable as error:
            _log.warning("Run %s is not written down and would not be resumed: %s", run.id, error.user_message)


@dataclass(slots=True)
class _RunMessage:
    """One run's message, and the controls below it."""

    run: Run
    driver: Driver
    heading: str = ""
    surface: Any = None
    plan: str = ""
    progress: Progress | None = None
    cancelled_by: str = ""
    has_failures: bool = False
    done_event: asyncio.Event = field(default_factory=asyncio.Event)
    _last_text: str = ""
    _is_gone: bool = False
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def message_id(self) -> int | None:
        """The message's id, once it is there."""
        return next(iter(self.surface.message_ids), None)

    async def update(self, content: str, *, is_last: bool = False) -> None:
        """Show how the run stands, when it is this message's turn; what cannot be shown is left out."""
        text = "\n".join(part for part in (self.heading, self.plan, content) if part)
        async with self._lock:
            for _ in range(_MAX_TRIES if is_last or not self._last_text else 1):
                if self._is_gone or (text == self._last_text and not is_last):
                    return
                try:
                    await self._show(text, is_last=is_last)
                except SurfaceBusy as error:
                    await asyncio.sleep(error.retry_after)
                except SurfaceGone as error:
                    self._is_gone = True
                    _log.info("Run %s has lost its message: %s", self.run.id, error)
                else:
                    self._last_text = text
                    return

    async def _show(self, text: str, *, is_last: bool) -> None:
        await self.driver.wait_for_edit_slot(self.surface.bucket)
        if self.surface.message_ids:
            await self.surface.edit(Edit(0, text, is_last=is_last))
        else:
            await self.surface.post(Post(text, is_last=is_last))

    def streaming(self) -> Sequence[dict[str, Any]]:
        """As ``Components.streaming``."""
        return [_build_button_row(CustomId(COMPONENT_FAMILY, CANCEL, self.run.id), "Cancel", _DANGER)]

    def final(self, message_ids: Sequence[int]) -> Sequence[dict[str, Any]]:  # noqa: ARG002 - as the protocol has it
        """As ``Components.final``."""
        return (
            [_build_button_row(CustomId(COMPONENT_FAMILY, FAILURES, self.run.id), "What could not be read", _SECONDARY)]
            if self.has_failures
            else []
        )

    async def on_complete(self, location: MessageLocation) -> None:
        """As ``Components.on_complete``."""


def _resumed_surface(client: discord.Client, run: Run) -> Callable[[Components], Surface]:
    """The surface of a run that is resumed: its old message, or a new one where that had not come to be."""
    onto = () if run.message_id is None else (run.message_id,)
    return lambda controls: ChannelSurface(
        client, run.channel_id, nonce_seed=run.id, components=controls, reused_message_ids=onto
    )


def _build_button_row(custom_id: CustomId, label: str, style: int) -> dict[str, Any]:
    button = {"type": _BUTTON, "style": style, "custom_id": str(custom_id), "label": label}
    return {"type": _ACTION_ROW, "components": [button]}
