"""Opens the index: an SQLite file or a PostgreSQL database."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from bot.errors import StoreUnusable

if TYPE_CHECKING:
    from bot.knowledge.stores.store import Store

FILE_NAME: Final = "index.sqlite"
"""Name of the index's file in the state folder."""


def open_store(location: Path | str, embed_name: str) -> Store:
    """Open the store at the path of an SQLite file, or at the URL of a PostgreSQL database.

    Raises:
        StoreUnusable: it cannot be opened, or its driver is not installed.
    """
    if isinstance(location, Path):
        from bot.knowledge.stores.sqlite import SqliteStore  # noqa: PLC0415  # each store loads only its own driver

        return SqliteStore(location, embed_name)
    if not location.startswith("postgresql+asyncpg://"):
        raise StoreUnusable("The address of a PostgreSQL database begins with postgresql+asyncpg://.")
    try:
        from bot.knowledge.stores.postgres import PostgresStore  # noqa: PLC0415  # as above
    except ImportError as error:
        raise StoreUnusable(
            "STORE_URL names a PostgreSQL database, but its driver is not installed: add --extra postgres."
        ) from error
    return PostgresStore(location, embed_name)
