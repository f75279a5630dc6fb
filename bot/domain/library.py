"""Protocol of the documents behind the answers, and the values it exchanges."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime  # noqa: TC003  # the records' reader looks the type up
from typing import TYPE_CHECKING, Protocol

from bot.domain.answers import SHARED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bot.domain.answers import Attachment, Scope


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an ingestion run is.

    All counts are of this run; ``files_total`` is known before the first file is read.
    """

    files_done: int = 0
    files_total: int = 0
    nodes_done: int = 0
    current: str = ""
    failed: int = 0
    waiting: float = 0.0
    """Seconds for which the embedding model has been failing; 0 while it answers."""


@dataclass(frozen=True, slots=True)
class ReindexRequest:
    """What an ingestion run is to do.

    Args:
        collection: Compare only this one (``SHARED`` is the shared documents); None for all.
        full: Read every file again, changed or not; passages that are embedded already are not embedded again.
        dry_run: Only report what would change.
        force: Allow a run that deletes more than half of what is searchable.
        files_only: Leave web pages as they are, without fetching them.
        is_automatic: Nobody asked for it: it ends when somebody asks for a run, and is tried again later.
    """

    collection: str | None = None
    full: bool = False
    dry_run: bool = False
    force: bool = False
    files_only: bool = False
    is_automatic: bool = False


@dataclass(frozen=True, slots=True)
class IngestionReport:
    """What a run changed, or would change if it is a dry run.

    ``nodes`` counts the passages of new and changed documents, ``embedded`` those that were sent to the embedding
    model; ``failed`` maps a document that could not be read to the reason. ``moved`` maps old names to new names where
    only a file's name changed; these are among ``removed`` and ``new`` as well. ``tokens`` and ``dollars`` are what a
    dry run estimates for the embedding; ``dollars`` is None if the model's price is not known. ``passed_over`` counts
    files of formats that are not read, by suffix; ``notes`` says which parts of a document could not be read;
    ``left_out`` maps a file that is not indexed on purpose to the reason, such as a copy in another format.
    """

    new: Sequence[str] = ()
    changed: Sequence[str] = ()
    removed: Sequence[str] = ()
    unchanged: int = 0
    failed: Mapping[str, str] = field(default_factory=dict[str, str])
    nodes: int = 0
    embedded: int = 0
    is_dry_run: bool = False
    moved: Mapping[str, str] = field(default_factory=dict[str, str])
    tokens: int = 0
    dollars: float | None = None
    passed_over: Mapping[str, int] = field(default_factory=dict[str, int])
    notes: Mapping[str, str] = field(default_factory=dict[str, str])
    left_out: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class LibraryState:
    """What is searchable now, and the run in progress, if any.

    ``embedding`` is the model's name, or "none". ``generation`` is the number of the index's state; ``built_at`` is
    when it was published.

    ``language`` is that of most documents ("en", "de" …; "other": another script than Latin; "" where it is not known),
    ``can_read_language`` whether the embedding model reads it.
    """

    documents: int
    nodes: int
    embedding: str
    running: Progress | None = None
    generation: int = 0
    built_at: datetime | None = None
    language: str = ""
    can_read_language: bool = True


@dataclass(frozen=True, slots=True)
class DocumentInfo:
    """A searchable document: its path in the documents' folder, title, collection and number of passages.

    ``date`` is when it was last changed before it was read, ``url`` its own address.
    """

    document: str
    title: str
    collection: str = SHARED
    passages: int = 0
    date: datetime | None = None
    url: str | None = None


class FileReader(Protocol):
    """Reads files that came with a question."""

    async def read(self, name: str, content: bytes) -> Attachment:
        """Read a file in the limited child process; nothing of it is stored.

        Raises:
            DocumentUnreadable: it is damaged, locked, too large or of no known format; the message says which.
        """
        ...


class Library(FileReader, Protocol):
    """The documents behind the answers."""

    async def state(self) -> LibraryState:
        """Return what is searchable now."""
        ...

    async def reindex(
        self,
        request: ReindexRequest | None = None,
        *,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> IngestionReport:
        """Update the index from the folder while the old index is searched. One run at a time.

        Args:
            request: What to compare; without one, everything that has changed.
            on_progress: Called as files are done, perhaps in another thread.

        Raises:
            IngestionRefused: one is running, it would delete too much or cost too much, or it was cancelled.
            StoreUnusable, AnswerUnavailable: the last when the embedding model fails.
        """
        ...

    def cancel(self) -> bool:
        """End the run in progress soon, without changing the index; return False if there is none."""
        ...

    async def list_documents(self, scope: Scope) -> Sequence[DocumentInfo]:
        """Return the searchable documents inside a scope, by path.

        Raises:
            StoreUnusable: the index cannot be read.
        """
        ...

    async def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]] | None:
        """Return a vector for each text, in their order; None without an embedding model, or if it failed."""
        ...

    async def add(self, collection: str, name: str, content: bytes) -> str:
        """Write a file into a collection's folder under a safe name; return its document's path.

        It is searchable after the next run. A file of the same name is replaced, in one step.

        Raises:
            DocumentUnreadable: its name or content is of no known format, or too large.
            StoreUnusable: the folder cannot be written.
        """
        ...

    async def add_page(self, collection: str, url: str) -> str:
        """Add a web page's address to the collection's list; return the address as it is stored.

        Raises:
            DocumentUnreadable: it is not a public http or https address.
            StoreUnusable: the folder cannot be written.
        """
        ...

    async def remove(self, document: str) -> bool:
        """Delete a document's file, or take its page off the list; return False if there is none.

        It is searchable until the next run.

        Raises:
            StoreUnusable: the folder cannot be written.
        """
        ...
