"""Schema of the SQLite index, and messages for its errors."""

from __future__ import annotations

import logging
import os
import sqlite3
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Final

from bot.errors import StoreUnusable
from bot.knowledge.stores.store import batched
from bot.text.search_terms import ANALYZER_VERSION, index_text

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

_VERSION: Final = 3
_ENOSPC: Final = 28

_SCHEMA = """
CREATE TABLE IF NOT EXISTS generation (
    number INTEGER NOT NULL, model TEXT NOT NULL, dimension INTEGER NOT NULL, segmentation TEXT NOT NULL,
    built TEXT NOT NULL
);
INSERT INTO generation SELECT 0, 'none', 0, '', '' WHERE NOT EXISTS (SELECT 1 FROM generation);
CREATE TABLE IF NOT EXISTS documents (id TEXT PRIMARY KEY, hash TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS nodes (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    document TEXT NOT NULL,
    collection TEXT NOT NULL,
    passage TEXT NOT NULL,
    title TEXT NOT NULL,
    section TEXT NOT NULL,
    text TEXT NOT NULL,
    others TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS nodes_by_document ON nodes (document);
CREATE INDEX IF NOT EXISTS nodes_by_passage ON nodes (passage, collection);
CREATE TABLE IF NOT EXISTS models (name TEXT PRIMARY KEY, dimension INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS vectors (
    passage TEXT NOT NULL,
    model TEXT NOT NULL,
    dimension INTEGER NOT NULL,
    vector BLOB NOT NULL,
    PRIMARY KEY (passage, model, dimension)
);
CREATE TABLE IF NOT EXISTS spare (
    passage TEXT NOT NULL,
    model TEXT NOT NULL,
    dimension INTEGER NOT NULL,
    since INTEGER NOT NULL,
    PRIMARY KEY (passage, model, dimension)
) WITHOUT ROWID;
CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5 (title, section, text, tokenize='porter unicode61');
"""

_log = logging.getLogger(__name__)


def prepare_schema(connection: sqlite3.Connection, path: Path) -> None:
    """Create the tables unless they exist, and rebuild the keyword index if the analyzer changed, in one transaction.

    Raises:
        StoreUnusable: they are of another version.
    """
    connection.execute("BEGIN IMMEDIATE")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version not in {0, _VERSION}:  # 0 is a new file
        raise StoreUnusable(
            f"The index {path.name} was written by another version of Docent; move it away and run reindex."
        )
    _execute_all(connection, _SCHEMA)
    (segmentation,) = connection.execute("SELECT segmentation FROM generation").fetchone()
    if segmentation != ANALYZER_VERSION:
        _rebuild_keyword_index(connection, path)
    connection.execute(f"PRAGMA user_version = {_VERSION}")
    connection.execute("COMMIT")


def create_file(path: Path) -> Path:
    """Create a file that only its owner can read, unless it exists, and return its path.

    A file that exists is not touched: to open and close it here would undo the locks that SQLite's own connections
    in this process hold on it, and another process could then overwrite what they rely on.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    return path


def describe_error(error: sqlite3.Error | OSError) -> str:
    """Say what is wrong with the file, and what to do about it."""
    name = str(getattr(error, "sqlite_errorname", ""))
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return "is damaged."
    if name.startswith("SQLITE_FULL") or getattr(error, "errno", None) == _ENOSPC:
        return "cannot be written: the disk is full. Free some space; nothing needs to be restarted."
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return "is being written by another process: try again when that has ended."
    if name.startswith("SQLITE_ERROR"):
        return "is not an index of this version: move it away and run reindex."
    return (
        "cannot be opened or written: check that its folder exists and that this user may write to it; nothing needs to"
        " be restarted."
    )


def is_damage(error: BaseException) -> bool:
    """Whether an error says that the file itself is damaged."""
    return str(getattr(error, "sqlite_errorname", "")).startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB"))


def move_aside(path: Path, now: datetime) -> Path:
    """Rename a damaged database and the files that belong to it, and return its new path.

    Raises:
        OSError: It cannot be renamed.
    """
    target = path.with_name(f"{path.name}.damaged-{now:%Y%m%d-%H%M%S-%f}")
    path.rename(target)
    for suffix in ("-wal", "-shm"):
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(target.with_name(target.name + suffix))
    return target


def copy_readable_vectors(source: Path, target: sqlite3.Connection) -> int:
    """Copy the vectors that can still be read from a damaged index, because they were paid for; return their number."""
    copied = 0
    with suppress(sqlite3.Error), closing(sqlite3.connect(source)) as connection:
        models = connection.execute("SELECT name, dimension FROM models").fetchall()
        rows = connection.execute("SELECT passage, model, dimension, vector FROM vectors")
        target.execute("BEGIN IMMEDIATE")
        try:
            target.executemany("INSERT OR IGNORE INTO models VALUES (?, ?)", models)
            for batch in batched(rows):
                target.executemany("INSERT OR IGNORE INTO vectors VALUES (?, ?, ?, ?)", batch)
                copied += len(batch)
        finally:
            target.execute("COMMIT")
    return copied


def _rebuild_keyword_index(connection: sqlite3.Connection, path: Path) -> None:
    """Fill the keyword index from the passages, with the present analyzer."""
    (nodes,) = connection.execute("SELECT count(*) FROM nodes").fetchone()
    if nodes:
        _log.info(
            "%s: rebuilding the keyword index of %d passages for this version; vectors are kept",
            path.name,
            nodes,
        )
    connection.execute("DELETE FROM words")
    rows = connection.execute("SELECT number, title, section, text FROM nodes ORDER BY number")
    for batch in batched(rows):
        connection.executemany(
            "INSERT INTO words (rowid, title, section, text) VALUES (?, ?, ?, ?)",
            [(number, *map(index_text, texts)) for number, *texts in batch],
        )
    connection.execute("UPDATE generation SET segmentation = ?", (ANALYZER_VERSION,))


def _execute_all(connection: sqlite3.Connection, script: str) -> None:
    """Execute statements one by one inside the open transaction, which ``executescript`` would end."""
    for statement in script.split(";\n"):
        connection.execute(statement)
