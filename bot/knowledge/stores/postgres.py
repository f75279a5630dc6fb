"""Keeps passages, keyword index and vectors (pgvector) in a PostgreSQL schema, for any number of machines."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from threading import Thread
from typing import TYPE_CHECKING, Any, Final, TypeVar

import asyncpg
import numpy as np
from llama_index.core.schema import NodeWithScore
from sqlalchemy import ARRAY, Text, and_, delete, event, func, literal, select, text, true, tuple_, update
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from bot.errors import IngestionRefused, StoreUnusable
from bot.knowledge.stores import postgres_schema as schema
from bot.knowledge.stores.postgres_search import (
    COLUMNS,
    build_index_expression,
    build_keyword_query,
    build_vector_query,
    fold_accents,
    is_in,
)
from bot.knowledge.stores.rows import FIELDS, Row, make_document_info, node_from_row, row_from_node
from bot.knowledge.stores.store import (
    BATCH_SIZE,
    MIN_UNUSED_VECTORS,
    NO_EMBEDDING,
    TERM_LIMIT,
    Counts,
    Generation,
    Hits,
    batched,
    normalise_vector,
    normalise_vectors,
)
from bot.text.search_terms import ANALYZER_VERSION, extract_query_terms
from bot.text.storable import replace_unstorable

if TYPE_CHECKING:
    from collections.abc import Collection, Coroutine, Generator, Iterable, Iterator, Mapping, Sequence

    from llama_index.core.schema import TextNode
    from numpy.typing import NDArray
    from sqlalchemy import ColumnElement, Executable, Table
    from sqlalchemy.engine.interfaces import DBAPIConnection

    from bot.domain import DocumentInfo

TIMEOUT: Final = 30.0
"""Seconds after which a search, or an attempt to connect, is given up."""

MIN_INDEXED_VECTORS: Final = 10_000
"""Vectors from which on an HNSW index is built; fewer are compared one by one, which misses none."""

_SESSION_SETTINGS: Final = """
SET hnsw.iterative_scan = strict_order; SET hnsw.ef_search = 100; SET hnsw.max_scan_tuples = 200000;
SET plan_cache_mode = force_custom_plan; SET jit = off
"""
_STAGING_COLUMNS = (*FIELDS, "above", "below", "length")

_T = TypeVar("_T")
_Step = Callable[[AsyncConnection], Awaitable[Any]]
_RunStep = Callable[[_Step], Any]
"""Has the store's thread do one step of a transaction, and waits for its result."""


class PostgresStore:
    """The index in a database, for any number of bots on any number of machines; a ``Store``.

    A thread of its own speaks to the server, so that every caller, on an event loop or not, can wait for it.

    Raises:
        StoreUnusable: from every method, when the server cannot be reached or does not do what is asked.
    """

    def __init__(self, url: str, embed_name: str = NO_EMBEDDING) -> None:
        self.embed_name = embed_name
        try:
            parts = make_url(url)
        except (SQLAlchemyError, ValueError) as error:
            raise StoreUnusable("The address of the database cannot be read: check STORE_URL.") from error
        self._engine = create_async_engine(parts, pool_pre_ping=True, pool_size=8, connect_args={"timeout": TIMEOUT})
        event.listen(self._engine.sync_engine, "connect", _configure_session)
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="postgres", daemon=True)
        self._thread.start()
        try:
            with self._write_transaction() as do:
                do(schema.prepare_schema)
                do(_rebuild_keyword_index)
        except BaseException:
            self.close()
            raise

    # --- What an ingestion needs ---------------------------------------------------------------------------------

    def generation(self) -> Generation:
        """Return the generation that is searched now."""
        g = schema.generation.c
        (row,) = self._fetch_rows(select(g.number, g.model, g.dimension, g.built))
        return Generation(*row)

    def manifest(self) -> dict[str, str]:
        """Return every searchable document with its content hash."""
        return dict(self._fetch_rows(select(schema.documents.c.id, schema.documents.c.hash)))

    def counts(self) -> Counts:
        """Return how much is searchable now."""
        v, n, g = schema.vectors.c, schema.nodes, schema.generation
        is_searched = (v.model == g.c.model) & (v.dimension == g.c.dimension) & (v.model == self.embed_name)
        joined = n.join(schema.vectors, v.passage == n.c.passage).join(g, is_searched)
        counts = [select(func.count()).select_from(table).scalar_subquery() for table in (schema.documents, n, joined)]
        (row,) = self._fetch_rows(select(*counts))
        return Counts(*row)

    def list_documents(self, collections: frozenset[str]) -> list[DocumentInfo]:
        """Return the searchable documents inside ``collections``, by path."""
        n = schema.nodes.c
        counted = func.count().over(partition_by=n.document)
        first = select(n.document, n.title, n.collection, counted, n.others).ext(distinct_on(n.document))
        inside = first.where(is_in(n.collection, collections)).order_by(n.document, n.number)
        return sorted((make_document_info(*row) for row in self._fetch_rows(inside)), key=lambda each: each.document)

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
        self._index_vectors()
        gone = list({*documents, *removed})
        records = [(replace_unstorable(name), digest) for name, digest in documents.items()]
        with self._write_transaction() as do:
            do(lambda c: c.execute(delete(schema.nodes).where(is_in(schema.nodes.c.document, gone))))
            do(lambda c: c.execute(delete(schema.documents).where(is_in(schema.documents.c.id, gone))))
            do(lambda c: _copy_rows(c, "documents", ("id", "hash"), records, schema.SCHEMA))
            _insert(do, nodes)
            do(lambda c: _commit_generation(c, self.embed_name))
            if prune_vectors:
                do(_prune_unused_vectors)
            do(lambda c: c.execute(text(f"ANALYZE {schema.SCHEMA}.nodes, {schema.SCHEMA}.vectors")))

    def save_vectors(self, vectors: Mapping[str, Sequence[float]]) -> None:
        """Keep vectors by passage hash, at once and for good: they may have been paid for.

        Where they have another dimension than before, the model behind the name is another one now: what was kept of
        it no longer counts as kept, but is searched until the next generation.

        Raises:
            ValueError: a vector is empty, zero or not finite, or they differ in dimension; then none is kept.
        """
        rows = normalise_vectors(vectors)
        with self._write_transaction() as do:
            do(lambda c: _insert_vectors(c, self.embed_name, rows))

    def reuse_vectors(self, pairs: Mapping[str, str]) -> None:
        """Keep for each new passage hash the vector its old one has, unless it has none or the new one needs none."""
        v = schema.vectors.c
        listed = func.unnest(literal(list(pairs), ARRAY(Text)), literal(list(pairs.values()), ARRAY(Text)))
        renamed = listed.table_valued("new", "old").render_derived()
        found = select(renamed.c.new, v.model, v.dimension, v.vector).join_from(
            schema.vectors, renamed, v.passage == renamed.c.old
        )
        copied = insert(schema.vectors).from_select(list(schema.vectors.c.keys()), found.where(self._is_current()))
        with self._write_transaction() as do:
            do(lambda c: c.execute(copied.on_conflict_do_nothing()))

    def missing_vectors(self, passages: Collection[str]) -> set[str]:
        """Return which of these passage hashes have no vector of this model yet."""
        v = schema.vectors.c
        known = self._fetch_rows(select(v.passage).where(is_in(v.passage, passages), self._is_current()))
        return set(passages) - {passage for (passage,) in known}

    def nodes_without_vector(self) -> Iterator[TextNode]:
        """Yield searchable passages without a vector of this model: all of them after a change of model."""
        v = schema.vectors.c
        return self._iterate_nodes(
            ~select(v.passage).where(v.passage == schema.nodes.c.passage, self._is_current()).exists()
        )

    def nodes(self) -> Iterator[TextNode]:
        """Yield every searchable passage, for a copy; hold ``ingestion_lock()`` so that the generation stays."""
        return self._iterate_nodes(true())

    def section_nodes(self, document: str, section: str) -> Iterator[TextNode]:
        """Yield the passages below one heading of a document, in reading order."""
        n = schema.nodes.c
        return self._iterate_nodes(
            and_(n.document == replace_unstorable(document), n.section == replace_unstorable(section))
        )

    def vectors(self) -> Iterator[tuple[str, NDArray[np.float32]]]:
        """Yield every stored vector of this model, by passage hash, for a copy."""
        v = schema.vectors.c
        page = select(v.passage, v.vector).where(self._is_current()).order_by(v.passage).limit(BATCH_SIZE)
        last = ""
        while rows := self._fetch_rows(page.where(v.passage > last)):
            last = rows[-1][0]
            yield from ((passage, np.array(vector, dtype=np.float32)) for passage, vector in rows)

    @contextmanager
    def ingestion_lock(self) -> Generator[None]:
        """Hold the lock of this index's ingestion among all processes; it is released when the process dies.

        Raises:
            IngestionRefused: another ingestion is going on.
        """
        with self._connect() as do:
            if not do(lambda c: c.scalar(select(func.pg_try_advisory_lock(schema.INGESTION_LOCK_ID)))):
                raise IngestionRefused("A run is already going on; wait until it has ended.")
            do(AsyncConnection.commit)
            try:
                yield
            finally:
                with suppress(SQLAlchemyError):  # a session that is gone has taken its lock with it
                    do(lambda c: c.scalar(select(func.pg_advisory_unlock(schema.INGESTION_LOCK_ID))))
                    do(AsyncConnection.commit)

    def _iterate_nodes(self, condition: ColumnElement[bool]) -> Iterator[TextNode]:
        """Nodes in their order, in short reads."""
        number = schema.nodes.c.number
        page = select(number, *COLUMNS).where(condition).order_by(number).limit(BATCH_SIZE)
        last = 0
        while rows := self._fetch_rows(page.where(number > last)):
            last = rows[-1][0]
            yield from (node_from_row(Row(*columns)) for _, *columns in rows)

    def _is_current(self) -> ColumnElement[bool]:
        """Whether a vector is of this store's model, and of the dimension that model has now."""
        m, v = schema.models.c, schema.vectors.c
        return tuple_(v.model, v.dimension).in_(select(m.name, m.dimension).where(m.name == self.embed_name))

    def _index_vectors(self) -> None:
        """Build the index over vectors that have become many, before they are searched."""
        v = schema.vectors.c
        for dimension, count in self._fetch_rows(select(v.dimension, func.count()).group_by(v.dimension)):
            indexable = build_index_expression(dimension)
            if count < MIN_INDEXED_VECTORS or indexable is None:
                continue
            kind = "vector" if type(indexable[1]).__name__ == "VECTOR" else "halfvec"
            build = text(
                f"CREATE INDEX IF NOT EXISTS vectors_near_{dimension:d} ON {schema.SCHEMA}.vectors"
                f" USING hnsw ((vector::{kind}({dimension:d})) {kind}_cosine_ops) WHERE dimension = {dimension:d}"
            )
            with self._write_transaction() as do:
                do(lambda c: c.execute(text("SET LOCAL maintenance_work_mem = '512MB'")))
                do(partial(_execute, statement=build))

    # --- What a question needs -----------------------------------------------------------------------------------

    async def search(
        self, text: str, embedding: Sequence[float] | None, *, collections: frozenset[str], top_k: int
    ) -> Hits:
        """Passages inside ``collections``, found by their words and by their vectors in one transaction."""

        async def run_search() -> Hits:
            async with asyncio.timeout(TIMEOUT), self._engine.connect() as connection:
                # At the usual level each statement would see what others have committed by then.
                await connection.execution_options(isolation_level="REPEATABLE READ")
                near = self._build_vector_search(embedding, collections, top_k)
                return Hits(
                    await _fetch_hits(connection, _build_keyword_search(text, collections, top_k)),
                    await _fetch_hits(connection, near),
                )

        with self._map_errors():
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(run_search(), self._loop))

    def _build_vector_search(
        self, embedding: Sequence[float] | None, collections: frozenset[str], top_k: int
    ) -> Executable | None:
        """What asks for the passages nearest to a vector; None where there is nothing to ask."""
        try:
            wanted = normalise_vector(() if embedding is None else embedding)
        except ValueError:
            return None
        return build_vector_query(wanted, self.embed_name, collections, top_k) if top_k > 0 else None

    def preload(self) -> None:
        """Have the server read the vectors' index, by a first search."""
        dimension = self.generation().dimension
        if dimension:
            held = [name for (name,) in self._fetch_rows(select(schema.collections.c.name))]
            self._fetch_rows(build_vector_query(normalise_vector([1.0] * dimension), self.embed_name, held, 1))

    # --- Connections ---------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Close every connection and end the store's thread."""
        if not self._loop.is_closed():
            self._wait(self._engine.dispose())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def _wait(self, work: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    @contextmanager
    def _connect(self) -> Generator[_RunStep]:
        """One session, in which steps are done one after the other; what is not committed is undone."""

        async def open_connection() -> AsyncConnection:
            return await self._engine.connect()

        async def run_step(step: _Step) -> Any:
            return await step(connection)

        with self._map_errors():
            connection = self._wait(open_connection())
            try:
                yield lambda step: self._wait(run_step(step))
            finally:
                self._wait(connection.close())

    @contextmanager
    def _write_transaction(self) -> Generator[_RunStep]:
        """All of it or, after any error or a crash, nothing."""
        with self._connect() as do:
            yield do
            do(AsyncConnection.commit)

    def _fetch_rows(self, statement: Executable) -> list[Any]:
        async def fetch(connection: AsyncConnection) -> list[Any]:
            return list((await connection.execute(statement)).all())

        with self._connect() as do:
            found: list[Any] = do(fetch)
            return found

    @contextmanager
    def _map_errors(self) -> Generator[None]:
        try:
            yield
        except (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            named = f"{self._engine.url.database} on {self._engine.url.host or 'a socket'}"
            raise StoreUnusable(f"The database {named} {describe_error(error)}") from error


def describe_error(error: BaseException) -> str:
    """What the server refuses, and what to do about it; never in its own words, which may quote a document."""
    state = _find_sqlstate(error)
    if not state:
        return _UNREACHABLE_MESSAGE
    return _ERROR_MESSAGES.get(state) or _ERROR_MESSAGES.get(state[:2]) or _OTHER_ERROR_MESSAGE.format(state=state)


_UNREACHABLE_MESSAGE: Final = "cannot be reached: check STORE_URL, and that the server is running."
_OTHER_ERROR_MESSAGE: Final = "failed (code {state}): the server's log says more."
_ERROR_MESSAGES: Final = {
    "28": "does not accept the user or the password of STORE_URL.",
    "3D": "does not exist: create it, or correct STORE_URL.",
    "42501": "does not let this user make what an index needs: have its owner run CREATE EXTENSION vector, and grant"
    " the user CREATE on the database.",
    "0A": "has no pgvector: install that extension, version 0.8 or later, on the server.",
    "53100": "cannot be written: the server's disk is full.",
    "53300": "has no connection left: raise max_connections on the server, or run fewer bots.",
    "57": "is being stopped or started: try again soon.",
    "08": "closed the connection: check that the server is running, then try again.",
}


def _find_sqlstate(error: BaseException | None) -> str:
    """The code the server gave, looked for in what wraps what."""
    while error is not None:
        state = getattr(error, "sqlstate", None)
        if isinstance(state, str):
            return state
        error = getattr(error, "orig", None) or error.__cause__
    return ""


def _configure_session(connection: DBAPIConnection, _record: object) -> None:
    """Choose how a new session searches: filtered searches go on until there is enough; plans fit their values."""

    async def configure(raw: Any) -> None:
        await raw.execute(_SESSION_SETTINGS)

    connection.run_async(configure)


def _build_keyword_search(text: str, collections: frozenset[str], top_k: int) -> Executable | None:
    """What asks for the passages that share words with a text; None where there is nothing to ask."""
    wanted = extract_query_terms(text)[:TERM_LIMIT]
    return build_keyword_query(wanted, collections, top_k) if wanted and top_k > 0 else None


async def _fetch_hits(connection: AsyncConnection, statement: Executable | None) -> list[NodeWithScore]:
    rows = [] if statement is None else (await connection.execute(statement)).all()
    return [NodeWithScore(node=node_from_row(Row(*columns)), score=float(score)) for *columns, score in rows]


async def _execute(connection: AsyncConnection, statement: Executable) -> None:
    await connection.execute(statement)


async def _copy_rows(
    connection: AsyncConnection,
    table: str,
    columns: Sequence[str],
    records: Sequence[tuple[Any, ...]],
    schema_name: str | None = None,
) -> None:
    raw: Any = (await connection.get_raw_connection()).driver_connection
    await raw.copy_records_to_table(table, columns=list(columns), records=records, schema_name=schema_name)


def _insert(do: _RunStep, nodes: Iterable[TextNode]) -> None:
    do(lambda c: c.execute(text(schema.CREATE_STAGING_NODES)))
    for batch in batched(nodes):
        records = [_make_staging_row(row_from_node(node)) for node in batch]
        do(partial(_copy_rows, table="arriving_nodes", columns=_STAGING_COLUMNS, records=records))
    do(lambda c: c.execute(text(schema.INSERT_STAGED_NODES)))


def _make_staging_row(row: Row) -> tuple[Any, ...]:
    title, section, below = (fold_accents(words) for words in row.search_texts())
    above = f"{title} {section}"
    return (*row.values(), above, below, len(above.split()) + len(below.split()))


async def _insert_vectors(connection: AsyncConnection, model: str, rows: Mapping[str, NDArray[np.float32]]) -> None:
    for dimension in {row.size for row in rows.values()}:
        named = insert(schema.models).values(name=model, dimension=dimension)
        await connection.execute(named.on_conflict_do_update(index_elements=["name"], set_={"dimension": dimension}))
        await connection.execute(text(schema.CREATE_STAGING_VECTORS))
        records = [(passage, row.tolist()) for passage, row in rows.items()]
        await _copy_rows(connection, "arriving_vectors", ("passage", "vector"), records)
        await connection.execute(text(schema.INSERT_STAGED_VECTORS), {"model": model, "dimension": dimension})


async def _commit_generation(connection: AsyncConnection, model: str) -> None:
    """Count on; from now on the vectors of this model are searched, if it is one."""
    g, m = schema.generation, schema.models.c
    await connection.execute(update(g).values(number=g.c.number + 1, built=datetime.now(UTC).replace(microsecond=0)))
    if model != NO_EMBEDDING:
        dimension = func.coalesce(select(m.dimension).where(m.name == model).scalar_subquery(), 0)
        await connection.execute(update(g).values(model=model, dimension=dimension))
    await connection.execute(delete(schema.collections))
    await connection.execute(text(schema.COUNT_COLLECTIONS))


async def _prune_unused_vectors(connection: AsyncConnection) -> None:
    """Note which vectors are out of use, and since when; of more than are to be kept, forget the longest unneeded."""
    v, s, g, m = schema.vectors, schema.unused_vectors, schema.generation.c, schema.models

    def primary_key(table: Table) -> tuple[ColumnElement[Any], ...]:
        return table.c.passage, table.c.model, table.c.dimension

    def is_needed(table: Table) -> ColumnElement[bool]:
        has_passage = select(schema.nodes.c.passage).where(schema.nodes.c.passage == table.c.passage).exists()
        return has_passage & select(g.number).where(g.model == table.c.model, g.dimension == table.c.dimension).exists()

    def has_same_key(one: Table, other: Table) -> ColumnElement[bool]:
        return and_(*(a == b for a, b in zip(primary_key(one), primary_key(other), strict=True)))

    await connection.execute(delete(s).where(is_needed(s)))
    number = select(g.number).scalar_subquery()
    unneeded = select(*primary_key(v), number).where(~is_needed(v))
    await connection.execute(insert(s).from_select(list(s.c.keys()), unneeded).on_conflict_do_nothing())
    nodes = await connection.scalar(select(func.count()).select_from(schema.nodes)) or 0
    surplus = select(*primary_key(s)).order_by(s.c.since.desc(), *primary_key(s)).offset(max(nodes, MIN_UNUSED_VECTORS))
    await connection.execute(delete(v).where(tuple_(*primary_key(v)).in_(surplus)))
    await connection.execute(delete(s).where(~select(v.c.passage).where(has_same_key(v, s)).exists()))
    await connection.execute(delete(m).where(~select(v.c.model).where(v.c.model == m.c.name).exists()))


async def _rebuild_keyword_index(connection: AsyncConnection) -> None:
    """Fill the keyword index from the passages where questions are cut otherwise now than when it was filled."""
    g = schema.generation
    if await connection.scalar(select(g.c.segmentation)) == ANALYZER_VERSION:
        return
    await connection.execute(text(schema.CREATE_STAGING_NODES))
    rows = (await connection.execute(select(*COLUMNS))).all()
    for batch in batched(rows):
        await _copy_rows(
            connection, "arriving_nodes", _STAGING_COLUMNS, [_make_staging_row(Row(*columns)) for columns in batch]
        )
    await connection.execute(text(schema.REBUILD_WORDS))
    await connection.execute(update(g).values(segmentation=ANALYZER_VERSION))
