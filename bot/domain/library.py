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
    """How far an ingestion is. Counts are of this run; ``files_total`` is known before the first file is read."""

    files_done: int = 0
    files_total: int = 0
    nodes_done: int = 0
    current: str = ""
    failed: int = 0


@dataclass(frozen=True, slots=True)
class ReindexRequest:
    """What an ingestion run is to do.

    Args:
        collection: Look at this one alone (``SHARED`` is the shared documents); None for all.
        full: Read every file again, changed or not; no passage is paid for twice for that.
        dry_run: Only report what would change.
        force: Allow a run that deletes more than half of what is searchable.
    """

    collection: str | None = None
    full: bool = False
    dry_run: bool = False
    force: bool = False


@dataclass(frozen=True, slots=True)
class IngestionReport:
    """What a run changed, or with a dry run would change.

    ``nodes`` counts the passages of what is new or changed, ``embedded`` those that went to the embedding model;
    ``failed`` maps a document that was passed over to its reason. ``moved`` maps old names to new ones where a file
    is the same under another name; they are among ``removed`` and ``new`` as well. ``tokens`` and
    ``dollars`` are what
    a dry run expects the embedding to take; ``dollars`` is None where the model's price is not known.
    ``passed_over`` counts files of formats that are not read, by suffix; ``notes`` say of documents that were read what
    of them could not be.
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


@dataclass(frozen=True, slots=True)
class LibraryState:
    """What is searchable now, and the run in progress, if any.

    ``embedding`` is the model's name, or "none".

    ``generation`` counts the index's states; ``built_at`` is when the present one was put in place.
    """

    documents: int
    nodes: int
    embedding: str
    running: Progress | None = None
    generation: int = 0
    built_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class DocumentInfo:
    """A searchable document: its path relative to the documents' folder, its title, its collection and its passages.

    ``date`` is when it was last changed before it was read, ``url`` where it says it lives.
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
        """Read a file in the limited child process; nothing of it is kept.

        Raises:
            DocumentUnreadable: it is damaged, locked, too large or of no known format; the message says which.
        """
        ...


class Library(FileReader, Protocol):
    """The documents behind the answers."""

    async def state(self) -> LibraryState:
        """What is searchable now."""
        ...

    async def reindex(
        self,
        request: ReindexRequest | None = None,
        *,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> IngestionReport:
        """Bring the index up to date with the folder; the old one serves meanwhile. One run at a time.

        Args:
            request: What to look at; without one, everything that has changed.
            on_progress: Called as files are done, perhaps in another thread.

        Raises:
            IngestionRefused: one is running, it would delete too much or cost too much, or it was cancelled.
            StoreUnusable, AnswerUnavailable: the last when the embedding model fails.
        """
        ...

    def cancel(self) -> bool:
        """Have the run in progress end soon, the old index still serving; False if there is none."""
        ...

    async def list_documents(self, scope: Scope) -> Sequence[DocumentInfo]:
        """The searchable documents inside a scope, by path.

        Raises:
            StoreUnusable: the index cannot be read.
        """
        ...

    async def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]] | None:
        """Return a vector for each text, in their order; None without an embedding model, or if it failed."""
        ...

    async def add(self, collection: str, name: str, content: bytes) -> str:
        """Put a file into a collection's folder, at one stroke and under a safe name; gives its document's path.

        It is searchable after the next run. A file of the same name is replaced.

        Raises:
            DocumentUnreadable: its name or content is of no known format, or too large.
            StoreUnusable: the folder cannot be written.
        """
        ...

    async def add_page(self, collection: str, url: str) -> str:
        """Put a web page's address on the collection's list; gives the address as it stands there.

        Raises:
            DocumentUnreadable: it is no public http or https address.
            StoreUnusable: the folder cannot be written.
        """
        ...

    async def remove(self, document: str) -> bool:
        """Take a document's file out of the folder, or a page off its list; False if there is none.

        It is searchable until the next run.

        Raises:
            StoreUnusable: the folder cannot be written.
        """
        ...
