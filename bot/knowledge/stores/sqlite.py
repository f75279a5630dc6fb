"""Keeps passages, keyword index (FTS5) and vectors in one SQLite file; a search reads one state of it."""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from threading import Lock
from typing import TYPE_CHECKING, Final

import numpy as np
from llama_index.core.schema import NodeWithScore

from bot.errors import IndexMovedAside, IngestionRefused, StoreUnusable
from bot.knowledge.stores.matrix import Matrix
from bot.knowledge.stores.rows import (
    FIELDS,
    Row,
    make_document_info,
    node_from_row,
    parse_date,
    row_from_node,
)
from bot.knowledge.stores.sqlite_schema import (
    copy_readable_vectors,
    create_file,
    describe_error,
    is_damage,
    move_aside,
    prepare_schema,
)
from bot.knowledge.stores.store import (
    MIN_UNUSED_VECTORS,
    NO_EMBEDDING,
    SECTION_WEIGHT,
    TERM_LIMIT,
    TEXT_WEIGHT,
    TITLE_WEIGHT,
    Counts,
    Generation,
    Hits,
    batched,
    normalise_vector,
    normalise_vectors,
)
from bot.text.search_terms import extract_query_terms
from bot.text.storable import replace_unstorable

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from llama_index.core.schema import TextNode
    from numpy.typing import NDArray

    from bot.domain import DocumentInfo
    from bot.knowledge.stores import matrix

__all__ = ["NO_EMBEDDING", "Counts", "SqliteStore"]

_log = logging.getLogger(__name__)

_BUSY_SECONDS: Final = 10
_WAL_SIZE_LIMIT: Final = 64 * 1024 * 1024  # bytes that the write-ahead log keeps on disk after a great run
# Searches at a time. The event loop waits for Python's lock behind each thread that wants it, often more than once;
# over 100,000 passages a second thread doubled that and answered no sooner on two cores.
_SEARCH_THREADS: Final = 1
_COLUMNS: Final = ", ".join(f"nodes.{field}" for field in FIELDS)


def build_keyword_query(text: str) -> str:
    """Return a question as an FTS5 query: its content words in quotation marks, joined by OR; "" if it has none."""
    return " OR ".join(f'"{term}"' for term in extract_query_terms(text)[:TERM_LIMIT])


class SqliteStore:
    """The index in one file, for one process that writes and any number that read; a ``Store``.

    ``embed_name`` names the model whose vectors are searched; vectors of another model are never compared with its.
    Blocking methods are meant for a thread; the ``async`` ones go to one themselves.

    Raises:
        StoreUnusable: from every method, when the file cannot be opened, read or written.
    """

    def __init__(self, path: Path, embed_name: str = NO_EMBEDDING) -> None:
        self.path = path
        self.embed_name = embed_name
        self._idle: list[sqlite3.Connection] = []
        self._matrix: Matrix | None = None
        self._matrix_lock = Lock()
        self._files_lock = Lock()
        self._file: tuple[int, int] | None = None
        """Which file the idle connections are of: its device and its number."""
        self._is_closed = False
        self._search_executor = ThreadPoolExecutor(_SEARCH_THREADS, thread_name_prefix="search")
        with self._map_errors():
            try:
                self._create()
            except sqlite3.DatabaseError as error:
                if not is_damage(error):
                    raise
                with suppress(IndexMovedAside):
                    self._heal()

    # --- What an ingestion needs ---------------------------------------------------------------------------------

    def generation(self) -> Generation:
        """Return the generation that is searched now."""
        with self._read_transaction() as connection:
            return _load_generation(connection)

    def manifest(self) -> dict[str, str]:
        """Return every searchable document with its content hash."""
        with self._read_transaction() as connection:
            return dict(connection.execute("SELECT id, hash FROM documents").fetchall())

    def counts(self) -> Counts:
        """Return how much is searchable now."""
        with self._read_transaction() as connection:
            row = connection.execute(
                "SELECT (SELECT count(*) FROM documents), (SELECT count(*) FROM nodes), (SELECT count(*) FROM nodes"
                " JOIN vectors USING (passage) JOIN generation USING (model, dimension) WHERE model = ?)",
                (self.embed_name,),
            ).fetchone()
            return Counts(*row)

    def list_documents(self, collections: frozenset[str]) -> list[DocumentInfo]:
        """Return the searchable documents inside ``collections``, by path."""
        with self._read_transaction() as connection:
            # Beside a min(), SQLite gives every other column from the row that holds it: the first passage's.
            rows = connection.execute(
                "SELECT document, title, collection, count(*), others, min(number) FROM nodes"
                " WHERE collection IN (SELECT value FROM json_each(?)) GROUP BY document",
                (json.dumps([replace_unstorable(name) for name in sorted(collections)]),),
            )
            return sorted((make_document_info(*row) for *row, _ in rows), key=lambda each: each.document)

    def replace(
        self,
        documents: Mapping[str, str],
        nodes: Iterable[TextNode],
        *,
        removed: Collection[str] = (),
        prune_vectors: bool = True,
    ) -> None:
        """Make a new generation in one transaction: ``documents`` (with hashes) now consist of ``nodes``.

        ``nodes`` is consumed once, a batch at a time. Documents in ``removed`` are deleted. ``prune_vectors`` deletes
        the vectors that have been unused longest, where there are too many.
        """
        with self._write_transaction() as connection:
            gone = json.dumps([replace_unstorable(name) for name in {*documents, *removed}])
            _delete(connection, "document", gone)
            connection.execute("DELETE FROM documents WHERE id IN (SELECT value FROM json_each(?))", (gone,))
            named = [(replace_unstorable(name), digest) for name, digest in documents.items()]
            connection.executemany("INSERT INTO documents VALUES (?, ?)", named)
            for batch in batched(nodes):
                _insert(connection, batch)
            self._commit_generation(connection)
            if prune_vectors:
                _prune_unused_vectors(connection)

    def save_vectors(self, vectors: Mapping[str, Sequence[float]]) -> None:
        """Keep vectors by passage hash, at once and for good: they may have been paid for.

        Where they have another dimension than before, the model behind the name is another one now: what was kept of
        it no longer counts as kept, but is searched until the next generation.

        Raises:
            ValueError: a vector is empty, zero or not finite, or they differ in dimension; then none is kept.
        """
        rows = normalise_vectors(vectors)
        with self._write_transaction() as connection:
            self._insert_vectors(connection, rows)

    def reuse_vectors(self, pairs: Mapping[str, str]) -> None:
        """Keep for each new passage hash the vector its old one has, unless it has none or the new one needs none."""
        with self._write_transaction() as connection:
            connection.executemany(
                "INSERT OR IGNORE INTO vectors SELECT ?, model, vectors.dimension, vector FROM vectors"
                " JOIN models ON name = model AND models.dimension = vectors.dimension WHERE passage = ? AND model = ?",
                [(new, old, self.embed_name) for new, old in pairs.items()],
            )

    def missing_vectors(self, passages: Collection[str]) -> set[str]:
        """Return which of these passage hashes have no vector of this model yet."""
        with self._read_transaction() as connection:
            known = connection.execute(
                "SELECT passage FROM vectors WHERE passage IN (SELECT value FROM json_each(?)) AND (model, dimension)"
                " IN (SELECT name, dimension FROM models WHERE name = ?)",
                (json.dumps(list(passages)), self.embed_name),
            )
            return set(passages) - {passage for (passage,) in known}

    def nodes_without_vector(self) -> Iterator[TextNode]:
        """Yield searchable passages without a vector of this model: all of them after a change of model."""
        return self._iterate_nodes(
            "AND NOT EXISTS (SELECT 1 FROM vectors JOIN models ON name = model WHERE vectors.passage = nodes.passage"
            " AND model = ? AND vectors.dimension = models.dimension)",
            self.embed_name,
        )

    def nodes(self) -> Iterator[TextNode]:
        """Yield every searchable passage, for a copy; hold ``ingestion_lock()`` so that the generation stays."""
        return self._iterate_nodes("")

    def section_nodes(self, document: str, section: str) -> Iterator[TextNode]:
        """Yield the passages below one heading of a document, in reading order."""
        return self._iterate_nodes("AND document = ? AND section = ?", document, section)

    def vectors(self) -> Iterator[tuple[str, NDArray[np.float32]]]:
        """Yield every stored vector of this model, by passage hash, for a copy."""
        last = -1
        while True:
            with self._read_transaction() as connection:
                page = connection.execute(
                    "SELECT vectors.rowid, passage, vector FROM vectors JOIN models ON name = model"
                    " WHERE model = ? AND vectors.dimension = models.dimension AND vectors.rowid > ?"
                    " ORDER BY vectors.rowid LIMIT 500",
                    (self.embed_name, last),
                ).fetchall()
            if not page:
                return
            last = page[-1][0]
            yield from ((passage, np.frombuffer(vector, dtype=np.float32)) for _, passage, vector in page)

    @contextmanager
    def ingestion_lock(self) -> Generator[None]:
        """Hold the lock of this index's ingestion among all processes; it is released when the process dies.

        Raises:
            IngestionRefused: another ingestion is going on.
        """
        with self._map_errors():
            lock = sqlite3.connect(create_file(self.path.with_name(f"{self.path.name}.lock")), timeout=0)
        with closing(lock):
            try:
                lock.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                    raise IngestionRefused("A run is already going on; wait until it has ended.") from error
                raise StoreUnusable(f"The index {self.path.name} {describe_error(error)}") from error
            except sqlite3.DatabaseError as error:  # it holds nothing: the next run creates it anew
                self.path.with_name(f"{self.path.name}.lock").unlink(missing_ok=True)
                raise StoreUnusable("The index's lock file was damaged and has been removed; try again.") from error
            yield

    def _iterate_nodes(self, condition: str, *values: str) -> Iterator[TextNode]:
        """Yield nodes in order, in short reads: a long one would keep the write-ahead log from being emptied."""
        last = 0
        while True:
            with self._read_transaction() as connection:
                page = connection.execute(
                    f"SELECT nodes.number, {_COLUMNS} FROM nodes"  # noqa: S608 - both are constants of this module
                    f" WHERE nodes.number > ? {condition} ORDER BY nodes.number LIMIT 500",
                    (last, *values),
                ).fetchall()
            if not page:
                return
            last = page[-1][0]
            yield from (node_from_row(Row(*columns)) for _, *columns in page)

    def _insert_vectors(self, connection: sqlite3.Connection, rows: Mapping[str, NDArray[np.float32]]) -> None:
        connection.executemany(
            "INSERT OR REPLACE INTO models VALUES (?, ?)", {(self.embed_name, row.size) for row in rows.values()}
        )
        connection.executemany(
            "INSERT OR REPLACE INTO vectors VALUES (?, ?, ?, ?)",
            [(passage, self.embed_name, row.size, row.tobytes()) for passage, row in rows.items()],
        )

    def _commit_generation(self, connection: sqlite3.Connection) -> None:
        """Begin the next generation, in which the vectors of this store's model are searched, if it has one."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        connection.execute("UPDATE generation SET number = number + 1, built = ?", (now,))
        if self.embed_name != NO_EMBEDDING:
            connection.execute(
                "UPDATE generation SET model = ?,"
                " dimension = coalesce((SELECT dimension FROM models WHERE name = ?), 0)",
                (self.embed_name, self.embed_name),
            )

    # --- What a question needs -----------------------------------------------------------------------------------

    async def search(
        self, text: str, embedding: Sequence[float] | None, *, collections: frozenset[str], top_k: int
    ) -> Hits:
        """Passages inside ``collections``, found by their words and by their vectors in one state of the file."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._search_executor, self._search, text, embedding, collections, top_k)

    def preload(self) -> None:
        """Load the matrix of vectors, for which the first question would otherwise wait."""
        with self._read_transaction() as connection:
            self._load_matrix(connection)

    def _search(self, text: str, embedding: Sequence[float] | None, collections: frozenset[str], top_k: int) -> Hits:
        with self._read_transaction() as connection:
            sharing = _search_keywords(connection, text, collections, top_k)
            near = self._search_vectors(connection, embedding, collections, top_k)
            return Hits(_load_nodes(connection, sharing), _load_nodes(connection, near))

    def _search_vectors(
        self, connection: sqlite3.Connection, embedding: Sequence[float] | None, collections: frozenset[str], top_k: int
    ) -> list[tuple[int, float]]:
        """Return numbers and cosines of the passages nearest to a vector, best first."""
        try:
            wanted = normalise_vector(() if embedding is None else embedding)
        except ValueError:
            return []
        return self._load_matrix(connection).find_nearest(wanted, collections, top_k)

    def _load_matrix(self, connection: sqlite3.Connection) -> Matrix:
        """Return the vectors of the generation that this connection reads; reload them after a write."""
        with self._matrix_lock:
            generation = _load_generation(connection)
            if generation.model != self.embed_name:
                return Matrix.empty(generation)
            if self._matrix is None or self._matrix.generation != generation:
                self._matrix = _build_matrix(connection, generation, self._matrix or Matrix.empty(generation))
            return self._matrix

    # --- Connections ---------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Close the connections, those in use as soon as they are returned, and drop the matrix."""
        self._search_executor.shutdown()
        with self._files_lock:
            self._is_closed = True
            self._close_idle()
        self._matrix = None

    def _close_idle(self) -> None:
        with suppress(IndexError):
            while True:
                self._idle.pop().close()

    def _create(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with closing(self._open(create_file(self.path))) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            prepare_schema(connection, self.path)

    def _heal(self) -> None:
        """Move a damaged index aside and create a new one with the vectors that can still be read.

        Raises:
            IndexMovedAside: Always, unless the files cannot be renamed: then the error that the system gives.
        """
        with self._files_lock:
            self._close_idle()
            self._matrix = None
            aside = move_aside(self.path, datetime.now(UTC))
            _log.error("%s is damaged: moved to %s, and rebuilt from the documents", self.path.name, aside.name)
            self._create()
            with closing(self._open(self.path)) as connection:
                copied = copy_readable_vectors(aside, connection)
            _log.info("%s: %d vectors of the damaged index are used again", self.path.name, copied)
        raise IndexMovedAside(
            f"The index {self.path.name} was damaged. It was moved aside, and is rebuilt from the documents."
        )

    def _take_connection(self) -> tuple[sqlite3.Connection, tuple[int, int] | None]:
        """Return an idle connection or a new one to the file that is there now, created if there is none, and which."""
        with self._files_lock:
            file = _identify(self.path)
            if file is None or file != self._file:
                self._close_idle()
                self._matrix = None
                if file is None:
                    self._create()
                self._file = _identify(self.path)
            with suppress(IndexError):
                return self._idle.pop(), self._file
            return self._open(self.path), self._file

    def _return_connection(self, connection: sqlite3.Connection, file: tuple[int, int] | None) -> None:
        with self._files_lock:
            if self._is_closed or file != self._file:
                connection.close()
            else:
                self._idle.append(connection)

    @staticmethod
    def _open(path: Path) -> sqlite3.Connection:
        connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA journal_size_limit = {_WAL_SIZE_LIMIT}")
        return connection

    @contextmanager
    def _read_transaction(self) -> Generator[sqlite3.Connection]:
        """Read one state of the index, whatever is written meanwhile."""
        with self._borrow_connection() as connection:
            connection.execute("BEGIN")
            yield connection
            connection.execute("COMMIT")

    @contextmanager
    def _write_transaction(self) -> Generator[sqlite3.Connection]:
        """Write in one transaction; after an error or a crash nothing is changed."""
        with self._borrow_connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")

    @contextmanager
    def _borrow_connection(self) -> Generator[sqlite3.Connection]:
        """Lend a connection to one thread; after a failure it is closed, which rolls back its transaction."""
        with self._map_errors():
            connection, file = self._take_connection()
            try:
                yield connection
            except BaseException as error:
                connection.close()
                if is_damage(error) and _identify(self.path) == file:  # else another thread has healed it already
                    self._heal()
                raise
            self._return_connection(connection, file)

    @contextmanager
    def _map_errors(self) -> Generator[None]:
        try:
            yield
        except (sqlite3.DatabaseError, OSError) as error:
            raise StoreUnusable(f"The index {self.path.name} {describe_error(error)}") from error


def _identify(path: Path) -> tuple[int, int] | None:
    """Return which file is at a path; None for none, or an empty one."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return (status.st_dev, status.st_ino) if status.st_size else None


def _load_generation(connection: sqlite3.Connection) -> Generation:
    row = connection.execute("SELECT number, model, dimension, built FROM generation").fetchone()
    number, model, dimension, built = row
    return Generation(number, model, dimension, parse_date(built))


def _insert(connection: sqlite3.Connection, nodes: Sequence[TextNode]) -> None:
    (last,) = connection.execute("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'nodes'").fetchone()
    rows = [(number, row_from_node(node)) for number, node in enumerate(nodes, start=last + 1)]
    connection.executemany(
        f"INSERT INTO nodes (number, {', '.join(FIELDS)}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - constants
        [(number, *row.values()) for number, row in rows],
    )
    connection.executemany(
        "INSERT INTO words (rowid, title, section, text) VALUES (?, ?, ?, ?)",
        [(number, *row.search_texts()) for number, row in rows],
    )


def _delete(connection: sqlite3.Connection, column: str, values: str) -> None:
    """Delete the nodes whose ``column`` is one of ``values``, a list in JSON, and their words."""
    where = f"{column} IN (SELECT value FROM json_each(?))"  # noqa: S608 - a name of this module
    connection.execute(f"DELETE FROM words WHERE rowid IN (SELECT number FROM nodes WHERE {where})", (values,))  # noqa: S608 - a name of this module
    connection.execute(f"DELETE FROM nodes WHERE {where}", (values,))  # noqa: S608 - as above


def _prune_unused_vectors(connection: sqlite3.Connection) -> None:
    """Record which vectors are unused and since when; delete those unused longest if there are too many."""
    connection.execute(
        "DELETE FROM spare WHERE passage IN (SELECT passage FROM nodes)"
        " AND (model, dimension) IN (SELECT model, dimension FROM generation)"
    )
    connection.execute(
        "INSERT OR IGNORE INTO spare"
        " SELECT passage, vectors.model, vectors.dimension, number FROM vectors CROSS JOIN generation"
        " WHERE passage NOT IN (SELECT passage FROM nodes)"
        " OR (vectors.model, vectors.dimension) <> (generation.model, generation.dimension)"
    )
    (nodes,) = connection.execute("SELECT count(*) FROM nodes").fetchone()
    connection.execute(
        "DELETE FROM vectors WHERE (passage, model, dimension) IN (SELECT passage, model, dimension FROM spare"
        " ORDER BY since DESC, passage, model, dimension LIMIT -1 OFFSET ?)",
        (max(nodes, MIN_UNUSED_VECTORS),),
    )
    connection.execute(
        "DELETE FROM spare WHERE (passage, model, dimension) NOT IN (SELECT passage, model, dimension FROM vectors)"
    )
    connection.execute("DELETE FROM models WHERE name NOT IN (SELECT model FROM vectors)")


def _search_keywords(
    connection: sqlite3.Connection, text: str, collections: frozenset[str], top_k: int
) -> list[tuple[int, float]]:
    """Return numbers and scores of the passages that share words with a text, best first."""
    wanted = build_keyword_query(text)
    if not wanted or top_k < 1:
        return []
    return connection.execute(
        "SELECT nodes.number, -bm25(words, ?, ?, ?) AS score FROM words JOIN nodes ON number = words.rowid"
        " WHERE words MATCH ? AND collection IN (SELECT value FROM json_each(?))"
        " ORDER BY score DESC, nodes.number LIMIT ?",
        (TITLE_WEIGHT, SECTION_WEIGHT, TEXT_WEIGHT, wanted, json.dumps(sorted(collections)), top_k),
    ).fetchall()


def _load_nodes(connection: sqlite3.Connection, scores: Sequence[tuple[int, float]]) -> list[NodeWithScore]:
    """Return the nodes with these numbers, in this order."""
    rows = connection.execute(
        f"SELECT nodes.number, {_COLUMNS} FROM nodes"  # noqa: S608 - the columns are a constant
        " WHERE number IN (SELECT value FROM json_each(?))",
        (json.dumps([number for number, _ in scores]),),
    )
    nodes = {number: node_from_row(Row(*columns)) for number, *columns in rows}
    return [NodeWithScore(node=nodes[number], score=score) for number, score in scores]


def _build_matrix(connection: sqlite3.Connection, generation: Generation, previous: Matrix) -> Matrix:
    """Return the vectors of ``generation``; those in the matrix ``previous`` are not read again."""
    is_continued = (previous.generation.model, previous.generation.dimension) == (
        generation.model,
        generation.dimension,
    )
    present = np.fromiter((number for (number,) in connection.execute("SELECT number FROM nodes")), dtype=np.int64)
    kept = np.flatnonzero(np.isin(previous.numbers, present)) if is_continued else np.zeros(0, dtype=np.intp)
    last = previous.last_number
    if len(kept) != np.count_nonzero(present <= last):  # a node that had no vector then may have one now
        previous, kept, last = Matrix.empty(generation), np.zeros(0, dtype=np.intp), 0
    count, rows = _load_vectors_after(connection, generation, last)
    return previous.build_next(generation, kept, rows, count)


def _load_vectors_after(
    connection: sqlite3.Connection, generation: Generation, last: int
) -> tuple[int, Iterator[matrix.VectorRow]]:
    """Return how many nodes after ``last`` have a vector of this generation, and their rows of the matrix."""
    # The order of the join is fixed: vectors are read from front to back, and a node's collection from its index alone.
    joined = (
        " FROM vectors CROSS JOIN nodes ON nodes.passage = vectors.passage"
        if not last
        else " FROM nodes CROSS JOIN vectors ON nodes.passage = vectors.passage"
    ) + " WHERE model = ? AND dimension = ? AND nodes.number > ?"
    values = (generation.model, generation.dimension, last)
    (count,) = connection.execute(f"SELECT count(*){joined}", values).fetchone()
    return count, connection.execute(f"SELECT nodes.number, nodes.collection, vectors.vector{joined}", values)
