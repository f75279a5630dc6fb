"""Keeps the index current: reads the documents at the start, and again whenever something in their folder changes."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

from watchfiles import Change, DefaultFilter, awatch

from bot.doctor.machine import is_on_network_file_system
from bot.domain import ReindexRequest
from bot.errors import DocentError, IngestionRefused, SettingsInvalid, StoreUnusable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable
    from pathlib import Path

    from bot.domain import IngestionReport, Library

_log = logging.getLogger(__name__)

POLL_MILLISECONDS: Final = 2_000
"""Time between two looks at a folder whose file system does not report changes."""
BATCH_MILLISECONDS: Final = 1_500
"""Changes within this time are read in one run."""
QUIET_MILLISECONDS: Final = 400
"""A run begins after this time without a further change, so that a file that is being copied is read once."""
FIRST_RETRY, LONGEST_RETRY = 5.0, 600.0
"""Seconds until a run that failed is tried again, doubled each time; a change begins a run at once."""
CHECK_SECONDS: Final = 10.0
"""Seconds between two looks at whether the index is an older one than before: it was damaged, deleted or restored."""
_MISSING_FOLDER_SECONDS = 5.0
_LIST_NAME = "urls.txt"


class _DocumentFilter(DefaultFilter):
    """Ignores what no run would read: hidden files and folders, and folders of other people's code."""

    def __call__(self, change: Change, path: str) -> bool:
        parts = path.replace("\\", "/").split("/")
        return super().__call__(change, path) and not parts[-1].startswith(".")


async def watch_folder(folder: Path, stop: asyncio.Event, *, is_polling: bool | None = None) -> AsyncIterator[set[str]]:
    """Yield the paths that changed in a folder, a batch at a time, until ``stop`` is set.

    A folder that is missing is waited for. ``is_polling`` compares the files every few seconds, as is done by default
    on network file systems, which do not report changes.
    """
    while not stop.is_set():
        if not await asyncio.to_thread(folder.is_dir):
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _MISSING_FOLDER_SECONDS)
            continue
        polls = await asyncio.to_thread(is_on_network_file_system, folder) if is_polling is None else is_polling
        try:
            async for changes in awatch(
                folder,
                watch_filter=_DocumentFilter(),
                debounce=BATCH_MILLISECONDS,
                step=QUIET_MILLISECONDS,
                stop_event=stop,
                force_polling=polls,
                poll_delay_ms=POLL_MILLISECONDS,
                recursive=True,
                ignore_permission_denied=True,
            ):
                yield {path for _, path in changes}
                if not await asyncio.to_thread(folder.is_dir):
                    break
        except (OSError, RuntimeError) as error:  # too many watches, or the folder has gone
            _log.warning("Watching %s failed (%s); its files are compared every few seconds", folder.name, error)
            is_polling = True
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _MISSING_FOLDER_SECONDS)


class CurrentIndex:
    """Reads the documents at the start, and again after each change. It never ends the bot, except at the start."""

    def __init__(self, library: Library, *, first_retry: float = FIRST_RETRY) -> None:
        self._library = library
        self._first_retry = first_retry
        self._changed = asyncio.Event()
        self._has_new_lists = False
        self._last_failure = ""
        self._generation = 0
        self._unreadable: dict[str, str] = {}

    async def read_at_start(self, stop: asyncio.Event) -> None:
        """Read what changed while the bot was off.

        Raises:
            StoreUnusable, SettingsInvalid: The index cannot be opened; ``stop`` is set.
        """
        try:
            await self._library.state()
        except (StoreUnusable, SettingsInvalid):
            stop.set()
            raise
        await self._read(ReindexRequest(is_automatic=True))

    def note_changes(self, paths: set[str]) -> None:
        """Remember that there is something to read."""
        self._has_new_lists |= any(path.endswith(_LIST_NAME) for path in paths)
        self._changed.set()

    async def read_changes(self) -> None:
        """Read what changed, for as long as the bot runs; what failed is tried again."""
        retry = 0
        while True:
            delay = min(self._first_retry * 2.0**retry, LONGEST_RETRY) if self._last_failure else None
            with suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self._wait_for_change()
            if self._changed.is_set():
                retry = 0
            self._changed.clear()
            # Web pages are fetched at the start, by a re-index, and when a list of them has changed.
            has_lists, self._has_new_lists = self._has_new_lists, False
            await self._read(ReindexRequest(files_only=not has_lists, is_automatic=True))
            retry = min(retry + 1, 30) if self._last_failure else 0
            self._has_new_lists |= has_lists and bool(self._last_failure)

    async def _wait_for_change(self) -> None:
        """Wait until a file has changed, or the index is not the one that was built last."""
        while not self._changed.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(CHECK_SECONDS):
                    await self._changed.wait()
                    return
            with suppress(DocentError):  # one that cannot be opened is looked at again
                generation = (await self._library.state()).generation
                is_older, self._generation = generation < self._generation, generation
                if is_older:
                    self._has_new_lists = True
                    return

    async def _read(self, request: ReindexRequest) -> None:
        try:
            report = await self._library.reindex(request)
        except DocentError as error:
            if error.user_message != self._last_failure:
                level = logging.WARNING if isinstance(error, IngestionRefused) else logging.ERROR
                _log.log(level, "Reading the documents failed, and is tried again: %s", error.user_message)
            self._last_failure = error.user_message
            return
        self._last_failure = ""
        self._log_report(report)
        with suppress(DocentError):
            self._generation = (await self._library.state()).generation

    def _log_report(self, report: IngestionReport) -> None:
        """Log what changed; a document that cannot be read is named once, and again when the reason is another."""
        _log.info(
            "Documents read: %d new, %d changed, %d removed, %d unchanged, %d failed",
            *(len(report.new), len(report.changed), len(report.removed), report.unchanged, len(report.failed)),
        )
        for document, reason in report.failed.items():
            if self._unreadable.get(document) != reason:
                _log.warning("Reading document %s failed: %s", document, reason)
        self._unreadable = dict(report.failed)


@asynccontextmanager
async def keep_index_current(
    library: Library,
    folder: Path,
    stop: asyncio.Event,
    *,
    is_watching: bool,
    watch: Callable[[Path, asyncio.Event], AsyncIterator[set[str]]] = watch_folder,
) -> AsyncGenerator[None]:
    """Read the documents while the block lasts: at the start, after a failure, and changes if ``is_watching``.

    Raises:
        StoreUnusable, SettingsInvalid: The index cannot be opened; raised at the end of the block, which ``stop`` ends.
    """
    index = CurrentIndex(library)

    async def read() -> None:
        await index.read_at_start(stop)
        await index.read_changes()

    async def collect_changes() -> None:
        async for paths in watch(folder, stop):
            index.note_changes(paths)

    # The watch begins before the first run, so that what changes meanwhile is not missed.
    watching = asyncio.create_task(collect_changes()) if is_watching else None
    reading = asyncio.create_task(read())
    try:
        yield
    finally:
        tasks = [reading, *([watching] if watching else [])]
        for task in tasks:
            task.cancel()
        outcome, *_ = await asyncio.gather(*tasks, return_exceptions=True)
    if isinstance(outcome, StoreUnusable | SettingsInvalid):
        raise outcome
