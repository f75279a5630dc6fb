"""Builds the statements that search by keywords or vector inside collections."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any, Final

from pgvector.sqlalchemy import HALFVEC, VECTOR
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Executable,
    Text,
    any_,
    bindparam,
    cast,
    literal,
    literal_column,
    select,
    text,
)

from bot.knowledge.stores.postgres_schema import generation, nodes, vectors
from bot.knowledge.stores.rows import FIELDS
from bot.knowledge.stores.store import TEXT_WEIGHT, TITLE_WEIGHT
from bot.text.storable import replace_unstorable

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import numpy as np
    from numpy.typing import NDArray

COLUMNS: Final = tuple(nodes.c[name] for name in FIELDS)

_MAX_VECTOR_DIMENSION, _MAX_HALFVEC_DIMENSION = 2_000, 4_000
"""Numbers in a vector that an HNSW index takes, at full and at half precision."""

# BM25 as FTS5 counts it. PostgreSQL's own rank knows neither how rare a word is nor, as it should, how long a passage
# is; but for one word alone it is the sum of 1/n² over its occurrences, times 6/π², from which their number is had
# back. A word's rarity is that inside the asker's collections: nobody learns from a score what others hold.
_KEYWORD_QUERY: Final = """
WITH wanted AS (
    SELECT quote_literal(lexeme)::tsquery AS query
    FROM unnest(tsvector_to_array(to_tsvector('docent.words', :wanted))) AS lexeme
), scope AS (
    SELECT sum(nodes) AS nodes, sum(length) / sum(nodes) AS length
    FROM docent.collections WHERE name = ANY(:collections)
), matched AS MATERIALIZED (
    SELECT number, words, length FROM docent.nodes
    WHERE words @@ (SELECT string_agg(query::text, ' | ')::tsquery FROM wanted) AND collection = ANY(:collections)
), ranked AS (
    SELECT number, length, query, everywhere,
        CASE WHEN everywhere > 0 THEN ts_rank('{0,0,0,1}', words, query) END AS above
    FROM matched CROSS JOIN wanted CROSS JOIN LATERAL ts_rank('{1,1,1,1}', words, query) AS everywhere
    WHERE everywhere > 0
), counted AS (
    SELECT number, length, count(*) OVER (PARTITION BY query) AS passages,
        :text_weight * round(6 / (pi() ^ 2 * greatest(1 - everywhere, 0.002)) - 0.5)
        + CASE WHEN above > 0
            THEN :title_weight * round(6 / (pi() ^ 2 * greatest(1 - above, 0.002)) - 0.5)
            ELSE 0 END AS often
    FROM ranked
), scored AS (
    SELECT number, sum(
        greatest(ln((scope.nodes - passages + 0.5) / (passages + 0.5)), 0.000001)
        * often * 2.2 / (often + 1.2 * (0.25 + 0.75 * counted.length / scope.length))
    ) AS score
    FROM counted CROSS JOIN scope GROUP BY number ORDER BY score DESC, number LIMIT :top_k
)
SELECT id, document, collection, passage, title, section, text, others, score
FROM scored JOIN docent.nodes USING (number) ORDER BY score DESC, number
"""


def build_keyword_query(terms: Sequence[str], collections: Collection[str], top_k: int) -> Executable:
    """Select the passages that share a term, with their BM25 score, best first."""
    wanted = bindparam("wanted", fold_accents(" ".join(terms)), Text)
    inside = bindparam("collections", [replace_unstorable(name) for name in collections], ARRAY(Text))
    return text(_KEYWORD_QUERY).bindparams(
        wanted, inside, top_k=top_k, text_weight=TEXT_WEIGHT, title_weight=TITLE_WEIGHT - TEXT_WEIGHT
    )


def build_vector_query(
    query_vector: NDArray[np.float32], model: str, collections: Collection[str], top_k: int
) -> Executable:
    """Select the passages nearest to a vector of length one, with their cosine, best first."""
    v, g = vectors.c, generation.c
    dimension = query_vector.size
    near, kind = build_index_expression(dimension) or (v.vector, VECTOR())
    distance: ColumnElement[Any] = near.op("<=>")(literal(query_vector.tolist(), kind))
    cosine = 1 - v.vector.cosine_distance(query_vector.tolist())
    is_searched = select(g.number).where(g.model == model, g.dimension == dimension).exists()
    return (
        select(*COLUMNS, cosine)
        .select_from(vectors.join(nodes, v.passage == nodes.c.passage))
        .where(v.dimension == literal_column(str(dimension)), v.model == model, is_searched)
        .where(is_in(nodes.c.collection, collections))
        .order_by(distance)
        .limit(top_k)
    )


def build_index_expression(dimension: int) -> tuple[ColumnElement[Any], VECTOR | HALFVEC] | None:
    """What an HNSW index is built over and searched by, for vectors of so many numbers; None where it takes none."""
    if dimension > _MAX_HALFVEC_DIMENSION:
        return None
    kind = VECTOR(dimension) if dimension <= _MAX_VECTOR_DIMENSION else HALFVEC(dimension)
    return cast(vectors.c.vector, kind), kind


def is_in(column: ColumnElement[str], values: Collection[str]) -> ColumnElement[bool]:
    """Whether the column holds one of the values, however many, as one bound parameter."""
    return column == any_(literal([replace_unstorable(value) for value in values], ARRAY(Text)))


def fold_accents(words: str) -> str:
    """Strip the accents of Latin letters, as FTS5 does."""
    if words.isascii():
        return words
    return "".join(unicodedata.normalize("NFD", sign)[0] if _is_latin(sign) else sign for sign in words)


def _is_latin(character: str) -> bool:
    return "\u00c0" <= character <= "\u024f" or "\u1e00" <= character <= "\u1eff"
