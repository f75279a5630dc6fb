"""Runs an ingestion started from chat: planned, run, and shown in one message until its end or a restart."""

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
"""Seconds between two updates of a run's message."""

COMPONENT_FAMILY, CANCEL, FAILURES = "reindex", "cancel", "failures"
"""Family and actions of the buttons below a run's message; their argument is the run's id."""

RESTARTING_MESSAGE = "Docent is restarting. This run continues afterwards; what it has embedded is kept."
RESUMED_HEADING = "-# Resumed after a restart."
_OLD_INDEX = "The old index is still searched; what was embedded is kept."
_MAX_TRIES = 5
_MAX_REASON_LENGTH = 1_000  # characters of a refusal that are shown
_MAX_FAILURE_LISTS = 20
"""Runs whose lists of failures are kept."""
_ACTION_ROW, _BUTTON, _SECONDARY, _DANGER = 1, 2, 2, 4


class ReindexRuns:
    """Runs the ingestions that were started from chat, one at a time.

    ``clock`` returns Unix seconds; ``interval`` is in seconds.
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
        """The run in progress, with its message's id once it is posted."""
        return self._message.run if self._message else None

    async def run(
        self, run: Run, surface: Callable[[Components], Surface], *, dry_run: bool = False, is_resumed: bool = False
    ) -> None:
        """Plan and run an ingestion, or only plan it with ``dry_run``, and show its progress in a message.

        If the message is lost, the run still continues to its end.

        Raises:
            IngestionRefused: another run from chat is in progress.
        """
        if self._message is not None:
            raise IngestionRefused("A run is in progress already.")
        run_message = self._message = _RunMessage(run, self._driver, heading=RESUMED_HEADING if is_resumed else "")
        run_message.surface = surface(run_message)
        try:
            await run_message.update(
                f"Comparing {reindex_report.format_run_scope(run.collection, full=run.full)} with the index…"
            )
            run_message.run = replace(run, message_id=run_message.message_id)
            if not dry_run:
                await self._save_run(run_message.run)
            ending = await self._execute(run_message, dry_run=dry_run)
            if ending is not None and not dry_run:
                await self._save_run(replace(run_message.run, ended_at=self._clock()))
            await run_message.update(ending or RESTARTING_MESSAGE, is_last=ending is not None)
        finally:
            self._message = None
            run_message.done_event.set()

    def cancel(self, run_id: str, by: str) -> bool:
        """Cancel a run in the name of ``by``; return False if it is not running."""
        if self._message is None or self._message.run.id != run_id:
            return False
        self._message.cancelled_by = by
        return self._library.cancel()

    def failures(self, run_id: str) -> Mapping[str, str] | None:
        """Return the files that a run could not read, with reasons; None if the list is no longer kept."""
        return self._failures_by_run.get(run_id)

    async def resume(self, client: discord.Client, serves: Callable[[int | None], bool] = lambda _: True) -> None:
        """Continue the runs that a restart interrupted, in their messages.

        ``serves`` tells whether a guild, by its id, belongs to this process: the runs of others are their own.
        """
        try:
            interrupted = await self._records.unfinished_runs()
        except RecordsUnusable as error:
            _log.warning("Loading interrupted runs failed: %s", error.user_message)
            return
        for run in (run for run in interrupted if serves(run.guild_id)):
            while self._message is not None or (await self._library.state()).running is not None:  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(self._interval)
            _log.info("Run %s was interrupted and is resumed", run.id)
            await self.run(run, _create_resumed_surface(client, run), is_resumed=True)

    async def suspend(self) -> None:
        """End the run in progress so that the next start resumes it, and say so in its message."""
        self._is_suspending = True
        if (run_message := self._message) is not None:
            self._library.cancel()
            await run_message.done_event.wait()

    async def _execute(self, message: _RunMessage, *, dry_run: bool) -> str | None:
        """Plan and run; return the text that says how it ended, or None if it is to be resumed."""
        run = message.run
        try:
            plan = await self._reindex_with_progress(message, dry_run=True)
            if dry_run:
                self._save_failures(run.id, plan)
                return reindex_report.format_dry_run(plan)
            message.plan = reindex_report.format_plan(plan)
            started_at = self._clock()
            report = await self._reindex_with_progress(message, dry_run=False)
            self._save_failures(run.id, report)
            message.has_failures = bool(report.failed)
            return reindex_report.format_result(report, self._clock() - started_at)
        except IngestionRefused as error:
            if self._is_suspending:
                return None
            if message.cancelled_by:
                return f"**Cancelled by {message.cancelled_by}.** {_OLD_INDEX}"
            return f"**The run was refused.** {escape_markdown(error.user_message, _MAX_REASON_LENGTH)}"
        except DocentError as error:
            _log.warning("Run %s failed: %s", run.id, error.user_message)
            return f"**Failed.** {error.user_message} {_OLD_INDEX}"

    async def _reindex_with_progress(self, message: _RunMessage, *, dry_run: bool) -> IngestionReport:
        """Run the library's ingestion once and show its progress."""
        run, started_at = message.run, self._clock()
        if message.cancelled_by or self._is_suspending:  # between plan and run the library has nothing to cancel
            raise IngestionRefused("The run was cancelled before it began.")

        def set_progress(progress: Progress) -> None:
            message.progress = progress

        message.progress = None
        updating = asyncio.create_task(self._show_progress(message, started_at))
        try:
            return await self._library.reindex(
                ReindexRequest(run.collection, full=run.full, dry_run=dry_run, force=run.force),
                on_progress=set_progress,
            )
        finally:
            updating.cancel()
            with suppress(asyncio.CancelledError):
                await updating

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
            _log.warning("Run %s: storing failed, a restart would not resume it: %s", run.id, error.user_message)


@dataclass(slots=True)
class _RunMessage:
    """The message of one run, with the buttons below it."""

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
        """The message's id; None until it is posted."""
        return next(iter(self.surface.message_ids), None)

    async def update(self, content: str, *, is_last: bool = False) -> None:
        """Show the run's state when the rate limit allows it; a state that cannot be shown is skipped."""
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
                    _log.info("Run %s: its message is gone: %s", self.run.id, error)
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


def _create_resumed_surface(client: discord.Client, run: Run) -> Callable[[Components], Surface]:
    """Return the surface of a resumed run: its old message, or a new one if none was posted."""
    message_ids = () if run.message_id is None else (run.message_id,)
    return lambda components: ChannelSurface(
        client, run.channel_id, nonce_seed=run.id, components=components, reused_message_ids=message_ids
    )


def _build_button_row(custom_id: CustomId, label: str, style: int) -> dict[str, Any]:
    button = {"type": _BUTTON, "style": style, "custom_id": str(custom_id), "label": label}
    return {"type": _ACTION_ROW, "components": [button]}
