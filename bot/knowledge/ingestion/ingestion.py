"""Compares the documents' folder with the index, and reads, embeds and replaces what changed in one transaction."""

from __future__ import annotations

import logging
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import TYPE_CHECKING, Final

from bot.domain import SHARED, collection_of
from bot.errors import DocumentUnreadable, IngestionRefused
from bot.knowledge.ingestion.embedding_requests import EmbeddingRequests, EmbedTexts, RetryPolicy
from bot.knowledge.ingestion.plan import Plan, hash_content, hash_page, make_plan, refuse_mass_removal
from bot.knowledge.ingestion.run import DryRun, Run
from bot.knowledge.ingestion.spool import Spool
from bot.knowledge.ingestion.worker import Limits, ReaderProcess
from bot.knowledge.sources.folder import FileEntry, collections_in
from bot.knowledge.sources.web.addresses import parse_list_path
from bot.knowledge.sources.web.crawler import WebPages

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.domain import IngestionReport, Progress
    from bot.knowledge.sources.web.fetcher import FetchLimits, NetworkPolicy
    from bot.knowledge.stores.store import Store

_log = logging.getLogger(__name__)

BATCH: Final = 32
"""Passages in one request to the embedding model."""
IN_FLIGHT: Final = 3
"""Requests sent at the same time; a crash loses at most this many batches of ``BATCH`` passages."""


class Ingestion:
    """Brings a store up to what a folder holds. It blocks: run it in a thread.

    ``embed`` is None for keywords only; ``embed_name`` is then "none", and always the store's own. ``batch`` passages
    make one request, ``in_flight`` requests are under way at once; a model on this machine is best given a small batch
    and one at a time, so that ``stop`` takes effect soon. One run sends at most ``tokens_limit`` to the model.
    ``spool`` is where what was read outlives a crash; fetched pages lie beside it. ``reach`` and ``bounds`` are for
    tests: what pages are fetched from, and what they may cost.
    """

    def __init__(  # noqa: PLR0913 - the operator's choices, each with its default
        self,
        root: Path,
        store: Store,
        embed: EmbedTexts | None,
        embed_name: str,
        *,
        batch: int = BATCH,
        in_flight: int = IN_FLIGHT,
        spool: Path | None = None,
        tokens_limit: int | None = None,
        retry_policy: RetryPolicy | None = None,
        limits: Limits | None = None,
        network_policy: NetworkPolicy | None = None,
        fetch_limits: FetchLimits | None = None,
    ) -> None:
        if store.embed_name != embed_name:
            raise ValueError(f"the store searches vectors of {store.embed_name}, not of {embed_name}")
        self._root = root
        self._store = store
        self._embed = embed
        self._batch = batch
        self._in_flight = in_flight
        self._spool = spool
        self._tokens_limit = tokens_limit
        self._retry_policy = retry_policy or RetryPolicy()
        self._limits = limits
        self._network_policy = network_policy
        self._fetch_limits = fetch_limits
        self._is_stopped = False
        self._stop_events: set[Event] = set()

    def stop(self) -> None:
        """Have the run in another thread, and any later one, end soon with IngestionRefused; paid vectors are kept."""
        self._is_stopped = True
        for ending in tuple(self._stop_events):
            ending.set()

    def has_changed(self, document: str) -> bool:
        """Whether a searchable document's file has changed or is gone; its content is read to find out."""
        if parse_list_path(document) is not None:
            return self._is_page_changed(document)
        try:
            return hash_content(self._root, FileEntry(document)) != self._store.manifest().get(document)
        except DocumentUnreadable:
            return True

    def _is_page_changed(self, document: str) -> bool:
        if self._spool is None:
            return False
        digest = hash_page(self._create_web_pages(_pages_folder_of(self._spool)), document)
        return digest is not None and digest != self._store.manifest().get(document)

    def run(  # noqa: PLR0913 - what may be asked of a run; all by name
        self,
        *,
        collection: str | None = None,
        full: bool = False,
        dry_run: bool = False,
        force: bool = False,
        files_only: bool = False,
        on_progress: Callable[[Progress], None] | None = None,
        stop_event: Event | None = None,
    ) -> IngestionReport:
        """Index what changed. Until its last moment, and after any failure, the old state is what is searched.

        A dry run reads files but embeds and stores nothing; its ``embedded`` says how many passages would be. A
        document that can no longer be read stays searchable as it was. Every file's content is hashed on every run:
        its time and size say nothing certain, and a folder of 10,000 is hashed in about a second. With a
        ``collection`` only its documents are looked at; ``full`` reads what has not changed as well;
        ``files_only`` leaves web pages as they are. Setting ``stop_event``, in another thread, ends this run soon.

        Raises:
            IngestionRefused: the folder or the collection is missing, it lost more than half of what is searchable
                (``force`` allows that), another run is going on, this one would cost too much or was ended.
            StoreUnusable, AnswerUnavailable: the latter when the embedding model fails.
        """
        stop_event = stop_event or Event()
        self._stop_events.add(stop_event)  # before the look at what stop() has said: it may come in between
        try:
            if self._is_stopped:
                stop_event.set()
            self._ensure_exists(collection)
            with self._store.ingestion_lock(), ExitStack() as stack:
                child = stack.enter_context(ReaderProcess(self._limits))
                web = self._create_web_pages(self._open_pages_folder(stack))
                plan = make_plan(
                    self._root,
                    self._store.manifest(),
                    web,
                    collection=collection,
                    is_full=full,
                    files_only=files_only,
                    on_file_hashed=_build_hash_callback(child, stop_event),
                )
                if not (force or dry_run):
                    refuse_mass_removal(plan)
                run = self._create_run(plan, stack, stop_event, is_dry=dry_run)
                steps = stack.enter_context(closing(run.execute(child, self._root)))
                for progress in steps:
                    if not run.is_committed:
                        _ensure_not_stopped(stop_event)
                    if on_progress is not None:
                        on_progress(progress)
                return run.report()
        finally:
            self._stop_events.discard(stop_event)

    def _ensure_exists(self, collection: str | None) -> None:
        if not self._root.is_dir():
            _log.error("The documents' folder %s is missing", self._root)
            raise IngestionRefused("The documents' folder (DATA_DIR) is missing; nothing was changed.")
        if collection in {None, SHARED, *collections_in(self._root), *map(collection_of, self._store.manifest())}:
            return
        raise IngestionRefused(
            f"There is no collection {collection}; nothing was changed. A collection is a folder @NAME in the"
            " documents' folder."
        )

    def _create_run(self, plan: Plan, stack: ExitStack, stop_event: Event, *, is_dry: bool) -> DryRun | Run:
        spool = stack.enter_context(Spool(self._spool))
        if is_dry:
            return DryRun(plan, self._store, spool, has_model=self._embed is not None)
        requests = self._open_requests(plan, stack, stop_event)
        return Run(plan, self._store, spool, requests, batch=self._batch, tokens_limit=self._tokens_limit)

    def _open_requests(self, plan: Plan, stack: ExitStack, stop_event: Event) -> EmbeddingRequests | None:
        if self._embed is None:
            return None
        generation = self._store.generation()
        is_same_model = generation.model == self._store.embed_name
        return stack.enter_context(
            EmbeddingRequests(
                self._embed,
                self._store.save_vectors,
                in_flight=self._in_flight,
                retry_policy=self._retry_policy,
                dimension=generation.dimension if is_same_model else 0,
                can_change_dimension=plan.is_full,
                wait_for_stop=stop_event.wait,
            )
        )

    def _open_pages_folder(self, stack: ExitStack) -> Path:
        if self._spool is not None:
            return _pages_folder_of(self._spool)
        return Path(stack.enter_context(TemporaryDirectory(prefix="docent-pages-")))

    def _create_web_pages(self, folder: Path) -> WebPages:
        return WebPages(folder, self._network_policy, self._fetch_limits)


def _build_hash_callback(child: ReaderProcess, stop_event: Event) -> Callable[[bool], None]:
    def on_file_hashed(has_changed: bool) -> None:  # noqa: FBT001 - the one thing there is to note
        _ensure_not_stopped(stop_event)
        if has_changed:
            child.start()  # it gets ready while the other files are hashed

    return on_file_hashed


def _ensure_not_stopped(stop_event: Event) -> None:
    if stop_event.is_set():
        raise IngestionRefused("The run was stopped; the old index still serves.")


def _pages_folder_of(spool: Path) -> Path:
    return spool.with_name("pages")
