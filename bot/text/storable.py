"""Makes any text storable in a database."""

from __future__ import annotations


def replace_unstorable(text: str) -> str:
    """Replace lone surrogates and NUL, which SQLite and PostgreSQL refuse."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
