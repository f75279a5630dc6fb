"""Bytes of a file in, Documents out, each with its document's path, title, page and address.

A file that cannot be read raises DocumentUnreadable with the reason. Reading depends on nothing but the bytes and the
name, and takes place in a child process with limits; pdfium is not thread-safe, so one thread reads at a time.
"""

from __future__ import annotations

from bot.knowledge.readers.documents import NOTE, READER_VERSION, known_suffix, read_document
from bot.knowledge.readers.page import LEFT_OUT, TEXT_LIMIT, clean_text, title_from_path

__all__ = [
    "LEFT_OUT",
    "NOTE",
    "READER_VERSION",
    "TEXT_LIMIT",
    "clean_text",
    "known_suffix",
    "read_document",
    "title_from_path",
]
