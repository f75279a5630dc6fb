"""A folder of files goes in; Documents of Markdown come out, each knowing its path, title, page and address.

Whatever is wrong with one file is said about that file, as a DocumentUnreadable. Reading depends on nothing but the
file, and takes place in a child process with limits; pdfium is not made for threads, so it reads in one at a time.
"""

from __future__ import annotations

from bot.knowledge.readers.documents import READER_VERSION, known_suffix, list_known_files, read
from bot.knowledge.readers.page import TEXT_LIMIT, clean_text, title_from_path
from bot.knowledge.sources.folder import SIZE_LIMIT, FileEntry, collections_in, read_bytes

__all__ = [
    "READER_VERSION",
    "SIZE_LIMIT",
    "TEXT_LIMIT",
    "FileEntry",
    "clean_text",
    "collections_in",
    "known_suffix",
    "list_known_files",
    "read",
    "read_bytes",
    "title_from_path",
]
