"""The folder is compared with what is searchable; what changed is read, embedded and put in place at one stroke."""

from __future__ import annotations

from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import TYPE_CHECKING, Final

from bot.domain import SHARED, collection_of
from bot.errors import DocumentUnreadable, IngestionRefused
from bot.knowledge.ingestion.embedding_requests import Embed, EmbeddingRequests, Patience
from bot.knowledge.ingestion.plan import Plan, content_hash, page_hash, planned, refuse_great_loss
from bot.knowledge.ingestion.run import DryRun, Run
from bot.knowledge.ingestion.spool import Spool
from bot.knowledge.ingestion.worker import ChildReader, Limits
from bot.knowledge.readers import FileEntry, collections_in
from bot.knowledge.sources.web.addresses import list_of
from bot.knowledge.sources.web.crawler import WebPages
from bot.text.citations import escape_markdown

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.domain import IngestionReport, Progress
    from bot.knowledge.sources.web.fetcher import Bounds, Reach
    from bot.knowledge.stores.store import Store

BATCH: Final = 32
"""How many passages are embedded with one request."""
IN_FLIGHT: Final = 3
"""How many requests are under way at once; together with ``BATCH``, what a crash can cost at most."""


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
        embed: Embed | None,
        embed_name: str,
        *,
        batch: int = BATCH,
        in_flight: int = IN_FLIGHT,
        spool: Path | None = None,
        tokens_limit: int | None = None,
        patience: Patience | None = None,
        limits: Limits | None = None,
        reach: Reach | None = None,
        bounds: Bounds | None = None,
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
        self._patience = patience or Patience()
        self._limits = limits
        self._reach = reach
        self._bounds = bounds
        self._is_stopped = False
        self._endings: set[Event] = set()

    def stop(self) -> None:
        """Have the run in another thread, and any later one, end soon with IngestionRefused; paid vectors are kept."""
        self._is_stopped = True
        for ending in tuple(self._endings):
            ending.set()

    def has_changed(self, document: str) -> bool:
        """Whether a searchable document's file is another one by now, or gone; its content is read for that."""
        if list_of(document) is not None:
            return self._is_page_changed(document)
        try:
            return content_hash(self._root, FileEntry(document)) != self._store.manifest().get(document)
        except DocumentUnreadable:
            return True

    def _is_page_changed(self, document: str) -> bool:
        if self._spool is None:
            return False
        digest = page_hash(self._web(_pages_beside(self._spool)), document)
        return digest is not None and digest != self._store.manifest().get(document)

    def run(  # noqa: PLR0913 - what may be asked of a run; all by name
        self,
        *,
        collection: str | None = None,
        full: bool = False,
        dry_run: bool = False,
        force: bool = False,
        on_progress: Callable[[Progress], None] | None = None,
        ending: Event | None = None,
    ) -> IngestionReport:
        """Index what changed. Until its last moment, and after any failure, the old state is what is searched.

        A dry run reads files but embeds and stores nothing; its ``embedded`` says how many passages would be. A
        document that can no longer be read stays searchable as it was. Every file's content is hashed on every run:
        its time and size say nothing certain, and a folder of 10,000 is hashed in about a second. With a
        ``collection`` only its documents are looked at; ``full`` reads what has not changed as well. Whoever sets
        ``ending``, in another thread, has this run end soon, and no other.

        Raises:
            IngestionRefused: the folder or the collection is missing, it lost more than half of what is searchable
                (``force`` allows that), another run is going on, this one would cost too much or was ended.
            StoreUnusable, AnswerUnavailable: the latter when the embedding model fails.
        """
        ending = ending or Event()
        self._endings.add(ending)  # before the look at what stop() has said: it may come in between
        try:
            if self._is_stopped:
                ending.set()
            self._ensure_there(collection)
            with self._store.ingestion_lock(), ExitStack() as stack:
                child = stack.enter_context(ChildReader(self._limits))
                web = self._web(self._pages_folder(stack))
                plan = planned(
                    self._root,
                    self._store.manifest(),
                    web,
                    collection=collection,
                    is_full=full,
                    note=_noting(child, ending),
                )
                if not (force or dry_run):
                    refuse_great_loss(plan)
                run = self._made(plan, stack, ending, is_dry=dry_run)
                steps = stack.enter_context(closing(run.steps(child, self._root)))
                for progress in steps:
                    if not run.is_in_place:
                        _ensure_wanted(ending)
                    if on_progress is not None:
                        on_progress(progress)
                return run.report()
        finally:
            self._endings.discard(ending)

    def _ensure_there(self, collection: str | None) -> None:
        if not self._root.is_dir():
            raise IngestionRefused(f"The documents' folder {self._root} is missing; nothing was changed.")
        if collection in {None, SHARED, *collections_in(self._root), *map(collection_of, self._store.manifest())}:
            return
        raise IngestionRefused(
            f"There is no collection {escape_markdown(str(collection))}; nothing was changed. A collection is a folder @NAME in"
            " the documents' folder."
        )

    def _made(self, plan: Plan, stack: ExitStack, ending: Event, *, is_dry: bool) -> DryRun | Run:
        spool = stack.enter_context(Spool(self._spool))
        if is_dry:
            return DryRun(plan, self._store, spool, has_model=self._embed is not None)
        requests = self._requests(stack, ending)
        return Run(plan, self._store, spool, requests, batch=self._batch, tokens_limit=self._tokens_limit)

    def _requests(self, stack: ExitStack, ending: Event) -> EmbeddingRequests | None:
        if self._embed is None:
            return None
        return stack.enter_context(
            EmbeddingRequests(
                self._embed,
                self._store.save_vectors,
                in_flight=self._in_flight,
                patience=self._patience,
                pause=ending.wait,
            )
        )

    def _pages_folder(self, stack: ExitStack) -> Path:
        if self._spool is not None:
            return _pages_beside(self._spool)
        return Path(stack.enter_context(TemporaryDirectory(prefix="docent-pages-")))

    def _web(self, folder: Path) -> WebPages:
        return WebPages(folder, self._reach, self._bounds)


def _noting(child: ChildReader, ending: Event) -> Callable[[bool], None]:
    def note(has_changed: bool) -> None:  # noqa: FBT001 - the one thing there is to note
        _ensure_wanted(ending)
        if has_changed:
            child.start()  # it gets ready while the other files are hashed

    return note


def _ensure_wanted(ending: Event) -> None:
    if ending.is_set():
        raise IngestionRefused("The run was stopped; the old index still serves.")


def _pages_beside(spool: Path) -> Path:
    return spool.with_name("pages")
