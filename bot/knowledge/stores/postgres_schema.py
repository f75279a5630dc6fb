"""The index's tables in a PostgreSQL database: one schema of their own, beside whatever else lives there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pgvector.sqlalchemy import VECTOR
from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Float,
    Identity,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import TSVECTOR, insert

from bot.errors import StoreUnusable
from bot.knowledge.stores.store import NO_EMBEDDING
from bot.text.search_terms import ANALYZER_VERSION

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

SCHEMA: Final = "docent"
VERSION: Final = 2
INGESTION_LOCK_ID: Final = 0x646F63656E74
"""The advisory lock that one ingestion holds: "docent" in ASCII."""

_metadata = MetaData(schema=SCHEMA)

generation = Table(
    "generation",
    _metadata,
    Column("number", BigInteger, nullable=False),
    Column("model", Text, nullable=False),
    Column("dimension", Integer, nullable=False),
    Column("segmentation", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("built", DateTime(timezone=True)),
)
documents = Table("documents", _metadata, Column("id", Text, primary_key=True), Column("hash", Text, nullable=False))
nodes = Table(
    "nodes",
    _metadata,
    Column("number", BigInteger, Identity(), primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    *(
        Column(name, Text, nullable=False)
        for name in ("document", "collection", "passage", "title", "section", "text", "others")
    ),
    Column("words", TSVECTOR, nullable=False),
    Column("length", Integer, nullable=False),
    Index("nodes_by_document", "document"),
    Index("nodes_by_passage", "passage", "collection"),
    Index("nodes_by_collection", "collection"),
    # New words go straight into the index: a list of pending ones would be read through by every question.
    Index("nodes_by_words", "words", postgresql_using="gin", postgresql_with={"fastupdate": "off"}),
)
collections = Table(
    "collections",
    _metadata,
    Column("name", Text, primary_key=True),
    Column("nodes", BigInteger, nullable=False),
    Column("length", Float, nullable=False),
)
models = Table(
    "models", _metadata, Column("name", Text, primary_key=True), Column("dimension", Integer, nullable=False)
)
vectors = Table(
    "vectors",
    _metadata,
    Column("passage", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("dimension", Integer, primary_key=True),
    Column("vector", VECTOR(), nullable=False),
)

unused_vectors = Table(
    "spare",
    _metadata,
    Column("passage", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("dimension", Integer, primary_key=True),
    Column("since", BigInteger, nullable=False),
)

# The stemmer of FTS5, and nothing else: what a word is and which are left out was decided before, in one place for
# every store.
_CREATE_TEXT_SEARCH = """
CREATE TEXT SEARCH DICTIONARY docent.porter (TEMPLATE = pg_catalog.snowball, Language = porter);
CREATE TEXT SEARCH CONFIGURATION docent.words (COPY = pg_catalog.simple);
ALTER TEXT SEARCH CONFIGURATION docent.words ALTER MAPPING FOR asciiword, word, numword WITH docent.porter
"""

# Rows are copied into tables of the session's own first: COPY is the quickest way in, and takes plain types only.
CREATE_STAGING_NODES: Final = """
CREATE TEMPORARY TABLE IF NOT EXISTS arriving_nodes (
    place BIGINT GENERATED ALWAYS AS IDENTITY,
    id TEXT, document TEXT, collection TEXT, passage TEXT, title TEXT, section TEXT, text TEXT, others TEXT,
    above TEXT, below TEXT, length INTEGER
) ON COMMIT DELETE ROWS
"""
CREATE_STAGING_VECTORS: Final = """
CREATE TEMPORARY TABLE IF NOT EXISTS arriving_vectors (passage TEXT, vector REAL[]) ON COMMIT DELETE ROWS
"""
INSERT_STAGED_NODES: Final = """
INSERT INTO docent.nodes (id, document, collection, passage, title, section, text, others, words, length)
SELECT id, document, collection, passage, title, section, text, others,
    setweight(to_tsvector('docent.words', above), 'A') || to_tsvector('docent.words', below), length
FROM arriving_nodes ORDER BY place
"""
INSERT_STAGED_VECTORS: Final = """
INSERT INTO docent.vectors SELECT passage, :model, :dimension, vector::vector FROM arriving_vectors
ON CONFLICT (passage, model, dimension) DO UPDATE SET vector = excluded.vector
"""
REBUILD_WORDS: Final = """
UPDATE docent.nodes SET length = arriving_nodes.length,
    words = setweight(to_tsvector('docent.words', above), 'A') || to_tsvector('docent.words', below)
FROM arriving_nodes WHERE nodes.id = arriving_nodes.id
"""
COUNT_COLLECTIONS: Final = """
INSERT INTO docent.collections SELECT collection, count(*), sum(length) FROM docent.nodes GROUP BY collection
"""


async def prepare_schema(connection: AsyncConnection) -> None:
    """Create the schema, its tables and its text search configuration, unless they exist.

    Raises:
        StoreUnusable: they are of another version.
    """
    await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": INGESTION_LOCK_ID + 1})
    if await connection.scalar(text("SELECT to_regclass(:name) IS NULL"), {"name": f"{SCHEMA}.generation"}):
        await connection.execute(text("CREATE EXTENSION IF NOT EXISTS vector"))
        await connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
        for statement in _CREATE_TEXT_SEARCH.split(";"):
            await connection.execute(text(statement))
        await connection.run_sync(_metadata.create_all)
        first = {
            "number": 0,
            "model": NO_EMBEDDING,
            "dimension": 0,
            "segmentation": ANALYZER_VERSION,
            "version": VERSION,
        }
        await connection.execute(insert(generation).values(first))
    version = await connection.scalar(select(generation.c.version))
    if version != VERSION:
        raise StoreUnusable(
            f"The schema {SCHEMA} of STORE_URL's database was written by another version of Docent;"
            " rename it and run reindex."
        )
