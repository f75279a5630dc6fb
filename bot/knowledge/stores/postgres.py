"""One schema of a PostgreSQL database holds passages, their words and their vectors (pgvector), for many machines."""

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
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from bot.errors import IngestionRefused, StoreUnusable
from bot.knowledge.splitting.splitter import passage_hash
from bot.knowledge.stores import postgres_schema as schema
from bot.knowledge.stores.postgres_search import COLUMNS, among, by_keywords, by_vector, comparable, folded
from bot.knowledge.stores.rows import FIELDS, Row, node_of, row_of, shelved_of, storable
from bot.knowledge.stores.store import (
    BATCH,
    NO_EMBEDDING,
    SPARE_LEAST,
    TERM_LIMIT,
    Counts,
    Generation,
    Hits,
    alike,
    batched,
    normalised,
)
from bot.text.search_terms import SEGMENTATION, terms

if TYPE_CHECKING:
    from collections.abc import Collection, Coroutine, Generator, Iterable, Iterator, Mapping, Sequence

    from llama_index.core.schema import TextNode
    from numpy.typing import NDArray
    from sqlalchemy import ColumnElement, Executable, Table
    from sqlalchemy.engine.interfaces import DBAPIConnection

    from bot.domain import Shelved

PATIENCE: Final = 30.0
"""Seconds after which a search, or an attempt to connect, is given up."""

INDEXED_FROM: Final = 10_000
"""Vectors from which on an HNSW index is built; fewer are compared one by one, which misses none."""

_WAYS: Final = """
SET hnsw.iterative_scan = strict_order; SET hnsw.ef_search = 100; SET hnsw.max_scan_tuples = 200000;
SET plan_cache_mode = force_custom_plan; SET jit = off
"""
_ARRIVING = (*FIELDS, "above", "below", "length")

_T = TypeVar("_T")
_Step = Callable[[AsyncConnection], Awaitable[Any]]
_Do = Callable[[_Step], Any]
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
        self._engine = create_async_engine(parts, pool_pre_ping=True, pool_size=8, connect_args={"timeout": PATIENCE})
        event.listen(self._engine.sync_engine, "connect", _settle_session)
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="postgres", daemon=True)
        self._thread.start()
        try:
            with self._writing() as do:
                do(schema.prepare)
                do(_cut_words_anew)
        except BaseException:
            self.close()
            raise

    # --- What an ingestion needs ---------------------------------------------------------------------------------

    def generation(self) -> Generation:
        """What is searched now."""
        g = schema.generation.c
        (row,) = self._rows(select(g.number, g.model, g.dimension, g.built))
        return Generation(*row)

    def manifest(self) -> dict[str, str]:
        """Every searchable document with the content hash it was read at."""
        return dict(self._rows(select(schema.documents.c.id, schema.documents.c.hash)))

    def counts(self) -> Counts:
        """How much is searchable now."""
        v, n, g = schema.vectors.c, schema.nodes, schema.generation
        is_searched = (v.model == g.c.model) & (v.dimension == g.c.dimension) & (v.model == self.embed_name)
        joined = n.join(schema.vectors, v.passage == n.c.passage).join(g, is_searched)
        counts = [select(func.count()).select_from(table).scalar_subquery() for table in (schema.documents, n, joined)]
        (row,) = self._rows(select(*counts))
        return Counts(*row)

    def shelved(self, collections: frozenset[str]) -> list[Shelved]:
        """The searchable documents inside ``collections``, by path."""
        n = schema.nodes.c
        counted = func.count().over(partition_by=n.document)
        first = select(n.document, n.title, n.collection, counted, n.others).distinct(n.document)
        inside = first.where(among(n.collection, collections)).order_by(n.document, n.number)
        return sorted((shelved_of(*row) for row in self._rows(inside)), key=lambda each: each.document)

    def replace(
        self,
        documents: Mapping[str, str],
        nodes: Iterable[TextNode],
        *,
        removed: Collection[str] = (),
        forgets: bool = True,
    ) -> None:
        """Make a new generation in one transaction: ``documents`` (with hashes) now consist of ``nodes``.

        ``nodes`` is consumed once, a batch at a time. Documents in ``removed`` are gone, and of the vectors that are
        not searched any longer those that have been unneeded longest, where there are too many; not so without
        ``forgets``, which spares what another run has paid for and will need.
        """
        self._index_vectors()
        gone = list({*documents, *removed})
        records = [(storable(name), digest) for name, digest in documents.items()]
        with self._writing() as do:
            do(lambda c: c.execute(delete(schema.nodes).where(among(schema.nodes.c.document, gone))))
            do(lambda c: c.execute(delete(schema.documents).where(among(schema.documents.c.id, gone))))
            do(lambda c: _copied(c, "documents", ("id", "hash"), records, schema.SCHEMA))
            _insert(do, nodes)
            do(lambda c: _commit_generation(c, self.embed_name))
            if forgets:
                do(_forget_spare_vectors)
            do(lambda c: c.execute(text(f"ANALYZE {schema.SCHEMA}.nodes, {schema.SCHEMA}.vectors")))

    def add(self, nodes: Sequence[TextNode]) -> None:
        """Make a new generation with these nodes added, or replaced by id, each with its ``embedding`` if it has one.

        Raises:
            ValueError: a vector cannot be kept; then nothing is.
        """
        rows = alike({passage_hash(node): node.embedding for node in nodes if node.embedding is not None})
        ids = [node.node_id for node in nodes]
        names = sorted({row_of(node).document for node in nodes})
        named = select(func.unnest(literal(names, ARRAY(Text))), literal(""))
        new = insert(schema.documents).from_select(["id", "hash"], named).on_conflict_do_nothing()
        with self._writing() as do:
            do(lambda c: _keep(c, self.embed_name, rows))
            do(lambda c: c.execute(delete(schema.nodes).where(among(schema.nodes.c.id, ids))))
            do(lambda c: c.execute(new))
            _insert(do, nodes)
            do(lambda c: _commit_generation(c, self.embed_name))

    def keep_vectors(self, vectors: Mapping[str, Sequence[float]]) -> None:
        """Keep vectors by passage hash, at once and for good: they may have been paid for.

        Where they have another dimension than before, the model behind the name is another one now: what was kept of
        it no longer counts as kept, but is searched until the next generation.

        Raises:
            ValueError: a vector is empty, zero or not finite, or they differ in dimension; then none is kept.
        """
        rows = alike(vectors)
        with self._writing() as do:
            do(lambda c: _keep(c, self.embed_name, rows))

    def reuse_vectors(self, pairs: Mapping[str, str]) -> None:
        """Keep for each new passage hash the vector its old one has, unless it has none or the new one needs none."""
        v = schema.vectors.c
        listed = func.unnest(literal(list(pairs), ARRAY(Text)), literal(list(pairs.values()), ARRAY(Text)))
        renamed = listed.table_valued("new", "old").render_derived()
        found = select(renamed.c.new, v.model, v.dimension, v.vector).join_from(
            schema.vectors, renamed, v.passage == renamed.c.old
        )
        copied = insert(schema.vectors).from_select(list(schema.vectors.c.keys()), found.where(self._is_current()))
        with self._writing() as do:
            do(lambda c: c.execute(copied.on_conflict_do_nothing()))

    def without_vector(self, passages: Collection[str]) -> set[str]:
        """Which of these passage hashes have no vector of this model yet."""
        v = schema.vectors.c
        known = self._rows(select(v.passage).where(among(v.passage, passages), self._is_current()))
        return set(passages) - {passage for (passage,) in known}

    def nodes_without_vector(self) -> Iterator[TextNode]:
        """Searchable passages that have no vector of this model: all of them after a change of model."""
        v = schema.vectors.c
        return self._paged(~select(v.passage).where(v.passage == schema.nodes.c.passage, self._is_current()).exists())

    def nodes(self) -> Iterator[TextNode]:
        """Every searchable passage, for a copy; call it inside ``alone()`` lest a new generation comes between."""
        return self._paged(true())

    def vectors(self) -> Iterator[tuple[str, NDArray[np.float32]]]:
        """Every vector that is kept of this model, by passage hash, for a copy."""
        v = schema.vectors.c
        page = select(v.passage, v.vector).where(self._is_current()).order_by(v.passage).limit(BATCH)
        last = ""
        while rows := self._rows(page.where(v.passage > last)):
            last = rows[-1][0]
            yield from ((passage, np.array(vector, dtype=np.float32)) for passage, vector in rows)

    @contextmanager
    def alone(self) -> Generator[None]:
        """Be the only ingestion of this index, among all processes; a process that dies gives the place free.

        Raises:
            IngestionRefused: another ingestion is going on.
        """
        with self._connected() as do:
            if not do(lambda c: c.scalar(select(func.pg_try_advisory_lock(schema.LOCK)))):
                raise IngestionRefused("A run is already going on; wait until it has ended.")
            do(AsyncConnection.commit)
            try:
                yield
            finally:
                with suppress(SQLAlchemyError):  # a session that is gone has taken its lock with it
                    do(lambda c: c.scalar(select(func.pg_advisory_unlock(schema.LOCK))))
                    do(AsyncConnection.commit)

    def _paged(self, condition: ColumnElement[bool]) -> Iterator[TextNode]:
        """Nodes in their order, in short reads."""
        number = schema.nodes.c.number
        page = select(number, *COLUMNS).where(condition).order_by(number).limit(BATCH)
        last = 0
        while rows := self._rows(page.where(number > last)):
            last = rows[-1][0]
            yield from (node_of(Row(*columns)) for _, *columns in rows)

    def _is_current(self) -> ColumnElement[bool]:
        """Whether a vector is of this store's model, and of the dimension that model has now."""
        m, v = schema.models.c, schema.vectors.c
        return tuple_(v.model, v.dimension).in_(select(m.name, m.dimension).where(m.name == self.embed_name))

    def _index_vectors(self) -> None:
        """Build the index over vectors that have become many, before they are searched."""
        v = schema.vectors.c
        for dimension, count in self._rows(select(v.dimension, func.count()).group_by(v.dimension)):
            indexable = comparable(dimension)
            if count < INDEXED_FROM or indexable is None:
                continue
            kind = "vector" if type(indexable[1]).__name__ == "VECTOR" else "halfvec"
            build = text(
                f"CREATE INDEX IF NOT EXISTS vectors_near_{dimension:d} ON {schema.SCHEMA}.vectors"
                f" USING hnsw ((vector::{kind}({dimension:d})) {kind}_cosine_ops) WHERE dimension = {dimension:d}"
            )
            with self._writing() as do:
                do(lambda c: c.execute(text("SET LOCAL maintenance_work_mem = '512MB'")))
                do(partial(_executed, statement=build))

    # --- What a question needs -----------------------------------------------------------------------------------

    async def search(
        self, text: str, embedding: Sequence[float] | None, *, collections: frozenset[str], top_k: int
    ) -> Hits:
        """Passages inside ``collections``, found by their words and by their vectors in one transaction."""

        async def searched() -> Hits:
            async with asyncio.timeout(PATIENCE), self._engine.connect() as connection:
                # At the usual level each statement would see what others have committed by then.
                await connection.execution_options(isolation_level="REPEATABLE READ")
                near = self._near(embedding, collections, top_k)
                return Hits(
                    await _found(connection, _sharing_words(text, collections, top_k)), await _found(connection, near)
                )

        with self._speaking_plainly():
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(searched(), self._loop))

    def _near(self, embedding: Sequence[float] | None, collections: frozenset[str], top_k: int) -> Executable | None:
        """What asks for the passages nearest to a vector; None where there is nothing to ask."""
        try:
            wanted = normalised(() if embedding is None else embedding)
        except ValueError:
            return None
        return by_vector(wanted, self.embed_name, collections, top_k) if top_k > 0 else None

    def warm(self) -> None:
        """Have the server read the vectors' index, by a first search."""
        dimension = self.generation().dimension
        if dimension:
            held = [name for (name,) in self._rows(select(schema.collections.c.name))]
            self._rows(by_vector(normalised([1.0] * dimension), self.embed_name, held, 1))

    # --- Connections ---------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Give back every connection and end the store's thread."""
        if not self._loop.is_closed():
            self._wait(self._engine.dispose())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def _wait(self, work: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    @contextmanager
    def _connected(self) -> Generator[_Do]:
        """One session, in which steps are done one after the other; what is not committed is undone."""

        async def start() -> AsyncConnection:
            return await self._engine.connect()

        async def done(step: _Step) -> Any:
            return await step(connection)

        with self._speaking_plainly():
            connection = self._wait(start())
            try:
                yield lambda step: self._wait(done(step))
            finally:
                self._wait(connection.close())

    @contextmanager
    def _writing(self) -> Generator[_Do]:
        """All of it or, after any error or a crash, nothing."""
        with self._connected() as do:
            yield do
            do(AsyncConnection.commit)

    def _rows(self, statement: Executable) -> list[Any]:
        async def rows(connection: AsyncConnection) -> list[Any]:
            return list((await connection.execute(statement)).all())

        with self._connected() as do:
            found: list[Any] = do(rows)
            return found

    @contextmanager
    def _speaking_plainly(self) -> Generator[None]:
        try:
            yield
        except (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            named = f"{self._engine.url.database} on {self._engine.url.host or 'a socket'}"
            raise StoreUnusable(f"The database {named} {complaint(error)}") from error


def complaint(error: BaseException) -> str:
    """What the server refuses, and what to do about it; never in its own words, which may quote a document."""
    state = _sqlstate(error)
    if not state:
        return _UNREACHED
    return _COMPLAINTS.get(state) or _COMPLAINTS.get(state[:2]) or _OTHERWISE.format(state=state)


_UNREACHED: Final = "cannot be reached: check STORE_URL, and that the server is running."
_OTHERWISE: Final = "failed (code {state}): the server's log says more."
_COMPLAINTS: Final = {
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


def _sqlstate(error: BaseException | None) -> str:
    """The code the server gave, looked for in what wraps what."""
    while error is not None:
        state = getattr(error, "sqlstate", None)
        if isinstance(state, str):
            return state
        error = getattr(error, "orig", None) or error.__cause__
    return ""


def _settle_session(connection: DBAPIConnection, _record: object) -> None:
    """Choose how a new session searches: filtered searches go on until there is enough; plans fit their values."""

    async def settle(raw: Any) -> None:
        await raw.execute(_WAYS)

    connection.run_async(settle)


def _sharing_words(text: str, collections: frozenset[str], top_k: int) -> Executable | None:
    """What asks for the passages that share words with a text; None where there is nothing to ask."""
    wanted = terms(text)[:TERM_LIMIT]
    return by_keywords(wanted, collections, top_k) if wanted and top_k > 0 else None


async def _found(connection: AsyncConnection, statement: Executable | None) -> list[NodeWithScore]:
    rows = [] if statement is None else (await connection.execute(statement)).all()
    return [NodeWithScore(node=node_of(Row(*columns)), score=float(score)) for *columns, score in rows]


async def _executed(connection: AsyncConnection, statement: Executable) -> None:
    await connection.execute(statement)


async def _copied(
    connection: AsyncConnection,
    table: str,
    columns: Sequence[str],
    records: Sequence[tuple[Any, ...]],
    within: str | None = None,
) -> None:
    raw: Any = (await connection.get_raw_connection()).driver_connection
    await raw.copy_records_to_table(table, columns=list(columns), records=records, schema_name=within)


def _insert(do: _Do, nodes: Iterable[TextNode]) -> None:
    do(lambda c: c.execute(text(schema.ARRIVING_NODES)))
    for batch in batched(nodes):
        records = [_arriving(row_of(node)) for node in batch]
        do(partial(_copied, table="arriving_nodes", columns=_ARRIVING, records=records))
    do(lambda c: c.execute(text(schema.SETTLED_NODES)))


def _arriving(row: Row) -> tuple[Any, ...]:
    title, section, below = (folded(words) for words in row.words())
    above = f"{title} {section}"
    return (*row.values(), above, below, len(above.split()) + len(below.split()))


async def _keep(connection: AsyncConnection, model: str, rows: Mapping[str, NDArray[np.float32]]) -> None:
    for dimension in {row.size for row in rows.values()}:
        named = insert(schema.models).values(name=model, dimension=dimension)
        await connection.execute(named.on_conflict_do_update(index_elements=["name"], set_={"dimension": dimension}))
        await connection.execute(text(schema.ARRIVING_VECTORS))
        records = [(passage, row.tolist()) for passage, row in rows.items()]
        await _copied(connection, "arriving_vectors", ("passage", "vector"), records)
        await connection.execute(text(schema.SETTLED_VECTORS), {"model": model, "dimension": dimension})


async def _commit_generation(connection: AsyncConnection, model: str) -> None:
    """Count on; from now on the vectors of this model are searched, if it is one."""
    g, m = schema.generation, schema.models.c
    await connection.execute(update(g).values(number=g.c.number + 1, built=datetime.now(UTC).replace(microsecond=0)))
    if model != NO_EMBEDDING:
        dimension = func.coalesce(select(m.dimension).where(m.name == model).scalar_subquery(), 0)
        await connection.execute(update(g).values(model=model, dimension=dimension))
    await connection.execute(delete(schema.collections))
    await connection.execute(text(schema.COUNTED_COLLECTIONS))


async def _forget_spare_vectors(connection: AsyncConnection) -> None:
    """Note which vectors are out of use, and since when; of more than are to be kept, forget the longest unneeded."""
    v, s, g, m = schema.vectors, schema.spare, schema.generation.c, schema.models

    def key(table: Table) -> tuple[ColumnElement[Any], ...]:
        return table.c.passage, table.c.model, table.c.dimension

    def is_needed(table: Table) -> ColumnElement[bool]:
        has_passage = select(schema.nodes.c.passage).where(schema.nodes.c.passage == table.c.passage).exists()
        return has_passage & select(g.number).where(g.model == table.c.model, g.dimension == table.c.dimension).exists()

    def alike(one: Table, other: Table) -> ColumnElement[bool]:
        return and_(*(a == b for a, b in zip(key(one), key(other), strict=True)))

    await connection.execute(delete(s).where(is_needed(s)))
    number = select(g.number).scalar_subquery()
    unneeded = select(*key(v), number).where(~is_needed(v))
    await connection.execute(insert(s).from_select(list(s.c.keys()), unneeded).on_conflict_do_nothing())
    nodes = await connection.scalar(select(func.count()).select_from(schema.nodes)) or 0
    surplus = select(*key(s)).order_by(s.c.since.desc(), *key(s)).offset(max(nodes, SPARE_LEAST))
    await connection.execute(delete(v).where(tuple_(*key(v)).in_(surplus)))
    await connection.execute(delete(s).where(~select(v.c.passage).where(alike(v, s)).exists()))
    await connection.execute(delete(m).where(~select(v.c.model).where(v.c.model == m.c.name).exists()))


async def _cut_words_anew(connection: AsyncConnection) -> None:
    """Fill the keyword index from the passages where questions are cut otherwise now than when it was filled."""
    g = schema.generation
    if await connection.scalar(select(g.c.segmentation)) == SEGMENTATION:
        return
    await connection.execute(text(schema.ARRIVING_NODES))
    rows = (await connection.execute(select(*COLUMNS))).all()
    for batch in batched(rows):
        await _copied(connection, "arriving_nodes", _ARRIVING, [_arriving(Row(*columns)) for columns in batch])
    await connection.execute(text(schema.RECUT_WORDS))
    await connection.execute(update(g).values(segmentation=SEGMENTATION))
