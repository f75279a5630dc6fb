"""A folder of files goes in; Documents of Markdown come out, each knowing its path, title, page and address.

Whatever is wrong with one file is said about that file, as a DocumentUnreadable. Reading depends on nothing but the
file, and takes place in a child process with limits; pdfium is not made for threads, so it reads in one at a time.
"""

from __future__ import annotations

from bot.knowledge.readers.documents import READING, known_suffix, listed, read
from bot.knowledge.readers.page import TEXT_LIMIT, cleaned, readable_stem
from bot.knowledge.sources.folder import SIZE_LIMIT, Found, collections_in, read_bytes

__all__ = [
    "READING",
    "SIZE_LIMIT",
    "TEXT_LIMIT",
    "Found",
    "cleaned",
    "collections_in",
    "known_suffix",
    "listed",
    "read",
    "read_bytes",
    "readable_stem",
]
