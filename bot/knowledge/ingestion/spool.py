"""Stores on disk what was read but is not searchable yet, so that the next run continues after a crash."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from bot.errors import StoreUnusable
from bot.knowledge.ingestion.worker import Passage
from bot.knowledge.stores.sqlite_schema import describe_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

_PAGE_SIZE = 500  # passages held in memory at once while many are taken out
_SCHEMA = """
CREATE TABLE IF NOT EXISTS files (
    document TEXT PRIMARY KEY, digest TEXT NOT NULL, fault TEXT, is_final INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS passages (
    number INTEGER PRIMARY KEY,
    document TEXT NOT NULL,
    hash TEXT NOT NULL,
    id TEXT NOT NULL,
    text TEXT NOT NULL,
    metadata TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS passages_by_document ON passages (document);
"""


@dataclass(frozen=True, slots=True)
class SpooledFile:
    """The content hash at which a file was read, and the reason why it has no passages, if it has none.

    A fault that is not ``is_final`` may have been caused by the machine: the next run tries again.
    """

    digest: str
    fault: str = ""
    is_final: bool = True


class Spool:
    """Passages by document, in a file of its own or, without a path, in memory; use it as a context manager.

    It holds nothing that could not be read again: a file of another make or a damaged one is replaced by an empty one.
    Of files that cannot be read it remembers the reason, so that they cost nothing until they change.

    Raises:
        StoreUnusable: from every method, when the file cannot be opened or written.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path

    def __enter__(self) -> Self:
        try:
            self._connection = self._open()
        except sqlite3.DatabaseError:
            if self._path is None:
                raise
            for suffix in ("", "-wal", "-shm"):
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
            self._connection = self._open()
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def load_files(self) -> dict[str, SpooledFile]:
        """Return each file that was read and is not searchable yet, or cannot be read."""
        rows = self._connection.execute("SELECT document, digest, fault, is_final FROM files")
        return {
            document: SpooledFile(digest, fault or "", bool(is_final)) for document, digest, fault, is_final in rows
        }

    def put(self, document: str, digest: str, passages: Sequence[Passage]) -> None:
        """Store a document's passages, in place of those stored before."""
        rows = [(document, each.hash, each.node_id, each.text, json.dumps(each.metadata)) for each in passages]
        with self._begin_transaction() as connection:
            self._delete(connection, document)
            connection.execute("INSERT INTO files VALUES (?, ?, NULL, TRUE)", (document, digest))
            connection.executemany(
                "INSERT INTO passages (document, hash, id, text, metadata) VALUES (?, ?, ?, ?, ?)", rows
            )

    def put_fault(self, document: str, digest: str, fault: str, *, is_final: bool = True) -> None:
        """Store why a document cannot be read."""
        with self._begin_transaction() as connection:
            self._delete(connection, document)
            connection.execute("INSERT INTO files VALUES (?, ?, ?, ?)", (document, digest, fault, is_final))

    def load_passages(self, documents: Iterable[str]) -> Iterator[Passage]:
        """Yield the passages of these documents, in order."""
        for document in documents:
            last = 0
            while page := self._connection.execute(
                "SELECT number, hash, id, text, metadata FROM passages WHERE document = ? AND number > ?"
                " ORDER BY number LIMIT ?",
                (document, last, _PAGE_SIZE),
            ).fetchall():
                last = page[-1][0]
                for _, digest, node_id, text, metadata in page:
                    yield Passage(node_id, text, json.loads(metadata), digest)

    def clear(self, present: Mapping[str, str], *, includes: Callable[[str], bool] = lambda _: True) -> None:
        """Delete all passages, and the faults of files that are no longer ``present`` with that content hash.

        Only documents for which ``includes`` is true are deleted.
        """
        outdated = [
            (document,)
            for document, spooled in self.load_files().items()
            if includes(document) and (not spooled.fault or present.get(document) != spooled.digest)
        ]
        if not outdated:
            return
        with self._begin_transaction() as connection:
            connection.executemany("DELETE FROM passages WHERE document = ?", outdated)
            connection.executemany("DELETE FROM files WHERE document = ?", outdated)
        self._connection.execute("VACUUM")

    def _delete(self, connection: sqlite3.Connection, document: str) -> None:
        connection.execute("DELETE FROM passages WHERE document = ?", (document,))
        connection.execute("DELETE FROM files WHERE document = ?", (document,))

    def _begin_transaction(self) -> _Transaction:
        return _Transaction(self._connection, self._path)

    def _open(self) -> sqlite3.Connection:
        try:
            if self._path is not None:
                self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                with suppress(FileExistsError):
                    os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
            connection = sqlite3.connect(self._path or ":memory:", isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.OperationalError) as error:
            raise _build_write_error(self._path, error) from error
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.executescript(_SCHEMA)
            connection.execute("SELECT document, digest, fault, is_final FROM files LIMIT 1")
            connection.execute("SELECT number, document, hash, id, text, metadata FROM passages LIMIT 1")
        except BaseException:
            connection.close()
            raise
        return connection


class _Transaction:
    """A transaction: it is committed, or rolled back after an error."""

    def __init__(self, connection: sqlite3.Connection, path: Path | None) -> None:
        self._connection = connection
        self._path = path

    def __enter__(self) -> sqlite3.Connection:
        self._connection.execute("BEGIN IMMEDIATE")
        return self._connection

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if kind is None:
            self._connection.execute("COMMIT")
            return
        with suppress(sqlite3.Error):
            self._connection.execute("ROLLBACK")
        if isinstance(error, sqlite3.Error):
            raise _build_write_error(self._path, error) from error


def _build_write_error(path: Path | None, error: sqlite3.Error | OSError) -> StoreUnusable:
    return StoreUnusable(f"{path.name if path else 'The spool'} in STATE_DIR {describe_error(error)}")
